local cjson     = require "cjson"
local json      = require("tidegate.core").json
local converter = require "tidegate.convert.chat_to_openai_responses"
local to_chat   = require "tidegate.convert.openai_responses_to_chat"

local HEAD = '{"id":"gen-1700000000-AbCdEfGhIjKlMnOpQrSt","object":"chat.completion.chunk","created":1700000000,"model":"a/b","choices":['

local function delta(members)
  return HEAD .. '{"index":0,"delta":{"role":"assistant",' .. members .. '},"finish_reason":null}]}'
end

local function details(list, text)
  return delta('"content":"","reasoning_details":[' .. list .. "]" .. (text and ',"reasoning":' .. text or ""))
end

-- What a client gets for these chunks, and what comes of it when the client sends it back: the details, the text,
-- and of the answer the items and the frames.
local function round(...)
  local list = {}
  local step = converter.stream(function(frame) list[#list + 1] = frame end, {})
  for _, chunk in ipairs { ... } do step(chunk) end
  step "[DONE]"
  local output = json.pick(list[#list - 1]:match "data: ([^\n]*)", "response.output")
  local back = to_chat.request('{"model":"m","input":' .. output .. "}", {})
  return json.pick(back, "messages.0.reasoning_details"), json.pick(back, "messages.0.reasoning"), cjson.decode(output), list
end

describe("Reasoning through the Responses API and back", function()
  local A = '"format":"anthropic-claude-v1","index":'

  it("is Anthropic's with its signature, and in order", function()
    local back, text, output = round(details('{"type":"reasoning.text","text":"Let \\u00e9",' .. A .. "0}", '"Let \\u00e9"'),
      details('{"type":"reasoning.text","text":" me.",' .. A .. "0}", '" me."'), details('{"type":"reasoning.text","signature":"S+/==",' .. A .. "0}"),
      details('{"type":"reasoning.encrypted","data":"R",' .. A .. "1}"), details('{"type":"reasoning.text","text":"More",' .. A .. "2}", '"More"'),
      details('{"type":"reasoning.text","signature":"T",' .. A .. "2}"), delta '"content":"Hi"')
    assert.equal('[{"type":"reasoning.text","text":"Let \\u00e9 me.","signature":"S+/==",' .. A .. '0},{"type":"reasoning.encrypted",'
      .. '"data":"R",' .. A .. "1},"
      .. '{"type":"reasoning.text","text":"More","signature":"T",' .. A .. "2}]", back)
    assert.equal("Let \195\169 me.\n\nMore", json.decode(text))
    assert.same({ "reasoning", "message" }, { output[1].type, output[2].type })
    assert.same({ { type = "reasoning_text", text = "Let \195\169 me." }, { type = "reasoning_text", text = "More" } }, output[1].content)
    assert.equal("anthropic-claude-v1", output[1].format)
  end)

  it("is Gemini's, for a call", function()
    local detail = '{"type":"reasoning.encrypted","data":"G==","id":"c1","format":"google-gemini-v1","index":0}'
    local back, _, output = round(details(detail), delta '"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]')
    assert.equal("[" .. detail .. "]", back)
    assert.same({ "reasoning", "function_call" }, { output[1].type, output[2].type })
  end)

  it("is Gemini's beside thoughts that have no details", function()
    local back, text = round(delta '"content":"","reasoning":"Hm"',
      details '{"type":"reasoning.encrypted","data":"G","format":"google-gemini-v1","index":0}', delta '"content":"x"')
    assert.equal('[{"type":"reasoning.encrypted","data":"G","format":"google-gemini-v1","index":0}]', back)
    assert.equal('"Hm"', text)
  end)

  it("is plain, also when a client keeps no more than the encrypted content", function()
    local _, _, output = round(delta '"content":"","reasoning":"H"', delta '"content":"","reasoning":"m"', delta '"content":"x"')
    assert.same({ { type = "reasoning_text", text = "Hm" } }, output[1].content)
    local kept = { type = "reasoning", id = output[1].id, encrypted_content = output[1].encrypted_content }
    local back = to_chat.request(cjson.encode { input = { kept } }, {})
    assert.same({ '"Hm"', nil }, { json.pick(back, "messages.0.reasoning", "messages.0.reasoning_details") })
  end)

  it("is of no known format, with members that nobody knows", function()
    local detail = '{"type":"reasoning.text","text":"Hm","x":12345678901234567890}'
    assert.equal("[" .. detail .. "]", (round(details(detail), delta '"content":"x"')))
  end)

  it("is a tool that another provider ran", function()
    local detail = '{"type":"reasoning.server_tool_call","data":"{\\"type\\":\\"server_tool_use\\"}","format":"anthropic-claude-v1","index":3}'
    assert.equal("[" .. detail .. "]", (round(details(detail), delta '"content":"x"')))
  end)

  it("is OpenAI's: items as they were", function()
    local O = '"format":"openai-responses-v1","index":'
    local back, text, output, list = round(details('{"type":"reasoning.summary","summary":"A","id":"rs_1",' .. O .. "0}", '"A"'),
      details('{"type":"reasoning.summary","summary":"a","id":"rs_1",' .. O .. "0}", '"a"'), details('{"type":"reasoning.summary","summary":"B",'
        .. '"id":"rs_1",' .. O .. "1}", '"\\n\\nB"'),
      details('{"type":"reasoning.encrypted","data":"E1","id":"rs_1",' .. O .. "2}"),
      details('{"type":"reasoning.server_tool_call","data":"{\\"type\\":\\"web_search_call\\",\\"id\\":\\"ws\\"}",' .. O .. "3}"),
      details('{"type":"reasoning.encrypted","data":"E2","id":"rs_2",' .. O .. "4}"), delta '"content":"x"')
    assert.same({ { type = "reasoning", id = "rs_1", summary = { { type = "summary_text", text = "Aa" }, { type = "summary_text", text = "B" } },
                    encrypted_content = "E1", status = "completed" }, { type = "web_search_call", id = "ws" },
                  { type = "reasoning", id = "rs_2", summary = {}, encrypted_content = "E2", status = "completed" } }, { output[1], output[2], output[3] })
    assert.equal("Aa\n\nB", json.decode(text))
    assert.same({ "A", "B", "E1", "ws", "E2" }, (function(all)
      return { all[1].summary:sub(1, 1), all[2].summary, all[3].data, cjson.decode(all[4].data).id, all[5].data }
    end)(cjson.decode(back)))
    local told = {}
    for n = 4, 9 do told[#told + 1] = list[n]:match "^event: response.(%S+)" end
    assert.same({ "reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.delta", "reasoning_summary_text.done",
                  "reasoning_summary_part.done", "reasoning_summary_part.added" }, told)
  end)
end)
