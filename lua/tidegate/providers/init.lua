--- The built-in providers: what their own documentation says about them.
--
-- One file each, a table and no program: docs/adding-a-provider.md. In the
-- order in which they are listed.

local SLUGS = {
  "openai", "anthropic", "google-ai-studio", "groq", "together", "fireworks", "deepinfra", "deepseek", "mistral",
  "xai", "cerebras", "perplexity", "openrouter", "vllm", "llama-cpp", "ollama",
}

local providers = { slugs = SLUGS }

--- @treturn ?table  nil when no built-in provider has that slug
function providers.find(slug)
  for _, known in ipairs(SLUGS) do
    if known == slug then return require("tidegate.providers." .. slug) end
  end
end

return providers
