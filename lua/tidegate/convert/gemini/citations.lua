--- Where an answer comes from: Google's grounding and citation metadata, and chat's `annotations`.
--
-- Each source of each passage is a url_citation; the whole of Google's object stays beside them in one annotation
-- of type "citation", because not all of it has a place elsewhere (search suggestions that must be shown, scores,
-- sources without an address). Pure.

local json = require("tidegate.core").json
local edit = require "tidegate.convert.edit"

local citations = {}

local FORMAT = "gemini"

local function raw_one(name, raw)
  return '{"type":"citation","format":"' .. FORMAT .. '","citation":{"' .. name .. '":' .. raw .. "}}"
end

local function url_one(url, title, content, from, to)
  return json.encode { type = "url_citation", url_citation = json.ordered({
    url = url, title = title or "", content = content, start_index = from, end_index = to,
  }, { "url", "title", "content", "start_index", "end_index" }) }
end

-- What should be an object or a list and is not says nothing.
local function object(value) return type(value) == "table" and value or {} end
local function number(value) return type(value) == "number" and value or 0 end
local function text(value)   return type(value) == "string" and value or nil end

-- What a source is, whichever kind: address, title, text.
local function source_of(chunk)
  chunk = object(chunk)
  local it = object(chunk.web or chunk.retrievedContext or chunk.maps or chunk.image)
  return text(it.uri or it.sourceUri), text(it.title), chunk.retrievedContext and text(it.text)
end

--- The annotations of a groundingMetadata.
-- @tparam string raw  its JSON text
-- @tparam table map  places of the text that it speaks of
-- @treturn ?string  elements of `annotations`; nil when it says nothing
function citations.of_grounding(raw, map)
  if not edit.says(raw) then return nil end
  local grounding = object(json.read(raw))
  local chunks, used = object(grounding.groundingChunks), {}
  local out = { raw_one("groundingMetadata", raw) }
  for _, support in ipairs(object(grounding.groundingSupports)) do
    local segment = object(object(support).segment)
    local from, to = map:char_at(number(segment.startIndex)), map:char_at(number(segment.endIndex))
    for _, index in ipairs(object(object(support).groundingChunkIndices)) do
      local place = number(index) + 1
      local url, title, content = source_of(chunks[place])
      if url then out[#out + 1] = url_one(url, title, content, from, to) end
      used[place] = true
    end
  end
  for i, chunk in ipairs(chunks) do
    local url, title, content = source_of(chunk)
    if url and not used[i] then out[#out + 1] = url_one(url, title, content) end
  end
  return table.concat(out, ",")
end

--- The same of a citationMetadata: `citationSources` on Google AI, `citations` on Vertex.
function citations.of_citations(raw, map)
  if not edit.says(raw) then return nil end
  local metadata = object(json.read(raw))
  local out = { raw_one("citationMetadata", raw) }
  for _, one in ipairs(object(metadata.citationSources or metadata.citations)) do
    local url = text(object(one).uri)
    local from, to = map:char_at(number(object(one).startIndex)), map:char_at(number(object(one).endIndex))
    if url then out[#out + 1] = url_one(url, text(one.title), nil, from, to) end
  end
  return table.concat(out, ",")
end

--- The same of a urlContextMetadata: what was looked up, which says nothing about the text.
function citations.of_urls(raw)
  return edit.says(raw) and raw_one("urlContextMetadata", raw) or nil
end

-- ---- for a client ----

local function grounding_of(list, map)
  local chunks, place, supports, support_at = json.array {}, {}, json.array {}, {}
  for _, one in ipairs(list) do
    if not place[one.url] then
      chunks[#chunks + 1] = { web = { uri = one.url, title = one.title } }
      place[one.url] = #chunks
    end
    local from = one.end_index and map:byte_at(one.start_index or 0)
    local to = one.end_index and map:byte_at(one.end_index)
    local key = from and to and from .. "-" .. to
    if key and not support_at[key] then
      support_at[key] = { segment = { startIndex = from, endIndex = to }, groundingChunkIndices = json.array {} }
      supports[#supports + 1] = support_at[key]
    end
    if key then table.insert(support_at[key].groundingChunkIndices, place[one.url] - 1) end
  end
  return json.encode { groundingChunks = chunks, groundingSupports = supports[1] and supports or nil }
end

--- What a candidate says of its sources: Google's own objects where they came along, else url_citations as grounding.
-- @tparam table annotations  decoded, of the whole answer; `citation` may be json.raw
-- @treturn table  { groundingMetadata = JSON text, ... }
function citations.metadata(annotations, map)
  local out, urls = {}, {}
  for _, one in ipairs(annotations) do
    if one.type == "citation" and one.format == FORMAT then
      for name, raw in pairs(json.split(json.encode(one.citation)) or {}) do out[name] = tostring(raw) end
    elseif one.type == "url_citation" and one.url_citation and one.url_citation.url then
      urls[#urls + 1] = one.url_citation
    end
  end
  if urls[1] and not next(out) then out.groundingMetadata = grounding_of(urls, map) end
  return out
end

return citations
