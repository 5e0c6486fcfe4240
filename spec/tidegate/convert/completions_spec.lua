local json    = require("tidegate.core").json
local to      = require "tidegate.convert.completions_to_chat"
local from    = require "tidegate.convert.chat_to_completions"

describe("a prompt for a provider that knows only chats", function()
  for _, case in ipairs {
    { "is one user's message", [[{"prompt":"Once","max_tokens":5,"seed":12345678901234567890}]],
      [[{"max_tokens":5,"messages":[{"content":"Once","role":"user"}],"seed":12345678901234567890}]] },
    { "may stand in a list of one", [[{"prompt":["Once"]}]], [[{"messages":[{"content":"Once","role":"user"}]}]] },
    { "loses what a chat has no word for", [[{"prompt":"a","suffix":"b","echo":true,"best_of":2}]],
      [[{"messages":[{"content":"a","role":"user"}]}]] },
    { "asks for log probabilities as a chat does", [[{"prompt":"a","logprobs":3}]],
      [[{"logprobs":true,"messages":[{"content":"a","role":"user"}],"top_logprobs":3}]] },
  } do
    it(case[1], function() assert.equal(case[3], (to.request(case[2]))) end)
  end

  for _, prompt in ipairs { "[1,2]", "[[1]]", '["a","b"]', "5", "{}", "null" } do
    it("is refused where it is " .. prompt, function()
      local text, why = to.request('{"prompt":' .. prompt .. "}")
      assert.is_nil(text)
      assert.truthy(why:find "must be one string")
    end)
  end
end)

describe("a chat's answer for a client of completions", function()
  it("is its text, and everything beside the choices", function()
    assert.same(json.decode [[{"id":"gen-1","object":"text_completion","created":1,"model":"m","provider":"P",
      "choices":[{"index":0,"text":"x","logprobs":null,"finish_reason":"stop","native_finish_reason":"STOP"}],
      "usage":{"cost":0.1}}]], json.decode(from.answer [[{"id":"gen-1","object":"chat.completion","created":1,"model":"m",
      "provider":"P","choices":[{"index":0,"message":{"role":"assistant","content":"x","reasoning":"r"},"finish_reason":"stop",
      "native_finish_reason":"STOP"}],"usage":{"cost":0.1}}]]))
  end)

  it("streams chunk by chunk", function()
    local out = {}
    local step = from.stream(function(bytes) out[#out + 1] = bytes end)
    step [[{"id":"g","choices":[{"index":0,"delta":{"role":"assistant","content":"\u00e9"},"finish_reason":null}]}]]
    step [[{"id":"g","choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502}}]]
    step "[DONE]"
    assert.equal('data: {"choices":[{"finish_reason":null,"index":0,"logprobs":null,"native_finish_reason":null,'
      .. '"text":"\\u00e9"}],"id":"g","object":"text_completion"}\n\n', out[1])
    assert.truthy(out[2]:find('"error":{"code":502}', 1, true))
    assert.equal("data: [DONE]\n\n", out[3])
  end)
end)
