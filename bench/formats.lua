--- What it costs to translate: every client's format over every provider's, tidegate beside tidegate.
--
--     formats.write(dir)               what bench/upstream.c answers in each format
--     formats.measure(results, run)    `run` is what run.lua offers
--     formats.rows(results)            the table
--
-- Providers' answers are those of `tidegate mock`, whose formats know nothing of the converters; the gateway under
-- test has one worker, and a model at one provider for each wire.

local bodies  = require "bench.bodies"
local figures = require "bench.figures"
local process = require "bench.process"

local formats = {}

local CONNECTIONS, EVENTS = 64, 200
local WHOLE = ("0000000000 tide "):rep(84) -- the text of a whole answer, never the same twice (bench/vary.h)
local WORDS = 104                      -- of a request: 1 KB

--- What a translated request, and a translated event, may cost, to chat over openai-chat in the same repetition.
formats.LIMITS = { request = 2.5, event = 3 }

-- The clients' formats, and the wire that is each one's own; `until_text` stands in the last event of a stream.
local CLIENTS = {
  { name = "chat",      own = "openai-chat",        until_text = "[DONE]" },
  { name = "messages",  own = "anthropic-messages", until_text = "message_stop" },
  { name = "responses", own = "openai-responses",   until_text = "response.completed" },
  { name = "gemini",    own = "gemini",             until_text = "finishReason" },
}

-- Models and ids are as long as the provider's; `more` is what else stands in each of its chunks.
local WIRES = {
  { name = "openai-chat",        model = "gpt-5-mini-2025-08-07",     id = "chatcmpl-CRmD1sXyDZbBlG3q9p0nXy2Tq5v", base = "/v1",
    more = '"service_tier":"default","system_fingerprint":"fp_44709d6fcb","obfuscation":"ymZNyvsYcw8"' },
  { name = "anthropic-messages", model = "claude-sonnet-4-5-20250929", id = "01XFDUDYJgAACzvnptvVoYEL" },
  { name = "openai-responses",   model = "gpt-5-mini-2025-08-07",     id = "68af4030592c81938ec0a5fbab4a3e9f05438e46b5f6", base = "/v1" },
  { name = "gemini",             model = "gemini-2.5-flash",          id = "mM1kaKvEOoWQ7M8P9pTbqAU" },
  { name = "bedrock-converse",   model = "us.anthropic.claude-haiku-4-5-20251001-v1:0", id = "1" },
  { name = "cohere",             model = "command-a-03-2025",         id = "29f14a5a-11de-4cae-9800-25e4747408ea" },
  { name = "ollama",             model = "qwen3:8b",                  id = "1" },
  { name = "mistral",            model = "mistral-medium-2508",       id = "a1b2c3d4e5f64a7b8c9d0e1f2a3b4c5d", mock = "openai_chat", base = "/v1",
    more = '"p":"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"' },
}

