--- text-generation-inference's own API: /generate and /generate_stream. A prompt goes in and text comes out; the
-- prompt is the conversation, written out.
--
--     wires     = { tgi = "wires/tgi.lua" },
--     providers = { { slug = "gpu-box", wire = "tgi", base_url = "http://10.0.0.5:8080" } },

local chat  = require "tidegate.convert.chat"
local chunk = require "tidegate.convert.chunk"

local MAX_TOKENS = 1024      -- the server's own default is 100

local ROLES = { system = "System", developer = "System", user = "User", assistant = "Assistant" }

-- ---- what is asked ----

local CARRIED = chat.carried { "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "seed", "stop",
  "repetition_penalty" }

local function prompt_of(messages)
  local lines, lost = {}, {}
  for i, message in ipairs(messages) do
    local role = ROLES[message.role]
    if not role then return nil, "a " .. tostring(message.role) .. " message has no place in a prompt" end
    lines[i] = role .. ": " .. chat.text(message.content)
    for _, part in ipairs(chat.parts(message.content)) do
      if part.type ~= "text" then lost["messages." .. part.type] = true end
    end
  end
  lines[#lines + 1] = "Assistant:"
  return table.concat(lines, "\n"), lost
end

local function request(text, about)
  local body, why = chat.read(text)
  if not body then return nil, why end
  local prompt, lost = prompt_of(body.messages)
  if not prompt then return nil, lost end
  for _, name in ipairs(chat.lost(body, CARRIED)) do lost[name] = true end
  return json.encode {
    inputs = prompt, stream = about.stream,
    parameters = {
      max_new_tokens = chat.max_tokens(body) or MAX_TOKENS, temperature = body.temperature, top_p = body.top_p,
      top_k = body.top_k, seed = body.seed, stop = chat.stop(body), repetition_penalty = body.repetition_penalty,
      details = true, return_full_text = false,
    },
  }, chat.sorted(lost)
end

-- ---- what is answered ----

local function usage_of(details)
  return { prompt_tokens = details.prefill and #details.prefill or 0, completion_tokens = details.generated_tokens }
end

local function answer(text)
  local body = json.read(text)
  if type(body) == "table" and not json.is_array(body) and body.error then return json.encode { error = body } end
  if type(body) == "table" and json.is_array(body) then body = body[1] end
  if type(body) ~= "table" or type(body.generated_text) ~= "string" then return nil, "there is no generated_text" end
  local details = body.details or {}
  return json.encode {
    object = "chat.completion", usage = usage_of(details),
    choices = { { index = 0, finish_reason = details.finish_reason or "stop",
                  message = { role = "assistant", content = body.generated_text } } },
  }
end

-- {"token":{"text":" sea","special":false},"generated_text":null,"details":null} ... the last has both.
local function stream(emit)
  local out = chunk.writer(emit)
  return function(_, data)
    local token, special, failure, details = json.pick(data, "token.text", "token.special", "error", "details")
    if failure then return out:error(data) end
    if token and special ~= "true" then out:text(token) end
    if not details then return end
    local told = json.read(details)
    out:usage(json.encode(usage_of(told)))
    out:finish(nil, told.finish_reason or "stop")
    out:done()
  end
end

return {
  name     = "text-generation-inference",
  targets  = { whole = "/generate", stream = "/generate_stream" },
  carries  = { "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "seed", "stop",
               "repetition_penalty" },
  request  = request,
  answer   = answer,
  stream   = stream,
}
