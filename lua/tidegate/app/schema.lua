--- Every key of the configuration: its type, default, unit and meaning.
--
-- The one table behind the loader's checks, the table in docs/configuration.md
-- and the LuaCATS types (`tidegate config`). What a field may say is told in
-- base/fields.lua.

local fields = require "tidegate.base.fields"

local schema = {}

local function is_slug(value)
  return value:find("^[%w][%w%-_%.]*$") ~= nil, "letters, digits and -._ expected"
end

-- What goes into a path or a signature as it is.
local function is_word(value)
  return value:find "^[%w][%w%-%._:]*$" ~= nil, "letters, digits and -._: expected"
end

local PATH_MAX = 107    -- of a socket file: what the kernel has room for

local function is_address(value)
  local path = value:match("^unix:(.*)$")
  if path then
    return path:sub(1, 1) == "/" and #path <= PATH_MAX and not path:find("%z"),
      ("unix: and an absolute path of at most %d bytes expected, as in unix:/run/tidegate.sock"):format(PATH_MAX)
  end
  local port = tonumber(value:match("^%[[%x:%.]+%]:(%d+)$") or value:match("^[%w%.%-]*:(%d+)$"))
  return port ~= nil and port <= 65535, "HOST:PORT expected, as in 127.0.0.1:8080"
end

local POLICY_NAME = "^[%w_%-]+$"

local function is_policy_name(value)
  return value:find(POLICY_NAME) ~= nil, "a policy's name has letters, digits, - and _"
end

local function is_policy(value)
  return value:find("%.lua$") ~= nil or value:find(POLICY_NAME) ~= nil,
    "a path that ends in .lua, or a policy's name of letters, digits, - and _, expected"
end

local ABOUT = {
  { name = "privacy_policy_url",   type = "string", doc = "shown by `GET /providers`" },
  { name = "terms_of_service_url", type = "string", doc = "the same" },
  { name = "status_page_url",      type = "string", doc = "the same" },
  { name = "headquarters",         type = "string", doc = "ISO country code" },
  { name = "datacenters",          type = "list", of = "string", doc = "ISO country codes" },
}

local PROVIDER = {
  { name = "slug", type = "string", required = true, check = is_slug,
    doc = "its name in catalogues and in `order`, `only`, `ignore`" },
  { name = "name", type = "string", doc = "its name for people; default the slug" },
  { name = "wire", type = "string",
    doc = "the format it speaks: one of [these](wires/README.md), or a name of `wires`; default `openai-chat`" },
  { name = "also", type = "list", of = "string", or_one = true,
    doc = "further formats that it speaks below the same address: clients of those are passed on as they are; default "
      .. "what the built-in provider of this slug speaks, where `wire` is not given" },
  { name = "wire_of", type = "map", of = "string", names = "^[^%s%c]+$", called = "name of models (`*` is anything)",
    doc = "models, by their names at the provider, that are spoken to in one format alone: "
      .. "`{ [\"*-pro\"] = \"openai-responses\" }`; default as for `also`" },
  { name = "base_url", type = "string", url = true,
    doc = "requests go to the wire's paths below it, as `base_url .. \"/chat/completions\"`; default that of the "
      .. "built-in provider of this slug, where it is known to speak this wire" },
  { name = "key", type = "string", secret = true, or_false = true,
    doc = "travels to `base_url` and nowhere else. When `env` finds nothing the provider is left out; "
      .. "without this key, or with `false`, none is sent" },
  { name = "token", type = "string", secret = true,
    doc = "sent as `Authorization: Bearer` where the wire sends keys another way, as Azure's access tokens are" },
  { name = "api_version", type = "string", check = is_word,
    doc = "of `azure-openai` with deployments in its paths; default `2024-10-21`" },
  { name = "project", type = "string", check = is_word, doc = "of `vertex`: the Google Cloud project" },
  { name = "location", type = "string", check = is_word,
    doc = "of `vertex`; default the one in `base_url`, else `global`" },
  { name = "credentials", type = "string", secret = true, is_free = true,
    doc = "of `vertex`: a service account's JSON file, relative to this file, or its text" },
  { name = "access_key", type = "string", secret = true,
    doc = "of `bedrock-converse`, with `secret_key`: requests are signed; a Bedrock API key goes under `key`" },
  { name = "secret_key", type = "string", secret = true, doc = "the same" },
  { name = "session_token", type = "string", secret = true, doc = "the same, of temporary credentials" },
  { name = "aws_region", type = "string", check = is_word,
    doc = "the region requests are signed for; default the one in `base_url`" },
  { name = "data_collection", type = "string", one_of = { "allow", "deny" },
    doc = "`deny`: it neither trains on nor keeps prompts; default `allow`" },
  { name = "zdr", type = "boolean", doc = "it keeps nothing at all (zero data retention); default `false`" },
  { name = "region", type = "string", doc = "where it computes, as in `eu`" },
  { name = "proxy", type = "string", url = true,
    doc = "HTTP proxy on the way to it, and to where its tokens come from" },
  { name = "http2", type = "boolean", doc = "speak HTTP/2 to it; default `false`" },
  { name = "headers", type = "map", names = "^[%w!#$%%&'*+.^_`|~-]+$", called = "header name",
    doc = "further header fields of every request" },
  { name = "stream_options", type = "boolean",
    doc = "`false` for providers that refuse `stream_options`; default `true`" },
  { name = "extensions", type = "boolean",
    doc = "of `openai-chat`: it knows OpenRouter's extensions of messages (`reasoning_details`, `cache_control`), so "
      .. "that requests of other formats keep them; default `false`" },
  { name = "about", type = "table", fields = ABOUT, doc = "what `GET /providers` tells" },
}

