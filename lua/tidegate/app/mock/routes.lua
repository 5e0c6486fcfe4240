--- Which format a path belongs to: as providers have them, below any prefix.
--
-- A format's file gives
--
--     name, routes               { pattern of the path's end, what[, method = "POST"], ... }
--     asked(body, request)       what plan.of() wants to know of a chat request
--     whole(plan, b, asked)      the whole answer, as a table
--     stream(plan, b, asked)     the answer as events (events.lua)
--     stream_type, whole_type    content types; stream_type may be a function of `asked`
--     error(status, message, b, request)   a reply (server.lua) that is an error
--     wrong_key(b, request)      another than error(401, ...), where the format has one
--
-- and, for every other `what` of its routes, a function (body, b, request) that
-- gives the answer as a table, or nil, a status and a message.

local routes = {}

-- In the order in which they are looked at: "/openai/v1/chat/completions" ends in
-- "/chat/completions", that in "/completions", "/v1beta/models" in "/models", and
-- "/v2/rerank" in "/rerank".
local FORMATS = {}
for i, name in ipairs {
  "azure_openai", "gemini", "openai_chat", "openai_text", "anthropic_messages", "openai_responses",
  "bedrock_converse", "ollama", "cohere", "rerank", "google_token",
} do
  FORMATS[i] = require("tidegate.app.mock.formats." .. name)
end

--- Whose errors a path gets that is nobody's.
routes.NOBODY = require "tidegate.app.mock.formats.openai_chat"

local function decoded(text)
  return text and text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
end

--- @tparam string method
-- @tparam string path
-- @treturn ?table  format, what, model (where the path names it), and the route's other fields
function routes.find(method, path)
  for _, format in ipairs(FORMATS) do
    for _, route in ipairs(format.routes) do
      local from, _, model = path:find(route[1])
      if from and method == (route.method or "POST") then
        return { format = format, what = route[2], model = decoded(model), streams = route.streams,
                 is_form = route.is_form, is_open = route.is_open }
      end
    end
  end
end

return routes
