--- The gateway inside OpenResty: nginx with lua-nginx-module.
--
--     init_by_lua_block        { require("tidegate.resty").init { config = "/etc/tidegate.lua" } }
--     init_worker_by_lua_block { require("tidegate.resty").init_worker() }
--     location /v1/ {
--       lua_check_client_abort on;
--       content_by_lua_block { require("tidegate.resty").proxy() }
--     }
--
-- The master reads the configuration and maps the figures that all workers share. Each worker has
-- an engine in a thread of its own, which listens on a socket file that nobody else can open;
-- requests go to it over cosockets, so that nothing here ever blocks the worker. docs/openresty.md
-- has it all.

require "tidegate.base.same_version"     -- before anything else can go wrong

local core     = require "tidegate.core"
local asking   = require "tidegate.resty.asking"
local load     = require "tidegate.app.load"
local metrics  = require "tidegate.api.metrics"
local plans    = require "tidegate.flow.plans"
local proxy    = require "tidegate.resty.proxy"
local requests = require "tidegate.flow.requests"
local worker   = require "tidegate.resty.worker"

local ngx = ngx

local resty = {}

-- States of each policy: one for the engine's thread, one for route().
local STATES = 2

local METRICS_MOST = 1000          -- endpoints

-- ---- life ----

-- Of the master and all that it forks.
local settings, labels

local OPTIONS = { config = "path or table", log = "string", sockets = "path" }
local LEVELS = { debug = true, info = true, warn = true, error = true, off = true }

local function check_options(options)
  if type(options) ~= "table" then error("init: a table of options expected, got " .. type(options), 3) end
  for name in pairs(options) do
    if not OPTIONS[name] then error("init: unknown option " .. tostring(name), 3) end
  end
  if type(options.config) ~= "string" and type(options.config) ~= "table" then
    error("init: config is missing: a path, or what such a file returns", 3)
  end
  if options.log ~= nil and not LEVELS[options.log] then
    error("init: log: debug, info, warn, error or off expected", 3)
  end
  if options.sockets ~= nil and type(options.sockets) ~= "string" then
    error("init: sockets: a directory expected, got " .. type(options.sockets), 3)
  end
end

-- As nginx does with the paths of its own configuration.
local function below_prefix(path)
  if type(path) ~= "string" or path:sub(1, 1) == "/" then return path end
  local prefix = ngx.config.prefix()
  return prefix .. (prefix:sub(-1) == "/" and "" or "/") .. path
end

--- In init_by_lua: read the configuration, its catalogues and policies. What is wrong with them is
-- raised with file:line, so that nginx does not start; at a reload it goes on with what it had.
-- @tparam table options
--   config   path of a configuration, relative to nginx's prefix, or what such a file returns; its
--            `listen`, `workers`, `watch` and `log` mean nothing here
--   log      what goes to nginx's error log: debug, info (a line per request), warn, error, off;
--            default warn
--   sockets  directory for the socket files, made when it is not there; default /tmp/tidegate-UID
function resty.init(options)
  check_options(options)
  core.log.level(options.log or "warn")
  asking.key = worker.random_name()
  local read, mistakes = load.all(below_prefix(options.config), {
    workers = STATES, listen = "unix:/nginx", keys = { { name = "nginx", key = asking.key } },
  })
  if not read then
    local words = {}
    for i, mistake in ipairs(mistakes) do words[i] = tostring(mistake) end
    error("tidegate: " .. table.concat(words, "\n"), 0)
  end
  settings, labels = read, metrics.labels(read.catalog)
  settings.sockets = below_prefix(options.sockets)
  for _, note in ipairs(read.notes) do ngx.log(ngx.WARN, "tidegate: ", note) end
end

--- In init_worker_by_lua: start this worker's engine. It ends with the worker.
function resty.init_worker()
  if not settings then error("tidegate: init() has not run: call it in init_by_lua", 2) end
  if not ngx.worker.id() then return end                -- the privileged agent serves nobody
  local ok, why = worker.start(settings)
  if not ok then error("tidegate: " .. why, 0) end
end

-- ---- serving ----

--- In content_by_lua: everything below /v1 and /api/v1, as `tidegate serve` answers it. Streams go
-- to the client as they come. ngx.ctx.tidegate has for log_by_lua: generation_id, status, is_stream,
-- first_byte (seconds), is_whole.
resty.proxy = proxy

--- In balancer_by_lua of an upstream that a location passes to: the same with nginx's own proxy,
-- which costs less and leaves nothing in ngx.ctx.
function resty.balancer()
  local address, why = worker.address()
  local ok
  if address then ok, why = require("ngx.balancer").set_current_peer(address) end
  if ok then return end
  ngx.log(ngx.ERR, "tidegate: ", why)
  ngx.exit(502)
end

-- ---- asking from Lua ----

--- Whole answers, and streams as deltas; the worker serves others meanwhile. See resty/asking.lua.
resty.chat, resty.stream = asking.chat, asking.stream

-- ---- deciding alone ----

local function configured(level)
  if not settings then error("tidegate: init() has not run: call it in init_by_lua", level + 1) end
  return settings
end

--- The decision for a request, without asking anybody: microseconds, no I/O.
-- @tparam table|string request
-- @tparam ?table options  `seed`, `policy`, `api`
-- @treturn ?table  the endpoints in the order to try, `dropped` with the reasons, and request(i):
--   url, headers and body of what the i-th would be sent
-- @treturn ?error
function resty.route(request, options)
  return plans.route(configured(2).snapshot, requests.text(request, nil, 2), options)
end

--- Tell how it went, where nginx asked the provider itself: the windows, breakers and holds that all
-- workers look at.
-- @tparam table endpoint  one of a plan's
-- @tparam table report  { status, ttft_ms, tokens, duration_ms, retry_after_ms, cached_tokens }; without
--   a status it never answered
function resty.report(endpoint, report)
  plans.report(endpoint, report, 2)
end

-- ---- figures ----

local YIELDING = { rewrite = true, access = true, content = true, timer = true }

local function pause() ngx.sleep(0) end

--- What all workers know of the endpoints, in Prometheus' text format.
function resty.metrics()
  return metrics.text(configured(2).catalog, labels, METRICS_MOST, YIELDING[ngx.get_phase()] and pause)
end

return resty
