--- What is compared: how each is configured, started and asked.
--
-- All of them relay POST /v1/chat/completions to the same upstream, by plain
-- HTTP/1.1 with connections kept open, one worker each, and log every request
-- to a file.

local process = require "bench.process"

local contenders = {}

local PROVIDERS, MODELS = 8, 500
local KEYS = 100

-- ---- nginx ----

local NGINX = [[
%s
worker_processes 1;
worker_rlimit_nofile 20000;
pid $DIR/nginx.pid;
error_log $DIR/error.log warn;
daemon off;
events { worker_connections 19000; multi_accept on; }
http {
  client_body_temp_path $DIR/body; proxy_temp_path $DIR/proxy; fastcgi_temp_path $DIR/fastcgi;
  uwsgi_temp_path $DIR/uwsgi; scgi_temp_path $DIR/scgi;
  access_log $DIR/requests.log combined buffer=64k flush=1s;
  keepalive_requests 100000000; keepalive_timeout 600s;
  client_body_buffer_size 64k; client_max_body_size 32m;
  tcp_nodelay on;
%s
  server {
    listen 127.0.0.1:$LISTEN backlog=4096;
    location / {
%s
    }
  }
}
]]

--- What a location says that passes all on to the servers named `providers`.
contenders.PASS = [[
      proxy_pass http://providers;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;]]

--- Loads the Lua module, as Debian installs it.
contenders.LUA_MODULES = [[
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;]]

--- nginx that passes all on to one server, an address that may name $UPSTREAM or $DIR.
function contenders.passing(server)
  return { "", ("  upstream providers { server %s; keepalive 1024; keepalive_requests 100000000; }"):format(server), contenders.PASS }
end

-- The least that a router in nginx does: read the body, decode it, look up the
-- model, pick one of its providers.
local NGINX_LUA = { contenders.LUA_MODULES, [[
  lua_package_cpath "/usr/lib/x86_64-linux-gnu/lua/5.1/?.so;/usr/lib/aarch64-linux-gnu/lua/5.1/?.so;;";
  init_by_lua_block {
    cjson = require "cjson"
    models = { ["bench/model"] = {} }
    for i = 1, 8 do models["bench/model"][i] = { host = "127.0.0.1", port = $UPSTREAM } end
  }
  upstream providers {
    server 0.0.0.1;
    balancer_by_lua_block {
      local p = ngx.ctx.provider
      assert(require("ngx.balancer").set_current_peer(p.host, p.port))
    }
    keepalive 1024; keepalive_requests 100000000;
  }]], [[
      access_by_lua_block {
        ngx.req.read_body()
        local ok, body = pcall(cjson.decode, ngx.req.get_body_data())
        local providers = ok and models[body.model]
        if not providers then return ngx.exit(400) end
        ngx.ctx.provider = providers[math.random(#providers)]
      }
]] .. contenders.PASS }

local function nginx_config(parts, place)
  local text = NGINX:format(parts[1], parts[2], parts[3])
  text = text:gsub("%$(%u+)", { DIR = place.dir, LISTEN = place.port, UPSTREAM = place.upstream,
                                ROOT = place.root, BUILD = place.build, GATE = place.gate })
  return (place.is_root and "user root;\n" or "") .. text
end

--- What prepares nginx at a place: parts are its modules, what is said for http, and its location's.
function contenders.nginx(parts)
  return function(place)
    os.execute("mkdir -p " .. place.dir)
    process.write(place.dir .. "/nginx.conf", nginx_config(parts, place))
    return ("nginx -p %s -c %s/nginx.conf"):format(place.dir, place.dir)
  end
end

-- ---- tidegate ----

local function endpoint(provider, cents)
  return ('{"provider":"bench-%d","upstream_model":"upstream-%d",'
    .. '"pricing":{"prompt":"0.0000%02d","completion":"0.0000%02d"}}'):format(provider, provider, cents, cents * 3)
end

-- MODELS models; the first has an endpoint at every provider, the others at four.
local function catalog()
  local models = {}
  for m = 1, MODELS do
    local endpoints = {}
    for e = 1, m == 1 and PROVIDERS or 4 do endpoints[e] = endpoint((m + e) % PROVIDERS + 1, 10 + e) end
    local id = m == 1 and "bench/model" or ("author-%d/model-%d"):format(m % 40, m)
    models[m] = ('{"id":"%s","name":"Model %d","created":1760000000,"context_length":1000000,\n'
      .. '"description":"%s","architecture":{"input_modalities":["text"],"output_modalities":["text"]},\n'
      .. '"endpoints":[%s]}'):format(id, m, ("What it is good for. "):rep(20), table.concat(endpoints, ",\n"))
  end
  return '{"data":[' .. table.concat(models, ",\n") .. "]}"
end

local TIDEGATE = [[
local providers, keys = {}, {}
for i = 1, %d do
  providers[i] = { slug = "bench-" .. i, base_url = "%s", key = "sk-provider-" .. i,
                   data_collection = "deny", zdr = true }
end
for i = 1, %d do keys[i] = { name = "key-" .. i, key = ("sk-tg-v1-%%064d"):format(i) } end
return { listen = "127.0.0.1:%d", workers = %d, auth = "%s", keys = keys, log = "info",
         providers = providers, catalog = "catalog.json", %s }
]]

local function tidegate(auth, workers, more)
  return function(place)
    local url = place.tls and ("https://localhost:%d/v1"):format(place.tls)
      or ("http://127.0.0.1:%d/v1"):format(place.upstream)
    os.execute("mkdir -p " .. place.dir)
    process.write(place.dir .. "/catalog.json", catalog())
    process.write(place.dir .. "/tidegate.lua", TIDEGATE:format(PROVIDERS, url, KEYS, place.port, workers or 1,
      auth, more or ""))
    return ("%s/tidegate serve %s/tidegate.lua"):format(place.build, place.dir)
  end
end

-- ---- Portkey ----

local function portkey(place)
  os.execute("mkdir -p " .. place.dir)
  return ("env NODE_ENV=production node %s/bench/portkey/node_modules/@portkey-ai/gateway/build/start-server.js "
    .. "--headless --port=%d"):format(place.build, place.port)
end

local function portkey_headers(place)
  return { "x-portkey-provider: openai", "Authorization: Bearer sk-bench",
           ("x-portkey-custom-host: http://127.0.0.1:%d/v1"):format(place.upstream) }
end

local function no_headers() return {} end

local function last_key() return { ("Authorization: Bearer sk-tg-v1-%064d"):format(KEYS) } end

contenders.all = {
  { id = "nginx",    name = "nginx",         prepare = contenders.nginx(contenders.passing "127.0.0.1:$UPSTREAM"), headers = no_headers },
  { id = "lua",      name = "nginx + Lua",   prepare = contenders.nginx(NGINX_LUA), headers = no_headers },
  { id = "portkey",  name = "Portkey",       prepare = portkey,            headers = portkey_headers },
  { id = "tidegate", name = "tidegate",      prepare = tidegate "none",    headers = no_headers },
  { id = "keys",     name = "tidegate, keys", prepare = tidegate "keys",   headers = last_key },
}

--- Tidegate once more, with lines of its own in the configuration.
function contenders.configured(id, name, more, workers)
  return { id = id, name = name, prepare = tidegate("none", workers, more), headers = no_headers }
end

--- A TLS end in front of the upstream, for memory per stream over TLS.
function contenders.tls_config(place)
  return (place.is_root and "user root;\n" or "") .. ([[
worker_processes 1;
worker_rlimit_nofile 20000;
pid $DIR/nginx.pid;
error_log $DIR/error.log warn;
daemon off;
events { worker_connections 19000; }
http {
  client_body_temp_path $DIR/body; proxy_temp_path $DIR/proxy; fastcgi_temp_path $DIR/fastcgi;
  uwsgi_temp_path $DIR/uwsgi; scgi_temp_path $DIR/scgi;
  access_log off;
  keepalive_requests 100000000;
  upstream provider { server 127.0.0.1:$UPSTREAM; keepalive 1024; }
  server {
    listen 127.0.0.1:$LISTEN ssl backlog=4096;
    ssl_certificate $DIR/cert.pem; ssl_certificate_key $DIR/key.pem;
    location / {
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 600s;
    }
  }
}
]]):gsub("%$(%u+)", { DIR = place.dir, LISTEN = place.port, UPSTREAM = place.upstream })
end

return contenders
