local json                     = require("tidegate.core").json
local cjson                    = require "cjson"
local chat_to_bedrock_converse = require "tidegate.convert.chat_to_bedrock_converse"
local models                   = require "tidegate.convert.bedrock.models"
local nonsense                 = require "nonsense"
local transcripts              = require "transcripts"

local unpack = rawget(_G, "unpack") or rawget(table, "unpack")

local SONNET_45 = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
local OPUS_46   = "anthropic.claude-opus-4-6-v1"
local OPUS_47   = "global.anthropic.claude-opus-4-7"
local HAIKU_3   = "anthropic.claude-3-haiku-20240307-v1:0"
local NOVA_2    = "us.amazon.nova-2-lite-v1:0"
local NOVA      = "amazon.nova-pro-v1:0"
local GPT_OSS   = "openai.gpt-oss-120b-1:0"
local GPT       = "global.openai.gpt-5.6-sol"
local LLAMA     = "us.meta.llama3-3-70b-instruct-v1:0"
local PROFILE   = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef"

local USER = '{"role":"user","content":"hi"}'

-- The body for a chat request of these members, beside a user's "hi", decoded; what was lost; and its text.
local function convert(members, model)
  local body, lost = chat_to_bedrock_converse.request('{"messages":[' .. USER .. "]" .. (members and "," .. members or "") .. "}",
    { model = model or SONNET_45 })
  return cjson.decode((assert(body))), lost, body
end

-- The turns and system blocks that these messages become, decoded; and what was lost.
local function converse(model, ...)
  local body, lost = chat_to_bedrock_converse.request('{"messages":[' .. table.concat({ ... }, ",") .. "]}", { model = model })
  local out = cjson.decode((assert(body)))
  return out.messages, out.system, lost, out
end

-- The blocks of one user message with these parts.
local function blocks_of(parts, model)
  local turns, _, lost = converse(model or SONNET_45, '{"role":"user","content":[' .. parts .. "]}")
  return turns[1].content, lost
end

local function refused(...)
  local body, why = chat_to_bedrock_converse.request('{"messages":[' .. table.concat({ ... }, ",") .. "]}", { model = SONNET_45 })
  assert.is_nil(body)
  return why
end

local function member(name, value) return { [name] = value } end

-- A case's model, members of the chat request, what they become, and what is lost of them.
local function same(case)
  local model, members, want, lost = unpack(case, 1, 4)
  local body, got_lost = convert(members, model)
  body.messages = nil
  assert.same(want, body)
  assert.same(lost or {}, got_lost)
end

