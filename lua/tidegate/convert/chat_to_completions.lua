--- A chat's answer as that of a completion: its text, and nothing that a completion has no place for.

local json = require("tidegate.core").json
local sse  = require "tidegate.convert.sse"

local M = { from = "chat", to = "completions" }

local KEEP = { usage = true, openrouter_metadata = true, error = true, logprobs = true, content = true, text = true }

-- A choice, of a chunk or of a whole answer.
local function choice_of(choice)
  local said = choice.delta or choice.message or {}
  return {
    index = choice.index, text = said.content or "", logprobs = choice.logprobs or json.null,
    finish_reason = choice.finish_reason or json.null, native_finish_reason = choice.native_finish_reason or json.null,
  }
end

local function converted(chat)
  local choices = json.array {}
  for i, choice in ipairs(chat.choices or {}) do choices[i] = choice_of(choice) end
  chat.object, chat.choices = "text_completion", choices
  return json.encode(chat)
end

--- A whole answer.
function M.answer(text) return converted(assert(json.read(text, KEEP))) end

--- Chunks, one for each.
function M.stream(emit)
  return function(data)
    emit(sse.data(data == "[DONE]" and data or converted(assert(json.read(data, KEEP)))))
  end
end

return M
