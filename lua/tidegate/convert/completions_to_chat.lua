--- A completion's prompt as a chat of one message, for providers that know only chats.

local json = require("tidegate.core").json

local M = { from = "completions", to = "chat" }

-- Members that a completion has and a chat has not, or means something else by.
local ALONE = { "prompt", "suffix", "echo", "best_of", "logprobs" }

local function text_of(prompt)
  if type(prompt) == "string" then return prompt end
  if type(prompt) == "table" and type(prompt[1]) == "string" and not prompt[2] then return prompt[1] end
end

--- The request, with everything but the prompt as it came.
function M.request(text)
  local members = assert(json.split(text))
  local prompt = members.prompt and text_of(json.decode(tostring(members.prompt)))
  if not prompt then
    return nil, "This model's provider knows only chats: 'prompt' must be one string, not a list or tokens"
  end
  local logprobs = members.logprobs and json.decode(tostring(members.logprobs))
  for _, name in ipairs(ALONE) do members[name] = nil end
  members.messages = { { role = "user", content = prompt } }
  if type(logprobs) == "number" then members.logprobs, members.top_logprobs = true, logprobs end
  return json.encode(members)
end

return M
