--- HTTP/1.1 over coroutine sockets, told from top to bottom: for the mock and for
-- tests. Both ends: `conn` is one of core.net.
--
-- Lenient on purpose where a test wants to send nonsense: what is written is
-- written as it stands. The gateway's own port is csrc/wire/http1.

local http = {}

local FIELDS_MAX = 200
local BODY_BYTES_MAX = 67108864

local PHRASES = {
  [200] = "OK", [400] = "Bad Request", [401] = "Unauthorized", [402] = "Payment Required",
  [403] = "Forbidden", [404] = "Not Found", [408] = "Request Timeout", [413] = "Payload Too Large",
  [422] = "Unprocessable Content", [429] = "Too Many Requests", [500] = "Internal Server Error",
  [502] = "Bad Gateway", [503] = "Service Unavailable", [504] = "Gateway Timeout", [529] = "Overloaded",
}

local function read_fields(conn, seconds)
  local fields = {}
  for _ = 1, FIELDS_MAX do
    local line, err = conn:read_line(seconds)
    if not line then return nil, err end
    if line == "" then return fields end
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    if name then fields[name:lower()] = value end
  end
  return nil, "too many header fields"
end

local function read_chunked(conn, seconds)
  local parts, bytes = {}, 0
  while true do
    local line, err = conn:read_line(seconds)
    if not line then return nil, err, table.concat(parts) end
    local size = tonumber(line:match("^%x+") or "", 16)
    if not size then return nil, "not a chunk size: " .. line, table.concat(parts) end
    bytes = bytes + size
    if bytes > BODY_BYTES_MAX then return nil, "the body is too large" end
    if size == 0 then
      return read_fields(conn, seconds) and table.concat(parts)
    end
    local chunk
    chunk, err = conn:read(size, seconds)
    if not chunk then return nil, err, table.concat(parts) end
    parts[#parts + 1] = chunk
    conn:read_line(seconds)
  end
end

--- The body behind a head. `until_close` for responses without a length.
-- @treturn ?string
-- @treturn ?error  with what came of it so far as third value where it is known
function http.read_body(conn, fields, until_close, seconds)
  if (fields["transfer-encoding"] or ""):lower():find("chunked", 1, true) then
    return read_chunked(conn, seconds)
  end
  local length = tonumber(fields["content-length"])
  if length then
    if length > BODY_BYTES_MAX then return nil, "the body is too large" end
    return conn:read(length, seconds)
  end
  return until_close and conn:read_all(seconds) or ""
end

--- The next request of a connection, whole.
-- @treturn ?table  method, target, path, query, headers (lower-case names), body
-- @treturn ?error  nil at the orderly end of the connection
function http.read_request(conn, seconds)
  local line, err = conn:read_line(seconds)
  if line == "" then line, err = conn:read_line(seconds) end
  if not line then return nil, err end
  local method, target, minor = line:match("^(%S+) (%S+) HTTP/1%.(%d)$")
  if not method then return nil, "not a request line: " .. line end
  local headers
  headers, err = read_fields(conn, seconds)
  if not headers then return nil, err end
  if (headers.expect or ""):lower() == "100-continue" then conn:write("HTTP/1.1 100 Continue\r\n\r\n") end
  local body
  body, err = http.read_body(conn, headers, false, seconds)
  if not body then return nil, err end
  local path, query = target:match("^([^?]*)%??(.*)$")
  local connection = (headers.connection or ""):lower()
  return {
    method = method, target = target, path = path, query = query, headers = headers, body = body,
    keep_alive = not connection:find("close", 1, true)
      and (minor ~= "0" or connection:find("keep-alive", 1, true) ~= nil),
  }
end

--- The head of a response as it comes: status, headers (lower-case names).
function http.read_head(conn, seconds)
  local line, err = conn:read_line(seconds)
  if not line then return nil, err end
  local status = tonumber(line:match("^HTTP/1%.%d (%d%d%d)"))
  if not status then return nil, "not a status line: " .. line end
  local headers
  headers, err = read_fields(conn, seconds)
  if not headers then return nil, err end
  if status == 100 then return http.read_head(conn, seconds) end
  return { status = status, headers = headers }
end

--- A whole response: status, headers, body.
function http.read_response(conn, seconds)
  local head, err = http.read_head(conn, seconds)
  if not head then return nil, err end
  head.body, err = http.read_body(conn, head.headers, true, seconds)
  if not head.body then return nil, err end
  return head
end

--- A head's text. `headers` is a map; names are written as given, sorted.
function http.head(status, headers)
  local names, out = {}, { ("HTTP/1.1 %d %s\r\n"):format(status, PHRASES[status] or "Status") }
  for name in pairs(headers) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do out[#out + 1] = name .. ": " .. tostring(headers[name]) .. "\r\n" end
  out[#out + 1] = "\r\n"
  return table.concat(out)
end

--- A request's text, with Content-Length when there is a body.
function http.request(method, target, headers, body)
  local all = { Host = "localhost" }
  if body then all["Content-Length"] = #body end
  for name, value in pairs(headers or {}) do all[name] = value end
  return http.head(200, all):gsub("^[^\r]*", function() return method .. " " .. target .. " HTTP/1.1" end, 1)
    .. (body or "")
end

--- Write up to three pieces as one chunk of a chunked body. They are not put
-- together first: LuaJIT looks at few bytes of a long string, and strings that
-- differ elsewhere, as the events of many streams do, are slow to make.
function http.write_chunk(conn, a, b, c)
  b, c = b or "", c or ""
  return conn:write(("%x\r\n"):format(#a + #b + #c), a, b, c, "\r\n")
end

--- One chunk of a chunked body; "" is the last one.
function http.chunk(bytes)
  if bytes == "" then return "0\r\n\r\n" end
  return ("%x\r\n%s\r\n"):format(#bytes, bytes)
end

return http
