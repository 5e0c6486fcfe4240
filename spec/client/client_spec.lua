-- The gateway inside a Lua program, in front of scripted providers.

local core     = require "tidegate.core"
local client   = require "tidegate.client"
local embedded = require "embedded"
local gateway  = require "gateway"
local provider = require "provider"
local this_lua = require "this_lua"

local net = core.net

local WORDS = { "The", " tide", " comes", " in" }
local TEXT = table.concat(WORDS)

-- Answers whatever is asked: `"stream":true` in words.
local good = provider.good(WORDS)

-- A stream that waits for somebody to let it go on: go.on = true.
local function stepping(go)
  return function(conn)
    provider.begin_stream(conn)
    provider.event(conn, provider.delta "first")
    embedded.eventually(function() return go.on or conn:is_gone() end)
    if not go.on then return false end
    provider.event(conn, provider.delta("last", "stop"))
    provider.event(conn, "[DONE]")
    provider.end_stream(conn)
  end
end

-- Never answers; closes when the gateway does.
local function hanging(conn)
  embedded.eventually(function() return conn:is_gone() end)
  return false
end

local function status(code, body)
  return function(conn) provider.json(conn, body or '{"error":{"message":"no"}}', code) end
end

-- Half a stream, and the connection breaks.
local function cut(conn)
  provider.begin_stream(conn)
  provider.event(conn, provider.delta "half")
  return false
end

