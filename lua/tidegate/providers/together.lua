return {
  slug = "together",
  name = "Together",
  wire = "openai-chat",
  base_url = "https://api.together.xyz/v1",
  env = "TOGETHER_API_KEY",
  data_collection = "deny",
  zdr = false,
  about = {
    privacy_policy_url = "https://www.together.ai/privacy",
    terms_of_service_url = "https://www.together.ai/terms-of-service",
    status_page_url = "https://status.together.ai/",
    headquarters = "US",
  },
}
