return {
  slug = "openai",
  name = "OpenAI",
  wire = "openai-chat",
  base_url = "https://api.openai.com/v1",
  also = { "openai-responses" },
  wire_of = {
    -- Served by /responses alone, and by /chat/completions alone: what its models' pages say.
    ["*-pro"] = "openai-responses", ["*-pro-20*"] = "openai-responses", ["*codex*"] = "openai-responses",
    ["*-deep-research*"] = "openai-responses", ["computer-use-*"] = "openai-responses",
    ["gpt-audio*"] = "openai-chat", ["*-audio-preview*"] = "openai-chat", ["*-search-preview*"] = "openai-chat",
  },
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
