-- Models on one's own machines first, a provider behind them when they are down.
--
--     tidegate serve examples/local-models.lua
return {
  listen = "127.0.0.1:8080",
  auth = "none",
  catalog = { "local-models.json" },
  timeouts = { connect = 1, first_token = 60 },
  providers = {
    -- No key: none is sent. Plain http, because it is the operator who writes it.
    { slug = "ollama", name = "Ollama", base_url = "http://127.0.0.1:11434/v1", zdr = true },
    { slug = "gpu-box", name = "GPU box", base_url = "http://192.168.1.20:8000/v1", zdr = true },
    -- Left out unless the variable is set.
    { slug = "groq", key = env "GROQ_API_KEY" },
  },
}
