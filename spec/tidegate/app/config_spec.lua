local config   = require "tidegate.app.config"
local core     = require "tidegate.core"
local schema   = require "tidegate.app.schema"
local this_lua = require "this_lua"

local path = os.tmpname()

local function write(text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local ENV = { GROQ = "gsk-0123456789", EMPTY = "" }

local function load(text, overrides)
  write(text)
  local settings, err = config.load(path, overrides, function(name) return ENV[name] end)
  return settings, err and tostring(err):gsub(path:gsub("%p", "%%%0"), "F")
end

local function loads(text, overrides)
  local settings, err = load(text, overrides)
  assert.is_nil(err)
  return settings
end

describe("tidegate.app.config", function()
  teardown(function() os.remove(path) end)

  describe("tells file and line of", function()
    for _, case in ipairs {
      { "an unknown key", 'return {\n  listn = ":80",\n}', "F:2: unknown key listn, did you mean listen?" },
      { "an unknown key far from every known one", "return {\n\n  frobnicate = 1 }", "F:3: unknown key frobnicate" },
      { "an unknown key of a provider", 'return { providers = {\n  { slug = "a", base_url = "http://a" },\n'
        .. '  { slug = "b",\n    base_ulr = "http://b" } } }',
        "F:4: unknown key providers[2].base_ulr, did you mean base_url?" },
      { "an unknown key of timeouts", "return { timeouts = {\n connect = 1,\n idel = 2 } }",
        "F:3: unknown key timeouts.idel, did you mean idle?" },
      { "a wrong type", "return {\n workers = 'two' }", "F:2: workers: whole number expected, got string" },
      { "a number out of bounds", "return {\n\n workers = 0 }", "F:3: workers: a number from 1 to 64 expected" },
      { "an unknown word", 'return { auth = "nobody" }', 'F:1: auth: one of "keys", "none" expected, got "nobody"' },
      { "an unknown word near a known one", 'return { log = "inof" }', 'got "inof", did you mean "info"%?$' },
      { "a word near the one that opens the door, which is not offered", 'return { auth = "nope" }', 'got "nope"$' },
      { "a URL that is none, in its place", 'return { providers = {\n  { slug = "a",\n\n base_url = "ftp://a" } } }',
        "^F:4: .*base_url of a" },
      { "a proxy that is none", 'return { providers = {\n  { slug = "a", base_url = "http://a",\n proxy = "no" } } }',
        "^F:3: .*proxy of a" },
      { "an address that is none", 'return { listen = "8080" }',
        "F:1: listen: 8080: HOST:PORT expected, as in 127.0.0.1:8080" },
      { "a missing slug", 'return { providers = {\n  { base_url = "http://a" } } }',
        "F:2: providers[1]: missing key slug" },
      { "a URL that is none", 'return { providers = {\n  { slug = "a", base_url = "ftp://a" } } }', "^F:2: .*base_url of a" },
      { "a misspelt wire", 'return { providers = {\n { slug = "a", base_url = "http://a",\n wire = "openai-chatt" } } }',
        "F:3: providers[1].wire: there is no wire openai-chatt, did you mean openai-chat? There are anthropic-messages, " },
      { "half of an AWS key", 'return { providers = { { slug = "a", base_url = "http://a",\n wire = "bedrock-converse",\n access_key = "AK" } } }',
        "F:1: providers[1].secret_key: access_key needs secret_key beside it" },
      { "a place without a region to sign for",
        'return { providers = { { slug = "a", base_url = "http://a", wire = "bedrock-converse",\n access_key = "AK", secret_key = "SK" } } }',
        "F:1: providers[1].aws_region: no region in base_url to sign requests for: say aws_region" },
      { "credentials that are no service account's",
        'return { providers = { { slug = "a", base_url = "http://a", wire = "vertex",\n credentials = "{}" } } }',
        "F:2: providers[1].credentials: no service account's JSON: client_email and private_key expected" },
      { "a file of credentials that is not there",
        'return { providers = { { slug = "a", base_url = "http://a", wire = "vertex",\n credentials = "/no/such.json" } } }',
        "F:2: providers[1].credentials: there is no file /no/such.json" },
      { "a wire's file that is not there", 'return { wires = {\n mine = "/no/such.lua" } }', "F:2: there is no file /no/such.lua" },
      { "two providers of one slug", 'return { providers = {\n "groq",\n { slug = "groq", base_url = "http://a" } } }',
        "F:3: providers[2]: there are two providers groq" },
      { "a built-in provider that there is not", 'return { providers = { "grog" } }', "^F:1: .* no built%-in provider" },
      { "a key that is nil", 'return { keys = {\n { name = "dev",\n key = env "ABSENT" } } }',
        "F:3: keys[1].key: is nil; not set in the environment: ABSENT" },
      { "a short key", 'return { keys = { { name = "dev", key = "abc" } } }',
        "F:1: keys[1].key: shorter than 8 characters" },
      { "two keys of the same text", 'return { keys = { { name = "a", key = "12345678" },\n{ name = "b", key = "12345678" } } }',
        "F:2: keys[2]: the same key as a" },
      { "a header that splits", 'return { providers = { { slug = "a", base_url = "http://a",\n headers = { X = "a\\r\\nB: c" } } } }',
        "F:2: providers[1].headers.X: a string of one line expected" },
      { "a policy that is neither a path nor a name", 'return {\n policy = "p.txt" }', "F:2: policy: p.txt: a path that ends in .lua, or" },
      { "a policy's name that is none", 'return { policies = {\n ["a b"] = "p.lua" } }', "F:1: policies: a b is no policy name" },
      { "a policy without a path", 'return { policies = {\n cheap = true } }', "F:2: policies.cheap: string expected, got boolean" },
      { "a key's policy that is a path", 'return { keys = { { name = "a", key = "12345678",\n policy = "p.lua" } } }',
        "F:2: keys[1].policy: p.lua: a policy's name has" },
      { "a syntax error", "return {\n  listen = ,\n}", "^F:2: unexpected symbol" },
      { "an error of its own", 'local a = 1\nerror("no")', "^F:2: no" },
      { "a forbidden function", "return {\n listen = os.getenv 'X' }", this_lua.words "F:2: attempt to index global 'os'" },
      { "an endless loop", "local a = 1\nwhile true do a = a + 1 end", "^F:2: does not come to an end" },
      { "an endless loop inside a library function", "string.gsub(('x'):rep(100), '.', function() while true do end end)", "^F:1: does not come to an end" },
      { "too much memory at once", "return {\n listen = ('x'):rep(1e9) }", "^F:[12]: wants more than 67108864 bytes of memory" },
      { "too much memory little by little", "local s = 'x'\nfor _ = 1, 40 do s = s .. s end", "F:1: wants more than 67108864 bytes" },
      { "a file that returns nothing", "local a", "F:1: a configuration returns a table, this one a nil" },
    } do
      it(case[1], function()
        local settings, err = load(case[2])
        assert.is_nil(settings)
        if case[3]:find("^%^") or case[3]:find("%$$") then
          assert.truthy(err:find(case[3]), err)
        else
          assert.equal(case[3], err:sub(1, #case[3]))
        end
      end)
    end

    it("bytecode", function()
      local _, err = load(string.dump(function() return {} end))
      assert.equal("F:1: this is bytecode; a configuration is text", err)
    end)
  end)

  it("fills in defaults, in the core's units", function()
    local s = loads "return { timeouts = { connect = 0.5 } }"
    assert.equal("127.0.0.1:8080", s.listen)
    assert.equal("keys", s.auth)
    assert.equal(500, s.timeouts.connect_ms)
    assert.equal(60000, s.timeouts.idle_ms)
    assert.equal(33554432, s.limits.body)
    assert.equal(1, #s.catalogs)
    assert.equal("tidegate:shipped", s.catalogs[1].name)
  end)

  it("lets the command line win", function()
    local s = loads('return { listen = "127.0.0.1:1", workers = 1 }', { listen = "127.0.0.1:2", workers = 3 })
    assert.equal("127.0.0.1:2", s.listen)
    assert.equal(3, s.workers)
  end)

  describe("leaves a provider out", function()
    it("whose key is not in the environment, and says so", function()
      local s = loads [[return { providers = {
        { slug = "a", base_url = "http://a", key = env "ABSENT" },
        { slug = "b", base_url = "http://b", key = env "EMPTY" },
        { slug = "c", base_url = "http://c", key = env "GROQ" } } }]]
      assert.equal(1, #s.providers)
      assert.equal("c", s.providers[1].slug)
      assert.equal("provider a is left out: ABSENT is not set", s.notes[1])
      assert.equal("provider b is left out: EMPTY is not set", s.notes[2])
    end)

    it("that is named alone, without its variable", function()
      local s = loads 'return { providers = { "openai" } }'
      assert.equal(0, #s.providers)
      assert.equal("provider openai is left out: OPENAI_API_KEY is not set", s.notes[1])
    end)

    it("whose pair of keys is not there, but not one with half of it", function()
      local AWS = [[return { providers = { { slug = "aws", wire = "bedrock-converse", access_key = env "%s",
        base_url = "https://bedrock-runtime.eu-west-1.amazonaws.com", secret_key = env "%s" } } }]]
      assert.equal("provider aws is left out: ABSENT is not set", loads(AWS:format("ABSENT", "EMPTY")).notes[1])
      local _, err = load(AWS:format("GROQ", "ABSENT"))
      assert.equal("F:2: providers[1].secret_key: ABSENT is not set", err)
    end)

    it("but not one that has no key at all", function()
      local s = loads [[local x = env "ABSENT"
        return { providers = { { slug = "vllm", base_url = "http://127.0.0.1:8000/v1" },
                               { slug = "o", base_url = "http://o", key = false } } }]]
      assert.equal(2, #s.providers)
      assert.is_nil(s.providers[1].key)
    end)
  end)

  describe("says what to write instead of", function()
    local function one(provider) return "return { providers = {\n" .. provider .. " } }" end
    for _, case in ipairs {
      { "the name of a provider whose address is the customer's", '"azure"',
        'F:2: providers[1]: azure has an address of your own: write { slug = "azure", wire = "azure-openai"' },
      { "somebody else's name for one", '"gemini"', "F:2: providers[1]: no built-in provider is called gemini, did you mean "
        .. "google-ai-studio?" },
      { "the beginning of a wire", '{ slug = "a", wire = "bedrock", base_url = "http://a" }',
        "F:2: providers[1].wire: there is no wire bedrock, did you mean bedrock-converse?" },
      { "no address, where a page has one", '{ slug = "a", wire = "vertex" }',
        "F:2: providers[1]: missing key base_url, see docs/wires/vertex.md" },
      { "a wire that the built-in provider does not speak", '{ slug = "openai", wire = "cohere", key = "k" }',
        "F:2: providers[1]: missing key base_url: openai is not known to speak cohere" },
      { "an address of another API of the same makers", '{ slug = "a", wire = "ollama", base_url = "http://a:11434/v1/" }',
        'F:2: providers[1].base_url: openai-chat is spoken below /v1: leave that out, or say wire = "openai-chat"' },
      { "an address with the request's path", '{ slug = "a", base_url = "http://a/v1/chat/completions" }',
        "F:2: providers[1].base_url: requests go to /chat/completions below it: leave that out" },
      { "a format twice", '{ slug = "a", base_url = "http://a", also = { "openai-chat" } }',
        "F:2: providers[1].also: openai-chat is one of its formats already" },
      { "a further format that nobody knows", '{ slug = "a", base_url = "http://a", also = "openai-response" }',
        "F:2: providers[1].also: there is no wire openai-response, did you mean openai-responses?" },
      { "a format of some models that nobody knows", '{ slug = "a", base_url = "http://a", wire_of = { ["m-*"] = "claude" } }',
        "F:2: providers[1].wire_of: there is no wire claude" },
      { "a format with keys of its own beside another", '{ slug = "a", base_url = "http://a", also = "bedrock-converse" }',
        "F:2: providers[1].also: bedrock-converse has addresses and keys of its own: make it another provider" },
      { "more formats than are spoken by one", '{ slug = "a", base_url = "http://a", also = { "openai-responses", '
        .. '"anthropic-messages", "cohere" }, wire_of = { x = "ollama" } }', "F:2: providers[1].also: more than 4 formats" },
      { "a key of another wire", '{ slug = "a", base_url = "http://a", project = "p" }',
        "F:2: providers[1].project: is for the wire vertex" },
      { "a secret without its name", '{ slug = "a", wire = "bedrock-converse", base_url = "http://a", secret_key = "s" }',
        "F:2: providers[1].access_key: secret_key needs access_key beside it" },
      { "a token without the project", '{ slug = "a", wire = "vertex", base_url = "http://a", token = "t" }',
        "F:2: providers[1].project: a token needs the project beside it" },
    } do
      it(case[1], function()
        local settings, err = load(one(case[2]))
        assert.is_nil(settings)
        assert.truthy(err:find(case[3], 1, true), err)
      end)
    end
  end)

  it("takes the built-in provider's formats where its wire is left to it", function()
    local function formats(provider)
      local names = {}
      for _, wire in ipairs(loads("return { providers = { " .. provider .. " } }").providers[1].wires) do
        names[#names + 1] = wire.name .. (wire.models and " of " .. wire.models or "")
      end
      return table.concat(names, ", ")
    end
    assert.truthy(formats('{ slug = "openai", key = "0123456789" }'):find "^openai%-chat of .*, openai%-responses of .*"
      .. ", openai%-chat, openai%-responses$")
    assert.equal("openai-chat", formats '{ slug = "openai", wire = "openai-chat", key = "0123456789" }')
    assert.equal("openai-responses", formats '{ slug = "openai", wire = "openai-responses", key = "0123456789" }')
    assert.equal("openai-chat", formats '{ slug = "openai", base_url = "http://mine/v1", key = "0123456789" }')
    assert.equal("openai-chat, openai-responses, anthropic-messages", formats '{ slug = "openrouter", key = "0123456789" }')
    assert.equal("cohere of b* c, openai-chat, openai-responses", formats [[{ slug = "a", base_url = "http://a",
      also = "openai-responses", wire_of = { c = "cohere", ["b*"] = "cohere" } }]])
  end)

  it("takes the built-in provider's address for each wire that it speaks", function()
    for _, case in ipairs { { '"ollama"', "http://127.0.0.1:11434/v1" },
        { '{ slug = "ollama", wire = "ollama" }', "http://127.0.0.1:11434" },
        { '{ slug = "openai", wire = "openai-responses", key = "0123456789" }', "https://api.openai.com/v1" },
        { '{ slug = "anthropic", wire = "openai-chat", key = "0123456789" }', "https://api.anthropic.com/v1" } } do
      assert.equal(case[2], loads("return { providers = { " .. case[1] .. " } }").providers[1].base_url)
    end
  end)

  it("notes a provider of the open net that is sent no key, unless that is meant", function()
    local s = loads [[return { auth = "none", providers = { { slug = "a", base_url = "https://a" },
      { slug = "openai" }, { slug = "b", base_url = "https://b", key = false }, { slug = "c", base_url = "http://c" } } }]]
    assert.same({ "provider a is sent no key; key = false says that this is meant",
      'provider openai is sent no key, for that there is key = env "OPENAI_API_KEY"; key = false says that this is meant' },
      s.notes)
  end)

  it("notes a provider that no model names", function()
    local s = loads [[return { auth = "none", providers = { { slug = "a", base_url = "http://a" }, "ollama" } }]]
    assert(config.catalog(s))
    assert.same({ "provider a: no catalogue has a model of it; list some in one of your own (docs/catalog.md)" }, s.notes)
  end)

  it("notes a key that is too short to be kept out of logs", function()
    local s = loads 'return { providers = { { slug = "a", base_url = "http://a", key = "abc" } } }'
    assert.equal(1, #s.providers)
    assert.truthy(s.notes[1]:find("provider a has a key of less than 8 characters", 1, true))
  end)

  it("without a file says what closes the gateway", function()
    local settings, err = config.load({ auth = "none" }, { listen = "0.0.0.0:80" })
    assert.is_nil(settings)
    assert.equal("everybody who reaches 0.0.0.0:80 would be let in: set TIDEGATE_KEY, or write a tidegate.lua "
      .. "(docs/configuration.md)", tostring(err))
  end)

  it("takes from the built-in provider what a table without base_url does not say", function()
    local p = loads('return { providers = { { slug = "groq", key = env "GROQ", name = "G" } } }').providers[1]
    assert.equal("https://api.groq.com/openai/v1", p.base_url)
    assert.equal("G", p.name)
    assert.equal("gsk-0123456789", p.key)
  end)

  it("takes nothing from it, its data policy least of all, when the base_url is another", function()
    local p = loads('return { providers = { { slug = "fireworks", base_url = "http://elsewhere" } } }').providers[1]
    assert.is_false(p.denies_data_collection)
    assert.is_nil(p.zdr)
    assert.is_nil(p.about)
  end)

  describe("an open gateway", function()
    for _, case in ipairs {
      { "127.0.0.1:8080", true }, { "localhost:0", true }, { "[::1]:80", true }, { "127.9.9.9:80", true },
      { "0.0.0.0:8080", false }, { ":8080", false }, { "[::]:80", false }, { "10.0.0.1:80", false },
      { "127.0.0.1.evil.test:80", false },
    } do
      it((case[2] and "is accepted on " or "is refused on ") .. case[1], function()
        local settings, err = load(('return { auth = "none",\n listen = %q }'):format(case[1]))
        assert.equal(case[2], settings ~= nil)
        if err then assert.truthy(err:find("^F:1: auth = \"none\" lets everybody in")) end
      end)
    end

    it("is refused when the command line moves it off loopback", function()
      assert.is_nil(load('return { auth = "none" }', { listen = "0.0.0.0:80" }))
    end)
  end)

  it("says that a gateway without keys lets nobody in, and one without providers asks nobody", function()
    local notes = loads("return {}").notes
    assert.truthy(notes[1]:find("no provider takes part", 1, true))
    assert.truthy(notes[2]:find("every request will be refused", 1, true))
  end)

  for _, name in ipairs { "two-providers", "local-models", "closed-by-keys", "demo" } do
    it("accepts examples/" .. name .. ".lua, catalogues included", function()
      local settings = assert(config.load("examples/" .. name .. ".lua", {}, function(variable)
        return "the value of " .. variable
      end))
      assert.is_true(#settings.providers >= 2)
      assert(config.catalog(settings))
    end)
  end

  it("labels keys so that they can be told apart and not guessed", function()
    local key = loads('return { keys = { { name = "ci", key = "sk-tg-v1-0e6f44a47cf16a1c96" } } }').keys[1]
    assert.equal("sk-tg-v1-0e6...1c96", key.label)
  end)

  it("reads the first mistake of each catalogue file", function()
    local bad = os.tmpname()
    local file = assert(io.open(bad, "wb"))
    file:write('{"data": [\n {"id": "a/b", "endpoints": [}\n]}')
    file:close()
    local s = loads(('return { catalog = { %q, "absent.json", "tidegate:demo" } }'):format(bad))
    local catalog, mistakes = config.catalog(s)
    os.remove(bad)
    assert.is_nil(catalog)
    assert.equal(2, #mistakes)
    assert.equal(bad .. ":2", tostring(mistakes[1]):match("^[^:]*:%d+"))
  end)

  it("tells of a catalogue that is not there where it is named", function()
    local s = loads 'return {\n catalog = { "tidegate:demo",\n "/no/such.json" } }'
    local catalog, mistakes = config.catalog(s)
    assert.is_nil(catalog)
    assert.equal(path .. ":3: catalog: there is no file /no/such.json", tostring(mistakes[1]))
  end)

  it("makes a snapshot that the core takes", function()
    local s = loads 'return { providers = { "groq" }, keys = { { name = "a", key = "12345678" } } }'
    local catalog = assert(config.catalog(s))
    assert.is_userdata(config.snapshot(s, catalog))
  end)

  it("is documented by the table it is checked against", function()
    local text = assert(core.read_file("docs/configuration.md"))
    assert.truthy(text:find(schema.markdown(), 1, true),
      "docs/configuration.md does not hold the output of `tidegate config`")
  end)
end)
