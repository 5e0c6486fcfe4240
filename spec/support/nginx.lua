--- A real nginx with the gateway in it, for specs; inside net.run.
--
--     local n = nginx.start { providers = { a = port_a }, workers = 2, locations = "..." }
--     ... http.post(n.port, "/v1/chat/completions", body) ...
--     n:stop()                 asserts that it ended well
--
-- The module is the plain build's: a sanitizer would have to be in nginx from its start.

local net     = require("tidegate.core").net
local gateway = require "gateway"
local http    = require "http"
local process = require "process"

local nginx = {}
local Nginx = {}
Nginx.__index = Nginx

local MODULES = "/usr/lib/nginx/modules/"
local BUILD = os.getenv "BUILD" or "build"

local function exists(path)
  local f = io.open(path)
  if f then f:close() end
  return f ~= nil
end

local function output(command)
  local p = io.popen(command)
  local text = p:read "*a"
  p:close()
  return (text:gsub("%s+$", ""))
end
nginx.output = output

--- What is missing; nil when nothing is.
function nginx.missing()
  if output "command -v nginx" == "" then return "nginx" end
  if not exists(MODULES .. "ngx_http_lua_module.so") then return "libnginx-mod-http-lua" end
  if not exists "/usr/share/lua/5.1/resty/core.lua" then return "lua-resty-core" end
end

--- Is this root, who may let workers act as somebody else?
function nginx.is_root()
  return output "id -u" == "0"
end

local HEAD = [[
daemon off;
worker_processes $WORKERS;
worker_rlimit_nofile 16384;
pid $DIR/nginx.pid;
error_log $DIR/error.log notice;
$MAIN
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path $DIR/body;
  proxy_temp_path $DIR/proxy;
  fastcgi_temp_path $DIR/fastcgi;
  uwsgi_temp_path $DIR/uwsgi;
  scgi_temp_path $DIR/scgi;
  client_max_body_size 64m;
]]

local WITH_LUA = [[
  lua_package_path "$ROOT/lua/?.lua;$ROOT/lua/?/init.lua;;";
  lua_package_cpath "$ROOT/$BUILD/lua/?.so;;";
  lua_check_client_abort on;
  $HTTP
  init_by_lua_block { require("tidegate.resty").init { $INIT } }
  init_worker_by_lua_block { require("tidegate.resty").init_worker() }
  server {
    listen 127.0.0.1:$PORT backlog=4096;
    location /v1/     { content_by_lua_block { require("tidegate.resty").proxy() } }
    location /api/v1/ { content_by_lua_block { require("tidegate.resty").proxy() } }
    location = /ping  { content_by_lua_block { ngx.say(ngx.worker.pid()) } }
    location = /metrics { content_by_lua_block { ngx.print(require("tidegate.resty").metrics()) } }
    $LOCATIONS
  }
}
]]

local WITHOUT_LUA = [[
  $HTTP
  server {
    listen 127.0.0.1:$PORT backlog=4096;
    $LOCATIONS
  }
}
]]

local LOAD = ("load_module %sndk_http_module.so;\nload_module %sngx_http_lua_module.so;\n"):format(MODULES, MODULES)

local function filled(text, values)
  local before
  repeat
    before = text
    text = text:gsub("%$(%u+)", values)
  until text == before
  return text
end

