-- HAProxy asks for the decision and does the rest: real requests through it.

local core    = require "tidegate.core"
local host    = require "host"
local http    = require "http"
local process = require "process"

local net = core.net

-- Swift is the dearest and does not fail; the others do when they are told to.
local MOCK = [[
local fails = {}
local function may_fail(name)
  return { on_request = function(request)
    if request.path:find "/fail$" then
      fails[name] = true
      return { body = "{}" }
    end
    if fails[name] then return { status = 500, body = { error = { message = name .. " is down" } } } end
  end }
end
return { ttft_ms = 5, tokens_per_s = 2000,
  at = { ["/thrift"] = may_fail "thrift", ["/steady"] = may_fail "steady" } }
]]

local BODY = [[{"model":"demo/tide-large","provider":{"sort":"price"},"messages":[{"role":"user","content":"hi"}]%s}]]

-- Which Lua is in it: "5.3", "5.4".
local function lua_of()
  local pipe = io.popen "haproxy -vv 2>/dev/null"
  local text = pipe:read "*a"
  pipe:close()
  return text:match "Lua version : Lua (5%.%d)" or "5.3"
end

describe("HAProxy", host.with("haproxy", lua_of(), function(h)
  local haproxy, port

  local function start()
    port = process.free_port()
    haproxy = h.start({ h.path, "-db", "-f", "examples/haproxy/haproxy.cfg" },
      { LISTEN = "127.0.0.1:" .. port, MOCK = h.mock.address })
    local by = host.now() + 20
    while true do
      local conn = net.connect("127.0.0.1", port)
      if conn then return conn:close() end
      assert(host.now() < by and haproxy:read(0), haproxy.printed)
      net.sleep(0.01)
    end
  end

  local function ask(more)
    return http.post(port, "/v1/chat/completions", BODY:format(more or ""))
  end

  it("sends each request where the decision says, and learns from what becomes of it: examples/haproxy", function()
    net.run(function()
      start()
      local r = ask()
      assert.equal(200, r.status, r.body)
      assert.equal("thrift", r.headers["x-provider"])          -- the cheapest
      assert.is_truthy(r.body:find("You said: hi.", 1, true), r.body)

      r = ask ',"stream":true'
      assert.equal("thrift", r.headers["x-provider"])
      assert.is_truthy(r.body:find("data: [DONE]", 1, true))
      assert.is_true(#r.chunks > 2)

      http.post(tonumber(h.mock.address:match ":(%d+)$"), "/thrift/v1/fail", "{}")
      local of = { thrift = 0, steady = 0 }
      for _ = 1, 30 do
        r = ask()
        local name = r.headers["x-provider"]
        assert.equal(name == "thrift" and 500 or 200, r.status)
        of[name] = of[name] + 1
      end
      -- It failed there and was reported, until it was seen to be down. One in twenty looks past
      -- an outage, and three failures without an answer open its breaker for two seconds.
      assert.is_true(of.thrift >= 2 and of.thrift <= 6, of.thrift .. " of 30 went where it fails")

      r = http.post(port, "/v1/chat/completions", '{"model":"demo/none","messages":[{"role":"user","content":"hi"}]}')
      assert.equal(400, r.status)
      assert.is_truthy(r.body:find("demo/none is not a valid model ID", 1, true), r.body)

      assert.equal(0, host.threads(haproxy))                   -- who only decides has no thread
    end)
  end)

  teardown(function()
    if not haproxy then return end
    haproxy:stop()
  end)
end, { mock = MOCK }))
