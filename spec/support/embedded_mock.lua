--- The script of a mock that runs in a thread of the spec: for clients that block.
--
--     local address = core.thread("tidegate.app.mock.thread", "embedded_mock")

return {
  listen = "127.0.0.1:0",
  ttft_ms = 1, tokens_per_s = 100000, tokens = 20,
}