-- In the table's order.
local PAIRS = {}
for _, client in ipairs(CLIENTS) do
  for _, wire in ipairs(WIRES) do
    PAIRS[#PAIRS + 1] = { name = client.name .. " over " .. wire.name, client = client, wire = wire }
  end
end

local SAME = "chat over openai-chat"

-- ---- what the providers answer ----

-- Events of one token each; what a format says before the first and behind the last goes with these, so that all
-- formats make as many writes.
local function joined(events, more)
  local out, lead = {}, ""
  for _, event in ipairs(events) do
    local bytes = table.concat(event)
    if more then bytes = bytes:gsub('"object":', more .. ",%0") end
    if event.tokens > 0 then
      out[#out + 1], lead = lead .. bytes, ""
    elseif out[EVENTS] then
      out[EVENTS] = out[EVENTS] .. bytes
    else
      lead = lead .. bytes
    end
  end
  assert(#out == EVENTS and lead == "", "a stream of another length")
  for i, bytes in ipairs(out) do out[i] = #bytes .. "\n" .. bytes end
  return table.concat(out)
end

local function whole(made, b, asked)
  made.tokens, made.text = { WHOLE }, WHOLE
  return made, b, asked
end

--- Write the answers of every wire below `dir`.
function formats.write(dir)
  local core   = require "tidegate.core"
  local plan   = require "tidegate.app.mock.plan"
  local script = require "tidegate.app.mock.script"
  os.execute("mkdir -p " .. dir)
  for _, wire in ipairs(WIRES) do
    local format = require("tidegate.app.mock.formats." .. (wire.mock or wire.name:gsub("%-", "_")))
    local function made(tokens)
      local mock = assert(script.read { tokens = tokens, tokens_per_s = 100, usage = "always" })
      local b = mock.behaviours[1][2]
      local asked = { model = wire.model, body = {}, turns = { { role = "user", text = "" } }, tools = {} }
      return plan.of(asked, b, wire.id, 1760000000), b, asked
    end
    local kind = format.stream_type
    if type(kind) == "function" then kind = kind {} end
    process.write(("%s/%s.events"):format(dir, wire.name), kind .. "\n" .. joined(format.stream(made(EVENTS)), wire.more))
    process.write(("%s/%s.whole"):format(dir, wire.name), (format.whole_type or "application/json") .. "\n"
      .. core.json.encode(format.whole(whole(made(#WHOLE / 5)))))
  end
end

-- ---- the gateway ----

local CONFIG = [[
return { listen = "127.0.0.1:%d", workers = 1, auth = "none", log = "info", catalog = "catalog.json",
         providers = { %s } }
]]

local function prepare(place)
  local providers, models = {}, {}
  for i, wire in ipairs(WIRES) do
    providers[i] = ('{ slug = "%s", wire = "%s", base_url = "http://127.0.0.1:%d/f/%s%s", key = "sk-of-a-provider", '
      .. 'data_collection = "deny", zdr = true }'):format(wire.name, wire.name, place.upstream, wire.name, wire.base or "")
    models[i] = ('{"id":"bench/%s","name":"Bench","created":1760000000,"context_length":1000000,'
      .. '"pricing":{"prompt":"0.000001","completion":"0.000002"},'
      .. '"endpoints":[{"provider":"%s","upstream_model":"%s"}]}'):format(wire.name, wire.name, wire.model)
  end
  os.execute("mkdir -p " .. place.dir)
  process.write(place.dir .. "/catalog.json", '{"data":[' .. table.concat(models, ",\n") .. "]}")
  process.write(place.dir .. "/tidegate.lua", CONFIG:format(place.port, table.concat(providers, ",\n")))
  return ("%s/tidegate serve %s/tidegate.lua"):format(place.build, place.dir)
end

-- The gateway, with where and what it is first asked.
local function gateway(run)
  return run.place({ id = "formats", name = "tidegate, formats", prepare = prepare, headers = function() return {} end,
                     body = run.body_file(SAME) }, 1)
end

-- ---- measuring ----

-- One gateway, seen from the pair's client: with its path, and its body in a file.
local function seen_from(run, pair, stream, c)
  local path, text = bodies.of[pair.client.name]("bench/" .. pair.wire.name, WORDS, stream)
  local name = pair.name .. (stream and " streamed" or "")
  process.write(run.body_file(name), text)
  return setmetatable({ name = pair.name, path = path, body = run.body_file(name) }, { __index = c })
end

-- Each pair in turn, so many times: results[pair's name][repetition].
local function in_turn(run, what, c, stream, args)
  local results = {}
  for rep = 1, run.effort.format_reps do
    for i = 1, #PAIRS do
      local pair = PAIRS[rep % 2 == 1 and i or #PAIRS + 1 - i]
      run.progress(what, pair.name, rep)
      local seen = seen_from(run, pair, stream, c)
      local list = results[pair.name] or {}
      results[pair.name] = list
      list[rep] = run.load(seen, ("--body %s --connections %d %s"):format(seen.body, CONNECTIONS, args(pair)))
      run.empty_log(c)
    end
  end
  return results
end

--- All of it, into `results`: format_requests and format_events.
function formats.measure(results, run)
  local effort = run.effort
  local c = gateway(run)
  seen_from(run, PAIRS[1], false, c)
  run.start(c)
  results.format_requests = in_turn(run, "formats, requests", c, false, function()
    return ("--seconds %s --warm %s"):format(effort.format_s, effort.warm)
  end)
  -- Streams begin over the second that one of them takes.
  results.format_events = in_turn(run, "formats, 64 streams", c, true, function(pair)
    return ("--stream %d --until '%s' --ramp 1 --warm 1.1 --seconds %s"):format(EVENTS, pair.client.until_text,
      effort.format_s + 0.5)
  end)
  run.stop(c)
end

-- ---- what is told ----

local shown, times, ratio = figures.shown, figures.times, figures.ratio

local KINDS = {
  { "format_requests", "request", figures.cpu_per_request },
  { "format_events",   "event",   figures.cpu_per_event },
}

local function is_same(pair) return pair.client.own == pair.wire.name end

local function own_of(pair) return pair.client.name .. " over " .. pair.client.own end

--- A line for each pair: what a request costs, an event; that to the client's own format, which the budgets are about,
-- and to chat over openai-chat, the cheapest of all.
function formats.rows(results)
  local rows = { { "client", "wire", "CPU us/request", "to its own", "<= " .. formats.LIMITS.request .. "x", "to chat's own",
                   "CPU us/event", "to its own", "<= " .. formats.LIMITS.event .. "x", "to chat's own" } }
  for _, pair in ipairs(PAIRS) do
    local row = { pair.client.name, pair.wire.name }
    for _, kind in ipairs(KINDS) do
      local cell, of = results[kind[1]], kind[3]
      row[#row + 1] = shown(figures.over(cell[pair.name], of))
      local to_own = ratio(cell, pair.name, own_of(pair), of)
      row[#row + 1] = times(to_own)
      row[#row + 1] = is_same(pair) and "-" or figures.verdict(to_own, formats.LIMITS[kind[2]])
      row[#row + 1] = times(ratio(cell, pair.name, SAME, of))
    end
    rows[#rows + 1] = row
  end
  return rows
end

--- The dearest of the translated pairs.
-- @tparam string what  "request" or "event"
-- @tparam boolean to_chat  to chat over openai-chat instead of the client's own format
-- @treturn ?number  its ratio
-- @treturn ?string  its name
function formats.worst(results, what, to_chat)
  local most, who
  for _, kind in ipairs(KINDS) do
    for _, pair in ipairs(kind[2] == what and results[kind[1]] and PAIRS or {}) do
      local base = to_chat and SAME or own_of(pair)
      local value = not is_same(pair) and ratio(results[kind[1]], pair.name, base, kind[3])
      if value and value > (most or 0) then most, who = value, pair.name end
    end
  end
  return most, who
end

return formats
