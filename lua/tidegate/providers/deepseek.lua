return {
  slug = "deepseek",
  name = "DeepSeek",
  wire = "openai-chat",
  base_url = "https://api.deepseek.com/v1",
  addresses = { ["anthropic-messages"] = "https://api.deepseek.com/anthropic" },
  env = "DEEPSEEK_API_KEY",
  -- Its terms let it train on what is sent.
  data_collection = "allow",
  zdr = false,
  about = {
    privacy_policy_url = "https://cdn.deepseek.com/policies/en-US/deepseek-privacy-policy.html",
    terms_of_service_url = "https://cdn.deepseek.com/policies/en-US/deepseek-terms-of-use.html",
    status_page_url = "https://status.deepseek.com/",
    headquarters = "CN",
  },
}
