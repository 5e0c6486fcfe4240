--- Routing policies in the whole program: who is asked, what follows from a failure, what a bad
-- policy costs, and how policies change while the gateway runs.

local core     = require "tidegate.core"
local json     = require "cjson.safe"
local gateway  = require "gateway"
local http     = require "http"
local process  = require "process"
local provider = require "provider"
local scene    = require "scene"
local schema   = require "tidegate.policy.schema"

local net  = core.net
local list = gateway.list
local good = provider.good()

local METADATA = { ["X-OpenRouter-Metadata"] = "enabled" }

-- ---- scenes ----

local function price(dollars)
  return { prompt = ("%.9f"):format(dollars / 1e6), completion = ("%.9f"):format(dollars / 1e6) }
end

-- a is cheap, b is dearer, c is dearest.
local PRICED = { a = { pricing = price(1) }, b = { pricing = price(2) }, c = { pricing = price(3) } }
local THREE  = { a = good, b = good, c = good }
local BY_PRICE = 'data = { sort = "price" },'

-- Options of a scene whose default policy is this text; `more` is of scene.run().
local function under(text, more)
  local o = { endpoints = PRICED, files = { ["policies/main.lua"] = text }, config = { policy = "policies/main.lua" } }
  for k, v in pairs(more or {}) do
    if type(v) == "table" and o[k] then
      for name, value in pairs(v) do o[k][name] = value end
    else
      o[k] = v
    end
  end
  return o
end

local function with(providers, text, fn, more)
  return scene.with(providers, under(text, more), fn)
end

local function status(code, headers, body)
  return function(conn)
    provider.json(conn, body or '{"error":{"message":"no luck"}}', code, headers)
  end
end

local function reset(conn)
  conn:reset()
  return false
end

-- ---- what is seen ----

local function told(r)
  return r.json.openrouter_metadata.tidegate
end

-- The endpoints in the order to try; and why the others are not, by name.
local function plan_of(s, members)
  local t = told(s:chat(members or {}, METADATA))
  local order, dropped = {}, {}
  for i, c in ipairs(t.candidates) do order[i] = c.endpoint end
  for _, c in ipairs(t.dropped) do dropped[c.endpoint] = c.reason .. (c.detail and ": " .. c.detail or "") end
  return table.concat(order, " "), dropped, t
end

