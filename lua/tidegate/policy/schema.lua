--- All that a routing policy may say, is told, and can use: types, units, meanings.
--
-- The one table behind the loader's check, the types for editors, the fragment for luacheck and
-- the tables of docs/policy.md. What a field may say is told in base/fields.lua.
--
--     schema.check { data = { sort = "prise" } }
--       --> { path = { "data", "sort" }, message = 'data.sort: one of "price", ...' }

local fields = require "tidegate.base.fields"

local schema = {}

-- ---- words ----

local SORTS = { "price", "latency", "throughput", "exacto" }

local QUANTIZATIONS = { "int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32",
                        "unknown" }

local PARAMETERS = {
  "frequency_penalty", "include_reasoning", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens",
  "min_p", "parallel_tool_calls", "prediction", "presence_penalty", "reasoning", "reasoning_effort",
  "repetition_penalty", "response_format", "seed", "stop", "structured_outputs", "temperature", "tool_choice",
  "tools", "top_a", "top_k", "top_logprobs", "top_p", "verbosity", "web_search_options",
}

local OUTCOMES = {
  "connect", "tls", "connect_timeout", "first_byte_timeout", "first_token_timeout", "idle_timeout", "total_timeout",
  "reset", "truncated", "malformed", "empty", "too_big", "rate_limited", "overloaded", "server_error",
  "request_timeout", "key_refused", "no_credit", "not_found", "redirect", "conflict", "context_length",
  "content_policy", "too_large", "bad_request", "unsuitable", "internal",
}

schema.hooks = { "filter", "score", "order", "on_error", "on_response" }
schema.verdicts = { "next", "retry", "stop" }
schema.parameters = PARAMETERS

-- ---- data ----

local WORDS_MAX, MODELS_MAX = 64, 15

local function words(name, doc)
  return { name = name, type = "list", of = "string", most = WORDS_MAX, doc = doc }
end

local function is_dollars(value)
  return value:find("^%d+%.?%d*$") ~= nil or value:find("^%.%d+$") ~= nil
    or value:find("^%d+%.?%d*[eE][-+]?%d+$") ~= nil, "a price as in 0.25 expected"
end

local function price(name, unit, doc)
  return { name = name, type = "union", unit = unit, doc = doc,
           any_of = { { type = "number", least = 0 }, { type = "string", check = is_dollars } } }
end

local MAX_PRICE = {
  price("prompt", "$ per million tokens", "of what is sent"),
  price("completion", "$ per million tokens", "of what is answered"),
  price("request", "$", "of a request, beside its tokens"),
  price("image", "$", "of an image"),
  price("audio", "$", "of a piece of audio"),
}

local function cutoff(name, unit, doc)
  local percentiles = {}
  for i, p in ipairs { "p50", "p75", "p90", "p99" } do
    percentiles[i] = { name = p, type = "number", least = 0, doc = "at this percentile" }
  end
  return { name = name, type = "union", unit = unit, doc = doc, any_of = {
    { type = "number", least = 0 }, { type = "table", fields = percentiles, class = "tidegate.Cutoffs" } } }
end

