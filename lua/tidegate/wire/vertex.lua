--- Google Cloud's Vertex AI: Gemini's format, and Anthropic's for the models of Anthropic.
-- A service account signs itself in (credentials); with a key it is Vertex's express mode.

local gemini    = require "tidegate.wire.gemini"
local anthropic = require "tidegate.wire.anthropic_messages"

-- Hosts name their location, but for the global one.
local function location_of(provider)
  return provider.location or provider.base_url:match "//([%w%-]+)%-aiplatform%."
    or provider.base_url:match "//aiplatform%.(%w+)%.rep%." or "global"
end

-- Google's SDK asks v1beta1, Anthropic's v1. Express mode has no project.
local function place(provider, version)
  if not provider.project then return ("/%s/publishers/"):format(version) end
  return ("/%s/projects/%s/locations/%s/publishers/"):format(version, provider.project, location_of(provider))
end

local function of_google(provider)
  local model = place(provider, "v1beta1") .. "google/models/{model}"
  return {
    whole = model .. ":generateContent", stream = model .. ":streamGenerateContent?alt=sse",
    embeddings = model .. ":predict", count = model .. ":countTokens",
  }
end

local function of_anthropic(provider)
  local model = place(provider, "v1") .. "anthropic/models/{model}"
  return { whole = model .. ":rawPredict", stream = model .. ":streamRawPredict",
           count = place(provider, "v1") .. "anthropic/models/count-tokens:rawPredict" }
end

return {
  auth     = { header = "x-goog-api-key", prefix = "" },
  signs    = "google",
  targets  = of_google,
  converts = "gemini",
  native   = "gemini",
  carries  = gemini.carries,
  -- Models whose upstream name begins so are spoken to another way.
  others   = {
    { models = "claude*", name = "vertex-anthropic", targets = of_anthropic, converts = "anthropic_messages",
      native = "messages", carries = anthropic.carries,
      adds = '"anthropic_version":"vertex-2023-10-16"', omits_model = true,
      betas = anthropic.betas },
  },
}
