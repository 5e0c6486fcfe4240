local cjson     = require "cjson"
local converter = require "tidegate.convert.chat_to_anthropic_messages"

local unpack = rawget(_G, "unpack") or rawget(table, "unpack")

local OPUS45, SONNET45, SONNET4 = "claude-opus-4-5-20251101", "claude-sonnet-4-5-20250929", "claude-sonnet-4-20250514"
local SONNET46, OPUS47, OPUS48, SONNET5, OPUS55, SONNET55 =
  "claude-sonnet-4-6", "claude-opus-4-7", "claude-opus-4-8", "claude-sonnet-5", "claude-opus-5-5", "claude-sonnet-5-5"

local HI = '[{"role":"user","content":"hi"}]'

-- The request that a chat request with these members becomes: decoded, what is lost, its text, header fields.
local function asked(members, messages, model, about)
  about = about or { wire = "anthropic-messages" }
  about.model = model or SONNET45
  local text, lost, fields = converter.request('{"model":"a/b","messages":' .. (messages or HI) .. (members and "," .. members or "") .. "}", about)
  assert(text, lost)
  return cjson.decode(text), lost, text, fields
end

local function turns_of(messages, model)
  local out, lost = asked(nil, messages, model)
  return out.messages, lost, out.system
end

describe("chat_to_anthropic_messages.request", function()
  it("asks for as long an answer as the model gives when nothing is said", function()
    assert.same({ model = SONNET45, max_tokens = 64000, messages = { { role = "user", content = "hi" } } }, (asked()))
    assert.equal(1000, asked(nil, nil, nil, { max_completion_tokens = 1000 }).max_tokens)
    assert.equal(4096, asked(nil, nil, "kimi-k2").max_tokens)
    assert.equal(7, asked('"max_completion_tokens":7,"max_tokens":9').max_tokens)
    assert.equal(9, asked('"max_tokens":9').max_tokens)
  end)

  it("leaves the model to Vertex's path, and brings the version in the body", function()
    local out, _, _, fields = asked('"stream":true,"response_format":{"type":"json_schema","json_schema":{"schema":{}}}', nil,
      "claude-sonnet-4-5@20250929", { wire = "vertex-anthropic" })
    assert.is_nil(out.model)
    assert.equal("vertex-2023-10-16", out.anthropic_version)
    assert.is_true(out.stream)
    assert.is_nil(fields)
  end)

  it("says where automatic caching is to break on Vertex, which does not know it", function()
    local cache = '"cache_control":{"type":"ephemeral"}'
    assert.same({ type = "ephemeral" }, asked(cache).cache_control)
    local out = asked(cache, nil, nil, { wire = "vertex-anthropic" })
    assert.is_nil(out.cache_control)
    assert.same({ { type = "text", text = "hi", cache_control = { type = "ephemeral" } } }, out.messages[1].content)
  end)

  -- ---- instructions ----

  it("takes the first instructions as the system prompt", function()
    local _, _, system = turns_of '[{"role":"system","content":"a"},{"role":"user","content":"hi"}]'
    assert.equal("a", system)
    _, _, system = turns_of [[ [{"role":"system","content":"a"},{"role":"developer","content":[{"type":"text","text":"b",
      "cache_control":{"type":"ephemeral"}}]},{"role":"user","content":"hi"}] ]]
    assert.same({ { type = "text", text = "a" }, { type = "text", text = "b", cache_control = { type = "ephemeral" } } }, system)
    _, _, system = turns_of '[{"role":"system","content":"a","cache_control":{"type":"ephemeral"}},{"role":"user","content":"hi"}]'
    assert.same({ { type = "text", text = "a", cache_control = { type = "ephemeral" } } }, system)
  end)

  it("takes nothing but text for instructions", function()
    local _, lost, system = turns_of [[ [{"role":"system","content":[{"type":"text","text":"a"},{"type":"text","text":" "},
      {"type":"file","file":{"file_id":"f"}}]},{"role":"user","content":"hi"}] ]]
    assert.equal("a", system)
    assert.same({ "messages.file" }, lost)
  end)

  it("reminds of later instructions where they stood", function()
    local turns = turns_of '[{"role":"user","content":"hi"},{"role":"system","content":"German now."},{"role":"assistant","content":"Moin."}]'
    assert.same({ { type = "text", text = "hi" }, { type = "text", text = "<system-reminder>\nGerman now.\n</system-reminder>" } },
      turns[1].content)
  end)

  it("lets models that hear such instructions hear them, behind a user's turn", function()
    local later = '[{"role":"user","content":"hi"},{"role":"system","content":"German now."}%s]'
    assert.same({ { role = "user", content = "hi" }, { role = "system", content = "German now." } }, (turns_of(later:format "", OPUS48)))
    assert.equal(1, #turns_of(later:format ',{"role":"user","content":"x"}', OPUS48))
  end)

  it("makes a turn of instructions when there is nothing else", function()
    local turns, _, system = turns_of '[{"role":"system","content":"a"},{"role":"system","content":"b"}]'
    assert.same({ { role = "user", content = "b" } }, turns)
    assert.equal("a", system)
  end)

  -- ---- turns ----

  it("makes one turn of neighbours of one role, with the author's name", function()
    assert.same({
      { role = "user", content = { { type = "text", text = "a" }, { type = "text", text = "Ann: b" } } },
      { role = "assistant", content = { { type = "text", text = "c" }, { type = "text", text = "d" } } },
    }, (turns_of [[ [{"role":"user","content":"a"},{"role":"user","name":"Ann","content":"b"},{"role":"assistant","content":"c"},
      {"role":"assistant","content":"d"}] ]]))
  end)

  it("leaves out what is empty, which would be refused", function()
    assert.same({ { role = "user", content = "x" } }, (turns_of [[ [{"role":"user","content":""},{"role":"assistant","content":null},
      {"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"x"}]}] ]]))
    local out, why = converter.request('{"messages":[{"role":"user","content":""}]}', { model = SONNET45 })
    assert.is_nil(out)
    assert.truthy(why:find("'messages'", 1, true))
  end)

  it("leaves out what is blank, which would be refused, too", function()
    assert.same({ { role = "user", content = "x" }, { role = "assistant", content = "y" }, { role = "user", content = { {
      type = "tool_result", tool_use_id = "t", content = { { type = "text", text = "z" } } } } } }, (turns_of [[ [
      {"role":"user","content":[{"type":"text","text":" \n"},{"type":"text","text":"x"}]},
      {"role":"assistant","content":[{"type":"text","text":"y"},{"type":"text","text":"\n\n"}]},{"role":"user","content":" "},
      {"role":"tool","tool_call_id":"t","content":[{"type":"text","text":" "},{"type":"text","text":"z"}]}] ]]))
  end)

  it("takes a file's bytes also where no URL is around them", function()
    local turns = turns_of '[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"JVBERi0="}}]}]'
    assert.same({ type = "base64", media_type = "application/pdf", data = "JVBERi0=" }, turns[1].content[1].source)
  end)

  it("tells the type of a picture without its parameters", function()
    local turns = turns_of '[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;name=a.png;base64,aGk="}}]}]'
    assert.equal("image/png", turns[1].content[1].source.media_type)
  end)

  it("brings results of tools before what else the user said, pictures and failures too", function()
    local turns = turns_of [[ [{"role":"user","content":"?"},
      {"role":"assistant","content":null,"tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{}"}},
        {"id":"t2","type":"function","function":{"name":"g","arguments":""}}]},
      {"role":"user","content":"quick"},
      {"role":"tool","tool_call_id":"t1","content":"22","is_error":true},
      {"role":"tool","tool_call_id":"t2","cache_control":{"type":"ephemeral"},"content":[{"type":"text","text":"see"},
        {"type":"image_url","image_url":{"url":"data:image/jpg;base64,aGk="}}]},
      {"role":"user","content":"And?"}] ]]
    assert.same({
      { type = "tool_result", tool_use_id = "t1", content = "22", is_error = true },
      { type = "tool_result", tool_use_id = "t2", cache_control = { type = "ephemeral" }, content = { { type = "text", text = "see" },
        { type = "image", source = { type = "base64", media_type = "image/jpeg", data = "aGk=" } } } },
      { type = "text", text = "quick" }, { type = "text", text = "And?" },
    }, turns[3].content)
  end)

  it("keeps arguments to the byte", function()
    local _, _, text = asked(nil, [[ [{"role":"assistant","tool_calls":[
      {"id":"t1","type":"function","function":{"name":"f","arguments":"{ \"b\":1.0,\"a\":12345678901234567890 }"}}]}] ]])
    assert.truthy(text:find('"input":{ "b":1.0,"a":12345678901234567890 }', 1, true))
  end)

  -- ---- thoughts that may not stand where they do ----

  local THOUGHT = [[ "reasoning_details":[{"type":"reasoning.text","text":"Hm","signature":"c2ln","format":"anthropic-claude-v1","index":0}] ]]

  it("ends no turn that is to be continued with a thought", function()
    local turns, lost = turns_of('[{"role":"user","content":"x"},{"role":"assistant","content":"",' .. THOUGHT .. "}]")
    assert.same({ { role = "user", content = "x" } }, turns)
    assert.same({ "messages.reasoning" }, lost)
  end)

  it("gives such a turn thoughts only to a model that is to think", function()
    local messages = '[{"role":"user","content":"x"},{"role":"assistant","content":"So",' .. THOUGHT .. "}]"
    local turns, lost = turns_of(messages)
    assert.same({ { type = "text", text = "So" } }, turns[2].content)
    assert.same({ "messages.reasoning" }, lost)
    local out = asked('"reasoning":{"max_tokens":2000}', messages)
    assert.equal("thinking", out.messages[2].content[1].type)
    turns, lost = turns_of(messages:sub(1, -2) .. ',{"role":"user","content":"y"}]')
    assert.equal("thinking", turns[2].content[1].type)
    assert.same({}, lost)
  end)

  it("marks for caches no thought, which has no place for it", function()
    local turns = turns_of('[{"role":"user","content":"x"},{"role":"assistant","content":null,"cache_control":{"type":"ephemeral"},' .. THOUGHT
      .. '},{"role":"user","content":"y"}]')
    assert.same({ { type = "thinking", thinking = "Hm", signature = "c2ln" } }, turns[2].content)
  end)

  it("gives each call an id of its own, also where another provider's began anew", function()
    local turn = [[ {"role":"assistant","tool_calls":[{"id":"0","type":"function","function":{"name":"f","arguments":"{}"}}]},
      {"role":"tool","tool_call_id":"0","content":"x"} ]]
    local turns = turns_of("[" .. turn .. "," .. turn .. "]")
    assert.same({ "0", "0", "0_2", "0_2" }, { turns[1].content[1].id, turns[2].content[1].tool_use_id, turns[3].content[1].id,
      turns[4].content[1].tool_use_id })
  end)

  it("calls a custom tool as one with an input", function()
    local turns, lost = turns_of [[ [{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"x","input":"ls"}}]}] ]]
    assert.same({ { type = "tool_use", id = "c", name = "x", input = { input = "ls" } } }, turns[1].content)
    assert.same({}, lost)
  end)

  it("gives calls ids that Anthropic takes, the same for the result, and no two alike", function()
    local turns = turns_of [[ [{"role":"assistant","tool_calls":[{"id":"functions.f:0","type":"function","function":{"name":"f","arguments":"{}"}},
      {"id":"functions_f.0","type":"function","function":{"name":"f","arguments":"{}"}}]},
      {"role":"tool","tool_call_id":"functions_f.0","content":"2"},{"role":"tool","tool_call_id":"functions.f:0","content":"1"}] ]]
    assert.equal("functions_f_0", turns[1].content[1].id)
    assert.equal("functions_f_0_2", turns[1].content[2].id)
    assert.same({ "functions_f_0_2", "functions_f_0" }, { turns[2].content[1].tool_use_id, turns[2].content[2].tool_use_id })
  end)

  it("lets the model go on with its own words, without the space behind them", function()
    assert.same({ role = "assistant", content = "```json" }, turns_of('[{"role":"user","content":"x"},{"role":"assistant","content":"```json\\n "}]')[2])
    assert.equal(1, #turns_of '[{"role":"user","content":"x"},{"role":"assistant","content":" "}]')
  end)

  for what, case in pairs {
    ["a picture at a URL"] = { '{"type":"image_url","image_url":{"url":"https://x/y.png","detail":"low"},"cache_control":{"type":"ephemeral"}}',
      { type = "image", source = { type = "url", url = "https://x/y.png" }, cache_control = { type = "ephemeral" } } },
    ["a picture that is a file"] = { '{"type":"file","file":{"file_data":"data:image/webp;base64,aGk="}}',
      { type = "image", source = { type = "base64", media_type = "image/webp", data = "aGk=" } } },
    ["a PDF"] = { '{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,aGk="},"citations":{"enabled":true}}',
      { type = "document", title = "a.pdf", citations = { enabled = true },
        source = { type = "base64", media_type = "application/pdf", data = "aGk=" } } },
    ["a text"] = { '{"type":"file","file":{"filename":"a.csv","file_data":"data:text/csv;base64,YSxi"}}',
      { type = "document", title = "a.csv", source = { type = "text", media_type = "text/plain", data = "a,b" } } },
    ["a document at a URL"] = { '{"type":"file","file":{"file_url":"https://x/y.pdf"}}',
      { type = "document", source = { type = "url", url = "https://x/y.pdf" } } },
    ["a document that was uploaded"] = { '{"type":"file","file":{"file_id":"file_1"}}', { type = "document", source = { type = "file", file_id = "file_1" } } },
    ["a kind of Anthropic's own"] = { '{"type":"search_result","source":"s","title":"t","content":[]}',
      { type = "search_result", source = "s", title = "t", content = {} } },
  } do
    it("shows " .. what, function()
      assert.same({ case[2] }, turns_of('[{"role":"user","content":[' .. case[1] .. "]}]")[1].content)
    end)
  end

  for what, case in pairs {
    ["sound"] = { '{"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}}', "messages.audio" },
    ["films"] = { '{"type":"video_url","video_url":{"url":"https://x/y.mp4"}}', "messages.video" },
    ["files of other kinds"] = { '{"type":"file","file":{"file_data":"data:application/zip;base64,aGk="}}', "messages.file" },
    ["kinds of tomorrow"] = { '{"type":"smell"}', "messages.smell" },
  } do
    it("tells that it cannot show " .. what, function()
      local turns, lost = turns_of('[{"role":"user","content":[{"type":"text","text":"x"},' .. case[1] .. "]}]")
      assert.same({ { role = "user", content = "x" } }, turns)
      assert.same({ case[2] }, lost)
    end)
  end

  -- ---- reasoning that comes back ----

  it("brings Anthropic's reasoning back in its order, and nobody else's", function()
    local turns, lost = turns_of [[ [{"role":"user","content":"x"},{"role":"assistant","content":"ab","reasoning":"Hm.","reasoning_details":[
      {"type":"reasoning.text","text":"H","format":"anthropic-claude-v1","index":0},
      {"type":"reasoning.text","text":"m.","format":"anthropic-claude-v1","index":0},
      {"type":"reasoning.text","signature":"Eu+/=","format":"anthropic-claude-v1","index":0},
      {"type":"reasoning.text","signature":"Em==","format":"anthropic-claude-v1","index":1},
      {"type":"reasoning.encrypted","data":"EqkE","format":"anthropic-claude-v1","index":2},
      {"type":"reasoning.encrypted","data":"CiQ=","format":"google-gemini-v1","index":3},
      {"type":"reasoning.text","text":"unsigned","format":"anthropic-claude-v1","index":4}]},{"role":"user","content":"y"}] ]]
    assert.same({ { type = "thinking", thinking = "Hm.", signature = "Eu+/=" }, { type = "thinking", thinking = "", signature = "Em==" },
      { type = "redacted_thinking", data = "EqkE" }, { type = "text", text = "ab" } }, turns[2].content)
    assert.same({ "messages.reasoning" }, lost)
  end)

  it("puts text and calls where their markers say, and the rest behind", function()
    local turns = turns_of [[ [{"role":"user","content":"x"},{"role":"assistant","content":"éabcd","tool_calls":[
      {"id":"t1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"t2","type":"function","function":{"name":"g","arguments":"{}"}}],
      "annotations":[{"type":"url_citation","format":"anthropic-messages","url_citation":{"url":"u","start_index":2,"end_index":3},
          "citation":{"type":"web_search_result_location","encrypted_index":"Eo8="}},
        {"type":"url_citation","url_citation":{"url":"https://foreign","start_index":0,"end_index":1}}],
      "reasoning_details":[
      {"type":"reasoning.server_tool_call","format":"anthropic-claude-v1","data":"{\"type\":\"text\",\"chars\":2}"},
      {"type":"reasoning.server_tool_call","format":"anthropic-claude-v1","data":"{\"type\":\"server_tool_use\",\"id\":\"s\",\"input\":{\"q\":1.0}}"},
      {"type":"reasoning.server_tool_call","format":"anthropic-claude-v1","data":"{\"type\":\"text\",\"chars\":1}"},
      {"type":"reasoning.server_tool_call","format":"anthropic-claude-v1","data":"{\"type\":\"tool_use\",\"id\":\"t2\",\"caller\":{\"type\":\"code\"}}"},
      {"type":"reasoning.server_tool_call","format":"anthropic-claude-v1","data":"nonsense"}]},{"role":"user","content":"y"}] ]]
    assert.same({
      { type = "text", text = "éa" }, { type = "server_tool_use", id = "s", input = { q = 1 } },
      { type = "text", text = "b", citations = { { type = "web_search_result_location", encrypted_index = "Eo8=" } } },
      { type = "tool_use", id = "t2", name = "g", input = {}, caller = { type = "code" } },
      { type = "text", text = "cd" }, { type = "tool_use", id = "t1", name = "f", input = {} },
    }, turns[2].content)
  end)

  -- ---- thinking ----

  for _, case in ipairs {
    -- what is asked                                            model     what is sent                                     lost
    { '"reasoning":{"effort":"high"},"max_tokens":10000',       SONNET45, { type = "enabled", budget_tokens = 8000 },      nil },
    { '"reasoning_effort":"low","max_tokens":10000',            SONNET45, { type = "enabled", budget_tokens = 2000 },      nil },
    { '"reasoning":{"enabled":true},"max_tokens":4000',         SONNET45, { type = "enabled", budget_tokens = 2000 },      nil },
    { '"reasoning":{"max_tokens":3000},"max_tokens":4000',      SONNET45, { type = "enabled", budget_tokens = 3000 },      nil },
    { '"reasoning":{"max_tokens":100},"max_tokens":4000',       SONNET45, { type = "enabled", budget_tokens = 1024 },      nil },
    { '"reasoning":{"enabled":false}',                          SONNET45, nil,                                             nil },
    { '"reasoning":{"effort":"none"}',                          SONNET45, nil,                                             nil },
    { '"reasoning":{"exclude":true}',                           SONNET45, nil,                                             nil },
    { '"reasoning":{"effort":"high"}',                          "claude-3-5-haiku-20241022", nil,                          "reasoning" },
    { '"reasoning":{"effort":"high"}',                          SONNET46, { type = "adaptive" },                           nil, "high" },
    { '"reasoning":{"enabled":true}',                           SONNET46, { type = "adaptive" },                           nil },
    { '"reasoning":{"effort":"xhigh"}',                         SONNET46, { type = "adaptive" },                           nil, "high" },
    { '"reasoning":{"max_tokens":3000}',                        SONNET46, { type = "enabled", budget_tokens = 3000 },      nil },
    { '"reasoning":{"effort":"minimal"}',                       OPUS47,   { type = "adaptive", display = "summarized" },   nil, "low" },
    { '"reasoning":{"effort":"max","exclude":true}',            OPUS47,   { type = "adaptive", display = "omitted" },      nil, "max" },
    { '"reasoning":{"max_tokens":90000},"max_tokens":100000',   OPUS47,   { type = "adaptive", display = "summarized" },   nil, "high" },
    { '"reasoning":{"enabled":false}',                          OPUS47,   nil,                                             nil },
    { '"reasoning":{"enabled":false}',                          SONNET5,  { type = "disabled" },                           nil },
    { '"reasoning":{"enabled":false},"verbosity":"max"',        SONNET55, { type = "between_tools" },                      nil, "high" },
    { '"reasoning":{"enabled":false}',                          OPUS55,   nil,                                             "reasoning", "low" },
    { '"reasoning":{"enabled":false}',                          "glm-4.7", { type = "disabled" },                          nil },
    { '"verbosity":"low"',                                      OPUS45,   nil,                                             nil, "low" },
    { '"verbosity":"low"',                                      SONNET45, nil,                                             "verbosity" },
    { '"verbosity":"low","reasoning":{"effort":"high"}',        SONNET5,  { type = "adaptive", display = "summarized" },   nil, "low" },
    { '"thinking":{"type":"enabled","budget_tokens":5000}',     SONNET46, { type = "enabled", budget_tokens = 5000 },      nil },
  } do
    local members, model, thinking, lost, effort = unpack(case, 1, 5)
    it("asks " .. model .. " for " .. members, function()
      local out, names = asked(members, nil, model)
      assert.same(thinking, out.thinking)
      assert.same({ lost }, names)
      assert.equal(effort, out.output_config and out.output_config.effort)
    end)
  end

  it("makes room for the answer beside the thinking, as far as the model goes", function()
    local out = asked('"reasoning":{"max_tokens":4000},"max_tokens":1000')
    assert.same({ 5000, 4000 }, { out.max_tokens, out.thinking.budget_tokens })
    out = asked('"reasoning":{"effort":"high"},"max_tokens":100')
    assert.same({ 1124, 1024 }, { out.max_tokens, out.thinking.budget_tokens })
    out = asked('"reasoning":{"max_tokens":4000},"max_tokens":1000', nil, nil, { max_completion_tokens = 3000 })
    assert.same({ 3000, 2999 }, { out.max_tokens, out.thinking.budget_tokens })
    out = asked '"reasoning":{"effort":"medium"}'
    assert.same({ 64000, 32000 }, { out.max_tokens, out.thinking.budget_tokens })
  end)

  it("lets a tool that must be called go before thinking", function()
    local tools = '"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required","reasoning":{"effort":"high"}'
    for model, thinking in pairs { [SONNET45] = false, [SONNET46] = false, [SONNET5] = { type = "disabled" } } do
      local out, lost = asked(tools, nil, model)
      assert.same(thinking or nil, out.thinking)
      assert.same({ "reasoning" }, lost)
      assert.same({ type = "any" }, out.tool_choice)
    end
    local out, lost = asked(tools, nil, OPUS55)
    assert.same({ type = "auto" }, out.tool_choice)
    assert.equal("adaptive", out.thinking.type)
    assert.same({ "tool_choice" }, lost)
  end)

  it("does not think within a budget where the turn to be continued did not begin with thinking", function()
    local turn = [[ [{"role":"user","content":"x"},{"role":"assistant","content":"","reasoning_details":[%s],"tool_calls":[
      {"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"t","content":"1"}] ]]
    local members = '"reasoning":{"effort":"high"}'
    assert.is_nil(asked(members, turn:format "").thinking)
    assert.same({ "reasoning" }, (select(2, asked(members, turn:format ""))))
    assert.equal("adaptive", asked(members, turn:format "", SONNET46).thinking.type)
    local signed = '{"type":"reasoning.text","text":"a","signature":"b","format":"anthropic-claude-v1","index":0}'
    assert.equal("enabled", asked(members, turn:format(signed)).thinking.type)
    assert.is_nil(asked(members, '[{"role":"user","content":"x"},{"role":"assistant","content":"{"}]').thinking)
  end)

  -- ---- sampling ----

  for _, case in ipairs {
    -- what is asked                                                       model     what is sent                      lost
    { '"temperature":1.5,"top_k":40,"stop":"x"',                           SONNET4,  { temperature = 1, top_k = 40, stop_sequences = { "x" } }, {} },
    { '"temperature":0.5,"top_p":0.9',                                     SONNET4,  { temperature = 0.5, top_p = 0.9 }, {} },
    { '"temperature":0.5,"top_p":0.9',                                     SONNET45, { temperature = 0.5 },            { "top_p" } },
    { '"temperature":1,"top_p":0.9',                                       SONNET45, { top_p = 0.9 },                  {} },
    { '"temperature":0.5,"top_p":1,"top_k":0',                             SONNET45, { temperature = 0.5 },            {} },
    { '"temperature":0.5,"top_p":0.9,"top_k":3',                           OPUS47,   {},                               { "temperature", "top_k", "top_p" } },
    { '"temperature":1,"top_p":1',                                         OPUS47,   {},                               {} },
    { '"stop":["\\n","a"]',                                                SONNET45, { stop_sequences = { "a" } },     { "stop" } },
    { '"n":1,"logprobs":false,"frequency_penalty":0,"modalities":["text"]', SONNET45, {},                              {} },
    { '"n":2,"seed":7,"logit_bias":{"1":2}',                               SONNET45, {},                               { "logit_bias", "n", "seed" } },
    { '"user":"u1","session_id":"s","provider":{},"trace":{}',             SONNET45, { metadata = { user_id = "u1" } }, {} },
    { '"service_tier":"default"',                                          SONNET45, { service_tier = "standard_only" }, {} },
    { '"service_tier":"priority"',                                         SONNET45, { service_tier = "auto" },        {} },
    { '"service_tier":"flex"',                                             SONNET45, {},                               { "service_tier" } },
    { '"service_tier":"fast"',                                             OPUS47,   { speed = "fast" },               {} },
    { '"mcp_servers":[{"name":"m"}],"container":"c"',                      SONNET45, { mcp_servers = { { name = "m" } }, container = "c" }, {} },
  } do
    local members, model, sent, lost = unpack(case)
    it("tells " .. model .. " of " .. members, function()
      local out, names = asked(members, nil, model)
      out.model, out.messages, out.max_tokens = nil, nil, nil
      assert.same(sent, out)
      assert.same(lost, names)
    end)
  end

  it("takes no temperature while it thinks, but the neutral one", function()
    local thinking = ',"reasoning":{"effort":"low"},"max_tokens":9000'
    local out, lost = asked('"temperature":0.2,"top_k":5,"top_p":0.97' .. thinking)
    assert.same({ 0.97 }, { out.top_p, out.temperature, out.top_k })
    assert.same({ "temperature", "top_k" }, lost)
    out, lost = asked('"temperature":1,"top_p":0.5' .. thinking, nil, SONNET4)
    assert.equal(1, out.temperature)
    assert.same({ "top_p" }, lost)
  end)

  -- ---- tools and shapes ----

  it("brings tools with their schemas in their order, and Anthropic's own as they are", function()
    local out, lost, text, fields = asked([["tools":[
      {"type":"function","function":{"name":"f","description":"d","strict":true,"parameters":{ "z":1, "type":"object" }},
        "cache_control":{"type":"ephemeral"}},
      {"type":"function","function":{"name":"g"}},{"type":"function","function":{"name":"h","parameters":{ "properties":{} }}},
      {"type":"web_fetch_20250910","name":"web_fetch","max_uses":2},{"type":"openrouter:datetime"}],"parallel_tool_calls":false]])
    assert.truthy(text:find('"input_schema":{ "z":1, "type":"object" }', 1, true))
    assert.same({ name = "g", input_schema = { type = "object", properties = {} } }, out.tools[2])
    assert.same({ type = "object", properties = {} }, out.tools[3].input_schema)
    assert.same({ type = "web_fetch_20250910", name = "web_fetch", max_uses = 2 }, out.tools[4])
    assert.same({ "tools.openrouter:datetime" }, lost)
    assert.same({ type = "auto", disable_parallel_tool_use = true }, out.tool_choice)
    assert.equal("structured-outputs-2025-11-13,web-fetch-2025-09-10", fields["anthropic-beta"])
  end)

  for choice, sent in pairs {
    ['"auto"'] = { type = "auto" }, ['"none"'] = { type = "none" }, ['"required"'] = { type = "any" },
    ['{"type":"function","function":{"name":"f"}}'] = { type = "tool", name = "f" },
    ['{"type":"tool","name":"f"}'] = { type = "tool", name = "f" },
  } do
    it("chooses " .. choice, function()
      assert.same(sent, asked('"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":' .. choice).tool_choice)
      assert.is_nil(asked('"tool_choice":' .. choice).tool_choice)
    end)
  end

  it("searches the web the way OpenAI's clients ask for it", function()
    assert.same({ { type = "web_search_20250305", name = "web_search", user_location = { type = "approximate", country = "DE" } } },
      asked('"web_search_options":{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"country":"DE"}}}').tools)
  end)

  it("asks for an answer that fits a schema", function()
    local format = '"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{ "type":"object" }}}'
    local out, lost, _, fields = asked(format)
    assert.same({ format = { type = "json_schema", schema = { type = "object" } } }, out.output_config)
    assert.same({}, lost)
    assert.equal("structured-outputs-2025-11-13", fields["anthropic-beta"])
    out, lost = asked(format, nil, SONNET4)
    assert.is_nil(out.output_config)
    assert.truthy(out.system:find('{ "type":"object" }', 1, true))
    assert.same({ "response_format" }, lost)
  end)

  it("asks for JSON in words, behind the system prompt", function()
    local out, lost = asked('"response_format":{"type":"json_object"}', '[{"role":"system","content":"a"},{"role":"user","content":"b"}]')
    assert.equal("a", out.system[1].text)
    assert.truthy(out.system[2].text:find "JSON")
    assert.same({}, lost)
    assert.same({}, (select(2, asked('"response_format":{"type":"text"}'))))
  end)

  it("names the betas that uploaded files, fast answers and its tools need", function()
    local _, _, _, fields = asked('"speed":"fast","context_management":{"edits":[]}',
      '[{"role":"tool","tool_call_id":"t","content":[{"type":"file","file":{"file_id":"file_1"}}]}]', OPUS48)
    assert.equal("context-management-2025-06-27,fast-mode-2026-02-01,files-api-2025-04-14", fields["anthropic-beta"])
  end)

  it("refuses what is no chat", function()
    for _, text in ipairs { "{", "{}", '{"messages":"x"}', '{"messages":[]}' } do
      local out, why = converter.request(text, { model = SONNET45 })
      assert.is_nil(out)
      assert.equal("string", type(why))
    end
  end)

  it("counts what a request would have, and nothing of its answer", function()
    local text = converter.count('{"max_tokens":5,"stream":true,"temperature":1,"stop":"x","user":"u","messages":[{"role":"system","content":"a"},'
      .. '{"role":"user","content":"b"}],"tools":[{"type":"function","function":{"name":"f"}}]}', { wire = "anthropic-messages", model = SONNET45 })
    assert.same({ model = SONNET45, system = "a", messages = { { role = "user", content = "b" } },
      tools = { { name = "f", input_schema = { type = "object", properties = {} } } } }, cjson.decode(text))
    text = converter.count('{"messages":[{"role":"user","content":"b"}]}', { wire = "vertex-anthropic", model = "m" })
    assert.same({ model = "m", anthropic_version = "vertex-2023-10-16", messages = { { role = "user", content = "b" } } }, cjson.decode(text))
    assert.equal('{"input_tokens":12}', converter.count_answer(12))
  end)
end)
