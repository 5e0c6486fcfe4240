--- OpenRouter's HTTP contract as a client meets it, over the real port. The
-- numbers in titles are the contract's sections.

local json     = require "cjson.safe"
local net      = require("tidegate.core").net
local gateway  = require "gateway"
local http     = require "http"
local provider = require "provider"
local scene    = require "scene"

local ID = "^gen%-%d%d%d%d%d%d%d%d%d%d%-%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w$"
local METADATA = { ["X-OpenRouter-Metadata"] = "enabled" }

local good = provider.good()
local list = gateway.list

-- Answers with this JSON text; a stream request gets it too.
local function says(body, status, headers)
  return function(conn) provider.json(conn, body, status, headers) end
end

local function completion(choice, usage)
  return ('{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[%s]%s}'):format(choice,
    usage and ',"usage":' .. usage or "")
end

local function error_of(r)
  assert.is_table(r.json, r.body)
  assert.is_table(r.json.error, r.body)
  return r.json.error
end

-- The envelope of section 5.1 with everything that every error has.
local function assert_error(r, status, error_type, message)
  local e = error_of(r)
  assert.equal(status, r.status, r.body)
  assert.equal(status, e.code)
  assert.equal(status, e.http_status)
  assert.equal(error_type, e.error_type)
  assert.equal(error_type, e.metadata.error_type)
  assert.matches(ID, r.headers["x-generation-id"])
  assert.equal("application/json", r.headers["content-type"])
  if message then assert.equal(message, e.message) end
  return e
end

local function assert_availability(r, code, retryable)
  local a = error_of(r).availability
  assert.is_table(a, r.body)
  assert.equal(code, a.code)
  assert.equal(retryable, a.retryable)
  assert.is_table(a.requested_models)
  assert.matches("^https://", a.docs_url)
  return a
end

-- ---- 2: the request ----

describe("2: the request that a provider gets", function()
  -- What arrives must be what was sent with the model's value exchanged.
  local VERBATIM = {
    ["numbers that no double holds"] =
      '{"model":"test/model","messages":[{"role":"user","content":"hi"}],"seed":12345678901234567890,"x":1.000000000000000000001}',
    ["numbers as they were written"] =
      '{"model":"test/model","messages":[{"role":"user","content":"hi"}],"temperature":1.0,"top_p":1E-1,"x":-0.0}',
    ["empty arrays and objects"] =
      '{"model":"test/model","messages":[{"role":"user","content":"hi"}],"stop":[],"x":[],"y":{},"z":[[],{}]}',
    ["the order of keys"] =
      '{"zeta":1,"messages":[{"content":"hi","role":"user"}],"alpha":2,"model":"test/model","beta":3}',
    ["unknown fields, twice"] =
      '{"model":"test/model","x":1,"messages":[{"role":"user","content":"hi"}],"x":2}',
    ["white space"] =
      '{\n\t"model" : "test/model" ,\r\n  "messages" : [ { "role" : "user" , "content" : "hi" } ]\n}',
    ["escapes and other scripts"] =
      '{"model":"test/model","messages":[{"role":"user","content":"\\u00e9\\/\\ud83d\\ude00 é😀\\n"}]}',
    ["a model inside of something else"] =
      '{"messages":[{"role":"user","content":"\\"model\\":\\"test/model\\""}],"x":{"model":"other"},"model":"test/model"}',
    ["null for absent"] =
      '{"model":"test/model","messages":[{"role":"user","content":"hi"}],"temperature":null,"tools":null,"stream":null}',
  }
  for what, body in pairs(VERBATIM) do
    it("keeps " .. what, scene.with({ a = good }, nil, function(s)
      assert.equal(200, s:chat(body).status)
      local at = body:find('"test/model"', 1, true)
      if what:find "inside" then at = body:find('"test/model"}', 1, true) end
      assert.equal(body:sub(1, at - 1) .. '"up-a"' .. body:sub(at + 12), s.a.requests[1].body)
    end))
  end

  it("is without the members that are the gateway's, the rest untouched",
    scene.with({ a = good }, nil, function(s)
      local body = '{"provider":{"order":["a"]},"seed":9007199254740993,"models":["test/model"],'
        .. '"x":[ ],"route":"fallback","messages":[{"role":"user","content":"hi"}],"model":"test/model"}'
      assert.equal(200, s:chat(body).status)
      local got = s.a.requests[1].body
      local decoded = assert(json.decode(got), got)
      for _, name in ipairs { "provider", "models", "route", "policy" } do assert.is_nil(decoded[name]) end
      assert.equal("up-a", decoded.model)
      for _, part in ipairs { '"seed":9007199254740993', '"x":[ ]', '"messages":[{"role":"user","content":"hi"}]' } do
        assert.is_truthy(got:find(part, 1, true), got)
      end
    end))

  it("R-43: is without the parameters of the vocabulary that its endpoint does not support, and with every other field",
    scene.with({ a = good }, { endpoints = { a = { supported_parameters = list { "temperature" } } } }, function(s)
      local r = s:chat({ temperature = 1, top_k = 5, min_p = 0.5, seed = 1, logit_bias = {}, verbosity = "low",
        enable_thinking = true, chat_template_kwargs = { x = 1 }, user = "u" }, METADATA)
      assert.equal(200, r.status)
      local got = json.decode(s.a.requests[1].body)
      for _, name in ipairs { "top_k", "min_p", "seed", "logit_bias", "verbosity" } do assert.is_nil(got[name], name) end
      assert.equal(1, got.temperature)
      assert.is_true(got.enable_thinking)
      assert.same({ x = 1 }, got.chat_template_kwargs)
      local dropped = r.json.openrouter_metadata.tidegate.attempts[1].dropped_parameters
      table.sort(dropped)
      assert.same({ "logit_bias", "min_p", "seed", "top_k", "verbosity" }, dropped)
    end))

  it("has no parameters that the client did not send", scene.with({ a = good }, nil, function(s)
    s:chat()
    assert.equal('{"messages":[{"content":"hi","role":"user"}],"model":"up-a"}', s.a.requests[1].body)
  end))

  describe("asks a stream for its usage:", function()
    local function upstream(more)
      return '{"model":"test/model","messages":[{"role":"user","content":"hi"}]' .. more .. "}"
    end

    it("stream_options is added", scene.with({ a = good }, nil, function(s)
      s:chat(upstream ',"stream":true')
      assert.same({ include_usage = true }, json.decode(s.a.requests[1].body).stream_options)
    end))

    it("and untouched where it already asks", scene.with({ a = good }, nil, function(s)
      s:chat(upstream ',"stream":true,"stream_options":{ "x":[], "include_usage": true }')
      assert.is_truthy(s.a.requests[1].body:find('"stream_options":{ "x":[], "include_usage": true }', 1, true))
    end))

    it("and asks where it said no, its other members kept", scene.with({ a = good }, nil, function(s)
      s:chat(upstream ',"stream":true,"stream_options":{"include_usage":false,"include_obfuscation":false}')
      assert.same({ include_usage = true, include_obfuscation = false },
        json.decode(s.a.requests[1].body).stream_options)
    end))

    it("and null says nothing", scene.with({ a = good }, nil, function(s)
      s:chat(upstream ',"stream":true,"stream_options":null')
      assert.same({ include_usage = true }, json.decode(s.a.requests[1].body).stream_options)
    end))

    it("but not of an answer that is no stream", scene.with({ a = good }, nil, function(s)
      s:chat(upstream "")
      assert.is_nil(json.decode(s.a.requests[1].body).stream_options)
    end))

    it("nor of a provider that refuses it", scene.with({ a = good }, { provider_fields = { a = { stream_options = false } } },
      function(s)
        s:chat(upstream ',"stream":true,"stream_options":{"include_usage":true}')
        assert.is_nil(json.decode(s.a.requests[1].body).stream_options)
      end))
  end)

  it("carries the provider's key and nothing of the client's headers",
    scene.with({ a = good }, { provider_fields = { a = { headers = { ["X-Mine"] = "yes" } } } }, function(s)
      s:chat({}, { Authorization = "Bearer sk-of-the-client", Cookie = "c=1", ["X-Api-Key"] = "k", ["X-Forwarded-For"] = "1.2.3.4",
        TE = "trailers", ["X-Title"] = "mine", ["OpenAI-Organization"] = "org" })
      local got = s.a.requests[1]
      assert.equal("Bearer key-of-a", got.headers.authorization)
      assert.equal("yes", got.headers["x-mine"])
      assert.equal("127.0.0.1:" .. s.a.port, got.headers.host)
      assert.equal("POST /v1/chat/completions HTTP/1.1", got.line)
      for _, name in ipairs { "cookie", "x-api-key", "x-forwarded-for", "te", "openai-organization" } do
        assert.is_nil(got.headers[name], name)
      end
    end))

  it("max_completion_tokens goes under the older name where the endpoint knows only that",
    scene.with({ a = good }, { endpoints = { a = { supported_parameters = list { "max_tokens" } } } }, function(s)
      s:chat { max_completion_tokens = 77 }
      local got = json.decode(s.a.requests[1].body)
      assert.equal(77, got.max_tokens)
      assert.is_nil(got.max_completion_tokens)
    end))
end)

