--- The real program in front of scripted providers, for whole-program specs.
--
--     local gw = gateway.start { providers = { a = port_a, b = port_b } }
--     ... http.post(gw.port, "/api/v1/chat/completions", body) ...
--     gw:stop()          -- asserts that it ended well and leaked nothing

local process = require "process"

local gateway = {}
local Gateway = {}
Gateway.__index = Gateway

--- The program under test: $TIDEGATE, else the sanitized build, else the plain one.
function gateway.program()
  local function exists(path)
    local f = io.open(path)
    if f then f:close() end
    return f ~= nil
  end
  local named = os.getenv "TIDEGATE"
  if named and named ~= "" then return named end
  return exists "build/asan/tidegate" and "build/asan/tidegate" or "build/tidegate"
end

function gateway.temp_dir()
  local name = os.tmpname()
  os.remove(name)
  assert(os.execute("mkdir -p " .. name) == 0 or true)
  return name
end

function gateway.write(path, text)
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
  return path
end

-- A Lua value as source text.
local function show(v)
  if type(v) == "table" then
    local out = {}
    for i, x in ipairs(v) do out[i] = show(x) end
    for k, x in pairs(v) do
      if type(k) ~= "number" then out[#out + 1] = ("[%q] = %s"):format(k, show(x)) end
    end
    return "{ " .. table.concat(out, ", ") .. " }"
  end
  return type(v) == "string" and ("%q"):format(v) or tostring(v)
end
gateway.show = show

-- A Lua value as JSON; lists are tables with [1], or `gateway.list{}`.
local LIST = {}
function gateway.list(t) return setmetatable(t, LIST) end

local function json(v)
  if type(v) == "table" then
    local out = {}
    if v[1] ~= nil or getmetatable(v) == LIST then
      for i, x in ipairs(v) do out[i] = json(x) end
      return "[" .. table.concat(out, ",") .. "]"
    end
    local keys = {}
    for k in pairs(v) do keys[#keys + 1] = k end
    table.sort(keys)
    for i, k in ipairs(keys) do out[i] = ("%q:%s"):format(k, json(v[k])) end
    return "{" .. table.concat(out, ",") .. "}"
  elseif type(v) == "string" then
    return '"' .. v:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
  elseif type(v) == "number" then
    return v % 1 == 0 and ("%d"):format(v) or ("%.14g"):format(v)
  end
  return tostring(v)
end
gateway.json = json

local PARAMETERS = { "temperature", "max_tokens", "tools", "tool_choice", "stop", "response_format",
  "seed", "top_p", "reasoning", "logprobs" }

--- A MODEL of a catalogue; `endpoints` are tables with a provider and whatever
-- is to differ from the ordinary.
function gateway.model(id, endpoints)
  local list = gateway.list {}
  for i, given in ipairs(endpoints) do
    local e = {
      upstream_model = "up-" .. given.provider, context_length = 100000,
      max_completion_tokens = 10000, quantization = "unknown",
      pricing = { prompt = "0.000001", completion = "0.000002" },
      supported_parameters = PARAMETERS,
    }
    for k, v in pairs(given) do e[k] = v end
    list[i] = e
  end
  return {
    id = id, canonical_slug = id, name = "Test: " .. id, created = 1700000000,
    context_length = 100000,
    architecture = { input_modalities = { "text" }, output_modalities = { "text" }, modality = "text->text",
      tokenizer = "Other" },
    pricing = { prompt = "0.000001", completion = "0.000002" }, endpoints = list,
  }
end

--- A catalogue of one model, "test/model", with an endpoint at each provider.
-- `endpoints[slug]` overrides an endpoint's fields; `models` are further MODELs.
function gateway.catalog(slugs, endpoints, models)
  local list = {}
  for i, slug in ipairs(slugs) do
    list[i] = { provider = slug }
    for k, v in pairs(endpoints and endpoints[slug] or {}) do list[i][k] = v end
  end
  local data = gateway.list { gateway.model("test/model", list) }
  for _, m in ipairs(models or {}) do data[#data + 1] = m end
  return json { data = data }
end

--- Start it.
-- @tparam table options
--   providers   slug -> port, or slug -> provider table (base_url filled from `port` and `below`, a path)
--   order       the slugs in catalogue order (default: sorted)
--   endpoints, models   see gateway.catalog
--   catalog     JSON text instead
--   config      further members of the configuration
--   files       path -> text of further files beside the configuration
--   env         environment variables
function gateway.start(options)
  local dir = gateway.temp_dir()
  local slugs = options.order
  if not slugs then
    slugs = {}
    for slug in pairs(options.providers) do slugs[#slugs + 1] = slug end
    table.sort(slugs)
  end
  local providers = {}
  for i, slug in ipairs(slugs) do
    local p = options.providers[slug]
    local t = { slug = slug, name = "Provider " .. slug:upper(), wire = "openai-chat", key = "key-of-" .. slug }
    if type(p) == "number" then p = { port = p } end
    for k, v in pairs(p) do t[k] = v end
    if t.port then t.base_url = ("http://127.0.0.1:%d%s"):format(t.port, t.below or "/v1") end
    t.port, t.below = nil, nil
    providers[i] = t
  end
  local config = {
    listen = "127.0.0.1:0", workers = 1, auth = "none", catalog = { "catalog.json" },
    providers = providers,
  }
  for k, v in pairs(options.config or {}) do config[k] = v end
  gateway.write(dir .. "/catalog.json", options.catalog or
    gateway.catalog(slugs, options.endpoints, options.models))
  gateway.write(dir .. "/tidegate.lua", "return " .. show(config) .. "\n")
  for path, text in pairs(options.files or {}) do
    local below = path:match "^(.*)/"
    if below then os.execute(("mkdir -p '%s/%s'"):format(dir, below)) end
    gateway.write(dir .. "/" .. path, text)
  end
  local self = setmetatable({ dir = dir, config_path = dir .. "/tidegate.lua" }, Gateway)
  self.process = process.start({ gateway.program(), "serve", self.config_path }, options.env)
  local ok, port = pcall(function()
    return self.process:expect("listening on http://[^:]+:(%d+)", 20)
  end)
  if not ok then
    self.process:stop()
    error(port, 2)
  end
  self.port = tonumber(port)
  return self
end

--- Change one of its files: "tidegate.lua" or "catalog.json".
-- @tparam string name
-- @tparam function change  old text -> new text
function Gateway:edit(name, change)
  local path = self.dir .. "/" .. name
  local f = assert(io.open(path, "rb"))
  local text = f:read "*a"
  f:close()
  gateway.write(path, change(text))
end

--- What it logged so far. Lines of one turn of its loop are written together
-- at the end of it, so the last may be a moment behind the answer.
function Gateway:log()
  repeat
    local before = #self.process.printed
    self.process:read(0.05)
  until #self.process.printed == before
  return self.process.printed
end

--- End it; it must exit with 0 (a sanitizer that found something does not).
function Gateway:stop()
  local status = self.process:stop()
  os.execute("rm -rf " .. self.dir)
  if status ~= 0 then
    error("the gateway ended with " .. tostring(status) .. ":\n" .. self.process.printed, 2)
  end
end

return gateway
