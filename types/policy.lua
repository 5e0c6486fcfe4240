---@meta

---@class tidegate.Policy
---@field name? string for people
---@field data? tidegate.Data what needs no function
---@field models? string[] further models, tried behind those of the request
---@field tiers? ("priority"|"flex")[] endpoints of these service tiers may be used although the request did not ask for them
---@field on_failure? "builtin"|"refuse" when `filter`, `score` or `order` fails: the built-in order, or a 503
---@field filter? fun(endpoint: tidegate.Endpoint, request: tidegate.Request): boolean?, string? `(endpoint, request)`: true, or nothing at all, keeps it; false or nil drops it; a string behind says why
---@field score? fun(endpoint: tidegate.Endpoint, request: tidegate.Request, base: number): number `(endpoint, request, base)`: a number, the lowest is tried first; `base` is the score by the sort
---@field order? fun(endpoints: tidegate.Endpoint[], request: tidegate.Request): integer[]? `(endpoints, request)`: the places to try first, as in `{ 3, 1 }`; the others follow; nil: no change
---@field on_error? fun(err: tidegate.Error, attempt: tidegate.Attempt, request: tidegate.Request): "next"|"retry"|"stop"|nil `(err, attempt, request)`: `"next"`, `"retry"` or `"stop"`; nil: as without it; before the first byte only
---@field on_response? fun(response: tidegate.Response, attempt: tidegate.Attempt, request: tidegate.Request) `(response, attempt, request)`: after a whole answer; its results count for nothing

---@class tidegate.Data
---@field allow_fallbacks? boolean `false`: only the endpoints of `order` are tried, without `order` only the first
---@field data_collection? "allow"|"deny" `deny`: endpoints that may keep prompts or train on them are dropped
---@field enforce_distillable_text? boolean models whose answers may not train others are dropped
---@field ignore? string[] endpoints that are dropped: slugs, tags or names of providers
---@field max_price? tidegate.MaxPrice what costs more is dropped
---@field only? string[] all others are dropped
---@field order? string[] these are tried first, in this order
---@field preferred_max_latency? number|tidegate.Cutoffs to the first token; who misses it comes last; a number means the median
---@field preferred_min_throughput? number|tidegate.Cutoffs who misses it comes last; a number means the median
---@field quantizations? ("int4"|"int8"|"fp4"|"mxfp4"|"nvfp4"|"fp6"|"fp8"|"mxfp8"|"fp16"|"bf16"|"fp32"|"unknown")[] all others are dropped
---@field require_parameters? boolean endpoints that lack a parameter of the request are dropped
---@field sort? "price"|"latency"|"throughput"|"exacto"|tidegate.Sort what `base` is, and the order; by default the cheap are drawn more often
---@field zdr? boolean only endpoints that keep nothing (zero data retention)

---@class tidegate.MaxPrice
---@field prompt? number|string of what is sent
---@field completion? number|string of what is answered
---@field request? number|string of a request, beside its tokens
---@field image? number|string of an image
---@field audio? number|string of a piece of audio

---@class tidegate.Cutoffs
---@field p50? number at this percentile
---@field p75? number at this percentile
---@field p90? number at this percentile
---@field p99? number at this percentile

---@class tidegate.Sort
---@field by? "price"|"latency"|"throughput"|"exacto" the same
---@field partition? "model"|"none" `none`: one order of the endpoints of all models

---@class tidegate.Endpoint
---@field id string its tag, as in `deepinfra/turbo`; else the provider's slug
---@field provider string the provider's slug
---@field model string the model's id
---@field price tidegate.Endpoint.Price
---@field latency tidegate.Latency
---@field throughput tidegate.Throughput
---@field samples integer answers of the last five minutes; without any, those are the model's median, else 0
---@field uptime_5m number share of the requests of the last five minutes that it answered; 1 without any
---@field quantization string as in `"fp8"`
---@field context_length integer tokens; 0 unknown
---@field max_completion_tokens integer tokens; 0 unknown
---@field supports table<string, boolean> parameters, as in `endpoint.supports.tools`
---@field data_collection "allow"|"deny" `deny`: it neither trains on prompts nor keeps them
---@field zdr boolean it keeps nothing (zero data retention)
---@field region? string as in `"eu"`; nil unknown
---@field in_flight integer requests that it has from this gateway now
---@field breaker "closed"|"half_open"|"open" `open`: it is not asked
---@field tool_calls tidegate.ToolCalls

---@class tidegate.Endpoint.Price
---@field prompt number of what is sent
---@field completion number of what is answered
---@field cache_read number of what the prompt cache has; the prompt's where none is known
---@field cache_write number of what goes into the prompt cache; the same
---@field request number of a request, beside its tokens
---@field image number of an image

---@class tidegate.Latency
---@field p50 number the median
---@field p75 number what three in four keep to
---@field p90 number what nine in ten keep to
---@field p99 number what 99 in 100 keep to

---@class tidegate.Throughput
---@field p50 number the median
---@field p75 number what three in four keep to
---@field p90 number what nine in ten keep to
---@field p99 number what 99 in 100 keep to

---@class tidegate.ToolCalls
---@field samples integer answers with tool calls that were seen
---@field valid number share of well-formed ones; 1 without any

---@class tidegate.Request
---@field model string as asked, without routing suffixes
---@field models string[] those that it names, in the order to try
---@field stream boolean the answer is wanted as a stream
---@field messages_count integer messages in it
---@field prompt_tokens integer an estimate
---@field max_tokens? integer of the answer; nil: nothing is said
---@field tools boolean there are tools in it
---@field session_id? string of body or header; nil: none
---@field user? string of the body; nil: none
---@field key tidegate.Key
---@field metadata table<string, string> of the body
---@field headers table<string, string> names in lower case; without keys and cookies
---@field now number when it came, Unix time with fractions
---@field hash fun(s: string): integer `(s)`: a whole number below 2^53, the same for the same string everywhere and always
---@field random fun(m?: integer, n?: integer): number `([m [, n]])`: as `math.random`; seeded for each request, and the seed is recorded

---@class tidegate.Key
---@field name? string of the client's key, as in the configuration; nil when nobody is known
---@field label? string its beginning and end

---@class tidegate.Error
---@field status integer the provider's; 0: it never answered
---@field type string an outcome, as in `rate_limited`
---@field message string the provider's words, or ours
---@field retry_after? number nil: it said nothing

---@class tidegate.Attempt
---@field number integer from 1
---@field provider string its slug
---@field endpoint string its id
---@field model string its model's id
---@field elapsed number since the attempt began

---@class tidegate.Response
---@field status integer the provider's
---@field ttft? number to the first token; nil unknown
---@field duration? number of the whole attempt; nil unknown
---@field tokens integer of the answer
---@field prompt_tokens integer of the prompt
---@field cached_tokens integer of the prompt, from the provider's cache
---@field cost number of the attempt
---@field stream boolean it was a stream

---@class tidegate.Sandbox
---@field kv tidegate.Kv
---@field log fun(...: any) `(...)`: one line of the log, arguments joined as `print` does

---@class tidegate.Kv
---@field get fun(key: string): number|string|nil `(key)`: a number or a string; nil when there is none, or its time is over
---@field set fun(key: string, value: number|string|nil, ttl?: number) `(key, value [, ttl])`: a value for so many seconds, or as long as there is room; nil deletes
---@field incr fun(key: string, n?: number, ttl?: number): number `(key [, n [, ttl]])`: adds, 1 unless said otherwise, and gives the sum; the first sets the time

---@type tidegate.Sandbox
tidegate = {}
