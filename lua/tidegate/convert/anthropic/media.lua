--- What a turn holds beside text: chat's parts as Anthropic's blocks, and back.

local json     = require("tidegate.core").json
local chat     = require "tidegate.convert.chat"
local data_url = require "tidegate.convert.data_url"

local anthropic_media = {}

-- Anthropic's own kinds of content, for which chat has no word: they stand among chat's parts as they are.
local OWN = { document = true, search_result = true, container_upload = true, tool_reference = true, image = true }

-- Members that a part of chat may carry for Anthropic.
local EXTRAS = { "cache_control", "citations", "context" }

local function with_extras(to, from)
  for _, name in ipairs(EXTRAS) do to[name] = from[name] end
  return to
end

-- ---- chat's parts as blocks ----

local function is_text(media)
  return media:match "^text/" or media == "application/json" or media == "application/xml"
end

local function image_of(m)
  if m.id then return { type = "image", source = { type = "file", file_id = m.id } } end
  if m.url then return { type = "image", source = { type = "url", url = m.url } } end
  local media = m.media:match "^[^;]+"
  if media == "image/jpg" then media = "image/jpeg" end
  return { type = "image", source = { type = "base64", media_type = media, data = m.data } }
end

-- Where a document is; nil for what Anthropic cannot read.
local function source_of(m)
  if m.id then return { type = "file", file_id = m.id } end
  if m.url then return { type = "url", url = m.url } end
  if m.media == "application/pdf" then return { type = "base64", media_type = m.media, data = m.data } end
  local text = is_text(m.media) and data_url.decode(m.data)
  return text and { type = "text", media_type = "text/plain", data = text }
end

local function block_of_media(m, part)
  if m.kind == "image" or (m.kind == "file" and m.data and m.media:match "^image/") then return image_of(m) end
  if m.kind ~= "file" or not (m.id or m.url or m.data) then return nil end
  local source = source_of(m)
  return source and { type = "document", source = source, title = part.title or m.name }
end

--- A part of a chat message as a block.
-- @tparam table part
-- @tparam table lost  a set, to which the kind is added when there is no such block
-- @treturn ?table  nil also for text that is empty, which Anthropic refuses
function anthropic_media.block(part, lost)
  if type(part) ~= "table" then return nil end
  if part.type == "text" or part.type == "input_text" or part.type == "refusal" then
    local text = part.text or part.refusal
    if type(text) ~= "string" or text == "" then return nil end
    return { type = "text", text = text, cache_control = part.cache_control }
  end
  if OWN[part.type] then return part end
  local m = chat.media(part)
  local block = m and block_of_media(m, part)
  if block then return with_extras(block, part) end
  lost["messages." .. (m and m.kind or tostring(part.type))] = true
end

-- ---- blocks as chat's parts ----

local function part_of_image(source)
  if source.type == "base64" and source.data then
    return { type = "image_url", image_url = { url = data_url.write(source.media_type or "image/png", source.data) } }
  elseif source.type == "url" and source.url then
    return { type = "image_url", image_url = { url = source.url } }
  end
end

local function file_of(source)
  if source.type == "base64" and source.data then
    return { file_data = data_url.write(source.media_type or "application/pdf", source.data) }
  elseif source.type == "text" and source.data then
    return { file_data = data_url.write("text/plain", data_url.encode(source.data)) }
  elseif source.type == "url" then
    return { file_url = source.url }
  elseif source.type == "file" then
    return { file_id = source.file_id }
  end
end

--- A block of a user's turn, or of a tool's result, as a part.
-- @tparam table block  as json.read() gives it
-- @tparam string raw  its JSON text
-- @treturn ?table  the part: a json.raw of the block itself when chat has no word for it
function anthropic_media.part(block, raw)
  if block.type == "text" then
    return { type = "text", text = block.text, cache_control = block.cache_control }
  end
  local source = type(block.source) == "table" and block.source or {}
  if block.type == "image" then
    local part = part_of_image(source)
    if part then return with_extras(part, block) end
  elseif block.type == "document" then
    local file = file_of(source)
    if file then
      file.filename = block.title
      return with_extras({ type = "file", file = file }, block)
    end
  end
  return json.raw(raw)
end

return anthropic_media
