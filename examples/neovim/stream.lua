-- :Ask streams an answer into a new buffer; the editor stays awake.
--
--     tidegate mock & sleep 1; nvim --clean -S examples/neovim/stream.lua '+Ask What is the tide?'
local tidegate = require "tidegate"

local c = assert(tidegate.client { config = "examples/embedded.lua", loop = require "tidegate.loop.luv" })

-- Text goes behind the last character; it may have line ends in it.
local function append(buffer, text)
  local last = vim.api.nvim_buf_line_count(buffer) - 1
  local column = #vim.api.nvim_buf_get_lines(buffer, last, last + 1, true)[1]
  vim.api.nvim_buf_set_text(buffer, last, column, last, column, vim.split(text, "\n", { plain = true }))
end

vim.api.nvim_create_user_command("Ask", function(command)
  vim.cmd "new"
  local buffer, ticks = vim.api.nvim_get_current_buf(), 0
  vim.bo[buffer].buftype = "nofile"
  local clock = vim.loop.new_timer()
  clock:start(10, 10, function() ticks = ticks + 1 end)

  local handle = assert(c:chat_async({
    model = "demo/tide-large", messages = { { role = "user", content = command.args } },
  }, {
    on_delta = function(delta) append(buffer, delta.text) end,
    on_done = function(result, err)
      clock:close()
      append(buffer, ("\n\n%s, %d ticks meanwhile"):format(result and result.provider or tostring(err), ticks))
      vim.api.nvim_exec_autocmds("User", { pattern = "AskDone" })
    end,
  }))

  -- Closing the buffer leaves the provider.
  vim.api.nvim_create_autocmd("BufWipeout", { buffer = buffer, callback = function() handle:cancel() end })
end, { nargs = "+" })
