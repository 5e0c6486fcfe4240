--- What Converse's answers say in words of their own, whole and in streams alike: counts, citations, blobs, errors.
-- JSON text in, JSON text out. Pure.

local json     = require("tidegate.core").json
local data_url = require "tidegate.convert.data_url"
local layout   = require "tidegate.convert.anthropic.layout"
local history  = require "tidegate.convert.bedrock.history"
local models   = require "tidegate.convert.bedrock.models"

local words = {}

--- The string that a JSON text of one says; of anything else nothing.
function words.string(raw)
  local value = json.read("[" .. raw .. "]")[1]
  return type(value) == "string" and value or ""
end

-- ---- counts ----

local function sum(...)
  local total = 0
  for i = 1, select("#", ...) do
    local n = select(i, ...)
    total = total + (type(n) == "number" and n or 0)
  end
  return total
end

-- Of what was written to the cache, what stays for an hour.
local function kept_for(ttl, details)
  local tokens
  for _, detail in ipairs(type(details) == "table" and details or {}) do
    if type(detail) == "table" and detail.ttl == ttl then tokens = sum(tokens, detail.inputTokens) end
  end
  return tokens
end

--- Converse's usage with chat's names. inputTokens leaves out what was read from the cache and written to it.
-- @tparam string raw  its `usage`
-- @tparam ?string metrics  its `metrics`
function words.usage(raw, metrics)
  local u = json.read(raw)
  if type(u) ~= "table" then return nil end
  local read = u.cacheReadInputTokens or u.cacheReadInputTokenCount
  local written = u.cacheWriteInputTokens or u.cacheWriteInputTokenCount
  local one_hour, five_minutes = kept_for("1h", u.cacheDetails), kept_for("5m", u.cacheDetails)
  local tools = type(u.serverToolUsage) == "table" and next(u.serverToolUsage) and u.serverToolUsage or nil
  return json.encode {
    prompt_tokens = u.inputTokens and sum(u.inputTokens, read, written), completion_tokens = u.outputTokens,
    total_tokens = u.totalTokens,
    prompt_tokens_details = (read or written) and { cached_tokens = read, cache_write_tokens = written } or nil,
    cache_creation = (one_hour or five_minutes) and
      { ephemeral_1h_input_tokens = one_hour, ephemeral_5m_input_tokens = five_minutes } or nil,
    serverToolUsage = tools, metrics = metrics and json.raw(metrics) or nil,
  }
end

--- What an answer tells beside its message, as members of the completion or chunk: `,"name":value` each.
function words.extras(text, names)
  local out = {}
  for _, name in ipairs(names) do
    local value = json.pick(text, name)
    if value then out[#out + 1] = "," .. json.encode(name) .. ":" .. value end
  end
  local tier = json.pick(text, "serviceTier.type")
  if tier then out[#out + 1] = ',"service_tier":' .. tier end
  return table.concat(out)
end

-- ---- citations ----

--- A citation as an annotation: of a page of the web as chat has it, of anything else as it is.
function words.annotation(raw)
  local url, domain, title, source = json.pick(raw, "location.web.url", "location.web.domain", "title", "sourceContent")
  if not url then
    return '{"type":"citation","format":' .. json.encode(history.BEDROCK) .. ',"citation":' .. raw .. "}"
  end
  local quotes, at = {}, 0
  local quote = source and json.pick(source, "0.text")
  while quote do
    quotes[#quotes + 1], at = words.string(quote), at + 1
    quote = json.pick(source, at .. ".text")
  end
  return '{"type":"url_citation","url_citation":{"url":' .. url .. ',"title":' .. (title or domain or url)
    .. (quotes[1] and ',"content":' .. json.encode(table.concat(quotes)) or "") .. "}}"
end

-- ---- blobs ----

--- Blobs in pieces, each encoded by itself, as one.
function words.join(pieces)
  for i = 1, #pieces - 1 do
    if pieces[i]:find("=", 1, true) then
      local bytes = {}
      for k, piece in ipairs(pieces) do bytes[k] = data_url.decode(piece) or "" end
      return data_url.encode(table.concat(bytes))
    end
  end
  return table.concat(pieces)
end

--- Reasoning that nobody may read, as an element of reasoning_details. The blob of a Claude is Anthropic's own text,
-- and that is what comes back from Anthropic and Vertex, too; others' is theirs alone.
-- @tparam string blob  in base64
-- @tparam table family  of the model (bedrock_models)
function words.redacted(blob, family, index)
  local text = models.is_anthropic(family) and data_url.decode(blob)
  local is_text = text and text ~= "" and not text:find "[^\32-\126]" and data_url.encode(text) == blob
  return json.encode { type = "reasoning.encrypted", index = index, data = is_text and text or blob,
                       format = is_text and layout.FORMAT or history.BEDROCK }
end

--- The format of reasoning that can be read.
function words.format_of(family) return models.is_anthropic(family) and layout.FORMAT or history.BEDROCK end

--- A block of a tool that Bedrock ran itself, as an element of reasoning_details.
-- @tparam string block  its JSON text
function words.server_tool(block, index)
  local id, name, result_id, kind = json.pick(block, "toolUse.toolUseId", "toolUse.name", "toolResult.toolUseId",
    "toolResult.type")
  return json.encode {
    type = "reasoning.server_tool_call", format = history.BEDROCK, index = index, data = block,
    tool_name = json.raw(name or kind or '""'), tool_call_id = json.raw(id or result_id or '""'),
    arguments = json.pick(block, "toolUse.input") or "", result = "",
  }
end

-- ---- errors ----

-- The HTTP status of each exception where it is not told inside a stream; failures of the model itself are a bad
-- gateway's here.
local STATUS = {
  validationException = 400, accessDeniedException = 403, resourceNotFoundException = 404,
  modelTimeoutException = 408, throttlingException = 429, modelNotReadyException = 429,
  serviceQuotaExceededException = 429, internalServerException = 500, modelStreamErrorException = 502,
  modelErrorException = 502, serviceUnavailableException = 503,
}

--- Is an event of this name an exception, or an error of the framing's? Events begin with a small letter.
function words.is_exception(name) return name:find "Exception$" ~= nil or name:find "^%u" ~= nil end

--- An exception inside a stream, as an error object.
-- @tparam string name  "throttlingException"
-- @tparam string data  its payload
function words.exception(name, data)
  local kind = name:gsub("^%u", string.lower)
  local message, capital, original, told = json.pick(data, "message", "Message", "originalStatusCode",
    "originalMessage")
  local status = tonumber(original)
  if not status or (status ~= 429 and status < 500) or status > 599 then status = STATUS[kind] or 502 end
  local said = message or capital or json.encode(data ~= "" and data or name)
  return '{"code":' .. status .. ',"message":' .. said .. ',"type":' .. json.encode(name)
    .. (told and ',"original_message":' .. told or "") .. "}"
end

return words
