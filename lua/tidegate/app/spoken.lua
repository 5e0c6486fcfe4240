--- The wires of a configuration: those that are built in, and the operator's own files.

local core      = require "tidegate.core"
local adapter   = require "tidegate.convert.adapter"
local fields    = require "tidegate.base.fields"
local near      = require "tidegate.base.near"
local read_file = require "tidegate.base.read_file"
local sandbox   = require "tidegate.app.sandbox"
local wires     = require "tidegate.wire.wires"

local spoken = {}

local function is_path(value)
  return value:sub(1, 1) == "/", "a path that begins with / expected"
end

local function target(name, doc, required)
  return { name = name, type = "string", required = required, check = is_path, doc = doc }
end

local TARGETS = {
  target("whole", "a chat whose answer is whole", true),
  target("stream", "a chat whose answer is a stream; default as `whole`"),
  target("completions", "a completion of a prompt"),
  target("embeddings", "embeddings"),
  target("rerank", "a rerank"),
  target("count", "a count of tokens"),
}

local BEARER = { header = "Authorization", prefix = "Bearer " }

local AUTH = {
  { name = "header", type = "string", required = true, doc = "the field that the key travels in" },
  { name = "prefix", type = "string", is_free = true, doc = "what stands before it, as `Bearer `; default nothing" },
}

-- What a wire's file may say: the data, and the converters.
local WIRE = {
  { name = "name", type = "string", doc = "for people" },
  { name = "auth", type = "table", fields = AUTH, doc = "how the key travels; default `Authorization: Bearer`" },
  { name = "headers", type = "map", of = "string", names = "^[%w%-]+$", called = "header name",
    doc = "further fields of every request" },
  { name = "targets", type = "table", fields = TARGETS, required = true,
    doc = "paths below `base_url`; `{model}` is the provider's name of the model" },
  { name = "framing", type = "string", one_of = { "sse", "lines", "eventstream", "elements" },
    doc = "how a stream is cut into events; default `sse`" },
  { name = "carries", type = "list", of = "string", doc = "the parameters it has a place for; default all" },
  { name = "request", type = "function", required = true, doc = "a chat request as the provider wants it" },
  { name = "answer", type = "function", doc = "a whole answer as a chat completion; without it the answers are chat" },
  { name = "stream", type = "function", doc = "the same of streams" },
  { name = "embeddings", type = "function", doc = "an embeddings request" },
  { name = "read_embeddings", type = "function", doc = "and its answer" },
  { name = "rerank", type = "function", doc = "a rerank request" },
  { name = "read_rerank", type = "function", doc = "and its answer" },
  { name = "count", type = "function", doc = "a chat whose tokens are to be counted" },
  { name = "count_answer", type = "function", doc = "and the number that is the answer" },
}

--- The fields of a wire's file, for docs/adding-a-provider.md.
function spoken.markdown() return fields.markdown(WIRE) end

local function check_carries(carries)
  for _, name in ipairs(carries or {}) do
    if not core.is_parameter(name) then return ("carries: %s is no parameter"):format(name) end
  end
end

local function completed(text, path, given)
  local wire = {}
  for name, value in pairs(given) do
    if type(value) ~= "function" then wire[name] = value end
  end
  wire.auth = given.auth and { header = given.auth.header, prefix = given.auth.prefix or "" } or BEARER
  local targets = {}
  for name, value in pairs(given.targets) do targets[name] = value end
  targets.stream = targets.stream or targets.whole
  wire.targets, wire.source, wire.converts = targets, text, path
  wire.answers_are_chat = given.answer == nil and given.stream == nil
  return wire
end

local function read_one(file, name, path)
  local function bad(words) return nil, file:complain({ "wires", name }, words) end
  local text, why = read_file(path)
  if not text then return bad(tostring(why)) end
  local given
  given, why = sandbox.run(text, path, adapter.globals())
  if why then return nil, why end
  if type(given) ~= "table" then return bad(path .. ":1: a wire's file returns a table") end
  local wrong = fields.check_table(WIRE, given)
  if wrong then return bad(("%s:1: %s"):format(path, wrong.message)) end
  why = check_carries(given.carries)
  if why then return bad(("%s:1: %s"):format(path, why)) end
  return completed(text, path, given)
end

--- Read the operator's own.
-- @treturn ?table  { find(name) --> wire | nil, words;  files }
-- @treturn ?error
function spoken.read(file)
  local own, names, files = {}, {}, {}
  for name, path in pairs(file.value.wires or {}) do
    local wire, err = read_one(file, name, file.path_of(path))
    if not wire then return nil, err end
    own[name], files[#files + 1] = wire, file.path_of(path)
  end
  for _, name in ipairs(wires.names) do names[#names + 1] = name end
  for name in pairs(own) do names[#names + 1] = name end
  table.sort(files)
  local function find(name)
    local wire = own[name] or wires.find(name)
    if wire then return wire end
    local meant = near(names, name)
    table.sort(names)
    return nil, ("there is no wire %s%s There are %s"):format(name, meant and ", did you mean " .. meant .. "?" or ".",
      table.concat(names, ", "))
  end
  return { find = find, files = files }
end

return spoken
