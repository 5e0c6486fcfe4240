--- Money: tokens in disjoint buckets, and what they cost, through the whole program. Held against 1,298 usage objects
-- that providers sent and the prices that an independent library gives them (pydantic/genai-prices).

package.path = "spec/support/?.lua;" .. package.path

local cjson   = require "cjson.safe"
local core    = require("tidegate.core").json
local answers = require "usage_answers"
local lists   = require "price_lists"
local scene   = require "scene"
local world   = require "price_world"

local dir = scene.data "catalogs"
if not dir then return end

-- ---- the library's cases ----

local CASES = dir .. "/genai-prices/usage_price_cases.jsonl"
local genai = lists.genai(dir .. "/genai-prices/data.json")

-- What the list of the library's commit does not tell apart yet and its cases do: text and pictures of one answer
-- (https://ai.google.dev/gemini-api/docs/pricing).
local PICTURES = {
  ["gemini-2.5-flash-image"] = { prompt = "0.3e-6", completion = "2.5e-6", image_output = "30e-6" },
  ["gemini-3-pro-image-preview"] = { prompt = "2e-6", completion = "12e-6", image_output = "120e-6" },
}

local function pricing_of(reading, model)
  return PICTURES[model] or genai:pricing(reading.provider, model)
end

-- The format whose usage object this is.
local function shape_of(body)
  if body.usageMetadata then return "gemini" end
  local u = body.usage
  if u.cache_read_input_tokens then return "anthropic" end
  if u.input_tokens_details then return "responses" end
  return u.completion_tokens and "chat" or "embeddings"
end

-- The format as which the library reads it.
local function format_of(reading)
  local flavor = reading.flavor
  if flavor ~= "default" then return flavor end
  return ({ anthropic = "anthropic", google = "gemini" })[reading.provider] or "chat"
end

local function wire_of(format, slug)
  if format == "anthropic" then return slug == "google" and "vertex" or "anthropic-messages" end
  if format == "responses" then return "openai-responses" end
  if format == "gemini" then return "gemini" end
  return ({ azure = "azure-openai", mistral = "mistral" })[slug] or "openai-chat"
end

-- Without a charge of its own, so that the list's price is what remains.
local function uncharged(text)
  local members, order = core.split(text)
  members.cost, members.cost_details, members.is_byok = nil, nil, nil
  return core.encode(core.ordered(members, order))
end

local function read_cases()
  local cases = {}
  for line in io.lines(CASES) do
    local case = assert(cjson.decode(line))
    local text = core.pick(line, "body.usage") or core.pick(line, "body.usageMetadata")
    case.usage, case.shape = case.body.usage and case.body.usage.cost and uncharged(text) or text, shape_of(case.body)
    cases[#cases + 1] = case
  end
  return cases
end

local function name_of(i, case, reading)
  return ("case %d, %s, %s/%s"):format(i, case.model, reading.provider, reading.flavor)
end

local function job_of(models, case, reading, pricing, i)
  local format = format_of(reading)
  return {
    name = name_of(i, case, reading), case = case, reading = reading, usage = case.usage, format = answers[format],
    model = models:id(wire_of(format, reading.provider), pricing), want = lists.nano(reading.input_usd, reading.output_usd),
    pricing = pricing, is_own = format == case.shape,
  }
end

local function copy(job, more)
  local out = {}
  for k, v in pairs(job) do out[k] = v end
  for k, v in pairs(more) do out[k] = v end
  return out
end

-- ---- where the library's price is not ours, and why ----

-- The counts of an object, read as what it is.
local COUNTS = {
  anthropic = function(u)
    local cached, written = u.cache_read_input_tokens, u.cache_creation_input_tokens
    return { prompt = u.input_tokens + cached + written, cached = cached, cache_write = written, completion = u.output_tokens }
  end,
  responses = function(u)
    return { prompt = u.input_tokens, cached = u.input_tokens_details.cached_tokens, completion = u.output_tokens,
             cache_write = u.input_tokens_details.cache_write_tokens or 0 }
  end,
  chat = function(u)
    local details = u.prompt_tokens_details or {}
    return { prompt = u.prompt_tokens, completion = u.completion_tokens, total = u.total_tokens,
             cached = details.cached_tokens or u.num_cached_tokens or u.cached_tokens or 0,
             cache_write = details.cache_write_tokens or 0 }
  end,
  gemini = function(u)
    return { prompt = u.promptTokenCount, cached = 0, cache_write = 0,
             completion = (u.candidatesTokenCount or 0) + (u.thoughtsTokenCount or 0) }
  end,
}
COUNTS.embeddings = function(u) return { prompt = u.prompt_tokens, cached = 0, cache_write = 0, completion = 0 } end

local UNLISTED = "the library's list has no price for the model"
local FOREIGN = "the object is another format's: what it has cached is read by its own names, and not at all there"
local UNREAD = "the library reads no cache writes at Azure, OpenAI's extractor and its list have them"
local BEYOND = "the total has more than prompt and completion: thoughts that Google's chat API charges and does not count"
--             https://ai.google.dev/gemini-api/docs/pricing ("including thinking tokens")
local UNCOUNTED = "text whose tokens the provider does not count is counted here: one per four bytes, 2"
local COMPACTED = "compaction is charged for and is outside of the counts; the library leaves it out"
--                https://platform.claude.com/docs/en/build-with-claude/compaction ("Understanding usage")

local WORDS = 2                -- tokens of "Good day" by its bytes

-- Each says whether it is so, and puts the counts right.
local REASONS = {
  { FOREIGN, function(job) return not job.is_own end },
  { UNREAD, function(job, counts) return job.reading.provider == "azure" and counts.cache_write > 0 end },
  { BEYOND, function(_, counts)
      local beyond = (counts.total or 0) - counts.prompt - counts.completion
      if beyond > 0 then counts.completion = counts.completion + beyond end
      return beyond > 0
    end },
  { UNCOUNTED, function(job, counts)
      if job.format == answers.embeddings or counts.completion > 0 then return false end
      counts.completion = WORDS
      return true
    end },
}

-- What a request's compaction costs at these prices, in dollars; nil when nothing was compacted.
local function compaction(job)
  local sum
  for _, one in ipairs((job.case.body.usage or {}).iterations or {}) do
    if one.type == "compaction" then sum = (sum or 0) + lists.bill(job.pricing, COUNTS.anthropic(one)) end
  end
  return sum
end

-- The amount that is right, and the reason why it is another than the library's.
local function right_price(job)
  local counts, why = COUNTS[job.case.shape](core.read(job.usage)), nil
  for _, r in ipairs(REASONS) do if r[2](job, counts) then why = r[1] end end
  if job.format == answers.embeddings then counts.completion = 0 end
  local beside = compaction(job)
  if beside then why = COMPACTED end
  if not why then return job.want end
  local nano = lists.nano_of(lists.bill(job.pricing, counts) + (beside or 0))
  return nano, nano ~= job.want and why or nil
end

-- ---- buckets ----

-- The library's names, and where they are in a chat's usage. What an answer is billed by is always told.
local BUCKETS = {
  input_tokens = "prompt_tokens", output_tokens = "completion_tokens",
  cache_read_tokens = "prompt_tokens_details.cached_tokens", cache_write_tokens = "prompt_tokens_details.cache_write_tokens",
}

-- Of these the library does not read all that an object tells.
local KINDS = {
  input_audio_tokens = "prompt_tokens_details.audio_tokens", input_image_tokens = "prompt_tokens_details.image_tokens",
  input_video_tokens = "prompt_tokens_details.video_tokens",
  cache_audio_read_tokens = "prompt_tokens_details.cached_tokens_details.audio_tokens",
  output_reasoning_tokens = "completion_tokens_details.reasoning_tokens",
  output_image_tokens = "completion_tokens_details.image_tokens",
  output_audio_tokens = "completion_tokens_details.audio_tokens",
  web_searches = "server_tool_use_details.web_search_requests",
}

local function at(told, path)
  for step in path:gmatch "[^.]+" do told = type(told) == "table" and told[step] or nil end
  return type(told) == "number" and told or 0
end

-- Tokens of documents, which the library counts as pictures.
local function documents(usage)
  local sum = 0
  for _, one in ipairs(usage.promptTokensDetails or {}) do if one.modality == "DOCUMENT" then sum = sum + one.tokenCount end end
  return sum
end

-- What the library's buckets are to have besides: tokens read from a cache under names that it does not know, and
-- what the gateway counts for the provider.
local function besides(job)
  local u, _, why = core.read(job.usage), right_price(job)
  local cached = COUNTS[job.case.shape](u).cached
  return {
    input_image_tokens = -documents(u), output_tokens = why == UNCOUNTED and WORDS or nil,
    cache_read_tokens = (u.num_cached_tokens or u.cached_tokens) and cached or nil,
  }, why
end

-- The first bucket that differs.
local function difference(usage, normalised, beside)
  for theirs, ours in pairs(BUCKETS) do
    local want = (normalised[theirs] or 0) + (beside[theirs] or 0)
    if at(usage, ours) ~= want then return ("%s is %d instead of %d"):format(theirs, at(usage, ours), want) end
  end
  for theirs, ours in pairs(KINDS) do
    local want = normalised[theirs] and normalised[theirs] + (beside[theirs] or 0)
    if want and at(usage, ours) ~= want then
      return ("%s is %d instead of %d"):format(theirs, at(usage, ours), want)
    end
  end
end

-- The library has one set of buckets for each way to read an object.
local function bucket_fault(job)
  local usage, fault = (cjson.decode(job.told) or {}).usage, nil
  local beside, why = besides(job)
  if why == BEYOND or why == UNREAD then return nil end
  for _, normalised in ipairs(job.case.normalised_usage[1] and job.case.normalised_usage or { {} }) do
    fault = difference(usage, normalised, beside)
    if not fault then return nil end
  end
  return fault
end

-- ---- the same counts in other words ----

-- Formats that the cases have no object of: an object's counts are said again as these providers say them.
local function converse(u)
  local read, written = u.cache_read_input_tokens, u.cache_creation_input_tokens
  return cjson.encode { inputTokens = u.input_tokens, outputTokens = u.output_tokens, cacheReadInputTokens = read,
    cacheWriteInputTokens = written, totalTokens = u.input_tokens + u.output_tokens + read + written }
end

-- What is billed is what the price is of; the model saw more.
local function cohere(u)
  return cjson.encode {
    billed_units = { input_tokens = u.prompt_tokens, output_tokens = u.completion_tokens },
    tokens = { input_tokens = u.prompt_tokens + 500, output_tokens = u.completion_tokens + 3 },
    cached_tokens = at(u, "prompt_tokens_details.cached_tokens"),
  }
end

local function ollama(u)
  return cjson.encode { prompt_eval_count = u.prompt_tokens, eval_count = u.completion_tokens }
end

local AGAIN = {
  ["aws/anthropic"] = { "converse", "bedrock-converse", converse },
  ["openai/chat"] = { "cohere", "cohere", cohere },
  ["groq/default"] = { "ollama", "ollama", ollama },
}

local function said_again(models, job)
  local how = AGAIN[job.reading.provider .. "/" .. job.reading.flavor]
  local u = core.read(job.usage)
  if not how or not job.is_own or compaction(job) then return nil end
  -- Not all have a word for all of it.
  local counts = COUNTS[job.case.shape](u)
  if how[1] ~= "converse" and counts.cache_write > 0 or how[1] == "ollama" and counts.cached > 0 then return nil end
  return copy(job, { name = job.name .. " as " .. how[1], format = answers[how[1]], usage = how[3](u),
                     model = models:id(how[2], job.pricing) })
end

-- ---- all of it ----

local function each_reading(cases, fn)
  for i, case in ipairs(cases) do
    for _, reading in ipairs(case.priced_as) do fn(case, reading, i) end
  end
end

-- How a job is asked beside the plain way: of each case once, by the first reading in its own format.
local WAYS = {
  { "to a chat client, streamed", function() return { stream = true } end },
  { "to a client of the provider's own format", function(job) return { client = job.format.client } end },
  { "to a client of the provider's own format, streamed",
    function(job) return { client = job.format.client, stream = true } end },
}

local function plan(cases)
  local p = { models = world.models(), plain = {}, again = {}, ways = { {}, {}, {} }, all = {}, excluded = {} }
  local function add(list, job) list[#list + 1], p.all[#p.all + 1] = job, job end
  local seen = {}
  each_reading(cases, function(case, reading, i)
    local pricing = pricing_of(reading, case.model)
    if not pricing then
      p.excluded[#p.excluded + 1] = name_of(i, case, reading)
      return
    end
    local job = job_of(p.models, case, reading, pricing, i)
    add(p.plain, job)
    local again = said_again(p.models, job)
    if again then add(p.again, again) end
    if job.is_own and job.format.stream and not seen[case] then
      seen[case] = true
      for w, way in ipairs(WAYS) do
        if w == 1 or job.format.client then add(p.ways[w], copy(job, way[2](job))) end
      end
    end
  end)
  return p
end

describe("the library's price of a usage object is the gateway's:", function()
  local cases = read_cases()
  local p = plan(cases)
  local reasons, equal = {}, 0

  setup(function() world.ask_all(p.all, p.models) end)

  local groups = {}
  for _, job in ipairs(p.plain) do
    local name = job.reading.provider .. ", read as " .. job.reading.flavor
    groups[name] = groups[name] or {}
    table.insert(groups[name], job)
  end

  for name, jobs in pairs(groups) do
    it(("%s (%d)"):format(name, #jobs), function()
      for _, job in ipairs(jobs) do
        local want, why = right_price(job)
        assert(job.nano == want, world.says(job, want))
        if why then
          local label = name .. ": " .. why
          reasons[label] = (reasons[label] or 0) + 1
        else
          equal = equal + 1
        end
      end
    end)
  end

  for w, way in ipairs(WAYS) do
    it(("%s (%d)"):format(way[1], #p.ways[w]), function()
      for _, job in ipairs(p.ways[w]) do assert(job.nano == right_price(job), world.says(job, (right_price(job)))) end
    end)
  end

  it(("in the words of Bedrock, Cohere and Ollama (%d)"):format(#p.again), function()
    for _, job in ipairs(p.again) do assert(job.nano == job.want, world.says(job, job.want)) end
  end)

  it("and so are the buckets it is made of", function()
    local count = 0
    for _, job in ipairs(p.plain) do
      if job.is_own then
        local fault = bucket_fault(job)
        assert(not fault, fault and job.name .. ": " .. fault .. "\nusage: " .. job.usage .. "\nanswer: " .. job.told)
        count = count + 1
      end
    end
    assert.is_true(count > 2000)
  end)

  teardown(function()
    io.stderr:write(("\ngenai-prices: %d cases, %d readings, %d of the library's price, %d asked in other ways\n"):format(
      #cases, #p.plain + #p.excluded, equal, #p.all - #p.plain))
    local lines = {}
    for label, count in pairs(reasons) do lines[#lines + 1] = ("  %4d  %s\n"):format(count, label) end
    table.sort(lines)
    for _, name in ipairs(p.excluded) do lines[#lines + 1] = ("        %s: %s\n"):format(name, UNLISTED) end
    io.stderr:write(table.concat(lines))
  end)
end)
