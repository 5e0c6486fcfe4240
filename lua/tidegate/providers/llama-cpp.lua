return {
  slug = "llama-cpp",
  name = "llama.cpp",
  wire = "openai-chat",
  base_url = "http://127.0.0.1:8081/v1",
  addresses = {
    ["openai-responses"] = "http://127.0.0.1:8081/v1",
    ["anthropic-messages"] = "http://127.0.0.1:8081",
  },
  key = false,
  -- Your own machine. llama-server listens on 8080 by default, as Tidegate does:
  -- start it with --port 8081.
  data_collection = "deny",
  zdr = true,
}
