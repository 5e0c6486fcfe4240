return {
  slug = "deepinfra",
  name = "DeepInfra",
  wire = "openai-chat",
  base_url = "https://api.deepinfra.com/v1/openai",
  env = "DEEPINFRA_API_KEY",
  data_collection = "deny",
  zdr = true,
  about = {
    privacy_policy_url = "https://deepinfra.com/privacy",
    terms_of_service_url = "https://deepinfra.com/terms",
    status_page_url = "https://status.deepinfra.com/",
    headquarters = "US",
  },
}
