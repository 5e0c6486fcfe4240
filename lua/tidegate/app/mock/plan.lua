--- Everything an answer says, before it has a format.
--
-- Pure. What is asked, as a format's file reads it out of a request:
--
--     model   or nil               stream  wanted or not
--     turns   see turns.lua        limit   tokens, or nil
--     tools   { { name, schema } } must    true: a call of one of the tools; or the tool's name
--     json    true, or a schema that the answer is to fit
--
-- and the plan that a format's file writes:
--
--     id, created, model, text, thought
--     tokens, reasoning            the words of text and thought
--     call                         { name, arguments (JSON text), pieces (of it) }, or nil
--     finish                       "stop", "length", "tool_calls", or the script's own word
--     signature                    of the reasoning, if there is any
--     usage                        { prompt, completion, cached (of prompt), reasoning (of completion) }

local core    = require "tidegate.core"
local base64  = require "tidegate.app.mock.base64"
local example = require "tidegate.app.mock.example"
local turns   = require "tidegate.app.mock.turns"
local words   = require "tidegate.app.mock.words"

local json = core.json

local plan = {}

local CALL_TOKENS = 12
local PIECE_BYTES = 7           -- of a call's arguments, in streams
local WORD = "tide"             -- where a schema wants any string

-- Which tool is called: the script's, else one that the client insists on. A
-- tool's result is answered in words, so that a loop of calls comes to its end.
local function call_of(asked, b, last)
  if last and last.role == "tool" then return nil end
  if b.tool_call then return { name = b.tool_call.name, arguments = b.tool_call.arguments or "{}" } end
  for _, tool in ipairs(asked.must and asked.tools or {}) do
    if asked.must == true or asked.must == tool.name then
      return { name = tool.name, arguments = json.encode(example(tool.schema, WORD)) }
    end
  end
end

local function tokens_of(asked, last, count)
  local tokens = words.tokens(last and last.text or "", count, last and last.role == "tool" and "The tool")
  if not asked.json then return tokens end
  local text = table.concat(tokens)
  local object = type(asked.json) == "table" and example(asked.json, text) or { answer = text }
  return { json.encode(object) }
end

--- @tparam table asked
-- @tparam table b  the behaviour
-- @tparam string id
-- @tparam number now_s
-- @treturn table
function plan.of(asked, b, id, now_s)
  local last = turns.last(asked.turns)
  local limit = type(asked.limit) == "number" and asked.limit or math.huge
  local made = {
    id = id, created = now_s, model = b.answer_model or asked.model or "mock",
    tokens = {}, reasoning = words.reasoning(b.reasoning), call = call_of(asked, b, last),
    finish = b.finish or (b.tokens > limit and "length" or "stop"),
    signature = b.reasoning > 0 and base64("\251\255\191 signature of " .. id) or nil,
  }
  if made.call then
    made.finish = b.finish or "tool_calls"
    made.call.pieces = words.pieces(made.call.arguments, PIECE_BYTES)
  else
    made.tokens = tokens_of(asked, last, math.max(1, math.min(b.tokens, limit)))
  end
  made.text, made.thought = table.concat(made.tokens), table.concat(made.reasoning)
  local prompt = turns.tokens(asked.turns)
  made.usage = {
    prompt = prompt, cached = math.min(b.cached_tokens, prompt), reasoning = #made.reasoning,
    completion = #made.tokens + #made.reasoning + (made.call and CALL_TOKENS or 0),
  }
  return made
end

--- A call's arguments as a value, for the formats that have no text there.
function plan.arguments(call)
  return json.decode(call.arguments) and json.raw(call.arguments) or json.ordered({}, {})
end

plan.CALL_TOKENS = CALL_TOKENS

return plan
