local cjson      = require "cjson"
local json       = require("tidegate.core").json
local converter  = require "tidegate.convert.chat_to_openai_responses"
local responses  = require "readings.openai_responses"

-- ---- requests ----

local function request(text, model)
  local out, lost = converter.request(text, { wire = "openai-responses", model = model or "m", provider = "p" })
  assert.is_string(out, lost)
  return cjson.decode(out), lost, out
end

local TOOL, SENT = '"tools":[{"type":"function","function":{"name":"f"}}]',
  ',"tools":[{"type":"function","name":"f","strict":false,"parameters":{"type":"object","properties":{}}}]'

local KEPT = '"include":["reasoning.encrypted_content"]'

describe("A chat request as a Responses request", function()
  for _, case in ipairs {
    -- what                              of the chat request                                  of the request
    { "the older output limit",          '"max_tokens":20',                                   KEPT .. ',"max_output_tokens":20' },
    { "the newer output limit",          '"max_completion_tokens":21',                        KEPT .. ',"max_output_tokens":21' },
    { "sampling",                        '"temperature":0.2,"top_p":0.9',                     KEPT .. ',"temperature":0.2,"top_p":0.9' },
    { "who asks",                        '"user":"u","safety_identifier":"s","metadata":{"a":"b"}',
                                         KEPT .. ',"user":"u","safety_identifier":"s","metadata":{"a":"b"}' },
    { "the tier, by OpenAI's name",      '"service_tier":"fast"',                             KEPT .. ',"service_tier":"priority"' },
    { "an effort and no more",           '"reasoning_effort":"low"',                          KEPT .. ',"reasoning":{"effort":"low"}' },
    { "an effort, of which something is to be seen", '"reasoning":{"effort":"max"}',          KEPT .. ',"reasoning":{"effort":"xhigh","summary":"auto"}' },
    { "an effort that is not to be seen", '"reasoning":{"effort":"low","exclude":true}',      KEPT .. ',"reasoning":{"effort":"low"}' },
    { "a summary as asked for",          '"reasoning":{"effort":"low","summary":"concise"}',  KEPT .. ',"reasoning":{"effort":"low","summary":"concise"}' },
    { "a budget as the nearest effort",  '"reasoning":{"max_tokens":800},"max_tokens":1000',
                                         KEPT .. ',"reasoning":{"effort":"high","summary":"auto"},"max_output_tokens":1000' },
    { "no reasoning",                    '"reasoning":{"enabled":false}',                     KEPT .. ',"reasoning":{"effort":"none"}' },
    { "verbosity",                       '"verbosity":"xhigh"',                               KEPT .. ',"text":{"verbosity":"high"}' },
    { "JSON",                            '"response_format":{"type":"json_object"}',          KEPT .. ',"text":{"format":{"type":"json_object"}}' },
    { "a schema",                        '"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"a":1},"strict":true}}',
                                         KEPT .. ',"text":{"format":{"type":"json_schema","name":"n","schema":{"a":1},"strict":true}}' },
    { "a function, which is strict only when told", '"tools":[{"type":"function","function":{"name":"f","description":"d"}}]',
      KEPT .. ',"tools":[{"type":"function","name":"f","description":"d","strict":false,"parameters":{"type":"object","properties":{}}}]' },
    { "a custom tool",                   '"tools":[{"type":"custom","custom":{"name":"c","format":{"type":"grammar","grammar":{"syntax":"regex",'
      .. '"definition":"x"}}}}]',
      KEPT .. ',"tools":[{"type":"custom","name":"c","format":{"type":"grammar","syntax":"regex","definition":"x"}}]' },
    { "a tool of OpenAI's",              '"tools":[{"type":"file_search","vector_store_ids":["v"]}]',
      KEPT .. ',"tools":[{"type":"file_search","vector_store_ids":["v"]}]' },
    { "Anthropic's search as OpenAI's",  '"tools":[{"type":"web_search_20250305","name":"web_search","allowed_domains":["a.b"],"max_uses":3}]',
      KEPT .. ',"tools":[{"type":"web_search","filters":{"allowed_domains":["a.b"]}}]' },
    { "chat's search",
      '"web_search_options":{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"X"}}}',
      KEPT .. ',"tools":[{"type":"web_search","search_context_size":"low","user_location":{"type":"approximate","city":"X"}}]' },
    { "the choice of a function",        TOOL .. ',"tool_choice":{"type":"function","function":{"name":"f"}}',
      KEPT .. SENT .. ',"tool_choice":{"type":"function","name":"f"}' },
    { "the choice among some",           TOOL .. ',"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function",'
      .. '"function":{"name":"f"}}]}}',
      KEPT .. SENT .. ',"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]}' },
    { "the choice of whether, as a word", TOOL .. ',"tool_choice":{"type":"required"}', KEPT .. SENT .. ',"tool_choice":"required"' },
    { "probabilities",                   '"logprobs":true,"top_logprobs":2',
      '"include":["reasoning.encrypted_content","message.output_text.logprobs"],"top_logprobs":2' },
    { "compression",                     '"transforms":["middle-out"]',                       KEPT .. ',"truncation":"auto"' },
    { "a stream",                        '"stream":true,"stream_options":{"include_usage":true}', KEPT .. ',"stream":true' },
    { "a stream's padding",              '"stream":true,"stream_options":{"include_obfuscation":false}',
      KEPT .. ',"stream":true,"stream_options":{"include_obfuscation":false}' },
    { "nothing of the gateway's own",
      '"provider":{"only":["x"]},"models":["a"],"plugins":[],"usage":{"include":true},"cache_control":{"type":"ephemeral"}', KEPT },
  } do
    it("has " .. case[1], function()
      local got, lost = request('{"model":"ours","messages":[{"role":"user","content":"Hi"}],' .. case[2] .. "}")
      assert.same(cjson.decode('{"model":"m","store":false,"input":[{"role":"user","content":"Hi"}],' .. case[3] .. "}"), got)
      assert.same({}, lost)
    end)
  end

  it("has no choice that is forced where no tool is left", function()
    local got, lost = request '{"messages":[],"tools":[{"type":"openrouter:web_search"}],"tool_choice":"required"}'
    assert.is_nil(got.tool_choice)
    assert.same({ "tool_choice", "tools.openrouter:web_search" }, lost)
  end)

  for model, asks in pairs {
    ["gpt-5.1"] = true, ["o4-mini"] = true, ["grok-4.3"] = true, ["openai/gpt-oss-20b"] = true, ["gpt-5-codex"] = true,
    ["gpt-4o"] = false, ["gpt-4.1-mini"] = false, ["gpt-3.5-turbo"] = false, ["gpt-5-chat-latest"] = false, ["openai/gpt-4o"] = false,
  } do
    it((asks and "asks for encrypted reasoning: " or "asks for none of what does not reason: ") .. model, function()
      assert.same(asks and { "reasoning.encrypted_content" } or nil, request('{"messages":[]}', model).include)
    end)
  end

  local ENCRYPTED = '{"type":"reasoning.encrypted","data":"E","id":"rs_1","format":"openai-responses-v1","index":2}'

  for _, case in ipairs {
    -- what                              messages                                             items
    { "instructions in their places",    '{"role":"system","content":"S"},{"role":"developer","content":[{"type":"text","text":"D"}]}',
      '{"role":"system","content":"S"},{"role":"developer","content":[{"type":"input_text","text":"D"}]}' },
    { "who speaks, in the text",         '{"role":"user","name":"Ann","content":"Hi"}',       '{"role":"user","content":"Ann: Hi"}' },
    { "images, files and sound",
      '{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x/i.png","detail":"low"}},{"type":"file",'
        .. '"file":{"file_data":"data:application/pdf;base64,AA=="}},'
      .. '{"type":"file","file":{"filename":"b.pdf","file_url":"http://x/b.pdf"}},{"type":"file","file":{"file_id":"f1"}},{"type":"input_audio",'
      .. '"input_audio":{"data":"AA","format":"wav"}}]}',
      '{"role":"user","content":[{"type":"input_image","image_url":"http://x/i.png","detail":"low"},{"type":"input_file","filename":"file.pdf",'
        .. '"file_data":"data:application/pdf;base64,AA=="},'
      .. '{"type":"input_file","filename":"b.pdf","file_url":"http://x/b.pdf"},{"type":"input_file","file_id":"f1"},{"type":"input_audio",'
      .. '"input_audio":{"data":"AA","format":"wav"}}]}' },
    { "calls and results",
      '{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":""}},{"id":"c2","type":"custom",'
        .. '"custom":{"name":"x","input":"ls"}}]},'
      .. '{"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"42"}]},{"role":"tool","tool_call_id":"c2","content":[{"type":"text",'
      .. '"text":"a"},{"type":"image_url","image_url":{"url":"u"}}]}',
      '{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},{"type":"custom_tool_call","call_id":"c2","name":"x","input":"ls"},'
      .. '{"type":"function_call_output","call_id":"c1","output":"42"},{"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text",'
      .. '"text":"a"},{"type":"input_image","image_url":"u","detail":"auto"}]}' },
    { "ids of calls that are no longer than OpenAI takes, and none twice",
      '{"role":"assistant","tool_calls":[{"id":"' .. ("x"):rep(70) .. '","function":{"name":"f"}}]},{"role":"tool","tool_call_id":"' .. ("x"):rep(70)
        .. '","content":"1"},{"role":"assistant","tool_calls":[{"id":"' .. ("x"):rep(70) .. '","function":{"name":"f"}}]},{"role":"tool",'
        .. '"tool_call_id":"' .. ("x"):rep(70) .. '","content":"2"}',
      '{"type":"function_call","call_id":"' .. ("x"):rep(64) .. '","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"'
        .. ("x"):rep(64) .. '","output":"1"},{"type":"function_call","call_id":"' .. ("x"):rep(62) .. '_2","name":"f","arguments":"{}"},'
        .. '{"type":"function_call_output","call_id":"' .. ("x"):rep(62) .. '_2","output":"2"}' },
    { "no turn of the model's without words",
      '{"role":"user","content":"a"},{"role":"assistant","content":null},{"role":"assistant","content":"","refusal":""}',
      '{"role":"user","content":"a"}' },
    { "a turn: reasoning, text, calls",
      '{"role":"assistant","content":"I look.","phase":"commentary","reasoning":"AB","reasoning_details":['
      .. '{"type":"reasoning.summary","summary":"A","id":"rs_1","format":"openai-responses-v1","index":0},{"type":"reasoning.summary","summary":"B",'
      .. '"id":"rs_1","format":"openai-responses-v1","index":1},'
      .. ENCRYPTED .. '],"tool_calls":[{"id":"c1","type":"function","namespace":"n","function":{"name":"f","arguments":"{}"}}]}',
      '{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"A"},{"type":"summary_text","text":"B"}],"encrypted_content":"E"},'
      .. '{"role":"assistant","content":"I look.","phase":"commentary"},{"type":"function_call","call_id":"c1","name":"f","arguments":"{}",'
      .. '"namespace":"n"}' },
    { "reasoning whose fragments nobody joined",
      '{"role":"assistant","content":"x","reasoning_details":[{"type":"reasoning.summary","summary":"A","id":"rs_1","format":"openai-responses-v1",'
        .. '"index":0},'
      .. '{"type":"reasoning.summary","summary":"a","id":"rs_1","format":"openai-responses-v1","index":0},' .. ENCRYPTED .. "]}",
      '{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Aa"}],"encrypted_content":"E"},{"role":"assistant","content":"x"}' },
    { "reasoning between calls, where it stood",
      '{"role":"assistant","content":"x","reasoning_details":[{"type":"reasoning.encrypted","data":"1","format":"xai-responses-v1"},'
      .. '{"type":"reasoning.encrypted","data":"2","format":"openai-responses-v1","after":2}],"tool_calls":['
      .. '{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]}',
      '{"type":"reasoning","summary":[],"encrypted_content":"1"},{"role":"assistant","content":"x"},{"type":"function_call","call_id":"c1","name":"f",'
        .. '"arguments":"{}"},'
      .. '{"type":"reasoning","summary":[],"encrypted_content":"2"},{"type":"function_call","call_id":"c2","name":"g","arguments":"{}"}' },
    { "what the provider ran, as it was",
      '{"role":"assistant","content":"x","reasoning_details":[{"type":"reasoning.server_tool_call","format":"openai-responses-v1",'
        .. '"data":"{\\"type\\":\\"web_search_call\\",\\"id\\":\\"ws\\"}"}]}',
      '{"type":"web_search_call","id":"ws"},{"role":"assistant","content":"x"}' },
    { "reasoning in the open, of models that need no encryption",
      '{"role":"assistant","content":"x","reasoning_details":[{"type":"reasoning.text","text":"Hm","id":"r","format":"openai-responses-v1","index":0}]}',
      '{"type":"reasoning","id":"r","summary":[],"content":[{"type":"reasoning_text","text":"Hm"}]},{"role":"assistant","content":"x"}' },
    { "refusals and citations",
      '{"role":"assistant","content":"T","refusal":"No.","annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t"}},'
      .. '{"type":"citation","format":"openai-responses","citation":{"type":"file_citation","file_id":"f","index":1}}]}',
      '{"role":"assistant","content":[{"type":"output_text","text":"T","annotations":[{"type":"url_citation","url":"u","title":"t","start_index":0,'
        .. '"end_index":0},'
      .. '{"type":"file_citation","file_id":"f","index":1}]},{"type":"refusal","refusal":"No."}]}' },
    { "other providers' citations, as those of files",
      '{"role":"assistant","content":"T","annotations":[{"type":"url_citation","url_citation":{"url":"u"}},'
        .. '{"type":"citation","format":"cohere-v2","citation":{"start":0}}]}',
      '{"role":"assistant","content":[{"type":"output_text","text":"T","annotations":[{"type":"url_citation","url":"u","title":"","start_index":0,'
        .. '"end_index":0},{"type":"file_citation","file_id":"","filename":"","index":0,'
        .. '"annotation":{"type":"citation","format":"cohere-v2","citation":{"start":0}}}]}]}' },
    { "images that were made here",
      '{"role":"assistant","content":"","images":[{"type":"image_url","id":"ig","image_url":{"url":"data:image/png;base64,AAAA"}}]}',
      '{"type":"image_generation_call","id":"ig","status":"completed","result":"AAAA"}' },
  } do
    it("has " .. case[1], function()
      local got, lost = request('{"messages":[' .. case[2] .. "]}")
      assert.same(cjson.decode("[" .. case[3] .. "]"), got.input)
      assert.same({}, lost)
    end)
  end

  it("marks where to cache for those that know such marks", function()
    local text = '"messages":[{"role":"user","content":[{"type":"text","text":"T","cache_control":{"type":"ephemeral"}}]}]}'
    assert.is_nil(request("{" .. text).input[1].content[1].prompt_cache_breakpoint)
    assert.same({ mode = "explicit" }, request('{"prompt_cache_options":{"mode":"explicit"},' .. text).input[1].content[1].prompt_cache_breakpoint)
  end)

  it("keeps the bytes of schemas and arguments", function()
    local schema = '{"z":12345678901234567890,"a":1.0,"m":[],"o":{}}'
    local _, _, text = request('{"messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f",'
      .. '"arguments":"{\\"n\\":1.0}"}}]}],'
      .. '"tools":[{"type":"function","function":{"name":"f","parameters":' .. schema .. '}}],"response_format":{"type":"json_schema",'
      .. '"json_schema":{"name":"n","schema":'
      .. schema .. "}}}")
    local _, count = text:gsub(schema:gsub("%p", "%%%0"), "")
    assert.equal(2, count)
    assert.truthy(text:find('"{\\"n\\":1.0}"', 1, true))
  end)

  it("tells what it loses", function()
    local _, lost = request('{"stop":["x"],"seed":1,"n":2,"response_format":{"type":"grammar"},"tools":[{"type":"openrouter:datetime"},'
      .. '{"type":"bash_20250124","name":"bash"}],'
      .. '"messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"u"}}]},{"role":"tool","tool_call_id":"c","content":"x",'
      .. '"is_error":true},'
      .. '{"role":"assistant","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"u"}}],"reasoning":"Hm"},{"role":"assistant",'
      .. '"content":"x","images":[{"type":"image_url","image_url":{"url":"u"}}],'
      .. '"reasoning_details":[{"type":"reasoning.text","text":"Hm","signature":"S","format":"anthropic-claude-v1"}]},{"role":"function","content":"x"}]}')
    assert.same({
      "messages.function", "messages.image", "messages.images", "messages.is_error", "messages.reasoning", "messages.reasoning_details", "messages.video",
      "n", "response_format", "seed", "stop", "tools.bash_20250124", "tools.openrouter:datetime",
    }, lost)
  end)

  it("loses OpenAI's reasoning without its encrypted content, for nothing is kept at the provider", function()
    local got, lost = request('{"messages":[{"role":"assistant","content":"x","reasoning_details":[{"type":"reasoning.summary","summary":"A",'
      .. '"id":"rs_1","format":"openai-responses-v1"}]}]}')
    assert.same({ { role = "assistant", content = "x" } }, got.input)
    assert.same({ "messages.reasoning_details" }, lost)
  end)

  it("is refused when it is none", function()
    local out, why = converter.request("{", {})
    assert.same({ nil, "string" }, { out, type(why) })
  end)

  it("asks for a count with what is counted", function()
    local out = converter.count('{"messages":[{"role":"user","content":"Hi"}],"max_tokens":5,"stream":false,'
      .. '"tools":[{"type":"web_search"}]}', { model = "m" })
    assert.same({ model = "m", input = { { role = "user", content = "Hi" } }, tools = { { type = "web_search" } } }, cjson.decode(out))
    assert.same({ object = "response.input_tokens", input_tokens = 7 }, cjson.decode(converter.count_answer(7)))
  end)

  it("asks for embeddings as everywhere", function()
    assert.equal('{"model":"m","input":["a"],"x":1.0}', (converter.embeddings('{"model":"ours","input":["a"],"x":1.0}', { model = "m" })))
  end)
end)

