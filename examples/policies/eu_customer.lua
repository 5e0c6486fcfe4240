-- Some customers' requests stay in the EU with providers that keep nothing; the others' go where
-- they cost least.
--
-- A customer is known by the name of its key, or by what your application writes into the
-- request's metadata: { "customer": "acme" }. Either is enough, so metadata can only add to the
-- care that is taken. Should this file ever fail, requests are refused rather than sent anywhere.
local STRICT = { acme = true }     -- names of keys, and of customers in metadata
local FIELD  = "customer"          -- of the metadata
local REGION = "eu"                -- as the configuration says it of a provider

local function is_strict(request)
  local name, said = request.key.name, request.metadata[FIELD]
  return (name and STRICT[name]) or (said and STRICT[said]) or false
end

---@type tidegate.Policy
return {
  name = "eu_customer",
  on_failure = "refuse",
  data = { sort = "price" },

  filter = function(endpoint, request)
    if not is_strict(request) then return true end
    if endpoint.region ~= REGION then return false, "not in the EU" end
    return endpoint.zdr, "keeps what it is sent"
  end,
}
