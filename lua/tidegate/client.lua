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

local core      = require "tidegate.core"
local answers   = require "tidegate.flow.answers"
local error_of  = require "tidegate.base.error"
local finalizer = require "tidegate.base.finalizer"
local load      = require "tidegate.app.load"
local plans     = require "tidegate.flow.plans"
local requests  = require "tidegate.flow.requests"

local client_mt = { __name = "tidegate.client" }
client_mt.__index = client_mt

local handle_mt = { __name = "tidegate.handle" }
handle_mt.__index = handle_mt

-- States of each policy: one for the engine's thread, one for route().
local STATES = 2

-- What one poll() takes at most, so that a frame stays short whatever has come; the rest is for
-- the next one.
local POLL_EVENTS, POLL_BYTES = 256, 64 * 1024

-- ---- options ----

local OPTIONS = { config = "path or table", loop = "table", log = "string" }

local LEVELS = { debug = true, info = true, warn = true, error = true, off = true }

local function check_options(options)
  if type(options) ~= "table" then error("client: a table of options expected, got " .. type(options), 3) end
  for name in pairs(options) do
    if not OPTIONS[name] then error("client: unknown option " .. tostring(name), 3) end
  end
  if type(options.config) ~= "string" and type(options.config) ~= "table" then
    error("client: config is missing: a path, or what such a file returns", 3)
  end
  if options.loop ~= nil and type(options.loop) ~= "table" then
    error("client: loop: one of tidegate.loop.* expected, got " .. type(options.loop), 3)
  end
  if options.log ~= nil and not LEVELS[options.log] then
    error("client: log: debug, info, warn, error or off expected", 3)
  end
end

local function words_of(mistakes)
  local words = {}
  for i, mistake in ipairs(mistakes) do words[i] = tostring(mistake) end
  return table.concat(words, "\n")
end

local function read(config)
  local settings, mistakes = load.all(config, { workers = STATES })
  if not settings then return nil, error_of("configuration", words_of(mistakes)) end
  return settings
end

-- stderr is the host's: it stays clean until somebody wants a log.
local is_level_set = false

local function set_level(level)
  if level or not is_level_set then core.log.level(level or "off") end
  is_level_set = true
end

--- Make a client.
-- @tparam table options
--   config  path of a configuration, or what such a file returns
--   loop    how to wait, default tidegate.loop.poll
--   log     level of the log on stderr, of all clients; default "off"
-- @treturn ?client
-- @treturn ?error
local function new(options)
  check_options(options)
  set_level(options.log)
  local settings, err = read(options.config)
  if not settings then return nil, err end
  local self = setmetatable({
    settings = settings, config = options.config,
    loop = options.loop or require "tidegate.loop.poll",
    running = 0,                                   -- requests that are not over
    handles = setmetatable({}, { __mode = "v" }),  -- by id; who lets go of one cancels it,
    kept = {},                                     -- but not where there are callbacks
  }, client_mt)
  self.finalizer = finalizer(function() self:close() end)
  return self
end

local function closed()
  return error_of("closed", "the client is closed")
end

-- The thread begins with the first request: who only decides has none.
local function engine_of(self)
  if self.is_closed then return nil, closed() end
  if not self.engine then
    local err
    self.engine, err = core.engine(self.settings.snapshot)
    if not self.engine then return nil, err end
  end
  return self.engine
end

-- ---- one request ----

-- It is over, however: the loop need not watch for it.
local function settle(handle)
  local client = handle.client
  handle.is_over = true
  client.handles[handle.id], client.kept[handle.id] = nil, nil
  client.running = client.running - 1
  if client.running == 0 then client.loop.stop(client) end
end

local function wake(handle)
  if handle.gate then handle.gate:open() end
end

-- Nobody wants it any more; fine when it is over.
local function leave(handle, err)
  if handle.is_over then return end
  handle.err = err
  handle.deltas = {}
  local client = handle.client
  if client.engine then client.engine:cancel(handle.id) end
  settle(handle)
end

--- Nobody wants the answer any more: the provider is left, and nothing is called back.
function handle_mt:cancel()
  leave(self, error_of("cancelled", "it was cancelled"))
  wake(self)
end

handle_mt.__close = handle_mt.cancel

function handle_mt:__tostring()
  return ("tidegate.handle %d (%s)"):format(self.id, self.is_over and "over" or "running")
end

