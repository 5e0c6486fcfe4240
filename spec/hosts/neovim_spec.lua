-- The gateway inside Neovim: its loop is libuv.

local host = require "host"

describe("Neovim", host.with("nvim", nil, function(h)
  it("waits, streams and calls back without stopping the editor", function()
    host.holds_the_battery(h, h.path, "--headless", "--clean", "-S", "spec/hosts/scripts/neovim_host.lua")
  end)

  it("streams into a buffer while a timer of 10 ms goes on: examples/neovim", function()
    local said = h.run { h.path, "--headless", "--clean", "-S", "examples/neovim/stream.lua",
      "-c", "autocmd User AskDone lua io.stdout:write(table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '|'),"
        .. " '\\n') vim.cmd 'qall!'",
      "+Ask What is the tide?" }
    assert.is_truthy(said:find "You said: What is the tide%? [%w ]+||%a+, %d+ ticks meanwhile", said)
    assert.is_true(tonumber(said:match "(%d+) ticks") >= 10, said)
  end)

  it("leaves the provider when its buffer is closed", function()
    local said = h.run { h.path, "--headless", "--clean", "-S", "examples/neovim/stream.lua", "+Ask long",
      "-c", "lua vim.wait(120)", "-c", "bwipeout!", "-c", "lua vim.wait(400)",
      "-c", "lua io.stdout:write(vim.api.nvim_buf_get_lines(0, 0, -1, true)[1] == '' and 'calm' or 'not', '\\n')",
      "-c", "qall!" }
    assert.equal("calm", said:match "%a+")
    assert.is_nil(said:find "rror", said)
  end)
end))
