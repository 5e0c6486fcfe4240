--- tidegate explain: the decision for one request, without asking anybody.

local core      = require "tidegate.core"
local convert   = require "tidegate.convert"
local load      = require "tidegate.app.load"
local read_file = require "tidegate.base.read_file"

local json = core.json

local command = {
  summary = "show where a request would go, and why",
  arguments = { "[CONFIG]" },
  options = {
    { name = "request", value = "FILE", doc = "a request body as JSON; - is standard input" },
    { name = "seed", value = "N", doc = "of the random draws; the same seed, the same order (default 1)" },
    { name = "key", value = "NAME", doc = "as who holds this key of the configuration: its policy" },
    { name = "policy", value = "NAME", doc = "under this policy, whoever asks" },
    { name = "at", value = "TIME", doc = "as at that time, UTC: 2026-12-24T18:30, 18:30 today, or Unix seconds" },
    { name = "api", value = "NAME",
      doc = "what FILE is: chat, completions, embeddings, rerank, messages, responses, gemini; default as it looks" },
    { name = "model", value = "ID", doc = "instead of FILE's; Google's format has none in the body" },
  },
  doc = [[
Prints the candidates in the order in which they would be tried, each with why
it stands there, and those that were dropped with the reason. It is the code
that decides in production; no provider is asked. Figures from live traffic
(latency, throughput, uptime) are those of a process that just began: none.

Exit status 1 when nothing is left to try.]],
}

local function read_body(path)
  if path ~= "-" then return read_file(path) end
  return io.stdin:read("*a")
end

-- ---- other formats ----

-- What a request is planned as: those of other formats as the chat that they say.
local PLANNED_AS = { chat = "chat", completions = "completions", embeddings = "embeddings", rerank = "rerank",
                     messages = "chat", responses = "chat", gemini = "chat" }

-- What a request looks like; nil where that could be two things. What is no object is a chat's mistake.
local function looks_like(text)
  local body = json.read(text)
  if type(body) ~= "table" or body.messages ~= nil or body.prompt ~= nil then return "chat" end
  if body.contents ~= nil then return "gemini" end
  if body.query ~= nil and body.documents ~= nil then return "rerank" end
  if body.input ~= nil then return nil end
  return "chat"
end

-- The request to plan; nil and a sentence when it is none of its format. What chat has no word for is noted:
-- only a provider that speaks the same format is told.
local function as_planned(text, api)
  if PLANNED_AS[api] == api then return text end
  local body, lost = convert.read_request(text, { api = api, model = "", stream = false })
  if not body then return nil, lost end
  if lost ~= "" then
    io.stderr:write("note: only a provider of the same format gets ", (lost:gsub('"', ""):gsub(",", ", ")), "\n")
  end
  return body
end

local function with_model(text, model)
  local body = model and json.read(text)
  if type(body) ~= "table" then return text end
  body.model = model
  return json.encode(body)
end

-- ---- time ----

local DAY = 86400

-- Unix time of a day at midnight, UTC: days since 1970-01-01 by the civil calendar.
local function midnight(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  local days = 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
    + math.floor((153 * (month - 3) + 2) / 5) + day - 1
  return (days - 719468) * DAY
end

-- Unix seconds; nil when it is no time.
local function time_of(text, now)
  if text:find "^%d+$" then return tonumber(text) end
  local year, month, day, rest = text:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)[T ]?(.*)$"
  local hour, minute = (rest or text):match "^(%d%d?):(%d%d)Z?$"
  if rest == "" then hour, minute = 0, 0 end
  if not hour or tonumber(hour) > 23 or tonumber(minute) > 59 then return nil end
  local from = year and midnight(tonumber(year), tonumber(month), tonumber(day)) or now - now % DAY
  return from + hour * 3600 + minute * 60
end

function command.run(given)
  if not given.request then
    io.stderr:write("tidegate explain: --request FILE is missing\n")
    return 2
  end
  local seed = tonumber(given.seed or 1)
  if not seed then
    io.stderr:write("tidegate explain: --seed: a number expected\n")
    return 2
  end
  local at = given.at and time_of(given.at, math.floor(core.clock.wall()))
  if given.at and not at then
    io.stderr:write("tidegate explain: --at: a time as in 2026-12-24T18:30, 18:30 or 1798137000 expected, got ",
      given.at, "\n")
    return 2
  end
  if given.api and not PLANNED_AS[given.api] then
    io.stderr:write("tidegate explain: --api: chat, completions, embeddings, rerank, messages, responses or gemini ",
      "expected, got ", given.api, "\n")
    return 2
  end
  local settings, mistakes = load.all(given[1])
  if not settings then return load.complain(mistakes) end
  local body, err = read_body(given.request)
  if not body then
    io.stderr:write(tostring(err), "\n")
    return 1
  end
  local api = given.api or looks_like(body)
  if not api then
    io.stderr:write("tidegate explain: with `input` it is a request for --api responses or --api embeddings: ",
      "say which\n")
    return 2
  end
  body, err = as_planned(body, api)
  if not body then
    io.stdout:write("400 ", err, "\n")
    return 1
  end
  local text, why, dropped = core.explain(settings.snapshot, with_model(body, given.model),
    { seed = seed, api = PLANNED_AS[api], wall_s = at, key = given.key, policy = given.policy })
  if text then
    io.stdout:write(text)
    return 0
  end
  io.stdout:write(dropped, ("%d %s\n"):format(why.status, tostring(why)))
  return 1
end

return command
