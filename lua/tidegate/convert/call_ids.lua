--- Ids of tool calls for providers that are strict about them: no longer than so much, of certain characters, and none
-- twice in a conversation.
--
--     local ids = call_ids.new { longest = 64, plain = true }
--     ids.call "functions.f:0"         -- "functions_f_0", of a call
--     ids.result "functions.f:0"       -- the same, of the result of it
--
-- Ids of other providers are longer, have other characters, or begin anew with each answer. An id that keeps the rules
-- stays what it is, and a conversation gets the same ids each time it is sent. Pure.

local call_ids = {}

local function shortened(text, length, longest)
  return longest and text:sub(1, longest - length) or text
end

--- @tparam table rules  longest: characters, or nil; plain: letters, digits, _ and - alone
function call_ids.new(rules)
  local taken, counts, waiting = {}, {}, {}
  local ids = {}

  local function unique_for(id)
    local clean = rules.plain and id:gsub("[^%w_-]", "_") or id
    if clean == "" then clean = "call" end
    local first = shortened(clean, 0, rules.longest)
    local unique, n = first, counts[first] or 1
    while taken[unique] do
      n = n + 1
      unique = shortened(clean, 1 + #tostring(n), rules.longest) .. "_" .. n
    end
    taken[unique], counts[first] = true, n
    return unique
  end

  --- The id of the next call that came with this one.
  function ids.call(id)
    id = tostring(id or "")
    local unique, calls = unique_for(id), waiting[id] or { next = 1 }
    waiting[id] = calls
    calls[#calls + 1] = unique
    return unique
  end

  --- The id for a result: of the first call with that id which has none yet, or of the last one.
  function ids.result(id)
    id = tostring(id or "")
    local calls = waiting[id]
    if not calls then return unique_for(id) end
    local unique = calls[calls.next] or calls[#calls]
    calls.next = math.min(calls.next + 1, #calls + 1)
    return unique
  end

  return ids
end

return call_ids
