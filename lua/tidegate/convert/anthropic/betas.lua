--- The words of the anthropic-beta header that a request needs.
--
-- Only those of features that are (or for a long time were) refused without them. A word that the provider does not
-- know is refused as well, on Vertex in particular: there none is sent.

local anthropic_betas = {}

-- By what a tool's type begins with.
local TOOLS = {
  { "computer_20241022",         "computer-use-2024-10-22" },
  { "computer_20250124",         "computer-use-2025-01-24" },
  { "computer_20251124",         "computer-use-2025-11-24" },
  { "code_execution_20250522",   "code-execution-2025-05-22" },
  { "code_execution_20250825",   "code-execution-2025-08-25" },
  { "web_fetch_20250910",        "web-fetch-2025-09-10" },
  { "tool_search_tool_",         "advanced-tool-use-2025-11-20" },
  { "memory_20250818",           "context-management-2025-06-27" },
  { "mcp_toolset",               "mcp-client-2025-11-20" },
}

-- By a member of the request.
local MEMBERS = {
  context_management = "context-management-2025-06-27", mcp_servers = "mcp-client-2025-11-20",
}

local STRUCTURED = "structured-outputs-2025-11-13"

local function of_tools(tools, add)
  for _, tool in ipairs(tools or {}) do
    if tool.strict then add(STRUCTURED) end
    for _, known in ipairs(TOOLS) do
      if type(tool.type) == "string" and tool.type:sub(1, #known[1]) == known[1] then add(known[2]) end
    end
  end
end

-- Files that were uploaded are named by an id.
local function of_blocks(blocks, add)
  for _, block in ipairs(type(blocks) == "table" and blocks or {}) do
    local source = type(block) == "table" and block.source
    if type(source) == "table" and source.type == "file" then add "files-api-2025-04-14" end
    if type(block) == "table" and block.type == "tool_result" then of_blocks(block.content, add) end
  end
end

--- @tparam table out  a request for Anthropic
-- @treturn ?string  the header's value; nil when none is needed
function anthropic_betas.of(out)
  local words, seen = {}, {}
  local function add(word)
    if not seen[word] then words[#words + 1] = word end
    seen[word] = true
  end
  of_tools(out.tools, add)
  if out.output_config and out.output_config.format then add(STRUCTURED) end
  for name, word in pairs(MEMBERS) do
    if out[name] then add(word) end
  end
  if out.speed == "fast" then add "fast-mode-2026-02-01" end
  for _, turn in ipairs(out.messages) do of_blocks(turn.content, add) end
  table.sort(words)
  return words[1] and table.concat(words, ",") or nil
end

return anthropic_betas
