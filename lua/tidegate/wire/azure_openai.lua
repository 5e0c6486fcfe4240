--- OpenAI's models at Azure: OpenAI's format behind other paths and another key.
-- The newer API has OpenAI's own paths below /openai/v1; the older one names the deployment in the path.

local API_VERSION = "2024-10-21"      -- the newest that is generally available

local function deployment(what, version)
  return "/openai/deployments/{model}/" .. what .. "?api-version=" .. version
end

-- Where base_url names a deployment, it serves every model.
local function of_one_deployment(version)
  local query = "?api-version=" .. version
  return { whole = "/chat/completions" .. query, stream = "/chat/completions" .. query,
           completions = "/completions" .. query, embeddings = "/embeddings" .. query }
end

local function targets(provider)
  if provider.base_url:find "/v1/?$" then
    return { whole = "/chat/completions", stream = "/chat/completions", completions = "/completions",
             embeddings = "/embeddings" }
  end
  local version = provider.api_version or API_VERSION
  if provider.base_url:find "/openai/deployments/[^/]+/?$" then return of_one_deployment(version) end
  return {
    whole = deployment("chat/completions", version), stream = deployment("chat/completions", version),
    completions = deployment("completions", version), embeddings = deployment("embeddings", version),
  }
end

return {
  auth    = { header = "api-key", prefix = "" },
  targets = targets,
  native  = "chat",
}
