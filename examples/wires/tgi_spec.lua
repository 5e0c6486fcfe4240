--- The conformance list of docs/adding-a-provider.md, for this format.

local json    = require("tidegate.core").json
local adapter = require "tidegate.convert.adapter"

local function load_wire()
  local file = assert(io.open "examples/wires/tgi.lua")
  local text = file:read "*a"
  file:close()
  return adapter.load(text, "tgi.lua")
end

local wire = load_wire()

local function asked(members)
  local body = { messages = { { role = "user", content = "What is the tide?" } } }
  for name, value in pairs(members or {}) do body[name] = value end
  return json.encode(body)
end

local function streamed(events)
  local out = {}
  local step = wire.stream(function(text) out[#out + 1] = text end)
  for _, event in ipairs(events) do step("", event) end
  return out
end

describe("text-generation-inference as a wire", function()
  it("is asked with the conversation as a prompt", function()
    local text, lost = wire.request(asked { max_tokens = 5, stop = "\n", temperature = 0.5, messages = {
      { role = "system", content = "Be brief." }, { role = "user", content = { { type = "text", text = "Hi" } } } } },
      { stream = true })
    local body = json.decode(text)
    assert.equal("System: Be brief.\nUser: Hi\nAssistant:", body.inputs)
    assert.equal(5, body.parameters.max_new_tokens)
    assert.same({ "\n" }, { body.parameters.stop[1] })
    assert.is_true(body.stream)
    assert.same({}, lost)
  end)

  it("tells what has no place in it, and refuses what cannot be said", function()
    local _, lost = wire.request(asked { n = 2, messages = { { role = "user", content = {
      { type = "text", text = "See" }, { type = "image_url", image_url = { url = "https://a/b" } } } } } }, {})
    assert.same({ "messages.image_url", "n" }, lost)
    local text, why = wire.request(asked { messages = { { role = "tool", content = "x" } } }, {})
    assert.is_nil(text)
    assert.equal("a tool message has no place in a prompt", why)
  end)

  it("answers whole", function()
    local chat = json.decode(wire.answer [=[[{"generated_text":" The sea.","details":{"finish_reason":"eos_token",
      "generated_tokens":3,"prefill":[{"id":1},{"id":2}]}}]]=])
    assert.equal(" The sea.", chat.choices[1].message.content)
    assert.equal("eos_token", chat.choices[1].finish_reason)
    assert.equal(2, chat.usage.prompt_tokens)
    assert.equal(3, chat.usage.completion_tokens)
    assert.is_nil((wire.answer "{}"))
    assert.truthy(wire.answer('{"error":"Model is overloaded","error_type":"overloaded"}'):find("overloaded", 1, true))
  end)

  it("streams, and ends with its own end", function()
    assert.same({
      '{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" The"}}]}',
      '{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" s\\u00e9a"}}]}',
      '{"object":"chat.completion.chunk","choices":[],"usage":{"completion_tokens":3,"prompt_tokens":0}}',
      '{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"eos_token",'
        .. '"native_finish_reason":"eos_token"}]}',
      "[DONE]",
    }, streamed {
      '{"token":{"id":1,"text":" The","special":false},"generated_text":null,"details":null}',
      '{"token":{"id":2,"text":" s\\u00e9a","special":false},"generated_text":null,"details":null}',
      '{"token":{"id":0,"text":"</s>","special":true},"generated_text":" The sea","details":{"finish_reason":"eos_token","generated_tokens":3}}',
    })
  end)

  it("tells an error in the middle, and no end", function()
    local out = streamed { '{"token":{"text":"a"}}', '{"error":"Request failed","error_type":"generation"}' }
    assert.equal('{"error":{"error":"Request failed","error_type":"generation"}}', out[2])
    assert.is_nil(out[3])
  end)
end)
