-- docs/first-policy.md does what it says: its files are written, its commands are run, and what
-- they print is what stands there. `...` stands for anything; the ports are free ones.

local gateway = require "gateway"
local process = require "process"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

-- Blocks of the page in their order: { info, text, line }.
local function blocks_of(page)
  local blocks, block, number = {}, nil, 0
  for line in page:gmatch "([^\n]*)\n" do
    number = number + 1
    local info = line:match "^```(.*)$"
    if block and info then
      blocks[#blocks + 1], block = block, nil
    elseif info then
      block = { info = info, text = "", line = number }
    elseif block then
      block.text = block.text .. line .. "\n"
    end
  end
  return blocks
end

-- A console block: commands, each with the lines it prints.
local function commands_of(text)
  local commands = {}
  for line in text:gmatch "([^\n]*)\n" do
    local command = line:match "^%$ (.*)$"
    if command then
      commands[#commands + 1] = { line = command, prints = {} }
    else
      table.insert(commands[#commands].prints, line)
    end
  end
  return commands
end

-- Words of the page as a pattern: `...` is anything, runs of spaces are one.
local function pattern_of(line)
  line = line:gsub("%s+", " "):gsub("%.%.%.", "\0"):gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0")
  return "^" .. line:gsub("%z", ".*") .. "$"
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  return lines
end

describe("docs/first-policy.md", function()
  local dir, running, ports

  setup(function()
    dir, running = gateway.temp_dir(), {}
    ports = { ["9001"] = process.free_port(), ["8080"] = process.free_port() }
  end)

  teardown(function()
    for i = #running, 1, -1 do running[i]:stop() end
    os.execute("rm -rf " .. dir)
  end)

  local function with_ports(text)
    return (text:gsub("127%.0%.0%.1:(%d+)", function(port) return "127.0.0.1:" .. (ports[port] or port) end))
  end

  -- 8080 is the default, which a test cannot have for itself.
  local function as_file(name, text)
    text = with_ports(text)
    if name == "tidegate.lua" then
      text = text:gsub("return {\n", ('%%0  listen = "127.0.0.1:%d", workers = 1,\n'):format(ports["8080"]))
    end
    return text
  end

  local function shell(command)
    return ("cd '%s' && PATH='%s':$PATH && %s"):format(dir, dir .. "/bin", with_ports(command))
  end

  local function run(command)
    local out = dir .. "/out"
    os.execute(("( %s ) > '%s' 2>&1"):format(shell(command), out))
    return read(out)
  end

  local function start(command, prints)
    local p = process.start { "/bin/sh", "-c", shell("exec " .. command:gsub("%s*&$", "")) }
    running[#running + 1] = p
    for _, line in ipairs(prints) do p:expect(pattern_of(with_ports(line)):sub(2, -2), 20) end
  end

  local function check(command)
    if command.line:find "&$" then return start(command.line, command.prints) end
    local got = run(command.line)
    local lines = lines_of(got)
    assert.equal(#command.prints, #lines, got)
    for i, wanted in ipairs(command.prints) do
      local line = lines[i]:gsub("%s+", " ")
      assert.is_truthy(line:find(pattern_of(with_ports(wanted))), ("%s\n  is not  %s"):format(wanted, lines[i]))
    end
  end

  it("starts from an empty directory", function()
    os.execute(("mkdir -p '%s/bin' && ln -sf \"$(realpath '%s')\" '%s/bin/tidegate'")
      :format(dir, gateway.program(), dir))
  end)

  local count = 0
  for _, block in ipairs(blocks_of(read "docs/first-policy.md")) do
    local name = block.info:match "^%a+ (%S+)$"
    if name then
      it(("line %d: has the file %s"):format(block.line, name), function()
        gateway.write(dir .. "/" .. name, as_file(name, block.text))
      end)
    elseif block.info == "console" then
      for _, command in ipairs(commands_of(block.text)) do
        count = count + 1
        it(("line %d: %s"):format(block.line, command.line), function() check(command) end)
      end
    end
  end

  it("has commands", function()
    assert.is_true(count > 10)
  end)
end)
