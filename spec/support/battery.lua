--- What holds in every loop, tried inside the host.
--
--     require("battery")(host, finish)
--
-- `host`: name, loop (of tidegate.loop), spawn(fn) (a coroutine of the host's), sleep(seconds) (of
-- the running one). finish(is_good) is called at the end. Prints a line for each thing that holds.
-- TIDEGATE_MOCK is where the mock listens.

local tidegate = require "tidegate"

local PATIENCE = 20

local function request(members)
  local r = { model = "demo/tide-large", messages = { { role = "user", content = "hi" } } }
  for name, value in pairs(members or {}) do r[name] = value end
  return r
end

-- A `for` cannot wait in Lua 5.1.
local function text_of(iterator)
  local texts, last = {}, nil
  while true do
    local delta, err = iterator()
    if not delta then return table.concat(texts), last end
    texts[#texts + 1], last = delta.text, err
  end
end

local function threads()
  local pipe = io.popen "cat /proc/$PPID/task/*/comm 2>/dev/null"
  local _, count = pipe:read("*a"):gsub("tidegate\n", "")
  pipe:close()
  return count
end

local THINGS = {
  { "an answer is waited for, and others run meanwhile", function(c, host)
    local ticks, is_over = 0, false
    host.spawn(function()
      while not is_over do
        host.sleep(0.01)
        ticks = ticks + 1
      end
    end)
    local r, err = c:chat(request())
    is_over = true
    assert(r, tostring(err))
    assert(r.text:find "^You said: hi%.", r.text)
    assert(ticks >= 5, ticks .. " ticks")
  end },

  { "a stream comes in many deltas, and others run meanwhile", function(c, host)
    local ticks, is_over, deltas = 0, false, 0
    host.spawn(function()
      while not is_over do
        host.sleep(0.01)
        ticks = ticks + 1
      end
    end)
    local iterator, handle = c:stream(request())
    local text = text_of(function()
      deltas = deltas + 1
      return iterator()
    end)
    is_over = true
    assert(text:find "^You said: hi%.", text)
    assert(handle.result.text == text)
    assert(deltas > 10, deltas .. " deltas")
    assert(ticks >= 5, ticks .. " ticks")
  end },

  { "many wait beside each other", function(c, host, eventually)
    local texts = {}
    for i = 1, 12 do
      host.spawn(function()
        local text
        if i % 2 == 0 then text = c:chat(request()).text else text = text_of(c:stream(request())) end
        texts[#texts + 1] = text
      end)
    end
    eventually(function() return #texts == 12 end)
    for i = 2, 12 do assert(texts[i] == texts[1]) end
  end },

  { "callbacks come without anybody calling poll()", function(c, _, eventually)
    local deltas, result = 0, nil
    c:chat_async(request(), {
      on_delta = function() deltas = deltas + 1 end,
      on_done = function(r) result = r end,
    })
    assert(deltas == 0)
    eventually(function() return result end)
    assert(deltas > 10 and result.text:find "^You said")
  end },

  { "a callback may ask again", function(c, _, eventually)
    local again
    c:chat_async(request(), { on_done = function()
      c:chat_async(request(), { on_done = function(r) again = r.text end })
    end })
    eventually(function() return again end)
  end },

  { "a callback that raises stops neither the loop nor other requests", function(c, host, eventually)
    if host.name == "luv" then return end          -- there it ends the program, as luv has it
    local calls, other = 0, nil
    c:chat_async(request(), { on_delta = function()
      calls = calls + 1
      error "meant: a callback raises"
    end })
    c:chat_async(request(), { on_done = function(r) other = r.text end })
    eventually(function() return other and calls > 0 end)
    assert(c:chat(request()))
    assert(calls == 1)
  end },

  { "a walk that is cancelled by somebody else ends", function(c, host, eventually)
    local text, handle
    host.spawn(function()
      local iterator
      iterator, handle = c:stream(request { max_tokens = 400 })
      text = text_of(iterator)
    end)
    eventually(function() return handle end)
    host.sleep(0.1)
    assert(not text)
    handle:cancel()
    eventually(function() return text end)
  end },

  { "refusals and failures are told", function(c)
    local r, err = c:chat { model = "demo/none", messages = {} }
    assert(r == nil and err.status == 400)
    local _, last = text_of((c:stream { model = "demo/none", messages = {} }))
    assert(last.status == 400)
  end },

  { "who waits when it is closed is told, and no thread is left", function(c, host, eventually)
    local codes = {}
    for _ = 1, 3 do
      host.spawn(function()
        local _, err = c:chat(request())
        codes[#codes + 1] = err and err.code or "none"
      end)
    end
    host.sleep(0.03)
    c:close()
    eventually(function() return #codes == 3 end)
    assert(table.concat(codes, " ") == "closed closed closed", table.concat(codes, " "))
    eventually(function() return threads() == 0 end)
  end },
}

return function(host, finish)
  local c = assert(tidegate.client { config = "examples/embedded.lua", loop = host.loop })
  local function eventually(holds)
    local left = PATIENCE
    while not holds() do
      assert(left > 0, "it did not come true")
      host.sleep(0.01)
      left = left - 0.01
    end
  end
  for _, thing in ipairs(THINGS) do
    io.write("-- ", thing[1], "\n")
    io.flush()
    thing[2](c, host, eventually)
    io.write("ok ", thing[1], "\n")
    io.flush()
  end
  io.write "battery: all good\n"
  io.flush()
  finish(true)
end
