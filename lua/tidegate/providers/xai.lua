return {
  slug = "xai",
  name = "xAI",
  wire = "openai-chat",
  base_url = "https://api.x.ai/v1",
  also = { "openai-responses" },
  addresses = { ["openai-responses"] = "https://api.x.ai/v1" },
  env = "XAI_API_KEY",
  -- Not trained on with a paid key; kept for 30 days for abuse monitoring.
  data_collection = "allow",
  zdr = false,
  about = {
    privacy_policy_url = "https://x.ai/legal/privacy-policy",
    terms_of_service_url = "https://x.ai/legal/terms-of-service-enterprise",
    status_page_url = "https://status.x.ai/",
    headquarters = "US",
  },
}
