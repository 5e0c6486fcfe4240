--- Annotations of a text: the Responses API has their members flat, chat nests those of a web page.
--
--     {"type":"url_citation","url":...}       {"type":"url_citation","url_citation":{"url":...}}
--     {"type":"file_citation","file_id":...}  {"type":"citation","format":"openai-responses","citation":{...}}
--
-- Pure: JSON text in, JSON text out.

local json = require("tidegate.core").json

local citations = {}

local FORMAT = "openai-responses"

-- Members of an object but for the one called `without`, as JSON text without braces.
local function members(text, without)
  local all, names = json.split(text)
  if not all then return "" end
  local out = {}
  for _, name in ipairs(names) do
    if name ~= without then out[#out + 1] = json.encode(name) .. ":" .. tostring(all[name]) end
  end
  return table.concat(out, ",")
end

function citations.to_chat(annotation)
  local kind, nested = json.pick(annotation, "type", "url_citation")
  if kind == '"url_citation"' then
    return '{"type":"url_citation","url_citation":' .. (nested or "{" .. members(annotation, "type") .. "}") .. "}"
  end
  return '{"type":"citation","format":"' .. FORMAT .. '","citation":' .. annotation .. "}"
end

--- What is no citation of a web page, nor one that came from here, goes on as it is.
function citations.from_chat(annotation)
  local kind, nested, format, own = json.pick(annotation, "type", "url_citation", "format", "citation")
  if kind == '"url_citation"' and nested then
    local first, last = json.pick(nested, "start_index", "end_index")
    -- OpenAI's clients insist on the two places.
    return '{"type":"url_citation",' .. members(nested) .. (first and "" or ',"start_index":0')
      .. (last and "" or ',"end_index":0') .. "}"
  elseif kind == '"citation"' and format == '"' .. FORMAT .. '"' and own then
    return own
  end
  return annotation
end

return citations
