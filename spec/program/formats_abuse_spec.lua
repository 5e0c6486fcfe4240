--- Providers and clients that mean harm, where formats are converted: what one sends costs it an answer, and the
-- gateway little. Bounds on memory are an ordinary build's; a sanitized one looks at everything else.

package.path = "spec/support/?.lua;" .. package.path

local aws      = require "tidegate.app.mock.aws_events"
local clients  = require "clients"
local http     = require "http"
local nonsense = require "nonsense"
local process  = require "process"
local provider = require "provider"
local scene    = require "scene"
local core     = require "tidegate.core"

local json, net = core.json, core.net

local CROWD = { context_length = 100000000, max_completion_tokens = 10000 }
local AWS   = { key = false, access_key = "AKIDEXAMPLE", secret_key = "wJalrXUtnFEMI", aws_region = "us-east-1" }

-- ---- providers: how each frames an answer ----

local function sse(name, data) return ("event: %s\ndata: %s\n\n"):format(name, data) end

local function aws_event(kind, payload)
  return aws.message({ { ":event-type", kind }, { ":content-type", "application/json" }, { ":message-type", "event" } }, payload)
end

-- text(t): a piece of an answer that says so; ending: what makes it whole.
local FRAMINGS = {
  {
    wire = "anthropic-messages", type = "text/event-stream",
    begin = sse("message_start", '{"type":"message_start","message":{"usage":{"input_tokens":1}}}')
      .. sse("content_block_start", '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'),
    text = function(t)
      return sse("content_block_delta", '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"' .. t .. '"}}')
    end,
    ending = sse("content_block_stop", '{"type":"content_block_stop","index":0}')
      .. sse("message_delta", '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}')
      .. sse("message_stop", '{"type":"message_stop"}'),
    event = function(data) return "data: " .. data .. "\n\n" end,
    endless = "data: {\"x\":\"",
  },
  {
    wire = "ollama", type = "application/x-ndjson", fields = { below = "" }, begin = "",
    text = function(t) return '{"message":{"role":"assistant","content":"' .. t .. '"},"done":false}\n' end,
    ending = '{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","eval_count":1}\n',
    event = function(data) return data .. "\n" end,
    endless = '{"x":"',
  },
  {
    wire = "bedrock-converse", type = "application/vnd.amazon.eventstream", fields = AWS,
    begin = aws_event("messageStart", '{"role":"assistant"}'),
    text = function(t) return aws_event("contentBlockDelta", '{"contentBlockIndex":0,"delta":{"text":"' .. t .. '"}}') end,
    ending = aws_event("contentBlockStop", '{"contentBlockIndex":0}') .. aws_event("messageStop", '{"stopReason":"end_turn"}')
      .. aws_event("metadata", '{"usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}'),
    event = function(data) return aws_event("contentBlockDelta", data) end,
    endless = aws_event("contentBlockDelta", ("x"):rep(7000000)):sub(1, 100),
  },
  {
    wire = "listed", type = "application/json", begin = "[",
    text = function(t) return '{"said":"' .. t .. '"},' end,
    ending = '{"over":true}]',
    event = function(data) return data .. "," end,
    endless = '[{"x":"',
  },
}

-- A format of the operator's own, for the framing that none of ours has.
local LISTED = [[
  local chunk = require "tidegate.convert.chunk"
  return {
    targets = { whole = "/say", stream = "/sing" }, framing = "elements", carries = { "max_tokens" },
    request = function(text, about) return "{}", {} end,
    answer = function(text) return nil, "it only streams" end,
    stream = function(emit)
      local out = chunk.writer(emit)
      return function(_, data)
        local said, over = json.pick(data, "said", "over")
        if said then out:text(said) end
        if over then out:finish("stop", "over") out:done() end
      end
    end,
  }]]

local function options(framing, config)
  local fields = { wire = framing.wire }
  for k, v in pairs(framing.fields or {}) do fields[k] = v end
  config = config or {}
  config.wires = { listed = "listed.lua" }
  return { provider_fields = { a = fields }, endpoints = { a = CROWD }, files = { ["listed.lua"] = LISTED }, config = config }
end

local function head(framing)
  return "HTTP/1.1 200 OK\r\nContent-Type: " .. framing.type .. "\r\nConnection: close\r\n\r\n"
end

local function says(framing, ...)
  local bytes = table.concat({ head(framing), ... })
  return function(conn)
    conn:write(bytes)
    return false
  end
end

