local json           = require("tidegate.core").json
local cjson          = require "cjson"
local gemini_to_chat = require "tidegate.convert.gemini_to_chat"
local transcripts    = require "transcripts"
local recordings     = require "wire_recordings"
local gemini         = require "readings.gemini"

-- What comes of the events of a stream: the chunks, each JSON text.
local function convert(events, wire)
  local out = {}
  local step = gemini_to_chat.stream(function(chunk) out[#out + 1] = chunk end, { wire = wire or "gemini" })
  for _, data in ipairs(events) do assert.is_true(step("", data)) end
  return out
end

local function answer(text, wire) return (gemini_to_chat.answer(text, { wire = wire or "gemini" })) end

-- An event with these parts, and what else a candidate has.
local function event(parts, more)
  return '{"candidates":[{"content":{"parts":[' .. parts .. '],"role":"model"}' .. (more or "") .. "}]}"
end

-- The only delta of the only chunk.
local function delta(parts, more)
  local chunks = convert { event(parts, more) }
  assert.equal(1, #chunks)
  return (json.pick(chunks[1], "choices.0.delta"))
end

-- Chat tells no ids where Google did, or makes one up where a signature needs it.
local function same(told, made)
  for i, call in ipairs(made.calls) do
    if told.calls[i] and not told.calls[i].id then call.id = nil end
  end
  made.reason = nil
  assert.same(told, made)
end

describe("gemini_to_chat.stream", function()
  describe("says what Google said, recorded:", function()
    for _, provider in ipairs { "gemini", "vertex" } do
      local list = recordings.of(provider, "gemini-stream")
      if not list then pending("TIDEGATE_TEST_DATA is not set") end
      for _, r in ipairs(list or {}) do
        if r.status == 200 then
          it(r.name, function()
            same(gemini.stream(r.body), gemini.said(convert(gemini.events(r.body), provider)))
          end)

          it(r.name .. ", cut off anywhere, never looks whole before its finish came", function()
            local random = transcripts.random(7)
            for _ = 1, 12 do
              local cut = r.body:sub(1, random(#r.body) - 1)
              local told, made = gemini.stream(cut), gemini.said(convert(gemini.events(cut), provider))
              same(told, made)
              assert.equal(told.complete, made.complete)
            end
          end)
        end
      end
    end
  end)

  for _, case in ipairs {
    -- what came                                             the delta
    { "text as it stood", '{"text":"a\\u00e9\\n"}',          '{"content":"a\\u00e9\\n"}' },
    { "a thought", '{"text":"Hm","thought":true}',
      '{"reasoning":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm","format":"google-gemini-v1","index":0}]}' },
    { "a call, whole, its digits kept", '{"functionCall":{"name":"f","args":{"n":12345678901234567890,"a":1.0},"id":"x"}}',
      '{"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{\\"n\\":12345678901234567890,\\"a\\":1.0}"}}]}' },
    { "a call without arguments or id", '{"functionCall":{"name":"f"}}',
      '{"tool_calls":[{"index":0,"type":"function","function":{"name":"f","arguments":"{}"}}]}' },
    { "an image", '{"inlineData":{"mimeType":"image/png","data":"iVBO+/=="}}',
      '{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO+/=="}}]}' },
    { "an image that is elsewhere", '{"fileData":{"mimeType":"image/png","fileUri":"https://x.example/a.png"}}',
      '{"images":[{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}]}' },
    { "audio", '{"inlineData":{"mimeType":"audio/L16;codec=pcm;rate=24000","data":"AAAA"}}',
      '{"audio":{"data":"AAAA","format":"pcm16","mime_type":"audio/L16;codec=pcm;rate=24000"}}' },
    { "code that was run", '{"executableCode":{"language":"PYTHON","code":"1"},"thoughtSignature":"S="}',
      '{"reasoning_details":[{"type":"reasoning.server_tool_call","data":"{\\"executableCode\\":{\\"language\\":\\"PYTHON\\",'
        .. '\\"code\\":\\"1\\"},\\"thoughtSignature\\":\\"S=\\"}","format":"google-gemini-v1","index":0}]}' },
    { "a part of a kind that is yet to come", '{"hologram":{"z":1,"a":2}}',
      '{"reasoning_details":[{"type":"reasoning.server_tool_call","data":"{\\"hologram\\":{\\"z\\":1,\\"a\\":2}}",'
        .. '"format":"google-gemini-v1","index":0}]}' },
    { "an image among the thoughts", '{"inlineData":{"mimeType":"image/png","data":"AA=="},"thought":true}',
      '{"reasoning_details":[{"type":"reasoning.server_tool_call","data":"{\\"inlineData\\":{\\"mimeType\\":\\"image/png\\",'
        .. '\\"data\\":\\"AA==\\"},\\"thought\\":true}","format":"google-gemini-v1","index":0}]}' },
  } do
    it("gives " .. case[1], function() assert.equal(case[3], delta(case[2])) end)
  end

  -- The details that come of these parts, as lists of type, data or text, index, id and part.
  local function details(parts)
    local out = {}
    for _, chunk in ipairs(convert { event(parts) }) do
      for _, d in ipairs(cjson.decode(chunk).choices[1].delta.reasoning_details or {}) do
        out[#out + 1] = { d.type:match "%.(.*)", d.data or d.text, d.index, d.id, d.part }
      end
    end
    return out
  end

  it("tells where each signature belongs", function()
    assert.same({
      { "text", "one ", 0 }, { "text", "thought", 0 }, { "encrypted", "S1", 0 },
      { "text", "another", 1 },
      { "encrypted", "S2", 2, nil, { text = { 5, 9 } } },
      { "server_tool_call", '{"toolCall":{}}', 3, nil, { at = 9 } },
      { "encrypted", "S3", 4, nil, { text = { 9, 9 } } },
      { "encrypted", "S4", 5, nil, { image = 0 } },
      { "encrypted", "S5", 6, "x" },
    }, details('{"text":"one ","thought":true},{"text":"thought","thought":true,"thoughtSignature":"S1"},'
      .. '{"text":"another","thought":true},{"text":"text\\n"},{"text":"\\u00e9\\u00e9","thoughtSignature":"S2"},'
      .. '{"toolCall":{}},{"text":"","thoughtSignature":"S3"},'
      .. '{"inlineData":{"mimeType":"image/png","data":"AA=="},"thoughtSignature":"S4"},'
      .. '{"functionCall":{"name":"f","id":"x"},"thoughtSignature":"S5"}'))
  end)

  it("makes an id of the signature where a signed call has none", function()
    local told = gemini.said(convert { event '{"functionCall":{"name":"f"},"thoughtSignature":"abc+/def=="}' })
    assert.equal("call_abcdef", told.calls[1].id)
  end)

  it("numbers the calls of a candidate through all of its events", function()
    local all = table.concat(convert {
      event '{"functionCall":{"name":"f"}}', event '{"functionCall":{"name":"g"}},{"functionCall":{"name":"h"}}',
    })
    assert.truthy(all:find('"index":1,"type":"function","function":{"name":"g"', 1, true))
    assert.truthy(all:find('"index":2,"type":"function","function":{"name":"h"', 1, true))
  end)

  it("gives each candidate its choice", function()
    local chunks = convert { '{"candidates":[{"content":{"parts":[{"text":"a"}]}},'
      .. '{"content":{"parts":[{"text":"b"}]},"index":1,"finishReason":"STOP"}]}',
      '{"candidates":[{"content":{"parts":[{"text":"c"}]},"index":1}]}' }
    local got = {}
    for i, chunk in ipairs(chunks) do
      local choice = cjson.decode(chunk).choices[1]
      got[i] = ("%d%s"):format(choice.index, choice.delta.content or choice.finish_reason)
    end
    assert.same({ "0a", "1b", "1stop", "1c" }, got)
  end)

  describe("ends with", function()
    local function reasons(more, parts, wire)
      local chunks = convert({ event(parts or "", more) }, wire)
      local choice = cjson.decode(chunks[#chunks]).choices[1]
      return choice.finish_reason, choice.native_finish_reason
    end

    for _, case in ipairs {
      { '"STOP"', "stop", "STOP" },
      { '"MAX_TOKENS"', "length", "MAX_TOKENS" },
      { '"SAFETY"', "content_filter", "SAFETY" },
      { '"RECITATION"', "content_filter", "RECITATION" },
      { '"MODEL_ARMOR"', "content_filter", "MODEL_ARMOR" },
      { '"IMAGE_RECITATION"', "content_filter", "IMAGE_RECITATION" },
      { '"MALFORMED_FUNCTION_CALL"', "error", "MALFORMED_FUNCTION_CALL" },
      { '"UNEXPECTED_TOOL_CALL"', "error", "UNEXPECTED_TOOL_CALL" },
      { '"IMAGE_OTHER"', "error", "IMAGE_OTHER" },
      { '"OTHER"', "error", "OTHER" },
      { '"A_WORD_OF_TOMORROW"', "A_WORD_OF_TOMORROW", "A_WORD_OF_TOMORROW" },
      { "1", "stop", "STOP" }, { "2", "length", "MAX_TOKENS" }, { "99", "99", "99" },
    } do
      it(case[2] .. " where Google says " .. case[1], function()
        assert.same({ case[2], case[3] }, { reasons(',"finishReason":' .. case[1]) })
      end)
    end

    it("tool_calls where Google says STOP beside calls, and with nothing but the truth otherwise", function()
      local call = '{"functionCall":{"name":"f"}}'
      assert.same({ "tool_calls", "STOP" }, { reasons(',"finishReason":"STOP"', call) })
      assert.same({ "length", "MAX_TOKENS" }, { reasons(',"finishReason":"MAX_TOKENS"', call) })
      assert.same({ "error", "UNEXPECTED_TOOL_CALL" }, { reasons(',"finishReason":"UNEXPECTED_TOOL_CALL"', call) })
    end)

    it("numbers that are not the same on Vertex", function()
      assert.same({ "error", "MALFORMED_FUNCTION_CALL" }, { reasons(',"finishReason":10', nil, "gemini") })
      assert.same({ "content_filter", "MODEL_ARMOR" }, { reasons(',"finishReason":10', nil, "vertex") })
    end)

    it("Google's sentence, as a refusal where a filter ended it, and what else it says under native_details", function()
      local chunks = convert { event("", ',"finishReason":"SAFETY","finishMessage":"No.","safetyRatings":[{"blocked":true}]') }
      assert.equal('{"refusal":"No."}', (json.pick(chunks[1], "choices.0.delta")))
      assert.equal('{"finishMessage":"No.","safetyRatings":[{"blocked":true}]}', (json.pick(chunks[2], "choices.0.native_details")))
      chunks = convert { event("", ',"finishReason":"UNEXPECTED_TOOL_CALL","finishMessage":"What?"') }
      assert.equal(1, #chunks)
    end)

    it("content_filter and nothing said where the prompt was blocked", function()
      for _, wire in ipairs { "gemini", "vertex" } do
        local chunks = convert({ '{"promptFeedback":{"blockReason":' .. (wire == "vertex" and "5" or '"JAILBREAK"')
          .. ',"blockReasonMessage":"Words"},"usageMetadata":{"promptTokenCount":4,"totalTokenCount":4}}' }, wire)
        local r = gemini.said(chunks)
        assert.same({ "", "content_filter", wire == "vertex" and "MODEL_ARMOR" or "JAILBREAK", 4, 0 },
          { r.text, r.reason, r.finish, r.usage.prompt, r.usage.completion })
        assert.equal('{"refusal":"Words"}', (json.pick(chunks[1], "choices.0.delta")))
      end
    end)
  end)

  it("takes a prompt that was blocked for another reason for blocked, not for an accident", function()
    assert.equal('[{"index":0,"delta":{},"finish_reason":"content_filter","native_details":{"promptFeedback":{"blockReason":"OTHER"}}}]',
      (json.pick(convert { '{"promptFeedback":{"blockReason":"OTHER"}}' }[1], "choices")))
  end)

  describe("counts", function()
    local function usage(metadata)
      local chunks = convert { '{"usageMetadata":' .. metadata .. "}" }
      return chunks[1] and cjson.decode(chunks[1])
    end

    it("thoughts among the completion, and the prompts of built-in tools among the prompt", function()
      local u = usage('{"promptTokenCount":147,"candidatesTokenCount":108,"totalTokenCount":783,"cachedContentTokenCount":64,'
        .. '"toolUsePromptTokenCount":360,"thoughtsTokenCount":168}')
      assert.same({ prompt_tokens = 507, completion_tokens = 276, total_tokens = 783,
                    prompt_tokens_details = { cached_tokens = 64 }, completion_tokens_details = { reasoning_tokens = 168 } },
        u.usage)
    end)

    it("media apart, by name or by number", function()
      local u = usage('{"promptTokenCount":300,"promptTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"IMAGE",'
        .. '"tokenCount":258},{"modality":4,"tokenCount":32}],"candidatesTokenCount":1290,"candidatesTokensDetails":'
        .. '[{"modality":"IMAGE","tokenCount":1290}],"cachedContentTokenCount":30,"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":20}]}')
      assert.same({ cached_tokens = 30, audio_tokens = 32, image_tokens = 258, cached_tokens_details = { audio_tokens = 20 } },
        u.usage.prompt_tokens_details)
      assert.same({ reasoning_tokens = 0, image_tokens = 1290 }, u.usage.completion_tokens_details)
    end)

    it("what was read from the cache by its kinds", function()
      local u = usage('{"promptTokenCount":300,"cachedContentTokenCount":90,"promptTokensDetails":[{"modality":"AUDIO",'
        .. '"tokenCount":100}],"cacheTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"AUDIO","tokenCount":80}]}')
      assert.same({ cached_tokens = 90, audio_tokens = 100, cached_tokens_details = { audio_tokens = 80 } },
        u.usage.prompt_tokens_details)
    end)

    it("nothing where nothing is told, and tells the tier in the contract's word", function()
      assert.is_nil(usage '{"trafficType":"ON_DEMAND"}')
      local u = usage '{"promptTokenCount":1,"totalTokenCount":1,"trafficType":"ON_DEMAND","serviceTier":"standard"}'
      assert.same({ "ON_DEMAND", "default", 0 }, { u.usage.traffic_type, u.service_tier, u.usage.completion_tokens })
    end)

    it("what an event leaves out as it was said before", function()
      local last = cjson.decode(convert {
        '{"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":21,"thoughtsTokenCount":35,"totalTokenCount":65}}',
        '{"usageMetadata":{"promptTokenCount":87,"thoughtsTokenCount":78,"totalTokenCount":165}}' }[2]).usage
      assert.same({ 87, 99, 78 }, { last.prompt_tokens, last.completion_tokens, last.completion_tokens_details.reasoning_tokens })
      assert.is_nil(last.prompt_tokens_details)
    end)

    it("the same object once", function()
      local same_twice = '{"usageMetadata":{"promptTokenCount":1,"totalTokenCount":1}}'
      assert.equal(1, #convert { same_twice, same_twice })
    end)
  end)

  it("cites what the answer is grounded on, in characters where Google counts bytes, and keeps all of it", function()
    local grounding = '{"webSearchQueries":["q"],"groundingChunks":[{"web":{"uri":"https://a.example","title":"A"}},'
      .. '{"retrievedContext":{"text":"only text"}},{"web":{"uri":"https://b.example"}}],"groundingSupports":[{"segment":'
      .. '{"startIndex":3,"endIndex":8,"text":"\\u00e9\\u00e9s"},"groundingChunkIndices":[0,1]}]}'
    local chunks = convert { event '{"text":"\\u00e9 \\u00e9"}', event '{"text":"\\u00e9s"}',
                             event("", ',"groundingMetadata":{}'), event("", ',"groundingMetadata":' .. grounding) }
    assert.equal(3, #chunks)
    assert.equal('[{"type":"citation","format":"gemini","citation":{"groundingMetadata":' .. grounding .. "}},"
      .. '{"type":"url_citation","url_citation":{"url":"https://a.example","title":"A","start_index":2,"end_index":5}},'
      .. '{"type":"url_citation","url_citation":{"url":"https://b.example","title":""}}]',
      (json.pick(chunks[3], "choices.0.delta.annotations")))
  end)

  it("cites sources of recitation, under both of their names", function()
    for _, name in ipairs { "citationSources", "citations" } do
      local all = delta('{"text":"abc"}', nil) .. convert { event("", ',"citationMetadata":{"' .. name
        .. '":[{"startIndex":0,"endIndex":2,"uri":"https://a.example","license":"MIT"}]}') }[1]
      assert.truthy(all:find('{"url":"https://a.example","title":"","start_index":0,"end_index":2}', 1, true))
    end
  end)

  it("gives probabilities of tokens as OpenAI does", function()
    local chunk = convert { event("", ',"logprobsResult":{"chosenCandidates":[{"token":"a","logProbability":-0.5}],'
      .. '"topCandidates":[{"candidates":[{"token":"a","logProbability":-0.5},{"token":"b","logProbability":-1}]}]}') }[1]
    assert.equal('{"content":[{"token":"a","logprob":-0.5,"bytes":null,"top_logprobs":[{"token":"a","logprob":-0.5,"bytes":null},'
      .. '{"token":"b","logprob":-1,"bytes":null}]}]}', (json.pick(chunk, "choices.0.logprobs")))
  end)

  it("tells an error inside a stream, wrapped in an array or not, on one line", function()
    for _, text in ipairs { '{"error":{"code":503,\n "message":"Overloaded"}}', '[{"error":{"code":503,\n "message":"Overloaded"}}]' } do
      assert.same({ '{"error":{"code":503,"message":"Overloaded"}}' }, convert { text })
    end
  end)

  it("says that nonsense is malformed, and ignores what says nothing", function()
    local step = gemini_to_chat.stream(function() error "nothing is to be emitted" end, { wire = "gemini" })
    for _, text in ipairs { "{", "", "1", '"x"', "null" } do
      assert.same({ nil, "malformed" }, { step("", text) })
    end
    for _, text in ipairs { "{}", "[]", '{"candidates":null}', '{"candidates":[{}]}', '{"candidates":[{"content":{}}]}',
                            event '{"text":""}', event "{}", event '{"text":"","thought":true}' } do
      assert.is_true(step("", text))
    end
  end)
end)

describe("gemini_to_chat.answer", function()
  describe("says what Google said, recorded:", function()
    for _, provider in ipairs { "gemini", "vertex" } do
      local list = recordings.of(provider, "gemini")
      if not list then pending("TIDEGATE_TEST_DATA is not set") end
      for _, r in ipairs(list or {}) do
        if r.status == 200 then
          it(r.name, function() same(gemini.whole(r.body), gemini.completion(answer(r.body, provider))) end)
        end
      end
      for _, r in ipairs(recordings.of(provider, "gemini-stream") or {}) do
        if r.status == 200 then
          it(r.name .. ", its events as one array", function()
            local events = gemini.events(r.body)
            same(gemini.stream(r.body), gemini.completion(answer("[" .. table.concat(events, ",\r\n") .. "]", provider)))
          end)
        end
      end
    end
  end)

  it("puts an array of pieces together: text, thoughts, calls, the last counts", function()
    local text = answer("[" .. event '{"text":"th","thought":true}' .. ",\n" .. event '{"text":"ink","thought":true}' .. ","
      .. event '{"text":"a\\n"}' .. "," .. event '{"text":"b"},{"functionCall":{"name":"f","id":"x"}}' .. ","
      .. '{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2,"totalTokenCount":3},'
      .. '"modelVersion":"m","responseId":"r"}]')
    assert.equal('[{"index":0,"message":{"role":"assistant","content":"a\\nb","reasoning":"think","reasoning_details":'
      .. '[{"type":"reasoning.text","text":"think","format":"google-gemini-v1","index":0}],"tool_calls":[{"index":0,"id":"x",'
      .. '"type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls","native_finish_reason":"STOP"}]',
      (json.pick(text, "choices")))
    assert.equal('"chat.completion"', (json.pick(text, "object")))
  end)

  it("has its id and model", function()
    local id, model = json.pick(answer('{"candidates":[{"finishReason":"STOP"}],"modelVersion":"m","responseId":"r"}'), "id", "model")
    assert.same({ '"r"', '"m"' }, { id, model })
  end)

  it("writes what was written for the eye on one line", function()
    local text = answer('{"candidates": [\n {"content": {"parts": [\n {"functionCall": {"name": "f", "args": {\n "n": 1.0\n}}}]},'
      .. '"safetyRatings": [\n {"blocked": true}\n], "finishReason": "STOP"}]}')
    assert.falsy(text:find "\n")
    assert.equal([["{\"n\": 1.0}"]], (json.pick(text, "choices.0.message.tool_calls.0.function.arguments")))
  end)

  it("keeps a second recording as the part that it was", function()
    local text = answer(event '{"inlineData":{"mimeType":"audio/wav","data":"AA=="}},{"inlineData":{"mimeType":"audio/wav","data":"BB=="}}')
    assert.equal('"AA=="', (json.pick(text, "choices.0.message.audio.data")))
    assert.truthy(json.pick(text, "choices.0.message.reasoning_details.0.data"):find("BB==", 1, true))
  end)

  it("tells an error that came with a 200", function()
    for _, text in ipairs { '{"error":{"code":500}}', '[{"error":{"code":500}}]',
                            "[" .. event '{"text":"a"}' .. ',{"error":{"code":500}}]' } do
      assert.equal('{"error":{"code":500}}', answer(text))
    end
  end)

  for text, why in pairs { ["<html>"] = "malformed", [""] = "malformed", ["{}"] = "the answer has no candidates",
                           ["[]"] = "the answer has no candidates", ['{"candidates":[]}'] = "the answer has no candidates" } do
    it("refuses " .. text, function()
      assert.same({ nil, why }, { gemini_to_chat.answer(text, { wire = "gemini" }) })
    end)
  end
end)

-- ---- what clients of Google's ask ----

describe("gemini_to_chat.request", function()
  local function chat_of(text, about) return gemini_to_chat.request(text, about or { model = "m" }) end

  local function member(path, members)
    return (json.pick(chat_of('{"contents":[{"parts":[{"text":"Hi"}]}]' .. members .. "}"), path))
  end

  it("gives the model of the path, the messages, and whether to stream", function()
    assert.equal('{"model":"google/gemini","messages":[{"role":"system","content":"s"},{"role":"user","content":"Hi"}],"stream":true}',
      (chat_of('{"contents":[{"parts":[{"text":"Hi"}]}],"system_instruction":{"parts":[{"text":"s"}]}}', { model = "models/google/gemini", stream = true })))
  end)

  for _, case in ipairs {
    { "texts", '{"parts":[{"text":"a\\u00e9"},{"text":"b"}]}', '[{"role":"user","content":[{"text":"a\\u00e9","type":"text"},{"text":"b","type":"text"}]}]' },
    { "media", '{"parts":[{"inline_data":{"mime_type":"image/png","data":"AA=="}},{"inlineData":{"mimeType":"audio/mpeg","data":"AA=="}},'
      .. '{"inlineData":{"mimeType":"video/mp4","data":"AA=="}},{"inlineData":{"mimeType":"application/pdf","data":"AA==","displayName":"x.pdf"}},'
      .. '{"fileData":{"fileUri":"https://x.example/a","mimeType":"image/webp"}},{"fileData":{"fileUri":"gs://a.pdf","mimeType":"application/pdf"}}]}',
      '[{"role":"user","content":[{"image_url":{"url":"data:image/png;base64,AA=="},"type":"image_url"},'
        .. '{"input_audio":{"data":"AA==","format":"mp3"},"type":"input_audio"},{"type":"video_url","video_url":{"url":"data:video/mp4;base64,AA=="}},'
        .. '{"file":{"file_data":"data:application/pdf;base64,AA==","filename":"x.pdf"},"type":"file"},'
        .. '{"image_url":{"mime_type":"image/webp","url":"https://x.example/a"},"type":"image_url"},'
        .. '{"file":{"file_url":"gs://a.pdf"},"type":"file"}]}]' },
    { "calls and answers", '{"parts":[{"text":"a"}]},{"role":"model","parts":[{"functionCall":{"id":"x","name":"f","args":{"z":1.0,"a":2}}}]},'
      .. '{"parts":[{"functionResponse":{"id":"x","name":"f","response":{"z":1.0,"a":2}}},{"text":"b"}]}',
      '[{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f",'
        .. '"arguments":"{\\"z\\":1.0,\\"a\\":2}"}}]},{"role":"tool","tool_call_id":"x","content":"{\\"z\\":1.0,\\"a\\":2}"},{"role":"user","content":"b"}]' },
    { "calls without ids, answered by name", '{"role":"model","parts":[{"functionCall":{"name":"f"}},{"functionCall":{"name":"g"}},'
      .. '{"functionCall":{"name":"f"}}]},'
      .. '{"role":"function","parts":[{"functionResponse":{"name":"g","response":{"result":"1"}}},{"functionResponse":{"name":"f","response":{"error":"2"}}},'
      .. '{"functionResponse":{"name":"f","response":{"error":{"n":1}}}}]}',
      '[{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_0_0","type":"function","function":{"name":"f","arguments":"{}"}},'
        .. '{"index":1,"id":"call_0_1","type":"function","function":{"name":"g","arguments":"{}"}},{"index":2,"id":"call_0_2","type":"function",'
        .. '"function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_0_1","content":"1"},'
        .. '{"role":"tool","tool_call_id":"call_0_0","content":"2","is_error":true},{"role":"tool","tool_call_id":"call_0_2","content":"{\\"n\\":1}",'
        .. '"is_error":true}]' },
    { "answers with media", '{"role":"model","parts":[{"functionCall":{"name":"f","id":"x"}}]},{"parts":[{"functionResponse":{"name":"f","id":"x",'
      .. '"response":{"result":"r"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}}]}',
      '[{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]},'
        .. '{"role":"tool","tool_call_id":"x","content":[{"text":"r","type":"text"},{"image_url":{"url":"data:image/png;base64,AA=="},"type":"image_url"}]}]' },
    { "thoughts and signatures", '{"role":"model","parts":[{"text":"hm","thought":true},{"text":"a","thought_signature":"S"}]}',
      '[{"role":"assistant","content":"a","reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","format":"google-gemini-v1","index":0},'
        .. '{"type":"reasoning.encrypted","data":"S","format":"google-gemini-v1","index":1,"part":{"text":[0,1]}}]}]' },
    { "calls without ids that a client signed with words, each with an id of its own",
      '{"role":"model","parts":[{"functionCall":{"name":"f"},"thoughtSignature":"skip_thought_signature_validator"}]},'
      .. '{"parts":[{"functionResponse":{"name":"f","response":{"result":"1"}}}]},'
      .. '{"role":"model","parts":[{"functionCall":{"name":"f"},"thoughtSignature":"skip_thought_signature_validator"}]}',
      '[{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_0_0","type":"function","function":{"name":"f","arguments":"{}"}}]},'
        .. '{"role":"tool","tool_call_id":"call_0_0","content":"1"},'
        .. '{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_2_1","type":"function","function":{"name":"f","arguments":"{}"}}]}]' },
    { "no signature where a client had none", '{"role":"model","parts":[{"functionCall":{"name":"f","id":"x"},'
      .. '"thoughtSignature":"skip_thought_signature_validator"},'
      .. '{"functionCall":{"name":"f","id":"y"},"thoughtSignature":"c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="}]}',
      '[{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{}"}},'
        .. '{"index":1,"id":"y","type":"function","function":{"name":"f","arguments":"{}"}}]}]' },
    { "a turn that a client keeps as the events of its stream",
      '{"role":"model","parts":[{"text":"hm","thought":true}]},{"role":"model","parts":[{"text":"a"}]},'
      .. '{"role":"model","parts":[{"text":"b"}]},{"role":"model","parts":[{"text":"","thoughtSignature":"S"}]}',
      '[{"role":"assistant","content":"ab","reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","format":"google-gemini-v1","index":0},'
        .. '{"type":"reasoning.encrypted","data":"S","format":"google-gemini-v1","index":1,"part":{"text":[2,2]}}]}]' },
    { "built-in tools' parts as they stood", '{"role":"model","parts":[{"tool_call":{"tool_type":"FILE_SEARCH","z":1.0},"thoughtSignature":"S"}]}',
      '[{"role":"assistant","content":null,"reasoning_details":[{"type":"reasoning.server_tool_call",'
        .. '"data":"{\\"tool_call\\":{\\"tool_type\\":\\"FILE_SEARCH\\",'
        .. '\\"z\\":1.0},\\"thoughtSignature\\":\\"S\\"}","format":"google-gemini-v1","index":0}]}]' },
  } do
    it("makes messages of " .. case[1], function()
      assert.equal(case[3], (json.pick(chat_of('{"contents":[' .. case[2] .. "]}"), "messages")))
    end)
  end

  for _, case in ipairs {
    { "generationConfig", ',"generationConfig":{"temperature":0.5,"top_p":0.9,"topK":2.0,"maxOutputTokens":5,"stopSequences":["x"],"seed":1,"candidateCount":2,'
      .. '"presencePenalty":-1.5,"frequencyPenalty":1,"responseLogprobs":true,"logprobs":3}', nil,
      '"frequency_penalty":1,"logprobs":true,"max_tokens":5,"n":2,"presence_penalty":-1.5,"seed":1,"stop":["x"],"temperature":0.5,"top_k":2,'
        .. '"top_logprobs":3,"top_p":0.9' },
    { "JSON", ',"generationConfig":{"responseMimeType":"application/json"}', "response_format", '{"type":"json_object"}' },
    { "JSON schema", ',"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","z":1.0}}', "response_format",
      '{"json_schema":{"name":"response","schema":{"type":"object","z":1.0}},"type":"json_schema"}' },
    { "a schema of Google's", ',"generationConfig":{"response_mime_type":"application/json","response_schema":{"type":"OBJECT",'
      .. '"properties":{"b_c":{"type":"STRING"},'
      .. '"a":{"type":"INTEGER","nullable":true}}}}', "response_format.json_schema.schema",
      '{"type":"object","properties":{"b_c":{"type":"string"},"a":{"type":["integer","null"]}}}' },
    { "what chat knows no name for", ',"generationConfig":{"mediaResolution":"MEDIA_RESOLUTION_LOW","responseMimeType":"text/x.enum",'
      .. '"responseSchema":{"type":"STRING"}}',
      "generation_config", '{"mediaResolution":"MEDIA_RESOLUTION_LOW","responseMimeType":"text/x.enum","responseSchema":{"type":"STRING"}}' },
    { "modalities", ',"generationConfig":{"responseModalities":["TEXT","IMAGE"],"imageConfig":{"aspectRatio":"1:1"}}', nil,
      '"image_config":{"aspect_ratio":"1:1"},"modalities":["text","image"]' },
    { "a voice", ',"generationConfig":{"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}}}', "audio", '{"format":"pcm16",'
      .. '"voice":"Kore"}' },
    { "a budget", ',"generationConfig":{"thinkingConfig":{"thinkingBudget":128,"includeThoughts":true}}', "reasoning", '{"max_tokens":128}' },
    { "a hidden budget", ',"generationConfig":{"thinkingConfig":{"thinkingBudget":128}}', "reasoning", '{"exclude":true,"max_tokens":128}' },
    { "no thinking", ',"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}', "reasoning", '{"effort":"none"}' },
    { "a level", ',"generationConfig":{"thinkingConfig":{"thinkingLevel":"HIGH","include_thoughts":true}}', "reasoning", '{"effort":"high"}' },
    { "functions", ',"tools":[{"function_declarations":[{"name":"f","description":"d","parameters":{"type":"OBJECT","properties":{}}},{"name":"g",'
      .. '"parametersJsonSchema":{"type":"object","z":1.0}}]},{"google_search":{}}]', "tools",
      '[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{}}}},'
        .. '{"type":"function","function":{"name":"g","parameters":{"type":"object","z":1.0}}},{"googleSearch":{}}]' },
    { "one function", ',"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}',
      "tool_choice", '{"function":{"name":"f"},"type":"function"}' },
    { "some functions", ',"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY",'
      .. '"allowedFunctionNames":["f","g"]}}',
      "tool_choice", '{"allowed_tools":{"mode":"required","tools":[{"function":{"name":"f"},"type":"function"},{"function":{"name":"g"},"type":"function"}]},'
        .. '"type":"allowed_tools"}' },
    { "any function", ',"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"any"}}', "tool_choice", '"required"' },
    { "the rest", ',"safetySettings":[{"category":"C"}],"cached_content":"c","labels":{"a_b":"c"},"serviceTier":"STANDARD","modelArmorConfig":{"x":1}', nil,
      '"cached_content":"c","labels":{"a_b":"c"},"model_armor_config":{"x":1},"safety_settings":[{"category":"C"}],"service_tier":"default"' },
  } do
    it("makes parameters of " .. case[1], function()
      if case[3] then
        assert.equal(case[4], member(case[3], case[2]))
      else
        assert.equal('{"model":"m","messages":[{"role":"user",'
          .. '"content":"Hi"}],' .. case[4] .. "}", (chat_of('{"contents":[{"parts":[{"text":"Hi"}]}]' .. case[2] .. "}")))
      end
    end)
  end

  it("tells what it could not carry", function()
    assert.same({ "contents.videoMetadata", "toolConfig.functionCallingConfig.mode", "tools.response" }, (select(2, chat_of(
      '{"contents":[{"parts":[{"text":"a","videoMetadata":{}}]}],"tools":[{"functionDeclarations":[{"name":"f","response":{"type":"OBJECT"}}]}],'
        .. '"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}}}'))))
    assert.same({}, (select(2, chat_of '{"contents":[{"parts":[{"text":"a"}]}]}')))
  end)

  it("reads a request to count, of either shape", function()
    local plain = chat_of '{"contents":[{"parts":[{"text":"Hi"}]}]}'
    assert.equal(plain, (chat_of '{"generateContentRequest":{"model":"models/x","contents":[{"parts":[{"text":"Hi"}]}]}}'))
    assert.equal('"x"', (json.pick(gemini_to_chat.request('{"generateContentRequest":{"model":"models/x",'
      .. '"contents":[{"parts":[{"text":"Hi"}]}]}}', { model = "" }), "model")))
  end)

  it("says what is wrong", function()
    assert.same({ nil, "The request must be a JSON object." }, { chat_of "[]" })
    assert.same({ nil, "The request must be a JSON object." }, { chat_of "{" })
    assert.same({ nil, "contents is not specified." }, { chat_of "{}" })
    for text, path in pairs {
      ['{"contents":5}'] = "contents[0]", ['{"contents":[{"parts":[{"text":5}]}]}'] = "contents[0].parts[0].text",
      ['{"contents":[{"role":1}]}'] = "contents[0].role",
      ['{"contents":[{"parts":[{"functionCall":{"args":[]}}]}]}'] = "contents[0].parts[0].functionCall.args",
      ['{"contents":[{}],"tools":"x"}'] = "tools[0]", ['{"contents":[{}],"generationConfig":{"thinkingConfig":{"thinkingBudget":"x"}}}'] =
        "generationConfig.thinkingConfig.thinkingBudget",
    } do
      assert.same({ nil, "Invalid value at '" .. path .. "'." }, { chat_of(text) })
    end
  end)

  it("takes one object for a list of one, as Google does", function()
    local many = chat_of('{"contents":[{"parts":[{"toolCall":{}}],"role":"model"}],"systemInstruction":{"parts":[{"text":"s"}]},'
      .. '"tools":[{"functionDeclarations":[{"name":"f"}]}]}')
    assert.equal(many, (chat_of('{"contents":{"parts":{"toolCall":{}},"role":"model"},"systemInstruction":{"parts":{"text":"s"}},'
      .. '"tools":{"functionDeclarations":{"name":"f"}}}')))
  end)
end)

describe("gemini_to_chat.count_answer", function()
  it("gives the tokens", function()
    assert.equal(31, gemini_to_chat.count_answer '{"totalTokens":31,"promptTokensDetails":[]}')
    assert.same({ nil, "the answer has no totalTokens" }, { gemini_to_chat.count_answer "{}" })
  end)
end)

describe("gemini_to_chat.embeddings", function()
  local function embeddings(text, about) return gemini_to_chat.embeddings(text, about or { model = "m" }) end

  for _, provider in ipairs { "gemini", "vertex" } do
    local list = recordings.of(provider, "embeddings")
    if not list then pending("TIDEGATE_TEST_DATA is not set") end
    for _, r in ipairs(list or {}) do
      if r.status == 200 then
        it("gives the numbers that Google gave, recorded: " .. r.name, function()
          local told, made = cjson.decode(r.body), cjson.decode(embeddings(r.body))
          local values = told.embeddings and told.embeddings[1].values or told.predictions[1].embeddings.values
          assert.same(values, made.data[1].embedding)
          assert.equal(told.predictions and 3, made.usage and made.usage.prompt_tokens)
        end)
      end
    end
  end

  it("keeps every digit, of one vector or of several", function()
    assert.equal('{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[-0.00058490640000,1]},'
      .. '{"object":"embedding","index":1,"embedding":[2]}]}',
      embeddings '{"embeddings":[{"values":[-0.00058490640000,1]},{"values":[2]}]}')
    assert.equal("[1.50]", (json.pick(embeddings '{"embedding":{"values":[1.50]}}', "data.0.embedding")))
  end)

  it("tells tokens where Google does", function()
    assert.equal('{"prompt_tokens":5,"total_tokens":5}', (json.pick(embeddings
      '{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":2}}},{"embeddings":{"values":[1],"statistics":{"token_count":3}}}]}', "usage")))
    assert.equal('{"prompt_tokens":7,"total_tokens":7}',
      (json.pick(embeddings '{"embeddings":[{"values":[1]}],"usageMetadata":{"promptTokenCount":7}}', "usage")))
  end)

  it("packs floats in base64 where that was asked for", function()
    local about = { model = "m", encoding_format = "base64" }
    assert.equal('"AACAPwAAAMA="', (json.pick(embeddings('{"embedding":{"values":[1,-2]}}', about), "data.0.embedding")))
  end)

  it("tells an error, and refuses what has no embeddings", function()
    assert.equal('{"error":{"code":400}}', embeddings '{"error":{"code":400}}')
    assert.same({ nil, "the answer has no embeddings" }, { embeddings "{}" })
    assert.same({ nil, "malformed" }, { embeddings "<html>" })
  end)
end)

describe("gemini_to_chat.embeddings_request", function()
  local function batch(...) return '{"requests":[' .. table.concat({ ... }, ",") .. "]}" end
  local function request(text, is_batch) return gemini_to_chat.embeddings_request(text, { model = "models/a/b", is_batch = is_batch }) end

  for _, case in ipairs {
    { "one text", '{"content":{"parts":[{"text":"a\\u00e9"}]}}', false, '"input":["a\\u00e9"]' },
    { "a text in pieces", '{"content":{"parts":[{"text":"a"},{"text":"b"}]}}', false, '"input":["ab"]' },
    { "what all requests say", batch('{"model":"models/x","content":{"parts":{"text":"a"}},"task_type":"RETRIEVAL_QUERY","output_dimensionality":8}',
        '{"content":{"parts":[{"text":"b"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":8}'), true,
      '"input":["a","b"],"input_type":"search_query","dimensions":8' },
    { "a task without a name of OpenAI's", '{"content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING"}', false,
      '"input":["a"],"input_type":"clustering"' },
    { "a title, which goes along", '{"content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_DOCUMENT","title":"T"}', false,
      '"input":["a"],"input_type":"search_document","requests":[{"taskType":"RETRIEVAL_DOCUMENT","title":"T"}]' },
    { "requests that differ, which go along", batch('{"content":{"parts":[{"text":"a"}]},"outputDimensionality":8}',
        '{"content":{"parts":[{"text":"b"}]},"taskType":"CLUSTERING"}'), true,
      '"input":["a","b"],"requests":[{"outputDimensionality":8},{"taskType":"CLUSTERING"}]' },
    { "a picture", '{"content":{"parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}}', false,
      '"input":[{"content":[{"text":"a","type":"text"},{"image_url":{"url":"data:image/png;base64,AA=="},"type":"image_url"}]}]' },
  } do
    it("makes OpenAI's of " .. case[1], function()
      assert.equal('{"model":"a/b",' .. case[4] .. "}", (request(case[2], case[3])))
    end)
  end

  for _, case in ipairs {
    { "[]", false, "The request must be a JSON object." }, { "{}", false, "content is not specified." },
    { "{}", true, "requests is not specified." }, { '{"requests":[]}', true, "requests is not specified." },
    { '{"requests":5}', true, "Invalid value at 'requests[0]'." }, { '{"content":5}', false, "Invalid value at 'content'." },
    { batch('{"content":{"parts":[{"text":"a"}]}}', '{"content":{"parts":[]}}'), true, "requests[1].content is not specified." },
    { batch '{"content":{"parts":[{"text":5}]}}', true, "Invalid value at 'requests[0].content.parts[0].text'." },
    { batch '{"content":{"parts":[{"text":"a"}]},"outputDimensionality":"8"}', true, "Invalid value at 'requests[0].outputDimensionality'." },
    { '{"content":{"parts":[{"functionCall":{"name":"f"}}]}}', false, "Only text and media can be embedded." },
  } do
    it("refuses " .. case[1] .. (case[2] and " as a batch" or ""), function()
      assert.same({ nil, case[3] }, { request(case[1], case[2]) })
    end)
  end
end)
