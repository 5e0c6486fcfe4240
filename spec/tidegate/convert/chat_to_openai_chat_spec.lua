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
