--- The gateway inside a Lua program.
--
--     local c = tidegate.client { config = "tidegate.lua" }
--     local r, err = c:chat { model = "openai/gpt-4.1-mini", messages = { ... } }
--     for delta in c:stream { ... } do io.write(delta.text) end
--     local h = c:chat_async({ ... }, { on_delta = f, on_done = g });  h:cancel()
--     c:poll(0)                                        once a frame: runs callbacks, never blocks
--
-- One thread per process does the work, whatever the number of clients; nothing here waits but
-- chat() and stream(), and how they wait is the loop's doing (lua/tidegate/loop/). Callbacks run
-- inside poll() and nowhere else. Bad news is nil, err: err.code, err.status, err.message,
-- err.attempts. docs/lua/client.md has it all.

local core     = require "tidegate.core"
local answers  = require "tidegate.flow.answers"
local error_of = require "tidegate.base.error"
local load     = require "tidegate.app.load"

local client_mt = { __name = "tidegate.client" }
client_mt.__index = client_mt

local handle_mt = { __name = "tidegate.handle" }
handle_mt.__index = handle_mt

-- States of each policy: one for the engine's thread, one for route().
local STATES = 2

-- ---- options ----

local OPTIONS = { config = "string or table", loop = "table", log = "string" }

local function check_options(options)
  if type(options) ~= "table" then error("client: a table of options expected, got " .. type(options), 3) end
  for name in pairs(options) do
    if not OPTIONS[name] then error("client: unknown option " .. tostring(name), 3) end
  end
  if options.config == nil then error("client: config is missing: a path, or what such a file returns", 3) end
end

local function words_of(mistakes)
  local words = {}
  for i, mistake in ipairs(mistakes) do words[i] = tostring(mistake) end
  return table.concat(words, "\n")
end

--- Make a client.
-- @tparam table options
--   config  path of a configuration, or what such a file returns
--   loop    how to wait, default tidegate.loop.poll
--   log     level of the log on stderr, default "off"
-- @treturn ?client
-- @treturn ?error
local function new(options)
  check_options(options)
  core.log.level(options.log or "off")
  local settings, mistakes = load.all(options.config, { workers = STATES })
  if not settings then return nil, error_of("configuration", words_of(mistakes)) end
  local engine, err = core.engine(settings.snapshot)
  if not engine then return nil, err end
  local self = setmetatable({
    engine = engine, settings = settings, loop = options.loop or require "tidegate.loop.poll", handles = {},
  }, client_mt)
  self.loop.start(self)
  return self
end

-- ---- one request ----

local function is_closed(self)
  return nil, error_of("closed", "the client is closed" .. (self.closed_by or ""))
end

local function body_of(request, wants_stream)
  if type(request) == "string" then return request end
  if type(request) ~= "table" then error("a request is a table, or JSON text; got " .. type(request), 4) end
  local copy = {}
  for name, value in pairs(request) do copy[name] = value end
  copy.stream = wants_stream
  return core.json.encode(copy)
end

-- Ask; the handle is known by its id until its end.
local function ask(self, request, options)
  if not self.engine then return is_closed(self) end
  local api = options.api or "chat"
  local id, err = self.engine:ask(api, body_of(request, options.stream or nil), options.headers)
  if not id then return nil, err end
  local handle = setmetatable({
    client = self, id = id, answer = answers.new(options.stream), on_delta = options.on_delta,
    on_done = options.on_done, gate = self.loop.gate(self), deltas = {}, came = 0, taken = 0,
  }, handle_mt)
  self.handles[id] = handle
  return handle
end

--- Nobody wants the answer any more: the provider is left, on_done is not called.
function handle_mt:cancel()
  local client = self.client
  if self.is_over then return end
  self.is_over, self.err = true, error_of("cancelled", "it was cancelled")
  client.handles[self.id] = nil
  if client.engine then client.engine:cancel(self.id) end
  self.gate:open()
end

local function finish(handle, is_whole)
  handle.is_over = true
  handle.client.handles[handle.id] = nil
  handle.result, handle.err = handle.answer:finish(is_whole)
end

-- What an event means to its request; callbacks run here.
local function take(handle, kind, a, b)
  if kind == "head" then
    handle.answer:head(a, b)
  elseif kind == "bytes" then
    handle.answer:bytes(a, function(delta)
      if handle.on_delta then return handle.on_delta(delta, handle) end
      handle.came = handle.came + 1
      handle.deltas[handle.came] = delta
    end)
  else
    finish(handle, a)
    if handle.on_done then handle.on_done(handle.result, handle.err, handle) end
  end
  handle.gate:open()
end

--- Run the callbacks of what has come. Never blocks unless it is told to.
-- @tparam ?number seconds  to wait when nothing has come yet; default 0
-- @treturn number  how many events there were
function client_mt:poll(seconds)
  local count = 0
  if not self.engine then return 0 end
  if seconds and seconds > 0 then self.engine:wait(seconds) end
  while self.engine do
    local id, kind, a, b = self.engine:next()
    if not id then break end
    count = count + 1
    local handle = self.handles[id]
    if handle then take(handle, kind, a, b) end
  end
  return count
