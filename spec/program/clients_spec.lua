--- Who may ask, what travels on from a client to a provider and back, and what
-- never does.

local net      = require("tidegate.core").net
local json     = require "cjson.safe"
local gateway  = require "gateway"
local http     = require "http"
local provider = require "provider"
local scene    = require "scene"

local with = scene.with
local good = provider.good()
local CHAT = "/api/v1/chat/completions"
local CLIENT_KEY = "sk-tg-v1-c7e19f3b70d24a86b5e8c9d1f04a63729f1b8c5d"
local PROVIDER_KEY = "sk-prov-8a4d6f02b9c371e5d08f46ab92ce7315e6b0d4f8"
local KEYS = { auth = "keys", keys = { { name = "tests", key = CLIENT_KEY } } }

local function bearer(key) return { Authorization = "Bearer " .. key } end

-- ---- keys ----

describe("With auth = \"keys\" a client", function()
  it("without a key is refused in the contract's words, before anything is read or sent",
    with({ a = good }, { config = KEYS }, function(s)
      for _, body in ipairs { scene.body(), "{ no json", "", ("["):rep(1000) } do
        local r = s:chat(body)
        assert.equal(401, r.status)
        assert.equal(401, r.json.error.code)
        assert.equal("Missing Authentication header", r.json.error.message)
        assert.equal("authentication", r.json.error.error_type)
      end
      -- From the head alone: the body never comes.
      local conn = assert(net.connect("127.0.0.1", s.port))
      conn:write(("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"):format(CHAT))
      assert.equal(401, http.read_response(conn, 2).status)
      conn:close()
      assert.equal(0, #s.a.requests)
    end))

  it("with a key that nobody knows, or half a header, is refused", with({ a = good }, { config = KEYS }, function(s)
    for _, value in ipairs {
      "Bearer " .. CLIENT_KEY .. "x", "Bearer " .. CLIENT_KEY:sub(1, -2), "Bearer", "Bearer ", CLIENT_KEY,
      "Basic " .. CLIENT_KEY, "Bearer " .. ("k"):rep(5000), "Bearer \255\254", "Bearer " .. CLIENT_KEY:upper(),
      "Bearer " .. PROVIDER_KEY,
    } do
      local r = s:chat({}, { Authorization = value })
      assert.equal(401, r.status, value)
      assert.equal(401, r.json.error.code)
      assert.matches("^%u.+", r.json.error.message)
    end
    assert.equal(0, #s.a.requests)
  end))

  it("with a known key is served, by Bearer in any case and by x-api-key", with({ a = good }, { config = KEYS },
    function(s)
      for _, headers in ipairs { bearer(CLIENT_KEY), { authorization = "bearer " .. CLIENT_KEY },
        { ["x-api-key"] = CLIENT_KEY }, { Authorization = "Bearer   " .. CLIENT_KEY .. "  " } } do
        assert.equal(200, s:chat({}, headers).status)
      end
    end))

  it("finds the catalogue without a key, but not what is its own", with({ a = good }, { config = KEYS }, function(s)
    for _, path in ipairs { "/health", "/api/v1/models", "/api/v1/models/test/model/endpoints", "/api/v1/providers" } do
      assert.equal(200, http.get(s.port, path).status, path)
    end
    assert.equal(401, http.get(s.port, "/api/v1/models/user").status)
    assert.equal(200, http.get(s.port, "/api/v1/models/user", bearer(CLIENT_KEY)).status)
  end))

  it("is never told a provider's 401 as its own",
    with({ a = function(conn) provider.json(conn, '{"error":{"message":"Incorrect API key"}}', 401) end },
      { config = KEYS }, function(s)
        for _, stream in ipairs { true, false } do
          local r = s:chat({ stream = stream }, bearer(CLIENT_KEY))
          assert.equal(502, r.status)
          assert.equal(502, r.json.error.code)
        end
      end))
end)

it("With auth = \"none\" a client's Authorization is ignored, and goes nowhere", with({ a = good }, {}, function(s)
  assert.equal(200, s:chat({}, bearer(CLIENT_KEY)).status)
  assert.equal("Bearer key-of-a", s.a.requests[1].headers.authorization)
end))

-- ---- headers ----

local STRANGERS = {
  Cookie = "session=canary", Authorization = "Bearer canary", ["X-Api-Key"] = "canary",
  ["Proxy-Authorization"] = "Basic canary", ["X-Forwarded-For"] = "10.1.2.3", ["X-Forwarded-Host"] = "canary",
  ["X-Real-IP"] = "10.1.2.3", Forwarded = "for=canary", Via = "1.1 canary", TE = "trailers",
  Upgrade = "h2c", Connection = "Upgrade, X-Api-Key, authorization", ["HTTP2-Settings"] = "AAMAAABkAAQAAP__",
  ["X-Custom"] = "canary", Origin = "https://canary.example", Referer = "https://canary.example",
  ["Accept-Encoding"] = "gzip, br", ["User-Agent"] = "canary/1.0", ["X-Session-Id"] = "canary-session",
  ["Openai-Organization"] = "canary", ["X-Stainless-Lang"] = "canary", ["Idempotency-Key"] = "canary",
}

describe("Of the headers", function()
  it("of a client, none that the contract does not name reaches a provider (R-41)", with({ a = good }, {}, function(s)
    for _, stream in ipairs { true, false } do
      assert.equal(200, s:chat({ stream = stream }, STRANGERS).status)
    end
    for _, request in ipairs(s.a.requests) do
      local all = table.concat(request.raw_headers, "\n")
      assert.is_nil(all:find("canary", 1, true), all)
      assert.is_nil(all:find("10.1.2.3", 1, true), all)
      for _, name in ipairs { "cookie", "x-api-key", "x-forwarded-for", "te", "upgrade", "http2-settings", "forwarded",
        "via", "origin", "referer", "proxy-authorization", "trailer", "x-session-id" } do
        assert.is_nil(request.headers[name], name)
      end
      assert.equal("Bearer key-of-a", request.headers.authorization)
      assert.equal("127.0.0.1:" .. s.a.port, request.headers.host)
    end
  end))

  it("of a client's trailers, none reaches a provider", with({ a = good }, {}, function(s)
    local body = scene.body()
    local conn = assert(net.connect("127.0.0.1", s.port))
    conn:write(("POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n"
      .. "X-Trailer: canary\r\nAuthorization: Bearer canary\r\n\r\n"):format(CHAT, #body, body))
    assert.equal(200, http.read_response(conn, 2).status)
    assert.is_nil(table.concat(s.a.requests[1].raw_headers, "\n"):find("canary", 1, true))
    assert.equal(tostring(#s.a.requests[1].body), s.a.requests[1].headers["content-length"])
    conn:close()
  end))

  local FROM_PROVIDER = "Set-Cookie: canary=1\r\nServer: canary\r\nX-Request-Id: canary\r\nOpenai-Organization: canary\r\n"
    .. "X-Ratelimit-Remaining-Requests: 7\r\nVia: canary\r\nStrict-Transport-Security: canary\r\nAlt-Svc: canary\r\n"
    .. "X-Generation-Id: gen-canary\r\nAccess-Control-Allow-Origin: https://canary.example\r\n"

  it("of a provider, none reaches the client", with({
    a = function(conn, request)
      if request.body:find '"stream":true' then
        provider.begin_stream(conn, FROM_PROVIDER)
        provider.event(conn, provider.delta("x", "stop"))
        provider.event(conn, "[DONE]")
        provider.end_stream(conn)
      elseif request.body:find "refuse" then
        conn:write("HTTP/1.1 400 X\r\n" .. FROM_PROVIDER .. "Content-Length: 2\r\n\r\n{}")
      else
        local body = provider.completion "x"
        conn:write("HTTP/1.1 200 OK\r\n" .. FROM_PROVIDER .. "Content-Length: " .. #body .. "\r\n\r\n" .. body)
      end
    end,
  }, {}, function(s)
    for _, ask in ipairs { {}, { stream = true }, { user = "refuse" } } do
      local r = s:chat(ask)
      for name, value in pairs(r.headers) do
        assert.is_nil(value:find("canary", 1, true), name)
        assert.is_nil(name:find("ratelimit", 1, true))
      end
      assert.equal("*", r.headers["access-control-allow-origin"])
    end
  end))

  it("Retry-After alone is told, in whole seconds, when everybody said 429 (R-28)", with({
    a = function(conn) provider.json(conn, "{}", 429, { ["Retry-After"] = "17" }) end,
    b = function(conn) provider.json(conn, "{}", 429, { ["retry-after-ms"] = "8200" }) end,
  }, {}, function(s)
    local r = s:chat {}
    assert.equal(429, r.status)
    assert.equal("9", r.headers["retry-after"])
    assert.equal("capacity_exhausted", r.json.error.availability.code)
  end))
end)

-- ---- secrets ----

-- No stretch of 8 or more bytes of a key.
local function assert_no_canary(text, where)
  for _, key in ipairs { CLIENT_KEY, PROVIDER_KEY } do
    local secret = key:match "%x+$"
    for i = 1, #secret - 7 do
      local piece = secret:sub(i, i + 7)
      if text:find(piece, 1, true) then
        error(("%s shows %q: ...%s..."):format(where, piece,
          text:sub(math.max(1, text:find(piece, 1, true) - 60)):sub(1, 160)), 2)
      end
    end
  end
end

local function echo_of(request)
  return table.concat(request.raw_headers, "; "):gsub('"', "'")
end

local function echo_error(status)
  return function(conn, request)
    provider.json(conn, ('{"error":{"message":"You sent %s","code":"%s"}}'):format(echo_of(request),
      request.headers.authorization or "none"), status)
  end
end

local ERROR_PATHS = {
  ["a 400 that repeats the request's headers"] = echo_error(400),
  ["a 401 that repeats them"]                  = echo_error(401),
  ["a 403 that repeats them"]                  = echo_error(403),
  ["a 404 that repeats them"]                  = echo_error(404),
  ["a 422 that repeats them"]                  = echo_error(422),
  ["a 429 that repeats them"]                  = echo_error(429),
  ["a 500 that repeats them"]                  = echo_error(500),
  ["a 503 that repeats them"]                  = echo_error(503),
  ["a 400 of plain text that repeats them"]    = function(conn, request)
    local text = "Bad Request: " .. echo_of(request)
    conn:write(("HTTP/1.1 400 X\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"):format(#text, text))
  end,
  ["a status line and header fields that repeat the key"] = function(conn, request)
    local key = request.headers.authorization
    conn:write(("HTTP/1.1 500 %s\r\nX-Key: %s\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n"):format(key, key, key))
  end,
  ["a redirect to an address with the key"] = function(conn, request)
    conn:write(("HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/?key=%s\r\nContent-Length: 0\r\n\r\n"):format(
      request.headers.authorization:match "%S+$"))
  end,
  ["garbage with the key in it"] = function(conn, request)
    conn:write("HTTP/1.1 " .. request.headers.authorization .. "\r\n\r\n")
    return false
  end,
  ["an error in the first event"] = function(conn, request)
    provider.begin_stream(conn)
    provider.event(conn, ('{"error":{"code":500,"message":"%s"}}'):format(echo_of(request)))
    provider.end_stream(conn)
  end,
  ["an error amid a stream"] = function(conn, request)
    provider.begin_stream(conn)
    provider.event(conn, provider.delta "some")
    provider.event(conn, ('{"error":{"code":500,"message":"%s"}}'):format(echo_of(request)))
    provider.end_stream(conn)
  end,
  ["a reset"] = function(conn) conn:reset() return false end,
  ["a malformed body that repeats them"] = function(conn, request)
    provider.json(conn, '{"choices":' .. echo_of(request))
  end,
  ["a whole answer that repeats the key"] = function(conn, request)
    provider.json(conn, provider.completion("key: " .. request.headers.authorization))
  end,
  ["a streamed answer that repeats the key"] = function(conn, request)
    provider.stream(conn, { "key: ", request.headers.authorization, " indeed" })
  end,
}

describe("No secret is shown (R-44), not in the answer and not in the log,", function()
  for name, answer in pairs(ERROR_PATHS) do
    it("when the provider's answer is " .. name, with({ a = answer }, {
      config = { auth = "keys", keys = KEYS.keys, log = "debug" },
      provider_fields = { a = { key = PROVIDER_KEY } },
    }, function(s)
      local headers = bearer(CLIENT_KEY)
      headers["X-OpenRouter-Metadata"] = "enabled"
      for _, stream in ipairs { true, false } do
        local conn = assert(net.connect("127.0.0.1", s.port))
        conn:write(http.request_text("POST", CHAT, headers, scene.body { stream = stream, user = CLIENT_KEY,
          provider = { allow_fallbacks = false } }))
        local r = http.read_response(conn, 10)
        assert.equal("Bearer " .. PROVIDER_KEY, s.a.requests[1].headers.authorization)
        for field, value in pairs(r.headers) do assert_no_canary(value, field) end
        assert_no_canary(r.body, "the body")
        conn:close()
      end
      assert_no_canary(s.gateway:log(), "the log")
    end))
  end

  it("when the client is refused", with({ a = good }, { config = KEYS }, function(s)
    for _, r in ipairs {
      s:chat({}, bearer(CLIENT_KEY .. "x")), s:chat("{", bearer(CLIENT_KEY)),
      s:chat({ model = CLIENT_KEY }, {}), http.get(s.port, "/" .. CLIENT_KEY),
      http.get(s.port, "/api/v1/models/" .. CLIENT_KEY .. "/x/endpoints"),
    } do
      assert.is_true(r.status >= 400 and r.status < 500)
      assert_no_canary(r.body, "the body")
    end
    assert_no_canary(s.gateway:log(), "the log")
  end))

  it("when the configuration is wrong beside a key", function()
    local process = require "process"
    local dir = gateway.temp_dir()
    for _, mistake in ipairs { 'wire = "nope"', 'base_url = "nonsense"', "colour = 1", 'zdr = "x"' } do
      local config = gateway.write(dir .. "/tidegate.lua", ([[return { auth = "keys",
        keys = { { name = "t", key = %q } },
        providers = { { slug = "a", key = %q, base_url = "http://127.0.0.1:1", %s } } }]]):format(CLIENT_KEY,
        PROVIDER_KEY, mistake))
      local status, printed = process.run { gateway.program(), "check", config }
      assert.equal(1, status)
      assert_no_canary(printed, "the complaint")
    end
    os.execute("rm -rf " .. dir)
  end)
end)

-- ---- hostile strings ----

local function raw_strings(path)
  -- JSON texts of strings, one a line, as they stand in the file: what a client
  -- would write.
  local list = {}
  for text in scene.read_file(path):gmatch '("[^\n]*"),?%s*\n' do list[#list + 1] = text end
  return list
end

describe("Hostile strings", function()
  local places = {
    model = '{"model":%s,"messages":[{"role":"user","content":"x"}]}',
    user = '{"model":"test/model","user":%s,"messages":[{"role":"user","content":"x"}]}',
    session_id = '{"model":"test/model","session_id":%s,"messages":[{"role":"user","content":"x"}]}',
    content = '{"model":"test/model","messages":[{"role":"user","content":%s}]}',
    order = '{"model":"test/model","provider":{"order":[%s]},"messages":[{"role":"user","content":"x"}]}',
    metadata = '{"model":"test/model","metadata":{"k":%s},"messages":[{"role":"user","content":"x"}]}',
    stop = '{"model":"test/model","stop":%s,"messages":[{"role":"user","content":"x"}]}',
    models = '{"models":["test/model",%s],"messages":[{"role":"user","content":"x"}]}',
  }
  for _, name in ipairs { "header_injection.json", "blns.json" } do
    local path = scene.data("abuse/strings/" .. name)
    if path then
      it(("of %s neither break an answer nor reach a header or a log line of their own"):format(name),
        with({ a = good }, { config = { log = "debug" } }, function(s)
          local strings = raw_strings(path)
          assert.is_true(#strings > 10)
          local jobs = {}
          for place, template in pairs(places) do
            for _, text in ipairs(strings) do
              jobs[#jobs + 1] = { place, (template:gsub("%%s", function() return text end)), text }
            end
          end
          scene.each(jobs, 8, function(job)
            local place, body, text = unpack(job)
            local r = http.post(s.port, CHAT, body, { ["X-OpenRouter-Metadata"] = "enabled" }, 5)
            local what = ("%s in %s"):format(text:sub(1, 80), place)
            assert.is_true(r.status < 500, ("%d for %s"):format(r.status, what))
            assert.is_table(json.decode(r.body), what .. ": " .. r.body)
            assert.is_nil(r.headers["x-injected"], what)
          end)
          for _, request in ipairs(s.a.requests) do
            assert.is_nil(request.headers["x-injected"])
            assert.is_table(json.decode(request.body), request.body)
          end
          for line in s.gateway:log():gmatch "[^\n]+" do
            if not line:find "^tidegate: listening" then assert.is_table(json.decode(line), line) end
          end
        end))
    end
  end

  it("in header fields of a client that name a session or an app do no harm either", with({ a = good }, {}, function(s)
    for _, value in ipairs { ("s"):rep(5000), "a b\tc", "\195\188\226\130\172", "\255\254\253", "'; DROP TABLE x;--",
      '{"a":1}', "%0d%0aX-Injected: 1" } do
      local r = s:chat({}, { ["X-Session-Id"] = value, ["HTTP-Referer"] = value, ["X-Title"] = value })
      assert.is_true(r.status < 500)
      assert.is_nil(r.headers["x-injected"])
    end
    for _, request in ipairs(s.a.requests) do assert.is_nil(request.headers["x-injected"]) end
  end))
end)
