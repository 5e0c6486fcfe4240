--- The same request in every format's own words.
--
--     local body = requests.anthropic { stream = true, must = "weather" }
--
-- What may be wanted: stream, limit (tokens), must ("any" call, or one of this tool),
-- result (a tool's, as the last message), json (an answer that fits SCHEMA).

local gateway = require "gateway"

local list = gateway.list

local requests = {
  QUESTION = "Wie hoch steht die Flut an der Mole von Büsum?",
  RESULT = "22 degrees",
  -- What the tool "weather" takes.
  SCHEMA = {
    type = "object", required = list { "city", "days", "kind" },
    properties = { city = { type = "string" }, days = { type = "integer" }, kind = { enum = list { "ebb", "flood" } },
                   note = { type = "string" } },
  },
}

local QUESTION, RESULT, SCHEMA = requests.QUESTION, requests.RESULT, requests.SCHEMA

local function chat_messages(o)
  local out = list { { role = "system", content = "Be brief." }, { role = "user", content = QUESTION } }
  if o.result then
    out[3] = { role = "assistant", content = "", tool_calls = list { { id = "1", type = "function",
      ["function"] = { name = "weather", arguments = "{}" } } } }
    out[4] = { role = "tool", tool_call_id = "1", content = RESULT }
  end
  return out
end

local CHAT_TOOLS = list {
  { type = "function", ["function"] = { name = "other", parameters = { type = "object" } } },
  { type = "function", ["function"] = { name = "weather", parameters = SCHEMA } },
}

function requests.openai(o)
  local choice = o.must == "any" and "required" or o.must and { type = "function", ["function"] = { name = o.must } }
  return { model = "m", messages = chat_messages(o), stream = o.stream, max_tokens = o.limit,
    stream_options = o.stream and { include_usage = true } or nil, tools = o.must and CHAT_TOOLS or nil,
    tool_choice = choice or nil, response_format = o.json and { type = "json_schema", json_schema = { schema = SCHEMA } } or nil }
end

function requests.anthropic(o)
  local out = list { { role = "user", content = list { { type = "text", text = QUESTION } } } }
  if o.result then
    out[2] = { role = "assistant", content = list { { type = "tool_use", id = "1", name = "weather", input = { a = 1 } } } }
    out[3] = { role = "user", content = list { { type = "tool_result", tool_use_id = "1",
      content = list { { type = "text", text = RESULT } } } } }
  end
  local tools = list { { name = "other", input_schema = { type = "object" } }, { name = "weather", input_schema = SCHEMA } }
  return { model = "m", messages = out, system = "Be brief.", max_tokens = o.limit or 1000, stream = o.stream,
    tools = o.must and tools or nil,
    tool_choice = o.must and (o.must == "any" and { type = "any" } or { type = "tool", name = o.must }) or nil,
    output_config = o.json and { format = { type = "json_schema", schema = SCHEMA } } or nil }
end

function requests.responses(o)
  local input = list { { role = "user", content = list { { type = "input_text", text = QUESTION } } } }
  if o.result then
    input[2] = { type = "function_call", call_id = "1", name = "weather", arguments = "{}" }
    input[3] = { type = "function_call_output", call_id = "1", output = RESULT }
  end
  local tools = list { { type = "function", name = "other", parameters = { type = "object" } },
    { type = "function", name = "weather", parameters = SCHEMA } }
  return { model = "m", input = input, instructions = "Be brief.", stream = o.stream, max_output_tokens = o.limit,
    include = list { "reasoning.encrypted_content" }, tools = o.must and tools or nil,
    tool_choice = o.must and (o.must == "any" and "required" or { type = "function", name = o.must }) or nil,
    text = o.json and { format = { type = "json_schema", name = "n", schema = SCHEMA } } or nil }
end

function requests.gemini(o)
  local contents = list { { role = "user", parts = list { { text = QUESTION } } } }
  if o.result then
    contents[2] = { role = "model", parts = list { { functionCall = { name = "weather", args = { a = 1 } } } } }
    contents[3] = { role = "user", parts = list { { functionResponse = { name = "weather", response = { result = RESULT } } } } }
  end
  local mode = { mode = "ANY", allowedFunctionNames = o.must ~= "any" and list { o.must } or nil }
  return { contents = contents, systemInstruction = { parts = list { { text = "Be brief." } } },
    tools = o.must and list { { functionDeclarations = list { { name = "other" },
      { name = "weather", parameters_json_schema = SCHEMA } } } } or nil,
    toolConfig = o.must and { functionCallingConfig = mode } or nil,
    generationConfig = { maxOutputTokens = o.limit, responseMimeType = o.json and "application/json" or nil,
      responseJsonSchema = o.json and SCHEMA or nil } }
end

function requests.bedrock(o)
  local out = list { { role = "user", content = list { { text = QUESTION } } } }
  if o.result then
    out[2] = { role = "assistant", content = list { { toolUse = { toolUseId = "1", name = "weather", input = { a = 1 } } } } }
    out[3] = { role = "user", content = list { { toolResult = { toolUseId = "1", content = list { { text = RESULT } } } } } }
  end
  local tools = list { { toolSpec = { name = "other", inputSchema = { json = { type = "object" } } } },
    { toolSpec = { name = "weather", inputSchema = { json = SCHEMA } } } }
  return { messages = out, system = list { { text = "Be brief." } }, inferenceConfig = { maxTokens = o.limit or 1000 },
    toolConfig = o.must and { tools = tools,
      toolChoice = o.must == "any" and { any = {} } or { tool = { name = o.must } } } or nil,
    outputConfig = o.json and { textFormat = { type = "json_schema",
      structure = { jsonSchema = { schema = gateway.json(SCHEMA) } } } } or nil }
end

function requests.cohere(o)
  return { model = "m", messages = chat_messages(o), stream = o.stream, max_tokens = o.limit,
    tools = o.must and list { CHAT_TOOLS[2] } or nil, tool_choice = o.must and "REQUIRED" or nil,
    response_format = o.json and { type = "json_object", json_schema = SCHEMA } or nil }
end

function requests.ollama(o)
  return { model = "m", messages = chat_messages(o), stream = o.stream or false, format = o.json and SCHEMA or nil,
    options = o.limit and { num_predict = o.limit } or nil }
end

return requests