-- Ask; the handle is known by its id until its end. `level`: where the caller's mistake is.
local function ask(self, request, options, level)
  local body = requests.text(request, options.is_stream, level + 1)
  local engine, err = engine_of(self)
  if not engine then return nil, err end
  local id
  id, err = engine:ask(options.api or "chat", body, options.headers)
  if not id then return nil, err end
  local handle = setmetatable({
    client = self, id = id, answer = answers.new(options.is_stream), on_delta = options.on_delta,
    on_done = options.on_done, deltas = {}, next_delta = 1,
  }, handle_mt)
  handle.finalizer = finalizer(function() leave(handle) end)
  self.handles[id] = handle
  self.running = self.running + 1
  if self.running == 1 then self.loop.start(self) end
  return handle
end

-- The same, for who comes and takes the answer.
local function ask_and_wait(self, request, options, level)
  local handle, err = ask(self, request, options, level + 1)
  if handle then handle.gate = self.loop.gate(self) end
  return handle, err
end

-- Until something happened to it; an interrupted wait is a cancel.
local function wait(handle)
  if handle.gate:wait() == false then handle:cancel() end
end

local function take_delta(handle)
  local delta = handle.deltas[handle.next_delta]
  if not delta then return nil end
  handle.deltas[handle.next_delta] = nil
  handle.next_delta = handle.next_delta + 1
  if not handle.deltas[handle.next_delta] then handle.deltas, handle.next_delta = {}, 1 end
  return delta
end

-- ---- what comes ----

-- A callback that raises ends its request, and whoever called poll() hears of it.
local function call(handle, callback, ...)
  local ok, why = pcall(callback, ...)
  if ok then return end
  handle:cancel()
  error(why, 0)
end

-- Whoever walks over a stream takes the next deltas when these are used up: until then they wait
-- in the engine, and the provider with them.
local function hold(handle, is_held)
  if handle.is_held == is_held or handle.is_over then return end
  handle.is_held = is_held
  handle.client.engine:hold(handle.id, is_held)
end

local function take_bytes(handle, text)
  handle.answer:bytes(text, handle.deltas)
  if handle.on_delta then
    for delta in take_delta, handle do call(handle, handle.on_delta, delta, handle) end
  elseif handle.deltas[1] then
    hold(handle, true)
  end
end

local function take_end(handle, is_whole)
  settle(handle)
  handle.result, handle.err = handle.answer:finish(is_whole)
  if handle.on_done then call(handle, handle.on_done, handle.result, handle.err, handle) end
end

-- What an event means to its request; callbacks run here.
local function take(handle, kind, a, b)
  if kind == "head" then
    handle.answer:head(a, b)
  elseif kind == "bytes" then
    take_bytes(handle, a)
  else
    take_end(handle, a)
  end
  wake(handle)
end

