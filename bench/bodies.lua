--- The chat bodies that are sent, with what real ones have: escapes, several messages.

local bodies = {}

--- @tparam number words  of the user's message: 130 make 1 KB
-- @tparam ?string more  further members, each with its comma
function bodies.chat(words, more)
  local text = {}
  for i = 1, words do text[i] = i % 9 == 0 and [[said \"so\",\n]] or "words" end
  return ([[{"model":"bench/model",%s"messages":[{"role":"system","content":"You are a \"helpful\" assistant.\n"},]]
    .. [[{"role":"user","content":"%s"}],"temperature":0.7,"top_p":0.9}]]):format(more or "", table.concat(text, " "))
end

--- A body that is answered with so many events of 250 bytes, a pause before each.
function bodies.stream(events, pause_ms)
  return bodies.chat(120, ('"stream":true,"max_tokens":%d,"metadata":{"pause_ms":"%d","event_bytes":"250"},')
    :format(events, pause_ms))
end

return bodies
