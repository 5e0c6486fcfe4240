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

describe("A wire of the operator's own", function()
  local function header_of(name, value)
    local source = ("return { request = function(text) return text, {}, { [%q] = %q } end }"):format(name, value)
    local ok, body, _, lines = pcall(convert.write_request, "{}", { api = "chat", wire = "mine", converts = "mine.lua",
      source = source, model = "m", provider = "p" })
    return ok and lines, body
  end

  it("adds header fields to a request", function()
    assert.equal("x-trace: on\r\n", (header_of("x-trace", "on")))
  end)

  for title, case in pairs {
    ["a line end in a value"] = { "x-trace", "on\r\nAuthorization: other" },
    ["a line end in a name"]  = { "x-trace: on\r\nx", "on" },
    ["a zero"]                = { "x-trace", "on\0" },
  } do
    it("cannot add " .. title, function()
      local lines, why = header_of(case[1], case[2])
      assert.is_false(lines)
      assert.truthy(why:find("has a control character", 1, true), why)
    end)
  end
end)
