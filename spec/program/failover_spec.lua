--- The sixteen scenarios of the public failover catalogue (R-00), each over
-- real sockets: a failing provider "a", and "b" behind it where there is one.

local net      = require("tidegate.core").net
local gateway  = require "gateway"
local provider = require "provider"
local scene    = require "scene"

local FAST = { timeouts = { connect = 1, first_byte = 0.5, first_token = 0.5, idle = 0.5, total = 20 } }
local A_FIRST = { order = gateway.list { "a", "b" } }

local function with(providers, fn, options)
  local o = { config = FAST }
  for k, v in pairs(options or {}) do o[k] = v end
  return scene.with(providers, o, fn)
end

-- ---- answers ----

local good = provider.good()

-- Fails the first `times` requests in this way, answers the rest.
local function failing(times, fail)
  return function(conn, request, n)
    if n <= times then return fail(conn, request) end
    return good(conn, request)
  end
end

local function status(code, headers, body)
  return function(conn)
    provider.json(conn, body or '{"error":{"message":"no luck"}}', code, headers)
  end
end

local function reset(conn)
  conn:reset()
  return false
end

local function silent() net.sleep(60) end

local function words(n)
  local out = {}
  for i = 1, n do out[i] = "w" .. i .. " " end
  return out
end

-- 40 of 60 tokens, and then `after`.
local function forty_then(after)
  return function(conn)
    provider.begin_stream(conn)
    for _, w in ipairs(words(40)) do provider.event(conn, provider.delta(w)) end
    net.sleep(0.05)                -- so that they have been read, and passed on
    return after(conn)
  end
end

-- ---- what a client must see ----

local function assert_whole(r, text)
  assert.equal(200, r.status)
  if r.events then
    assert.equal(text, r.text)
    assert.is_true(r.done)
    assert.is_falsy(r.cut)
    assert.is_nil(r.last.error)
    assert.is_table(r.last.usage)
  else
    assert.equal(text, r.json.choices[1].message.content)
    assert.is_table(r.json.usage)
  end
end

-- An answer that broke off: told as an error inside the stream, never as a success.
local function assert_error_chunk(r, text)
  assert.equal(200, r.status)
  assert.equal(text, r.text)
  assert.is_false(r.done)
  assert.is_falsy(r.cut)
  assert.is_table(r.last.error)
  assert.is_number(r.last.error.code)
  assert.equal(0, r.last.error.code % 1)
  assert.is_string(r.last.error.message)
  assert.equal("", r.last.choices[1].delta.content)
  assert.same({ "error" }, r.finishes)
end

local function uptime(s, name)
  return s:endpoints()["Provider " .. name].uptime_last_5m
end

local function assert_failure_counted(s, name)
  assert.is_true(scene.eventually(1, function()
    local u = uptime(s, name)
    return type(u) == "number" and u < 100
  end), "the breaker does not know of the failure")
end

local function both(fn)
  return function(s)
    fn(s, { provider = A_FIRST })
    fn(s, { provider = A_FIRST, stream = true })
  end
end

