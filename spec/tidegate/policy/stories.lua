-- What policies do, as a table of { title, text, check(p, t) }, and how to tell one: in plain Lua by
-- spec/tidegate/testing_spec.lua, in the gateway's sandbox by spec/tidegate/app/policy_backend_spec.lua.

local assert = require "luassert"

local function endpoints(t, ...)
  local list = {}
  for i, id in ipairs { ... } do list[i] = t.endpoint { id = id, price = { prompt = i, completion = i } } end
  return list
end

local function ranked(p, t, request)
  return (p:rank(request, endpoints(t, "a", "b", "c")))
end

local function failure(p, t, request)
  local ok, why = pcall(p.rank, p, request, endpoints(t, "a", "b", "c"))
  assert.is_false(ok)
  return why
end

-- A file beside the policy is a file, whatever else is not.
local function with_beside(text, fn)
  local path = os.tmpname()
  local file = assert(io.open(path .. ".lua", "w"))
  file:write("return { minus = function(n) return -n end }")
  file:close()
  local p = fn(path, (text:gsub("BESIDE", path:match("[^/]*$"))))
  os.remove(path)
  os.remove(path .. ".lua")
  return p
end

-- Load the policy with that backend, and check what it does.
local function tell(story, t, backend)
  local function load(path, text) return t.load(path, { text = text, backend = backend }) end
  local text = story[2]
  story[3](text:find("BESIDE", 1, true) and with_beside(text, load) or load("p.lua", text), t)
end