describe("2.2: the provider object", function()
  local function refused(object, words)
    return function()
      scene.run({ a = good }, nil, function(s)
        local r = s:chat('{"model":"test/model","messages":[{"role":"user","content":"hi"}],"provider":' .. object .. "}")
        local e = assert_error(r, 400, "invalid_request")
        for _, word in ipairs(words) do assert.is_truthy(e.message:find(word, 1, true), e.message) end
        assert.equal(0, #s.a.requests)
      end)
    end
  end

  for object, words in pairs {
    ['{"ordre":["a"]}']                  = { "ordre", "did you mean 'order'" },
    ['{"allow_fallback":false}']         = { "did you mean 'allow_fallbacks'" },
    ['{"sort":"prise"}']                 = { "did you mean 'price'" },
    ['{"sort":{"by":"price","partitoin":"none"}}'] = { "did you mean 'partition'" },
    ['{"sort":{"by":"price","partition":"all"}}']  = { "partition" },
    ['{"order":"a"}']                    = { "'provider.order'", "array" },
    ['{"only":[1]}']                     = { "'provider.only'" },
    ['{"zdr":"yes"}']                    = { "'provider.zdr'" },
    ['{"data_collection":"never"}']      = { "'provider.data_collection'" },
    ['{"quantizations":["fp7"]}']        = { "quantizations", "fp7" },
    ['{"max_price":{"promt":1}}']        = { "did you mean 'prompt'" },
    ['{"max_price":{"prompt":"cheap"}}'] = { "max_price" },
    ['{"max_price":-1}']                 = { "max_price" },
    ['{"preferred_max_latency":{"p95":1}}'] = { "p95" },
    ['{"preferred_min_throughput":"fast"}'] = { "preferred_min_throughput" },
    ['"a"']                              = { "provider" },
    ['[]']                               = { "provider" },
  } do
    it("is strict: " .. object, refused(object, words))
  end

  it("may be null, and its members too", scene.with({ a = good }, nil, function(s)
    assert.equal(200, s:chat('{"model":"test/model","messages":[{"role":"user","content":"hi"}],"provider":null}').status)
    assert.equal(200, s:chat('{"model":"test/model","messages":[{"role":"user","content":"hi"}],"provider":{"order":null,'
      .. '"only":null,"sort":null,"max_price":null,"zdr":null,"preferred_max_latency":null,"quantizations":null}}').status)
  end))

  it("takes prices as numbers and as strings", scene.with({ a = good }, nil, function(s)
    for _, price in ipairs { '1.5', '"1.5"', '1', '"1"' } do
      local r = s:chat('{"model":"test/model","messages":[{"role":"user","content":"hi"}],"provider":{"max_price":{"prompt":'
        .. price .. "}}}")
      assert.equal(200, r.status, price)
    end
    assert.equal(404, s:chat('{"model":"test/model","messages":[{"role":"user","content":"hi"}],'
      .. '"provider":{"max_price":{"prompt":"0.99"}}}').status)
  end))
end)

describe("2.1: a request that is wrong", function()
  for body, status in pairs {
    ["{"] = 400, [""] = 400, ["[]"] = 400, ['"x"'] = 400, ["null"] = 400,
    ['{"model":"test/model"}'] = 400,
    ['{"model":"test/model","messages":[]}'] = 400,
    ['{"model":"test/model","messages":"hi"}'] = 400,
    ['{"model":"test/model","messages":[{"role":"user","content":"hi"}],"stream":"yes"}'] = 400,
    ['{"model":7,"messages":[{"role":"user","content":"hi"}]}'] = 400,
    ['{"messages":[{"role":"user","content":"hi"}]}'] = 400,
    ['{"model":"test/model","messages":[{"role":"user","content":"hi"}],"temperature":"hot"}'] = 400,
    ['{"model":"test/model","messages":[{"role":"user","content":"hi"}],"models":"x"}'] = 400,
  } do
    it("is a 400 before anybody is asked: " .. (body == "" and "nothing" or body), scene.with({ a = good }, nil, function(s)
      assert_error(s:chat(body, METADATA), status, "invalid_request")
      assert.equal(0, #s.a.requests)
    end))
  end

  it("a policy that nobody wrote is a 400", scene.with({ a = good }, nil, function(s)
    assert_error(s:chat { policy = "cheap" }, 400, "invalid_request")
  end))

  it("has more models than OpenRouter takes, but not any number of them", scene.with({ a = good }, nil, function(s)
    local many = list {}
    for i = 1, 15 do many[i] = "test/model" end
    assert.equal(200, s:chat({ models = many }).status)
    many[16] = "test/model"
    assert_error(s:chat { models = many }, 400, "invalid_request", "'models' array must have 15 items or fewer.")
  end))

  it("an unknown field that is nested too deep is a 400 within 250 ms", scene.with({ a = good }, nil, function(s)
    local deep = ("["):rep(100000) .. ("]"):rep(100000)
    local before = net.now()
    local r = s:chat('{"model":"test/model","messages":[{"role":"user","content":"hi"}],"x":' .. deep .. "}")
    assert_error(r, 400, "invalid_request")
    assert.is_true(net.now() - before < 0.25)
  end))
end)

-- ---- 3: the response ----

describe("3.1: a whole answer", function()
  it("has the contract's shape", scene.with({ a = good }, nil, function(s)
    local before = os.time()
    local r = s:chat()
    local o = r.json
    assert.equal(200, r.status)
    assert.matches(ID, o.id)
    assert.equal(r.headers["x-generation-id"], o.id)
    assert.equal("chat.completion", o.object)
    assert.is_true(o.created >= before and o.created <= os.time())
    assert.equal("test/model", o.model)
    assert.equal("Provider A", o.provider)
    assert.equal(json.null, o.system_fingerprint)
    assert.equal(json.null, o.service_tier)
    assert.equal(1, #o.choices)
    local c = o.choices[1]
    assert.same({ 0, "stop", "stop", json.null }, { c.index, c.finish_reason, c.native_finish_reason, c.logprobs })
    assert.same({ "assistant", "Hello, world", json.null, json.null },
      { c.message.role, c.message.content, c.message.refusal, c.message.reasoning })
  end))

  it("has an id of its own, whatever the provider's", scene.with({ a = good }, nil, function(s)
    local seen = {}
    for _ = 1, 20 do
      local id = s:chat().json.id
      assert.is_nil(seen[id])
      seen[id] = true
    end
  end))

  it("keeps what it does not know and what only one provider sends", scene.with({
    a = says((completion('{"index":0,"message":{"role":"assistant","content":"x","annotations":[{"type":"url_citation"}],'
      .. '"reasoning_details":[{"type":"reasoning.encrypted","data":"AbC+/=="}]},"finish_reason":"stop","x_choice":[]}',
      '{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"queue_time":0.25}')
      :gsub("}$", ',"citations":["u"],"big":12345678901234567890}'))),
  }, nil, function(s)
    local r = s:chat()
    local m = r.json.choices[1].message
    assert.same({ { type = "url_citation" } }, m.annotations)
    assert.same({ { type = "reasoning.encrypted", data = "AbC+/==" } }, m.reasoning_details)
    assert.is_truthy(r.body:find('"big":12345678901234567890', 1, true))
    assert.same({ "u" }, r.json.citations)
    assert.equal(0.25, r.json.usage.queue_time)
  end))

  it("numbers tool calls outside streams too, and their arguments are text", scene.with({
    a = says(completion('{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c1","function":'
      .. '{"name":"f","arguments":{"n":12345678901234567890}}},{"id":"c2","type":"function","function":{"name":"g",'
      .. '"arguments":"{}"}}]},"finish_reason":"stop"}')),
  }, nil, function(s)
    local c = s:chat({ tools = list { { type = "function", ["function"] = { name = "f" } } } }).json.choices[1]
    local calls = c.message.tool_calls
    assert.equal("tool_calls", c.finish_reason)
    assert.same({ 0, 1 }, { calls[1].index, calls[2].index })
    assert.same({ "function", "function" }, { calls[1].type, calls[2].type })
    assert.equal('{"n":12345678901234567890}', (calls[1]["function"].arguments:gsub("%s", "")))
  end))
end)

describe("3.2: usage", function()
  local PRICES = { prompt = "0.000003", completion = "0.000015", input_cache_read = "0.0000003", input_cache_write = "0.00000375" }

  it("is priced exactly: cached, written and plain tokens each at their price", scene.with({
    a = says(completion('{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}',
      '{"prompt_tokens":3329,"completion_tokens":10,"total_tokens":3339,"prompt_tokens_details":{"cached_tokens":3211,'
      .. '"cache_write_tokens":115},"completion_tokens_details":{"reasoning_tokens":4}}')),
  }, { endpoints = { a = { pricing = PRICES } } }, function(s)
    local r = s:chat()
    local u = r.json.usage
    assert.is_truthy(r.body:find('"cost":0.00155355,', 1, true), r.body)
    assert.same({ 3329, 10, 3339 }, { u.prompt_tokens, u.completion_tokens, u.total_tokens })
    assert.same({ 3211, 115 }, { u.prompt_tokens_details.cached_tokens, u.prompt_tokens_details.cache_write_tokens })
    assert.equal(4, u.completion_tokens_details.reasoning_tokens)
    assert.is_false(u.is_byok)
    assert.is_truthy(r.body:find('"upstream_inference_cost":0.00155355,', 1, true), r.body)
    assert.is_truthy(r.body:find('"upstream_inference_prompt_cost":0.00140355,', 1, true), r.body)
    assert.is_truthy(r.body:find('"upstream_inference_completions_cost":0.00015', 1, true), r.body)
  end))

  it("has a price per request, and dearer tokens strictly above a threshold", scene.with({
    a = function(conn, request)
      local n = request.body:find "long" and 1001 or 1000
      provider.json(conn, provider.completion("x", ('{"prompt_tokens":%d,"completion_tokens":1,"total_tokens":%d}'):format(n, n + 1)))
    end,
  }, { endpoints = { a = { pricing = { prompt = "0.000001", completion = "0", request = "0.01",
    overrides = list { { min_prompt_tokens = 1000, prompt = "0.000002" } } } } } }, function(s)
    assert.is_truthy(s:chat().body:find('"cost":0.011,', 1, true))
    assert.is_truthy(s:chat({ user = "long" }).body:find('"cost":0.012002,', 1, true))
  end))

  it("is estimated where the provider counts nothing, never absent", scene.with({
    a = says(completion '{"index":0,"message":{"role":"assistant","content":"twelve bytes"},"finish_reason":"stop"}'),
  }, nil, function(s)
    local u = s:chat().json.usage
    assert.is_true(u.prompt_tokens > 0)
    assert.equal(3, u.completion_tokens)
    assert.equal(u.prompt_tokens + 3, u.total_tokens)
    assert.is_true(u.cost > 0)
  end))

  it("R-15: keeps a charge that the provider reports", scene.with({
    a = says(provider.completion("x", '{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"cost":0.000017}')),
  }, nil, function(s)
    assert.equal(0.000017, s:chat().json.usage.cost)
  end))
end)

describe("3.3: finish reasons", function()
  for native, normal in pairs {
    stop = "stop", length = "length", tool_calls = "tool_calls", content_filter = "content_filter",
    end_turn = "stop", stop_sequence = "stop", eos = "stop", COMPLETE = "stop", STOP = "stop",
    MAX_TOKENS = "length", max_tokens = "length", tool_use = "tool_calls", function_call = "tool_calls",
    SAFETY = "content_filter", RECITATION = "content_filter",
    MALFORMED_FUNCTION_CALL = "error", network_error = "error",
  } do
    it(native .. " becomes " .. normal .. ", and the provider's word is kept", function()
      local call = normal == "tool_calls" and ',"tool_calls":[{"index":0,"id":"c","type":"function","function":'
        .. '{"name":"f","arguments":"{}"}}]' or ""
      scene.run({
        a = says(completion(('{"index":0,"message":{"role":"assistant","content":"x"%s},"finish_reason":%q}'):format(call, native))),
      }, nil, function(s)
        local r = s:chat()
        if r.status ~= 200 then
          assert.equal("error", normal, r.body)
          return
        end
        assert.equal(normal, r.json.choices[1].finish_reason)
        assert.equal(native, r.json.choices[1].native_finish_reason)
      end)
    end)
  end
end)

describe("3.4: openrouter_metadata", function()
  local TWO = { a = good, b = says('{"error":{"message":"no"}}', 500) }
  local B_FIRST = { order = list { "b", "a" } }

  it("is there on request only, whichever way it is asked for", scene.with({ a = good }, nil, function(s)
    assert.is_nil(s:chat().json.openrouter_metadata)
    assert.is_nil(s:chat({}, { ["X-OpenRouter-Metadata"] = "yes" }).json.openrouter_metadata)
    assert.is_nil(s:chat({}, { ["X-OpenRouter-Metadata"] = "disabled" }).json.openrouter_metadata)
    assert.is_table(s:chat({}, { ["X-OpenRouter-Metadata"] = "Enabled" }).json.openrouter_metadata)
    assert.is_table(s:chat({}, { ["X-OpenRouter-Experimental-Metadata"] = "enabled" }).json.openrouter_metadata)
  end))

  it("tells the decision and every attempt", scene.with(TWO, nil, function(s)
    local m = s:chat({ provider = B_FIRST }, METADATA).json.openrouter_metadata
    assert.equal("test/model", m.requested)
    assert.equal("direct", m.strategy)
    assert.equal(json.null, m.region)
    assert.equal("available=2, selected=Provider A", m.summary)
    assert.equal(2, m.attempt)
    assert.is_false(m.is_byok)
    assert.equal(2, m.endpoints.total)
    assert.same({ { provider = "Provider B", model = "test/model", selected = false },
      { provider = "Provider A", model = "test/model", selected = true } }, m.endpoints.available)
    assert.same({ { provider = "Provider B", model = "test/model", status = 500 },
      { provider = "Provider A", model = "test/model", status = 200 } }, m.attempts)
    assert.is_true(m.generation_time >= 0)
  end))

  it("stands in the last chunk of a stream and in no other", scene.with(TWO, nil, function(s)
    local r = s:chat({ stream = true, provider = B_FIRST }, METADATA)
    for i, event in ipairs(r.events) do assert.equal(i == #r.events, event.openrouter_metadata ~= nil) end
    assert.is_table(r.last.usage)
    assert.equal(2, r.last.openrouter_metadata.attempt)
  end))

  it("stands beside an error, nobody selected", scene.with({ a = says("{}", 500) }, nil, function(s)
    local r = s:chat({ provider = { allow_fallbacks = false } }, METADATA)
    local m = r.json.openrouter_metadata
    assert.is_true(r.status >= 500)
    assert.equal("available=1", m.summary)
    assert.is_false(m.endpoints.available[1].selected)
    assert.equal(500, m.attempts[1].status)
  end))

  it("says attempt 0 where nobody was asked, and is absent before routing", scene.with({ a = good }, nil, function(s)
    local r = s:chat({ provider = { only = list { "nobody" } } }, METADATA)
    assert.equal(404, r.status)
    assert.equal(0, r.json.openrouter_metadata.attempt)
    assert.equal(0, r.json.openrouter_metadata.endpoints.total)
    assert.is_nil(s:chat({ model = "no/such" }, METADATA).json.openrouter_metadata)
    assert.is_nil(s:chat("{", METADATA).json.openrouter_metadata)
    assert.equal(0, #s.a.requests)
  end))
end)

describe("3.5: other shapes", function()
  it("/completions is answered as text", scene.with({
    a = says('{"id":"x","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":" there",'
      .. '"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'),
  }, nil, function(s)
    local r = scene.told(http.post(s.port, "/api/v1/completions", '{"model":"test/model","prompt":"hi"}'))
    assert.equal("POST /v1/completions HTTP/1.1", s.a.requests[1].line)
    assert.matches(ID, r.json.id)
    assert.equal("text_completion", r.json.object)
    assert.same({ "test/model", "Provider A", " there", "length" },
      { r.json.model, r.json.provider, r.json.choices[1].text, r.json.choices[1].finish_reason })
    assert.is_number(r.json.usage.cost)
  end))

  it("a prompt on /chat/completions is a text completion", scene.with({
    a = says '{"choices":[{"index":0,"text":"x","finish_reason":"stop"}]}',
  }, nil, function(s)
    local r = s:chat '{"model":"test/model","prompt":"hi"}'
    assert.equal("x", r.json.choices[1].text)
    assert.equal("POST /v1/completions HTTP/1.1", s.a.requests[1].line)
  end))

  local EMBED = { {
    id = "test/embed", canonical_slug = "test/embed", name = "E", created = 1, context_length = 8000,
    architecture = { input_modalities = list { "text" }, output_modalities = list { "embeddings" } },
    pricing = { prompt = "0.00000002", completion = "0" },
    endpoints = list { { provider = "a", upstream_model = "up-embed" } },
  } }

  it("/embeddings gives vectors to the last digit, and base64 as it is", scene.with({
    a = function(conn, request)
      local v = request.body:find "base64" and '"AACAPwAAAEA="' or "[0.1234567890123456789,-1e-30,1.0]"
      provider.json(conn, '{"object":"list","data":[{"object":"embedding","index":0,"embedding":' .. v
        .. '}],"model":"up","usage":{"prompt_tokens":5,"total_tokens":5}}')
    end,
  }, { models = EMBED }, function(s)
    local r = http.post(s.port, "/api/v1/embeddings", '{"model":"test/embed","input":["hi"]}')
    local o = json.decode(r.body)
    assert.same({ 200, "list", "test/embed" }, { r.status, o.object, o.model })
    assert.matches(ID, o.id)
    assert.is_truthy(r.body:find("[0.1234567890123456789,-1e-30,1.0]", 1, true))
    assert.same({ 5, 5 }, { o.usage.prompt_tokens, o.usage.total_tokens })
    assert.is_nil(o.usage.completion_tokens)
    assert.equal(1e-7, o.usage.cost)
    assert.equal("POST /v1/embeddings HTTP/1.1", s.a.requests[1].line)
    r = http.post(s.port, "/v1/embeddings", '{"model":"test/embed","input":"hi","encoding_format":"base64"}')
    assert.is_truthy(r.body:find('"embedding":"AACAPwAAAEA="', 1, true))
  end))

  it("a model of the wrong kind is told so", scene.with({ a = good }, { models = EMBED }, function(s)
    local r = s:chat { model = "test/embed" }
    assert.is_true(r.status == 400 or r.status == 404, r.body)
    assert.is_true(#s.a.requests == 0)
    assert_availability(r, r.status == 400 and "wrong_endpoint" or "no_endpoints", false)
    r = scene.told(http.post(s.port, "/api/v1/embeddings", '{"model":"test/model","input":"hi"}'))
    assert.is_true(r.status == 400 or r.status == 404, r.body)
  end))
end)

-- ---- 4: streams ----

describe("4: a stream", function()
  it("has the contract's headers, frames and end", scene.with({ a = good }, nil, function(s)
    local r = s:chat { stream = true }
    assert.equal("text/event-stream", r.headers["content-type"])
    assert.equal("no-cache", r.headers["cache-control"])
    assert.equal("*", r.headers["access-control-allow-origin"])
    assert.is_truthy(r.headers["access-control-expose-headers"]:find("X-Generation-Id", 1, true))
    assert.is_nil(r.headers["x-ratelimit-limit"])
    assert.matches("data: %[DONE%]\n\n$", r.body)
    assert.is_nil(r.body:find("\r", 1, true))
    assert.equal("Hello, world", r.text)
    for _, e in ipairs(r.events) do
      assert.same({ r.headers["x-generation-id"], "chat.completion.chunk", "test/model", "Provider A", 1 },
        { e.id, e.object, e.model, e.provider, #e.choices })
      assert.equal("assistant", e.choices[1].delta.role)
      assert.is_not_nil(e.choices[1].native_finish_reason)
      assert.is_nil(e.system_fingerprint)
    end
    assert.same({ "stop", "stop" }, r.finishes)
    assert.equal("", r.last.choices[1].delta.content)
    assert.same({ 10, 3, 13 }, { r.last.usage.prompt_tokens, r.last.usage.completion_tokens, r.last.usage.total_tokens })
    assert.equal(0.000016, r.last.usage.cost)
  end))

  it("says the keep-alive comment within 3 s of silence, and no error although the status is out",
    scene.with({ a = function(conn, request)
      net.sleep(3.3)
      return good(conn, request)
    end }, nil, function(s)
      local before = net.now()
      local r = s:chat { stream = true }
      assert.equal(": OPENROUTER PROCESSING\n\n", r.chunks[1].bytes:sub(1, 25))
      assert.is_true(r.chunks[1].at - before < 3.2)
      assert.equal("Hello, world", r.text)
    end))

  it("4.1: an error before anything was said is an HTTP error with the provider's status",
    scene.with({ a = says('{"error":{"message":"The thing is wrong","code":"bad_thing"}}', 400) }, nil, function(s)
      local r = s:chat({ stream = true })
      local e = assert_error(r, 400, "invalid_request", "The thing is wrong")
      assert.equal("bad_thing", e.metadata.provider_code)
      assert.equal("Provider A", e.metadata.provider_name)
    end))

  it("4.1: an error after text is one chunk with an integer code, and no [DONE]", scene.with({
    a = function(conn)
      provider.begin_stream(conn)
      provider.event(conn, provider.delta "Hel")
      provider.event(conn, '{"error":{"message":"out of luck","code":"server_error"}}')
      provider.end_stream(conn)
    end,
  }, nil, function(s)
    local r = s:chat { stream = true }
    assert.equal(200, r.status)
    assert.equal("Hel", r.text)
    assert.is_false(r.done)
    assert.same({ "error" }, r.finishes)
    assert.equal(502, r.last.error.code)
    assert.is_truthy(r.last.error.message:find("out of luck", 1, true))
    assert.equal("provider_unavailable", r.last.error.metadata.error_type)
    assert.equal(r.headers["x-generation-id"], r.last.id)
  end))
end)

-- ---- 5: errors ----

describe("5.4: the wording", function()
  it("of an unknown model", scene.with({ a = good }, nil, function(s)
    for _, id in ipairs { "no/such", "test/model:nitr", "test/model:free", "test", "", "test/model:floor:foo" } do
      local r = s:chat { model = id }
      if id ~= "" then
        assert_error(r, 400, "invalid_request", id .. " is not a valid model ID")
        assert.same({ id }, assert_availability(r, "model_not_found", false).requested_models)
      else
        assert_error(r, 400, "invalid_request")
      end
    end
    assert.is_truthy(json.encode(error_of(s:chat { model = "test/modle" }).availability.fallback_models):find "model")
    assert.equal(0, #s.a.requests)
  end))

  it("of a prompt that is too long", scene.with({ a = good }, { endpoints = { a = { context_length = 1000 } } }, function(s)
    local r = s:chat { messages = list { { role = "user", content = ("word "):rep(4000) } }, max_tokens = 100 }
    local e = assert_error(r, 400, "context_length_exceeded")
    assert.matches("^This endpoint's maximum context length is 1000 tokens%. However, you requested about %d+ tokens "
      .. "%(%d+ of text input, %d+ in the output%)%. Please reduce the length of either one", e.message)
  end))

  it("of a model that nobody serves", scene.with({ a = good }, { models = { {
    id = "test/none", name = "N", created = 1, context_length = 10, endpoints = list {},
    pricing = { prompt = "0", completion = "0" } } } }, function(s)
    local r = s:chat { model = "test/none" }
    assert_error(r, 404, "not_found", "No endpoints found for test/none.")
    assert_availability(r, "no_endpoints", false)
  end))

  it("of tools that nobody supports", scene.with({ a = good },
    { endpoints = { a = { supported_parameters = list { "temperature" } } } }, function(s)
      local r = s:chat { tools = list { { type = "function", ["function"] = { name = "f" } } } }
      assert_error(r, 404, "not_found", "No endpoints found that support tool use. To learn more about provider routing, "
        .. "visit: https://openrouter.ai/docs/guides/routing/provider-selection")
    end))

  it("of a data policy that excludes everybody", scene.with({ a = good }, nil, function(s)
    local r = s:chat { provider = { data_collection = "deny" } }
    local e = assert_error(r, 404, "not_found")
    assert.matches("^No endpoints found matching your data policy", e.message)
    local a = assert_availability(r, "privacy_restricted", false)
    assert.same({ "data_policy:training" }, a.excluded_by)
    r = s:chat { provider = { zdr = true } }
    assert.same({ "data_policy:zdr" }, assert_availability(r, "privacy_restricted", false).excluded_by)
  end))

  it("of provider lists that leave nobody", scene.with({ a = good, b = good }, nil, function(s)
    local r = s:chat { provider = { only = list { "c" } } }
    local e = assert_error(r, 404, "not_found")
    assert.equal("No allowed providers are available for the selected model. Providers serving test/model: a, b, "
      .. "but your request's provider.only preference permits only: c.", e.message)
    local a = assert_availability(r, "constraint_filtered", false)
    assert.same({ "allowed_providers" }, a.excluded_by)
    assert_error(s:chat { provider = { ignore = list { "a", "b" } } }, 404, "not_found")
  end))

  for reason, wish in pairs {
    max_price = { max_price = { prompt = 0.1 } }, quantization = { quantizations = list { "fp8" } },
  } do
    it("of a constraint that excludes everybody: " .. reason, scene.with({ a = good }, nil, function(s)
      local r = s:chat({ provider = wish })
      assert_error(r, 404, "not_found")
      assert.same({ reason }, assert_availability(r, "constraint_filtered", false).excluded_by)
    end))
  end

  it("R-31: of require_parameters", scene.with({ a = good }, nil, function(s)
    local r = s:chat { top_k = 5, provider = { require_parameters = true } }
    assert_error(r, 404, "not_found")
    assert.same({ "require_parameters" }, assert_availability(r, "constraint_filtered", false).excluded_by)
  end))

  it("R-28: of 429 everywhere: the smallest Retry-After, in header and body", scene.with({
    a = says('{"error":{"message":"slow"}}', 429, { ["Retry-After"] = "40" }),
    b = says('{"error":{"message":"slower"}}', 429, { ["Retry-After"] = "17" }),
  }, nil, function(s)
    local r = s:chat({}, METADATA)
    local e = assert_error(r, 429, "rate_limit_exceeded", "Provider returned error")
    local a = assert_availability(r, "capacity_exhausted", true)
    assert.equal("17", r.headers["retry-after"])
    assert.equal(17, a.retry_after)
    assert.equal(17, e.metadata.retry_after_seconds)
    assert.equal(1, #s.a.requests + 0)
    assert.equal(1, #s.b.requests + 0)
  end))
end)

describe("5.1: an error's envelope", function()
  it("is that of every 404, 405, 400 and 413, with a generation id", scene.with({ a = good },
    { config = { limits = { body = 2000 } } }, function(s)
      assert_error(scene.told(http.get(s.port, "/api/v1/no/such/route")), 404, "not_found")
      assert_error(scene.told(http.get(s.port, "/nowhere")), 404, "not_found")
      assert_error(scene.told(http.get(s.port, "/api/v1/chat/completions")), 405, "invalid_request")
      assert_error(scene.told(http.post(s.port, "/api/v1/models", "{}")), 405, "invalid_request")
      assert_error(scene.told(http.get(s.port, "/api/v1/models/no/such/endpoints")), 404, "not_found")
      assert_error(scene.told(http.get(s.port, "/api/v1/model/no/such")), 404, "not_found")
      assert_error(scene.told(http.post(s.port, "/v1/chat/completions", ("x"):rep(2001))), 413, "payload_too_large")
    end))

  it("R-44: never tells a provider's 401, nor the key that it names", scene.with({
    a = says('{"error":{"message":"Incorrect API key provided: key-of-a","code":"invalid_api_key"}}', 401),
  }, nil, function(s)
    local r = s:chat()
    assert_error(r, 502, "provider_unavailable")
    assert.is_nil(r.body:find("key-of-a", 1, true))
    assert.is_nil(s.gateway:log():find("key-of-a", 1, true))
  end))

  it("names the errors of those who failed before", scene.with({
    a = says('{"error":{"message":"down"}}', 503), b = says('{"error":{"message":"odd"}}', 400),
  }, nil, function(s)
    local r = s:chat { provider = { order = list { "a", "b" } } }
    local e = assert_error(r, 400, "invalid_request", "odd")
    assert.same({ { provider = "Provider A", code = "overloaded", status = 503 } }, e.metadata.previous_errors)
  end))
end)

describe("5.2: keys", function()
  local KEYS = { config = { auth = "keys", keys = list { { name = "me", key = "sk-mine-0123456789" } } } }

  it("are asked for before anything is parsed or sent", scene.with({ a = good }, KEYS, function(s)
    local r = s:chat("{")
    assert_error(r, 401, "authentication", "Missing Authentication header")
    assert_error(s:chat("{", { Authorization = "Bearer sk-other" }), 401, "authentication")
    assert_error(s:chat("{", { Authorization = "Basic sk-mine-0123456789" }), 401, "authentication")
    assert_error(s:chat("{", { Authorization = "Bearer sk-mine-0123456789" }), 400, "invalid_request")
    assert.equal(0, #s.a.requests)
    assert.equal(200, s:chat({}, { Authorization = "Bearer sk-mine-0123456789" }).status)
    assert.equal("Bearer key-of-a", s.a.requests[1].headers.authorization)
  end))

  it("are not needed for the catalogue, but for /models/user", scene.with({ a = good }, KEYS, function(s)
    for _, path in ipairs { "/models", "/models/count", "/providers", "/endpoints/zdr", "/model/test/model",
      "/models/test/model/endpoints", "/embeddings/models" } do
      assert.equal(200, http.get(s.port, "/api/v1" .. path).status, path)
    end
    assert.equal(401, http.get(s.port, "/api/v1/models/user").status)
    assert.equal(200, http.get(s.port, "/api/v1/models/user", { Authorization = "Bearer sk-mine-0123456789" }).status)
  end))
end)

-- ---- 0, 7: headers and listings ----

describe("0: every answer", function()
  it("is under /api/v1 and under /v1, and /health says that it is ready", scene.with({ a = good }, nil, function(s)
    for _, prefix in ipairs { "/api/v1", "/v1" } do
      assert.equal(200, http.post(s.port, prefix .. "/chat/completions", scene.body()).status)
      assert.equal(200, http.get(s.port, prefix .. "/models").status)
    end
    assert.equal(200, http.get(s.port, "/health").status)
  end))

  it("may be read by a browser, and the browser may ask first", scene.with({ a = good }, nil, function(s)
    local r = http.request(s.port, "OPTIONS", "/api/v1/chat/completions", { Origin = "http://x",
      ["Access-Control-Request-Method"] = "POST", ["Access-Control-Request-Headers"] = "authorization" })
    assert.equal(204, r.status)
    assert.equal("*", r.headers["access-control-allow-origin"])
    assert.is_truthy(r.headers["access-control-allow-headers"]:lower():find "authorization")
    assert.equal("*", http.get(s.port, "/api/v1/models").headers["access-control-allow-origin"])
    assert.equal("*", s:chat("{").headers["access-control-allow-origin"])
  end))

  it("has none of the provider's headers", scene.with({
    a = says(provider.completion "x", 200, { ["Set-Cookie"] = "a=b", ["X-RateLimit-Remaining"] = "3", Server = "them",
      ["X-Request-Id"] = "r" }),
  }, nil, function(s)
    local r = s:chat()
    for _, name in ipairs { "set-cookie", "x-ratelimit-remaining", "server", "x-request-id" } do
      assert.is_nil(r.headers[name], name)
    end
  end))
end)

local function model(id, more)
  local m = { id = id, canonical_slug = id, name = id, created = 1, context_length = 1000,
    architecture = { input_modalities = list { "text" }, output_modalities = list { "text" }, tokenizer = "Other" },
    pricing = { prompt = "0.000001", completion = "0.000001" }, supported_parameters = list { "temperature" },
    endpoints = list { { provider = "a", upstream_model = "u" } } }
  for k, v in pairs(more) do m[k] = v end
  return m
end

local MODELS = {
  model("zed/cheap", { created = 1900000000, pricing = { prompt = "0.0000001", completion = "0.0000001" } }),
  model("zed/dear", { context_length = 500000, pricing = { prompt = "0.00005", completion = "0.0001" },
    architecture = { input_modalities = list { "text", "image" }, output_modalities = list { "text" }, tokenizer = "GPT" } }),
  model("zed/embed", { architecture = { input_modalities = list { "text" }, output_modalities = list { "embeddings" } } }),
}

describe("7.1: GET /models", function()
  it("lists the catalogue whole, in the contract's shape", scene.with({ a = good }, { models = MODELS }, function(s)
    local r = http.get(s.port, "/api/v1/models")
    local o = json.decode(r.body)
    assert.equal("public, max-age=300, stale-while-revalidate=3600, stale-if-error=3600", r.headers["cache-control"])
    assert.equal(3, o.total_count)
    assert.equal(json.null, o.links.next)
    local m = o.data[1]
    assert.equal("test/model", m.id)
    for _, name in ipairs { "canonical_slug", "name", "created", "context_length", "architecture", "pricing", "top_provider",
      "per_request_limits", "supported_parameters", "default_parameters", "supported_voices", "links" } do
      assert.is_not_nil(m[name], name)
    end
    assert.equal("0.000001", m.pricing.prompt)
    assert.equal("/api/v1/models/test/model/endpoints", m.links.details)
    assert.is_nil(r.body:find("upstream_model", 1, true))
    assert.is_nil(r.body:find("up-a", 1, true))
  end))

  it("filters, sorts and pages", scene.with({ a = good }, { models = MODELS }, function(s)
    for query, ids in pairs {
      [""] = "test/model zed/cheap zed/dear", ["output_modalities=all"] = "test/model zed/cheap zed/dear zed/embed",
      ["output_modalities=embeddings"] = "zed/embed", ["input_modalities=image"] = "zed/dear",
      ["context=200000"] = "zed/dear", ["max_price=0.5"] = "zed/cheap", ["min_price=2"] = "zed/dear",
      ["q=DEAR"] = "zed/dear", ["model_authors=zed"] = "zed/cheap zed/dear",
      ["supported_parameters=tools"] = "test/model", ["providers=a"] = "test/model zed/cheap zed/dear", ["zdr=true"] = "",
      ["sort=pricing-low-to-high"] = "zed/cheap test/model zed/dear", ["sort=newest"] = "zed/cheap test/model zed/dear",
      ["sort=context-high-to-low"] = "zed/dear test/model zed/cheap", ["limit=1&offset=1"] = "zed/cheap",
      ["limit=1&sort=pricing-high-to-low"] = "zed/dear",
    } do
      local o = json.decode(http.get(s.port, "/api/v1/models?" .. query).body)
      local got = {}
      for i, m in ipairs(o.data) do got[i] = m.id end
      assert.equal(ids, table.concat(got, " "), query)
    end
    for _, prefix in ipairs { "/api/v1", "/v1" } do
      local path, seen = prefix .. "/models?limit=1", {}
      while path ~= json.null do
        assert.equal(prefix .. "/models?", path:match("^.*%?"))
        local o = json.decode(http.get(s.port, path).body)
        seen[#seen + 1], path = o.data[1].id, o.links.next
      end
      assert.same({ "test/model", "zed/cheap", "zed/dear" }, seen)
    end
    assert.equal(400, http.get(s.port, "/api/v1/models?sort=nonsense").status)
    assert.equal(400, http.get(s.port, "/api/v1/models?limit=1001").status)
  end))

  it("and beside it: count, one model, embeddings, the user's, providers, zdr", scene.with({ a = good, z = good },
    { models = MODELS, provider_fields = { z = { zdr = true, data_collection = "deny",
      about = { privacy_policy_url = "https://z/privacy", headquarters = "DE", datacenters = list { "DE" } } } } },
    function(s)
      local function get(path) return json.decode(http.get(s.port, "/api/v1" .. path).body) end
      assert.equal(3, get("/models/count").data.count)
      assert.equal(4, get("/models/count?output_modalities=all").data.count)
      assert.equal("zed/dear", get("/model/zed/dear").data.id)
      assert.equal("zed/dear", get("/model/zed/dear:nitro").data.id)
      assert.equal(404, http.get(s.port, "/api/v1/model/zed/dear:free").status)
      assert.equal(404, http.get(s.port, "/api/v1/model/zed/dear:online").status)
      assert.equal(404, http.get(s.port, "/api/v1/models/zed/dear:nonsense/endpoints").status)
      assert.same({}, get("/models/zed/dear:free/endpoints").data.endpoints)
      assert.equal(1, #get("/models/zed/dear:floor/endpoints").data.endpoints)
      assert.equal("zed/embed", get("/embeddings/models").data[1].id)
      assert.equal(1, #get("/embeddings/models").data)
      assert.equal(3, #get("/models/user").data)
      local p = get("/providers").data
      assert.same({ "Provider A", "a", json.null }, { p[1].name, p[1].slug, p[1].headquarters })
      assert.same({ "z", "https://z/privacy", "DE", { "DE" } },
        { p[2].slug, p[2].privacy_policy_url, p[2].headquarters, p[2].datacenters })
      local zdr = get("/endpoints/zdr").data
      assert.equal(1, #zdr)
      assert.same({ "Provider Z", "test/model" }, { zdr[1].provider_name, zdr[1].model_id })
    end))
end)

describe("7.3: GET /models/{author}/{slug}/endpoints", function()
  it("lists the endpoints in the contract's shape", scene.with({ a = good, b = good }, { endpoints = {
    b = { tag = "b/fast", quantization = "fp8", supported_parameters = list { "temperature" } } } }, function(s)
    local o = json.decode(http.get(s.port, "/api/v1/models/test/model/endpoints").body).data
    assert.same({ "test/model", 2 }, { o.id, #o.endpoints })
    for _, e in ipairs(o.endpoints) do
      for _, name in ipairs { "name", "model_id", "model_name", "context_length", "max_completion_tokens", "max_prompt_tokens",
        "pricing", "provider_name", "tag", "quantization", "status", "supported_parameters", "supports_implicit_caching",
        "uptime_last_5m", "uptime_last_30m", "uptime_last_1d", "latency_last_30m", "throughput_last_30m" } do
        assert.is_not_nil(e[name], name)
      end
      assert.same({ auto = true, none = true, required = true, ["function"] = true },
        e.tag == "a" and e.supports_tool_choice or { auto = true, none = true, required = true, ["function"] = true })
      assert.equal(json.null, e.latency_last_30m)
    end
    assert.same({ "b/fast", "fp8" }, { o.endpoints[2].tag, o.endpoints[2].quantization })
    assert.is_nil(json.encode(o):find("up-a", 1, true))
  end))

  it("has live percentiles and uptimes within half a second of the traffic", scene.with({ a = function(conn, _, n)
    if n == 20 then return provider.json(conn, '{"error":{"message":"no"}}', 500) end
    net.sleep(0.03)
    provider.stream(conn, { "a", "b", "c", "d" }, 0.01)
  end }, nil, function(s)
    for _ = 1, 19 do assert.equal(200, s:chat({ stream = true }).status) end
    s:chat { stream = true, provider = { allow_fallbacks = false } }
    net.sleep(0.5)
    local e = s:endpoints()["Provider A"]
    local l, t = e.latency_last_30m, e.throughput_last_30m
    assert.is_table(l)
    assert.is_true(l.p50 >= 30 and l.p50 < 200, "milliseconds: " .. tostring(l.p50))
    assert.is_true(l.p50 <= l.p75 and l.p75 <= l.p90 and l.p90 <= l.p99)
    assert.is_true(t.p50 > 20 and t.p50 < 200, "tokens/s: " .. tostring(t.p50))
    assert.is_true(t.p50 >= t.p90, "p90 is what 90 % reach")
    assert.is_number(e.uptime_last_30m)
    assert.is_true(e.uptime_last_30m > 85 and e.uptime_last_30m < 100)
  end))
end)
