--- Annotations of a text: the Responses API has their members flat, chat nests those of a web page.
--
--     {"type":"url_citation","url":...}       {"type":"url_citation","url_citation":{"url":...}}
--     {"type":"file_citation","file_id":...}  {"type":"citation","format":"openai-responses","citation":{...}}
--
-- What chat cites beside (another provider's citations of documents, the text of files) is a citation of a file here,
-- which all clients know, with chat's own annotation in it:
--
--     {"type":"file_citation","file_id":"","filename":"a.pdf","index":0,"annotation":{...}}
--
-- Pure: JSON text in, JSON text out.

local json = require("tidegate.core").json
local edit = require "tidegate.convert.edit"

local citations = {}

local FORMAT = "openai-responses"

-- Members of an object but for the one called `without`, as JSON text without braces.
local function members(text, without)
  local all, names = json.members(text)
  local out = {}
  for _, name in ipairs(names or {}) do
    if name ~= without then out[#out + 1] = edit.member(name, all[name]) end
  end
  return table.concat(out, ",")
end

function citations.to_chat(annotation)
  local kind, nested = json.pick(annotation, "type", "url_citation")
  if kind == '"url_citation"' then
    return '{"type":"url_citation","url_citation":' .. (nested or "{" .. members(annotation, "type") .. "}") .. "}"
  end
  local carried = json.pick(annotation, "annotation")
  if carried and carried:sub(1, 1) == "{" then return carried end
  return '{"type":"citation","format":"' .. FORMAT .. '","citation":' .. annotation .. "}"
end

local function is_text(raw) return raw ~= nil and raw:sub(1, 1) == '"' end

-- OpenAI's clients insist on the title and on the two places.
local function of_page(page)
  local title, first, last = json.pick(page, "title", "start_index", "end_index")
  return '{"type":"url_citation",' .. members(page, not is_text(title) and "title" or nil)
    .. (is_text(title) and "" or ',"title":""')
    .. (first and "" or ',"start_index":0') .. (last and "" or ',"end_index":0') .. "}"
end

local function of_file(annotation)
  local id, title, name, at = json.pick(annotation, "citation.file_id", "citation.document_title", "file.name",
    "start_index")
  return '{"type":"file_citation","file_id":' .. (is_text(id) and id or '""')
    .. ',"filename":' .. (is_text(title) and title or is_text(name) and name or '""')
    .. ',"index":' .. (at or "0") .. ',"annotation":' .. annotation .. "}"
end

--- An annotation of chat's, here.
function citations.from_chat(annotation)
  local kind, page, format, own = json.pick(annotation, "type", "url_citation", "format", "citation")
  if kind == '"url_citation"' then return page and of_page(page) or annotation end
  if format == '"' .. FORMAT .. '"' and own then return own end
  return of_file(annotation)
end

return citations
