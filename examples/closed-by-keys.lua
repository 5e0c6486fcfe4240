-- For others than oneself: every client has a key, anybody may reach the port.
--
--     TIDEGATE_KEY_ALICE=... TIDEGATE_KEY_CI=... OPENAI_API_KEY=... \
--       tidegate serve examples/closed-by-keys.lua
--
-- Keys are any text of at least 8 characters; `openssl rand -hex 32` makes good
-- ones. They are kept as digests and never appear in logs.
local clients = { alice = "TIDEGATE_KEY_ALICE", ci = "TIDEGATE_KEY_CI" }

local keys = {}
for name, variable in pairs(clients) do
  local key = env(variable)
  if key then keys[#keys + 1] = { name = name, key = key } end
end

return {
  listen = "0.0.0.0:8080",
  auth = "keys",
  keys = keys,
  providers = { "openai", "groq", "deepinfra", "mistral" },
  limits = { body = 8 * 1024 * 1024 },
}
