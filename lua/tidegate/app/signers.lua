--- What a provider's requests are signed with, where a header with a key is not enough.
--
-- As struct tg_signer wants it; nil where nothing is signed.

local core      = require "tidegate.core"
local read_file = require "tidegate.base.read_file"

local signers = {}

local TOKEN_URL = "https://oauth2.googleapis.com/token"

--- The keys of a provider's table that prove who asks: one of them is enough.
signers.SECRETS = { "key", "token", "access_key", "credentials" }

local function of_aws(p)
  if not p.access_key then
    if p.secret_key then return nil, "access_key", "secret_key needs access_key beside it" end
    return nil
  end
  if not p.secret_key then return nil, "secret_key", "access_key needs secret_key beside it" end
  local region = p.aws_region or p.base_url:match "bedrock%-runtime[%w%-]*%.([%w%-]+)%."
  if not region then
    return nil, "aws_region", "no region in base_url to sign requests for: say aws_region"
  end
  return { kind = "aws", access_key = p.access_key, secret_key = p.secret_key, session_token = p.session_token,
           region = region }
end

local function of_google(p, path_of)
  if not p.credentials then
    if p.token and not p.project then return nil, "project", "a token needs the project beside it" end
    return nil
  end
  local text, why = p.credentials, nil
  if not text:find "^%s*{" then text, why = read_file(path_of(p.credentials)) end
  if not text then return nil, "credentials", tostring(why) end
  local account = core.json.read(text)
  if type(account) ~= "table" or type(account.client_email) ~= "string" or type(account.private_key) ~= "string" then
    return nil, "credentials", "no service account's JSON: client_email and private_key expected"
  end
  return { kind = "google", email = account.client_email, private_key = account.private_key,
           token_url = type(account.token_uri) == "string" and account.token_uri or TOKEN_URL },
    nil, nil, account.project_id
end

-- What only one kind of signature has a use for, and the wire that it is of.
local OF_KIND = {
  aws    = { wire = "bedrock-converse", "access_key", "secret_key", "session_token", "aws_region" },
  google = { wire = "vertex", "credentials", "project", "location" },
}

--- Nothing that is written goes unused in silence.
-- @treturn ?string  the key that this wire has no use for, and why
-- @treturn ?string
function signers.misplaced(wire, p)
  for kind, names in pairs(OF_KIND) do
    for _, name in ipairs(wire.signs ~= kind and names or {}) do
      if p[name] ~= nil then return name, ("is for the wire %s"):format(names.wire) end
    end
  end
end

local KINDS = { aws = of_aws, google = of_google }

--- @tparam table wire
-- @tparam table p  the provider's table
-- @tparam function path_of  a path of the configuration's, from where the program runs
-- @treturn ?table
-- @treturn ?string  the key that is wrong, and why
-- @treturn ?string
-- @treturn ?string  the project that the credentials belong to
function signers.of(wire, p, path_of)
  local kind = KINDS[wire.signs]
  if not kind then return nil end
  local signer, key, why, project = kind(p, path_of)
  for _, name in ipairs { "secret_key", "session_token", "private_key" } do
    if signer and signer[name] then core.log.secret(signer[name]) end
  end
  return signer, key, why, project
end

return signers
