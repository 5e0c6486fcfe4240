--- A client's generateContent request as the converters rely on it: names in camel case, lists where lists belong,
-- and values of the types that they are looked into as. Pure.
--
-- Google reads camel case and snake case, and takes a single object for a list of one.

local json  = require("tidegate.core").json
local reply = require "tidegate.convert.gemini.reply"
local words = require "tidegate.convert.gemini.words"

local shape = {}

-- Members that stay JSON text, under both of their names.
local KEEP = {}
for name in pairs(reply.KEEP) do KEEP[name], KEEP[words.snake(name)] = true, true end
for _, name in ipairs { "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema",
                        "labels" } do
  KEEP[name], KEEP[words.snake(name)] = true, true
end

local LISTS = { contents = true, parts = true, tools = true, functionDeclarations = true, stopSequences = true,
                allowedFunctionNames = true, responseModalities = true, requests = true }

local function settled(value)
  if type(value) ~= "table" or json.is_raw(value) then return value end
  if json.is_array(value) then
    for i, one in ipairs(value) do value[i] = settled(one) end
    return value
  end
  local out = {}
  for name, one in pairs(value) do
    name = words.camel(name)
    one = settled(one)
    out[name] = LISTS[name] and not json.is_array(one) and json.array { one } or one
  end
  return out
end

-- ---- types ----

-- A rule is a function of a value; it gives the path inside of it to what does not fit, or nothing.

local function plain(kind)
  return function(value) return type(value) ~= kind and "" or nil end
end

-- JSON text that begins so.
local function raw(first)
  return function(value)
    return not (json.is_raw(value) and tostring(value):sub(1, 1) == first) and "" or nil
  end
end

local function object(members)
  return function(value)
    if type(value) ~= "table" or json.is_array(value) or json.is_raw(value) then return "" end
    for name, rule in pairs(members) do
      local misfit = value[name] ~= nil and rule(value[name])
      if misfit then return "." .. name .. misfit end
    end
  end
end

local function list(rule)
  return function(value)
    if not json.is_array(value) then return "" end
    for i, one in ipairs(value) do
      local misfit = rule(one)
      if misfit then return "[" .. i - 1 .. "]" .. misfit end
    end
  end
end

local text, number, boolean, any = plain "string", plain "number", plain "boolean", object {}

local blob, file = object { mimeType = text, data = raw '"' }, object { fileUri = text, mimeType = text }

local part = object {
  text = raw '"', thought = boolean, thoughtSignature = raw '"', inlineData = blob, fileData = file,
  functionCall = object { name = text, id = text, args = raw "{" },
  functionResponse = object { name = text, id = text, response = raw "{",
                              parts = list(object { inlineData = blob, fileData = file }) },
}

local content = object { role = text, parts = list(part) }

local request = object {
  contents = list(content), systemInstruction = content, serviceTier = text,
  generationConfig = object {
    temperature = number, topP = number, topK = number, maxOutputTokens = number, candidateCount = number,
    stopSequences = list(text), responseMimeType = text, responseModalities = list(text), imageConfig = any,
    thinkingConfig = object { thinkingBudget = number, thinkingLevel = text, includeThoughts = boolean },
    speechConfig = object { voiceConfig = object { prebuiltVoiceConfig = object { voiceName = text } } },
  },
  tools = list(object { functionDeclarations = list(object { name = text, description = text }) }),
  toolConfig = object { functionCallingConfig = object { mode = text, allowedFunctionNames = list(text) } },
}

local embedding = object { content = content, taskType = text, title = text, outputDimensionality = number }

local function misfit_at(path) return ("Invalid value at '%s'."):format((path:gsub("^%.", ""))) end

local function read_object(body)
  local given = json.read(body, KEEP)
  if type(given) ~= "table" or json.is_array(given) then return nil, "The request must be a JSON object." end
  return settled(given)
end

--- Read a request, or one to count tokens.
-- @treturn ?table  the request; or nil and a sentence
-- @treturn string  the JSON text that it was, without what counting wraps around it
function shape.read(body)
  local given, why = read_object(body)
  if not given then return nil, why end
  if type(given.generateContentRequest) == "table" then
    given = given.generateContentRequest
    body = json.pick(body, "generateContentRequest") or json.pick(body, "generate_content_request")
  end
  local misfit = request(given)
  if misfit then return nil, misfit_at(misfit) end
  if not (given.contents and given.contents[1]) then return nil, "contents is not specified." end
  return given, body
end

--- Read what is to be embedded: the requests of a batch, or the one that there is.
-- @treturn ?table  a list of requests; or nil and a sentence
function shape.embeddings(body, is_batch)
  local given, why = read_object(body)
  if not given then return nil, why end
  local requests = is_batch and given.requests or not is_batch and { given } or {}
  if not requests[1] then return nil, "requests is not specified." end
  for i, one in ipairs(requests) do
    local path = is_batch and "requests[" .. i - 1 .. "]" or ""
    local misfit = embedding(one)
    if misfit then return nil, misfit_at(path .. misfit) end
    if not (one.content and one.content.parts and one.content.parts[1]) then
      return nil, (path .. ".content is not specified."):match "^%.?(.*)"
    end
  end
  return requests
end

--- The JSON text of a part.
-- @tparam string body  from shape.read()
-- @tparam number i  place of its content, from 0
-- @tparam number j  its place there
function shape.raw_part(body, i, j)
  local listed, alone, in_one, one = json.pick(body, "contents." .. i .. ".parts." .. j, "contents." .. i .. ".parts",
    "contents.parts." .. j, "contents.parts")
  return listed or alone or in_one or one
end

return shape
