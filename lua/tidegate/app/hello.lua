--- What `serve` says when it listens: who joined, and a line to paste.

local json   = require("tidegate.core").json
local load   = require "tidegate.app.load"
local shapes = require "tidegate.api.shapes"

local hello = {}

-- 0.0.0.0 and [::] are for listening; who pastes the line sits at this machine.
local function reachable(address)
  return (address:gsub("^0%.0%.0%.0:", "127.0.0.1:"):gsub("^%[::%]:", "[::1]:"))
end

local function writes_text(model)
  -- Its parts may be the catalogue's own text: read what is written.
  local architecture = json.decode(json.encode(shapes.model(model).architecture))
  for _, mode in ipairs(architecture.output_modalities or {}) do
    if mode == "text" then return true end
  end
  return false
end

local function model_of(settings)
  for i = 1, (settings.catalog:count()) do
    local model = settings.catalog:model(i)
    if model.endpoints[1] and writes_text(model) then return model.id end
  end
end

--- Who joined, how much there is and who is let in, for the log.
function hello.summary(settings)
  local slugs = {}
  for i, provider in ipairs(settings.providers) do slugs[i] = provider.slug end
  return ("%s (%s); auth is %s"):format(load.counts(settings), table.concat(slugs, ", "), settings.auth)
end

--- Where it listens, for people and for scripts that wait for it.
function hello.url(address)
  return address:find("^unix:") and address or "http://" .. address
end

--- A curl command without a body.
function hello.curl(settings, address, path)
  local file = address:match("^unix:(.*)$")
  local where = file and ("--unix-socket %s http://localhost"):format(file) or "http://" .. reachable(address)
  return ("curl -N %s/api/v1%s%s"):format(where, path,
    settings.auth == "keys" and ' -H "Authorization: Bearer $TIDEGATE_KEY"' or "")
end

--- A chat to paste; nil when no model writes text.
function hello.chat(settings, address)
  local model = model_of(settings)
  return model and hello.curl(settings, address, "/chat/completions") .. (" -d '{\"model\": \"%s\", "
    .. '"stream": true, "messages": [{"role": "user", "content": "Hello, moon."}]}\''):format(model)
end

--- Where the SDKs' own variables point, a line each; nil where none of them can reach.
function hello.clients(address)
  if address:find "^unix:" then return nil end
  local url = "http://" .. reachable(address)
  return ("  OPENAI_BASE_URL=%s/v1\n  ANTHROPIC_BASE_URL=%s\n  GOOGLE_GEMINI_BASE_URL=%s\n"):format(url, url, url)
end

return hello
