--- The demo's providers: the same models at different prices, speeds and
-- reliability, so that routing has something to decide.

return {
  listen = "127.0.0.1:0",
  models = { "tide-large", "tide-small" },
  tokens = 60,
  at = {
    -- Dear and quick.
    ["/swift"]  = { ttft_ms = 90, tokens_per_s = 240, jitter = 0.2 },
    -- The one most people would take.
    ["/steady"] = { ttft_ms = 250, tokens_per_s = 110, jitter = 0.2 },
    -- Cheap, slow, busy at times.
    ["/thrift"] = { ttft_ms = 700, tokens_per_s = 45, jitter = 0.4, rate_429 = 0.1, retry_after = 2 },
    -- Cheapest, and broken in every way a fifth of the time.
    ["/rusty"]  = { ttft_ms = 400, tokens_per_s = 80, jitter = 0.5,
                    rate_500 = 0.08, rate_reset = 0.05, rate_bad = 0.03, rate_cut = 0.04 },
  },
}
