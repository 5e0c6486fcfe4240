--- Recorded traffic of the formats that are not OpenAI's chat: which wire of ours each recording is an answer to, and
-- what it says, by the readings of the formats.
--
-- What no provider of ours would be asked for is left out, with a reason that is counted.

local cjson       = require "cjson"
local transcripts = require "transcripts"

local native_transcripts = {}

-- ---- which wire a recording belongs to ----

local function reading(name) return require("readings." .. name) end

-- The wires: reading of their answers, the client format that passes as it came, fields of the provider.
local WIRES = {
  ["anthropic-messages"] = { read = reading "anthropic_messages", native = "messages" },
  ["openai-responses"] = { read = reading "openai_responses", native = "responses", base = "/v1" },
  gemini = { read = reading "gemini", native = "gemini" },
  vertex = { read = reading "gemini", native = "gemini", fields = { project = "p", location = "l" } },
  ["vertex-anthropic"] = { read = reading "anthropic_messages", native = "messages", wire = "vertex",
                           fields = { project = "p", location = "l" } },
  ["bedrock-converse"] = { read = reading "bedrock_converse",
                           fields = { key = false, access_key = "AKIDEXAMPLE", secret_key = "wJalrXUtnFEMI",
                                      aws_region = "us-east-1" } },
  cohere = { read = reading "cohere" },
  ollama = { read = reading "ollama" },
  ["openai-chat"] = { base = "/v1" },
}
native_transcripts.wires = WIRES

-- api of the index -> wire; "provider" where the provider is the wire.
local API = {
  messages = "anthropic-messages", responses = "openai-responses", gemini = "provider", ["gemini-stream"] = "provider",
  ["vertex-raw"] = "vertex-anthropic", converse = "bedrock-converse", ["converse-stream"] = "bedrock-converse",
  invoke = "anthropic-messages", ["cohere-v2-chat"] = "cohere", ["ollama-chat"] = "ollama", rerank = "provider",
  embeddings = "provider",
}

local OPENAI_LIKE = { openrouter = true, llamacpp = true }

local function wire_of(r)
  local wire = API[r.api]
  if r.api == "invoke" and r.status >= 400 then return "bedrock-converse" end      -- AWS's own errors
  if wire ~= "provider" then return wire end
  return OPENAI_LIKE[r.provider] and "openai-chat" or r.provider
end

-- transcripts_spec.lua has the embeddings in OpenAI's format.
local EMBEDDERS = { gemini = true, vertex = true, cohere = true }

local function is_ours(row)
  return API[row.api] and (row.api ~= "embeddings" or EMBEDDERS[row.provider])
end

local function why_not(r)
  if r.api == "gemini-stream" and r.body:find "^%s*%[" and r.status == 200 then
    return "a JSON array, where alt=sse is asked for"
  end
  if r.api == "gemini-stream" and r.status == 200 and r.body:find "\ndata:" and not r.body:find "\n\r?\n" then
    return "events without a line between them, as the recorder left them"
  end
  if r.api == "invoke" and r.status == 200 and not r.body:find '"type":%s*"message"' then
    return "InvokeModel in a format of the model's own"
  end
end

