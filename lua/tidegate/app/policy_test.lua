--- Run the specs beside policies, hooks in the sandbox that the gateway has.

local backend = require "tidegate.app.policy_backend"
local runner  = require "tidegate.app.spec_runner"
local testing = require "tidegate.testing"

local policy_test = {}

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

-- "policies/cheap.lua" and its spec are the same wish.
local function spec_of(path)
  if path:find("_spec%.lua$") then return path end
  return (path:gsub("%.lua$", "")) .. "_spec.lua"
end

-- Everybody who asks for tidegate.testing gets it with the real sandbox.
local function modules()
  local real = setmetatable({}, { __index = testing })
  function real.load(path, options)
    return testing.load(path, setmetatable({ backend = backend }, { __index = options }))
  end
  return { ["tidegate.testing"] = real }
end

--- @tparam table files  policies or specs
-- @treturn number  0 when all is well
function policy_test.run(files)
  local total, status = { passed = 0, failed = 0, pending = 0 }, 0
  for _, path in ipairs(files) do
    local spec = spec_of(path)
    if not exists(spec) then
      io.stderr:write(("tidegate policy test: there is no %s; docs/lua/testing.md shows one\n"):format(spec))
      status = 1
    else
      io.stdout:write(spec, "\n")
      local counts, why = runner.run(spec, { modules = modules() })
      if not counts then
        io.stdout:write("  FAIL ", why, "\n")
        counts = { passed = 0, failed = 1, pending = 0 }
      end
      for name, n in pairs(counts) do total[name] = total[name] + n end
    end
  end
  io.stdout:write(("%d passed, %d failed, %d pending\n"):format(total.passed, total.failed, total.pending))
  return (total.failed > 0 or status > 0) and 1 or 0
end

return policy_test
