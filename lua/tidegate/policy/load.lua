--- Read a policy's text with a backend, and hold it to the schema.
--
--     local policy, why = load(source, backend, world)      why: "file:line: what"
--     policy.value                      the table that the file returned
--     policy.line_of { "score" }        where it says so
--     policy:call("score", request, endpoint, base)
--
-- Sources, worlds and backends are told in backend.lua.

local positions = require "tidegate.base.positions"
local schema    = require "tidegate.policy.schema"

local policy_mt = {}
policy_mt.__index = policy_mt

--- Where a path of keys stands in the file.
function policy_mt:line_of(path)
  self.root = self.root or positions.read(self.text)
  return positions.line_of(self.root, path)
end

--- Where a hook's function begins.
function policy_mt:line_of_hook(name)
  local hook = self.value[name]
  if type(hook) == "function" then return debug.getinfo(hook, "S").linedefined end
  return hook["function"]
end

function policy_mt:has(hook)
  return self.value[hook] ~= nil
end

function policy_mt:seed(n)
  self.code:seed(n)
end

function policy_mt:call(...)
  return self.code:call(...)
end

return function(source, backend, world)
  local code, why = backend.load(source, world)
  if not code then return nil, why end
  local policy = setmetatable({ code = code, value = code.value, called = source.called, text = source.text },
    policy_mt)
  local bad = schema.check(code.value, code.globals)
  if not bad then return policy end
  return nil, ("%s:%d: %s"):format(source.called, bad.line or policy:line_of(bad.path), bad.message)
end
