--- Streams, as a client and a provider see them from outside.

local net      = require("tidegate.core").net
local gateway  = require "gateway"
local http     = require "http"
local provider = require "provider"
local scene    = require "scene"

local A_FIRST = { order = gateway.list { "a", "b" } }
local good = provider.good()

local with = scene.with

local function ask_stream(port, members, headers)
  local body = { stream = true }
  for k, v in pairs(members or {}) do body[k] = v end
  local conn = assert(net.connect("127.0.0.1", port))
  local h = { ["Content-Type"] = "application/json" }
  for k, v in pairs(headers or {}) do h[k] = v end
  assert(conn:write(http.request_text("POST", "/api/v1/chat/completions", h, scene.body(body))))
  return conn
end

local function read_until(conn, text, seconds)
  local seen, by = "", net.now() + seconds
  while not seen:find(text, 1, true) do
    local more = conn:read_some(by - net.now())
    if not more then return nil, seen end
    seen = seen .. more
  end
  return seen
end

local function compressed(program, text)
  local name = os.tmpname()
  gateway.write(name, text)
  local p = assert(io.popen(("%s -c < %s"):format(program, name)))
  local bytes = p:read "*a"
  p:close()
  os.remove(name)
  return bytes
end

-- ---- what goes through ----

describe("A stream", function()

  it("shows the client nothing before its first content: another provider could still answer (R-04)",
    with({
      a = function(conn)
        provider.begin_stream(conn)
        provider.chunk(conn, ": warming up\n\n")
        provider.event(conn, '{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}')
        net.sleep(0.4)
        provider.event(conn, provider.delta("now", "stop"))
        provider.event(conn, "[DONE]")
        provider.end_stream(conn)
      end,
    }, {}, function(s)
      local conn = ask_stream(s.port)
      assert.is_nil(conn:read_some(0.3))
      local r = scene.told(http.read_response(conn, 5))
      assert.equal("now", r.text)
      assert.is_true(r.done)
    end))

  it("is passed on at once: each piece arrives before the provider says the next (R-07)", function()
    local seen = 0
    scene.run({
      a = function(conn)
        provider.begin_stream(conn)
        for i = 1, 30 do
          provider.event(conn, provider.delta("piece" .. i .. ";"))
          if not scene.eventually(2, function() return seen >= i end) then return false end
        end
        provider.event(conn, provider.delta("", "stop"))
        provider.event(conn, "[DONE]")
        provider.end_stream(conn)
      end,
    }, {}, function(s)
      local conn = ask_stream(s.port)
      for i = 1, 30 do
        assert.is_string(read_until(conn, "piece" .. i .. ";", 2), "piece " .. i .. " did not come through")
        seen = i
      end
      assert.is_string(read_until(conn, "[DONE]", 2))
    end)
  end)

  it("has a keep-alive comment within 3 s of silence, and the answer behind it",
    with({
      a = function(conn)
        net.sleep(2.8)
        good(conn, { body = '"stream":true' })
      end,
    }, {}, function(s)
      local began = net.now()
      local conn = ask_stream(s.port)
      local seen = read_until(conn, ": OPENROUTER PROCESSING\n\n", 3.05)
      assert.is_string(seen)
      assert.matches("^HTTP/1%.1 200 ", seen)
      assert.is_true(net.now() - began <= 3)
      assert.is_string(read_until(conn, "data: [DONE]", 2))
    end))

  it("that began with a comment can still be answered by another provider",
    with({ a = function() net.sleep(2.7) return false end, b = good }, {}, function(s)
      local r = s:chat { stream = true, provider = A_FIRST }
      assert.equal(1, r.comments)
      assert.equal("Hello, world", r.text)
      assert.equal("Provider B", r.last.provider)
      assert.is_true(r.done)
    end))

  it("ends with one usage chunk, which repeats the finish reason, and [DONE] behind it",
    with({ a = good }, {}, function(s)
      local r = s:chat { stream = true }
      assert.is_true(r.done)
      for i, event in ipairs(r.events) do
        assert.equal(r.events[1].id, event.id)
        assert.equal("chat.completion.chunk", event.object)
        assert.equal(1, #event.choices)
        assert.equal(i == #r.events, event.usage ~= nil)
      end
      assert.equal("stop", r.last.choices[1].finish_reason)
      assert.equal(10, r.last.usage.prompt_tokens)
      assert.equal(3, r.last.usage.completion_tokens)
      assert.is_near(16e-6, r.last.usage.cost, 1e-12)
      assert.equal(r.headers["x-generation-id"], r.last.id)
    end))

  it("carries the decision in its last chunk when that is asked for, and not otherwise",
    with({ a = good }, {}, function(s)
      local r = s:chat({ stream = true }, { ["X-OpenRouter-Metadata"] = "enabled" })
      for i, event in ipairs(r.events) do
        assert.equal(i == #r.events, event.openrouter_metadata ~= nil)
      end
      assert.equal("Provider A", r.last.openrouter_metadata.attempts[1].provider)
      assert.is_nil(s:chat({ stream = true }).body:find("openrouter_metadata", 1, true))
    end))

  it("leaves the connection open for the next request",
    with({ a = good }, {}, function(s)
      local conn = ask_stream(s.port)
      assert.is_true(scene.told(http.read_response(conn)).done)
      assert(conn:write(http.request_text("GET", "/health")))
      assert.equal(200, http.read_response(conn).status)
    end))

  it("reaches an HTTP/1.0 client without chunks, and ends with the connection",
    with({ a = good }, {}, function(s)
      local conn = assert(net.connect("127.0.0.1", s.port))
      local body = scene.body { stream = true }
      assert(conn:write(("POST /api/v1/chat/completions HTTP/1.0\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"):format(
        #body, body)))
      local r = http.read_response(conn)
      assert.is_nil(r.headers["transfer-encoding"])
      assert.equal("Hello, world", scene.told(r).text)
      assert.is_true(r.done)
    end))

  it("of a provider that answers with a whole body is a stream all the same",
    with({ a = function(conn) provider.json(conn, provider.completion("whole")) end }, {}, function(s)
      local r = s:chat { stream = true }
      assert.equal("whole", r.text)
      assert.is_true(r.done)
      assert.same({ "stop", "stop" }, { r.finishes[#r.finishes - 1], r.finishes[#r.finishes] })
    end))
end)

-- ---- the same at every cutting ----

local D1 = '{"id":"u","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
  .. '"delta":{"role":"assistant","content":"gr\195\188n "},"finish_reason":null}]}'
local D2 = '{"id":"u","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
  .. '"delta":{"content":"\240\159\154\128 \\ud83d\\ude80"},"finish_reason":null}]}'
local D3 = '{"id":"u","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
  .. '"delta":{},"finish_reason":"stop"}]}'
local D4 = '{"id":"u","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":'
  .. '{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}'

local function framed(prefix, line_end, between)
  local out = {}
  for _, d in ipairs { D1, D2, D3, D4, "[DONE]" } do
    out[#out + 1] = prefix .. d .. line_end .. line_end .. (between or "")
  end
  return table.concat(out)
end

local FRAMINGS = {
  ["lines that end in LF"]                   = framed("data: ", "\n"),
  ["lines that end in CRLF"]                 = framed("data: ", "\r\n"),
  ["lines that end in CR"]                   = framed("data: ", "\r"),
  ["no space behind the colon"]              = framed("data:", "\n"),
  ["comments and blank lines between"]       = framed("data: ", "\n", ": ping\n\n:\n\n\n"),
  ["event names, ids and retry fields"]      = framed("event: message\nid: 7\nretry: 10\ndata: ", "\r\n"),
  ["a byte order mark in front"]             = "\239\187\191" .. framed("data: ", "\n"),
  ["a last event without its blank line"]    = framed("data: ", "\n"):gsub("\n\n$", "\n"),
}

local function in_pieces(conn, body, at, pause)
  provider.begin_stream(conn)
  local from = 1
  for _, to in ipairs(at) do
    if to >= from and to < #body then
      provider.chunk(conn, body:sub(from, to))
      if pause then net.sleep(pause) end
      from = to + 1
    end
  end
  provider.chunk(conn, body:sub(from))
  provider.end_stream(conn)
end

local function every(step, bytes)
  local at = {}
  for i = step, bytes, step do at[#at + 1] = i end
  return at
end

-- What is the same whatever the cutting.
local function normal(r)
  local last = r.last
  return {
    status = r.status, text = r.text, done = r.done, finish = last.choices[1].finish_reason,
    prompt = last.usage.prompt_tokens, completion = last.usage.completion_tokens, cost = last.usage.cost,
    error = last.error,
  }
end

local EXPECTED = {
  status = 200, text = "gr\195\188n \240\159\154\128 \240\159\154\128", done = true, finish = "stop",
  prompt = 11, completion = 7, cost = 25e-6,
}

describe("A provider's stream reads the same at every cutting", function()
  for name, body in pairs(FRAMINGS) do
    it("with " .. name, function()
      local at
      scene.run({ a = function(conn) in_pieces(conn, body, at) end }, {}, function(s)
        for _, size in ipairs { 1, 2, 3, 5, 7, 16, 61, 128, 100000 } do
          at = every(size, #body)
          assert.same(EXPECTED, normal(s:chat { stream = true }), "pieces of " .. size)
        end
      end)
    end)
  end

  it("cut in two at every byte, the pieces read apart", function()
    local body = FRAMINGS["event names, ids and retry fields"]
    scene.run({
      a = function(conn, request)
        in_pieces(conn, body, { tonumber(request.body:match '"cut at (%d+)"') }, 0.002)
      end,
    }, {}, function(s)
      local cuts = {}
      for i = 1, #body do cuts[i] = i end
      scene.each(cuts, 16, function(cut)
        local r = s:chat { stream = true, messages = gateway.list {
          { role = "user", content = "cut at " .. cut } } }
        assert.same(EXPECTED, normal(r), "cut behind byte " .. cut)
      end)
      assert.equal(#body, #s.a.requests)
    end)
  end)

  for _, coding in ipairs { { "gzip", "gzip" }, { "br", "brotli" } } do
    it(("compressed with %s, its usage counted (R-11)"):format(coding[2]), function()
      local text = framed("data: ", "\n")
      local body = compressed(coding[2], text)
      local whole = compressed(coding[2], provider.completion("compressed"))
      local size = 1
      scene.run({
        a = function(conn, request)
          local streams = request.body:find '"stream":true'
          local bytes = streams and body or whole
          conn:write(("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Encoding: %s\r\n"
            .. "Transfer-Encoding: chunked\r\n\r\n"):format(
            streams and "text/event-stream" or "application/json", coding[1]))
          for i = 1, #bytes, size do provider.chunk(conn, bytes:sub(i, i + size - 1)) end
          provider.end_stream(conn)
        end,
      }, {}, function(s)
        for _, n in ipairs { 1, 3, 17, 100, 100000 } do
          size = n
          local r = s:chat { stream = true }
          assert.same(EXPECTED, normal(r))
          assert.is_nil(r.headers["content-encoding"])
          local told = s:chat {}
          assert.equal("compressed", told.json.choices[1].message.content)
          assert.equal(15, told.json.usage.total_tokens)
        end
      end)
    end)
  end
end)

-- ---- slow clients, and clients that leave ----

describe("A client that does not read", function()
  it("pauses the provider, costs little memory, and gets every byte in the end (R-07)", function()
    local piece, pieces = ("x"):rep(16000), 2500       -- 40 MB
    local written = 0
    scene.run({
      a = function(conn)
        provider.begin_stream(conn)
        for _ = 1, pieces do
          if not provider.event(conn, provider.delta(piece)) then return false end
          written = written + #piece
        end
        provider.event(conn, provider.delta("", "stop"))
        provider.event(conn, "[DONE]")
        provider.end_stream(conn)
      end,
    }, { config = { timeouts = { idle = 1 } } }, function(s)
      s:chat { stream = true, messages = gateway.list { { role = "user", content = "warm up" } } }
      written = 0
      local before = s:rss_kb()
      local conn = ask_stream(s.port)
      net.sleep(1)
      local stalled_at = written
      net.sleep(0.5)
      assert.equal(stalled_at, written)
      assert.is_true(written < pieces * #piece / 2, "the provider was let write " .. written)
      if not scene.is_sanitized() then
        assert.is_true(s:rss_kb() - before < 4096, (s:rss_kb() - before) .. " KiB more")
      end
      local r = scene.told(http.read_response(conn, 30))
      assert.is_true(r.done)
      assert.equal(pieces * #piece, #r.text)
    end)
  end)
end)

-- Answers as told and notes when the gateway closed the connection.
local function watching(closed, begin)
  return function(conn)
    begin(conn)
    while conn:read_some(10) do end
    closed.at = net.now()
    return false
  end
end

describe("When the client leaves (R-34)", function()
  local ways = {
    ["before the provider said anything"] = function() end,
    ["behind the response head"]          = function(conn) provider.begin_stream(conn) end,
    ["in the middle of the stream"]       = function(conn)
      provider.begin_stream(conn)
      provider.event(conn, provider.delta("begun"))
    end,
    ["in the middle of a whole body"]     = function(conn)
      conn:write "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    end,
  }
  for name, begin in pairs(ways) do
    for _, stream in ipairs { true, false } do
      for _, leave in ipairs { "close", "reset" } do
        it(("%s, %s, by %s: the provider's connection is closed within 100 ms"):format(name,
          stream and "streamed" or "not streamed", leave), function()
          local closed = {}
          scene.run({ a = watching(closed, begin), b = good }, {}, function(s)
            local conn = ask_stream(s.port, { stream = stream, provider = A_FIRST })
            assert(scene.eventually(2, function() return #s.a.requests == 1 end))
            net.sleep(0.05)
            local left = net.now()
            conn[leave](conn)
            assert.is_true(scene.eventually(1, function() return closed.at end), "never closed")
            local took = closed.at - left
            assert.is_true(took < 0.1, ("after %.3f s"):format(took))
            assert.equal(0, #s.b.requests)
          end)
        end)
      end
    end
  end

  it("while a second try waits, no second try is made",
    with({
      a = function(conn) provider.json(conn, '{"error":{"message":"later"}}', 429, { ["Retry-After"] = "1" }) end,
    }, {}, function(s)
      local conn = ask_stream(s.port)
      assert(scene.eventually(2, function() return #s.a.requests == 1 end))
      net.sleep(0.05)
      conn:close()
      net.sleep(1.3)
      assert.equal(1, #s.a.requests)
    end))

  it("again and again, no file descriptor is left behind (R-36)",
    with({ a = watching({}, ways["in the middle of the stream"]) }, {}, function(s)
      local function round()
        local tasks = {}
        for i = 1, 25 do
          tasks[i] = function()
            local conn = ask_stream(s.port)
            assert.is_string(read_until(conn, "begun", 5))
            conn[i % 2 == 0 and "close" or "reset"](conn)
          end
        end
        scene.together(tasks)
      end
      round()
      net.sleep(0.2)
      local before = s:open_files()
      round()
      round()
      assert.is_true(scene.eventually(2, function() return s:open_files() <= before end),
        ("%d files, before %d"):format(s:open_files(), before))
    end))
end)

-- ---- errors and deadlines ----

local function assert_error_chunk(r, code, text)
  assert.equal(200, r.status)
  assert.is_false(r.done)
  assert.is_falsy(r.cut)
  assert.equal(code, r.last.error.code)
  assert.is_string(r.last.error.message)
  assert.is_string(r.last.error.metadata.error_type)
  assert.same({ "error" }, r.finishes)
  assert.equal(text, r.text)
end

describe("A failing stream", function()
  it("that tells an error after content passes the error on, with its code and words (R-05, R-09)",
    with({
      a = function(conn)
        provider.begin_stream(conn)
        provider.event(conn, provider.delta("some"))
        net.sleep(0.05)
        provider.event(conn, '{"error":{"code":529,"message":"Overloaded, sorry","type":"overloaded_error"}}')
        net.sleep(5)
      end,
      b = good,
    }, {}, function(s)
      local r = s:chat { stream = true, provider = A_FIRST }
      assert_error_chunk(r, 529, "some")
      assert.equal("Provider A", r.last.error.metadata.provider_name)
      assert.equal(0, #s.b.requests)
    end))

  it("that tells an error first is asked elsewhere (R-04, R-33)",
    with({
      a = function(conn)
        provider.begin_stream(conn)
        provider.chunk(conn, 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n')
        net.sleep(5)
      end,
      b = good,
    }, {}, function(s)
      local r = s:chat { stream = true, provider = A_FIRST }
      assert.equal("Hello, world", r.text)
      assert.is_true(r.done)
    end))

  it("whose finish is an abnormal word never becomes a stop (R-05)",
    with({
      a = function(conn)
        provider.begin_stream(conn)
        provider.event(conn, provider.delta("half"))
        net.sleep(0.05)
        provider.event(conn, provider.delta("", "network_error"))
        provider.event(conn, "[DONE]")
        provider.end_stream(conn)
      end,
    }, {}, function(s)
      local r = s:chat { stream = true }
      assert_error_chunk(r, 502, "half")
    end))

  it("ends within timeouts.first_token when content never comes, though comments do (R-08)",
    with({
      a = function(conn)
        provider.begin_stream(conn)
        while provider.chunk(conn, ": ping\n\n") do net.sleep(0.1) end
        return false
      end,
    }, { config = { timeouts = { first_token = 0.6 } } }, function(s)
      local began = net.now()
      local r = s:chat { stream = true }
      assert.equal(504, r.status)
      assert.equal("timeout", r.json.error.error_type)
      local took = net.now() - began
      assert.is_true(took >= 0.59 and took < 1.6, "took " .. took)
    end))

  it("ends within timeouts.idle when it falls silent (R-08)",
    with({
      a = function(conn)
        provider.begin_stream(conn)
        for _ = 1, 4 do
          provider.event(conn, provider.delta("."))
          net.sleep(0.3)
        end
        net.sleep(10)
      end,
    }, { config = { timeouts = { idle = 0.6 } } }, function(s)
      local began = net.now()
      assert_error_chunk(s:chat { stream = true }, 504, "....")
      local took = net.now() - began
      assert.is_true(took >= 0.9 + 0.59 and took < 2.5, "took " .. took)
    end))

  it("ends within timeouts.idle in the middle of a whole body, and is asked elsewhere",
    with({
      a = function(conn)
        conn:write "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        net.sleep(10)
      end,
      b = good,
    }, { config = { timeouts = { idle = 0.5 } } }, function(s)
      local began = net.now()
      assert.equal("Provider B", s:chat({ provider = A_FIRST }).json.provider)
      assert.is_true(net.now() - began < 1.5)
    end))

  it("ends within timeouts.total though it never falls silent (R-06)",
    with({
      a = function(conn)
        provider.begin_stream(conn)
        while provider.event(conn, provider.delta(".")) do net.sleep(0.05) end
        return false
      end,
    }, { config = { timeouts = { total = 1 } } }, function(s)
      local began = net.now()
      local r = s:chat { stream = true }
      assert_error_chunk(r, 504, ("."):rep(#r.text))
      assert.is_true(#r.text > 5)
      local took = net.now() - began
      assert.is_true(took >= 0.99 and took < 2, "took " .. took)
      assert.is_true(scene.eventually(0.5, function() return s.a.closed_at end))
    end))

  it("that sends more than limits.answer allows ends as an error (R-06)",
    with({
      a = function(conn)
        provider.begin_stream(conn)
        while provider.event(conn, provider.delta(("y"):rep(10000))) do end
        return false
      end,
    }, { config = { limits = { answer = 1000000 } } }, function(s)
      local r = s:chat { stream = true }
      assert_error_chunk(r, 502, r.text)
      assert.is_true(#r.text > 900000 and #r.text <= 1000000)
    end))

  it("with one event larger than limits.event ends as an error",
    with({
      a = function(conn)
        provider.begin_stream(conn)
        provider.event(conn, provider.delta("first"))
        provider.event(conn, provider.delta(("z"):rep(200000)))
        net.sleep(5)
      end,
    }, { config = { limits = { event = 100000 } } }, function(s)
      assert_error_chunk(s:chat { stream = true }, 502, "first")
    end))
end)
