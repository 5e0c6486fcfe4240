-- The policies to copy: each has a spec and a page, and the page shows what there is.

local CONFIG = "examples/policies/tidegate.lua"
local PROGRAM = os.getenv "TIDEGATE"
if not PROGRAM or PROGRAM == "" then PROGRAM = "build/tidegate" end

-- ---- reading ----

local function read(path)
  local file = io.open(path)
  local text = file and file:read "*a"
  if file then file:close() end
  return text
end

-- What a command prints, errors aside. `tidegate` is the program under test.
local function output_of(command)
  local shell = io.popen(("tidegate() { '%s' \"$@\"; }; { %s\n} 2>/dev/null"):format(PROGRAM, command))
  local text = shell:read "*a"
  shell:close()
  return text
end

-- Files that are no policies.
local OTHERS = { tidegate = true, mock = true }

local function policies()
  local names = {}
  for name in output_of("ls examples/policies"):gmatch "([%w_]+)%.lua\n" do
    if not OTHERS[name] and not name:find "_spec$" then names[#names + 1] = name end
  end
  return names
end

local NAMES = policies()

local function policy_of(name) return "examples/policies/" .. name .. ".lua" end
local function spec_of(name) return "examples/policies/" .. name .. "_spec.lua" end
local function page_of(name) return "docs/policies/" .. name .. ".md" end

-- The commands of a page, each with what it shows of it: { command, output }. A command goes on in
-- lines that are indented.
local function shown_in(page)
  local shown = {}
  for block in page:gmatch "\n```console\n(.-)```\n" do
    local command, output = block:match "^%$ ([^\n]*\n)(.*)$"
    while output:find "^    " do
      local line, rest = output:match "^([^\n]*\n)(.*)$"
      command, output = command .. line, rest
    end
    shown[#shown + 1] = { command, output }
  end
  return shown
end

-- ---- what is held ----

describe("the policies to copy", function()
  it("are ten, all of them named in the configuration beside them and in the list", function()
    assert.equal(10, #NAMES)
    local config, list = read(CONFIG), read "docs/policies/README.md"
    for _, name in ipairs(NAMES) do
      assert.matches(("\n    %s%%s+= \"%s%%.lua\","):format(name, name), config)
      assert.is_truthy(list:find(("| [%s](%s.md) | "):format(name, name), 1, true), name .. " is not in the list")
    end
  end)

  it("are named in a configuration that is good", function()
    assert.equal(CONFIG .. ": good; 6 providers, 3 models, 10 endpoints\n", output_of("tidegate check " .. CONFIG))
  end)

  for _, name in ipairs(NAMES) do
    describe(name, function()
      it("has a spec and a page", function()
        assert.is_truthy(read(spec_of(name)))
        assert.is_truthy(read(page_of(name)))
      end)

      it("says at its top what it does, and is of a size to be read", function()
        local text = read(policy_of(name))
        local _, lines = text:gsub("\n", "")
        assert.matches("^%-%- %u.-\nlocal %u+", text)
        assert.is_truthy(text:find("\n---@type tidegate.Policy\nreturn {\n", 1, true))
        assert.is_true(lines <= 50, lines .. " lines")
      end)

      it("stands in its page word for word", function()
        assert.is_truthy(read(page_of(name)):find("\n```lua\n" .. read(policy_of(name)) .. "```\n", 1, true))
      end)

      it("has a page that shows what explain prints", function()
        local shown = shown_in(read(page_of(name)))
        assert.is_true(#shown > 0)
        for _, one in ipairs(shown) do assert.equal(one[2], output_of(one[1])) end
      end)

      it("passes its spec in the sandbox of the gateway", function()
        local said = output_of("tidegate policy test " .. policy_of(name))
        assert.is_truthy(said:find "\n[1-9]%d* passed, 0 failed, 0 pending\n$", said)
      end)
    end)
  end

  it("use nothing that luacheck does not know of the sandbox", function()
    if output_of("command -v luacheck") == "" then return pending "luacheck is not installed" end
    local dir = os.tmpname()
    os.remove(dir)
    local copies = {}
    for i, name in ipairs(NAMES) do copies[i] = policy_of(name) end
    local said = output_of(("mkdir -p %s/policies && cp %s %s/policies && tidegate policy luacheckrc > %s/.luacheckrc"
      .. " && cd %s && luacheck --no-color policies"):format(dir, table.concat(copies, " "), dir, dir, dir))
    os.execute("rm -rf " .. dir)
    assert.matches("Total: 0 warnings / 0 errors in 10 files", said)
  end)
end)
