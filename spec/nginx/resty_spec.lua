--- The gateway inside a real nginx, with scripted providers and clients around it.

local nginx    = require "nginx"
local net      = require("tidegate.core").net
local json     = require "cjson.safe"
local gateway  = require "gateway"
local http     = require "http"
local process  = require "process"
local provider = require "provider"
local scene    = require "scene"

if nginx.missing() then
  io.stderr:write(("NOTICE: %s is not installed: the gateway inside nginx is not tested\n"):format(nginx.missing()))
  describe("OpenResty", function()
    it("is driven", function() pending(nginx.missing() .. " is not installed") end)
  end)
  return
end

local A_FIRST = gateway.list { "a", "b" }
local good = provider.good()
local list = gateway.list

-- ---- the stage ----

local Stage = {}
Stage.__index = Stage

--- A chat through nginx; see scene.told().
function Stage:chat(members, headers, seconds)
  return scene.told(http.post(self.port, "/api/v1/chat/completions",
    type(members) == "string" and members or scene.body(members), headers, seconds))
end

--- A stream that is being read: the connection.
function Stage:begin_stream(members, path, port)
  local body = { stream = true }
  for k, v in pairs(members or {}) do body[k] = v end
  local conn = assert(net.connect("127.0.0.1", port or self.port))
  assert(conn:write(http.request_text("POST", path or "/v1/chat/completions",
    { ["Content-Type"] = "application/json", Connection = "close" }, scene.body(body))))
  return conn
end

function Stage:metrics()
  return http.get(self.port, "/metrics").body
end

-- The value of one series of the test's model.
local function figure(text, name, endpoint, more)
  local labels = ('model="test/model",provider="%s",endpoint="%s"%s'):format(endpoint, endpoint, more or "")
  for line in text:gmatch "[^\n]+" do
    local series, value = line:match "^(%S+{.*}) (%S+)$"
    if series == name .. "{" .. labels .. "}" then return tonumber(value) end
  end
end

