-- The simulated providers of tidegate.lua: some fast, some slow, one of them small and soon full.
--
--     tidegate mock examples/policies/mock.lua
return {
  listen = "127.0.0.1:9001",
  tokens = 40,
  jitter = 0.2,
  at = {
    ["/own-gpu"]  = { ttft_ms = 100, tokens_per_s = 80, rate_503 = 0.1 },
    ["/eu-one"]   = { ttft_ms = 400, tokens_per_s = 60 },
    ["/eu-two"]   = { ttft_ms = 700, tokens_per_s = 50 },
    ["/us-fast"]  = { ttft_ms = 150, tokens_per_s = 300 },
    ["/us-cheap"] = { ttft_ms = 2500, tokens_per_s = 40 },
    ["/us-new"]   = { ttft_ms = 300, tokens_per_s = 120, rate_500 = 0.02 },
  },
}
