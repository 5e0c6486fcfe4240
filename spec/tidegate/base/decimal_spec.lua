local decimal = require "tidegate.base.decimal"

describe("tidegate.base.decimal", function()
  for _, case in ipairs {
    { 2.5e-07, 0, "0.00000025" }, { 1e-6, 0, "0.000001" }, { 0, 0, "0" }, { "0.0", 0, "0" }, { 3, 0, "3" },
    { "1.10", 0, "1.1" }, { "007", 0, "7" }, { -1, 0, "-1" }, { 1e21, 0, "1000000000000000000000" },
    { "4.9999999999999998e-08", 0, "0.00000005" }, { 0.1 + 0.2, 0, "0.3" }, { "9.9999999999999999", 0, "10" },
    { 0.15, -6, "0.00000015" }, { "15", -6, "0.000015" }, { 120, -6, "0.00012" }, { 1.25, 2, "125" },
    { "x", 0, nil }, { "", 0, nil }, { "1e9999", 0, nil }, { "1.2.3", 0, nil },
  } do
    it(("writes %s times 10^%d as %s"):format(tostring(case[1]), case[2], tostring(case[3])), function()
      assert.equal(case[3], decimal.shifted(case[1], case[2]))
    end)
  end

  it("gives back what it read, for every price with up to nine digits", function()
    for i = 1, 2000 do
      local digits = (i * 7919) % 999999999 + 1
      local text = decimal.shifted(tostring(digits), -12)
      assert.equal(tostring(digits), decimal.shifted(text, 12))
      assert.equal(text, decimal.text(tonumber(text)))
    end
  end)
end)
