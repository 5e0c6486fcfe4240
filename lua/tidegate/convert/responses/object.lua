--- The response object of the Responses API, its usage and its errors, as clients get them.
--
-- All members that OpenAI's clients know are there. What a request asked for is not known here: those members have
-- the values that they have by default. Pure: JSON text in, JSON text out.

local json = require("tidegate.core").json
local edit = require "tidegate.convert.edit"

local object = {}

local DEFAULTS = '"background":false,"instructions":null,"max_output_tokens":null,"max_tool_calls":null,"metadata":{},'
  .. '"parallel_tool_calls":true,"frequency_penalty":0,"presence_penalty":0,"previous_response_id":null,'
  .. '"prompt_cache_key":null,"reasoning":{"effort":null,"summary":null},"safety_identifier":null,"store":false,'
  .. '"temperature":null,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_logprobs":0,'
  .. '"top_p":null,"truncation":"disabled"'

--- @tparam table head  of the answer, JSON texts: `id`, `created`, `model`, `tier`
-- @tparam string status  "in_progress", "completed", "incomplete", "failed"
-- @tparam table more  `output`, a list of items; `usage`; `reason` why it is incomplete (a word); `fault`, the error;
--   `kind` of the error and `metadata`; all JSON texts, and all but the first may be absent
function object.write(head, status, more)
  return '{"id":' .. head.id .. ',"object":"response","created_at":' .. head.created .. ',"status":"' .. status
    .. '","completed_at":' .. (status == "completed" and head.created or "null")
    .. ',"error":' .. (more.fault or "null")
    .. ',"incomplete_details":' .. (more.reason and '{"reason":"' .. more.reason .. '"}' or "null")
    .. ',"model":' .. head.model .. ',"output":[' .. table.concat(more.output, ",") .. "]," .. DEFAULTS
    .. ',"service_tier":' .. (head.tier or '"auto"') .. ',"usage":' .. (more.usage or "null") .. ',"user":null'
    .. (more.kind and ',"error_type":' .. more.kind or "")
    .. (more.metadata and ',"openrouter_metadata":' .. more.metadata or "") .. "}"
end

-- ---- usage ----

local NAMES = {
  prompt_tokens = "input_tokens", prompt_tokens_details = "input_tokens_details",
  completion_tokens = "output_tokens", completion_tokens_details = "output_tokens_details",
}
local COSTS = {
  upstream_inference_prompt_cost = "upstream_inference_input_cost",
  upstream_inference_completions_cost = "upstream_inference_output_cost",
}
-- Counts that clients insist on, and where they stand.
local NEEDED = { input_tokens_details = "cached_tokens", output_tokens_details = "reasoning_tokens" }

local function cost_details(name, value) return COSTS[name] or name, value end

local function with(details, count)
  if json.pick(details, count) then return details end
  return edit.object(details, function(name, value)
    if name ~= count then return name, value end
  end, { '"' .. count .. '":0' })
end

-- What a provider called the same counts, which the contract's usage has beside its own.
local OTHERS = { input_tokens = true, output_tokens = true, cache_read_input_tokens = true,
                 cache_creation_input_tokens = true, cache_creation = true, input_tokens_details = true,
                 output_tokens_details = true }

--- The contract's usage under this format's names.
function object.usage(usage)
  local of_input, of_output = json.pick(usage, "prompt_tokens_details", "completion_tokens_details")
  local missing = { not of_input and '"input_tokens_details":{"cached_tokens":0}' or nil }
  if not of_output then missing[#missing + 1] = '"output_tokens_details":{"reasoning_tokens":0}' end
  return edit.object(usage, function(name, value)
    if OTHERS[name] then return nil end
    name = NAMES[name] or name
    if name == "cost_details" then value = edit.object(value, cost_details) end
    if NEEDED[name] then value = with(value == "null" and "{}" or value, NEEDED[name]) end
    return name, value
  end, missing)
end

-- ---- errors ----

-- The contract's error types as this format's codes; all others are its server_error.
local CODES = {
  rate_limit_exceeded = "rate_limit_exceeded", context_length_exceeded = "invalid_prompt",
  invalid_request = "invalid_prompt", content_policy_violation = "image_content_policy_violation",
}

-- Errors that are told as an answer that ran out of tokens.
local LENGTHS = { context_length_exceeded = true, max_tokens_exceeded = true, token_limit_exceeded = true,
  string_too_long = true }

--- The contract's error object.
-- @treturn string  this format's, JSON text
-- @treturn ?string  the contract's error type, JSON text
-- @treturn boolean  is it one that ends an answer rather than break it?
function object.fault(fault)
  local message, kind, inner = json.pick(fault, "message", "error_type", "metadata.error_type")
  kind = kind or inner
  local word = kind and json.decode(kind)
  return '{"code":"' .. (CODES[word] or "server_error") .. '","message":' .. (message or '""') .. "}", kind,
    LENGTHS[word] or false
end

return object