describe("chat_to_bedrock_converse.request", function()
  it("is messages and nothing else for a plain question; the model is in the path", function()
    local _, lost, body = convert '"model":"anthropic/claude","stream":true,"user":"u","provider":{"order":["bedrock"]}'
    assert.equal('{"messages":[{"content":[{"text":"hi"}],"role":"user"}]}', body)
    assert.same({}, lost)
  end)

  for _, case in ipairs {
    -- in the chat                                          in inferenceConfig
    { '"max_tokens":5',                                     { maxTokens = 5 } },
    { '"max_tokens":5,"max_completion_tokens":6',           { maxTokens = 6 } },
    { '"temperature":0.5',                                  { temperature = 0.5 } },
    { '"temperature":1.5',                                  { temperature = 1 },                { "temperature" } },
    { '"top_p":0.5',                                        { topP = 0.5 } },
    { '"temperature":0.5,"top_p":0.5',                      { temperature = 0.5 },              { "top_p" } },
    { '"stop":"a"',                                         { stopSequences = { "a" } } },
    { '"stop":["a","","b"]',                                { stopSequences = { "a", "b" } } },
    { '"n":1,"parallel_tool_calls":true,"logprobs":false,"frequency_penalty":0' },
    { '"n":2,"parallel_tool_calls":false,"logprobs":true',  nil,                                { "logprobs", "n" } },
    { '"seed":1,"min_p":0.1,"logit_bias":{"1":2}',          nil,                                { "logit_bias", "min_p", "seed" } },
  } do
    it("sets " .. case[1], function()
      same { SONNET_45, case[1], { inferenceConfig = case[2] }, case[3] }
    end)
  end

  for _, case in ipairs {
    -- model             in the chat                        in additionalModelRequestFields
    { SONNET_45,         '"top_k":40',                      { top_k = 40 } },
    { NOVA,              '"top_k":40',                      { inferenceConfig = { topK = 40 } } },
    { "cohere.command-r-v1:0", '"top_k":4,"seed":1',        { k = 4, seed = 1 } },
    { GPT_OSS,           '"seed":1,"frequency_penalty":0.5', { seed = 1, frequency_penalty = 0.5 } },
    { LLAMA,             '"top_k":40,"seed":1',             nil,                                { "seed", "top_k" } },
    { OPUS_47,           '"top_k":40,"temperature":0.5,"top_p":0.9', nil,                       { "temperature", "top_k", "top_p" } },
    { OPUS_47,           '"verbosity":"low"',               { output_config = { effort = "low" } } },
    { SONNET_45,         '"verbosity":"low"',               nil,                                { "verbosity" } },
    { GPT,               '"temperature":0.5,"top_p":0.9,"seed":1', nil,                         { "seed", "temperature", "top_p" } },
  } do
    it("gives a family what only it has: " .. case[1] .. " " .. case[2], function()
      same { case[1], case[2], { additionalModelRequestFields = case[3] }, case[4] }
    end)
  end

  it("passes Converse's own members on as they are", function()
    for name, value in pairs {
      guardrailConfig = { guardrailIdentifier = "g", guardrailVersion = "DRAFT", trace = "enabled", streamProcessingMode = "async" },
      performanceConfig = { latency = "optimized" }, requestMetadata = { team = "a" }, promptVariables = { x = { text = "y" } },
      additionalModelResponseFieldPaths = { "/stop_sequence" }, additionalModelRequestFields = { anthropic_beta = { "b" } },
    } do
      same { SONNET_45, '"' .. name .. '":' .. cjson.encode(value), member(name, value) }
    end
  end)

  it("lets additionalModelRequestFields have the last word", function()
    local body = convert('"top_k":40,"reasoning":{"effort":"high"},"additionalModelRequestFields":{"thinking":{"type":"disabled"},"x":12345678901234567890}')
    assert.same({ type = "disabled" }, body.additionalModelRequestFields.thinking)
    local _, _, text = convert '"additionalModelRequestFields":{"x":12345678901234567890}'
    assert.truthy(text:find('"x":12345678901234567890', 1, true))
  end)

  for members, place in pairs {
    ['"messages":[],"temperature":"1"']                                   = "temperature",
    ['"messages":[],"additionalModelRequestFields":5']                    = "additionalModelRequestFields",
    ['"messages":[],"response_format":{"type":"json_schema","json_schema":5}'] = "response_format.json_schema",
    ['"messages":[{"role":"assistant","reasoning_details":[{"data":5}]}]'] = "messages.0.reasoning_details.0.data",
    ['"messages":[{"role":"user","content":[{"type":"document","content":[5]}]}]'] = "messages.0.content.0.content.0",
  } do
    it("refuses what has the wrong type: " .. members, function()
      local body, why = chat_to_bedrock_converse.request("{" .. members .. "}", { model = SONNET_45 })
      assert.is_nil(body)
      assert.equal(place .. " has the wrong type", why)
    end)
  end

  it("gives JSON or says why not, whatever stands in a request", function()
    local random = transcripts.random(20261126)
    local text = '{"messages":[{"role":"user","name":"A","content":[{"type":"text","text":"t","cache_control":{"type":"ephemeral"}},'
      .. '{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}},{"type":"file","file":{"filename":"a","file_data":"data:text/plain;base64,AA"}},'
      .. '{"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"x"}]},'
      .. '{"type":"document","title":"t","source":{"type":"content","content":[{"type":"text","text":"x"}]}}]},'
      .. '{"role":"assistant","content":"a","reasoning_details":[{"type":"reasoning.text","text":"a","signature":"s","format":"anthropic-claude-v1","index":0},'
      .. '{"type":"reasoning.server_tool_call","format":"anthropic-claude-v1","data":"{}"},'
      .. '{"type":"reasoning.encrypted","format":"bedrock-converse","data":"d"}],'
      .. '"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"1"}],'
      .. '"tools":[{"type":"function","function":{"name":"f","parameters":{}}},{"systemTool":{"name":"n"}}],"temperature":1,"top_p":1,"max_tokens":3000,'
      .. '"reasoning":{"effort":"low","max_tokens":5},"stop":["a"],"service_tier":"flex","verbosity":"low","additionalModelRequestFields":{"a":1},'
      .. '"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}},"tool_choice":{"type":"function","function":{"name":"f"}}}'
    for i = 1, 400 do
      local model = ({ SONNET_45, OPUS_47, NOVA_2, PROFILE })[i % 4 + 1]
      local made, why = chat_to_bedrock_converse.request(nonsense.of(text, random), { model = model })
      assert.is_true(made and json.check(made) or not made and type(why) == "string")
    end
  end)

  for tier, want in pairs { priority = "priority", fast = "priority", flex = "flex", default = "default", reserved = "reserved" } do
    it("asks for the tier " .. tier, function() same { SONNET_45, '"service_tier":"' .. tier .. '"', { serviceTier = { type = want } } } end)
  end

  it("knows the tier auto, and not scale", function()
    same { SONNET_45, '"service_tier":"auto"', {} }
    same { SONNET_45, '"service_tier":"scale"', {}, { "service_tier" } }
  end)
end)