local DATA = {
  { name = "allow_fallbacks", type = "boolean", default = true,
    doc = "`false`: only the endpoints of `order` are tried, without `order` only the first" },
  { name = "data_collection", type = "string", one_of = { "allow", "deny" }, default = "allow",
    doc = "`deny`: endpoints that may keep prompts or train on them are dropped" },
  { name = "enforce_distillable_text", type = "boolean", default = false,
    doc = "models whose answers may not train others are dropped" },
  words("ignore", "endpoints that are dropped: slugs, tags or names of providers"),
  { name = "max_price", type = "table", fields = MAX_PRICE, class = "tidegate.MaxPrice",
    doc = "what costs more is dropped" },
  words("only", "all others are dropped"),
  { name = "order", type = "list", of = "string", most = WORDS_MAX, doc = "these are tried first, in this order",
    mistaken = { ["function"] = "a hook belongs beside data, not in it" } },
  cutoff("preferred_max_latency", "s", "to the first token; who misses it comes last; a number means the median"),
  cutoff("preferred_min_throughput", "tokens/s", "who misses it comes last; a number means the median"),
  { name = "quantizations", type = "list", of = { type = "string", one_of = QUANTIZATIONS }, most = WORDS_MAX,
    doc = "all others are dropped" },
  { name = "require_parameters", type = "boolean", default = false,
    doc = "endpoints that lack a parameter of the request are dropped" },
  { name = "sort", type = "union", doc = "what `base` is, and the order; by default the cheap are drawn more often",
    any_of = {
      { type = "string", one_of = SORTS },
      { type = "table", class = "tidegate.Sort", fields = {
        { name = "by", type = "string", one_of = SORTS, doc = "the same" },
        { name = "partition", type = "string", one_of = { "model", "none" }, default = "model",
          doc = "`none`: one order of the endpoints of all models" },
      } },
    } },
  { name = "zdr", type = "boolean", default = false, doc = "only endpoints that keep nothing (zero data retention)" },
}

schema.data = DATA

-- ---- the policy ----

local POLICY = {
  { name = "name", type = "string", doc = "for people" },
  { name = "data", type = "table", fields = DATA, class = "tidegate.Data", doc = "what needs no function" },
  { name = "models", type = "list", of = "string", most = MODELS_MAX,
    doc = "further models, tried behind those of the request" },
  { name = "tiers", type = "list", of = { type = "string", one_of = { "priority", "flex" } }, most = 2,
    doc = "endpoints of these service tiers may be used although the request did not ask for them" },
  { name = "on_failure", type = "string", one_of = { "builtin", "refuse" }, default = "builtin",
    doc = "when `filter`, `score` or `order` fails: the built-in order, or a 503" },
  { name = "filter", type = "function",
    cats = "fun(endpoint: tidegate.Endpoint, request: tidegate.Request): boolean?, string?",
    doc = "`(endpoint, request)`: true, or nothing at all, keeps it; false or nil drops it; a string behind says why" },
  { name = "score", type = "function",
    cats = "fun(endpoint: tidegate.Endpoint, request: tidegate.Request, base: number): number",
    doc = "`(endpoint, request, base)`: a number, the lowest is tried first; `base` is the score by the sort" },
  { name = "order", type = "function",
    mistaken = { table = "a list belongs in data, a function here: data = { order = { ... } }" },
    cats = "fun(endpoints: tidegate.Endpoint[], request: tidegate.Request): integer[]?",
    doc = "`(endpoints, request)`: the places to try first, as in `{ 3, 1 }`; the others follow; nil: no change" },
  { name = "on_error", type = "function",
    cats = 'fun(err: tidegate.Error, attempt: tidegate.Attempt, request: tidegate.Request): "next"|"retry"|"stop"|nil',
    doc = '`(err, attempt, request)`: `"next"`, `"retry"` or `"stop"`; nil: as without it; '
      .. "before the first byte only" },
  { name = "on_response", type = "function",
    cats = "fun(response: tidegate.Response, attempt: tidegate.Attempt, request: tidegate.Request)",
    doc = "`(response, attempt, request)`: after a whole answer; its results count for nothing" },
}

POLICY.elsewhere, DATA.elsewhere = {}, {}
for _, field in ipairs(DATA) do
  POLICY.elsewhere[field.name] = ("belongs in data: data = { %s = ... }"):format(field.name)
end
for _, field in ipairs(POLICY) do
  DATA.elsewhere[field.name] = field.type == "function" and "a hook belongs beside data, not in it"
    or "belongs beside data, not in it"
end
POLICY.elsewhere.order, DATA.elsewhere.order = nil, nil      -- the one name that both have

-- ---- what hooks are told ----

local function number(name, unit, doc)
  return { name = name, type = "number", unit = unit, least = 0, doc = doc }
end

