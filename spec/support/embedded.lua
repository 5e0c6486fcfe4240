--- The gateway inside the spec: a client in front of scripted providers, all in one thread.
--
--     it("...", embedded.with({ a = provider.good() }, {}, function(s)
--       local r = assert(s.client:chat(s.request()))
--       assert.equal(1, #s.a.requests)
--     end))
--
-- At the end the client is closed and nothing of it may be alive. For every Lua: no ffi, and no
-- pcall around what waits.

local core     = require "tidegate.core"
local client   = require "tidegate.client"
local gateway  = require "gateway"
local provider = require "provider"

local net = core.net

local embedded = {}

local PATIENCE_S = 20

--- How a client waits where net.run() is the loop: it looks again and again.
embedded.loop = {
  start = function() end,
  stop = function() end,
  gate = function(c)
    return {
      wait = function()
        if c:poll(0) == 0 then net.sleep(0.001) end
      end,
      open = function() end,
    }
  end,
}

--- Wait until a condition holds; raises when it does not in time.
function embedded.eventually(holds, ...)
  local by = net.now() + PATIENCE_S
  while not holds(...) do
    if net.now() > by then error("it did not come true", 2) end
    net.sleep(0.001)
  end
end

--- How many threads of the gateway there are in this process: one, or none.
function embedded.threads()
  local pipe = io.popen(("cat /proc/%d/task/*/comm 2>/dev/null"):format(core.process.self()))
  local _, count = pipe:read("*a"):gsub("tidegate\n", "")
  pipe:close()
  return count
end

--- Kilobytes of memory that this process holds.
function embedded.rss_kb()
  local file = assert(io.open "/proc/self/status")
  local text = file:read "*a"
  file:close()
  return tonumber(text:match "VmRSS:%s*(%d+)")
end

--- Let the collector take everything that nobody has.
function embedded.collect()
  for _ = 1, 3 do collectgarbage() end
end

--- A chat request: one message to test/model, and these members.
function embedded.request(members)
  local request = { model = "test/model", messages = { { role = "user", content = "hi" } } }
  for name, value in pairs(members or {}) do request[name] = value end
  return request
end

--- A configuration as a table, with its catalogue in a file.
-- @tparam table ports  slug -> port
-- @tparam ?table options  `endpoints`, `models` of gateway.catalog(); `config`: further members;
--   `provider_fields`: slug -> further fields
-- @treturn table
-- @treturn string  the file, to be removed
function embedded.config(ports, options)
  options = options or {}
  local slugs, providers, path = {}, {}, os.tmpname()
  for slug in pairs(ports) do slugs[#slugs + 1] = slug end
  table.sort(slugs)
  for i, slug in ipairs(slugs) do
    providers[i] = { slug = slug, name = "Provider " .. slug:upper(), key = "key-of-" .. slug,
                     base_url = ("http://127.0.0.1:%d/v1"):format(ports[slug]) }
    for name, value in pairs((options.provider_fields or {})[slug] or {}) do providers[i][name] = value end
  end
  gateway.write(path, gateway.catalog(slugs, options.endpoints, options.models))
  local config = { providers = providers, catalog = { path } }
  for name, value in pairs(options.config or {}) do config[name] = value end
  return config, path
end

local Scene = {}
Scene.__index = Scene

--- Look until a condition holds, running callbacks.
function Scene:until_true(holds)
  embedded.eventually(function()
    self.client:poll(0)
    return holds()
  end)
end

local function start(s, answers, options)
  local ports = {}
  for slug, answer in pairs(answers) do
    s[slug] = provider.start(answer)
    ports[slug] = s[slug].port
  end
  s.config, s.catalog_path = embedded.config(ports, options)
  s.client = assert(client { config = s.config, loop = embedded.loop })
end

--- A function for it(): fn(scene) with `client`, and each provider by its slug.
-- @tparam table answers  slug -> answering function (see provider.lua)
-- @tparam ?table options  of embedded.config()
-- @tparam function fn
function embedded.with(answers, options, fn)
  return function()
    local s = setmetatable({ request = embedded.request }, Scene)
    local ok, why = pcall(net.run, function()
      start(s, answers, options)
      fn(s)
    end)
    if s.client then s.client:close() end
    if s.catalog_path then os.remove(s.catalog_path) end
    if not ok then error(why, 0) end
    for slug in pairs(answers) do
      if s[slug].failure then error("a provider's script failed: " .. tostring(s[slug].failure), 0) end
    end
    s.client = nil
    embedded.collect()
    assert(embedded.threads() == 0, "a thread of the gateway is alive at the end")
  end
end

return embedded
