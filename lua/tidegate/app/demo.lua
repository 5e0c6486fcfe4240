--- The gateway without a key: four simulated providers behind the real thing.

local core = require "tidegate.core"

local demo = {}

local address

local PROVIDERS = {
  { slug = "swift", name = "Swift" }, { slug = "steady", name = "Steady" },
  { slug = "thrift", name = "Thrift" }, { slug = "rusty", name = "Rusty" },
}

--- The configuration; the first call starts the providers, in this process.
-- @treturn ?table  as a configuration file would return it
function demo.config()
  if not address then
    local err
    address, err = core.thread("tidegate.app.mock.thread", "tidegate.app.mock.demo_script")
    if not address then return nil, err end
  end
  local providers = {}
  for i, p in ipairs(PROVIDERS) do
    providers[i] = { slug = p.slug, name = p.name, key = false, data_collection = "deny",
                     zdr = p.slug ~= "rusty", base_url = "http://" .. address .. "/" .. p.slug .. "/v1" }
  end
  return { providers = providers, catalog = { "tidegate:demo" } }
end

--- What to try, for a terminal: two commands to paste.
function demo.greeting(chat, endpoints)
  return ([[

No configuration and no provider keys: this is the demo. Four simulated providers
of different price, speed and reliability are behind the gateway. Try

  %s
  %s

Other models: demo/tide-large:nitro (fastest first), demo/tide-large:floor (cheapest
first), demo/tide-small. Set OPENAI_API_KEY, GROQ_API_KEY, ... for real ones, or
write a tidegate.lua: docs/configuration.md. With -H 'X-OpenRouter-Metadata: enabled'
the answer says which endpoints there were and why this one.

]]):format(chat, endpoints)
end

return demo
