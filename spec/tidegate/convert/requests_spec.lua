--- What every client's format says of a body that cannot be read.

local convert = require "tidegate.convert"

describe("A request in a client's own format", function()
  for _, api in ipairs { "messages", "responses", "gemini" } do
    for title, case in pairs {
      ["ends too early"]  = { '{"model":"m"', "The body is not JSON: it ends too early, after 12 bytes" },
      ["is no JSON"]      = { '{"model":no}', "The body is not JSON: unexpected text at byte 10" },
      ["is empty"]        = { "", "The body is not JSON: it ends too early, after 0 bytes" },
    } do
      it(("of %s is refused with the byte where it %s"):format(api, title), function()
        local body, why = convert.read_request(case[1], { api = api, model = "m", stream = false })
        assert.is_nil(body)
        assert.equal(case[2], why)
      end)
    end
  end
end)
