--- Anthropic's Messages API.

return {
  auth     = { header = "x-api-key", prefix = "" },
  headers  = { ["anthropic-version"] = "2023-06-01" },
  targets  = { whole = "/v1/messages", stream = "/v1/messages", count = "/v1/messages/count_tokens" },
  converts = "anthropic_messages",
  native   = "messages",
  carries  = {
    "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "response_format", "structured_outputs",
    "stop", "tools", "tool_choice", "parallel_tool_calls", "include_reasoning", "reasoning", "reasoning_effort",
    "verbosity", "web_search_options",
  },
  -- Of a client's anthropic-beta header these go on; one that Anthropic does not know would be refused.
  betas    = {
    "interleaved-thinking-2025-05-14", "structured-outputs-2025-11-13", "fine-grained-tool-streaming-2025-05-14",
    "context-1m-2025-08-07", "context-management-2025-06-27", "extended-cache-ttl-2025-04-11",
    "files-api-2025-04-14", "code-execution-2025-05-22", "code-execution-2025-08-25", "mcp-client-2025-04-04",
    "mcp-client-2025-11-20", "pdfs-2024-09-25", "prompt-caching-2024-07-31", "token-efficient-tools-2025-02-19",
    "output-128k-2025-02-19", "search-results-2025-06-09", "web-fetch-2025-09-10", "computer-use-2025-01-24",
    "computer-use-2024-10-22", "fast-mode-2026-02-01",
    "computer-use-2025-11-24", "advanced-tool-use-2025-11-20", "effort-2025-11-24", "skills-2025-10-02",
    "token-counting-2024-11-01",
  },
}
