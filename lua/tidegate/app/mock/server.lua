--- The mock at work: connections in, answers out, faults as the script wants.
--
-- Reads top to bottom and waits: runs inside core.net.run(), a task for every
-- connection.

local core   = require "tidegate.core"
local http   = require "tidegate.flow.http"
local plan   = require "tidegate.app.mock.plan"
local routes = require "tidegate.app.mock.routes"

local net = core.net

local server = {}

local ACCEPT_PAUSE_S = 0.05     -- when the process is out of files
local HANG_S = 3600
local NONSENSE = "something in the body is of another type than it should be"

-- ---- one reply ----

-- A reply is { status, headers, body | chunks | raw, delay, finally }. `chunks`
-- and `raw` are lists of bytes and of numbers (seconds to wait). True when the
-- connection may serve another request.

local function write_list(conn, list, wrap)
  for _, piece in ipairs(type(list) == "table" and list or { list }) do
    if type(piece) == "number" then
      net.sleep(piece)
    elseif piece ~= "" and not conn:write(wrap and wrap(piece) or piece) then
      return false
    end
  end
  return true
end

-- Wait for the client to go away, and no longer than a test lasts.
local function hang(conn)
  repeat local more = conn:read_some(HANG_S) until not more
  return false
end

local ENDS = {
  fin   = function(conn) conn:close() return false end,
  reset = function(conn) conn:reset() return false end,
  hang  = hang,
}

local function finish(conn, reply)
  local how = ENDS[reply.finally]
  if how then return how(conn) end
  return true
end

local function headers_of(reply, more)
  local headers = {}
  for name, value in pairs(more) do headers[name] = value end
  for name, value in pairs(reply.headers or {}) do headers[name] = value end
  return headers
end

