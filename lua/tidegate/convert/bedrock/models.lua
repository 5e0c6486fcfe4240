--- What the model families behind Amazon Bedrock take where they differ, told from a model's id or ARN.
--
-- Converse is one format, but a member that a model does not know is a 400 (docs/wires/bedrock-converse.md has the
-- sources). An id that names no family, such as that of an application inference profile, takes everything.

local anthropic_models = require "tidegate.convert.anthropic.models"

local models = {}

local EVERYWHERE   = { system = true, messages = true, tools = true }
local NOT_ON_TOOLS = { system = true, messages = true }

-- How reasoning may come back: `signed` text; `plain` text, without the signature; `redacted` by Anthropic; `sealed`
-- by others.
local SIGNED = { signed = true, redacted = true }
local PLAIN  = { plain = true }
local SEALED = { sealed = true }

-- Parameters of chat that have a place in additionalModelRequestFields, and the path to it.
local OPENAI = { frequency_penalty = { "frequency_penalty" }, presence_penalty = { "presence_penalty" },
                 seed = { "seed" }, logit_bias = { "logit_bias" } }
local COHERE = { frequency_penalty = { "frequency_penalty" }, presence_penalty = { "presence_penalty" },
                 seed = { "seed" }, top_k = { "k" } }
local AI21   = { frequency_penalty = { "frequency_penalty" }, presence_penalty = { "presence_penalty" } }
local TOP_K  = { top_k = { "top_k" } }
local NOVA   = { top_k = { "inferenceConfig", "topK" } }

-- The first whose id stands in the model's is its family.
--   reasons      how reasoning is asked for: a name in bedrock/reasoning.lua
--   more         parameters beyond inferenceConfig
--   caches       where cache points may stand
--   replays      which reasoning it takes back
--   tells_status a tool's result may say that it failed
--   runs_tools   it has tools of its own, whose blocks it takes back
--   has_formats  outputConfig, and strict tools
--   never_samples  no temperature and no top_p
local FAMILIES = {
  { id = "anthropic.claude", reasons = "claude", more = TOP_K, caches = EVERYWHERE, replays = SIGNED,
    tells_status = true, has_formats = true },
  { id = "amazon.nova-2", reasons = "nova", more = NOVA, caches = NOT_ON_TOOLS, tells_status = true,
    runs_tools = true },
  { id = "amazon.nova", more = NOVA, caches = NOT_ON_TOOLS, tells_status = true },
  { id = "openai.gpt-oss", reasons = "effort", more = OPENAI, replays = PLAIN, has_formats = true },
  { id = "openai.", reasons = "nested", replays = SEALED, has_formats = true, never_samples = true },
  { id = "xai.", replays = SEALED, has_formats = true },
  { id = "deepseek.r1" },
  { id = "deepseek.", reasons = "effort", has_formats = true },
  { id = "qwen.", reasons = "config", has_formats = true },
  { id = "moonshot", reasons = "effort", has_formats = true },
  { id = "cohere.", more = COHERE },
  { id = "ai21.", more = AI21 },
  { id = "mistral.", more = TOP_K, has_formats = true },
  { id = "meta." }, { id = "writer." }, { id = "amazon.titan" },
  { id = "google.", has_formats = true }, { id = "minimax.", has_formats = true },
  { id = "nvidia.", has_formats = true }, { id = "zai.", has_formats = true },
}

local ANY = { caches = EVERYWHERE, replays = { signed = true, redacted = true, sealed = true }, more = {},
              tells_status = true, runs_tools = true, has_formats = true }

for _, family in ipairs(FAMILIES) do
  family.marks = "." .. family.id
  family.caches, family.replays, family.more = family.caches or {}, family.replays or {}, family.more or {}
end

--- @tparam ?string model  "us.anthropic.claude-haiku-4-5-20251001-v1:0", or the ARN of one
-- @treturn table  its family: `id` (nil when it is unknown), reasons, more, caches, replays, tells_status, runs_tools,
--   has_formats
function models.of(model)
  local text = "." .. (model or ""):lower():gsub("[/:]", ".")
  for _, family in ipairs(FAMILIES) do
    if text:find(family.marks, 1, true) then return family end
  end
  return ANY
end

--- What is known of a Claude; nil for others.
-- @treturn ?table  what anthropic_models.traits() has, with has_formats as it is on Bedrock, and `one_call`: it can be
--   told to call one tool at a time
function models.claude(model)
  if models.of(model).reasons ~= "claude" then return nil end
  local name = model:gsub("^.*anthropic%.", "")
  local _, version = anthropic_models.version(name)
  local traits = {}
  for trait, value in pairs(anthropic_models.traits(name)) do traits[trait] = value end
  traits.one_call = version ~= nil and version >= 4.5
  traits.has_formats = version == nil or version >= 4.5
  return traits
end

--- Does Anthropic's format fit this model's signatures and redacted thoughts?
function models.is_anthropic(family) return family.id == nil or family.reasons == "claude" end

return models
