return {
  slug = "groq",
  name = "Groq",
  wire = "openai-chat",
  base_url = "https://api.groq.com/openai/v1",
  addresses = { ["openai-responses"] = "https://api.groq.com/openai/v1" },
  env = "GROQ_API_KEY",
  -- Not trained on; may be kept for up to 30 days unless the account switched
  -- zero data retention on.
  data_collection = "allow",
  zdr = false,
  about = {
    privacy_policy_url = "https://groq.com/privacy-policy/",
    terms_of_service_url = "https://groq.com/terms-of-use/",
    status_page_url = "https://groqstatus.com/",
    headquarters = "US",
  },
}
