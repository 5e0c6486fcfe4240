local cjson       = require "cjson"
local json        = require("tidegate.core").json
local converter   = require "tidegate.convert.anthropic_messages_to_chat"
local recordings  = require "wire_recordings"
local transcripts = require "transcripts"
local chunks      = require "readings.chunks"
local anthropic   = require "readings.anthropic_messages"

local unpack = rawget(_G, "unpack") or rawget(table, "unpack")

-- ---- what a client asks ----

-- A request with these members, JSON text without braces, as chat; decoded.
local function asked(members, messages)
  local text, lost = converter.request('{"model":"a/b","messages":' .. (messages or '[{"role":"user","content":"hi"}]')
    .. (members and "," .. members or "") .. "}")
  assert(text, lost)
  return cjson.decode(text), lost, text
end

local function messages_of(list) return asked(nil, list).messages end

describe("anthropic_messages_to_chat.request", function()
  it("turns the system prompt into the first message", function()
    assert.same({ role = "system", content = "Be brief." }, asked('"system":"Be brief."').messages[1])
    assert.same({ role = "system", content = "Be brief." }, asked('"system":[{"type":"text","text":"Be brief."}]').messages[1])
    assert.same({ role = "system", content = { { type = "text", text = "a" },
      { type = "text", text = "b", cache_control = { type = "ephemeral", ttl = "1h" } } } },
      asked('"system":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral","ttl":"1h"}}]').messages[1])
  end)

  it("leaves system messages of mid-conversation where they are", function()
    local out, lost = asked(nil, [[ [{"role":"user","content":"hi"},{"role":"system","content":[{"type":"text","text":"Now German."},
      {"type":"tool_addition","tool":{"type":"tool_reference","name":"f"}}]}] ]])
    assert.same({ role = "system", content = "Now German." }, out.messages[2])
    assert.same({ "messages.tool_addition" }, lost)
  end)

  for what, case in pairs {
    ["a text"] = { '{"type":"text","text":"x"}', "x" },
    ["a text with a breakpoint"] = { '{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}',
      { { type = "text", text = "x", cache_control = { type = "ephemeral" } } } },
    ["a picture in bytes"] = { '{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}',
      { { type = "image_url", image_url = { url = "data:image/png;base64,aGk=" } } } },
    ["a picture at a URL"] = { '{"type":"image","source":{"type":"url","url":"https://x/y.png"},"cache_control":{"type":"ephemeral"}}',
      { { type = "image_url", image_url = { url = "https://x/y.png" }, cache_control = { type = "ephemeral" } } } },
    ["a picture that was uploaded, as it is"] = { '{"type":"image","source":{"type":"file","file_id":"file_1"}}',
      { { type = "image", source = { type = "file", file_id = "file_1" } } } },
    ["a PDF"] = { '{"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"aGk="}}',
      { { type = "file", file = { filename = "a.pdf", file_data = "data:application/pdf;base64,aGk=" } } } },
    ["a document that may be cited"] = {
      '{"type":"document","context":"c","citations":{"enabled":true},"source":{"type":"text","media_type":"text/plain","data":"hi"}}',
      { { type = "file", file = { file_data = "data:text/plain;base64,aGk=" }, context = "c", citations = { enabled = true } } } },
    ["a document at a URL"] = { '{"type":"document","source":{"type":"url","url":"https://x/y.pdf"}}',
      { { type = "file", file = { file_url = "https://x/y.pdf" } } } },
    ["a document that was uploaded"] = { '{"type":"document","source":{"type":"file","file_id":"file_1"}}',
      { { type = "file", file = { file_id = "file_1" } } } },
    ["a kind of its own, as it is"] = { '{"type":"search_result","source":"s","title":"t","content":[]}',
      { { type = "search_result", source = "s", title = "t", content = {} } } },
  } do
    it("understands in a user's turn " .. what, function()
      assert.same({ role = "user", content = case[2] }, messages_of('[{"role":"user","content":[' .. case[1] .. "]}]")[1])
    end)
  end

  it("makes a message of every tool's result, before what else the user says", function()
    assert.same({
      { role = "tool", tool_call_id = "t1", content = "22 degrees" },
      { role = "tool", tool_call_id = "t2", content = { { type = "text", text = "see" },
        { type = "image_url", image_url = { url = "data:image/png;base64,aGk=" } } }, is_error = true,
        cache_control = { type = "ephemeral" } },
      { role = "tool", tool_call_id = "t3", content = "" },
      { role = "user", content = "And now?" },
    }, messages_of [[ [{"role":"user","content":[
      {"type":"tool_result","tool_use_id":"t1","content":"22 degrees"},
      {"type":"tool_result","tool_use_id":"t2","is_error":true,"cache_control":{"type":"ephemeral"},"content":[{"type":"text","text":"see"},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}]},
      {"type":"tool_result","tool_use_id":"t3"},
      {"type":"text","text":"And now?"}]}] ]])
  end)

  it("keeps signatures, redacted thinking and arguments of a model's turn to the byte", function()
    local _, _, text = asked(nil, [[ [{"role":"assistant","content":[
      {"type":"thinking","thinking":"Hm.","signature":"EuY=+/"},{"type":"redacted_thinking","data":"EvgF=="},
      {"type":"text","text":"One"},
      {"type":"tool_use","id":"toolu_1","name":"f","input":{ "z":12345678901234567890, "a":1.0 }}]}] ]])
    local m = cjson.decode(text).messages[1]
    assert.same({
      { type = "reasoning.text", text = "Hm.", signature = "EuY=+/", format = "anthropic-claude-v1", index = 0 },
      { type = "reasoning.encrypted", data = "EvgF==", format = "anthropic-claude-v1", index = 1 },
    }, m.reasoning_details)
    assert.equal("Hm.", m.reasoning)
    assert.equal("One", m.content)
    assert.same({ { id = "toolu_1", type = "function", ["function"] = { name = "f", arguments = '{ "z":12345678901234567890, "a":1.0 }' } } },
      m.tool_calls)
  end)

  it("takes thinking without a signature as reasoning that nobody needs back", function()
    assert.same({ role = "assistant", content = "x", reasoning = "Hm." }, messages_of [[ [{"role":"assistant","content":[
      {"type":"thinking","thinking":"Hm.","signature":""},{"type":"text","text":"x"}]}] ]] [1])
  end)

  for what, case in pairs {
    ["a choice of the model's"] = { '"tool_choice":{"type":"auto"}', { tool_choice = "auto" } },
    ["any tool"] = { '"tool_choice":{"type":"any","disable_parallel_tool_use":true}',
      { tool_choice = "required", parallel_tool_calls = false } },
    ["one tool"] = { '"tool_choice":{"type":"tool","name":"f"}', { tool_choice = { type = "function", ["function"] = { name = "f" } } } },
    ["no tool"] = { '"tool_choice":{"type":"none"}', { tool_choice = "none" } },
    ["stop sequences"] = { '"stop_sequences":["a","b"]', { stop = { "a", "b" } } },
    ["the usual parameters"] = { '"max_tokens":5,"temperature":0.5,"top_p":0.9,"top_k":3,"stream":true',
      { max_tokens = 5, temperature = 0.5, top_p = 0.9, top_k = 3, stream = true } },
    ["thinking within a budget"] = { '"thinking":{"type":"enabled","budget_tokens":2000}', { reasoning = { max_tokens = 2000 } } },
    ["adaptive thinking"] = { '"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}',
      { reasoning = { enabled = true, effort = "low" } } },
    ["no thinking"] = { '"thinking":{"type":"disabled"}', { reasoning = { enabled = false } } },
    ["effort alone"] = { '"output_config":{"effort":"max"}', { verbosity = "max" } },
    ["a user"] = { '"metadata":{"user_id":"u1"}', { user = "u1" } },
    ["OpenRouter's user before Anthropic's"] = { '"metadata":{"user_id":"u1"},"user":"u2"', { user = "u2" } },
    ["a tier"] = { '"service_tier":"standard_only"', { service_tier = "default" } },
    ["speed"] = { '"speed":"fast"', { service_tier = "fast" } },
    ["caching by itself"] = { '"cache_control":{"type":"ephemeral"}', { cache_control = { type = "ephemeral" } } },
    ["a schema, by its new name"] = { '"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}',
      { response_format = { type = "json_schema", json_schema = { name = "answer", strict = true, schema = { type = "object" } } } } },
    ["a schema, by its old name"] = { '"output_format":{"type":"json_schema","schema":{"type":"object"}}',
      { response_format = { type = "json_schema", json_schema = { name = "answer", strict = true, schema = { type = "object" } } } } },
    ["OpenRouter's further members"] = {
      '"models":["c/d"],"provider":{"order":["x"]},"plugins":[{"id":"web"}],"session_id":"s","trace":{"trace_id":"t"},"route":"fallback"',
      { models = { "c/d" }, provider = { order = { "x" } }, plugins = { { id = "web" } }, session_id = "s",
        trace = { trace_id = "t" }, route = "fallback" } },
    ["models to fall back on"] = { '"fallbacks":[{"model":"c/d"},{"model":"e/f"}]', { models = { "c/d", "e/f" } } },
  } do
    it("understands " .. what, function()
      local out, lost = asked(case[1])
      out.messages, out.model = nil, nil
      assert.same(case[2], out)
      assert.same({}, lost)
    end)
  end

  it("keeps a tool's schema in its order, and Anthropic's own tools as they are", function()
    local out, lost, text = asked [["tools":[
      {"name":"f","description":"d","strict":true,"cache_control":{"type":"ephemeral"},"input_schema":{ "z":{}, "type":"object" }},
      {"type":"custom","name":"g","input_schema":{"type":"object"},"defer_loading":true},
      {"type":"web_search_20250305","name":"web_search","max_uses":3}]
    ]]
    assert.same({ type = "function", cache_control = { type = "ephemeral" },
      ["function"] = { name = "f", description = "d", strict = true, parameters = { z = {}, type = "object" } } }, out.tools[1])
    assert.truthy(text:find('"parameters":{ "z":{}, "type":"object" }', 1, true))
    assert.truthy(text:find('{"type":"web_search_20250305","name":"web_search","max_uses":3}', 1, true))
    assert.same({ "tools.defer_loading" }, lost)
  end)

  it("tells what chat has no place for", function()
    local _, lost = asked [["mcp_servers":[],"context_management":{"edits":[]},"container":"c","anthropic_version":"x","fallbacks":"default",
      "thinking":{"type":"adaptive","display":"omitted"},"output_config":{"task_budget":{"type":"tokens","total":20000}}]]
    assert.same({ "container", "context_management", "fallbacks", "mcp_servers", "output_config.task_budget", "thinking.display" }, lost)
  end)

  for text, words in pairs {
    ["{"] = "does not follow its format",
    ["[]"] = "'messages'",
    ['{"messages":"x"}'] = "'messages'",
    ['{"messages":["x"]}'] = "messages.0.role",
    ['{"messages":[{"role":"tool","content":"x"}]}'] = "messages.0.role",
    ['{"messages":[{"role":"user"}]}'] = "messages.0.content",
    ['{"messages":[{"role":"user","content":{"type":"text"}}]}'] = "messages.0.content",
    ['{"messages":[{"role":"user","content":["x"]}]}'] = "messages.0.content.0 must be an object",
    ['{"messages":[{"role":"user","content":[{"text":"x"}]}]}'] = "messages.0.content.0.type is missing",
    ['{"messages":[{"role":"user","content":[{"type":"image","source":{"data":5}}]}]}'] = "messages.0.content.0.source.data must be a text",
    ['{"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":1}]}]}]}'] =
      "messages.0.content.0.content.0.text must be a text",
    ['{"messages":[],"thinking":true}'] = "thinking must be an object",
    ['{"messages":[],"tools":{}}'] = "tools must be a list",
    ['{"messages":[],"tools":[5]}'] = "tools.0 must be an object",
    ['{"messages":[],"stop_sequences":[1]}'] = "stop_sequences.0 must be a text",
    ['{"messages":[],"models":["a"],"fallbacks":[{"model":"b"}]}'] = "cannot be combined with 'models'",
    ['{"messages":[],"fallbacks":[{"model":"a"},{"model":"b"},{"model":"c"},{"model":"d"}]}'] = "3 items or fewer",
    ['{"messages":[],"fallbacks":[{"model":"a","max_tokens":5}]}'] = "only 'model' is accepted",
    ['{"messages":[],"fallbacks":["a"]}'] = "'model' is required",
  } do
    it("refuses with a sentence " .. text, function()
      local out, why = converter.request(text)
      assert.is_nil(out)
      assert.truthy(why:find(words, 1, true), why)
    end)
  end