local function count(name, doc)
  return { name = name, type = "integer", least = 0, doc = doc }
end

local function percentiles(unit)
  return {
    is_given = true,
    number("p50", unit, "the median"), number("p75", unit, "what three in four keep to"),
    number("p90", unit, "what nine in ten keep to"), number("p99", unit, "what 99 in 100 keep to"),
  }
end

local ENDPOINT = {
  is_given = true,
  { name = "id", type = "string", doc = "its tag, as in `deepinfra/turbo`; else the provider's slug" },
  { name = "provider", type = "string", doc = "the provider's slug" },
  { name = "model", type = "string", doc = "the model's id" },
  { name = "price", type = "table", doc = "", fields = {
    is_given = true,
    number("prompt", "$ per million tokens", "of what is sent"),
    number("completion", "$ per million tokens", "of what is answered"),
    number("cache_read", "$ per million tokens", "of what the prompt cache has; the prompt's where none is known"),
    number("cache_write", "$ per million tokens", "of what goes into the prompt cache; the same"),
    number("request", "$", "of a request, beside its tokens"),
    number("image", "$", "of an image"),
  } },
  { name = "latency", type = "table", class = "tidegate.Latency", doc = "", fields = percentiles "s" },
  { name = "throughput", type = "table", class = "tidegate.Throughput", doc = "", fields = percentiles "tokens/s" },
  count("samples", "answers of the last five minutes; without any, those are the model's median, else 0"),
  { name = "uptime_5m", type = "number", least = 0, most = 1,
    doc = "share of the requests of the last five minutes that it answered; 1 without any" },
  { name = "quantization", type = "string", one_of = QUANTIZATIONS, cats = "string", doc = 'as in `"fp8"`' },
  count("context_length", "tokens; 0 unknown"),
  count("max_completion_tokens", "tokens; 0 unknown"),
  { name = "supports", type = "map", of = "boolean", known = PARAMETERS,
    doc = "parameters, as in `endpoint.supports.tools`" },
  { name = "data_collection", type = "string", one_of = { "allow", "deny" },
    doc = "`deny`: it neither trains on prompts nor keeps them" },
  { name = "zdr", type = "boolean", doc = "it keeps nothing (zero data retention)" },
  { name = "region", type = "string", optional = true, doc = 'as in `"eu"`; nil unknown' },
  count("in_flight", "requests that it has from this gateway now"),
  { name = "breaker", type = "string", one_of = { "closed", "half_open", "open" }, doc = "`open`: it is not asked" },
  { name = "tool_calls", type = "table", class = "tidegate.ToolCalls", doc = "", fields = {
    is_given = true,
    count("samples", "answers with tool calls that were seen"),
    { name = "valid", type = "number", least = 0, most = 1, doc = "share of well-formed ones; 1 without any" },
  } },
}

local REQUEST = {
  is_given = true,
  { name = "model", type = "string", doc = "as asked, without routing suffixes" },
  { name = "models", type = "list", of = "string", doc = "those that it names, in the order to try" },
  { name = "stream", type = "boolean", doc = "the answer is wanted as a stream" },
  count("messages_count", "messages in it"),
  count("prompt_tokens", "an estimate"),
  { name = "max_tokens", type = "integer", least = 1, optional = true, doc = "of the answer; nil: nothing is said" },
  { name = "tools", type = "boolean", doc = "there are tools in it" },
  { name = "session_id", type = "string", is_free = true, optional = true, doc = "of body or header; nil: none" },
  { name = "user", type = "string", is_free = true, optional = true, doc = "of the body; nil: none" },
  { name = "key", type = "table", class = "tidegate.Key", doc = "", fields = {
    { name = "name", type = "string", doc = "of the client's key, as in the configuration; nil when nobody is known" },
    { name = "label", type = "string", doc = "its beginning and end" },
  } },
  { name = "metadata", type = "map", of = { type = "string", is_free = true }, doc = "of the body" },
  { name = "headers", type = "map", names = "^[%w!#$%%&'*+.^_`|~-]+$", called = "header name",
    doc = "names in lower case; without keys and cookies" },
  number("now", "s", "when it came, Unix time with fractions"),
  { name = "hash", type = "function", cats = "fun(s: string): integer",
    doc = "`(s)`: a whole number below 2^53, the same for the same string everywhere and always" },
  { name = "random", type = "function", cats = "fun(m?: integer, n?: integer): number",
    doc = "`([m [, n]])`: as `math.random`; seeded for each request, and the seed is recorded" },
}

