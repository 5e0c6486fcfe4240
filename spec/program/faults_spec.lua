--- What providers have been seen to do wrong, each script with what a gateway
-- must make of it. The scripted provider comes first, a good one second.
--
-- All scripts are played to one gateway, many beside each other and every one
-- with a model of its own, so that none knows of another's breaker; then each is
-- judged.

local net      = require("tidegate.core").net
local json     = require "cjson.safe"
local gateway  = require "gateway"
local http     = require "http"
local process  = require "process"
local provider = require "provider"
local scene    = require "scene"

local path = scene.data "abuse/provider/fault_scripts.jsonl"
if not path then return end
local scripts = scene.read_jsonl(path)

local CONFIG = {
  timeouts = { connect = 0.5, first_byte = 1, first_token = 1, idle = 1, total = 20 },
}
local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function decode64(text)
  local out, value, bits = {}, 0, 0
  for c in text:gmatch "[%w%+/]" do
    value = value * 64 + BASE64:find(c, 1, true) - 1
    bits = bits + 6
    if bits >= 8 then
      bits = bits - 8
      out[#out + 1] = string.char(math.floor(value / 2 ^ bits))
      value = value % 2 ^ bits
    end
  end
  return table.concat(out)
end

-- ---- playing a script ----

local generators = {}
local bomb

-- A quarter of what the script asks for is four times what is taken in, and
-- does not need five seconds to make.
local function make_bomb()
  local p = assert(io.popen "head -c 268435456 /dev/zero | gzip -1")
  bomb = p:read "*a"
  p:close()
end

generators["gzip zeros 1 GiB, Content-Encoding: gzip"] = function(conn)
  conn:write(("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n"
    .. "Content-Length: %d\r\n\r\n"):format(#bomb))
  conn:write(bomb)
end

generators["200 body that echoes request headers"] = function(conn, request)
  local echo = table.concat(request.raw_headers, "; ")
  if request.body:find '"stream":true' then
    provider.stream(conn, { echo })
  else
    provider.json(conn, provider.completion(echo))
  end
end

-- Most recorded streams just end. A finish reason in front of the end makes a
-- whole answer of them.
local FINISH = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'

local function is_end(step)
  return step.send_b64 and decode64(step.send_b64) == "0\r\n\r\n"
end

local function play(script, conn, request, finishes)
  local finished = not finishes
  for _, step in ipairs(script.steps) do
    if not finished and is_end(step) then
      finished = true
      provider.chunk(conn, FINISH)
    end
    local written = true
    if step.send_b64 then written = conn:write(decode64(step.send_b64)) end
    if step.wait_ms then net.sleep(step.wait_ms / 1000) end
    if step["end"] == "fin" then return false end
    if step.gen then generators[step.gen](conn, request) end
    for _ = 1, step["repeat"] and step["repeat"].times or 0 do
      written = written and conn:write(decode64(step["repeat"].b64))
    end
    if not written then return false end
  end
  if not finished then
    provider.chunk(conn, FINISH)
    provider.end_stream(conn)
  end
end

-- ---- the providers that cannot be scripted by bytes ----

local function shell(command)
  local p = assert(io.popen(command .. " 2>&1"))
  local out = p:read "*a"
  p:close()
  return out
end

-- A TLS server whose certificate comes from a CA that the gateway trusts, and
-- expired yesterday.
local function expired_tls(dir)
  local function at(name) return dir .. "/" .. name end
  local key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
  gateway.write(at "san", "subjectAltName=IP:127.0.0.1\n")
  shell(("openssl req -x509 %s -keyout %s -out %s -subj /CN=ca -days 2"):format(key, at "ca.key", at "ca.pem"))
  shell(("openssl req %s -keyout %s -out %s -subj /CN=127.0.0.1"):format(key, at "s.key", at "s.csr"))
  shell(("openssl x509 -req -in %s -CA %s -CAkey %s -CAcreateserial -days -1 -extfile %s -out %s"):format(
    at "s.csr", at "ca.pem", at "ca.key", at "san", at "s.pem"))
  local server = process.start { "openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "100",
    "-cert", at "s.pem", "-key", at "s.key", "-www" }
  return tonumber(server:expect "ACCEPT 127%.0%.0%.1:(%d+)"), server
end

-- ---- one run of everything ----

-- The ways a script is asked for: as it stands, in a request that wants a whole
-- answer, and with a finish reason before its end.
local WAYS = { "streamed", "whole", "finished" }

local function model_of(script, way)
  return ("%s/%s"):format(way, script.name)
end

local function provider_of(script)
  local first = script.steps[1]
  return first.tls and "tls" or first["end"] == "refuse" and "refuse" or first["end"] == "synhang" and "hang" or "a"
end

local function catalog()
  local models = gateway.list {}
  for _, script in ipairs(scripts) do
    for _, way in ipairs(WAYS) do
      local id = model_of(script, way)
      models[#models + 1] = gateway.model(id, {
        { provider = provider_of(script), upstream_model = id }, { provider = "b", upstream_model = id } })
    end
  end
  return gateway.json { data = models }
end

local results = {}       -- model id -> { response, took, asked_b, log }

local function ask(s, script, way)
  local id = model_of(script, way)
  local began = net.now()
  local r = s:chat({ model = id, stream = way ~= "whole",
    provider = { order = gateway.list { provider_of(script), "b" } } },
    { ["X-OpenRouter-Metadata"] = "enabled" })
  results[id] = { response = r, took = net.now() - began }
end

local function run_all()
  make_bomb()
  local by_id = {}
  for _, script in ipairs(scripts) do
    for _, way in ipairs(WAYS) do by_id[model_of(script, way)] = { script, way } end
  end
  local function scripted(conn, request)
    local id = json.decode(request.body).model
    request.id = id
    return play(by_id[id][1], conn, request, by_id[id][2] == "finished")
  end
  local closed = 1          -- nobody listens there
  local hanging, release = process.hanging_port()
  local dir = gateway.temp_dir()
  local tls_port, tls_server = expired_tls(dir)
  scene.run({ a = scripted, b = provider.good(), refuse = closed, hang = hanging,
    tls = { base_url = ("https://127.0.0.1:%d/v1"):format(tls_port) } },
    { catalog = catalog(), config = CONFIG, env = { SSL_CERT_FILE = dir .. "/ca.pem" } },
    function(s)
      results.rss_before = s:rss_kb()
      local jobs = {}
      for _, script in ipairs(scripts) do
        for _, way in ipairs(WAYS) do jobs[#jobs + 1] = { script, way } end
      end
      scene.each(jobs, 16, function(job) ask(s, job[1], job[2]) end)
      results.rss_after = s:rss_kb()
      -- Nothing that came behind an answer is taken for another's.
      results.after = {}
      for i = 1, 3 do
        results.after[i] = s:chat { model = "whole/content-length-lie-short",
          provider = { order = gateway.list { "a", "b" } } }
      end
      results.asked = s.b.requests
      results.log = s.gateway:log()
    end)
  release()
  tls_server:stop()
  os.execute("rm -rf " .. dir)
end

-- ---- judging ----

local function asked_b(id)
  for _, request in ipairs(results.asked) do
    if json.decode(request.body).model == id then return true end
  end
  return false
end

local function cost_of(r)
  local usage = (r.json or r.last).usage
  return usage and usage.cost
end

local function assert_good(r)
  assert.equal(200, r.status)
  assert.is_falsy(r.cut)
  if not r.events then
    assert.is_table(r.json)
    assert.is_nil(r.json.error)
    return
  end
  assert.is_true(r.done)
  assert.is_nil(r.last.error)
end

local function assert_error_chunk(r)
  assert.equal(200, r.status)
  assert.is_falsy(r.cut)
  assert.is_false(r.done)
  assert.is_number(r.last.error.code)
  assert.equal("error", r.last.choices[1].finish_reason)
end

-- Answered by the good provider, at its price alone: a failed attempt costs nothing.
local function assert_failed_over(r)
  assert_good(r)
  local told = r.json or r.last
  assert.equal("Provider B", told.provider)
  assert.equal("Hello, world", r.text or r.json.choices[1].message.content)
  assert.is_near((10 + 2 * (r.json and 5 or 3)) / 1e6, cost_of(r), 1e-12)
end

-- Whatever came, the client can read it: told as an answer or as an error.
local function assert_well_formed(r)
  assert.is_falsy(r.cut)
  if r.status ~= 200 then
    assert.is_table(r.json.error)
    assert.equal(r.status, r.json.error.code)
  elseif r.events and not r.done then
    assert_error_chunk(r)
  else
    assert_good(r)
  end
  assert.is_not.equal(500, r.status)
end

local function text_of_tokens(script)
  local n = 0
  for _, step in ipairs(script.steps) do
    for _ in decode64(step.send_b64 or ""):gmatch '"content":"x"' do n = n + 1 end
  end
  return ("x"):rep(n)
end

-- The dearest that the request could have been: all of the context read, all
-- that may be written.
local RESERVATION = 100000 * 0.000001 + 10000 * 0.000002

local judges = {}

function judges.failover(script)
  for _, way in ipairs { "streamed", "whole" } do
    assert_failed_over(results[model_of(script, way)].response)
  end
end

function judges.told(script)
  for _, way in ipairs { "streamed", "whole" } do
    local id = model_of(script, way)
    local r = results[id].response
    assert.equal(tonumber(script.name:match "%d+"), r.status)
    assert.equal(r.status, r.json.error.code)
    assert.matches("bad", r.json.error.message)
    assert.is_false(asked_b(id))
  end
end

judges["error frame"] = function(script)
  local r = results[model_of(script, "streamed")].response
  assert_error_chunk(r)
  assert.equal(text_of_tokens(script), r.text)
end

-- As it stands it breaks off, which is never a success (R-01); with a finish
-- reason it is whole, and [DONE] is ours to add.
judges.ok = function(script)
  local cut = results[model_of(script, "streamed")].response
  local whole = results[model_of(script, "finished")].response
  assert_well_formed(cut)
  assert_good(whole)
  local tokens = text_of_tokens(script)
  if tokens ~= "" then
    assert_error_chunk(cut)
    assert.equal(tokens, cut.text)
    assert.equal(tokens, whole.text)
  end
end

local special = {}

special["slow-byte"] = function(script)
  assert_error_chunk(results[model_of(script, "streamed")].response)
  local whole = results[model_of(script, "finished")].response
  assert_good(whole)
  assert.equal("x", whole.text)
end

special["accept-then-silent"] = function(script)
  judges.failover(script)
  assert.is_true(results[model_of(script, "streamed")].took < 3)
end
special["keepalive-only-60s"] = special["accept-then-silent"]
special["connect-hang"] = special["accept-then-silent"]

special["tls-bad-cert"] = function(script)
  judges.failover(script)
  local metadata = results[model_of(script, "streamed")].response.last.openrouter_metadata
  assert.equal("tls", metadata.tidegate.attempts[1].outcome)
end

special["content-length-lie-short"] = function(script)
  judges.failover(script)
  for _, r in ipairs(results.after) do
    assert_good(r)
    assert.is_nil(r.body:find("poisoned", 1, true))
  end
end

special["cl-and-te"] = function(script) judges.failover(script) end

special["usage-every-chunk"] = function(script)
  local r = results[model_of(script, "streamed")].response
  assert_good(r)
  assert.equal(10, r.last.usage.prompt_tokens)
  assert.equal(1, r.last.usage.completion_tokens)
  assert.is_near((10 + 2) / 1e6, cost_of(r), 1e-12)
end
special["usage-twice"] = special["usage-every-chunk"]

special["wrong-model-echo"] = function(script)
  for _, way in ipairs { "streamed", "finished" } do
    local id = model_of(script, way)
    for _, event in ipairs(results[id].response.events) do assert.equal(id, event.model) end
    assert.is_nil(results[id].response.body:find("other/model", 1, true))
  end
end

special["tool-call-fragments-out-of-order"] = function(script)
  local r = results[model_of(script, "finished")].response
  assert_good(r)
  local arguments, names = {}, {}
  for _, event in ipairs(r.events) do
    for _, call in ipairs(event.choices[1].delta.tool_calls or {}) do
      local f = call["function"] or {}
      arguments[call.index] = (arguments[call.index] or "") .. (f.arguments or "")
      names[call.index] = f.name or names[call.index]
    end
  end
  local told = {}
  for index, text in pairs(arguments) do told[text] = names[index] or "" end
  assert.same({ ["{"] = "", ["{}"] = "f" }, told)
end

special["byok-echo-authorization"] = function(script)
  for _, way in ipairs { "streamed", "whole" } do
    local r = results[model_of(script, way)].response
    assert_good(r)
    assert.is_nil(r.body:find("key-of-a", 1, true))
  end
  assert.is_nil(results.log:find("key-of-a", 1, true))
end

local function judge_charge(script)
  local r = results[model_of(script, "streamed")].response
  assert_well_formed(r)
  local usage = r.last.usage
  if r.done and r.last.provider == "Provider B" then return assert_failed_over(r) end
  assert.equal("x", r.text)
  if not r.done then return end
  assert.is_true(usage.cost >= 0 and usage.cost <= RESERVATION, "cost " .. usage.cost)
  for _, name in ipairs { "prompt_tokens", "completion_tokens", "total_tokens" } do
    assert.is_true(usage[name] >= 0 and usage[name] <= 110000 and usage[name] % 1 == 0,
      name .. " " .. tostring(usage[name]))
  end
end

local function judge(script)
  local expect = script.expect
  if special[script.name] then return special[script.name](script) end
  if expect.failover then return judges.failover(script) end
  if expect.failover == false then return judges.told(script) end
  if (expect.client or ""):find "^error frame" then return judges["error frame"](script) end
  if (expect.client or ""):find "^ok" and expect.client ~= "ok or dropped" then return judges.ok(script) end
  if expect.charge then return judge_charge(script) end
  for _, way in ipairs(WAYS) do assert_well_formed(results[model_of(script, way)].response) end
end

describe("Of the recorded provider faults", function()
  setup(run_all)

  it("all " .. #scripts .. " scripts are played, each in three ways", function()
    assert.is_true(#scripts >= 57)
    for _, script in ipairs(scripts) do
      for _, way in ipairs(WAYS) do assert.is_table(results[model_of(script, way)]) end
    end
  end)

  for _, script in ipairs(scripts) do
    it(("%s: %s"):format(script.name, json.encode(script.expect)), function() judge(script) end)
  end

  it("none makes the gateway hold on to memory", function()
    if scene.is_sanitized() then return end
    local grown = results.rss_after - results.rss_before
    assert.is_true(grown < 160 * 1024, grown .. " KiB")
  end)

  it("every answer, also of those that failed, carries our id", function()
    for _, script in ipairs(scripts) do
      for _, way in ipairs(WAYS) do
        assert.matches("^gen%-%d+%-%w+$", results[model_of(script, way)].response.headers["x-generation-id"])
      end
    end
  end)
end)

describe("A provider that refuses connections", function()
  it("costs the client less than 50 ms", scene.with({ a = { port = 1 }, b = provider.good() }, {}, function(s)
    local best = math.huge
    for _ = 1, 5 do
      local began = net.now()
      assert.equal(200, http.post(s.port, "/api/v1/chat/completions",
        scene.body { provider = { order = gateway.list { "a", "b" } } }).status)
      best = math.min(best, net.now() - began)
    end
    assert.is_true(best < 0.05, best .. " s")
  end))
end)
