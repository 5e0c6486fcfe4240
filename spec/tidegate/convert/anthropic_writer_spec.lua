-- The answers of chat_to_anthropic_messages: for clients of Anthropic's format.

local cjson     = require "cjson"
local json      = require("tidegate.core").json
local converter = require "tidegate.convert.chat_to_anthropic_messages"
local anthropic = require "readings.anthropic_messages"

local HEAD = '{"id":"gen-1","object":"chat.completion.chunk","created":1,"model":"a/b","provider":"Some Provider",'

local function chunk(delta, more)
  return HEAD .. '"choices":[{"index":0,"delta":{"role":"assistant",' .. delta .. '},"finish_reason":null,"native_finish_reason":null'
    .. (more or "") .. "}]}"
end

local function said(text) return chunk('"content":' .. json.encode(text)) end

local function thought(text, details)
  return chunk('"content":""' .. (text and ',"reasoning":' .. json.encode(text) or "") .. (details and ',"reasoning_details":' .. details or ""))
end

local function call(index, id, arguments)
  return chunk('"content":"","tool_calls":[{"index":' .. index .. (id and ',"id":"' .. id .. '","type":"function"' or "")
    .. ',"function":{' .. (id and '"name":"f' .. index .. '",' or "") .. '"arguments":' .. json.encode(arguments) .. "}}]")
end

local USAGE = '{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"cost":0.00140355,"is_byok":false,'
  .. '"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},"completion_tokens_details":{"reasoning_tokens":7},'
  .. '"cost_details":{"upstream_inference_cost":0.00140355},"cache_creation":{"ephemeral_1h_input_tokens":10}}'

local function ending(finish, native, more)
  local choice = '"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"' .. finish
    .. '","native_finish_reason":"' .. (native or finish) .. '"}]'
  return HEAD .. choice .. "}", HEAD .. choice .. ',"usage":' .. USAGE .. (more or "") .. "}", "[DONE]"
end

