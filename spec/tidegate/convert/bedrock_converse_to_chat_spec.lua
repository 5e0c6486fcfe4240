local json                     = require("tidegate.core").json
local cjson                    = require "cjson"
local bedrock_converse_to_chat = require "tidegate.convert.bedrock_converse_to_chat"
local chat_to_bedrock_converse = require "tidegate.convert.chat_to_bedrock_converse"
local data_url                 = require "tidegate.convert.data_url"
local transcripts              = require "transcripts"
local recordings               = require "wire_recordings"
local bedrock                  = require "readings.bedrock_converse"
local chunks                   = require "readings.chunks"
local nonsense                 = require "nonsense"

local unpack = rawget(_G, "unpack") or rawget(table, "unpack")

local CLAUDE = { model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0" }
local NOVA   = { model = "us.amazon.nova-2-lite-v1:0" }
local GPT    = { model = "global.openai.gpt-5.6-sol" }

-- What comes of a stream's bytes: the chunks, each JSON text or "[DONE]".
local function convert(bytes, about)
  local out = {}
  local step = bedrock_converse_to_chat.stream(function(chunk) out[#out + 1] = chunk end, about)
  for _, event in ipairs(bedrock.events(bytes)) do step(event.name, event.data) end
  return out
end

-- A stream of events: name, data, name, data, ...
local function stream_of(...)
  local out, list = {}, { ... }
  for i = 1, #list, 2 do out[#out + 1] = bedrock.frame(list[i], list[i + 1]) end
  return table.concat(out)
end

local function delta(index, member) return '{"contentBlockIndex":' .. index .. ',"delta":{' .. member .. '},"p":"abc"}' end
local function stop(index) return '{"contentBlockIndex":' .. index .. ',"p":"abcd"}' end

local USAGE = '{"metrics":{"latencyMs":7},"usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7},"p":"a"}'

-- The elements of one member of the deltas, as JSON texts.
local function collected(out, member)
  local list = {}
  for _, chunk in ipairs(out) do
    local found = chunk ~= "[DONE]" and json.pick(chunk, "choices.0.delta." .. member)
    for _, element in ipairs(found and json.elements(found) or {}) do list[#list + 1] = tostring(element) end
  end
  return list
end

-- The message that a client put together of a stream, its details side by side as they came.
local function message_of(out)
  local got = chunks.stream(out)
  local calls = {}
  for i, call in ipairs(got.calls) do
    calls[i] = { id = call.id, type = "function", ["function"] = { name = call.name, arguments = cjson.encode(call.arguments) } }
  end
  local details = {}
  for i, raw in ipairs(collected(out, "reasoning_details")) do details[i] = json.raw(raw) end
  return json.encode { role = "assistant", content = got.text, reasoning = got.reasoning, reasoning_details = json.array(details),
                       tool_calls = calls[1] and calls or nil }
end

-- The content blocks that this message becomes when it is sent back, decoded.
local function sent_back(message, about)
  local body = assert(chat_to_bedrock_converse.request('{"messages":[{"role":"user","content":"?"},' .. message
    .. ',{"role":"user","content":"And?"}]}', about))
  return cjson.decode(body).messages[2].content, body
end

local THINKING = stream_of(
  "messageStart", '{"p":"abcdefghijklmnopqrstuvwxyzA","role":"assistant"}',
  "contentBlockDelta", delta(0, '"reasoningContent":{"text":"Hm \\u00e9"}'),
  "contentBlockDelta", delta(0, '"reasoningContent":{"text":", so."}'),
  "contentBlockDelta", delta(0, '"reasoningContent":{"signature":"EqR+/w=="}'),
  "contentBlockStop", stop(0),
  "contentBlockDelta", delta(1, '"text":"I look "'),
  "contentBlockDelta", delta(1, '"text":"it up."'),
  "contentBlockStop", stop(1),
  "contentBlockStart", '{"contentBlockIndex":2,"p":"ab","start":{"toolUse":{"name":"f","toolUseId":"tooluse_1"}}}',
  "contentBlockDelta", delta(2, '"toolUse":{"input":""}'),
  "contentBlockDelta", delta(2, '"toolUse":{"input":"{\\"n\\":"}'),
  "contentBlockDelta", delta(2, '"toolUse":{"input":"12345678901234567890}"}'),
  "contentBlockStop", stop(2),
  "contentBlockStart", '{"contentBlockIndex":3,"start":{"toolUse":{"name":"g","toolUseId":"tooluse_2"}}}',
  "contentBlockStop", stop(3),
  "messageStop", '{"p":"a","stopReason":"tool_use"}',
  "metadata", '{"metrics":{"latencyMs":10680},"usage":{"inputTokens":12,"outputTokens":9,"totalTokens":151,"cacheReadInputTokens":100,'
    .. '"cacheReadInputTokenCount":100,"cacheWriteInputTokens":30,"cacheWriteInputTokenCount":30,"serverToolUsage":{},'
    .. '"cacheDetails":[{"ttl":"1h","inputTokens":20},{"ttl":"5m","inputTokens":10}]}}')

describe("bedrock_converse_to_chat.stream", function()
  it("says what Bedrock said", function()
    local want = bedrock.stream(THINKING)
    assert.is_true(want.complete)
    assert.same(want, chunks.stream(convert(THINKING, CLAUDE)))
  end)

  it("is complete from its metadata on, at whatever byte it is cut", function()
    for n = 1, #THINKING do
      assert.equal(n == #THINKING, chunks.stream(convert(THINKING:sub(1, n), CLAUDE)).complete, n)
    end
  end)

  it("has a finish, but no end, without metadata; and no end without a finish", function()
    local without = convert(stream_of("messageStart", '{"role":"assistant"}', "messageStop", '{"stopReason":"end_turn"}'))
    assert.same({ '{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"end_turn",'
      .. '"native_finish_reason":"end_turn"}]}' }, without)
    assert.is_false(chunks.stream(convert(stream_of("contentBlockDelta", delta(0, '"text":"a"'), "metadata", USAGE))).complete)
  end)

  it("counts what was read from the cache and written to it as part of the prompt", function()
    local out = convert(THINKING, CLAUDE)
    assert.same({
      prompt_tokens = 142, completion_tokens = 9, total_tokens = 151, metrics = { latencyMs = 10680 },
      prompt_tokens_details = { cached_tokens = 100, cache_write_tokens = 30 },
      cache_creation = { ephemeral_1h_input_tokens = 20, ephemeral_5m_input_tokens = 10 },
    }, cjson.decode(out[#out - 1]).usage)
    assert.equal("[DONE]", out[#out])
  end)

  it("keeps the bytes of texts, thoughts and arguments, and gives a call without arguments empty ones", function()
    local all = table.concat(convert(THINKING, CLAUDE))
    assert.truthy(all:find('{"reasoning":"Hm \\u00e9","reasoning_details":[{"type":"reasoning.text","text":"Hm \\u00e9",'
      .. '"format":"anthropic-claude-v1","index":0}]}', 1, true))
    assert.truthy(all:find('"reasoning_details":[{"type":"reasoning.text","signature":"EqR+/w==","format":"anthropic-claude-v1","index":0}]', 1, true))
    assert.truthy(all:find('{"index":0,"function":{"arguments":"12345678901234567890}"}}', 1, true))
    assert.truthy(all:find('{"index":1,"function":{"arguments":"{}"}}', 1, true))
  end)

  for name, case in pairs {
    ["Anthropic's own text, in pieces"] = { CLAUDE, { data_url.encode "EqoICk", data_url.encode "gIDxABGAIqQ" },
                                            "anthropic-claude-v1", "EqoICkgIDxABGAIqQ" },
    ["another maker's blob"]            = { GPT, { "AAEC", "/w==" }, "bedrock-converse", "AAEC/w==" },
    ["bytes, of whichever model"]       = { { model = "arn:aws:bedrock:us-east-1:1:application-inference-profile/x" }, { "AAEC/w==" },
                                            "bedrock-converse", "AAEC/w==" },
  } do
    it("keeps a thought that nobody may read: " .. name, function()
      local about, pieces, format, data = unpack(case)
      local events = {}
      for _, piece in ipairs(pieces) do
        events[#events + 1] = bedrock.frame("contentBlockDelta", delta(0, '"reasoningContent":{"redactedContent":"' .. piece .. '"}'))
      end
      events[#events + 1] = stream_of("contentBlockStop", stop(0), "messageStop", '{"stopReason":"end_turn"}', "metadata", USAGE)
      local out = convert(table.concat(events), about)
      assert.same({ '{"data":"' .. data .. '","format":"' .. format .. '","index":0,"type":"reasoning.encrypted"}' },
        collected(out, "reasoning_details"))

      local whole = data_url.encode(data_url.decode(pieces[1]) .. (pieces[2] and data_url.decode(pieces[2]) or ""))
      assert.same({ { reasoningContent = { redactedContent = whole } } }, sent_back(message_of(out), about))
    end)
  end

  it("tells a tool that Bedrock ran itself as a detail, never as a call", function()
    local out = convert(stream_of(
      "contentBlockStart", '{"contentBlockIndex":0,"start":{"toolUse":{"name":"nova_grounding","toolUseId":"t1","type":"server_tool_use"}}}',
      "contentBlockDelta", delta(0, '"toolUse":{"input":"{\\"query\\":"}'),
      "contentBlockDelta", delta(0, '"toolUse":{"input":"\\"x\\"}"}'),
      "contentBlockStop", stop(0),
      "contentBlockStart", '{"contentBlockIndex":1,"start":{"toolResult":{"status":"success","toolUseId":"t1","type":"nova_grounding_result"}}}',
      "contentBlockDelta", delta(1, '"toolResult":[{"text":"[HIDDEN]"}]'),
      "contentBlockStop", stop(1),
      "contentBlockDelta", delta(2, '"text":"Found."'),
      "contentBlockDelta", delta(3, '"citation":{"location":{"web":{"domain":"example.org","url":"https://example.org/a"}}}'),
      "messageStop", '{"stopReason":"end_turn"}', "metadata", USAGE), NOVA)
    local got = chunks.stream(out)
    assert.same({ {}, "Found.", 1 }, { got.calls, got.text, got.citations })
    local blocks = {
      { toolUse = { name = "nova_grounding", toolUseId = "t1", type = "server_tool_use", input = { query = "x" } } },
      { toolResult = { status = "success", toolUseId = "t1", type = "nova_grounding_result", content = { { text = "[HIDDEN]" } } } },
      { text = "Found." },
    }
    assert.same(blocks, sent_back(message_of(out), NOVA))
    assert.same({ { text = "Found." } }, sent_back(message_of(out), CLAUDE))
  end)

  for name, case in pairs {
    ["a page of the web"] = { '{"location":{"web":{"domain":"d","url":"https://d/"}},"sourceContent":[{"text":"a"},{"text":"b"}]}',
      '{"type":"url_citation","url_citation":{"url":"https://d/","title":"d","content":"ab"}}' },
    ["a page with a title"] = { '{"location":{"web":{"domain":"d","url":"https://d/"}},"title":"T"}',
      '{"type":"url_citation","url_citation":{"url":"https://d/","title":"T"}}' },
    ["a document"] = { '{"location":{"documentChar":{"documentIndex":0,"end":58,"start":0}},"title":"p"}',
      '{"type":"citation","format":"bedrock-converse","citation":{"location":{"documentChar":{"documentIndex":0,"end":58,"start":0}},"title":"p"}}' },
  } do
    it("tells where an answer comes from: " .. name, function()
      local out = convert(stream_of("contentBlockDelta", delta(0, '"citation":' .. case[1])))
      assert.same({ case[2] }, collected(out, "annotations"))
    end)
  end

  it("puts a picture together of its pieces", function()
    local out = convert(stream_of(
      "contentBlockStart", '{"contentBlockIndex":0,"start":{"image":{"format":"jpeg"}}}',
      "contentBlockDelta", delta(0, '"image":{"source":{"bytes":"/9g="}}'),
      "contentBlockDelta", delta(0, '"image":{"source":{"bytes":"/w=="}}'),
      "contentBlockStop", stop(0)))
    assert.same({ '{"image_url":{"url":"data:image/jpeg;base64,/9j/"},"type":"image_url"}' }, collected(out, "images"))
  end)

  it("remembers where Claude thought again: between words and calls", function()
    local out = convert(stream_of(
      "contentBlockDelta", delta(0, '"reasoningContent":{"text":"One."}'),
      "contentBlockDelta", delta(0, '"reasoningContent":{"signature":"s1"}'), "contentBlockStop", stop(0),
      "contentBlockDelta", delta(1, '"text":"Wir pr\\u00fcfen "'), "contentBlockDelta", delta(1, '"text":"das."'), "contentBlockStop", stop(1),
      "contentBlockDelta", delta(2, '"reasoningContent":{"text":"Two."}'),
      "contentBlockDelta", delta(2, '"reasoningContent":{"signature":"s2"}'), "contentBlockStop", stop(2),
      "contentBlockStart", '{"contentBlockIndex":3,"start":{"toolUse":{"name":"f","toolUseId":"t1"}}}', "contentBlockStop", stop(3),
      "contentBlockDelta", delta(4, '"text":"Done."'), "contentBlockStop", stop(4),
      "messageStop", '{"stopReason":"tool_use"}', "metadata", USAGE), CLAUDE)
    assert.same({
      { reasoningContent = { reasoningText = { text = "One.", signature = "s1" } } },
      { text = "Wir prüfen das." },
      { reasoningContent = { reasoningText = { text = "Two.", signature = "s2" } } },
      { text = "Done." },
      { toolUse = { toolUseId = "t1", name = "f", input = {} } },
    }, sent_back(message_of(out), CLAUDE))
  end)

  for name, code in pairs {
    validationException = 400, accessDeniedException = 403, throttlingException = 429, modelNotReadyException = 429,
    internalServerException = 500, modelStreamErrorException = 502, modelTimeoutException = 408, serviceUnavailableException = 503,
    whateverException = 502, ThrottlingException = 429, InternalFailure = 502,
  } do
    it("tells a failure in the middle: " .. name .. " is " .. code, function()
      local out = {}
      local step = bedrock_converse_to_chat.stream(function(chunk) out[#out + 1] = chunk end, CLAUDE)
      step("contentBlockDelta", delta(0, '"text":"He"'))
      step(name, '{"message":"Too \\u00e9"}')
      step("messageStop", '{"stopReason":"end_turn"}')
      step("metadata", USAGE)
      assert.same({ '{"error":{"code":' .. code .. ',"message":"Too \\u00e9","type":"' .. name .. '"}}' }, { out[2], out[3] })
    end)
  end

  it("believes a model's own status where it is a failure of the server's, and passes its words", function()
    for original, code in pairs { [529] = 529, [429] = 429, [400] = 502 } do
      local out = convert(stream_of("modelStreamErrorException", '{"message":"m","originalMessage":"o","originalStatusCode":' .. original .. "}"))
      assert.same({ error = { code = code, message = "m", type = "modelStreamErrorException", original_message = "o" } }, cjson.decode(out[1]))
    end
  end)

  it("believes the framing about what is an error", function()
    local out = {}
    local step = bedrock_converse_to_chat.stream(function(chunk) out[#out + 1] = chunk end, CLAUDE)
    step("messageStart", '{"message":"m"}', true)
    assert.same({ '{"error":{"code":502,"message":"m","type":"messageStart"}}' }, out)
  end)

  it("has something to say of an exception without words", function()
    assert.equal("throttlingException", chunks.stream(convert(stream_of("throttlingException", ""))).error)
    assert.equal("<html>", chunks.stream(convert(stream_of("throttlingException", "<html>"))).error)
  end)

  it("passes on what stands beside the answer", function()
    local out = convert(stream_of(
      "messageStop", '{"stopReason":"stop_sequence","additionalModelResponseFields":{"stop_sequence":"END"}}',
      "metadata", '{"usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2,"serverToolUsage":{"n":1}},"trace":{"guardrail":{"score":1.0}},'
        .. '"performanceConfig":{"latency":"optimized"},"serviceTier":{"type":"flex"}}'))
    assert.equal('{"object":"chat.completion.chunk","choices":[],"additionalModelResponseFields":{"stop_sequence":"END"}}', out[1])
    assert.equal('{"object":"chat.completion.chunk","choices":[],"trace":{"guardrail":{"score":1.0}},"performanceConfig":{"latency":"optimized"},'
      .. '"service_tier":"flex"}', out[3])
    assert.same({ n = 1 }, cjson.decode(out[4]).usage.serverToolUsage)
  end)

  it("gives JSON or says why not, whatever stands in its events", function()
    local random = transcripts.random(20261126)
    for _ = 1, 200 do
      local step = bedrock_converse_to_chat.stream(function(chunk) assert(chunk == "[DONE]" or json.check(chunk), chunk) end, CLAUDE)
      for _, event in ipairs(bedrock.events(THINKING)) do
        local _, why = step(event.name, random(4) == 1 and nonsense.of(event.data, random) or event.data)
        assert.is_nil(why)
      end
    end
  end)

  it("ignores what it does not know, and refuses what is no JSON", function()
    local step = bedrock_converse_to_chat.stream(function(chunk) error(chunk) end, CLAUDE)
    for name, data in pairs {
      messageStart = '{"role":"assistant"}', somethingNew = "not even JSON", contentBlockDelta = delta(0, '"something":{"new":1}'),
      contentBlockStart = '{"contentBlockIndex":0,"start":{"something":{}}}', contentBlockStop = stop(9),
    } do assert.is_nil(step(name, data)) end
    for _, name in ipairs { "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata" } do
      local _, why = step(name, '{"contentBlock')
      assert.equal("malformed", why)
    end
  end)
end)

describe("bedrock_converse_to_chat.answer", function()
  local function answer(content, about, more)
    return (assert(bedrock_converse_to_chat.answer('{"output":{"message":{"role":"assistant","content":' .. content
      .. '}},"stopReason":"end_turn"' .. (more or "") .. "}", about)))
  end

  it("joins texts and thoughts, and keeps the text of arguments", function()
    assert.equal('{"object":"chat.completion","choices":[{"index":0,"message":{"content":"o\195\169x","reasoning":"Hm",'
      .. '"reasoning_details":[{"format":"anthropic-claude-v1","index":0,"signature":"s","text":"Hm","type":"reasoning.text"}],'
      .. '"role":"assistant","tool_calls":[{"function":{"arguments":"{ \\"n\\": 12345678901234567890 }","name":"f"},"id":"t1","index":0,'
      .. '"type":"function"}]},"finish_reason":"end_turn","native_finish_reason":"end_turn"}]}',
      answer('[{"reasoningContent":{"reasoningText":{"text":"Hm","signature":"s"}}},{"text":"o\\u00e9"},'
        .. '{"citationsContent":{"content":[{"text":"x"}]}},{"toolUse":{"toolUseId":"t1","name":"f","input":{ "n": 12345678901234567890 }}}]', CLAUDE))
  end)

  it("says the same as the stream of the same answer", function()
    local whole = answer('[{"reasoningContent":{"reasoningText":{"text":"Hm é, so.","signature":"EqR+/w=="}}},{"text":"I look it up."},'
      .. '{"toolUse":{"toolUseId":"tooluse_1","name":"f","input":{"n":12345678901234567890}}},{"toolUse":{"toolUseId":"tooluse_2","name":"g","input":{}}}]',
      CLAUDE, ',"usage":{"inputTokens":12,"outputTokens":9,"totalTokens":151,"cacheReadInputTokens":100,"cacheWriteInputTokens":30}')
    local want = bedrock.stream(THINKING)
    want.finish = "end_turn"
    assert.same(want, chunks.whole(whole))
  end)

  it("brings an answer back as it was", function()
    local content = '[{"reasoningContent":{"redactedContent":"' .. data_url.encode "EqoICkgI" .. '"}},{"reasoningContent":{"reasoningText":'
      .. '{"text":"","signature":"s0"}}},{"text":"A "},{"reasoningContent":{"reasoningText":{"text":"B","signature":"s1"}}},'
      .. '{"toolUse":{"toolUseId":"t1","name":"f","input":{"z":1,"a":[]}}},{"reasoningContent":{"reasoningText":{"text":"C","signature":"s2"}}},'
      .. '{"toolUse":{"toolUseId":"t2","name":"f","input":{}}}]'
    local message = json.pick(answer(content, CLAUDE), "choices.0.message")
    assert.same(cjson.decode(content), (sent_back(message, CLAUDE)))
  end)

  it("has pictures and citations in their places", function()
    local text = answer('[{"image":{"format":"png","source":{"bytes":"iVBORw=="}}},{"image":{"format":"png","source":'
      .. '{"s3Location":{"uri":"s3://b/k.png"}}}},{"citationsContent":{"content":[{"text":"x"}],'
      .. '"citations":[{"location":{"web":{"url":"u","domain":"d"}}}]}}]', NOVA)
    local message = cjson.decode(text).choices[1].message
    assert.same({ { type = "image_url", image_url = { url = "data:image/png;base64,iVBORw==" } },
      { type = "image_url", image_url = { url = "s3://b/k.png" } } }, message.images)
    assert.same({ "x", 1 }, { message.content, #message.annotations })
  end)

  it("keeps a block of a kind that it does not know", function()
    local content = '[{"text":"x"},{"hologram":{"n":1}}]'
    local message = json.pick(answer(content, { model = "imported-model" }), "choices.0.message")
    assert.same({ { text = "x" }, { hologram = { n = 1 } } }, (sent_back(message, { model = "imported-model" })))
  end)

  it("makes an error of an error in a 200", function()
    assert.equal("no luck", chunks.whole(bedrock_converse_to_chat.answer '{"message":"no luck"}').error)
    assert.equal('{"error":{"__type":"X"}}', bedrock_converse_to_chat.answer '{"__type":"X"}')
  end)

  for _, text in ipairs { "", "{", "<html>", "[]", "5", "{}", '{"output":{}}', '{"output":{"message":{}}}',
                          '{"output":{"message":{"content":[{"text":5}]}}}', '{"output":{"message":{"content":[null]}}}' } do
    it("finds no answer in " .. (text == "" and "nothing" or text), function()
      local out, why = bedrock_converse_to_chat.answer(text)
      assert.is_nil(out)
      assert.equal("string", type(why))
    end)
  end

  it("gives JSON or says why not, whatever stands in it", function()
    local random = transcripts.random(20261126)
    local text = '{"output":{"message":{"role":"assistant","content":[{"text":"a"},{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}},'
      .. '{"reasoningContent":{"redactedContent":"AAAA"}},{"toolUse":{"toolUseId":"t","name":"f","input":{"a":1}}},'
      .. '{"citationsContent":{"content":[{"text":"c"}],"citations":[{"location":{"web":{"url":"u"}},"sourceContent":[{"text":"q"}]}]}},'
      .. '{"image":{"format":"png","source":{"bytes":"AA"}}}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3,'
      .. '"cacheDetails":[{"ttl":"1h","inputTokens":1}],"serverToolUsage":{}},"metrics":{"latencyMs":1},"serviceTier":{"type":"flex"}}'
    for _ = 1, 400 do
      local made, why = bedrock_converse_to_chat.answer(nonsense.of(text, random), CLAUDE)
      assert.is_true(made and json.check(made) or not made and type(why) == "string")
    end
  end)

  it("reads a count", function()
    assert.equal(375, bedrock_converse_to_chat.count_answer '{"inputTokens":375}')
    assert.is_nil((bedrock_converse_to_chat.count_answer '{"message":"no"}'))
  end)
end)

describe("What Bedrock really said", function()
  local whole, streams = recordings.of("bedrock", "converse"), recordings.of("bedrock", "converse-stream")
  if not whole then return it("is read here", function() pending "TIDEGATE_TEST_DATA is not set" end) end
  local random = transcripts.random(20261126)

  -- The model of the request's path.
  local function about(r)
    return { model = cjson.decode(r.request).url:match("/model/([^/]+)/"):gsub("%%3A", ":") }
  end

  -- One recorder kept the bytes in base64.
  local function bytes_of(r) return r.body:byte() == 0 and r.body or data_url.decode(r.body) end

  for _, r in ipairs(whole) do
    if r.status == 200 then
      it("comes through whole: " .. r.name, function()
        local want = bedrock.whole(r.body)
        assert.is_true(want.complete)
        assert.same(want, chunks.whole(assert(bedrock_converse_to_chat.answer(r.body, about(r)))))
      end)

      it("comes back as it was said: " .. r.name, function()
        local message = json.pick(bedrock_converse_to_chat.answer(r.body, about(r)), "choices.0.message")
        local text, thoughts = "", {}
        for _, block in ipairs(sent_back(message, about(r))) do
          text = text .. (block.text or "")
          thoughts[#thoughts + 1] = block.reasoningContent
        end
        local want = {}
        for _, block in ipairs(cjson.decode(r.body).output.message.content) do want[#want + 1] = block.reasoningContent end
        assert.equal(bedrock.whole(r.body).text, text)
        assert.same(want, thoughts)
      end)
    else
      it("is an error and no answer: " .. r.name, function()
        assert.equal(bedrock.whole(r.body).error, chunks.whole(bedrock_converse_to_chat.answer(r.body)).error)
      end)
    end
  end

  for _, r in ipairs(streams) do
    local bytes = bytes_of(r)
    if r.kind == "midstream" then
      it("tells its failure: " .. r.name, function()
        local want, got = bedrock.stream(bytes), chunks.stream(convert(bytes, about(r)))
        assert.is_string(want.error)
        assert.same({ want.error, false }, { got.error, got.complete })
      end)
    else
      it("comes through as a stream: " .. r.name, function()
        local want = bedrock.stream(bytes)
        assert.is_true(want.complete)
        assert.same(want, chunks.stream(convert(bytes, about(r))))
      end)

      it("is not complete when it breaks off: " .. r.name, function()
        for _, event in ipairs(bedrock.events(bytes)) do
          local got = chunks.stream(convert(bytes:sub(1, event.ends - 1), about(r)))
          assert.equal(event.name == "metadata", got.complete)
          assert.equal(event.name == "metadata" or event.name == "messageStop", got.finish ~= nil)
        end
        for _ = 1, 20 do assert.is_false(chunks.stream(convert(bytes:sub(1, random(#bytes - 1)), about(r))).complete) end
      end)

      it("comes back with its thoughts as they were: " .. r.name, function()
        local thought, signature = "", nil
        for _, event in ipairs(bedrock.events(bytes)) do
          local reasoning = (cjson.decode(event.data).delta or {}).reasoningContent or {}
          thought, signature = thought .. (reasoning.text or ""), reasoning.signature or signature
        end
        local blocks = sent_back(message_of(convert(bytes, about(r))), about(r))
        local got = blocks[1].reasoningContent and blocks[1].reasoningContent.reasoningText
        assert.same({ thought ~= "" and thought or nil, signature }, { got and got.text, got and got.signature })
      end)
    end
  end
end)
