return {
  slug = "vllm",
  name = "vLLM",
  wire = "openai-chat",
  base_url = "http://127.0.0.1:8000/v1",
  addresses = {
    ["openai-responses"] = "http://127.0.0.1:8000/v1",
    ["anthropic-messages"] = "http://127.0.0.1:8000",
  },
  key = false,
  -- Your own machine.
  data_collection = "deny",
  zdr = true,
}
