local cjson      = require "cjson"
local json       = require("tidegate.core").json
local converter  = require "tidegate.convert.chat_to_openai_responses"
local to_chat    = require "tidegate.convert.openai_responses_to_chat"
local recordings = require "wire_recordings"
local responses  = require "readings.openai_responses"

local PROVIDERS = { "openai", "azure", "xai", "deepseek", "bedrock", "copilot", "lmstudio", "openrouter" }

-- ---- what was really said ----

-- What the core makes of a converter's chunks: the contract's.
local FINISHES = { completed = "stop", max_output_tokens = "length", content_filter = "content_filter" }

local function contract_usage(text)
  local u = cjson.decode(text)
  local inp, out = u.input_tokens_details or {}, u.output_tokens_details or {}
  return json.encode { prompt_tokens = u.input_tokens, completion_tokens = u.output_tokens, total_tokens = u.input_tokens + u.output_tokens, cost = 0.5,
    prompt_tokens_details = { cached_tokens = inp.cached_tokens, cache_write_tokens = inp.cache_write_tokens },
    completion_tokens_details = { reasoning_tokens = out.reasoning_tokens } }
end

local HEAD = '{"id":"gen-1700000000-AbCdEfGhIjKlMnOpQrSt","object":"chat.completion.chunk","created":1700000000,"model":"a/b","choices":['

