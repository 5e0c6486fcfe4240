local fields = require "tidegate.base.fields"

local function is_even(value)
  return value % 2 == 0, "an even number expected"
end

local LIST = {
  { name = "word", type = "string", doc = "a word" },
  { name = "long", type = "string", least = 3, doc = "" },
  { name = "free", type = "string", is_free = true, doc = "" },
  { name = "yes", type = "boolean", default = true, doc = "" },
  { name = "share", type = "number", least = 0, most = 1, unit = "s", doc = "" },
  { name = "floor", type = "number", least = 0, doc = "" },
  { name = "ceiling", type = "number", most = 9, doc = "" },
  { name = "any", type = "number", doc = "" },
  { name = "count", type = "integer", check = is_even, doc = "" },
  { name = "hook", type = "function", cats = "fun(n: number): number", doc = "called",
    mistaken = { table = "a function is called, a table is not" } },
  { name = "inner", type = "table", doc = "", fields = {
    { name = "must", type = "string", required = true, doc = "" },
  } },
  { name = "names", type = "list", of = "string", most = 3, doc = "" },
  { name = "colours", type = "list", of = { type = "string", one_of = { "red", "green" } }, doc = "" },
  { name = "rows", type = "list", of = { { name = "id", type = "string", doc = "its id" } }, doc = "" },
  { name = "pairs", type = "map", names = "^%l+$", called = "small word", doc = "" },
  { name = "flags", type = "map", of = "boolean", known = { "tools", "seed" }, doc = "" },
  { name = "sort", type = "union", doc = "how", any_of = {
    { type = "string", one_of = { "price", "latency" } },
    { type = "table", class = "test.Sort", fields = { { name = "by", type = "string", doc = "" } } } } },
  elsewhere = { hidden = "belongs there" },
}

