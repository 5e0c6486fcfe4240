-- nvim --headless --clean -S spec/hosts/scripts/neovim_host.lua: the battery in Neovim.
local uv = vim.loop

local function fail(why)
  io.stdout:write(tostring(why), "\n")
  vim.cmd "cquit"
end

local host = {
  name = "neovim", loop = require "tidegate.loop.luv",
  spawn = function(fn) assert(coroutine.resume(coroutine.create(fn))) end,
  sleep = function(seconds)
    local co = coroutine.running()
    vim.defer_fn(function()
      local ok, why = coroutine.resume(co)
      if not ok then fail(debug.traceback(co, why)) end
    end, math.floor(seconds * 1000))
    coroutine.yield()
  end,
}

-- Outside of a coroutine: the editor goes on; timers run, and what is scheduled.
local c = assert(require "tidegate".client { config = "examples/embedded.lua", loop = host.loop })
local question = { model = "demo/tide-large", messages = { { role = "user", content = "hi" } } }
local ticks, timer = 0, uv.new_timer()
timer:start(10, 10, function() ticks = ticks + 1 end)
local r, err = c:chat(question)
if not r or ticks < 5 then fail("chat outside of a coroutine: " .. tostring(err) .. ", " .. ticks .. " ticks") end
timer:close()

-- Inside a callback of the loop, where nothing may be waited for, it blocks.
local inside
local once = uv.new_timer()
once:start(1, 0, function()
  once:close()
  inside = c:chat(question)
end)
if not vim.wait(5000, function() return inside end) then fail "chat inside a callback" end

-- Callbacks may use the editor's API.
local line
c:chat_async(question, { on_done = function(result)
  vim.api.nvim_buf_set_lines(0, 0, -1, true, { result.text })
  line = vim.api.nvim_get_current_line()
end })
if not vim.wait(5000, function() return line end) or line ~= r.text then fail "the API inside a callback" end
c:close()

local co = coroutine.create(function()
  require "battery"(host, function() vim.cmd "qall!" end)
end)
local ok, why = coroutine.resume(co)
if not ok then fail(debug.traceback(co, why)) end
