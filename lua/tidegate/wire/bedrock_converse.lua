--- Amazon Bedrock's Converse API: one format for all of Bedrock's models.
-- Requests are signed (Signature Version 4), or carry a Bedrock API key.

local MODEL = "/model/{model}/"

return {
  auth     = { header = "Authorization", prefix = "Bearer " },
  signs    = "aws",
  targets  = { whole = MODEL .. "converse", stream = MODEL .. "converse-stream", count = MODEL .. "count-tokens" },
  converts = "bedrock_converse",
  framing  = "eventstream",
  carries  = {
    "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "response_format", "structured_outputs",
    "stop", "tools", "tool_choice", "parallel_tool_calls", "include_reasoning", "reasoning", "reasoning_effort", "seed",
    "frequency_penalty", "presence_penalty", "logit_bias", "verbosity",
  },
}
