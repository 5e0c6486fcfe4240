--- Short answers of every provider's format around a given usage object, whole and streamed as the provider does it:
-- for specs of what is counted and charged.
--
--     local format = answers.anthropic
--     format.whole('{"input_tokens":3,...}'      -- a body
--     format.stream('{"input_tokens":3,...}'     -- the text of an event stream
--
-- A usage object is JSON text; what stands in it goes out byte for byte. The text is always "Good day".

local core = require("tidegate.core").json

local answers = {}

local function events(list)
  for i, data in ipairs(list) do
    local name = data:match '^{"type":"([^"]+)"'
    list[i] = (name and "event: " .. name .. "\n" or "") .. "data: " .. data .. "\n\n"
  end
  return table.concat(list)
end

-- ---- OpenAI's chat completions ----

local CHUNK = '{"id":"up-1","object":"chat.completion.chunk","created":1,"model":"up","choices":['

answers.chat = {
  whole = function(usage)
    return '{"id":"up-1","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":{"role":'
      .. '"assistant","content":"Good day"},"finish_reason":"stop"}],"usage":' .. usage .. "}"
  end,
  stream = function(usage)
    return events {
      CHUNK .. '{"index":0,"delta":{"role":"assistant","content":"Good day"},"finish_reason":null}]}',
      CHUNK .. '{"index":0,"delta":{},"finish_reason":"stop"}]}',
      CHUNK .. '],"usage":' .. usage .. "}",
      "[DONE]",
    }
  end,
}

answers.embeddings = {
  whole = function(usage)
    return '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,0.25]}],"model":"up","usage":'
      .. usage .. "}"
  end,
}

answers.rerank = {
  whole = function(usage) return '{"id":"up-1","model":"up","results":[{"index":0,"relevance_score":0.5}],"usage":' .. usage .. "}" end,
}

-- ---- Anthropic's messages ----

local MESSAGE = '{"id":"msg_1","type":"message","role":"assistant","model":"up",'

answers.anthropic = {
  client = "messages",
  whole = function(usage)
    return MESSAGE .. '"content":[{"type":"text","text":"Good day"}],"stop_reason":"end_turn","stop_sequence":null,'
      .. '"usage":' .. usage .. "}"
  end,
  -- What went in is told at the start, when one token is out; at the end all of it.
  stream = function(usage)
    local at_start = core.split(usage)
    at_start.output_tokens = at_start.output_tokens and core.raw "1"
    at_start.iterations, at_start.output_tokens_details = nil, nil
    return events {
      '{"type":"message_start","message":' .. MESSAGE .. '"content":[],"stop_reason":null,"stop_sequence":null,'
        .. '"usage":' .. core.encode(at_start) .. "}}",
      '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Good day"}}',
      '{"type":"content_block_stop","index":0}',
      '{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":' .. usage .. "}",
      '{"type":"message_stop"}',
    }
  end,
}

-- ---- OpenAI's responses ----

local OUTPUT = '"output":[{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":'
  .. '"output_text","text":"Good day","annotations":[]}]}]'

local function response(status, more)
  return '{"id":"resp_1","object":"response","created_at":1,"model":"up","error":null,"incomplete_details":null,'
    .. '"status":"' .. status .. '",' .. more .. "}"
end

local BESIDE = '"item_id":"msg_1","output_index":0,"content_index":0'

answers.responses = {
  client = "responses",
  whole = function(usage) return response("completed", OUTPUT .. ',"usage":' .. usage) end,
  stream = function(usage)
    return events {
      '{"type":"response.created","sequence_number":0,"response":' .. response("in_progress", '"output":[],"usage":null')
        .. "}",
      '{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message",'
        .. '"status":"in_progress","role":"assistant","content":[]}}',
      '{"type":"response.output_text.delta","sequence_number":2,' .. BESIDE .. ',"delta":"Good day"}',
      '{"type":"response.completed","sequence_number":3,"response":' .. response("completed", OUTPUT .. ',"usage":' .. usage)
        .. "}",
    }
  end,
}

-- ---- Google's ----

local function generated(text, finish, usage)
  return '{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"' .. text .. '"}]}' .. finish
    .. '}],"usageMetadata":' .. usage .. ',"modelVersion":"up","responseId":"r-1"}'
end

answers.gemini = {
  client = "gemini",
  whole = function(usage) return generated("Good day", ',"finishReason":"STOP"', usage) end,
  -- Every event tells what has been counted so far; before the last little is.
  stream = function(usage)
    local prompt = core.pick(usage, "promptTokenCount") or "0"
    return events {
      generated("Good day", "", '{"promptTokenCount":' .. prompt .. ',"totalTokenCount":' .. prompt .. "}"),
      generated("", ',"finishReason":"STOP"', usage),
    }
  end,
}

-- ---- Amazon's, Cohere's and Ollama's: whole answers ----

answers.converse = {
  whole = function(usage)
    return '{"output":{"message":{"role":"assistant","content":[{"text":"Good day"}]}},"stopReason":"end_turn","usage":'
      .. usage .. ',"metrics":{"latencyMs":1}}'
  end,
}

answers.cohere = {
  whole = function(usage)
    return '{"id":"up-1","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":'
      .. '"Good day"}]},"usage":' .. usage .. "}"
  end,
}

--- `usage`: its members stand in the answer itself.
answers.ollama = {
  whole = function(usage)
    return '{"model":"up","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"Good day"},'
      .. '"done":true,"done_reason":"stop",' .. usage:sub(2)
  end,
}

return answers
