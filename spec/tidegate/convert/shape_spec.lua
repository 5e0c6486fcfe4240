local json  = require("tidegate.core").json
local shape = require "tidegate.convert.shape"

describe("shape.check", function()
  for _, text in ipairs {
    '{"messages":[]}',
    '{"messages":[{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"new","x":5}]},'
      .. '{"role":"assistant","content":null,"name":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":{"a":1}}}]}]}',
    '{"messages":[],"tools":[{"type":"web"},{"type":"function","function":{"name":"f","parameters":5}}],"tool_choice":"auto","stop":["a"],'
      .. '"reasoning":{"effort":"low","enabled":true,"max_tokens":5},"max_tokens":5,"temperature":"hot"}',
    '{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"u"},{"type":"image_url","image_url":{"url":"u"}}]}]}',
  } do
    it("is content with " .. text, function() assert.is_true(shape.check(json.read(text))) end)
  end

  for text, why in pairs {
    ["5"]                                                           = "the request must be an object",
    ["[]"]                                                          = "the request must be an object",
    ["{}"]                                                          = "messages must be a list",
    ['{"messages":{}}']                                             = "messages must be a list",
    ['{"messages":[{},null]}']                                      = "messages[1] must be an object",
    ['{"messages":[{"content":5}]}']                                = "messages[0].content must be a text or a list",
    ['{"messages":[{"content":{"type":"text"}}]}']                  = "messages[0].content must be a list",
    ['{"messages":[{"content":1e999}]}']                            = "messages[0].content must be a text or a list",
    ['{"messages":[{"content":["a"]}]}']                            = "messages[0].content[0] must be an object",
    ['{"messages":[{"content":[{"image_url":{"url":5}}]}]}']        = "messages[0].content[0].image_url.url must be a text",
    ['{"messages":[{"content":[{"input_audio":"AA"}]}]}']           = "messages[0].content[0].input_audio must be an object",
    ['{"messages":[{"tool_calls":{}}]}']                            = "messages[0].tool_calls must be a list",
    ['{"messages":[{"tool_calls":[{"function":"f"}]}]}']            = "messages[0].tool_calls[0].function must be an object",
    ['{"messages":[],"tools":["f"]}']                               = "tools[0] must be an object",
    ['{"messages":[],"tool_choice":true}']                          = "tool_choice must be a text or an object",
    ['{"messages":[],"stop":[5]}']                                  = "stop[0] must be a text",
    ['{"messages":[],"max_tokens":"5"}']                            = "max_tokens must be a number",
    ['{"messages":[],"reasoning":{"enabled":1}}']                   = "reasoning.enabled must be true or false",
  } do
    it("says what is wrong with " .. text, function()
      local ok, words = shape.check(json.read(text))
      assert.is_nil(ok)
      assert.equal(why, words)
    end)
  end

  it("looks at a content alone", function()
    assert.is_true(shape.check_content("a", "input[0]"))
    assert.same({ nil, "input[0] must be a text or a list" }, { shape.check_content(nil, "input[0]") })
  end)
end)
