--- A location's request to this worker's engine, and its answer back to the client.

local core   = require "tidegate.core"
local fields = require "tidegate.resty.fields"
local http1  = require "tidegate.wire.http1"
local worker = require "tidegate.resty.worker"

local ngx = ngx
local concat, find, sub = table.concat, string.find, string.sub

-- ---- the request ----

-- The body of the client's request: text, or an open file and its length; nil when there is none.
local function client_body()
  ngx.req.read_body()
  local text = ngx.req.get_body_data()
  if text then return text end
  local path = ngx.req.get_body_file()
  if not path then return nil end
  local file, why = io.open(path, "rb")
  if not file then return nil, nil, why end
  local length = file:seek "end"
  file:seek "set"
  return file, length
end

-- A client of HTTP/1.0 need not say which host it means.
local function put_fields(out)
  if not ngx.var.http_host then fields.put(out, "Host", "nginx") end
  for name, value in pairs(ngx.req.get_headers(0, true)) do
    if not fields.is_left_out(name) then
      if type(value) == "table" then
        for _, one in ipairs(value) do fields.put(out, name, one) end
      else
        fields.put(out, name, value)
      end
    end
  end
end

-- Everything but what RFC 3986 lets stand in a path.
local function escaped_path(path)
  return (path:gsub("[^%w%-%._~!$&'()*+,;=:@/]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- As the client wrote it, unless the location has rewritten it.
local function target()
  local var = ngx.var
  local asked, uri, args = var.request_uri, var.uri, var.args
  local question = find(asked, "?", 1, true)
  local path = question and sub(asked, 1, question - 1) or asked
  if path ~= uri and ngx.unescape_uri(path) ~= uri then path = escaped_path(uri) end
  return args and path .. "?" .. args or path
end

local function request_head(method, length)
  local out = { method, " ", target(), " HTTP/1.1\r\n" }
  put_fields(out)
  if length then fields.put(out, "Content-Length", ("%d"):format(length)) end
  out[#out + 1] = "\r\n"
  return concat(out)
end

-- ---- the answer ----

-- The gateway's own words, where its engine has none.
local function refuse(kind, status, words)
  local code, body = core.fault(kind, status, words)
  ngx.status = code
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Content-Length"] = #body
  ngx.print(body)
end

local function tell_head(reader)
  local header, told, ctx = ngx.header, reader.fields, ngx.ctx.tidegate
  ngx.status = reader.status
  for i = 1, #told, 2 do
    local name, value = told[i], told[i + 1]
    if name ~= "Date" then header[name] = value end       -- nginx has its own
    if name == "X-Generation-Id" then ctx.generation_id = value end
  end
  if reader.length then header["Content-Length"] = reader.length end
  ctx.status, ctx.is_stream, ctx.first_byte = reader.status, reader.is_chunked == true, ngx.now() - ctx.began
end

-- False when the client is gone. The end of the answer goes out with the end of the request. For a
-- client of HTTP/1.0 nginx keeps the whole, unless lua_http10_buffering is off.
local function pass_on(bytes, reader)
  if not ngx.print(bytes) then return false end
  if reader.is_over then return true end
  local ok, err = ngx.flush(true)
  return ok or err == "buffering"
end

-- Without lua_check_client_abort nobody hears of a client that leaves until there is something to
-- write. Registering a handler is the only way to learn of it, and costs a coroutine: once will do.
local is_abort_checked = false

local function check_aborts()
  is_abort_checked = true
  if not ngx.on_abort(function() ngx.exit(499) end) then
    ngx.log(ngx.WARN, "tidegate: lua_check_client_abort is off in ", ngx.var.uri,
      ": providers go on writing for clients that have left")
  end
end

-- Nothing was told yet: say so. Else the client must see that there is no end.
local function fail(why)
  ngx.log(ngx.ERR, "tidegate: ", why)
  if ngx.headers_sent then return ngx.exit(ngx.ERROR) end
  refuse("server", 502, "The gateway did not answer")
end

-- In content_by_lua: everything below /v1 and /api/v1, as `tidegate serve` answers it. Streams go
-- to the client as they come. ngx.ctx.tidegate has for log_by_lua: generation_id, status, is_stream,
-- first_byte (seconds), is_whole.
return function()
  local ctx = { began = ngx.now(), is_whole = false }
  ngx.ctx.tidegate = ctx
  if not is_abort_checked then check_aborts() end
  local method = ngx.req.get_method()
  local body, length, why = client_body()
  if why then return fail("the request's body cannot be read: " .. why) end
  local sock, block = worker.ask(request_head(method, length or body and #body), body)
  if not sock then return fail(block) end
  ctx.is_whole, why = worker.read(sock, block, http1.reader(method), tell_head, pass_on)
  if why then fail(why) end
end
