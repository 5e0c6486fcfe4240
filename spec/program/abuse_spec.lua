--- Inputs made to hurt: each costs its sender an answer, and the gateway little.

local net      = require("tidegate.core").net
local json     = require "cjson.safe"
local gateway  = require "gateway"
local http     = require "http"
local provider = require "provider"
local scene    = require "scene"

local with = scene.with
local good = provider.good()
local CHAT = "/api/v1/chat/completions"
local PROMPT = '"model":"test/model","messages":[{"role":"user","content":"x"}]'

-- The answer to a body, how long it took, and by how many KiB memory grew.
local function send(s, body)
  local before, began = s:rss_kb(), net.now()
  local r = http.post(s.port, CHAT, body, nil, 20)
  return r, net.now() - began, s:rss_kb() - before
end

-- Bounds are those of an ordinary build; a sanitizer takes its time and memory.
local function assert_cheap(took, grown_kb, seconds, kb)
  if scene.is_sanitized() then
    assert.is_true(took < seconds * 10, ("took %.3f s"):format(took))
  else
    assert.is_true(took < seconds, ("took %.3f s"):format(took))
    assert.is_true(grown_kb < kb, ("grew by %d KiB"):format(grown_kb))
  end
end

local function assert_error(r, status)
  assert.equal(status, r.status)
  local e = assert(json.decode(r.body)).error
  assert.equal(status, e.code)
  assert.is_string(e.message)
end

local function numbered(count, format)
  local out = {}
  for i = 1, count do out[i] = format:format(i) end
  return table.concat(out, ",")
end

