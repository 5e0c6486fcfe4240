return {
  slug = "openai",
  name = "OpenAI",
  wire = "openai-chat",
  base_url = "https://api.openai.com/v1",
  addresses = { ["openai-responses"] = "https://api.openai.com/v1" },
  env = "OPENAI_API_KEY",
  -- Not trained on; kept for 30 days for abuse monitoring, unless the organisation
  -- has zero data retention: say so in the configuration then.
  data_collection = "allow",
  zdr = false,
  about = {
    privacy_policy_url = "https://openai.com/policies/privacy-policy/",
    terms_of_service_url = "https://openai.com/policies/row-terms-of-use/",
    status_page_url = "https://status.openai.com/",
    headquarters = "US",
  },
}
