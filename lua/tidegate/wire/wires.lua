--- The formats in which providers are spoken to, by the name that `wire` has in the configuration.
--
-- A wire is data, one file each (docs/adding-a-provider.md); what a file may say:
--
--     auth     = { header, prefix }   how the key travels, as the provider's own SDK sends it
--     headers  = { [name] = value }   further fields of every request
--     targets  = { whole, stream, completions, embeddings, rerank, count }: path and query below base_url, or a
--                function of the provider's table that gives them; "{model}" is the provider's name of the model.
--                What is missing is not offered
--     framing  = "sse" (default), "lines" (a JSON text a line), "eventstream" (AWS), "elements" (of a JSON array)
--     converts = the converters between it and chat; nil: it is chat
--     native   = the client format that needs no conversion: chat, messages, responses, gemini
--     carries  = which of the contract's 26 parameters it has a place for; nil: all
--     signs    = "aws", "google": keys that are no header
--     others   = { { models = pattern, ... } }: models whose name at the provider is like this (* is anything) are
--                spoken to as this says
--     apart    = { [end of a base_url] = wire }: where the same makers speak another one
--     adds, omits_model, betas        of native requests: members to add, no `model`, known anthropic-beta words

local NAMES = {
  "openai-chat", "azure-openai", "mistral", "anthropic-messages", "gemini", "vertex", "cohere", "bedrock-converse",
  "openai-responses", "ollama",
}

local wires = { names = NAMES }

--- @treturn ?table  nil when there is no such wire
function wires.find(name)
  for _, known in ipairs(NAMES) do
    if known == name then return require("tidegate.wire." .. name:gsub("%-", "_")) end
  end
end

--- The path of a request below `base_url`, whose own path may repeat the target's first step: who writes
-- https://api.anthropic.com/v1 means the same as who leaves /v1 out. So it is with Ollama's /api and Azure's /openai.
function wires.below(base_url, target)
  local first = target:match "^(/v%d%w*)/" or target:match "^(/api)/" or target:match "^(/openai)/"
  if first and base_url:gsub("/+$", ""):sub(-#first) == first then return target:sub(#first + 1) end
  return target
end

local JOBS = { "whole", "stream", "completions", "embeddings", "rerank", "count" }

local function targets_of(wire, provider)
  local given = wire.targets
  if type(given) == "function" then given = given(provider) end
  local targets = {}
  for _, job in ipairs(JOBS) do
    targets[job] = given[job] and wires.below(provider.base_url, given[job])
  end
  return targets
end

local function one(name, wire, provider, models)
  return {
    name = wire.name or name, models = models or wire.models, converts = wire.converts, source = wire.source,
    targets = targets_of(wire, provider), framing = wire.framing or "sse", native = wire.native or "",
    carries = wire.carries, adds = wire.adds, omits_model = wire.omits_model,
    answers_are_chat = wire.answers_are_chat, takes_extensions = provider.extensions == true,
    betas = wire.betas and " " .. table.concat(wire.betas, " ") .. " " or nil,
  }
end

-- { ["*-pro"] = "openai-responses" } as { ["openai-responses"] = "*-pro ..." }, and the wires in order.
local function patterns_of(wire_of)
  local of, names = {}, {}
  for pattern, name in pairs(wire_of or {}) do
    if not of[name] then of[name], names[#names + 1] = {}, name end
    table.insert(of[name], pattern)
  end
  table.sort(names)
  for _, name in ipairs(names) do
    table.sort(of[name])
    of[name] = table.concat(of[name], " ")
  end
  return of, names
end

--- The ways to speak to this provider, as the core wants them: those for some models first, then the usual one, then
-- those beside it.
-- @tparam table provider  as the configuration has it; its `wire` is the usual one
-- @tparam function find  of a name: the wire
function wires.compile(provider, find)
  local list, usual = {}, find(provider.wire)
  local of, names = patterns_of(provider.wire_of)
  for _, name in ipairs(names) do list[#list + 1] = one(name, find(name), provider, of[name]) end
  for _, other in ipairs(usual.others or {}) do list[#list + 1] = one(provider.wire, other, provider) end
  list[#list + 1] = one(provider.wire, usual, provider)
  for _, name in ipairs(provider.also or {}) do list[#list + 1] = one(name, find(name), provider) end
  return list
end

return wires