local ERROR = {
  is_given = true,
  { name = "status", type = "integer", least = 0, doc = "the provider's; 0: it never answered" },
  { name = "type", type = "string", one_of = OUTCOMES, cats = "string", doc = "an outcome, as in `rate_limited`" },
  { name = "message", type = "string", is_free = true, doc = "the provider's words, or ours" },
  { name = "retry_after", type = "number", unit = "s", least = 0, optional = true, doc = "nil: it said nothing" },
}

local ATTEMPT = {
  is_given = true,
  { name = "number", type = "integer", least = 1, doc = "from 1" },
  { name = "provider", type = "string", doc = "its slug" },
  { name = "endpoint", type = "string", doc = "its id" },
  { name = "model", type = "string", doc = "its model's id" },
  number("elapsed", "s", "since the attempt began"),
}

local RESPONSE = {
  is_given = true,
  { name = "status", type = "integer", least = 0, doc = "the provider's" },
  { name = "ttft", type = "number", unit = "s", least = 0, optional = true, doc = "to the first token; nil unknown" },
  { name = "duration", type = "number", unit = "s", least = 0, optional = true,
    doc = "of the whole attempt; nil unknown" },
  count("tokens", "of the answer"),
  count("prompt_tokens", "of the prompt"),
  count("cached_tokens", "of the prompt, from the provider's cache"),
  number("cost", "$", "of the attempt"),
  { name = "stream", type = "boolean", doc = "it was a stream" },
}

schema.endpoint, schema.request = ENDPOINT, REQUEST
schema.error, schema.attempt, schema.response = ERROR, ATTEMPT, RESPONSE

-- ---- what it can use ----

local KV = {
  is_given = true,
  { name = "get", type = "function", cats = "fun(key: string): number|string|nil",
    doc = "`(key)`: a number or a string; nil when there is none, or its time is over" },
  { name = "set", type = "function", cats = "fun(key: string, value: number|string|nil, ttl?: number)",
    doc = "`(key, value [, ttl])`: a value for so many seconds, or as long as there is room; nil deletes" },
  { name = "incr", type = "function", cats = "fun(key: string, n?: number, ttl?: number): number",
    doc = "`(key [, n [, ttl]])`: adds, 1 unless said otherwise, and gives the sum; the first sets the time" },
}

local TIDEGATE = {
  is_given = true,
  { name = "kv", type = "table", fields = KV, class = "tidegate.Kv", doc = "" },
  { name = "log", type = "function", cats = "fun(...: any)",
    doc = "`(...)`: one line of the log, arguments joined as `print` does" },
}

--- The names in the sandbox: those of no table first, then those of each table.
schema.sandbox = {
  base   = { "_VERSION", "assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal", "require", "select",
             "tonumber", "tostring", "type", "unpack" },
  string = { "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse", "sub",
             "upper" },
  table  = { "concat", "insert", "remove", "sort", "unpack" },
  math   = { "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "deg", "exp", "floor", "fmod", "frexp",
             "huge", "ldexp", "log", "log10", "max", "min", "modf", "pi", "pow", "rad", "random", "sin", "sinh", "sqrt",
             "tan", "tanh" },
}

-- ---- check ----

-- Where a function begins; nil when it is none.
local function line_of(value)
  if type(value) == "table" then return value["function"] end
  return type(value) == "function" and debug.getinfo(value, "S").linedefined or nil
end

