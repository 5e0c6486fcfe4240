--- How each family on Bedrock is asked to reason: members of additionalModelRequestFields, and what they forbid
-- beside them. Pure.

local chat             = require "tidegate.convert.chat"
local anthropic_models = require "tidegate.convert.anthropic.models"
local history          = require "tidegate.convert.bedrock.history"

local reasoning = {}

-- Anthropic's smallest budget.
local LEAST = 1024

-- The contract's efforts in words that some models do not have.
local THREE  = { minimal = "low", low = "low", medium = "medium", high = "high", xhigh = "high", max = "high" }
local TWO    = { minimal = "low", low = "low", medium = "high", high = "high", xhigh = "high", max = "high" }
local NESTED = { minimal = "low", low = "low", medium = "medium", high = "high", xhigh = "xhigh", max = "max" }

-- Each is told what is asked (chat.reasoning) and `r`: { fields, infer (inferenceConfig), turns, traits (of a
-- Claude), verbosity, limit (of output tokens, where known), lost }.
local STYLES = {}

local function drop_sampling(r)
  if r.infer.temperature then r.infer.temperature, r.lost.temperature = nil, true end
  if r.infer.topP then r.infer.topP, r.lost.top_p = nil, true end
  if r.fields.top_k then r.fields.top_k, r.lost.top_k = nil, true end
end

-- ---- Claude ----

local function claude_budget(ask, r)
  local limit = r.infer.maxTokens or r.limit or r.traits.longest
  if limit <= LEAST or history.began_thoughtless(r.turns) then
    r.lost.reasoning = true
    return false
  end
  local most = math.max(math.floor(limit * 0.95), LEAST)
  r.fields.thinking = { type = "enabled", budget_tokens = math.min(chat.budget(ask, limit, LEAST), most) }
  return true
end

local function claude_adapts(ask, r)
  local word = chat.effort(ask, r.infer.maxTokens or r.limit or r.traits.longest)
  r.fields.thinking = { type = "adaptive" }
  if r.traits.hides_thoughts and not ask.exclude then r.fields.thinking.display = "summarized" end
  r.fields.output_config = { effort = anthropic_models.effort(r.traits.efforts, word) }
  return true
end

local function claude_rests(r)
  local off = r.traits.off
  if not off then r.lost.reasoning = true end
  if off and off ~= "" then r.fields.thinking = { type = off } end
end

-- What cannot be asked for while it thinks.
local function claude_alone(r)
  local infer, lost = r.infer, r.lost
  if infer.temperature and infer.temperature ~= 1 then infer.temperature, lost.temperature = nil, true end
  if infer.topP and infer.topP < 0.95 then infer.topP, lost.top_p = nil, true end
  if r.fields.top_k then r.fields.top_k, lost.top_k = nil, true end
end

function STYLES.claude(ask, r)
  if ask.off then return claude_rests(r) end
  -- While it thinks it cannot be forced to call a tool; then the call counts.
  if not r.traits.thinks or r.choice and r.traits.can_be_forced then
    r.lost.reasoning = true
    return
  end
  local by_budget = r.traits.by_budget and (ask.max_tokens or not r.traits.adapts)
  local thinks
  if by_budget then thinks = claude_budget(ask, r) else thinks = claude_adapts(ask, r) end
  if thinks then claude_alone(r) end
end

-- ---- others ----

-- Nova 2 takes no limit and no sampling at its highest effort. A limit that was set holds.
function STYLES.nova(ask, r)
  if ask.off then return end
  local effort = THREE[chat.effort(ask, r.infer.maxTokens or r.limit or 65535)]
  if effort == "high" and r.infer.maxTokens then effort, r.lost.reasoning = "medium", true end
  if effort == "high" then drop_sampling(r) end
  r.fields.reasoningConfig = { type = "enabled", maxReasoningEffort = effort }
end

local function word_of(ask, words, r)
  return words[chat.effort(ask, r.infer.maxTokens or r.limit or 32000)] or "medium"
end

-- gpt-oss always reasons; the others of this style do when they are asked.
function STYLES.effort(ask, r)
  if ask.off and r.family.id ~= "openai.gpt-oss" then return end
  r.fields.reasoning_effort = ask.off and "low" or word_of(ask, THREE, r)
end

function STYLES.nested(ask, r)
  r.fields.reasoning = { effort = ask.off and "none" or word_of(ask, NESTED, r),
                         summary = not ask.off and not ask.exclude and (ask.summary or "auto") or nil }
end

function STYLES.config(ask, r)
  if not ask.off then r.fields.reasoning_config = word_of(ask, TWO, r) end
end

--- Ask for what the request asks of reasoning.
-- @tparam table body  a chat request
-- @tparam table r  { family, traits, fields, infer, turns, choice (a forced toolChoice), limit, lost }; changed
function reasoning.apply(body, r)
  local ask = chat.reasoning(body)
  if not ask or not (ask.off or ask.effort or ask.max_tokens) then return end
  local style = STYLES[r.family.reasons]
  if style then
    style(ask, r)
  elseif not ask.off then
    r.lost.reasoning = true
  end
end

--- Verbosity is an effort of Claude's.
function reasoning.apply_verbosity(body, r)
  local level = r.traits and anthropic_models.effort(r.traits.efforts, body.verbosity)
  if level and r.traits.adapts then
    r.fields.output_config = { effort = level }
  elseif body.verbosity then
    r.lost.verbosity = true
  end
end

--- What a model refuses, reasoning or not.
function reasoning.restrain(r)
  local infer, lost = r.infer, r.lost
  if r.family.never_samples then drop_sampling(r) end
  if not r.traits then return end
  if not r.traits.samples then
    drop_sampling(r)
  elseif r.traits.samples_by_one and infer.temperature and infer.topP then
    infer.topP, lost.top_p = nil, true
  end
  local off = r.traits.off
  if r.choice and not r.traits.can_be_forced then
    r.choice, lost.tool_choice = nil, true
  elseif r.choice and r.traits.thinks_unasked and off and off ~= "" then
    r.fields.thinking = r.fields.thinking or { type = off }
  end
end

return reasoning
