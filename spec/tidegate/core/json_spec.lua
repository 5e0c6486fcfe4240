local json = require("tidegate.core").json

describe("tidegate.core json", function()
  describe("keeps, through decode and encode,", function()
    for _, text in ipairs {
      "[]", "{}", '{"a":[],"b":{}}', "null", "true", '""', "0", "-1", "0.1", "1.5", "9007199254740992",
      "9007199254740993", "12345678901234567890", "-12345678901234567890", "0.30000000000000004",
      "3.141592653589793238462643", "1e400", '"\195\169 \\"\\\\ \\n"', "[null,[[]],{}]",
    } do
      it(text, function()
        assert.equal(text, json.encode(json.decode(text)))
      end)
    end
  end)

  it("gives numbers where a double holds them, and their digits where not", function()
    assert.equal(0.25, json.decode "0.250")
    assert.equal("12345678901234567890", tostring(json.decode "12345678901234567890"))
    assert.is_true(json.is_raw(json.decode "12345678901234567890"))
  end)

  it("tells where the text breaks", function()
    local value, err = json.decode '{"a":\n [1,}'
    assert.is_nil(value)
    assert.equal("invalid", err.code)
    assert.equal(2, err.line)
    assert.equal(10, err.offset)
  end)

  it("reads for converters: nulls are absent, and members of some names stay as they stand", function()
    local value = json.read('{"a":null,"b":[null],"schema":{ "z": 1, "a": 1.0 },"c":{"schema":[]}}', { schema = true })
    assert.is_nil(value.a)
    assert.equal(json.null, value.b[1])
    assert.equal('{ "z": 1, "a": 1.0 }', tostring(value.schema))
    assert.equal('{"b":[null],"c":{"schema":[]},"schema":{ "z": 1, "a": 1.0 }}', json.encode(value))
    assert.is_nil((json.read "{"))
  end)

  it("picks values by their path, as they stand", function()
    local text = '{"delta":{"text":"\\u00e9","n":1.50},"choices":[{"index":0},{"index":1}],"none":null}'
    assert.same({ '"\\u00e9"', "1.50", "1" }, { json.pick(text, "delta.text", "delta.n", "choices.1.index") })
    for _, path in ipairs { "absent", "none", "delta.text.x", "choices.2", "choices.x", "choices.-1", "" } do
      assert.is_nil((json.pick(text, path)), path)
    end
    assert.equal(0, select("#", json.pick("{", "a")))
  end)

  it("refuses text that is nested too deep, and tables that go round", function()
    local _, err = json.decode(("["):rep(200) .. ("]"):rep(200))
    assert.equal("too_deep", err.code)
    local round = {}
    round.round = round
    assert.has_error(function() json.encode(round) end)
  end)

  for _, case in ipairs { { "a function", print }, { "NaN", 0 / 0 }, { "infinity", 1 / 0 }, { "a sparse table", { [1.5] = 1 } } } do
    it("refuses to write " .. case[1], function()
      assert.has_error(function() json.encode { x = case[2] } end)
    end)
  end

  it("writes members sorted, or in the order that is asked for", function()
    assert.equal('{"a":1,"b":2}', json.encode { b = 2, a = 1 })
    assert.equal('{"b":2,"a":1}', json.encode(json.ordered({ a = 1, b = 2 }, { "b", "a", "absent" })))
  end)

  it("sorts the members of an object of any size", function()
    for _, size in ipairs { 1, 15, 16, 17, 300 } do
      local object, texts = {}, {}
      for i = 1, size do
        local name = ("m%03d"):format(i * 7919 % 1000)
        object[name], texts[i] = i, ('"%s":%d'):format(name, i)
      end
      table.sort(texts)
      assert.equal("{" .. table.concat(texts, ",") .. "}", json.encode(object))
    end
  end)

  it("writes what comes after something that is no JSON", function()
    for _, wrong in ipairs { { print }, { 0 / 0 }, { [1.5] = 1 } } do
      assert.has_error(function() json.encode { a = "begun", b = wrong } end)
      assert.equal('{"a":1}', json.encode { a = 1 })
    end
  end)

  it("reads one text in all ways, one after the other, and another one in between", function()
    for i = 1, 3 do
      local text = ('{"a":{"b":[%d,"x"]}}'):format(i)
      assert.is_true(json.check(text))
      assert.equal(tostring(i), (json.pick(text, "a.b.0")))
      assert.same({ a = { b = { i, "x" } } }, json.read(text))
      assert.is_nil((json.pick("[]", "a")))
      assert.equal('"x"', (json.pick(text, "a.b.1")))
      assert.equal(('{"b":[%d,"x"]}'):format(i), tostring(json.split(text).a))
    end
    local deep = ("["):rep(200) .. ("]"):rep(200)
    assert.is_true(json.check(deep))
    assert.is_nil(json.read(deep))
    assert.equal(1, #json.elements(deep))
  end)

  it("counts characters", function()
    for _, case in ipairs { { "", 0 }, { "tide", 4 }, { "Büsum", 5 }, { ("ü"):rep(13), 13 }, { "潮は🌊です", 5 } } do
      assert.equal(case[2], json.chars(case[1]))
    end
  end)

  it("hands the members of an object out as they stand", function()
    local members, names = json.split '{ "b": 1.50, "a\\u0062": [1, 2] }'
    assert.same({ "b", "ab" }, names)
    assert.equal("1.50", tostring(members.b))
    assert.equal('{"x":[1, 2]}', json.encode { x = members.ab })
  end)

  it("hands members and elements out as texts", function()
    local members, names = json.members '{ "b": 1.50, "a\\u0062": [1, 2] }'
    assert.same({ "b", "ab" }, names)
    assert.same({ b = "1.50", ab = "[1, 2]" }, members)
    assert.same({ "1.50", '"a"', "{ }", "null" }, json.texts '[1.50, "a",{ }, null]')
    for _, wrong in ipairs { "", "1", "[1", "{", '{"a":}' } do
      assert.is_nil((json.members(wrong)))
      assert.is_nil((json.texts(wrong)))
    end
    assert.is_nil((json.members "[]"))
    assert.is_nil((json.texts "{}"))
  end)

  it("holds together when the collector runs all the time", function()
    collectgarbage("setpause", 0)
    collectgarbage("setstepmul", 10000)
    for i = 1, 12 do                   -- each goes through all places where memory is taken
      local text = ('{"a":[%d,"\\u00e9%d",{"b":12345678901234567890}]}'):format(i, i)
      assert.equal(('{"a":[%d,"\195\169%d",{"b":12345678901234567890}]}'):format(i, i), json.encode(json.decode(text)))
    end
    collectgarbage("setpause", 200)
    collectgarbage("setstepmul", 200)
  end)
end)
