local models = require "tidegate.convert.anthropic.models"

local unpack = rawget(_G, "unpack") or rawget(table, "unpack")

describe("anthropic_models", function()
  for name, case in pairs {
    ["claude-3-opus-20240229"]              = { "opus", 3 },
    ["claude-3-5-haiku-latest"]             = { "haiku", 3.5 },
    ["claude-3-7-sonnet@20250219"]          = { "sonnet", 3.7 },
    ["claude-sonnet-4-20250514"]            = { "sonnet", 4 },
    ["claude-sonnet-4-0"]                   = { "sonnet", 4 },
    ["claude-opus-4-1@20250805"]            = { "opus", 4.1 },
    ["anthropic/claude-4.6-sonnet-20260217"] = { "sonnet", 4.6 },
    ["us.anthropic.claude-opus-4-6-v1"]     = { "opus", 4.6 },
    ["anthropic/claude-opus-4.5"]           = { "opus", 4.5 },
    ["claude-sonnet-5"]                     = { "sonnet", 5 },
    ["claude-haiku-5-5"]                    = { "haiku", 5.5 },
    ["claude-fable-5"]                      = { "fable", 5 },
    ["kimi-k2"]                             = {},
    ["claude-next"]                         = {},
    [""]                                    = {},
  } do
    it("reads the name " .. name, function() assert.same(case, { models.version(name) }) end)
  end

  for _, case in ipairs {
    -- model                 budget adapts unasked off              samples forced prefers efforts up to  longest
    { "claude-3-haiku-20240307", false, false, false, "",              true,  true,  nil,      4096 },
    { "claude-3-7-sonnet-latest", true, false, false, "",              true,  true,  nil,      64000 },
    { "claude-opus-4-1",          true, false, false, "",              true,  true,  nil,      32000 },
    { "claude-opus-4-5",          true, false, false, "",              true,  true,  "high",   64000 },
    { "claude-sonnet-4-6",        true, true,  false, "",              true,  true,  "max",    64000 },
    { "claude-opus-4-7",          false, true, false, "",              false, true,  "max",    128000 },
    { "claude-sonnet-5",          false, true, true,  "disabled",      false, true,  "max",    128000 },
    { "claude-sonnet-5-5",        false, true, true,  "between_tools", false, false, "max",    128000 },
    { "claude-haiku-5-5",         false, true, true,  "disabled",      false, true,  "max",    128000 },
    { "claude-opus-5-5",          false, true, true,  nil,             false, false, "max",    128000 },
    { "claude-fable-5",           false, true, true,  nil,             false, true,  "max",    128000 },
    { "glm-4.7",                  true, false, false, "disabled",      true,  true,  nil,      nil },
  } do
    local name = case[1]
    it("knows what " .. name .. " takes", function()
      local t = models.traits(name)
      assert.same({ unpack(case, 2, 9) }, { t.by_budget, t.adapts, t.thinks_unasked, t.off, t.samples, t.can_be_forced,
        t.efforts[#t.efforts], t.longest })
    end)
  end

  for _, case in ipairs {
    { { "low", "medium", "high", "max" }, "minimal", "low" },
    { { "low", "medium", "high", "max" }, "xhigh", "high" },
    { { "low", "medium", "high" }, "max", "high" },
    { {}, "high", nil },
    { { "low" }, "none", nil },
  } do
    it("takes for " .. case[2] .. " the nearest of " .. table.concat(case[1], " "), function()
      assert.equal(case[3], models.effort(case[1], case[2]))
    end)
  end
end)
