-- Requirements on what a caller can and cannot steer, each with its number.

local net = require("tidegate.core").net
local gateway = require "gateway"
local http = require "http"
local provider = require "provider"

local CHAT = "/api/v1/chat/completions"

-- Run `fn(gw, a, b)` with two good providers.
local function with(options, fn)
  net.run(function()
    local a, b = provider.start(provider.good()), provider.start(provider.good())
    options.providers = options.providers and options.providers(a, b) or { a = a.port, b = b.port }
    local gw = gateway.start(options)
    local ok, err = pcall(fn, gw, a, b)
    gw:stop()
    a:stop()
    b:stop()
    assert(ok, err)
  end)
end

local function body(members)
  return '{"model":"test/model","messages":[{"role":"user","content":"hi"}]' .. (members or "") .. "}"
end

describe("A caller", function()
  it("S-01 S-02 cannot name an upstream, in a header or in the body", function()
    with({}, function(gw, a, b)
      local stranger = provider.start(provider.good())
      local elsewhere = "http://127.0.0.1:" .. stranger.port
      local headers = { ["Host"] = nil, ["X-Forwarded-Host"] = "127.0.0.1:" .. stranger.port,
        ["X-Portkey-Custom-Host"] = elsewhere, ["X-Base-Url"] = elsewhere }
      local r = http.post(gw.port, CHAT, body((',"api_base":"%s","base_url":"%s"'):format(elsewhere, elsewhere)),
        headers)
      assert.equal(200, r.status)
      assert.equal(1, #a.requests + #b.requests)
      assert.equal(0, #stranger.requests)
      stranger:stop()
    end)
  end)

  it("S-01 gets a provider's key sent to that provider's address alone", function()
    with({}, function(gw, a, b)
      for _, slug in ipairs { "a", "b" } do
        http.post(gw.port, CHAT, body((',"provider":{"only":["%s"]}'):format(slug)))
      end
      assert.equal("Bearer key-of-a", a.requests[1].headers.authorization)
      assert.equal("Bearer key-of-b", b.requests[1].headers.authorization)
    end)
  end)

  it("S-11 is routed and known by neither Host nor X-Forwarded-* nor a path written otherwise", function()
    with({ config = { auth = "keys", keys = { { name = "k", key = "client-key-0123456789" } } } },
      function(gw, a, b)
        for _, path in ipairs { "/api/v1/../v1/chat/completions", "/api//v1/chat/completions",
          "/API/v1/chat/completions", "/api/v1/chat%2fcompletions", "/api/v1/chat/completions/" } do
          local r = http.post(gw.port, path, body(), { Authorization = "Bearer client-key-0123456789" })
          assert.equal(404, r.status, path)
        end
        for _, headers in ipairs { { ["X-Forwarded-For"] = "127.0.0.1" }, { ["X-Real-IP"] = "127.0.0.1" },
          { ["X-Original-URL"] = "/health" }, { ["X-Rewrite-URL"] = "/health" } } do
          assert.equal(401, http.post(gw.port, CHAT, body(), headers).status)
        end
        assert.equal(0, #a.requests + #b.requests)
      end)
  end)

  it("S-17 reaches no URL or header of a provider through a model, a user or a session", function()
    with({}, function(gw, a, b)
      for _, nasty in ipairs { "../../admin", "a/b%2f..%2fadmin", "a/b\\r\\nX-Evil: 1", "a/b?x=1", "a/b#x" } do
        local r = http.post(gw.port, CHAT,
          ('{"model":"%s","messages":[{"role":"user","content":"hi"}]}'):format(nasty))
        assert.equal(400, r.status, nasty)
        r = http.post(gw.port, CHAT, body((',"user":"%s","session_id":"%s"'):format(nasty, nasty)))
        assert.equal(200, r.status, nasty)
      end
      for _, p in ipairs { a, b } do
        for _, request in ipairs(p.requests) do
          assert.equal("/v1/chat/completions", request.path)
          assert.is_nil(request.headers["x-evil"])
        end
      end
    end)
  end)

  it("S-19 is nobody without a key, and a configuration without keys is closed", function()
    with({ config = { auth = "keys", keys = { { name = "k", key = "client-key-0123456789" } } } },
      function(gw, a, b)
        assert.equal(401, http.post(gw.port, CHAT, body()).status)
        assert.equal(0, #a.requests + #b.requests)
      end)
  end)

  it("R-03 sees no text twice when an attempt fails over, and allow_fallbacks false switches nothing", function()
    with({}, function(_, a, b)
      a:stop()
      local broken = 0
      local half = provider.start(function(conn)
        broken = broken + 1
        provider.begin_stream(conn)
        provider.event(conn, '{"choices":[{"index":0,"delta":{"role":"assistant"}}]}')
        return false
      end)
      local gw2 = gateway.start { providers = { a = half.port, b = b.port } }
      local ask = ',"stream":true,"provider":{"order":["a","b"]%s}'
      local r = http.post(gw2.port, CHAT, body(ask:format ""))
      local text = {}
      for _, data in ipairs((http.events(r.body))) do
        text[#text + 1] = data:match '"content":"([^"]*)"'
      end
      assert.equal("Hello, world", table.concat(text))
      local before = #b.requests
      r = http.post(gw2.port, CHAT, body((',"stream":true,"provider":{"only":["a"],"allow_fallbacks":false}')))
      assert.equal(502, r.status)
      assert.equal(before, #b.requests)
      assert.is_true(broken >= 2)
      gw2:stop()
      half:stop()
    end)
  end)

  it("R-47 learns every candidate, exclusion, place and attempt when it asks", function()
    with({ endpoints = { b = { pricing = { prompt = "0.5", completion = "0.5" } } } }, function(gw)
      local r = http.post(gw.port, CHAT, body ',"provider":{"max_price":{"prompt":10}}',
        { ["X-OpenRouter-Metadata"] = "enabled" })
      local said = require("tidegate.core").json.decode(r.body).openrouter_metadata
      assert.equal(1, said.endpoints.total)
      assert.equal("Provider A", said.attempts[1].provider)
      assert.equal(200, said.attempts[1].status)
      assert.equal("a", said.tidegate.candidates[1].endpoint)
      assert.is_number(said.tidegate.candidates[1].score)
      assert.equal("b", said.tidegate.dropped[1].endpoint)
      assert.equal("max_price", said.tidegate.dropped[1].reason)
    end)
  end)
end)