describe("Reasoning on Bedrock", function()
  local function thinking(budget) return { thinking = { type = "enabled", budget_tokens = budget } } end
  local function adaptive(effort, display) return { thinking = { type = "adaptive", display = display }, output_config = { effort = effort } } end
  local function nova(effort) return { reasoningConfig = { type = "enabled", maxReasoningEffort = effort } } end

  for _, case in ipairs {
    -- model     in the chat                                              fields                            what else is sent
    { SONNET_45, '"reasoning":{"max_tokens":2000}',                       thinking(2000) },
    { SONNET_45, '"reasoning":{"max_tokens":100}',                        thinking(1024) },
    { SONNET_45, '"reasoning":{"effort":"high"},"max_tokens":10000',      thinking(8000),                   { maxTokens = 10000 } },
    { SONNET_45, '"reasoning_effort":"low","max_tokens":10000',           thinking(2000),                   { maxTokens = 10000 } },
    { SONNET_45, '"reasoning":{"effort":"minimal"},"max_tokens":2000',    thinking(1024),                   { maxTokens = 2000 } },
    { SONNET_45, '"reasoning":{"max_tokens":9000},"max_tokens":4000',     thinking(3800),                   { maxTokens = 4000 } },
    { SONNET_45, '"reasoning":{"effort":"high"},"max_tokens":1024',       nil,                              { maxTokens = 1024 }, { "reasoning" } },
    { SONNET_45, '"reasoning":{"effort":"none"}' },
    { SONNET_45, '"reasoning":{"enabled":false}' },
    { SONNET_45, '"reasoning":{"exclude":true}' },
    { OPUS_46,   '"reasoning":{"effort":"high"}',                         adaptive "high" },
    { OPUS_46,   '"reasoning":{"effort":"minimal"}',                      adaptive "low" },
    { OPUS_46,   '"reasoning":{"effort":"xhigh"}',                        adaptive "high" },
    { OPUS_46,   '"reasoning":{"max_tokens":3000}',                       thinking(3000) },
    { OPUS_46,   '"reasoning":{"enabled":true},"verbosity":"max"',        adaptive "max" },
    { OPUS_47,   '"reasoning":{"effort":"xhigh"}',                        adaptive("xhigh", "summarized") },
    { OPUS_47,   '"reasoning":{"effort":"high","exclude":true}',          adaptive "high" },
    { OPUS_47,   '"reasoning":{"max_tokens":3000},"max_tokens":4000',     adaptive("high", "summarized"),   { maxTokens = 4000 } },
    { OPUS_47,   '"reasoning":{"effort":"none"}' },
    { HAIKU_3,   '"reasoning":{"effort":"high"}',                         nil,                              nil, { "reasoning" } },
    { NOVA_2,    '"reasoning":{"effort":"low"},"max_tokens":100',         nova "low",                       { maxTokens = 100 } },
    { NOVA_2,    '"reasoning":{"effort":"xhigh"}',                        nova "high" },
    { NOVA_2,    '"reasoning":{"effort":"high"},"temperature":0.5,"top_p":0.9', nova "high",                nil, { "temperature", "top_p" } },
    { NOVA_2,    '"reasoning":{"effort":"high"},"max_tokens":100',        nova "medium",                    { maxTokens = 100 }, { "reasoning" } },
    { NOVA_2,    '"reasoning":{"effort":"none"}' },
    { NOVA,      '"reasoning":{"effort":"low"}',                          nil,                              nil, { "reasoning" } },
    { GPT_OSS,   '"reasoning":{"effort":"xhigh"}',                        { reasoning_effort = "high" } },
    { GPT_OSS,   '"reasoning":{"effort":"none"}',                         { reasoning_effort = "low" } },
    { GPT,       '"reasoning":{"effort":"minimal"}',                      { reasoning = { effort = "low", summary = "auto" } } },
    { GPT,       '"reasoning":{"effort":"max","summary":"detailed"}',     { reasoning = { effort = "max", summary = "detailed" } } },
    { GPT,       '"reasoning":{"effort":"high","exclude":true}',          { reasoning = { effort = "high" } } },
    { GPT,       '"reasoning":{"effort":"none"}',                         { reasoning = { effort = "none" } } },
    { "deepseek.v3-v1:0", '"reasoning":{"effort":"high"}',                { reasoning_effort = "high" } },
    { "deepseek.v3-v1:0", '"reasoning":{"effort":"none"}' },
    { "us.deepseek.r1-v1:0", '"reasoning":{"effort":"high"}',             nil,                              nil, { "reasoning" } },
    { "qwen.qwen3-32b-v1:0", '"reasoning":{"effort":"medium"}',           { reasoning_config = "high" } },
    { "moonshot.kimi-k2-thinking", '"reasoning":{"effort":"medium"}',     { reasoning_effort = "medium" } },
    { LLAMA,     '"reasoning":{"effort":"high"}',                         nil,                              nil, { "reasoning" } },
    { LLAMA,     '"reasoning":{"effort":"none"}' },
    { PROFILE,   '"reasoning":{"effort":"high"}',                         nil,                              nil, { "reasoning" } },
  } do
    it("is asked of " .. case[1] .. " for " .. case[2], function()
      same { case[1], case[2], { additionalModelRequestFields = case[3], inferenceConfig = case[4] }, case[5] }
    end)
  end

  it("takes the endpoint's longest answer for its share where the request has no limit", function()
    local body = chat_to_bedrock_converse.request('{"messages":[' .. USER .. '],"reasoning":{"effort":"medium"}}',
      { model = SONNET_45, max_completion_tokens = 20000 })
    assert.same(thinking(10000), cjson.decode(body).additionalModelRequestFields)
  end)

  it("gives way to a tool that must be called", function()
    local body, lost = convert('"reasoning":{"max_tokens":2000},"tool_choice":"required",'
      .. '"tools":[{"type":"function","function":{"name":"f"}}]')
    assert.is_nil(body.additionalModelRequestFields)
    assert.same({ any = {} }, body.toolConfig.toolChoice)
    assert.same({ "reasoning" }, lost)
  end)

  it("is turned off for a tool that must be called, where a model thinks by itself", function()
    for _, reasoning in ipairs { "", '"reasoning":{"effort":"high"},' } do
      local body = cjson.decode((chat_to_bedrock_converse.request('{"messages":[' .. USER .. "]," .. reasoning
        .. '"tool_choice":"required","tools":[{"type":"function","function":{"name":"f"}}]}',
        { model = "anthropic.claude-opus-5" })))
      assert.same({ thinking = { type = "disabled" } }, body.additionalModelRequestFields)
      assert.same({ any = {} }, body.toolConfig.toolChoice)
    end
  end)

  it("forbids Claude other sampling", function()
    local body, lost = convert '"reasoning":{"max_tokens":2000},"temperature":0.5,"top_p":0.5,"top_k":3'
    assert.same(thinking(2000), body.additionalModelRequestFields)
    assert.is_nil(body.inferenceConfig)
    assert.same({ "temperature", "top_k", "top_p" }, lost)
    body, lost = convert '"reasoning":{"max_tokens":2000},"temperature":1'
    assert.same({ temperature = 1 }, body.inferenceConfig)
    assert.same({}, lost)
  end)

  for name, case in pairs {
    ["begun without a thought"] = { '{"role":"assistant","content":"","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},'
      .. '{"role":"tool","tool_call_id":"a","content":"1"}', nil, { "reasoning" } },
    ["begun with one"] = { '{"role":"assistant","reasoning_details":[{"type":"reasoning.text","text":"t","signature":"s","format":"anthropic-claude-v1"}],'
      .. '"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"1"}', true },
    ["begun for the model"] = { '{"role":"assistant","content":"So"}', nil, { "reasoning" } },
    ["asked anew"] = { '{"role":"assistant","content":"So"},' .. USER, true },
  } do
    it("is not asked for with a budget in an answer that was not begun so: " .. name, function()
      local text, lost = chat_to_bedrock_converse.request('{"messages":[' .. USER .. "," .. case[1]
        .. '],"reasoning":{"max_tokens":2000}}', { model = SONNET_45 })
      local out = cjson.decode(text)
      assert.equal(case[2], out.additionalModelRequestFields and out.additionalModelRequestFields.thinking ~= nil or nil)
      assert.same(case[3] or {}, lost)
    end)
  end
end)

