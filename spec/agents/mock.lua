-- Every provider asks the agent to make a file, with the tool that this agent has for it.

local function asks(tool, arguments) return { tool_call = { name = tool, arguments = arguments } } end

return {
  listen = "127.0.0.1:0", ttft_ms = 5, tokens_per_s = 5000,
  at = {
    ["/claude"] = asks("Bash", [[{"command":"echo tide > made.txt","description":"Makes a file"}]]),
    ["/codex"]  = asks("exec_command", [[{"cmd":"echo tide > made.txt"}]]),
    ["/gemini"] = asks("run_shell_command", [[{"command":"echo tide > made.txt"}]]),
  },
}
