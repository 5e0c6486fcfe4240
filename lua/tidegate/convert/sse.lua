--- Frames of an event stream.

local sse = {}

--- With a name, as Anthropic and OpenAI's Responses have them.
function sse.event(name, data)
  return "event: " .. name .. "\ndata: " .. data .. "\n\n"
end

function sse.data(data)
  return "data: " .. data .. "\n\n"
end

return sse