describe("Messages on Bedrock", function()
  it("have their system blocks outside, in order, and turns that alternate", function()
    local turns, system = converse(SONNET_45, '{"role":"system","content":"A"}', '{"role":"developer","content":[{"type":"text","text":"B"}]}',
      USER, '{"role":"user","content":"ho","name":"Ann"}', '{"role":"assistant","content":"Yes."}', '{"role":"assistant","content":"No."}', USER)
    assert.same({ { text = "A" }, { text = "B" } }, system)
    assert.same({
      { role = "user", content = { { text = "hi" }, { text = "Ann: ho" } } },
      { role = "assistant", content = { { text = "Yes." }, { text = "No." } } },
      { role = "user", content = { { text = "hi" } } },
    }, turns)
  end)

  it("keep later instructions where they stand", function()
    local turns, system = converse(SONNET_45, '{"role":"system","content":"A"}', USER, '{"role":"system","content":"B"}')
    assert.same({ { text = "A" } }, system)
    assert.same({ { role = "user", content = { { text = "hi" }, { text = "<system-reminder>\nB\n</system-reminder>" } } } }, turns)
  end)

  it("ask for an answer with instructions alone", function()
    local turns, system = converse(SONNET_45, '{"role":"system","content":"A"}')
    assert.same({ { role = "user", content = { { text = "A" } } } }, turns)
    assert.is_nil(system)
  end)

  it("begin with the user, whoever spoke first", function()
    assert.same({ { role = "user", content = { { text = "Begin." } } }, { role = "assistant", content = { { text = "Hello" } } },
      { role = "user", content = { { text = "hi" } } } }, (converse(SONNET_45, '{"role":"assistant","content":"Hello"}', USER)))
  end)

  it("have no blank blocks, which Bedrock refuses", function()
    local turns, system = converse(SONNET_45, '{"role":"system","content":""}',
      '{"role":"user","content":[{"type":"text","text":" \\n"},{"type":"text","text":"x"}]}',
      '{"role":"assistant","content":""}', '{"role":"assistant","content":null}', USER)
    assert.is_nil(system)
    assert.same({ { role = "user", content = { { text = "x" }, { text = "hi" } } } }, turns)
  end)

  it("say something", function()
    assert.equal("Amazon Bedrock wants a message of the user that says something", refused '{"role":"user","content":" "}')
    assert.equal("Amazon Bedrock wants a message of the user that says something", refused())
    assert.is_nil((chat_to_bedrock_converse.request("{", { model = SONNET_45 })))
  end)

  it("begin an answer without white space at its end", function()
    local turns = converse(SONNET_45, USER, '{"role":"assistant","content":"The answer is \\n"}')
    assert.same({ { text = "The answer is" } }, turns[2].content)
  end)

  it("tell what has no place", function()
    local _, _, lost = converse(SONNET_45,
      '{"role":"system","content":[{"type":"text","text":"A"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}',
      '{"role":"user","content":[{"type":"text","text":"A"},{"type":"file","file":{"file_id":"f"}},{"type":"hologram"}]}',
      '{"role":"assistant","content":"B","images":[{"type":"image_url"}],"audio":{"id":"a"}}', '{"role":"function","content":"C"}')
    assert.same({ "messages.audio", "messages.file_id", "messages.function", "messages.hologram", "messages.image", "messages.images" }, lost)
  end)
end)

