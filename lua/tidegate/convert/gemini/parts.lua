--- Text and media: chat's content parts, and Google's. Pure.

local chat = require "tidegate.convert.chat"

local parts = {}

-- ---- to Google ----

-- Google wants to know what is behind an address.
local BY_EXTENSION = {
  jpg = "image/jpeg", jpeg = "image/jpeg", png = "image/png", webp = "image/webp", gif = "image/gif",
  heic = "image/heic", heif = "image/heif", bmp = "image/bmp",
  mp3 = "audio/mp3", wav = "audio/wav", aac = "audio/aac", flac = "audio/flac", ogg = "audio/ogg", aiff = "audio/aiff",
  m4a = "audio/m4a",
  mp4 = "video/mp4", mpeg = "video/mpeg", mpg = "video/mpeg", mov = "video/mov", webm = "video/webm", avi = "video/avi",
  pdf = "application/pdf", txt = "text/plain", md = "text/markdown", csv = "text/csv", html = "text/html",
  json = "application/json",
}

local BY_KIND = { image = "image/jpeg", audio = "audio/mp3", video = "video/mp4", file = "application/pdf" }

local function guess(address, name, kind)
  for _, text in ipairs { (address or ""):gsub("[?#].*$", ""), name or "" } do
    local mime = BY_EXTENSION[(text:match "%.(%w+)$" or ""):lower()]
    if mime then return mime end
  end
  return BY_KIND[kind]
end

local function is_youtube(url)
  return url:find "^https?://[%w%.]*youtube%.com/" or url:find "^https?://youtu%.be/"
end

-- What chat.media() calls audio/mpeg is audio/mp3 in Google's list.
local MIME = { ["audio/mpeg"] = "audio/mp3", ["audio/pcm16"] = "audio/pcm" }

--- A part of media.
-- @tparam table part  chat's
-- @tparam string wire  "gemini" or "vertex"
-- @treturn ?table  Google's; nil when it is no media
function parts.of_media(part, wire)
  local media = chat.media(part)
  if not media then return nil end
  if media.data then
    return { inlineData = { mimeType = MIME[media.media] or media.media, data = media.data,
                            displayName = wire == "vertex" and media.name or nil } }
  end
  local address = media.url or media.id
  if not address or address == "" then return nil end
  local told = type(part[part.type]) == "table" and part[part.type].mime_type
  local mime = told or not (wire == "gemini" and is_youtube(address)) and guess(address, media.name, media.kind) or nil
  return { fileData = { fileUri = address, mimeType = mime } }
end

--- Any content part of chat's.
-- @tparam table how  { wire, lost = set of names to add to }
function parts.of_chat(part, how)
  if part.type == "text" or part.type == "input_text" then
    return part.text and part.text ~= "" and { text = part.text } or nil
  elseif part.type == "refusal" then
    return part.refusal and part.refusal ~= "" and { text = part.refusal } or nil
  end
  local made = parts.of_media(part, how.wire)
  if not made then how.lost["messages." .. tostring(part.type)] = true end
  return made
end

--- The parts of a message's content.
function parts.of_content(content, how)
  local out = {}
  for _, part in ipairs(chat.parts(content)) do out[#out + 1] = parts.of_chat(part, how) end
  return out
end

-- ---- to chat ----

local AUDIO = { mpeg = "mp3", mp3 = "mp3", ["x-wav"] = "wav", wave = "wav", pcm = "pcm16", L16 = "pcm16" }

local function of_inline(blob)
  local mime, data = tostring(blob.mimeType or "application/octet-stream"), tostring(blob.data or '""'):sub(2, -2)
  local url = "data:" .. mime .. ";base64," .. data
  local kind, sub = mime:match "^(%a+)/([%w%-%.%+]+)"
  if kind == "image" then return { type = "image_url", image_url = { url = url } } end
  if kind == "video" then return { type = "video_url", video_url = { url = url } } end
  if kind == "audio" then return { type = "input_audio", input_audio = { data = data, format = AUDIO[sub] or sub } } end
  return { type = "file", file = { filename = blob.displayName or "file", file_data = url } }
end

local function of_address(file)
  local url, mime = file.fileUri or "", file.mimeType
  local kind = tostring(mime):match "^(%a+)/"
  local name = kind == "image" and "image_url" or kind == "video" and "video_url" or "file"
  local known = guess(url, file.displayName, name:match "^%a+")
  local told = mime ~= known and mime or nil
  if name ~= "file" then return { type = name, [name] = { url = url, mime_type = told } } end
  return { type = "file", file = { file_url = url, filename = file.displayName, mime_type = told } }
end

--- A part of text or media as chat has it; nil for any other.
-- @tparam table part  Google's, `text` and `data` as json.raw
function parts.to_chat(part)
  if part.inlineData then return of_inline(part.inlineData) end
  if part.fileData then return of_address(part.fileData) end
end

return parts
