return {
  slug = "cohere",
  name = "Cohere",
  wire = "cohere",
  base_url = "https://api.cohere.com",
  addresses = { ["openai-chat"] = "https://api.cohere.ai/compatibility/v1" },
  env = "COHERE_API_KEY",
  -- Trained on unless the account says no; kept for 30 days, unless there is an agreement.
  data_collection = "allow",
  zdr = false,
  about = {
    privacy_policy_url = "https://cohere.com/privacy",
    terms_of_service_url = "https://cohere.com/terms-of-use",
    status_page_url = "https://status.cohere.com/",
    headquarters = "CA",
  },
}
