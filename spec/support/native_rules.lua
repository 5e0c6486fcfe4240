--- What must hold of an answer that came from a provider of one format to a client of another.
--
-- A rule is { title, concerns(job), check(job) }: check tells what is wrong. A job is one exchange: r (the recording, of
-- native_transcripts.lua), client (a name of clients.lua), stream (whether one was asked for), text (what the provider
-- said of its body), truncated; and once it is over: got (the response), is_events, events, ours (the reading of it) or
-- unreadable (why there is none), theirs and was_whole (understand()).

local cjson              = require "cjson"
local json_bytes         = require "json_bytes"
local native_transcripts = require "native_transcripts"
local transcripts        = require "transcripts"
local well_formed        = require "well_formed"

local native_rules = {}

--- What all tokens cost here: dear, so that reported charges are within what is possible.
native_rules.DOLLARS_A_TOKEN = 0.001

local DOLLARS_A_TOKEN = native_rules.DOLLARS_A_TOKEN

local function rule(title, concerns, check)
  native_rules[#native_rules + 1] = { title = title, concerns = concerns, check = check }
end

-- Every format's words for why an answer ended, and what they mean.
local MEANS = {
  end_turn = "stop", stop_sequence = "stop", pause_turn = "stop", stop = "stop", complete = "stop", completed = "stop",
  max_tokens = "length", max_output_tokens = "length", length = "length", tool_use = "tool_calls", tool_call = "tool_calls",
  tool_calls = "tool_calls", refusal = "content_filter", guardrail_intervened = "content_filter",
  content_filtered = "content_filter", content_filter = "content_filter", safety = "content_filter",
  recitation = "content_filter", prohibited_content = "content_filter", model_armor = "content_filter",
}

local function meaning(word, calls)
  local means = MEANS[word:lower()] or "error"
  return means == "stop" and #calls > 0 and "tool_calls" or means
end

-- Did the client get an answer that looks whole?
local function ended_well(job)
  local ours = job.ours
  return job.got.status == 200 and ours ~= nil and ours.complete and not ours.error
end

--- What the provider said, into job.theirs, and whether it said it whole, into job.was_whole.
function native_rules.understand(job)
  if job.r.asks ~= "chat" then return end
  job.theirs = not job.truncated and job.r.said or native_transcripts.said(job.r, job.text)
  if not job.truncated then job.r.said = job.theirs end
  -- AWS tells the usage behind the reason to stop, Anthropic the end: the reason makes it whole. An abnormal one is a
  -- failure.
  local finish = job.theirs.finish
  job.was_whole = job.r.status == 200 and finish ~= nil and meaning(finish, {}) ~= "error" and not job.theirs.error
  if job.truncated and not job.r.is_stream then job.was_whole = false end
end

-- ---- content ----

local function is_chat(job) return job.r.asks == "chat" end
local function is_whole_answer(job) return is_chat(job) and job.was_whole and ended_well(job) end
local function is_native(job) return job.client == job.r.wire.native end

rule("R-01: is a success exactly when the provider's own answer was whole, however it is cut",
  is_chat, function(job)
    if job.unreadable then return job.unreadable end
    if job.was_whole ~= ended_well(job) then
      return ("whole: %s (%s), told as a success: %s (%d) %s"):format(tostring(job.was_whole), tostring(job.theirs.finish),
        tostring(ended_well(job)), job.got.status, job.got.body:sub(-300))
    end
  end)

rule("R-39: gives every client the same text and reasoning", is_whole_answer, function(job)
  local ours, theirs = job.ours, job.theirs
  local text, want = ours.text .. (ours.refusal or ""), theirs.text .. theirs.refusal
  if text ~= want and not (is_native(job) and text == theirs.text) then
    return ("text %q, theirs %q"):format(text:sub(-200), want:sub(-200))
  end
  -- Parts of reasoning are blocks of their own in some formats, and have an empty line between them in others.
  local is_same = ours.reasoning == theirs.reasoning
    or not is_native(job) and ours.reasoning:gsub("\n\n", "") == theirs.reasoning:gsub("\n\n", "")
  if not is_same then
    return ("reasoning %q, theirs %q"):format(ours.reasoning:sub(-200), theirs.reasoning:sub(-200))
  end
end)

local function is_equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for k, v in pairs(a) do
    if not is_equal(v, b[k]) then return false end
  end
  for k in pairs(b) do
    if a[k] == nil then return false end
  end
  return true
end

rule("R-39: gives every client the same tool calls: ids, names, arguments", is_whole_answer, function(job)
  local ours, theirs = job.ours.calls, job.theirs.calls
  if #ours ~= #theirs then return ("%d calls, theirs %d"):format(#ours, #theirs) end
  for i, call in ipairs(theirs) do
    local got = ours[i]
    if got.name ~= call.name then return ("%s is called, theirs %s"):format(tostring(got.name), call.name) end
    if call.id and got.id ~= call.id then return ("id %s, theirs %s"):format(tostring(got.id), call.id) end
    if not call.id and not is_native(job) and (got.id or "") == "" then return "no id was made up" end
    if call.input then
      if (got.input or cjson.encode(got.arguments)) ~= call.input and (got.arguments or {}).input ~= call.input then
        return ("input %s, theirs %s"):format(cjson.encode(got), call.input)
      end
    elseif not is_equal(got.arguments, call.arguments) then
      return ("arguments %s, theirs %s"):format(cjson.encode(got.arguments), cjson.encode(call.arguments))
    end
  end
end)

-- ---- signatures ----

-- Call fn(name, text) for every string in a value.
local function strings(v, fn, name)
  if type(v) == "string" then fn(name, v) end
  for k, inner in pairs(type(v) == "table" and v or {}) do strings(inner, fn, type(k) == "string" and k or name) end
end

-- Where signatures may stand for this client: for chat in reasoning_details alone.
local function carried(job)
  local out, details = {}, {}
  local function each(v, fn)
    if job.client ~= "chat" then return fn(v) end
    for _, choice in ipairs(v.choices or {}) do fn((choice.delta or choice.message).reasoning_details or {}) end
  end
  for _, event in ipairs(job.events) do
    if event.data ~= "[DONE]" then
      each(cjson.decode(event.data), function(v)
        strings(v, function(name, text)
          out[#out + 1] = text:gsub("\\/", "/")
          if name == "signature" or name == "data" then details[text] = true end
          if name == "thoughtSignature" then out[#out + 1] = native_transcripts.unbase64(text) end
        end)
      end)
    end
  end
  return table.concat(out, "\0"), details
end

rule("R-40: carries every signature bit-exact", function(job)
  return is_whole_answer(job) and #job.theirs.signatures > 0
end, function(job)
  if is_native(job) then return not is_equal(job.ours.signatures, job.theirs.signatures) and "other signatures" or nil end
  local all, details = carried(job)
  for i, signature in ipairs(job.theirs.signatures) do
    if not all:find(signature, 1, true) then
      return ("signature %d of %d is gone: %s..."):format(i, #job.theirs.signatures, signature:sub(1, 40))
    end
    -- A block of the provider's own tool stands as JSON in a detail, with its signature.
    if job.client == "chat" and not details[signature] and not all:find('"' .. signature .. '"', 1, true) then
      return ("signature %d is not a detail's own"):format(i)
    end
  end
end)

-- What a chat client got beside text and calls: how many blocks of the provider's own tools, citations, pictures.
local function beside(job)
  local got = { blocks = 0, citations = 0, images = 0 }
  for _, event in ipairs(job.events) do
    for _, choice in ipairs(event.data ~= "[DONE]" and cjson.decode(event.data).choices or {}) do
      local said = choice.delta or choice.message
      for _, detail in ipairs(said.reasoning_details or {}) do
        if detail.type == "reasoning.server_tool_call" then got.blocks = got.blocks + 1 end
      end
      got.citations, got.images = got.citations + #(said.annotations or {}), got.images + #(said.images or {})
    end
  end
  return got
end

rule("gives a chat client the blocks of the provider's own tools, the citations and the pictures", function(job)
  return is_whole_answer(job) and job.client == "chat"
end, function(job)
  local theirs, ours, sources = job.theirs, beside(job), 0
  for _ in pairs(theirs.sources or {}) do sources = sources + 1 end
  local blocks = #(theirs.kept or theirs.blocks or theirs.others or {})
  local citations = theirs.citations or #(theirs.annotations or {})
  -- Markers of where they stood are among them.
  if ours.blocks < blocks then return ("%d blocks, theirs %d"):format(ours.blocks, blocks) end
  if theirs.sources and ours.citations < sources or not theirs.sources and ours.citations ~= citations then
    return ("%d citations, theirs %d or of %d sources"):format(ours.citations, citations, sources)
  end
  if ours.images ~= #(theirs.images or {}) then return ("%d pictures, theirs %d"):format(ours.images, #theirs.images) end
end)

rule("3.3: tells why it ended", is_whole_answer, function(job)
  local ours, theirs = job.ours, job.theirs
  local word = ours.finish
  if job.client == "chat" then
    if ours.finish ~= theirs.finish then return ("native_finish_reason %s, theirs %s"):format(ours.finish, theirs.finish) end
    for found in job.got.body:gmatch '"finish_reason":"([%w_]+)"' do word = found end
  end
  local want = meaning(theirs.finish, theirs.calls)
  if theirs.refusal ~= "" and meaning(word, {}) == "content_filter" then return nil end
  if meaning(word, ours.calls) ~= want then return ("%s, theirs %s"):format(word, theirs.finish) end
end)

-- ---- usage ----

-- Without counts of the provider's they are estimated.
local function tells_usage(job)
  if job.r.wire.native == "gemini" and not job.text:find('"promptTokenCount"', 1, true) then return false end
  return is_whole_answer(job) and job.theirs.usage ~= nil and job.theirs.usage.prompt ~= nil
end

rule("R-12: counts the tokens that the provider counted", tells_usage, function(job)
  local ours, theirs = job.ours.usage or {}, job.theirs.usage
  for _, name in ipairs { "prompt", "completion", "cached", "reasoning", "cache_write" } do
    local is_told = name ~= "cache_write" or job.client ~= "gemini"
    if is_told and (ours[name] or 0) ~= (theirs[name] or 0) then
      return ("%s: %s, theirs %s"):format(name, tostring(ours[name]), tostring(theirs[name]))
    end
  end
end)

-- What a provider says that it charges: OpenRouter in dollars, xAI in 1e-10 of them, Cohere in tokens of its own.
local function charge_of(text)
  local dollars, ticks = text:match '"cost":%s*([%d.e+-]+)', text:match '"cost_in_usd_ticks":%s*(%d+)'
  local billed = text:match '"billed_units":%s*(%b{})'
  if billed then
    local units = cjson.decode(billed)
    return (units.input_tokens + units.output_tokens) * DOLLARS_A_TOKEN
  end
  return tonumber(dollars) or ticks and tonumber(ticks) / 1e10
end

rule("R-15: tells what it cost", tells_usage, function(job)
  local cost
  for found in job.got.body:gmatch '"cost":%s*([%d.e+-]+)' do cost = tonumber(found) end
  if not cost then return "no cost" end
  local usage = job.theirs.usage
  local want = charge_of(job.r.body) or (usage.prompt + (usage.completion or 0)) * DOLLARS_A_TOKEN
  if math.abs(cost - want) > 1e-9 then return ("cost %.9f instead of %.9f"):format(cost, want) end
end)

-- ---- form ----

rule("4: is JSON in every event, in the order and shape that the client's SDK wants",
  function(job) return is_chat(job) and job.got.status == 200 end, function(job)
    if job.unreadable then return job.unreadable end
    for _, event in ipairs(job.events) do
      if event.data ~= "[DONE]" then cjson.decode(event.data) end
    end
    if not job.is_events and job.stream then return "a whole answer to a stream" end
    if is_native(job) then return nil end
    for i = math.max(1, #job.events - 3), #job.events do         -- where most is put together
      local twice = job.events[i].data ~= "[DONE]" and json_bytes.twice(job.events[i].data)
      if twice then return twice .. " is there twice" end
    end
    if not job.is_events then return nil end
    return job.ours.disorder or well_formed[job.client](job.events, job.got.headers["x-generation-id"])
  end)

rule("tells the model by our name", function(job) return is_chat(job) and job.got.status == 200 end, function(job)
  local model = job.got.body:match '"model":%s*"([^"]*)"' or job.got.body:match '"modelVersion":%s*"([^"]*)"'
  if model and model:gsub("\\/", "/") ~= job.id then return model end
end)

-- What may differ where client and provider speak the same format.
local MASKS = {
  messages = { "id", "model", "provider", "message.id", "message.model", "usage.cost", "usage.cost_details", "usage.is_byok",
               "openrouter_metadata" },
  responses = { "id", "model", "provider", "response.id", "response.model", "usage.cost", "usage.cost_details", "usage.is_byok",
                "response.usage.cost", "response.usage.cost_details", "response.usage.is_byok", "openrouter_metadata" },
  gemini = { "responseId", "modelVersion", "usageMetadata.cost", "usageMetadata.cost_details", "usageMetadata.is_byok", "openrouter_metadata" },
}

-- Usage is estimated, and added, where the provider told none.
local function masks(job, data)
  if job.client ~= "gemini" or data:find('"promptTokenCount"', 1, true) then return MASKS[job.client] end
  return { "usageMetadata", unpack(MASKS.gemini) }
end

local function events_of(job)
  if not job.r.is_stream then return { { data = job.text } } end
  return transcripts.events(job.truncated and native_transcripts.settled(job.text) or job.text .. "\n\n")
end

rule("passes the provider's bytes where the format is the client's, but for id, model and cost", function(job)
  return is_chat(job) and is_native(job) and job.got.status == 200 and (job.was_whole or job.is_events)
end, function(job)
  local theirs, ours = events_of(job), job.events
  local whole = ended_well(job)
  local last = #ours
  if job.client == "responses" and ours[last] and ours[last].data == "[DONE]" then last = last - 1 end
  if not whole then last = last - 1 end                        -- the error
  if theirs[#theirs] and theirs[#theirs].data == "[DONE]" then theirs[#theirs] = nil end
  if whole and not job.truncated and last ~= #theirs then return ("%d events, theirs %d"):format(last, #theirs) end
  for i = 1, math.min(last, #theirs) do
    if (ours[i].name or "") ~= (theirs[i].name or ours[i].name or "") then return "another event name: " .. tostring(ours[i].name) end
    local why = json_bytes.differ(ours[i].data, theirs[i].data, masks(job, theirs[i].data))
    if why then return ("event %d: %s"):format(i, why) end
  end
end)

rule("gives nothing of a broken stream that the provider had not said, and tells that it broke", function(job)
  return is_chat(job) and job.truncated and job.is_events and job.ours ~= nil and not ended_well(job)
end, function(job)
  local ours, theirs = job.ours, job.theirs
  local text, said = ours.text .. (ours.refusal or ""), theirs.text .. theirs.refusal
  if said:sub(1, #text) ~= text then return ("text %q is no prefix of %q"):format(text:sub(-80), said:sub(-80)) end
  if theirs.reasoning:sub(1, #ours.reasoning) ~= ours.reasoning then return "reasoning is no prefix" end
  if ours.complete then return "it looks complete" end
  if not ours.error then return "no error" end
end)

-- ---- errors ----

-- The error in an answer: its words, and whether it has the shape of the client's format.
local function error_in(job, o)
  local e = type(o) == "table" and o.error
  if type(e) ~= "table" or type(e.message) ~= "string" then return nil, "no error object" end
  if job.client == "chat" and e.code ~= job.got.status then return e.message, "code is " .. tostring(e.code) end
  if job.client == "messages" and (o.type ~= "error" or type(e.type) ~= "string") then return e.message, "no type" end
  if job.client == "responses" and type(e.code) ~= "string" then return e.message, "no code" end
  if job.client == "gemini" and (e.code ~= job.got.status or type(e.status) ~= "string") then return e.message, "no status" end
  return e.message
end

local KEPT = { [400] = true, [404] = true, [408] = true, [409] = true, [413] = true, [422] = true, [429] = true }
local TOLD = { [400] = true, [404] = true, [409] = true, [413] = true, [422] = true }

rule("R-09: tells a provider's error with its status and, where it is the request's, its words", function(job)
  return job.r.status >= 400
end, function(job)
  local status, want = job.got.status, job.r.status
  if job.is_events then return "an HTTP error became a stream" end
  local words, why = error_in(job, cjson.decode(job.got.body))
  if why then return why .. ": " .. job.got.body:sub(1, 300) end
  if (KEPT[want] or want >= 500) and status ~= want then return ("status %d, theirs %d: %s"):format(status, want, words) end
  if not KEPT[want] and want < 500 and status ~= 502 and status ~= 400 then return "status " .. status end
  local waits = want == 429 and (job.r.body:find '"retryDelay"' or table.concat(job.r.headers, "\n"):lower():find "retry%-after:")
  if waits and not job.got.headers["retry-after"] then return "no Retry-After" end
  local said = TOLD[want] and native_transcripts.words(job.r.body)
  if said and not words:find(said:sub(1, 60), 1, true) then return ("%q does not say %q"):format(words, said) end
end)

rule("R-05: tells an error inside a 200", function(job)
  return is_chat(job) and job.theirs.error ~= nil and job.r.status == 200
end, function(job)
  if job.got.status == 200 then return not (job.ours and job.ours.error) and "no error in the stream" or nil end
  local _, why = error_in(job, cjson.decode(job.got.body))
  return why
end)

-- ---- vectors and ranks ----

local function vectors_of(o)
  if o.predictions then
    local list = {}
    for i, p in ipairs(o.predictions) do list[i] = p.embeddings.values end
    return list
  end
  if o.embeddings and o.embeddings.float then return o.embeddings.float end
  local list = {}
  for i, one in ipairs(o.embeddings or o.data or {}) do list[i] = one.values or one.embedding end
  return list
end

rule("gives every vector of an embedding", function(job)
  return job.r.asks == "embeddings" and job.r.status == 200
end, function(job)
  if job.truncated then return job.got.status == 200 and "a truncated body is a success" or nil end
  local ok, o = pcall(cjson.decode, job.r.body)
  if job.got.status ~= 200 then return ("status %d: %s"):format(job.got.status, job.got.body:sub(1, 200)) end
  local ours = cjson.decode(job.got.body)
  if ours.object ~= "list" or not ok then return "no list" end
  local theirs = vectors_of(o)
  if #ours.data ~= #theirs then return ("%d vectors, theirs %d"):format(#ours.data, #theirs) end
  for i, vector in ipairs(theirs) do
    if not is_equal(ours.data[i].embedding, vector) or ours.data[i].index ~= i - 1 then return "another vector" end
  end
  if type(ours.usage.cost) ~= "number" then return "no cost" end
end)

rule("gives every rank", function(job) return job.r.asks == "rerank" and job.r.status == 200 end, function(job)
  if job.truncated then return job.got.status == 200 and "a truncated body is a success" or nil end
  if job.got.status ~= 200 then return ("status %d: %s"):format(job.got.status, job.got.body:sub(1, 200)) end
  local ours, theirs = cjson.decode(job.got.body), cjson.decode(job.r.body)
  if #ours.results ~= #theirs.results then return "not as many results" end
  for i, one in ipairs(theirs.results) do
    if ours.results[i].index ~= one.index or ours.results[i].relevance_score ~= one.relevance_score then return "another rank" end
  end
  if type(ours.usage.cost) ~= "number" then return "no cost" end
end)

return native_rules
