--- Changing a running gateway, ending it, and what its workers share.

local net      = require("tidegate.core").net
local gateway  = require "gateway"
local http     = require "http"
local process  = require "process"
local provider = require "provider"
local scene    = require "scene"

local with = scene.with
local good = provider.good()

local function post(s, members)
  return assert(net.connect("127.0.0.1", s.port)), http.request_text("POST", "/api/v1/chat/completions", nil,
    scene.body(members))
end

-- A stream that says one word and waits for `gate.open`.
local function gated(gate)
  return function(conn)
    provider.begin_stream(conn)
    provider.event(conn, provider.delta("begun "))
    scene.eventually(20, function() return gate.open end)
    provider.event(conn, provider.delta("ended", "stop"))
    provider.event(conn, "[DONE]")
    provider.end_stream(conn)
  end
end

local function begin_streams(s, count)
  local conns = {}
  for i = 1, count do
    local conn, bytes = post(s, { stream = true })
    conn:write(bytes)
    conns[i] = conn
  end
  assert(scene.eventually(10, function() return #s.a.requests == count end), "not all streams began")
  return conns
end

local function end_streams(conns)
  local whole = 0
  for _, conn in ipairs(conns) do
    local r = scene.told(http.read_response(conn, 10))
    if r.done and r.text == "begun ended" and not r.cut then whole = whole + 1 end
    conn:close()
  end
  return whole
end

describe("SIGHUP", function()
  it("puts the new configuration in force within half a second", with({ a = good, b = good },
    { order = { "a" } }, function(s)
      assert.equal("Provider A", s:chat({}).json.provider)
      s.gateway:edit("tidegate.lua", function(text)
        return (text:gsub(":" .. s.a.port .. "/", ":" .. s.b.port .. "/"):gsub("Provider A", "Provider New"))
      end)
      s.gateway.process:signal(process.HUP)
      local began = net.now()
      assert.is_true(scene.eventually(2, function() return s:chat({}).json.provider == "Provider New" end))
      assert.is_true(net.now() - began < 0.5)
      assert.is_true(#s.b.requests > 0)
    end))

  it("puts the new catalogue in force", with({ a = good }, {}, function(s)
    assert.equal(400, s:chat({ model = "test/new" }).status)
    s.gateway:edit("catalog.json", function(text) return (text:gsub("test/model", "test/new")) end)
    s.gateway.process:signal(process.HUP)
    assert.is_true(scene.eventually(0.5, function() return s:chat({ model = "test/new" }).status == 200 end))
    assert.equal(400, s:chat({}).status)
    assert.is_nil(http.get(s.port, "/api/v1/models").body:find("test/model", 1, true))
  end))

  for _, case in ipairs {
    { "a syntax error", "tidegate.lua", "return {\n  listen = = 1,\n}\n", "tidegate%.lua:2:" },
    { "an unknown key", "tidegate.lua", "return {\n  auth = 'none',\n  colour = 1,\n}\n", "tidegate%.lua:3:.*colour" },
    { "an endless loop", "tidegate.lua", "while true do end\n", "tidegate%.lua:1:" },
    { "an error raised", "tidegate.lua", "\n\nerror 'not today'\n", "tidegate%.lua:3:.*not today" },
    { "a broken catalogue", "catalog.json", '{"data":[\n{"id":\n}]}', "catalog%.json:3:" },
  } do
    local name, file, text, complaint = unpack(case)
    it("leaves the old configuration in force when the new one has " .. name .. ", and says where",
      with({ a = good }, {}, function(s)
        s.gateway:edit(file, function() return text end)
        s.gateway.process:signal(process.HUP)
        assert.is_true(scene.eventually(5, function() return s.gateway:log():find(complaint) end), s.gateway:log())
        assert.equal(200, s:chat({}).status)
        assert.equal(200, s:chat({ stream = true }).status)
      end))
  end

  it("touches none of a hundred running streams (R-37)", function()
    local gate = {}
    scene.run({ a = gated(gate), b = good }, { order = { "a" } }, function(s)
      local conns = begin_streams(s, 100)
      s.gateway:edit("tidegate.lua", function(text)
        return (text:gsub(":" .. s.a.port .. "/", ":" .. s.b.port .. "/"))
      end)
      for _ = 1, 3 do
        s.gateway.process:signal(process.HUP)
        net.sleep(0.1)
      end
      assert.is_true(scene.eventually(1, function() return s:chat({}).status == 200 end))
      gate.open = true
      assert.equal(100, end_streams(conns))
    end)
  end)

  it("under load costs no request", with({ a = good }, {}, function(s)
    local asked = 0
    s:while_reloading(function()
      asked = asked + 1
      assert.equal(200, s:chat({ stream = asked % 2 == 0 }).status)
    end)
    assert.is_true(asked > 20)
  end))
end)

describe("SIGTERM", function()
  it("lets running streams end whole, takes nobody new, and exits with 0", function()
    local gate = {}
    scene.run({ a = gated(gate) }, {}, function(s)
      local conns = begin_streams(s, 10)
      local idle = assert(net.connect("127.0.0.1", s.port))
      idle:write(http.request_text("GET", "/health"))
      assert.equal(200, http.read_response(idle, 2).status)
      s.gateway.process:signal(process.TERM)
      assert.is_true(scene.eventually(2, function() return not net.connect("127.0.0.1", s.port, 1) end))
      assert.is_nil(idle:read_some(2))
      assert.is_nil(s.gateway.process:wait(0.1))
      gate.open = true
      assert.equal(10, end_streams(conns))
      assert.equal(0, s.gateway.process:wait(5))
    end)
  end)

  it("ends an idle gateway at once", with({ a = good }, { config = { workers = 2 } }, function(s)
    s:chat {}
    local began = net.now()
    s.gateway.process:signal(process.TERM)
    assert.equal(0, s.gateway.process:wait(5))
    assert.is_true(net.now() - began < 2)
  end))

  it("ends it although SIGHUP comes in between", with({ a = good }, { config = { workers = 2 } }, function(s)
    for _, number in ipairs { process.HUP, process.TERM, process.HUP } do s.gateway.process:signal(number) end
    assert.equal(0, s.gateway.process:wait(5))
  end))
end)

describe("Two workers", function()
  it("know the same percentiles and uptime, whichever measured", with({
    a = function(conn, request)
      net.sleep(0.05)
      good(conn, request)
    end,
  }, { config = { workers = 2 } }, function(s)
    local jobs = {}
    for i = 1, 24 do jobs[i] = i end
    scene.each(jobs, 4, function() assert.equal(200, s:chat({ stream = true }).status) end)
    local p50
    for _ = 1, 24 do                     -- connections of their own, so of either worker
      local e = s:endpoints()["Provider A"]
      assert.equal(100, e.uptime_last_5m)
      assert.is_table(e.latency_last_30m)
      p50 = p50 or e.latency_last_30m.p50
      assert.equal(p50, e.latency_last_30m.p50)
    end
    assert.is_true(p50 >= 45 and p50 < 1000, tostring(p50))
  end))

  it("leave a failing provider alone together (R-27)", with({
    a = function(conn) provider.json(conn, "{}", 503) end, b = good,
  }, { config = { workers = 2 } }, function(s)
    for _ = 1, 40 do assert.equal(200, s:chat({}).status) end
    assert.is_true(#s.a.requests <= 10, #s.a.requests .. " requests to it")
  end))
end)

it("Starting on a port that is taken fails with a sentence", with({ a = good }, {}, function(s)
  local path = gateway.write(s.gateway.dir .. "/second.lua", scene.read_file(s.gateway.config_path)
    :gsub("127%.0%.0%.1:0", "127.0.0.1:" .. s.port))
  local status, printed = process.run { gateway.program(), "serve", path }
  assert.equal(1, status)
  assert.matches("" .. s.port, printed)
end))
