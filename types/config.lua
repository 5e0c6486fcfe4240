---@meta

---@class tidegate.Config
---@field listen? string where clients connect; port 0 lets the system choose. `unix:/path` is a socket file of mode 0600
---@field workers? integer engines, a thread each; default one per core
---@field auth? "keys"|"none" `keys`: clients need one of `keys`. `none`: nobody is asked; accepted on loopback and a socket file only
---@field keys? tidegate.Config.Key[] who may ask
---@field catalog? string[]|string catalogue files, merged in order, relative to this file; `tidegate:shipped` is the one that comes with the program
---@field providers? (tidegate.Config.Provider|string)[] providers; a string is a built-in one with its usual environment variable
---@field wires? table<string, string> name to path, relative to this file: [formats of your own](adding-a-provider.md)
---@field policy? string routes requests that name none: a path that ends in `.lua`, relative to this file, or a name
---@field policies? table<string, string> name to path, relative to this file; a name of a shipped policy replaces it
---@field timeouts? tidegate.Config.Timeout
---@field limits? tidegate.Config.Limit
---@field log? "debug"|"info"|"warn"|"error"|"off" the least level that is written; `info` has a line per request
---@field watch? boolean reload by itself when one of its files changes: this one, catalogues, policies
---@field store? string accepted and not used yet: accounts and credits are not built

---@class tidegate.Config.Key
---@field name string for logs
---@field key string what the client sends as `Authorization: Bearer ...`; kept as a digest
---@field policy? string its requests are routed by this policy

---@class tidegate.Config.Provider
---@field slug string its name in catalogues and in `order`, `only`, `ignore`
---@field name? string its name for people; default the slug
---@field wire? string the format it speaks: one of [these](wires/README.md), or a name of `wires`; default `openai-chat`
---@field also? string[]|string further formats that it speaks below the same address: clients of those are passed on as they are; default what the built-in provider of this slug speaks, where `wire` is not given
---@field wire_of? table<string, string> models, by their names at the provider, that are spoken to in one format alone: `{ ["*-pro"] = "openai-responses" }`; default as for `also`
---@field base_url? string requests go to the wire's paths below it, as `base_url .. "/chat/completions"`; default that of the built-in provider of this slug, where it is known to speak this wire
---@field key? string|false travels to `base_url` and nowhere else. When `env` finds nothing the provider is left out; without this key, or with `false`, none is sent
---@field token? string sent as `Authorization: Bearer` where the wire sends keys another way, as Azure's access tokens are
---@field api_version? string of `azure-openai` with deployments in its paths; default `2024-10-21`
---@field project? string of `vertex`: the Google Cloud project
---@field location? string of `vertex`; default the one in `base_url`, else `global`
---@field credentials? string of `vertex`: a service account's JSON file, relative to this file, or its text
---@field access_key? string of `bedrock-converse`, with `secret_key`: requests are signed; a Bedrock API key goes under `key`
---@field secret_key? string the same
---@field session_token? string the same, of temporary credentials
---@field aws_region? string the region requests are signed for; default the one in `base_url`
---@field data_collection? "allow"|"deny" `deny`: it neither trains on nor keeps prompts; default `allow`
---@field zdr? boolean it keeps nothing at all (zero data retention); default `false`
---@field region? string where it computes, as in `eu`
---@field proxy? string HTTP proxy on the way to it, and to where its tokens come from
---@field http2? boolean speak HTTP/2 to it; default `false`
---@field headers? table<string, string> further header fields of every request
---@field stream_options? boolean `false` for providers that refuse `stream_options`; default `true`
---@field extensions? boolean of `openai-chat`: it knows OpenRouter's extensions of messages (`reasoning_details`, `cache_control`), so that requests of other formats keep them; default `false`
---@field about? tidegate.Config.Provider.About what `GET /providers` tells

---@class tidegate.Config.Provider.About
---@field privacy_policy_url? string shown by `GET /providers`
---@field terms_of_service_url? string the same
---@field status_page_url? string the same
---@field headquarters? string ISO country code
---@field datacenters? string[] ISO country codes

---@class tidegate.Config.Timeout
---@field connect? number until a connection to a provider stands
---@field first_byte? number until the provider's response head
---@field first_token? number until the first content
---@field idle? number between two bytes of a provider, also inside a body that is not streamed
---@field total? number of the whole exchange, all attempts together

---@class tidegate.Config.Limit
---@field body? integer of one request
---@field answer? integer of one answer of a provider
---@field event? integer of one event of a stream
---@field connections? integer open connections of clients

---The environment variable's value; nil when it is unset or empty.
---@param name string
---@return string?
function env(name) end
