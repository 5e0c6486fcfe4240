--- tidegate mock as a provider of every format: each is asked in its own words and
-- its answers are read by simple readers that know the format alone.

local json     = require "cjson.safe"
local net      = require("tidegate.core").net
local answers  = require "native_answers"
local gateway  = require "gateway"
local http     = require "http"
local process  = require "process"
local requests = require "native_requests"

local list = gateway.list

local QUESTION, RESULT = requests.QUESTION, requests.RESULT
local SAID = "You said: " .. QUESTION
local ARGUMENTS = { city = "tide", days = 0, kind = "ebb" }

-- ---- the mock ----

local SCRIPT = [[return {
  listen = "127.0.0.1:0", ttft_ms = 0, tokens_per_s = 1600, tokens = 16, cached_tokens = 3, retry_after = 7,
  dimensions = 4, models = { "m" },
  at = {
    ["/drip"] = { tokens_per_s = 400 }, ["/think"] = { reasoning = 5 }, ["/call"] = { tool_call = { name = "now", arguments = '{"zone":"Büsum"}' } },
    ["/named"] = { answer_model = "another" }, ["/odd"] = { finish = "odd" }, ["/keyed"] = { key = "the-key" },
    ["/uncounted"] = { usage = "none" }, ["/undone"] = { done = false }, ["/cut"] = { rate_cut = 1, tokens = 40 },
    ["/429"] = { rate_429 = 1 }, ["/500"] = { rate_500 = 1 }, ["/503"] = { rate_503 = 1 }, ["/bad"] = { rate_bad = 1 },
    ["/reset"] = { rate_reset = 1 }, ["/slow"] = { ttft_ms = 50, tokens_per_s = 100000 },
  },
}]]

local mock, port, script_path

setup(function()
  script_path = gateway.write(os.tmpname(), SCRIPT)
  mock = process.start { gateway.program(), "mock", script_path }
  port = tonumber((mock:expect("listening on http://127%.0%.0%.1:(%d+)", 10)))
end)

teardown(function()
  mock:signal(process.KILL)
  mock:wait(5)
  os.remove(script_path)
end)

-- Post `body`, a table or text; the response, with `json` where it is one.
local function post(path, body, headers)
  local r
  net.run(function()
    r = http.post(port, path, type(body) == "table" and gateway.json(body) or body, headers, 5)
  end)
  r.json = json.decode(r.body)
  return r
end

local function get(path)
  local r
  net.run(function() r = http.get(port, path) end)
  return json.decode(r.body)
end

-- ---- the formats ----

local OPENAI_WORDS = { "stop", "length", "tool_calls" }
local ANTHROPIC_WORDS = { "end_turn", "max_tokens", "tool_use" }
local GEMINI_WORDS = { "STOP", "MAX_TOKENS", "STOP" }
local VERTEX = "/v1/projects/p/locations/l/publishers/"

-- How a wrong key and a fault are told: status, and words of the body or of x-amzn-errortype.
local OPENAI_SAYS = { key = { 401, "wrong key" }, [429] = "mock_error", [500] = "mock_error", [503] = "mock_error" }
local ANTHROPIC_SAYS = { key = { 401, '"authentication_error"' }, [429] = '"rate_limit_error"', [500] = '"api_error"',
                         [503] = '"overloaded_error"' }
local GOOGLE_SAYS = { [429] = '"retryDelay":"7s"', [500] = '"INTERNAL"', [503] = '"UNAVAILABLE"' }
local function google_says(status, words)
  return { key = { status, words }, [429] = GOOGLE_SAYS[429], [500] = GOOGLE_SAYS[500], [503] = GOOGLE_SAYS[503] }
end

