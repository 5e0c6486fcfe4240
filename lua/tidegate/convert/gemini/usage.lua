--- Counts of tokens: Google's usageMetadata and chat's `usage`.
--
-- Google counts apart what chat counts in: thoughts are outside candidatesTokenCount, and what built-in tools put
-- into the prompt is outside promptTokenCount. What an event leaves out holds as it was said before. Pure.

local json    = require("tidegate.core").json
local words   = require "tidegate.convert.gemini.words"
local buckets = require("tidegate.convert.usage").buckets

local usage = {}

-- A count as it stands in the text: digits, which int64 has between quotes.
local function number(raw) return raw and (tonumber(raw) or tonumber(raw:match '^"(%d+)"$')) end

-- Chat's name of a modality's count. TEXT is the rest.
local MEDIA = { IMAGE = "image_tokens", AUDIO = "audio_tokens", VIDEO = "video_tokens" }

-- The counts by modality of these lists, as further members.
local function media_of(...)
  local sums, out = {}, ""
  for i = 1, select("#", ...) do
    local raw = select(i, ...)
    local list = raw and json.read(raw)
    for _, one in ipairs(type(list) == "table" and list or {}) do
      local name = type(one) == "table" and MEDIA[words.modality(one.modality)]
      if name then sums[name] = (sums[name] or 0) + (tonumber(one.tokenCount) or 0) end
    end
  end
  for _, name in ipairs { "audio_tokens", "image_tokens", "video_tokens" } do
    if sums[name] then out = out .. ',"' .. name .. '":' .. sums[name] end
  end
  return out
end

local function has(raw, word) return raw:find(word, 1, true) end

-- Most answers know nothing but TEXT, and their lists are not looked at. Numbers instead of names are.
local function is_text_only(raw)
  if not has(raw, "modality") then return true end
  return has(raw, '"TEXT"') and not (has(raw, '"IMAGE"') or has(raw, '"AUDIO"') or has(raw, '"VIDEO"'))
end

local function medias(raw)
  if is_text_only(raw) then return "", "" end
  local of_prompt, of_tools, of_cache, of_candidates = json.pick(raw, "promptTokensDetails",
    "toolUsePromptTokensDetails", "cacheTokensDetails", "candidatesTokensDetails")
  local cached = media_of(of_cache)
  if cached ~= "" then cached = ',"cached_tokens_details":{' .. cached:sub(2) .. "}" end
  return media_of(of_prompt, of_tools) .. cached, media_of(of_candidates)
end

--- @tparam string raw  JSON text of a usageMetadata
-- @tparam table said  what the events before said of the completion; begins empty
-- @treturn ?string  JSON text of a usage object; nil when no tokens are told
-- @treturn ?string  the contract's service tier
function usage.to_chat(raw, said)
  local prompt, cached, candidates, tools, thoughts, total, traffic, tier =
    json.pick(raw, "promptTokenCount", "cachedContentTokenCount", "candidatesTokenCount", "toolUsePromptTokenCount",
      "thoughtsTokenCount", "totalTokenCount", "trafficType", "serviceTier")
  prompt, total = number(prompt), number(total)
  if not prompt and not total then return nil end
  said.candidates = number(candidates) or said.candidates or 0
  said.thoughts = number(thoughts) or said.thoughts or 0
  local media_in, media_out = medias(raw)
  return '{"completion_tokens":' .. said.candidates + said.thoughts
    .. (prompt and ',"prompt_tokens":' .. prompt + (number(tools) or 0) or "")
    .. (total and ',"total_tokens":' .. total or "")
    .. ((cached or media_in ~= "") and ',"prompt_tokens_details":{"cached_tokens":' .. (number(cached) or 0) .. media_in
      .. "}" or "")
    .. ',"completion_tokens_details":{"reasoning_tokens":' .. said.thoughts .. media_out
    .. "}" .. (traffic and ',"traffic_type":' .. traffic or "") .. "}",
    tier and words.tier(json.decode(tier)) or nil
end

-- ---- for a client ----

local function by_modality(all, parts)
  local out, rest = json.array {}, all
  for _, one in ipairs { { "AUDIO", "audio_tokens" }, { "IMAGE", "image_tokens" }, { "VIDEO", "video_tokens" } } do
    local count = type(parts) == "table" and parts[one[2]]
    if type(count) == "number" and count > 0 then
      out[#out + 1] = { modality = one[1], tokenCount = count }
      rest = rest - count
    end
  end
  if not out[1] then return nil end
  if rest > 0 then table.insert(out, 1, { modality = "TEXT", tokenCount = rest }) end
  return out
end

local ORDER = { "promptTokenCount", "cachedContentTokenCount", "candidatesTokenCount", "thoughtsTokenCount",
  "totalTokenCount", "promptTokensDetails", "cacheTokensDetails", "candidatesTokensDetails", "trafficType", "cost",
  "cost_details" }

--- @tparam table told  a decoded usage object of the contract
-- @treturn string  JSON text of a usageMetadata, with what the answer cost
function usage.to_gemini(told)
  told = type(told) == "table" and told or {}
  local u = buckets(told)
  local said = math.max(u.output - u.reasoning, 0)
  local details = type(told.prompt_tokens_details) == "table" and told.prompt_tokens_details or {}
  return json.encode(json.ordered({
    promptTokenCount = u.prompt, cachedContentTokenCount = u.cache_read > 0 and u.cache_read or nil,
    candidatesTokenCount = said, thoughtsTokenCount = u.reasoning > 0 and u.reasoning or nil,
    totalTokenCount = u.prompt + u.output,
    promptTokensDetails = by_modality(u.prompt, details),
    cacheTokensDetails = by_modality(u.cache_read, details.cached_tokens_details),
    candidatesTokensDetails = by_modality(said, told.completion_tokens_details),
    trafficType = told.traffic_type, cost = u.cost, cost_details = u.cost_details,
  }, ORDER))
end

return usage
