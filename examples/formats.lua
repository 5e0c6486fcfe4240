-- Every format at once: ten providers, each spoken to in its own, all of them played by `tidegate mock`.
--
--     tidegate mock &
--     tidegate serve examples/formats.lua
--
-- Any client reaches any of them: chat, Anthropic's, Google's, OpenAI's Responses. The models are mock/anthropic,
-- mock/gemini, ... (formats.json); mock/any has all of them behind it, so that one answers for another. With real
-- addresses, keys and models this is a configuration to start from: docs/wires/README.md has a page for each.
local mock = env "TIDEGATE_MOCK" or "http://127.0.0.1:9001"

return {
  listen = "127.0.0.1:8080",
  auth = "none",
  catalog = { "formats.json" },
  providers = {
    { slug = "openai", name = "OpenAI", wire = "openai-responses", base_url = mock .. "/v1", key = "made-up-key" },
    { slug = "anthropic", name = "Anthropic", wire = "anthropic-messages", base_url = mock, key = "made-up-key" },
    { slug = "gemini", name = "Google AI Studio", wire = "gemini", base_url = mock, key = "made-up-key" },
    { slug = "vertex", name = "Google Vertex", wire = "vertex", base_url = mock, project = "made-up",
      location = "europe-west1", token = "made-up-token" },
    { slug = "bedrock", name = "Amazon Bedrock", wire = "bedrock-converse", base_url = mock,
      access_key = "made-up-access-key", secret_key = "made-up-secret-key", aws_region = "us-east-1" },
    { slug = "azure", name = "Azure", wire = "azure-openai", base_url = mock, key = "made-up-key" },
    { slug = "cohere", name = "Cohere", wire = "cohere", base_url = mock, key = "made-up-key" },
    { slug = "mistral", name = "Mistral", wire = "mistral", base_url = mock .. "/v1", key = "made-up-key" },
    { slug = "ollama", name = "Ollama", wire = "ollama", base_url = mock },
    { slug = "vllm", name = "vLLM", base_url = mock .. "/v1" },                          -- openai-chat
  },
}
