--- How much a model of Anthropic's is to think: chat's `reasoning` as `thinking` and output_config.effort, and back.
--
-- Older models think within a budget of tokens that is part of max_tokens; newer ones are told an effort and adapt.
-- While a model thinks it takes no sampling parameters and cannot be forced to call a tool; then the call counts.

local json   = require("tidegate.core").json
local chat   = require "tidegate.convert.chat"
local models = require "tidegate.convert.anthropic.models"

local anthropic_thinking = {}

local LEAST_BUDGET  = 1024
local USUAL_LONGEST = 4096        -- of an answer, where nothing is known of the model

-- ---- what goes to Anthropic ----

local function effort_of(body)
  local r = body.reasoning
  return type(r) == "table" and r.effort or body.reasoning_effort
end

-- Room for the answer beside the budget: the limit is raised by it, as far as the model goes; else the budget shrinks.
local function within_budget(out, asked, given, longest)
  local limit = given or longest or USUAL_LONGEST
  local budget = chat.budget(asked, limit, LEAST_BUDGET)
  if budget >= limit then
    limit = longest and math.min(limit + budget, math.max(longest, limit)) or limit + budget
    budget = math.min(budget, limit - 1)
  end
  out.max_tokens = limit
  if budget < LEAST_BUDGET then return false end
  out.thinking = { type = "enabled", budget_tokens = budget }
  return true
end

local function adapt(out, asked, body, traits, longest)
  local word = effort_of(body) or asked.max_tokens and chat.effort(asked, chat.max_tokens(body) or longest)
  out.thinking = { type = "adaptive" }
  if traits.hides_thoughts then out.thinking.display = asked.exclude and "omitted" or "summarized" end
  return models.effort(traits.efforts, word)
end

local function turn_off(out, traits)
  if traits.off == nil then return models.effort(traits.efforts, "low"), true end
  if traits.off ~= "" then out.thinking = { type = traits.off } end
end

-- Why nothing can be thought although it is wanted.
local function is_barred(situation, traits)
  return not traits.thinks or situation.is_forced
    or (not traits.adapts and situation.continues_thinking == false)
end

local function is_budget(asked, traits)
  return not traits.adapts or (asked.max_tokens ~= nil and traits.by_budget)
end

-- Set `thinking`, and `max_tokens` where it depends on it.
-- @treturn ?string  the effort that is asked for
-- @treturn ?boolean  true when what was asked is not what happens
local function decide(out, body, traits, situation, longest)
  local asked = chat.reasoning(body)
  local is_asked = asked and (asked.effort or asked.max_tokens)
  if asked and asked.off then return turn_off(out, traits) end
  if is_barred(situation, traits) then
    if traits.thinks_unasked then turn_off(out, traits) end
    return nil, is_asked
  end
  if not is_asked then return nil end
  if is_budget(asked, traits) then
    return nil, not within_budget(out, asked, chat.max_tokens(body), longest)
  end
  return adapt(out, asked, body, traits, longest)
end

-- Without thinking up front a model works at most at high effort.
local function tamed(effort, thinking)
  local is_off = thinking and (thinking.type == "disabled" or thinking.type == "between_tools")
  return is_off and (effort == "xhigh" or effort == "max") and "high" or effort
end

--- Fill in `thinking`, `max_tokens` and output_config.effort.
-- @tparam table out  the request for Anthropic
-- @tparam table body  the chat request
-- @tparam table traits  of the model
-- @tparam table situation  is_forced: a tool must be called; continues_thinking (anthropic/turns.lua); longest: the
--   endpoint's longest answer, or nil
-- @tparam table lost  a set of names
function anthropic_thinking.ask(out, body, traits, situation, lost)
  local longest, effort = situation.longest or traits.longest, nil
  out.max_tokens = chat.max_tokens(body) or longest or USUAL_LONGEST
  if type(body.thinking) == "table" then
    out.thinking = body.thinking
  else
    effort, lost.reasoning = decide(out, body, traits, situation, longest)
    lost.reasoning = lost.reasoning or nil
  end
  if body.verbosity then
    local told = models.effort(traits.efforts, body.verbosity)
    effort = told or effort
    lost.verbosity = not told or nil
  end
  if effort then
    out.output_config = out.output_config or {}
    out.output_config.effort = out.output_config.effort or tamed(effort, out.thinking)
  end
end

--- Will the model think by what this request says?
function anthropic_thinking.is_on(out)
  local kind = out.thinking and out.thinking.type
  return kind == "enabled" or kind == "adaptive"
end

-- Also of one with more digits than a double holds.
local function number(v)
  if json.is_raw(v) then return tonumber(tostring(v)) end
  return type(v) == "number" and v or nil
end

local function sampling_of(body)
  local temperature, top_k = number(body.temperature), number(body.top_k)
  return { temperature = temperature and math.min(temperature, 1), top_p = number(body.top_p),
           top_k = top_k ~= 0 and top_k or nil }
end

-- Values that change nothing.
local function is_neutral(name, value) return name ~= "top_k" and value == 1 end

--- Fill in temperature, top_p and top_k, as far as the model takes them.
function anthropic_thinking.sample(out, body, traits, lost)
  local s, is_on = sampling_of(body), anthropic_thinking.is_on(out)
  local function drop(name)
    local changes_nothing = s[name] and is_neutral(name, s[name])
    if s[name] and not changes_nothing then lost[name] = true end
    if not changes_nothing or not traits.samples then s[name] = nil end
  end
  if not traits.samples or is_on then
    drop "temperature"
    drop "top_k"
    if not traits.samples or (s.top_p or 1) < 0.95 then drop "top_p" end
  end
  if traits.samples_by_one and s.temperature and s.top_p then
    local least = s.temperature == 1 and "temperature" or "top_p"
    drop(least)
    s[least] = nil
  end
  out.temperature, out.top_p, out.top_k = s.temperature, s.top_p, s.top_k
end

-- ---- what comes from Anthropic's clients ----

--- Fill in `reasoning` and `verbosity` of a chat request.
-- @tparam table body  Anthropic's request
-- @tparam table out  the chat request
-- @tparam table lost  a set of names
function anthropic_thinking.read(body, out, lost)
  local thinking = type(body.thinking) == "table" and body.thinking or {}
  local config = type(body.output_config) == "table" and body.output_config or {}
  local kind = thinking.type
  if kind == "enabled" then
    out.reasoning = { max_tokens = thinking.budget_tokens or LEAST_BUDGET }
  elseif kind == "adaptive" then
    out.reasoning = { enabled = true, effort = config.effort }
  elseif kind == "disabled" or kind == "between_tools" then
    out.reasoning = { enabled = false }
  end
  if kind ~= "adaptive" then out.verbosity = config.effort end
  if thinking.display then lost["thinking.display"] = true end
  if config.task_budget then lost["output_config.task_budget"] = true end
end

return anthropic_thinking
