--- The engine of this nginx worker, and how it is asked: HTTP over a cosocket to its socket file.
--
--     worker.start(settings)                            once, in init_worker
--     local sock, block = worker.ask(head, body)        sent, and the first block of the answer
--     worker.read(sock, block, reader, on_head, on_bytes)
--
-- Everything that waits here yields.

local core = require "tidegate.core"

local ngx = ngx
local find, sub = string.find, string.sub

local worker = {}

local CONNECT_MS, SEND_MS = 5000, 60000
local MARGIN_MS = 30000            -- the engine's own deadlines come first
local KEEP_MS, KEEP_CONNECTIONS = 60000, 512      -- it closes idle ones after 75 s
worker.BLOCK_BYTES = 65536         -- read at a time
local TURNS = 4                    -- blocks without giving others their turn

-- ---- life ----

local here = { why = "init_worker() has not run in this worker, or lua_code_cache is off" }

--- A text that nobody can guess.
function worker.random_name()
  return ("%013x%013x%013x%013x"):format(core.random_seed(), core.random_seed(), core.random_seed(),
    core.random_seed())
end

-- A directory that nobody else may enter. Were somebody to take the usual name, another is used.
local function socket_directory(settings)
  if settings.sockets then
    local ok, err = core.socket_directory(settings.sockets)
    if not ok then return nil, ("%s: %s"):format(settings.sockets, tostring(err)) end
    return settings.sockets
  end
  local path = ("/tmp/tidegate-%d"):format(core.process.user())
  if core.socket_directory(path) then return path end
  path = path .. "-" .. sub(worker.random_name(), 1, 13)
  local ok, err = core.socket_directory(path)
  if not ok then return nil, ("%s: %s"):format(path, tostring(err)) end
  return path
end

local function serve(settings)
  local directory, why = socket_directory(settings)
  if not directory then return nil, why end
  local path = ("%s/%d-%s.sock"):format(directory, core.process.self(), sub(worker.random_name(), 1, 8))
  local server, err = core.server(settings.snapshot, { listen = "unix:" .. path, workers = 1 })
  if not server then return nil, tostring(err) end
  return server
end

--- Start it; it ends with the worker.
-- @treturn ?bool
-- @treturn ?string  why not
function worker.start(settings)
  local server, why = serve(settings)
  if not server then
    here = { why = why }
    return nil, why
  end
  here = { server = server, address = server:address(), read_ms = settings.timeouts.total_ms + MARGIN_MS }
  return true
end

--- Where it listens: "unix:/path"; nil and why it does not.
function worker.address()
  return here.address, here.why
end

-- ---- asking ----

-- The engine takes thousands that wait; a full queue is over in no time.
local function connect()
  if not here.server then return nil, here.why end
  local sock = ngx.socket.tcp()
  sock:settimeouts(CONNECT_MS, SEND_MS, here.read_ms)
  for turn = 1, 10 do
    local ok, err = sock:connect(here.address)
    if ok then return sock end
    if not find(err, "temporarily unavailable", 1, true) or turn == 10 then return nil, err end
    ngx.sleep(0.002 * turn)
  end
end

local function is_file(body)
  return type(body) == "userdata"
end

local function send(sock, head, body)
  if not is_file(body) then return sock:send(body and { head, body } or head) end
  local ok, err = sock:send(head)
  body:seek "set"
  while ok do
    local piece = body:read(worker.BLOCK_BYTES)
    if not piece then break end
    ok, err = sock:send(piece)
  end
  return ok, err
end

-- Send it and wait for the first block; on a connection that was kept too long, which nobody has
-- read from, once more on a new one. An answer may come although not all was sent.
local function ask_once(head, body)
  local sock, err = connect()
  if not sock then return nil, err end
  local is_kept = sock:getreusedtimes() > 0
  local sent, why = send(sock, head, body)
  local block
  block, err = sock:receiveany(worker.BLOCK_BYTES)
  if block then return sock, block end
  sock:close()
  return nil, sent and err or why, is_kept
end

--- Send a request.
-- @tparam string head
-- @tparam ?string|file body  a file is closed
-- @treturn ?socket
-- @treturn string  the first block of the answer; why there is none
function worker.ask(head, body)
  local sock, block, is_kept
  repeat
    sock, block, is_kept = ask_once(head, body)
  until sock or not is_kept
  if is_file(body) then body:close() end
  return sock, block
end

--- A connection whose answer was read to its end is for others.
function worker.keep(sock, reader)
  if reader.closes then sock:close() else sock:setkeepalive(KEEP_MS, KEEP_CONNECTIONS) end
end

--- For let_others().
function worker.turns()
  return { at = ngx.now(), count = 1 }
end

--- Neither reading nor writing yields while there is something to read, and room to write: without
-- this a burst would keep everybody else waiting. When the clock of nginx has moved, they had
-- their turn.
function worker.let_others(turns)
  local now = ngx.now()
  if now ~= turns.at then
    turns.at, turns.count = now, 1
    return
  end
  turns.count = turns.count + 1
  if turns.count > TURNS then
    ngx.sleep(0)
    turns.at, turns.count = ngx.now(), 1
  end
end

--- Read the answer to its end. `on_bytes` gets the body, piece by piece, and returns false to end the
-- reading.
-- @treturn bool  whole?
-- @treturn ?string  what the engine did wrong
function worker.read(sock, block, reader, on_head, on_bytes)
  local turns = worker.turns()
  local has_head = false
  while true do
    local bytes = reader:feed(block)
    if reader.status and not has_head then
      has_head = true
      on_head(reader)
    end
    if reader.is_broken then
      sock:close()
      return false, "the engine's answer is not readable"
    end
    if reader.is_over then worker.keep(sock, reader) end
    if bytes and not on_bytes(bytes, reader) then
      if not reader.is_over then sock:close() end
      return false
    end
    if reader.is_over then return true end
    worker.let_others(turns)
    local err
    block, err = sock:receiveany(worker.BLOCK_BYTES)
    if not block then
      sock:close()
      return false, err
    end
  end
end

return worker
