-- docs/embed.md: every host has an example that is short and a page; the page's code is Lua.

local this_lua = require "this_lua"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local PAGE = read "docs/embed.md"

local EXAMPLES = {
  "plain/chat.lua", "neovim/stream.lua", "love/main.lua", "tarantool/stream.lua", "copas/stream.lua",
  "cqueues/stream.lua", "haproxy/haproxy.cfg", "haproxy/route.lua",
}

describe("docs/embed.md", function()
  for _, name in ipairs(EXAMPLES) do
    it("has examples/" .. name .. ", of less than a screen, with the command that runs it on top", function()
      local text = read("examples/" .. name)
      local _, lines = text:gsub("\n", "")
      local host = name:match "^%w+"
      assert.is_true(lines <= 60, lines .. " lines")
      assert.is_truthy(PAGE:find("examples/" .. host, 1, true))
      if not name:find "route" then
        local top = text:match "^[-#] ?.-\n\n" or text:match "^.-\n%w"
        assert.is_truthy(top:find "\n[-#]+     tidegate mock &", top)
        -- And the page of that host says the same.
        local command = top:match "\n[-#]+     (tidegate mock &[^\n]*)\n"
        assert.is_truthy(read("docs/hosts/" .. host .. ".md"):find(command, 1, true), command)
      end
    end)
  end

  it("leads to a page for each", function()
    for path in PAGE:gmatch "%((hosts/%w+%.md)%)" do
      local page = read("docs/" .. path)
      local code = page:match "```lua\n(.-)```"
      assert(this_lua.compile(code))
    end
  end)

  it("leads to files that there are", function()
    for _, name in ipairs { "docs/embed.md", "docs/lua/client.md", "docs/hosts/haproxy.md" } do
      local dir = name:match "^(.*/)"
      for target in read(name):gmatch "%]%(([%w_./-]+)" do
        assert(io.open(dir .. target), name .. " leads to " .. target)
      end
    end
  end)
end)
