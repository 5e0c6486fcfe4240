return {
  slug = "cerebras",
  name = "Cerebras",
  wire = "openai-chat",
  base_url = "https://api.cerebras.ai/v1",
  env = "CEREBRAS_API_KEY",
  data_collection = "deny",
  zdr = true,
  about = {
    privacy_policy_url = "https://www.cerebras.ai/privacy-policy",
    terms_of_service_url = "https://www.cerebras.ai/terms-of-service",
    status_page_url = "https://status.cerebras.ai/",
    headquarters = "US",
  },
}