-- The bytes for a client.
local function written(...)
  local out = {}
  local step = converter.stream(function(bytes) out[#out + 1] = bytes end)
  for _, data in ipairs { ... } do step(data) end
  return table.concat(out)
end

-- Names of events, and of blocks and deltas in them.
local function course(bytes)
  local out = {}
  for _, event in ipairs(anthropic.events(bytes)) do
    local o = cjson.decode(event.data)
    local what = o.content_block and o.content_block.type or o.delta and o.delta.type
    out[#out + 1] = (event.name:gsub("content_block_", "")) .. (o.index and (" %d"):format(o.index) or "") .. (what and " " .. what or "")
  end
  return out
end

local function data_of(bytes, name)
  for _, event in ipairs(anthropic.events(bytes)) do
    if event.name == name then return cjson.decode(event.data) end
  end
end

describe("chat_to_anthropic_messages.stream", function()
  it("has the events in the order that Anthropic's SDKs want", function()
    local bytes = written(thought("Hm."), said "One", call(0, "t1", ""), call(0, nil, '{"a":'), call(0, nil, "1}"), call(1, "t2", "{}"),
      ending("tool_calls", "tool_calls", ',"openrouter_metadata":{"attempt":1}'))
    assert.same({
      "message_start",
      "start 0 thinking", "delta 0 thinking_delta", "stop 0", "start 1 text", "delta 1 text_delta", "stop 1",
      "start 2 tool_use", "delta 2 input_json_delta", "delta 2 input_json_delta", "stop 2",
      "start 3 tool_use", "delta 3 input_json_delta", "stop 3", "message_delta", "message_stop",
    }, course(bytes))
    local r = anthropic.stream(bytes)
    assert.is_nil(r.disorder)
    assert.same({ { id = "t1", name = "f0", arguments = { a = 1 } }, { id = "t2", name = "f1", arguments = {} } }, r.calls)
    assert.equal("tool_use", r.finish)
    assert.same({ attempt = 1 }, data_of(bytes, "message_stop").openrouter_metadata)
    local start = data_of(bytes, "message_start").message
    assert.same({ "gen-1", "message", "assistant", "a/b", "Some Provider", 0 },
      { start.id, start.type, start.role, start.model, start.provider, start.usage.input_tokens })
  end)

  it("counts what the cache brought apart from the input, and tells the cost", function()
    local _, used = ending "stop"
    local bytes = written(said "x", (ending "stop"), (used:gsub('"usage"', '"service_tier":"default","usage"')), "[DONE]")
    local usage = data_of(bytes, "message_delta").usage
    assert.same({
      input_tokens = 10, cache_creation_input_tokens = 30, cache_read_input_tokens = 60, output_tokens = 20,
      cache_creation = { ephemeral_5m_input_tokens = 20, ephemeral_1h_input_tokens = 10 },
      output_tokens_details = { thinking_tokens = 7 }, server_tool_use = cjson.null, service_tier = "standard",
      inference_geo = cjson.null, cost = 0.00140355, cost_details = { upstream_inference_cost = 0.00140355 }, is_byok = false,
    }, usage)
    assert.truthy(bytes:find('"cost":0.00140355,"cost_details":{"upstream_inference_cost":0.00140355},"is_byok":false', 1, true))
  end)

  it("writes an ending for an answer without content", function()
    local bytes = written(ending "stop")
    assert.same({ "message_start", "message_delta", "message_stop" }, course(bytes))
    assert.is_true(anthropic.stream(bytes).complete)
  end)

  it("is never whole before [DONE]", function()
    assert.is_false(anthropic.stream(written(said "x", (ending "stop"))).complete)
  end)

  it("keeps the bytes of texts and arguments", function()
    local bytes = written(chunk '"content":"\\u00e9\\/"', call(0, "t", ""),
      chunk '"content":"","tool_calls":[{"index":0,"function":{"arguments":"{\\"n\\":1.0}"}}]')
    assert.truthy(bytes:find('"text":"\\u00e9\\/"', 1, true))
    assert.truthy(bytes:find('"partial_json":"{\\"n\\":1.0}"', 1, true))
  end)

  it("waits with a later call until the earlier one is whole", function()
    local bytes = written(call(0, "t1", '{"a":"}{'), call(1, "t2", '{"b":'), said "meanwhile", call(1, nil, "[2]}"), call(0, nil, '\\'),
      call(0, nil, '""}'), call(2, "t3", ""), call(3, "t4", '{"d":4}'), call(2, nil, '{"c":3}'), ending "tool_calls")
    local r = anthropic.stream(bytes)
    assert.is_nil(r.disorder)
    assert.same({ { id = "t1", name = "f0", arguments = { a = '}{"' } }, { id = "t2", name = "f1", arguments = { b = { 2 } } },
      { id = "t3", name = "f2", arguments = { c = 3 } }, { id = "t4", name = "f3", arguments = { d = 4 } } }, r.calls)
    assert.equal("meanwhile", r.text)
  end)

  it("gives up waiting at the end", function()
    local r = anthropic.stream(written(call(0, "t1", ""), call(1, "t2", ""), call(2, "t3", '{"c":'), call(1, nil, "{}"), call(2, nil, "3}"),
      ending "tool_calls"))
    assert.is_nil(r.disorder)
    assert.same({ "t1", "t2", "t3" }, { r.calls[1].id, r.calls[2].id, r.calls[3].id })
    assert.same({ c = 3 }, r.calls[3].arguments)
  end)

  it("signs thinking with Anthropic's signature, and with none where there is none", function()
    local bytes = written(thought("Hm", '[{"type":"reasoning.text","text":"Hm","format":"anthropic-claude-v1","index":0}]'),
      thought(nil, '"x"'), thought("m.", '[{"type":"reasoning.text","text":"m.","format":"anthropic-claude-v1","index":0}]'),
      thought(nil, '[{"type":"reasoning.text","signature":"EuY=","format":"anthropic-claude-v1","index":0}]'),
      thought(nil, '[{"type":"reasoning.encrypted","data":"EqkE","format":"anthropic-claude-v1","index":1}]'),
      thought(nil, '[{"type":"reasoning.text","signature":"Em==","format":"anthropic-claude-v1","index":2}]'), said "x", ending "stop")
    assert.same({ "message_start", "start 0 thinking", "delta 0 thinking_delta", "delta 0 thinking_delta", "delta 0 signature_delta", "stop 0",
      "start 1 redacted_thinking", "stop 1", "start 2 thinking", "delta 2 signature_delta", "stop 2", "start 3 text", "delta 3 text_delta", "stop 3",
      "message_delta", "message_stop" }, course(bytes))
    assert.same({ "EuY=", "EqkE", "Em==" }, anthropic.stream(bytes).signatures)
    assert.same({}, anthropic.stream(written(thought "Hm.", ending "stop")).signatures)
  end)

  it("shows a server's tool as Anthropic does, and ends a text where it ended", function()
    local kept = '[{"type":"reasoning.server_tool_call","format":"anthropic-claude-v1","data":%s}]'
    local bytes = written(said "a", thought(nil, kept:format(json.encode '{"type":"text","chars":1}')), said "b",
      thought(nil, kept:format(json.encode '{"type":"server_tool_use","id":"s","name":"web_search","input":{"q":1.0}}')),
      thought(nil, kept:format(json.encode '{"type":"web_search_tool_result","tool_use_id":"s","content":[]}')), ending "stop")
    assert.same({ "message_start", "start 0 text", "delta 0 text_delta", "stop 0", "start 1 text", "delta 1 text_delta", "stop 1",
      "start 2 server_tool_use", "delta 2 input_json_delta", "stop 2", "start 3 web_search_tool_result", "stop 3", "message_delta", "message_stop" },
      course(bytes))
    assert.truthy(bytes:find('"partial_json":"{\\"q\\":1.0}"', 1, true))
  end)

  it("cites", function()
    local bytes = written(said "x", chunk [["content":"","annotations":[
      {"type":"url_citation","url_citation":{"url":"https://x","title":"t","content":"c"}},{"type":"citation","format":"cohere","citation":{}},
      {"type":"citation","format":"anthropic-messages","citation":{"type":"char_location"}}] ]], ending "stop")
    assert.same({ "message_start", "start 0 text", "delta 0 text_delta", "delta 0 citations_delta", "delta 0 citations_delta", "stop 0",
      "message_delta", "message_stop" }, course(bytes))
    assert.truthy(bytes:find('"citation":{"cited_text":"c","encrypted_index":"","title":"t","type":"web_search_result_location","url":"https://x"}', 1, true))
  end)

  it("shows pictures", function()
    local bytes = written(chunk '"content":"","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}]', ending "stop")
    assert.truthy(bytes:find('"content_block":{"source":{"data":"aGk=","media_type":"image/png","type":"base64"},"type":"image"}', 1, true))
  end)

  it("tells a refusal as text and in the reason, unless Anthropic's words for it came", function()
    local r = anthropic.stream(written(chunk '"content":"","refusal":"I won\'t."', ending "stop"))
    assert.same({ "I won't.", "refusal" }, { r.text, r.finish })
    local bytes = written(chunk('"content":"","refusal":"No."', ',"stop_details":{"type":"refusal","category":"bio","explanation":"No."}'),
      ending("content_filter", "refusal"))
    assert.equal("", anthropic.stream(bytes).text)
    assert.same({ type = "refusal", category = "bio", explanation = "No." }, data_of(bytes, "message_delta").delta.stop_details)
  end)

  for _, case in ipairs {
    -- finish           native                           stop_reason
    { "stop",           "stop",                          "end_turn" },
    { "stop",           "STOP",                          "end_turn" },
    { "stop",           "pause_turn",                    "pause_turn" },
    { "stop",           "stop_sequence",                 "stop_sequence" },
    { "length",         "length",                        "max_tokens" },
    { "length",         "MAX_TOKENS",                    "max_tokens" },
    { "length",         "model_context_window_exceeded", "model_context_window_exceeded" },
    { "tool_calls",     "stop",                          "tool_use" },
    { "tool_calls",     "pause_turn",                    "tool_use" },
    { "content_filter", "SAFETY",                        "refusal" },
  } do
    it("calls " .. case[1] .. " (" .. case[2] .. ") " .. case[3], function()
      assert.equal(case[3], anthropic.stream(written(said "x", ending(case[1], case[2]))).finish)
    end)
  end

  it("tells the sequence that was met, as Anthropic or vLLM told it", function()
    for _, more in ipairs { ',"stop_sequence":"cool"', ',"stop_reason":"cool"' } do
      local r = anthropic.stream(written(chunk('"content":"x"'), chunk('"content":""', more), ending "stop"))
      assert.same({ "stop_sequence", "cool" }, { r.finish, r.sequence })
    end
    assert.equal("end_turn", anthropic.stream(written(chunk('"content":""', ',"stop_reason":128009'), ending "stop")).finish)
  end)

  for _, case in ipairs {
    { '{"code":429,"message":"m","metadata":{"error_type":"rate_limit_exceeded"}}',  "rate_limit_error" },
    { '{"code":503,"message":"m","error_type":"provider_overloaded"}',              "overloaded_error" },
    { '{"code":502,"message":"m","metadata":{"error_type":"provider_unavailable"}}', "api_error" },
    { '{"code":504,"message":"m","metadata":{"error_type":"timeout"}}',             "timeout_error" },
    { '{"code":400,"message":"m","metadata":{"error_type":"invalid_image"}}',       "invalid_request_error" },
    { '{"code":402,"message":"m"}',                                                 "billing_error" },
    { '{"code":418,"message":"m"}',                                                 "invalid_request_error" },
    { '{"message":"m"}',                                                            "api_error" },
  } do
    it("tells of " .. case[1] .. " as " .. case[2] .. ", and nothing behind it", function()
      local bytes = written(said "Hal", HEAD .. '"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":' .. case[1] .. "}",
        said "x", "[DONE]")
      assert.same({ "message_start", "start 0 text", "delta 0 text_delta", "error" }, course(bytes))
      local told = data_of(bytes, "error")
      assert.same({ case[2], "m", "gen-1" }, { told.error.type, told.error.message, told.request_id })
    end)
  end

  it("answers one choice, the first", function()
    local second = said("no"):gsub('"index":0', '"index":1')
    assert.equal("yes", anthropic.stream(written(said "yes", second, ending "stop")).text)
  end)
end)

describe("chat_to_anthropic_messages.answer", function()
  it("tells a completion as a message", function()
    local o = cjson.decode(converter.answer([[{"id":"gen-1","object":"chat.completion","created":1,"model":"a/b","provider":"P","service_tier":null,
      "choices":[{"index":0,"finish_reason":"tool_calls","native_finish_reason":"tool_calls","message":{"role":"assistant","content":"One","refusal":null,
      "reasoning":"Hm.","tool_calls":[{"id":"t1","type":"function","index":0,"function":{"name":"f","arguments":"{\"a\":1}"}}]}}],
      "usage":]] .. USAGE .. ',"openrouter_metadata":{"attempt":1}}'))
    assert.same({ { type = "thinking", thinking = "Hm.", signature = "" }, { type = "text", text = "One" },
      { type = "tool_use", id = "t1", name = "f", input = { a = 1 } } }, o.content)
    assert.same({ "gen-1", "message", "assistant", "a/b", "P", "tool_use", 10 },
      { o.id, o.type, o.role, o.model, o.provider, o.stop_reason, o.usage.input_tokens })
    assert.same({ attempt = 1 }, o.openrouter_metadata)
    assert.equal(cjson.null, o.stop_sequence)
  end)

  it("tells an error as Anthropic's", function()
    assert.equal('{"type":"error","error":{"type":"rate_limit_error","message":"m","error_type":"rate_limit_exceeded"},"request_id":"gen-1"}',
      converter.answer '{"id":"gen-1","error":{"code":429,"message":"m","metadata":{"error_type":"rate_limit_exceeded"}}}')
    assert.equal("error", cjson.decode(converter.answer '{"choices":[{"error":{"code":502,"message":"m"},"message":{"content":"Hal"}}]}').type)
  end)
end)
