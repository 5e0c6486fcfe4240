return {
  slug = "openrouter",
  name = "OpenRouter",
  wire = "openai-chat",
  also = { "openai-responses", "anthropic-messages" },
  extensions = true,
  base_url = "https://openrouter.ai/api/v1",
  addresses = {
    ["openai-responses"] = "https://openrouter.ai/api/v1",
    ["anthropic-messages"] = "https://openrouter.ai/api",
  },
  env = "OPENROUTER_API_KEY",
  -- It keeps nothing itself by default; what the provider behind it does depends
  -- on the settings of the account.
  data_collection = "allow",
  zdr = false,
  about = {
    privacy_policy_url = "https://openrouter.ai/privacy",
    terms_of_service_url = "https://openrouter.ai/terms",
    status_page_url = "https://status.openrouter.ai/",
    headquarters = "US",
  },
}
