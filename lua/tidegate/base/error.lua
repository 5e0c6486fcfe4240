--- Bad news that is no mistake of ours: `return nil, error(code, message)`.
--
-- The one shape that the C core gives too: `err.code` is short and stable,
-- `err.message` is for people, tostring(err) is the message.

local mt = {
  __name = "tidegate.error",
  __tostring = function(self) return self.message end,
}

--- @tparam string code  e.g. "invalid"
-- @tparam string message  one line, without a full stop
-- @tparam ?table facts  further fields: `file`, `line`, ...
return function(code, message, facts)
  local err = { code = code, message = message }
  for name, value in pairs(facts or {}) do err[name] = value end
  return setmetatable(err, mt)
end
