--- A long mixed load: whole answers, streams, failures, clients that leave in
-- every state. The gateway's memory must not grow with the number of requests.
--
--     soak.run { requests = 1000000, connections = 64, say = print }

local net = require("tidegate.core").net
local gateway = require "gateway"
local http = require "http"
local provider = require "provider"

local soak = {}

local function rss_kib(pid)
  local f = assert(io.open("/proc/" .. pid .. "/status"))
  local text = f:read "*a"
  f:close()
  return tonumber(text:match "VmRSS:%s*(%d+)"), nil
end

local function open_files(pid)
  local f = io.popen("ls /proc/" .. pid .. "/fd | wc -l")
  local n = tonumber(f:read "*a")
  f:close()
  return n
end

-- What a provider does, by the turn of the request.
local function answer(conn, request, n)
  local kind = n % 20
  if kind == 3 then return provider.json(conn, '{"error":{"message":"busy"}}', 503) end
  if kind == 7 then return false end                              -- closes unanswered
  if kind == 11 and request.body:find '"stream":true' then        -- breaks off
    provider.begin_stream(conn)
    provider.event(conn, provider.delta "half")
    return false
  end
  return provider.good { "Hello", ", ", "world" }(conn, request)
end

local WHOLE = '{"model":"test/model","messages":[{"role":"user","content":"hi"}]}'
local STREAM = '{"model":"test/model","stream":true,"messages":[{"role":"user","content":"hi"}]}'

-- One client: a connection for a while, then another; some leave in the middle.
local function client(port, state)
  while state.left > 0 do
    local conn = net.connect("127.0.0.1", port)
    if not conn then return end
    for turn = 1, 40 do
      if state.left <= 0 then break end
      state.left = state.left - 1
      state.turn = state.turn + 1
      local body = state.turn % 2 == 0 and WHOLE or STREAM
      conn:write(http.request_text("POST", "/v1/chat/completions", {}, body))
      if state.turn % 50 == 0 then                                -- leaves without an answer
        break
      elseif state.turn % 50 == 25 then                           -- leaves inside it
        conn:read_line(10)
        break
      end
      local ok, r = pcall(http.read_response, conn, 30)
      if not ok then state.broken = state.broken + 1 break end
      state[r.status] = (state[r.status] or 0) + 1
      if turn == 40 or r.cut then break end
    end
    if state.turn % 3 == 0 then conn:reset() else conn:close() end
  end
end

--- Run it; the memory when a tenth was done and at the end, in KiB, the open
-- files then and now, and how answers ended.
function soak.run(options)
  local result = {}
  local requests, connections = options.requests, options.connections or 64
  net.run(function()
    local a, b = provider.start(answer), provider.start(answer)
    local gw = gateway.start { providers = { a = a.port, b = b.port }, config = { log = "warn" } }
    local pid = gw.process.pid
    local function load(n)
      local state = { left = n, turn = 0, broken = 0 }
      local running = connections
      for _ = 1, connections do
        net.spawn(function() client(gw.port, state) running = running - 1 end)
      end
      while running > 0 do net.sleep(0.05) end
      net.sleep(0.3)
      a.requests, b.requests = {}, {}
      return state
    end
    load(math.ceil(requests / 10))
    result.rss_early, result.files_early = rss_kib(pid), open_files(pid)
    for part = 2, 10 do
      local state = load(math.ceil(requests / 10))
      result.answers = state
      if options.say then
        options.say(("%3d %%  RSS %d KiB, %d open files"):format(part * 10, rss_kib(pid), open_files(pid)))
      end
    end
    result.rss, result.files = rss_kib(pid), open_files(pid)
    gw:stop()
    a:stop()
    b:stop()
  end)
  return result
end

return soak