-- Lines of the log about this, decoded.
local function logged(s, event)
  local lines = {}
  for line in s.gateway:log():gmatch "[^\n]+" do
    local one = json.decode(line)
    if one and one.event == event then lines[#lines + 1] = one end
  end
  return lines
end

-- What policies said with tidegate.log(); at least `count` of it.
local function said(s, count)
  local words
  scene.eventually(5, function()
    words = {}
    for _, line in ipairs(logged(s, "policy")) do words[#words + 1] = line.message end
    return #words >= (count or 1)
  end)
  return words
end

local function failures(s)
  local list_of = {}
  for _, line in ipairs(logged(s, "policy")) do
    if line.hook then list_of[#list_of + 1] = line end
  end
  return list_of
end

local function asked(s)
  local counts = {}
  for _, name in ipairs { "a", "b", "c" } do
    if s[name] then counts[#counts + 1] = name .. #s[name].requests end
  end
  return table.concat(counts, " ")
end

describe("A policy's", function()
  it("filter says who is asked, and its words are told", with(THREE, [[return {]] .. BY_PRICE .. [[
    filter = function(endpoint, request)
      if endpoint.id == "a" then return false, "not " .. request.user end
      return endpoint.price.prompt < 3
    end }]], function(s)
      local order, dropped, t = plan_of(s, { user = "you" })
      assert.equal("b", order)
      assert.same({ a = "policy: not you", c = "policy" }, dropped)
      assert.same({ name = "main", failed = false, hooks = { "filter" } }, t.policy)
      assert.is_number(t.seed)
      assert.equal("a0 b1 c0", asked(s))
    end))

  it("filter that gives nothing keeps, one that gives nil drops", with(THREE, [[return {]] .. BY_PRICE .. [[
    filter = function(endpoint)
      if endpoint.id == "a" then return nil end
      if endpoint.id == "b" then return end
    end }]], function(s)
      local order, dropped = plan_of(s)
      assert.equal("b c", order)
      assert.same({ a = "policy" }, dropped)
    end))

  it("filter that drops all leaves a 404 that says so, and nobody is asked", with(THREE,
    [[return { filter = function(endpoint) return false, endpoint.id == "a" and "closed" or nil end }]], function(s)
      for i, stream in ipairs { false, true } do
        local r = s:chat({ stream = stream }, METADATA)
        assert.equal(404, r.status)
        assert.equal("No endpoints found matching the gateway's routing policy: closed.", r.json.error.message)
        assert.equal("a0 b0 c0", asked(s))
        local line = logged(s, "request")[i]
        assert.equal("refused", line.outcome)
        assert.equal(404, line.status)
        assert.equal("main", line.policy)
        assert.equal(r.headers["x-generation-id"], line.id)
      end
    end))

  it("score says who is first, from the base that the sort gives", with(THREE, [[return {]] .. BY_PRICE .. [[
    score = function(endpoint, request, base) return request.stream and base or 10 - base end }]], function(s)
      local order, _, t = plan_of(s)
      assert.equal("c b a", order)
      assert.equal(3, t.candidates[1].base)
      assert.equal(7, t.candidates[1].score)
      assert.equal("a0 b0 c1", asked(s))
      assert.equal(200, s:chat({ stream = true }).status)
      assert.equal("a1 b0 c1", asked(s))
    end))

  it("order says whom to try first, and the others stay behind", with(THREE, [[return {]] .. BY_PRICE .. [[
    order = function(endpoints) return { 2 } end }]], function(s)
      local order, _, t = plan_of(s)
      assert.equal("b a c", order)
      assert.equal("policy", t.candidates[1].place)
      assert.equal(2, t.candidates[1].was)
      assert.equal("a0 b1 c0", asked(s))
    end))

  it("hooks decide about streams as about others", with(THREE, [[return {]] .. BY_PRICE .. [[
    filter = function(e) return e.id ~= "a" end, score = function(e, r, base) return -base end,
    order = function(endpoints) return { #endpoints } end }]], function(s)
      local r = s:chat { stream = true }
      assert.equal(200, r.status)
      assert.is_true(r.done)
      assert.equal("a0 b1 c0", asked(s))
    end))

  it("hooks decide about completions and embeddings, too", with(THREE, [[return {
    filter = function(e, request) return e.id == "b", "only b" end }]], function(s)
      local r = http.post(s.port, "/api/v1/completions", '{"model":"test/model","prompt":"hi"}')
      assert.equal(200, r.status)
      assert.equal("a0 b1 c0", asked(s))
    end))

  it("data goes without functions", with(THREE, [[return {
    data = { max_price = { prompt = 2 }, ignore = { "a" } } }]], function(s)
      local order, dropped, t = plan_of(s)
      assert.equal("b", order)
      assert.same({ a = "ignore: by the routing policy", c = "max_price: prompt $3 > $2 per million" }, dropped)
      assert.same({}, t.policy.hooks)
    end))

  it("models are where a cap has to go", with({ a = good, b = good }, [[return {
    data = { max_price = { prompt = 0.5 } }, models = { "test/small" } }]], function(s)
      local r = s:chat {}
      assert.equal(200, r.status)
      assert.equal("test/small", r.json.model)
    end, { models = { gateway.model("test/small", { { provider = "b", pricing = price(0.1) } }) } }))

  it("hooks see the key, the headers and the metadata, and no secret", with(THREE, [[
    return { filter = function(endpoint, request)
      if endpoint.id ~= "a" then return end
      tidegate.log(request.key.name, request.key.label, request.metadata.team, request.headers["x-team"],
        request.headers.host, request.session_id)
      for name, value in pairs(request.headers) do
        if name:find "auth" or name:find "cookie" or name:find "api" or value:find "secret" then
          tidegate.log("SEEN", name)
        end
      end
    end }]], function(s)
      local r = s:chat({ metadata = { team = "blue" } }, { Authorization = "Bearer sk-very-secret-1", Cookie = "secret",
        ["X-Api-Key"] = "secret", ["Proxy-Authorization"] = "secret", ["X-Team"] = "red", ["X-Session-Id"] = "s1" })
      assert.equal(200, r.status)
      assert.same({ "ci\tsk-ver...et-1\tblue\tred\tgateway\ts1" }, said(s))
      assert.is_nil(s.gateway:log():find("secret", 1, true))
    end, { config = { auth = "keys", keys = { { name = "ci", key = "sk-very-secret-1" } } } }))
end)

-- ---- choosing ----

describe("The policy of a request", function()
  local ONLY = "return { data = { only = { %q } } }"
  local FILES = { ["policies/a.lua"] = ONLY:format "a", ["policies/b.lua"] = ONLY:format "b",
    ["policies/c.lua"] = ONLY:format "c" }
  local BY_NAME = { policy = "c", policies = { a = "policies/a.lua", b = "policies/b.lua", c = "policies/c.lua" },
    auth = "keys", keys = { { name = "free", key = "sk-free-00000001" }, { name = "bound", key = "sk-bound-0000001", policy = "a" } } }
  local FREE, BOUND = { Authorization = "Bearer sk-free-00000001" }, { Authorization = "Bearer sk-bound-0000001" }
  local OPTIONS = { endpoints = PRICED, files = FILES, config = BY_NAME }

  it("is its key's, else the one that it names, else the default", scene.with(THREE, OPTIONS, function(s)
    for _, case in ipairs {
      { FREE, {}, "c" }, { FREE, { policy = "b" }, "b" }, { FREE, { model = "test/model@policy/b" }, "b" },
      { FREE, { model = "test/model:nitro@policy/b" }, "b" }, { FREE, { policy = "b", stream = true }, "b" },
      { BOUND, {}, "a" }, { BOUND, { policy = "b" }, "a" }, { BOUND, { model = "test/model@policy/b" }, "a" },
    } do
      local before = #s[case[3]].requests
      assert.equal(200, s:chat(case[2], case[1]).status)
      assert.equal(before + 1, #s[case[3]].requests, json.encode(case[2]))
    end
  end))

  it("that there is not is a 400 with what was meant, before anybody is asked", scene.with(THREE, OPTIONS, function(s)
    for _, members in ipairs {
      { policy = "floar" }, { model = "test/model@policy/floar" }, { policy = "floar", stream = true },
      { model = "test/model:nitro@policy/floar" },
    } do
      for _, headers in ipairs { FREE, BOUND } do
        local r = s:chat(members, headers)
        assert.equal(400, r.status)
        assert.equal("There is no policy 'floar', did you mean 'floor'?", r.json.error.message)
      end
    end
    assert.equal("a0 b0 c0", asked(s))
  end))

  it("stands in the log with the seed of its draws", scene.with(THREE, OPTIONS, function(s)
    s:chat({ policy = "b" }, FREE)
    assert.equal("b", logged(s, "request")[1].policy)
    assert.is_nil(logged(s, "request")[1].seed)            -- nothing was drawn by a hook
    assert.is_nil(logged(s, "request")[1].policy_failed)
  end))
end)

-- ---- the shipped ones ----

describe("The shipped policies", function()
  local dir

  -- Endpoints with tiers, of these prices.
  local function tiers(dollars)
    local e = list {}
    for i, tag in ipairs { "a", "a/priority", "a/flex", "b", "c", "c/flex" } do
      e[i] = { provider = tag:sub(1, 1), tag = tag, upstream_model = "u", pricing = price(dollars[i]) }
    end
    return gateway.json { data = list { gateway.model("test/model", e) } }
  end

  setup(function() dir = gateway.temp_dir() end)
  teardown(function() os.execute("rm -rf " .. dir) end)

  local function explain(model, seed)
    local _, printed = process.run { gateway.program(), "explain", dir .. "/tidegate.lua", "--seed", seed, "--request",
      gateway.write(dir .. "/r.json", scene.body { model = model, session_id = "s" }) }
    return (printed:gsub("^[^\n]*\n", ""):gsub("^policy [^\n]*\n", ""))
  end

  it("are what the suffixes are, by price and tier", function()
    gateway.write(dir .. "/catalog.json", tiers { 2, 9, 1, 3, 1.5, 0.5 })
    gateway.write(dir .. "/tidegate.lua", [[return { auth = "none", catalog = { "catalog.json" }, providers = {
      { slug = "a", base_url = "http://a" }, { slug = "b", base_url = "http://a" }, { slug = "c", base_url = "http://a" } } }]])
    for _, suffix in ipairs { "nitro", "floor", "exacto" } do
      local by_suffix = explain("test/model:" .. suffix, "7")
      assert.matches("\n3  ", by_suffix)
      assert.equal(by_suffix, explain("test/model@policy/" .. suffix, "7"))
    end
    assert.equal(explain("test/model", "7"), explain("test/model@policy/default", "7"))
  end)

  -- Speeds that differ: the first token of each after so long.
  local function after(seconds)
    return function(conn, request)
      net.sleep(seconds)
      provider.stream(conn, { "a", "b", "c" }, request.body:find "slow" and seconds or nil)
    end
  end

  it("are what the suffixes are, by live figures", scene.with({ a = after(0.06), b = after(0.03), c = after(0.015) },
    { endpoints = PRICED }, function(s)
      local jobs = {}
      for i = 1, 18 do jobs[i] = ({ "a", "b", "c" })[i % 3 + 1] end
      scene.each(jobs, 3, function(name)
        assert.equal(200, s:chat({ stream = true, user = "slow", provider = { only = list { name } } }).status)
      end)
      local function order(model)
        local t, names = s:chat({ stream = true, model = model }, METADATA).last.openrouter_metadata.tidegate, {}
        for i, c in ipairs(t.candidates) do names[i] = c.endpoint .. ":" .. c.place end
        return table.concat(names, " ")
      end
      assert.equal("c:sorted b:sorted a:sorted", order "test/model:nitro")
      for _, suffix in ipairs { "nitro", "floor", "exacto" } do
        assert.equal(order("test/model:" .. suffix), order("test/model@policy/" .. suffix))
      end
    end))
end)

-- ---- on_error ----

describe("on_error", function()
  local function fails_first(times, fail)
    return function(conn, request, n)
      if n <= times then return fail(conn, request) end
      return good(conn, request)
    end
  end

  local SAYS = "return { data = { sort = 'price' }, on_error = function(err, attempt) return %s end }"

  for _, case in ipairs {
    -- what a does                              what the policy says   the client gets, who was asked how often
    { "next after a 400", status(400), "'next'", 200, "a1 b1" },
    { "next after a 429", status(429), "'next'", 200, "a1 b1" },
    { "next after a refusal", status(403, nil, '{"error":{"message":"content policy"}}'), "'next'", 200, "a1 b1" },
    { "next after a reset", reset, "'next'", 200, "a1 b1" },
    { "nothing after a 400", status(400), "nil", 400, "a1 b0" },
    { "nothing after a 503", status(503), "nil", 200, "a1 b1" },
    { "stop after a 503", status(503), "'stop'", 503, "a1 b0" },
    { "stop after a 429", status(429), "'stop'", 429, "a1 b0" },
    { "stop after a reset", reset, "'stop'", 502, "a1 b0" },
    { "retry after a 400", fails_first(1, status(400)), "'retry'", 200, "a2 b0" },
    { "retry after a 503, twice", fails_first(2, status(503)), "'retry'", 200, "a3 b0" },
    { "retry after a reset", fails_first(1, reset), "'retry'", 200, "a2 b0" },
    { "retry once, then next", status(503), "attempt.number < 2 and 'retry' or 'next'", 200, "a2 b1" },
    { "by the error's kind", status(429), "err.type == 'rate_limited' and err.status == 429 and 'stop'", 429, "a1 b0" },
    { "by the provider's words", status(400), "err.message == 'no luck' and 'next' or nil", 200, "a1 b1" },
    { "by the attempt", status(503), "attempt.endpoint == 'a' and attempt.provider == 'a' and attempt.model == 'test/model' "
      .. "and attempt.elapsed < 5 and 'stop' or nil", 503, "a1 b0" },
  } do
    local name, answer, verdict, code, counts = unpack(case)
    it("says " .. name, with({ a = answer, b = good }, SAYS:format(verdict), function(s)
      local r = s:chat {}
      assert.equal(code, r.status, r.body)
      assert.equal(counts, asked(s))
    end))
  end

  it("is asked for streams, until the first content", with({ a = status(400), b = good }, SAYS:format "'next'", function(s)
    local r = s:chat { stream = true }
    assert.equal(200, r.status)
    assert.equal("Hello, world", r.text)
    assert.equal("a1 b1", asked(s))
  end))

  it("is not asked once content went out", with({
    a = function(conn)
      provider.begin_stream(conn)
      provider.event(conn, provider.delta "Hel")
      net.sleep(0.05)
      conn:reset()
      return false
    end, b = good,
  }, SAYS:format "tidegate.log('asked') or 'next'", function(s)
    local r = s:chat { stream = true }
    assert.equal("Hel", r.text)
    assert.is_table(r.last.error)
    assert.equal("a1 b0", asked(s))
    assert.is_nil(s.gateway:log():find("asked", 1, true))
  end))

  it("is told what every kind of failure is", function()
    local CASES = {
      { status(429, { ["Retry-After"] = "7" }), "429 rate_limited 7 'no luck'" }, { status(503), "503 overloaded nil 'no luck'" },
      { status(500), "500 server_error nil 'no luck'" }, { status(400), "400 bad_request nil 'no luck'" },
      { status(401), "401 key_refused nil 'no luck'" }, { reset, "0 reset nil ''" },
      { function(conn) provider.json(conn, "<html>") end, "200 malformed nil ''" },
    }
    local case = CASES[1]
    scene.run({ a = function(...) return case[1](...) end }, under [[return { on_error = function(err, attempt, request)
        tidegate.log(("%d %s %s '%s'"):format(err.status, err.type, tostring(err.retry_after), err.message))
        return "stop"
      end }]], function(s)
        for i = 1, #CASES do
          case = CASES[i]
          s:chat {}
          assert.equal(case[2], said(s, i)[i])
        end
      end)
  end)

  it("that always says retry makes twelve attempts, waiting longer each time", with({ a = status(400) },
    SAYS:format "'retry'", function(s)
      local began = net.now()
      assert.equal(400, s:chat({}, nil, 30).status)
      assert.equal("a12", asked(s))
      local at, waits = s.a.requests, {}
      for i = 2, #at do waits[i - 1] = at[i].at - at[i - 1].at end
      for i, least in ipairs { 0.1, 0.2, 0.4, 0.8, 1, 1, 1, 1, 1, 1, 1 } do
        assert.is_true(waits[i] > least - 0.01 and waits[i] < least + 0.5, i .. ": " .. waits[i])
      end
      assert.is_true(net.now() - began < 13)
    end))

  it("that says retry does not come before the provider's Retry-After, nor past the deadline", with({
    a = function(conn, _, n)
      provider.json(conn, "{}", 429, { ["Retry-After"] = n == 1 and "1" or "30" })
    end, b = good,
  }, SAYS:format "'retry'", function(s)
    local began = net.now()
    local r = s:chat {}
    assert.equal(429, r.status)
    assert.equal("a2 b0", asked(s))
    assert.is_true(s.a.requests[2].at - s.a.requests[1].at > 0.99)
    assert.is_true(net.now() - began < 3)
  end, { config = { timeouts = { total = 5 } } }))

  it("whose client leaves while a retry is waited for asks no more", with({ a = status(429, { ["Retry-After"] = "1" }) },
    SAYS:format "'retry'", function(s)
      local conn = assert(net.connect("127.0.0.1", s.port))
      conn:write(http.request_text("POST", "/api/v1/chat/completions", nil, scene.body {}))
      assert.is_true(scene.eventually(2, function() return #s.a.requests == 1 end))
      net.sleep(0.1)
      conn:close()
      net.sleep(1.2)
      assert.equal("a1", asked(s))
      assert.equal("client_gone", logged(s, "request")[1].outcome)
    end))
end)

-- ---- on_response ----

describe("on_response", function()
  it("sees how it went, of a whole answer and of a stream", with({
    a = function(conn, request)
      net.sleep(0.05)
      if request.body:find '"stream":true' then return good(conn, request) end
      provider.json(conn, provider.completion("Hello", '{"prompt_tokens":1000,"completion_tokens":500,"total_tokens":1500,'
        .. '"prompt_tokens_details":{"cached_tokens":400}}'))
    end,
  }, [[return { on_response = function(r, attempt, request)
    tidegate.log(r.status, r.stream, r.tokens, r.prompt_tokens, r.cached_tokens, ("%.9f"):format(r.cost))
    tidegate.log(r.ttft >= 0.04 and r.ttft < 2, r.duration >= r.ttft and r.duration < 2, attempt.number, attempt.endpoint, request.user)
  end }]], function(s)
    local whole = s:chat { user = "me" }
    local lines = said(s, 2)
    assert.equal(("200\tfalse\t500\t1000\t400\t%.9f"):format(whole.json.usage.cost), lines[1])
    assert.equal("true\ttrue\t1\ta\tme", lines[2])
    local stream = s:chat { stream = true }
    lines = said(s, 4)
    assert.equal(("200\ttrue\t3\t10\t0\t%.9f"):format(stream.last.usage.cost), lines[3])
    assert.equal("true\ttrue\t1\ta\tnil", lines[4])
  end))

  it("sees the attempt that answered, after others that did not", with({ a = function(conn)
    net.sleep(0.2)
    provider.json(conn, "{}", 500)
  end, b = good }, [[return {]] .. BY_PRICE .. [[ on_response = function(r, attempt)
    tidegate.log(attempt.number, attempt.endpoint, r.status, r.duration < 0.2, attempt.elapsed < 0.2)
  end }]], function(s)
    assert.equal(200, s:chat({}).status)
    assert.same({ "2\tb\t200\ttrue\ttrue" }, said(s))
  end))

  it("is not told of an answer that broke off, or never came", with({
    a = function(conn, request)
      if not request.body:find '"stream":true' then return status(500)(conn) end
      provider.begin_stream(conn)
      provider.event(conn, provider.delta "Hel")
      net.sleep(0.05)
      return false
    end,
  }, "return { on_response = function() tidegate.log 'told' end }", function(s)
    assert.equal(500, s:chat({}).status)
    assert.is_table(s:chat({ stream = true }).last.error)
    assert.equal(2, #logged(s, "request"))
    assert.is_nil(s.gateway:log():find("told", 1, true))
  end))

  it("keeps a budget", with({ a = good }, [[return {
    filter = function(endpoint, request)
      return (tidegate.kv.get "spent" or 0) < 4e-5, "spent"
    end,
    on_response = function(response) tidegate.kv.incr("spent", response.cost) end }]], function(s)
      local answered = 0
      for _ = 1, 8 do
        if s:chat({}).status == 200 then answered = answered + 1 end
      end
      assert.equal(3, answered)                            -- of $ 0.000015 each
    end))
end)

describe("What on_error and on_response are given", function()
  local WALK = [[
    local function walk(what, t)
      local names = {}
      for name, value in pairs(t) do names[#names + 1] = name .. ":" .. type(value) end
      table.sort(names)
      tidegate.log(what, table.concat(names, " "))
    end
    return {
      on_error = function(err, attempt) walk("error", err) walk("attempt", attempt) end,
      on_response = function(response, attempt) walk("response", response) walk("attempt", attempt) end,
    }]]

  local function names(fields, without)
    local all = {}
    for _, field in ipairs(fields) do
      local kind = field.type == "integer" and "number" or field.type
      if field.name ~= without then all[#all + 1] = field.name .. ":" .. kind end
    end
    table.sort(all)
    return table.concat(all, " ")
  end

  it("is what the schema lists, no more and no less", with({ a = status(429, { ["Retry-After"] = "9" }), b = good }, WALK,
    function(s)
      s:chat { provider = { order = list { "a", "b" } } }
      assert.same({ "error\t" .. names(schema.error), "attempt\t" .. names(schema.attempt),
        "response\t" .. names(schema.response), "attempt\t" .. names(schema.attempt) }, said(s, 4))
    end))
end)

-- ---- what policies share and draw ----

describe("tidegate.kv", function()
  it("is one for all workers, though each has its own variables", with({ a = good }, [[
    local mine = 0
    return { filter = function()
      mine = mine + 1
      tidegate.log(tidegate.kv.incr "all", mine)
    end }]], function(s)
      local jobs = {}
      for i = 1, 24 do jobs[i] = i end
      scene.each(jobs, 4, function()
        assert.equal(200, s:chat({}).status)
        net.sleep(0.01)
      end)
      local lines, seen, most = said(s, 24), {}, 0
      for _, line in ipairs(lines) do
        local all, mine = line:match "^(%d+)\t(%d+)$"
        seen[tonumber(all)] = true
        most = math.max(most, tonumber(mine))
      end
      assert.equal(24, #lines)
      for i = 1, 24 do assert.is_true(seen[i], i .. " is missing") end
      assert.is_true(most < 24, "one worker did it all")
    end, { config = { workers = 2 } }))
end)

describe("A policy that draws", function()
  local DRAWS = [[return { score = function(endpoint, request) return request.random() + math.random() / 1e3 end,
    order = function(endpoints, request)
      if request.hash(request.user) % 2 == 0 then return { math.random(#endpoints) } end
    end }]]

  it("draws the same again from the seed that is logged", with(THREE, DRAWS, function(s)
    local orders = {}
    for i = 1, 6 do
      local body = scene.body { user = "u" .. i }
      local t = told(s:chat(body, METADATA))
      local names = {}
      for k, c in ipairs(t.candidates) do names[k] = c.endpoint end
      local seed = logged(s, "request")[i].seed
      assert.equal(t.seed, seed)
      local _, printed = process.run { gateway.program(), "explain", s.gateway.config_path, "--seed", ("%.0f"):format(seed),
        "--request", gateway.write(s.gateway.dir .. "/r.json", body) }
      local again = {}
      for tag in printed:gmatch "\n *%d+  (%S+)" do again[#again + 1] = tag end
      assert.same(names, again, printed)
      orders[table.concat(names)] = true
    end
    local different = 0
    for _ in pairs(orders) do different = different + 1 end
    assert.is_true(different > 1)
  end))
end)

-- ---- what a bad one costs ----

local BAD = {
  { "raises", "filter = function(endpoint)\n return endpoint.nothing.at_all\nend", 2, "attempt to index" },
  { "raises words of its own", "score = function()\n\n error 'not today'\nend", 3, "not today" },
  { "never ends", "filter = function()\n while true do end\nend", 2, "ran longer than 2 ms" },
  { "never ends, pcall or not", "score = function()\n while true do pcall(function() while true do end end) end\nend", 2, "ran longer" },
  { "eats memory", "order = function()\n local t = {}\n for i = 1, 1e9 do t[i] = ('x'):rep(60000) .. i end\nend", "%d+",
    "not enough memory", "ran longer" },
  { "gives a filter's answer that is none", "filter = function()\n return 5\nend", 1, "true or false expected, got 5" },
  { "gives a score that is no number", "score = function()\n return 'x'\nend", 1, "a finite number expected, got string for endpoint [abc]$" },
  { "gives a score that is not finite", "score = function()\n return 0 / 0\nend", 1, "a finite number expected, got %-?nan for endpoint [abc]$" },
  { "gives no score", "score = function() end", 1, "a finite number expected, got nothing for endpoint [abc]$" },
  { "gives an order that is no list", "order = function()\n return 'a'\nend", 1, "a list of indices or nil expected, got string" },
  { "gives an index that there is not", "order = function()\n return { 4 }\nend", 1, "indices from 1 to 3, each once, expected; got 4 at 1" },
  { "gives an index twice", "order = function()\n return { 2, 2 }\nend", 1, "got 2 at 2" },
  { "gives an index that is not whole", "order = function()\n return { 1.5 }\nend", 1, "got 1.5 at 1" },
  { "gives more indices than endpoints", "order = function()\n return { 1, 2, 3, 1 }\nend", 1, "more indices than endpoints" },
  { "writes what it may not", "filter = function(endpoint)\n endpoint.id = 'x'\nend", 2, "read%-only" },
}

describe("A policy that", function()
  for _, case in ipairs(BAD) do
    local name, hook, line, words, or_words = unpack(case)
    it(name .. " costs its caller nothing, and is logged with file and line",
      with(THREE, ("return { %s, data = { sort = 'price' } }"):format(hook), function(s)
        local order, _, t = plan_of(s)
        assert.equal("a b c", order)
        assert.is_true(t.policy.failed)
        assert.same({}, t.policy.hooks)
        local stream = s:chat { stream = true }
        assert.equal(200, stream.status)
        assert.is_true(stream.done)
        assert.equal("a2 b0 c0", asked(s))

        local failure = failures(s)[1]
        assert.equal("warn", failure.level)
        assert.equal("main", failure.policy)
        assert.equal(hook:match "^%w+", failure.hook)
        assert.equal(1, failure.failures)
        assert.matches("^.*/policies/main%.lua:" .. line .. ": ", failure.error)
        assert.is_truthy(failure.error:find(words) or or_words and failure.error:find(or_words), failure.error)
        assert.is_true(logged(s, "request")[1].policy_failed)
      end))
  end

  it("gives nonsense for a verdict is asked as if it had said nothing", with({ a = status(503), b = good }, [[return {]]
    .. BY_PRICE .. " on_error = function()\n return 'again'\nend }", function(s)
      assert.equal(200, s:chat({}).status)
      assert.equal("a1 b1", asked(s))
      assert.matches('main%.lua:1: on_error: "next", "retry", "stop" or nil expected, got again$', failures(s)[1].error)
    end))

  it("fails after the answer costs nobody anything", with({ a = good },
    "return { on_response = function(response)\n error(response.status)\nend }", function(s)
      assert.equal(200, s:chat({}).status)
      assert.equal(200, s:chat({ stream = true }).status)
      assert.is_true(scene.eventually(2, function() return failures(s)[1] end))
      assert.matches("main%.lua:2: 200$", failures(s)[1].error)
      assert.equal("on_response", failures(s)[1].hook)
    end))

  it("fails is counted, and one line a second tells how often", with(THREE, [[return {]] .. BY_PRICE .. [[
    filter = function(endpoint, request) if request.user == "bad" then error "bad" end end }]], function(s)
      for _ = 1, 30 do s:chat {} end
      for _ = 1, 3 do s:chat { user = "bad" } end
      s:chat {}
      net.sleep(1.05)
      s:chat { user = "bad" }
      local lines = failures(s)
      assert.equal(2, #lines)
      assert.equal(1, lines[1].failures)
      assert.equal(4, lines[2].failures)
    end))

  it("fails has its data in force all the same", with(THREE,
    "return { data = { ignore = { 'a' }, sort = 'price' }, filter = function() error 'no' end }", function(s)
      for _ = 1, 10 do assert.equal("b c", (plan_of(s))) end
      assert.equal("a0 b10 c0", asked(s))
    end))

  it("fails refuses where that is what it is set to", with(THREE,
    "return { on_failure = 'refuse', filter = function(e, r) if r.user then error 'no' end end }", function(s)
      assert.equal(200, s:chat({}).status)
      for _, stream in ipairs { false, true } do
        local r = s:chat { user = "u", stream = stream }
        assert.equal(503, r.status)
        assert.equal("The gateway's routing policy failed, and it is set to refuse requests then. Its log says what is wrong.",
          r.json.error.message)
      end
      assert.equal(1, #s.a.requests + #s.b.requests + #s.c.requests)
    end))

  local SPIN = "return { data = { sort = 'price' }, filter = function()\n while true do end\nend }"

  it("runs away costs less than 300 ms, and next to nothing once it is not asked", function()
    local took = {}
    local function median(s, members)
      local times = {}
      for i = 1, 41 do
        local began = net.now()
        assert.equal(200, s:chat(members).status)
        times[i] = net.now() - began
      end
      table.sort(times)
      return times[21]
    end
    scene.run(THREE, under(SPIN), function(s)
      s:chat { policy = "default" }
      for i = 1, 5 do
        local began = net.now()
        assert.equal(200, s:chat({}).status)
        took[i] = net.now() - began
        assert.is_true(took[i] < 0.3, took[i] .. " s")
      end
      local without, open = median(s, { policy = "default" }), median(s, {})
      assert.is_true(open - without < 0.003, ("%.2f ms, without a policy %.2f ms"):format(open * 1e3, without * 1e3))
      assert.is_true(failures(s)[1].failures <= 5)
    end)
  end)

  it("fails does not disturb requests under others", with(THREE, SPIN, function(s)
    for _ = 1, 5 do
      assert.is_true(told(s:chat({}, METADATA)).policy.failed)
      assert.is_false(told(s:chat({ policy = "nitro" }, METADATA)).policy.failed)
    end
  end))
end)

-- ---- while it runs ----

describe("SIGHUP", function()
  local ONLY = "return { data = { only = { %q } } }"

  it("puts a new policy in force", with(THREE, ONLY:format "a", function(s)
    assert.equal("a", (plan_of(s)))
    s.gateway:edit("policies/main.lua", function() return ONLY:format "b" end)
    s.gateway.process:signal(process.HUP)
    assert.is_true(scene.eventually(2, function() return plan_of(s) == "b" end))
  end))

  for _, case in ipairs {
    { "a syntax error", "return {\n data = = {} }", "policies/main%.lua:2: unexpected symbol" },
    { "an unknown key", "return {\n\n filtr = 1 }", "policies/main%.lua:3: unknown key filtr, did you mean filter%?" },
    { "an error at load", "local a = 1\nerror 'not today'", "policies/main%.lua:2: not today" },
    { "no end", "while true do end", "policies/main%.lua:1: ran longer than 100 ms" },
    { "a model that there is not", "return {\n models = { 'test/none' } }", "policies/main%.lua:2: .*test/none" },
    { "what it requires missing", "local a = 1\nlocal w = require 'words'\nreturn {}", "policies/main%.lua:2: module 'words'" },
  } do
    local name, text, complaint = unpack(case)
    it("keeps the old policy when the new one has " .. name .. ", and says where", with(THREE, ONLY:format "a", function(s)
      s.gateway:edit("policies/main.lua", function() return text end)
      s.gateway.process:signal(process.HUP)
      assert.is_true(scene.eventually(5, function() return logged(s, "reload")[1] end), s.gateway:log())
      assert.equal("error", logged(s, "reload")[1].level)
      assert.matches(complaint, logged(s, "reload")[1].message)
      assert.matches("everything stays as it was$", logged(s, "reload")[1].message)
      assert.equal("a", (plan_of(s)))
    end))
  end

  it("leaves a request in flight the policy that it began with", function()
    local gate = {}
    local TELLS = "return { on_error = function() tidegate.log('%s asked') return '%s' end, "
      .. "on_response = function(r, a, request) tidegate.log('%s told', request.user) end }"
    local function waits(answer)
      return function(conn, request)
        scene.eventually(20, function() return gate.open end)
        return answer(conn, request)
      end
    end
    scene.run({ a = waits(status(400)), b = waits(good) }, under(TELLS:format("old", "next", "old")), function(s)
      local running = {}
      for i, name in ipairs { "a", "b" } do
        running[i] = assert(net.connect("127.0.0.1", s.port))
        running[i]:write(http.request_text("POST", "/api/v1/chat/completions", nil,
          scene.body { user = "u" .. i, provider = { order = list { name, "b" } } }))
      end
      assert.is_true(scene.eventually(5, function() return #s.a.requests == 1 and #s.b.requests == 1 end))
      s.gateway:edit("policies/main.lua", function() return TELLS:format("new", "stop", "new") end)
      s.gateway.process:signal(process.HUP)
      assert.is_true(scene.eventually(5, function() return logged(s, "reload")[1] end))
      gate.open = true
      for i = 1, 2 do assert.equal(200, http.read_response(running[i], 5).status) end
      local words = said(s, 3)
      table.sort(words)
      assert.same({ "old asked", "old told\tu1", "old told\tu2" }, words)
      for i = 1, 2 do running[i]:close() end

      assert.equal(400, s:chat({ provider = { order = list { "a", "b" } } }).status)
      assert.equal(200, s:chat({ user = "u3", provider = { order = list { "b" } } }).status)
      words = said(s, 5)
      assert.same({ "new asked", "new told\tu3" }, { words[4], words[5] })
    end)
  end)

  it("under load costs no request, though every hook is at work", function()
    local ALL = [[return { filter = function(e) return e.uptime_5m >= 0 end, score = function(e, r, base) return base + r.random() end,
      order = function(endpoints) return { #endpoints } end, on_error = function(err, attempt) return "next" end,
      on_response = function(response) tidegate.kv.incr("cost", response.cost) end }]]
    scene.run({ a = function(conn, request, n) return (n % 3 == 0 and status(503) or good)(conn, request) end, b = good },
      under(ALL, { config = { workers = 2 } }), function(s)
        local answered = 0
        s:while_reloading(function()
          assert.equal(200, s:chat({ stream = answered % 2 == 0 }).status)
          answered = answered + 1
        end)
        assert.is_true(answered > 20)
        assert.is_true(#logged(s, "reload") >= 3)
        assert.same({}, failures(s))
      end)
  end)

  it("keeps what policies remember", with({ a = good }, "return { filter = function() tidegate.log(tidegate.kv.incr 'n') end }",
    function(s)
      for _ = 1, 2 do s:chat {} end
      s.gateway.process:signal(process.HUP)
      assert.is_true(scene.eventually(5, function() return logged(s, "reload")[1] end))
      s:chat {}
      assert.same({ "1", "2", "3" }, said(s, 3))
    end))
end)

-- ---- the log ----

describe("A line that a policy logs", function()
  it("carries the id of the request that it is about", with({ a = status(500), b = good }, [[return {]] .. BY_PRICE .. [[
    filter = function(e) if e.id == "a" then tidegate.log "filter" end end,
    on_error = function() tidegate.log "on_error" end,
    on_response = function() tidegate.log "on_response" error "failed" end }]], function(s)
      local id = s:chat({ stream = true }).headers["x-generation-id"]
      assert.is_true(scene.eventually(2, function() return #logged(s, "policy") == 4 end))
      for i, hook in ipairs { "filter", "on_error", "on_response" } do
        assert.equal(hook, logged(s, "policy")[i].message)
      end
      for _, line in ipairs(logged(s, "policy")) do
        assert.equal(id, line.id)
        assert.equal("main", line.policy)
      end
      assert.matches("failed$", logged(s, "policy")[4].error)
      assert.equal(id, logged(s, "request")[1].id)
    end))

  it("is one line whatever is in it, and no longer than half a kilobyte, eight of them a turn", with({ a = good }, [[return {
    filter = function()
      tidegate.log("a\n{\"event\":\"request\"}\0\27[31m", nil, true, 1.5, {})
      for i = 1, 20 do tidegate.log(("x"):rep(5000)) end
    end }]], function(s)
      s:chat {}
      local words = said(s, 8)
      assert.equal(8, #words)
      assert.equal('a\n{"event":"request"}', words[1]:sub(1, 21))
      assert.matches("nil\ttrue\t1.5\ttable", words[1])
      assert.equal(512, #words[2])
      assert.equal(1, #logged(s, "request"))
    end))

  it("does not show a key of the configuration, though a client wrote it into its request", with({ a = good }, [[return {
    filter = function(e, request) tidegate.log(request.user, request.headers["x-note"], request.metadata.note) error(request.user) end }]],
    function(s)
      s:chat({ user = "key-of-a-provider", metadata = { note = "key-of-a-provider" } }, { ["X-Note"] = "key-of-a-provider" })
      assert.is_truthy(failures(s)[1])
      assert.is_nil(s.gateway:log():find("key-of-a-provider", 1, true))
    end, { provider_fields = { a = { key = "key-of-a-provider" } } }))
end)