describe("Media on Bedrock", function()
  local DATA = "data:%s;base64,AAEC"
  local BYTES = { bytes = "AAEC" }

  for _, case in ipairs {
    -- media type                  block      format
    { "image/png",                 "image",   "png" },
    { "image/jpg",                 "image",   "jpeg" },
    { "image/webp",                "image",   "webp" },
    { "video/mp4",                 "video",   "mp4" },
    { "video/quicktime",           "video",   "mov" },
    { "video/3gpp",                "video",   "three_gp" },
    { "audio/mpeg",                "audio",   "mp3" },
  } do
    local media, kind, format = unpack(case)
    it("of type " .. media .. " are " .. kind .. " of format " .. format, function()
      local url = DATA:format(media)
      local want = { [kind] = { format = format, source = BYTES } }
      local parts = { image = '{"type":"image_url","image_url":{"url":"' .. url .. '","detail":"high"}}',
                      video = '{"type":"video_url","video_url":{"url":"' .. url .. '"}}' }
      if parts[kind] then assert.same({ want }, (blocks_of(parts[kind]))) end
      assert.same({ want }, (blocks_of('{"type":"file","file":{"filename":"x","file_data":"' .. url .. '"}}')))
    end)
  end

  it("may be sound", function()
    assert.same({ { audio = { format = "wav", source = BYTES } } }, (blocks_of '{"type":"input_audio","input_audio":{"format":"wav","data":"AAEC"}}'))
  end)

  for _, case in ipairs {
    -- name                     media type                          format  name there
    { "report.pdf",             "application/pdf",                  "pdf",  "report" },
    { "Q3_report v1.2.docx",    "application/octet-stream",         "docx", "Q3-report v1-2" },
    { "C:\\\\My  files\\\\a.csv", "text/csv",                       "csv",  "a" },
    { "dir/n\\u00e4chste (1) [x].md", "text/markdown",              "md",   "n-chste (1) [x]" },
    { "",                       "text/plain",                       "txt",  "document" },
    { ".txt",                   "text/x-python",                    "txt",  "document" },
    { "data.json",              "application/json",                 "txt",  "data" },
    { "b",                      "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", "b" },
  } do
    it("are documents: " .. case[1] .. " of type " .. case[2], function()
      assert.same({ { text = "?" }, { document = { format = case[3], name = case[4], source = BYTES } } },
        (blocks_of('{"type":"text","text":"?"},{"type":"file","file":{"filename":"' .. case[1] .. '","file_data":"' .. DATA:format(case[2]) .. '"}}')))
    end)
  end

  it("have names of their own in the whole conversation, however long", function()
    local file = '{"type":"file","file":{"filename":"' .. ("x"):rep(300) .. '.pdf","file_data":"' .. DATA:format "application/pdf" .. '"}}'
    local turns = converse(SONNET_45, '{"role":"user","content":[' .. file .. ',{"type":"text","text":"?"}]}', '{"role":"assistant","content":"!"}',
      '{"role":"user","content":[' .. file .. ',{"type":"text","text":"?"}]}')
    assert.equal(("x"):rep(200), turns[1].content[1].document.name)
    assert.equal(("x"):rep(196) .. " (2)", turns[3].content[1].document.name)
  end)

  it("may be cited, with a context", function()
    local blocks = blocks_of('{"type":"text","text":"?"},{"type":"file","citations":{"enabled":true},"context":"HR","file":{"filename":"p.txt","file_data":"'
      .. DATA:format "text/plain" .. '"}}')
    assert.same({ document = { format = "txt", name = "p", source = BYTES, citations = { enabled = true }, context = "HR" } }, blocks[2])
  end)

  it("are lost where no media may stand, also those that Bedrock cannot fetch", function()
    local turns, _, lost = converse(SONNET_45, USER, '{"role":"assistant","content":[{"type":"text","text":"a"},'
      .. '{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}', USER)
    assert.same({ { text = "a" } }, turns[2].content)
    assert.same({ "messages.image" }, lost)
  end)

  it("have a text beside them when they are documents, which Bedrock insists on", function()
    assert.same({ { text = "See the document." }, { document = { format = "txt", name = "p", source = BYTES } } },
      (blocks_of('{"type":"file","file":{"filename":"p.txt","file_data":"' .. DATA:format "text/plain" .. '"}}')))
  end)

  it("may be Anthropic's: search results, and documents of texts", function()
    assert.same({
      { text = "?" },
      { searchResult = { source = "https://s/", title = "S", content = { { text = "a" } }, citations = { enabled = true } } },
      { document = { name = "D", source = { content = { { text = "b" }, { text = "c" } } } } },
    }, (blocks_of('{"type":"text","text":"?"},'
      .. '{"type":"search_result","source":"https://s/","title":"S","content":[{"type":"text","text":"a"}],"citations":{"enabled":true}},'
      .. '{"type":"document","title":"D","source":{"type":"content","content":[{"type":"text","text":"b"},{"type":"text","text":"c"}]}}')))
  end)

  it("may lie in S3", function()
    assert.same({
      { text = "?" },
      { image = { format = "jpeg", source = { s3Location = { uri = "s3://bucket/kiwi.jpg" } } } },
      { video = { format = "mov", source = { s3Location = { uri = "s3://bucket/a.mov" } } } },
      { document = { format = "pdf", name = "dummy", source = { s3Location = { uri = "s3://bucket/dummy.pdf" } } } },
    }, (blocks_of('{"type":"text","text":"?"},'
      .. '{"type":"image_url","image_url":{"url":"s3://bucket/kiwi.jpg"}},{"type":"video_url","video_url":{"url":"s3://bucket/a.mov"}},'
      .. '{"type":"file","file":{"filename":"dummy.pdf","file_url":"s3://bucket/dummy.pdf"}}')))
  end)

  for name, case in pairs {
    ["an address on the web"] = { '{"type":"image_url","image_url":{"url":"https://example.org/a.png"}}',
      "Amazon Bedrock fetches nothing: send the image in base64 (a data URL), or as an s3:// URL" },
    ["a format it does not know"] = { '{"type":"image_url","image_url":{"url":"data:image/bmp;base64,AA=="}}',
      "Amazon Bedrock does not take this kind of image: image/bmp" },
    ["a file of an unknown kind"] = { '{"type":"file","file":{"filename":"a.zip","file_data":"data:application/zip;base64,AA=="}}',
      "Amazon Bedrock does not take this kind of document: application/zip" },
  } do
    it("are refused in words: " .. name, function()
      assert.equal(case[2], refused('{"role":"user","content":[' .. case[1] .. "]}"))
    end)
  end
end)