local function ask(s, name, stream, seconds)
  local path, body = clients.request(name, "test/model", { text = "hi", stream = stream })
  local r = http.post(s.port, path, body, nil, seconds or 30)
  r.reading = r.status == 200 and clients[name].read(r, stream) or nil
  return r
end

local function assert_no_answer(r)
  if r.status == 200 then
    assert.is_falsy(r.reading.complete)
    assert.is_truthy(r.reading.error or r.cut)
  else
    assert.is_true(r.status >= 400 and r.status ~= 500, r.status .. ": " .. r.body:sub(1, 300))
    assert.is_table(json.decode(r.body).error)
  end
end

-- The gateway's memory never gets beyond this while fn() runs, and comes back behind it.
local function within(s, most_kb, fn)
  local before, highest, is_over = s:rss_kb(), 0, false
  local function watch()
    while not is_over do
      highest = math.max(highest, s:rss_kb())
      net.sleep(0.01)
    end
  end
  scene.together { watch, function()
    local ok, why = pcall(fn)
    is_over = true
    if not ok then error(why, 0) end
  end }
  if scene.is_sanitized() then return end
  assert.is_true(highest - before < most_kb, ("grew by %d KiB"):format(highest - before))
end

local function comes_back(s, before_kb, within_kb)
  if scene.is_sanitized() then return end
  local now
  assert.is_true(scene.eventually(4, function()
    now = s:rss_kb()
    return now - before_kb < within_kb
  end), ("%d KiB more than before"):format(now - before_kb))
end

-- ---- hostile providers ----

local deep = ("["):rep(100000)
local HARM = {
  { "an event without an end", function(f, conn)
    conn:write(head(f) .. f.begin .. f.endless)
    for _ = 1, 200 do
      if not conn:write(("x"):rep(100000)) then return false end
    end
  end },
  { "an event that is larger than limits.event", function(f, conn) conn:write(head(f) .. f.begin .. f.text(("x"):rep(9000000)) .. f.ending) end },
  { "an event nested a hundred thousand deep", function(f, conn) conn:write(head(f) .. f.begin .. f.event(deep)) end },
  { "an event nested deep within its text", function(f, conn)
    conn:write(head(f) .. f.begin .. f.event('{"message":' .. ('{"a":'):rep(100000)))
  end },
  { "bytes that are nothing", function(f, conn) conn:write(head(f) .. ("\0\255\254[}"):rep(20000)) end },
  { "nothing at all", function(f, conn) conn:write(head(f)) end },
  { "the beginning alone", function(f, conn) conn:write(head(f) .. f.begin) end },
  { "white space for ever", function(f, conn)
    conn:write(head(f) .. f.begin)
    for _ = 1, 800 do
      if not conn:write((" \n"):rep(50000)) then return false end
    end
  end },
}

