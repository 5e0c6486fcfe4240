local vectors = require "tidegate.convert.vectors"

describe("vectors.encode", function()
  it("leaves numbers as they came unless base64 is asked for", function()
    assert.equal("[0.10, 1e-5]", vectors.encode "[0.10, 1e-5]")
    assert.equal("[0.10]", vectors.encode("[0.10]", "float"))
  end)

  -- Numbers, and what Python's struct.pack("<f") and base64 make of them.
  for _, case in ipairs {
    { "[]",                            "" },
    { "[0]",                           "AAAAAA==" },
    { "[1,-0.5]",                      "AACAPwAAAL8=" },
    { "[0.1,3.1415926,-1e-5]",         "zczMPdoPSUCsxSe3" },
    { "[16777217,1.9999999999]",       "AACASwAAAEA=" },
    { "[1e300,-1e999]",                "AACAfwAAgP8=" },
    { "[1e-45,-1e-60]",                "AQAAAAAAAIA=" },
  } do
    it("writes " .. case[1], function() assert.equal('"' .. case[2] .. '"', vectors.encode(case[1], "base64")) end)
  end
end)