describe("The failover catalogue (R-00)", function()

  it("S01: a 429 with Retry-After is answered by another provider at once",
    with({ a = status(429, { ["Retry-After"] = "2" }), b = good }, both(function(s, ask)
      local began = net.now()
      assert_whole(s:chat(ask), "Hello, world")
      assert.is_true(net.now() - began < 1)
      assert.equal(1, #s.a.requests)
    end)))

  it("S01, R-28: alone, a provider that asks for two seconds gets two seconds, and then answers",
    with({ a = failing(1, status(429, { ["Retry-After"] = "2" })) }, function(s)
      local r = s:chat { stream = true }
      assert_whole(r, "Hello, world")
      assert.equal(2, #s.a.requests)
      local waited = s.a.requests[2].at - s.a.requests[1].at
      assert.is_true(waited >= 1.99 and waited < 3, "waited " .. waited)
    end))

  it("S02: a provider that always says 429 is asked at most 4 times in 3 s, and the client gets that 429",
    with({ a = status(429) }, function(s)
      local r = s:chat {}
      assert.equal(429, r.status)
      assert.equal(429, r.json.error.code)
      assert.equal("rate_limit_exceeded", r.json.error.error_type)
      assert.equal("capacity_exhausted", r.json.error.availability.code)
      local early = 0
      for _, request in ipairs(s.a.requests) do
        if request.at - s.a.requests[1].at < 3 then early = early + 1 end
      end
      assert.is_true(early <= 4 and #s.a.requests <= 6, #s.a.requests .. " tries")
    end))

  it("S02: beside a healthy provider, one that always says 429 is hardly asked again",
    with({ a = status(429, { ["Retry-After"] = "30" }), b = good }, function(s)
      for _ = 1, 10 do assert_whole(s:chat { provider = A_FIRST }, "Hello, world") end
      assert.is_true(#s.a.requests <= 4, #s.a.requests .. " requests to it")
    end))

  it("S03: one 500 is not seen by the client",
    with({ a = failing(1, status(500)), b = good }, function(s)
      assert_whole(s:chat { provider = A_FIRST }, "Hello, world")
    end))

  it("S03: one 500 of the only provider is tried again",
    with({ a = failing(1, status(500)) }, function(s)
      assert_whole(s:chat { stream = true }, "Hello, world")
      assert.equal(2, #s.a.requests)
    end))

  it("S04: a 503 goes to the next provider within a second",
    with({ a = status(503), b = good }, both(function(s, ask)
      local began = net.now()
      assert_whole(s:chat(ask), "Hello, world")
      assert.is_true(net.now() - began < 1)
    end)))

  it("S05: a connection that is reset goes to the next provider",
    with({ a = reset, b = good }, both(function(s, ask)
      assert_whole(s:chat(ask), "Hello, world")
    end)))

  it("S05: a reset of the only provider is tried again",
    with({ a = failing(1, reset) }, function(s)
      assert_whole(s:chat {}, "Hello, world")
      assert.equal(2, #s.a.requests)
    end))

  it("S06: a provider that says nothing is given up after timeouts.first_byte, asked once",
    with({ a = silent, b = good }, both(function(s, ask)
      local asked = #s.a.requests
      local began = net.now()
      assert_whole(s:chat(ask), "Hello, world")
      local took = net.now() - began
      assert.is_true(took >= 0.49 and took < 1.5, "took " .. took)
      assert.is_true(#s.a.requests - asked <= 1)
    end)))

  it("S07: a stream whose first token is late is given up after timeouts.first_token, comments or not",
    with({
      a = function(conn)
        provider.begin_stream(conn)
        provider.event(conn, '{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}')
        for _ = 1, 20 do
          if not provider.chunk(conn, ": still here\n\n") then return false end
          net.sleep(0.1)
        end
        provider.event(conn, provider.delta("too late"))
      end,
      b = good,
    }, function(s)
      local began = net.now()
      local r = s:chat { stream = true, provider = A_FIRST }
      assert_whole(r, "Hello, world")
      local took = net.now() - began
      assert.is_true(took >= 0.49 and took < 1.5, "took " .. took)
      assert.equal(1, #s.a.requests)
    end))

  for how, after in pairs {
    ["the connection closes"] = function() return false end,
    ["the connection is reset"] = reset,
    ["the body ends in order, without a finish reason"] = function(conn) provider.end_stream(conn) end,
  } do
    it("S08, R-01: a stream cut after 40 of 60 tokens ends as an error, never as a success: " .. how,
      with({ a = forty_then(after), b = good }, function(s)
        local r = s:chat { stream = true, provider = A_FIRST }
        assert_error_chunk(r, table.concat(words(40)))
        assert.equal(0, #s.b.requests)
        assert_failure_counted(s, "A")
      end))
  end

  it("S09, R-01, R-08: a stream that stalls ends as an error within timeouts.idle and a second",
    with({ a = forty_then(silent), b = good }, function(s)
      local began = net.now()
      local r = s:chat { stream = true, provider = A_FIRST }
      local took = net.now() - began
      assert_error_chunk(r, table.concat(words(40)))
      assert.equal(504, r.last.error.code)
      assert.is_true(took >= 0.49 and took < 1.5, "took " .. took)
      assert_failure_counted(s, "A")
      assert_whole(s:chat { provider = { only = gateway.list { "b" } } }, "Hello, world")
    end))

  it("S10, R-01: a malformed chunk amid a stream never ends as a success",
    with({
      a = forty_then(function(conn)
        provider.event(conn, '{"choices":[{"index":0,"delta":{"content":"bro')
        provider.event(conn, provider.delta(""):gsub("null}]}$", '"stop"}]}'))
        provider.event(conn, "[DONE]")
        provider.end_stream(conn)
      end),
      b = good,
    }, function(s)
      assert_error_chunk(s:chat { stream = true, provider = A_FIRST }, table.concat(words(40)))
      assert_failure_counted(s, "A")
    end))

  it("S10, R-10: a malformed first chunk or body goes to the next provider",
    with({
      a = function(conn, request)
        if not request.body:find '"stream":true' then
          provider.json(conn, '{"choices":[{"message":')
          return
        end
        provider.begin_stream(conn)
        provider.event(conn, '{"choices":[{"index":0,')
        provider.end_stream(conn)
      end,
      b = good,
    }, both(function(s, ask)
      assert_whole(s:chat(ask), "Hello, world")
      assert_failure_counted(s, "A")
    end)))

  it("S11: a finished stream without [DONE] is whole within 8 s, its usage kept, though it stays open",
    with({
      a = function(conn)
        provider.begin_stream(conn)
        provider.event(conn, provider.delta("all of it", "stop"))
        provider.event(conn, provider.usage(10, 3))
        net.sleep(30)
      end,
    }, function(s)
      local began = net.now()
      local r = s:chat { stream = true }
      assert_whole(r, "all of it")
      assert.equal(3, r.last.usage.completion_tokens)
      assert.is_true(net.now() - began < 8)
    end, { config = { timeouts = { idle = 10 } } }))

  it("S12: a prompt too long for one endpoint is asked there once, and then a larger model",
    with({
      a = status(400, nil, '{"error":{"message":"This model\'s maximum context length is 8192 tokens",'
        .. '"code":"context_length_exceeded"}}'),
      b = good,
    }, function(s)
      local r = s:chat { models = gateway.list { "test/small", "test/large" } }
      assert_whole(r, "Hello, world")
      assert.equal("test/large", r.json.model)
      assert.equal(1, #s.a.requests)
      assert.equal(1, #s.b.requests)
    end, { catalog = gateway.json { data = gateway.list {
      gateway.model("test/small", { { provider = "a", context_length = 8192 } }),
      gateway.model("test/large", { { provider = "b", context_length = 200000 } }),
    } } }))

  it("S12: when nothing larger is there the client gets the provider's words as a 400",
    with({
      a = status(400, nil, '{"error":{"message":"maximum context length is 8192 tokens",'
        .. '"code":"context_length_exceeded"}}'),
    }, function(s)
      local r = s:chat {}
      assert.equal(400, r.status)
      assert.equal("context_length_exceeded", r.json.error.error_type)
      assert.matches("maximum context length is 8192", r.json.error.message)
      assert.equal(1, #s.a.requests)
    end))

  it("S13: a content filter's refusal is told in its words, and nobody else is asked",
    with({
      a = status(400, nil, '{"error":{"message":"Flagged by our content policy","code":"content_policy_violation"}}'),
      b = good,
    }, both(function(s, ask)
      local r = s:chat(ask)
      assert.equal(400, r.status)
      assert.equal("content_policy_violation", r.json.error.error_type)
      assert.matches("Flagged by our content policy", r.json.error.message, 1, true)
      assert.equal(0, #s.b.requests)
    end)))

  it("S14, R-02: a cut stream is not continued by prefill at a provider that would refuse it",
    with({
      a = forty_then(function() return false end),
      b = status(400, nil, '{"error":{"message":"assistant message prefill is not supported"}}'),
    }, function(s)
      assert_error_chunk(s:chat { stream = true, provider = A_FIRST }, table.concat(words(40)))
      assert.equal(0, #s.b.requests)
      assert_failure_counted(s, "A")
    end))

  it("S15, R-27: twenty requests during an outage are all answered, and the failing provider is left alone",
    with({ a = status(503), b = good }, function(s)
      for i = 1, 20 do assert_whole(s:chat { stream = i % 2 == 0 }, "Hello, world") end
      assert.is_true(#s.a.requests <= 6, #s.a.requests .. " requests to the failing provider")
    end))

  it("S15: a provider that is back answers at once when the others are gone",
    with({ a = status(503), b = good }, function(s)
      for _ = 1, 8 do assert_whole(s:chat { provider = A_FIRST }, "Hello, world") end
      s.a.answer, s.b.answer = good, reset
      local began = net.now()
      local r = s:chat { stream = true }
      assert_whole(r, "Hello, world")
      assert.equal("Provider A", r.last.provider)
      assert.is_true(net.now() - began < 1)
    end))

  it("every attempt is told in the metadata, with its outcome and how long it took (R-45)",
    with({ a = status(503), b = good }, both(function(s, ask)
      local r = s:chat(ask, { ["X-OpenRouter-Metadata"] = "enabled" })
      local told = (r.json or r.last).openrouter_metadata
      assert.equal(503, told.attempts[1].status)
      assert.equal(200, told.attempts[2].status)
      assert.equal("overloaded", told.tidegate.attempts[1].outcome)
      assert.is_number(told.tidegate.attempts[1].total_ms)
      assert.equal("ok", told.tidegate.attempts[2].outcome)
    end)))

  it("S16: the answer of a fallback model names it, its provider and its usage, at its price",
    with({ a = status(500), b = good }, function(s)
      for _, stream in ipairs { false, true } do
        local r = s:chat { models = gateway.list { "test/first", "test/second" }, stream = stream }
        assert_whole(r, "Hello, world")
        local told = r.json or r.last
        assert.equal("test/second", told.model)
        assert.equal("Provider B", told.provider)
        assert.equal(10, told.usage.prompt_tokens)
        local completion = stream and 3 or 5
        assert.equal(completion, told.usage.completion_tokens)
        assert.is_near((10 * 3 + completion * 7) / 1e6, told.usage.cost, 1e-12)
      end
    end, { catalog = gateway.json { data = gateway.list {
      gateway.model("test/first", { { provider = "a" } }),
      gateway.model("test/second", { { provider = "b", pricing = { prompt = "0.000003", completion = "0.000007" } } }),
    } } }))
end)
