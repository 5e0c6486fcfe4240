--- The formats in which providers are spoken to, by the name that `wire` has in
-- the configuration.
--
-- `speaks` is the dialect on the line; a wire without it has a name and is not
-- built yet. The key travels as the provider's own SDK sends it.

return {
  ["openai-chat"] = { speaks = "openai-chat", auth_header = "Authorization", auth_prefix = "Bearer " },
  ["mistral"]     = { speaks = "openai-chat", auth_header = "Authorization", auth_prefix = "Bearer " },

  ["anthropic-messages"] = {},
  ["azure-openai"]       = {},
  ["bedrock-converse"]   = {},
  ["cohere"]             = {},
  ["gemini"]             = {},
  ["ollama"]             = {},
  ["openai-responses"]   = {},
  ["vertex"]             = {},
}