-- ---- streams ----

local HEAD = '{"id":"gen-1700000000-AbCdEfGhIjKlMnOpQrSt","object":"chat.completion.chunk","created":1700000000,"model":"a/b","provider":"P","choices":['

local function delta(members, more)
  return HEAD .. '{"index":0,"delta":{"role":"assistant",' .. members .. '},"finish_reason":null,"native_finish_reason":null' .. (more or "") .. "}]}"
end

local USAGE = '{"prompt_tokens":20,"completion_tokens":8,"total_tokens":28,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},'
  .. '"completion_tokens_details":{"reasoning_tokens":3},"cost":0.00140355,"is_byok":false,"cost_details":{"upstream_inference_cost":0.00140355,'
  .. '"upstream_inference_prompt_cost":0.001,"upstream_inference_completions_cost":0.00040355},"server_tool_use_details":{"web_search_requests":1}}'

local function ending(reason, native)
  local choice = '{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"' .. reason .. '","native_finish_reason":"' .. native .. '"}'
  return HEAD .. choice .. "]}", HEAD .. choice .. '],"service_tier":"flex","usage":' .. USAGE .. ',"openrouter_metadata":{"attempt":1}}', "[DONE]"
end

-- The frames for these chunks.
local function convert(list)
  local out = {}
  local step = converter.stream(function(frame) out[#out + 1] = frame end, {})
  for _, chunk in ipairs(list) do step(chunk) end
  return out
end

local function frames(...)
  local list = { ... }
  for _, chunk in ipairs { ending("tool_calls", "tool_use") } do list[#list + 1] = chunk end
  return convert(list)
end

local function text_of(list) return table.concat(list) end

-- "type" of each frame, and where it says more, of what.
local function told(list)
  local out = {}
  for i, frame in ipairs(list) do
    local data = frame:match "data: ([^\n]*)\n\n$"
    if data == "[DONE]" then
      out[i] = data
    else
      local e = cjson.decode(data)
      assert.equal("event: " .. e.type .. "\ndata: " .. data .. "\n\n", frame)
      assert.equal(i - 1, e.sequence_number)
      out[i] = e.type:gsub("^response%.", "") .. (e.output_index and (" %d"):format(e.output_index) or "") .. (e.delta and " " .. e.delta or "")
    end
  end
  return out
end

describe("A chat stream as Responses events", function()
  it("tells each item with its events, in order, and all of it in the end", function()
    local list = frames(delta '"content":"Hel"', delta '"content":"lo"',
      delta '"content":"","tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}]',
      delta '"content":"","tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\":1}"}}]')
    assert.same({ "created", "in_progress", "output_item.added 0", "content_part.added 0", "output_text.delta 0 Hel", "output_text.delta 0 lo",
      "output_text.done 0", "content_part.done 0", "output_item.done 0", "output_item.added 1", 'function_call_arguments.delta 1 {"a":1}',
      "function_call_arguments.done 1", "output_item.done 1", "completed", "[DONE]" }, told(list))

    local response = cjson.decode(list[#list - 1]:match "data: ([^\n]*)").response
    assert.same({ { id = "msg_1700000000AbCdEfGhIjKlMnOpQrSt00", type = "message", role = "assistant", status = "completed",
                    content = { { type = "output_text", text = "Hello", annotations = {}, logprobs = {} } } },
                  { id = "fc_1700000000AbCdEfGhIjKlMnOpQrSt01", type = "function_call", call_id = "c1", name = "f", arguments = '{"a":1}',
                    status = "completed" } }, response.output)
    assert.same({ "gen-1700000000-AbCdEfGhIjKlMnOpQrSt", "response", 1700000000, "a/b", "completed", "flex" },
      { response.id, response.object, response.created_at, response.model, response.status, response.service_tier })
    assert.same({ attempt = 1 }, response.openrouter_metadata)
  end)

  it("has usage under its own names, to the digit", function()
    local list = frames(delta '"content":"x"')
    local usage = json.pick(list[#list - 1]:match "data: ([^\n]*)", "response.usage")
    assert.same({ input_tokens = 20, output_tokens = 8, total_tokens = 28, input_tokens_details = { cached_tokens = 4, cache_write_tokens = 2 },
      output_tokens_details = { reasoning_tokens = 3 }, cost = 0.00140355, is_byok = false, server_tool_use_details = { web_search_requests = 1 },
      cost_details = { upstream_inference_cost = 0.00140355, upstream_inference_input_cost = 0.001, upstream_inference_output_cost = 0.00040355 } },
      cjson.decode(usage))
    assert.truthy(usage:find('"cost":0.00140355', 1, true))
  end)

  it("has the counts that clients insist on where nobody told them", function()
    local list = convert { delta '"content":"x"', HEAD .. '],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,'
      .. '"prompt_tokens_details":{"audio_tokens":1}}}', "[DONE]" }
    assert.same({ input_tokens = 1, output_tokens = 2, total_tokens = 3, input_tokens_details = { cached_tokens = 0, audio_tokens = 1 },
      output_tokens_details = { reasoning_tokens = 0 } }, cjson.decode(json.pick(list[#list - 1]:match "data: ([^\n]*)", "response.usage")))
  end)

  for _, case in ipairs {
    { "stop", "completed" }, { "tool_calls", "completed" }, { "length", "incomplete", "max_output_tokens" },
    { "content_filter", "incomplete", "content_filter" },
  } do
    it("ends " .. case[2] .. (case[3] and ", " .. case[3] or "") .. " when chat's ends with " .. case[1], function()
      local list = convert { delta '"content":"x"', ending(case[1], "native") }
      local said, final = responses.stream(text_of(list))
      assert.equal(case[3] or case[2], final.finish)
      assert.same(final, said)
      assert.equal("data: [DONE]\n\n", list[#list])
      assert.equal("response." .. case[2], list[#list - 1]:match "^event: (%S+)")
    end)
  end

  it("tells an error as the end, in this format's code and the contract's type", function()
    local list = convert { delta '"content":"x"', HEAD .. '{"index":0,"delta":{"content":""},"finish_reason":"error"}],'
      .. '"error":{"code":502,"message":"gone","error_type":"provider_unavailable","metadata":{"error_type":"provider_unavailable"}}}', "[DONE]" }
    local response = cjson.decode(list[#list]:match "data: ([^\n]*)").response
    assert.same({ "failed", { code = "server_error", message = "gone" }, "provider_unavailable", "x", "incomplete" },
      { response.status, response.error, response.error_type, response.output[1].content[1].text, response.output[1].status })
  end)

  for kind, code in pairs { rate_limit_exceeded = "rate_limit_exceeded", invalid_request = "invalid_prompt",
                            content_policy_violation = "image_content_policy_violation", timeout = "server_error" } do
    it("has a code for " .. kind .. ": " .. code, function()
      local list = convert { HEAD .. '],"error":{"code":400,"message":"m","metadata":{"error_type":"' .. kind .. '"}}}' }
      assert.same({ code = code, message = "m" }, cjson.decode(list[#list]:match "data: ([^\n]*)").response.error)
    end)
  end

  it("tells an error of too many tokens as an answer that ran out of them", function()
    local list = convert { delta '"content":"x"', HEAD .. '],"error":{"code":400,"message":"m","error_type":"token_limit_exceeded"}}' }
    local got = responses.stream(text_of(list))
    assert.same({ "x", "max_output_tokens", true, nil }, { got.text, got.finish, got.complete, got.error })
    assert.equal("data: [DONE]\n\n", list[#list])
  end)

  it("keeps the bytes of what it passes on", function()
    local all = text_of(frames(delta [["content":"a\u00e9\/"]], delta [["content":"\ud83d"]], delta [["content":"\ude00"]],
      delta [=["content":"","tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{\"n\":12345678901234567890}"}}]]=]))
    assert.truthy(all:find([["text":"a\u00e9\/\ud83d\ude00"]], 1, true))
    assert.truthy(all:find([["arguments":"{\"n\":12345678901234567890}"]], 1, true))
  end)

  it("keeps apart calls that are said in turns", function()
    local got, final = responses.stream(text_of(frames(
      delta('"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{\\"a\\""}},'
        .. '{"index":1,"id":"c2","type":"function","function":{"name":"g","arguments":""}}]'),
      delta '"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]', delta '"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]')))
    assert.same({ { id = "c1", name = "f", arguments = { a = 1 } }, { id = "c2", name = "g", arguments = {} } }, got.calls)
    assert.same(final, got)
  end)

  it("has custom calls, refusals, citations, probabilities, sound and images", function()
    local list = frames(delta('"content":"Hi"', ',"logprobs":{"content":[{"token":"Hi","logprob":-0.5}]}'),
      delta '"content":"","annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t"}}]',
      delta '"content":"","refusal":"No."',
      delta '"content":"","audio":{"id":"a","data":"QUFB","transcript":"Hi"}',
      delta '"content":"","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]',
      delta '"content":"","tool_calls":[{"index":0,"id":"c","type":"custom","custom":{"name":"run","input":""}}]',
      delta '"content":"","tool_calls":[{"index":0,"custom":{"input":"ls"}}]')
    local got, final = responses.stream(text_of(list))
    assert.same(final, got)
    assert.same({ "Hi", "No.", 1, { "u" }, { { id = "c", name = "run", input = "ls" } }, { "image_generation_call" } },
      { got.text, got.refusal, got.tokens, got.annotations, got.calls, got.others })
    local output = cjson.decode(list[#list - 1]:match "data: ([^\n]*)").response.output
    assert.same({ type = "output_audio", data = "QUFB", transcript = "Hi" }, output[1].content[3])
    assert.equal("AAAA", output[2].result)
  end)

  it("begins another message where the phase changes or calls stood between", function()
    local list = frames(delta '"content":"","phase":"commentary"', delta '"content":"a"', delta '"content":"","phase":"final_answer"', delta '"content":"b"',
      delta '"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]', delta '"content":"c"')
    local output, seen = cjson.decode(list[#list - 1]:match "data: ([^\n]*)").response.output, {}
    for i, item in ipairs(output) do seen[i] = item.type .. " " .. (item.phase or "-") .. " " .. (item.content and item.content[1].text or "-") end
    assert.same({ "message commentary a", "message final_answer b", "function_call - -", "message - c" }, seen)
  end)
end)

-- ---- whole answers ----

describe("A whole chat answer as a response", function()
  it("has all that was said, in the order in which it was said", function()
    local text = converter.answer('{"id":"gen-1700000000-AbCdEfGhIjKlMnOpQrSt","object":"chat.completion","created":1700000000,"model":"a/b","provider":"P",'
      .. '"choices":[{"index":0,"logprobs":{"content":[{"token":"Hi","logprob":-0.5}]},"finish_reason":"tool_calls","native_finish_reason":"completed",'
      .. '"message":{"role":"assistant",'
      .. '"content":"Hi","refusal":null,"reasoning":"A","reasoning_details":[{"type":"reasoning.summary","summary":"A","id":"rs_1",'
      .. '"format":"openai-responses-v1","index":0},'
      .. '{"type":"reasoning.encrypted","data":"E","id":"rs_1","format":"openai-responses-v1","index":1},'
      .. '{"type":"reasoning.encrypted","data":"F","id":"rs_2","format":"openai-responses-v1","index":2,"after":2}],'
      .. '"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},{"index":1,"id":"c2","type":"function",'
      .. '"function":{"name":"g","arguments":"{}"}}]}}],'
      .. '"usage":' .. USAGE .. "}")
    local response, kinds = cjson.decode(text), {}
    for i, item in ipairs(response.output) do kinds[i] = item.type .. " " .. (item.encrypted_content or item.name or "-") end
    assert.same({ "reasoning E", "message -", "function_call f", "reasoning F", "function_call g" }, kinds)
    local got = responses.whole(text)
    assert.same({ "Hi", "A", 1, "completed", 20 }, { got.text, got.reasoning, got.tokens, got.finish, got.usage.prompt })
    for _, name in ipairs {
      "object", "created_at", "status", "error", "incomplete_details", "instructions", "metadata", "model", "output", "parallel_tool_calls",
      "temperature", "tool_choice", "tools", "top_p", "max_output_tokens", "previous_response_id", "reasoning", "text", "truncation", "usage",
    } do
      assert.is_not_nil(response[name], name)
    end
  end)

  it("has reasoning without details, and none of it twice", function()
    local function items(message)
      local out = {}
      local text = converter.answer('{"id":"gen-1","created":1,"model":"m","choices":[{"message":' .. message .. ',"finish_reason":"stop"}]}')
      for i, item in ipairs(cjson.decode(text).output) do
        out[i] = item.type .. " " .. (item.content and item.content[1].text or "-")
      end
      return out
    end
    assert.same({ "reasoning Hm", "message x" }, items '{"content":"x","reasoning":"Hm"}')
    assert.same({ "reasoning Hm", "message x" }, items('{"content":"x","reasoning":"Hm","reasoning_details":['
      .. '{"type":"reasoning.text","text":"Hm","signature":"S","format":"anthropic-claude-v1"}]}'))
    assert.same({ "reasoning Hm" }, items('{"content":null,"reasoning":"Hm","reasoning_details":['
      .. '{"type":"reasoning.encrypted","data":"G","format":"google-gemini-v1"}]}'))
  end)

  it("tells that it is cut short, or broken", function()
    local function said(choice)
      return responses.whole(converter.answer('{"id":"gen-1","created":1,"model":"m","choices":[{"message":{"content":"x"},' .. choice .. "}]}"))
    end
    assert.equal("max_output_tokens", said '"finish_reason":"length"'.finish)
    local got = said '"finish_reason":"error","error":{"code":502,"message":"gone","metadata":{"error_type":"provider_unavailable"}}'
    assert.same({ "failed", "gone", "x", false }, { got.finish, got.error, got.text, got.complete })
  end)
end)