end)

-- ---- nonsense ----

-- Everything that stands in this value, each time with something else in its place.
local function spoilt(value, each)
  local ELSE = { json.null, true, -1.5, "", "x", json.raw "{}", json.raw "[]", json.raw '[null,1,"a",{}]', json.raw '{"type":"text"}' }
  local function walk(inside)
    for key, old in pairs(inside) do
      for _, new in ipairs(ELSE) do
        inside[key] = new
        each(json.encode(value))
      end
      inside[key] = old
      if type(old) == "table" and not json.is_raw(old) then walk(old) end
    end
  end
  walk(value)
end

describe("anthropic_messages_to_chat", function()
  it("answers nonsense with a chat request or a sentence", function()
    spoilt(json.decode [[{"model":"m","system":[{"type":"text","text":"a"}],"fallbacks":[{"model":"x"}],"tool_choice":{"type":"tool","name":"f"},
      "tools":[{"name":"f","input_schema":{"type":"object"}}],"thinking":{"type":"enabled","budget_tokens":2000},"stop_sequences":["a"],
      "output_config":{"effort":"low","format":{"type":"json_schema","schema":{}}},"metadata":{"user_id":"u"},"messages":[
      {"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}},
        {"type":"document","title":"t","source":{"type":"text","media_type":"text/plain","data":"x"},"citations":{"enabled":true}}]},
      {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"d"},
        {"type":"text","text":"a","citations":[{"type":"char_location"}]},{"type":"server_tool_use","id":"s","name":"w","input":{}},
        {"type":"tool_use","id":"t","name":"f","input":{"a":1}}]},{"role":"system","content":"z"},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"r"}],"is_error":true}]}]}]],
      function(text)
        local out, why = converter.request(text)
        assert(out == nil and type(why) == "string" or json.check(out), text)
      end)
  end)

  it("reads a provider's nonsense as far as it goes", function()
    spoilt(json.decode [[{"id":"m","type":"message","role":"assistant","model":"m","stop_reason":"end_turn","stop_sequence":"x","content":[
      {"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"d"},
      {"type":"text","text":"a","citations":[{"type":"web_search_result_location","url":"u"}]},{"type":"web_search_tool_result","content":[]},
      {"type":"tool_use","id":"t","name":"f","input":{"a":1},"caller":{"type":"direct"}}],"usage":{"input_tokens":1,"output_tokens":2,
      "output_tokens_details":{"thinking_tokens":1}},"stop_details":{"type":"refusal","explanation":"e"}}]],
      function(text)
        local out, why = converter.answer(text)
        assert(out == nil and type(why) == "string" or json.check(out), text)
      end)
  end)
end)

