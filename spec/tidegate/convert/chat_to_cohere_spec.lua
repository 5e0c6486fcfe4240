local json           = require("tidegate.core").json
local cjson          = require "cjson"
local chat_to_cohere = require "tidegate.convert.chat_to_cohere"
local cohere_to_chat = require "tidegate.convert.cohere_to_chat"
local recordings     = require "wire_recordings"

local ABOUT = { wire = "cohere", model = "command-a", stream = false, provider = "cohere" }

local USER = '{"role":"user","content":"hi"}'

-- The body for a chat request of these members, beside a user's "hi", decoded; and what was lost.
local function convert(members, about)
  local body, lost = chat_to_cohere.request('{"messages":[' .. USER .. "]" .. (members and "," .. members or "") .. "}", about or ABOUT)
  return cjson.decode((assert(body))), lost, body
end

-- The messages that these become, decoded.
local function converse(...)
  local body, lost = chat_to_cohere.request('{"messages":[' .. table.concat({ ... }, ",") .. "]}", ABOUT)
  return cjson.decode((assert(body))).messages, lost, body
end

describe("chat_to_cohere.request", function()
  it("asks Cohere's name of the model, and always says whether it streams", function()
    local _, lost, body = convert('"model":"cohere/command-a"')
    assert.equal('{"messages":[{"content":"hi","role":"user"}],"model":"command-a","stream":false}', body)
    assert.same({}, lost)
    assert.is_true(convert(nil, { model = "m", stream = true }).stream)
  end)

  for _, case in ipairs {
    -- in the chat                                        at Cohere
    { '"max_tokens":5',                                   { max_tokens = 5 } },
    { '"max_tokens":5,"max_completion_tokens":6',         { max_tokens = 6 } },
    { '"temperature":0.5,"seed":7',                       { temperature = 0.5, seed = 7 } },
    { '"top_p":0.5,"top_k":40',                           { p = 0.5, k = 40 } },
    { '"top_p":1,"top_k":1000',                           { p = 0.99, k = 500 } },
    { '"top_p":0',                                        { p = 0.01 } },
    { '"stop":"a"',                                       { stop_sequences = { "a" } } },
    { '"stop":["a","b"]',                                 { stop_sequences = { "a", "b" } } },
    { '"frequency_penalty":0.5,"presence_penalty":1',     { frequency_penalty = 0.5, presence_penalty = 1 } },
    { '"frequency_penalty":-1',                           { frequency_penalty = 0 },    { "frequency_penalty" } },
    { '"presence_penalty":1.5',                           { presence_penalty = 1 },     { "presence_penalty" } },
    { '"logprobs":true,"top_logprobs":3',                 { logprobs = true },          { "top_logprobs" } },
    { '"n":1,"parallel_tool_calls":true',                 {} },
    { '"n":2,"parallel_tool_calls":false',                {},                           { "n", "parallel_tool_calls" } },
    { '"logit_bias":{"1":2},"min_p":0.1,"user":"u"',      {},                           { "logit_bias", "min_p" } },
    { '"safety_mode":"STRICT","strict_tools":true',       { safety_mode = "STRICT", strict_tools = true } },
    { '"reasoning":{"effort":"none"}',                    { thinking = { type = "disabled" } } },
    { '"reasoning":{"enabled":false}',                    { thinking = { type = "disabled" } } },
    { '"reasoning":{"enabled":true}',                     { thinking = { type = "enabled", token_budget = 16000 } } },
    { '"reasoning":{"max_tokens":300}',                   { thinking = { type = "enabled", token_budget = 300 } } },
    { '"reasoning_effort":"low"',                         { thinking = { type = "enabled", token_budget = 6400 } } },
    { '"reasoning":{"effort":"high"}',                    { thinking = { type = "enabled" } } },
    { '"reasoning":{"effort":"high"},"max_tokens":1000',  { max_tokens = 1000, thinking = { type = "enabled", token_budget = 800 } } },
    { '"reasoning":{"exclude":true}',                     {} },
    { '"thinking":{"type":"disabled"}',                   { thinking = { type = "disabled" } } },
    { '"response_format":{"type":"text"}',                {} },
    { '"response_format":{"type":"json_object"}',         { response_format = { type = "json_object" } } },
    { '"response_format":{"type":"grammar"}',             {},                           { "response_format" } },
  } do
    it("makes " .. cjson.encode(case[2]) .. " of " .. case[1], function()
      local body, lost = convert(case[1])
      body.messages, body.model, body.stream = nil, nil, nil
      assert.same(case[2], body)
      assert.same(case[3] or {}, lost)
    end)
  end

  it("keeps schemas, documents and citation options byte for byte", function()
    local _, _, body = convert('"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":{ "z":1.0,"a":2 }}},'
      .. '"documents":[{ "id":"d", "data":{"z":1,"a":2}}],"citation_options":{ "mode":"FAST" },'
      .. '"tools":[{"type":"function","function":{"name":"f","parameters":{ "type":"object","a":1e3 }}}]')
    for _, text in ipairs { '"response_format":{"json_schema":{ "z":1.0,"a":2 },"type":"json_object"}',
      '"documents":[{ "id":"d", "data":{"z":1,"a":2}}]', '"citation_options":{ "mode":"FAST" }',
      '"parameters":{ "type":"object","a":1e3 }' } do
      assert.truthy(body:find(text, 1, true), text)
    end
  end)

  it("takes a schema where Cohere itself has it, too", function()
    for _, member in ipairs { "json_schema", "schema" } do
      local _, _, body = convert('"response_format":{"type":"json_object","' .. member .. '":{"z":1,"a":2}}')
      assert.truthy(body:find('"response_format":{"json_schema":{"z":1,"a":2},"type":"json_object"}', 1, true))
    end
  end)

  describe("tools", function()
    local TOOLS = '"tools":[{"type":"function","function":{"name":"f","strict":true}},{"type":"function","function":{"name":"g","description":"G",'
      .. '"strict":true,"parameters":{"type":"object","properties":{"x":{}}}}}]'
    local F = { type = "function", ["function"] = { name = "f", parameters = { type = "object", properties = {} } } }

    it("get parameters where they have none, and are strict when all are", function()
      local body = convert(TOOLS)
      assert.same(F, body.tools[1])
      assert.equal("G", body.tools[2]["function"].description)
      assert.is_true(body.strict_tools)
      assert.is_nil(convert((TOOLS:gsub('"strict":true,"param', '"param'))).strict_tools)
    end)

    for _, case in ipairs {
      { '"auto"', nil, 2 }, { '"none"', "NONE", 2 }, { '"required"', "REQUIRED", 2 },
      { '{"type":"function","function":{"name":"f"}}', "REQUIRED", 1 },
      { '{"type":"function","function":{"name":"absent"}}', "REQUIRED", 2 },
    } do
      it("are chosen by " .. case[1], function()
        local body = convert(TOOLS .. ',"tool_choice":' .. case[1])
        assert.equal(case[2], body.tool_choice)
        assert.equal(case[3], #body.tools)
        assert.same(F, body.tools[1])
      end)
    end

    it("of other kinds have no place, and a choice without tools is none", function()
      local body, lost = convert '"tools":[{"type":"openrouter:web_search"}],"tool_choice":"required"'
      assert.is_nil(body.tools)
      assert.is_nil(body.tool_choice)
      assert.same({ "tools.openrouter:web_search" }, lost)
    end)
  end)

  describe("messages", function()
    it("of every role", function()
      assert.same({
        { role = "system", content = "s" }, { role = "system", content = "d" }, { role = "user", content = "u" },
        { role = "assistant", content = "a" }, { role = "user", content = "Bob: u" },
      }, (converse('{"role":"system","content":"s"}', '{"role":"developer","content":"d"}', '{"role":"user","content":"u"}',
        '{"role":"assistant","content":"a","refusal":null}', '{"role":"user","name":"Bob","content":"u"}')))
    end)

    it("that say something, for Cohere refuses the others", function()
      assert.same({ { role = "user", content = "hi" } }, (converse(USER, '{"role":"assistant","content":null}', '{"role":"system","content":""}',
        '{"role":"user","content":[{"type":"video_url","video_url":{"url":"u"}}]}')))
      local body, why = chat_to_cohere.request('{"messages":[{"role":"user","content":""}]}', ABOUT)
      assert.is_nil(body)
      assert.equal("Cohere wants a message that says something", why)
    end)

    it("with instructions of text alone", function()
      local messages, lost = converse('{"role":"system","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]}', USER)
      assert.same({ { type = "text", text = "a" } }, messages[1].content)
      assert.same({ "messages.image" }, lost)
    end)

    it("with calls of custom tools as ones with an input", function()
      local messages = converse(USER, '{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"x","input":"ls"}}]}')
      assert.same({ { id = "c", type = "function", ["function"] = { name = "x", arguments = '{"input":"ls"}' } } }, messages[2].tool_calls)
    end)

    it("with images, by URL or inside", function()
      local image = { type = "image_url", image_url = { url = "data:image/png;base64,AA", detail = "low" } }
      local messages, lost = converse('{"role":"user","content":[{"type":"text","text":"t","cache_control":{"type":"ephemeral"}},'
        .. '{"type":"image_url","image_url":{"url":"data:image/png;base64,AA","detail":"low"}},{"type":"image_url","image_url":"http://x"},'
        .. '{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}},{"type":"file","file":{"file_id":"f"}},{"type":"new"}]}')
      assert.same({ { type = "text", text = "t" }, image, { type = "image_url", image_url = { url = "http://x" } } }, messages[1].content)
      assert.same({ "messages.audio", "messages.file", "messages.new" }, lost)
    end)

    it("with calls and their results, documents among them", function()
      local messages, lost, body = converse(USER, '{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"f_1","type":"function",'
        .. '"function":{"name":"f","arguments":"{\\"n\\":12345678901234567890}"}}]}',
        '{"role":"tool","tool_call_id":"f_1","is_error":true,"content":[{"type":"text","text":"t"},{"type":"document","document":{ "z":1,"data":{"a":1.0}}}]}',
        '{"role":"tool","tool_call_id":"f_2","content":"x"}')
      assert.same({ role = "assistant", tool_calls = { { id = "f_1", type = "function",
        ["function"] = { name = "f", arguments = '{"n":12345678901234567890}' } } } }, messages[2])
      assert.truthy(body:find('{"document":{ "z":1,"data":{"a":1.0}},"type":"document"}', 1, true))
      assert.same({ role = "tool", tool_call_id = "f_2", content = "x" }, messages[4])
      assert.same({ "messages.is_error" }, lost)
    end)

    it("give back what Cohere thought, planned and cited, whole or in fragments", function()
      local answer = '{"message":{"content":[{"type":"thinking","thinking":"Hm. So."},{"type":"text","text":"x"}],"tool_plan":"Plan",'
        .. '"citations":[{"start":0,"sources":[{"z":1,"a":1.0}]}]},"finish_reason":"COMPLETE"}'
      local message = json.pick(cohere_to_chat.answer(answer), "choices.0.message")
      local messages, lost, body = converse(USER, message)
      assert.same({ { type = "thinking", thinking = "Hm. So." }, { type = "text", text = "x" } }, messages[2].content)
      assert.equal("Plan", messages[2].tool_plan)
      assert.truthy(body:find('"citations":[{"start":0,"sources":[{"z":1,"a":1.0}]}]', 1, true))
      assert.same({}, lost)

      local function fragment(text, index)
        return ('{"type":"reasoning.text","text":"%s","index":%d,"format":"cohere-v2"}'):format(text, index)
      end
      messages = converse(USER, '{"role":"assistant","content":"","reasoning_details":[' .. fragment("a", 0) .. ","
        .. fragment("b", 0) .. "," .. fragment("c", 1) .. "]}")
      assert.same({ { type = "thinking", thinking = "ab" }, { type = "thinking", thinking = "c" } }, messages[2].content)
    end)

    it("take another model's reasoning for a plan when calls follow, and lose it otherwise", function()
      local messages, lost = converse(USER, '{"role":"assistant","content":"","reasoning":"R","tool_calls":[{"id":"a","type":"function",'
        .. '"function":{"name":"f","arguments":""}}]}', '{"role":"tool","tool_call_id":"a","content":""}')
      assert.equal("R", messages[2].tool_plan)
      assert.equal("{}", messages[2].tool_calls[1]["function"].arguments)
      assert.same({}, lost)
      messages, lost = converse(USER, '{"role":"assistant","content":"x","reasoning":"R"}', USER)
      assert.is_nil(messages[2].tool_plan)
      assert.same({ "messages.reasoning" }, lost)
    end)
  end)

  for _, text in ipairs { "", "{", "[]", '{"messages":"hi"}', '{"messages":[null]}', '{"messages":["hi"]}' } do
    it("cannot make a request of " .. (text == "" and "nothing" or text), function()
      local body, why = chat_to_cohere.request(text, ABOUT)
      assert.is_nil(body)
      assert.equal("string", type(why))
    end)
  end
end)

describe("chat_to_cohere.embeddings", function()
  local function embed(text) return chat_to_cohere.embeddings(text, { model = "embed-v4.0" }) end

  for _, case in ipairs {
    { '{"input":"a"}', '{"embedding_types":["float"],"input_type":"search_document","model":"embed-v4.0","texts":["a"]}' },
    { '{"input":"a","input_type":"similarity"}',
      '{"embedding_types":["float"],"input_type":"clustering","model":"embed-v4.0","texts":["a"]}' },
    { '{"input":["a","b"],"encoding_format":"base64","dimensions":256,"input_type":"search_query","truncate":"NONE","user":"u"}',
      '{"embedding_types":["base64"],"input_type":"search_query","model":"embed-v4.0","output_dimension":256,"texts":["a","b"],"truncate":"NONE"}' },
    { '{"images":["data:image/png;base64,AA"]}',
      '{"embedding_types":["float"],"images":["data:image/png;base64,AA"],"input_type":"image","model":"embed-v4.0"}' },
    { '{"input":[{"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]}]}',
      '{"embedding_types":["float"],"input_type":"search_document","inputs":[{"content":[{"text":"a","type":"text"},'
      .. '{"image_url":{"url":"u"},"type":"image_url"}]}],"model":"embed-v4.0"}' },
  } do
    it("asks for " .. case[1], function()
      local body, lost = embed(case[1])
      assert.equal(case[2], body)
      assert.same({}, lost)
    end)
  end

  for _, text in ipairs { '{"input":[1,2]}', '{"input":[[1,2]]}', "{}", '{"input":[{"content":[{"type":"video_url","video_url":{"url":"v"}}]}]}', "{" } do
    it("cannot ask for " .. text, function()
      local body, why = embed(text)
      assert.is_nil(body)
      assert.equal("string", type(why))
    end)
  end
end)

describe("chat_to_cohere.rerank", function()
  it("ranks strings, texts, and objects as the YAML that JSON is", function()
    local body, lost = chat_to_cohere.rerank('{"model":"x","query":"q","documents":["a",{"text":"b\\u00e9"},{"title":"t","text":"c"}],"top_n":2,'
      .. '"return_documents":true,"new":1}', { model = "rerank-v3.5" })
    assert.equal('{"documents":["a","b\\u00e9","{\\"title\\":\\"t\\",\\"text\\":\\"c\\"}"],"model":"rerank-v3.5","query":"q","top_n":2}', body)
    assert.same({ "new" }, lost)
  end)

  for _, text in ipairs { "{", '{"query":"q"}', '{"documents":[1]}', '{"documents":[{"image":"x"}]}' } do
    it("cannot rank " .. text, function()
      local body, why = chat_to_cohere.rerank(text, {})
      assert.is_nil(body)
      assert.equal("string", type(why))
    end)
  end
end)

-- A recorded request as somebody would ask the same in a chat, and as Cohere is asked it here. Texts may come as a
-- string or as parts.
local function as_chat(body)
  local stop, choice, format = body.stop_sequences, body.tool_choice, body.response_format
  body.stop_sequences, body.stop = nil, stop
  body.tool_choice = choice and choice:lower()
  if format then body.response_format = { type = "json_schema", json_schema = { name = "x", schema = format.json_schema } } end
  return body
end

local function normal(body)
  body.stream = body.stream == true
  if body.documents and #body.documents == 0 then body.documents = nil end
  for _, message in ipairs(body.messages) do
    local part = type(message.content) == "table" and message.content[1]
    if part and part.type == "text" and not message.content[2] then message.content = part.text end
    if message.content == "" and message.tool_calls then message.content = nil end
  end
  return body
end

describe("What Cohere was really asked", function()
  local list = recordings.of("cohere", "cohere-v2-chat")
  if not list then return it("is asked again here", function() pending "TIDEGATE_TEST_DATA is not set" end) end
  for _, r in ipairs(list) do
    it("is asked the same through a chat: " .. r.name, function()
      local recorded = json.pick(r.request, "body")
      local want = normal(cjson.decode(recorded))
      local body, lost = chat_to_cohere.request(cjson.encode(as_chat(cjson.decode(recorded))), { model = want.model, stream = want.stream })
      assert.same(want, normal(cjson.decode(body)))
      assert.same({}, lost)
    end)
  end

  for _, r in ipairs(recordings.of("cohere", "rerank")) do
    it("ranks the same: " .. r.name, function()
      local recorded = json.pick(r.request, "body")
      local body = chat_to_cohere.rerank(recorded, {})
      assert.same(cjson.decode(recorded), cjson.decode(body))
    end)
  end
end)
