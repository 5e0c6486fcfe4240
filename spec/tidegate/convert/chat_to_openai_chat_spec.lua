local json = require("tidegate.core").json
local M    = require "tidegate.convert.chat_to_openai_chat"

local function converted(text)
  local out, lost = M.request(text)
  return out, lost
end

describe("a chat that was made of another format, for a provider of OpenAI's own members,", function()
  for _, case in ipairs {
    { "keeps what OpenAI knows, byte for byte", [[{"messages":[{"content":"hi","role":"user","name":"a"}],"seed":12345678901234567890,"x":[ ]}]],
      [[{"messages":[{"content":"hi","role":"user","name":"a"}],"seed":12345678901234567890,"x":[ ]}]] },
    { "has no reasoning in its messages", [[{"messages":[{"role":"assistant","reasoning":"r","reasoning_details":[{"type":"x"}],"content":"a"}]}]],
      [[{"messages":[{"role":"assistant","content":"a"}]}]] },
    { "has no marks for caches", [[{"cache_control":{"type":"ephemeral"},"messages":[{"role":"user","content":[]]
      .. [[{"type":"text","text":"cache_control","cache_control":{"type":"ephemeral"}}]}]}]],
      [[{"messages":[{"role":"user","content":[{"type":"text","text":"cache_control"}]}]}]] },
    { "has no marks for caches in its tools", [[{"messages":[],"tools":[]]
      .. [[{"type":"function","function":{"name":"f","parameters":{"z":1,"a":2}},"cache_control":{}}]}]],
      [[{"messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":{"z":1,"a":2}}}]}]] },
    { "tells no errors of tools", [[{"messages":[{"role":"tool","tool_call_id":"1","content":"no","is_error":true}]}]],
      [[{"messages":[{"role":"tool","tool_call_id":"1","content":"no"}]}]] },
    { "keeps calls, without the names of their spaces", [[{"messages":[{"role":"assistant","tool_calls":[]]
      .. [[{"id":"1","type":"function","function":{"name":"f","namespace":"n","arguments":"{}"}}]}]}]],
      [[{"messages":[{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}]}]] },
  } do
    it(case[1], function() assert.equal(case[3], (converted(case[2]))) end)
  end

  local LONG = ("x"):rep(41)

  for _, case in ipairs {
    { "names calls as OpenAI does, without their number, and no longer than it takes",
      [[{"role":"assistant","tool_calls":[{"index":0,"id":"]] .. LONG .. [[","type":"function","function":{"name":"f","arguments":"{}"},"x":1}]},]]
        .. [[{"role":"tool","tool_call_id":"]] .. LONG .. [[","content":"r"}]],
      [[{"role":"assistant","tool_calls":[{"id":"]] .. LONG:sub(1, 40) .. [[","type":"function","function":{"name":"f","arguments":"{}"}}]},]]
        .. [[{"role":"tool","tool_call_id":"]] .. LONG:sub(1, 40) .. [[","content":"r"}]] },
    { "lets the user show what tools showed, behind the results",
      [[{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"u"}}]},]]
        .. [[{"role":"tool","tool_call_id":"2","content":[{"type":"file","file":{"file_id":"f"},"citations":{"enabled":true}}]},]]
        .. [[{"role":"user","content":"and?"}]],
      [[{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"see"}]},]]
        .. [[{"role":"tool","tool_call_id":"2","content":"The result is shown in the next message."},]]
        .. [[{"role":"user","content":[{"type":"text","text":"Shown by the tools:"},{"type":"image_url","image_url":{"url":"u"}},]]
        .. [[{"type":"file","file":{"file_id":"f"}}]},{"role":"user","content":"and?"}]] },
    { "has text alone from the model and in instructions",
      [[{"role":"system","content":[{"type":"text","text":"s"},{"type":"file","file":{"file_id":"f"}}]},]]
        .. [[{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]}]],
      [[{"role":"system","content":[{"type":"text","text":"s"}]},{"role":"assistant","content":[{"type":"text","text":"a"}]}]],
      { "messages.file", "messages.image" } },
    { "has no turn of the model's without words",
      [[{"role":"user","content":"u"},{"role":"assistant","content":null,"reasoning":"r"},{"role":"assistant","content":[{"type":"file","file":{}}]}]],
      [[{"role":"user","content":"u"}]], { "messages.file" } },
    { "names what was said aloud by its id", [[{"role":"assistant","audio":{"id":"a","data":"AA"}},{"role":"assistant","content":"t","audio":{"data":"AA"}}]],
      [[{"role":"assistant","audio":{"id":"a"}},{"role":"assistant","content":"t"}]], { "messages.audio" } },
    { "has no parts of another provider's", [[{"role":"user","content":[{"type":"text","text":"t"},{"type":"search_result","title":"x"},]]
      .. [[{"type":"image_url","image_url":{"url":"u","mime_type":"image/png"}}]}]],
      [[{"role":"user","content":[{"type":"text","text":"t"},{"type":"image_url","image_url":{"url":"u"}}]}]], { "messages.search_result" } },
  } do
    it(case[1], function()
      local text, lost = converted('{"messages":[' .. case[2] .. "]}")
      assert.equal('{"messages":[' .. case[3] .. "]}", text)
      assert.same(case[4] or {}, lost)
    end)
  end

  it("says nothing of tools where none is left", function()
    local text, lost = converted [[{"messages":[],"tools":[{"type":"computer"}],"tool_choice":"required","parallel_tool_calls":true}]]
    assert.equal([[{"messages":[]}]], text)
    assert.same({ "tool_choice", "tools.computer" }, lost)
  end)

  it("asks for no more words than OpenAI knows", function()
    assert.equal([[{"messages":[],"verbosity":"high"}]], (converted [[{"messages":[],"verbosity":"max"}]]))
  end)

  for _, case in ipairs {
    { [[{"effort":"high"}]], "high" }, { [[{"effort":"xhigh"}]], "high" }, { [[{"effort":"minimal"}]], "minimal" },
    { [[{"enabled":true}]], "medium" }, { [[{"enabled":false}]], "none" }, { [[{"max_tokens":15000}]], "high" },
    { [[{"max_tokens":2000}]], "low" }, { [[{"exclude":true}]], "null" },
  } do
    it("asks for reasoning as OpenAI does: " .. case[1], function()
      local text = converted([[{"messages":[],"reasoning":]] .. case[1] .. "}")
      assert.is_nil((json.pick(text, "reasoning")))
      assert.equal(case[2], json.decode(json.pick(text, "reasoning_effort") or '"null"'))
    end)
  end

  it("keeps the effort that is given", function()
    assert.equal([[{"messages":[],"reasoning_effort":"low"}]],
      (converted [[{"messages":[],"reasoning":{"effort":"high"},"reasoning_effort":"low"}]]))
  end)

  it("leaves out tools that are another provider's, and tells them", function()
    local text, lost = converted [[{"messages":[],"tools":[{"type":"web_search_20250305","name":"web_search"},{"type":"custom","custom":{"name":"c"}}]}]]
    assert.equal([[{"messages":[],"tools":[{"type":"custom","custom":{"name":"c"}}]}]], text)
    assert.same({ "tools.web_search_20250305" }, lost)
    assert.equal([[{"messages":[]}]], (converted [[{"messages":[],"tools":[{"type":"computer"}]}]]))
  end)
end)

describe("chat_to_openai_chat.embeddings", function()
  local function embeddings(text) return M.embeddings(text, { model = "up" }) end

  it("leaves out what is another provider's, and tells it", function()
    local text, lost = embeddings [[{"model":"m","input":["a"],"input_type":"search_query","requests":[{"title":"T"}],"dimensions":8}]]
    assert.equal([[{"model":"up","input":["a"],"dimensions":8}]], text)
    assert.same({ "input_type", "requests" }, lost)
  end)

  it("refuses what is no text", function()
    assert.same({ nil, "OpenAI embeds text: another kind of content is in `input`." },
      { embeddings [[{"model":"m","input":[{"content":[]}]}]] })
  end)
end)
