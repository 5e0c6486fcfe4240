--- A gateway with its scripted providers, for the length of one function.
--
--     it("...", scene.with({ a = provider.good(), b = provider.good() }, options, function(s)
--       local r = s:chat { stream = true }
--       assert.equal(200, r.status)
--       assert.equal(1, #s.a.requests)
--     end))
--
-- Everything ends with the function, also when it fails, and the gateway must
-- then have ended with status 0: a sanitizer that found something fails the spec.

local net      = require("tidegate.core").net
local json     = require "cjson.safe"
local gateway  = require "gateway"
local http     = require "http"
local process  = require "process"
local provider = require "provider"

local scene = {}
local Scene = {}
Scene.__index = Scene

local function is_sanitized(program)
  local f = assert(io.open(program, "rb"))
  local bytes = f:read "*a"
  f:close()
  return bytes:find("__asan_init", 1, true) ~= nil
end

--- Is the program under test built with AddressSanitizer, whose quarantine
-- makes bounds on its memory meaningless?
function scene.is_sanitized()
  if scene.sanitized == nil then scene.sanitized = is_sanitized(gateway.program()) end
  return scene.sanitized
end

--- A directory of recorded or hostile inputs below $TIDEGATE_TEST_DATA; nil and
-- a visible notice when there is none.
function scene.data(path)
  local root = os.getenv "TIDEGATE_TEST_DATA"
  local full = root and root ~= "" and root .. "/" .. path
  local f = full and io.open(full)
  if f then
    f:close()
    return full
  end
  io.stderr:write(("NOTICE: %s is absent from TIDEGATE_TEST_DATA: not tested\n"):format(path))
end

--- The objects of a file that has one JSON text a line.
function scene.read_jsonl(path)
  local list = {}
  for line in io.lines(path) do
    if line ~= "" then list[#list + 1] = assert(json.decode(line)) end
  end
  return list
end

function scene.read_file(path)
  local f = assert(io.open(path, "rb"))
  local bytes = f:read "*a"
  f:close()
  return bytes
end

-- ---- requests ----

--- A chat request's body: one message to test/model, and these members.
function scene.body(members)
  local body = { model = "test/model", messages = gateway.list { { role = "user", content = "hi" } } }
  for k, v in pairs(members or {}) do body[k] = v end
  if body.models then body.model = nil end
  return gateway.json(body)
end

--- Ask for a chat completion; the response as http.lua gives it, and besides
-- `json` (of a whole answer), `events` (decoded), `text` and `last` (of a stream).
function Scene:chat(members, headers, seconds)
  return scene.told(http.post(self.port, "/api/v1/chat/completions",
    type(members) == "string" and members or scene.body(members), headers, seconds))
end

--- What a response says, read as a chat client reads it.
function scene.told(r)
  if not (r.headers["content-type"] or ""):find "event%-stream" then
    r.json = json.decode(r.body)
    return r
  end
  r.events, r.done, r.finishes = {}, false, {}
  local data, comments = http.events(r.body)
  local texts = {}
  r.comments = comments
  for _, d in ipairs(data) do
    if r.done then error("something follows [DONE]: " .. d) end
    if d == "[DONE]" then
      r.done = true
    else
      local event = assert(json.decode(d), "an event that is no JSON: " .. d)
      r.events[#r.events + 1] = event
      local choice = event.choices[1] or {}
      local content = (choice.delta or {}).content
      if type(content) == "string" then texts[#texts + 1] = content end
      if type(choice.finish_reason) == "string" then r.finishes[#r.finishes + 1] = choice.finish_reason end
    end
  end
  r.text, r.last = table.concat(texts), r.events[#r.events]
  return r
end

--- The endpoints of a model as the gateway lists them, by the provider's name.
function Scene:endpoints(model)
  local r = http.get(self.port, "/api/v1/models/" .. (model or "test/model") .. "/endpoints")
  local by_name = {}
  for _, e in ipairs(json.decode(r.body).data.endpoints) do by_name[e.provider_name] = e end
  return by_name
end

--- Kilobytes of memory that the gateway's process holds now.
function Scene:rss_kb()
  local f = assert(io.open("/proc/" .. self.gateway.process.pid .. "/status"))
  local text = f:read "*a"
  f:close()
  return tonumber(text:match "VmRSS:%s*(%d+)")
end

--- How many file descriptors it holds.
function Scene:open_files()
  local p = io.popen("ls /proc/" .. self.gateway.process.pid .. "/fd | wc -l")
  local n = tonumber(p:read "*a")
  p:close()
  return n
end

--- Wait until a condition holds; false when it does not within `seconds`.
function scene.eventually(seconds, holds)
  local by = net.now() + seconds
  repeat
    if holds() then return true end
    net.sleep(0.005)
  until net.now() > by
  return false
end

--- Run these functions beside each other until all have returned; their
-- results in order. The first failure is raised.
function scene.together(functions)
  local results, failure, running = {}, nil, #functions
  for i, fn in ipairs(functions) do
    net.spawn(function()
      local ok, value = pcall(fn, i)
      if ok then results[i] = value else failure = failure or value end
      running = running - 1
    end)
  end
  while running > 0 do net.sleep(0.005) end
  if failure then error(failure, 0) end
  return results
end

--- Call fn(job) for every job, `count` of them at a time.
function scene.each(jobs, count, fn)
  local at, tasks = 0, {}
  for i = 1, count do
    tasks[i] = function()
      while at < #jobs do
        at = at + 1
        fn(jobs[at])
      end
    end
  end
  scene.together(tasks)
end

--- Call fn() again and again, in four tasks, while the gateway is told ten times to reload.
function Scene:while_reloading(fn)
  local is_over, tasks = false, {}
  for i = 1, 4 do
    tasks[i] = function()
      while not is_over do fn() end
    end
  end
  tasks[5] = function()
    for _ = 1, 10 do
      self.gateway.process:signal(process.HUP)
      net.sleep(0.05)
    end
    is_over = true
  end
  scene.together(tasks)
end

-- ---- life ----

local function start(providers, options)
  local s = setmetatable({ providers = {} }, Scene)
  local o = {}
  for k, v in pairs(options) do o[k] = v end
  o.providers = {}
  for slug, answer in pairs(providers) do
    if type(answer) == "function" then
      local p = provider.start(answer)
      s[slug], s.providers[#s.providers + 1] = p, p
      o.providers[slug] = p.port
    else
      o.providers[slug] = answer
    end
    for k, v in pairs((options.provider_fields or {})[slug] or {}) do
      if type(o.providers[slug]) == "number" then o.providers[slug] = { port = o.providers[slug] } end
      o.providers[slug][k] = v
    end
  end
  o.provider_fields = nil
  s.gateway = gateway.start(o)
  s.port = s.gateway.port
  return s
end

--- Run fn(scene) inside net.run.
-- @tparam table providers  slug -> answering function (see provider.lua), or
--   what gateway.start() takes for a provider
-- @tparam table options    of gateway.start(), and `provider_fields`: slug -> fields
function scene.run(providers, options, fn)
  local ok, failure, ended, why = true, nil, true, nil
  net.run(function()
    local s = start(providers, options or {})
    ok, failure = pcall(fn, s)
    if not ok and s.gateway then s.log_at_failure = s.gateway:log() end
    ended, why = pcall(s.gateway.stop, s.gateway)
    for _, p in ipairs(s.providers) do
      p:stop()
      if ok and p.failure then ok, failure = false, "a provider's script failed: " .. tostring(p.failure) end
    end
    if not ok and os.getenv "TIDEGATE_SPEC_LOG" then io.stderr:write(s.log_at_failure) end
  end)
  -- Raised out here, where busted knows an assertion from an accident.
  if not ended then error(why, 0) end
  if not ok then error(failure, 0) end
end

--- The same as a function for it().
function scene.with(providers, options, fn)
  return function() scene.run(providers, options, fn) end
end

return scene
