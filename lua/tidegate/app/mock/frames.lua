--- How an event's JSON stands in a stream. Pure.
--
-- Each gives a function (name, data) -> bytes.

local aws = require "tidegate.app.mock.aws_events"

local frames = {}

--- Server-sent events.
function frames.sse(crlf)
  local eol = crlf and "\r\n" or "\n"
  return function(name, data)
    return (name and "event: " .. name .. eol or "") .. "data: " .. data .. eol .. eol
  end
end

--- A line for every object.
function frames.lines()
  return function(_, data) return data .. "\n" end
end

--- One JSON array, an element at a time, as Google writes it; "\n]" is to follow.
function frames.array()
  local before = "["
  return function(_, data)
    local element = before .. data
    before = "\n,\r\n"
    return element
  end
end

--- AWS's binary event stream.
function frames.aws()
  return function(name, data)
    return aws.message({ { ":event-type", name }, { ":content-type", "application/json" },
                         { ":message-type", "event" } }, data)
  end
end

return frames
