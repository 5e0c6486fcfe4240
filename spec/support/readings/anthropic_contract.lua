--- What the core makes of a converter's chunks before they go to a client, the simplest way that can work: one head,
-- the finish held back, one usage chunk in the contract's words, [DONE].
--
-- For round trips through two converters without a gateway between them.

local cjson  = require "cjson"
local counts = require("readings.anthropic_messages").counts

local anthropic_contract = {}

local HEAD = '{"id":"gen-1","object":"chat.completion.chunk","created":1,"model":"a/b","provider":"Somebody",'

local MEANS = {
  end_turn = "stop", stop_sequence = "stop", pause_turn = "stop", max_tokens = "length", tool_use = "tool_calls",
  model_context_window_exceeded = "length", refusal = "content_filter",
}

local function words(native) return MEANS[native] or native or "stop" end

-- The contract's usage, with what the provider said beyond it.
local function usage_of(list)
  local u, out = counts(list), {}
  for _, usage in ipairs(list) do
    for name, value in pairs(usage) do out[name] = value end
  end
  out.prompt_tokens, out.completion_tokens = u.prompt, u.completion or 0
  out.total_tokens = out.prompt_tokens + out.completion_tokens
  out.prompt_tokens_details = { cached_tokens = u.cached, cache_write_tokens = u.cache_write }
  out.completion_tokens_details = { reasoning_tokens = u.reasoning }
  out.cost = 0.000112
  return out
end

--- @tparam table chunks  JSON texts and "[DONE]"
-- @treturn table  the same, as a client gets them
function anthropic_contract.stream(chunks)
  local out, usages, finish, native, is_done = {}, {}, nil, nil, false
  for _, text in ipairs(chunks) do
    local o = text ~= "[DONE]" and cjson.decode(text) or {}
    local choice = o.choices and o.choices[1]
    is_done = is_done or text == "[DONE]"
    if o.usage then usages[#usages + 1] = o.usage end
    if o.error then
      out[#out + 1] = HEAD .. '"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],' .. text:sub(2)
      return out
    end
    if choice and choice.finish_reason then
      native = choice.native_finish_reason
      finish = words(native)
    elseif text ~= "[DONE]" and not o.usage then
      out[#out + 1] = HEAD .. text:match '^{"object":"chat.completion.chunk",(.*)$'
    end
  end
  if not is_done then return out end
  local ending = '"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":'
    .. cjson.encode(finish) .. ',"native_finish_reason":' .. cjson.encode(native) .. "}]"
  out[#out + 1] = HEAD .. ending .. "}"
  out[#out + 1] = HEAD .. ending .. ',"usage":' .. cjson.encode(usage_of(usages)) .. "}"
  out[#out + 1] = "[DONE]"
  return out
end

--- @tparam string text  a chat completion as a converter gives it
function anthropic_contract.whole(text)
  local o = cjson.decode(text)
  local choice = o.choices[1]
  local inside = text:match "^{(.*)}$"
  -- Members that stand twice: the last one counts.
  return '{' .. inside .. ',"id":"gen-1","provider":"Somebody","usage":' .. cjson.encode(usage_of { o.usage }) .. ',"choices":['
    .. cjson.encode(choice):gsub('"finish_reason":"[^"]*"', function()
      return '"finish_reason":"' .. words(choice.native_finish_reason) .. '"'
    end, 1) .. "]}"
end

return anthropic_contract
