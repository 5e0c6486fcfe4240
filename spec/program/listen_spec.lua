--- Where `serve` listens: a port or a socket file.

local json     = require "cjson.safe"
local net      = require("tidegate.core").net
local gateway  = require "gateway"
local http     = require "http"
local process  = require "process"
local provider = require "provider"
local scene    = require "scene"

local dir

-- `serve` under a configuration with these members, and these arguments.
local function serve(members, ...)
  local config = { auth = "none", workers = 2, catalog = { "catalog.json" }, providers = {
    { slug = "a", key = "key-of-a", base_url = "http://127.0.0.1:" .. (members.port or 9) .. "/v1" } } }
  for name, value in pairs(members) do
    if name ~= "port" then config[name] = value end
  end
  gateway.write(dir .. "/catalog.json", gateway.catalog { "a" })
  gateway.write(dir .. "/tidegate.lua", "return " .. gateway.show(config))
  return process.start { gateway.program(), "serve", dir .. "/tidegate.lua", ... }
end

local function ask(address, method, path, body)
  local conn = assert(net.connect(address))
  conn:write(http.request_text(method, path, {}, body))
  local r = http.read_response(conn)
  conn:close()
  return r
end

local function exists(path)
  return process.run { "test", "-e", path } == 0
end

describe("serve on a socket file", function()
  before_each(function() dir = gateway.temp_dir() end)
  after_each(function() os.execute("rm -rf " .. dir) end)

  it("answers there, to its user alone, and takes the file away in the end", function()
    net.run(function()
      local a = provider.start(provider.good())
      local address = "unix:" .. dir .. "/gate.sock"
      local p = serve { listen = address, port = a.port }
      p:expect("tidegate: listening on " .. address:gsub("%p", "%%%0") .. "\n", 20)
      local _, mode = process.run { "stat", "-c", "%a %F", dir .. "/gate.sock" }
      assert.equal("600 socket\n", mode)
      local whole = ask(address, "POST", "/v1/chat/completions", scene.body {})
      assert.equal("Hello, world", json.decode(whole.body).choices[1].message.content)
      local stream = scene.told(ask(address, "POST", "/v1/chat/completions", scene.body { stream = true }))
      assert.equal("Hello, world", stream.text)
      -- Many at once: both engines take from it.
      local jobs = {}
      for i = 1, 200 do jobs[i] = i end
      scene.each(jobs, 50, function() assert.equal(200, ask(address, "GET", "/health").status) end)
      assert.equal(0, p:stop())
      assert.is_false(exists(dir .. "/gate.sock"))
      a:stop()
    end)
  end)

  it("is chosen by --listen, too, and replaces a file that was left behind", function()
    net.run(function()
      local address = "unix:" .. dir .. "/gate.sock"
      local first = serve({}, "--listen", address)
      first:expect("listening on unix:", 20)
      first:signal(process.KILL)
      first:wait(5)
      assert.is_true(exists(dir .. "/gate.sock"))
      local second = serve({}, "--listen", address)
      second:expect("listening on unix:", 20)
      assert.equal(200, ask(address, "GET", "/health").status)
      -- Who listens there keeps it.
      local third = serve({}, "--listen", address)
      assert.equal(1, third:wait(20))
      assert.truthy(third.printed:find("another program listens there", 1, true), third.printed)
      assert.equal(200, ask(address, "GET", "/health").status)
      assert.equal(0, second:stop())
    end)
  end)

  it("is refused where it cannot be", function()
    for listen, words in pairs {
      ["unix:relative.sock"] = "an absolute path", ["unix:"] = "an absolute path",
      ["unix:/" .. ("x"):rep(107)] = "at most 107 bytes",
    } do
      local p = serve { listen = listen }
      assert.equal(1, p:wait(20))
      assert.truthy(p.printed:find "tidegate%.lua:1: listen: ", p.printed)
      assert.truthy(p.printed:find(words, 1, true), p.printed)
    end
    gateway.write(dir .. "/file", "kept")
    local p = serve { listen = "unix:" .. dir .. "/file" }
    assert.equal(1, p:wait(20))
    assert.truthy(p.printed:find("no socket", 1, true), p.printed)
    assert.equal("kept", scene.read_file(dir .. "/file"))
  end)

  it("lets running answers end when it drains, and is gone at once", function()
    net.run(function()
      local go = false
      local a = provider.start(function(conn)
        provider.begin_stream(conn)
        provider.event(conn, provider.delta "first ")
        while not go do net.sleep(0.01) end
        provider.event(conn, provider.delta("last", "stop"))
        provider.event(conn, "[DONE]")
        provider.end_stream(conn)
      end)
      local address = "unix:" .. dir .. "/gate.sock"
      local p = serve { listen = address, port = a.port }
      p:expect("listening on", 20)
      local conn = assert(net.connect(address))
      conn:write(http.request_text("POST", "/v1/chat/completions", {}, scene.body { stream = true }))
      assert(conn:read_some(5))
      p:signal(process.TERM)
      assert.is_true(scene.eventually(2, function() return not exists(dir .. "/gate.sock") end))
      assert.is_nil((net.connect(address)))
      go = true
      local rest = conn:read_all(5)
      assert.truthy(rest:find("last", 1, true) and rest:find("[DONE]", 1, true), rest)
      assert.equal(0, p:wait(5))
      a:stop()
    end)
  end)
end)
