-- Through both of Anthropic's converters: what a client of its format gets of a provider of its format by way of chat,
-- what comes back of an answer with the next request, and what other providers' reasoning becomes on the way.

local cjson       = require "cjson"
local json        = require("tidegate.core").json
local to_chat     = require "tidegate.convert.anthropic_messages_to_chat"
local from_chat   = require "tidegate.convert.chat_to_anthropic_messages"
local anthropic   = require "readings.anthropic_messages"
local contract    = require "readings.anthropic_contract"
local recordings  = require "wire_recordings"
local transcripts = require "transcripts"

local unpack = rawget(_G, "unpack") or rawget(table, "unpack")

local SONNET45 = "claude-sonnet-4-5-20250929"

-- ---- tools of this spec ----

local function convert(body)
  local out = {}
  local step = to_chat.stream(function(text) out[#out + 1] = text end, {})
  for _, event in ipairs(anthropic.events(body)) do step(event.name, event.data) end
  return out
end

local function written(chunks)
  local out = {}
  local step = from_chat.stream(function(bytes) out[#out + 1] = bytes end)
  for _, data in ipairs(chunks) do step(data) end
  return table.concat(out)
end

local MEMBERS = { text_delta = "text", thinking_delta = "thinking", signature_delta = "signature", input_json_delta = "partial" }

-- The blocks of a stream, put together.
local function blocks_of_stream(body)
  local list = {}
  for _, event in ipairs(anthropic.events(body)) do
    local o = cjson.decode(event.data ~= "[DONE]" and event.data or "{}")
    if o.type == "content_block_start" then list[o.index + 1] = o.content_block end
    if o.type == "content_block_delta" then
      local block, member = list[o.index + 1], MEMBERS[o.delta.type]
      if member then
        block[member] = (block[member] or "") .. (o.delta[member] or o.delta.partial_json)
      else
        block.citations = type(block.citations) == "table" and block.citations or {}
        table.insert(block.citations, o.delta.citation)
      end
    end
  end
  for _, block in ipairs(list) do
    if block.partial and block.partial ~= "" then block.input = cjson.decode(block.partial) end
    block.partial = nil
  end
  return list
end

-- Without what says nothing: empty texts and lists of citations, the caller that goes without saying.
local function told(blocks)
  local out = {}
  if type(blocks) == "string" then return { { type = "text", text = blocks } } end
  for _, block in ipairs(blocks) do
    if block.type == "text" and (type(block.citations) ~= "table" or not block.citations[1]) then block.citations = nil end
    if block.type == "tool_use" and type(block.caller) == "table" and block.caller.type == "direct" then block.caller = nil end
    if block.type ~= "text" or block.text ~= "" then out[#out + 1] = block end
  end
  return out
end

local function each(value, add)
  for _, item in ipairs(type(value) == "table" and value or {}) do add(item) end
end

-- The message that a chat client has of a stream, its reasoning details as they came, side by side.
local function message_of(chunks)
  local m = { role = "assistant", content = "", reasoning_details = {}, tool_calls = {}, annotations = {} }
  for _, text in ipairs(chunks) do
    local o = text ~= "[DONE]" and cjson.decode(text) or {}
    local delta = o.choices and o.choices[1] and o.choices[1].delta or {}
    m.content = m.content .. (type(delta.content) == "string" and delta.content or "")
    each(delta.reasoning_details, function(item) table.insert(m.reasoning_details, item) end)
    each(delta.annotations, function(item) table.insert(m.annotations, item) end)
    each(delta.tool_calls, function(piece)
      local call, f = m.tool_calls[piece.index + 1], piece["function"]
      if not call then
        m.tool_calls[piece.index + 1] = { id = piece.id, type = "function", ["function"] = { name = f.name, arguments = f.arguments } }
      else
        call["function"].arguments = call["function"].arguments .. f.arguments
      end
    end)
  end
  for _, name in ipairs { "reasoning_details", "tool_calls", "annotations" } do
    if not m[name][1] then m[name] = nil end
  end
  return m
end

-- The blocks that a model's message becomes in the next request to Anthropic.
local function sent_back(message)
  local text = assert(from_chat.request(cjson.encode { messages = {
    { role = "user", content = "?" }, message, { role = "user", content = "And?" } } }, { wire = "anthropic-messages", model = SONNET45 }))
  return cjson.decode(text).messages[2].content
end

-- ---- recordings ----

local function recorded(...)
  local list = {}
  for _, place in ipairs { ... } do
    for _, r in ipairs(recordings.of(unpack(place)) or {}) do
      if place[1] ~= "bedrock" or r.body:find '"type": ?"message"' then list[#list + 1] = r end
    end
  end
  return list
end

describe("an answer of Anthropic's format, by way of chat,", function()
  local list = recorded({ "anthropic", "messages" }, { "azure", "messages" }, { "vertex", "vertex-raw" }, { "bedrock", "invoke" })
  if not list[1] then pending "TIDEGATE_TEST_DATA has no transcripts" return end

  for _, r in ipairs(list) do
    if r.status == 200 and r.body:find "^event:" then
      it("is what it was, and comes back as it was: " .. r.name, function()
        local chunks = convert(r.body)
        local bytes = written(contract.stream(chunks))
        assert.same(anthropic.stream(r.body), anthropic.stream(bytes))
        assert.same(told(blocks_of_stream(r.body)), told(blocks_of_stream(bytes)))
        assert.same(told(blocks_of_stream(r.body)), told(sent_back(message_of(chunks))))
      end)
    elseif r.status == 200 then
      it("is what it was, and comes back as it was: " .. r.name, function()
        local chat = to_chat.answer(r.body)
        local text = from_chat.answer(contract.whole(chat))
        assert.same(anthropic.whole(r.body), anthropic.whole(text))
        assert.same(told(cjson.decode(r.body).content), told(cjson.decode(text).content))
        assert.same(told(cjson.decode(r.body).content), told(sent_back(cjson.decode(chat).choices[1].message)))
      end)
    end
  end
end)

-- What a request may become on its way without another meaning.
local function same_meaning(body)
  local function text_alone(content)
    local only = type(content) == "table" and #content == 1 and content[1]
    return only and only.type == "text" and not only.cache_control and only.text or content
  end
  local function plain(value)
    if type(value) ~= "table" then return value ~= cjson.null and value or nil end
    local out = {}
    for k, v in pairs(value) do out[k] = plain(v) end
    return out
  end
  body = plain(body)
  for _, m in ipairs(body.messages) do
    local blocks = type(m.content) == "table" and m.content or {}
    for i = #blocks, 1, -1 do
      local block = blocks[i]
      if block.type == "tool_result" then block.content = text_alone(block.content) end
      if block.type == "text" and not block.text:find "%S" then table.remove(blocks, i) end      -- says nothing
    end
    m.content = text_alone(m.content)
  end
  body.system = text_alone(body.system)
  if body.tool_choice and body.tool_choice.disable_parallel_tool_use == false then body.tool_choice.disable_parallel_tool_use = nil end
  if body.stream == false then body.stream = nil end
  -- The models it is sent for do not think unless asked.
  if body.thinking and body.thinking.type == "disabled" then body.thinking = nil end
  return body
end

describe("a request of Anthropic's format, by way of chat,", function()
  local list = recorded({ "anthropic", "messages" }, { "anthropic", "count-tokens" }, { "azure", "messages" }, { "vertex", "vertex-raw" })
  if not list[1] then pending "TIDEGATE_TEST_DATA has no transcripts" return end

  -- Members that chat has no place for: told as lost.
  local LOST = { mcp_servers = true }

  for _, r in ipairs(list) do
    local raw = json.pick(r.request, "body")
    local body = raw and cjson.decode(raw)
    if type(body) == "table" and type(body.messages[1]) == "table" then
      it("asks the same: " .. r.name, function()
        local chat, lost = to_chat.request(raw)
        assert(chat, lost)
        local wire = body.anthropic_version and "vertex-anthropic" or "anthropic-messages"
        local is_count = r.name:find "count%-tokens"
        local write = is_count and from_chat.count or from_chat.request
        local made = assert(write(chat, { wire = wire, model = body.model or SONNET45 }))
        local got = same_meaning(cjson.decode(made))
        local want = same_meaning(body)
        for _, name in ipairs(lost) do
          assert.is_true(LOST[name] or name == "tools.defer_loading", name)
          want[name] = nil
        end
        for _, tool in ipairs(want.tools or {}) do tool.defer_loading = nil end
        -- This model has no such level: the next one below is asked for.
        if r.name == "anthropic/messages.error-400.03" then want.output_config.effort = "high" end
        -- A tool must be called, and this model thinks unless it is told not to.
        if is_count and got.tool_choice then got.thinking = nil end
        assert.same(want, got)
      end)
    end
  end
end)

-- ---- other providers' reasoning ----

local HEAD = '{"id":"gen-1","object":"chat.completion.chunk","model":"a/b","provider":"P","choices":[{"index":0,"delta":{"content":""'

local function details(list, reasoning)
  return HEAD .. (reasoning and ',"reasoning":' .. json.encode(reasoning) or "") .. ',"reasoning_details":' .. json.encode(json.array(list)) .. "}}]}"
end

local ENDS = { '{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop","native_finish_reason":"stop"}]}', "[DONE]" }

-- What a client has of these chunks, sent back: the details that arrive at the next converter, and the text.
local function returned(chunks)
  local all = {}
  for _, list in ipairs { chunks, ENDS } do
    for _, text in ipairs(list) do all[#all + 1] = text end
  end
  local bytes = written(all)
  assert.is_nil(anthropic.stream(bytes).disorder)
  local blocks = blocks_of_stream(bytes)
  local chat = assert(to_chat.request(cjson.encode { messages = { { role = "user", content = "x" }, { role = "assistant", content = blocks } } }))
  local m = cjson.decode(chat).messages[2]
  return m.reasoning_details, m.reasoning, blocks
end

describe("other providers' reasoning, through a client of Anthropic's format,", function()
  for what, list in pairs {
    ["Gemini's signature of a call"] = {
      { type = "reasoning.encrypted", data = "CiQB+/=", id = "call_1", format = "google-gemini-v1", index = 0 } },
    ["Gemini's signed thought"] = {
      { type = "reasoning.text", text = "Tide.", signature = "CiQB", format = "google-gemini-v1", index = 0 },
      { type = "reasoning.encrypted", data = "CiQC", format = "google-gemini-v1", index = 1 } },
    ["OpenAI's items"] = {
      { type = "reasoning.summary", summary = "**Sea**\nLow.", id = "rs_1", format = "openai-responses-v1", index = 0 },
      { type = "reasoning.encrypted", data = "gAAAAB==", id = "rs_1", format = "openai-responses-v1", index = 0 },
      { type = "reasoning.summary", summary = "High.", id = "rs_2", format = "openai-responses-v1", index = 1 },
      { type = "reasoning.encrypted", data = "gAAAAC==", id = "rs_2", format = "openai-responses-v1", index = 1 } },
    ["another server's tool"] = {
      { type = "reasoning.server_tool_call", data = '{"n":1.0}', format = "openai-responses-v1", tool_name = "web", arguments = "{}",
        result = "", index = 3 } },
    ["Anthropic's own"] = {
      { type = "reasoning.text", text = "Hm.", signature = "EuY=", format = "anthropic-claude-v1", index = 0 },
      { type = "reasoning.encrypted", data = "EqkE", format = "anthropic-claude-v1", index = 1 } },
  } do
    it("comes back as it was, whole and in a stream: " .. what, function()
      local chunks = {}
      for _, detail in ipairs(list) do
        -- Text comes in pieces, what belongs to it behind.
        local member = detail.text and "text" or detail.summary and "summary"
        local text = member and detail[member]
        for i = 1, text and #text or 0, 3 do
          local piece = { type = detail.type, format = detail.format, index = detail.index, id = detail.id, [member] = text:sub(i, i + 2) }
          chunks[#chunks + 1] = details({ piece }, text:sub(i, i + 2))
        end
        local rest = {}
        for name, value in pairs(detail) do rest[name] = name ~= member and value or nil end
        if not member or detail.signature then chunks[#chunks + 1] = details { rest } end
      end
      assert.same(list, (returned(chunks)))

      local text = from_chat.answer(cjson.encode { id = "gen-1", choices = { { finish_reason = "stop",
        message = { role = "assistant", content = "x", reasoning_details = list } } } })
      local chat = to_chat.request('{"messages":[{"role":"assistant","content":' .. json.pick(text, "content") .. "}]}")
      assert.same(list, cjson.decode(chat).messages[1].reasoning_details)
    end)
  end

  it("has the empty signature where there is none, and comes back as text", function()
    local got, reasoning, blocks = returned { HEAD .. ',"reasoning":"Hm."}}]}' }
    assert.is_nil(got)
    assert.equal("Hm.", reasoning)
    assert.same({ { type = "thinking", thinking = "Hm.", signature = "" } }, blocks)
  end)

  it("is no door for what is sealed otherwise", function()
    for _, sealed in ipairs { "tidegate:", "tidegate:{", "tidegate:[]", "tidegate:{}", 'tidegate:{"type":1}' } do
      local chat = to_chat.request(cjson.encode { messages = { { role = "assistant", content = {
        { type = "redacted_thinking", data = sealed }, { type = "thinking", thinking = "t", signature = sealed } } } } })
      assert.is_nil(cjson.decode(chat).messages[1].reasoning_details)
    end
  end)
end)

-- ---- anything in any order ----

describe("a stream of anything in any order", function()
  local random = transcripts.random(4711)
  local function pick(list) return list[random(#list)] end

  -- Of one byte each, so that they can be cut anywhere.
  local WORDS = { "a", "\n", "\"", "{", "}", "]", "\\", "" }

  local function delta(members) return HEAD .. members .. "}}]}" end

  -- Calls whose arguments come in pieces, out of turn.
  local function script()
    local calls, list, text = {}, {}, ""
    for i = 1, random(4) - 1 do
      local arguments = cjson.encode { [pick(WORDS) .. i] = { pick(WORDS), { pick(WORDS) } } }
      calls[i] = { id = "t" .. i, name = "f", arguments = cjson.decode(arguments), rest = transcripts.cut(arguments, function() return random(4) end) }
    end
    local begun = 0
    for _ = 1, 40 do
      local what = random(4)
      if what == 1 then
        local word = pick(WORDS)
        text = text .. word
        list[#list + 1] = delta(',"content":' .. json.encode(word)):gsub('"content":"",', "", 1)
      elseif what == 2 and begun < #calls then
        begun = begun + 1
        list[#list + 1] = delta(',"tool_calls":[{"index":' .. begun - 1 .. ',"id":"t' .. begun
          .. '","type":"function","function":{"name":"f","arguments":""}}]')
      elseif begun > 0 then
        local i = random(begun)
        local piece = table.remove(calls[i].rest, 1)
        if piece then
          list[#list + 1] = delta(',"tool_calls":[{"index":' .. i - 1 .. ',"function":{"arguments":' .. json.encode(piece) .. "}}]")
        end
      end
    end
    for i, call in ipairs(calls) do
      if i > begun then calls[i] = nil end
      if i <= begun then
        list[#list + 1] = delta(',"tool_calls":[{"index":' .. i - 1 .. ',"function":{"arguments":' .. json.encode(table.concat(call.rest)) .. "}}]")
      end
    end
    return list, text, calls
  end

  it("has its blocks one after the other, with all text and all arguments", function()
    for _ = 1, 300 do
      local list, text, calls = script()
      for _, one in ipairs(ENDS) do list[#list + 1] = one end
      local r = anthropic.stream(written(list))
      assert.is_nil(r.disorder)
      assert.equal(text, r.text)
      for _, call in ipairs(calls) do call.rest = nil end
      assert.same(calls, r.calls)
      assert.is_true(r.complete)
    end
  end)
end)
