--- Every recording, cut in every way, for a client of each format.

local clients     = require "clients"
local transcripts = require "transcripts"

local native_cuts = {}

local BYTEWISE_MOST, PIECE_OF_LONG = 20000, 16      -- longer bodies come in such pieces instead of single bytes

-- One exchange: a recording, cut in one way, for one client.
local function new_job(jobs, r, client, how, pieces, more)
  local job = { r = r, client = client, how = how, pieces = pieces, stream = r.is_stream, text = r.body, headers = r.headers }
  for k, v in pairs(more or {}) do job[k] = v end
  jobs[#jobs + 1] = job
  job.number = #jobs
  -- An endpoint that fails is judged by its failures: each such exchange has its own.
  job.id = "rec/" .. (job.truncated and "job-" .. #jobs or r.status == 200 and "of-" .. r.number or "job-" .. #jobs)
end

local function recorded_cuts(r)
  local i = 0
  return transcripts.cut(r.bytes, function()
    i = i + 1
    return r.reads and r.reads[i] or #r.bytes
  end)
end

local function small_cuts(r)
  return transcripts.cut(r.bytes, function() return #r.bytes < BYTEWISE_MOST and 1 or PIECE_OF_LONG end)
end

-- A cut that leaves a whole CRLF on one side, so that both readers see the same lines.
local function cut_point(bytes, random)
  local n = random(#bytes - 1)
  return bytes:sub(n, n) == "\r" and n + 1 or n
end

-- What is cut off is sent as it is, whatever it was compressed with.
local function plain_headers(r)
  local out = {}
  for _, line in ipairs(r.headers) do
    if not line:lower():find "^content%-encoding:" then out[#out + 1] = line end
  end
  return out
end

local function truncated(jobs, r, client, ending, n)
  local text = r.body:sub(1, n)
  new_job(jobs, r, client, ("truncated at %d, %s"):format(n, ending), { text },
    { text = text, truncated = true, ending = ending, headers = plain_headers(r) })
end

-- Where the last event begins that is not "[DONE]": an answer that breaks off there lacks the smallest part.
local function last_event(r)
  if r.slug == "bedrock-converse" then
    local events = r.wire.read.events(r.body)
    return events[#events - 1] and events[#events - 1].ends - 1
  end
  local body, last = r.body:gsub("data: %[DONE%]%s*$", ""), nil
  for at in body:gmatch(r.slug == "ollama" and "\n()" or "\n\r?\n()") do
    if at <= #body then last = at end
  end
  return last and last - 1
end

local function plan_answer(jobs, r, client, random)
  new_job(jobs, r, client, r.reads and "recorded reads" or "in one piece", recorded_cuts(r))
  new_job(jobs, r, client, #r.bytes < BYTEWISE_MOST and "byte by byte" or "in small pieces", small_cuts(r))
  new_job(jobs, r, client, "random cuts", transcripts.cut(r.bytes, function() return random(200) end))
  truncated(jobs, r, client, "broken", cut_point(r.body, random))
  if not r.is_stream then return end
  truncated(jobs, r, client, "orderly", cut_point(r.body, random))
  local last = last_event(r)
  if last then truncated(jobs, r, client, "orderly", last) end
end

local function plan_error(jobs, r, client, random)
  new_job(jobs, r, client, "asked whole", recorded_cuts(r))
  local cuts = transcripts.cut(r.bytes, function() return random(40) end)
  new_job(jobs, r, client, r.asks == "chat" and "asked for a stream" or "random cuts", cuts, { stream = r.asks == "chat" })
end

--- @tparam table recordings  of native_transcripts.all()
-- @tparam number seed  for the random cuts
-- @treturn table  jobs, each with a number: r, client, how (in words), headers and pieces (what the provider sends), stream
--   (whether one is asked for), text (of the body, as far as it is sent), truncated, ending ("broken", "orderly"), id (the
--   model that is asked for)
function native_cuts.plan(recordings, seed)
  local jobs, random = {}, transcripts.random(seed)
  for number, r in ipairs(recordings) do
    r.number = number
    for _, client in ipairs(r.asks == "chat" and clients.names or { "chat" }) do
      (r.status == 200 and plan_answer or plan_error)(jobs, r, client, random)
    end
  end
  return jobs
end

return native_cuts