local function core(chunks)
  local out, usage, native, has_calls = {}, nil, nil, false
  for _, chunk in ipairs(chunks) do
    local said, reason, used, scores = json.pick(chunk, "choices.0.delta", "choices.0.native_finish_reason", "usage", "choices.0.logprobs")
    native, usage = reason and json.decode(reason) or native, used or usage
    if said and said ~= "{}" then
      has_calls = has_calls or said:find('"tool_calls"', 1, true) ~= nil
      out[#out + 1] = HEAD .. '{"index":0,"delta":{"role":"assistant",' .. (said:find '^{"content"' and "" or '"content":"",') .. said:sub(2)
        .. ',"finish_reason":null' .. (scores and ',"logprobs":' .. scores or "") .. "}]}"
    end
  end
  local finish = FINISHES[native] == "stop" and has_calls and "tool_calls" or FINISHES[native]
  local last = HEAD .. '{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"' .. finish .. '"}]'
  out[#out + 1], out[#out + 2], out[#out + 3] = last .. "}", last .. ',"usage":' .. contract_usage(usage) .. "}", "[DONE]"
  return out
end

local OTHERS = { ["openai/responses.json.05"] = true, ["openai/responses.json.json.01"] = true, ["azure/responses.json.reasoning.02"] = true }

-- OpenRouter's Gemini: its signatures travel marked as what they are. xAI's own custom call: nothing in an answer of ours
-- says that no client is to answer it.
local function known(said, name)
  for i, signature in ipairs(said.signatures) do
    local list = signature:match "^tidegate:(.*)"
    if list then said.signatures[i] = cjson.decode(list)[1].data end
  end
  if name == "xai/responses.stream.02" then
    assert.equal("xs_call_72097209", said.calls[1].id)
    said.calls, said.others = {}, { "custom_tool_call" }
  end
  return said
end

describe("What providers of the Responses API really said, through chat and back", function()
  if not recordings.of("openai", "responses") then
    return it("is read here", function() pending "TIDEGATE_TEST_DATA is not set" end)
  end

  for _, provider in ipairs(PROVIDERS) do
    for _, r in ipairs(recordings.of(provider, "responses")) do
      local is_stream = r.status == 200 and (r.body:find "^%s*data:" or r.body:find "^%s*event:" or r.body:find "^%s*:")

      if is_stream then
        it("is the same stream: " .. r.name, function()
          local chunks = {}
          local step = to_chat.stream(function(text) chunks[#chunks + 1] = text end, {})
          for _, event in ipairs(responses.events(r.body)) do step(event.name, event.data) end
          local frames = {}
          step = converter.stream(function(frame) frames[#frames + 1] = frame end, {})
          for _, chunk in ipairs(core(chunks)) do step(chunk) end
          local got, final = responses.stream(table.concat(frames))
          assert.same(final, got)
          assert.same(responses.stream(r.body), known(got, r.name))
        end)
      elseif r.status == 200 and not OTHERS[r.name] then
        it("is the same answer: " .. r.name, function()
          local chat = to_chat.answer(r.body)
          local usage, native = json.pick(chat, "usage", "choices.0.native_finish_reason")
          local members = json.split(chat)
          members.usage = json.raw(contract_usage(usage))
          members.choices = json.raw((tostring(members.choices):gsub('("finish_reason":)"[%w_]+"', '%1"' .. FINISHES[json.decode(native)] .. '"')))
          assert.same(responses.whole(r.body), known(responses.whole(converter.answer(json.encode(members))), r.name))
        end)
      end
    end
  end
end)

-- ---- what was really asked ----

-- What makes no difference, made the same: null and absent, one text and a list of one, what an item was called in the
-- answer that it came from, whether its type is told where it shows, instructions and a first system message, an image
-- in the detail that is usual, and functions that are strict by default, which here they never are.
local function is_text(content)
  local text = {}
  for i, part in ipairs(content) do
    if type(part) ~= "table" or not part.text or part.type == "reasoning_text" then return nil end
    text[i] = part.text
  end
  return table.concat(text)
end

local function same_item(item)
  if item.type == "message" then item.type = nil end
  item.status = nil
  if item.type ~= "reasoning" then item.id = nil end
  for _, part in ipairs(type(item.content) == "table" and item.content or {}) do
    if part.type == "input_image" then part.detail = part.detail or "auto" end
  end
  for _, name in ipairs { "content", "output" } do
    if item.type ~= "reasoning" and type(item[name]) == "table" and not (item[name][1] and item[name][1].prompt_cache_breakpoint) then
      item[name] = is_text(item[name]) or item[name]
    end
  end
  return item
end

local function same_tool(tool)
  if tool["function"] then tool = tool["function"] tool.type = "function" end
  tool.defer_loading = nil
  if tool.type == "function" then
    tool.strict, tool.parameters = tool.strict or false, tool.parameters or {}
  end
  return tool
end

local function bare(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for name, inside in pairs(value) do
    if inside ~= cjson.null then out[name] = bare(inside) end
  end
  return out
end

local function same(body)
  body = bare(body)
  if type(body.input) == "string" then body.input = { { role = "user", content = body.input } } end
  for i, item in ipairs(body.input) do body.input[i] = same_item(item) end
  if (body.instructions or "") ~= "" then table.insert(body.input, 1, { role = "system", content = body.instructions }) end
  for i, tool in ipairs(body.tools or {}) do body.tools[i] = same_tool(tool) end
  local choice = body.tool_choice
  if type(choice) == "table" and choice["function"] then body.tool_choice = { type = "function", name = choice["function"].name } end
  -- A summary is asked for where the reasoning is.
  if body.reasoning then body.reasoning.summary = body.reasoning.summary or "auto" end
  body.instructions, body.store, body.include, body.provider = nil, nil, nil, nil
  return body
end

describe("What clients of the Responses API really asked, through chat and back", function()
  if not recordings.of("openai", "responses") then
    return it("is read here", function() pending "TIDEGATE_TEST_DATA is not set" end)
  end

  for _, provider in ipairs(PROVIDERS) do
    for _, r in ipairs(recordings.of(provider, "responses")) do
      local body = json.pick(r.request, "body")
      if body and body:sub(1, 1) == "{" then
        it("is the same, or refused: " .. r.name, function()
          local asked = cjson.decode(body)
          local chat, why = to_chat.request(body, {})
          if asked.previous_response_id or body:find '"role":%s*"tool"' then
            assert.same({ nil, "string" }, { chat, type(why) })
          else
            local out = converter.request(chat, { model = asked.model })
            assert.same(same(asked), same(cjson.decode(out)))
          end
        end)
      end
    end
  end
end)