-- The global function that somebody took for a hook: nobody would ever call it.
local function stray_hook(value, globals)
  for _, name in ipairs(schema.hooks) do
    local line = value[name] == nil and line_of(globals[name])
    if line then
      local message = "the global function %s is not in the table, did you mean %s = %s?"
      return { path = {}, line = line, message = message:format(name, name, name) }
    end
  end
end

--- Hold what a policy's file returns to the schema. A function may be shown as
-- { ["function"] = LINE }.
-- @tparam any value
-- @tparam ?table globals  what the file left in its environment, by name
-- @treturn ?table  nil when it is good, else { path, message }, and `line` where the path does
--   not tell it
function schema.check(value, globals)
  local bad = fields.check({ type = "table", fields = POLICY }, value, {})
  if bad and not bad.path[1] and type(value) ~= "table" then
    bad.message = "a policy returns a table, this one a " .. type(value)
  end
  return bad or stray_hook(value, globals or {})
end

--- The path of keys as it is written: data.max_price.
schema.said = fields.said

-- ---- told to others ----

local TABLES = {
  { "policy", POLICY, "tidegate.Policy", "A policy" },
  { "endpoint", ENDPOINT, "tidegate.Endpoint", "endpoint" },
  { "request", REQUEST, "tidegate.Request", "request" },
  { "error", ERROR, "tidegate.Error", "err" },
  { "attempt", ATTEMPT, "tidegate.Attempt", "attempt" },
  { "response", RESPONSE, "tidegate.Response", "response" },
  { "tidegate", TIDEGATE, "tidegate.Sandbox", "tidegate" },
}

--- The tables of docs/policy.md: one, or all with headings.
-- @tparam ?string name  policy, endpoint, request, error, attempt, response, tidegate
function schema.markdown(name)
  local out = {}
  for _, entry in ipairs(TABLES) do
    if entry[1] == name then return fields.markdown(entry[2]) end
    local heading = entry[1] == "policy" and entry[4] or "`" .. entry[4] .. "`"
    out[#out + 1] = "### " .. heading .. "\n\n" .. fields.markdown(entry[2])
  end
  return table.concat(out, "\n")
end

--- LuaCATS classes for editors: `---@type tidegate.Policy` above a policy's `return`.
function schema.luacats()
  local out, seen = { "---@meta\n" }, {}
  for _, entry in ipairs(TABLES) do out[#out + 1] = fields.luacats(entry[2], entry[3], seen) end
  out[#out + 1] = "---@type tidegate.Sandbox\ntidegate = {}\n"
  return table.concat(out, "\n")
end

local function quoted(names)
  return '"' .. table.concat(names, '", "') .. '"'
end

-- Names between commas, in lines that are not too long.
local function wrapped(names, indent)
  local lines, line = {}, indent
  for _, name in ipairs(names) do
    local word = '"' .. name .. '", '
    if #line + #word > 100 then
      lines[#lines + 1] = line:gsub("%s+$", "")
      line = indent
    end
    line = line .. word
  end
  lines[#lines + 1] = line:gsub("%s+$", "")
  return table.concat(lines, "\n")
end

--- A part of .luacheckrc that knows what a policy's sandbox has: os.time is an undefined global
-- in it, string.dump an undefined field.
-- @tparam ?string where  the policies' directory
function schema.luacheckrc(where)
  local out = { ("files[%q] = { std = \"none\", unused_args = false, read_globals = {"):format(where or "policies"),
                wrapped(schema.sandbox.base, "  ") }
  for _, name in ipairs { "string", "table", "math" } do
    out[#out + 1] = ("  %s = { fields = {\n%s\n  } },"):format(name, wrapped(schema.sandbox[name], "    "))
  end
  local kv = {}
  for i, field in ipairs(KV) do kv[i] = field.name end
  out[#out + 1] = ('  tidegate = { fields = { "log", kv = { fields = { %s } } } },'):format(quoted(kv))
  out[#out + 1] = "} }\n"
  return table.concat(out, "\n")
end

return schema