-- The deltas, their text, and the error at the end. (Lua 5.1 cannot wait inside a `for`.)
local function all_of(iterator)
  local deltas, texts, last = {}, {}, nil
  while true do
    local delta, err = iterator()
    if not delta then return deltas, table.concat(texts), last end
    deltas[#deltas + 1], texts[#texts + 1], last = delta, delta.text, err
  end
end

-- ---- making one ----

describe("tidegate.client", function()
  it("says at the caller's line what is wrong with its options", function()
    for words, options in pairs {
      ["a table of options expected, got nil"] = false,
      ["unknown option conifg"] = { conifg = "x" },
      ["config is missing"] = {},
      ["log: debug, info, warn, error or off expected"] = { config = "x", log = "loud" },
      ["loop: one of tidegate.loop.* expected, got string"] = { config = "x", loop = "luv" },
    } do
      local ok, why = pcall(function() client(options or nil) end)
      assert.is_false(ok)
      assert.is_truthy(why:find("client_spec.lua", 1, true), why)
      assert.is_truthy(why:find(words, 1, true), why)
    end
  end)

  it("gives nil and the mistakes of a bad configuration, with file and line", function()
    local path = os.tmpname()
    gateway.write(path, "return {\n  lisen = '127.0.0.1:1',\n}\n")
    local c, err = client { config = path }
    os.remove(path)
    assert.is_nil(c)
    assert.equal("configuration", err.code)
    assert.is_truthy(err.message:find(path .. ":2: ", 1, true), err.message)
    assert.is_truthy(tostring(err):find "did you mean listen", tostring(err))
    c, err = client { config = "/nonexistent/tidegate.lua" }
    assert.is_nil(c)
    assert.equal("configuration", err.code)
  end)

  it("takes a configuration that is closed by keys: who has it inside needs none", embedded.with({ a = good },
    { config = { auth = "keys" } }, function(s)
      assert.equal(TEXT, s.client:chat(s.request()).text)
    end))

  it("has one thread in the process however many there are, and none when they are closed", embedded.with(
    { a = good }, {}, function(s)
      local others = {}
      assert(s.client:route(s.request()))
      assert.equal(0, embedded.threads())                       -- who only decides needs none
      assert.equal(TEXT, s.client:chat(s.request()).text)
      for i = 1, 5 do others[i] = assert(client { config = s.config, loop = embedded.loop }) end
      assert.equal(1, embedded.threads())
      for _, c in ipairs(others) do
        assert.equal(TEXT, c:chat(s.request()).text)
        c:close()
      end
      assert.equal(1, embedded.threads())
      assert.equal("tidegate.client (open)", tostring(s.client))
      s.client:close()
      assert.equal("tidegate.client (closed)", tostring(s.client))
      assert.equal(0, embedded.threads())
    end))

  it("lists the models", embedded.with({ a = good, b = good }, {
    models = { gateway.model("test/other", { { provider = "b" } }) },
  }, function(s)
    assert.same({
      { id = "test/model", name = "Test: test/model", context_length = 100000, endpoints = 2 },
      { id = "test/other", name = "Test: test/other", context_length = 100000, endpoints = 1 },
    }, s.client:models())
  end))
end)

-- ---- whole answers ----

local EMBEDDING_MODEL = gateway.model("test/vectors", { { provider = "a" } })
EMBEDDING_MODEL.architecture = { input_modalities = { "text" }, output_modalities = { "embeddings" },
  modality = "text->embeddings", tokenizer = "Other" }

local RERANK_MODEL = gateway.model("test/order", { { provider = "a" } })
RERANK_MODEL.architecture = { input_modalities = { "text" }, output_modalities = { "rerank" },
  modality = "text->rerank", tokenizer = "Other" }

describe("client:chat", function()
  it("gives the answer as it came, and what is wanted of it most", embedded.with({ a = good }, {}, function(s)
    local r, err = s.client:chat(s.request())
    assert.is_nil(err)
    assert.equal(TEXT, r.text)
    assert.equal("stop", r.finish_reason)
    assert.equal("Provider A", r.provider)
    assert.equal("test/model", r.model)
    assert.equal(TEXT, r.choices[1].message.content)
    assert.equal(15, r.usage.total_tokens)
    assert.is_true(r.usage.cost > 0)
    assert.matches("^gen%-", r.id)
    assert.matches('"model":"up%-a"', s.a.requests[1].body)
  end))

  it("takes JSON text, which goes on byte for byte", embedded.with({ a = good }, {}, function(s)
    local text = '{ "model":"test/model", "seed":12345678901234567, "messages":[{"role":"user","content":"hi"}],"stop":[] }'
    assert.equal(TEXT, s.client:chat(text).text)
    local sent = s.a.requests[1].body
    assert.is_truthy(sent:find('"seed":12345678901234567', 1, true), sent)
    assert.is_truthy(sent:find('"stop":[]', 1, true), sent)
  end))

  it("asks for what it waits for, whatever the text says of streams", embedded.with({ a = good }, {}, function(s)
    local text = '{"model":"test/model","stream":%s,"messages":[{"role":"user","content":"hi"}]}'
    assert.equal(TEXT, s.client:chat(text:format "true").text)
    assert.is_nil(s.a.requests[1].body:find '"stream":true')
    local deltas, said = all_of(s.client:stream(text:format "false"))
    assert.equal(TEXT, said)
    assert.is_true(#deltas > 1)
    deltas, said = all_of(s.client:stream '{"model":"test/model","messages":[{"role":"user","content":"hi"}]}')
    assert.equal(TEXT, said)
    assert.is_true(#deltas > 1)
    assert.equal(TEXT, s.client:chat(s.request { stream = true }).text)
  end))

  it("fails over, and tells nobody", embedded.with({ a = status(500), b = good },
    { config = { policy = "floor" }, endpoints = { b = { pricing = { prompt = "0.1", completion = "0.1" } } } },
    function(s)
      local r = assert(s.client:chat(s.request()))
      assert.equal("Provider B", r.provider)
      assert.equal(1, #s.a.requests)
    end))

  it("gives nil and an error with code, status and everybody who failed", embedded.with(
    { a = status(500), b = status(503) }, {}, function(s)
      local r, err = s.client:chat(s.request { provider = { order = { "a", "b" } } })
      assert.is_nil(r)
      assert.is_string(err.code)
      assert.is_true(err.status >= 500)
      assert.is_true(#err.attempts >= 2)
      local failed = {}
      for _, attempt in ipairs(err.attempts) do failed[attempt.provider] = attempt.status end
      assert.same({ ["Provider A"] = 500, ["Provider B"] = 503 }, failed)
      assert.equal(err.message, tostring(err))
      assert.is_table(err.body.error)
    end))

  it("says for how long to stay away", embedded.with({
    a = function(conn) provider.json(conn, '{"error":{"message":"busy"}}', 429, { ["Retry-After"] = "7" }) end,
  }, {}, function(s)
    local _, err = s.client:chat(s.request())
    assert.equal(429, err.status)
    assert.equal("rate_limit_exceeded", err.code)
    assert.equal(7, err.retry_after)
  end))

  it("tells what is wrong with a request as the gateway would", embedded.with({ a = good }, {}, function(s)
    for words, request in pairs {
      ["not a valid model"] = { model = "test/none", messages = { { role = "user", content = "hi" } } },
      ["messages"] = { model = "test/model" },
      ["JSON"] = "{ no JSON",
    } do
      local r, err = s.client:chat(request)
      assert.is_nil(r)
      assert.equal(400, err.status)
      assert.equal("invalid_request", err.code)
      assert.is_truthy(err.message:find(words, 1, true), err.message)
      assert.same({}, err.attempts)
    end
    assert.equal(0, #s.a.requests)
  end))

  it("raises at the caller's line for what is no request", embedded.with({ a = good }, {}, function(s)
    for words, request in pairs { ["got number"] = 7, ["got boolean"] = true, ["function"] = { model = print } } do
      for _, method in ipairs { "chat", "stream", "chat_async", "route" } do
        local ok, why = pcall(function()
          local r = s.client[method](s.client, request)
          return r
        end)
        assert.is_false(ok)
        assert.is_truthy(why:find("^spec/client/client_spec%.lua:%d+: "), why)
        assert.is_truthy(why:find(words, 1, true), why)
      end
    end
  end))

  it("sends header fields and knows the other APIs", embedded.with({ a = function(conn, request)
    if request.path:find "embeddings" then
      return provider.json(conn, '{"object":"list","model":"up","data":[{"object":"embedding","index":0,'
        .. '"embedding":[0.5,0.25]}],"usage":{"prompt_tokens":2,"total_tokens":2}}')
    end
    if request.path:find "rerank" then
      return provider.json(conn, '{"results":[{"index":1,"relevance_score":0.75}],"usage":{"total_tokens":3}}')
    end
    return good(conn, request)
  end }, { models = { EMBEDDING_MODEL, RERANK_MODEL } }, function(s)
    local r = assert(s.client:chat(s.request(), { headers = { ["X-OpenRouter-Metadata"] = "enabled" } }))
    assert.is_table(r.openrouter_metadata)
    r = assert(s.client:chat({ model = "test/vectors", input = "hi" }, { api = "embeddings" }))
    assert.same({ 0.5, 0.25 }, { r.data[1].embedding[1], r.data[1].embedding[2] })
    r = assert(s.client:chat({ model = "test/order", query = "moon", documents = { "sun", "moon" } }, { api = "rerank" }))
    assert.same({ 1, 0.75 }, { r.results[1].index, r.results[1].relevance_score })
    assert.has_error(function() s.client:chat(s.request(), { api = "poems" }) end)
    assert.has_error(function() s.client:chat(s.request(), { headers = { ["bad name"] = "x" } }) end)
    assert.has_error(function() s.client:chat(s.request(), { headers = { good = "bad\nvalue" } }) end)
  end))

  it("takes an answer that is large", embedded.with({ a = function(conn)
    provider.json(conn, provider.completion(("x"):rep(3000000)))
  end }, {}, function(s)
    assert.equal(3000000, #s.client:chat(s.request()).text)
  end))
end)

-- ---- streams ----

describe("client:stream", function()
  it("walks over the deltas as they come", embedded.with({ a = good }, {}, function(s)
    local iterator, handle = s.client:stream(s.request())
    local deltas, text, err = all_of(iterator)
    assert.is_nil(err)
    assert.equal(TEXT, text)
    assert.equal("The", deltas[1].text)
    assert.is_table(deltas[1].raw.choices)
    assert.equal(0, deltas[1].index)
    assert.equal(TEXT, handle.result.text)
    assert.equal("stop", handle.result.finish_reason)
    assert.equal("Provider A", handle.result.provider)
    assert.equal(4, handle.result.usage.completion_tokens)
    assert.is_nil(iterator())                                   -- it has ended, and stays so
    assert.matches("over", tostring(handle))
  end))

  it("gives each as soon as it is there", function()
    local go = {}
    embedded.with({ a = stepping(go) }, {}, function(s)
      local iterator = s.client:stream(s.request())
      assert.equal("first", iterator().text)
      assert.is_nil(go.on)
      go.on = true
      local _, rest = all_of(iterator)
      assert.equal("last", rest)
    end)()
  end)

  it("puts the pieces of tool calls and of reasoning together", embedded.with({ a = function(conn)
    local function delta(json, finish)
      return ('{"id":"x","object":"chat.completion.chunk","model":"up","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}')
        :format(json, finish or "null")
    end
    provider.begin_stream(conn)
    provider.event(conn, delta '{"role":"assistant","reasoning":"hm, "}')
    provider.event(conn, delta '{"reasoning":"yes"}')
    provider.event(conn, delta '{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"look","arguments":""}}]}')
    provider.event(conn, delta '{"tool_calls":[{"index":0,"function":{"arguments":"{\\"at\\":"}}]}')
    provider.event(conn, delta '{"tool_calls":[{"index":0,"function":{"arguments":"\\"sea\\"}"}}]}')
    provider.event(conn, delta '{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"wait","arguments":"{}"}}]}')
    provider.event(conn, delta('{}', '"tool_calls"'))
    provider.event(conn, "[DONE]")
    provider.end_stream(conn)
  end }, {}, function(s)
    local iterator, handle = s.client:stream(s.request {
      tools = { { type = "function", ["function"] = { name = "look", parameters = { type = "object" } } } },
    })
    local deltas = all_of(iterator)
    assert.equal("hm, ", deltas[1].reasoning)
    local r = handle.result
    assert.equal("tool_calls", r.finish_reason)
    assert.equal("hm, yes", r.reasoning)
    assert.equal(2, #r.tool_calls)
    assert.same({ "call_a", "look", '{"at":"sea"}' },
      { r.tool_calls[1].id, r.tool_calls[1]["function"].name, r.tool_calls[1]["function"].arguments })
    assert.same({ "call_b", "wait", "{}" },
      { r.tool_calls[2].id, r.tool_calls[2]["function"].name, r.tool_calls[2]["function"].arguments })
  end))

  it("ends with the error of a stream that broke, which has what came until then", embedded.with({ a = cut }, {},
    function(s)
      local iterator, handle = s.client:stream(s.request())
      local deltas, text, err = all_of(iterator)
      assert.equal("half", text)
      assert.is_table(err)
      assert.equal("", deltas[#deltas].text)
      assert.equal(err, deltas[#deltas].error)
      assert.equal(err, handle.err)
      assert.equal("half", err.partial.text)
      assert.is_nil(handle.result)
      assert.equal("Provider A", err.attempts[1].provider)
    end))

  it("ends with an error where nobody answers at all", embedded.with({ a = status(500) }, {}, function(s)
    local deltas, text, err = all_of(s.client:stream(s.request()))
    assert.equal(1, #deltas)
    assert.equal("", text)
    assert.equal(500, err.status)
    deltas, text, err = all_of(s.client:stream { model = "test/none" })
    assert.equal("", text)
    assert.equal(1, #deltas)
    assert.equal(400, err.status)
  end))

  it("leaves the provider when it is cancelled, and the walk just ends", embedded.with({ a = stepping {} }, {},
    function(s)
      local iterator, handle = s.client:stream(s.request())
      assert.equal("first", iterator().text)
      handle:cancel()
      assert.is_nil(iterator())
      assert.equal("cancelled", handle.err.code)
      handle:cancel()                                           -- again
      embedded.eventually(function() return s.a.closed_at end)
    end))

  it("leaves the provider when the walk was left and nobody has it any more", embedded.with({ a = stepping {} }, {},
    function(s)
      local function look_at_the_first()
        local iterator = s.client:stream(s.request())
        return iterator().text
      end
      assert.equal("first", look_at_the_first())
      embedded.eventually(function()
        embedded.collect()
        return s.a.closed_at
      end)
      assert.equal(0, s.client.running)
    end))

  it("goes on for who still has the iterator, whatever the collector does", function()
    local go = {}
    embedded.with({ a = stepping(go) }, {}, function(s)
      local iterator = s.client:stream(s.request())
      assert.equal("first", iterator().text)
      embedded.collect()
      s.client:poll(0)
      go.on = true
      assert.equal("last", iterator().text)
    end)()
  end)

  it("works in coroutines of the program's own, several beside each other", embedded.with({ a = good, b = good }, {},
    function(s)
      local texts = {}
      for i = 1, 4 do
        net.spawn(function()
          local _, text = all_of(s.client:stream(s.request()))
          texts[i] = text
        end)
      end
      embedded.eventually(function() return #texts == 4 end)
      assert.same({ TEXT, TEXT, TEXT, TEXT }, texts)
    end))

  it("has the provider wait for a slow reader: memory stays, nothing is lost", function()
    local sent, is_stuck = 0, false
    local EVENTS, FILLER = 8000, ("0"):rep(2000)
    embedded.with({ a = function(conn)
      provider.begin_stream(conn)
      for i = 1, EVENTS do
        local by = net.now() + 0.2
        if not provider.event(conn, provider.delta(("<%d>%s"):format(i, FILLER))) then return false end
        if net.now() > by then is_stuck = true end
        sent = i
      end
      provider.event(conn, provider.delta("", "stop"))
      provider.event(conn, "[DONE]")
      provider.end_stream(conn)
    end }, {}, function(s)
      local iterator = s.client:stream(s.request())
      assert.matches("^<1>0", iterator().text)
      embedded.collect()
      local lua_kb, rss_kb = collectgarbage "count", embedded.rss_kb()
      -- Until the kernel's buffers are full, too, and the provider gets nothing written any more.
      local before
      repeat
        before = sent
        for _ = 1, 100 do
          s.client:poll(0)
          net.sleep(0.002)
        end
      until sent == before
      assert.is_true(sent < EVENTS)
      embedded.collect()
      assert.is_true(collectgarbage "count" - lua_kb < 1024, "the Lua side grew")
      if not os.getenv "ASAN_OPTIONS" then
        assert.is_true(embedded.rss_kb() - rss_kb < 4096, "the process grew by " .. embedded.rss_kb() - rss_kb .. " KiB")
      end
      local count = 1
      local delta = iterator()
      while delta do
        if delta.text ~= "" then
          count = count + 1
          if delta.text:match "^<(%d+)>" ~= ("%d"):format(count) then error("piece " .. count .. " is not there") end
        end
        delta = iterator()
      end
      assert.equal(EVENTS, count)
      assert.is_true(is_stuck)
    end)()
  end)
end)

-- ---- callbacks ----

describe("client:chat_async", function()
  it("calls back inside poll() and nowhere else", embedded.with({ a = good }, {}, function(s)
    local is_polling, calls, done = false, 0, nil
    local handle = assert(s.client:chat_async(s.request(), {
      on_delta = function(delta, h)
        assert(is_polling)
        assert(h.client == s.client and delta.text)
        calls = calls + 1
      end,
      on_done = function(result, err, h)
        assert(is_polling)
        done = { result, err, h }
      end,
    }))
    assert.matches("^tidegate.handle %d+ %(running%)$", tostring(handle))
    embedded.eventually(function() return s.client.engine:wait(0) end)
    assert.equal(0, calls)
    embedded.eventually(function()
      is_polling = true
      s.client:poll(0)
      is_polling = false
      return done
    end)
    assert.is_true(calls > 1)
    assert.equal(TEXT, done[1].text)
    assert.is_nil(done[2])
    assert.equal(handle, done[3])
  end))

  it("is a stream only where on_delta is, and needs no callback at all", embedded.with({ a = good }, {}, function(s)
    local result
    s.client:chat_async(s.request(), { on_done = function(r) result = r end })
    s:until_true(function() return result end)
    assert.equal(TEXT, result.text)
    assert.is_table(result.choices)
    assert.is_nil(s.a.requests[1].body:find '"stream":true')
    local handle = s.client:chat_async(s.request())
    s:until_true(function() return handle.is_over end)
    assert.equal(TEXT, handle.result.text)
  end))

  it("calls back although nobody kept the handle", embedded.with({ a = good }, {}, function(s)
    local result
    s.client:chat_async(s.request(), { on_done = function(r) result = r end })
    embedded.collect()
    s:until_true(function() return result end)
  end))

  it("tells errors to on_done", embedded.with({ a = cut }, {}, function(s)
    local partial, said = nil, {}
    s.client:chat_async(s.request(), {
      on_delta = function(delta) said[#said + 1] = delta.text end,
      on_done = function(result, err) partial = result == nil and err.partial end,
    })
    s:until_true(function() return partial ~= nil end)
    assert.equal("half", table.concat(said))
    assert.equal("half", partial.text)
  end))

  it("does not call back any more once it is cancelled, in whatever state", embedded.with(
    { a = stepping {}, b = hanging }, {}, function(s)
      local calls = 0
      local callbacks = { on_delta = function() calls = calls + 1 end, on_done = function() calls = calls + 100 end }
      local at_a, at_b = { only = { "a" } }, { only = { "b" } }
      s.client:chat_async(s.request { provider = at_a }, callbacks):cancel()            -- before it was begun
      local handle = s.client:chat_async(s.request { provider = at_b }, callbacks)      -- while nobody answers
      s:until_true(function() return #s.b.requests == 1 end)
      handle:cancel()
      embedded.eventually(function() return s.b.closed_at end)
      assert.equal(0, calls)
      handle = s.client:chat_async(s.request { provider = at_a }, callbacks)            -- within a stream
      s:until_true(function() return calls == 1 end)
      handle:cancel()
      embedded.eventually(function() return s.a.closed_at end)
      handle = s.client:chat_async({ model = "test/none" }, callbacks)                  -- over, and not taken
      embedded.eventually(function() return s.client.engine:wait(0) end)
      handle:cancel()
      s.client:poll(0)
      assert.equal(1, calls)
      assert.equal(0, s.client.running)
      assert.equal("cancelled", handle.err.code)
    end))

  it("may cancel, ask again and close from within a callback", embedded.with({ a = good }, {}, function(s)
    local deltas, again = 0, nil
    s.client:chat_async(s.request(), {
      on_delta = function(_, handle)
        deltas = deltas + 1
        handle:cancel()
      end,
      on_done = function() error "it was cancelled" end,
    })
    s:until_true(function() return deltas > 0 end)
    s.client:chat_async(s.request(), { on_done = function()
      s.client:chat_async(s.request(), { on_done = function(r) again = r.text end })
    end })
    s:until_true(function() return again end)
    assert.equal(1, deltas)
    assert.equal(TEXT, again)

    local closed = 0
    for _ = 1, 3 do
      s.client:chat_async(s.request(), {
        on_delta = function()
          closed = closed + 1
          s.client:close()
        end,
        on_done = function() error "it was closed" end,
      })
    end
    s:until_true(function() return closed > 0 end)
    assert.equal(1, closed)
    assert.equal(0, s.client:poll(0))
  end))

  it("may wait for another answer from within a callback; order is kept", embedded.with({ a = good }, {}, function(s)
    local said, inner, done = {}, nil, false
    s.client:chat_async(s.request(), {
      on_delta = function(delta)
        said[#said + 1] = delta.text
        if not inner and this_lua.name ~= "Lua 5.1" then inner = s.client:chat(s.request()).text end
      end,
      on_done = function(r) done = r.text end,
    })
    s:until_true(function() return done end)
    assert.equal(TEXT, table.concat(said))
    assert.equal(TEXT, done)
    if this_lua.name ~= "Lua 5.1" then assert.equal(TEXT, inner) end
  end))

  it("raises out of poll() what a callback raises; that request is over, others go on", embedded.with({ a = good }, {},
    function(s)
      local calls, other = 0, nil
      local bad = s.client:chat_async(s.request(), {
        on_delta = function()
          calls = calls + 1
          error("the callback's own words")
        end,
        on_done = function() calls = calls + 100 end,
      })
      s.client:chat_async(s.request(), { on_done = function(r) other = r.text end })
      local why
      embedded.eventually(function()
        local ok, raised = pcall(s.client.poll, s.client, 0)
        why = why or not ok and raised
        return other and why
      end)
      assert.is_truthy(why:find "client_spec.lua:%d+: the callback's own words", why)
      assert.equal(1, calls)
      assert.is_true(bad.is_over)
      assert.equal(0, s.client.running)

      s.client:chat_async(s.request(), { on_done = function() error { own = true } end })
      embedded.eventually(function()
        local ok, raised = pcall(s.client.poll, s.client, 0)
        why = raised
        return not ok
      end)
      assert.same({ own = true }, why)
      assert.equal(TEXT, s.client:chat(s.request()).text)
    end))
end)

describe("client:poll", function()
  it("never blocks with 0, and waits no longer than it is told to", embedded.with({ a = hanging }, {}, function(s)
    s.client:chat_async(s.request())
    local from = net.now()
    for _ = 1, 100 do assert.equal(0, s.client:poll(0)) end
    assert.equal(0, s.client:poll())
    assert.is_true(net.now() - from < 0.5)
    s.client:poll(0.05)
    assert.is_true(net.now() - from >= 0.05)
  end))

  it("takes so much at a time that a frame stays short, and the rest the next time", embedded.with({
    a = function(conn)
      provider.begin_stream(conn)
      for i = 1, 3000 do provider.event(conn, provider.delta(("<%d>%s"):format(i, ("0"):rep(200)))) end
      provider.event(conn, "[DONE]")
      provider.end_stream(conn)
    end }, {}, function(s)
      local deltas, done = 0, false
      s.client:chat_async(s.request(), {
        on_delta = function() deltas = deltas + 1 end, on_done = function() done = true end })
      local most = 0
      embedded.eventually(function()
        local before = deltas
        s.client:poll(0)
        most = math.max(most, deltas - before)
        return done
      end)
      assert.is_true(deltas >= 3000)
      assert.is_true(most < 1000, most .. " in one poll")
    end))
end)

describe("client:fd", function()
  it("is readable while there is something to take", embedded.with({ a = good }, {}, function(s)
    local fd = s.client:fd()
    assert.is_number(fd)
    assert.is_false(s.client.engine:wait(0))
    local done
    s.client:chat_async(s.request(), { on_done = function() done = true end })
    embedded.eventually(function() return s.client.engine:wait(0) end)
    s:until_true(function() return done end)
    assert.is_false(s.client.engine:wait(0))
    assert.equal(fd, s.client:fd())
    s.client:close()
    local none, err = s.client:fd()
    assert.is_nil(none)
    assert.equal("closed", err.code)
  end))
end)

-- ---- deciding alone ----

describe("client:route", function()
  local PRICES = { k = { pricing = { prompt = "0.000001", completion = "0.000001" } },
                   l = { pricing = { prompt = "0.000009", completion = "0.000009" } } }

  it("gives the endpoints in the order to try, and asks nobody", embedded.with({ k = good, l = good },
    { endpoints = PRICES }, function(s)
      local plan = assert(s.client:route(s.request { provider = { sort = "price" } }))
      assert.equal(2, #plan)
      assert.same({ "k", "l" }, { plan[1].provider, plan[2].provider })
      assert.equal("test/model", plan[1].model)
      assert.equal("up-k", plan[1].upstream_model)
      assert.matches("^http://127.0.0.1:%d+/v1$", plan[1].url)
      assert.is_number(plan[1].score)
      assert.same({}, plan.dropped)
      local url, headers, body = plan.request(1)
      assert.equal(plan[1].url .. "/chat/completions", url)
      assert.equal("Bearer key-of-k", headers.Authorization)
      assert.matches('"model":"up%-k"', body)
      plan = assert(s.client:route(s.request { provider = { ignore = { "k" } } }))
      assert.equal("l", plan[1].provider)
      assert.equal("k", plan.dropped[1].provider)
      assert.is_string(plan.dropped[1].reason)
      assert.equal(0, #s.k.requests + #s.l.requests)
    end))

  it("says why nobody may, and still who was dropped", embedded.with({ a = good }, {}, function(s)
    local plan, err = s.client:route(s.request { provider = { only = { "b" } } })
    assert.is_nil(plan)
    assert.is_true(err.status >= 400)
    assert.is_string(err.message)
    assert.equal("a", err.dropped[1].provider)
    plan, err = s.client:route '{"model":"test/none","messages":[]}'
    assert.is_nil(plan)
    assert.equal(400, err.status)
  end))

  it("draws the same from the same seed, and is under the policy that is named", embedded.with(
    { a = good, b = good, c = good, d = good }, {}, function(s)
      local function order(options)
        local names = {}
        for i, e in ipairs(assert(s.client:route(s.request(), options))) do names[i] = e.provider end
        return table.concat(names)
      end
      for seed = 1, 5 do assert.equal(order { seed = seed }, order { seed = seed }) end
      local seen = {}
      for seed = 1, 40 do seen[order { seed = seed }] = true end
      assert.is_truthy(next(seen, next(seen)))
      assert.is_string(order { policy = "floor" })
      local plan, err = s.client:route(s.request(), { policy = "none" })
      assert.is_nil(plan)
      assert.equal(400, err.status)
    end))

  it("is changed by what is reported: who fails goes to the end, who is busy is left alone", embedded.with(
    { m = good, n = good }, { endpoints = { m = PRICES.k, n = PRICES.l } }, function(s)
      local function first()
        return assert(s.client:route(s.request { provider = { sort = "price" } }))[1]
      end
      assert.equal("m", first().provider)
      s.client:report(first(), { status = 429, retry_after_ms = 60000 })
      assert.equal("n", first().provider)
      for _ = 1, 10 do
        local n = first()
        if n.provider == "n" then s.client:report(n, { status = 500 }) end
      end
      local plan = assert(s.client:route(s.request { provider = { sort = "price" } }))
      assert.is_not.equal("sorted", plan[1].place)
    end))

  it("is changed by what is reported: who is fast comes first", embedded.with({ e = good, f = good }, {}, function(s)
    local plan = assert(s.client:route(s.request()))
    for _ = 1, 20 do
      for _, endpoint in ipairs(plan) do
        local ttft = endpoint.provider == "e" and 900 or 100
        s.client:report(endpoint, { status = 200, ttft_ms = ttft, tokens = 64, duration_ms = ttft + 500 })
      end
    end
    for _ = 1, 10 do
      assert.equal("f", assert(s.client:route(s.request { provider = { sort = "latency" } }))[1].provider)
    end
  end))

  it("remembers who served a session", embedded.with({ g = good, h = good, i = good, j = good }, {
    endpoints = (function()
      local cached = { pricing = { prompt = "0.000001", completion = "0.000001", input_cache_read = "0.0000001" } }
      return { g = cached, h = cached, i = cached, j = cached }
    end)(),
  }, function(s)
    local request = s.request { session_id = "a conversation" }
    local first = assert(s.client:route(request))[2]
    s.client:report(first, { status = 200, ttft_ms = 100, tokens = 10, duration_ms = 200 })
    for _ = 1, 10 do assert.equal(first.provider, assert(s.client:route(request))[1].provider) end
  end))

  it("takes a report of its own endpoints only", embedded.with({ a = good }, {}, function(s)
    local endpoint = assert(s.client:route(s.request()))[1]
    assert.equal(s.client, s.client:report(endpoint, {}))
    assert.has_error(function() s.client:report({ provider = "a" }, { status = 200 }) end)
    assert.has_error(function() s.client:report(endpoint, 200) end)
    assert.has_error(function() s.client:report(nil, { status = 200 }) end)
    assert.has_error(function() s.client:report(endpoint, { status = "200" }) end)
    for _, n in ipairs { 1e300, -1e300, 1 / 0, 0 / 0 } do
      s.client:report(endpoint, { status = n, ttft_ms = n, tokens = n, duration_ms = n, retry_after_ms = n })
    end
  end))
end)

-- ---- the rest ----

describe("client:reload", function()
  it("puts a new configuration in force, and keeps the old one when the new is bad", function()
    local path
    embedded.with({ a = good, b = good }, {}, function(s)
      path = os.tmpname()
      local function write(provider_of)
        local config = embedded.config({ [provider_of] = s[provider_of].port })
        gateway.write(path, "return " .. gateway.show(config))
      end
      write "a"
      local c = assert(client { config = path, loop = embedded.loop })
      assert.equal("Provider A", c:chat(s.request()).provider)
      write "b"
      assert.equal(c, c:reload())
      assert.equal("Provider B", c:chat(s.request()).provider)
      gateway.write(path, "return {")
      local none, err = c:reload()
      assert.is_nil(none)
      assert.equal("configuration", err.code)
      assert.equal("Provider B", c:chat(s.request()).provider)
      c:close()
      none, err = c:reload()
      assert.is_nil(none)
      assert.equal("closed", err.code)
    end)()
    os.remove(path)
  end)
end)

describe("client:close", function()
  it("may be called twice; everything says then that it is closed", embedded.with({ a = good }, {}, function(s)
    s.client:close()
    s.client:close()
    for _, method in ipairs { "chat", "chat_async", "route" } do
      local r, err = s.client[method](s.client, s.request())
      assert.is_nil(r)
      assert.equal("closed", err.code)
    end
    local deltas, _, err = all_of(s.client:stream(s.request()))
    assert.equal(1, #deltas)
    assert.equal("closed", err.code)
    assert.equal(0, s.client:poll(0))
    assert.equal(0, s.client:poll(0.01))
  end))

  it("ends what runs: providers are left, who waits is told", embedded.with({ a = hanging, b = stepping {} }, {},
    function(s)
      local chat, walk
      net.spawn(function()
        local r, err = s.client:chat(s.request { provider = { only = { "a" } } })
        chat = r == nil and err.code
      end)
      net.spawn(function()
        local _, text, err = all_of(s.client:stream(s.request { provider = { only = { "b" } } }))
        walk = text .. " " .. err.code
      end)
      embedded.eventually(function() return #s.a.requests == 1 and #s.b.requests == 1 end)
      s:until_true(function() return s.client.running == 2 end)
      net.sleep(0.01)
      s.client:close()
      embedded.eventually(function() return chat and walk end)
      assert.equal("closed", chat)
      assert.matches("closed$", walk)
      embedded.eventually(function() return s.a.closed_at and s.b.closed_at end)
    end))

  it("is what the collector does, with requests on their way", embedded.with({ a = hanging }, {}, function(s)
    do
      local c = assert(client { config = s.config, loop = embedded.loop })
      c:chat_async(s.request(), { on_done = function() error "nobody is there" end })
      embedded.eventually(function() return #s.a.requests == 1 end)
    end
    s.client:close()
    assert.is_true(embedded.threads() <= 1)
    embedded.eventually(function()
      embedded.collect()
      return s.a.closed_at
    end)
    assert.equal(0, embedded.threads())
  end))
end)

-- ---- a program that blocks, and one that forks ----

describe("a client of a program without an event loop", function()
  local address = assert(core.thread("tidegate.app.mock.thread", "embedded_mock"))
  local config, catalog_path

  setup(function()
    config, catalog_path = embedded.config { mock = tonumber(address:match ":(%d+)$") }
  end)
  teardown(function() os.remove(catalog_path) end)

  it("waits in chat() and stream(), and runs others' callbacks meanwhile", function()
    local c = assert(client { config = config })
    local r = assert(c:chat(embedded.request()))
    assert.matches("^You said: hi%.", r.text)
    local _, text = all_of(c:stream(embedded.request()))
    assert.equal(r.text, text)
    local done = 0
    for _ = 1, 10 do c:chat_async(embedded.request(), { on_done = function() done = done + 1 end }) end
    while done < 10 do c:poll(-1) end
    c:close()
    assert.equal(0, embedded.threads())
  end)

  it("walks over two streams in turns", function()
    local c = assert(client { config = config })
    local a, b = c:stream(embedded.request()), c:stream(embedded.request())
    local texts = { {}, {} }
    local from_a, from_b = a(), b()
    while from_a or from_b do
      if from_a then texts[1][#texts[1] + 1] = from_a.text end
      if from_b then texts[2][#texts[2] + 1] = from_b.text end
      from_a, from_b = from_a and a(), from_b and b()
    end
    assert.equal(table.concat(texts[1]), table.concat(texts[2]))
    assert.matches("^You said", table.concat(texts[1]))
    c:close()
  end)

  it("works inside coroutines, which it does not leave", function()
    local c = assert(client { config = config })
    local walk = coroutine.wrap(function()
      for delta in c:stream(embedded.request()) do coroutine.yield(delta.text) end
    end)
    local text = {}
    for piece in walk do text[#text + 1] = piece end
    assert.matches("^You said", table.concat(text))
    c:close()
  end)

  it("keeps stderr clean", function()
    local command = ("LUA_PATH='%s' LUA_CPATH='%s' %s -e '%s' 2>&1"):format(package.path, package.cpath,
      this_lua.is_luajit and "luajit" or "lua" .. _VERSION:match "%d.%d", ([[
        local c = assert(require "tidegate.client" { config = { providers = {
          { slug = "mock", key = false, base_url = "http://%s/v1" } }, catalog = { "%s" } } })
        local _, err = c:chat { model = "test/none", messages = {} }
        assert(c:chat { model = "test/model", messages = { { role = "user", content = "hi" } } })
        io.write(err.code)]]):format(address, catalog_path))
    local pipe = io.popen(command)
    assert.equal("invalid_request", pipe:read "*a")
    pipe:close()
  end)

  it("is told when the process was forked; a new client works there, and the parent's goes on", function()
    local has_ffi, ffi = pcall(require, "ffi")
    if not has_ffi then return pending "needs ffi" end
    require "process"                                            -- declares fork, waitpid and _exit
    local c = assert(client { config = config })
    local iterator, handle = c:stream(embedded.request())
    assert.is_table(iterator())
    local pid = ffi.C.fork()
    if pid == 0 then
      local ok, why = pcall(function()
        local r, err = c:chat(embedded.request())
        assert(r == nil and err.code == "forked", "chat")
        local _, _, last = all_of(iterator)
        assert(last and last.code == "forked", "stream")
        assert(select(2, c:fd()).code == "forked", "fd")
        assert(c:route(embedded.request()), "route")
        c:close()
        local new = assert(client { config = config })
        assert(new:chat(embedded.request()).text:find "^You said", "new")
        new:close()
      end)
      if not ok then io.stderr:write("in the child: ", tostring(why), "\n") end
      ffi.C._exit(ok and 0 or 1)
    end
    local code = ffi.new "int[1]"
    assert.equal(pid, ffi.C.waitpid(pid, code, 0))
    assert.equal(0, code[0])
    all_of(iterator)
    assert.matches("^You said", handle.result.text)
    assert.matches("^You said", c:chat(embedded.request()).text)
    c:close()
  end)

  -- ---- providers of other formats ----

  local function anthropic(conn, request)
    if not request.body:find '"stream":true' then
      provider.json(conn, [[{"type":"message","role":"assistant","content":[{"type":"text","text":"The tide"}],
        "stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}]])
      return
    end
    provider.begin_stream(conn)
    for _, data in ipairs {
      '{"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":0}}}',
      '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"The"}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" tide"}}',
      '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}',
      '{"type":"message_stop"}',
    } do provider.event(conn, data) end
    provider.end_stream(conn)
  end

  local SPOKEN = { provider_fields = { a = { wire = "anthropic-messages" } } }

  it("asks providers in their own formats", embedded.with({ a = anthropic }, SPOKEN, function(s)
    local r = assert(s.client:chat(s.request()))
    assert.equal("The tide", r.text)
    assert.equal("/v1/messages", s.a.requests[1].path)
    local _, text = all_of(s.client:stream(s.request()))
    assert.equal("The tide", text)
  end))

  it("has no request to make oneself for those", embedded.with({ a = anthropic }, SPOKEN, function(s)
    local plan = assert(s.client:route(s.request()))
    local request, err = plan.request(1)
    assert.is_nil(request)
    assert.equal("this provider is spoken to in another format, or its requests are signed: ask through the client", err.message)
  end))
end)