describe("a table of fields", function()
  describe("accepts", function()
    for _, case in ipairs {
      { "nothing at all", {} },
      { "a string", { word = "x" } },
      { "any text where it may be any", { free = "a\nb" } },
      { "no text where it may be any", { free = "" } },
      { "false", { yes = false } },
      { "a number at its bounds", { share = 0, floor = 0, ceiling = 9, any = -1e300 } },
      { "a whole number that the check likes", { count = 4 } },
      { "a function", { hook = function() end } },
      { "a function of another Lua state, as its line", { hook = { ["function"] = 12 } } },
      { "an empty list", { names = {} } },
      { "a list of what it should be", { names = { "a", "b" }, colours = { "red" }, rows = { { id = "x" } } } },
      { "a map", { pairs = { a = "b" }, flags = { tools = true } } },
      { "a union's one kind", { sort = "price" } },
      { "a union's other kind", { sort = { by = "price" } } },
    } do
      it(case[1], function()
        assert.is_nil(fields.check_table(LIST, case[2]))
      end)
    end
  end)

  describe("refuses", function()
    for _, case in ipairs {
      { "an unknown key", { frobnicate = 1 }, "unknown key frobnicate" },
      { "an unknown key near a known one", { wrod = 1 }, "unknown key wrod, did you mean word?" },
      { "an unknown key further in", { inner = { must = "x", mist = 1 } }, "unknown key inner.mist, did you mean must?" },
      { "a key that belongs elsewhere", { hidden = 1 }, "hidden: belongs there" },
      { "a key that is no string", { "x" }, "a key of type number does not belong here" },
      { "a key that is no string, further in", { inner = { "x" } }, "inner: a key of type number does not belong here" },
      { "a missing key", { inner = {} }, "inner: missing key must" },
      { "a wrong type", { word = 1 }, "word: string expected, got number" },
      { "an empty string", { word = "" }, "word: is empty" },
      { "a string with a line's end", { word = "a\nb" }, "word: has control characters" },
      { "a short string", { long = "ab" }, "long: shorter than 3 characters" },
      { "a number out of its bounds", { share = 2 }, "share: a number from 0 to 1 expected" },
      { "a number below its floor", { floor = -1 }, "floor: a number from 0 on expected" },
      { "a number above its ceiling", { ceiling = 10 }, "ceiling: a number up to 9 expected" },
      { "what is no number, NaN", { floor = 0 / 0 }, "floor: a number from 0 on expected" },
      { "NaN without bounds", { any = 0 / 0 }, "any: a finite number expected" },
      { "an infinity", { floor = math.huge }, "floor: a number from 0 on expected" },
      { "the other infinity", { any = -math.huge }, "any: a finite number expected" },
      { "a fraction", { count = 1.5 }, "count: whole number expected, got number" },
      { "what the check does not like", { count = 3 }, "count: 3: an even number expected" },
      { "a table for a function", { hook = { 1 } }, "hook: a function is called, a table is not" },
      { "a string for a function", { hook = "x" }, "hook: function expected, got string" },
      { "a table with more than a line for a function", { hook = { ["function"] = 1, x = 2 } }, "hook: a function is called" },
      { "a function for a table", { inner = { ["function"] = 3 } }, "inner: table expected, got function" },
      { "a function for a list", { names = { ["function"] = 3 } }, "names: list expected, got function" },
      { "a function for a string", { word = { ["function"] = 3 } }, "word: string expected, got function" },
      { "a string for a list", { names = "a" }, "names: list expected, got string" },
      { "a list that is too long", { names = { "a", "b", "c", "d" } }, "names: a list of 3 items at most expected" },
      { "a list with a name in it", { names = { x = "a" } }, "names.x: a list has no key x" },
      { "a list with holes", { names = { "a", nil, "b" } }, "names: a list with holes (a nil in it)" },
      { "a wrong item", { names = { "a", 2 } }, "names[2]: string expected, got number" },
      { "an item that is none of the words", { colours = { "red", "gren" } }, 'colours[2]: one of "red", "green" expected, '
        .. 'got "gren", did you mean "green"?' },
      { "a wrong row", { rows = { { id = "x" }, { di = "y" } } }, "unknown key rows[2].di" },
      { "a map's wrong name", { pairs = { A = "x" } }, "pairs: A is no small word" },
      { "a map's wrong value", { pairs = { a = 1 } }, "pairs.a: a string of one line expected" },
      { "a map's unknown name", { flags = { tool = true } }, "unknown key flags.tool, did you mean tools?" },
      { "a map's value of another type", { flags = { tools = 1 } }, "flags.tools: boolean expected, got number" },
      { "a kind that no union has", { sort = 1 }, "sort: string or table expected, got number" },
      { "a union's wrong word", { sort = "prise" }, 'sort: one of "price", "latency" expected, got "prise", did you mean "price"?' },
      { "a union's wrong key", { sort = { bye = "x" } }, "unknown key sort.bye, did you mean by?" },
    } do
      it(case[1], function()
        local bad = fields.check_table(LIST, case[2])
        assert.truthy(bad, "it was accepted")
        assert.equal(case[3], bad.message:sub(1, #case[3]))
      end)
    end
  end)

  it("tells where, as a path of keys", function()
    assert.same({ "rows", 2, "di" }, fields.check_table(LIST, { rows = { {}, { di = 1 } } }).path)
    assert.equal("rows[2].di", fields.said { "rows", 2, "di" })
  end)

  it("does not guess the word that opens a door", function()
    local door = { name = "auth", type = "string", one_of = { "keys", "none" }, never_guessed = "none" }
    assert.equal('auth: one of "keys", "none" expected, got "nope"', fields.check(door, "nope", { "auth" }).message)
  end)

  it("misses what is given but for what is optional", function()
    local given = { is_given = true, { name = "a", type = "string" }, { name = "b", type = "string", optional = true } }
    assert.is_nil(fields.check_table(given, { a = "x" }))
    assert.equal("missing key a", fields.check_table(given, {}).message)
  end)
end)

describe("the Markdown of a table of fields", function()
  local text = fields.markdown(LIST)

  for _, row in ipairs {
    "| key | type | default | meaning |",
    "| `word` | string |  | a word |",
    "| `yes` | boolean | `true` |  |",
    "| `share` | number (s) |  |  |",
    "| `hook` | function |  | called |",
    "| `inner.must` | string | required |  |",
    "| `names` | list of strings |  |  |",
    '| `colours` | list of "red", "green" |  |  |',
    "| `rows` | list of tables |  |  |",
    "| `rows[].id` | string |  | its id |",
    "| `flags` | map |  |  |",
    '| `sort` | "price", "latency" or table |  | how |',
    "| `sort.by` | string |  |  |",
  } do
    it("has " .. row, function()
      assert.truthy(text:find(row .. "\n", 1, true), text)
    end)
  end

  it("has no column of defaults for what is given", function()
    assert.equal("| field | type | meaning |\n|---|---|---|\n| `n` | number (s) | how long |\n",
      fields.markdown { is_given = true, { name = "n", type = "number", unit = "s", doc = "how long" } })
  end)
end)

describe("the LuaCATS of a table of fields", function()
  local text = fields.luacats(LIST, "test.List")

  for _, line in ipairs {
    "---@class test.List",
    "---@field word? string a word",
    "---@field hook? fun(n: number): number called",
    "---@field inner? test.List.Inner",
    "---@class test.List.Inner",
    "---@field must string",
    "---@field names? string[]",
    '---@field colours? ("red"|"green")[]',
    "---@field rows? test.List.Row[]",
    "---@class test.List.Row",
    "---@field pairs? table<string, string>",
    "---@field flags? table<string, boolean>",
    '---@field sort? "price"|"latency"|test.Sort how',
    "---@class test.Sort",
  } do
    it("has " .. line, function()
      assert.truthy(("\n" .. text .. "\n"):find("\n" .. line .. "\n", 1, true), text)
    end)
  end

  it("has a class once, however often it is used", function()
    local seen = {}
    local first = fields.luacats(LIST, "test.List", seen)
    assert.truthy(first:find("@class test.Sort", 1, true))
    assert.is_nil(fields.luacats(LIST, "test.Other", seen):find("@class test.Sort", 1, true))
  end)
end)