-- Run fn(stage) with nginx in front of these providers; slug -> answering function.
local function run(providers, options, fn)
  local ok, failure, ended, why = true, nil, true, nil
  net.run(function()
    local s = setmetatable({ providers = {} }, Stage)
    local ports = {}
    for slug, answer in pairs(providers) do
      local p = provider.start(answer)
      s[slug], s.providers[#s.providers + 1], ports[slug] = p, p, p.port
    end
    local o = { providers = ports }
    for k, v in pairs(options) do o[k] = v end
    if type(o.locations) == "function" then o.locations = o.locations(ports) end
    s.nginx = nginx.start(o)
    s.port = s.nginx.port
    ok, failure = pcall(fn, s)
    if not ok and os.getenv "TIDEGATE_SPEC_LOG" then io.stderr:write(s.nginx:log()) end
    ended, why = pcall(s.nginx.stop, s.nginx)
    for _, p in ipairs(s.providers) do
      p:stop()
      if ok and p.failure then ok, failure = false, "a provider's script failed: " .. tostring(p.failure) end
    end
  end)
  if not ok then error(failure, 0) end
  if not ended then error(why, 0) end
end

local function with(providers, options, fn)
  return function() run(providers, options, fn) end
end

local function median(values)
  table.sort(values)
  return values[math.ceil(#values / 2)]
end

local function quantile(values, q)
  table.sort(values)
  return values[math.max(1, math.ceil(#values * q))]
end

-- ---- the routes ----

local EMBEDDER = gateway.model("test/embed", { { provider = "a" } })
EMBEDDER.architecture = { input_modalities = list { "text" }, output_modalities = list { "embeddings" } }

describe("proxy()", function()

  it("answers every route as the gateway does", with({ a = good }, {}, function(s)
    local cases = {
      { "GET", "/v1/models", 200, '"id":"test/model"' },
      { "GET", "/api/v1/models", 200, '"id":"test/model"' },
      { "GET", "/v1/models?supported_parameters=tools", 200, '"data":[' },
      { "GET", "/v1/models/test/model/endpoints", 200, '"provider_name":"Provider A"' },
      { "GET", "/v1/models/test%2Fmodel/endpoints", 404, '"code":404' },
      { "GET", "/v1/providers", 200, '"slug":"a"' },
      { "GET", "/v1/nothing/here", 404, '"error_type":"not_found"' },
      { "GET", "/v1/chat/completions", 405, "takes POST" },
      { "POST", "/v1/chat/completions", 400, "The body is not JSON", body = "{" },
      { "POST", "/v1/chat/completions", 400, "", body = '{"model":"no/such","messages":[]}' },
      { "POST", "/v1/chat/completions", 400, '"error_type":"invalid_request"', body = "" },
      { "POST", "/v1/chat/completions", 415, "Compressed request bodies", body = "{}", headers = { ["Content-Encoding"] = "gzip" } },
    }
    for _, case in ipairs(cases) do
      local r = http.request(s.port, case[1], case[2], case.headers, case.body)
      assert.equal(case[3], r.status, case[2] .. ": " .. r.body)
      assert.truthy(r.body:find(case[4], 1, true), r.body)
      assert.equal(#r.body, tonumber(r.headers["content-length"]), case[2])
      assert.equal("application/json", r.headers["content-type"])
      assert.truthy(r.headers["x-generation-id"]:find "^gen%-%d+%-%w+$")
      assert.equal("*", r.headers["access-control-allow-origin"])
    end
    assert.equal("POST", http.get(s.port, "/v1/chat/completions").headers.allow)
  end))

  it("answers HEAD and a browser's preflight", with({ a = good }, {}, function(s)
    local whole = http.get(s.port, "/v1/models")
    local conn = assert(net.connect("127.0.0.1", s.port))
    conn:write(http.request_text("HEAD", "/v1/models", { Connection = "close" }))
    local text = conn:read_all(5)
    assert.truthy(text:find("Content-Length: " .. #whole.body .. "\r\n", 1, true), text)
    assert.truthy(text:find "\r\n\r\n$", text)
    local r = http.request(s.port, "OPTIONS", "/v1/chat/completions")
    assert.equal(204, r.status)
    assert.truthy(r.headers["access-control-allow-methods"]:find "POST")
  end))

  it("asks for a key where the configuration does",
    with({ a = good }, { config = { auth = "keys", keys = list { { name = "me", key = "sk-right-key-1" } } } }, function(s)
      assert.equal(401, s:chat({}).status)
      assert.equal("Missing Authentication header", s:chat({}).json.error.message)
      assert.equal(401, s:chat({}, { Authorization = "Bearer sk-wrong-key-1" }).status)
      assert.equal(0, #s.a.requests)
      assert.equal(200, s:chat({}, { Authorization = "Bearer sk-right-key-1" }).status)
      assert.equal(200, http.get(s.port, "/v1/models").status)
      -- The provider sees its own key and nobody else's.
      assert.equal("Bearer key-of-a", s.a.requests[1].headers.authorization)
    end))

  it("serves chats, completions and embeddings", with({
    a = function(conn, request)
      if request.path == "/v1/completions" then
        return provider.json(conn, '{"id":"c","object":"text_completion","created":1,"model":"up","choices":[{"index":0,'
          .. '"text":"done","finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}')
      elseif request.path == "/v1/embeddings" then
        return provider.json(conn, '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]}],'
          .. '"model":"up","usage":{"prompt_tokens":2,"total_tokens":2}}')
      end
      return good(conn, request)
    end,
  }, { models = { EMBEDDER } }, function(s)
    local whole = s:chat {}
    assert.equal(200, whole.status)
    assert.equal("Hello, world", whole.json.choices[1].message.content)
    assert.equal(#whole.body, tonumber(whole.headers["content-length"]))
    assert.equal(whole.json.id, whole.headers["x-generation-id"])

    local stream = s:chat { stream = true }
    assert.equal("Hello, world", stream.text)
    assert.is_true(stream.done)
    assert.is_nil(stream.headers["content-length"])
    assert.truthy(stream.headers["content-type"]:find "^text/event%-stream")

    local completion = http.post(s.port, "/v1/completions", '{"model":"test/model","prompt":"say"}')
    assert.equal("done", json.decode(completion.body).choices[1].text)
    local vectors = http.post(s.port, "/v1/embeddings", '{"model":"test/embed","input":"say"}')
    assert.same({ 0.5, -1 }, json.decode(vectors.body).data[1].embedding)
  end))

  it("brings a body through as it came: from memory, from a file, in chunks", with({ a = good }, {}, function(s)
    local long = ("words and \\\"words\\\" "):rep(40000)               -- 800 KB: nginx keeps it in a file
    for _, words in ipairs { "short", long } do
      local body = ('{"model":"test/model","messages":[{"role":"user","content":"hi"}],"tools":[],'
        .. '"seed":12345678901234567,"x_unknown":{"b":"%s","a":[]}}'):format(words)
      assert.equal(200, s:chat(body).status)
      local sent = s.a.requests[#s.a.requests].body
      assert.equal((body:gsub("test/model", "up-a", 1)), sent)
    end
    local conn = assert(net.connect("127.0.0.1", s.port))
    local body = scene.body {}
    conn:write("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for i = 1, #body, 7 do
      local piece = body:sub(i, i + 6)
      conn:write(("%x\r\n%s\r\n"):format(#piece, piece))
    end
    conn:write "0\r\n\r\n"
    assert.equal(200, http.read_response(conn).status)
    conn:close()
  end))

  it("refuses a long body in the gateway's words, though it has not read it",
    with({ a = good }, { config = { auth = "keys", keys = list { { name = "me", key = "sk-right-key-1" } },
                                    limits = { body = 100000 } } }, function(s)
      local long = ('{"model":"test/model","messages":[],"x":"%s"}'):format(("x"):rep(3000000))
      for _ = 1, 3 do
        local r = s:chat(long)
        assert.equal(413, r.status)
        assert.equal("payload_too_large", r.json.error.error_type)
        r = s:chat(long:sub(1, 99990), { Authorization = "Bearer sk-wrong-key-1" })
        assert.equal(401, r.status)
        assert.equal("User not found.", r.json.error.message)
      end
    end))

  it("serves clients of HTTP/1.0, which name no host", with({ a = good }, {}, function(s)
    for _, stream in ipairs { false, true } do
      local conn = assert(net.connect("127.0.0.1", s.port))
      local body = scene.body { stream = stream }
      conn:write(("POST /v1/chat/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
      local text = conn:read_all(5)
      assert.truthy(text:find "^HTTP/1%.1 200 OK\r\n", text)
      assert.is_nil(text:find("Transfer-Encoding", 1, true))
      assert.truthy(text:find("world", 1, true), text)
      conn:close()
    end
  end))

  it("keeps one connection for many requests, of the client's and of its own", with({ a = good }, { workers = 1 }, function(s)
    local conn = assert(net.connect("127.0.0.1", s.port))
    for i = 1, 20 do
      conn:write(http.request_text("POST", "/v1/chat/completions", {}, scene.body { stream = i % 2 == 0 }))
      assert.equal(200, http.read_response(conn).status)
    end
    conn:close()
    assert.equal(20, #s.a.requests)
    assert.equal(1, s.a.connections)
  end))

  it("goes on elsewhere when a provider fails, and tells of it when it is asked to", with({
    a = function(conn) return provider.json(conn, '{"error":{"message":"broken"}}', 500) end,
    b = provider.good { "from ", "b" },
  }, {}, function(s)
    local r = s:chat({ provider = { order = A_FIRST } }, { ["X-OpenRouter-Metadata"] = "enabled" })
    assert.equal(200, r.status)
    assert.equal("from b", r.json.choices[1].message.content)
    assert.equal("Provider B", r.json.provider)
    assert.equal(2, #r.json.openrouter_metadata.attempts)
    assert.equal("from b", s:chat({ provider = { order = A_FIRST }, stream = true }).text)
  end))

  it("tells a broken stream as the gateway does", with({
    a = function(conn)
      provider.begin_stream(conn)
      provider.event(conn, provider.delta "half an ")
      return false
    end,
  }, {}, function(s)
    local r = s:chat { stream = true }
    assert.equal("half an ", r.text)
    assert.is_false(r.done)
    assert.equal(502, r.last.error.code)
    assert.is_nil(r.cut)                               -- told, and ended in order
  end))

  it("passes on what policies and the engine look at, and nothing of the connection's own", with({ a = good, b = good }, {
    config = { policy = "seen.lua" },
    files = { ["seen.lua"] = [[
      return { filter = function(endpoint, request)
        local h = request.headers
        if h["x-team"] ~= "blue" then return true end
        for _, name in ipairs { "cookie", "accept-encoding", "connection", "te", "upgrade", "transfer-encoding" } do
          if h[name] then return false, name .. " came through" end
        end
        return endpoint.provider == "b", "not for blue: " .. h.host
      end }]] },
  }, function(s)
    local r = s:chat({}, { ["X-Team"] = "blue", Cookie = "a=b", TE = "trailers", Upgrade = "x", Connection = "Upgrade",
      ["Accept-Encoding"] = "gzip" })
    assert.equal(200, r.status, r.body)
    assert.equal("Provider B", r.json.provider)
    assert.equal(200, s:chat({}).status)
  end))

  it("asks for the path that a location rewrote", with({ a = good }, {
    locations = [[location /ai/ { rewrite ^/ai/(.*)$ /v1/$1 break; content_by_lua_block { require("tidegate.resty").proxy() } }]],
  }, function(s)
    assert.equal(200, http.get(s.port, "/ai/models/test/model/endpoints").status)
    assert.equal(200, http.post(s.port, "/ai/chat/completions", scene.body {}).status)
  end))

  it("leaves for the log what became of a request", with({ a = good }, {
    http = [[log_by_lua_block {
      local t = ngx.ctx.tidegate
      if t then ngx.log(ngx.ERR, "told: ", t.generation_id, " ", t.status, " ", tostring(t.is_stream), " ",
        tostring(t.is_whole), " ", t.first_byte >= 0) end }]],
  }, function(s)
    local id = s:chat({ stream = true }).events[1].id
    nginx.wait(2, function() return s.nginx:log():find("told: " .. id .. " 200 true true true", 1, true) end, "the line")
    s:chat "{"
    nginx.wait(2, function() return s.nginx:log():find "told: gen%-%S+ 400 false true true" end, "the line")
  end))

  it("says once where nobody would hear of clients that leave", with({ a = good }, {
    workers = 1, http = "", locations = [[location /deaf/ { lua_check_client_abort off; rewrite ^/deaf(.*)$ $1 break;
      content_by_lua_block { require("tidegate.resty").proxy() } }]],
  }, function(s)
    for _ = 1, 3 do assert.equal(200, http.get(s.port, "/deaf/v1/models").status) end
    local _, count = s.nginx:log():gsub("lua_check_client_abort is off", "")
    assert.equal(1, count)
  end))
end)

-- ---- streams ----

describe("A stream through proxy()", function()

  -- Delays of the chunks of one stream, from the provider's write to the client's read.
  local function delays(s, path, written)
    local conn, out = s:begin_stream({}, path), {}
    local seen, count = "", 0
    while count < 12 do
      local more = conn:read_some(5)
      if not more then break end
      local at = net.now()
      seen = seen .. more
      local n = select(2, seen:gsub("word%d+ ", ""))
      for i = count + 1, n do out[i] = at - written[i] end
      count = n
    end
    conn:close()
    return out
  end

  local written = {}

  it("is as soon at the client as through a bare proxy_pass", with({
    a = function(conn)
      provider.begin_stream(conn)
      for i = 1, 12 do
        written[i] = net.now()
        provider.event(conn, provider.delta("word" .. i .. " "))
        net.sleep(0.03)
      end
      provider.event(conn, provider.delta("", "stop"))
      provider.event(conn, "[DONE]")
      provider.end_stream(conn)
    end,
  }, {
    locations = function(ports)
      return ([[location = /bare { proxy_pass http://127.0.0.1:%d/v1/chat/completions; proxy_buffering off;
        proxy_http_version 1.1; }]]):format(ports.a)
    end,
  }, function(s)
    local bare, ours = {}, {}
    for _ = 1, 3 do
      for _, d in ipairs(delays(s, "/bare", written)) do bare[#bare + 1] = d end
      for _, d in ipairs(delays(s, "/v1/chat/completions", written)) do ours[#ours + 1] = d end
    end
    assert.equal(36, #bare)
    assert.equal(36, #ours)
    assert.is_true(median(ours) < median(bare) + 0.002, ("median %.3f ms, bare %.3f ms"):format(
      median(ours) * 1e3, median(bare) * 1e3))
    assert.is_true(quantile(ours, 0.95) < 0.025, "a chunk waited for the next one")
  end))

  it("ends at the provider within 100 ms of the client leaving, also before the first byte", with({
    a = function(conn, request)
      if request.body:find "silent" then
        net.sleep(0.2)
      else
        provider.begin_stream(conn)
        provider.event(conn, provider.delta "first")
      end
      while not conn:is_gone() do net.sleep(0.002) end
      return false
    end,
  }, {}, function(s)
    for _, words in ipairs { "silent", "talking" } do
      local before = #s.a.requests
      local conn = s:begin_stream { messages = list { { role = "user", content = words } } }
      if words == "talking" then conn:read_some(5) end
      nginx.wait(2, function() return #s.a.requests > before end, "the request")
      net.sleep(0.25)
      s.a.closed_at = nil
      local left = net.now()
      conn:close()
      nginx.wait(2, function() return s.a.closed_at end, "the end at the provider")
      assert.is_true(s.a.closed_at - left < 0.1, ("%s: %.0f ms"):format(words, (s.a.closed_at - left) * 1e3))
    end
  end))

  it("that bursts keeps nobody else waiting", with({
    a = function(conn)
      provider.begin_stream(conn)
      local words = ("x"):rep(2000)
      for _ = 1, 6000 do                                  -- 12 MB, as fast as it is taken
        if not provider.event(conn, provider.delta(words)) then return false end
      end
      provider.event(conn, provider.delta("", "stop"))
      provider.event(conn, "[DONE]")
      provider.end_stream(conn)
    end,
  }, { workers = 1 }, function(s)
    local left, times = 4, {}
    for _ = 1, 4 do
      local conn = s:begin_stream()
      net.spawn(function()
        while conn:read_some(5) do end
        left = left - 1
        conn:close()
      end)
    end
    local name = os.tmpname()
    os.execute(("curl -s -w '%%{time_total}\\n' %s > %s &"):format(
      ("http://127.0.0.1:%d/ping -o /dev/null "):format(s.port):rep(100), name))
    nginx.wait(30, function() return left == 0 end, "the end of the streams")
    nginx.wait(5, function()
      times = {}
      for line in io.lines(name) do times[#times + 1] = tonumber(line) end
      return #times == 100
    end, "100 answers")
    os.remove(name)
    if os.getenv "TIDEGATE_SPEC_LOG" then
      print(("ping beside 4 bursts: median %.2f ms, p99 %.2f ms"):format(median(times) * 1e3, quantile(times, 0.99) * 1e3))
    end
    assert.is_true(median(times) < 0.005, ("median %.1f ms"):format(median(times) * 1e3))
    assert.is_true(quantile(times, 0.99) < 0.1, ("p99 %.1f ms"):format(quantile(times, 0.99) * 1e3))
  end))

  local sent = 0

  it("waits with the provider for a client that does not read", with({
    a = function(conn)
      provider.begin_stream(conn)
      local words = ("x"):rep(16000)
      sent = 0
      for _ = 1, 1500 do                                  -- 24 MB
        if not provider.event(conn, provider.delta(words)) then return false end
        sent = sent + #words
      end
      provider.event(conn, provider.delta("", "stop"))
      provider.event(conn, "[DONE]")
      provider.end_stream(conn)
    end,
  }, { workers = 1 }, function(s)
    local worker = s.nginx:ping()
    s:chat {}                                             -- whatever is made for a first request
    local before = nginx.rss_kb(worker)
    local conn = s:begin_stream()
    net.sleep(1)
    local stopped = sent
    assert.is_true(stopped < 12e6, stopped .. " bytes were taken from the provider")
    assert.is_true(nginx.rss_kb(worker) - before < 3000, "the worker keeps what nobody reads")
    net.sleep(0.3)
    assert.equal(stopped, sent)
    local r = http.read_response(conn, 20)
    assert.is_nil(r.cut)
    assert.is_true(#r.body > 24e6)
    assert.truthy(r.body:find("data: [DONE]", 1, true))
    conn:close()
  end))
end)

-- ---- the workers ----

-- Whatever `what` gives, from each of the workers that answer.
local function of_each_worker(s, count, what)
  local by_pid, n = {}, 0
  nginx.wait(10, function()
    local r = http.get(s.port, "/here")
    local pid, text = r.body:match "^(%d+)\n(.*)$"
    if not by_pid[pid] then n = n + 1 end
    by_pid[pid] = what(text)
    return n == count
  end, count .. " workers")
  return by_pid
end

local HERE = [[location = /here { content_by_lua_block {
  ngx.print(ngx.worker.pid(), "\n", require("tidegate.resty").metrics()) } }]]

local function samples(text)
  return figure(text, "tidegate_samples", "a")
end

describe("The workers", function()

  it("share what they know of the endpoints, and a reload keeps it", with({ a = good }, { workers = 3, locations = HERE }, function(s)
    for _ = 1, 12 do assert.equal(200, s:chat({ stream = true }).status) end
    nginx.wait(2, function() return samples(s:metrics()) == 12 end, "what was told")
    for pid, n in pairs(of_each_worker(s, 3, samples)) do assert.equal(12, n, pid) end
    s.nginx:reload()
    for pid, n in pairs(of_each_worker(s, 3, samples)) do assert.equal(12, n, pid) end
    assert.equal(200, s:chat({}).status)
    nginx.wait(2, function() return figure(s:metrics(), "tidegate_attempts_total", "a", ',outcome="success"') == 13 end,
      "the next one")
    local endpoint = json.decode(http.get(s.port, "/v1/models/test/model/endpoints").body).data.endpoints[1]
    assert.equal(100, endpoint.uptime_last_5m)
  end))

  it("share breakers, and a reload keeps them", with({
    a = function(conn) return provider.json(conn, '{"error":{"message":"down"}}', 500) end, b = good,
  }, { workers = 3, locations = HERE }, function(s)
    for _ = 1, 6 do assert.equal(500, s:chat({ provider = { only = list { "a" } } }).status) end
    local function breaker(text) return figure(text, "tidegate_breaker", "a") end
    nginx.wait(2, function() return breaker(s:metrics()) == 2 end, "an open breaker")
    for _ = 1, 2 do
      for pid, is in pairs(of_each_worker(s, 3, breaker)) do assert.is_true(is >= 1, pid) end
      for pid, is in pairs(of_each_worker(s, 3, function(text) return figure(text, "tidegate_outage", "a") end)) do
        assert.equal(1, is, pid)
      end
      local before = #s.a.requests
      for _ = 1, 6 do assert.equal("Provider B", s:chat({}).json.provider) end
      assert.is_true(#s.a.requests - before <= 1)
      s.nginx:reload()
    end
  end))

  it("share what policies remember", with({ a = good }, {
    workers = 3, config = { policy = "count.lua" },
    files = { ["count.lua"] = [[
      return { filter = function()
        local n = tidegate.kv.incr "asked"
        return n <= 9, "the " .. n .. "th"
      end }]] },
  }, function(s)
    local by_status = {}
    for _ = 1, 12 do
      local status = s:chat({}).status
      by_status[status] = (by_status[status] or 0) + 1
    end
    assert.equal(9, by_status[200])
  end))

  it("are not kept waiting by a provider that stalls", with({
    a = function(conn)
      net.sleep(1.5)
      return provider.json(conn, provider.completion "late")
    end,
  }, { workers = 1 }, function(s)
    local slow
    net.spawn(function() slow = s:chat {} end)
    net.spawn(function() s:chat { stream = true } end)
    nginx.wait(2, function() return #s.a.requests == 2 end, "the stalled requests")
    local longest = 0
    for _ = 1, 50 do
      local began = net.now()
      s.nginx:ping()
      longest = math.max(longest, net.now() - began)
      net.sleep(0.01)
    end
    assert.is_nil(slow)
    assert.is_true(longest < 0.1, ("a /ping took %.0f ms"):format(longest * 1e3))
    nginx.wait(5, function() return slow end, "the slow answer")
    assert.equal(200, slow.status)
  end))

  -- Ends the streams of provider `talking` when it is told to.
  local is_over

  local function talking(pause)
    return function(conn, request)
      if not request.body:find '"stream":true' then return good(conn, request) end
      provider.begin_stream(conn)
      repeat
        if not provider.event(conn, provider.delta "word ") then return false end
        net.sleep(pause)
      until is_over
      provider.event(conn, provider.delta("", "stop"))
      provider.event(conn, provider.usage(10, 5))
      provider.event(conn, "[DONE]")
      provider.end_stream(conn)
    end
  end

  -- So many streams, all of which have said something.
  local function open_streams(s, count)
    local streams = {}
    is_over = false
    scene.each((function()
      local jobs = {}
      for i = 1, count do jobs[i] = i end
      return jobs
    end)(), 50, function(i)
      streams[i] = s:begin_stream()
      assert(streams[i]:read_some(20))
    end)
    return streams
  end

  -- Read them to their end; how many were whole.
  local function end_streams(streams)
    local whole = 0
    is_over = true
    for _, conn in ipairs(streams) do
      local text = conn:read_all(30) or ""
      if text:find("data: [DONE]", 1, true) and text:find "0\r\n\r\n$" then whole = whole + 1 end
      conn:close()
    end
    return whole
  end

  -- Bytes that nobody reads would stop the others: they are read and thrown away.
  local function drain(streams)
    for _, conn in ipairs(streams) do net.spawn(function() while not is_over do if not conn:read_some(1) then break end end end) end
  end

  it("answer an unrelated request in milliseconds while 500 streams run", with({ a = talking(0.5) }, { workers = 2 }, function(s)
    local streams = open_streams(s, 500)
    drain(streams)
    local urls = ("http://127.0.0.1:%d/ping -o /dev/null "):format(s.port):rep(200)
    local name = os.tmpname()
    os.execute(("curl -s -w '%%{time_total}\\n' %s > %s &"):format(urls, name))
    local times = {}
    nginx.wait(20, function()
      times = {}
      for line in io.lines(name) do times[#times + 1] = tonumber(line) end
      return #times == 200
    end, "200 answers")
    os.remove(name)
    local m, p99 = median(times), quantile(times, 0.99)
    if os.getenv "TIDEGATE_SPEC_LOG" then print(("ping beside 500 streams: median %.2f ms, p99 %.2f ms"):format(m * 1e3, p99 * 1e3)) end
    assert.is_true(m < 0.005, ("median %.1f ms"):format(m * 1e3))
    assert.is_true(p99 < 0.1, ("p99 %.1f ms"):format(p99 * 1e3))
    assert.equal(500, figure(s:metrics(), "tidegate_in_flight", "a"))
    is_over = true
    net.sleep(1.2)
    for _, conn in ipairs(streams) do conn:close() end
  end))

  it("that were reloaded end 200 streams whole, and are gone then", with({ a = talking(0.2) }, { workers = 2 }, function(s)
    local streams = open_streams(s, 200)
    local old = s.nginx:reload()
    assert.equal("Hello, world", s:chat({}).json.choices[1].message.content)
    net.sleep(0.5)
    for _, pid in ipairs(old) do assert.is_true(nginx.is_alive(pid)) end
    assert.equal(200, end_streams(streams))
    nginx.wait(5, function()
      for _, pid in ipairs(old) do
        if nginx.is_alive(pid) then return false end
      end
      return true
    end, "the end of the old workers")
    assert.equal(2, #s.nginx:sockets())
    nginx.wait(2, function() return figure(s:metrics(), "tidegate_in_flight", "a") == 0 end, "nothing in flight")
  end))

  it("end at once, and in order, when nginx is stopped", with({ a = talking(0.05) }, { workers = 2 }, function(s)
    local streams = open_streams(s, 30)
    drain(streams)
    s.nginx:signal "TERM"
    nginx.wait(5, function() return #s.nginx:workers() == 0 end, "the end of the workers")
    assert.same({}, s.nginx:sockets())
    is_over = true
    for _, conn in ipairs(streams) do conn:close() end
  end))

  it("may be reloaded again and again", with({ a = good }, { workers = 1 }, function(s)
    s.nginx:reload()
    local before = nginx.rss_kb(s.nginx.process.pid)
    for _ = 1, 10 do s.nginx:reload() end
    assert.equal(200, s:chat({}).status)
    nginx.wait(5, function() return #s.nginx:workers() == 1 end, "the end of the old workers")
    assert.equal(1, #s.nginx:sockets())
    assert.is_true(nginx.rss_kb(s.nginx.process.pid) - before < 3000, "the master grows")
  end))

  it("go on when one of them is killed, and the figures stay", with({ a = talking(0.1) }, { workers = 2, locations = HERE }, function(s)
    s.nginx.may_be_killed = true
    local streams = open_streams(s, 40)
    assert.equal(40, figure(s:metrics(), "tidegate_in_flight", "a"))
    local workers = s.nginx:workers()
    process.run { "kill", "-9", tostring(workers[1]) }
    nginx.wait(5, function() return #s.nginx:workers() == 2 and not nginx.is_alive(workers[1]) end, "another worker")
    of_each_worker(s, 2, function() return true end)
    for _ = 1, 10 do assert.equal(200, s:chat({}).status) end
    -- What the dead one had in flight is not in flight any more.
    local running = 0
    for _, conn in ipairs(streams) do running = running + (conn:is_gone() and 0 or 1) end
    assert.is_true(running < 40)
    nginx.wait(5, function() return figure(s:metrics(), "tidegate_in_flight", "a") == running end, "what is in flight")
    assert.is_true(samples(s:metrics()) >= 10)
    assert.equal(2, #s.nginx:sockets())
    assert.equal(running, end_streams(streams))
  end))
end)

-- ---- starting and ending ----

describe("init()", function()

  it("stops nginx's start with the place of the mistake", function()
    net.run(function()
      local status, words = nginx.refuses { providers = { a = 1 }, config = { timeuots = {} } }
      assert.not_equal(0, status)
      assert.truthy(words:find "/tidegate%.lua:1: unknown key timeuots, did you mean timeouts%?")
      status, words = nginx.refuses { providers = { a = 1 }, config = { policy = "bad.lua" }, files = { ["bad.lua"] = "return {\n fliter = 1 }" } }
      assert.not_equal(0, status)
      assert.truthy(words:find "/bad%.lua:2: unknown key fliter, did you mean filter%?")
      status, words = nginx.refuses { providers = { a = 1 }, init = 'confg = "tidegate.lua"' }
      assert.not_equal(0, status)
      assert.truthy(words:find "init: unknown option confg")
    end)
  end)

  it("keeps what there was when a reload brings a mistake", with({ a = good }, {}, function(s)
    local workers = s.nginx:workers()
    local path = s.nginx.dir .. "/tidegate.lua"
    local text = scene.read_file(path)
    gateway.write(path, (text:gsub("^return {", "return {\n  lisen = 1,")))
    s.nginx:signal "HUP"
    nginx.wait(5, function() return s.nginx:log():find "tidegate%.lua:2: unknown key lisen, did you mean listen%?" end, "the words")
    net.sleep(0.2)
    assert.same(workers, s.nginx:workers())
    assert.equal(200, s:chat({}).status)
    -- And takes the good one that follows.
    gateway.write(path, (text:gsub("^return {", 'return { keys = { { name = "me", key = "sk-a-new-key" } }, ')
      :gsub('%["auth"%] = "none"', '["auth"] = "keys"')))
    s.nginx:reload()
    assert.equal(401, s:chat({}).status)
    assert.equal(200, s:chat({}, { Authorization = "Bearer sk-a-new-key" }).status)
  end))

  it("reads a table instead of a file, and its path from nginx's prefix", with({ a = good }, {
    init = [[config = { auth = "none", catalog = "$DIR/catalog.json", providers = { { slug = "a", key = "key-of-a",
      base_url = "http://127.0.0.1:1/v1" } } }, sockets = "sockets"]],
  }, function(s)
    assert.equal(200, http.get(s.port, "/v1/models").status)
    assert.equal(2, #s.nginx:sockets())
  end))

  it("says what is worth knowing although nothing is wrong", with({ a = good }, {
    init = [[config = { auth = "none", catalog = "$DIR/catalog.json", providers = {} }, sockets = "sockets"]],
  }, function(s)
    s.nginx:reload()
    assert.truthy(s.nginx:log():find("tidegate: no provider takes part: there is nobody to ask", 1, true))
  end))
end)

describe("The socket files", function()

  local function mode_of(path)
    return nginx.output("stat -c '%a %F' " .. path)
  end

  it("are in a directory and of a mode for nobody else, and gone in the end", with({ a = good }, {}, function(s)
    local dir = s.nginx.dir .. "/sockets"
    assert.equal("700 directory", mode_of(dir))
    for _, name in ipairs(s.nginx:sockets()) do assert.equal("600 socket", mode_of(dir .. "/" .. name)) end
    assert.equal(2, #s.nginx:sockets())
    s.nginx:signal "QUIT"
    nginx.wait(10, function() return #s.nginx:sockets() == 0 end, "their end")
  end))

  it("of the dead are removed by the next worker, and nothing else is", with({ a = good }, {}, function(s)
    local dir = s.nginx.dir .. "/sockets"
    local left = assert(net.listen("unix:" .. dir .. "/4711-left.sock"))
    local other = assert(net.listen("unix:" .. dir .. "/4712-other.sock"))
    os.execute(("mv %s/4711-left.sock %s/moved && touch %s/file.sock"):format(dir, dir, dir))
    left:close()                                      -- the moved one stays, and nobody listens
    s.nginx:reload()
    local names = table.concat(s.nginx:sockets(), " ")
    assert.is_nil(names:find("moved", 1, true))
    assert.truthy(names:find("4712-other.sock", 1, true))
    assert.truthy(names:find("file.sock", 1, true))
    other:close()
  end))

  it("are not put where others could reach them", function()
    net.run(function()
      local dir = gateway.temp_dir()
      os.execute("chmod 755 " .. dir)
      local a = provider.start(good)
      local n = nginx.start { providers = { a = a.port }, init = ('config = "tidegate.lua", sockets = "%s"'):format(dir) }
      local r = http.post(n.port, "/v1/chat/completions", scene.body {})
      assert.equal(502, r.status)
      assert.equal("server", json.decode(r.body).error.error_type)
      assert.truthy(n:log():find(dir .. ": it is there, and not a directory that is ours alone", 1, true))
      n:stop()
      a:stop()
      os.execute("rm -rf " .. dir)
    end)
  end)

  -- As another user than the one that starts nginx; needs root, and a checkout that others may read.
  -- `prepare` and `fn` are given the usual place of that user's files.
  local function as_nobody(prepare, fn)
    if not nginx.is_root() or not nginx.output("su -s /bin/sh nobody -c 'cat lua/tidegate/resty.lua' 2>&1"):find "tidegate" then
      return pending "needs root, and a checkout that others may read"
    end
    local usual = "/tmp/tidegate-" .. nginx.output "id -u nobody"
    os.execute("rm -rf " .. usual .. "*")
    prepare(usual)
    local ok, why = pcall(run, { a = good }, { main = "user nobody nogroup;", init = 'config = "tidegate.lua"' }, function(s)
      assert.equal(200, s:chat({}).status)
      fn(usual)
    end)
    os.execute("rm -rf " .. usual .. "*")
    if not ok then error(why, 0) end
  end

  it("belong to the user that the workers act as", function()
    as_nobody(function() end, function(usual)
      assert.equal("700 nobody", nginx.output("stat -c '%a %U' " .. usual))
      assert.equal("600 nobody\n600 nobody", nginx.output("stat -c '%a %U' " .. usual .. "/*.sock"))
    end)
  end)

  it("are elsewhere when somebody has taken their usual place", function()
    as_nobody(function(usual) os.execute("mkdir -m 777 " .. usual) end, function(usual)
      assert.equal("", nginx.output("ls -A " .. usual))
      assert.equal("700 nobody", nginx.output("stat -c '%a %U' " .. usual .. "-* | sort -u"))
    end)
  end)
end)

-- ---- from Lua ----

describe("In a location's own Lua", function()

  local LUA = [[
    location = /route { content_by_lua_block {
      local t = require "tidegate.resty"
      ngx.req.read_body()
      local plan, err = t.route(ngx.req.get_body_data(), { seed = 1 })
      if not plan then return ngx.say("no: ", err.status, " ", err.message, " ", err.dropped[1].reason) end
      local url, headers, body = plan.request(1)
      ngx.say(plan[1].endpoint, " ", #plan, " ", url, " ", headers.Authorization, " ", body)
      t.report(plan[1], { status = 200, ttft_ms = 210, tokens = 64, duration_ms = 900 })
    } }
    location = /stream { content_by_lua_block {
      local t = require "tidegate.resty"
      local words, walk, handle = {}, t.stream { model = "test/model", messages = { { role = "user", content = "hi" } } }
      for delta, err in walk do words[#words + 1] = err and "(" .. err.code .. " " .. err.status .. ")" or delta.text end
      ngx.say(table.concat(words, "|"), " ", handle.result and handle.result.usage.completion_tokens or "-")
    } }
    location = /chat { content_by_lua_block {
      local r, err = require("tidegate.resty").chat('{"model":"test/model","messages":[{"role":"user","content":"hi"}]}')
      ngx.say(r and r.text or err.code .. " " .. err.status .. " " .. #err.attempts)
    } }
    location = /leave { content_by_lua_block {
      local walk, handle = require("tidegate.resty").stream { model = "test/model", messages = { { role = "user", content = "hi" } } }
      local delta = walk()
      handle:cancel()
      ngx.say(delta.text, " ", tostring(walk()))
      ngx.flush(true)
      ngx.sleep(0.5)
    } }
  ]]

  it("route() decides and report() tells the others", with({ a = good }, { locations = LUA }, function(s)
    local body = '{"model":"test/model","messages":[{"role":"user","content":"hi"}],"seed":12345678901234567}'
    local r = http.post(s.port, "/route", body)
    assert.equal(('a 1 http://127.0.0.1:%d/v1/chat/completions Bearer key-of-a %s\n'):format(s.a.port,
      (body:gsub("test/model", "up-a"))), r.body)
    assert.equal(1, samples(s:metrics()))
    assert.equal(0, #s.a.requests)
    r = http.post(s.port, "/route", '{"model":"test/model","messages":[{"role":"user","content":"hi"}],"provider":{"ignore":["a"]}}')
    assert.truthy(r.body:find "^no: 404 .* ignore\n$", r.body)
  end))

  it("stream() gives deltas as they come, and chat() the whole", with({ a = provider.good { "the ", "moon" } }, {
    locations = LUA, config = { auth = "keys", keys = list { { name = "me", key = "sk-somebody" } } },
  }, function(s)
    assert.equal("the |moon|| 2\n", http.get(s.port, "/stream").body)
    assert.equal("the moon\n", http.get(s.port, "/chat").body)
    s.a.answer = function(conn) return provider.json(conn, '{"error":{"message":"no"}}', 500) end
    assert.equal("(provider_unavailable 500) -\n", http.get(s.port, "/stream").body)
    assert.equal("provider_unavailable 500 3\n", http.get(s.port, "/chat").body)
  end))

  it("a stream that is cancelled leaves the provider", with({
    a = function(conn)
      provider.begin_stream(conn)
      provider.event(conn, provider.delta "first")
      while not conn:is_gone() do net.sleep(0.002) end
      return false
    end,
  }, { locations = LUA }, function(s)
    local conn = assert(net.connect("127.0.0.1", s.port))
    conn:write(http.request_text("GET", "/leave"))
    local began = net.now()
    assert.truthy(conn:read_some(5):find "first nil")
    nginx.wait(2, function() return s.a.closed_at end, "the end at the provider")
    assert.is_true(s.a.closed_at - began < 0.3)
    conn:close()
  end))

  it("metrics() has as many series as endpoints were asked, and what Prometheus expects", with({ a = good, b = good }, {}, function(s)
    assert.is_nil(s:metrics():find "{")
    for _ = 1, 3 do s:chat { provider = { only = list { "a" } } } end
    nginx.wait(2, function() return samples(s:metrics()) == 3 end, "what was told")
    local text = s:metrics()
    assert.is_nil(text:find('endpoint="b"', 1, true))
    local help, kind
    for line in text:gmatch "([^\n]*)\n" do
      if line:find "^# HELP " then
        help = line:match "^# HELP (%S+) %S"
      elseif line:find "^# TYPE " then
        kind = line:match "^# TYPE (%S+) [cg]%l+$"
        assert.equal(help, kind)
      else
        local name = line:match "^([%l_]+){[^{}]*} [%d.e-]+$" or line:match "^([%l_]+) %d+$"
        assert.equal(kind, name, line)
      end
    end
    assert.truthy(text:find("\ntidegate_endpoints 2\n", 1, true))
    assert.truthy(figure(text, "tidegate_first_token_seconds", "a", ',quantile="0.99"'))
    assert.truthy(figure(text, "tidegate_uptime_ratio", "a", ',window="5m"') == 1)
  end))
end)

-- ---- nginx's own proxy ----

local NATIVE = {
  http = [[upstream tidegate { server 0.0.0.1;
    balancer_by_lua_block { require("tidegate.resty").balancer() } keepalive 64; }]],
  locations = [[location /native/ { rewrite ^/native(.*)$ $1 break; proxy_pass http://tidegate; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_buffering off; }]],
}

describe("balancer()", function()
  it("brings requests to the worker's own engine, whole and streamed", with({ a = good }, NATIVE, function(s)
    for i = 1, 20 do
      local r = scene.told(http.post(s.port, "/native/v1/chat/completions", scene.body { stream = i % 2 == 0 }))
      assert.equal(200, r.status)
      assert.equal("Hello, world", r.text or r.json.choices[1].message.content)
    end
    assert.equal(404, http.get(s.port, "/native/v1/nothing").status)
    nginx.wait(2, function() return samples(s:metrics()) == 20 end, "what was told")
    s.nginx:reload()
    assert.equal(200, http.post(s.port, "/native/v1/chat/completions", scene.body {}).status)
  end))

  it("ends at the provider within 100 ms of the client leaving", with({
    a = function(conn)
      provider.begin_stream(conn)
      provider.event(conn, provider.delta "first")
      while not conn:is_gone() do net.sleep(0.002) end
      return false
    end,
  }, NATIVE, function(s)
    local conn = s:begin_stream({}, "/native/v1/chat/completions")
    assert(conn:read_some(5))
    local left = net.now()
    conn:close()
    nginx.wait(2, function() return s.a.closed_at end, "the end at the provider")
    assert.is_true(s.a.closed_at - left < 0.1)
  end))
end)

-- ---- the examples ----

-- An example's text with other ports and places.
local function example(name, changes)
  local text = scene.read_file("examples/openresty/" .. name)
  for from, to in pairs(changes) do
    local at, stop = text:find(from, 1, true)
    assert(at, from .. " is not in " .. name)
    text = text:sub(1, at - 1) .. to .. text:sub(stop + 1)
  end
  return (nginx.is_root() and "user root;\n" or "") .. text
end

describe("examples/openresty", function()
  local dir, port, running

  before_each(function()
    dir, port, running = gateway.temp_dir(), process.free_port(), {}
    local mock = process.free_port()
    gateway.write(dir .. "/demo.lua", (scene.read_file("examples/demo.lua"):gsub("9001", mock)
      :gsub('"demo.json"', ("%q"):format(nginx.output "pwd" .. "/examples/demo.json"))))
    running[1] = process.start { gateway.program(), "mock", "examples/mock-chaos.lua", "--listen", "127.0.0.1:" .. mock }
    running[1]:expect("listening", 20)
  end)

  after_each(function()
    for i = #running, 1, -1 do running[i]:stop() end
    os.execute("rm -rf " .. dir)
  end)

  -- Start an example with nginx's prefix, and wait for it.
  local function start(text)
    gateway.write(dir .. "/nginx.conf", text)
    local p = process.start { "nginx", "-p", "examples/openresty", "-c", dir .. "/nginx.conf" }
    running[#running + 1] = p
    nginx.wait(10, function() return (net.connect("127.0.0.1", port)) or not p:read(0) end, "nginx")
    assert.is_nil(p.status, p.printed)
  end

  -- Of several providers some are broken on purpose.
  local function asks(path)
    local texts = {}
    for i = 1, 6 do
      local r = scene.told(http.post(port, path, ('{"model":"demo/chat","stream":%s,"messages":[{"role":"user",'
        .. '"content":"Hello"}]}'):format(i % 2 == 0)))
      assert.equal(200, r.status, r.body)
      texts[i] = r.text or r.json.choices[1].message.content
    end
    return table.concat(texts)
  end

  it("nginx.conf runs as it is, over cosockets and over nginx's proxy", function()
    net.run(function()
      start(example("nginx.conf", { ["127.0.0.1:8088;"] = "127.0.0.1:" .. port .. ";", ["../demo.lua"] = dir .. "/demo.lua",
        ["/tmp/tidegate-example.pid"] = dir .. "/pid", ["../../build/lua"] = "../../" .. (os.getenv "BUILD" or "build") .. "/lua" }))
      assert.truthy(asks("/v1/chat/completions"):find("You said: Hello", 1, true))
      assert.truthy(asks("/api/v1/chat/completions"):find("You said: Hello", 1, true))
      assert.truthy(http.get(port, "/metrics").body:find('tidegate_attempts_total{model="demo/chat"', 1, true))
    end)
  end)

  it("plain.conf runs in front of tidegate serve, and keeps nothing back", function()
    net.run(function()
      local address = "unix:" .. dir .. "/gate.sock"
      local gate = process.start { gateway.program(), "serve", dir .. "/demo.lua", "--listen", address }
      running[#running + 1] = gate
      gate:expect("listening on unix:", 20)
      start(example("plain.conf", { ["127.0.0.1:8088;"] = "127.0.0.1:" .. port .. ";",
        ["unix:/tmp/tidegate-example.sock;"] = address .. ";", ["/tmp/tidegate-plain.pid"] = dir .. "/pid" }))
      assert.truthy(asks("/v1/chat/completions"):find("You said: Hello", 1, true))
      assert.equal(404, http.get(port, "/v1/nothing").status)
      local r = http.post(port, "/v1/chat/completions",
        '{"model":"demo/chat","stream":true,"provider":{"only":["good"]},"messages":[{"role":"user","content":"Hello"}]}')
      assert.is_true(#r.chunks > 5)
      assert.is_true(r.chunks[#r.chunks].at - r.chunks[1].at > 0.05, "it came at once")
    end)
  end)
end)
