local call_ids = require "tidegate.convert.call_ids"

describe("call_ids", function()
  for _, case in ipairs {
    -- what                                      rules                            ids                    become
    { "keeps an id that keeps the rules",        { longest = 9, plain = true },   { "call_1-a" },        { "call_1-a" } },
    { "shortens one that is too long",           { longest = 4 },                 { "abcdef" },          { "abcd" } },
    { "keeps a long one where any will do",      { plain = true },                { ("x"):rep(99) },     { ("x"):rep(99) } },
    { "cleans one of other characters",          { plain = true },                { "functions.f:0" },   { "functions_f_0" } },
    { "keeps all characters where any will do",  { longest = 40 },                { "functions.f:0" },   { "functions.f:0" } },
    { "gives each call its own",                 { longest = 3, plain = true },   { "0", "0", "a.b", "a:b", "a_bc" },
      { "0", "0_2", "a_b", "a_2", "a_3" } },
    { "names what has no name",                  { plain = true },                { "" },                { "call" } },
  } do
    it(case[1], function()
      local ids, got = call_ids.new(case[2]), {}
      for i, id in ipairs(case[3]) do got[i] = ids.call(id) end
      assert.same(case[4], got)
    end)
  end

  it("gives results the ids of their calls, in the order of calls of one id", function()
    local ids = call_ids.new { plain = true }
    assert.same({ "x", "x_2", "y" }, { ids.call "x", ids.call "x", ids.call "y" })
    assert.same({ "y", "x", "x_2" }, { ids.result "y", ids.result "x", ids.result "x" })
    assert.equal("x_3", ids.call "x")
    assert.equal("x_3", ids.result "x")
  end)

  it("gives a result that comes again the same id, and one of no call an id of its own", function()
    local ids = call_ids.new { plain = true }
    assert.same({ ids.call "x", "x", "x" }, { "x", ids.result "x", ids.result "x" })
    assert.equal("a_b", ids.result "a.b")
  end)
end)
