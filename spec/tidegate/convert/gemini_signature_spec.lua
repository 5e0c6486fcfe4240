local json      = require("tidegate.core").json
local data_url  = require "tidegate.convert.data_url"
local signature = require "tidegate.convert.gemini.signature"

describe("gemini_signature", function()
  it("bundles details and unbundles them, in either alphabet", function()
    local details = { { type = "reasoning.text", text = "ü?>~", signature = "S+/=", index = 0 }, { type = "reasoning.encrypted", data = "x" } }
    local bundle = signature.bundle(details)
    assert.same(details, signature.unbundle(bundle))
    assert.same(details, signature.unbundle((bundle:gsub("+", "-"):gsub("/", "_"):gsub("=", ""))))
    assert.is_nil(signature.unbundle "CiQBvj72")
    assert.is_nil(signature.unbundle(data_url.encode "tidegate:{"))
    assert.is_nil(signature.unbundle(data_url.encode 'tidegate:"x"'))
    assert.equal("[]", json.encode(signature.unbundle(data_url.encode "tidegate:[]")))
  end)

  it("makes no bundle of text that nobody signed", function()
    assert.is_nil(signature.bundle {})
    assert.is_nil(signature.bundle { { type = "reasoning.text", text = "hm", index = 0 } })
  end)

  it("knows the words that clients send where they have none", function()
    assert.truthy(signature.is_dummy(signature.NONE))
    assert.truthy(signature.is_dummy(data_url.encode(signature.NONE)))
    assert.truthy(signature.is_dummy "context_engineering_is_the_way_to_go")
    assert.falsy(signature.is_dummy "CiQBvj72+y6VX8BA4jMLQJOJvw")
    assert.falsy(signature.is_dummy "no base64!")
  end)
end)
