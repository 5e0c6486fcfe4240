--- Run a spec that is written for busted, where busted need not be.
--
--     local counts = runner.run("policies/cheap_spec.lua", { modules = { [name] = module } })
--     counts.passed, counts.failed, counts.pending
--
-- Knows describe (context), it (test), pending, before_each, after_each, setup, teardown, and
-- of `assert` what app/spec_asserts.lua has. A spec is the operator's own program: it runs
-- outside of any sandbox.

local load_text = require "tidegate.base.load_text"
local read_file = require "tidegate.base.read_file"
local asserts   = require "tidegate.app.spec_asserts"

local runner = {}

local run_mt = {}
run_mt.__index = run_mt

local function traced(why)
  return type(why) == "string" and why or "an error of type " .. type(why)
end

-- The titles from the outermost on.
local function title_of(block, name)
  local words = { name }
  while block and block.name do
    table.insert(words, 1, block.name)
    block = block.parent
  end
  return table.concat(words, " ")
end

-- Run the functions of all blocks around: from the outermost on, or back.
local function around(block, which, inwards)
  local blocks = {}
  while block do
    table.insert(blocks, inwards and 1 or #blocks + 1, block)
    block = block.parent
  end
  for _, one in ipairs(blocks) do
    for _, fn in ipairs(one[which]) do fn() end
  end
end

function run_mt:tell(mark, title, why)
  self.write(("  %s %s\n"):format(mark, title))
  if why then self.write(("      %s\n"):format(why:gsub("\n", "\n      "))) end
end

function run_mt:it(name, fn)
  local block, title = self.block, title_of(self.block, name)
  if not fn then return self:pending(name) end
  local ok, why = pcall(around, block, "before_each", true)
  if ok then ok, why = pcall(fn) end
  local ended, other = pcall(around, block, "after_each", false)
  if ok and not ended then ok, why = false, other end
  if ok then
    self.counts.passed = self.counts.passed + 1
    self:tell("ok  ", title)
  else
    self.counts.failed = self.counts.failed + 1
    self:tell("FAIL", title, traced(why))
  end
end

function run_mt:pending(name)
  self.counts.pending = self.counts.pending + 1
  self:tell("... ", title_of(self.block, name or ""))
end

function run_mt:describe(name, fn)
  local block = { name = name, parent = self.block, before_each = {}, after_each = {}, teardown = {} }
  self.block = block
  local ok, why = pcall(fn)
  for _, last in ipairs(block.teardown) do pcall(last) end
  self.block = block.parent
  if ok then return end
  self.counts.failed = self.counts.failed + 1
  self:tell("FAIL", title_of(block.parent, name), traced(why))
end

-- What a spec finds around it: all there is, and the words of specs.
local function environment(run, modules)
  local env = { assert = asserts.new() }
  local function method(name)
    return function(...) return run[name](run, ...) end
  end
  local function adder(which)
    return function(fn) table.insert(run.block[which], fn) end
  end
  env.describe, env.context = method "describe", method "describe"
  env.it, env.test, env.spec, env.pending = method "it", method "it", method "it", method "pending"
  env.before_each, env.after_each, env.teardown = adder "before_each", adder "after_each", adder "teardown"
  function env.setup(fn) fn() end
  function env.require(name) return modules[name] or require(name) end
  return setmetatable(env, { __index = _G })
end

--- @tparam string path
-- @tparam table options  `modules`: given to `require` in place of others; `write`: where words
--   go, default standard output
-- @treturn ?table  { passed, failed, pending }
-- @treturn ?string  why it could not be run
function runner.run(path, options)
  local text, why = read_file(path)
  if not text then return nil, tostring(why) end
  local run = setmetatable({
    counts = { passed = 0, failed = 0, pending = 0 },
    write = options.write or function(words) io.stdout:write(words) end,
    block = { before_each = {}, after_each = {}, teardown = {} },
  }, run_mt)
  local chunk
  chunk, why = load_text(text:gsub("^#[^\n]*", ""), path, environment(run, options.modules or {}))
  if not chunk then return nil, why end
  local ok
  ok, why = pcall(chunk)
  if ok then return run.counts end
  return nil, traced(why)
end

return runner