-- ---- what it is ----

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- The bytes of a base64 text in either alphabet, padded or not.
function native_transcripts.unbase64(text)
  local out, n, count = {}, 0, 0
  for c in text:gsub("-", "+"):gsub("_", "/"):gmatch "[%w+/]" do
    n, count = n * 64 + ALPHABET:find(c, 1, true) - 1, count + 1
    if count == 4 then
      out[#out + 1] = string.char(math.floor(n / 65536), math.floor(n / 256) % 256, n % 256)
      n, count = 0, 0
    end
  end
  if count == 3 then out[#out + 1] = string.char(math.floor(n / 1024), math.floor(n / 4) % 256) end
  if count == 2 then out[#out + 1] = string.char(math.floor(n / 16)) end
  return table.concat(out)
end

local function model_of(r)
  local body = r.request.body
  local named = type(body) == "table" and type(body.model) == "string" and body.model
  local url = (r.request.url or ""):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  return url:match "/models?/([^/?]+)" and url:match("/models?/([^/?]+)"):gsub(":%a+$", "") or named or "some-model"
end

local KIND = { embeddings = "embeddings", rerank = "rerank" }

local function is_stream(r)
  if r.status ~= 200 then return false end
  if r.api == "converse-stream" then return true end
  if r.api == "ollama-chat" then return r.kind == "stream" end
  return r.body:find "^[\r\n ]*data:" ~= nil or r.body:find "^[\r\n ]*event:" ~= nil or r.body:find "^[\r\n ]*:" ~= nil
end

local function complete(r)
  -- One recorder kept the bytes of AWS's frames in base64.
  if r.api == "converse-stream" and r.body:find "^[%w+/=%s]+$" then
    r.body = native_transcripts.unbase64(r.body)
    r.bytes = r.body
  end
  r.slug = wire_of(r)
  r.wire, r.asks, r.is_stream = WIRES[r.slug], KIND[r.api] or "chat", is_stream(r)
  r.model = r.slug == "vertex-anthropic" and not model_of(r):find "^claude" and "claude-x" or model_of(r)
  return r
end

--- Every recording that a provider of ours may give: what transcripts.recording() has, and slug and wire (of WIRES),
-- asks ("chat", "embeddings", "rerank"), model (the provider's name), is_stream.
-- @treturn table
-- @treturn table  reason -> how many were left out
function native_transcripts.all(dir)
  local list, out = {}, { ["binary frames of InvokeModel"] = 0 }
  for _, row in ipairs(transcripts.index(dir)) do
    if row.api == "invoke-stream" then
      out["binary frames of InvokeModel"] = out["binary frames of InvokeModel"] + 1
    elseif is_ours(row) then
      local r = transcripts.recording(dir, row)
      local why = why_not(r)
      if why then
        out[why] = (out[why] or 0) + 1
      else
        list[#list + 1] = complete(r)
      end
    end
  end
  return list, out
end

-- ---- what it says ----

--- The events of a stream which ends anywhere: the last line counts when it is whole JSON, blank line behind it or not.
function native_transcripts.settled(text)
  local behind = text:match ".*[\r\n]()" or 1
  local data = text:match("^data: ?(.*)$", behind)
  if data and pcall(cjson.decode, data) then return text .. "\n\n" end
  return text:sub(1, behind - 1) .. "\n\n"
end

-- What a provider says for having refused, which is text in some formats and a member beside it in others.
local function note_refusal(r, said, text)
  local words = r.wire.native == "gemini" and text:match '"[%w]+Message":%s*("[^"]*")'
  if words and said.finish ~= "STOP" then said.refusal = cjson.decode("[" .. words .. "]")[1] end
  said.refusal = said.refusal or ""
  return said
end

--- What a provider said with this much of its body.
function native_transcripts.said(r, text)
  if not r.is_stream then
    local ok, said = pcall(r.wire.read.whole, text)
    return note_refusal(r, ok and said or { text = "", reasoning = "", calls = {}, signatures = {}, complete = false }, text)
  end
  local is_framed = r.slug == "bedrock-converse" or r.slug == "ollama"
  return note_refusal(r, r.wire.read.stream(is_framed and text or native_transcripts.settled(text)), text)
end

--- The words of an error, whatever its shape.
function native_transcripts.words(text)
  local ok, o = pcall(cjson.decode, text)
  if not ok or type(o) ~= "table" then return nil end
  o = o[1] or o
  local err = type(o.error) == "table" and o.error or o
  for _, words in ipairs { err.message or false, o.error or false, o.detail or false } do
    if type(words) == "string" and words ~= "" then return words end
  end
end

return native_transcripts
