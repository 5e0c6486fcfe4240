return {
  slug = "anthropic",
  name = "Anthropic",
  wire = "anthropic-messages",
  base_url = "https://api.anthropic.com",
  addresses = { ["openai-chat"] = "https://api.anthropic.com/v1" },
  env = "ANTHROPIC_API_KEY",
  -- Not trained on; kept for 30 days, unless the organisation has an agreement.
  data_collection = "allow",
  zdr = false,
  about = {
    privacy_policy_url = "https://www.anthropic.com/legal/privacy",
    terms_of_service_url = "https://www.anthropic.com/legal/commercial-terms",
    status_page_url = "https://status.anthropic.com/",
    headquarters = "US",
  },
}
