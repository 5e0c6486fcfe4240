--- The mock at work: connections in, answers out, faults as the script wants.
--
-- Reads top to bottom and waits: runs inside core.net.run(), a task for every
-- connection.

local core   = require "tidegate.core"
local answer = require "tidegate.app.mock.answer"
local http   = require "tidegate.flow.http"

local net = core.net

local server = {}

local ACCEPT_PAUSE_S = 0.05     -- when the process is out of files
local HANG_S = 3600

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

local counter = 0

local function new_id()
  counter = counter + 1
  return ("mock-%d"):format(counter)
end

-- An injected fault, or nil. One draw decides, so that rates add up.
local function fault(b)
  local draw = math.random()
  local function hit(rate)
    draw = draw - rate
    return draw < 0
  end
  if hit(b.rate_429) then
    return { status = 429, headers = { ["Retry-After"] = b.retry_after }, body = answer.error(429, "slow down") }
  elseif hit(b.rate_500) then
    return { status = 500, body = answer.error(500, "something broke") }
  elseif hit(b.rate_503) then
    return { status = 503, body = answer.error(503, "overloaded") }
  elseif hit(b.rate_bad) then
    return { status = 200, body = "<html>not what you asked for</html>" }
  elseif hit(b.rate_reset) then
    return { finally = "reset" }
  elseif hit(b.rate_hang) then
    return { finally = "hang" }
  end
end

local function stream(conn, b, plan, is_text, wants_usage)
  local cut = math.random() < b.rate_cut
  local events = answer.stream(plan, b, is_text, wants_usage)
  local head = http.head(200, { ["Content-Type"] = "text/event-stream", ["Transfer-Encoding"] = "chunked",
                                ["Cache-Control"] = "no-cache" })
  net.sleep(jittered(b, b.ttft_ms / 1000))
  if not conn:write(head) then return false end
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

local function complete(conn, b, body, is_text)
  local plan = answer.plan(body, b, new_id(), math.floor(core.clock.wall()))
  if body.stream == true then
    local options = type(body.stream_options) == "table" and body.stream_options or {}
    return stream(conn, b, plan, is_text, options.include_usage == true)
  end
  net.sleep(jittered(b, b.ttft_ms / 1000 + plan.usage.completion_tokens / b.tokens_per_s))
  return send(conn, { body = (is_text and answer.completion or answer.chat)(plan, b) })
end

local ROUTES = {
  ["/chat/completions"] = function(conn, b, body) return complete(conn, b, body, false) end,
  ["/completions"]      = function(conn, b, body) return complete(conn, b, body, true) end,
  ["/embeddings"]       = function(conn, b, body)
    net.sleep(jittered(b, b.ttft_ms / 1000))
    return send(conn, { body = answer.embeddings(body, b) })
  end,
}

local function refuse(conn, status, message)
  return send(conn, { status = status, body = answer.error(status, message) })
end

local function serve(conn, b, request, path)
  if b.key and request.headers.authorization ~= "Bearer " .. b.key then
    return refuse(conn, 401, "wrong key")
  end
  if request.method == "GET" and path:find("/models$") then
    return send(conn, { body = answer.models(b, math.floor(core.clock.wall())) })
  end
  -- The longer path first: "/chat/completions" ends in "/completions".
  local route = path:find("/chat/completions$") and ROUTES["/chat/completions"] or ROUTES[path:match("/%w+$") or ""]
  if not route then return refuse(conn, 404, "no such path: " .. path) end
  if type(request.json) ~= "table" then return refuse(conn, 400, "the body is no JSON object") end
  local broken = fault(b)
  if broken then return send(conn, broken) end
  return route(conn, b, request.json)
end

local function behaviour_for(script, path)
  for _, pair in ipairs(script.behaviours) do
    if path:sub(1, #pair[1]) == pair[1] then return pair[2], path:sub(#pair[1] + 1) end
  end
end

local function handle(conn, script, request)
  local b, rest = behaviour_for(script, request.path)
  request.json = core.json.decode(request.body)
  if b.on_request then
    counter = counter + 1
    request.number = counter
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
