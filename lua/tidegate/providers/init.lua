--- The built-in providers: what their own documentation says about them.
--
-- One file each, a table and no program: docs/adding-a-provider.md. In the
-- order in which they are listed.

local near = require "tidegate.base.near"

local SLUGS = {
  "openai", "anthropic", "google-ai-studio", "groq", "together", "fireworks", "deepinfra", "deepseek", "mistral",
  "xai", "cerebras", "perplexity", "cohere", "openrouter", "vllm", "llama-cpp", "ollama",
}

-- Whose address is each customer's own, by the names that people have for them, and the wire that speaks to them.
local AT_CUSTOMERS = {
  ["amazon-bedrock"] = "bedrock-converse", bedrock = "bedrock-converse",
  azure = "azure-openai", ["google-vertex"] = "vertex", vertex = "vertex", vertex_ai = "vertex",
}

-- What others call those that there are.
local ELSEWHERE = { gemini = "google-ai-studio", google = "google-ai-studio", claude = "anthropic", grok = "xai" }

local providers = { slugs = SLUGS }

--- @treturn ?table  nil when no built-in provider has that slug
function providers.find(slug)
  for _, known in ipairs(SLUGS) do
    if known == slug then return require("tidegate.providers." .. slug) end
  end
end

--- Why no built-in provider has that name, and what to write instead.
function providers.instead(name)
  local wire = AT_CUSTOMERS[name]
  if wire then
    return ('%s has an address of your own: write { slug = "%s", wire = "%s", base_url = ... }, as '
      .. "docs/wires/%s.md shows"):format(name, name, wire, wire)
  end
  local meant = ELSEWHERE[name] or near(SLUGS, name)
  return ("no built-in provider is called %s%s they are %s"):format(name,
    meant and ", did you mean " .. meant .. "?" or ";", table.concat(SLUGS, ", "))
end

return providers
