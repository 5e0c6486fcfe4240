--- What clients and providers send may be anything. A converter gives JSON or says why not; it never raises.

local json        = require("tidegate.core").json
local nonsense    = require "nonsense"
local transcripts = require "transcripts"

local TIMES = 400

local CHAT = [[{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","name":"b","content":[
  {"type":"text","text":"t","cache_control":{}},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}},
  {"type":"file","file":{"filename":"a","file_data":"data:a/b;base64,AA"}},
  {"type":"input_audio","input_audio":{"data":"a","format":"wav"}}]},
  {"role":"assistant","content":null,"refusal":"r","reasoning":"x","reasoning_details":[{"type":"reasoning.text","text":"a",
  "format":"cohere-v2","index":0}],"annotations":[{"format":"cohere-v2","citation":{}}],
  "tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
  {"role":"tool","tool_call_id":"c","content":[{"type":"document","document":{}}]}],
  "tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":{"type":"function","function":{"name":"f"}},
  "response_format":{"type":"json_schema","json_schema":{"schema":{}}},"reasoning":{"effort":"low","max_tokens":5},"stop":["a"],
  "top_p":1,"top_k":2,"frequency_penalty":1,"max_tokens":5,"options":{"a":1},"seed":1,"n":1}]]

local EMBED = '{"model":"m","input":[{"content":[{"type":"text","text":"t"}]},"a"],"dimensions":5,"encoding_format":"base64"}'

local RERANK = '{"model":"m","query":"q","documents":["a",{"text":"b"},{"title":"t","text":"c"}],"top_n":2}'

local COHERE = [[{"id":"a","message":{"role":"assistant","tool_plan":"p","content":[{"type":"thinking","thinking":"a"},
  {"type":"text","text":"b"}],"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}],
  "citations":[{"start":1}]},"finish_reason":"COMPLETE","logprobs":[{"text":"a","token_ids":[1],"logprobs":[-1]}],
  "usage":{"billed_units":{"input_tokens":1},"tokens":{"input_tokens":1,"output_tokens":2},"cached_tokens":1}}]]

local OLLAMA = [[{"message":{"content":"a","thinking":"b","images":["a"],"tool_calls":[{"id":"a","function":{"name":"f",
  "arguments":{}}}]},"done":true,"done_reason":"stop","prompt_eval_count":1,"eval_count":1,"logprobs":[]}]]

-- One event through a stream, as a function like the others: what came of it, one list.
local function stream(converter)
  return function(text)
    local out = {}
    local _, why = converter.stream(function(chunk) out[#out + 1] = chunk == "[DONE]" and "0" or chunk end)("", text)
    if why then return nil, why end
    return "[" .. table.concat(out, ",") .. "]"
  end
end

local function load(name) return require("tidegate.convert." .. name) end

local from_cohere, from_ollama = load "cohere_to_chat", load "ollama_to_chat"

local cases = {
  { "a rerank for Cohere", load("chat_to_cohere").rerank, RERANK },
  { "Cohere's answer", from_cohere.answer, COHERE }, { "Ollama's answer", from_ollama.answer, OLLAMA },
  { "Ollama's stream", stream(from_ollama), OLLAMA },
  { "Cohere's embeddings", from_cohere.embeddings,
    '{"id":"a","embeddings":{"float":[[1]]},"meta":{"billed_units":{"input_tokens":1,"image_tokens":1}}}' },
  { "Cohere's rerank", from_cohere.rerank,
    '{"id":"a","results":[{"index":1,"relevance_score":1,"document":{"text":"a"}}],"meta":{"billed_units":{"search_units":1}}}' },
  { "Ollama's embeddings", from_ollama.embeddings, '{"embeddings":[[1]],"prompt_eval_count":1}' },
}
for _, name in ipairs { "cohere", "ollama", "mistral" } do
  cases[#cases + 1] = { "a chat for " .. name, load("chat_to_" .. name).request, CHAT }
  cases[#cases + 1] = { "embeddings for " .. name, load("chat_to_" .. name).embeddings, EMBED }
end
for _, event in ipairs {
  '{"type":"content-delta","index":0,"logprobs":{"text":"a","logprobs":[1]},"delta":{"message":{"content":{"text":"a","thinking":"b"}}}}',
  '{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"a"}}}',
  '{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"a","function":{"name":"f","arguments":""}}}}}',
  '{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"a"}}}}}',
  '{"type":"citation-start","delta":{"message":{"citations":{}}}}',
  '{"type":"message-end","delta":{"finish_reason":"COMPLETE","error":"x","usage":{"tokens":{"input_tokens":1},"billed_units":{}}}}',
} do
  cases[#cases + 1] = { "Cohere's " .. event:match '"type":"([^"]*)"', stream(from_cohere), event }
end

describe("No converter raises, whatever stands in", function()
  for _, case in ipairs(cases) do
    it(case[1], function()
      local random = transcripts.random(20261126)
      for _ = 1, TIMES do
        local text = nonsense.of(case[3], random)
        local ok, made, why = pcall(case[2], text, { model = "m", stream = false, encoding_format = "base64" })
        assert.is_true(ok, tostring(made) .. "\n" .. text)
        assert.is_true(made and json.check(made) or not made and type(why) == "string", tostring(made) .. "\n" .. text)
      end
    end)
  end
end)
