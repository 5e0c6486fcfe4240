--- Read a command line.
--
--     local given, err = options.read(spec, { "--listen", ":80", "config.lua" })
--     given.listen, given[1]
--
-- `spec` is { options = { { name, value, doc }, ... }, arguments = { "[CONFIG]" } }:
-- an option with a `value` (its placeholder) takes one, others are switches.
-- Arguments in brackets may be left out; `...` at the end of one admits more.

local near = require "tidegate.base.near"

local options = {}

local function find(spec, name)
  for _, option in ipairs(spec.options or {}) do
    if option.name == name then return option end
  end
end

local function unknown(spec, name)
  local names = { "help" }
  for _, option in ipairs(spec.options or {}) do names[#names + 1] = option.name end
  local meant = near(names, name)
  return nil, ("unknown option --%s%s"):format(name, meant and ", did you mean --" .. meant .. "?" or "")
end

-- How many arguments there may be, and which one is missing.
local function check_count(spec, given)
  local most = 0
  for i, argument in ipairs(spec.arguments or {}) do
    most = argument:find("...", 1, true) and math.huge or i
    if not given[i] and argument:sub(1, 1) ~= "[" then
      return nil, "missing " .. argument
    end
  end
  if #given > most then
    return nil, "one argument too many: " .. given[most + 1]
  end
  return given
end

function options.read(spec, words)
  local given, i = {}, 1
  while words[i] do
    local word = words[i]
    local name, value = word:match("^%-%-([%w%-]+)=(.*)$")
    name = name or word:match("^%-%-([%w%-]+)$") or (word == "-h" and "help")
    if not name and word:match("^%-.") then
      return unknown(spec, word:gsub("^%-+", ""))
    elseif not name then
      given[#given + 1] = word
    elseif name == "help" then
      return { help = true }
    else
      local option = find(spec, name)
      if not option then return unknown(spec, name) end
      if option.value and not value then
        i = i + 1
        value = words[i]
        if not value then return nil, ("--%s needs a value: %s"):format(name, option.value) end
      elseif not option.value and value then
        return nil, ("--%s takes no value"):format(name)
      end
      given[(name:gsub("-", "_"))] = value or true
    end
    i = i + 1
  end
  return check_count(spec, given)
end

--- The text of --help.
function options.help(name, spec)
  local out = { "Usage: tidegate " .. name }
  local rows, width = {}, 0
  for _, option in ipairs(spec.options or {}) do
    local left = "--" .. option.name .. (option.value and " " .. option.value or "")
    out[1] = out[1] .. " [" .. left .. "]"
    rows[#rows + 1] = { left, option.doc }
    width = math.max(width, #left)
  end
  for _, argument in ipairs(spec.arguments or {}) do out[1] = out[1] .. " " .. argument end
  out[#out + 1] = ""
  out[#out + 1] = spec.doc
  if rows[1] then out[#out + 1] = "" end
  for _, row in ipairs(rows) do
    out[#out + 1] = ("  %-" .. width .. "s  %s"):format(row[1], row[2])
  end
  return table.concat(out, "\n") .. "\n"
end

return options
