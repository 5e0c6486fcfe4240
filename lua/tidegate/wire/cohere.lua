--- Cohere's API, version 2.

return {
  auth     = { header = "Authorization", prefix = "Bearer " },
  targets  = { whole = "/v2/chat", stream = "/v2/chat", embeddings = "/v2/embed", rerank = "/v2/rerank" },
  converts = "cohere",
  apart    = { ["/compatibility/v1"] = "openai-chat" },
  carries  = {
    "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "max_tokens", "max_completion_tokens",
    "logprobs", "seed", "response_format", "structured_outputs", "stop", "tools", "tool_choice", "include_reasoning",
    "reasoning", "reasoning_effort",
  },
}
