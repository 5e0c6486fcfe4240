--- What the mock says: the same question always gets the same answer.
--
-- Pure: texts and numbers in, an answer's parts out. A token is a word with the
-- space before it.

local words = {}

local ECHO_BYTES = 400          -- of the question

local FILLER = {}
for word in ([[the tide comes in and the tide goes out and between them there is a gate that the moon moves
it lets the water pass when the level is right and holds it back when it is not and nobody who lives behind it
has to think about the sea]]):gmatch("%S+") do
  FILLER[#FILLER + 1] = word
end

-- A sentence of its own, whatever the question ends with; nothing for nothing.
local function echo(question, who)
  local said = #question <= ECHO_BYTES and question
    or question:sub(1, ECHO_BYTES):gsub("[\192-\255][\128-\191]*$", "")
  said = said:match("^%s*(.-)%s*$")
  if said == "" then return "" end
  return who .. " said: " .. said .. (said:find("[.!?:;,]$") and "" or ".")
end

--- `count` tokens: an echo of what was said, then what the tide does.
-- @tparam string question
-- @tparam number count
-- @tparam ?string who  said it; "You"
function words.tokens(question, count, who)
  local tokens = {}
  for word in echo(question, who or "You"):gmatch("%S+") do
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

--- A text in pieces of about so many bytes, cut between characters: how the
-- arguments of a call come in a stream. At least one piece, empty for nothing.
function words.pieces(text, bytes)
  local pieces, from = {}, 1
  repeat
    local to = math.min(#text, from + bytes - 1)
    while to < #text and text:byte(to + 1) >= 128 and text:byte(to + 1) < 192 do to = to + 1 end
    pieces[#pieces + 1] = text:sub(from, to)
    from = to + 1
  until from > #text
  return pieces
end

--- How well a text answers a query, between 0 and 1: the share of its words.
function words.relevance(query, text)
  local known, asked, found = {}, 0, 0
  for word in text:lower():gmatch("%w+") do known[word] = true end
  for word in query:lower():gmatch("%w+") do
    asked = asked + 1
    found = found + (known[word] and 1 or 0)
  end
  return asked == 0 and 0 or found / asked
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
