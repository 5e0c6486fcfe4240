--- Ollama's own API. Its OpenAI-compatible one is spoken to as openai-chat.

return {
  auth     = { header = "Authorization", prefix = "Bearer " },
  targets  = { whole = "/api/chat", stream = "/api/chat", embeddings = "/api/embed" },
  converts = "ollama",
  framing  = "lines",
  apart    = { ["/v1"] = "openai-chat" },
  carries  = {
    "temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty",
    "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs", "seed", "response_format",
    "structured_outputs", "stop", "tools", "include_reasoning", "reasoning", "reasoning_effort",
  },
}
