local cjson      = require "cjson"
local json       = require("tidegate.core").json
local converter  = require "tidegate.convert.openai_responses_to_chat"
local recordings = require "wire_recordings"
local responses  = require "readings.openai_responses"
local transcripts = require "transcripts"

local PROVIDERS = { "openai", "azure", "xai", "deepseek", "bedrock", "copilot", "lmstudio", "openrouter" }

-- ---- requests ----

local function request(text)
  local out, lost = converter.request(text, {})
  assert.is_string(out, lost)
  return cjson.decode(out), lost, out
end

local function messages(items) return request('{"model":"m","input":' .. items .. "}").messages end

describe("A Responses request as chat", function()
  for _, case in ipairs {
    -- what                              of the request                                       of the chat request
    { "an output limit",                 '"max_output_tokens":20',                            '"max_tokens":20' },
    { "sampling",                        '"temperature":0.2,"top_p":0.9',                     '"temperature":0.2,"top_p":0.9' },
    { "who asks",                        '"user":"u","safety_identifier":"s","metadata":{"a":"b"}',
                                         '"user":"u","safety_identifier":"s","metadata":{"a":"b"}' },
    { "where the prompt is cached",      '"prompt_cache_key":"k","prompt_cache_retention":"24h"',
                                         '"prompt_cache_key":"k","prompt_cache_retention":"24h"' },
    { "the tier",                        '"service_tier":"flex"',                             '"service_tier":"flex"' },
    { "that calls come one by one",      '"parallel_tool_calls":false,"max_tool_calls":3',    '"parallel_tool_calls":false,"max_tool_calls":3' },
    { "effort and summary",              '"reasoning":{"effort":"low","summary":"auto"}',     '"reasoning":{"effort":"low","summary":"auto"}' },
    { "the summary's old name",          '"reasoning":{"generate_summary":"concise"}',        '"reasoning":{"summary":"concise"}' },
    { "verbosity",                       '"text":{"verbosity":"low"}',                        '"verbosity":"low"' },
    { "JSON",                            '"text":{"format":{"type":"json_object"}}',          '"response_format":{"type":"json_object"}' },
    { "a schema",                        '"text":{"format":{"type":"json_schema","name":"n","schema":{"a":1},"strict":true,"description":"d"}}',
        '"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"a":1},"strict":true,"description":"d"}}' },
    { "a function",                      '"tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":true}]',
        '"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}]' },
    { "a function that is chat's",       '"tools":[{"type":"function","function":{"name":"f"}}]', '"tools":[{"type":"function","function":{"name":"f"}}]' },
    { "a custom tool",                   '"tools":[{"type":"custom","name":"c","format":{"type":"grammar","syntax":"lark","definition":"x"}}]',
        '"tools":[{"type":"custom","custom":{"name":"c","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}}}]' },
    { "a tool of the provider's",        '"tools":[{"type":"web_search","search_context_size":"low"}]',
        '"tools":[{"type":"web_search","search_context_size":"low"}]' },
    { "no tools",                        '"tools":[]',                                        "" },
    { "a choice by word",                '"tool_choice":"required"',                          '"tool_choice":"required"' },
    { "the choice of a function",        '"tool_choice":{"type":"function","name":"f"}',      '"tool_choice":{"type":"function","function":{"name":"f"}}' },
    { "the choice of a custom tool",     '"tool_choice":{"type":"custom","name":"c"}',        '"tool_choice":{"type":"custom","custom":{"name":"c"}}' },
    { "the choice among some",           '"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]}',
        '"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}}' },
    { "a choice of the provider's",      '"tool_choice":{"type":"mcp","server_label":"l"}',   '"tool_choice":{"type":"mcp","server_label":"l"}' },
    { "probabilities",                   '"include":["message.output_text.logprobs"]',        '"logprobs":true' },
    { "probabilities of others",         '"top_logprobs":3',                                  '"logprobs":true,"top_logprobs":3' },
    { "no probabilities",                '"top_logprobs":0',                                  "" },
    { "compression",                     '"truncation":"auto"',                               '"transforms":["middle-out"]' },
    { "none",                            '"truncation":"disabled","store":false,"background":false,"previous_response_id":null', "" },
    { "a stream",                        '"stream":true,"stream_options":{"include_obfuscation":false}',
        '"stream":true,"stream_options":{"include_obfuscation":false}' },
    { "the contract's own",              '"models":["a/b"],"provider":{"only":["x"]},"plugins":[],"session_id":"s"',
        '"models":["a/b"],"provider":{"only":["x"]},"plugins":[],"session_id":"s"' },
  } do
    it("has " .. case[1], function()
      local got, lost = request('{"model":"m","input":"Hi",' .. case[2] .. "}")
      assert.same(cjson.decode('{"model":"m","messages":[{"role":"user","content":"Hi"}]' .. (case[3] ~= "" and "," or "") .. case[3] .. "}"), got)
      assert.same({}, lost)
    end)
  end

  for _, case in ipairs {
    -- what                              items                                              messages
    { "instructions before all else",    nil, '{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}' },
    { "messages that name no type",      '{"role":"developer","content":"D"},{"role":"user","content":[{"type":"input_text","text":"Hi"}]}',
        '{"role":"developer","content":"D"},{"role":"user","content":[{"type":"text","text":"Hi"}]}' },
    { "images, files and sound",
        '{"type":"message","role":"user","content":[{"type":"input_image","image_url":"http://x/i.png","detail":"low"},'
        .. '{"type":"input_image","file_id":"f1"},{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,AA=="},'
        .. '{"type":"input_file","file_url":"http://x/a.pdf"},{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}},'
        .. '{"type":"input_video","video_url":"http://x/v.mp4"}]}',
        '{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x/i.png","detail":"low"}},{"type":"file","file":{"file_id":"f1"}},'
        .. '{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AA=="}},{"type":"file","file":{"file_url":"http://x/a.pdf"}},'
        .. '{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}},{"type":"video_url","video_url":{"url":"http://x/v.mp4"}}]}' },
    { "where to cache",
        '{"role":"user","content":[{"type":"input_text","text":"T","prompt_cache_breakpoint":{"mode":"explicit"}}]}',
        '{"role":"user","content":[{"type":"text","text":"T","cache_control":{"type":"ephemeral"}}]}' },
    { "a call and its result",
        '{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\\"a\\":1}"},{"type":"function_call_output","call_id":"c1","output":"42"}',
        '{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\\"a\\":1}"}}]},'
        .. '{"role":"tool","tool_call_id":"c1","content":"42"}' },
    { "a result in parts",
        '{"type":"function_call_output","call_id":"c1","output":[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"http://x/i.png"}]}',
        '{"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"http://x/i.png"}}]}' },
    { "custom calls",
        '{"type":"custom_tool_call","call_id":"c1","name":"x","input":"raw"},{"type":"custom_tool_call_output","call_id":"c1","output":"done"}',
        '{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"custom","custom":{"name":"x","input":"raw"}}]},'
        .. '{"role":"tool","tool_call_id":"c1","content":"done"}' },
    { "a turn of the assistant's as one message",
        '{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"A"},{"type":"summary_text","text":"B"}],"encrypted_content":"E"},'
        .. '{"type":"message","role":"assistant","phase":"commentary","content":[{"type":"output_text","text":"I look."}]},'
        .. '{"type":"function_call","call_id":"c1","name":"f","arguments":"{}","namespace":"n"}',
        '{"role":"assistant","content":"I look.","phase":"commentary","reasoning":"A\\n\\nB","reasoning_details":['
        .. '{"type":"reasoning.summary","summary":"A","id":"rs_1","format":"openai-responses-v1","index":0},'
        .. '{"type":"reasoning.summary","summary":"B","id":"rs_1","format":"openai-responses-v1","index":1},'
        .. '{"type":"reasoning.encrypted","data":"E","id":"rs_1","format":"openai-responses-v1","index":2}],'
        .. '"tool_calls":[{"id":"c1","type":"function","namespace":"n","function":{"name":"f","arguments":"{}"}}]}' },
    { "where in a turn reasoning stood",
        '{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},{"type":"reasoning","summary":[],"encrypted_content":"E"},'
        .. '{"type":"function_call","call_id":"c2","name":"g","arguments":"{}"}',
        '{"role":"assistant","content":null,'
        .. '"reasoning_details":[{"type":"reasoning.encrypted","data":"E","format":"openai-responses-v1","index":0,"after":1}],"tool_calls":['
        .. '{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]}' },
    { "two texts of the assistant's as two messages",
        '{"role":"assistant","content":"One."},{"role":"assistant","content":[{"type":"output_text","text":"Two."},{"type":"refusal","refusal":"No."}]}',
        '{"role":"assistant","content":"One."},{"role":"assistant","content":"Two.","refusal":"No."}' },
    { "citations",
        '{"role":"assistant","content":[{"type":"output_text","text":"T","annotations":['
        .. '{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":1},'
        .. '{"type":"file_citation","file_id":"f","index":1}]}]}',
        '{"role":"assistant","content":"T","annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":0,"end_index":1}},'
        .. '{"type":"citation","format":"openai-responses","citation":{"type":"file_citation","file_id":"f","index":1}}]}' },
    { "results behind their calls, whoever spoke between",
        '{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},{"type":"function_call","call_id":"c2","name":"g","arguments":"{}"},'
        .. '{"role":"user","content":"wait"},{"type":"function_call_output","call_id":"c1","output":"1"},{"role":"developer","content":"d"},'
        .. '{"type":"function_call_output","call_id":"c2","output":"2"}',
        '{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},'
        .. '{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"1"},'
        .. '{"role":"tool","tool_call_id":"c2","content":"2"},{"role":"user","content":"wait"},{"role":"developer","content":"d"}' },
    { "other providers' citations, which were citations of files on the way",
        '{"role":"assistant","content":[{"type":"output_text","text":"T","annotations":[{"type":"file_citation","file_id":"","filename":"",'
        .. '"index":0,"annotation":{"type":"citation","format":"cohere-v2","citation":{"start":0}}}]}]}',
        '{"role":"assistant","content":"T","annotations":[{"type":"citation","format":"cohere-v2","citation":{"start":0}}]}' },
    { "reasoning that is told in full",
        '{"type":"reasoning","id":"r","summary":[],"content":[{"type":"reasoning_text","text":"Hm"}]}',
        '{"role":"assistant","content":"","reasoning":"Hm",'
        .. '"reasoning_details":[{"type":"reasoning.text","text":"Hm","id":"r","format":"openai-responses-v1","index":0}]}' },
    { "other formats as OpenRouter writes them",
        '{"type":"reasoning","id":"r","summary":[],"format":"google-gemini-v1","encrypted_content":"G"},'
        .. '{"type":"reasoning","content":[{"type":"reasoning_text","text":"Hm"}],"format":"anthropic-claude-v1","signature":"S"}',
        '{"role":"assistant","content":"","reasoning":"Hm","reasoning_details":['
        .. '{"type":"reasoning.encrypted","data":"G","id":"r","format":"google-gemini-v1","index":0},'
        .. '{"type":"reasoning.text","text":"Hm","signature":"S","format":"anthropic-claude-v1","index":1}]}' },
    { "other formats as they are carried here",
        '{"type":"reasoning","id":"rs_2","summary":[],"content":[{"type":"reasoning_text","text":"Hm"}],"encrypted_content":'
        .. cjson.encode 'tidegate:[{"type":"reasoning.text","text":"Hm","signature":"S+/=","format":"anthropic-claude-v1","index":0}]' .. "}",
        '{"role":"assistant","content":"","reasoning":"Hm",'
        .. '"reasoning_details":[{"type":"reasoning.text","text":"Hm","signature":"S+/=","format":"anthropic-claude-v1","index":0}]}' },
    { "plain reasoning as plain",
        '{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":' .. cjson.encode 'tidegate:[{"type":"reasoning","text":"Hm"}]' .. "}",
        '{"role":"assistant","content":"","reasoning":"Hm"}' },
    { "images that were made",
        '{"type":"image_generation_call","id":"ig_1","status":"completed","result":"AAAA"}',
        '{"role":"assistant","content":"","images":[{"type":"image_url","id":"ig_1","image_url":{"url":"data:image/png;base64,AAAA"}}]}' },
  } do
    it("has " .. case[1], function()
      local got, lost
      if case[2] then
        got, lost = request('{"model":"m","input":[' .. case[2] .. "]}")
      else
        got, lost = request '{"model":"m","instructions":"Be brief.","input":"Hi"}'
      end
      assert.same(cjson.decode("[" .. case[3] .. "]"), got.messages)
      assert.same({}, lost)
    end)
  end

  it("keeps items that the provider made as they are", function()
    local search = '{"type":"web_search_call","id":"ws_1","action":{"z":1,"a":12345678901234567890}}'
    local approval = '{"type":"mcp_approval_response","approval_request_id":"a","approve":true}'
    local got = messages("[" .. search .. "," .. approval .. ',{"role":"assistant","content":"T"}]')
    assert.equal(1, #got)
    assert.equal("T", got[1].content)
    assert.same({ search, approval }, { got[1].reasoning_details[1].data, got[1].reasoning_details[2].data })
    assert.same({ "reasoning.server_tool_call", "openai-responses-v1" }, { got[1].reasoning_details[1].type, got[1].reasoning_details[1].format })
  end)

  it("takes a custom call of no offered tool for the provider's own, unless it is answered", function()
    local call = '{"type":"custom_tool_call","call_id":"xs","name":"x_search","input":"{}"}'
    local tools = '"tools":[{"type":"x_search"}]'
    local got = request('{"input":[' .. call .. "]," .. tools .. "}").messages[1]
    assert.same({ call, nil }, { got.reasoning_details[1].data, got.tool_calls })
    got = request('{"input":[' .. call .. ',{"type":"custom_tool_call_output","call_id":"xs","output":"o"}],' .. tools .. "}").messages[1]
    assert.equal("xs", got.tool_calls[1].id)
  end)

  it("keeps the bytes of schemas, arguments and encrypted reasoning", function()
    local schema = '{"z":12345678901234567890,"a":1.0,"m":[],"o":{}}'
    local _, _, text = request('{"input":[{"type":"function_call","call_id":"c","name":"f",'
      .. '"arguments":"{\\"n\\":1.0,\\"b\\":12345678901234567890}"}],"tools":[{"type":"function","name":"f","parameters":' .. schema
      .. '}],"text":{"format":{"type":"json_schema","name":"n","schema":' .. schema .. "}}}")
    local _, count = text:gsub(schema:gsub("%p", "%%%0"), "")
    assert.equal(2, count)
    assert.truthy(text:find('"{\\"n\\":1.0,\\"b\\":12345678901234567890}"', 1, true))
  end)

  for _, case in ipairs {
    { "store",                 '"input":"x","store":true' },
    { "background",            '"input":"x","background":true' },
    { "previous_response_id",  '"input":"x","previous_response_id":"resp_1"' },
    { "conversation",          '"input":"x","conversation":"conv_1"' },
    { "prompt",                '"prompt":{"id":"p"}' },
    { "input",                 '"model":"m"' },
    { "input",                 '"input":5' },
    { "input[1]",              '"input":[{"role":"user","content":"x"},{"type":"item_reference","id":"i"}]' },
    { "input[0]",              '"input":["x"]' },
    { "input[0].role",         '"input":[{"role":"tool","content":"x"}]' },
    { "tools",                 '"input":"x","tools":{}' },
    { "tools[0]",              '"input":"x","tools":[5]' },
  } do
    it("is refused with a sentence about " .. case[1] .. ": " .. case[2], function()
      local out, why = converter.request("{" .. case[2] .. "}", {})
      assert.is_nil(out)
      assert.equal(case[1], why:match "^([%w_%[%].]+):")
    end)
  end

  it("tells what it loses", function()
    local _, lost = request('{"input":[{"role":"user","content":[{"type":"input_smell"}]}],"include":["web_search_call.action.sources"],'
      .. '"context_management":[{}],"tools":[{"type":"function","name":"f","defer_loading":true}]}')
    assert.same({ "context_management", "include", "input.input_smell", "tools.defer_loading" }, lost)
  end)
end)

-- ---- whole answers ----

local function answer(output, more)
  return '{"id":"resp_1","object":"response","created_at":17,"model":"m","status":"completed","output":[' .. output .. "]" .. (more or "") .. "}"
end

describe("A provider's response as a completion", function()
  it("has all that was said", function()
    local text = converter.answer(answer(
      '{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"A"}],"encrypted_content":"E"},'
      .. '{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[],"logprobs":[{"token":"Hi","logprob":-0.5}]}]},'
      .. '{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{}"}',
      ',"service_tier":"flex","usage":{"input_tokens":5,"output_tokens":6,"x":12345678901234567890}'))
    assert.same(cjson.decode [[{"id":"resp_1","object":"chat.completion","created":17,"model":"m","service_tier":"flex",
      "choices":[{"index":0,"finish_reason":"completed","native_finish_reason":"completed","logprobs":{"content":[{"token":"Hi","logprob":-0.5}]},
      "message":{"role":"assistant","content":"Hi","reasoning":"A","reasoning_details":[
        {"type":"reasoning.summary","summary":"A","id":"rs_1","format":"openai-responses-v1","index":0},
        {"type":"reasoning.encrypted","data":"E","id":"rs_1","format":"openai-responses-v1","index":1}],
      "tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]}}],
      "usage":{"input_tokens":5,"output_tokens":6,"x":12345678901234567890}}]], cjson.decode(text))
    assert.truthy(text:find('"x":12345678901234567890', 1, true))
  end)

  for _, case in ipairs {
    { '"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}', "max_output_tokens" },
    { '"status":"incomplete","incomplete_details":{"reason":"content_filter"}',    "content_filter" },
    { '"status":"incomplete","incomplete_details":null',                           "incomplete" },
    { '"status":"cancelled"',                                                      "cancelled" },
  } do
    it("ended for the provider's reason: " .. case[2], function()
      assert.equal(case[2], responses.chat(converter.answer('{"output":[],' .. case[1] .. "}")).finish)
    end)
  end

  it("is an error when it failed", function()
    assert.equal('{"error":{"code":"server_error","message":"no"}}',
      converter.answer '{"status":"failed","output":[],"error":{"code":"server_error","message":"no"}}')
    assert.truthy(converter.answer('{"status":"failed","output":[]}'):find "error")
    assert.equal('{"error":"words"}', converter.answer '{"error":"words","code":"c"}')
  end)

  for _, text in ipairs { "", "<html>", "[]", "{}", '{"status":"in_progress","output":[]}', '{"status":"completed"}',
                          '{"object":"response.compaction","output":[]}' } do
    it("is none: " .. text, function()
      local out, why = converter.answer(text)
      assert.same({ nil, "string" }, { out, type(why) })
    end)
  end

  it("counts tokens", function()
    assert.equal(60, converter.count_answer '{"object":"response.input_tokens","input_tokens":60}')
    assert.is_nil(converter.count_answer '{"error":{}}')
  end)
end)

-- ---- streams ----

local function convert(events)
  local out = {}
  local step = converter.stream(function(text) out[#out + 1] = text end, {})
  for _, event in ipairs(events) do assert.is_nil(select(2, step(event.name, event.data))) end
  return out
end

-- Everything that a stream can say, as OpenAI says it. A line that begins with spaces goes on with the one before.
local STREAM = [[
response.created {"response":{"id":"resp_1","status":"in_progress","tools":[{"type":"custom","name":"run"},{"type":"x_search"}]}}
response.in_progress {"response":{}}
response.output_item.added {"output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"early"}}
response.reasoning_summary_part.added {"output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}
response.reasoning_summary_text.delta {"output_index":0,"summary_index":0,"delta":"**A**\n"}
response.reasoning_summary_text.delta {"output_index":0,"summary_index":0,"delta":"a\u00e9"}
response.reasoning_summary_text.done {"output_index":0,"summary_index":0,"text":"**A**\na\u00e9"}
response.reasoning_summary_part.done {"output_index":0,"summary_index":0,"part":{"type":"summary_text","text":"**A**\na\u00e9"}}
response.reasoning_summary_text.delta {"output_index":0,"summary_index":1,"delta":"B"}
response.reasoning_summary_text.done {"output_index":0,"summary_index":1,"text":"B"}
response.output_item.done {"output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[
  {"type":"summary_text","text":"**A**\na\u00e9"},{"type":"summary_text","text":"B"}],"encrypted_content":"E1"}}
response.output_item.added {"output_index":1,"item":{"id":"ws_1","type":"web_search_call","status":"in_progress"}}
response.web_search_call.searching {"output_index":1,"item_id":"ws_1"}
keepalive {"sequence_number":13}
response.output_item.done {"output_index":1,"item":{"id":"ws_1","type":"web_search_call","status":"completed","action":{"z":1,"a":2}}}
response.output_item.added {"output_index":2,"item":{"id":"rs_2","type":"reasoning","summary":[],"content":[]}}
response.reasoning_text.delta {"output_index":2,"content_index":0,"delta":"Hm"}
response.reasoning_text.done {"output_index":2,"content_index":0,"text":"Hm"}
response.output_item.done {"output_index":2,"item":{"id":"rs_2","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"Hm"}]}}
response.output_item.added {"output_index":3,"item":{"id":"msg_1","type":"message","role":"assistant","content":[],"phase":"commentary"}}
response.content_part.added {"output_index":3,"content_index":0,"part":{"type":"output_text","text":""}}
response.output_text.delta {"output_index":3,"content_index":0,"delta":"He","logprobs":[{"token":"He","logprob":-0.5}]}
response.output_text.delta {"output_index":3,"content_index":0,"delta":"llo","logprobs":[{"token":"llo","logprob":0}]}
response.output_text.annotation.added {"output_index":3,"content_index":0,"annotation_index":0,"annotation":{"type":"url_citation","url":"u"}}
response.output_text.done {"output_index":3,"content_index":0,"text":"Hello","logprobs":[{"token":"He","logprob":-0.5},{"token":"llo","logprob":0}]}
response.content_part.done {"output_index":3,"content_index":0,"part":{"type":"output_text","text":"Hello"}}
response.output_item.done {"output_index":3,"item":{"id":"msg_1","type":"message","role":"assistant","phase":"commentary","content":[
  {"type":"output_text","text":"Hello","annotations":[{"type":"url_citation","url":"u"}],
  "logprobs":[{"token":"He","logprob":-0.5},{"token":"llo","logprob":0}]}]}}
response.output_item.added {"output_index":4,"item":{"id":"fc_1","type":"function_call","call_id":"c1","name":"f","arguments":"","namespace":"n"}}
response.function_call_arguments.delta {"output_index":4,"delta":"{\"a\":"}
response.function_call_arguments.delta {"output_index":4,"delta":"1}"}
response.function_call_arguments.done {"output_index":4,"arguments":"{\"a\":1}"}
response.output_item.done {"output_index":4,"item":{"id":"fc_1","type":"function_call","call_id":"c1","name":"f","arguments":"{\"a\":1}","namespace":"n"}}
response.output_item.added {"output_index":5,"item":{"id":"ctc_1","type":"custom_tool_call","call_id":"c2","name":"run","input":""}}
response.custom_tool_call_input.delta {"output_index":5,"delta":"ls"}
response.custom_tool_call_input.done {"output_index":5,"input":"ls"}
response.output_item.done {"output_index":5,"item":{"id":"ctc_1","type":"custom_tool_call","call_id":"c2","name":"run","input":"ls"}}
response.output_item.added {"output_index":6,"item":{"id":"ctc_2","type":"custom_tool_call","call_id":"xs_1","name":"x_keyword_search","input":""}}
response.custom_tool_call_input.delta {"output_index":6,"delta":"{}"}
response.custom_tool_call_input.done {"output_index":6,"input":"{}"}
response.output_item.done {"output_index":6,"item":{"id":"ctc_2","type":"custom_tool_call","call_id":"xs_1","name":"x_keyword_search","input":"{}"}}
response.output_item.added {"output_index":7,"item":{"id":"msg_2","type":"message","role":"assistant","content":[]}}
response.refusal.delta {"output_index":7,"content_index":0,"delta":"No."}
response.refusal.done {"output_index":7,"content_index":0,"refusal":"No."}
response.output_item.done {"output_index":7,"item":{"id":"msg_2","type":"message","role":"assistant","content":[{"type":"refusal","refusal":"No."}]}}
]]

-- The events of a text like the one above, and the response that ends it: its output is that of the items' ends.
local function stream_of(text, ending)
  local out, output = {}, {}
  for name, data in text:gsub("\n +", ""):gmatch "(%S+) ([^\n]*)\n" do
    out[#out + 1] = { name = name, data = '{"type":"' .. name .. '",' .. data:sub(2) }
    if name == "response.output_item.done" then output[#output + 1] = json.pick(data, "item") end
  end
  ending = ending or "completed"
  out[#out + 1] = { name = "response." .. ending, data = '{"type":"response.' .. ending .. '","response":{"id":"resp_1","status":"' .. ending
    .. '","incomplete_details":{"reason":"max_output_tokens"},"tools":[{"type":"custom","name":"run"},{"type":"x_search"}],"service_tier":"flex","output":['
    .. table.concat(output, ",") .. '],"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":8,'
    .. '"output_tokens_details":{"reasoning_tokens":7}}}}' }
  return out
end

local function without(events, is_gone)
  local out = {}
  for _, event in ipairs(events) do
    if not is_gone(event) then out[#out + 1] = event end
  end
  return out
end

local SAID = {
  text = "Hello", refusal = "No.", reasoning = "**A**\na\195\169\n\nB\n\nHm", phase = "commentary", tokens = 2, annotations = { "u" },
  signatures = { "E1" }, others = { "web_search_call", "custom_tool_call" },
  calls = { { id = "c1", name = "f", arguments = { a = 1 } }, { id = "c2", name = "run", input = "ls" } },
  usage = { prompt = 9, completion = 8, cached = 4, reasoning = 7 }, finish = "completed", complete = true,
}

describe("A provider's stream as chunks", function()
  it("says what the provider said", function()
    assert.same(SAID, responses.chunks(convert(stream_of(STREAM))))
  end)

  for _, case in ipairs {
    { "has no deltas",                         function(e) return e.name:find "%.delta$" end },
    { "has no deltas and no ends of parts",    function(e)
        return e.name:find "%.delta$" or e.name:find "%.done$" and e.name ~= "response.output_item.done"
      end },
    { "tells of items only when they are over", function(e)
        return e.name ~= "response.created" and e.name ~= "response.output_item.done" and e.name ~= "response.completed"
      end },
    { "has nothing but its first and its last event", function(e) return e.name ~= "response.created" and e.name ~= "response.completed" end },
    { "does not say when items are over",      function(e) return e.name == "response.output_item.done" end },
    { "does not say when items begin",         function(e) return e.name == "response.output_item.added" end },
    { "has no annotations of their own",       function(e) return e.name:find "annotation" end },
  } do
    it("says it also when it " .. case[1], function()
      assert.same(SAID, responses.chunks(convert(without(stream_of(STREAM), case[2]))))
    end)
  end

  it("knows events by their type where they have no name", function()
    local nameless, odd = {}, {}
    for i, event in ipairs(stream_of(STREAM)) do
      nameless[i] = { name = "", data = event.data }
      odd[i] = { name = "message", data = '{"sequence_number":1, "type" : "' .. event.name .. '",' .. event.data:sub(2) }
    end
    assert.same(SAID, responses.chunks(convert(nameless)))
    assert.same(SAID, responses.chunks(convert(odd)))
  end)

  it("is whole at its last event and not before", function()
    local events, out = stream_of(STREAM), {}
    local step = converter.stream(function(text) out[#out + 1] = text end, {})
    for i, event in ipairs(events) do
      assert.is_false(responses.chunks(out).complete, i)
      step(event.name, event.data)
    end
    assert.is_true(responses.chunks(out).complete)
    local count = #out
    step("", "[DONE]")
    step("response.output_text.delta", '{"delta":"more"}')
    assert.equal(count, #out)
  end)

  it("keeps apart items that overlap", function()
    local got = responses.chunks(convert(stream_of [[
response.output_item.added {"output_index":0,"item":{"type":"message","role":"assistant"}}
response.output_text.delta {"output_index":0,"content_index":0,"delta":"Yes"}
response.output_item.added {"output_index":1,"item":{"id":"rs_1","type":"reasoning"}}
response.output_item.done {"output_index":1,"item":{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"E"}}
response.output_text.delta {"output_index":0,"content_index":0,"delta":"."}
response.output_item.done {"output_index":0,"item":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Yes."}]}}
]]))
    assert.same({ "Yes.", { "E" } }, { got.text, got.signatures })
  end)

  it("keeps apart items that all have the same number", function()
    local got = responses.chunks(convert(stream_of [[
response.output_item.added {"output_index":0,"item":{"id":"m","type":"message","role":"assistant"}}
response.output_text.delta {"output_index":0,"content_index":0,"delta":"Yes."}
response.output_item.done {"output_index":0,"item":{"id":"m","type":"message","role":"assistant","content":[{"type":"output_text","text":"Yes."}]}}
response.output_item.added {"output_index":0,"item":{"id":"f","type":"function_call","call_id":"c","name":"f","arguments":""}}
response.output_item.done {"output_index":0,"item":{"id":"f","type":"function_call","call_id":"c","name":"f","arguments":"{}"}}
]]))
    assert.same({ "Yes.", { { id = "c", name = "f", arguments = {} } } }, { got.text, got.calls })
  end)

  it("keeps the bytes of what it passes on", function()
    local all = table.concat(convert(stream_of(STREAM)))
    for _, bytes in ipairs { '"content":"He"', [["a\u00e9"]], [["{\"a\":"]], [[\"action\":{\"z\":1,\"a\":2}]], '"namespace":"n"', '"data":"E1"' } do
      assert.truthy(all:find(bytes, 1, true), bytes)
    end
    assert.falsy(all:find("early", 1, true))
  end)

  it("tells in fragments which detail they are of, and where reasoning stood", function()
    local seen = {}
    for _, text in ipairs(convert(stream_of(STREAM))) do
      local list = text ~= "[DONE]" and json.pick(text, "choices.0.delta.reasoning_details")
      for _, detail in ipairs(list and cjson.decode(list) or {}) do
        local after = detail.after and ("%d"):format(detail.after) or "-"
        seen[#seen + 1] = ("%s %d %s %s"):format(detail.type:match "[%a_]+$", detail.index, detail.id or "-", after)
      end
    end
    assert.same({ "summary 0 rs_1 -", "summary 0 rs_1 -", "summary 1 rs_1 -", "encrypted 2 rs_1 -", "server_tool_call 3 - -", "text 4 rs_2 -",
                  "server_tool_call 5 - 3" }, seen)
  end)

  it("ends short for the provider's reason", function()
    local got = responses.chunks(convert(stream_of(STREAM, "incomplete")))
    assert.same({ "max_output_tokens", true }, { got.finish, got.complete })
  end)

  for name, data in pairs {
    ["response.failed"] = '{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"out of luck"}}}',
    ["error"] = '{"type":"error","code":"server_error","message":"out of luck","param":null}',
    ["error with an object"] = '{"type":"error","error":{"code":"server_error","message":"out of luck"}}',
    ["error of xAI's"] = '{"code":"Some words","error":"out of luck"}',
    ["response.error"] = '{"type":"response.error","code":"server_error","message":"out of luck"}',
  } do
    it("tells a failure: " .. name, function()
      local got = responses.chunks(convert { { name = "response.output_text.delta", data = '{"delta":"He"}' }, { name = name:match "^%S+", data = data },
                                             { name = "", data = "[DONE]" } })
      assert.same({ "He", "out of luck", false }, { got.text, got.error, got.complete })
    end)
  end

  it("has sound in pieces, and images that were made", function()
    local out = convert {
      { name = "response.audio.delta", data = '{"delta":"QUFB"}' }, { name = "response.audio.transcript.delta", data = '{"delta":"hi"}' },
      { name = "response.output_item.done", data = '{"output_index":0,"item":{"type":"image_generation_call","id":"ig","result":"AAAA"}}' },
    }
    assert.truthy(out[1]:find('"audio":{"data":"QUFB"}', 1, true))
    assert.truthy(out[2]:find('"audio":{"transcript":"hi"}', 1, true))
    assert.truthy(out[3]:find('"images":[{"id":"ig","image_url":{"url":"data:image/png;base64,AAAA"},"type":"image_url"}]', 1, true))
  end)

  it("ignores what it does not know, and refuses what is no JSON", function()
    local step = converter.stream(function(text) error(text) end, {})
    assert.same({}, { step("response.brand.new", '{"type":"response.brand.new"}') })
    assert.same({}, { step("response.output_text.delta", '{"type":"response.output_text.delta"}') })
    assert.equal("malformed", select(2, step("response.output_text.delta", '{"delta":"x')))
    assert.equal("malformed", select(2, step("", '{"delta":"x')))
  end)
end)

-- ---- what providers really said ----

-- Bodies that are no answers of this kind: a compaction, a count of tokens, and a chat completion.
local OTHERS = { ["openai/responses.json.05"] = true, ["openai/responses.json.json.01"] = true, ["azure/responses.json.reasoning.02"] = true }

describe("What providers of the Responses API really said", function()
  if not recordings.of("openai", "responses") then
    return it("is read here", function() pending "TIDEGATE_TEST_DATA is not set" end)
  end

  local random = transcripts.random(42)

  for _, provider in ipairs(PROVIDERS) do
    for _, r in ipairs(recordings.of(provider, "responses")) do
      local is_stream = r.status == 200 and (r.body:find "^%s*data:" or r.body:find "^%s*event:" or r.body:find "^%s*:")

      if is_stream then
        it("is in the chunks: " .. r.name, function()
          local events = responses.events(r.body)
          assert.same(responses.stream(r.body), responses.chunks(convert(events)))
        end)

        it("never looks whole when it is cut off: " .. r.name, function()
          local events, out = responses.events(r.body), {}
          if events[#events].data == "[DONE]" then events[#events] = nil end
          local step = converter.stream(function(text) out[#out + 1] = text end, {})
          for i = 1, #events - 1 do
            step(events[i].name, events[i].data)
            assert.not_equal("[DONE]", out[#out])
          end
          local last = r.body:find(events[#events].data, 1, true)
          for _ = 1, 10 do
            local cut = responses.events(r.body:sub(1, random(last)))
            assert.is_false(responses.chunks(convert(cut)).complete)
          end
        end)
      elseif r.status == 200 and not OTHERS[r.name] then
        it("is in the completion: " .. r.name, function()
          assert.same(responses.whole(r.body), responses.chat(converter.answer(r.body)))
        end)
      end
    end
  end
end)

-- ---- strange requests ----

describe("A request that is no request", function()
  local JUNK = { "5", '"x"', "[]", "{}", "true", '[1,"a",{}]', '{"type":"x","role":3}', "null" }
  local GOOD = '{"model":"m","instructions":"I","input":[{"role":"user","content":[{"type":"input_image","image_url":"u"}]},{"type":"reasoning",'
    .. '"summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"e"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},'
    .. '{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"t"}]}],"tools":[{"type":"function","name":"f","parameters":{}}],'
    .. '"tool_choice":{"type":"allowed_tools","tools":[{"type":"function","name":"f"}]},"text":{"format":{"type":"json_schema","schema":{}}},'
    .. '"include":["x"],"reasoning":{"effort":"low"},"stream_options":{}}'

  -- Each value of a decoded text: the table it is in, and its name there.
  local function places(t, found)
    for name, value in pairs(t) do
      found[#found + 1] = { t, name }
      if type(value) == "table" then places(value, found) end
    end
    return found
  end

  it("is converted or refused, whatever stands in the place of whatever", function()
    for i = 1, #places(json.decode(GOOD), {}) do
      for _, junk in ipairs(JUNK) do
        local body = json.decode(GOOD)
        local place = places(body, {})[i]
        place[1][place[2]] = json.raw(junk)
        local out, more = converter.request(json.encode(body), {})
        assert.equal(out and "table" or "string", type(more))
      end
    end
  end)
end)
