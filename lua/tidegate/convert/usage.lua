--- The contract's usage object, sorted into buckets that do not overlap, for formats that count another way.

local usage = {}

local function count(value) return type(value) == "number" and value or 0 end

--- @tparam ?table u  a decoded `usage` of a chat completion
-- @treturn table  { input (neither read from nor written to a cache), cache_read, cache_write, cache_write_1h, output
--   (reasoning included), reasoning, prompt (all that went in), total, cost (USD or nil), cost_details, audio_in }
function usage.buckets(u)
  u = u or {}
  local inp = type(u.prompt_tokens_details) == "table" and u.prompt_tokens_details or {}
  local out = type(u.completion_tokens_details) == "table" and u.completion_tokens_details or {}
  local kept = type(u.cache_creation) == "table" and u.cache_creation or {}
  local read, written = count(inp.cached_tokens), count(inp.cache_write_tokens)
  local prompt, output = count(u.prompt_tokens), count(u.completion_tokens)
  return {
    input = math.max(prompt - read - written, 0), cache_read = read, cache_write = written,
    cache_write_1h = count(kept.ephemeral_1h_input_tokens), output = output, reasoning = count(out.reasoning_tokens),
    prompt = prompt, total = count(u.total_tokens), cost = u.cost, cost_details = u.cost_details,
    audio_in = count(inp.audio_tokens),
  }
end

return usage
