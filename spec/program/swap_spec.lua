--- A running gateway takes other configurations: by `tidegate reload`, by itself
-- with `watch = true`, and a thousand times under load.

local core     = require "tidegate.core"
local net      = core.net
local gateway  = require "gateway"
local http     = require "http"
local process  = require "process"
local provider = require "provider"
local scene    = require "scene"

local with = scene.with
local good = provider.good()

local function run(...)
  return process.run { gateway.program(), ... }
end

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

-- The program by its whole path, for those who start it elsewhere.
local function whole_program()
  local path = gateway.program()
  return path:sub(1, 1) == "/" and path or core.process.cwd(core.process.self()) .. "/" .. path
end

-- How often it has taken another configuration, and how often it would not.
local function swaps(s) return count(s.gateway:log(), '"level":"info","event":"reload"') end
local function refusals(s) return count(s.gateway:log(), '"level":"error","event":"reload"') end

local function rename_model(s, from, to)
  s.gateway:edit("catalog.json", function(text) return (text:gsub(from, to)) end)
end

local function answers(s, model)
  return s:chat({ model = model }).status == 200
end

describe("tidegate reload", function()
  local function reload(s, ...) return run("reload", s.gateway.config_path, ...) end

  it("puts the new files in force before it returns", with({ a = good }, {}, function(s)
    rename_model(s, "test/model", "test/new")
    local status, printed = reload(s)
    assert.equal(("asked process %d to reload %s\ndone: 1 provider, 1 model, 1 endpoint\n"):format(
      s.gateway.process.pid, s.gateway.config_path), printed)
    assert.equal(0, status)
    assert.is_true(answers(s, "test/new"))
    assert.is_false(answers(s, "test/model"))
  end))

  for _, case in ipairs {
    { "an unknown key", "tidegate.lua", "return {\n  colour = 1,\n}\n", "/tidegate.lua:2: unknown key colour\n$" },
    { "a broken catalogue", "catalog.json", '{"data":[\n{"id":\n}]}', "/catalog.json:3: [^\n]+\n$" },
  } do
    local name, file, text, complaint = unpack(case)
    it("says where " .. name .. " is and does not disturb the gateway", with({ a = good }, {}, function(s)
      s.gateway:edit(file, function() return text end)
      local status, printed = reload(s)
      assert.equal(1, status)
      assert.equal(s.gateway.dir, printed:match "^([^:]+)/[^/]+:%d+:", printed)
      assert.matches(complaint, printed)
      assert.equal(0, swaps(s) + refusals(s))
      assert.is_true(answers(s, "test/model"))
    end))
  end

  it("says how to go on when no gateway runs under this configuration", with({ a = good }, {}, function(s)
    local other = gateway.write(s.gateway.dir .. "/other.lua", scene.read_file(s.gateway.config_path))
    local status, printed = run("reload", other)
    assert.equal(1, status)
    assert.is_truthy(printed:find("no `tidegate serve` of yours runs under " .. other .. "\n", 1, true), printed)
    assert.is_truthy(printed:find(("  process %d runs under %s\n"):format(s.gateway.process.pid,
      s.gateway.config_path), 1, true), printed)
    assert.is_truthy(printed:find("start one: tidegate serve " .. other, 1, true), printed)
    assert.equal(0, swaps(s))
  end))

  it("lists the processes when there are several, and asks the one that --pid names",
    with({ a = good }, {}, function(s)
      local second = process.start { gateway.program(), "serve", s.gateway.config_path }
      second:expect("listening", 20)
      local status, printed = reload(s)
      assert.equal(1, status)
      for _, pid in ipairs { s.gateway.process.pid, second.pid } do
        assert.is_truthy(printed:find(" " .. pid, 1, true), printed)
      end
      assert.matches("%-%-pid %d+\n$", printed)
      assert.equal(0, swaps(s))

      status, printed = reload(s, "--pid", tostring(s.gateway.process.pid))
      assert.equal(0, status, printed)
      assert.equal(1, swaps(s))
      assert.equal(0, second:stop())
      assert.is_nil(second.printed:find '"event":"reload"')
    end))

  it("refuses a --pid that is no gateway, or runs under another configuration", with({ a = good }, {}, function(s)
    local me = tostring(core.process.self())
    local status, printed = reload(s, "--pid", me)
    assert.equal(1, status)
    assert.is_truthy(printed:find("process " .. me .. " is no `tidegate serve`", 1, true), printed)

    local other = gateway.write(s.gateway.dir .. "/other.lua", scene.read_file(s.gateway.config_path))
    local pid = tostring(s.gateway.process.pid)
    status, printed = run("reload", other, "--pid", pid)
    assert.equal(1, status)
    assert.is_truthy(printed:find(("tidegate reload %s --pid %s"):format(s.gateway.config_path, pid), 1, true), printed)
    assert.equal(0, swaps(s))
  end))

  for name, command in pairs {
    ["by a path from where it was started"] = "cd %s && exec %s serve ./tidegate.lua",
    ["without CONFIG in the directory of tidegate.lua"] = "cd %s && exec %s serve --workers 1",
    ["through a link"] = "cd %s && ln -s tidegate.lua link.lua && exec %s serve link.lua",
  } do
    it("finds one that was started " .. name, with({ a = good }, {}, function(s)
      assert.equal(0, s.gateway.process:stop())
      local p = process.start { "sh", "-c", command:format(s.gateway.dir, whole_program()) }
      p:expect("listening", 20)
      local status, printed = reload(s)
      assert.equal(0, p:stop())
      assert.equal(0, status, printed)
      assert.equal(1, count(p.printed, '"event":"reload"'))
    end))
  end

  it("finds none without a configuration where there is one", with({ a = good }, {}, function(s)
    local status, printed = process.run { "sh", "-c", "cd / && exec env -i ASAN_OPTIONS=detect_leaks=0 $0 reload",
      whole_program() }
    assert.equal(1, status, printed)
    assert.is_truthy(printed:find("runs without a configuration file", 1, true), printed)
    assert.equal(0, swaps(s))
  end))

  it("reads with the environment of the gateway", with({ a = good }, {
    config = { auth = "keys", keys = { { name = "k", key = "a-key-of-the-file" } } }, env = { SWAP_SPEC_KEY = "0123456789abcdef" },
  }, function(s)
    s.gateway:edit("tidegate.lua", function(text) return (text:gsub('"a%-key%-of%-the%-file"', 'env "SWAP_SPEC_KEY"')) end)
    local status, printed = reload(s)
    assert.equal(0, status, printed)
    assert.equal(200, s:chat({}, { Authorization = "Bearer 0123456789abcdef" }).status)
  end))

  it("waits for a gateway that is only starting", with({ a = good }, {}, function(s)
    s.gateway.process:stop()
    local p = process.start { gateway.program(), "serve", s.gateway.config_path }
    assert.is_true(scene.eventually(5, function()
      return (core.process.words(p.pid) or {})[2] == "serve"
    end))
    local status, printed = reload(s)
    assert.equal(0, status, printed)
    assert.equal(0, p:stop(), p.printed)
    assert.equal(1, count(p.printed, '"event":"reload"'))
  end))

  it("is told when the gateway will not, or is about to end", function()
    local gate = {}
    scene.run({ a = function(conn)
      provider.begin_stream(conn)
      provider.event(conn, provider.delta "begun")
      scene.eventually(20, function() return gate.open end)
      provider.event(conn, provider.delta("", "stop"))
      provider.event(conn, "[DONE]")
      provider.end_stream(conn)
    end }, {}, function(s)
      local pid = s.gateway.process.pid
      assert.equal("done", core.process.ask_reload(pid, 5))
      s.gateway:edit("catalog.json", function() return "{" end)
      assert.equal("refused", core.process.ask_reload(pid, 5))

      local got
      net.spawn(function() got = s:chat { stream = true } end)
      assert.is_true(scene.eventually(5, function() return #s.a.requests == 1 end))
      s.gateway.process:signal(process.TERM)
      assert.is_true(scene.eventually(5, function() return s.gateway:log():find '"event":"drain"' end))
      assert.equal("ending", core.process.ask_reload(pid, 5))
      gate.open = true
      assert.is_true(scene.eventually(5, function() return got end))
      assert.equal("begun", got.text)
    end)
  end)

  for _, words in ipairs { { "--pid", "0" }, { "--pid", "me" }, { "--pid", "1.5" } } do
    it("takes no " .. table.concat(words, " "), function()
      local status, printed = run("reload", unpack(words))
      assert.equal(2, status)
      assert.is_truthy(printed:find("--pid: the number of a process expected", 1, true), printed)
    end)
  end
end)

describe("watch = true", function()
  local WATCHED = { config = { watch = true } }

  local function replace(s, name, change)
    local path = s.gateway.dir .. "/" .. name
    gateway.write(path .. ".new", change(scene.read_file(path)))
    assert(os.rename(path .. ".new", path))
  end

  local function soon(holds) return scene.eventually(3, holds) end

  it("takes a catalogue that is written", with({ a = good }, WATCHED, function(s)
    rename_model(s, "test/model", "test/new")
    assert.is_true(soon(function() return answers(s, "test/new") end))
    assert.equal(1, swaps(s))
    assert.is_truthy(s.gateway:log():find("catalog.json has changed", 1, true))
  end))

  it("takes a policy that is written, and a module that it requires", with({ a = good, b = good }, WATCHED, function(s)
    local function write(name, text) gateway.write(s.gateway.dir .. "/" .. name, text) end
    local function asks(name, after)
      assert.is_true(soon(function() return swaps(s) == after end), s.gateway:log())
      for _ = 1, 10 do assert.equal(name, s:chat({}).json.provider) end
    end
    write("wanted.lua", 'return { "b" }')
    write("policy.lua", 'return { data = { order = require "wanted" } }')
    s.gateway:edit("tidegate.lua", function(text) return (text:gsub("return { ", 'return { policy = "policy.lua", ')) end)
    asks("Provider B", 1)
    write("wanted.lua", 'return { "a" }')
    asks("Provider A", 2)
    write("policy.lua", 'return { data = { order = { "b" } } }')
    asks("Provider B", 3)
  end))

  it("takes a configuration that another file replaces", with({ a = good, b = good }, {
    config = { watch = true }, order = { "a" } }, function(s)
    replace(s, "tidegate.lua", function(text) return (text:gsub("Provider A", "Provider New")) end)
    assert.is_true(soon(function() return s:chat({}).json.provider == "Provider New" end))
    replace(s, "tidegate.lua", function(text) return (text:gsub("Provider New", "Provider Newer")) end)
    assert.is_true(soon(function() return s:chat({}).json.provider == "Provider Newer" end))
    assert.equal(2, swaps(s))
  end))

  it("complains about a bad file once, and takes it when it is mended", with({ a = good }, WATCHED, function(s)
    local path = s.gateway.dir .. "/tidegate.lua"
    local text = scene.read_file(path)
    gateway.write(path, "return {\n  colour = 1,\n}\n")
    assert.is_true(soon(function() return refusals(s) == 1 end))
    assert.matches("tidegate.lua:2: unknown key colour; everything stays as it was", s.gateway:log())
    net.sleep(1.5)
    assert.equal(1, refusals(s))
    assert.is_true(answers(s, "test/model"))
    gateway.write(path, (text:gsub("Provider A", "Provider New")))
    assert.is_true(soon(function() return s:chat({}).json.provider == "Provider New" end))
    assert.equal(1, refusals(s))
  end))

  it("takes a catalogue that was missing when the configuration began to name it", with({ a = good }, WATCHED,
    function(s)
      replace(s, "tidegate.lua", function(text) return (text:gsub('"catalog.json"', '"other.json"')) end)
      assert.is_true(soon(function() return refusals(s) == 1 end))
      gateway.write(s.gateway.dir .. "/other.json", (scene.read_file(s.gateway.dir .. "/catalog.json")
        :gsub("test/model", "test/new")))
      assert.is_true(soon(function() return answers(s, "test/new") end))
    end))

  it("does not mind that a file is gone for a moment", with({ a = good }, WATCHED, function(s)
    local path = s.gateway.dir .. "/catalog.json"
    local text = scene.read_file(path)
    os.remove(path)
    net.sleep(0.6)
    gateway.write(path, (text:gsub("test/model", "test/new")))
    assert.is_true(soon(function() return answers(s, "test/new") end))
    assert.equal(0, refusals(s))
  end))

  it("stays as it is when a file is gone, and says so once", with({ a = good }, WATCHED, function(s)
    os.rename(s.gateway.config_path, s.gateway.config_path .. ".away")
    assert.is_true(soon(function() return refusals(s) == 1 end))
    assert.matches("there is no file [^\n]*tidegate.lua; everything stays as it was", s.gateway:log())
    net.sleep(1)
    assert.equal(1, refusals(s))
    assert.is_true(answers(s, "test/model"))
    os.rename(s.gateway.config_path .. ".away", s.gateway.config_path)
    assert.is_true(soon(function() return swaps(s) == 1 end))
  end))

  it("waits until a file has been written to its end", with({ a = good }, WATCHED, function(s)
    local path = s.gateway.dir .. "/catalog.json"
    local text = scene.read_file(path):gsub("test/model", "test/new")
    local f = assert(io.open(path, "wb"))
    f:setvbuf "no"
    for at = 1, #text, 100 do
      f:write(text:sub(at, at + 99))
      net.sleep(0.1)
    end
    f:close()
    assert.is_true(soon(function() return answers(s, "test/new") end))
    assert.equal(0, refusals(s))
  end))

  it("is switched on and off by a reload, and costs nothing when it is off", with({ a = good }, {}, function(s)
    local function switch(text)
      s.gateway:edit("tidegate.lua", function(old)
        return (old:gsub('%["watch"%] = %w+, ', ""):gsub("return { ", "return { " .. text, 1))
      end)
    end
    local function wakeups()
      return scene.read_file("/proc/" .. s.gateway.process.pid .. "/status"):match "\nvoluntary_ctxt_switches:%s*(%d+)"
    end
    -- Who looks every half second or so sleeps through none of these; the end of a swap may wake it once.
    local function sleeps()
      for _ = 1, 4 do
        local before = wakeups()
        net.sleep(0.9)
        if wakeups() == before then return true end
      end
      return false
    end
    rename_model(s, "test/model", "test/one")
    assert.is_true(sleeps())
    assert.equal(0, swaps(s))

    switch '["watch"] = true, '
    s.gateway.process:signal(process.HUP)
    assert.is_true(soon(function() return answers(s, "test/one") end))
    rename_model(s, "test/one", "test/two")
    assert.is_true(soon(function() return answers(s, "test/two") end))

    switch ""
    assert.is_true(soon(function() return swaps(s) == 3 end))
    rename_model(s, "test/two", "test/three")
    assert.is_true(sleeps())
    assert.is_true(answers(s, "test/two"))
  end))
end)

-- ---- a thousand times ----

-- What is written to the log from now on, without making other tasks wait.
local function follow(s)
  local f = assert(io.open(s.gateway.process.path, "rb"))
  local rest = ""
  f:seek("end")
  return function(pattern, seconds)
    local found
    assert(scene.eventually(seconds, function()
      f:seek("cur", 0)
      rest = rest .. (f:read "*a" or "")
      found = rest:match(pattern .. "[^\n]*\n()")
      -- All that is behind it comes after it.
      rest = found and rest:sub(found) or rest:match "[^\n]*$"
      return found
    end), "not in the log: " .. pattern)
  end
end

local WORDS, LONG = { "one ", "two ", "three" }, {}
for i = 1, 40 do LONG[i] = ("word %d "):format(i) end

-- Streams of some words, of two seconds, and one that lasts as long as all of it.
local function answer(load)
  return function(conn, request)
    if request.body:find('"user":"long"', 1, true) then return provider.stream(conn, LONG, 0.05) end
    if request.body:find('"user":"all"', 1, true) then
      provider.begin_stream(conn)
      repeat
        provider.event(conn, provider.delta "again ")
        load.said = load.said + 1
        net.sleep(0.05)
      until load.is_over
      provider.event(conn, provider.delta("", "stop"))
      provider.event(conn, "[DONE]")
      return provider.end_stream(conn)
    end
    if request.body:find('"stream":true', 1, true) then return provider.stream(conn, WORDS, 0.002) end
    provider.json(conn, provider.completion(table.concat(WORDS)))
  end
end

-- One connection with one request after another until it is over.
local function client(s, load, i)
  local conn = assert(net.connect("127.0.0.1", s.port))
  while not load.is_over do
    local streams = (load.requests + i) % 2 == 0
    conn:write(http.request_text("POST", "/api/v1/chat/completions", nil, scene.body { stream = streams }))
    local r = scene.told(http.read_response(conn, 20))
    assert.equal(200, r.status, r.body)
    assert.equal(table.concat(WORDS), streams and r.text or not streams and r.json.choices[1].message.content)
    assert.is_false(streams and not r.done)
    local by = streams and r.last.provider or r.json.provider
    load.by[by] = (load.by[by] or 0) + 1
    load.requests = load.requests + 1
    net.sleep(0.005)
  end
  conn:close()
end

local function stream(s, user)
  local r = s:chat({ stream = true, user = user }, nil, 120)
  assert.equal(200, r.status)
  assert.is_true(r.done and not r.cut)
  return r.text
end

local function listener(s, load)
  while not load.is_over do
    assert.equal(table.concat(LONG), stream(s, "long"))
    load.streams = load.streams + 1
  end
end

local function listener_to_all(s, load)
  local text = stream(s, "all")
  assert.equal(("again "):rep(load.said), text)
end

-- A policy with every hook, and a file beside it.
local POLICY = [[
local words = require "words"
return {
  data = { max_price = { prompt = %d } },
  filter = function(endpoint) return endpoint.uptime_5m > 0.5, words.failing end,
  score = function(endpoint, request, base) return base * %d + request.hash(endpoint.id) %% 7 end,
  order = function(endpoints) return { #endpoints } end,
  on_error = function() return "next" end,
  on_response = function(response) tidegate.kv.incr("tokens", response.tokens, 60) end,
}
]]

-- Configuration, catalogue and policy are others in turn: another provider, at other prices, by other
-- scores.
local function faces(s)
  local path = { s.gateway.config_path, s.gateway.dir .. "/catalog.json", s.gateway.dir .. "/swap.lua" }
  local one = { scene.read_file(path[1]):gsub("return { ", 'return { policy = "swap.lua", ', 1),
                scene.read_file(path[2]), POLICY:format(20, 1) }
  local other = {
    one[1]:gsub(":" .. s.a.port .. "/", ":" .. s.b.port .. "/"):gsub("Provider A", "Provider B"),
    one[2]:gsub("up%-a", "up-b"):gsub("0%.000001", "0.000003"), POLICY:format(10, 2),
  }
  gateway.write(s.gateway.dir .. "/words.lua", 'return { failing = "too many failures" }')
  return function(n)
    local texts = n % 2 == 0 and one or other
    for i = 1, 3 do gateway.write(path[i], texts[i]) end
  end
end

describe("1,000 swaps under load", function()
  -- A sanitizer keeps what is freed, to find who uses it still: here not for long.
  local sparing = { ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "detect_leaks=1:exitcode=99")
    .. ":quarantine_size_mb=1:thread_local_quarantine_size_kb=16" }

  local load = { requests = 0, streams = 0, said = 0, by = {}, is_over = false }

  it("fail no request, disturb no stream and leave nothing behind", with({ a = answer(load), b = answer(load) }, {
    order = { "a" }, config = { workers = 2 }, env = sparing,
  }, function(s)
    local early, late, early_files, late_files
    local tasks = { function() listener_to_all(s, load) end }
    for i = 1, 4 do
      tasks[#tasks + 1] = function() client(s, load, i) end
      tasks[#tasks + 1] = function() listener(s, load) end
    end
    tasks[#tasks + 1] = function()
      local put, wait_for = faces(s), follow(s)
      for n = 1, 1000 do
        put(n)
        s.gateway.process:signal(process.HUP)
        wait_for('"level":"info","event":"reload"', 10)
        if n == 250 then early, early_files = s:rss_kb(), s:open_files() end
      end
      late, late_files = s:rss_kb(), s:open_files()
      load.is_over = true
    end
    scene.together(tasks)
    assert.is_true(load.requests > 500, load.requests .. " requests")
    assert.is_true(load.streams >= 4, load.streams .. " long streams")
    assert.is_nil(s.gateway:log():find '"event":"policy"', "a policy has failed")
    assert.is_true(load.by["Provider A"] > 50 and load.by["Provider B"] > 50)
    assert.is_true(late <= early + 4096, early .. " KiB, then " .. late)
    assert.is_true(late_files <= early_files + 16, early_files .. " files, then " .. late_files)
  end))
end)
