local json           = require("tidegate.core").json
local ollama_to_chat = require "tidegate.convert.ollama_to_chat"
local transcripts    = require "transcripts"
local recordings     = require "wire_recordings"
local ollama         = require "readings.ollama"
local chunks         = require "readings.chunks"

-- What comes of the whole lines of a text: the chunks, each JSON text or "[DONE]".
local function convert(text)
  local out = {}
  local step = ollama_to_chat.stream(function(chunk) out[#out + 1] = chunk end)
  for line in text:gmatch "([^\n]*)\n" do assert.is_nil((step("", line))) end
  return out
end

local LAST = '{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":9007199254740993,'
  .. '"prompt_eval_count":7,"eval_count":5,"eval_duration":3}\n'

local TALK = '{"model":"m","created_at":"t","message":{"role":"assistant","content":"","thinking":"Hm"},"done":false}\n'
  .. '{"message":{"role":"assistant","content":"","thinking":", \\u00e9."},"done":false}\n'
  .. '{"message":{"role":"assistant","content":"He"},"done":false}\n'
  .. '{"message":{"role":"assistant","content":"llo"},"done":false}\n' .. LAST

local CALLS = '{"message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"z":1.0,"n":12345678901234567890}}},'
  .. '{"id":"call_2","function":{"index":1,"name":"g","arguments":{}}}]},"done":false}\n'
  .. '{"message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f"}}]},"done":false}\n' .. LAST

describe("ollama_to_chat.stream", function()
  for name, text in pairs { ["thinking and text"] = TALK, ["calls, with ids and without"] = CALLS } do
    it("says what Ollama said: " .. name, function()
      local want, got = ollama.stream(text), chunks.stream(convert(text))
      for _, call in ipairs(want.calls) do call.arguments = call.arguments or {} end
      got.citations = nil
      assert.same(want, got)
    end)

    it("is complete with its last line and not before, at whatever byte it is cut: " .. name, function()
      for n = 1, #text do assert.equal(n == #text, chunks.stream(convert(text:sub(1, n))).complete, n) end
    end)
  end

  it("writes a call's arguments as a string, byte for byte, each call in its place", function()
    local out = convert(CALLS)
    assert.same({
      '[{"index":0,"type":"function","function":{"name":"f","arguments":"{\\"z\\":1.0,\\"n\\":12345678901234567890}"}}]',
      '[{"index":1,"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]',
      '[{"index":2,"type":"function","function":{"name":"f","arguments":"{}"}}]',
    }, { (json.pick(out[1], "choices.0.delta.tool_calls")), (json.pick(out[2], "choices.0.delta.tool_calls")),
         (json.pick(out[3], "choices.0.delta.tool_calls")) })
  end)

  it("ends with the counts, the durations as they came, the provider's word and its end", function()
    local out = convert(TALK)
    assert.equal('{"prompt_tokens":7,"completion_tokens":5,"total_duration":9007199254740993,"eval_duration":3}',
      (json.pick(out[#out - 2], "usage")))
    assert.equal('"stop"', (json.pick(out[#out - 1], "choices.0.finish_reason")))
    assert.equal("[DONE]", out[#out])
  end)

  for word, told in pairs { stop = '"done_reason":"stop",', length = '"done_reason":"length",', load = '"done_reason":"load",' } do
    it("tells the word " .. word, function()
      assert.equal(word, chunks.stream(convert('{"message":{"content":""},' .. told .. '"done":true}\n')).finish)
    end)
  end

  it("takes an end without a word for a stop, as older servers mean it", function()
    assert.equal("stop", chunks.stream(convert '{"message":{"content":""},"done":true}\n').finish)
  end)

  it("tells a failure in the middle", function()
    local got = chunks.stream(convert('{"message":{"content":"He"},"done":false}\n{"error":"an error was encountered"}\n' .. LAST))
    assert.same({ "He", "an error was encountered", false }, { got.text, got.error, got.complete })
  end)

  it("hands images and probabilities on", function()
    local out = convert('{"message":{"content":"","images":["/9j/AA","iVBORw"]},"done":false}\n'
      .. '{"message":{"content":"a"},"logprobs":[{"token":"a","logprob":-0.10,"bytes":[97],"top_logprobs":[]}],"done":false}\n')
    assert.equal('[{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,/9j/AA"}},'
      .. '{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw"}}]', (json.pick(out[1], "choices.0.delta.images")))
    assert.same({ '"a"', '{"content":[{"token":"a","logprob":-0.10,"bytes":[97],"top_logprobs":[]}]}' },
      { json.pick(out[2], "choices.0.delta.content", "choices.0.logprobs") })
  end)

  for _, line in ipairs { "{", "x", "[]", '"a"', "data: {}" } do
    it("refuses the line " .. line, function()
      local _, why = ollama_to_chat.stream(error)("", line)
      assert.equal("malformed", why)
    end)
  end

  it("passes empty lines over, and what comes after the end", function()
    local out = convert(LAST .. "\n" .. LAST .. "nonsense\n")
    assert.equal(3, #out)
  end)
end)

describe("ollama_to_chat.answer", function()
  it("makes a completion of it", function()
    assert.equal('{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"o\\u00e9","reasoning":"Hm",'
      .. '"tool_calls":[{"index":0,"type":"function","function":{"name":"f","arguments":"{\\"b\\":1,\\"a\\":2}"}}]},"finish_reason":"stop",'
      .. '"native_finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}',
      ollama_to_chat.answer('{"model":"m","message":{"role":"assistant","content":"o\\u00e9","thinking":"Hm","tool_calls":[{"function":'
      .. '{"name":"f","arguments":{"b":1,"a":2}}}]},"done":true,"prompt_eval_count":1,"eval_count":2}'))
  end)

  it("makes an error of an error in a 200", function()
    assert.equal("no luck", chunks.whole(ollama_to_chat.answer '{"error":"no luck"}').error)
  end)

  for _, text in ipairs { "", "{", "<html>", "[]", "{}", '{"message":5}', '{"message":{"content":"a"},"done":false}', '{"message":{"content":"a"}}' } do
    it("finds no answer in " .. (text == "" and "nothing" or text), function()
      local answer, why = ollama_to_chat.answer(text)
      assert.is_nil(answer)
      assert.equal("string", type(why))
    end)
  end
end)

describe("ollama_to_chat.embeddings", function()
  it("keeps the digits of the numbers", function()
    assert.equal('{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10,1e-5]},{"object":"embedding","index":1,'
      .. '"embedding":[2]}],"usage":{"prompt_tokens":8,"total_tokens":8}}',
      ollama_to_chat.embeddings '{"model":"m","embeddings":[[0.10,1e-5],[2]],"prompt_eval_count":8}')
    assert.equal('{"error":"no"}', ollama_to_chat.embeddings '{"error":"no"}')
    assert.truthy(ollama_to_chat.embeddings('{"embeddings":[[1,-0.5]]}', { encoding_format = "base64" })
      :find('"embedding":"AACAPwAAAL8="', 1, true))
    assert.is_nil((ollama_to_chat.embeddings "{}"))
  end)
end)

describe("What Ollama really said", function()
  local list = recordings.of("ollama", "ollama-chat")
  if not list then return it("is read here", function() pending "TIDEGATE_TEST_DATA is not set" end) end
  local random = transcripts.random(20261126)

  local function compared(want, got)
    assert.is_true(want.complete)
    got.citations = nil
    assert.same(want, got)
  end

  for _, r in ipairs(list) do
    if r.kind == "unary" then
      it("comes through whole: " .. r.name, function()
        compared(ollama.whole(r.body), chunks.whole(assert(ollama_to_chat.answer(r.body))))
      end)
    else
      it("comes through as a stream: " .. r.name, function()
        compared(ollama.stream(r.body), chunks.stream(convert(r.body)))
      end)

      it("is not complete when it breaks off: " .. r.name, function()
        local ends = r.body:find "\n%s*$"
        for at in r.body:sub(1, ends - 1):gmatch "\n()" do
          assert.is_false(chunks.stream(convert(r.body:sub(1, at - 1))).complete)
        end
        for _ = 1, 50 do assert.is_false(chunks.stream(convert(r.body:sub(1, random(ends - 1)))).complete) end
      end)
    end
  end
end)
