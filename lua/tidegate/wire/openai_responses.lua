--- OpenAI's Responses API, without its memory: nothing is stored at the provider.

return {
  auth     = { header = "Authorization", prefix = "Bearer " },
  targets  = { whole = "/responses", stream = "/responses", embeddings = "/embeddings",
               count = "/responses/input_tokens" },
  converts = "openai_responses",
  native   = "responses",
  carries  = {
    "temperature", "top_p", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs", "response_format",
    "structured_outputs", "tools", "tool_choice", "parallel_tool_calls", "include_reasoning", "reasoning",
    "reasoning_effort", "verbosity",
  },
}
