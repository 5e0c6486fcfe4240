--- A conversation, whatever format it came in: who said what.
--
-- Pure. Every format's file reads a request into a list of turns { role, text };
-- the role is "system", "user", "assistant" or "tool" (a tool's result).

local turns = {}

--- x where it is a list to go through, an empty one where it is anything else.
function turns.within(x)
  return type(x) == "table" and x or {}
end

--- The text of a message's content: a string, or parts with texts.
function turns.text(content)
  if type(content) == "string" then return content end
  local out = {}
  for _, part in ipairs(turns.within(content)) do
    if type(part) == "table" and type(part.text) == "string" then out[#out + 1] = part.text end
  end
  return table.concat(out, " ")
end

--- Turns of messages that have a role and a content, as most formats have them.
-- Raises on what is no message.
function turns.of(messages)
  local out = {}
  for i, message in ipairs(turns.within(messages)) do
    if type(message) ~= "table" then error "a message is an object" end
    out[i] = { role = message.role, text = turns.text(message.content) }
  end
  return out
end

--- The turn that is to be answered: the last of a user or a tool.
-- @treturn ?table
function turns.last(list)
  for i = #list, 1, -1 do
    local role = list[i].role
    if role == "user" or role == "tool" then return list[i] end
  end
end

--- An estimate, as a provider's tokenizer would count: a token per four bytes.
function turns.tokens(list)
  local bytes = 0
  for _, turn in ipairs(list) do bytes = bytes + #turn.text + 16 end
  return math.max(1, math.ceil(bytes / 4))
end

return turns
