local main    = require "tidegate.app.main"
local version = require "tidegate.base.version"

local unpack = rawget(_G, "unpack") or rawget(table, "unpack")

-- luacheck: push ignore 122
-- Run a command line: status, what went to stdout, what went to stderr.
local function run(...)
  local out, err, stdout, stderr = {}, {}, io.stdout, io.stderr
  local function sink(list)
    return { write = function(self, ...)
      for i = 1, select("#", ...) do list[#list + 1] = tostring((select(i, ...))) end
      return self
    end }
  end
  io.stdout, io.stderr = sink(out), sink(err)
  local ok, status = pcall(main, ...)
  io.stdout, io.stderr = stdout, stderr
  assert(ok, status)
  return status, table.concat(out), table.concat(err)
end
-- luacheck: pop

local function with_file(text, fn)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  local ok, why = pcall(fn, path)
  os.remove(path)
  assert(ok, why)
end

local REQUEST = [[{"model": "demo/chat", "messages": [{"role": "user", "content": "hi"}]%s}]]

describe("tidegate", function()
  it("helps, with every command in a line", function()
    local status, out = run "--help"
    assert.equal(0, status)
    for _, name in ipairs { "serve", "check", "reload", "explain", "models", "catalog", "mock", "config", "version" } do
      assert.truthy(out:find("\n  " .. name .. " +%l"), name)
    end
    assert.equal(2, (run()))
  end)

  for _, name in ipairs { "serve", "check", "reload", "explain", "models", "catalog", "mock", "config", "version" } do
    it(name .. " has help of its own", function()
      local status, out = run(name, "--help")
      assert.equal(0, status)
      assert.equal("Usage: tidegate " .. name, out:match("^Usage: tidegate %l+"))
    end)
  end

  it("knows what was probably meant", function()
    local status, _, err = run "chekc"
    assert.equal(2, status)
    assert.truthy(err:find("no command chekc, did you mean check?", 1, true))
    status, _, err = run("serve", "--lisen", "x")
    assert.equal(2, status)
    assert.truthy(err:find("did you mean --listen?", 1, true))
  end)

  it("tells its version", function()
    assert.truthy(select(2, run "version"):find("tidegate " .. version, 1, true))
    assert.equal(0, (run "--version"))
  end)

  describe("check", function()
    it("counts what is there", function()
      local status, out = run("check", "examples/demo.lua")
      assert.equal(0, status)
      assert.equal("examples/demo.lua: good; 4 providers, 1 model, 4 endpoints\n", out)
    end)

    it("ends with 1 and file:line", function()
      with_file("return {\n  listne = ':1' }", function(path)
        local status, out, err = run("check", path)
        assert.equal(1, status)
        assert.equal("", out)
        assert.equal(path .. ":2: unknown key listne, did you mean listen?\n", err)
      end)
    end)

    it("ends with 1 for a file that is not there", function()
      local status, _, err = run("check", "/no/such.lua")
      assert.equal(1, status)
      assert.equal("there is no file /no/such.lua\n", err)
    end)

    it("notes members that look misspelt, and is content", function()
      local catalog = [[{"data": [
        {"id": "a/b", "contxt_length": 5, "my_own": 1, "endpoints": [
          {"provider": "p", "pricng": {}},
          {"provider": "p", "tag": "p/x", "pricing": {"promt": "1", "price": "1"}, "pricng": {}}]}]}]]
      with_file(catalog, function(file)
        with_file(('return { catalog = %q, providers = { { slug = "p", base_url = "http://p" } } }'):format(file),
          function(path)
            local status, out, err = run("check", path)
            assert.equal(0, status)
            assert.truthy(out:find("good; 1 provider, 1 model, 2 endpoints", 1, true))
            local notes = {}
            for line in err:gmatch('note: (.-)\n') do notes[#notes + 1] = line:match('^.*:(%d+: .*)$') end
            assert.same({
              '2: "contxt_length" is not read, did you mean "context_length"?',
              '3: "pricng" is not read, did you mean "pricing"?',
              '4: "promt" is not read, did you mean "prompt"?',
            }, notes)
          end)
      end)
    end)

    it("says what serve would say about a catalogue", function()
      with_file('{"data": [\n  {"id": 5}]}', function(catalog)
        with_file(("return { catalog = %q }"):format(catalog), function(path)
          local status, _, err = run("check", path)
          assert.equal(1, status)
          assert.equal(catalog .. ":2:", err:match("^[^:]*:%d+:"))
        end)
      end)
    end)
  end)

  describe("serve", function()
    it("refuses what check refuses", function()
      with_file("return { auth = 'none', listen = '0.0.0.0:1' }", function(path)
        local status, _, err = run("serve", path)
        assert.equal(1, status)
        assert.equal(path .. ":1: auth", err:match("^[^:]*:%d+: auth"))
      end)
    end)

    for _, case in ipairs { { "--workers", "0" }, { "--workers", "two" }, { "--listen", "nowhere" } } do
      it("refuses " .. table.concat(case, " "), function()
        local status, _, err = run("serve", "examples/demo.lua", case[1], case[2])
        assert.equal(2, status)
        assert.truthy(err:find(case[1], 1, true))
      end)
    end
  end)

  describe("explain", function()
    local function explain(more, ...)
      local status, out, err
      local words = { ... }
      with_file(REQUEST:format(more), function(path)
        status, out, err = run("explain", "examples/demo.lua", "--request", path, unpack(words))
      end)
      return status, out, err
    end

    it("names every candidate, asked or not, with the reason", function()
      local status, out = explain(', "provider": {"order": ["good"], "max_price": {"prompt": 1}}')
      assert.equal(0, status)
      for _, slug in ipairs { "busy", "odd", "bad" } do assert.truthy(out:find("%d +" .. slug)) end
      assert.truthy(out:find("-  good  demo/chat  max_price", 1, true))
    end)

    it("gives the same order for the same seed", function()
      local _, first = explain("", "--seed", "42")
      local _, second = explain("", "--seed", "42")
      assert.equal(first, second)
    end)

    it("ends with 1 when nobody is left, and still says why", function()
      local status, out = explain ', "provider": {"only": ["good"], "ignore": ["good"]}'
      assert.equal(1, status)
      assert.truthy(out:find("ignore", 1, true))
      assert.truthy(out:find("\n404 ", 1, true))
    end)

    it("says what a client would be told about a bad request", function()
      with_file('{"model": "no/such", "messages": [{"role": "user", "content": "x"}]}', function(path)
        local status, out = run("explain", "examples/demo.lua", "--request", path)
        assert.equal(1, status)
        assert.equal("400 no/such is not a valid model ID\n", out)
      end)
    end)

    it("wants a request", function()
      local status, _, err = run("explain", "examples/demo.lua")
      assert.equal(2, status)
      assert.equal("Try: tidegate explain --help\n", err:match("[^\n]*\n$"))
    end)
  end)

  it("lists models, with the cheapest price", function()
    local status, out = run("models", "examples/demo.lua")
    assert.equal(0, status)
    assert.truthy(out:find("demo/chat +32768 +0%.5 +2 +good busy odd bad"))
    local err
    status, out, err = run("models", "examples/demo.lua", "nonesuch")
    assert.equal(1, status)
    assert.equal("", out)
    assert.equal("tidegate models: no id of a model contains nonesuch\n", err)
  end)

  it("imports", function()
    with_file('{"gpt-x": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-07}}', function(path)
      local status, out = run("catalog", "import", "litellm", path)
      assert.equal(0, status)
      assert.truthy(out:find('"prompt": "0.00000025"', 1, true))
      status, out = run("catalog", "import", "litellm", path, "--only", "groq")
      assert.equal(0, status)
      assert.is_nil(out:find("gpt-x", 1, true))
    end)
    with_file('{"a":\n 1,}', function(path)
      local status, _, err = run("catalog", "import", "litellm", path)
      assert.equal(1, status)
      assert.equal(path .. ":2:", err:match("^[^:]*:%d+:"))
    end)
    assert.equal(2, (run("catalog", "import", "excel", "x")))
    local wrong, _, said = run("catalog", "export", "litellm", "x")
    assert.equal(2, wrong)
    assert.equal("Try: tidegate catalog --help\n", said:match("[^\n]*\n$"))
    with_file('{"model_id": "a/b"}\n{"model_id": "a/c"}\n', function(path)
      local status, _, err = run("catalog", "import", "models.dev", path)
      assert.equal(1, status)
      assert.truthy(err:find("provider_models.jsonl", 1, true))
    end)
  end)

  it("prints the reference of the configuration", function()
    assert.truthy(select(2, run "config"):find("| `listen` |", 1, true))
    assert.truthy(select(2, run("config", "--luacats")):find("---@class tidegate.Config", 1, true))
  end)
end)
