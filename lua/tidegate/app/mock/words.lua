--- What the mock says: the same question always gets the same answer.
--
-- Pure: a decoded request and a behaviour in, an answer's parts out. A token is
-- a word with the space before it.

local words = {}

local ECHO_BYTES = 400          -- of the question

local FILLER = {}
for word in ([[the tide comes in and the tide goes out and between them there is a gate that the moon moves
it lets the water pass when the level is right and holds it back when it is not and nobody who lives behind it
has to think about the sea]]):gmatch("%S+") do
  FILLER[#FILLER + 1] = word
end

-- The text of a message's content, parts included.
local function text_of(content)
  if type(content) == "string" then return content end
  local out = {}
  for _, part in ipairs(type(content) == "table" and content or {}) do
    if type(part) == "table" and type(part.text) == "string" then out[#out + 1] = part.text end
  end
  return table.concat(out, " ")
end

--- What was asked last: the last user message, the prompt, or the input.
function words.question(body)
  for i = #(body.messages or {}), 1, -1 do
    local message = body.messages[i]
    if type(message) == "table" and message.role == "user" then return text_of(message.content) end
  end
  local prompt = body.prompt or body.input
  return type(prompt) == "table" and tostring(prompt[1]) or tostring(prompt or "")
end

--- An estimate, as a provider's tokenizer would count: a token per four bytes.
function words.prompt_tokens(body)
  local bytes = 0
  for _, message in ipairs(type(body.messages) == "table" and body.messages or {}) do
    bytes = bytes + #text_of(type(message) == "table" and message.content or "") + 16
  end
  return math.max(1, math.ceil(math.max(bytes, #words.question(body)) / 4))
end

-- A sentence of its own, whatever the question ends with; nothing for nothing.
local function echo(question)
  local said = #question <= ECHO_BYTES and question
    or question:sub(1, ECHO_BYTES):gsub("[\192-\255][\128-\191]*$", "")
  said = said:match("^%s*(.-)%s*$")
  if said == "" then return "" end
  return "You said: " .. said .. (said:find("[.!?:;,]$") and "" or ".")
end

--- `count` tokens: an echo of the question, then what the tide does.
function words.tokens(question, count)
  local tokens = {}
  for word in echo(question):gmatch("%S+") do
    if #tokens == count then break end
    tokens[#tokens + 1] = (tokens[1] and " " or "") .. word
  end
  while #tokens < count do
    tokens[#tokens + 1] = (tokens[1] and " " or "") .. FILLER[(#tokens % #FILLER) + 1]
  end
  return tokens
end

--- Reasoning, as many tokens as asked for.
function words.reasoning(count)
  local tokens = {}
  for i = 1, count do tokens[i] = (i > 1 and " " or "") .. FILLER[(i - 1) % #FILLER + 1] end
  return tokens
end

--- A direction for the text: `dimensions` numbers, each a multiple of 1/128.
function words.embedding(text, dimensions)
  -- In doubles, whose products are rounded, whether this Lua has integers or not.
  local h, vector = 5381, {}
  for i = 1, #text do h = (h * 33 + text:byte(i)) % 4294967296 end
  for i = 1, dimensions do
    h = (h * 1103515245.0 + 12345) % 4294967296
    vector[i] = (math.floor(h / 65536) % 256 - 128) / 128
  end
  return vector
end

return words
