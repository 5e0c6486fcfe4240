--- Write a provider's stream as chat completion chunks, the shape between all formats.
--
--     local out = chunk.writer(emit)
--     out:text '"Hel"'            -- JSON text of a string, as it stood in the provider's event
--     out:finish("tool_calls", "tool_use")
--     out:done()
--
-- The core makes of them what the contract says (ids, roles, gapless indices, one usage chunk): a
-- writer says what came and nothing twice. Strings that are handed over as JSON text keep their bytes.

local json = require("tidegate.core").json

local chunk = {}

local writer = {}
writer.__index = writer

--- @tparam function emit  called with each chunk's JSON text
function chunk.writer(emit)
  return setmetatable({ emit = emit }, writer)
end

--- A delta of these members, as JSON text without braces: `'"annotations":[...]'`.
-- @tparam ?number choice  its index, from 0; default 0
function writer:delta(members, choice)
  self.emit('{"object":"chat.completion.chunk","choices":[{"index":' .. (choice or 0)
    .. ',"delta":{' .. members .. "}}]}")
end

--- The same with the probabilities of its tokens: OpenAI's `logprobs` object as JSON text.
function writer:scored(members, logprobs, choice)
  self.emit('{"object":"chat.completion.chunk","choices":[{"index":' .. (choice or 0)
    .. ',"delta":{' .. members .. '},"logprobs":' .. logprobs .. "}]}")
end

function writer:text(raw, choice)      self:delta('"content":' .. raw, choice) end
function writer:refusal(raw, choice)   self:delta('"refusal":' .. raw, choice) end
function writer:reasoning(raw, choice) self:delta('"reasoning":' .. raw, choice) end

--- Reasoning as it must come back next time: elements of `reasoning_details`, JSON text. `raw` is its
-- text where it has one, for `reasoning`.
function writer:details(items, raw, choice)
  self:delta((raw and '"reasoning":' .. raw .. "," or "") .. '"reasoning_details":[' .. items .. "]", choice)
end

--- A tool call begins. `id` and `name` are JSON text; without an id (nil) the core makes one up.
-- @tparam number index  of the call in its choice, from 0
-- @tparam ?string arguments  JSON text of a string: all of the arguments, or their beginning
function writer:call(index, id, name, arguments, choice)
  self:delta('"tool_calls":[{"index":' .. index .. (id and ',"id":' .. id or "")
    .. ',"type":"function","function":{"name":' .. name .. ',"arguments":' .. (arguments or '""') .. "}}]", choice)
end

--- More of its arguments: JSON text of a string.
function writer:arguments(index, raw, choice)
  self:delta('"tool_calls":[{"index":' .. index .. ',"function":{"arguments":' .. raw .. "}}]", choice)
end

--- Why a choice ended: the contract's word where the format's own rules give it, and the provider's word.
-- With nil for the first, the core translates the second.
function writer:finish(reason, native, choice)
  self.emit('{"object":"chat.completion.chunk","choices":[{"index":' .. (choice or 0) .. ',"delta":{},"finish_reason":'
    .. json.encode(reason or native) .. (native and ',"native_finish_reason":' .. json.encode(native) or "") .. "}]}")
end

--- Counts, as JSON text: OpenAI's and Anthropic's members are understood (csrc/wire/usage.h). What comes
-- later replaces, count by count, what came before.
function writer:usage(raw)
  self.emit('{"object":"chat.completion.chunk","choices":[],"usage":' .. raw .. "}")
end

--- The provider broke off: its error as JSON text, whatever its shape.
function writer:error(raw)
  self.emit('{"error":' .. raw .. "}")
end

--- The provider's own end of the stream came.
function writer:done() self.emit "[DONE]" end

return chunk
