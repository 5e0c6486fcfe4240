--- The words of Google's generateContent: names of enumerations, their numbers, and what they mean in chat.
--
-- `$alt=json;enum-encoding=int` answers with numbers, which are not the same on Vertex and on Google AI
-- (google.cloud.aiplatform.v1beta1.Candidate.FinishReason, google.ai.generativelanguage.v1beta's). Pure.

local words = {}

-- ---- why an answer ended ----

local FINISH_NUMBERS = {
  gemini = { [0] = "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "LANGUAGE",
    "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "NO_IMAGE", "IMAGE_RECITATION" },
  vertex = { [0] = "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "BLOCKLIST",
    "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "MODEL_ARMOR", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER", "UNEXPECTED_TOOL_CALL", "NO_IMAGE" },
}

local BLOCK_NUMBERS = {
  gemini = { [0] = "BLOCK_REASON_UNSPECIFIED", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY" },
  vertex = { [0] = "BLOCKED_REASON_UNSPECIFIED", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "MODEL_ARMOR" },
}

local MODALITY_NUMBERS = { [0] = "MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT" }

-- An abnormal end is never a stop. What is missing here is left to the core's judgement.
local MEANING = {
  STOP = "stop",
  MAX_TOKENS = "length", CONTINUATION = "length",
  SAFETY = "content_filter", RECITATION = "content_filter", LANGUAGE = "content_filter", BLOCKLIST = "content_filter",
  PROHIBITED_CONTENT = "content_filter", SPII = "content_filter", MODEL_ARMOR = "content_filter",
  IMAGE_SAFETY = "content_filter", IMAGE_PROHIBITED_CONTENT = "content_filter", IMAGE_RECITATION = "content_filter",
  ESCALATION = "content_filter", PUP_LIMITED_DISABLED = "content_filter",
  FINISH_REASON_UNSPECIFIED = "error", OTHER = "error", MALFORMED_FUNCTION_CALL = "error",
  UNEXPECTED_TOOL_CALL = "error", TOO_MANY_TOOL_CALLS = "error", MISSING_THOUGHT_SIGNATURE = "error",
  MALFORMED_RESPONSE = "error", IMAGE_OTHER = "error", NO_IMAGE = "error",
}

local function name_of(value, numbers, wire)
  if type(value) ~= "number" then return value end
  return (numbers[wire] or numbers.gemini)[value] or tostring(value)
end

--- The name of a finish reason that may be a number.
function words.finish_name(value, wire) return name_of(value, FINISH_NUMBERS, wire) end

--- The same for what blocked a prompt.
function words.block_name(value, wire) return name_of(value, BLOCK_NUMBERS, wire) end

function words.modality(value)
  return type(value) == "number" and MODALITY_NUMBERS[value] or value
end

--- The contract's word: "STOP" beside calls is "tool_calls". nil when the name is new.
function words.meaning(name, made_calls)
  if name == "STOP" and made_calls then return "tool_calls" end
  return MEANING[name]
end

local FINISH = { stop = "STOP", tool_calls = "STOP", length = "MAX_TOKENS", content_filter = "SAFETY", error = "OTHER" }

--- Google's word for a contract's finish reason; a native one that is Google's own stays.
function words.finish_of(reason, native)
  if native and MEANING[native] then return native end
  return FINISH[reason] or "OTHER"
end

-- ---- errors ----

-- google.rpc.Code, by HTTP status; as in csrc/wire/fault_shapes.c.
local STATUS = {
  [400] = "INVALID_ARGUMENT", [401] = "UNAUTHENTICATED", [402] = "FAILED_PRECONDITION", [403] = "PERMISSION_DENIED",
  [404] = "NOT_FOUND", [408] = "DEADLINE_EXCEEDED", [409] = "ABORTED", [412] = "FAILED_PRECONDITION",
  [416] = "OUT_OF_RANGE", [429] = "RESOURCE_EXHAUSTED", [499] = "CANCELLED", [500] = "INTERNAL",
  [501] = "UNIMPLEMENTED", [502] = "UNAVAILABLE", [503] = "UNAVAILABLE", [504] = "DEADLINE_EXCEEDED",
  [524] = "DEADLINE_EXCEEDED", [529] = "UNAVAILABLE",
}

function words.status(code)
  return STATUS[code] or (code >= 400 and code < 500 and "INVALID_ARGUMENT" or "UNKNOWN")
end

-- ---- service tiers ----

local TIER_OF = { default = "standard", standard = "standard", flex = "flex", priority = "priority" }

--- Google's word for the contract's service tier, or nil ("auto").
function words.tier_of(tier) return TIER_OF[tier] end

function words.tier(name)
  name = tostring(name):lower()
  return name == "standard" and "default" or name
end

-- ---- names ----

--- "some_name" as "someName": Google reads both.
function words.camel(name)
  if not name:find("_", 1, true) then return name end
  return (name:gsub("(%w)_(%w)", function(a, b) return a .. b:upper() end))
end

--- "someName" as "some_name".
function words.snake(name)
  return (name:gsub("(%l)(%u)", function(a, b) return a .. "_" .. b:lower() end))
end

-- ---- models ----

--- The number in a Gemini's name: 2.5, 3, 3.1; 0 when it is none. What is called "latest" is of the third at least.
function words.generation(model)
  local name = tostring(model)
  return tonumber(name:match "gemini%-(%d+%.?%d*)") or name:find "^gemini%-.*latest$" and 3 or 0
end

return words
