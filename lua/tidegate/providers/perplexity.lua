return {
  slug = "perplexity",
  name = "Perplexity",
  wire = "openai-chat",
  base_url = "https://api.perplexity.ai",
  env = "PERPLEXITY_API_KEY",
  data_collection = "deny",
  zdr = true,
  about = {
    privacy_policy_url = "https://www.perplexity.ai/hub/legal/perplexity-api-privacy-policy",
    terms_of_service_url = "https://www.perplexity.ai/hub/legal/perplexity-api-terms-of-service",
    status_page_url = "https://status.perplexity.com/",
    headquarters = "US",
  },
}