-- The configuration of the gateway, written beside nginx's.
local function write_gateway(dir, options)
  local slugs, providers = {}, {}
  for slug in pairs(options.providers) do slugs[#slugs + 1] = slug end
  table.sort(slugs)
  for i, slug in ipairs(slugs) do
    providers[i] = { slug = slug, name = "Provider " .. slug:upper(), key = "key-of-" .. slug,
                     base_url = ("http://127.0.0.1:%d/v1"):format(options.providers[slug]) }
  end
  local config = { auth = "none", catalog = { "catalog.json" }, providers = providers }
  for name, value in pairs(options.config or {}) do config[name] = value end
  gateway.write(dir .. "/catalog.json", gateway.catalog(slugs, options.endpoints, options.models))
  gateway.write(dir .. "/tidegate.lua", "return " .. gateway.show(config) .. "\n")
  for path, text in pairs(options.files or {}) do gateway.write(dir .. "/" .. path, text) end
end

local function write_all(options)
  local dir = gateway.temp_dir()
  if options.providers then write_gateway(dir, options) end
  local values = {
    DIR = dir, ROOT = output "pwd", BUILD = BUILD, PORT = tostring(options.port or process.free_port()),
    WORKERS = tostring(options.workers or 2), HTTP = options.http or "", LOCATIONS = options.locations or "",
    MAIN = (options.main or "") .. (nginx.is_root() and not (options.main or ""):find "user " and "user root;" or ""),
    INIT = options.init or 'config = "tidegate.lua", sockets = "$DIR/sockets"',
  }
  local text = options.is_plain and HEAD .. WITHOUT_LUA or LOAD .. HEAD .. WITH_LUA
  gateway.write(dir .. "/nginx.conf", filled(text, values))
  return dir, tonumber(values.PORT)
end

--- Start it.
-- @tparam table options
--   providers   slug -> port
--   config, endpoints, models, files   as for gateway.start()
--   workers     of nginx, default 2
--   init        what init() is given, as source text
--   http, locations, main   further directives; $DIR, $PORT, $ROOT are filled in
--   is_plain    without the module
function nginx.start(options)
  local dir, port = write_all(options)
  local self = setmetatable({ dir = dir, port = port, count = options.workers or 2 }, Nginx)
  self.process = process.start { "nginx", "-p", dir, "-c", dir .. "/nginx.conf" }
  local by = net.now() + 10
  repeat
    net.sleep(0.02)
    local conn = net.connect("127.0.0.1", port)
    if conn then
      conn:close()
      if not options.is_plain then self:wait_for_engines() end
      return self
    end
  until net.now() > by or not self.process:read(0) and self.process.status
  self.process:stop()
  local said = self.process.printed .. self:log()
  os.execute("rm -rf " .. dir)
  error("nginx did not start:\n" .. said, 2)
end

-- Until each worker has a thread beside its own; one whose init_worker() fails never has.
function Nginx:wait_for_engines()
  local by = net.now() + 2
  repeat
    local count = 0
    for _, pid in ipairs(self:workers()) do
      if tonumber(output("ls /proc/" .. pid .. "/task 2>/dev/null | wc -l")) > 1 then count = count + 1 end
    end
    if count == self.count then return end
    net.sleep(0.02)
  until net.now() > by
end

--- Its status and words when it is not to start.
function nginx.refuses(options)
  local dir = write_all(options)
  local status, words = process.run({ "nginx", "-p", dir, "-c", dir .. "/nginx.conf" }, nil, 10)
  local f = io.open(dir .. "/error.log")
  if f then
    words = words .. f:read "*a"
    f:close()
  end
  os.execute("rm -rf " .. dir)
  return status, words, dir
end

function Nginx:log()
  local f = io.open(self.dir .. "/error.log")
  if not f then return "" end
  local text = f:read "*a"
  f:close()
  return text
end

--- The numbers of its workers, those that are about to end too.
function Nginx:workers()
  local list = {}
  for pid in output("pgrep -P " .. self.process.pid):gmatch "%d+" do list[#list + 1] = tonumber(pid) end
  return list
end

function Nginx:signal(name)
  os.execute(("kill -%s %d"):format(name, self.process.pid))
end

--- Wait until a condition holds.
function nginx.wait(seconds, holds, what)
  local by = net.now() + seconds
  while not holds() do
    if net.now() > by then error((what or "it") .. " did not come true within " .. seconds .. " s", 2) end
    net.sleep(0.01)
  end
end

local function set(list)
  local is = {}
  for _, value in ipairs(list) do is[value] = true end
  return is
end

--- Reload, and wait for new workers to serve; gives the old ones.
function Nginx:reload()
  local old = self:workers()
  local is_old = set(old)
  self:signal "HUP"
  nginx.wait(10, function()
    local fresh = 0
    for _, pid in ipairs(self:workers()) do
      if not is_old[pid] then fresh = fresh + 1 end
    end
    return fresh == self.count
  end, "new workers")
  -- Until no old one takes connections any more.
  nginx.wait(10, function()
    for _ = 1, 8 do
      if is_old[self:ping()] then return false end
    end
    return true
  end, "the end of the old ones")
  return old
end

--- Who answers now.
function Nginx:ping()
  return tonumber(http.get(self.port, "/ping").body)
end

function nginx.is_alive(pid)
  return exists("/proc/" .. pid .. "/stat")
end

--- Kilobytes of memory that a process holds now.
function nginx.rss_kb(pid)
  local f = assert(io.open("/proc/" .. pid .. "/status"))
  local text = f:read "*a"
  f:close()
  return tonumber(text:match "VmRSS:%s*(%d+)")
end

--- The socket files of its workers.
function Nginx:sockets()
  local list = {}
  for name in output("ls " .. self.dir .. "/sockets 2>/dev/null"):gmatch "[^\n]+" do list[#list + 1] = name end
  return list
end

--- End it gently; it must end with 0, and none of its processes by accident.
function Nginx:stop()
  self:signal "QUIT"
  local status = self.process:wait(15)
  if not status then self.process:stop() end
  local log = self:log()
  os.execute("rm -rf " .. self.dir)
  if status ~= 0 then error("nginx ended with " .. tostring(status) .. ":\n" .. log, 2) end
  local accident = log:match "exited on signal[^\n]*"
  if accident and not self.may_be_killed then error("a worker " .. accident .. "\n" .. log, 2) end
end

return nginx