-- ---- what a provider answers ----

-- The reading of what was made of an answer, with the counts in Anthropic's names.
local function read_back(read, out, usages)
  local r = read(out)
  r.usage = anthropic.counts(usages)
  return r
end

local function convert(events)
  local out = {}
  local step = converter.stream(function(text) out[#out + 1] = text end, {})
  for _, event in ipairs(events) do step(event.name, event.data) end
  return out
end

local function usages_of(out)
  local list = {}
  for _, text in ipairs(out) do
    if text ~= "[DONE]" then list[#list + 1] = cjson.decode(text).usage end
  end
  return list
end

-- Events with their names; of data, and of lists of data.
local function named(...)
  local out = {}
  for _, given in ipairs { ... } do
    for _, data in ipairs(type(given) == "table" and given or { given }) do
      out[#out + 1] = { name = data:match '"type":"([%w_]+)"', data = data }
    end
  end
  return out
end

local START = '{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":10,"cache_creation_input_tokens":7,'
  .. '"cache_read_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":4},"output_tokens":1,'
  .. '"service_tier":"standard"}}}'
local STOP = '{"type":"message_stop"}'

local function block(index, start, ...)
  local list = { ('{"type":"content_block_start","index":%d,"content_block":%s}'):format(index, start) }
  for _, delta in ipairs { ... } do
    list[#list + 1] = ('{"type":"content_block_delta","index":%d,"delta":%s}'):format(index, delta)
  end
  list[#list + 1] = ('{"type":"content_block_stop","index":%d}'):format(index)
  return list
end

local function ends(reason, more)
  return ('{"type":"message_delta","delta":{"stop_reason":"%s"%s},"usage":{"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}}')
    :format(reason, more or '')
end

-- What stands under `path` in the chunks, where it does.
local function picked(out, path)
  local list = {}
  for _, text in ipairs(out) do list[#list + 1] = text ~= "[DONE]" and json.pick(text, path) or nil end
  return list
end

describe("anthropic_messages_to_chat.stream", function()
  it("tells thinking, text and calls with their bytes", function()
    local out = convert(named(START, block(0, '{"type":"thinking","thinking":"","signature":""}',
        '{"type":"thinking_delta","thinking":"Hm \\u00e9"}', '{"type":"signature_delta","signature":"EuY="}')))
    assert.same({ '"Hm \\u00e9"' }, picked(out, "choices.0.delta.reasoning"))
    assert.same({ '[{"type":"reasoning.text","format":"anthropic-claude-v1","index":0,"text":"Hm \\u00e9"}]',
      '[{"type":"reasoning.text","format":"anthropic-claude-v1","index":0,"signature":"EuY="}]' },
      picked(out, "choices.0.delta.reasoning_details"))
    out = convert(named(block(0, '{"type":"text","text":""}', '{"type":"text_delta","text":"a\\/b"}'),
      block(1, '{"type":"tool_use","id":"toolu_1","name":"f","input":{}}', '{"type":"input_json_delta","partial_json":""}',
        '{"type":"input_json_delta","partial_json":"{\\"n\\":1.0"}', '{"type":"input_json_delta","partial_json":"}"}')))
    assert.same({ '[{"index":0,"id":"toolu_1","type":"function","function":{"name":"f","arguments":""}}]',
      '[{"index":0,"function":{"arguments":"{\\"n\\":1.0"}}]', '[{"index":0,"function":{"arguments":"}"}}]' },
      picked(out, "choices.0.delta.tool_calls"))
  end)

  it("gives a call without arguments empty ones, and takes those that come at once", function()
    local r = chunks.stream(convert(named(
      block(0, '{"type":"tool_use","id":"a","name":"f","input":{}}', '{"type":"input_json_delta","partial_json":""}'),
      block(1, '{"type":"tool_use","id":"b","name":"g","input":{"x":[1,2]}}'))))
    assert.same({ { id = "a", name = "f", arguments = {} }, { id = "b", name = "g", arguments = { x = { 1, 2 } } } }, r.calls)
  end)

  it("keeps a redacted thought", function()
    assert.same({ '[{"type":"reasoning.encrypted","format":"anthropic-claude-v1","index":0,"data":"EqkE"}]' },
      picked(convert(named(block(0, '{"type":"redacted_thinking","data":"EqkE"}'))), "choices.0.delta.reasoning_details"))
  end)

  it("never makes a client's call of a server's tool, and keeps its blocks whole", function()
    local out = convert(named(block(0, '{"type":"server_tool_use","id":"srv_1","name":"web_search","input":{}}',
        '{"type":"input_json_delta","partial_json":"{\\"query\\":"}', '{"type":"input_json_delta","partial_json":"\\"sea\\"}"}'),
      block(1, '{"type":"web_search_tool_result","tool_use_id":"srv_1","content":[{"encrypted_content":"Eq=="}]}')))
    local list = picked(out, "choices.0.delta.reasoning_details")
    assert.same({}, picked(out, "choices.0.delta.tool_calls"))
    assert.same({ {
      type = "reasoning.server_tool_call", format = "anthropic-claude-v1", index = 0, tool_name = "web_search",
      tool_call_id = "srv_1", arguments = '{"query":"sea"}', result = "",
      data = '{"id":"srv_1","input":{"query":"sea"},"name":"web_search","type":"server_tool_use"}',
    } }, cjson.decode(list[1]))
    assert.equal('{"type":"web_search_tool_result","tool_use_id":"srv_1","content":[{"encrypted_content":"Eq=="}]}',
      cjson.decode(list[2])[1].data)
  end)

  it("marks where text and calls stood when something follows that chat has elsewhere", function()
    local out = convert(named(block(0, '{"type":"text","text":""}', '{"type":"text_delta","text":"\\u00e9\\n"}', '{"type":"text_delta","text":"ab"}'),
      block(1, '{"type":"tool_use","id":"toolu_1","name":"f","input":{}}'),
      block(2, '{"type":"thinking","thinking":"x"}'), block(3, '{"type":"text","text":"rest"}')))
    local markers = {}
    for _, text in ipairs(picked(out, "choices.0.delta.reasoning_details")) do markers[#markers + 1] = cjson.decode(text)[1].data end
    assert.same({ '{"chars":4,"type":"text"}', '{"id":"toolu_1","type":"tool_use"}' }, markers)
  end)

  it("tells what cites what, and where", function()
    local out = convert(named(block(0, '{"type":"text","text":"\\u00e9: "}'),
      block(1, '{"type":"text","text":"","citations":[]}',
        '{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://x","title":"t","cited_text":"c","encrypted_index":"Eo8="}}',
        '{"type":"citations_delta","citation":{"type":"char_location","document_index":0,"start_char_index":1,"end_char_index":2}}',
        '{"type":"text_delta","text":"sea"}')))
    assert.same({
      { type = "url_citation", url_citation = { url = "https://x", title = "t", content = "c", start_index = 3, end_index = 6 },
        format = "anthropic-messages", citation = { type = "web_search_result_location", url = "https://x", title = "t",
          cited_text = "c", encrypted_index = "Eo8=" } },
      { type = "citation", format = "anthropic-messages", start_index = 3, end_index = 6,
        citation = { type = "char_location", document_index = 0, start_char_index = 1, end_char_index = 2 } },
    }, cjson.decode(picked(out, "choices.0.delta.annotations")[1]))
  end)

  it("adds the last counts to the first ones, and says how much was thought", function()
    local out = convert(named(START, ends "end_turn", STOP))
    local list = usages_of(out)
    assert.same({ input_tokens = 10, cache_creation_input_tokens = 7, cache_read_input_tokens = 5, service_tier = "standard",
      cache_creation = { ephemeral_5m_input_tokens = 3, ephemeral_1h_input_tokens = 4 }, output_tokens = 9,
      output_tokens_details = { thinking_tokens = 4 }, completion_tokens_details = { reasoning_tokens = 4 } }, list[2])
    assert.same({ '"default"', '"default"' }, picked(out, "service_tier"))
    assert.equal("[DONE]", out[#out])
  end)

  for _, reason in ipairs { "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "model_context_window_exceeded",
                            "compaction", "a_word_of_tomorrow" } do
    it("hands on the word " .. reason, function()
      local out = convert(named(START, ends(reason), STOP))
      assert.same({ '"' .. reason .. '"' }, picked(out, "choices.0.native_finish_reason"))
    end)
  end

  it("tells what stands beside the reason: the sequence, the refusal, the container, the edits", function()
    local out = convert(named(START, '{"type":"message_delta","context_management":{"applied_edits":[]},"delta":{"stop_reason":"refusal",'
      .. '"stop_sequence":"cool","stop_details":{"type":"refusal","category":"cyber","explanation":"No."},"container":{"id":"c1"}}}', STOP))
    assert.same({ '"cool"' }, picked(out, "choices.0.stop_sequence"))
    assert.same({ '"No."' }, picked(out, "choices.0.delta.refusal"))
    assert.same({ '{"type":"refusal","category":"cyber","explanation":"No."}' }, picked(out, "choices.0.stop_details"))
    assert.same({ '{"id":"c1"}' }, picked(out, "container"))
    assert.same({ '{"applied_edits":[]}' }, picked(out, "context_management"))
  end)

  it("is empty for an answer without blocks", function()
    local r = chunks.stream(convert(named(START, ends "end_turn", STOP)))
    assert.equal("", r.text)
    assert.equal("end_turn", r.finish)
    assert.is_true(r.complete)
  end)

  it("breaks off at an error, and hears nothing behind it", function()
    local out = convert(named(START, block(0, '{"type":"text","text":"Hal"}')))
    local n = #out
    out = convert(named(START, block(0, '{"type":"text","text":"Hal"}'),
      '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', ends "end_turn", STOP))
    assert.equal('{"error":{"type":"overloaded_error","message":"Overloaded"}}', out[n + 1])
    assert.equal(n + 1, #out)
    assert.same({ '{"error":"Service Unavailable"}' }, convert { { name = "error", data = "Service Unavailable" } })
  end)

  it("goes by the data where an event has no name, ignores what it does not know, and refuses what is no JSON", function()
    local events = named(START, '{"type":"ping"}', '{"type":"news_of_tomorrow"}', block(0, '{"type":"text","text":"x"}'), ends "end_turn", STOP)
    for _, event in ipairs(events) do event.name = "" end
    local r = chunks.stream(convert(events))
    assert.equal("x", r.text)
    assert.is_true(r.complete)
    local ok, why = converter.stream(function() end)("message_start", "{")
    assert.is_nil(ok)
    assert.equal("malformed", why)
  end)

  it("lives through blocks that nobody began, and ends that nobody sees", function()
    assert.has_no_error(function()
      convert(named('{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}}',
        '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"x"}}',
        '{"type":"content_block_delta","index":0}', '{"type":"content_block_stop","index":7}', '{"type":"message_delta"}',
        '{"type":"content_block_start","index":0}', '{"type":"message_start"}'))
    end)
  end)
end)

describe("anthropic_messages_to_chat.answer", function()
  it("tells a message", function()
    local o = cjson.decode(converter.answer [[{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[
      {"type":"thinking","thinking":"Hm.","signature":"EuY="},{"type":"text","text":"One "},{"type":"text","text":"two."},
      {"type":"tool_use","id":"toolu_1","name":"f","input":{ "b":1, "a":12345678901234567890 }}],
      "stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":5,"service_tier":"priority"},"container":{"id":"c"}}]])
    local choice = o.choices[1]
    assert.equal("One two.", choice.message.content)
    assert.equal("Hm.", choice.message.reasoning)
    assert.equal('{ "b":1, "a":12345678901234567890 }', choice.message.tool_calls[1]["function"].arguments)
    assert.equal("tool_use", choice.native_finish_reason)
    assert.equal("priority", o.service_tier)
    assert.same({ id = "c" }, o.container)
    assert.same({ input_tokens = 3, output_tokens = 5, service_tier = "priority" }, o.usage)
  end)

  it("tells an error inside a 200, and knows what is no message", function()
    assert.equal('{"error":{"type":"api_error","message":"x"}}', converter.answer '{"type":"error","error":{"type":"api_error","message":"x"}}')
    for _, text in ipairs { "{}", "[]", "<html>", '{"type":"message"}', '{"content":"x"}' } do
      local out, why = converter.answer(text)
      assert.is_nil(out)
      assert.equal("the answer is no message", why)
    end
  end)

  it("tells a count", function()
    assert.equal(12, converter.count_answer '{"input_tokens":12}')
    assert.is_nil((converter.count_answer '{"error":{}}'))
  end)
end)

-- ---- recordings ----

local function recorded()
  local list = {}
  for _, place in ipairs { { "anthropic", "messages" }, { "azure", "messages" }, { "vertex", "vertex-raw" }, { "bedrock", "invoke" } } do
    for _, r in ipairs(recordings.of(unpack(place)) or {}) do
      if r.status == 200 and r.body:find '"type": ?"message' then list[#list + 1] = r end
    end
  end
  return list
end

-- Signatures and redacted data: as reasoning_details have them.
local function sealed(out)
  local list = {}
  for _, text in ipairs(out) do
    for _, raw in ipairs(json.elements(text) or {}) do
      local kind, signature, data = json.pick(tostring(raw), "type", "signature", "data")
      if signature or kind == '"reasoning.encrypted"' then list[#list + 1] = json.decode(signature or data) end
    end
  end
  return list
end

describe("anthropic_messages_to_chat and recorded answers", function()
  local list = recorded()
  if not list[1] then pending "TIDEGATE_TEST_DATA has no transcripts" return end
  local random = transcripts.random(20261126)

  -- What the simple reading of chunks does not see.
  local function same(want, got, signatures)
    want.kept, want.sequence, want.disorder = nil, nil, nil
    got.signatures = signatures
    assert.same(want, got)
  end

  for _, r in ipairs(list) do
    if r.body:find "^event:" then
      it("says what " .. r.name .. " says", function()
        local out = convert(anthropic.events(r.body))
        same(anthropic.stream(r.body), read_back(chunks.stream, out, usages_of(out)), sealed(picked(out, "choices.0.delta.reasoning_details")))
      end)

      it("takes no part of " .. r.name .. " for the whole", function()
        local events = anthropic.events(r.body)
        local last
        for i, event in ipairs(events) do last = event.name == "message_stop" and i or last end
        local out = {}
        local step = converter.stream(function(text) out[#out + 1] = text end, {})
        for i = 1, last - 1 do
          step(events[i].name, events[i].data)
          assert.is_true(out[#out] ~= "[DONE]", "whole after event " .. i)
        end
        for _ = 1, 3 do
          local cut = r.body:sub(1, random(events[last].ends - 2))
          assert.is_false(chunks.stream(convert(anthropic.events(cut))).complete)
        end
      end)
    else
      it("says what " .. r.name .. " says", function()
        local text = converter.answer(r.body)
        local details = json.pick(text, "choices.0.message.reasoning_details")
        same(anthropic.whole(r.body), read_back(chunks.whole, text, { cjson.decode(text).usage }), sealed { details })
      end)
    end
  end
end)
