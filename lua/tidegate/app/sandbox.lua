--- Run an operator's Lua file in a small environment, for as long as it is sane.
--
-- Text only, no I/O, budgets of instructions and memory. This keeps accidents small; it is
-- no prison for somebody else's code.

local core      = require "tidegate.core"
local error_of  = require "tidegate.base.error"
local load_text = require "tidegate.base.load_text"

local sandbox = {}

local BUDGET = 2e7       -- virtual machine instructions: a second at most
local STEP   = 1e4       -- between two looks at the budget
local BYTES_MAX = 1048576
local MEMORY_BYTES = 67108864

local LENT = {
  "assert", "error", "ipairs", "next", "pairs", "select", "tonumber", "tostring", "type", "unpack",
}

local function copy(t, without)
  local c = {}
  for k, v in pairs(t) do
    if k ~= without then c[k] = v end
  end
  return c
end

-- A fresh one for each file: what a file does to it stays with the file.
local function environment(extra)
  local env = { string = copy(string, "dump"), table = copy(table), math = copy(math) }
  for _, name in ipairs(LENT) do env[name] = _G[name] end
  env.unpack = env.unpack or rawget(table, "unpack")
  for name, value in pairs(extra) do env[name] = value end
  return env
end

-- Compiled code runs no hooks: keep this chunk and all it defines interpreted.
local function keep_interpreted(chunk)
  local jit = rawget(_G, "jit")
  if jit then jit.off(chunk, true) end
end

-- Nothing that a file is lent catches errors: one is enough to end it.
local function limited(chunk, name)
  local left = BUDGET
  debug.sethook(function()
    left = left - STEP
    if left > 0 then return end
    local line = (debug.getinfo(2, "l") or {}).currentline or -1
    error(("%s:%d: does not come to an end"):format(name, line > 0 and line or 1), 0)
  end, "", STEP)
  local results = { core.within(MEMORY_BYTES, chunk) }
  debug.sethook()
  -- With file and line where it was a library that wanted it; as Lua's own error it has none.
  local place = not results[1] and type(results[2]) == "string" and results[2]:match("^(.-)not enough memory")
  if place then results[2] = ("%swants more than %d bytes of memory"):format(place, MEMORY_BYTES) end
  return results
end

--- Run the text of a file.
-- @tparam string text
-- @tparam string name  as it is told to people
-- @tparam table extra  further globals
-- @return what the file returns
-- @treturn ?error  "invalid", the message begins with name:line
function sandbox.run(text, name, extra)
  if #text > BYTES_MAX then
    return nil, error_of("too_big", ("%s:1: larger than %d bytes"):format(name, BYTES_MAX))
  end
  if text:find("^\27") or text:find("^#[^\n]*\n\27") then
    return nil, error_of("invalid", name .. ":1: this is bytecode; a configuration is text")
  end
  local chunk, why = load_text(text:gsub("^#[^\n]*", ""), name, environment(extra))
  if not chunk then return nil, error_of("invalid", why) end
  keep_interpreted(chunk)
  local results = limited(chunk, name)
  if not results[1] then
    local message = tostring(results[2])
    if message:sub(1, #name + 1) ~= name .. ":" then message = name .. ":1: " .. message end
    return nil, error_of("invalid", message)
  end
  return results[2]
end

return sandbox
