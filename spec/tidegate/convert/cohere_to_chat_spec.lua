local json           = require("tidegate.core").json
local cjson          = require "cjson"
local cohere_to_chat = require "tidegate.convert.cohere_to_chat"
local transcripts    = require "transcripts"
local recordings     = require "wire_recordings"
local cohere         = require "readings.cohere"
local chunks         = require "readings.chunks"

-- What comes of a stream's text: the chunks, each JSON text or "[DONE]".
local function convert(text)
  local out = {}
  local step = cohere_to_chat.stream(function(chunk) out[#out + 1] = chunk end)
  for _, event in ipairs(transcripts.events(text)) do assert.is_nil((step(event.name or "", event.data))) end
  return out
end

local function event(data)
  return "event: " .. cjson.decode(data).type .. "\ndata: " .. data .. "\n\n"
end

local function stream_of(...)
  local out = {}
  for i, data in ipairs { ... } do out[i] = event(data) end
  return table.concat(out) .. "data: [DONE]\n\n"
end

local START = '{"type":"message-start","id":"x","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[]}}}'

local CALLING = stream_of(START,
  '{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I will "}}}',
  '{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"look."}}}',
  '{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"f_1","type":"function","function":{"name":"f","arguments":""}}}}}',
  '{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\\"n\\":"}}}}}',
  '{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"12345678901234567890}"}}}}}',
  '{"type":"tool-call-end","index":0}',
  '{"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"g_1","type":"function","function":{"name":"g","arguments":""}}}}}',
  '{"type":"tool-call-end","index":1}',
  '{"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":3,"output_tokens":4},'
    .. '"tokens":{"input_tokens":30,"output_tokens":40},"cached_tokens":16}}}')

local THINKING = stream_of(START,
  '{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}',
  '{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"Hm \\u00e9"}}}}',
  '{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":", so."}}}}',
  '{"type":"content-end","index":0}',
  '{"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":""}}}}',
  '{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"Yes."}}}}',
  '{"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":3,"text":"Yes",'
    .. '"sources":[{"type":"document","id":"d","document":{"z":1,"a":1.0}}]}}}}',
  '{"type":"citation-end","index":0}',
  '{"type":"content-end","index":1}',
  '{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":3,"output_tokens":40,"reasoning_tokens":30}}}}')

describe("cohere_to_chat.stream", function()
  for name, text in pairs { ["calls with a plan"] = CALLING, ["thinking and citations"] = THINKING } do
    it("says what Cohere said: " .. name, function()
      assert.same(cohere.stream(text), chunks.stream(convert(text)))
    end)

    it("is complete from its message-end on, at whatever byte it is cut: " .. name, function()
      local _, last = text:find("\n\n", text:find("event: message-end", 1, true), true)
      for n = 1, #text do assert.equal(n >= last, chunks.stream(convert(text:sub(1, n))).complete, n) end
    end)
  end

  it("keeps the bytes of numbers in arguments, and of citations", function()
    local all = table.concat(convert(CALLING)) .. table.concat(convert(THINKING))
    assert.truthy(all:find('"arguments":"12345678901234567890}"', 1, true))
    assert.truthy(all:find('"annotations":[{"type":"citation","format":"cohere-v2","citation":{"start":0,"end":3,"text":"Yes",'
      .. '"sources":[{"type":"document","id":"d","document":{"z":1,"a":1.0}}]}}]', 1, true))
  end)

  it("tells a plan from a thought, and one thought from the next, in reasoning_details", function()
    local function details(text)
      local out = {}
      for _, chunk in ipairs(convert(text)) do
        local list = chunk ~= "[DONE]" and json.pick(chunk, "choices.0.delta.reasoning_details")
        if list then out[#out + 1] = list end
      end
      return out
    end
    assert.same({
      '[{"type":"reasoning.summary","summary":"I will ","format":"cohere-v2","index":0}]',
      '[{"type":"reasoning.summary","summary":"look.","format":"cohere-v2","index":0}]',
    }, details(CALLING))
    assert.same({
      '[{"type":"reasoning.text","text":"Hm \\u00e9","format":"cohere-v2","index":0}]',
      '[{"type":"reasoning.text","text":", so.","format":"cohere-v2","index":0}]',
    }, details(THINKING))
  end)

  it("knows events by their type where they have no name", function()
    local nameless = THINKING:gsub("event: [^\n]*\n", "")
    assert.same(convert(THINKING), convert(nameless))
  end)

  it("ends with the provider's counts, its word and its end", function()
    local out = convert(CALLING)
    assert.same({
      object = "chat.completion.chunk", choices = {},
      usage = { prompt_tokens = 30, completion_tokens = 40, prompt_tokens_details = { cached_tokens = 16 },
                billed_units = { input_tokens = 3, output_tokens = 4 } },
    }, cjson.decode(out[#out - 2]))
    assert.same({ "TOOL_CALL", "TOOL_CALL" }, { json.decode(json.pick(out[#out - 1], "choices.0.finish_reason")),
      json.decode(json.pick(out[#out - 1], "choices.0.native_finish_reason")) })
    assert.equal("[DONE]", out[#out])
  end)

  for name, last in pairs {
    ["with words in message-end"] = '{"type":"message-end","delta":{"error":"out of luck","finish_reason":"ERROR"}}',
    ["as an event of its own"] = '{"type":"error","error":"out of luck"}',
    ["as an error's body"] = '{"id":"x","message":"out of luck"}',
  } do
    it("tells a failure in the middle, " .. name, function()
      local out = {}
      local step = cohere_to_chat.stream(function(chunk) out[#out + 1] = chunk end)
      step("content-delta", '{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"He"}}}}')
      step("", last)
      step("", "[DONE]")
      local got = chunks.stream(out)
      assert.same({ "He", "out of luck", false }, { got.text, got.error, got.complete })
    end)
  end

  it("has an end without words told by its own word", function()
    local out = convert(stream_of('{"type":"message-end","delta":{"finish_reason":"TIMEOUT"}}'))
    assert.equal("TIMEOUT", chunks.stream(out).finish)
  end)

  it("ignores what it does not know, and refuses what is no JSON", function()
    local step = cohere_to_chat.stream(function(chunk) error(chunk) end)
    assert.is_nil(step("ping", '{"type":"ping","delta":{}}'))
    assert.is_nil(step("debug", '{"type":"debug","prompt":"x"}'))
    local _, why = step("content-delta", '{"type":"content-')
    assert.equal("malformed", why)
  end)

  it("adds up the probabilities of the tokens of a text", function()
    local out = convert(stream_of('{"type":"content-delta","index":0,"logprobs":{"text":"Hi","token_ids":[1,2],"logprobs":[-0.5,-0.25]},'
      .. '"delta":{"message":{"content":{"text":"Hi"}}}}'))
    assert.same({ content = { { token = "Hi", logprob = -0.75, top_logprobs = {} } } }, cjson.decode(out[1]).choices[1].logprobs)
  end)
end)

describe("cohere_to_chat.answer", function()
  it("joins texts, thoughts and the plan", function()
    local text = cohere_to_chat.answer('{"id":"a","message":{"role":"assistant","tool_plan":"So","content":[{"type":"thinking","thinking":"Hm "},'
      .. '{"type":"text","text":"o\\u00e9"},{"type":"text","text":"x"}],"tool_calls":[{"id":"f_1","type":"function","function":'
      .. '{"name":"f","arguments":"{}"}}]},"finish_reason":"TOOL_CALL","usage":{"tokens":{"input_tokens":1,"output_tokens":2}}}')
    assert.equal('{"object":"chat.completion","id":"a","choices":[{"index":0,"message":{"role":"assistant","content":"o\\u00e9x",'
      .. '"reasoning":"Hm So","reasoning_details":[{"type":"reasoning.text","text":"Hm ","format":"cohere-v2","index":0},'
      .. '{"type":"reasoning.summary","summary":"So","format":"cohere-v2","index":1}],"tool_calls":[{"id":"f_1","type":"function",'
      .. '"function":{"name":"f","arguments":"{}"}}]},"finish_reason":"TOOL_CALL","native_finish_reason":"TOOL_CALL"}],'
      .. '"usage":{"completion_tokens":2,"prompt_tokens":1}}', text)
  end)

  it("counts what was billed where nothing else was counted", function()
    local text = cohere_to_chat.answer '{"message":{"content":[]},"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":5,"output_tokens":6}}}'
    assert.same({ prompt_tokens = 5, completion_tokens = 6, billed_units = { input_tokens = 5, output_tokens = 6 } }, cjson.decode(text).usage)
  end)

  it("makes an error of an error in a 200", function()
    assert.equal("no luck", chunks.whole(cohere_to_chat.answer '{"id":"x","message":"no luck"}').error)
  end)

  for _, text in ipairs { "", "{", "<html>", "[]", "5", "{}", '{"message":5}' } do
    it("finds no answer in " .. (text == "" and "nothing" or text), function()
      local answer, why = cohere_to_chat.answer(text)
      assert.is_nil(answer)
      assert.equal("string", type(why))
    end)
  end
end)

describe("cohere_to_chat.embeddings", function()
  it("keeps the digits of the numbers, and counts texts and images", function()
    assert.equal('{"object":"list","id":"e","data":[{"object":"embedding","index":0,"embedding":[0.10,1e-5]},{"object":"embedding","index":1,'
      .. '"embedding":[2]}],"usage":{"billed_units":{"input_tokens":7,"image_tokens":4},"prompt_tokens":11,"total_tokens":11}}',
      cohere_to_chat.embeddings '{"id":"e","embeddings":{"float":[[0.10,1e-5],[2]]},"meta":{"billed_units":{"input_tokens":7,"image_tokens":4}}}')
  end)

  it("takes base64, and the lists of before there were types", function()
    assert.truthy(cohere_to_chat.embeddings('{"embeddings":{"base64":["AAAA"]}}'):find('"embedding":"AAAA"', 1, true))
    assert.truthy(cohere_to_chat.embeddings('{"embeddings":[[1]]}'):find('"embedding":[1]', 1, true))
    assert.is_nil((cohere_to_chat.embeddings '{"message":"no"}'))
  end)
end)

describe("cohere_to_chat.rerank", function()
  it("keeps the scores' digits, and documents where they are told", function()
    assert.equal('{"id":"r","results":[{"index":2,"relevance_score":0.90},{"index":0,"relevance_score":1e-3,"document":{"text":"a"}}],'
      .. '"usage":{"search_units":1}}', cohere_to_chat.rerank('{"id":"r","results":[{"index":2,"relevance_score":0.90},'
      .. '{"index":0,"relevance_score":1e-3,"document":"a"}],"meta":{"billed_units":{"search_units":1}}}'))
    assert.is_nil((cohere_to_chat.rerank '{"message":"no"}'))
  end)
end)

describe("What Cohere really said", function()
  local list = recordings.of("cohere", "cohere-v2-chat")
  if not list then return it("is read here", function() pending "TIDEGATE_TEST_DATA is not set" end) end
  local random = transcripts.random(20261126)

  for _, r in ipairs(list) do
    if r.status == 200 and r.kind == "unary" then
      it("comes through whole: " .. r.name, function()
        local want = cohere.whole(r.body)
        assert.is_true(want.complete)
        assert.same(want, chunks.whole(assert(cohere_to_chat.answer(r.body))))
      end)
    elseif r.status == 200 then
      it("comes through as a stream: " .. r.name, function()
        local want = cohere.stream(r.body)
        assert.is_true(want.complete)
        assert.same(want, chunks.stream(convert(r.body)))
      end)

      it("is not complete when it breaks off: " .. r.name, function()
        local ends = r.body:find('event: message-end', 1, true)
        for at in r.body:gmatch "\n\n()" do
          if at <= ends then assert.is_false(chunks.stream(convert(r.body:sub(1, at - 1))).complete) end
        end
        for _ = 1, 20 do
          local got = chunks.stream(convert(r.body:sub(1, random(ends))))
          assert.is_false(got.complete)
          assert.is_nil(got.finish)
        end
      end)
    end
  end

  for _, r in ipairs(recordings.of("cohere", "embeddings")) do
    if r.status == 200 then
      it("comes through as vectors: " .. r.name, function()
        local want, got = cjson.decode(r.body), cjson.decode(cohere_to_chat.embeddings(r.body))
        assert.equal(#want.embeddings.float, #got.data)
        for i, vector in ipairs(want.embeddings.float) do assert.same(vector, got.data[i].embedding) end
        assert.equal(want.meta.billed_units.input_tokens, got.usage.prompt_tokens)
      end)
    end
  end

  for _, r in ipairs(recordings.of("cohere", "rerank")) do
    it("comes through ranked: " .. r.name, function()
      local want, got = cjson.decode(r.body), cjson.decode(cohere_to_chat.rerank(r.body))
      assert.same(want.results, got.results)
      assert.equal(want.meta.billed_units.search_units, got.usage.search_units)
    end)
  end
end)
