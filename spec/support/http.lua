--- An HTTP client for specs, over tidegate.core's net: call it inside net.run.

local net = require("tidegate.core").net

local http = {}

local function read_head(conn, seconds)
  local status_line = assert(conn:read_line(seconds))
  local status = tonumber(status_line:match "^HTTP/1%.%d (%d%d%d)")
  local headers = {}
  while true do
    local line = assert(conn:read_line(seconds))
    if line == "" then break end
    local name, value = line:match "^([^:]+):%s*(.-)%s*$"
    headers[name:lower()] = value
  end
  return status, headers
end

--- Read one whole response: { status, headers, body, chunks, cut }. `cut` is
-- set when the connection ended before the body did.
function http.read_response(conn, seconds)
  seconds = seconds or 20
  local r = { chunks = {} }
  r.status, r.headers = read_head(conn, seconds)
  if r.status == 204 or r.status == 304 then
    r.body = ""
  elseif r.headers["transfer-encoding"] == "chunked" then
    while true do
      local line = conn:read_line(seconds)
      local size = line and tonumber(line, 16)
      if not size then r.cut = true break end
      if size == 0 then conn:read_line(seconds) break end
      local piece = conn:read(size, seconds)
      if not piece or #piece < size then r.cut = true break end
      r.chunks[#r.chunks + 1] = { at = net.now(), bytes = piece }
      conn:read_line(seconds)
    end
    local parts = {}
    for i, c in ipairs(r.chunks) do parts[i] = c.bytes end
    r.body = table.concat(parts)
  elseif r.headers["content-length"] then
    local n = tonumber(r.headers["content-length"])
    r.body = n == 0 and "" or conn:read(n, seconds) or ""
    r.cut = #r.body < n
  else
    r.body = conn:read_all(seconds) or ""
  end
  return r
end

--- The bytes of a request.
function http.request_text(method, path, headers, body)
  local out = { method .. " " .. path .. " HTTP/1.1\r\nHost: gateway\r\n" }
  for name, value in pairs(headers or {}) do out[#out + 1] = name .. ": " .. value .. "\r\n" end
  if body then out[#out + 1] = "Content-Length: " .. #body .. "\r\n" end
  out[#out + 1] = "\r\n"
  out[#out + 1] = body or ""
  return table.concat(out)
end

--- One request on a connection of its own.
function http.request(port, method, path, headers, body, seconds)
  local conn = assert(net.connect("127.0.0.1", port))
  assert(conn:write(http.request_text(method, path, headers, body)))
  local ok, r = pcall(http.read_response, conn, seconds)
  conn:close()
  if not ok then error(r, 2) end
  return r
end

function http.get(port, path, headers)
  return http.request(port, "GET", path, headers)
end

function http.post(port, path, body, headers, seconds)
  local h = { ["Content-Type"] = "application/json" }
  for k, v in pairs(headers or {}) do h[k] = v end
  return http.request(port, "POST", path, h, body, seconds)
end

--- The data of every event in an event stream's text; comments apart.
function http.events(text)
  local events, comments = {}, 0
  for line in text:gmatch "([^\n]*)\n" do
    local data = line:match "^data: (.*)$"
    if data then events[#events + 1] = data end
    if line:sub(1, 1) == ":" then comments = comments + 1 end
  end
  return events, comments
end

return http
