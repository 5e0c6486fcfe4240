--- Every recorded answer of an OpenAI-compatible provider, sent again byte for
-- byte through the real gateway. There are no golden files: each recording is
-- read a second time in the simplest way, and what the client got must agree.

local net         = require("tidegate.core").net
local cjson       = require "cjson"
local gateway     = require "gateway"
local http        = require "http"
local provider    = require "provider"
local transcripts = require "transcripts"

local dir = transcripts.dir()
if not dir then
  io.stderr:write "NOTICE: no recordings (set TIDEGATE_TEST_DATA); spec/program/transcripts_spec.lua checks nothing\n"
  return
end

local SEED = tonumber(os.getenv "TIDEGATE_SEED") or 20261120
local TASKS, BYTEWISE_MOST = 24, 20000
local DOLLARS_A_TOKEN = 0.001               -- dear, so that reported charges are within what is possible

-- What the recordings are compressed with besides, as some providers do unasked.
local CODINGS = transcripts.br and { "gzip", "br" } or { "gzip" }
if not transcripts.br then io.stderr:write "NOTICE: no libbrotlienc; brotli is not replayed\n" end

-- ---- what is replayed ----

-- A job is one exchange: a recording, cut in one way, for one kind of request.
local function new_job(jobs, r, how, pieces, more)
  local job = { r = r, how = how, pieces = pieces, stream = r.is_stream, text = r.body }
  for k, v in pairs(more or {}) do job[k] = v end
  jobs[#jobs + 1] = job
  job.model = "rec/job-" .. #jobs
  return job
end

local function recorded_cuts(r)
  local i = 0
  return transcripts.cut(r.bytes, function()
    i = i + 1
    return r.reads and r.reads[i] or #r.bytes
  end)
end

-- A cut that leaves a whole CRLF on one side, so that both readers see the
-- same lines.
local function cut_point(bytes, random)
  local n = random(#bytes - 1)
  return bytes:sub(n, n) == "\r" and n + 1 or n
end

local function plan_stream(jobs, r, random)
  new_job(jobs, r, "recorded reads", recorded_cuts(r))
  if #r.bytes < BYTEWISE_MOST then
    new_job(jobs, r, "byte by byte", transcripts.cut(r.bytes, function() return 1 end))
  end
  new_job(jobs, r, "random cuts", transcripts.cut(r.bytes, function() return random(200) end))
  for _, coding in ipairs(r.bytes == r.body and #r.bytes < BYTEWISE_MOST and CODINGS or {}) do
    new_job(jobs, r, coding .. ", byte by byte", transcripts.cut(transcripts[coding](r.body), function() return 1 end),
      { coding = coding })
  end
  for _, ending in ipairs { "orderly", "broken" } do
    local n = cut_point(r.bytes, random)
    new_job(jobs, r, "truncated, " .. ending, { r.bytes:sub(1, n) },
      { text = r.body:sub(1, n), truncated = true, ending = ending })
  end
end

local function plan_whole(jobs, r, random)
  local asked = r.kind == "stream" or r.kind == "large"
  new_job(jobs, r, "whole", recorded_cuts(r), { stream = asked })
  new_job(jobs, r, "random cuts", transcripts.cut(r.bytes, function() return random(200) end))
  if r.api ~= "embeddings" then
    new_job(jobs, r, "asked for as a stream", { r.bytes }, { stream = true })
  end
  if r.status == 200 then
    new_job(jobs, r, "truncated", { r.bytes:sub(1, random(#r.bytes - 1)) }, { truncated = true, ending = "broken" })
  end
end

local function plan(recordings)
  local jobs, random = {}, transcripts.random(SEED)
  for _, r in ipairs(recordings) do
    if r.is_stream then plan_stream(jobs, r, random) else plan_whole(jobs, r, random) end
  end
  return jobs
end

-- ---- the exchange ----

-- The provider finds the job by the model's name, which it gets as the
-- catalogue says.
local function scripted(jobs)
  return provider.start(function(conn, request)
    local job = jobs[tonumber(request.body:match '"model":%s*"job%-(%d+)"')]
    job.asked = (job.asked or 0) + 1
    conn:write(("HTTP/1.1 %d Recorded\r\n%s%s%sTransfer-Encoding: chunked\r\n\r\n"):format(job.r.status,
      table.concat(job.r.headers, "\r\n"), job.r.headers[1] and "\r\n" or "",
      job.coding and "Content-Encoding: " .. job.coding .. "\r\n" or ""))
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
  end)
end

local QUESTION = {
  chat = '{"model":"%s","messages":[{"role":"user","content":"hi"}],"stream":%s}',
  completions = '{"model":"%s","prompt":"hi","stream":%s}',
  embeddings = '{"model":"%s","input":"hi"}',
}

local function ask(port, job)
  local body = QUESTION[job.r.api]:format(job.model, tostring(job.stream))
  job.got = http.post(port, "/api/v1" .. job.r.path, body, nil, 40)
  local is_events = (job.got.headers["content-type"] or ""):find "event%-stream"
  job.ours = is_events and transcripts.read_stream(job.got.body, job.r.api)
    or transcripts.read_whole(job.got.body, job.r.api)
  job.is_events = is_events ~= nil
end

local function catalog_of(jobs)
  local models = {}
  local price = { prompt = tostring(DOLLARS_A_TOKEN), completion = tostring(DOLLARS_A_TOKEN) }
  for i, job in ipairs(jobs) do
    local kind = job.r.api == "embeddings" and "embeddings" or "text"
    models[i] = {
      id = job.model, canonical_slug = job.model, name = job.model, created = 1, context_length = 1000000,
      architecture = { input_modalities = { "text" }, output_modalities = { kind } },
      pricing = price,
      endpoints = { { provider = "recorded", upstream_model = "job-" .. i, context_length = 1000000 } },
    }
  end
  return gateway.json { data = models }
end

local function replay(jobs)
  local log, ended, why
  net.run(function()
    local up = scripted(jobs)
    local gw = gateway.start { providers = { recorded = up.port }, catalog = catalog_of(jobs),
      config = { log = "error" } }
    local next_job, running = 1, TASKS
    for _ = 1, TASKS do
      net.spawn(function()
        while next_job <= #jobs do
          local job = jobs[next_job]
          next_job = next_job + 1
          local ok, failure = pcall(ask, gw.port, job)
          if not ok then job.broken = tostring(failure) end
        end
        running = running - 1
      end)
    end
    while running > 0 do net.sleep(0.05) end
    log = gw:log()
    up:stop()
    ended, why = pcall(gw.stop, gw)
  end)
  return log .. (ended and "" or tostring(why)), ended
end

-- ---- judging ----

local recordings = transcripts.all(dir)
local jobs = plan(recordings)

-- Hold every job for which `concerns` to `check`, which returns what is wrong.
local function all_hold(concerns, check)
  local wrong, count = {}, 0
  for _, job in ipairs(jobs) do
    if not job.broken and concerns(job) then
      count = count + 1
      local why = check(job)
      if why then
        wrong[#wrong + 1] = ("%s (%s): %s"):format(job.r.name, job.how, why)
      end
    end
  end
  assert.is_true(count > 0, "no recording was judged")
  if wrong[1] then
    error(("%d of %d exchanges:\n  %s"):format(#wrong, count, table.concat(wrong, "\n  ", 1, math.min(#wrong, 40))), 2)
  end
  return count
end

local function theirs_of(job)
  if not job.theirs then
    job.theirs = job.r.is_stream and transcripts.read_stream(job.text, job.r.api, job.truncated)
      or transcripts.read_whole(job.text, job.r.api)
    if job.r.status == 200 and not job.r.is_stream and job.truncated then job.theirs.nonsense = true end
  end
  return job.theirs
end

local function was_whole(job)
  if job.r.status ~= 200 then return false end
  if job.r.api == "embeddings" then return not job.truncated and theirs_of(job).vectors ~= nil end
  return transcripts.is_whole(theirs_of(job))
end

local function ended_well(job)
  if job.got.status ~= 200 then return false end
  if job.is_events then return job.ours.done == true and job.ours.errors == 0 end
  return job.ours.errors == 0 and not job.ours.nonsense
end

local function is_chat_like(job) return job.r.api ~= "embeddings" end

local function differs(ours, theirs, what)
  for i in pairs(theirs.seen) do
    if (ours[what][i] or "") ~= (theirs[what][i] or "") then
      return ("%s is %q, theirs %q"):format(what, (ours[what][i] or ""):sub(-80), (theirs[what][i] or ""):sub(-80))
    end
  end
end

-- JSON mode may give an object where text belongs.
local function has_object_content(job)
  local o = theirs_of(job).object
  local choice = o and type(o.choices) == "table" and o.choices[1]
  local content = choice and choice.message and choice.message.content
  return type(content) == "table" and #content == 0
end

describe("a recorded provider, replayed through the gateway", function()
  local log, ended

  lazy_setup(function() log, ended = replay(jobs) end)

  it("is answered in every exchange, and the gateway lives on", function()
    local broken = {}
    for _, job in ipairs(jobs) do
      if job.broken then broken[#broken + 1] = job.r.name .. " (" .. job.how .. "): " .. job.broken end
      if job.got and job.got.cut then broken[#broken + 1] = job.r.name .. " (" .. job.how .. "): cut" end
    end
    assert.is_true(ended, log:sub(-6000))
    assert.same({}, broken)
  end)

  it("R-01: is a success exactly when its own answer was whole, however it is cut", function()
    all_hold(function() return true end, function(job)
      if was_whole(job) ~= ended_well(job) then
        return ("whole: %s, told as a success: %s (%d)"):format(tostring(was_whole(job)), tostring(ended_well(job)),
          job.got.status)
      end
    end)
  end)

  it("R-39: gives the client the same text, reasoning and tool arguments", function()
    all_hold(function(job) return is_chat_like(job) and was_whole(job) end, function(job)
      local ours, theirs = job.ours, theirs_of(job)
      if has_object_content(job) then
        local ok = pcall(cjson.decode, ours.content[0])
        return not ok and "the object is not given as JSON text" or nil
      end
      local why = differs(ours, theirs, "content") or differs(ours, theirs, "reasoning")
      if why then return why end
      if table.concat(ours.tools, " ") ~= table.concat(theirs.tools, " ") then
        return "tools " .. table.concat(ours.tools, " ") .. ", theirs " .. table.concat(theirs.tools, " ")
      end
      -- a call without arguments has an empty object of them
      if ours.arguments:gsub("{}", "") ~= theirs.arguments:gsub("{}", "") then
        return ("arguments %q, theirs %q"):format(ours.arguments, theirs.arguments)
      end
    end)
  end)

  it("gives nothing of a broken stream that the provider had not said", function()
    all_hold(function(job) return job.is_events and job.truncated end, function(job)
      local theirs = theirs_of(job)
      for i, text in pairs(job.ours.content) do
        if (theirs.content[i] or ""):sub(1, #text) ~= text then return "text is no prefix" end
      end
    end)
  end)

  it("3.3, 4: ends a stream with one finish a choice, one usage chunk and [DONE]", function()
    all_hold(function(job) return job.is_events and ended_well(job) end, function(job)
      local events = transcripts.events(job.got.body)
      local finishes, usages, choices = 0, 0, 0
      for i = 1, #events - 1 do
        local o = cjson.decode(events[i].data)
        if #o.choices ~= 1 then return "a chunk without one choice" end
        if type(o.usage) == "table" then
          usages = usages + 1
          if i ~= #events - 1 then return "usage is not in the last chunk" end
          if type(o.choices[1].finish_reason) ~= "string" then return "the usage chunk repeats no finish" end
        elseif type(o.choices[1].finish_reason) == "string" then
          finishes = finishes + 1
        end
      end
      for _ in pairs(theirs_of(job).seen) do choices = choices + 1 end
      if events[#events].data ~= "[DONE]" then return "no [DONE] at the end" end
      if usages ~= 1 then return usages .. " usage chunks" end
      if finishes ~= choices then return finishes .. " finishes for " .. choices .. " choices" end
    end)
  end)

  it("4: has the contract's shape in every chunk: one id, role, provider, model, native reason", function()
    all_hold(function(job) return job.is_events end, function(job)
      local id = job.got.headers["x-generation-id"]
      for _, event in ipairs(transcripts.events(job.got.body)) do
        local o = event.data ~= "[DONE]" and cjson.decode(event.data)
        if o then
          local c = o.choices and o.choices[1]
          if o.id ~= id then return "id " .. tostring(o.id) .. " beside " .. tostring(id) end
          if o.model ~= job.model or o.provider ~= "Provider RECORDED" then return "another model or provider" end
          if not c or c.native_finish_reason == nil then return "no native_finish_reason" end
          if o.system_fingerprint == cjson.null then return "system_fingerprint is null" end
          if job.r.api == "chat" and not o.error and c.delta.role ~= "assistant" then return "no role in a delta" end
        end
      end
    end)
  end)

  it("R-12: counts the tokens that the provider counted", function()
    all_hold(function(job) return was_whole(job) and theirs_of(job).usage.prompt ~= nil end, function(job)
      local prompt, completion = transcripts.settled_usage(theirs_of(job).usage)
      local ours = job.ours.usage
      if ours.prompt ~= prompt then return ("%s prompt tokens, theirs %s"):format(ours.prompt, prompt) end
      local estimated = completion == 0 and transcripts.has_content(theirs_of(job))
      if is_chat_like(job) and completion and not estimated and ours.completion ~= completion then
        return ("%s completion tokens, theirs %s"):format(tostring(ours.completion), completion)
      end
      local cached = math.min(math.max(theirs_of(job).usage.cached or 0, 0), prompt)
      if ours.cached ~= cached then return ("%s cached tokens, theirs %s"):format(ours.cached, cached) end
    end)
  end)

  it("R-15: keeps the charge that a provider reports, and reckons the others", function()
    local reported = 0
    all_hold(function(job) return was_whole(job) and theirs_of(job).usage.prompt ~= nil end, function(job)
      local u = theirs_of(job).usage
      local cost = job.ours.usage.cost
      if not cost then return "no cost" end
      if u.cost and not u.is_byok then
        reported = reported + 1
        if math.abs(cost - u.cost) > 1e-9 then return ("cost %.9f, reported %.9f"):format(cost, u.cost) end
      elseif not u.cost then
        local tokens = job.ours.usage.prompt + (job.ours.usage.completion or 0)
        if math.abs(cost - tokens * DOLLARS_A_TOKEN) > 1e-9 then
          return ("cost %.9f for %d tokens"):format(cost, tokens)
        end
      end
    end)
    assert.is_true(reported > 50, "only " .. reported .. " charges were reported")
  end)

  it("gives every vector of an embedding", function()
    all_hold(function(job) return job.r.api == "embeddings" and was_whole(job) end, function(job)
      local ours, theirs = job.ours.object, theirs_of(job).object
      if ours.object ~= "list" or #ours.data ~= #theirs.data then return "not the same list" end
      for i, one in ipairs(theirs.data) do
        if cjson.encode(ours.data[i].embedding) ~= cjson.encode(one.embedding) then return "another vector" end
      end
    end)
  end)

  local KEPT = { [400] = true, [404] = true, [408] = true, [409] = true, [413] = true, [422] = true, [429] = true }
  local MODEL_OUT_OF_REACH = { [401] = true, [402] = true, [403] = true }

  it("R-09: tells a provider's error with its status and, where it is the request's, its words", function()
    all_hold(function(job) return job.r.status >= 400 end, function(job)
      local status, want = job.got.status, job.r.status
      if job.is_events then return "an HTTP error became a stream" end
      local e = job.ours.object and job.ours.object.error
      if type(e) ~= "table" or e.code ~= status or e.http_status ~= status then return "no envelope" end
      if (KEPT[want] or want >= 500) and status ~= want and not (want == 413 and status == 429) then
        return ("status %d, theirs %d"):format(status, want)
      end
      if MODEL_OUT_OF_REACH[want] and status ~= 502 and status ~= 400 then return "status " .. status end
      if (want == 400 or want == 404 or want == 413 or want == 422) then
        local theirs = theirs_of(job)
        local said = theirs.words or (theirs.object and (theirs.object.message or theirs.object.detail))
        if type(said) == "string" and #said > 0 and not job.got.body:find(cjson.encode(said:sub(1, 40)):sub(2, -2), 1, true)
          and not e.message:find(said:sub(1, 40), 1, true) then
          return ("%q does not say %q"):format(e.message, said)
        end
      end
    end)
  end)

  it("R-05: tells an error inside a 200: as a status while nothing was sent, else as a last chunk", function()
    local function tells_one(job)
      return job.r.status == 200 and theirs_of(job).errors > 0 and not theirs_of(job).nonsense
    end
    all_hold(tells_one, function(job)
      local said = theirs_of(job).words or ""
      if not job.is_events then
        if job.got.status < 400 then return "status " .. job.got.status end
        local whole = cjson.encode(said:sub(1, 40)):sub(2, -2)
        return not job.got.body:find(whole, 1, true) and not job.ours.words:find(said:sub(1, 40), 1, true)
          and ("%q does not say %q"):format(job.got.body, said) or nil
      end
      local events = transcripts.events(job.got.body)
      local last = cjson.decode(events[#events].data)
      if type(last.error) ~= "table" or type(last.error.code) ~= "number" then return "no error in the last chunk" end
      if last.choices[1].finish_reason ~= "error" then return "its finish_reason is not error" end
    end)
  end)

  it("covers all that was recorded", function()
    local count = { stream = 0, whole = 0, error = 0, embeddings = 0, replays = #jobs }
    for _, r in ipairs(recordings) do
      local kind = r.status >= 400 and "error" or r.is_stream and "stream"
        or r.api == "embeddings" and "embeddings" or "whole"
      count[kind] = count[kind] + 1
    end
    print(("\n%d recordings: %d streams, %d whole answers, %d embeddings, %d errors; %d exchanges"):format(#recordings,
      count.stream, count.whole, count.embeddings, count.error, count.replays))
    assert.is_true(count.stream > 100 and count.whole > 100 and count.error > 50 and count.embeddings > 5)
  end)
end)
