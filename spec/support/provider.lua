--- Scripted providers for whole-program specs, inside net.run.
--
--     local a = provider.start(function(conn, request, n) ... end)
--     a.port, a.requests (whole requests as they came), a.connections, a:stop()
--
-- The function gets every request in turn (n counts them) and writes the answer
-- itself; returning false closes the connection. `a.answer` may be set anew at
-- any time; `a.failure` is what the function raised, if it did.

local net = require("tidegate.core").net

local provider = {}
local Provider = {}
Provider.__index = Provider

local function read_request(conn)
  local first = conn:read_line(60)
  if not first or first == "" then return nil end
  local r = { line = first, headers = {}, raw_headers = {} }
  r.method, r.path = first:match "^(%S+) (%S+)"
  while true do
    local line = conn:read_line(60)
    if not line then return nil end
    if line == "" then break end
    r.raw_headers[#r.raw_headers + 1] = line
    local name, value = line:match "^([^:]+):%s*(.-)%s*$"
    if name then r.headers[name:lower()] = value end
  end
  local n = tonumber(r.headers["content-length"] or 0)
  r.body = n > 0 and conn:read(n, 60) or ""
  return r
end

local function over(self, conn)
  self.closed_at = net.now()
  conn:close()
end

local function serve(self, conn)
  self.connections = self.connections + 1
  while true do
    local request = read_request(conn)
    if not request then break end
    request.at = net.now()
    self.requests[#self.requests + 1] = request
    if self.answer(conn, request, #self.requests) == false then break end
  end
  over(self, conn)
end

-- Guarded, not called by pcall: in Lua 5.1 nothing waits inside of one.
local function spawn(self, conn)
  net.spawn_guarded(function(why)
    self.failure = self.failure or why
    over(self, conn)
  end, serve, self, conn)
end

function provider.start(answer, listen)
  local listener = assert(net.listen(listen or "127.0.0.1:0"))
  local self = setmetatable({ listener = listener, port = listener:port(), requests = {}, connections = 0,
    answer = answer }, Provider)
  net.spawn(function()
    while true do
      local conn = listener:accept()
      if not conn then break end
      spawn(self, conn)
    end
  end)
  return self
end

function Provider:stop()
  self.listener:close()
end

-- ---- answers ----

function provider.json(conn, body, status, headers)
  local out = { ("HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"):format(
    status or 200, #body) }
  for k, v in pairs(headers or {}) do out[#out + 1] = k .. ": " .. v .. "\r\n" end
  conn:write(table.concat(out) .. "\r\n" .. body)
end

--- A whole chat completion.
function provider.completion(text, usage)
  return ('{"id":"up-1","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,'
    .. '"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":%s}'):format(text,
    usage or '{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}')
end

function provider.begin_stream(conn, headers)
  conn:write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    .. (headers or "") .. "\r\n")
end

function provider.chunk(conn, bytes)
  return conn:write(("%x\r\n%s\r\n"):format(#bytes, bytes))
end

function provider.event(conn, data)
  return provider.chunk(conn, "data: " .. data .. "\n\n")
end

function provider.delta(text, finish)
  return ('{"id":"up-1","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,'
    .. '"delta":{"role":"assistant","content":%q},"finish_reason":%s}]}'):format(text,
    finish and ('"%s"'):format(finish) or "null")
end

function provider.usage(prompt, completion)
  return ('{"id":"up-1","object":"chat.completion.chunk","created":1,"model":"up","choices":[],"usage":'
    .. '{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}'):format(prompt, completion,
    prompt + completion)
end

function provider.end_stream(conn)
  conn:write "0\r\n\r\n"
end

--- A whole stream of these words.
function provider.stream(conn, words, pause)
  provider.begin_stream(conn)
  for _, w in ipairs(words) do
    provider.event(conn, provider.delta(w))
    if pause then net.sleep(pause) end
  end
  provider.event(conn, provider.delta("", "stop"))
  provider.event(conn, provider.usage(10, #words))
  provider.event(conn, "[DONE]")
  provider.end_stream(conn)
end

--- Answers any chat request in the way it asked for.
function provider.good(words)
  words = words or { "Hello", ",", " world" }
  return function(conn, request)
    if request.body:find '"stream"%s*:%s*true' then
      provider.stream(conn, words)
    else
      provider.json(conn, provider.completion(table.concat(words)))
    end
  end
end

return provider
