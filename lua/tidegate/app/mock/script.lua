--- What a mock script may say: the defaults, and the words for what is wrong.
--
-- A script is a Lua file of the developer's own, with all of Lua. It returns a
-- table of these fields; `at` holds more such tables by path prefix, which take
-- over what they do not say.

local near = require "tidegate.base.near"

local script = {}

-- name = default; the type is the default's, `false` is "nothing" of the type
-- that is named in TYPES.
local DEFAULTS = {
  models = { "mock" },
  ttft_ms = 50, tokens_per_s = 200, tokens = 40, jitter = 0,
  reasoning = 0, cached_tokens = 0, dimensions = 16,
  rate_429 = 0, rate_500 = 0, rate_503 = 0, rate_reset = 0, rate_hang = 0, rate_cut = 0, rate_bad = 0,
  retry_after = 1,
  usage = "chunk", reasoning_field = "reasoning_content", role_first = true, done = true, crlf = false,
  seed = 1,
  finish = false, tool_call = false, answer_model = false, key = false, on_request = false,
}

local TYPES = { finish = "string", tool_call = "table", answer_model = "string", key = "string",
                on_request = "function" }

local USAGES = { chunk = true, finish = true, always = true, none = true }

local function names_of(t, ...)
  local names = { ... }
  for name in pairs(t) do names[#names + 1] = name end
  return names
end

local function check(given, where)
  for name, value in pairs(given) do
    if name ~= "listen" and name ~= "at" then
      local default = DEFAULTS[name]
      if default == nil then
        local meant = near(names_of(DEFAULTS, "listen", "at"), tostring(name))
        return ("%sunknown key %s%s"):format(where, tostring(name), meant and ", did you mean " .. meant .. "?" or "")
      end
      local wanted = TYPES[name] or type(default)
      if type(value) ~= wanted and value ~= false then
        return ("%s%s: %s expected, got %s"):format(where, name, wanted, type(value))
      end
    end
  end
  if given.usage and not USAGES[given.usage] then
    return where .. "usage: chunk, finish, always or none expected"
  end
end

local function completed(given, base)
  local b = {}
  for name, default in pairs(DEFAULTS) do
    local value = given[name]
    if value == nil then value = base[name] end
    if value == nil then value = default end
    b[name] = value
  end
  return b
end

--- Complete a script's table.
-- @treturn ?table  `listen` (a list), `behaviours` { { prefix, behaviour } },
--   longest prefix first
-- @treturn ?string  what is wrong
function script.read(given)
  if type(given) ~= "table" then return nil, "a script returns a table" end
  local why = check(given, "")
  if why then return nil, why end
  local behaviours = { { "", completed(given, {}) } }
  for prefix, more in pairs(given.at or {}) do
    why = type(more) ~= "table" and "a table expected" or check(more, "at[\"" .. tostring(prefix) .. "\"].")
    if why then return nil, why end
    behaviours[#behaviours + 1] = { prefix, completed(more, given) }
  end
  table.sort(behaviours, function(a, b) return #a[1] > #b[1] end)
  local listen = given.listen or "127.0.0.1:9001"
  return { listen = type(listen) == "table" and listen or { listen }, behaviours = behaviours }
end

return script
