-- The gateway in front of the simulated providers of examples/mock-chaos.lua.
local mock = "http://127.0.0.1:9001"

return {
  listen = "127.0.0.1:8080",
  auth = "none",
  catalog = { "demo.json" },
  providers = {
    { slug = "good", name = "Good", base_url = mock .. "/good/v1" },
    { slug = "busy", name = "Busy", base_url = mock .. "/busy/v1" },
    { slug = "odd", name = "Odd", base_url = mock .. "/odd/v1" },
    { slug = "bad", name = "Bad", base_url = mock .. "/bad/v1" },
  },
}
