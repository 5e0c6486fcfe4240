---@meta

-- What a program requires, for an editor's completion and checks. Written by hand; what policies and
-- configurations may say is in policy.lua and config.lua, which the program prints.

---@class tidegate
---@field version string
local tidegate = {}

---@param options tidegate.client.Options
---@return tidegate.Client?
---@return tidegate.client.Error?
function tidegate.client(options) end

-- ---- tidegate.client: docs/lua/client.md ----

---@class tidegate.client.Options
---@field config string|tidegate.Config a path, or what such a file returns
---@field loop? tidegate.client.Loop one of tidegate.loop.*; default tidegate.loop.poll
---@field log? "debug"|"info"|"warn"|"error"|"off" what is written to stderr; default "off"

---@class tidegate.client.Loop
---@field start fun(client: tidegate.Client) requests are on their way
---@field stop fun(client: tidegate.Client) none is any more
---@field gate fun(client: tidegate.Client): tidegate.client.Gate

---@class tidegate.client.Gate
---@field wait fun(self: tidegate.client.Gate): boolean? false: the wait was interrupted
---@field open fun(self: tidegate.client.Gate)

---@class tidegate.client.Request as the body of a chat request; other members go on as they are
---@field model? string
---@field models? string[]
---@field messages? table[]
---@field provider? tidegate.Data
---@field policy? string
---@field tools? table[]
---@field max_tokens? integer
---@field temperature? number
---@field session_id? string
---@field [string] any

---@class tidegate.client.AskOptions
---@field headers? table<string, string> as a request's header would have them
---@field api? "chat"|"completions"|"embeddings"|"rerank" default "chat"

---@class tidegate.client.Usage
---@field prompt_tokens integer
---@field completion_tokens integer
---@field total_tokens integer
---@field cost number USD
---@field [string] any

---@class tidegate.client.ToolCall
---@field id string
---@field type "function"
---@field function { name: string, arguments: string }

---@class tidegate.client.Result
---@field text string
---@field reasoning? string
---@field tool_calls? tidegate.client.ToolCall[]
---@field finish_reason? string
---@field id string
---@field model string
---@field provider string
---@field usage? tidegate.client.Usage
---@field [string] any of a whole answer, all else that it has

---@class tidegate.client.Delta
---@field text string may be empty
---@field reasoning? string
---@field tool_calls? table[] pieces
---@field finish_reason? string
---@field usage? tidegate.client.Usage
---@field index integer of its choice, from 0
---@field raw table the decoded event
---@field error? tidegate.client.Error the last one of a stream that broke

---@class tidegate.client.Error
---@field code string short and stable
---@field message string
---@field status? integer
---@field attempts? { provider: string, code: string, status: integer }[]
---@field retry_after? integer seconds
---@field partial? tidegate.client.Result what came of a stream
---@field body? table
---@field dropped? tidegate.client.Dropped[] of route()

---@class tidegate.client.Handle
---@field is_over boolean
---@field result? tidegate.client.Result
---@field err? tidegate.client.Error
local Handle = {}

function Handle:cancel() end

---@class tidegate.client.Callbacks : tidegate.client.AskOptions
---@field on_delta? fun(delta: tidegate.client.Delta, handle: tidegate.client.Handle) makes it a stream
---@field on_done? fun(result?: tidegate.client.Result, err?: tidegate.client.Error, handle: tidegate.client.Handle)

---@class tidegate.client.Endpoint
---@field endpoint string its tag
---@field provider string slug
---@field name string
---@field model string
---@field upstream_model string
---@field url string
---@field score number
---@field place string

---@class tidegate.client.Dropped
---@field endpoint string
---@field provider string
---@field model string
---@field reason string
---@field why string
---@field detail string

---@class tidegate.client.Plan
---@field [integer] tidegate.client.Endpoint
---@field dropped tidegate.client.Dropped[]
---@field request fun(i: integer): string, table<string, string>, string url, header fields, body

---@class tidegate.client.RouteOptions
---@field seed? number
---@field policy? string
---@field api? "chat"|"completions"|"embeddings"|"rerank"

---@class tidegate.client.Report
---@field status? integer HTTP; absent: it never answered
---@field ttft_ms? number
---@field duration_ms? number
---@field tokens? integer
---@field retry_after_ms? number
---@field cached_tokens? integer