return {
  tell = tell,

  { "data alone ranks", "return { data = { sort = 'price', ignore = { 'b' } } }", function(p, t)
    local ids, dropped = p:rank(nil, endpoints(t, "a", "b", "c"))
    assert.same({ "a", "c" }, ids)
    assert.same({ b = "ignore" }, dropped)
  end },

  { "a policy that says nothing ranks by price", "return {}", function(p, t)
    assert.same({ "a", "b", "c" }, ranked(p, t))
  end },

  { "filter drops with its own words, or with none", [[
return { filter = function(endpoint)
  if endpoint.id == "a" then return false, "not today" end
  return endpoint.id ~= "b"
end }]], function(p, t)
    local ids, dropped = p:rank(nil, endpoints(t, "a", "b", "c"))
    assert.same({ "c" }, ids)
    assert.same({ a = "not today", b = "policy" }, dropped)
  end },

  { "filter that gives nil drops, and one that gives nothing at all keeps", [[
return { filter = function(endpoint)
  if endpoint.id == "a" then return nil end
  if endpoint.id == "b" then return endpoint.supports.nothing end
end }]], function(p, t)
    assert.same({ "c" }, ranked(p, t))
  end },

  { "score gets the base and orders by what it gives", "return { score = function(e, r, base) return -base end }",
    function(p, t)
      local ids, _, details = p:rank(nil, endpoints(t, "a", "b", "c"))
      assert.same({ "c", "b", "a" }, ids)
      assert.same({ id = "c", model = "test/model", place = "sorted", base = 3, score = -3 }, details[1])
    end },

  { "equal scores leave the order as it was", "return { score = function() return 1 end }", function(p, t)
    assert.same({ "a", "b", "c" }, ranked(p, t))
  end },

  { "order puts some first and leaves the others behind", "return { order = function() return { 3 } end }", function(p, t)
    assert.same({ "c", "a", "b" }, ranked(p, t))
  end },

  { "order that gives nil changes nothing", "return { order = function() end }", function(p, t)
    assert.same({ "a", "b", "c" }, ranked(p, t))
  end },

  { "order may sort its list, and its places are those it was given", [[
return { order = function(endpoints)
  table.sort(endpoints, function(a, b) return a.id > b.id end)
  return { #endpoints }
end }]], function(p, t)
    assert.same({ "c", "a", "b" }, ranked(p, t))
  end },

  { "hooks see all that the request says", [[
return { filter = function(endpoint, request)
  return false, table.concat({ request.model, #request.models, request.models[2], tostring(request.stream),
    request.messages_count, request.prompt_tokens, tostring(request.max_tokens), tostring(request.tools),
    tostring(request.session_id), request.key.name or "nobody", request.metadata.team, request.headers["x-app"],
    tostring(request.headers.authorization), request.now }, " ")
end }]], function(p, t)
    t.now(1700000000)
    local _, dropped = p:rank({ model = "a/b:nitro", models = { "c/d" }, stream = true, tools = true, max_tokens = 7,
      metadata = { team = "red" }, headers = { ["X-App"] = "1", Authorization = "secret" } },
      { t.endpoint { id = "x", model = "a/b" } })
    assert.equal("a/b 2 c/d true 1 100 7 true nil nobody red 1 nil 1700000000", dropped.x)
  end },

  { "hooks see all that an endpoint is", [[
return { filter = function(e)
  return false, table.concat({ e.provider, e.model, e.price.prompt, e.price.cache_read, e.latency.p50, e.latency.p99,
    e.throughput.p90, e.samples, e.uptime_5m, e.quantization, e.context_length, tostring(e.supports.tools),
    e.data_collection, tostring(e.zdr), tostring(e.region), e.in_flight, e.breaker, e.tool_calls.valid,
    tostring(e.held) }, " ")
end }]], function(p, t)
    local _, dropped = p:rank(nil, { t.endpoint { id = "x/turbo", model = "a/b", price = { prompt = 0.5 }, latency = { p50 = 2, p99 = 4 },
      throughput = 20, uptime_5m = 0.5, quantization = "fp8", region = "eu", in_flight = 3, held = true } })
    assert.equal("x a/b 0.5 0.5 2 4 20 100 0.5 fp8 131072 true deny true eu 3 closed 1 nil", dropped["x/turbo"])
  end },

  { "what hooks are given can be walked over like tables", [[
return { filter = function(e, r)
  local names, models = {}, {}
  for name in pairs(e.price) do names[#names + 1] = name end
  for i, model in ipairs(r.models) do models[i] = model end
  table.sort(names)
  return false, type(e) .. #r.models .. table.concat(names, " ") .. table.concat(models, " ") .. type(next(e.latency))
end }]], function(p, t)
    local _, dropped = p:rank({ model = "a/b", models = { "c/d" } }, { t.endpoint { id = "x" } })
    assert.equal("table2cache_read cache_write completion image prompt requesta/b c/dstring", dropped.x)
  end },

  { "an endpoint cannot be written", "return {\n\n filter = function(e) e.id = 'z' end }", function(p, t)
    assert.equal("p.lua:3: filter: attempt to write field 'id' of a read-only table", failure(p, t))
  end },

  { "a price cannot be written", "return {\n filter = function(e) e.price.prompt = 0 end }", function(p, t)
    assert.equal("p.lua:2: filter: attempt to write field 'prompt' of a read-only table", failure(p, t))
  end },

  { "a request cannot be written", "return {\n filter = function(e, r) r.model = 'z' end }", function(p, t)
    assert.equal("p.lua:2: filter: attempt to write field 'model' of a read-only table", failure(p, t))
  end },

  { "a request's lists cannot be written", "return {\n filter = function(e, r) table.insert(r.models, 'z') end }", function(p, t)
    assert.equal("p.lua:2: filter: attempt to write to a read-only table", failure(p, t))
  end },

  { "request.hash is a whole number, the same for the same string", [[
return { filter = function(e, r)
  local h = r.hash("alice")
  return false, tostring(h == r.hash("alice") and h ~= r.hash("bob") and h >= 0 and h < 2 ^ 53 and h % 1 == 0)
end }]], function(p, t)
    assert.equal("true", select(2, p:rank(nil, { t.endpoint { id = "x" } })).x)
  end },

  { "request.hash spreads", [[
local seen, users = {}, 0
return { filter = function(e, r)
  for _ = 1, 25 do
    users = users + 1
    local bucket = r.hash("user-" .. users) % 10
    seen[bucket] = (seen[bucket] or 0) + 1
  end
  for i = 0, users == 1000 and 9 or -1 do
    if (seen[i] or 0) < 60 or seen[i] > 140 then return false, i .. " has " .. tostring(seen[i]) end
  end
end }]], function(p, t)
    for _ = 1, 40 do assert.same({ "x" }, (p:rank(nil, { t.endpoint { id = "x" } }))) end
  end },

  { "request.random gives the same for the same seed, and so does math.random", [[
return { filter = function(e, r)
  local a, b, c = r.random(), r.random(6), math.random(3, 4)
  return false, a >= 0 and a < 1 and b >= 1 and b <= 6 and c >= 3 and c <= 4 and a .. " " .. b .. " " .. c
end }]], function(p, t)
    local function draw(seed) return select(2, p:rank({ seed = seed }, { t.endpoint { id = "x" } })).x end
    local first = draw(1)
    assert.equal(first, draw(1))
    assert.are_not.equal(first, draw(2))
    assert.are_not.equal("policy", first)
  end },

  { "kv remembers from one call to the next, and the test sees it", [[
return { filter = function(e)
  if tidegate.kv.get("banned:" .. e.id) then return false, "banned" end
  return tidegate.kv.incr("seen") > 0
end }]], function(p, t)
    t.kv.set("banned:b", "yes")
    local ids, dropped = p:rank(nil, endpoints(t, "a", "b", "c"))
    assert.same({ "a", "c" }, ids)
    assert.same({ b = "banned" }, dropped)
    assert.equal(2, t.kv.get "seen")
  end },

  { "kv forgets at the end of the time", [[
return { on_error = function(err, attempt)
  tidegate.kv.set("down:" .. attempt.endpoint, 1, 30)
end, filter = function(e) return not tidegate.kv.get("down:" .. e.id) end }]], function(p, t)
    t.now(1000)
    p:on_error({}, { endpoint = "b" })
    assert.same({ "a", "c" }, ranked(p, t))
    t.now(1029.9)
    assert.same({ "a", "c" }, ranked(p, t))
    t.now(1030)
    assert.same({ "a", "b", "c" }, ranked(p, t))
  end },

  { "kv deletes what is set to nil", "return { on_response = function() tidegate.kv.set('x', nil) end }", function(p, t)
    t.kv.set("x", 1)
    p:on_response()
    assert.is_nil(t.kv.get "x")
  end },

  { "kv refuses what it cannot keep, at the policy's line", "return {\n on_response = function()\ntidegate.kv.set('x', 0 / 0)\nend }",
    function(p)
      local ok, why = pcall(p.on_response, p)
      assert.is_false(ok)
      assert.equal("p.lua:3: on_response: tidegate.kv.set: a finite number, a string or nil expected", why)
    end },

  { "log joins its arguments as print does", "return { on_response = function() tidegate.log('a', 1, nil, true, {}) end }", function(p, t)
    p:on_response()
    assert.same({ "a\t1\tnil\ttrue\ttable" }, t.logged())
  end },

  { "what was logged before a failure is there", "return { on_response = function() tidegate.log('a') error('no') end }", function(p, t)
    assert.is_false((pcall(p.on_response, p)))
    assert.same({ "a" }, t.logged())
  end },

  { "on_error gives its verdict, by what it is told", [[
return { on_error = function(err, attempt, request)
  if err.type == "rate_limited" and err.retry_after == 3 then return "next" end
  if attempt.number > 1 or not request.stream then return "stop" end
  if err.status == 503 and attempt.provider == "deepinfra" then return "retry" end
end }]], function(p)
    assert.equal("next", p:on_error { status = 429, retry_after = 3 })
    assert.equal("stop", p:on_error { status = 429 })
    assert.equal("stop", p:on_error({ type = "connect" }, { number = 2 }, { stream = true }))
    assert.equal("retry", p:on_error({ type = "overloaded" }, { endpoint = "deepinfra/turbo" }, { stream = true }))
    assert.is_nil(p:on_error({ type = "overloaded" }, {}, { stream = true }))
  end },

  { "on_response is told all of the answer", [[
return { on_response = function(response, attempt, request)
  tidegate.log(response.status, response.ttft, response.duration, response.tokens, response.prompt_tokens,
    response.cached_tokens, response.cost, response.stream, attempt.endpoint, attempt.model, request.model)
  return 0 / 0
end }]], function(p, t)
    p:on_response({ tokens = 5, cost = 0.25, ttft = 0.125 }, { endpoint = "x" }, { model = "a/b", stream = true })
    assert.same({ "200\t0.125\t2\t5\t100\t0\t0.25\ttrue\tx\ta/b\ta/b" }, t.logged())
  end },

  { "a hook that there is not has no opinion", "return {}", function(p)
    assert.is_nil(p:on_error())
    assert.is_nil(p:on_response())
  end },

  { "what a file beside it defines can be used", "local lib = require 'BESIDE' return { score = function(e, r, b) return lib.minus(b) end }",
    function(p, t) assert.same({ "c", "b", "a" }, ranked(p, t)) end },

  { "pcall catches what is raised", "return { score = function() local ok = pcall(error, 'x') return ok and 1 or 2 end }",
    function(p, t) assert.equal(2, select(3, p:rank(nil, endpoints(t, "a")))[1].score) end },

  { "strings have the sandbox's methods", "return {\n filter = function() return ('x'):dump() end }", function(p, t)
    assert.truthy(failure(p, t):find("^p%.lua:2: filter: attempt to call .*'dump'"), failure(p, t))
  end },

  -- What a hook may not give: the same words, with file and line, in both.
  { "a score that is NaN fails", "return {\n score = function() return 0 / 0 end }", function(p, t)
    assert.truthy(failure(p, t):find("^p%.lua:2: score: a finite number expected, got %-?nan for endpoint a$"), failure(p, t))
  end },
  { "a score that is infinite fails", "return {\n score = function() return math.huge end }", function(p, t)
    assert.equal("p.lua:2: score: a finite number expected, got inf for endpoint a", failure(p, t))
  end },
  { "a score that is a string fails", "return {\n score = function() return '1' end }", function(p, t)
    assert.equal("p.lua:2: score: a finite number expected, got string for endpoint a", failure(p, t))
  end },
  { "a score that is missing fails", "return {\n score = function() end }", function(p, t)
    assert.equal("p.lua:2: score: a finite number expected, got nothing for endpoint a", failure(p, t))
  end },
  { "a filter's string fails", "return {\n filter = function() return 'yes' end }", function(p, t)
    assert.equal("p.lua:2: filter: true or false expected, got string", failure(p, t))
  end },
  { "a filter's number fails", "return {\n filter = function() return 0.5 end }", function(p, t)
    assert.equal("p.lua:2: filter: true or false expected, got 0.5", failure(p, t))
  end },
  { "an order of no list fails", "return {\n order = function() return 1 end }", function(p, t)
    assert.equal("p.lua:2: order: a list of indices or nil expected, got 1", failure(p, t))
  end },
  { "an order of a place that there is not fails", "return {\n order = function() return { 1, 4 } end }", function(p, t)
    assert.equal("p.lua:2: order: indices from 1 to 3, each once, expected; got 4 at 2", failure(p, t))
  end },
  { "an order of a place between two fails", "return {\n order = function() return { 1.5 } end }", function(p, t)
    assert.equal("p.lua:2: order: indices from 1 to 3, each once, expected; got 1.5 at 1", failure(p, t))
  end },
  { "an order with a place twice fails", "return {\n order = function() return { 2, 2 } end }", function(p, t)
    assert.equal("p.lua:2: order: indices from 1 to 3, each once, expected; got 2 at 2", failure(p, t))
  end },
  { "an order of endpoints instead of places fails", "return {\n order = function(list) return list end }", function(p, t)
    assert.equal("p.lua:2: order: indices from 1 to 3, each once, expected; got table at 1", failure(p, t))
  end },
  { "an order that is too long fails", "return {\n order = function() return { 1, 2, 3, 4 } end }", function(p, t)
    assert.equal("p.lua:2: order: more indices than endpoints", failure(p, t))
  end },
  { "a verdict that is none fails", "return {\n on_error = function() return 'retyr' end }", function(p)
    local ok, why = pcall(p.on_error, p)
    assert.is_false(ok)
    assert.equal('p.lua:2: on_error: "next", "retry", "stop" or nil expected, got retyr', why)
  end },
  { "an error is told with its line and the hook", "return {\n score = function(e)\n return e.x.y\n end }", function(p, t)
    assert.truthy(failure(p, t):find("^p%.lua:3: score: attempt to index .*x"), failure(p, t))
  end },
  { "an error without a place is told where the hook is", "return {\n score = function(e) error('no', 0) end }", function(p, t)
    assert.equal("p.lua:2: score: no", failure(p, t))
  end },
  { "an error that is no string is told by its type", "return {\n score = function() error({}) end }", function(p, t)
    assert.equal("p.lua:2: score: raised a table", failure(p, t))
  end },
}