-- All of them end so.
local function fail_all(self, err)
  local handles = {}
  for _, handle in pairs(self.handles) do handles[#handles + 1] = handle end
  for _, handle in ipairs(handles) do leave(handle, err) end
  return handles
end

-- A process that was forked gets no events of its parent's requests.
local function wait_for_events(self, seconds)
  local engine = engine_of(self)
  if not engine then return end
  local is_there, err = engine:wait(seconds)
  if is_there ~= nil then return end
  for _, handle in ipairs(fail_all(self, err)) do wake(handle) end
end

--- Run the callbacks of what has come. Does not block unless it is told to.
-- @tparam ?number seconds  to wait at most when nothing has come yet, below 0 for as long as it
--   takes; default 0
-- @treturn number  how many events there were
function client_mt:poll(seconds)
  local count, bytes = 0, 0
  if seconds and seconds ~= 0 then wait_for_events(self, seconds) end
  while self.engine and count < POLL_EVENTS and bytes < POLL_BYTES do
    local id, kind, a, b = self.engine:next()
    if not id then break end
    count = count + 1
    if kind == "bytes" then bytes = bytes + #a end
    local handle = self.handles[id]
    if handle then take(handle, kind, a, b) end
  end
  return count
end

--- A file that is readable when poll() has something to do, for other event loops. Not to be read,
-- and good until close().
-- @treturn ?number
-- @treturn ?error
function client_mt:fd()
  local engine, err = engine_of(self)
  if not engine then return nil, err end
  return engine:fd()
end

-- ---- asking ----

--- Ask, and go on; poll() calls back.
-- @tparam table|string request  a chat request, or its JSON text
-- @tparam table callbacks
--   on_delta  (delta, handle): makes it a stream
--   on_done   (result, err, handle): once, at the end
--   headers, api  as in chat()
-- @treturn ?handle  cancel()
-- @treturn ?error
function client_mt:chat_async(request, callbacks)
  callbacks = callbacks or {}
  local handle, err = ask(self, request, {
    is_stream = callbacks.on_delta ~= nil, on_delta = callbacks.on_delta, on_done = callbacks.on_done,
    headers = callbacks.headers, api = callbacks.api,
  }, 2)
  if handle then self.kept[handle.id] = handle end
  return handle, err
end

--- Ask, and wait for the whole answer.
-- @tparam table|string request
-- @tparam ?table options  `headers` (names and values, as a request's would be), `api` ("chat",
--   "completions", "embeddings", "rerank")
-- @treturn ?table  the answer as it came, and its `text`
-- @treturn ?error  code, status, message, attempts
function client_mt:chat(request, options)
  options = options or {}
  local handle, err = ask_and_wait(self, request, {
    is_stream = false, headers = options.headers, api = options.api,
  }, 2)
  if not handle then return nil, err end
  while not handle.is_over do wait(handle) end
  return handle.result, handle.err
end

-- The error that a walk ends with; a cancelled one just ends.
local function last_words(handle)
  local err = handle.err
  if not err or handle.is_told or err.code == "cancelled" then return nil end
  handle.is_told = true
  return answers.failed(err), err
end

local function next_delta(handle)
  while true do
    local delta = take_delta(handle)
    if delta then return delta end
    if handle.is_over then return last_words(handle) end
    hold(handle, false)
    wait(handle)
  end
end

--- Ask for a stream, and walk over it as it comes. Leaving the walk leaves the provider, when
-- the collector gets to it; handle:cancel() does it at once.
-- @tparam table|string request
-- @tparam ?table options  as in chat()
-- @treturn function  gives deltas: text, reasoning, tool_calls, finish_reason, usage, raw. What went
--   wrong is the last one, with an empty text: `for delta, err in c:stream { ... }`
-- @treturn handle  cancel(); `result` and `err` at the end
function client_mt:stream(request, options)
  options = options or {}
  local handle, err = ask_and_wait(self, request, {
    is_stream = true, headers = options.headers, api = options.api,
  }, 2)
  handle = handle or { err = err, is_over = true, deltas = {}, next_delta = 1, cancel = function() end }
  return function() return next_delta(handle) end, handle, nil, getmetatable(handle) and handle
end

-- ---- deciding alone ----

--- The decision for a request, without asking anybody.
-- @tparam table|string request
-- @tparam ?table options  `seed`, `policy`, `api`
-- @treturn ?table  the endpoints in the order to try, `dropped` with the reasons, and request(i):
--   url, headers and body of what the i-th would be sent
-- @treturn ?error
function client_mt:route(request, options)
  if self.is_closed then return nil, closed() end
  return plans.route(self.settings.snapshot, requests.text(request, nil, 2), options)
end

--- Tell how it went, where the program asked the provider itself: the windows, breakers and
-- holds that later decisions look at.
-- @tparam table endpoint  one of a plan's
-- @tparam table report  { status, ttft_ms, tokens, duration_ms, retry_after_ms, cached_tokens }; without
--   a status it never answered
function client_mt:report(endpoint, report)
  plans.report(endpoint, report, 2)
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

--- Read the configuration again; requests from now on are under the new one. When it is bad the
-- old one stays.
-- @treturn ?client
-- @treturn ?error
function client_mt:reload()
  if self.is_closed then return nil, closed() end
  local settings, err = read(self.config)
  if not settings then return nil, err end
  if self.engine then self.engine:swap(settings.snapshot) end
  self.settings = settings
  return self
end

--- Cancel what runs and let the thread go. Done by the collector, too.
function client_mt:close()
  if self.is_closed then return end
  self.is_closed = true
  local handles, engine = fail_all(self, closed()), self.engine
  self.loop.stop(self)
  self.engine = nil
  if engine then engine:close() end
  for _, handle in ipairs(handles) do wake(handle) end
end

client_mt.__close = client_mt.close

function client_mt:__tostring()
  return ("tidegate.client (%s)"):format(self.is_closed and "closed" or "open")
end

return new
