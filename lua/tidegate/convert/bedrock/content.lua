--- Parts of chat messages as Converse's content blocks.
--
-- `c` is what one request's conversion knows: { family, lost (a set), wrong (a sentence, or nil), names (of documents
-- so far) }. Pure.

local json = require("tidegate.core").json
local chat = require "tidegate.convert.chat"

local content = {}

-- Converse's words for formats, by media subtype, file extension or the format that chat names.
local FORMATS = {
  image = { png = "png", jpeg = "jpeg", jpg = "jpeg", gif = "gif", webp = "webp" },
  audio = {
    mp3 = "mp3", mpeg = "mp3", wav = "wav", ["x-wav"] = "wav", wave = "wav", flac = "flac", aac = "aac", ogg = "ogg",
    opus = "opus", mp4 = "mp4", m4a = "m4a", webm = "webm", pcm = "pcm", pcm16 = "pcm", mka = "mka", mkv = "mkv",
  },
  video = {
    mp4 = "mp4", mov = "mov", quicktime = "mov", mkv = "mkv", ["x-matroska"] = "mkv", webm = "webm", flv = "flv",
    ["x-flv"] = "flv", mpeg = "mpeg", mpg = "mpg", wmv = "wmv", ["x-ms-wmv"] = "wmv", ["3gp"] = "three_gp",
    ["3gpp"] = "three_gp",
  },
  document = {
    pdf = "pdf", csv = "csv", doc = "doc", msword = "doc", docx = "docx", xls = "xls", ["vnd.ms-excel"] = "xls",
    ["vnd.openxmlformats-officedocument.wordprocessingml.document"] = "docx", xlsx = "xlsx",
    ["vnd.openxmlformats-officedocument.spreadsheetml.sheet"] = "xlsx", html = "html", htm = "html", txt = "txt",
    plain = "txt", md = "md", markdown = "md", json = "txt", xml = "txt", yaml = "txt",
  },
}

-- ---- documents' names ----

local NAME_MAX = 200

--- A name that Converse takes (letters, digits, single spaces, hyphens, brackets) and that no other document has.
-- @tparam table taken  the names given so far
function content.document_name(filename, taken)
  local name = (filename or ""):gsub("^.*[/\\]", ""):gsub("%.%w+$", ""):gsub("[^%w%s%-%(%)%[%]]+", "-")
    :gsub("%s+", " "):gsub("^[%s%-]+", ""):gsub("[%s%-]+$", ""):sub(1, NAME_MAX)
  if name == "" then name = "document" end
  local unique, n = name, 1
  while taken[unique:lower()] do
    n = n + 1
    local tail = " (" .. n .. ")"
    unique = name:sub(1, NAME_MAX - #tail) .. tail
  end
  taken[unique:lower()] = true
  return unique
end

-- ---- media ----

-- A file may be any kind of media: its type says which.
local function kind_of(media)
  if media.kind ~= "file" then return media.kind end
  local major = (media.media or ""):match "^(%a+)/"
  return FORMATS[major] and major or "document"
end

local function extension_of(name) return name and name:lower():match "%.(%w+)$" end

local function format_of(kind, media)
  local known = FORMATS[kind]
  local major, minor = (media.media or ""):lower():match "^([%w.+-]+)/([%w.+-]+)"
  return known[media.format] or known[minor] or known[extension_of(media.name)] or known[extension_of(media.url)]
    or (kind == "document" and major == "text" and "txt") or nil
end

local function source_of(media)
  if media.data then return { bytes = media.data } end
  if media.url and media.url:match "^s3://" then return { s3Location = { uri = media.url } } end
end

local function wrong(c, ...) c.wrong = c.wrong or string.format(...) end

local function media_block(part, media, allowed, c)
  local kind = kind_of(media)
  if media.id then return nil, "file_id" end
  if not allowed[kind] then return nil, kind end
  local source, format = source_of(media), format_of(kind, media)
  if not source then
    wrong(c, "Amazon Bedrock fetches nothing: send the %s in base64 (a data URL), or as an s3:// URL", kind)
  elseif not format then
    wrong(c, "Amazon Bedrock does not take this kind of %s: %s", kind, media.media or media.name or media.url)
  end
  local block = { format = format, source = source }
  if kind == "document" then
    block.name = content.document_name(media.name, c.names)
    block.citations, block.context = part.citations, part.context
  end
  return { [kind] = block }, kind
end

-- ---- what chat has no word for ----

-- Texts of a list of Anthropic's text blocks, or of a string.
local function texts_of(list)
  if type(list) == "string" then return { { text = list } } end
  local out = {}
  for _, block in ipairs(type(list) == "table" and list or {}) do
    if type(block) == "table" and block.text then out[#out + 1] = { text = block.text } end
  end
  return out
end

-- Anthropic's own blocks that its clients send and chat passes on as they are.
local OWN = {}

function OWN.search_result(part)
  return { searchResult = { source = part.source, title = part.title, content = json.array(texts_of(part.content)),
                            citations = part.citations } }, "search_result"
end

function OWN.document(part, c)
  local texts = type(part.source) == "table" and texts_of(part.source.content) or {}
  if not texts[1] then return nil, "document_source" end
  return { document = { name = content.document_name(part.title, c.names), source = { content = texts },
                        citations = part.citations, context = part.context } }, "document"
end

-- ---- blocks ----

--- A cache point behind what `control` (a part's or a tool's cache_control) stands with.
-- @tparam string place  "system", "messages" or "tools"
-- @treturn ?table  nil when nothing is asked for, or the model keeps no cache there
function content.cache_point(control, place, c)
  if type(control) ~= "table" then return nil end
  if not c.family.caches[place] then
    c.lost.cache_control = true
    return nil
  end
  return { cachePoint = { type = "default", ttl = control.ttl == "1h" and "1h" or nil } }
end

-- Converse refuses a text that is blank.
local function text_block(text)
  if type(text) == "string" and text:find "%S" then return { text = text } end
end

local function block_of(part, allowed, c)
  if part.type == "text" or part.type == "input_text" then return text_block(part.text), "text" end
  if part.type == "refusal" then return text_block(part.refusal), "text" end
  local own = OWN[part.type]
  if own then return own(part, c) end
  local media = chat.media(part)
  if media then return media_block(part, media, allowed, c) end
  return nil, tostring(part.type)
end

--- The kinds of blocks that may stand in a place.
content.IN_SYSTEM    = { text = true }
content.IN_ASSISTANT = { text = true }
content.IN_USER      = { text = true, image = true, document = true, video = true, audio = true, search_result = true }
content.IN_RESULT    = { text = true, image = true, document = true, video = true, search_result = true }

--- The blocks of a message's content, without cache points but with what each asks of them.
-- @tparam table allowed  one of the sets above; what is not in it is lost
-- @treturn table  blocks
-- @treturn table  cache_control of the part of each block that has one, by the block's place
function content.blocks(message_content, allowed, c)
  local blocks, controls = json.array {}, {}
  for _, part in ipairs(chat.parts(message_content)) do
    local block, kind = block_of(part, allowed, c)
    if block and allowed[kind] then
      blocks[#blocks + 1] = block
      controls[#blocks] = part.cache_control
    elseif not allowed[kind] then
      c.lost["messages." .. kind] = true
    end
  end
  return blocks, controls
end

--- The same with the cache points between them.
function content.cached_blocks(message_content, allowed, place, c)
  local blocks, controls = content.blocks(message_content, allowed, c)
  local out = json.array {}
  for i, block in ipairs(blocks) do
    out[#out + 1] = block
    out[#out + 1] = content.cache_point(controls[i], place, c)
  end
  return out
end

return content
