--- What clients of other formats than chat meet: keys, errors, what passes and what does not, formats of one's own.

package.path = "spec/support/?.lua;" .. package.path

local json    = require("tidegate.core").json
local net     = require("tidegate.core").net
local gateway = require "gateway"
local http    = require "http"
local scene   = require "scene"

local function write(conn, status, body, content_type)
  conn:write(("HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"):format(status, content_type or "application/json",
    #body, body))
end

local function message(text)
  return ([[{ "id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"text","text":%s}],]]
    .. [["stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":2},"x":[1e400, 12345678901234567890]   }]])
    :format(json.encode(text))
end

local function completion(text)
  return json.encode { object = "chat.completion", choices = { { index = 0, finish_reason = "stop",
    message = { role = "assistant", content = text } } }, usage = { prompt_tokens = 3, completion_tokens = 2, total_tokens = 5 } }
end

local function says(text, how) return function(conn) write(conn, 200, (how or message)(text)) end end

local ANTHROPIC = { wire = "anthropic-messages", key = "sk-ant-12345678" }

local function post(s, path, body, headers)
  local r = http.post(s.port, path, type(body) == "string" and body or json.encode(body), headers)
  r.json = json.decode(r.body)
  return r
end

local function ask(members)
  local body = { model = "test/model", max_tokens = 100, messages = { { role = "user", content = "hi" } } }
  for name, value in pairs(members or {}) do body[name] = value end
  return body
end

-- ---- several formats of one provider ----

describe("a provider that speaks several formats", function()
  local RESPONSE = [[{"id":"resp_1","object":"response","status":"completed","model":"up","output":[{"type":"message","id":"msg_1",]]
    .. [["role":"assistant","status":"completed","content":[{"type":"output_text","text":"hello","annotations":[]}]}],]]
    .. [["usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}]]

  local function everything(conn, request)
    if request.path:find "/input_tokens$" then return write(conn, 200, [[{"object":"response.input_tokens","input_tokens":7}]]) end
    return write(conn, 200, request.path:find "/responses$" and RESPONSE or completion "hello")
  end

  -- Where the request went, and what came back.
  local function asked(s, path, body)
    local r = post(s, path, body)
    assert.equal(200, r.status, r.body)
    local sent = s.a.requests[#s.a.requests]
    return sent.path, r, sent
  end

  local RESPONSES = { model = "test/model", input = "hi" }
  local BOTH = { provider_fields = { a = { also = "openai-responses", wire_of = { ["*-pro"] = "openai-responses" } } } }

  it("is asked in the client's, as it came, where it speaks that", scene.with({ a = everything }, BOTH, function(s)
    local path, _, sent = asked(s, "/v1/responses", [[{ "model" : "test/model",  "input":"h\u00e9", "odd":[1e400] }]])
    assert.equal("/v1/responses", path)
    assert.equal([[{ "model" : "up-a",  "input":"h\u00e9", "odd":[1e400],"store":false }]], sent.body)
    assert.equal("/v1/chat/completions", (asked(s, "/v1/chat/completions", ask())))
    assert.equal("/v1/chat/completions", (asked(s, "/v1/messages", ask())))
  end))

  it("counts tokens in the one that offers it", scene.with({ a = everything }, BOTH, function(s)
    local path, r = asked(s, "/v1/messages/count_tokens", ask())
    assert.equal("/v1/responses/input_tokens", path)
    assert.equal(7, r.json.input_tokens)
  end))

  it("is asked in one alone where its model is served there alone", scene.with({ a = everything },
    { provider_fields = BOTH.provider_fields, endpoints = { a = { upstream_model = "up-pro" } } }, function(s)
      local path, r = asked(s, "/v1/chat/completions", ask())
      assert.equal("/v1/responses", path)
      assert.equal("hello", r.json.choices[1].message.content)
      path, r = asked(s, "/v1/messages", ask())
      assert.equal("/v1/responses", path)
      assert.equal("hello", r.json.content[1].text)
      assert.equal("/v1/responses", (asked(s, "/v1/responses", RESPONSES)))
    end))
end)

-- ---- same format ----

describe("a request in its provider's own format", function()
  it("goes on byte for byte but for the model and what is the gateway's", scene.with({ a = says "hello" },
    { provider_fields = { a = ANTHROPIC } }, function(s)
      local r = post(s, "/v1/messages", [[{ "model" : "test/model",  "max_tokens":100,"messages":[ {"role":"user","content":"h\u00e9"} ],]]
        .. [["provider":{"only":["a"]},"big":12345678901234567890, "empty":[ ],"session_id":"s" }]])
      assert.equal(200, r.status, r.body)
      local sent = s.a.requests[1]
      assert.equal([[{ "model" : "up-a",  "max_tokens":100,"messages":[ {"role":"user","content":"h\u00e9"} ],"big":12345678901234567890, "empty":[ ] }]],
        sent.body)
      assert.equal("/v1/messages", sent.path)
      assert.equal("sk-ant-12345678", sent.headers["x-api-key"])
      assert.equal("2023-06-01", sent.headers["anthropic-version"])
      assert.is_nil(sent.headers.authorization)
    end))

  it("is answered byte for byte but for id, model and the cost", scene.with({ a = says "hello" },
    { provider_fields = { a = ANTHROPIC } }, function(s)
      local r = post(s, "/v1/messages", ask())
      assert.truthy(r.body:find('"content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn"', 1, true))
      assert.truthy(r.body:find('"x":[1e400, 12345678901234567890]', 1, true))
      assert.equal(r.headers["x-generation-id"], r.json.id)
      assert.equal("test/model", r.json.model)
      assert.equal("Provider A", r.json.provider)
      assert.equal(0.000007, r.json.usage.cost)
    end))

  it("carries those of the client's beta words that the provider knows", scene.with({ a = says "hello" },
    { provider_fields = { a = ANTHROPIC } }, function(s)
      post(s, "/v1/messages", ask(), { ["anthropic-beta"] = "files-api-2025-04-14,made-up-2031-01-01, context-1m-2025-08-07" })
      post(s, "/v1/messages", ask())
      post(s, "/v1/chat/completions", ask(), { ["x-anthropic-beta"] = "context-1m-2025-08-07,nonsense" })
      assert.equal("files-api-2025-04-14,context-1m-2025-08-07", s.a.requests[1].headers["anthropic-beta"])
      assert.is_nil(s.a.requests[2].headers["anthropic-beta"])
      assert.truthy(s.a.requests[3].headers["anthropic-beta"]:find("context-1m-2025-08-07", 1, true))
      assert.is_nil(s.a.requests[3].headers["anthropic-beta"]:find("nonsense", 1, true))
    end))

  it("is converted after all when it holds another maker's sealed thoughts", scene.with({ a = says "hello" },
    { provider_fields = { a = ANTHROPIC } }, function(s)
      local r = post(s, "/v1/messages", ask { messages = {
        { role = "user", content = "hi" },
        { role = "assistant", content = {
          { type = "redacted_thinking",
            data = 'tidegate:{"type":"reasoning.encrypted","data":"c2VhbGVk","format":"google-gemini-v1","index":0}' },
          { type = "text", text = "yes" } } },
        { role = "user", content = "go on" } } })
      assert.equal(200, r.status, r.body)
      assert.is_nil(s.a.requests[1].body:find("tidegate:", 1, true))
      assert.is_nil(s.a.requests[1].body:find("c2VhbGVk", 1, true))
      assert.truthy(s.a.requests[1].body:find('"yes"', 1, true))
    end))
end)

-- ---- errors ----

describe("an error is told in the client's format:", function()
  local function full(conn) conn:write("HTTP/1.1 529 X\r\nContent-Length: 2\r\nRetry-After: 20\r\n\r\n{}") end
  local REFUSAL = '{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: too large"}}'

  for _, case in ipairs {
    { "/v1/messages", { model = "no/such", max_tokens = 5, messages = { { role = "user", content = "x" } } }, 400,
      function(e) return e.type == "error" and e.error.type == "invalid_request_error" and e.request_id ~= nil end },
    { "/v1/messages", "{", 400, function(e) return e.error.type == "invalid_request_error" end },
    { "/v1/messages", { model = "test/model", max_tokens = 5, messages = 5 }, 400, function(e) return e.error.message:find "messages" end },
    { "/v1/responses", { model = "no/such", input = "x" }, 400, function(e) return e.error.code ~= nil and e.error.message:find "not a valid model" end },
    { "/v1/responses", { model = "test/model", input = "x", previous_response_id = "resp_1" }, 400,
      function(e) return e.error.message:find "previous_response_id" end },
    { "/v1/responses", { model = "test/model", input = "x", store = true }, 400, function(e) return e.error.message:find "store" end },
    { "/v1beta/models/no/such:generateContent", { contents = { { parts = { { text = "x" } } } } }, 400,
      function(e) return e.error.code == 400 and e.error.status == "INVALID_ARGUMENT" end },
    { "/v1beta/models/test/model:streamGenerateContent?alt=sse", { contents = {} }, 400, function(e) return e.error.message:find "messages" end },
    { "/v1beta/models/test/model:streamGenerateContent", { contents = {} }, 400, function(e) return e[1].error.message:find "messages" end },
    { "/v1/rerank", { model = "test/model", documents = { "a" } }, 400, function(e) return e.error.message:find "query" end },
  } do
    it(case[1] .. ": " .. (type(case[2]) == "table" and json.encode(case[2]) or case[2]), scene.with({ a = says "x" },
      { provider_fields = { a = ANTHROPIC } }, function(s)
        local r = post(s, case[1], case[2])
        assert.equal(case[3], r.status)
        assert.truthy(case[4](r.json), r.body)
        assert.equal(0, #s.a.requests)
      end))
  end

  it("a provider's own words for a bad request", scene.with({ a = function(conn) write(conn, 400, REFUSAL) end },
    { provider_fields = { a = ANTHROPIC } }, function(s)
      local r = post(s, "/v1/messages", ask())
      assert.equal(400, r.status)
      assert.equal("max_tokens: too large", r.json.error.message)
      r = post(s, "/v1beta/models/test/model:generateContent", { contents = { { role = "user", parts = { { text = "x" } } } } })
      assert.equal(400, r.status)
      assert.equal("max_tokens: too large", r.json.error.message)
      assert.equal("INVALID_ARGUMENT", r.json.error.status)
    end))

  it("one that is overloaded", scene.with({ a = full }, { provider_fields = { a = ANTHROPIC } }, function(s)
    local r = post(s, "/v1/messages", ask())
    assert.equal("overloaded_error", r.json.error.type)
    assert.equal("20", r.headers["retry-after"])
  end))
end)

describe("what is not there, or not so, is told in the client's format:", function()
  local function is_google(status)
    return function(r) return r.json.error.status == status and r.json.error.code == r.status end
  end
  local function is_anthropic(kind)
    return function(r)
      return r.json.type == "error" and r.json.error.type == kind and r.json.request_id == r.headers["x-generation-id"]
    end
  end
  local VERSION = { ["anthropic-version"] = "2023-06-01" }
  local LONG = ('{"x":"%s"}'):format(("x"):rep(2000))
  local function is_chat(r) return r.json.error.error_type ~= nil and r.json.error.http_status == r.status end

  for _, case in ipairs {
    { "GET", "/v1beta/nothing", nil, nil, 404, is_google "NOT_FOUND" },
    { "GET", "/v1beta/models/no/such", nil, nil, 404, is_google "NOT_FOUND" },
    { "POST", "/v1beta/models/test/model:predict", nil, "{}", 404, is_google "NOT_FOUND" },
    { "GET", "/v1beta/models/test/model:generateContent", nil, nil, 405, is_google "INVALID_ARGUMENT" },
    { "DELETE", "/v1beta/models", nil, nil, 405, is_google "INVALID_ARGUMENT" },
    { "POST", "/v1beta/models/test/model:generateContent", nil, LONG, 413, is_google "INVALID_ARGUMENT" },
    { "POST", "/v1beta/models/test/model:generateContent", { ["Content-Encoding"] = "gzip" }, "{}", 415, is_google "INVALID_ARGUMENT" },
    { "GET", "/v1/messages", nil, nil, 405, is_anthropic "invalid_request_error" },
    { "GET", "/v1/messages/batches", nil, nil, 404, is_anthropic "not_found_error" },
    { "POST", "/v1/messages", nil, LONG, 413, is_anthropic "invalid_request_error" },
    { "GET", "/v1/models/no/such", VERSION, nil, 404, is_anthropic "not_found_error" },
    { "GET", "/v1/files", VERSION, nil, 404, is_anthropic "not_found_error" },
    { "GET", "/v1/responses/resp_1", nil, nil, 404, function(r) return r.json.error_type == "not_found" end },
    { "GET", "/v1/models/no/such", nil, nil, 404, is_chat },
    { "POST", "/v1/chat/completions", nil, LONG, 413, is_chat },
    { "GET", "/nothing", nil, nil, 404, is_chat },
  } do
    it(("%s %s%s is a %d"):format(case[1], case[2], case[3] and " with " .. next(case[3]) or "", case[5]),
      scene.with({ a = says "x" }, { config = { limits = { body = 1024 } } }, function(s)
        local r = http.request(s.port, case[1], case[2], case[3], case[4])
        r.json = json.decode(r.body)
        assert.equal(case[5], r.status, r.body)
        assert.truthy(case[6](r), r.body)
        assert.equal(0, #s.a.requests)
      end))
  end
end)

describe("a list of models", function()
  it("is Google's, Anthropic's or OpenRouter's, by who asks", scene.with({ a = says "x" }, {}, function(s)
    assert.equal("models/test/model", json.decode(http.get(s.port, "/v1beta/models").body).models[1].name)
    assert.equal("models/test/model", json.decode(http.get(s.port, "/v1beta/models/test/model").body).name)
    local r = http.get(s.port, "/v1/models", { ["anthropic-version"] = "2023-06-01" })
    assert.equal("model", json.decode(r.body).data[1].type)
    assert.equal("Anthropic-Version", r.headers.vary)
    assert.truthy(json.decode(http.get(s.port, "/v1/models").body).data[1].pricing)
  end))
end)

describe("the gateway's key may come as each SDK sends it:", function()
  local config = { auth = "keys", keys = { { name = "k", key = "sk-tg-12345678" } } }
  for _, case in ipairs {
    { "/v1/messages", { ["x-api-key"] = "sk-tg-12345678" }, 200 },
    { "/v1/messages", { ["Authorization"] = "Bearer sk-tg-12345678" }, 200 },
    { "/v1/messages", {}, 401, "authentication_error" },
    { "/v1/messages", { ["x-api-key"] = "wrong" }, 401, "authentication_error" },
    { "/v1beta/models/test/model:generateContent", { ["x-goog-api-key"] = "sk-tg-12345678" }, 200 },
    { "/v1beta/models/test/model:generateContent?key=sk-tg-12345678", {}, 200 },
    { "/v1beta/models/test/model:generateContent?key=wrong", {}, 401, "UNAUTHENTICATED" },
    { "/v1/messages?key=sk-tg-12345678", {}, 401, "authentication_error" },
  } do
    it(("%s with %s is %d"):format(case[1], next(case[2]) or "nothing", case[3]), scene.with({ a = says "hello" },
      { provider_fields = { a = ANTHROPIC }, config = config }, function(s)
        local body = case[1]:find "models" and { contents = { { role = "user", parts = { { text = "x" } } } } } or ask()
        local r = post(s, case[1], body, case[2])
        assert.equal(case[3], r.status, r.body)
        if case[4] then assert.equal(case[4], r.json.error.type or r.json.error.status) end
        if case[3] == 200 then assert.is_nil(json.encode(s.a.requests[1].raw_headers):find("sk-tg", 1, true)) end
      end))
  end
end)

-- ---- what has no place ----

describe("what a provider's format has no place for", function()
  local METADATA = { ["X-OpenRouter-Metadata"] = "enabled" }
  local function told(r) return json.encode(r.json.openrouter_metadata) end

  it("is told in the metadata", scene.with({ a = says "hello" }, { provider_fields = { a = ANTHROPIC },
    endpoints = { a = { supported_parameters = { "max_tokens", "frequency_penalty", "seed" },
                        architecture = { input_modalities = { "text", "audio" }, output_modalities = { "text" } } } } }, function(s)
      local r = post(s, "/v1/chat/completions", ask { frequency_penalty = 1, n = 1, messages = { { role = "user", content = {
        { type = "text", text = "x" }, { type = "input_audio", input_audio = { data = "AA==", format = "wav" } } } } } }, METADATA)
      assert.equal(200, r.status, r.body)
      assert.truthy(told(r):find('"frequency_penalty"', 1, true), told(r))
      assert.truthy(told(r):find('messages.audio', 1, true), told(r))
      assert.is_nil(s.a.requests[1].body:find("frequency_penalty", 1, true))
    end))

  it("excludes the provider where parameters are required", scene.with({ a = says "hello", b = says("from b", completion) }, {
    order = { "a", "b" }, provider_fields = { a = ANTHROPIC },
    endpoints = { a = { supported_parameters = { "max_tokens", "seed" } }, b = { supported_parameters = { "max_tokens", "seed" } } },
  }, function(s)
    for _ = 1, 8 do
      local r = post(s, "/v1/chat/completions", ask { seed = 1, provider = { require_parameters = true } })
      assert.equal("from b", r.json.choices[1].message.content)
    end
    assert.equal(0, #s.a.requests)
  end))

  it("is asked of the next one when it cannot be said at all", scene.with({ a = says "hello", b = says("from b", completion) }, {
    order = { "a", "b" }, provider_fields = { a = { wire = "mine" } },
    files = { ["mine.lua"] = 'return { targets = { whole = "/x" }, request = function() return nil, "Say it otherwise" end }' },
    config = { wires = { mine = "mine.lua" } },
  }, function(s)
    local r = post(s, "/v1/chat/completions", ask { provider = { order = { "a", "b" } } })
    assert.equal("from b", r.json.choices[1].message.content)
    r = post(s, "/v1/chat/completions", ask { provider = { only = { "a" } } })
    assert.equal(400, r.status)
    assert.equal("Say it otherwise", r.json.error.message)
    assert.equal(0, #s.a.requests)
  end))
end)

-- ---- a format of one's own ----

describe("a format of one's own", function()
  local MINE = [[
    local chat, chunk = require "tidegate.convert.chat", require "tidegate.convert.chunk"
    return {
      auth = { header = "X-Mine", prefix = "key " }, headers = { ["X-More"] = "yes" },
      targets = { whole = "/say/{model}", stream = "/sing/{model}" }, framing = "lines", carries = { "max_tokens" },
      request = function(text, about)
        local body = chat.read(text)
        return json.encode { says = chat.text(body.messages[1].content), most = body.max_tokens, sung = about.stream }, {}
      end,
      answer = function(text)
        local said = json.read(text).WORD
        if not said then return nil, "nothing was said" end
        return json.encode { choices = { { index = 0, message = { role = "assistant", content = said }, finish_reason = "stop" } } }
      end,
      stream = function(emit)
        local out = chunk.writer(emit)
        return function(_, data)
          local said, over = json.pick(data, "WORD", "over")
          if said then out:text(said) end
          if over then out:finish("stop", "over") out:done() end
        end
      end,
    }]]

  local function mine(word) return MINE:gsub("WORD", word) end

  local function answer(conn, request)
    if request.path:find "/sing/" then
      write(conn, 200, '{"said":"he"}\n{"said":"llo"}\n{"over":true}\n', "application/x-ndjson")
    else
      write(conn, 200, '{"said":"hello","also":"bye"}')
    end
  end

  local OPTIONS = { provider_fields = { a = { wire = "mine" } }, files = { ["wires/mine.lua"] = mine "said" },
                    endpoints = { a = { upstream_model = "up/1", supported_parameters = { "max_tokens", "seed" } } },
                    config = { wires = { mine = "wires/mine.lua" } } }

  it("is spoken by a Lua file, whole and streamed, to clients of every format", scene.with({ a = answer }, OPTIONS, function(s)
    local r = s:chat { max_tokens = 7, seed = 3 }
    assert.equal("hello", r.json.choices[1].message.content)
    local sent = s.a.requests[1]
    assert.equal("/v1/say/up%2F1", sent.path)
    assert.equal("key key-of-a", sent.headers["x-mine"])
    assert.equal("yes", sent.headers["x-more"])
    assert.equal('{"most":7,"says":"hi","sung":false}', sent.body)
    r = s:chat { stream = true }
    assert.equal("hello", r.text)
    assert.equal("over", r.last.choices[1].native_finish_reason)
    assert.is_true(r.done)
    r = post(s, "/v1/messages", ask())
    assert.equal("hello", r.json.content[1].text)
  end))

  it("is another one after a reload", scene.with({ a = answer }, OPTIONS, function(s)
    assert.equal("hello", s:chat().json.choices[1].message.content)
    s.gateway:edit("wires/mine.lua", function() return mine "also" end)
    s.gateway.process:signal(1)
    assert.is_true(scene.eventually(3, function()
      local choices = s:chat().json.choices
      return choices and choices[1].message.content == "bye"
    end))
  end))

  it("costs a request nothing but this provider when it raises, and tells the operator where", scene.with(
    { a = answer, b = says("from b", completion) }, {
      order = { "a", "b" }, provider_fields = { a = { wire = "mine" } }, config = { wires = { mine = "mine.lua" } },
      files = { ["mine.lua"] = 'return { targets = { whole = "/x" }, request = function() return nil .. "x" end }' },
    }, function(s)
      local r = post(s, "/v1/chat/completions", ask { provider = { order = { "a", "b" } } })
      assert.equal("from b", r.json.choices[1].message.content)
      r = post(s, "/v1/chat/completions", ask { provider = { only = { "a" } } })
      assert.equal(400, r.status)
      assert.is_nil(r.body:find("mine.lua", 1, true))
      assert.truthy(s.gateway:log():find("mine.lua:1:", 1, true))
    end))

  it("that raises is counted, and one line a second tells how often", scene.with({ a = answer }, {
    provider_fields = { a = { wire = "mine" } }, config = { workers = 2, wires = { mine = "mine.lua" } },
    files = { ["mine.lua"] = 'return { targets = { whole = "/x" }, request = function() return nil .. "x" end }' },
  }, function(s)
    for _ = 1, 5 do assert.equal(400, s:chat().status) end
    net.sleep(1.05)
    assert.equal(400, s:chat().status)
    local told = {}
    for line in s.gateway:log():gmatch "[^\n]+" do
      local entry = json.decode(line)
      if entry and entry.event == "convert" then told[#told + 1] = entry end
    end
    assert.equal(2, #told)
    assert.matches("mine%.lua:1:", told[1].message)
    assert.equal(1, told[1].failures)
    assert.equal(6, told[2].failures)
  end))
end)

-- ---- Google's embeddings ----

describe("embeddings that a client of Google's asks for", function()
  local PATH = "/v1beta/models/test/embed:batchEmbedContents"
  local ASKED = { requests = {
    { model = "models/test/embed", content = { parts = { { text = "tide" } } }, taskType = "RETRIEVAL_DOCUMENT", title = "T" },
    { model = "models/test/embed", content = { parts = { { text = "moon" } } }, taskType = "CLUSTERING" } } }
  local EMBEDS = gateway.model("test/embed", { { provider = "a" } })
  EMBEDS.architecture = { input_modalities = { "text" }, output_modalities = { "embeddings" } }
  local METADATA = { ["X-OpenRouter-Metadata"] = "enabled" }
  local OPENAI = '{"object":"list","model":"x","data":[{"object":"embedding","index":0,"embedding":[0.10]},'
    .. '{"object":"embedding","index":1,"embedding":[-2]}],"usage":{"prompt_tokens":4,"total_tokens":4}}'

  local function with(answer, fields)
    return { a = function(conn) write(conn, 200, answer) end }, { models = { EMBEDS }, provider_fields = { a = fields } }
  end

  local providers, options = with('{"embeddings":[{"values":[0.10]},{"values":[-2]}]}', { wire = "gemini" })
  it("reach a Gemini with all that each request says", scene.with(providers, options, function(s)
    local r = post(s, PATH, ASKED, METADATA)
    assert.equal(200, r.status, r.body)
    assert.truthy(r.body:find('{"embeddings":[{"values":[0.10]},{"values":[-2]}],"usageMetadata":{"promptTokenCount":', 1, true), r.body)
    local sent = s.a.requests[1]
    assert.truthy(sent.path:find "/v1beta/models/up%-a:batchEmbedContents$", sent.path)
    assert.same({ { model = "models/up-a", content = { parts = { { text = "tide" } } }, taskType = "RETRIEVAL_DOCUMENT", title = "T" },
                  { model = "models/up-a", content = { parts = { { text = "moon" } } }, taskType = "CLUSTERING" } },
      json.decode(sent.body).requests)
    assert.truthy(json.encode(r.json.openrouter_metadata):find('"dropped_parameters":[]', 1, true), r.body)
  end))

  providers, options = with(OPENAI)
  it("reach others in their format, without what has no place there, which is told", scene.with(providers, options, function(s)
    local r = post(s, PATH, ASKED, METADATA)
    assert.equal(200, r.status, r.body)
    assert.equal('{"model":"up-a","input":["tide","moon"]}', s.a.requests[1].body)
    assert.equal(4, r.json.usageMetadata.promptTokenCount)
    assert.truthy(json.encode(r.json.openrouter_metadata):find('"dropped_parameters":["requests"]', 1, true), r.body)
  end))

  it("are one vector where one was asked for", scene.with(providers, options, function(s)
    local r = post(s, "/v1beta/models/test/embed:embedContent", { content = { parts = { { text = "tide" } } } })
    assert.truthy(r.body:find('^{"embedding":{"values":%[0.10%]}'), r.body)
  end))

  it("are refused in Google's words", scene.with(providers, options, function(s)
    local r = post(s, PATH, { requests = { { content = { parts = {} } } } })
    assert.equal(400, r.status)
    assert.equal("INVALID_ARGUMENT", r.json.error.status)
    assert.equal(0, #s.a.requests)
  end))
end)

-- ---- streams as one array ----

describe("a stream of Google's without alt=sse", function()
  local PATH = "/v1beta/models/test/model:streamGenerateContent"
  local ASKED = json.encode { contents = { { role = "user", parts = { { text = "x" } } } } }
  local GEMINI = { provider_fields = { a = { wire = "gemini" } } }
  local HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

  local function piece(text, rest)
    return ('data: {"candidates": [{"content": {"parts": [{"text": "%s"}],"role": "model"},"index": 0%s}]}\r\n\r\n')
      :format(text, rest or "")
  end

  -- Each piece is written when `go` has been called once more.
  local function in_turn(pieces)
    local told = 0
    return function() told = told + 1 end, function(conn)
      conn:write(HEAD)
      for i, text in ipairs(pieces) do
        while told < i do net.sleep(0.005) end
        conn:write(text)
      end
      return false
    end
  end

  local function texts(list)
    local out = {}
    for i, one in ipairs(list) do
      local parts = one.candidates and one.candidates[1].content.parts
      out[i] = parts and parts[1] and parts[1].text or ""
    end
    return table.concat(out, "|")
  end

  local go, answer = in_turn { piece "he", piece "l\\nl", piece("o", ',"finishReason": "STOP"') }

  it("is one JSON array, an element for each event, sent as it comes", scene.with({ a = answer }, GEMINI, function(s)
    local conn = assert(net.connect("127.0.0.1", s.port))
    conn:write(http.request_text("POST", PATH, { Connection = "close" }, ASKED))
    go()
    local head = {}
    repeat head[#head + 1] = conn:read_line(5) until head[#head] == ""
    assert.truthy(table.concat(head, "\n"):find "Content%-Type: application/json")
    local first = conn:read(tonumber(conn:read_line(5), 16), 5)
    assert.truthy(first:find '^%[{"candidates": %[{"content": {"parts": %[{"text": "he"}', first)
    go()
    go()
    local rest = conn:read_all(5)
    assert.truthy(rest:find(',\r\n{"candidates": [{"content": {"parts": [{"text": "l\\nl"}', 1, true), rest)
    assert.truthy(rest:find "\n%]\n\r\n0\r\n\r\n$", rest)
    conn:close()
  end))

  it("is the same one that a client of server-sent events gets", scene.with({ a = function(conn)
    conn:write(HEAD .. piece "he" .. "data: {\ndata:  }\n\n" .. piece("llo", ',"finishReason": "STOP"'))
    return false
  end }, GEMINI, function(s)
    local list = json.decode(http.post(s.port, PATH, ASKED).body)
    local events = http.events((http.post(s.port, PATH .. "?alt=sse", ASKED).body:gsub("\r", "")))
    assert.equal("he||llo", texts(list))
    assert.equal("STOP", list[#list].candidates[1].finishReason)
    assert.truthy(list[#list].usageMetadata.cost)
    assert.equal("he", json.decode(events[1]).candidates[1].content.parts[1].text)
  end))

  it("is written over providers of every format", scene.with({ a = says "hello", b = says("hello", completion) }, {
    order = { "a", "b" }, provider_fields = { a = ANTHROPIC },
  }, function(s)
    for _, slug in ipairs { "a", "b" } do
      local body = json.encode { contents = { { parts = { { text = "x" } } } }, provider = { only = { slug } } }
      local r = http.post(s.port, PATH, body)
      local list = json.decode(r.body)
      assert.equal("hello|", texts(list), r.body)
      assert.equal("STOP", list[2].candidates[1].finishReason)
      assert.equal(2, list[2].usageMetadata.candidatesTokenCount)
    end
  end))

  it("ends in an element that is the error when it breaks off", scene.with({ a = function(conn)
    conn:write(HEAD .. piece "he")
    net.sleep(0.05)
    conn:reset()
    return false
  end, b = function(conn)
    conn:write(HEAD .. 'data: {"choices":[{"index":0,"delta":{"content":"he"}}]}\n\n')
    net.sleep(0.05)
    conn:reset()
    return false
  end }, { order = { "a", "b" }, provider_fields = { a = { wire = "gemini" } } }, function(s)
    for _, slug in ipairs { "a", "b" } do
      local body = json.encode { contents = { { parts = { { text = "x" } } } }, provider = { only = { slug } } }
      local r = http.post(s.port, PATH, body)
      local list = json.decode(r.body)
      assert.equal("he|", texts(list), r.body)
      assert.equal(502, list[2].error.code)
      assert.is_nil(r.body:find("finishReason", 1, true))
    end
  end))

  it("is an array of the error alone when it never began", scene.with({ a = function(conn)
    write(conn, 429, '{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}')
  end }, GEMINI, function(s)
    local r = http.post(s.port, PATH, ASKED)
    assert.equal(429, r.status)
    assert.equal("RESOURCE_EXHAUSTED", json.decode(r.body)[1].error.status)
  end))
end)

-- ---- streams that break ----

describe("a client of another format", function()
  local HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

  it("sees nothing of an attempt that failed before its first content", scene.with({
    a = function(conn)
      conn:write(HEAD .. 'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":1}}}\n\n'
        .. 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n')
      return false
    end,
    b = says("from b", completion),
  }, { order = { "a", "b" }, provider_fields = { a = ANTHROPIC } }, function(s)
    local r = http.post(s.port, "/v1/messages", json.encode(ask { stream = true, provider = { order = { "a", "b" } } }))
    assert.equal(200, r.status)
    assert.truthy(r.body:find('"text":"from b"', 1, true), r.body)
    assert.is_nil(r.body:find("error", 1, true))
    local _, starts = r.body:gsub("event: message_start", "")
    assert.equal(1, starts)
  end))

  it("is told inside the stream what broke after it", scene.with({
    a = function(conn)
      conn:write(HEAD .. 'data: {"choices":[{"index":0,"delta":{"content":"he"}}]}\n\n')
      net.sleep(0.05)
      conn:reset()
      return false
    end,
  }, {}, function(s)
    local r = http.post(s.port, "/v1/messages", json.encode(ask { stream = true }))
    assert.truthy(r.body:find 'event: error\ndata: {"type":"error","error":{"type":"api_error"', r.body)
    assert.is_nil(r.body:find("message_stop", 1, true))
    r = http.post(s.port, "/v1/responses", json.encode { model = "test/model", input = "x", stream = true })
    assert.truthy(r.body:find("event: response.failed", 1, true), r.body)
    assert.is_nil(r.body:find("response.completed", 1, true))
    r = http.post(s.port, "/v1beta/models/test/model:streamGenerateContent?alt=sse",
      json.encode { contents = { { role = "user", parts = { { text = "x" } } } } })
    assert.truthy(r.body:find('"error":{"code":502', 1, true), r.body)
  end))
end)