---@class tidegate.client.Model
---@field id string
---@field name string
---@field context_length integer
---@field endpoints integer

---@class tidegate.Client
local Client = {}

---@param request tidegate.client.Request|string
---@param options? tidegate.client.AskOptions
---@return tidegate.client.Result?
---@return tidegate.client.Error?
function Client:chat(request, options) end

---@param request tidegate.client.Request|string
---@param options? tidegate.client.AskOptions
---@return fun(): tidegate.client.Delta?, tidegate.client.Error?
---@return tidegate.client.Handle
function Client:stream(request, options) end

---@param request tidegate.client.Request|string
---@param callbacks? tidegate.client.Callbacks
---@return tidegate.client.Handle?
---@return tidegate.client.Error?
function Client:chat_async(request, callbacks) end

---@param seconds? number default 0; below 0: as long as it takes
---@return integer events
function Client:poll(seconds) end

---@return integer?
---@return tidegate.client.Error?
function Client:fd() end

---@param request tidegate.client.Request|string
---@param options? tidegate.client.RouteOptions
---@return tidegate.client.Plan?
---@return tidegate.client.Error?
function Client:route(request, options) end

---@param endpoint tidegate.client.Endpoint
---@param report tidegate.client.Report
---@return tidegate.Client
function Client:report(endpoint, report) end

---@return tidegate.client.Model[]
function Client:models() end

---@return tidegate.Client?
---@return tidegate.client.Error?
function Client:reload() end

function Client:close() end

-- ---- tidegate.testing: docs/lua/testing.md ----

---@class tidegate.testing
---@field kv tidegate.testing.Kv
local testing = {}

---@class tidegate.testing.Kv : tidegate.Kv
---@field clear fun()

---@class tidegate.testing.Policy
---@field name? string
---@field path string
local Policy = {}

---@class tidegate.testing.Ranked
---@field id string
---@field model string
---@field place string
---@field base number
---@field score number

---@param request? table
---@param endpoints table[]
---@return string[] ids in the order to try
---@return table<string, string> dropped id to reason
---@return tidegate.testing.Ranked[]
function Policy:rank(request, endpoints) end

---@param err? table
---@param attempt? table
---@param request? table
---@return "next"|"retry"|"stop"|nil
function Policy:on_error(err, attempt, request) end

---@param response? table
---@param attempt? table
---@param request? table
function Policy:on_response(response, attempt, request) end

---@param path string
---@param options? { text: string?, backend: table? }
---@return tidegate.testing.Policy
function testing.load(path, options) end

---@param fields table
---@return tidegate.Endpoint
function testing.endpoint(fields) end

---@param fields table
---@return tidegate.Request
function testing.request(fields) end

---@param seconds? number Unix
---@return number
function testing.now(seconds) end

---@return string[]
function testing.logged() end

function testing.reset() end

-- ---- tidegate.resty: inside nginx ----

---@class tidegate.resty
local resty = {}

---@class tidegate.resty.Options
---@field config string|tidegate.Config
---@field log? "debug"|"info"|"warn"|"error"|"off" default "warn"
---@field sockets? string directory of the socket files

---@class tidegate.resty.Stream
---@field is_over boolean
---@field result? tidegate.client.Result
---@field err? tidegate.client.Error
local Stream = {}

function Stream:cancel() end

---@param options tidegate.resty.Options
function resty.init(options) end

function resty.init_worker() end

function resty.proxy() end

function resty.balancer() end

---@param request tidegate.client.Request|string
---@param options? tidegate.client.AskOptions
---@return tidegate.client.Result?
---@return tidegate.client.Error?
function resty.chat(request, options) end

---@param request tidegate.client.Request|string
---@param options? tidegate.client.AskOptions
---@return fun(): tidegate.client.Delta?, tidegate.client.Error?
---@return tidegate.resty.Stream
function resty.stream(request, options) end

---@param request tidegate.client.Request|string
---@param options? tidegate.client.RouteOptions
---@return tidegate.client.Plan?
---@return tidegate.client.Error?
function resty.route(request, options) end

---@param endpoint tidegate.client.Endpoint
---@param report tidegate.client.Report
function resty.report(endpoint, report) end

---@return string metrics Prometheus' text format
function resty.metrics() end

return tidegate
