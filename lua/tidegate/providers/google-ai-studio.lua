return {
  slug = "google-ai-studio",
  name = "Google AI Studio",
  wire = "gemini",
  base_url = "https://generativelanguage.googleapis.com",
  addresses = { ["openai-chat"] = "https://generativelanguage.googleapis.com/v1beta/openai" },
  env = "GEMINI_API_KEY",
  -- Trained on without billing; with billing kept for a while against abuse.
  data_collection = "allow",
  zdr = false,
  about = {
    privacy_policy_url = "https://policies.google.com/privacy",
    terms_of_service_url = "https://ai.google.dev/gemini-api/terms",
    status_page_url = "https://aistudio.google.com/status",
    headquarters = "US",
  },
}