local FORMATS = {
  { name = "openai-chat", path = "/v1/chat/completions", body = requests.openai, read = answers.openai, finishes = OPENAI_WORDS,
    says = OPENAI_SAYS, key = "Authorization", unsigned = true, retry_after = "7" },
  { name = "azure-openai, by deployment", path = "/openai/deployments/m/chat/completions?api-version=1", body = requests.openai,
    read = answers.openai, finishes = OPENAI_WORDS, key = "api-key", unsigned = true, retry_after = "7",
    says = { key = { 401, '"code":"401"' }, [429] = '"code":"429"', [500] = '"code":"500"', [503] = '"code":"503"' } },
  { name = "azure-openai, v1", path = "/openai/v1/chat/completions", body = requests.openai, read = answers.openai, finishes = OPENAI_WORDS,
    key = "api-key", unsigned = true, retry_after = "7",
    says = { key = { 401, '"code":"401"' }, [429] = '"code":"429"', [500] = '"code":"500"', [503] = '"code":"503"' } },
  { name = "anthropic-messages", path = "/v1/messages?beta=true", body = requests.anthropic, read = answers.anthropic,
    finishes = ANTHROPIC_WORDS, says = ANTHROPIC_SAYS, key = "x-api-key", retry_after = "7" },
  { name = "anthropic-messages on Vertex", path = VERTEX .. "anthropic/models/m%401:rawPredict",
    streams_at = VERTEX .. "anthropic/models/m%401:streamRawPredict", body = requests.anthropic, read = answers.anthropic,
    finishes = ANTHROPIC_WORDS, says = ANTHROPIC_SAYS, key = "Authorization", retry_after = "7" },
  { name = "openai-responses", path = "/v1/responses", body = requests.responses, read = answers.responses,
    finishes = { "completed", "max_output_tokens", "completed" }, key = "Authorization", retry_after = "7",
    says = { key = { 401, '"invalid_api_key"' }, [429] = '"rate_limit_exceeded"', [500] = '"server_error"', [503] = '"server_error"' } },
  { name = "gemini", path = "/v1beta/models/m:generateContent", streams_at = "/v1beta/models/m:streamGenerateContent?alt=sse",
    body = requests.gemini, read = answers.gemini, finishes = GEMINI_WORDS, says = google_says(400, '"API_KEY_INVALID"'), key = "x-goog-api-key" },
  { name = "gemini, as an array", path = "/v1beta/models/m:generateContent", streams_at = "/v1beta/models/m:streamGenerateContent",
    body = requests.gemini, read = { whole = answers.gemini.whole, stream = answers.gemini.array }, finishes = GEMINI_WORDS,
    says = google_says(400, '"API_KEY_INVALID"'), key = "x-goog-api-key" },
  { name = "vertex", path = VERTEX .. "google/models/m:generateContent",
    streams_at = VERTEX .. "google/models/m:streamGenerateContent?alt=sse", body = requests.gemini, read = answers.gemini,
    finishes = GEMINI_WORDS, says = google_says(401, '"UNAUTHENTICATED"'), key = "Authorization" },
  { name = "bedrock-converse", path = "/model/eu.m-v1%3A0/converse", streams_at = "/model/eu.m-v1%3A0/converse-stream",
    body = requests.bedrock, read = answers.bedrock, finishes = ANTHROPIC_WORDS, key = "Authorization", in_header = true,
    says = { key = { 403, "AccessDeniedException:" }, [429] = "ThrottlingException:", [500] = "InternalServerException:",
             [503] = "ServiceUnavailableException:" } },
  { name = "cohere", path = "/v2/chat", body = requests.cohere, read = answers.cohere, finishes = { "COMPLETE", "MAX_TOKENS", "TOOL_CALL" },
    key = "Authorization", unsigned = true, retry_after = "7",
    says = { key = { 401, '"wrong key"' }, [429] = '"slow down"', [500] = '"something broke"', [503] = '"overloaded"' } },
  { name = "ollama", path = "/api/chat", body = requests.ollama, read = answers.ollama, finishes = { "stop", "length", "stop" },
    key = "Authorization", unsigned = true, uncached = true, unforced = true, retry_after = "7",
    says = { key = { 401, '"wrong key"' }, [429] = '"error":"slow down"', [500] = '"error":"something broke"',
             [503] = '"error":"overloaded"' } },
}

