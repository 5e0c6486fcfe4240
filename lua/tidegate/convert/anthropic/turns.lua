--- The messages of a chat as Anthropic's `system` and its turns.
--
-- Turns are a user's or the model's and alternate: neighbours of one role become one turn. Results of tools belong
-- to the user's turn, before anything else in it. Instructions stand outside the turns; one that comes later is a
-- turn of its own where the model hears such ones, and else a reminder in the user's words, where it stood, so that
-- what came before it stays cached.

local json     = require("tidegate.core").json
local call_ids = require "tidegate.convert.call_ids"
local chat     = require "tidegate.convert.chat"
local message  = require "tidegate.convert.anthropic.message"
local media    = require "tidegate.convert.anthropic.media"

local anthropic_turns = {}

-- ---- what a message holds ----

local THOUGHTS = { thinking = true, redacted_thinking = true }

local function is_thought(block) return not json.is_raw(block) and THOUGHTS[block.type] == true end

-- Thoughts take no mark: it stands in front of them.
local function mark_last(blocks, cache_control)
  local at = #blocks
  while at > 0 and is_thought(blocks[at]) do at = at - 1 end
  local last = blocks[at]
  if last and cache_control and not json.is_raw(last) and not last.cache_control then
    last.cache_control = cache_control
  end
end

-- Anthropic refuses blank text.
local function is_blank(block) return block.type == "text" and not block.text:find "%S" end

local function blocks_of(content, lost)
  local out = {}
  for _, part in ipairs(chat.parts(content)) do
    local block = media.block(part, lost)
    if block and (json.is_raw(block) or not is_blank(block)) then out[#out + 1] = block end
  end
  return out
end

local function result_of(m, id, lost)
  local content = m.content
  if type(content) ~= "string" then
    content = blocks_of(content, lost)
    if not content[1] then content = nil end
  end
  return { type = "tool_result", tool_use_id = id(m.tool_call_id), content = content ~= "" and content or nil,
           is_error = m.is_error, cache_control = m.cache_control }
end

-- ---- the turns ----

local gatherer = {}
gatherer.__index = gatherer

function gatherer:turn(role)
  local last = self.turns[#self.turns]
  if last and last.role == role then return last end
  last = { role = role, results = {}, blocks = {} }
  self.turns[#self.turns + 1] = last
  return last
end

local function add(turn, blocks)
  for _, block in ipairs(blocks) do turn.blocks[#turn.blocks + 1] = block end
end

function gatherer:user(m)
  local blocks = blocks_of(chat.named(m), self.lost)
  mark_last(blocks, m.cache_control)
  if blocks[1] then add(self:turn "user", blocks) end
end

function gatherer:tool(m)
  local turn = self:turn "user"
  turn.results[#turn.results + 1] = result_of(m, self.ids.result, self.lost)
end

function gatherer:assistant(m)
  local blocks = message.blocks(m, { id = self.ids.call, lost = self.lost })
  if m.function_call then self.lost["messages.function_call"] = true end
  mark_last(blocks, m.cache_control)
  if blocks[1] then add(self:turn "assistant", blocks) end
end

-- Instructions before the first turn are the system prompt.
function gatherer:instruct(m, next_role)
  local blocks = blocks_of(chat.texts(m.content, self.lost), self.lost)
  mark_last(blocks, m.cache_control)
  local last = self.turns[#self.turns]
  if not last then
    for _, block in ipairs(blocks) do self.system[#self.system + 1] = block end
  elseif self.hears_system and last.role == "user" and next_role ~= "user" and next_role ~= "tool" then
    if blocks[1] then add(self:turn "system", blocks) end
  else
    for _, block in ipairs(blocks) do
      block.text = "<system-reminder>\n" .. block.text .. "\n</system-reminder>"
    end
    if blocks[1] then add(self:turn "user", blocks) end
  end
end

-- Roles of chat, but for instructions. Those of before there were tools have no ids to answer to.
local ROLES = { user = gatherer.user, assistant = gatherer.assistant, tool = gatherer.tool,
                ["function"] = function(self) self.lost["messages.function"] = true end }

-- The role of the next message that is no instruction.
local function role_after(messages, i)
  for k = i + 1, #messages do
    if type(messages[k]) == "table" and not chat.is_system(messages[k]) then return messages[k].role end
  end
end

-- One text says as much as a list with it, and is what most who look at it expect.
local function plain(blocks)
  local only = blocks[1]
  if #blocks ~= 1 or json.is_raw(only) or only.type ~= "text" or only.cache_control or only.citations then
    return blocks
  end
  return only.text
end

-- A model's last words to be continued: neither white space nor a thought may be their end.
local function trim_last(turn, lost)
  if turn.role ~= "assistant" then return end
  local blocks = turn.blocks
  while blocks[1] and is_thought(blocks[#blocks]) do
    blocks[#blocks], lost["messages.reasoning"] = nil, true
  end
  local last = blocks[#blocks]
  if last and not json.is_raw(last) and last.type == "text" then last.text = last.text:gsub("%s+$", "") end
end

local function content_of(turn)
  local content = json.array {}
  for _, block in ipairs(turn.results) do content[#content + 1] = block end
  for _, block in ipairs(turn.blocks) do content[#content + 1] = block end
  return plain(content)
end

--- @tparam table messages  of a chat request
-- @tparam table traits  of the model (anthropic/models.lua)
-- @tparam table lost  a set of names
-- @treturn table  turns, { role, content } each
-- @treturn ?string|table  system: text, or blocks
function anthropic_turns.of(messages, traits, lost)
  local g = setmetatable({ turns = {}, system = {}, ids = call_ids.new { plain = true }, lost = lost,
                           hears_system = traits.hears_system }, gatherer)
  for i, m in ipairs(messages) do
    if type(m) == "table" then
      if chat.is_system(m) then
        g:instruct(m, role_after(messages, i))
      elseif ROLES[m.role] then
        ROLES[m.role](g, m)
      end
    end
  end
  -- Instructions alone ask for an answer, too: the last of them is the turn.
  if not g.turns[1] and g.system[1] then add(g:turn "user", { table.remove(g.system) }) end
  if g.turns[1] then trim_last(g.turns[#g.turns], lost) end

  local turns = json.array {}
  for _, turn in ipairs(g.turns) do
    local content = content_of(turn)
    if content[1] or type(content) == "string" then turns[#turns + 1] = { role = turn.role, content = content } end
  end
  return turns, g.system[1] and plain(g.system) or nil
end

--- Without thinking, a turn of the model's that is to be continued may hold no thoughts.
function anthropic_turns.forget_thoughts(turns, lost)
  local last = turns[#turns]
  if last.role ~= "assistant" or type(last.content) ~= "table" then return end
  local content = json.array {}
  for _, block in ipairs(last.content) do
    if is_thought(block) then lost["messages.reasoning"] = true else content[#content + 1] = block end
  end
  last.content = content
end

--- Does the model's turn that is to be continued (after its tools' results, or as it is) begin with its thinking?
-- @treturn ?boolean  nil when no such turn is to be continued
function anthropic_turns.continues_thinking(turns)
  local last = turns[#turns]
  local function first_type(turn)
    local first = type(turn.content) == "table" and turn.content[1]
    if not first then return "text" end
    return json.is_raw(first) and (json.pick(tostring(first), "type") or ""):sub(2, -2) or first.type
  end
  if last and last.role == "user" and first_type(last) == "tool_result" then last = turns[#turns - 1] end
  if not last or last.role ~= "assistant" then return nil end
  local kind = first_type(last)
  return kind == "thinking" or kind == "redacted_thinking"
end

return anthropic_turns
