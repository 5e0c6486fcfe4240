--- Where in its source each key of a configuration stands.
--
--     local root = positions.read('return {\n  listen = "x" }')
--     root.line                     --> 1
--     root.fields.listen.line       --> 2
--     root.fields.providers.items[1].fields.slug.line
--     root.fields.key.env           --> "X", of key = env "X"
--     positions.line_of(root, { "providers", 1, "slug" })
--
-- Reads Lua only as far as table constructors go: what is returned, and what a
-- `local name = {` holds that is named there. Anything cleverer has the line of
-- the field it is the value of.

local positions = {}

local OPENS = { ["("] = true, ["["] = true, ["{"] = true, ["function"] = true, ["do"] = true,
                ["then"] = true, ["repeat"] = true }
local CLOSES = { [")"] = true, ["]"] = true, ["}"] = true, ["end"] = true, ["until"] = true,
                 ["elseif"] = true }

-- What a backslash escape stands for is of no interest here: keys have none.
local PATTERNS = {
  { "space",   "^%s+" },
  { "comment", "^%-%-%[(=*)%[.-%]%1%]" },
  { "comment", "^%-%-[^\n]*" },
  { "string",  "^%[(=*)%[.-%]%1%]" },
  { "name",    "^[%a_][%w_]*" },
  { "number",  "^%d[%w%.]*" },
  { "mark",    "^." },
}

local function quoted_end(source, at, quote)
  repeat
    local found = source:find("[" .. quote .. "\\\n]", at + 1)
    if not found or source:sub(found, found) == "\n" then return found or #source end
    at = found
    local escaped = source:sub(at, at) == "\\"
    if escaped then at = at + 1 end
  until not escaped
  return at
end

local function next_token(source, at)
  local quote = source:match("^[\"']", at)
  if quote then return "string", quoted_end(source, at, quote) end
  for _, pattern in ipairs(PATTERNS) do
    local _, stop = source:find(pattern[2], at)
    if stop then return pattern[1], stop end
  end
end

-- All tokens: { kind, text, line }.
local function tokens_of(source)
  local tokens, at, line = {}, 1, 1
  while at <= #source do
    local kind, stop = next_token(source, at)
    local text = source:sub(at, stop)
    if kind ~= "space" and kind ~= "comment" then
      tokens[#tokens + 1] = { kind = kind, text = text, line = line }
    end
    line = line + select(2, text:gsub("\n", ""))
    at = stop + 1
  end
  return tokens
end

local reader = {}
reader.__index = reader

function reader:text(ahead)
  local token = self.tokens[self.at + (ahead or 0)]
  return token and token.text
end

-- The key of the field that begins here, and how many tokens it takes.
function reader:key()
  local token = self.tokens[self.at]
  if token.kind == "name" and self:text(1) == "=" and self:text(2) ~= "=" then
    return token.text, 2
  end
  local key = token.text == "[" and self:text(2) == "]" and self:text(3) == "=" and self:text(1)
  if key then
    return key:match("^[\"'](.*)[\"']$") or tonumber(key), 4
  end
end

-- Over one expression, up to the comma or bracket that ends it.
function reader:skip_value()
  local depth = 0
  while self.tokens[self.at] do
    local text = self:text()
    if depth == 0 and (text == "," or text == ";" or text == "}") then return end
    if OPENS[text] then depth = depth + 1 end
    if CLOSES[text] then depth = depth - 1 end
    self.at = self.at + 1
  end
end

-- The value that begins here: a constructor's node, or one of its line alone.
function reader:value()
  local token = self.tokens[self.at]
  if not token then return { line = 1 } end
  if token.text == "{" then
    local node = self:constructor()
    self:skip_value()
    return node
  end
  local after = self:text(1)
  local env = token.text == "env" and (after == "(" and self:text(2) or after or ""):match "^[\"'](.*)[\"']$" or nil
  local known = (after == "," or after == ";" or after == "}" or after == nil) and self.locals[token.text]
  self:skip_value()
  return known or { line = token.line, env = env }
end

function reader:constructor()
  local node = { line = self.tokens[self.at].line, fields = {}, items = {} }
  self.at = self.at + 1
  while self.tokens[self.at] and self:text() ~= "}" do
    local line = self.tokens[self.at].line
    local key, length = self:key()
    self.at = self.at + (length or 0)
    local value = self:value()
    if key then
      node.fields[key] = { line = line, fields = value.fields, items = value.items, env = value.env }
    else
      node.items[#node.items + 1] = value
    end
    if self:text() == "," or self:text() == ";" then self.at = self.at + 1 end
  end
  self.at = self.at + 1
  return node
end

--- @tparam string source  a Lua file that loads
-- @treturn table  the node of what it returns: `line`, and for a constructor
--   `fields` by name and `items` in order; for a call of env with a name, that name
function positions.read(source)
  local r = setmetatable({ tokens = tokens_of(source), at = 1, locals = {} }, reader)
  local root = { line = 1 }
  while r.tokens[r.at] do
    if r:text() == "local" and r:text(2) == "=" and r:text(3) == "{" then
      local name = r:text(1)
      r.at = r.at + 3
      r.locals[name] = r:constructor()
    elseif r:text() == "return" and r.tokens[r.at + 1] then
      r.at = r.at + 1
      local token = r.tokens[r.at]
      root = token.text == "{" and r:constructor() or r.locals[token.text] or { line = token.line }
    else
      r.at = r.at + 1
    end
  end
  return root
end

--- The line of a path of keys; of what holds it when it is not written itself.
function positions.line_of(root, path)
  local node, line = root, root.line
  for _, step in ipairs(path) do
    node = type(step) == "number" and (node.items or {})[step] or (node.fields or {})[step]
    if not node then break end
    line = node.line
  end
  return line
end

return positions
