local json            = require("tidegate.core").json
local chat_to_mistral = require "tidegate.convert.chat_to_mistral"
local mistral_ids     = require "tidegate.convert.mistral.ids"
local recordings      = require "wire_recordings"

local MODEL = "mistral-small-latest"
local USER = '{"role":"user","content":"hi"}'

-- The text that a chat request becomes, and what was lost.
local function convert(text, model)
  return chat_to_mistral.request(text, { wire = "mistral", model = model or MODEL, stream = false, provider = "mistral" })
end

-- The members that these become beside a user's "hi".
local function members(text, model)
  local head = '{"model":"' .. (model or MODEL) .. '","messages":[' .. USER .. "]"
  local body, lost = convert(head .. (text and "," .. text or "") .. "}", model)
  assert.equal(head, body:sub(1, #head))
  return body:sub(#head + 1, -2):gsub("^,", ""), lost
end

-- The messages that these become, as JSON text.
local function converse(list, more, model)
  local body, lost = convert('{"model":"x","messages":[' .. table.concat(list, ",") .. "]" .. (more or "") .. "}", model)
  return json.pick(body, "messages"):sub(2, -2), lost
end

describe("chat_to_mistral.request", function()
  it("leaves a request alone that keeps Mistral's rules, white space and all", function()
    local text = '{ "model": "mistral-small-latest", "messages":[ {"content":"hi",  "role":"user"} ],\n "temperature": 0.70, "stream":true,'
      .. '"tool_choice":"any","tools":[{"type":"function","function":{"name":"f","parameters":{ "z":1,"a":2 }}}],"random_seed":7,"n":2,'
      .. '"reasoning_effort":"high","safe_prompt":false,"stop":null,"metadata":{"a":"b"},"prompt_cache_key":"k","prediction":{"type":"content"} }'
    local body, lost = convert(text)
    assert.equal(text, body)
    assert.same({}, lost)
  end)

  for _, case in ipairs {
    -- in the chat                                          at Mistral
    { '"seed":12345678901234567890',                        '"random_seed":12345678901234567890' },
    { '"seed":1,"random_seed":2',                           '"random_seed":2' },
    { '"seed":null',                                        '' },
    { '"max_completion_tokens":5',                          '"max_tokens":5' },
    { '"max_tokens":7,"max_completion_tokens":5',           '"max_tokens":5' },
    { '"max_tokens":7,"max_completion_tokens":null',        '"max_tokens":7' },
    { '"tool_choice":"required"',                           '"tool_choice":"any"' },
    { '"tool_choice":"auto"',                               '"tool_choice":"auto"' },
    { '"tool_choice":{"type":"required"}',                  '"tool_choice":"any"' },
    { '"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[]}}', '"tool_choice":"any"', { "tool_choice" } },
    { '"tool_choice":{"type":"custom","custom":{"name":"c"}}', '',          { "tool_choice" } },
    { '"tool_choice":{"type":"function","function":{"name":"f"}}', '"tool_choice":{"type":"function","function":{"name":"f"}}' },
    { '"stream":true,"stream_options":{"include_usage":true}', '"stream":true' },
    { '"user":"u","session_id":"s","provider":{},"models":["a"],"trace":{},"usage":{"include":true},"transforms":[]', '' },
    { '"top_k":4,"min_p":0.1,"logit_bias":{"1":2},"store":false,"cache_control":{"type":"ephemeral"}', '',        { "logit_bias", "min_p", "store", "top_k" } },
    { '"top_k":null,"verbosity":"","functions":[],"modalities":{}', '' },
    { '"logprobs":true,"top_logprobs":2,"n":2',             '"logprobs":true,"top_logprobs":2,"n":2' },
    { '"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{ "z":1.0 }}}',
      '"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{ "z":1.0 }}}' },
    { '"response_format":{"type":"grammar","grammar":"x"}', '',             { "response_format" } },
    { '"tools":[{"type":"function","function":{"name":"f","strict":true,"x":1},"cache_control":{"type":"ephemeral"}}]',
      '"tools":[{"type":"function","function":{"name":"f","strict":true}}]', { "tools.x" } },
    { '"tools":[{"type":"openrouter:web_search"},{"type":"web_search"}]', '"tools":[{"type":"web_search"}]', { "tools.openrouter:web_search" } },
    { '"tools":[{"type":"openrouter:web_search"}]',         '',             { "tools.openrouter:web_search" } },
    { '"tools":[]',                                         '"tools":[]' },
  } do
    it("makes " .. (case[2] == "" and "nothing" or case[2]) .. " of " .. case[1], function()
      local got, lost = members(case[1])
      assert.equal(case[2], got)
      assert.same(case[3] or {}, lost)
    end)
  end

  it("asks Mistral's name of the model, also where the chat names none", function()
    assert.equal('{"model":"mistral-small-latest","messages":[]}', (convert '{"model":"mistralai/mistral-small","messages":[]}'))
    assert.equal('{"messages":[],"model":"mistral-small-latest"}', (convert '{"messages":[]}'))
  end)

  describe("reasoning", function()
    for _, case in ipairs {
      -- model                   in the chat                                  reasoning_effort
      { MODEL,                   '"reasoning_effort":"none"',                 "none" },
      { MODEL,                   '"reasoning_effort":"low"',                  "high" },
      { MODEL,                   '"reasoning":{"effort":"medium"}',           "high" },
      { MODEL,                   '"reasoning":{"enabled":true}',              "high" },
      { MODEL,                   '"reasoning":{"enabled":false}',             "none" },
      { MODEL,                   '"reasoning":{"max_tokens":500}',            "high" },
      { MODEL,                   '"reasoning":{"exclude":true}',              nil },
      { MODEL,                   '"reasoning":{"effort":"xhigh"},"reasoning_effort":null', "high" },
      { "mistral-large-4-0",     '"reasoning":{"effort":"medium"}',           "medium" },
      { "mistral-large-4-0",     '"reasoning":{"effort":"minimal"}',          "low" },
      { "mistral-large-4-0",     '"reasoning":{"effort":"none"}',             "none" },
      { "mistral-large-4-0",     '"reasoning":{"effort":"max"}',              "high" },
      { "magistral-medium-2509", '"reasoning":{"effort":"high"}',             nil },
      { "magistral-medium-2509", '"reasoning_effort":"none"',                 nil, { "reasoning" } },
      { "magistral-small-latest", '"reasoning_effort":"none"',                "none" },
    } do
      it("of " .. case[1] .. " is " .. tostring(case[3]) .. " for " .. case[2], function()
        local got, lost = members(case[2], case[1])
        assert.equal(case[3] and '"reasoning_effort":"' .. case[3] .. '"' or "", got)
        assert.same(case[4] or {}, lost)
      end)
    end

    local SAID = '{"role":"assistant","content":"a","reasoning":"H\\u00e9","reasoning_details":[{"type":"reasoning.text","text":"H"}]}'

    it("comes back as a part of the content where the model reasons", function()
      local want = '{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"H\\u00e9"}],"closed":true},'
        .. '{"type":"text","text":"a"}]},' .. USER
      assert.same({ want, {} }, { converse({ SAID, USER }, ',"reasoning_effort":"high"') })
      assert.same({ want, {} }, { converse({ SAID, USER }, nil, "magistral-medium-2509") })
    end)

    it("is left out elsewhere", function()
      local want = { '{"role":"assistant","content":"a"},' .. USER, { "messages.reasoning" } }
      assert.same(want, { converse { SAID, USER } })
      assert.same(want, { converse({ SAID, USER }, ',"reasoning":{"effort":"none"}') })
    end)

    it("comes back from whichever member has it, and beside whatever content", function()
      local function content(said)
        return json.pick("[" .. converse({ said, USER }, ',"reasoning_effort":"high"') .. "]", "0.content")
      end
      local thinking = '{"type":"thinking","thinking":[{"type":"text","text":"ab"}],"closed":true}'
      assert.equal("[" .. thinking .. "]", (content '{"role":"assistant","reasoning_content":"ab","tool_calls":[{"function":{"name":"f","arguments":""}}]}'))
      assert.equal("[" .. thinking .. "]", (content '{"role":"assistant","content":null,"reasoning_details":[{"text":"a"},{"summary":"b"},{"data":"x"}]}'))
      assert.equal("[" .. thinking .. ',{"type":"text","text":"c"}]', (content '{"role":"assistant","content":[{"type":"text","text":"c"}],"reasoning":"ab"}'))
      assert.equal("[" .. thinking .. "]", (content('{"role":"assistant","content":[' .. thinking .. '],"reasoning":"ab"}')))
    end)
  end)

  describe("messages", function()
    for title, case in pairs {
      ["have a system where the chat has a developer"] =
        { { '{"role":"developer","content":"d"}', USER }, '{"role":"system","content":"d"},' .. USER },
      ["have no names but a tool's"] =
        { { '{"role":"user","name":"Bob","content":"u"}', '{"role":"assistant","content":"a","name":"Al"}',
            '{"role":"tool","name":"f","content":"r","tool_call_id":"abcdefghi"}' },
          '{"role":"user","content":"Bob: u"},{"role":"assistant","content":"Al: a"},'
          .. '{"role":"tool","name":"f","content":"r","tool_call_id":"abcdefghi"}' },
      ["have no members that Mistral does not know"] =
        { { '{"role":"user","content":"u","id":5,"x":null}', '{"role":"assistant","content":"a","audio":{"id":"x"},"annotations":[],"refusal":null}',
            '{"role":"tool","content":"r","tool_call_id":"abcdefghi","is_error":true}' },
          '{"role":"user","content":"u"},{"role":"assistant","content":"a"},{"role":"tool","content":"r","tool_call_id":"abcdefghi"}',
          { "messages.audio", "messages.id", "messages.is_error" } },
      ["tell a refusal as text"] =
        { { '{"role":"assistant","content":null,"refusal":"No."}', '{"role":"assistant","refusal":"No."}',
            '{"role":"assistant","content":[{"type":"refusal","refusal":"No."}]}', USER },
          '{"role":"assistant","content":"No."},{"role":"assistant","content":"No."},'
          .. '{"role":"assistant","content":[{"type":"text","text":"No."}]},' .. USER },
      ["end with the beginning of the answer"] =
        { { USER, '{"role":"assistant","content":"The"}' }, USER .. ',{"role":"assistant","content":"The","prefix":true}' },
      ["end with it also where it says otherwise, but not with calls"] =
        { { USER, '{"role":"assistant","content":"The","prefix":false}' }, USER .. ',{"role":"assistant","content":"The","prefix":true}' },
      ["have an assistant between a tool and the user"] =
        { { '{"role":"tool","content":"r","tool_call_id":"abcdefghi"}', USER, USER },
          '{"role":"tool","content":"r","tool_call_id":"abcdefghi"},{"role":"assistant","content":"OK."},' .. USER .. "," .. USER },
      ["of an assistant say something, also the last"] =
        { { USER, '{"role":"assistant","content":null}', '{"role":"tool","content":"r","tool_call_id":"abcdefghi"}', '{"role":"assistant","content":""}',
            USER, '{"role":"assistant","content":"The"}', '{"role":"assistant"}' },
          USER .. ',{"role":"tool","content":"r","tool_call_id":"abcdefghi"},{"role":"assistant","content":"OK."},' .. USER
          .. ',{"role":"assistant","content":"The","prefix":true}' },
      ["that instruct behind the model are the user's reminders"] =
        { { '{"role":"system","content":"s"}', USER, '{"role":"system","content":"t"}', '{"role":"assistant","content":"a"}',
            '{"role":"system","content":[{"type":"text","text":"u"}]}', USER },
          '{"role":"system","content":"s"},' .. USER .. ',{"role":"system","content":"t"},{"role":"assistant","content":"a"},'
          .. '{"role":"user","content":"<system-reminder>\\nu\\n</system-reminder>"},' .. USER },
      ["that instruct behind a tool are, too, with the assistant between"] =
        { { '{"role":"tool","content":"r","tool_call_id":"abcdefghi"}', '{"role":"developer","content":"s"}' },
          '{"role":"tool","content":"r","tool_call_id":"abcdefghi"},{"role":"assistant","content":"OK."},'
          .. '{"role":"user","content":"<system-reminder>\\ns\\n</system-reminder>"}' },
      ["that instruct and are all there is end with the user"] =
        { { '{"role":"system","content":"s"}', '{"role":"system","content":"t"}' }, '{"role":"system","content":"s"},{"role":"user","content":"t"}' },
      ["that instruct are text alone"] =
        { { '{"role":"system","content":[{"type":"text","text":"s"},{"type":"image_url","image_url":{"url":"u"}}]}', USER },
          '{"role":"system","content":[{"type":"text","text":"s"}]},' .. USER, { "messages.image" } },
      ["call custom tools as ones with an input"] =
        { { '{"role":"assistant","content":"","tool_calls":[{"id":"abcdefghi","type":"custom","custom":{"name":"x","input":"ls"}}]}', USER },
          '{"role":"assistant","content":"","tool_calls":[{"function":{"arguments":"{\\"input\\":\\"ls\\"}","name":"x"},"id":"abcdefghi",'
          .. '"type":"function"}]},' .. USER },
      ["of unknown roles are left to Mistral"] = { { '{"role":"new","x":1}', USER }, '{"role":"new","x":1},' .. USER },
    } do
      it(title, function()
        local got, lost = converse(case[1])
        assert.equal(case[2], got)
        assert.same(case[3] or {}, lost)
      end)
    end

    it("have parts under Mistral's names", function()
      local got, lost = converse { '{"role":"user","content":[{"type":"text","text":"t","cache_control":{"type":"ephemeral"}},'
        .. '{"type":"image_url","image_url":{"url":"u","detail":"low"}},{"type":"image_url","image_url":"u"},'
        .. '{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}},{"type":"input_audio","input_audio":"AA"},'
        .. '{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AA"}},{"type":"file","file":{"file_id":"f"}},'
        .. '{"type":"file","file_id":"f"},{"type":"document_url","document_url":"d"},{"type":"video_url","video_url":{"url":"v"}},{"type":"new"}]}' }
      assert.equal('{"role":"user","content":[{"type":"text","text":"t"},{"type":"image_url","image_url":{"url":"u","detail":"low"}},'
        .. '{"type":"image_url","image_url":"u"},{"type":"input_audio","input_audio":"AA"},{"type":"input_audio","input_audio":"AA"},'
        .. '{"document_name":"a.pdf","document_url":"data:application/pdf;base64,AA","type":"document_url"},{"file_id":"f","type":"file"},'
        .. '{"type":"file","file_id":"f"},{"type":"document_url","document_url":"d"}]}', got)
      assert.same({ "messages.new", "messages.video" }, lost)
    end)

    it("have calls with Mistral's members and ids, the same ids in their results", function()
      local got, lost = converse { '{"role":"assistant","content":"","tool_calls":[{"id":"call_1","type":"function","index":0,"extra":1,'
        .. '"function":{"arguments":"{\\"z\\":1e400}","name":"f"}},{"id":"vAKGXGFZD","function":{"name":"g","arguments":{}}}]}',
        '{"role":"tool","tool_call_id":"call_1","content":"r"}', '{"role":"tool","tool_call_id":"vAKGXGFZD","content":"r"}' }
      local id = mistral_ids.map({ "call_1" })["call_1"]
      assert.equal('{"role":"assistant","content":"","tool_calls":[{"id":"' .. id .. '","type":"function","index":0,'
        .. '"function":{"arguments":"{\\"z\\":1e400}","name":"f"}},{"id":"vAKGXGFZD","function":{"name":"g","arguments":{}}}]},'
        .. '{"role":"tool","tool_call_id":"' .. id .. '","content":"r"},{"role":"tool","tool_call_id":"vAKGXGFZD","content":"r"}', got)
      assert.same({ "messages.tool_calls.extra" }, lost)
    end)
  end)

  for _, text in ipairs { "", "{", "[]", '"a"', '{"messages":[],"reasoning":{"max_tokens":{}}}' } do
    it("cannot make a request of " .. (text == "" and "nothing" or text), function()
      local body, why = convert(text)
      assert.is_nil(body)
      assert.equal("string", type(why))
    end)
  end

  for _, list in ipairs { '"hi"', "null", "[5]", '["hi"]', "[{}]" } do
    it("leaves messages that are none to Mistral: " .. list, function()
      local text = '{"model":"mistral-small-latest","messages":' .. list .. "}"
      assert.equal(text, (convert(text)))
    end)
  end
end)

describe("mistral_ids.map", function()
  it("gives nine letters and digits, to each id its own, and the same again", function()
    local ids, seen = {}, {}
    for i = 1, 5000 do ids[i] = "call_" .. i end
    local map = mistral_ids.map(ids)
    for _, id in ipairs(ids) do
      assert.truthy(map[id]:find "^%w%w%w%w%w%w%w%w%w$")
      assert.is_nil(seen[map[id]])
      seen[map[id]] = true
    end
    assert.same({ call_77 = map.call_77 }, mistral_ids.map { "call_77", "call_77" })
  end)

  it("gives the same in every Lua", function()
    assert.same({ call_1 = "RlHQkqBUe", ["toolu_01A09q90qw90lq917835lq9"] = "EMnLWcYwG" },
      mistral_ids.map { "call_1", "toolu_01A09q90qw90lq917835lq9" })
  end)

  it("keeps what is valid, and gives it to nobody else", function()
    local hash = mistral_ids.map({ "call_1" }).call_1
    local map = mistral_ids.map { "call_1", hash }
    assert.equal(hash, map[hash])
    assert.not_equal(hash, map.call_1)
    assert.equal(9, #map.call_1)
  end)
end)

describe("chat_to_mistral.embeddings", function()
  for _, case in ipairs {
    { '{"model":"x","input":"a","user":"u"}', '{"model":"codestral-embed","input":"a"}', {} },
    { '{"input":["a"],"dimensions":5,"encoding_format":"base64","input_type":"query"}',
      '{"input":["a"],"output_dimension":5,"encoding_format":"base64","model":"codestral-embed"}', { "input_type" } },
  } do
    it("asks for " .. case[1], function()
      local body, lost = chat_to_mistral.embeddings(case[1], { model = "codestral-embed" })
      assert.equal(case[2], body)
      assert.same(case[3], lost)
    end)
  end

  for _, text in ipairs { '{"input":[1]}', '{"input":[]}', "{}", "{" } do
    it("cannot ask for " .. text, function()
      local body, why = chat_to_mistral.embeddings(text, {})
      assert.is_nil(body)
      assert.equal("string", type(why))
    end)
  end
end)

describe("What Mistral was really asked", function()
  local list = recordings.of("mistral", "chat")
  if not list then return it("is asked again here", function() pending "TIDEGATE_TEST_DATA is not set" end) end
  for _, r in ipairs(list) do
    local body, model, messages, options = json.pick(r.request, "body", "body.model", "body.messages", "body.stream_options")
    it("is asked the same, byte for byte: " .. r.name, function()
      local got, lost = convert(body, json.decode(model))
      if options then       -- of a server that only resembles Mistral's
        assert.same({ messages, nil }, { json.pick(got, "messages", "stream_options") })
      else
        assert.equal(body, got)
      end
      assert.same({}, lost)
    end)
  end
end)
