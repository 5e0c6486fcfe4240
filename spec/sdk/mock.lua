--- The provider of the SDKs' specs: tidegate mock in every format, and below these paths
--
--     /calls         a call of `weather`, until a tool has answered
--     /two           two calls at once, by hand
--     /full          429, with seven seconds to wait
--     /wrong         400
--     /cut           streams break off
--     /overloaded    streams say so half-way, by hand
--
-- GET /seen gives the last request: { path, headers, body }.

local routes = require "tidegate.app.mock.routes"

local seen

local function sse(...)
  local chunks = {}
  for i, event in ipairs { ... } do
    local name = event:match '^{"type":"([^"]+)"'
    chunks[i] = (name and "event: " .. name .. "\n" or "") .. "data: " .. event .. "\n\n"
  end
  return { chunks = chunks }
end

-- ---- two calls ----

-- { pattern of the path's end, what is answered }; the first that fits.
local TWO, OVERLOADED = {}, {}

local function answers(list, pattern, answer)
  list[#list + 1] = { pattern, answer }
end

local function find(list, path)
  for _, pair in ipairs(list) do
    if path:find(pair[1]) then return pair[2] end
  end
end

answers(TWO, "/chat/completions$", function(stream)
  local call = [[{"index":%d,"id":"c%d","type":"function","function":{"name":"weather","arguments":"{\"city\":\"%s\",\"days\":%d}"}}]]
  local calls = '"tool_calls":[' .. call:format(0, 1, "Lisbon", 2) .. "," .. call:format(1, 2, "Porto", 3) .. "]"
  local head = '{"id":"two","created":1,"model":"up","choices":[{"index":0,'
  local usage = '"usage":{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17}}'
  if not stream then
    return { body = head .. '"message":{"role":"assistant","content":null,' .. calls
      .. '},"finish_reason":"tool_calls"}],' .. usage }
  end
  return sse(head .. '"delta":{"role":"assistant","content":null,' .. calls .. '}}]}',
    head .. '"delta":{},"finish_reason":"tool_calls"}]}', '{"id":"two","choices":[],' .. usage, "[DONE]")
end)

answers(TWO, "/messages$", function(stream)
  local head = '"message":{"type":"message","id":"m","role":"assistant","model":"up","content":[],"stop_reason":null,'
    .. '"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}'
  local call = '{"type":"tool_use","id":"%s","name":"weather","input":%s}'
  local lisbon, porto = '{"city":"Lisbon","days":2}', '{"city":"Porto","days":3}'
  if not stream then
    return { body = '{"type":"message","id":"m","role":"assistant","model":"up","content":['
      .. call:format("c1", lisbon) .. "," .. call:format("c2", porto)
      .. '],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":8}}' }
  end
  local events = { '{"type":"message_start",' .. head }
  for i, arguments in ipairs { lisbon, porto } do
    local index = '"index":' .. i - 1
    events[#events + 1] = '{"type":"content_block_start",' .. index .. ',"content_block":' .. call:format("c" .. i, "{}") .. "}"
    events[#events + 1] = '{"type":"content_block_delta",' .. index .. ',"delta":{"type":"input_json_delta","partial_json":'
      .. '"' .. arguments:gsub('"', '\\"') .. '"}}'
    events[#events + 1] = '{"type":"content_block_stop",' .. index .. "}"
  end
  events[#events + 1] = '{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":8}}'
  events[#events + 1] = '{"type":"message_stop"}'
  return sse(unpack(events))
end)

answers(TWO, "enerateContent$", function(stream)
  local body = '{"candidates":[{"index":0,"content":{"role":"model","parts":['
    .. '{"functionCall":{"name":"weather","args":{"city":"Lisbon","days":2}}},'
    .. '{"functionCall":{"name":"weather","args":{"city":"Porto","days":3}}}]},"finishReason":"STOP"}],'
    .. '"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":8,"totalTokenCount":17},"modelVersion":"up","responseId":"r"}'
  return stream and sse(body) or { body = body }
end)

-- ---- overloaded ----

answers(OVERLOADED, "/chat/completions$", function()
  return sse('{"id":"o","created":1,"model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":"half"}}]}',
    '{"error":{"message":"overloaded","type":"server_error","code":503}}')
end)

answers(OVERLOADED, "/completions$", function()
  return sse('{"id":"o","object":"text_completion","created":1,"model":"up","choices":[{"index":0,"text":"half"}]}',
    '{"error":{"message":"overloaded","type":"server_error","code":503}}')
end)

answers(OVERLOADED, "/messages$", function()
  return sse('{"type":"message_start","message":{"type":"message","id":"m","role":"assistant","model":"up","content":[],'
    .. '"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}',
    '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"half"}}',
    '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')
end)

answers(OVERLOADED, "enerateContent$", function()
  return sse('{"candidates":[{"content":{"role":"model","parts":[{"text":"half"}]},"index":0}]}',
    '{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}')
end)

answers(OVERLOADED, "/responses$", function()
  local function response(status, more)
    return '"response":{"id":"r","object":"response","created_at":1,"model":"up","output":[],"status":"' .. status .. '"' .. more .. "}}"
  end
  return sse('{"type":"response.created","sequence_number":0,' .. response("in_progress", ""),
    '{"type":"response.output_item.added","sequence_number":1,"output_index":0,'
      .. '"item":{"type":"message","id":"m","role":"assistant","status":"in_progress","content":[]}}',
    '{"type":"response.content_part.added","sequence_number":2,"output_index":0,"content_index":0,"item_id":"m",'
      .. '"part":{"type":"output_text","text":"","annotations":[]}}',
    '{"type":"response.output_text.delta","sequence_number":3,"output_index":0,"content_index":0,"item_id":"m","delta":"half"}',
    '{"type":"response.failed","sequence_number":4,'
      .. response("failed", ',"error":{"code":"server_error","message":"overloaded"}'))
end)

answers(OVERLOADED, "/api/chat$", function()
  return { headers = { ["Content-Type"] = "application/x-ndjson" }, chunks = {
    '{"model":"up","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"half"},"done":false}\n',
    '{"error":"overloaded"}\n' } }
end)

-- ---- the script ----

local function has_result(body)
  return body:find('"tool_result"', 1, true) or body:find('"functionResponse"', 1, true) or body:find('"tool_call_id"', 1, true)
end

local function two_calls(request)
  local answer = find(TWO, request.path)
  if not answer or has_result(request.body) then return nil end
  return answer(request.json and request.json.stream or request.path:find("stream", 1, true))
end

local function wrong(request)
  request.route, request.id = routes.find(request.method, request.path), "wrong"
  return request.route.format.error(400, "the temperature is too hot", {}, request)
end

local function overloaded(request)
  local answer = find(OVERLOADED, request.path)
  return answer and answer()
end

local BY_HAND = { two = two_calls, wrong = wrong, overloaded = overloaded }

local function on_request(request)
  if request.path == "/seen" then return { body = seen or {} } end
  seen = { path = request.path, headers = request.headers, body = request.body }
  local by_hand = BY_HAND[request.path:match "^/(%l+)/"]
  return by_hand and by_hand(request)
end

return {
  listen = "127.0.0.1:0", ttft_ms = 0, tokens_per_s = 800, tokens = 9, reasoning = 5, cached_tokens = 2, dimensions = 4,
  usage = "always", on_request = on_request,
  at = {
    ["/calls"] = { tool_call = { name = "weather", arguments = '{"city":"Lisbon","days":2}' } },
    ["/two"] = {}, ["/wrong"] = {}, ["/overloaded"] = {},
    ["/full"] = { rate_429 = 1, retry_after = 7 },
    ["/cut"] = { rate_cut = 1, tokens = 40 },
  },
}
