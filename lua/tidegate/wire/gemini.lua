--- Google AI's generateContent (the Gemini API).

local MODEL = "/v1beta/models/{model}"

return {
  auth     = { header = "x-goog-api-key", prefix = "" },
  targets  = {
    whole = MODEL .. ":generateContent", stream = MODEL .. ":streamGenerateContent?alt=sse",
    embeddings = MODEL .. ":batchEmbedContents", count = MODEL .. ":countTokens",
  },
  converts = "gemini",
  native   = "gemini",
  apart    = { ["/openai"] = "openai-chat" },
  carries  = {
    "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "max_tokens", "max_completion_tokens",
    "logprobs", "top_logprobs", "seed", "response_format", "structured_outputs", "stop", "tools", "tool_choice",
    "include_reasoning", "reasoning", "reasoning_effort", "web_search_options",
  },
}
