local watch = require "tidegate.app.watch"

-- Files by name: what is there now, nil for gone.
local function world(files)
  local w = watch.new(function(path) return files[path] end)
  local names = {}
  for name in pairs(files) do names[#names + 1] = name end
  w:took(names)
  return w
end

-- How many looks until it says so; nil when it does not within ten.
local function looks(w)
  for n = 1, 10 do
    if w:look() then return n end
  end
end

describe("tidegate.app.watch", function()
  it("says nothing while nothing changes", function()
    assert.is_nil(looks(world { a = "1", b = "1" }))
  end)

  it("takes a change that the next look finds unchanged", function()
    local files = { a = "1", b = "1" }
    local w = world(files)
    files.b = "2"
    assert.is_nil(w:look())
    assert.same({ "b" }, w:look())
  end)

  it("waits while a file is being written", function()
    local files = { a = "1" }
    local w = world(files)
    for n = 2, 9 do
      files.a = tostring(n)
      assert.is_nil(w:look())
    end
    assert.same({ "a" }, w:look())
  end)

  it("waits for the last of several files that are being written", function()
    local files = { a = "1", b = "1" }
    local w = world(files)
    files.a = "2"
    assert.is_nil(w:look())
    files.b = "2"
    assert.is_nil(w:look())
    assert.same({ "a", "b" }, w:look())
  end)

  it("does not mind a file that is gone for a moment and comes back as it was", function()
    local files = { a = "1" }
    local w = world(files)
    files.a = nil
    for _ = 1, 4 do assert.is_nil(w:look()) end
    files.a = "1"
    assert.is_nil(looks(w))
  end)

  it("takes the file that comes instead of one that was gone for a moment", function()
    local files = { a = "1" }
    local w = world(files)
    files.a = nil
    for _ = 1, 3 do assert.is_nil(w:look()) end
    files.a = "2"
    assert.equal(2, looks(w))
  end)

  it("says after a second that a file is gone", function()
    local files = { a = "1" }
    local w = world(files)
    files.a = nil
    assert.equal(5, looks(w))
  end)

  it("says a change once, whatever was thought of it, and the next one again", function()
    local files = { a = "good" }
    local w = world(files)
    files.a = "bad"
    assert.equal(2, looks(w))
    w:took_also { "a" }
    assert.is_nil(looks(w))
    files.a = "good"
    assert.equal(2, looks(w))
  end)

  it("looks at what was to be read in vain, too", function()
    local files = { config = "1" }
    local w = world(files)
    files.config = "names a catalogue that is broken"
    assert.equal(2, looks(w))
    files.catalog = "broken"
    w:took_also { "config", "catalog" }
    assert.is_nil(looks(w))
    files.catalog = "mended"
    assert.equal(2, looks(w))
  end)

  it("looks no more at what is not read any longer", function()
    local files = { a = "1", b = "1" }
    local w = world(files)
    w:took { "a" }
    files.b = "2"
    assert.is_nil(looks(w))
  end)

  it("sees what was written while the files were read", function()
    local files = { a = "1" }
    local w = world(files)
    local before = w:stamps()
    files.a = "2"
    w:took({ "a" }, before)
    assert.equal(2, looks(w))
  end)
end)
