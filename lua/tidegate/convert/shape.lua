--- Has a chat request the shape that converters rely on? Types alone; what the values mean is the provider's affair.
--
--     local ok, why = shape.check(body)       -- nil, "messages[1].content must be a text or a list"
--
-- The request is one that json.read() gave: null members are absent. What is not named here is not looked at. Pure.

local json = require("tidegate.core").json

local shape = {}

--- Is it an object, of what json.read() gives?
function shape.is_object(value)
  return type(value) == "table" and not json.is_array(value) and not json.is_raw(value)
end

-- A rule is a function of a value; it gives what is wrong with it, and where inside of it, or nothing.

local function plain(kind, words)
  return function(value)
    if type(value) ~= kind then return words, "" end
  end
end

local text, number, boolean = plain("string", "a text"), plain("number", "a number"), plain("boolean", "true or false")

local function object(members)
  return function(value)
    if not shape.is_object(value) then return "an object", "" end
    for name, rule in pairs(members) do
      if value[name] ~= nil then
        local wanted, where = rule(value[name])
        if wanted then return wanted, "." .. name .. where end
      end
    end
  end
end

local function list(rule)
  return function(value)
    if not json.is_array(value) then return "a list", "" end
    for i, element in ipairs(value) do
      local wanted, where = rule(element)
      if wanted then return wanted, "[" .. i - 1 .. "]" .. where end
    end
  end
end

-- A text, or what `rule` says.
local function text_or(rule, words)
  return function(value)
    if type(value) == "string" then return end
    if type(value) ~= "table" or json.is_raw(value) then return "a text or " .. words, "" end
    return rule(value)
  end
end

local link = text_or(object { url = text }, "an object")

local part = object {
  type = text, text = text, refusal = text, image_url = link, video_url = link,
  input_audio = object { data = text, format = text },
  file = object { file_data = text, file_url = text, file_id = text, filename = text },
}

local content = text_or(list(part), "a list")

local message = object {
  role = text, content = content, name = text, tool_call_id = text,
  tool_calls = list(object { id = text, ["function"] = object { name = text },
                             custom = object { name = text, input = text } }),
  reasoning_details = list(object { type = text, text = text, summary = text, format = text }),
  annotations = list(object {}),
}

local request = object {
  messages = list(message),
  tools = list(object { type = text, ["function"] = object { name = text, description = text } }),
  tool_choice = text_or(object { type = text, ["function"] = object { name = text } }, "an object"),
  response_format = object { type = text },
  stop = text_or(list(text), "a list"),
  reasoning = object { effort = text, max_tokens = number, enabled = boolean },
  reasoning_effort = text, max_tokens = number, max_completion_tokens = number, n = number,
}

--- @treturn ?boolean  true; or nil and a sentence
function shape.check(body)
  if not shape.is_object(body) then return nil, "the request must be an object" end
  if body.messages == nil then return nil, "messages must be a list" end
  local wanted, where = request(body)
  if wanted then return nil, where:sub(2) .. " must be " .. wanted end
  return true
end

--- The same of one content, as inputs of embeddings have it.
function shape.check_content(value, path)
  local wanted, where = content(value)
  if wanted then return nil, path .. where .. " must be " .. wanted end
  return true
end

return shape
