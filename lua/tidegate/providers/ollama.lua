return {
  slug = "ollama",
  name = "Ollama",
  wire = "openai-chat",
  base_url = "http://127.0.0.1:11434/v1",
  addresses = {
    ollama = "http://127.0.0.1:11434",
    ["openai-responses"] = "http://127.0.0.1:11434/v1",
    ["anthropic-messages"] = "http://127.0.0.1:11434",
  },
  key = false,
  -- Your own machine.
  data_collection = "deny",
  zdr = true,
}
