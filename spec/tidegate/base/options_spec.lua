local options = require "tidegate.base.options"

local SPEC = {
  arguments = { "[CONFIG]" },
  options = { { name = "listen", value = "HOST:PORT", doc = "where" }, { name = "dry-run", doc = "only look" } },
  doc = "Does it.",
}

describe("tidegate.base.options", function()
  it("reads options in both spellings, switches and arguments in any order", function()
    assert.same({ listen = ":80", "a.lua" }, options.read(SPEC, { "--listen", ":80", "a.lua" }))
    assert.same({ listen = ":80", dry_run = true, "a.lua" }, options.read(SPEC, { "a.lua", "--dry-run", "--listen=:80" }))
  end)

  for _, case in ipairs {
    { { "--lisen", "x" }, "unknown option --lisen, did you mean --listen?" },
    { { "--listen" }, "--listen needs a value: HOST:PORT" },
    { { "--dry-run=yes" }, "--dry-run takes no value" },
    { { "a", "b" }, "one argument too many: b" },
  } do
    it("refuses " .. table.concat(case[1], " "), function()
      local given, why = options.read(SPEC, case[1])
      assert.is_nil(given)
      assert.equal(case[2], why)
    end)
  end

  it("takes a lone dash for an argument", function()
    assert.same({ "-" }, options.read(SPEC, { "-" }))
  end)

  it("misses an argument that must be there", function()
    local _, why = options.read({ arguments = { "FILE" } }, {})
    assert.equal("missing FILE", why)
  end)

  it("asks for help whatever else is wrong", function()
    assert.is_true(options.read(SPEC, { "--help", "--nonsense" }).help)
    assert.truthy(options.help("serve", SPEC):find("--listen HOST:PORT  where", 1, true))
  end)
end)
