local json      = require("tidegate.core").json
local signature = require "tidegate.convert.gemini_signature"

describe("gemini_signature", function()
  for _, case in ipairs { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
                          { "foobar", "Zm9vYmFy" }, { "\255\254\253", "//79" } } do
    it("writes and reads base64: " .. case[2], function()
      assert.equal(case[2], signature.base64(case[1]))
      assert.equal(case[1], signature.bytes(case[2]))
      assert.equal(case[1], signature.bytes((case[2]:gsub("+", "-"):gsub("/", "_"):gsub("=", ""))))
    end)
  end

  it("reads every byte that it writes", function()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    all = table.concat(all)
    assert.equal(all, signature.bytes(signature.base64(all)))
    assert.is_nil(signature.bytes "a b")
  end)

  it("bundles details and unbundles them, in either alphabet", function()
    local details = { { type = "reasoning.text", text = "ü?>~", signature = "S+/=", index = 0 }, { type = "reasoning.encrypted", data = "x" } }
    local bundle = signature.bundle(details)
    assert.same(details, signature.unbundle(bundle))
    assert.same(details, signature.unbundle((bundle:gsub("+", "-"):gsub("/", "_"):gsub("=", ""))))
    assert.is_nil(signature.unbundle "CiQBvj72")
    assert.is_nil(signature.unbundle(signature.base64 "tidegate:{"))
    assert.is_nil(signature.unbundle(signature.base64 'tidegate:"x"'))
    assert.equal("[]", json.encode(signature.unbundle(signature.bundle {})))
  end)

  it("knows the words that clients send where they have none", function()
    assert.truthy(signature.is_dummy(signature.NONE))
    assert.truthy(signature.is_dummy(signature.base64(signature.NONE)))
    assert.truthy(signature.is_dummy "context_engineering_is_the_way_to_go")
    assert.falsy(signature.is_dummy "CiQBvj72+y6VX8BA4jMLQJOJvw")
    assert.falsy(signature.is_dummy "no base64!")
  end)
end)
