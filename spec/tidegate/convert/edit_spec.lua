local edit = require "tidegate.convert.edit"

local function keep(name, value) return name, value end

describe("edit", function()
  it("gives the same text where nothing changes, white space and all", function()
    local object, list = '{ "b": 1.50,\n"a":[ ] }', "[ 1.0, {} ]"
    assert.equal(object, edit.object(object, keep))
    assert.equal(list, edit.list(list, function(element) return element end))
    assert.equal(object, edit.only(object, { a = true, b = true }, error))
  end)

  it("renames, replaces, removes and appends members, and leaves the bytes of the others", function()
    assert.equal('{"c":1.50,"a":[ 2 ],"d":"new","e":true}', edit.object('{ "b": 1.50, "x":{}, "a":[ 2 ], "d":3 }', function(name, value)
      if name == "b" then return "c", value end
      if name == "d" then return name, '"new"' end
      if name ~= "x" then return name, value end
    end, { '"e":true' }))
  end)

  it("has a member that stands twice once", function()
    assert.equal('{"a":2}', edit.object('{"a":1,"a":2}', keep))
  end)

  it("changes and removes elements", function()
    assert.equal('["1",3]', edit.list("[1, 2, 3]", function(element, i)
      if i == 1 then return '"' .. element .. '"' end
      if i ~= 2 then return element end
    end))
    assert.equal("[]", edit.list("[1]", function() end))
  end)

  it("leaves alone what is no object, or no list", function()
    for _, text in ipairs { "5", '"a"', "null", "[]" } do assert.equal(text, edit.object(text, error)) end
    for _, text in ipairs { "5", '"a"', "null", "{}" } do assert.equal(text, edit.list(text, error)) end
  end)

  it("tells which members went that said something", function()
    local gone = {}
    assert.equal('{"a":1}', edit.only('{"a":1,"b":null,"c":"","d":[ ],"e":{},"f":0,"g":false}', { a = true },
      function(name) gone[#gone + 1] = name end))
    assert.same({ "f", "g" }, gone)
  end)
end)
