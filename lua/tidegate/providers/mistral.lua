return {
  slug = "mistral",
  name = "Mistral",
  wire = "mistral",
  base_url = "https://api.mistral.ai/v1",
  addresses = { ["openai-chat"] = "https://api.mistral.ai/v1" },
  env = "MISTRAL_API_KEY",
  -- Not trained on with a paid key; kept for 30 days for abuse monitoring.
  data_collection = "allow",
  zdr = false,
  about = {
    privacy_policy_url = "https://mistral.ai/terms/#privacy-policy",
    terms_of_service_url = "https://mistral.ai/terms/#terms-of-use",
    status_page_url = "https://status.mistral.ai/",
    headquarters = "FR",
  },
}
