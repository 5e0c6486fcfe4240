--- The bodies that are sent, with what real ones have: escapes, several messages.

local bodies = {}

-- So many words, as they stand in JSON; `other` every second time.
local function words_of(count, other)
  local text = {}
  for i = 1, count do text[i] = i % 9 == 0 and [[said \"so\",\n]] or i % 2 == 0 and other or "words" end
  return table.concat(text, " ")
end

--- @tparam number words  of the user's message: 130 make 1 KB
-- @tparam ?string more  further members, each with its comma
function bodies.chat(words, more)
  return ([[{"model":"bench/model",%s"messages":[{"role":"system","content":"You are a \"helpful\" assistant.\n"},]]
    .. [[{"role":"user","content":"%s"}],"temperature":0.7,"top_p":0.9}]]):format(more or "", words_of(words))
end

--- A body that is answered with so many events of 250 bytes, a pause before each.
function bodies.stream(events, pause_ms)
  return bodies.chat(120, ('"stream":true,"max_tokens":%d,"metadata":{"pause_ms":"%d","event_bytes":"250"},')
    :format(events, pause_ms))
end

-- ---- every client's format ----

local VARIED = "0000000000"            -- bench/vary.h

local CHAT = [[{"model":"%s",%s"messages":[{"role":"system","content":"You are a \"helpful\" assistant.\n"},]]
  .. [[{"role":"user","content":"%s"}],"temperature":0.7,"max_tokens":1000}]]
local MESSAGES = [[{"model":"%s",%s"system":"You are a \"helpful\" assistant.\n",]]
  .. [["messages":[{"role":"user","content":"%s"}],"temperature":0.7,"max_tokens":1000}]]
local RESPONSES = [[{"model":"%s",%s"instructions":"You are a \"helpful\" assistant.\n",]]
  .. [["input":[{"role":"user","content":"%s"}],"temperature":0.7,"max_output_tokens":1000}]]
local GEMINI = [[{"systemInstruction":{"parts":[{"text":"You are a \"helpful\" assistant.\n"}]},]]
  .. [["contents":[{"role":"user","parts":[{"text":"%s"}]}],]]
  .. [["generationConfig":{"temperature":0.7,"maxOutputTokens":1000}}]]

local function posted(path, text)
  return function(model, words, stream)
    return path, text:format(model, stream and '"stream":true,' or "", words_of(words, VARIED))
  end
end

--- The same request in each format: by its name a function (model, words, stream) that gives path and body.
bodies.of = {
  chat      = posted("/v1/chat/completions", CHAT),
  messages  = posted("/v1/messages", MESSAGES),
  responses = posted("/v1/responses", RESPONSES),
  gemini    = function(model, words, stream)
    local method = stream and ":streamGenerateContent?alt=sse" or ":generateContent"
    return "/v1beta/models/" .. model .. method, GEMINI:format(words_of(words, VARIED))
  end,
}

return bodies
