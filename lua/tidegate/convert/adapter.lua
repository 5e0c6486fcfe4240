--- A wire format of the operator's own: one Lua file with the data of a wire and its converters.
--
-- The file returns what a file of lua/tidegate/wire/ returns (auth, targets, framing, ...), and beside it
-- `request`, `answer`, `stream`, `embeddings`, `rerank`, `count` and so on, as the files of this directory have
-- them: docs/adding-a-provider.md. It sees `json`, the string, table and math libraries, and with require() the
-- helpers of this directory.

local json      = require("tidegate.core").json
local load_text = require "tidegate.base.load_text"

local adapter = {}

local HELPERS = { chat = true, chunk = true, data_url = true, edit = true, shape = true, sse = true, usage = true,
                  vectors = true }

local function require_helper(name)
  local helper = tostring(name):match "^tidegate%.convert%.([%w_]+)$"
  if not HELPERS[helper] then
    error("require: a wire's file may have tidegate.convert.chat, chunk, data_url, edit, shape, sse, usage and "
      .. "vectors, not " .. tostring(name), 2)
  end
  return require(name)
end

--- What the file sees beside Lua's own.
function adapter.globals()
  return { json = json, require = require_helper, setmetatable = setmetatable, pcall = pcall }
end

local LENT = { "assert", "error", "ipairs", "next", "pairs", "select", "tonumber", "tostring", "type", "unpack",
  "string", "table", "math" }

--- Run a file that was checked when the configuration was read.
-- @treturn table  what it returns
function adapter.load(text, name)
  local env = adapter.globals()
  for _, known in ipairs(LENT) do env[known] = _G[known] end
  return assert(load_text(text, name, env))()
end

return adapter
