--- Runs a policy under test in the sandbox that the gateway has, its limits included.
--
--     local p = require("tidegate.testing").load("policies/cheap.lua",
--       { backend = require "tidegate.app.policy_backend" })
--
-- What a backend is, is told in policy/backend.lua. The file is read by the code that reads it for
-- the gateway. Then its text is loaded once more, with policy/prelude.lua around it: that lends it
-- a tidegate.kv and a tidegate.log whose contents go in and come out with every call, and a request
-- whose hash and random are functions of the sandbox.

local core    = require "tidegate.core"
local shipped = require "tidegate.app.shipped"

local backend = {}

local PRELUDE = "tidegate_prelude"

local code_mt = {}
code_mt.__index = code_mt

-- On the first line, so that the others stay where they are.
local function wrapped(text)
  return ('return require "%s".wrap(function(...) %s\nend)'):format(PRELUDE, text)
end

-- What the gateway makes of the file, and the files that it required.
local function shape_of(source)
  local files = {}
  local policy, err = core.policy {
    name = "test", file = source.called, text = source.text,
    find = function(name)
      local text, called = source.beside(name)
      files[name] = text
      return text, called
    end,
  }
  if not policy then return nil, tostring(err) end
  local shape
  shape, err = policy:shape()
  policy:close()
  return shape, shape and files or tostring(err)
end

local function remember(world, lines)
  for _, line in ipairs(lines) do world.lines[#world.lines + 1] = line end
end

function backend.load(source, world)
  local shape, files = shape_of(source)
  if not shape then return nil, files end
  files[PRELUDE] = shipped.module("tidegate.policy.prelude")
  local box = assert(core.sandbox())
  local ok, err = box:load_with(files, wrapped(source.text), source.called)
  if not ok then return nil, tostring(err) end
  remember(world, assert(box:call("lines")))
  return setmetatable({ value = shape.value, globals = shape.globals, box = box, world = world }, code_mt)
end

function code_mt:seed(n)
  self.box:seed(n)
end

function code_mt:call(hook, request, first, second)
  local world = self.world
  local is_good, results, entries, lines = self.box:call("call", hook, world.now, world.entries, request, first, second)
  if is_good == nil then return false, tostring(results) end
  world.entries = entries
  remember(world, lines)
  return is_good, results
end

return backend
