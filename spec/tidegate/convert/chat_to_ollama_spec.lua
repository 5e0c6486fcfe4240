local json           = require("tidegate.core").json
local cjson          = require "cjson"
local chat_to_ollama = require "tidegate.convert.chat_to_ollama"
local ollama_to_chat = require "tidegate.convert.ollama_to_chat"
local recordings     = require "wire_recordings"

local ABOUT = { wire = "ollama", model = "qwen3", stream = false, provider = "ollama" }
local USER = '{"role":"user","content":"hi"}'

local function convert(members, about)
  local body, lost = chat_to_ollama.request('{"messages":[' .. USER .. "]" .. (members and "," .. members or "") .. "}", about or ABOUT)
  return cjson.decode((assert(body))), lost, body
end

local function converse(...)
  local body, lost = chat_to_ollama.request('{"messages":[' .. table.concat({ ... }, ",") .. "]}", ABOUT)
  return cjson.decode((assert(body))).messages, lost, body
end

describe("chat_to_ollama.request", function()
  it("asks Ollama's name of the model, and always says whether it streams", function()
    local _, lost, body = convert('"model":"qwen/qwen3"')
    assert.equal('{"messages":[{"content":"hi","role":"user"}],"model":"qwen3","stream":false}', body)
    assert.same({}, lost)
    assert.is_true(convert(nil, { model = "m", stream = true }).stream)
  end)

  for _, case in ipairs {
    -- in the chat                                                 at Ollama
    { '"temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.1',      { options = { temperature = 0.5, top_p = 0.9, top_k = 40, min_p = 0.1 } } },
    { '"repetition_penalty":1.1,"presence_penalty":1,"frequency_penalty":-1',
      { options = { repeat_penalty = 1.1, presence_penalty = 1, frequency_penalty = -1 } } },
    { '"max_tokens":5',                                            { options = { num_predict = 5 } } },
    { '"max_tokens":5,"max_completion_tokens":6',                  { options = { num_predict = 6 } } },
    { '"stop":"a","seed":1',                                       { options = { stop = { "a" }, seed = 1 } } },
    { '"temperature":0.5,"options":{"num_ctx":8192,"temperature":0}', { options = { temperature = 0, num_ctx = 8192 } } },
    { '"keep_alive":"10m","truncate":true,"shift":false',          { keep_alive = "10m", truncate = true, shift = false } },
    { '"logprobs":true,"top_logprobs":3',                          { logprobs = true, top_logprobs = 3 } },
    { '"response_format":{"type":"text"}',                         {} },
    { '"response_format":{"type":"json_object"}',                  { format = "json" } },
    { '"response_format":{"type":"json_schema","json_schema":{"name":"x"}}', { format = "json" } },
    { '"response_format":{"type":"grammar","grammar":"x"}',        {},                { "response_format" } },
    { '"reasoning":{"effort":"none"}',                             { think = false } },
    { '"reasoning":{"effort":"high"}',                             { think = true } },
    { '"reasoning_effort":"low"',                                  { think = true } },
    { '"reasoning":{"exclude":true}',                              {} },
    { '"think":"high"',                                            { think = "high" } },
    { '"n":1,"parallel_tool_calls":true',                          {} },
    { '"n":2,"parallel_tool_calls":false,"logit_bias":{"1":2}',    {},                { "logit_bias", "n", "parallel_tool_calls" } },
  } do
    it("makes " .. cjson.encode(case[2]) .. " of " .. case[1], function()
      local body, lost = convert(case[1])
      body.messages, body.model, body.stream = nil, nil, nil
      assert.same(case[2], body)
      assert.same(case[3] or {}, lost)
    end)
  end

  for effort, word in pairs { minimal = "low", low = "low", medium = "medium", high = "high", xhigh = "high", max = "high" } do
    it("asks gpt-oss for " .. word .. " when it is to think with effort " .. effort, function()
      assert.equal(word, convert('"reasoning":{"effort":"' .. effort .. '"}', { model = "gpt-oss:120b" }).think)
    end)
  end

  it("keeps schemas, options and seeds byte for byte", function()
    local _, _, body = convert('"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{ "z":1.0,"a":2 }}},'
      .. '"options":{"x":1e400},"seed":12345678901234567890,"tools":[{"type":"function","function":{"name":"f","parameters":{ "z":1,"a":1e3 }}}]')
    for _, text in ipairs { '"format":{ "z":1.0,"a":2 }', '"x":1e400', '"seed":12345678901234567890', '"parameters":{ "z":1,"a":1e3 }' } do
      assert.truthy(body:find(text, 1, true), text)
    end
  end)

  describe("tools", function()
    local TOOLS = '"tools":[{"type":"function","function":{"name":"f"}},{"type":"openrouter:web_search"}]'
    for _, case in ipairs {
      { nil, 1, { "tools.openrouter:web_search" } }, { '"auto"', 1, { "tools.openrouter:web_search" } },
      { '"none"', nil, { "tools.openrouter:web_search" } }, { '"required"', 1, { "tool_choice", "tools.openrouter:web_search" } },
      { '{"type":"function","function":{"name":"f"}}', 1, { "tool_choice", "tools.openrouter:web_search" } },
    } do
      it("and the choice " .. (case[1] or "of none"), function()
        local body, lost = convert(TOOLS .. (case[1] and ',"tool_choice":' .. case[1] or ""))
        assert.equal(case[2], body.tools and #body.tools)
        assert.same(case[3], lost)
        if body.tools then
          assert.same({ type = "function", ["function"] = { name = "f", parameters = { type = "object", properties = {} } } }, body.tools[1])
        end
      end)
    end
  end)

  describe("messages", function()
    it("of every role, as one text each", function()
      assert.same({
        { role = "system", content = "s" }, { role = "system", content = "d" }, { role = "user", content = "a\nb" },
        { role = "assistant", content = "xy" }, { role = "user", content = "Bob: u" },
      }, (converse('{"role":"system","content":"s"}', '{"role":"developer","content":"d"}',
        '{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}',
        '{"role":"assistant","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]}', '{"role":"user","name":"Bob","content":"u"}')))
    end)

    it("with the images that are inside", function()
      local messages, lost = converse('{"role":"user","content":[{"type":"text","text":"t"},{"type":"image_url","image_url":{"url":'
        .. '"data:image/png;base64,AA"}},{"type":"image_url","image_url":{"url":"http://x"}},{"type":"input_audio","input_audio":{"data":"A"}}]}')
      assert.same({ { role = "user", content = "t", images = { "AA" } } }, messages)
      assert.same({ "messages.audio", "messages.image" }, lost)
    end)

    it("with calls whose arguments are objects, byte for byte, and results that name the function", function()
      local messages, lost, body = converse(USER, '{"role":"assistant","content":null,"reasoning":"Hm","tool_calls":[{"id":"c1","type":"function",'
        .. '"function":{"name":"f","arguments":"{\\"z\\":1.0,\\"n\\":12345678901234567890}"}},{"id":"c2","type":"function","function":'
        .. '{"name":"g","arguments":"broken"}}]}', '{"role":"tool","tool_call_id":"c1","content":"r"}',
        '{"role":"tool","tool_call_id":"c9","name":"h","content":"r"}')
      assert.truthy(body:find('"arguments":{"z":1.0,"n":12345678901234567890},"name":"f"', 1, true))
      assert.same({ id = "c2", ["function"] = { name = "g", arguments = {} } }, messages[2].tool_calls[2])
      assert.equal("Hm", messages[2].thinking)
      assert.same({ role = "tool", content = "r", tool_name = "f", tool_call_id = "c1" }, messages[3])
      assert.equal("h", messages[4].tool_name)
      assert.same({}, lost)
    end)

    it("with calls of custom tools as ones with an input", function()
      local messages = converse(USER, '{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"x","input":"ls"}}]}')
      assert.same({ { id = "c", ["function"] = { name = "x", arguments = { input = "ls" } } } }, messages[2].tool_calls)
    end)

    it("lose reasoning that is not text", function()
      local messages, lost = converse(USER, '{"role":"assistant","content":"a","reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}')
      assert.is_nil(messages[2].thinking)
      assert.same({ "messages.reasoning" }, lost)
    end)

    it("give back what Ollama said", function()
      local said = '{"message":{"role":"assistant","content":"c","thinking":"t","tool_calls":[{"id":"c1","function":'
        .. '{"name":"f","arguments":{"b":1,"a":2}}}]},"done":true}'
      local _, _, body = converse(USER, (json.pick(ollama_to_chat.answer(said), "choices.0.message")))
      assert.truthy(body:find('{"content":"c","role":"assistant","thinking":"t",'
        .. '"tool_calls":[{"function":{"arguments":{"b":1,"a":2},"name":"f"},"id":"c1"}]}', 1, true))
    end)
  end)

  for _, text in ipairs { "", "{", "[]", '{"messages":"hi"}', '{"messages":[null]}' } do
    it("cannot make a request of " .. (text == "" and "nothing" or text), function()
      local body, why = chat_to_ollama.request(text, ABOUT)
      assert.is_nil(body)
      assert.equal("string", type(why))
    end)
  end
end)

describe("chat_to_ollama.embeddings", function()
  for _, case in ipairs {
    { '{"input":"a","user":"u"}', '{"input":"a","model":"nomic"}', {} },
    { '{"input":["a"],"dimensions":5,"truncate":false,"options":{"num_ctx":9},"encoding_format":"float"}',
      '{"dimensions":5,"input":["a"],"model":"nomic","options":{"num_ctx":9},"truncate":false}', {} },
    { '{"input":"a","encoding_format":"base64","new":1}', '{"input":"a","model":"nomic"}', { "new" } },
  } do
    it("asks for " .. case[1], function()
      local body, lost = chat_to_ollama.embeddings(case[1], { model = "nomic" })
      assert.equal(case[2], body)
      assert.same(case[3], lost)
    end)
  end

  for _, text in ipairs { '{"input":[1,2]}', '{"input":[[1]]}', "{}", "{" } do
    it("cannot ask for " .. text, function()
      local body, why = chat_to_ollama.embeddings(text, {})
      assert.is_nil(body)
      assert.equal("string", type(why))
    end)
  end
end)

-- A recorded request as somebody would ask the same in a chat: arguments are strings there, and ids tie results to
-- their calls.
local function as_chat(body)
  local last
  for _, message in ipairs(body.messages) do
    for i, call in ipairs(message.tool_calls or {}) do
      last = "call_" .. i
      call.id, call.type = last, "function"
      call["function"].arguments = cjson.encode(call["function"].arguments)
    end
    if message.role == "tool" then message.tool_call_id = last end
  end
  body.format, body.keep_alive = nil, nil
  if not body.tools[1] then body.tools = nil end
  return body
end

describe("What Ollama was really asked", function()
  local list = recordings.of("ollama", "ollama-chat")
  if not list then return it("is asked again here", function() pending "TIDEGATE_TEST_DATA is not set" end) end
  for _, r in ipairs(list) do
    it("is asked the same through a chat, with ids and names of functions beside: " .. r.name, function()
      local recorded = json.pick(r.request, "body")
      local want = cjson.decode(recorded)
      local body = chat_to_ollama.request(cjson.encode(as_chat(cjson.decode(recorded))), { model = want.model, stream = want.stream })
      local got = cjson.decode(body)
      for _, message in ipairs(got.messages) do
        message.tool_call_id, message.tool_name = nil, nil
        for _, call in ipairs(message.tool_calls or {}) do call.id = nil end
      end
      for _, tool in ipairs(want.tools) do tool.name = nil end
      assert.same(want.messages, got.messages)
      assert.same(want.tools, got.tools or {})
      assert.same({ want.model, want.stream }, { got.model, got.stream })
    end)
  end
end)