local function send(conn, reply)
  if reply.delay then net.sleep(reply.delay) end
  if reply.raw then
    return write_list(conn, reply.raw) and finish(conn, reply)
  end
  if reply.chunks then
    local head = http.head(reply.status or 200, headers_of(reply,
      { ["Content-Type"] = "text/event-stream", ["Transfer-Encoding"] = "chunked" }))
    if not conn:write(head) or not write_list(conn, reply.chunks, http.chunk) then return false end
    if ENDS[reply.finally] then return finish(conn, reply) end
    return conn:write(http.chunk "") ~= nil
  end
  if not reply.body and not reply.status then return finish(conn, reply) end
  local body = type(reply.body) == "table" and core.json.encode(reply.body) or reply.body or ""
  local head = http.head(reply.status or 200, headers_of(reply,
    { ["Content-Type"] = "application/json", ["Content-Length"] = #body }))
  return conn:write(head .. body) ~= nil and finish(conn, reply)
end

-- ---- what a behaviour does with a request ----

local function jittered(b, seconds)
  return seconds * (1 + b.jitter * (math.random() * 2 - 1))
end

local requests, answers = 0, 0

local function new_id()
  answers = answers + 1
  return ("mock-%d"):format(answers)
end

-- An injected fault, or nil. One draw decides, so that rates add up.
local function fault(b, request)
  local draw, format = math.random(), request.route.format
  local function hit(rate)
    draw = draw - rate
    return draw < 0
  end
  if hit(b.rate_429) then return format.error(429, "slow down", b, request) end
  if hit(b.rate_500) then return format.error(500, "something broke", b, request) end
  if hit(b.rate_503) then return format.error(503, "overloaded", b, request) end
  if hit(b.rate_bad) then return { body = "<html>not what you asked for</html>" } end
  if hit(b.rate_reset) then return { finally = "reset" } end
  if hit(b.rate_hang) then return { finally = "hang" } end
end

local function stream(conn, b, content_type, events)
  local cut = math.random() < b.rate_cut
  local head = http.head(200, { ["Content-Type"] = content_type, ["Transfer-Encoding"] = "chunked",
                                ["Cache-Control"] = "no-cache" })
  net.sleep(jittered(b, b.ttft_ms / 1000))
  if not conn:write(head) then return false end
  if not b.done then events[#events] = nil end
  for i, event in ipairs(events) do
    if cut and i > #events / 2 then
      conn:reset()
      return false
    end
    if not http.write_chunk(conn, event[1], event[2], event[3]) then return false end
    if event.tokens > 0 then net.sleep(jittered(b, event.tokens / b.tokens_per_s)) end
  end
  return conn:write(http.chunk "") ~= nil
end

local function planned(b, request)
  local asked = request.route.format.asked(request.json, request)
  return asked, plan.of(asked, b, request.id, request.now_s)
end

local function complete(conn, b, request)
  local format = request.route.format
  local ok, asked, made = pcall(planned, b, request)
  if not ok then return send(conn, format.error(400, NONSENSE, b, request)) end
  if asked.stream then
    local kind = format.stream_type
    return stream(conn, b, type(kind) == "function" and kind(asked) or kind, format.stream(made, b, asked))
  end
  net.sleep(jittered(b, b.ttft_ms / 1000 + made.usage.completion / b.tokens_per_s))
  return send(conn, { headers = { ["Content-Type"] = format.whole_type }, body = format.whole(made, b, asked) })
end

-- Everything but chat: a table for the request's.
local function look_up(conn, b, request)
  local format = request.route.format
  local ok, body, status, message = pcall(format[request.route.what], request.json, b, request)
  if not ok then body, status, message = nil, 400, NONSENSE end
  if not body then return send(conn, format.error(status, message, b, request)) end
  if request.method ~= "GET" then net.sleep(jittered(b, b.ttft_ms / 1000)) end
  return send(conn, { headers = { ["Content-Type"] = format.whole_type }, body = body })
end

-- ---- from a path to an answer ----

-- Does the request carry this key, in any of the places where providers look?
local function has_key(request, key)
  local h = request.headers
  return h.authorization == "Bearer " .. key or h["x-api-key"] == key or h["x-goog-api-key"] == key
    or h["api-key"] == key or ("&" .. request.query .. "&"):find("&key=" .. key .. "&", 1, true) ~= nil
    -- The access key's id, in what AWS signs.
    or (h.authorization or ""):find("Credential=" .. key .. "/", 1, true) ~= nil
end

local function serve(conn, b, request, path)
  local route = routes.find(request.method, path)
  local format = route and route.format or routes.NOBODY
  request.route, request.id, request.now_s = route, new_id(), math.floor(core.clock.wall())
  if b.key and not (route and route.is_open) and not has_key(request, b.key) then
    local wrong_key = format.wrong_key
    return send(conn, wrong_key and wrong_key(b, request) or format.error(401, "wrong key", b, request))
  end
  if not route then return send(conn, format.error(404, "no such path: " .. path, b, request)) end
  if request.method == "GET" then return look_up(conn, b, request) end
  if not route.is_form and type(request.json) ~= "table" then
    return send(conn, format.error(400, "the body is no JSON object", b, request))
  end
  local broken = fault(b, request)
  if broken then return send(conn, broken) end
  if route.what == "chat" then return complete(conn, b, request) end
  return look_up(conn, b, request)
end

local function behaviour_for(script, path)
  for _, pair in ipairs(script.behaviours) do
    if path:sub(1, #pair[1]) == pair[1] then return pair[2], path:sub(#pair[1] + 1) end
  end
end

local function handle(conn, script, request)
  local b, rest = behaviour_for(script, request.path)
  request.json = core.json.read(request.body, {})
  if b.on_request then
    requests = requests + 1
    request.number = requests
    local reply = b.on_request(request, conn)
    if reply then return send(conn, reply) end
  end
  return serve(conn, b, request, rest)
end

-- ---- connections ----

local function on_connection(conn, script)
  repeat
    local request = http.read_request(conn, HANG_S)
    local goes_on = request and handle(conn, script, request) and request.keep_alive
  until not goes_on
  conn:close()
end

-- What goes wrong with one connection is its own affair.
local function spawn(conn, script)
  net.spawn_guarded(function(why)
    core.log.say("error", "mock", tostring(why))
    conn:reset()
  end, on_connection, conn, script)
end

local function accept_all(listener, script)
  while true do
    local conn = listener:accept()
    if conn then
      spawn(conn, script)
    else
      net.sleep(ACCEPT_PAUSE_S)
    end
  end
end

--- Serve until the process ends; call inside core.net.run().
-- @tparam table script  as script.read() gives it
-- @tparam function ready  called with the list of addresses
function server.run(script, ready)
  math.randomseed(script.behaviours[#script.behaviours][2].seed)
  local listeners, addresses = {}, {}
  for i, address in ipairs(script.listen) do
    local listener, err = net.listen(address)
    if not listener then return nil, ("%s: %s"):format(address, tostring(err)) end
    listeners[i], addresses[i] = listener, listener:address()
  end
  ready(addresses)
  for i = 2, #listeners do net.spawn(accept_all, listeners[i], script) end
  accept_all(listeners[1], script)
end

return server
