local core = require "tidegate.core"

local process = core.process

-- A number that no process has: above what the kernel gives.
local NOBODY = 2 ^ 31 - 1

local function has(list, value)
  for _, v in ipairs(list) do
    if v == value then return true end
  end
  return false
end

describe("core.process", function()
  it("knows the process it is called in", function()
    local me = process.self()
    assert.is_true(has(process.list(), me))
    assert.equal(process.user(), process.owner(me))
    assert.is_true(core.is_same_file(process.exe(me), "/proc/self/exe"))
    assert.is_true(core.is_same_file(process.cwd(me), "."))
    assert.is_true(#process.words(me) >= 1)
    assert.equal(os.getenv "PATH", process.environment(me).PATH)
  end)

  it("sees a process only while it runs", function()
    local p = io.popen "echo $$; exec sleep 60"
    local pid = tonumber((p:read "*l"))
    assert.is_true(has(process.list(), pid))
    os.execute("kill " .. pid)
    p:close()
    assert.is_false(has(process.list(), pid))
  end)

  for _, name in ipairs { "owner", "exe", "cwd", "words", "environment" } do
    it(name .. " of nobody is not found", function()
      local value, err = process[name](NOBODY)
      assert.is_nil(value)
      assert.equal("not_found", err.code)
      assert.has_error(function() process[name](0) end)
      assert.has_error(function() process[name] "me" end)
    end)
  end

  it("asks nobody who is not there", function()
    local answer, err = process.ask_reload(NOBODY, 0)
    assert.is_nil(answer)
    assert.equal("not_found", err.code)
    assert.has_error(function() process.ask_reload(NOBODY, -1) end)
    assert.has_error(function() process.ask_reload(NOBODY) end)
  end)

  it("ends nobody by asking: a program that would be is not asked", function()
    local p = io.popen "echo $$; exec sleep 60"
    local pid = tonumber((p:read "*l"))
    local answer, err = process.ask_reload(pid, 0)
    assert.is_nil(answer)
    assert.equal("again", err.code)
    assert.is_true(has(process.list(), pid))
    os.execute("kill " .. pid)
    p:close()
  end)
end)

describe("core.file_stamp", function()
  local path = os.tmpname()

  local function write(text)
    local f = assert(io.open(path, "wb"))
    f:write(text)
    f:close()
  end

  it("differs when the file is written, replaced or gone", function()
    write "a"
    local first = core.file_stamp(path)
    assert.is_string(first)
    assert.equal(first, core.file_stamp(path))
    write "ab"
    local second = core.file_stamp(path)
    assert.not_equal(first, second)
    local other = path .. ".new"
    os.execute(("cp -p %s %s"):format(path, other))
    assert.is_false(core.is_same_file(path, other))
    os.rename(other, path)
    assert.not_equal(second, core.file_stamp(path))
    os.remove(path)
    assert.is_nil(core.file_stamp(path))
  end)
end)
