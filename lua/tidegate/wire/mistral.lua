--- Mistral's chat completions: OpenAI's, with rules of their own for what is asked.

return {
  auth    = { header = "Authorization", prefix = "Bearer " },
  targets = {
    whole = "/v1/chat/completions", stream = "/v1/chat/completions", embeddings = "/v1/embeddings",
  },
  converts = "mistral",
  answers_are_chat = true,
  carries = {
    "temperature", "top_p", "max_tokens", "max_completion_tokens", "frequency_penalty", "presence_penalty", "seed",
    "prediction", "response_format", "structured_outputs", "stop", "tools", "tool_choice", "parallel_tool_calls",
    "include_reasoning", "reasoning", "reasoning_effort",
  },
}
