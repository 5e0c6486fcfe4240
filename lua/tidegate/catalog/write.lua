--- A catalogue as JSON that people can keep: stable order, short things on one
-- line. Pure; knows strings, numbers, booleans, lists and tables.

local LINE = 110     -- columns

-- What comes first in an object; the rest follows by name.
local FIRST = {
  "id", "canonical_slug", "name", "created", "description", "provider", "upstream_model", "tag",
  "context_length", "max_prompt_tokens", "max_completion_tokens", "architecture", "modality",
  "input_modalities", "output_modalities", "prompt", "completion", "pricing", "quantization",
  "supported_parameters",
}
local RANK = { endpoints = 1000 }
for i, name in ipairs(FIRST) do RANK[name] = i end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    return ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local function is_list(t)
  return t[1] ~= nil or next(t) == nil
end

local function names_of(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    local x, y = RANK[a] or 500, RANK[b] or 500
    if x ~= y then return x < y end
    return a < b
  end)
  return names
end

local text_of

local function pieces_of(t, indent)
  local out = {}
  if is_list(t) then
    for i, value in ipairs(t) do out[i] = text_of(value, indent + 1) end
    return out, "[", "]"
  end
  for _, name in ipairs(names_of(t)) do
    out[#out + 1] = quoted(name) .. ": " .. text_of(t[name], indent + 1)
  end
  return out, "{", "}"
end

function text_of(value, indent)
  if type(value) == "string" then return quoted(value) end
  if type(value) == "userdata" then return "null" end
  if type(value) == "number" then
    return value % 1 == 0 and math.abs(value) < 2 ^ 53 and ("%.0f"):format(value) or ("%.17g"):format(value)
  end
  -- A number with more digits than a double holds shows them itself.
  if type(value) ~= "table" or getmetatable(value) and getmetatable(value).__tostring then
    return tostring(value)
  end
  local pieces, open, close = pieces_of(value, indent)
  local line = table.concat(pieces, ", ")
  if #line + indent <= LINE and not line:find("\n") then return open .. line .. close end
  local pad = (" "):rep(indent)
  return open .. "\n" .. pad .. " " .. table.concat(pieces, ",\n" .. pad .. " ") .. "\n" .. pad .. close
end

--- @tparam table catalog  { data = { models } }
-- @treturn string
return function(catalog)
  return text_of(catalog, 0) .. "\n"
end