for _, format in ipairs(FORMATS) do
  local function ask(prefix, o, headers)
    return post(prefix .. (o.stream and format.streams_at or format.path), format.body(o), headers)
  end
  local function whole(prefix, o) return format.read.whole(ask(prefix, o or {})) end
  local function stream(prefix, o)
    o = o or {}
    o.stream = true
    return format.read.stream(ask(prefix, o))
  end

  describe("tidegate mock speaks " .. format.name .. ":", function()
    it("the same words whole and streamed, with usage", function()
      local one, other = whole "", stream "/drip"
      assert.equal(SAID, one.text:sub(1, #SAID))
      assert.equal(one.text, other.text)
      assert.is_true(other.complete)
      assert.same({ format.finishes[1], format.finishes[1] }, { one.finish, other.finish })
      assert.same(one.usage, other.usage)
      assert.same({ 16, not format.uncached and 3 or nil }, { one.usage[2], one.usage[3] })
      assert.is_true(one.usage[1] > #QUESTION / 4)
    end)

    it("several events, one after the other", function()
      local r = ask("/drip", { stream = true })
      assert.equal("chunked", r.headers["transfer-encoding"])
      assert.is_true(#r.chunks >= 4)
      assert.is_true(r.chunks[#r.chunks].at - r.chunks[1].at >= 0.03)
    end)

    it("a limit", function()
      for _, told in ipairs { whole("", { limit = 3 }), stream("", { limit = 3 }) } do
        assert.same({ 3, format.finishes[2] }, { told.usage[2], told.finish })
      end
    end)

    it("reasoning, and what signs it", function()
      for _, told in ipairs { whole "/think", stream "/think" } do
        assert.equal("the tide comes in and", told.thought)
        assert.equal(SAID, told.text:sub(1, #SAID))
        assert.equal(21, told.usage[2])
        assert.equal(not format.unsigned, told.signature ~= nil)
      end
    end)

    it("a call that the script wants, with reasoning or without", function()
      for _, told in ipairs { whole "/call", stream "/call" } do
        assert.same({ { name = "now", arguments = { zone = "Büsum" } } }, told.calls)
        assert.same({ "", format.finishes[3] }, { told.text, told.finish })
      end
    end)

    if not format.unforced then
      it("a call that the request insists on, with what the tool's schema requires", function()
        for _, told in ipairs { whole("", { must = "weather" }), stream("/think", { must = "weather" }) } do
          assert.same({ { name = "weather", arguments = ARGUMENTS } }, told.calls)
        end
        assert.is_true(#whole("", { must = "any" }).calls == 1)
      end)
    end

    it("words, not another call, for a tool's result", function()
      for _, told in ipairs { whole("/call", { result = true, must = "any" }), stream("/call", { result = true }) } do
        assert.same({}, told.calls)
        assert.equal("The tool said: " .. RESULT, told.text:sub(1, #RESULT + 15))
      end
    end)

    it("JSON that fits a schema", function()
      local object = json.decode(whole("", { json = true }).text)
      assert.equal(SAID, object.city:sub(1, #SAID))
      assert.same({ 0, "ebb" }, { object.days, object.kind })
    end)

    it("a finish of the script's own, no usage, no terminal", function()
      assert.equal("odd", whole("/odd").finish)
      assert.equal("odd", stream("/odd").finish)
      assert.is_nil(whole("/uncounted").usage)
      assert.is_nil(stream("/uncounted").usage)
      assert.is_falsy(stream("/undone").complete)
    end)

    it("another model's name where the format tells it", function()
      local told = whole "/named"
      if told.model then assert.equal("another", told.model) end
    end)

    it("its own errors", function()
      for _, status in ipairs { 429, 500, 503 } do
        local r = ask("/" .. status, {})
        assert.equal(status, r.status)
        local said = format.in_header and r.headers["x-amzn-errortype"] or r.body
        assert.is_truthy(said:find(format.says[status], 1, true), said)
        assert.equal(status == 429 and format.retry_after or nil, r.headers["retry-after"])
      end
      assert.equal(400, post(format.path, "no JSON").status)
      assert.equal(400, post(format.path, '{"messages":[5],"contents":[5],"input":[5]}').status)
    end)

    it("to who has the key", function()
      local r = ask("/keyed", {})
      local said = format.in_header and r.headers["x-amzn-errortype"] or r.body
      assert.equal(format.says.key[1], r.status)
      assert.is_truthy(said:find(format.says.key[2], 1, true), said)
      local key = (format.key == "Authorization" and "Bearer " or "") .. "the-key"
      assert.equal(200, ask("/keyed", {}, { [format.key] = key }).status)
    end)

    it("nothing that is its format, at rate_bad and rate_reset", function()
      local r = ask("/bad", {})
      assert.same({ 200, nil }, { r.status, r.json })
      assert.is_false((pcall(ask, "/reset", {})))
    end)

    it("half a stream, at rate_cut", function()
      local r = ask("/cut", { stream = true })
      assert.is_true(r.cut)
      assert.is_falsy(format.read.stream(r).complete)
    end)

    it("after its time", function()
      for _, o in ipairs { {}, { stream = true } } do
        local before = net.now()
        ask("/slow", o)
        assert.is_true(net.now() - before >= 0.045)
      end
    end)
  end)
end

-- ---- what only one has ----

describe("tidegate mock", function()
  it("counts tokens as each provider does", function()
    local function count(path, body) return post(path, body).json end
    local question = { role = "user", content = QUESTION }
    local n = count("/v1/messages/count_tokens", { messages = list { question } }).input_tokens
    assert.is_true(n > #QUESTION / 4)
    assert.equal(n, count(VERTEX .. "anthropic/models/count-tokens:rawPredict", { messages = list { question } }).input_tokens)
    assert.same({ object = "response.input_tokens", input_tokens = n }, count("/v1/responses/input_tokens", { input = QUESTION }))
    local contents = list { { parts = list { { text = QUESTION } } } }
    assert.equal(n, count("/v1beta/models/m:countTokens", { contents = contents }).totalTokens)
    assert.equal(n, count("/v1beta/models/m:countTokens", { generateContentRequest = { contents = contents } }).totalTokens)
    local message = { role = "user", content = list { { text = QUESTION } } }
    assert.equal(n, count("/model/m/count-tokens", { input = { converse = { messages = list { message } } } }).inputTokens)
  end)

  it("embeds as each provider does, the same text in the same direction", function()
    local function embedded(path, body) return post(path, body).json end
    local v = embedded("/v1/embeddings", { input = "a" }).data[1].embedding
    assert.equal(4, #v)
    assert.same(v, embedded("/openai/deployments/m/embeddings?api-version=1", { input = list { "b", "a" } }).data[2].embedding)
    local content = { parts = list { { text = "a" } } }
    assert.same(v, embedded("/v1beta/models/m:embedContent", { content = content }).embedding.values)
    assert.same(v, embedded("/v1beta/models/m:batchEmbedContents", { requests = list { { content = content } } }).embeddings[1].values)
    local predicted = embedded(VERTEX .. "google/models/m:predict", { instances = list { { content = "a" } },
      parameters = { outputDimensionality = 2 } }).predictions[1].embeddings
    assert.same({ v[1], v[2] }, predicted.values)
    assert.equal(1, predicted.statistics.token_count)
    local c = embedded("/v2/embed", { texts = list { "a" }, embedding_types = list { "float", "int8", "base64" } })
    assert.same(v, c.embeddings.float[1])
    assert.equal(v[1] * 128, c.embeddings.int8[1][1])
    assert.is_string(c.embeddings.base64[1])
    assert.same(list { v, v }, list(embedded("/api/embed", { model = "m", input = list { "a", "a" } }).embeddings))
  end)

  it("ranks documents by the words that they share with the query", function()
    local body = { query = "tide times", top_n = 2, documents = list { "Paris", "times of the tide", { text = "the tide" } } }
    local r = post("/v2/rerank", body).json
    assert.same({ { index = 1, relevance_score = 1 }, { index = 2, relevance_score = 0.5 } }, r.results)
    body.return_documents = true
    r = post("/v1/rerank", body).json
    assert.same({ "times of the tide", "the tide" }, { r.results[1].document.text, r.results[2].document.text })
    assert.is_number(r.usage.total_tokens)
  end)

  it("lists its models", function()
    assert.equal("m", get("/v1/models").data[1].id)
    assert.equal("models/m", get("/v1beta/models").models[1].name)
    assert.equal("m", get("/api/tags").models[1].name)
  end)

  it("gives its key for a signed statement, as Google does", function()
    local function exchange(form) return post("/keyed/token", form, { ["Content-Type"] = "application/x-www-form-urlencoded" }) end
    local r = exchange "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=e30.e30.c2ln"
    assert.same({ access_token = "the-key", expires_in = 3599, token_type = "Bearer" }, r.json)
    assert.same({ 400, "invalid_grant" }, { exchange("grant_type=refresh_token").status,
      exchange("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=x").json.error })
    assert.equal("unsupported_grant_type", exchange("grant_type=password").json.error)
  end)

  it("takes a key from a query, and a signed request by its access key", function()
    assert.equal(200, post("/keyed/v1beta/models/m:generateContent?key=the-key", requests.gemini {}).status)
    assert.equal(200, post("/keyed/model/m/converse", requests.bedrock {}, { Authorization =
      "AWS4-HMAC-SHA256 Credential=the-key/20260101/eu/bedrock/aws4_request, SignedHeaders=host, Signature=0" }).status)
  end)

  it("has Azure's filter look at everything, the prompt first", function()
    local all = answers.events(post("/openai/v1/chat/completions", requests.openai { stream = true }).body)
    assert.same({ "", 0, 0 }, { all[1].json.model, all[1].json.created, #all[1].json.choices })
    assert.is_false(all[1].json.prompt_filter_results[1].content_filter_results.hate.filtered)
    for i = 2, #all - 2 do assert.is_table(all[i].json.choices[1].content_filter_results) end
    local r = post("/openai/v1/chat/completions", requests.openai {}).json
    assert.equal("safe", r.choices[1].content_filter_results.hate.severity)
    assert.is_table(r.prompt_filter_results)
  end)

  it("names the model of a path, percent-encoded or not", function()
    assert.equal("m@1", post(VERTEX .. "anthropic/models/m%401:rawPredict", { messages = list {} }).json.model)
    assert.equal("g-2.5", post("/v1beta/models/g-2.5:generateContent", requests.gemini {}).json.modelVersion)
    assert.equal("d", post("/openai/deployments/d/chat/completions", { messages = list {} }).json.model)
  end)

  it("gives encrypted reasoning to who includes it, and not before it is whole", function()
    local body = requests.responses {}
    body.include = nil
    assert.is_nil(post("/think/v1/responses", body).json.output[1].encrypted_content)
    local signatures = {}
    for _, event in ipairs(answers.events(post("/think/v1/responses", requests.responses { stream = true }).body)) do
      local item = event.json.item
      if item and item.type == "reasoning" then signatures[#signatures + 1] = item.encrypted_content end
    end
    assert.equal(2, #signatures)
    assert.not_equal(signatures[1], signatures[2])
  end)

  it("streams from Ollama unless it is told not to", function()
    local body = requests.ollama {}
    body.stream = nil
    assert.equal("application/x-ndjson", post("/api/chat", body).headers["content-type"])
  end)

  it("wraps the error of a stream that were an array", function()
    local path = "/429/v1beta/models/m:streamGenerateContent"
    assert.equal(429, post(path, requests.gemini {}).json[1].error.code)
    assert.equal(429, post(path .. "?alt=sse", requests.gemini {}).json.error.code)
  end)

  it("says no to a path that is nobody's, and to a method", function()
    assert.equal(404, post("/v1/nothing", "{}").status)
    assert.equal(404, post("/v1/models", "{}").status)
  end)

  -- The empty message is one of AWS's own test vectors for the encoding.
  for with_bit, how in pairs { [true] = "with the bit library", [false] = "without it" } do
    it("writes AWS's event streams " .. how, function()
      local name = "tidegate.app.mock.aws_events"
      local loaded, library = package.loaded[name], package.loaded.bit
      package.loaded[name] = nil
      if not with_bit then
        package.loaded.bit, package.preload.bit = nil, function() error "no bit here" end
      end
      local aws = require(name)
      package.loaded[name], package.loaded.bit, package.preload.bit = loaded, library, nil
      assert.equal(0xCBF43926, aws.crc32 "123456789")
      assert.equal("\0\0\0\16\0\0\0\0\5\194\72\235\125\152\200\255", aws.message({}, ""))
      assert.equal("value", answers.aws_messages(aws.message({ { "name", "value" } }, "{}"))[1].headers.name)
    end)
  end
end)