local KEY = {
  { name = "name", type = "string", required = true, doc = "for logs" },
  { name = "key", type = "string", required = true, secret = true, least = 8,
    doc = "what the client sends as `Authorization: Bearer ...`; kept as a digest" },
  { name = "policy", type = "string", check = is_policy_name, doc = "its requests are routed by this policy" },
}

local function seconds(name, default, doc)
  return { name = name, type = "number", default = default, unit = "s", least = 0, most = 86400, doc = doc }
end

schema.config = {
  { name = "listen", type = "string", default = "127.0.0.1:8080", check = is_address,
    doc = "where clients connect; port 0 lets the system choose. `unix:/path` is a socket file of mode 0600" },
  { name = "workers", type = "integer", least = 1, most = 64,
    doc = "engines, a thread each; default one per core" },
  { name = "auth", type = "string", default = "keys", one_of = { "keys", "none" },
    never_guessed = "none",
    doc = "`keys`: clients need one of `keys`. `none`: nobody is asked; accepted on loopback and a socket file only" },
  { name = "keys", type = "list", of = KEY, doc = "who may ask" },
  { name = "catalog", type = "list", of = "string", or_one = true, default = { "tidegate:shipped" },
    doc = "catalogue files, merged in order, relative to this file; `tidegate:shipped` is the one "
      .. "that comes with the program" },
  { name = "providers", type = "list", of = PROVIDER, or_name = true,
    doc = "providers; a string is a built-in one with its usual environment variable" },
  { name = "wires", type = "map", of = "string", names = POLICY_NAME,
    called = "wire name (letters, digits, - and _)",
    doc = "name to path, relative to this file: [formats of your own](adding-a-provider.md)" },
  { name = "policy", type = "string", default = "default", check = is_policy,
    doc = "routes requests that name none: a path that ends in `.lua`, relative to this file, or a name" },
  { name = "policies", type = "map", of = "string", names = POLICY_NAME,
    called = "policy name (letters, digits, - and _)",
    doc = "name to path, relative to this file; a name of a shipped policy replaces it" },
  { name = "timeouts", type = "table", doc = "", fields = {
    seconds("connect", 3, "until a connection to a provider stands"),
    seconds("first_byte", 30, "until the provider's response head"),
    seconds("first_token", 30, "until the first content"),
    seconds("idle", 60, "between two bytes of a provider, also inside a body that is not streamed"),
    seconds("total", 600, "of the whole exchange, all attempts together"),
  } },
  { name = "limits", type = "table", doc = "", fields = {
    { name = "body", type = "integer", default = 33554432, unit = "bytes", least = 1024, most = 2147483647,
      doc = "of one request" },
    { name = "answer", type = "integer", default = 67108864, unit = "bytes", least = 1024, most = 2147483647,
      doc = "of one answer of a provider" },
    { name = "event", type = "integer", default = 8388608, unit = "bytes", least = 1024, most = 67108864,
      doc = "of one event of a stream" },
    { name = "connections", type = "integer", default = 16384, unit = "per engine", least = 1, most = 1000000,
      doc = "open connections of clients" },
  } },
  { name = "log", type = "string", default = "info", one_of = { "debug", "info", "warn", "error", "off" },
    doc = "the least level that is written; `info` has a line per request" },
  { name = "watch", type = "boolean", default = false,
    doc = "reload by itself when one of its files changes: this one, catalogues, policies" },
  { name = "store", type = "string",
    doc = "accepted and not used yet: accounts and credits are not built" },
}

--- Hold a whole configuration to the schema.
-- @treturn ?table  nil when it is good, else { path, message }
function schema.check_config(value)
  return fields.check_table(schema.config, value)
end

--- The path of keys as it is written: providers[2].base_url.
schema.said = fields.said

--- The table of docs/configuration.md.
function schema.markdown()
  return fields.markdown(schema.config)
end

--- LuaCATS classes for editors.
function schema.luacats()
  return "---@meta\n\n" .. fields.luacats(schema.config, "tidegate.Config")
    .. "\n---The environment variable's value; nil when it is unset or empty.\n"
    .. "---@param name string\n---@return string?\nfunction env(name) end\n"
end

return schema
