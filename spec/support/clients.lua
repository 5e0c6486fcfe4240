--- The formats in which clients ask, as their SDKs write and read them: for specs that put every client's format
-- before every provider's. Answers are read by spec/support/readings/, which know nothing of the gateway's code.

local json = require("tidegate.core").json

local clients = {}

--- What everybody asks for.
clients.SCHEMA = '{"type":"object","properties":{"zeta":{"type":"string"},"alpha":{"type":"number"}},"required":["zeta"]}'
clients.PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

local function raw(text) return json.raw(text) end

local function reading(name) return require("readings." .. name) end

-- ---- chat ----

local function chat_part(ask)
  if not ask.image then return ask.text end
  return { { type = "text", text = ask.text },
           { type = "image_url", image_url = { url = "data:image/png;base64," .. clients.PNG } } }
end

clients.chat = {
  path = function() return "/v1/chat/completions" end,
  body = function(model, ask)
    local b = { model = model, stream = ask.stream, messages = { { role = "user", content = chat_part(ask) } } }
    for _, m in ipairs(ask.more or {}) do b.messages[#b.messages + 1] = m end
    if ask.tool then
      b.tools = { { type = "function", ["function"] = { name = "look_up", description = "Looks it up.",
                                                        parameters = raw(clients.SCHEMA) } } }
    end
    if ask.schema then
      b.response_format = { type = "json_schema",
                            json_schema = { name = "answer", strict = true, schema = raw(clients.SCHEMA) } }
    end
    if ask.reasons then b.reasoning = { effort = "high" } end
    return b
  end,
  next_turn = function(answer, call, result)
    return { answer.choices[1].message, { role = "tool", tool_call_id = call.id, content = result } }
  end,
  read = function(r, stream)
    if not stream then return reading("chunks").whole(r.body) end
    local texts = {}
    for data in r.body:gmatch "data: ([^\n]*)\n" do texts[#texts + 1] = data end
    return reading("chunks").stream(texts)
  end,
  error_of = function(e) return e.error.message, e.error.code end,
}

-- ---- Anthropic's ----

clients.messages = {
  path = function() return "/v1/messages" end,
  body = function(model, ask)
    local content = ask.text
    if ask.image then
      content = { { type = "text", text = ask.text }, { type = "image", source = {
        type = "base64", media_type = "image/png", data = clients.PNG } } }
    end
    local b = { model = model, max_tokens = 4000, stream = ask.stream, messages = { { role = "user", content = content } } }
    for _, m in ipairs(ask.more or {}) do b.messages[#b.messages + 1] = m end
    if ask.tool then
      b.tools = { { name = "look_up", description = "Looks it up.", input_schema = raw(clients.SCHEMA) } }
    end
    if ask.schema then b.output_config = { format = { type = "json_schema", schema = raw(clients.SCHEMA) } } end
    if ask.reasons then b.thinking = { type = "enabled", budget_tokens = 2000 } end
    return b
  end,
  next_turn = function(answer, call, result)
    return { { role = "assistant", content = answer.content },
             { role = "user", content = { { type = "tool_result", tool_use_id = call.id, content = result } } } }
  end,
  read = function(r, stream) return reading("anthropic_messages")[stream and "stream" or "whole"](r.body) end,
  error_of = function(e) return e.error.message, e.error.type end,
}

-- ---- OpenAI's Responses ----

clients.responses = {
  path = function() return "/v1/responses" end,
  body = function(model, ask)
    local content = { { type = "input_text", text = ask.text } }
    if ask.image then
      content[2] = { type = "input_image", detail = "auto", image_url = "data:image/png;base64," .. clients.PNG }
    end
    local b = { model = model, stream = ask.stream, input = { { role = "user", content = content } } }
    for _, m in ipairs(ask.more or {}) do b.input[#b.input + 1] = m end
    if ask.tool then
      b.tools = { { type = "function", name = "look_up", description = "Looks it up.", strict = false,
                    parameters = raw(clients.SCHEMA) } }
    end
    if ask.schema then
      b.text = { format = { type = "json_schema", name = "answer", strict = true, schema = raw(clients.SCHEMA) } }
    end
    if ask.reasons then
      b.reasoning, b.include = { effort = "high", summary = "auto" }, { "reasoning.encrypted_content" }
    end
    return b
  end,
  next_turn = function(answer, call, result)
    local items = {}
    for i, item in ipairs(answer.output) do items[i] = item end
    items[#items + 1] = { type = "function_call_output", call_id = call.id, output = result }
    return items
  end,
  read = function(r, stream) return reading("openai_responses")[stream and "stream" or "whole"](r.body) end,
  error_of = function(e) return e.error.message, e.error.code end,
}

-- ---- Google's ----

clients.gemini = {
  path = function(model, stream)
    return "/v1beta/models/" .. model .. (stream and ":streamGenerateContent?alt=sse" or ":generateContent")
  end,
  body = function(_, ask)
    local parts = { { text = ask.text } }
    if ask.image then parts[2] = { inlineData = { mimeType = "image/png", data = clients.PNG } } end
    local b = { contents = { { role = "user", parts = parts } }, generationConfig = { maxOutputTokens = 4000 } }
    for _, m in ipairs(ask.more or {}) do b.contents[#b.contents + 1] = m end
    if ask.tool then
      b.tools = { { functionDeclarations = { { name = "look_up", description = "Looks it up.",
                                               parametersJsonSchema = raw(clients.SCHEMA) } } } }
    end
    if ask.schema then
      b.generationConfig.responseMimeType = "application/json"
      b.generationConfig.responseJsonSchema = raw(clients.SCHEMA)
    end
    if ask.reasons then b.generationConfig.thinkingConfig = { thinkingBudget = 2000, includeThoughts = true } end
    return b
  end,
  next_turn = function(answer, call, result)
    return { answer.candidates[1].content, { role = "user", parts = { { functionResponse = {
      id = call.id, name = "look_up", response = { result = result } } } } } }
  end,
  read = function(r, stream) return reading("gemini")[stream and "stream" or "whole"](r.body) end,
  error_of = function(e) return e.error.message, e.error.status end,
}

--- In the order in which they are told.
clients.names = { "chat", "messages", "responses", "gemini" }

--- A request as http.post() wants it: path and body.
function clients.request(name, model, ask)
  local c = clients[name]
  return c.path(model, ask.stream), json.encode(c.body(model, ask))
end

return clients
