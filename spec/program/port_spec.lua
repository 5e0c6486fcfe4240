--- The gateway's own port: what HTTP lets in, what it must not, and the words
-- of every refusal.

local net      = require("tidegate.core").net
local json     = require "cjson.safe"
local gateway  = require "gateway"
local http     = require "http"
local provider = require "provider"
local scene    = require "scene"

local with = scene.with
local good = provider.good()
local CHAT = "/api/v1/chat/completions"

local function decode64(text)
  local p = {}
  local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local value, bits = 0, 0
  for c in text:gmatch "[%w%+/]" do
    value = value * 64 + alphabet:find(c, 1, true) - 1
    bits = bits + 6
    if bits >= 8 then
      bits = bits - 8
      p[#p + 1] = string.char(math.floor(value / 2 ^ bits))
      value = value % 2 ^ bits
    end
  end
  return table.concat(p)
end

local function connect(s)
  return assert(net.connect("127.0.0.1", s.port))
end

-- The response to these bytes, and whether the connection was closed behind it.
local function exchange(s, bytes, seconds)
  local conn = connect(s)
  conn:write(bytes)
  local ok, r = pcall(http.read_response, conn, seconds or 2)
  if not ok then r = nil end
  local more, err = conn:read_some(r and 0.1 or 1)
  local closed = not more and (err.code == "closed" or err.code == "reset")
  conn:close()
  return r, closed, more
end

local function post(body, fields)
  return ("POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n%s"):format(CHAT, fields or "", #body, body)
end

local function assert_refused(r, closed, status)
  assert.is_table(r, "no answer")
  assert.is_true(r.status >= 400 and r.status < 600, "status " .. r.status)
  if status then assert.equal(status, r.status) end
  assert.is_true(closed, "the connection stays open")
  local body = assert(json.decode(r.body), r.body)
  assert.equal(r.status, body.error.code)
  assert.is_string(body.error.message)
  assert.matches("^gen%-%d+%-%w+$", r.headers["x-generation-id"])
end

-- ---- framing ----

local own_cases = scene.data "abuse/smuggling/own_cases.jsonl"

describe("Requests as RFC 9112 wants them, or not:", function()
  for _, case in ipairs(own_cases and scene.read_jsonl(own_cases) or {}) do
    local bytes = decode64(case.request_b64)
    it(("%s: %s (%s)"):format(case.name, case.expect, case.ref), with({ a = good }, {}, function(s)
      local r, closed, more = exchange(s, bytes)
      if case.expect == "accept" then
        assert.is_table(r, "no answer")
        local asks_to_close = bytes:find "[Cc]onnection: close" or bytes:find "HTTP/1.0\r\n"
        assert.equal(asks_to_close ~= nil, closed, "a framing refusal: " .. r.body)
        assert.is_true(r.status < 500)
        if case.name == "pipelined-two" then assert.matches("^HTTP/1.1 404", more) end
      elseif case.expect == "reject" then
        assert_refused(r, closed)
      elseif case.name == "trace" then
        assert.equal(404, r.status)          -- its framing is sound: a refusal is enough
      else
        assert.is_true(closed, "the connection stays open")
        if r and r.status >= 400 then assert_refused(r, closed) end
      end
      assert.equal(0, #s.a.requests)
    end))
  end

  local mutations = scene.data "abuse/smuggling/te_mutations.jsonl"
  it("a Transfer-Encoding in disguise beside a Content-Length is refused and nothing goes upstream",
    with({ a = good }, {}, function(s)
      if not mutations then return end
      local smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
      local inner = scene.body()
      local cases = {}
      for i, case in ipairs(scene.read_jsonl(mutations)) do
        if i % 7 == 0 then cases[#cases + 1] = case end
      end
      assert.is_true(#cases > 200)
      local ordinary = 0
      scene.each(cases, 16, function(case)
        local header = decode64(case.header_b64)
        local r, closed, more = exchange(s, ("POST %s HTTP/1.1\r\nHost: a\r\n%s\r\nContent-Length: %d\r\n\r\n%s"):format(
          CHAT, header, #inner + #smuggled, inner .. smuggled))
        -- A field that another name makes an ordinary one leaves the length to
        -- rule: then the whole is one body, and no JSON.
        if r and not closed then
          ordinary = ordinary + 1
          assert.equal(400, r.status, case.id)
          assert.is_nil(more, case.id .. ": a second answer")
          assert.is_nil(("\n" .. header:lower()):find "\n%s*transfer%-encoding%s*:", case.id)
        elseif r then
          assert.is_true(r.status >= 400 and r.status < 600, case.id .. ": " .. r.status)
        end
        assert.is_nil(r and r.body:find("smuggled", 1, true), case.id)
      end)
      assert.equal(0, #s.a.requests)
      assert.is_true(ordinary < #cases)
    end))
end)

-- ---- limits ----

describe("A request beyond its limits", function()
  it("is a 413 from the announced length alone", with({ a = good }, { config = { limits = { body = 100000 } } },
    function(s)
      local r, closed = exchange(s, ("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n"):format(CHAT))
      assert_refused(r, closed, 413)
      assert.equal("payload_too_large", json.decode(r.body).error.error_type)
    end))

  it("is a 413 that can be read by a client that is still sending",
    with({ a = good }, { config = { limits = { body = 100000 } } }, function(s)
      local conn = connect(s)
      local bytes = 8000000
      conn:write(("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"):format(CHAT, bytes))
      local sent = 0
      while sent < bytes do
        assert.is_true(conn:write(("x"):rep(80000)), "cut off after " .. sent)
        sent = sent + 80000
      end
      local r = http.read_response(conn, 2)
      assert.equal(413, r.status)
      conn:close()
    end))

  it("is a 413 when a chunked body passes the limit, with no end in sight",
    with({ a = good }, { config = { limits = { body = 100000 } } }, function(s)
      local conn = connect(s)
      conn:write(("POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"):format(CHAT))
      for _ = 1, 30 do conn:write("1000\r\n" .. ("x"):rep(4096) .. "\r\n") end
      local r = http.read_response(conn, 2)
      assert.equal(413, r.status)
      assert.equal(0, #s.a.requests)
      conn:close()
    end))

  it("is refused when its head has too many bytes or fields", with({ a = good }, {}, function(s)
    local many = {}
    for i = 1, 2000 do many[i] = ("X-%d: y\r\n"):format(i) end
    for _, fields in ipairs { "X-Big: " .. ("a"):rep(200000) .. "\r\n", table.concat(many) } do
      local r, closed = exchange(s, ("GET /health HTTP/1.1\r\nHost: a\r\n%s\r\n"):format(fields))
      assert.equal(431, r.status)
      assert.is_true(closed)
    end
  end))

  local deep = ("["):rep(100000) .. ("]"):rep(100000)
  for name, body in pairs {
    ["as the whole body"]       = deep,
    ["never closed"]            = ("["):rep(1000000),
    ["of objects"]              = ('{"a":'):rep(200000),
    ["inside the messages"]     = '{"model":"test/model","messages":' .. deep .. "}",
    ["inside an unknown field"] = '{"model":"test/model","messages":[{"role":"user","content":"x"}],"later":' .. deep .. "}",
  } do
    it("is a 400 within 250 ms when its JSON is too deep, " .. name, with({ a = good }, {}, function(s)
      local conn = connect(s)
      local began = net.now()
      conn:write(post(body))
      local r = http.read_response(conn, 5)
      local took = net.now() - began
      assert.equal(400, r.status)
      assert.is_true(took < 0.25, "took " .. took)
      assert.equal(0, #s.a.requests)
      conn:close()
    end))
  end

  it("is closed when its head does not complete within 15 s, however it trickles in", with({ a = good }, {}, function(s)
    local began = net.now()
    local function assert_late(conn)
      local r = http.read_response(conn, 20)
      local took = net.now() - began
      assert.equal(408, r.status)
      assert.is_true(took > 14.9 and took < 16.5, "took " .. took)
      assert.equal("closed", select(2, conn:read_some(1)).code)
    end
    scene.together {
      function()
        local conn = connect(s)
        conn:write "GET /health HTTP/1.1\r\nHost: a\r\n"
        assert_late(conn)
      end,
      function()
        local conn = connect(s)
        net.spawn(function()
          for c in ("GET /health HTTP/1.1\r\nHost: slow.example\r\n"):gmatch "." do
            if conn:is_gone() or not conn:write(c) then return end
            net.sleep(0.5)
          end
        end)
        assert_late(conn)
      end,
    }
  end))
end)

-- ---- routes ----

describe("The port", function()
  it("answers a browser that asks before it sends, and lets every origin read",
    with({ a = good }, {}, function(s)
      for _, path in ipairs { CHAT, "/v1/models", "/nowhere" } do
        local r = http.request(s.port, "OPTIONS", path, { Origin = "https://app.example",
          ["Access-Control-Request-Method"] = "POST", ["Access-Control-Request-Headers"] = "authorization" })
        assert.equal(204, r.status)
        assert.equal("*", r.headers["access-control-allow-origin"])
        assert.matches("POST", r.headers["access-control-allow-methods"])
        assert.matches("Authorization", r.headers["access-control-allow-headers"])
      end
      for _, r in ipairs { s:chat {}, s:chat { stream = true }, s:chat "{", http.get(s.port, "/nowhere") } do
        assert.equal("*", r.headers["access-control-allow-origin"])
        assert.matches("X%-Generation%-Id", r.headers["access-control-expose-headers"])
      end
    end))

  it("tells of unknown paths in the contract's envelope, with an id, and keeps the connection",
    with({ a = good }, {}, function(s)
      local conn = connect(s)
      for _, path in ipairs { "/", "/api/v1/nowhere", "/api/v2/models", "/v1x/models", "/health/x" } do
        conn:write(http.request_text("GET", path))
        local r = http.read_response(conn, 2)
        assert.equal(404, r.status, path)
        local e = json.decode(r.body).error
        assert.equal(404, e.code)
        assert.equal("not_found", e.error_type)
        assert.matches("^gen%-%d+%-%w+$", r.headers["x-generation-id"])
      end
      conn:close()
    end))

  it("says 405 to a GET of an inference route, and 415 to a compressed body", with({ a = good }, {}, function(s)
    local r = http.get(s.port, CHAT)
    assert.equal(405, r.status)
    assert.equal(405, json.decode(r.body).error.code)
    r = http.post(s.port, CHAT, "\31\139...", { ["Content-Encoding"] = "gzip" })
    assert.equal(415, r.status)
    assert.equal(415, json.decode(r.body).error.code)
    assert.equal(0, #s.a.requests)
  end))

  it("answers /health with 200, by HEAD too", with({ a = good }, {}, function(s)
    assert.equal('{"status":"ok"}', http.get(s.port, "/health").body)
    local conn = connect(s)
    conn:write "HEAD /health HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    local head = assert(conn:read(0) and conn:read_line(2))
    assert.matches("^HTTP/1.1 200", head)
    repeat local line = conn:read_line(2) until line == ""
    assert.matches("^HTTP/1.1 200", conn:read_line(2))
    conn:close()
  end))

  it("serves the same under /v1", with({ a = good }, {}, function(s)
    assert.equal(200, http.post(s.port, "/v1/chat/completions", scene.body()).status)
    assert.equal(200, http.get(s.port, "/v1/models").status)
  end))

  it("keeps the connection after an application's error", with({ a = good }, {}, function(s)
    local conn = connect(s)
    for _, body in ipairs { "{", "[]", "{}", '{"model":"no/such","messages":[]}', '{"model":7}' } do
      conn:write(post(body))
      local r = http.read_response(conn, 2)
      assert.is_true(r.status == 400 or r.status == 404, r.body)
    end
    conn:write(post(scene.body()))
    assert.equal(200, http.read_response(conn, 2).status)
    conn:close()
  end))

  it("answers pipelined requests in their order", with({
    a = function(conn, request)
      if request.body:find "slow" then net.sleep(0.2) end
      good(conn, request)
    end,
  }, {}, function(s)
    local slow = scene.body { messages = gateway.list { { role = "user", content = "slow" } } }
    local conn = connect(s)
    conn:write(post(slow) .. http.request_text("GET", "/health") .. post(scene.body { stream = true }))
    assert.equal("chat.completion", json.decode(http.read_response(conn, 3).body).object)
    assert.equal('{"status":"ok"}', http.read_response(conn, 3).body)
    assert.is_true(scene.told(http.read_response(conn, 3)).done)
    conn:close()
  end))

  it("says 100 Continue to a client that waits for it, and 417 or nothing to other expectations",
    with({ a = good }, {}, function(s)
      local conn = connect(s)
      local body = scene.body()
      conn:write(("POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"):format(CHAT, #body))
      assert.equal("HTTP/1.1 100 Continue", conn:read_line(2))
      assert.equal("", conn:read_line(2))
      conn:write(body)
      assert.equal(200, http.read_response(conn, 2).status)
      conn:close()
    end))
end)