end

--- A file that is readable when poll() has something to do, for other event loops.
-- @treturn ?number  nil when the client is closed
function client_mt:fd()
  if not self.engine then return nil end
  return self.engine:fd()
end

-- ---- asking ----

--- Ask, and go on; poll() calls back.
-- @tparam table|string request  a chat request, or its JSON text
-- @tparam table callbacks
--   on_delta  (delta, handle): makes it a stream
--   on_done   (result, err, handle): once, at the end
-- @treturn ?handle  cancel()
-- @treturn ?error
function client_mt:chat_async(request, callbacks)
  callbacks = callbacks or {}
  return ask(self, request, { stream = callbacks.on_delta ~= nil, on_delta = callbacks.on_delta,
                              on_done = callbacks.on_done, headers = callbacks.headers, api = callbacks.api })
end

--- Ask, and wait for the whole answer.
-- @tparam table|string request
-- @tparam ?table options  `headers`, `api` ("chat", "completions", "embeddings")
-- @treturn ?table  the answer as it came, and its `text`
-- @treturn ?error  code, status, message, attempts
function client_mt:chat(request, options)
  options = options or {}
  local handle, err = ask(self, request, { headers = options.headers, api = options.api })
  if not handle then return nil, err end
  while not handle.is_over do handle.gate:wait() end
  return handle.result, handle.err
end

--- Ask for a stream, and walk over it as it comes.
-- @treturn function  gives deltas: text, reasoning, tool_calls, finish_reason, usage, raw; an error
--   ends the walk, and is what the second value after the last delta says: for delta, err in
-- @treturn handle  cancel(); result and err at the end
function client_mt:stream(request, options)
  options = options or {}
  local handle, err = ask(self, request, { stream = true, headers = options.headers, api = options.api })
  local is_told = false
  local function step()
    if not handle then
      if is_told then return nil end
      is_told = true
      return answers.failed(err), err
    end
    while handle.taken == handle.came and not handle.is_over do handle.gate:wait() end
    if handle.taken < handle.came then
      handle.taken = handle.taken + 1
      local delta = handle.deltas[handle.taken]
      handle.deltas[handle.taken] = nil
      return delta
    end
    if handle.err and not is_told then
      is_told = true
      return answers.failed(handle.err), handle.err
    end
    return nil
  end
  return step, handle
end

-- ---- deciding alone ----

local plan_mt = {}

--- The decision for a request, without asking anybody.
-- @tparam table|string request
-- @tparam ?table options  `seed`, `policy`, `api`
-- @treturn ?table  the endpoints in the order to try, `dropped` with the reasons, and request(i):
--   url, headers and body of what the i-th would be sent
-- @treturn ?error
function client_mt:route(request, options)
  if not self.engine then return is_closed(self) end
  local plan, err, rest = core.route(self.settings.snapshot, body_of(request), options)
  if not plan then
    err.dropped = rest and rest:dropped()
    return nil, err
  end
  local list = plan:list()
  for i, endpoint in ipairs(list) do endpoint.place_in_plan = i end
  list.dropped = plan:dropped()
  list[plan_mt] = plan
  for _, endpoint in ipairs(list) do endpoint[plan_mt] = plan end
  function list.request(i) return plan:request(i) end
  return list
end

--- Tell how it went, where the program asked the provider itself.
-- @tparam table endpoint  one of a plan's
-- @tparam table report  { status, ttft_ms, tokens, duration_ms, retry_after_ms }; status 0: it never
--   answered
function client_mt:report(endpoint, report)
  local plan = type(endpoint) == "table" and endpoint[plan_mt]
  if not plan then error("report: one of a plan's endpoints expected", 2) end
  plan:report(endpoint.place_in_plan, report)
  return self
end

-- ---- the rest ----

--- The models of the catalogue: { id, name, context_length, endpoints }, ...
function client_mt:models()
  local catalog, list = self.settings.catalog, {}
  for i = 1, (catalog:count()) do
    local model = catalog:model(i)
    list[i] = { id = model.id, name = model.name, context_length = model.context_length,
                endpoints = #model.endpoints }
  end
  return list
end

--- Cancel what runs and let the thread go. Done by the collector, too.
function client_mt:close()
  if not self.engine then return end
  self.loop.stop(self)
  for _, handle in pairs(self.handles) do
    handle.is_over, handle.err = true, error_of("closed", "the client was closed")
  end
  self.handles = {}
  local engine = self.engine
  self.engine = nil
  engine:close()
end

client_mt.__gc = client_mt.close
client_mt.__close = client_mt.close

function client_mt:__tostring()
  return ("tidegate.client (%s)"):format(self.engine and "open" or "closed")
end

return new