describe("A body", function()
  it("of a million keys is refused with the limit, and one within a member passed on as it is", with({ a = good }, {},
    function(s)
      local keys = numbered(1000000, '"k%d":1')
      local r, took, grown = send(s, "{" .. PROMPT .. "," .. keys .. "}")
      assert_error(r, 400)
      assert.matches("more than %d+ members", r.body)
      assert_cheap(took, grown, 0.5, 64 * 1024)
      r, took, grown = send(s, "{" .. PROMPT .. ',"later":{' .. keys .. "}}")
      assert.equal(200, r.status)
      assert.is_truthy(s.a.requests[1].body:find(keys, 1, true))
      assert_cheap(took, grown, 1, 64 * 1024)
    end))

  it("of a million keys in the provider object is refused", with({ a = good }, {}, function(s)
    local r, took = send(s, "{" .. PROMPT .. ',"provider":{' .. numbered(1000000, '"k%d":1') .. "}}")
    assert_error(r, 400)
    assert_cheap(took, 0, 1, 1)
  end))

  it("of a million empty messages is answered in linear time", with({ a = good }, {}, function(s)
    local r, took, grown = send(s, '{"model":"test/model","messages":[' .. ("{},"):rep(999999) .. "{}]}")
    assert.is_true(r.status == 400 or r.status == 413 or r.status == 200, r.status)
    assert_cheap(took, grown, 0.5, 64 * 1024)
  end))

  it("with thousands of models, tools, stops or providers is answered with a sentence", with({ a = good }, {}, function(s)
    for _, members in ipairs {
      '"models":[' .. numbered(100000, '"m/%d"') .. "]",
      '"stop":[' .. numbered(100000, '"%d"') .. "]",
      '"tools":[' .. numbered(20000, '{"type":"function","function":{"name":"f%d"}}') .. "]",
      '"provider":{"order":[' .. numbered(100000, '"p%d"') .. "]}",
      '"provider":{"only":[' .. numbered(100000, '"p%d"') .. "]}",
      '"provider":{"ignore":[' .. numbered(100000, '"p%d"') .. "]}",
    } do
      local r, took, grown = send(s, "{" .. PROMPT .. "," .. members .. "}")
      assert.is_true(r.status < 500, members:sub(1, 20) .. ": " .. r.status)
      assert.is_table(json.decode(r.body))
      assert_cheap(took, grown, 1, 64 * 1024)
    end
  end))

  it("with a number of a million digits is a 400, or passes on every digit", with({ a = good }, {}, function(s)
    for _, number in ipairs { ("7"):rep(1000000), "0." .. ("3"):rep(1000000), "1e" .. ("9"):rep(100000) } do
      for _, member in ipairs { '"later":%s', '"seed":%s', '"max_tokens":%s', '"temperature":%s',
        '"provider":{"max_price":{"prompt":%s}}' } do
        local r, took, grown = send(s, "{" .. PROMPT .. "," .. member:format(number) .. "}")
        assert.is_true(r.status < 500, member .. ": " .. r.status)
        assert_cheap(took, grown, 0.5, 32 * 1024)
        if r.status == 200 and not member:find "provider" then
          assert.is_truthy(s.a.requests[#s.a.requests].body:find(member:format(number), 1, true), member)
        end
      end
    end
  end))

  it("of a million escapes is read in linear time", with({ a = good }, {}, function(s)
    for _, escape in ipairs { "\\u0000", "\\ud83d\\ude80", "\\ud83d", "\\\\" } do
      local body = '{"model":"test/model","messages":[{"role":"user","content":"' .. escape:rep(1000000) .. '"}]}'
      local r, took, grown = send(s, body)
      assert.is_true(r.status == 200 or r.status == 400, r.status)
      assert_cheap(took, grown, 1, 128 * 1024)
    end
  end))

  it("with an image of twenty megabytes goes through, held once", with({ a = good }, {
    endpoints = { a = { architecture = nil } },
    catalog = (function()
      local m = gateway.model("test/model", { { provider = "a" } })
      m.architecture.input_modalities = { "text", "image" }
      m.architecture.modality = "text+image->text"
      return gateway.json { data = gateway.list { m } }
    end)(),
  }, function(s)
    local image = ("QUJD"):rep(5000000)
    local body = '{"model":"test/model","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":'
      .. '"data:image/png;base64,' .. image .. '"}}]}]}'
    local r, took, grown = send(s, body)
    assert.equal(200, r.status)
    assert.is_truthy(s.a.requests[1].body:find(image, 1, true))
    assert_cheap(took, grown, 2, 64 * 1024)
  end))
end)

describe("Answers of a provider", function()
  it("as deep or as long as it likes cost the gateway an error and little memory", with({
    a = function(conn, request)
      local n = tonumber(request.body:match '"user":"(%d+)"')
      local bodies = {
        ("["):rep(1000000), '{"choices":' .. ("["):rep(100000) .. ("]"):rep(100000) .. "}",
        '{"choices":[' .. ("{},"):rep(500000) .. "{}]}",
        '{"error":' .. ('{"error":'):rep(100000) .. "1" .. ("}"):rep(100001),
        ("x"):rep(2000000), ("\0"):rep(100000), ("\255"):rep(100000),
        '{"choices":[{"message":{"content":"' .. ("\\u0000"):rep(500000) .. '"},"finish_reason":"stop"}]}',
      }
      provider.json(conn, bodies[n], n == 4 and 400 or 200)
    end,
  }, {}, function(s)
    for n = 1, 8 do
      local r, _, grown = send(s, "{" .. PROMPT .. (',"user":"%d"}'):format(n))
      assert.is_table(json.decode(r.body), n)
      assert.is_not.equal(500, r.status)
      if not scene.is_sanitized() then assert.is_true(grown < 64 * 1024, n .. ": " .. grown) end
    end
  end))
end)

describe("Connections", function()
  it("opened and reset by the thousand leave no file descriptor behind", with({ a = good }, {}, function(s)
    local function round(count)
      local jobs = {}
      for i = 1, count do jobs[i] = i end
      scene.each(jobs, 50, function(i)
        local conn = net.connect("127.0.0.1", s.port, 5)
        if not conn then return end
        if i % 3 == 1 then conn:write "GET /health HTTP/1.1\r\nHos" end
        if i % 3 == 2 then conn:write(http.request_text("POST", CHAT, nil, scene.body { stream = true })) end
        conn:reset()
      end)
    end
    -- Connections to the provider are kept for a while: as many as there were
    -- requests at once, 50 at most. A leak would be hundreds.
    round(1000)
    net.sleep(0.3)
    local before = s:open_files()
    round(1000)
    assert.is_true(scene.eventually(3, function() return s:open_files() <= before + 60 end),
      ("%d files, before %d"):format(s:open_files(), before))
    assert.equal(200, s:chat({}).status)
  end))

  it("that send a byte now and then cost a few kilobytes each, and nobody else a delay", with({ a = good }, {},
    function(s)
      local before, conns = s:rss_kb(), {}
      for i = 1, 300 do
        conns[i] = assert(net.connect("127.0.0.1", s.port))
        conns[i]:write "P"
      end
      for _, bytes in ipairs { "O", "S", "T", " ", "/" } do
        for _, conn in ipairs(conns) do conn:write(bytes) end
      end
      local began = net.now()
      assert.equal(200, s:chat({}).status)
      assert.is_true(net.now() - began < 0.5)
      if not scene.is_sanitized() then
        assert.is_true((s:rss_kb() - before) / #conns < 4, (s:rss_kb() - before) .. " KiB for 300")
      end
      for _, conn in ipairs(conns) do conn:close() end
    end))
end)

-- ---- the JSON test suite ----

local suite = scene.data "abuse/json/test_parsing/y_array_empty.json"
suite = suite and suite:match "^(.*)/"

local function suite_files(prefix)
  local p = io.popen("ls " .. suite)
  local list = {}
  for name in p:lines() do
    if name:sub(1, 2) == prefix then list[#list + 1] = name end
  end
  p:close()
  return list
end

describe("Of JSONTestSuite", function()
  if not suite then return end

  -- One connection serves them all: an application's error keeps it.
  local function each(s, prefix, fn)
    local conn = assert(net.connect("127.0.0.1", s.port))
    local files = suite_files(prefix)
    for _, name in ipairs(files) do
      local text = scene.read_file(suite .. "/" .. name)
      for _, body in ipairs { text, "{" .. PROMPT .. ',"later":' .. text .. "}" } do
        conn:write(http.request_text("POST", CHAT, nil, body))
        local r = http.read_response(conn, 5)
        assert.is_table(json.decode(r.body), name .. ": " .. r.body)
        fn(name, r, body == text, text)
      end
    end
    conn:close()
    return #files
  end

  it("every text that is no JSON is a 400, alone and as an unknown member", with({ a = good }, {}, function(s)
    local count = each(s, "n_", function(name, r)
      assert.equal(400, r.status, name)
      assert.equal("invalid_request", json.decode(r.body).error.error_type, name)
    end)
    assert.equal(188, count)
    assert.equal(0, #s.a.requests)
  end))

  it("every text that is JSON is told what a request is made of, and passes as an unknown member unchanged",
    with({ a = good }, {}, function(s)
      local count = each(s, "y_", function(name, r, alone, text)
        if alone then
          assert.equal(400, r.status, name)
          assert.is_nil(r.body:find("not JSON", 1, true), name .. ": " .. r.body)
        else
          assert.equal(200, r.status, name .. ": " .. r.body)
          assert.is_truthy(s.a.requests[#s.a.requests].body:find('"later":' .. text, 1, true), name)
        end
      end)
      assert.equal(95, count)
    end))

  it("every doubtful text is taken or refused, and never breaks anything", with({ a = good }, {}, function(s)
    local count = each(s, "i_", function(name, r)
      assert.is_true(r.status == 200 or r.status == 400, name .. ": " .. r.status)
    end)
    assert.equal(35, count)
  end))
end)
