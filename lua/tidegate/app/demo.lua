--- The gateway without a key: four simulated providers behind the real thing.

local core = require "tidegate.core"

local demo = {}

local address

local PROVIDERS = {
  { slug = "swift", name = "Swift", wire = "openai-responses", below = "/v1" },
  { slug = "steady", name = "Steady", wire = "anthropic-messages", below = "" },
  { slug = "thrift", name = "Thrift", wire = "gemini", below = "" },
  { slug = "rusty", name = "Rusty", wire = "openai-chat", below = "/v1" },
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
                     zdr = p.slug ~= "rusty", wire = p.wire,
                     base_url = "http://" .. address .. "/" .. p.slug .. p.below }
  end
  return { providers = providers, catalog = { "tidegate:demo" } }
end

local CLIENTS = [[
Or point a program of yours here, whichever of these it knows, with any key and the
model demo/tide-large:

%s
]]

--- What to try, for a terminal: two commands to paste, and where SDKs are to be pointed.
function demo.greeting(chat, endpoints, clients)
  return ([[

No configuration and no provider keys: this is the demo. Four simulated providers
of different price, speed and reliability are behind the gateway, each spoken to in
a format of its own: OpenAI's two, Anthropic's, Google's. Try

  %s
  %s

%sOther models: demo/tide-large:nitro (fastest first), demo/tide-large:floor (cheapest
first), demo/tide-small. With -H 'X-OpenRouter-Metadata: enabled' the answer says
which endpoints there were and why this one.

Set OPENAI_API_KEY, ANTHROPIC_API_KEY, ... for real ones, or write a tidegate.lua:
docs/configuration.md. Bedrock, Vertex and Azure want a line there: docs/wires.

]]):format(chat, endpoints, clients and CLIENTS:format(clients) or "")
end

return demo
