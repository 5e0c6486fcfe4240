--- Every recorded answer of a provider that speaks a format of its own, sent again byte for byte through the real
-- gateway, to a client of each format.
--
-- There are no golden files: the readings of the formats (spec/support/readings/) tell what the provider said, and what
-- the client got; the two must agree, however the bytes were cut. Where both speak the same format the bytes are equal.

package.path = "spec/support/?.lua;" .. package.path

local core               = require "tidegate.core"
local clients            = require "clients"
local gateway            = require "gateway"
local http               = require "http"
local native_cuts        = require "native_cuts"
local native_rules       = require "native_rules"
local native_transcripts = require "native_transcripts"
local provider           = require "provider"
local scene              = require "scene"
local transcripts        = require "transcripts"

local json, net = core.json, core.net

local dir = transcripts.dir()
if not dir then
  io.stderr:write "NOTICE: no recordings (set TIDEGATE_TEST_DATA); spec/program/native_transcripts_spec.lua checks nothing\n"
  return
end

local SEED = tonumber(os.getenv "TIDEGATE_SEED") or 20261121
local TASKS = 64

local recordings, left_out = native_transcripts.all(dir)
local jobs = native_cuts.plan(recordings, SEED)

-- ---- the exchange ----

-- The provider finds the job by what the client says.
local function replay(conn, request)
  local job = jobs[tonumber(request.body:match '"job%-(%d+)"')]
  conn:write(("HTTP/1.1 %d Recorded\r\n%s%sTransfer-Encoding: chunked\r\n\r\n"):format(job.r.status,
    table.concat(job.headers, "\r\n"), job.headers[1] and "\r\n" or ""))
  local waiting, bytes = {}, 0
  for _, piece in ipairs(job.pieces) do
    waiting[#waiting + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
    bytes = bytes + #piece
    if bytes > 400 then
      conn:write(table.concat(waiting))
      waiting, bytes = {}, 0
    end
  end
  conn:write(table.concat(waiting))
  if job.ending == "broken" then return false end
  conn:write "0\r\n\r\n"
end

local function request_of(job)
  local words = "job-" .. job.number
  if job.r.asks == "embeddings" then return "/v1/embeddings", json.encode { model = job.id, input = words } end
  if job.r.asks == "rerank" then
    return "/v1/rerank", json.encode { model = job.id, query = words, documents = { "a", "b", "c" } }
  end
  return clients.request(job.client, job.id, { text = words, stream = job.stream, reasons = true })
end

-- What there is to know of an answer: its reading, its events, how it ended.
local function read_answer(job)
  local got = job.got
  job.is_events = (got.headers["content-type"] or ""):find "event%-stream" ~= nil
  job.events = job.is_events and transcripts.events(got.body) or { { data = got.body } }
  if got.status ~= 200 or job.r.asks ~= "chat" then return end
  local ok, ours = pcall(clients[job.client].read, got, job.is_events)
  if ok then job.ours = ours else job.unreadable = tostring(ours) end
end

-- ---- judging ----

for _, r in ipairs(native_rules) do r.count, r.wrong, r.by_case = 0, {}, {} end

-- The same complaint of a recording and a client is one, however the bytes were cut.
local function note(r, job, why)
  local case = ("%s to %s: %s"):format(job.r.name, job.client, why:gsub("gen%-%d+%-%w+", "gen-..."):gsub("rec/job%-%d+", "rec/job"))
  local one = r.by_case[case]
  if not one then
    one = { case = case, hows = {} }
    r.by_case[case], r.wrong[#r.wrong + 1] = one, one
  end
  one.hows[#one.hows + 1] = job.how
end

local function list_of(wrong)
  local out = {}
  for i = 1, math.min(#wrong, tonumber(os.getenv "TIDEGATE_SPEC_MOST") or 40) do
    out[i] = ("  %s [%s]"):format(wrong[i].case, table.concat(wrong[i].hows, "; "))
  end
  table.sort(out)
  return table.concat(out, "\n")
end

local function judge(job)
  for _, r in ipairs(native_rules) do
    if r.concerns(job) then
      r.count = r.count + 1
      local ok, why = pcall(r.check, job)
      if why then note(r, job, (ok and "" or "raised: ") .. tostring(why)) end
    end
  end
end

-- ---- all of it ----

local function exchange(port, job)
  local path, body = request_of(job)
  local ok, why = pcall(function()
    job.got = http.post(port, path, body, nil, 40)
    read_answer(job)
    native_rules.understand(job)
    judge(job)
  end)
  if not ok then job.broken = tostring(why) end
  -- Thousands of answers are not kept.
  job.got, job.ours, job.events, job.pieces, job.text = nil, nil, nil, nil, nil
  job.theirs = nil
end

local function catalog()
  local models, seen = {}, {}
  local dollars = tostring(native_rules.DOLLARS_A_TOKEN)
  local price = { prompt = dollars, completion = dollars }
  for _, job in ipairs(jobs) do
    if not seen[job.id] then
      seen[job.id] = true
      models[#models + 1] = {
        id = job.id, canonical_slug = job.id, name = job.id, created = 1, context_length = 1000000,
        architecture = { input_modalities = { "text" },
                         output_modalities = { job.r.asks == "chat" and "text" or job.r.asks } },
        pricing = price,
        endpoints = { { provider = job.r.slug, upstream_model = job.r.model, context_length = 1000000 } },
      }
    end
  end
  return gateway.json { data = models }
end

local function providers_at(port)
  local out = {}
  for slug, w in pairs(native_transcripts.wires) do
    out[slug] = { wire = w.wire or slug, base_url = ("http://127.0.0.1:%d%s"):format(port, w.base or ""), key = "sk-x" }
    for k, v in pairs(w.fields or {}) do out[slug][k] = v end
  end
  return out
end

local function replay_all()
  local log, ended, why
  net.run(function()
    local up = provider.start(replay)
    local gw = gateway.start { providers = providers_at(up.port), catalog = catalog(), config = { log = "error" } }
    scene.each(jobs, TASKS, function(job) exchange(gw.port, job) end)
    log = gw:log():gsub("tidegate: listening[^\n]*\n", "")
    up:stop()
    ended, why = pcall(gw.stop, gw)
    if up.failure then ended, why = false, up.failure end
  end)
  return ended, log .. (ended and "" or tostring(why))
end

-- ---- the specification ----

describe("a recorded provider of another format, replayed to every client", function()
  local ended, log

  lazy_setup(function() ended, log = replay_all() end)

  it("is answered in every exchange, and the gateway lives on", function()
    local broken = {}
    for _, job in ipairs(jobs) do
      if job.broken then broken[#broken + 1] = ("%s to %s (%s): %s"):format(job.r.name, job.client, job.how, job.broken) end
    end
    assert.is_true(ended, log:sub(-6000))
    assert.equal("", log)
    assert.same({}, broken)
  end)

  for _, r in ipairs(native_rules) do
    it(r.title, function()
      assert.is_true(r.count > 0, "nothing was judged")
      if r.wrong[1] then error(("%d cases among %d exchanges:\n%s"):format(#r.wrong, r.count, list_of(r.wrong)), 0) end
    end)
  end

  it("covers all that was recorded", function()
    local apis, names = {}, {}
    for _, job in ipairs(jobs) do
      local a = apis[job.r.api]
      if not a then
        a = { recordings = {}, count = 0, exchanges = 0 }
        apis[job.r.api], names[#names + 1] = a, job.r.api
      end
      if not a.recordings[job.r.name] then a.recordings[job.r.name], a.count = true, a.count + 1 end
      a.exchanges = a.exchanges + 1
    end
    table.sort(names)
    for i, name in ipairs(names) do names[i] = ("%s %d/%d"):format(name, apis[name].count, apis[name].exchanges) end
    local out = {}
    for why, count in pairs(left_out) do out[#out + 1] = ("%d %s"):format(count, why) end
    table.sort(out)
    print(("\n%d recordings, %d exchanges (%s); left out: %s"):format(#recordings, #jobs, table.concat(names, ", "),
      table.concat(out, "; ")))
    assert.is_true(#recordings > 180 and #jobs > 3000)
  end)
end)
