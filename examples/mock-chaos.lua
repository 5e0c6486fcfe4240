-- A script for `tidegate mock`: providers that fail in the ways providers fail.
--
--     tidegate mock examples/mock-chaos.lua
--     tidegate serve examples/demo.lua
return {
  listen = "127.0.0.1:9001",
  tokens = 40,
  at = {
    ["/good"] = { ttft_ms = 120, tokens_per_s = 120 },
    ["/busy"] = { ttft_ms = 80, rate_429 = 0.5, retry_after = 1 },
    ["/odd"]  = { reasoning = 12, usage = "finish", done = false, crlf = true },
    ["/bad"]  = {
      -- Every third request, by hand: half an answer, and then nothing.
      on_request = function(request)
        if request.number % 3 ~= 0 then return nil end
        local half = 'data: {"choices":[{"index":0,"delta":{"content":"half"}}]}\n\n'
        return { chunks = { half, 0.2 }, finally = "reset" }
      end,
    },
  },
}