for _, framing in ipairs(FRAMINGS) do
  describe("a provider that speaks " .. framing.wire .. " (" .. framing.type .. ")", function()
    for _, harm in ipairs(HARM) do
      it("and sends " .. harm[1] .. " is no answer to anybody", scene.with({
        a = function(conn)
          harm[2](framing, conn)
          return false
        end }, options(framing), function(s)
          within(s, 96 * 1024, function()
            for _, name in ipairs { "chat", "responses" } do assert_no_answer(ask(s, name, true)) end
          end)
          assert.equal(200, http.get(s.port, "/api/v1/models").status)
        end))
    end

    it("and sends the largest event there may be is heard, by clients of every format", scene.with({
      a = says(framing, framing.begin, framing.text(("x"):rep(8000000)), framing.ending) }, options(framing), function(s)
        local before = s:rss_kb()
        within(s, 512 * 1024, function()
          for _, name in ipairs(clients.names) do
            local r = ask(s, name, true, 60)
            assert.is_true(r.reading.complete, name)
            assert.equal(8000000, #r.reading.text, name)
          end
        end)
        comes_back(s, before, 40 * 1024)
      end))

    it("and floods a client that does not read is stopped", function()
      local written = 0
      scene.run({ a = function(conn)
        conn:write(head(framing) .. framing.begin)
        local flood = framing.text("."):rep(500)
        for _ = 1, 2000 do
          if not conn:write(flood, 5) then break end
          written = written + #flood
        end
        return false
      end }, options(framing, { limits = { answer = 2000000000 } }), function(s)
        local conns = {}
        within(s, 48 * 1024, function()
          for i, name in ipairs(clients.names) do
            local path, body = clients.request(name, "test/model", { text = "hi", stream = true })
            conns[i] = assert(net.connect("127.0.0.1", s.port))
            conns[i]:write(http.request_text("POST", path, nil, body))
          end
          net.sleep(2)
        end)
        local stopped_at = written
        net.sleep(0.3)
        assert.equal(stopped_at, written)
        local began = net.now()
        assert.equal(200, http.get(s.port, "/api/v1/models").status)
        assert.is_true(net.now() - began < 1)
        for _, conn in ipairs(conns) do conn:close() end
      end)
    end)
  end)
end

describe("lengths of an event stream that lie", function()
  local f = FRAMINGS[3]
  local function u32(n) return string.char(math.floor(n / 16777216) % 256, math.floor(n / 65536) % 256, math.floor(n / 256) % 256, n % 256) end
  local function prelude(total, headers)
    local lengths = u32(total) .. u32(headers)
    return lengths .. u32(aws.crc32(lengths))
  end
  for _, case in ipairs {
    { "4 GiB", prelude(4294967295, 0) }, { "2 GiB of headers", prelude(4294967295, 2147483648) }, { "0", prelude(0, 0) },
    { "headers beyond the message", prelude(64, 60) }, { "a wrong checksum", u32(64) .. u32(0) .. u32(7) },
    { "less than is there", prelude(16, 0) }, { "8 MiB and no byte of it", prelude(8388608, 100) },
  } do
    it(case[1], scene.with({ a = says(f, f.begin, case[2], ("x"):rep(1000)) }, options(f), function(s)
      within(s, 24 * 1024, function() assert_no_answer(ask(s, "messages", true)) end)
    end))
  end
end)

describe("answers that are nonsense", function()
  it("of every kind are an answer or an error in every client's format, and never the end of the gateway", function()
    local random = math.random
    math.randomseed(7)
    local WHOLE = '{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"x"},{"type":"tool_use",'
      .. '"id":"t","name":"f","input":{"a":[1,{"b":null}]}}],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":2}}'
    scene.run({ a = function(conn)
      local body = nonsense.of(WHOLE, random)
      conn:write(("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
    end }, options(FRAMINGS[1]), function(s)
      for i = 1, 80 do
        local name = clients.names[i % #clients.names + 1]
        local path, body = clients.request(name, "test/model", { text = "hi" })
        local r = http.post(s.port, path, body)
        assert.is_not.equal(500, r.status, r.body)
        assert.is_table(json.decode(r.body))
      end
    end)
  end)
end)

-- ---- much in little ----

local function gzip(bytes)
  local path = os.tmpname()
  local f = assert(io.open(path, "wb"))
  f:write(bytes)
  f:close()
  local p = assert(io.popen("gzip -9 -c " .. path))
  local packed = p:read "*a"
  p:close()
  os.remove(path)
  return packed
end

-- 19 MB in 6 million events, among them a letter now and then; the white space keeps it from being a bomb. With the
-- text that they make.
local function tiny_events(f)
  local parts, said = { f.begin }, {}
  for i = 1, 30000 do
    parts[#parts + 1] = f.event("{}"):rep(200) .. (" "):rep(i % 97)
    if i % 300 == 0 then
      said[#said + 1] = string.char(97 + i / 300 % 26)
      parts[#parts + 1] = f.text(said[#said])
    end
  end
  return table.concat(parts) .. f.ending, table.concat(said)
end

describe("a hundred kilobytes that unpack to six million events", function()
  local f = FRAMINGS[4]
  local plain, said = tiny_events(f)
  local packed = gzip(plain)

  local function unpacks(conn)
    conn:write(head(f):gsub("\r\n\r\n$", "\r\nContent-Encoding: gzip%0") .. packed)
    return false
  end

  it("are all read, in order, while others are answered", scene.with({ a = unpacks }, options(f, { workers = 1 }), function(s)
    assert.is_true(#packed < 128 * 1024, #packed .. " of " .. #plain)
    local r, answered = nil, 0
    scene.together { function() r = ask(s, "chat", true, 60) end, function()
      assert(scene.eventually(5, function() return #s.a.requests == 1 end))
      while not r do
        assert.equal(200, http.get(s.port, "/health").status)
        answered = answered + 1
      end
    end }
    assert.equal(said, r.reading.text)
    assert.is_true(r.reading.complete)
    -- 19 MB are 1,200 slices, with a turn of the loop behind each; read in one turn there are one or two.
    assert.is_true(answered > 50, answered .. " answers meanwhile")
  end))

  it("are broken where they break off", scene.with({ a = function(conn)
    conn:write(head(f):gsub("\r\n\r\n$", "\r\nContent-Encoding: gzip%0") .. packed:sub(1, #packed / 2))
    return false
  end }, options(f), function(s)
    local r = ask(s, "chat", true, 60)
    assert.is_falsy(r.reading.complete)
    assert.equal(said:sub(1, #r.reading.text), r.reading.text)
    assert.is_true(#r.reading.text > 20, r.reading.text)
  end))

  it("are read no further for a client who does not read, and whole once it does", function()
    local texts = {}
    for i = 1, 20000 do texts[i] = f.text(i .. ("x"):rep(500 + i % 7)) end
    local much = gzip(f.begin .. table.concat(texts) .. f.ending)
    scene.run({ a = function(conn)
      conn:write(head(f):gsub("\r\n\r\n$", "\r\nContent-Encoding: gzip%0") .. much)
      return false
    end }, options(f), function(s)
      local path, body = clients.request("chat", "test/model", { text = "hi", stream = true })
      within(s, 32 * 1024, function()
        local conn = assert(net.connect("127.0.0.1", s.port))
        conn:write(http.request_text("POST", path, nil, body))
        net.sleep(1)
        assert.equal(200, http.get(s.port, "/health").status)
        local r = http.read_response(conn, 30)
        conn:close()
        local i = 0
        for n in r.body:gmatch '"content":"(%d+)x' do
          i = i + 1
          assert.equal(i, tonumber(n))
        end
        assert.equal(20000, i)
        assert.matches("data: %[DONE%]\n\n$", r.body)
      end)
    end)
  end)
end)

-- ---- hostile clients ----

local function good(framing)
  return function(conn, request)
    local asks_stream = request.body:find '"stream":true' or request.path:find "stream"
    if asks_stream then
      conn:write(head(framing) .. framing.begin .. framing.text "hello" .. framing.ending)
      return false
    end
    local body = '{"type":"message","role":"assistant","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn",'
      .. '"usage":{"input_tokens":3,"output_tokens":2}}'
    conn:write(("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
  end
end

local function send(s, name, body)
  local path = clients[name].path("test/model", false)
  local began = net.now()
  local r = http.post(s.port, path, body, nil, 60)
  return r, net.now() - began
end

describe("a client of each format", function()
  local f = FRAMINGS[1]
  local LARGE = {
    chat = '{"model":"test/model","max_tokens":5,"messages":[{"role":"user","content":"%s"}]}',
    messages = '{"model":"test/model","max_tokens":5,"messages":[{"role":"user","content":"%s"}]}',
    responses = '{"model":"test/model","input":[{"role":"user","content":[{"type":"input_text","text":"%s"}]}]}',
    gemini = '{"contents":[{"role":"user","parts":[{"text":"%s"}]}]}',
  }

  it("may send the largest body there is, ten times over, and the memory comes back", function()
    for _, name in ipairs(clients.names) do
      scene.run({ a = good(f) }, options(f), function(s)
        local before = s:rss_kb()
        local text = ("x"):rep(33000000)
        within(s, 512 * 1024, function()
          for _ = 1, scene.is_sanitized() and 2 or 10 do
            local r = send(s, name, (LARGE[name]:gsub("%%s", function() return text end)))
            assert.equal(200, r.status, name .. ": " .. r.body:sub(1, 300))
          end
        end)
        comes_back(s, before, 32 * 1024)
      end)
    end
  end)

  it("gets a 400 for what is nested too deep, in time", scene.with({ a = good(f) }, options(f), function(s)
    for _, name in ipairs(clients.names) do
      for _, body in ipairs { deep, ('{"a":'):rep(100000), '{"messages":' .. deep, '{"contents":' .. ("[{\"parts\":"):rep(50000) } do
        local r, took = send(s, name, body)
        assert.equal(400, r.status, name)
        assert.is_table(json.decode(r.body).error)
        assert.is_true(took < 2, took)
      end
    end
  end))

  it("gets an answer in time for a million of anything", scene.with({ a = good(f) }, options(f), function(s)
    local slow = scene.is_sanitized() and 60 or 10
    for _, name in ipairs(clients.names) do
      local key = name == "gemini" and "contents" or name == "responses" and "input" or "messages"
      for _, element in ipairs { "{}", "0", '{"role":"user"}', '""', "[]", "null" } do
        local body = '{"model":"test/model","max_tokens":5,"' .. key .. '":[' .. (element .. ","):rep(999999) .. element .. "]}"
        within(s, 1024 * 1024, function()
          local r, took = send(s, name, body)
          assert.is_true(r.status == 200 or r.status == 400 or r.status == 413, name .. " " .. element .. ": " .. r.status)
          assert.is_table(json.decode(r.body))
          assert.is_true(took < slow, name .. " " .. element .. " took " .. took)
        end)
      end
    end
  end))

  it("may be wrong about every type", scene.with({ a = good(f) }, options(f), function(s)
    math.randomseed(11)
    for i = 1, 400 do
      local name = clients.names[i % #clients.names + 1]
      local _, body = clients.request(name, "test/model", { text = "hi", tool = true, image = true, schema = true, reasons = true })
      local r = send(s, name, nonsense.of(body, math.random))
      assert.is_true(r.status ~= 500 and r.status ~= 0, name .. ": " .. r.body)
      assert.is_table(json.decode(r.body), name)
    end
  end))
end)

describe("a wire's own converter", function()
  for _, field in ipairs { '["Content-Length"] = "3"', '["transfer-encoding"] = "chunked"', '["Host"] = "other"',
                           '["X Y"] = "1"', '["X-Y: 1\\r\\nContent-Length"] = "3"', '["X-Y"] = "1\\r\\n\\r\\nGET / HTTP/1.1"',
                           '["X-Y"] = "a\\0b"', '[""] = "x"' } do
    it("does not frame the request: " .. field, scene.with({ a = good(FRAMINGS[1]) }, {
      provider_fields = { a = { wire = "mine" } }, config = { wires = { mine = "mine.lua" } },
      files = { ["mine.lua"] = 'return { targets = { whole = "/x" }, request = function() return "{}", {}, { ' .. field .. " } end }" },
    }, function(s)
      local r = s:chat {}
      assert.equal(400, r.status)
      assert.equal(0, #s.a.requests)
      assert.is_nil(r.body:find("X-Y", 1, true))
    end))
  end

  -- Lines that say "he" and "llo"; where one says to break, it comes to no end.
  local MINE = [[
    local chunk = require "tidegate.convert.chunk"
    local function broken() %s end
    return {
      targets = { whole = "/x" }, framing = "lines",
      request = function(text) if text:find("break request", 1, true) then broken() end return text end,
      answer = function(text)
        if text:find("break", 1, true) then broken() end
        return '{"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hello"}}]}'
      end,
      stream = function(emit)
        local out = chunk.writer(emit)
        return function(_, line)
          if line == "break" then broken() end
          if line == "over" then out:finish "stop" out:done() else out:text('"' .. line .. '"') end
        end
      end,
    }]]

  local function lines(conn, request)
    local said = request.body:match "break %a+" or ""
    conn:write("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"
      .. (said == "break answer" and said or said == "break first" and "break\nhe\n" or "he\n"))
    net.sleep(0.05)
    conn:write(said == "break later" and "break\nllo\nover\n" or "llo\nover\n")
    return false
  end

  local function from_b(conn)
    provider.json(conn, '{"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"from b"}}]}')
    return false
  end

  local function tell(s, word, stream, who)
    local began = net.now()
    local r = s:chat { stream = stream, messages = { { role = "user", content = word } }, provider = who or { order = { "a", "b" } } }
    assert.is_true(net.now() - began < (scene.is_sanitized() and 10 or 3), "it took " .. net.now() - began)
    return r
  end

  for _, case in ipairs {
    { "loops", "while true do end" },
    { "loops and catches its end", "while true do pcall(function() while true do end end) end" },
    { "calls itself for ever", "return broken() or broken()" },
    { "loops where a library calls it", "local _ = ('x'):gsub('x', function() while true do end end)" },
    { "has a pattern that never ends", "local _ = ('a'):rep(100000):find('.-.-.-.-b')" },
    { "grows a list", "local t = {} for i = 1, 1e12 do t[i] = { i } end" },
    { "doubles a text", "local t = 'x' while true do t = t .. t end" },
    { "wants one large piece", "return ('x'):rep(1e9)" },
  } do
    it("that " .. case[1] .. " is ended, fails its attempt, and the engine goes on", scene.with({ a = lines, b = from_b }, {
      order = { "a", "b" }, provider_fields = { a = { wire = "mine" } },
      config = { workers = 1, wires = { mine = "mine.lua" } }, files = { ["mine.lua"] = MINE:format(case[2]) },
    }, function(s)
      assert.equal("hello", tell(s, "go").json.choices[1].message.content)
      for _, word in ipairs { "break request", "break answer" } do
        assert.equal("from b", tell(s, word).json.choices[1].message.content, word)
      end
      assert.equal("from b", tell(s, "break first", true).text)
      local r = tell(s, "break later", true, { only = { "a" } })
      assert.equal("he", r.text)
      assert.equal(502, r.last.error.code)
      assert.same({ "error" }, r.finishes)
      assert.equal("hello", tell(s, "go", true, { only = { "a" } }).text)
      assert.truthy(s.gateway:log():find('"event":"convert"', 1, true))
    end))
  end

  it("that keeps all it is told is begun anew once nobody streams from it", scene.with({ a = lines, b = from_b }, {
    order = { "a", "b" }, provider_fields = { a = { wire = "mine" } },
    config = { workers = 1, wires = { mine = "mine.lua" } },
    files = { ["mine.lua"] = MINE:format "kept = kept or {} kept[#kept + 1] = ('x'):rep(1000):rep(8000) .. #kept" },
  }, function(s)
    within(s, 600 * 1024, function()
      for _ = 1, 90 do assert.equal("hello", tell(s, "break answer").json.choices[1].message.content) end
    end)
  end))
end)

-- ---- many, and changes in their midst ----

local function begin(s, name)
  local path, body = clients.request(name, "test/model", { text = "hi", stream = true })
  local conn = assert(net.connect("127.0.0.1", s.port))
  conn:write(http.request_text("POST", path, nil, body))
  return conn
end

describe("converted streams", function()
  for _, framing in ipairs(FRAMINGS) do
    it("over " .. framing.wire .. " keep their format through reloads that take it away", function()
      local gate = {}
      scene.run({ a = function(conn)
        conn:write(head(framing) .. framing.begin .. framing.text "he")
        scene.eventually(20, function() return gate.open end)
        conn:write(framing.text "llo" .. framing.ending)
        return false
      end }, options(framing), function(s)
        local conns = {}
        for i, name in ipairs(clients.names) do conns[i] = begin(s, name) end
        assert(scene.eventually(5, function() return #s.a.requests == #conns end))
        s.gateway:edit("tidegate.lua", function(text)
          return (text:gsub('%["wire"%] = "[^"]*"', '["wire"] = "openai-chat"'):gsub('%["wires"%] = %b{},?', "")
            :gsub('%["key"%] = false', '["key"] = "sk-12345678"'):gsub('%["[%w_]+_key"%] = "[^"]*",?', "")
            :gsub('%["aws_region"%] = "[^"]*",?', ""))
        end)
        for _ = 1, 5 do
          s.gateway.process:signal(process.HUP)
          net.sleep(0.1)
        end
        gate.open = true
        for i, name in ipairs(clients.names) do
          local r = http.read_response(conns[i], 10)
          r.reading = clients[name].read(r, true)
          assert.equal("hello", r.reading.text, name)
          assert.is_true(r.reading.complete, name)
          conns[i]:close()
        end
        ask(s, "chat", true)
        assert.matches("/chat/completions$", s.a.requests[#s.a.requests].path)     -- it was taken away
      end)
    end)
  end

  it("that two hundred clients leave in their midst leave nothing behind", function()
    for _, framing in ipairs(FRAMINGS) do
      local living = 0
      scene.run({ a = function(conn)
        living = living + 1
        conn:write(head(framing) .. framing.begin)
        local piece = framing.text(("word "):rep(20))
        while conn:write(piece, 5) do net.sleep(0.01) end
        living = living - 1
        return false
      end }, options(framing), function(s)
        local function round()
          local conns = {}
          for i = 1, 200 do conns[i] = begin(s, clients.names[i % #clients.names + 1]) end
          assert(scene.eventually(20, function() return living == 200 end), living .. " began")
          net.sleep(0.3)
          for _, conn in ipairs(conns) do conn:reset() end
          assert.is_true(scene.eventually(10, function() return living == 0 end), living .. " providers are still asked")
        end
        round()
        net.sleep(1.3)
        local files, before = s:open_files(), s:rss_kb()
        for _ = 1, 3 do round() end
        assert.is_true(scene.eventually(3, function() return s:open_files() <= files + 2 end))
        comes_back(s, before, 4 * 1024)
      end)
    end
  end)
end)
