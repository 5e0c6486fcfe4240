local schema = require "tidegate.policy.schema"

local function f() end

local function many(n)
  local list = {}
  for i = 1, n do list[i] = "p" .. i end
  return list
end

describe("a policy", function()
  describe("is accepted", function()
    for _, case in ipairs {
      { "that says nothing", {} },
      { "of hooks alone", { filter = f, score = f, order = f, on_error = f, on_response = f } },
      { "whose hooks are those of another Lua state", { filter = { ["function"] = 3 } } },
      { "with everything in data", { name = "x", models = { "a/b" }, on_failure = "refuse", data = {
        allow_fallbacks = false, data_collection = "deny", enforce_distillable_text = true, ignore = { "a" },
        max_price = { prompt = 2, completion = "8.5", request = 0, image = "1e-3", audio = 1 }, only = {}, order = { "b" },
        preferred_max_latency = { p50 = 1, p90 = 3 }, preferred_min_throughput = 20, quantizations = { "fp8", "bf16" },
        require_parameters = true, sort = { by = "price", partition = "none" }, zdr = true } } },
      { "with a sort of one word", { data = { sort = "exacto" } } },
      { "with 64 words", { data = { only = many(64) } } },
    } do
      it(case[1], function()
        assert.is_nil(schema.check(case[2]))
      end)
    end
  end)

  describe("is refused", function()
    for _, case in ipairs {
      { "that is nothing", nil, "a policy returns a table, this one a nil" },
      { "that is a function", f, "a policy returns a table, this one a function" },
      { "with a misspelt hook", { filtr = f }, "unknown key filtr, did you mean filter?" },
      { "with a misspelt hook of two words", { on_eror = f }, "unknown key on_eror, did you mean on_error?" },
      { "with an unknown key", { frobnicate = 1 }, "unknown key frobnicate" },
      { "with a list in it", { f }, "a key of type number does not belong here" },
      { "with a hook that is a string", { score = "price" }, "score: function expected, got string" },
      { "with a hook inside data", { data = { filter = f } }, "data.filter: a hook belongs beside data, not in it" },
      { "with the hook order inside data", { data = { order = f } }, "data.order: a hook belongs beside data, not in it" },
      { "with the list order beside data", { order = { "a" } }, "order: a list belongs in data, a function here" },
      { "with models inside data", { data = { models = {} } }, "data.models: belongs beside data, not in it" },
      { "with what belongs in data beside it", { max_price = {} }, "max_price: belongs in data: data = { max_price = ... }" },
      { "with data that is a function", { data = f }, "data: table expected, got function" },
      { "with a misspelt key in data", { data = { max_prise = {} } }, "unknown key data.max_prise, did you mean max_price?" },
      { "with an unknown sort", { data = { sort = "prise" } }, 'data.sort: one of "price", "latency", "throughput", "exacto" '
        .. 'expected, got "prise", did you mean "price"?' },
      { "with a sort that is a number", { data = { sort = 1 } }, "data.sort: string or table expected, got number" },
      { "with an unknown partition", { data = { sort = { partition = "modle" } } }, 'data.sort.partition: one of "model", "none" '
        .. 'expected, got "modle", did you mean "model"?' },
      { "with a price that is NaN", { data = { max_price = { prompt = 0 / 0 } } }, "data.max_price.prompt: a number from 0 on" },
      { "with a negative price", { data = { max_price = { prompt = -1 } } }, "data.max_price.prompt: a number from 0 on" },
      { "with an infinite price", { data = { max_price = { image = math.huge } } }, "data.max_price.image: a number from 0 on" },
      { "with a price in words", { data = { max_price = { prompt = "cheap" } } }, "data.max_price.prompt: cheap: a price as in" },
      { "with a negative price as text", { data = { max_price = { prompt = "-1" } } }, "data.max_price.prompt: -1: a price as in" },
      { "with a price of something else", { data = { max_price = { output = 1 } } }, "unknown key data.max_price.output" },
      { "with a price that is no table", { data = { max_price = 2 } }, "data.max_price: table expected, got number" },
      { "with an unknown percentile", { data = { preferred_max_latency = { p95 = 1 } } },
        "unknown key data.preferred_max_latency.p95" },
      { "with a negative cut-off", { data = { preferred_min_throughput = { p50 = -1 } } },
        "data.preferred_min_throughput.p50: a number from 0 on" },
      { "with a cut-off in words", { data = { preferred_max_latency = "2s" } },
        "data.preferred_max_latency: number or table expected, got string" },
      { "with an empty word", { data = { only = { "a", "" } } }, "data.only[2]: is empty" },
      { "with one word for a list", { data = { ignore = "a" } }, "data.ignore: list expected, got string" },
      { "with more than 64 words", { data = { ignore = many(65) } }, "data.ignore: a list of 64 items at most expected" },
      { "with an unknown quantization", { data = { quantizations = { "fp9" } } }, "data.quantizations[1]: one of" },
      { "with a word for yes", { data = { zdr = "yes" } }, "data.zdr: boolean expected, got string" },
      { "with an unknown word for failures", { on_failure = "fail" }, 'on_failure: one of "builtin", "refuse" expected' },
      { "with more models than a request may name", { models = many(16) }, "models: a list of 15 items at most expected" },
    } do
      it(case[1], function()
        local bad = schema.check(case[2])
        assert.truthy(bad, "it was accepted")
        assert.equal(case[3], bad.message:sub(1, #case[3]))
        assert.is_table(bad.path)
      end)
    end
  end)

  it("is refused with a global function that looks like a hook and is none", function()
    local bad = schema.check({}, { filter = { ["function"] = 7 } })
    assert.equal("the global function filter is not in the table, did you mean filter = filter?", bad.message)
    assert.equal(7, bad.line)
  end)

  it("is accepted when that function is in the table, or is no function", function()
    assert.is_nil(schema.check({ filter = f }, { filter = f }))
    assert.is_nil(schema.check({}, { filter = "x", helper = f }))
  end)
end)

describe("the schema of policies says what the core says:", function()
  local function read(path)
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    return text
  end

  local function names_of(list)
    local names = {}
    for _, field in ipairs(list) do names[#names + 1] = type(field) == "table" and field.name or field end
    table.sort(names)
    return names
  end

  local function words_in(path, from, pattern)
    local text, names = read(path), {}
    local at = assert(text:find(from, 1, true), from)
    for name in text:sub(at, text:find("\n};", at, true)):gmatch(pattern) do names[#names + 1] = name end
    table.sort(names)
    return names
  end

  local function field(list, name)
    for _, one in ipairs(list) do
      if one.name == name then return one end
    end
  end

  it("the keys of data", function()
    assert.same(words_in("csrc/route/wishes.c", "wish_names[]", 'TG_WORD%("([%w_]+)"'), names_of(schema.data))
  end)

  it("the sorts", function()
    assert.same(words_in("csrc/route/wishes.c", "sorts[]", 'TG_WORD%("([%w_]+)"'),
      names_of(field(schema.data, "sort").any_of[1].one_of))
  end)

  it("the prices", function()
    assert.same(words_in("csrc/route/wishes.c", "price_keys[]", 'TG_WORD%("([%w_]+)"'),
      names_of(field(schema.data, "max_price").fields))
  end)

  it("the quantizations", function()
    assert.same(words_in("csrc/route/vocabulary.c", "quantizations[", 'TG_WORD%("([%w_]+)"'),
      names_of(field(schema.data, "quantizations").of.one_of))
  end)

  it("the parameters", function()
    assert.same(words_in("csrc/route/vocabulary.c", "params[", 'TG_WORD%("([%w_]+)"'), names_of(schema.parameters))
  end)

  it("the outcomes that are failures of ours or a provider's", function()
    local outcomes = { "ok", "client_gone" }
    for _, name in ipairs(field(schema.error, "type").one_of) do outcomes[#outcomes + 1] = name end
    table.sort(outcomes)
    assert.same(words_in("csrc/flow/outcome.c", "[TG_OUT_OK]", '%[TG_OUT_[%u_]+%]%s*=%s*{%s*"([%w_]+)"'), outcomes)
  end)

  it("the hooks", function()
    assert.same(words_in("csrc/route/policy.c", "HOOKS[TG_HOOKS]", '= "([%w_]+)"'), names_of(schema.hooks))
  end)
end)

describe("what the schema writes", function()
  it("are types of all that a policy meets", function()
    local text = schema.luacats()
    assert.equal("---@meta\n", text:sub(1, 9))
    for _, class in ipairs { "Policy", "Data", "Endpoint", "Request", "Error", "Attempt", "Response", "Kv", "Sandbox" } do
      assert.truthy(text:find("---@class tidegate." .. class .. "\n", 1, true), class)
    end
    assert.truthy(text:find("---@field filter? fun(endpoint: tidegate.Endpoint, request: tidegate.Request): boolean?, string?", 1, true))
    assert.truthy(text:find("---@field region? string", 1, true), "optional")
    assert.truthy(text:find("---@field provider string", 1, true), "always there")
    assert.truthy(text:find("---@type tidegate.Sandbox\ntidegate = {}", 1, true))
    assert.is_nil(text:find(" \n", 1, true), "a space at a line's end")
  end)

  it("are tables for people, one or all", function()
    local all = schema.markdown()
    for _, name in ipairs { "policy", "endpoint", "request", "error", "attempt", "response", "tidegate" } do
      local one = schema.markdown(name)
      assert.truthy(all:find(one, 1, true), name)
      for line in one:gmatch("[^\n]+") do assert.truthy(line:find("^|.*|$"), line) end
    end
    assert.truthy(schema.markdown("endpoint"):find("| `price.prompt` | number ($ per million tokens) |", 1, true))
  end)

  it("is what docs/policy.md says", function()
    local file = assert(io.open("docs/policy.md"))
    local page = file:read "*a"
    file:close()
    assert.truthy(page:find(schema.markdown(), 1, true), "docs/policy.md does not hold schema.markdown()")
  end)

  it("is a fragment for luacheck that is Lua and knows the sandbox", function()
    local text = schema.luacheckrc("policies")
    local chunk = assert((rawget(_G, "loadstring") or load)("local files = {} " .. text .. " return files.policies"))
    local std = chunk()
    assert.equal("none", std.std)
    local known = {}
    for _, name in ipairs(std.read_globals) do known[name] = true end
    assert.is_true(known.pairs and known.require)
    assert.is_nil(known.os or known.print or known.setmetatable)
    for _, name in ipairs(std.read_globals.string.fields) do assert.are_not.equal("dump", name) end
    assert.same({ "get", "set", "incr" }, std.read_globals.tidegate.fields.kv.fields)
  end)
end)