describe("Cache points on Bedrock", function()
  local POINT, HOUR = { cachePoint = { type = "default" } }, { cachePoint = { type = "default", ttl = "1h" } }
  local MARK, MARK_1H = '"cache_control":{"type":"ephemeral"}', '"cache_control":{"type":"ephemeral","ttl":"1h"}'
  local MARKED = '{"type":"text","text":"x",' .. MARK .. "}"

  it("stand behind the part, the message, the call, the result and the tool that ask for them", function()
    local turns, system, lost, out = converse(SONNET_45, '{"role":"system","content":[{"type":"text","text":"A",' .. MARK_1H .. '}]}',
      '{"role":"user","content":[' .. MARKED .. ',{"type":"text","text":"y"}]}',
      '{"role":"assistant","content":"z","tool_calls":[{"id":"a",' .. MARK .. ',"type":"function","function":{"name":"f","arguments":"{}"}}]}',
      '{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"1",' .. MARK .. '}]}',
      '{"role":"user","content":"w",' .. MARK .. "}")
    assert.same({ { text = "A" }, HOUR }, system)
    assert.same({ { text = "x" }, POINT, { text = "y" } }, turns[1].content)
    assert.same({ { text = "z" }, { toolUse = { toolUseId = "a", name = "f", input = {} } }, POINT }, turns[2].content)
    assert.same({ { toolResult = { toolUseId = "a", content = { { text = "1" } } } }, POINT, { text = "w" }, POINT }, turns[3].content)
    assert.same({}, lost)
    assert.is_nil(out.toolConfig.tools[2])
    out = convert('"tools":[{"type":"function","function":{"name":"f"},' .. MARK_1H .. "}]")
    assert.same(HOUR, out.toolConfig.tools[2])
  end)

  it("stand at the end when the whole request asks for one", function()
    local body = convert(MARK)
    assert.same({ { text = "hi" }, POINT }, body.messages[1].content)
  end)

  it("stand only where the model keeps a cache", function()
    local request = '"tools":[{"type":"function","function":{"name":"f"},' .. MARK .. "}]," .. MARK
    local body, lost = convert(request, NOVA)
    assert.same({ 1, POINT, { "cache_control" } }, { #body.toolConfig.tools, body.messages[1].content[2], lost })
    body, lost = convert(request, LLAMA)
    assert.same({ 1, 1, { "cache_control" } }, { #body.toolConfig.tools, #body.messages[1].content, lost })
    body, lost = convert(request, PROFILE)
    assert.same({ 2, 2, {} }, { #body.toolConfig.tools, #body.messages[1].content, lost })
  end)

  it("never stand alone", function()
    assert.same({ { text = "y" } }, (blocks_of('{"type":"text","text":"",' .. MARK .. '},{"type":"text","text":"y"}')))
  end)
end)

describe("Tools on Bedrock", function()
  local F = '{"type":"function","function":{"name":"f","description":"d","parameters":{ "type":"object", "z":1, "a":1.0 }}}'

  it("keep the text of their schemas", function()
    local _, _, text = convert('"tools":[' .. F .. "]")
    assert.truthy(text:find('{"toolSpec":{"description":"d","inputSchema":{"json":{ "type":"object", "z":1, "a":1.0 }},"name":"f"}}', 1, true))
  end)

  it("have a schema and a description that says something, or none", function()
    local body = convert '"tools":[{"type":"function","function":{"name":"f","description":""}},{"type":"function","function":{"name":"g","parameters":{}}}]'
    local none = { type = "object", properties = {} }
    assert.same({ { toolSpec = { name = "f", inputSchema = { json = none } } }, { toolSpec = { name = "g", inputSchema = { json = none } } } },
      body.toolConfig.tools)
  end)

  for _, case in ipairs {
    { '"auto"' },
    { '"required"',                                    { any = {} } },
    { '{"type":"function","function":{"name":"f"}}',   { tool = { name = "f" } } },
  } do
    it("are chosen: " .. case[1], function()
      local body, lost = convert('"tools":[' .. F .. '],"tool_choice":' .. case[1])
      assert.same(case[2], body.toolConfig.toolChoice)
      assert.same({}, lost)
    end)
  end

  it("are called one at a time by a Claude that can be told so", function()
    local tools = '"parallel_tool_calls":false,"tools":[' .. F .. "]"
    local body, lost = convert(tools)
    assert.same({ tool_choice = { type = "auto", disable_parallel_tool_use = true } }, body.additionalModelRequestFields)
    assert.same({}, lost)
    for _, case in ipairs { { tools, NOVA }, { tools, HAIKU_3 }, { tools .. ',"tool_choice":"required"', SONNET_45 } } do
      body, lost = convert(case[1], case[2])
      assert.is_nil(body.additionalModelRequestFields)
      assert.same({ "parallel_tool_calls" }, lost)
    end
  end)

  local CALL = '{"role":"assistant","content":"","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}'
  local RESULT = '{"role":"tool","tool_call_id":"a","content":"1"}'

  it("are withheld when none may be chosen, but not from a conversation that used them", function()
    assert.is_nil(convert('"tools":[' .. F .. '],"tool_choice":"none"').toolConfig)
    local text, lost = chat_to_bedrock_converse.request('{"messages":[' .. table.concat({ USER, CALL, RESULT }, ",") .. '],"tools":[' .. F
      .. '],"tool_choice":"none"}', { model = SONNET_45 })
    assert.equal("f", cjson.decode(text).toolConfig.tools[1].toolSpec.name)
    assert.same({ "tool_choice" }, lost)
  end)

  it("are defined for a conversation that used them, also when there are none any more", function()
    local _, _, lost, out = converse(SONNET_45, USER, CALL, RESULT, CALL, RESULT)
    assert.same({ { toolSpec = { name = "f", description = "Not available any more.", inputSchema = { json = { type = "object", properties = {} } } } } },
      out.toolConfig.tools)
    assert.same({}, lost)
  end)

  it("are strict where the model can be", function()
    local strict = '"tools":[{"type":"function","function":{"name":"f","strict":true}}]'
    assert.is_true(convert(strict).toolConfig.tools[1].toolSpec.strict)
    local body, lost = convert(strict, NOVA)
    assert.is_nil(body.toolConfig.tools[1].toolSpec.strict)
    assert.same({ "tools.strict" }, lost)
  end)

  it("may be Bedrock's own; others are lost", function()
    local body, lost = convert('"tools":[{"systemTool":{"name":"nova_grounding"}},{"type":"openrouter:web_search"}]', NOVA_2)
    assert.same({ { systemTool = { name = "nova_grounding" } } }, body.toolConfig.tools)
    assert.same({ "tools.openrouter:web_search" }, lost)
  end)

  it("are called with their arguments' text, and answer before all else in their turn", function()
    local turns = converse(SONNET_45, USER,
      '{"role":"assistant","content":"Let me.","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},'
        .. '{"id":"b","type":"function","function":{"name":"g","arguments":"{\\"z\\":1}"}}]}', RESULT,
      '{"role":"user","content":"Hurry."}', '{"role":"tool","tool_call_id":"b","content":"no","is_error":true}')
    assert.same({
      { text = "Let me." }, { toolUse = { toolUseId = "a", name = "f", input = {} } }, { toolUse = { toolUseId = "b", name = "g", input = { z = 1 } } },
    }, turns[2].content)
    assert.same({
      { toolResult = { toolUseId = "a", content = { { text = "1" } } } },
      { toolResult = { toolUseId = "b", content = { { text = "no" } }, status = "error" } }, { text = "Hurry." },
    }, turns[3].content)
    local text = chat_to_bedrock_converse.request('{"messages":[' .. USER .. ',{"role":"assistant","tool_calls":[{"id":"a",'
      .. '"type":"function","function":{"name":"f","arguments":"{ \\"n\\": 12345678901234567890, \\"a\\": 1.0 }"}}]}]}', { model = SONNET_45 })
    assert.truthy(text:find('"input":{ "n": 12345678901234567890, "a": 1.0 }', 1, true))
  end)

  it("answer with pictures and documents, and with something when it is nothing", function()
    local turns = converse(SONNET_45, USER, CALL, '{"role":"tool","tool_call_id":"a","content":['
      .. '{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}},'
      .. '{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AA=="}}]}')
    local bytes = { bytes = "AA==" }
    assert.same({ { image = { format = "png", source = bytes } }, { document = { format = "pdf", name = "a", source = bytes } } },
      turns[3].content[1].toolResult.content)
    turns = converse(SONNET_45, USER, CALL, '{"role":"tool","tool_call_id":"a","content":""}')
    assert.same({ { json = {} } }, turns[3].content[1].toolResult.content)
  end)

  it("have failed only where the model hears of it", function()
    local turns, _, lost = converse(LLAMA, USER, CALL, '{"role":"tool","tool_call_id":"a","content":"no","is_error":true}')
    assert.is_nil(turns[3].content[1].toolResult.status)
    assert.same({ "messages.is_error" }, lost)
  end)

  local function call(id)
    return '{"role":"assistant","tool_calls":[{"id":' .. cjson.encode(id) .. ',"type":"function","function":{"name":"f","arguments":"{}"}}]}'
  end
  local function result(id) return '{"role":"tool","tool_call_id":' .. cjson.encode(id) .. ',"content":"1"}' end

  it("have the ids of their calls also where two calls have one", function()
    local two = call("a"):gsub('"tool_calls":%[(.*)%]}$', '"tool_calls":[%1,%1]}')
    local turns = converse(SONNET_45, USER, two, result "a", result "a")
    assert.same({ "a", "a_2" }, { turns[2].content[1].toolUse.toolUseId, turns[2].content[2].toolUse.toolUseId })
    assert.same({ "a", "a_2" }, { turns[3].content[1].toolResult.toolUseId, turns[3].content[2].toolResult.toolUseId })
  end)

  it("may be of custom tools, which become ones with an input", function()
    local turns, _, lost = converse(SONNET_45, USER, '{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"x","input":"ls"}}]}',
      result "c")
    assert.same({ toolUse = { toolUseId = "c", name = "x", input = { input = "ls" } } }, turns[2].content[1])
    assert.same({}, lost)
  end)

  it("have ids that Bedrock takes, each once in a conversation", function()
    local long = ("x"):rep(70)
    for _, case in ipairs {
      { { "call_1" },                     { "call_1" } },
      { { "functions.f:0" },              { "functions_f_0" } },
      { { "a.b", "a:b" },                 { "a_b", "a_b_2" } },
      { { "0", "0", "0" },                { "0", "0_2", "0_3" } },
      { { long .. "1", long .. "2" },     { ("x"):rep(64), ("x"):rep(62) .. "_2" } },
      { { "" },                           { "call" } },
    } do
      local messages = { USER }
      for _, id in ipairs(case[1]) do messages[#messages + 1], messages[#messages + 2] = call(id), result(id) end
      local turns = converse(SONNET_45, unpack(messages))
      for i, want in ipairs(case[2]) do
        assert.equal(want, turns[2 * i].content[1].toolUse.toolUseId)
        assert.equal(want, turns[2 * i + 1].content[1].toolResult.toolUseId)
      end
    end
  end)
end)

describe("Reasoning that comes back to Bedrock", function()
  local function said(details, model, more)
    local turns, _, lost = converse(model, USER, '{"role":"assistant","content":"B"' .. (more or "") .. ',"reasoning_details":[' .. details .. "]}", USER)
    local content = turns[2].content
    local last = table.remove(content)
    assert.same({ text = "B" }, last)
    return content, lost
  end
  local function signed(text, signature) return { reasoningContent = { reasoningText = { text = text, signature = signature } } } end

  local CLAUDE_TEXT = '{"type":"reasoning.text","text":"A","signature":"s","format":"anthropic-claude-v1","index":0}'
  local REDACTED = '{"type":"reasoning.encrypted","data":"EqoI","format":"anthropic-claude-v1","index":1}'
  local SEALED = '{"type":"reasoning.encrypted","data":"AAEC","format":"bedrock-converse","index":0}'
  local OWN_TEXT = '{"type":"reasoning.text","text":"A","format":"bedrock-converse","index":0}'

  it("is put together of a stream's fragments", function()
    local fragments = {}
    for i, f in ipairs { { 0, "text", "A" }, { 0, "text", "b" }, { 0, "signature", "s1" }, { 1, "text", "c" }, { 1, "signature", "s2" },
                         { 1, "text", "d" }, { 1, "signature", "s3" } } do
      fragments[i] = ('{"type":"reasoning.text","%s":"%s","format":"anthropic-claude-v1","index":%d}'):format(f[2], f[3], f[1])
    end
    assert.same({ signed("Ab", "s1"), signed("c", "s2"), signed("d", "s3") }, (said(table.concat(fragments, ","), SONNET_45)))
  end)

  local SIGNED, BLOB = signed("A", "s"), { reasoningContent = { redactedContent = "RXFvSQ==" } }
  for _, case in ipairs {
    -- model        details                             blocks                                        lost
    { SONNET_45,    CLAUDE_TEXT .. "," .. REDACTED,     { SIGNED, BLOB } },
    { PROFILE,      CLAUDE_TEXT .. "," .. REDACTED,     { SIGNED, BLOB } },
    { SONNET_45,    OWN_TEXT,                           {} },
    { SONNET_45,    SEALED,                             {},                                           true },
    { GPT,          SEALED,                             { { reasoningContent = { redactedContent = "AAEC" } } } },
    { GPT,          REDACTED,                           {},                                           true },
    { GPT_OSS,      OWN_TEXT,                           { { reasoningContent = { reasoningText = { text = "A" } } } } },
    { GPT_OSS,      CLAUDE_TEXT,                        { { reasoningContent = { reasoningText = { text = "A" } } } } },
    { "us.deepseek.r1-v1:0", OWN_TEXT,                  {} },
    { LLAMA,        CLAUDE_TEXT,                        {},                                           true },
  } do
    it("goes to " .. case[1] .. " as it was, or not at all: " .. case[2], function()
      local blocks, lost = said(case[2], case[1])
      assert.same(case[3], blocks)
      assert.same(case[4] and { "messages.reasoning" } or {}, lost)
    end)
  end

  it("may be plain text for who takes that", function()
    local turns, _, lost = converse(GPT_OSS, USER, '{"role":"assistant","content":"B","reasoning":"A"}')
    assert.same({ { reasoningContent = { reasoningText = { text = "A" } } }, { text = "B" } }, turns[2].content)
    assert.same({}, lost)
    turns, _, lost = converse(SONNET_45, USER, '{"role":"assistant","content":"B","reasoning":"A"}')
    assert.same({ { text = "B" } }, turns[2].content)
    assert.same({}, lost)
  end)

  it("stands where Anthropic's markers say", function()
    local function marker(data) return '{"type":"reasoning.server_tool_call","format":"anthropic-claude-v1","data":' .. json.encode(data) .. "}" end
    local details = { marker '{"type":"text","chars":2}', CLAUDE_TEXT, marker '{"type":"tool_use","id":"t"}', REDACTED }
    local turns = converse(SONNET_45, USER, '{"role":"assistant","content":"\\u00e4bc","tool_calls":[{"id":"t","type":"function",'
      .. '"function":{"name":"f","arguments":"{}"}}],"reasoning_details":[' .. table.concat(details, ",") .. "]}")
    assert.same({ { text = "äb" }, SIGNED, { toolUse = { toolUseId = "t", name = "f", input = {} } }, BLOB, { text = "c" } }, turns[2].content)
  end)
end)

describe("Answers in a format from Bedrock", function()
  local FORMAT = '"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","strict":true,"schema":{ "type":"object", "n":1.0 }}}'

  it("follow a schema, whose text is sent as a string", function()
    local body, lost = convert(FORMAT)
    assert.same({ textFormat = { type = "json_schema", structure = { jsonSchema = { name = "n", description = "d",
      schema = '{ "type":"object", "n":1.0 }' } } } }, body.outputConfig)
    assert.same({}, lost)
  end)

  it("are free where the model knows no formats, and where there is no schema", function()
    for _, case in ipairs { { FORMAT, NOVA }, { FORMAT, HAIKU_3 }, { '"response_format":{"type":"json_object"}', SONNET_45 } } do
      local body, lost = convert(case[1], case[2])
      assert.is_nil(body.outputConfig)
      assert.same({ "response_format" }, lost)
    end
    same { SONNET_45, '"response_format":{"type":"text"}', {} }
  end)
end)

describe("chat_to_bedrock_converse.count", function()
  it("asks for the tokens of messages, system, tools and the model's own fields", function()
    local text, lost = chat_to_bedrock_converse.count('{"messages":[{"role":"system","content":"S"},' .. USER .. '],"max_tokens":2000,"temperature":1,'
      .. '"reasoning":{"max_tokens":1500},"tools":[{"type":"function","function":{"name":"f"}}]}', { model = SONNET_45 })
    assert.equal('{"input":{"converse":{"additionalModelRequestFields":{"thinking":{"budget_tokens":1500,"type":"enabled"}},'
      .. '"messages":[{"content":[{"text":"hi"}],"role":"user"}],"system":[{"text":"S"}],'
      .. '"toolConfig":{"tools":[{"toolSpec":{"inputSchema":{"json":{"type":"object","properties":{}}},"name":"f"}}]}}}}', text)
    assert.same({}, lost)
  end)
end)

describe("bedrock_models", function()
  for id, want in pairs {
    ["anthropic.claude-3-haiku-20240307-v1:0"] = "anthropic.claude",
    ["eu.anthropic.claude-sonnet-5"] = "anthropic.claude",
    ["arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"] = "anthropic.claude",
    ["arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-2-lite-v1:0"] = "amazon.nova-2",
    ["amazon.nova-micro-v1:0"] = "amazon.nova", ["us.deepseek.r1-v1:0"] = "deepseek.r1", ["deepseek.v3-v1:0"] = "deepseek.",
    ["openai.gpt-oss-20b-1:0"] = "openai.gpt-oss", ["global.openai.gpt-6-astra"] = "openai.",
    ["moonshotai.kimi-k2.5"] = "moonshot",
  } do
    it("finds the family of " .. id, function() assert.equal(want, models.of(id).id) end)
  end

  it("takes an unknown id for one that takes everything", function()
    for _, id in ipairs { PROFILE, "", "imported-model/x" } do assert.is_nil(models.of(id).id) end
    assert.is_nil(models.of(nil).id)
  end)
end)
