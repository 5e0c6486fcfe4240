--- How an answer ends, in Anthropic's words: stop reasons and errors for its clients.

local json = require("tidegate.core").json

local anthropic_ending = {}

-- Anthropic's words, and what the contract makes of each.
local OWN = {
  end_turn = "stop", stop_sequence = "stop", pause_turn = "stop", compaction = "stop", max_tokens = "length",
  model_context_window_exceeded = "length", tool_use = "tool_calls", refusal = "content_filter",
}

local WORDS = { stop = "end_turn", length = "max_tokens", tool_calls = "tool_use", content_filter = "refusal" }

--- @tparam ?string finish  the contract's word
-- @tparam ?string native  the provider's: it stays when it is one of Anthropic's and means the same
-- @tparam boolean is_sequence  was a stop sequence told?
-- @tparam boolean is_refusal  did the model tell a refusal?
function anthropic_ending.reason(finish, native, is_sequence, is_refusal)
  if finish == "stop" and is_refusal then return "refusal" end
  if finish == "stop" and is_sequence then return "stop_sequence" end
  local own = type(native) == "string" and native:lower()
  if own and OWN[own] == finish then return own end
  return WORDS[finish] or "end_turn"
end

-- By error_type (the contract, 5.3).
local BY_TYPE = {
  authentication = "authentication_error", permission_denied = "permission_error",
  payment_required = "billing_error", not_found = "not_found_error", image_not_found = "not_found_error",
  rate_limit_exceeded = "rate_limit_error", provider_overloaded = "overloaded_error", timeout = "timeout_error",
  server = "api_error", unmapped = "api_error", provider_unavailable = "api_error",
}

local BY_STATUS = {
  [401] = "authentication_error", [402] = "billing_error", [403] = "permission_error", [404] = "not_found_error",
  [408] = "timeout_error", [429] = "rate_limit_error", [503] = "overloaded_error", [504] = "timeout_error",
  [529] = "overloaded_error",
}

-- Everything else that has an error_type is about the shape of the request.
local function type_of(error_type, status)
  if error_type then return BY_TYPE[error_type] or "invalid_request_error" end
  if BY_STATUS[status] then return BY_STATUS[status] end
  return type(status) == "number" and status >= 400 and status < 500 and "invalid_request_error" or "api_error"
end

--- The contract's error as Anthropic's.
-- @tparam string text  JSON text of the error object
-- @tparam ?string id  of the answer, JSON text
-- @tparam ?string metadata  openrouter_metadata, JSON text
-- @treturn string  JSON text
function anthropic_ending.error(text, id, metadata)
  local e = json.read(text)
  if type(e) ~= "table" then e = { message = type(e) == "string" and e or nil } end
  local error_type = e.error_type or type(e.metadata) == "table" and e.metadata.error_type or nil
  local told = json.ordered({ type = type_of(error_type, e.code), message = e.message or "The provider broke off.",
                              error_type = error_type }, { "type", "message", "error_type" })
  return json.encode(json.ordered({ type = "error", error = told, request_id = id and json.raw(id) or json.null,
                                    openrouter_metadata = metadata and json.raw(metadata) },
    { "type", "error", "request_id", "openrouter_metadata" }))
end

return anthropic_ending
