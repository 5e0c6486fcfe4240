return {
  slug = "fireworks",
  name = "Fireworks",
  wire = "openai-chat",
  base_url = "https://api.fireworks.ai/inference/v1",
  env = "FIREWORKS_API_KEY",
  data_collection = "deny",
  zdr = true,
  about = {
    privacy_policy_url = "https://fireworks.ai/privacy-policy",
    terms_of_service_url = "https://fireworks.ai/terms-of-service",
    status_page_url = "https://status.fireworks.ai/",
    headquarters = "US",
  },
}
