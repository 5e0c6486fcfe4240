local json           = require("tidegate.core").json
local cjson          = require "cjson"
local chat_to_gemini = require "tidegate.convert.chat_to_gemini"
local gemini_to_chat = require "tidegate.convert.gemini_to_chat"
local signature      = require "tidegate.convert.gemini.signature"
local recordings     = require "wire_recordings"
local gemini         = require "readings.gemini"

local ABOUT = { wire = "gemini", model = "gemini-2.5-flash" }

-- A chat request with these members, beside a message to answer, as Google's request.
local function request(members, about)
  return chat_to_gemini.request('{"model":"m","messages":[{"role":"user","content":"Hi"}]' .. (members or "") .. "}", about or ABOUT)
end

-- The contents that come of these messages.
local function contents(messages, about)
  local text, lost = chat_to_gemini.request('{"messages":[' .. messages .. "]}", about or ABOUT)
  return text and json.pick(text, "contents"), lost, text and json.pick(text, "systemInstruction")
end

-- One member of what comes of a request.
local function member(path, members, about) return (json.pick(request(members, about), path)) end

describe("chat_to_gemini.request", function()
  describe("makes of messages:", function()
    for _, case in ipairs {
      { "a text", '{"role":"user","content":"Hi \\u00e9"}', '[{"parts":[{"text":"Hi é"}],"role":"user"}]' },
      { "turns of one role, one content",
        '{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"b"},{"type":"text","text":"c"}]},'
          .. '{"role":"assistant","content":"d"},{"role":"assistant","content":"e"}',
        '[{"parts":[{"text":"a"},{"text":"b"},{"text":"c"}],"role":"user"},{"parts":[{"text":"d"},{"text":"e"}],"role":"model"}]' },
      { "a name, before the text", '{"role":"user","name":"Eve","content":"a"}', '[{"parts":[{"text":"Eve: a"}],"role":"user"}]' },
      { "an instruction later on, a word of the user's",
        '{"role":"user","content":"a"},{"role":"system","content":"b"}', '[{"parts":[{"text":"a"},{"text":"b"}],"role":"user"}]' },
      { "nothing but instructions, a question", '{"role":"system","content":"a"}', '[{"parts":[{"text":"a"}],"role":"user"}]' },
      { "an image", '{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}',
        '[{"parts":[{"inlineData":{"data":"AA==","mimeType":"image/png"}}],"role":"user"}]' },
      { "an image that is elsewhere", '{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x.example/a.WEBP?x=1"}}]}',
        '[{"parts":[{"fileData":{"fileUri":"https://x.example/a.WEBP?x=1","mimeType":"image/webp"}}],"role":"user"}]' },
      { "audio", '{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA==","format":"mp3"}}]}',
        '[{"parts":[{"inlineData":{"data":"AA==","mimeType":"audio/mp3"}}],"role":"user"}]' },
      { "a video on YouTube", '{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://www.youtube.com/watch?v=1"}}]}',
        '[{"parts":[{"fileData":{"fileUri":"https://www.youtube.com/watch?v=1"}}],"role":"user"}]' },
      { "a video in a bucket", '{"role":"user","content":[{"type":"video_url","video_url":{"url":"gs://b/v"}}]}',
        '[{"parts":[{"fileData":{"fileUri":"gs://b/v","mimeType":"video/mp4"}}],"role":"user"}]' },
      { "a PDF", '{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AA=="}}]}',
        '[{"parts":[{"inlineData":{"data":"AA==","mimeType":"application/pdf"}}],"role":"user"}]' },
      { "a file of Google's", '{"role":"user","content":[{"type":"file","file":{"file_id":"https://x.example/v1beta/files/1","filename":"a.csv"}}]}',
        '[{"parts":[{"fileData":{"fileUri":"https://x.example/v1beta/files/1","mimeType":"text/csv"}}],"role":"user"}]' },
      { "a refusal, a text", '{"role":"user","content":"a"},{"role":"assistant","content":null,"refusal":"No."}',
        '[{"parts":[{"text":"a"}],"role":"user"},{"parts":[{"text":"No."}],"role":"model"}]' },
      { "nothing of what is empty", '{"role":"user","content":"a"},{"role":"assistant","content":"b","refusal":"","reasoning_details":['
        .. '{"type":"reasoning.text","text":"","format":"google-gemini-v1"}]}',
        '[{"parts":[{"text":"a"}],"role":"user"},{"parts":[{"text":"b"}],"role":"model"}]' },
      { "a custom tool's call, one of a function",
        '{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"x","input":"ls"}}]},{"role":"tool","tool_call_id":"c","content":"r"}',
        '[{"parts":[{"functionCall":{"args":{"input":"ls"},"id":"c","name":"x"}}],"role":"model"},'
          .. '{"parts":[{"functionResponse":{"id":"c","name":"x","response":{"result":"r"}}}],"role":"user"}]' },
    } do
      it(case[1], function()
        local got, lost = contents(case[2])
        assert.equal(case[3], got)
        assert.same({}, lost)
      end)
    end

    local CALLS = '{"role":"user","content":"a"},{"role":"assistant","content":"","tool_calls":[{"id":"1","type":"function","function":'
      .. '{"name":"f","arguments":"{\\"z\\":12345678901234567890,\\"a\\":1.0}"}},{"id":"2","type":"function","function":{"name":"g","arguments":""}}]},'

    it("calls, and answers that find the name of theirs; arguments and objects keep their bytes", function()
      assert.equal('[{"parts":[{"text":"a"}],"role":"user"},'
        .. '{"parts":[{"functionCall":{"args":{"z":12345678901234567890,"a":1.0},"id":"1","name":"f"}},'
        .. '{"functionCall":{"args":{},"id":"2","name":"g"}}],"role":"model"},'
        .. '{"parts":[{"functionResponse":{"id":"2","name":"g","response":{"z":1.0,"a":[]}}},'
        .. '{"functionResponse":{"id":"1","name":"f","response":{"result":"[1]"}}}],"role":"user"},'
        .. '{"parts":[{"text":"b"}],"role":"user"}]',
        (contents(CALLS .. '{"role":"tool","tool_call_id":"2","content":"{\\"z\\":1.0,\\"a\\":[]}"},'
          .. '{"role":"tool","tool_call_id":"1","content":"[1]"},{"role":"user","content":"b"}')))
    end)

    it("calls without ids on Vertex, whose v1 knows none", function()
      local got = contents(CALLS .. '{"role":"tool","tool_call_id":"2","content":"x"}', { wire = "vertex", model = "gemini-2.5-pro" })
      assert.falsy(got:find('"id"', 1, true))
      assert.truthy(got:find('{"functionResponse":{"name":"g","response":{"result":"x"}}}', 1, true))
    end)

    it("answers that failed", function()
      local got = contents(CALLS .. '{"role":"tool","tool_call_id":"1","content":"no","is_error":true},'
        .. '{"role":"tool","tool_call_id":"2","content":"{\\"n\\":1}","is_error":true}')
      assert.truthy(got:find('"name":"f","response":{"error":"no"}', 1, true))
      assert.truthy(got:find('"name":"g","response":{"error":{"n":1}}', 1, true))
    end)

    it("media in answers: inside of them from Gemini 3 on, behind them before", function()
      local messages = CALLS .. '{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":'
        .. '{"url":"data:image/png;base64,AA=="}}]},{"role":"tool","tool_call_id":"2","content":"y"}'
      assert.truthy(contents(messages):find('{"functionResponse":{"id":"2","name":"g","response":{"result":"y"}}},{"inlineData":', 1, true))
      assert.truthy(contents(messages, { wire = "gemini", model = "gemini-3-flash-preview" })
        :find('"name":"f","parts":[{"inlineData":{"data":"AA==","mimeType":"image/png"}}],"response":{"result":"x"}', 1, true))
    end)

    it("instructions at the beginning, each a part; for Gemma 3, which takes none, a word of the user's", function()
      local messages = '{"role":"system","content":"a"},{"role":"developer","content":[{"type":"text","text":"b"}]},{"role":"user","content":"c"}'
      local got, _, system = contents(messages)
      assert.equal('{"parts":[{"text":"a"},{"text":"b"}]}', system)
      assert.equal('[{"parts":[{"text":"c"}],"role":"user"}]', got)
      got, _, system = contents(messages, { wire = "gemini", model = "gemma-3-27b-it" })
      assert.is_nil(system)
      assert.equal('[{"parts":[{"text":"a"},{"text":"b"},{"text":"c"}],"role":"user"}]', got)
    end)

    it("nothing, and says why, where nothing is said", function()
      for _, messages in ipairs { "", '{"role":"user","content":""}', '{"role":"assistant","content":null}' } do
        assert.same({ nil, "messages must have something to say" }, { chat_to_gemini.request('{"messages":[' .. messages .. "]}", ABOUT) })
      end
      assert.is_nil(chat_to_gemini.request("{", ABOUT))
    end)
  end)

  describe("gives back what a Gemini thought, each signature at its part:", function()
    -- The parts of Google's answer, through chat, in the next request.
    local function back(parts, about)
      local message = json.pick(gemini_to_chat.answer('{"candidates":[{"content":{"parts":[' .. parts .. "]}}]}", ABOUT), "choices.0.message")
      local got, lost = contents('{"role":"user","content":"a"},' .. message, about)
      assert.same({}, lost)
      return cjson.decode(json.pick(got, "1.parts"))
    end

    for name, parts in pairs {
      ["a text"] = '{"text":"a é","thoughtSignature":"S+/="}',
      ["the empty text at the end of a stream"] = '{"text":"a é"},{"text":"","thoughtSignature":"S"}',
      ["the first of two texts"] = '{"text":"é","thoughtSignature":"S"},{"text":"b"}',
      ["a thought"] = '{"text":"hm","thought":true,"thoughtSignature":"S"},{"text":"a"}',
      ["thoughts between texts"] = '{"text":"hm","thought":true},{"text":"a"},{"text":"so","thought":true,"thoughtSignature":"S"},{"text":"b"}',
      ["the first of two calls"] = '{"text":"a"},{"functionCall":{"id":"1","name":"f","args":{"n":1}},"thoughtSignature":"S"},'
        .. '{"functionCall":{"id":"2","name":"f","args":{}}}',
      ["code that was run between texts"] = '{"text":"é"},{"executableCode":{"language":"PYTHON","code":"1","id":"x"},"thoughtSignature":"S"},'
        .. '{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1","id":"x"}},{"text":"b"}',
      ["built-in tools"] = '{"toolCall":{"toolType":"FILE_SEARCH","id":"x"},"thoughtSignature":"S"},'
        .. '{"toolResponse":{"toolType":"FILE_SEARCH","id":"x"},"thoughtSignature":"T"},{"text":"a","thoughtSignature":"U"}',
      ["images"] = '{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AA=="},"thoughtSignature":"S"},'
        .. '{"inlineData":{"mimeType":"image/png","data":"BB=="},"thoughtSignature":"T"}',
    } do
      it(name, function() assert.same(cjson.decode("[" .. parts .. "]"), back(parts)) end)
    end

    it("at the text, the last one, where a client left out the places", function()
      local got = contents('{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_details":['
        .. '{"type":"reasoning.encrypted","data":"S","format":"google-gemini-v1","index":0},'
        .. '{"type":"reasoning.encrypted","data":"T","format":"google-gemini-v1","index":1}]}')
      assert.equal('[{"text":"","thoughtSignature":"S"},{"text":"b","thoughtSignature":"T"}]', (json.pick(got, "1.parts")))
    end)

    it("at whole characters, where a client changed the text", function()
      local got = contents('{"role":"user","content":"a"},{"role":"assistant","content":"éé","reasoning_details":['
        .. '{"type":"reasoning.encrypted","data":"S","format":"google-gemini-v1","index":0,"part":{"text":[1,99]}}]}')
      assert.equal('[{"text":"é"},{"text":"é","thoughtSignature":"S"}]', (json.pick(got, "1.parts")))
    end)

    it("and nothing of what another model thought, which is told", function()
      local got, lost = contents('{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning":"hm","reasoning_details":['
        .. '{"type":"reasoning.text","text":"hm","signature":"S","format":"anthropic-claude-v1","index":0}]}')
      assert.equal('[{"text":"b"}]', (json.pick(got, "1.parts")))
      assert.same({ "messages.reasoning_details" }, lost)
      assert.same({ "messages.reasoning" }, (select(2, contents '{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning":"hm"}')))
    end)

    local FOREIGN = '{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}},'
      .. '{"id":"2","type":"function","function":{"name":"f","arguments":"{}"}}]}'

    for model, is_signed in pairs { ["gemini-3-pro-preview"] = true, ["gemini-3.1-flash"] = true, ["gemini-4-ultra"] = true,
                                    ["gemini-2.5-pro"] = false, ["gemini-flash-latest"] = true, ["gemini-1.5-pro"] = false } do
      it((is_signed and "signs" or "does not sign") .. " the first call of a turn that another model made, for " .. model, function()
        local parts = cjson.decode((contents(FOREIGN, { wire = "gemini", model = model })))[2].parts
        assert.equal(is_signed and "skip_thought_signature_validator" or nil, parts[1].thoughtSignature)
        assert.is_nil(parts[2].thoughtSignature)
      end)
    end
  end)

  it("has instructions of text alone", function()
    local _, lost, system = contents('{"role":"system","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]},'
      .. '{"role":"user","content":"b"}')
    assert.equal('{"parts":[{"text":"a"}]}', system)
    assert.same({ "messages.image" }, lost)
  end)

  describe("sets", function()
    local FUNCTIONS = ',"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]'

    for _, case in ipairs {
      { "temperature", ',"temperature":0.5', "generationConfig", '{"temperature":0.5}' },
      { "sampling", ',"top_p":0.9,"top_k":40,"seed":7,"presence_penalty":-1,"frequency_penalty":1', "generationConfig",
        '{"frequencyPenalty":1,"presencePenalty":-1,"seed":7,"topK":40,"topP":0.9}' },
      { "limits", ',"max_tokens":10,"stop":"x","n":2', "generationConfig", '{"candidateCount":2,"maxOutputTokens":10,"stopSequences":["x"]}' },
      { "the newer limit", ',"max_completion_tokens":11,"stop":["x","y"]', "generationConfig", '{"maxOutputTokens":11,"stopSequences":["x","y"]}' },
      { "no limit of choice as none", ',"top_k":0', "generationConfig", nil },
      { "no sequence that is empty", ',"stop":["","x"]', "generationConfig", '{"stopSequences":["x"]}' },
      { "probabilities", ',"logprobs":true,"top_logprobs":3', "generationConfig", '{"logprobs":3,"responseLogprobs":true}' },
      { "JSON", ',"response_format":{"type":"json_object"}', "generationConfig", '{"responseMimeType":"application/json"}' },
      { "a schema, as it is", ',"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"z":1.0,"$ref":"#/a"}}}',
        "generationConfig", '{"responseJsonSchema":{"z":1.0,"$ref":"#/a"},"responseMimeType":"application/json"}' },
      { "text", ',"response_format":{"type":"text"}', "generationConfig", nil },
      { "modalities", ',"modalities":["text","image"],"image_config":{"aspect_ratio":"16:9","image_size":"2K"}', "generationConfig",
        '{"imageConfig":{"aspectRatio":"16:9","imageSize":"2K"},"responseModalities":["TEXT","IMAGE"]}' },
      { "a voice", ',"modalities":["audio"],"audio":{"voice":"Kore","format":"pcm16"}', "generationConfig",
        '{"responseModalities":["AUDIO"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}}}' },
      { "what only Google knows", ',"safety_settings":[{"category":"C","threshold":"T"}],"cached_content":"c","labels":{"a":"b"},'
        .. '"generation_config":{"media_resolution":"MEDIA_RESOLUTION_LOW"}', "generationConfig", '{"mediaResolution":"MEDIA_RESOLUTION_LOW"}' },
      { "a tier", ',"service_tier":"default"', "serviceTier", '"standard"' },
      { "no tier", ',"service_tier":"auto"', "serviceTier", nil },
      { "functions, schemas as they are", ',"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object",'
        .. '"z":1.0,"a":[]}}},'
        .. '{"type":"function","function":{"name":"g"}}]', "tools",
        '[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object","z":1.0,"a":[]}},{"name":"g"}]}]' },
      { "Google's own tools, as they are", ',"tools":[{"googleSearch":{"z":1.0,"a":{}}},{"type":"function","function":{"name":"g"}}]', "tools",
        '[{"googleSearch":{"z":1.0,"a":{}}},{"functionDeclarations":[{"name":"g"}]}]' },
      { "a search", ',"web_search_options":{}', "tools", '[{"googleSearch":{}}]' },
      { "calling as the model likes", ',"tool_choice":"auto"', "toolConfig", '{"functionCallingConfig":{"mode":"AUTO"}}' },
      { "no calling", ',"tool_choice":"none"', "toolConfig", '{"functionCallingConfig":{"mode":"NONE"}}' },
      { "calling at any rate", FUNCTIONS .. ',"tool_choice":"required"', "toolConfig", '{"functionCallingConfig":{"mode":"ANY"}}' },
      { "calling one function", FUNCTIONS .. ',"tool_choice":{"type":"function","function":{"name":"f"}}', "toolConfig",
        '{"functionCallingConfig":{"allowedFunctionNames":["f"],"mode":"ANY"}}' },
      { "calling some functions", FUNCTIONS .. ',"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function",'
        .. '"function":{"name":"f"}},'
        .. '{"type":"function","function":{"name":"g"}}]}}', "toolConfig", '{"functionCallingConfig":{"allowedFunctionNames":["f","g"],"mode":"ANY"}}' },
      { "the rest of the setting of tools", ',"tool_choice":"auto","tool_config":{"includeServerSideToolInvocations":true}', "toolConfig",
        '{"functionCallingConfig":{"mode":"AUTO"},"includeServerSideToolInvocations":true}' },
    } do
      it(case[1], function()
        assert.equal(case[4], member(case[3], case[2]))
        assert.same({}, (select(2, request(case[2]))))
      end)
    end

    it("no calling at any rate of nothing, which is refused", function()
      local text, lost = request ',"tool_choice":"required","tools":[{"type":"openrouter:web_search"}]'
      assert.equal('{"contents":[{"parts":[{"text":"Hi"}],"role":"user"}]}', text)
      assert.same({ "tool_choice", "tools.openrouter:web_search" }, lost)
    end)

    it("what only Google knows, beside", function()
      local text = request ',"safety_settings":[{"category":"C","threshold":"T"}],"cached_content":"c","labels":{"a":"b"}'
      assert.equal('{"contents":[{"parts":[{"text":"Hi"}],"role":"user"}],"safetySettings":[{"category":"C","threshold":"T"}],'
        .. '"cachedContent":"c","labels":{"a":"b"}}', text)
    end)
  end)

  describe("thinks", function()
    for _, case in ipairs {
      -- model, what is asked                                           thinkingConfig
      { "gemini-2.5-flash", "", nil },
      { "gemini-2.5-flash", ',"reasoning":{"effort":"high"}',           '{"includeThoughts":true,"thinkingBudget":19660}' },
      { "gemini-2.5-flash", ',"reasoning_effort":"low"',                '{"includeThoughts":true,"thinkingBudget":4915}' },
      { "gemini-2.5-flash", ',"reasoning":{"enabled":true},"max_tokens":1000', '{"includeThoughts":true,"thinkingBudget":500}' },
      { "gemini-2.5-flash", ',"reasoning":{"max_tokens":99999}',        '{"includeThoughts":true,"thinkingBudget":24576}' },
      { "gemini-2.5-flash", ',"reasoning":{"effort":"none"}',           '{"thinkingBudget":0}' },
      { "gemini-2.5-flash", ',"reasoning":{"enabled":false}',           '{"thinkingBudget":0}' },
      { "gemini-2.5-flash", ',"reasoning":{"exclude":true}',            '{"includeThoughts":false}' },
      { "gemini-2.5-flash", ',"include_reasoning":true',                '{"includeThoughts":true}' },
      { "gemini-2.5-flash-lite", ',"reasoning":{"max_tokens":1}',       '{"includeThoughts":true,"thinkingBudget":512}' },
      { "gemini-2.5-pro", ',"reasoning":{"effort":"none"}',             '{"thinkingBudget":128}' },
      { "gemini-2.5-pro", ',"reasoning":{"max_tokens":1,"exclude":true}', '{"includeThoughts":false,"thinkingBudget":128}' },
      { "gemini-2.5-pro", ',"reasoning":{"effort":"xhigh"}',            '{"includeThoughts":true,"thinkingBudget":31129}' },
      { "gemini-3-flash-preview", ',"reasoning":{"effort":"minimal"}',  '{"includeThoughts":true,"thinkingLevel":"MINIMAL"}' },
      { "gemini-3-flash-preview", ',"reasoning":{"effort":"max"}',      '{"includeThoughts":true,"thinkingLevel":"HIGH"}' },
      { "gemini-3-flash-preview", ',"reasoning":{"effort":"none"}',     '{"thinkingLevel":"MINIMAL"}' },
      { "gemini-3-pro-preview", ',"reasoning":{"effort":"none"}',       '{"thinkingLevel":"LOW"}' },
      { "gemini-3-pro-preview", ',"reasoning":{"effort":"medium"}',     '{"includeThoughts":true,"thinkingLevel":"HIGH"}' },
      { "gemini-3.1-pro-preview", ',"reasoning":{"effort":"medium"}',   '{"includeThoughts":true,"thinkingLevel":"MEDIUM"}' },
      { "gemini-3.1-pro-preview", ',"reasoning":{"max_tokens":1000}',   '{"includeThoughts":true,"thinkingBudget":1000}' },
    } do
      it("with " .. case[1] .. case[2] .. ": " .. (case[3] or "as it likes"), function()
        assert.equal(case[3], member("generationConfig.thinkingConfig", case[2], { wire = "gemini", model = case[1] }))
      end)
    end
  end)

  describe("tells what it could not carry:", function()
    for members, lost in pairs {
      [',"logit_bias":{"1":1},"min_p":0.1,"user":"u","metadata":{}'] = { "logit_bias", "min_p" },
      [',"parallel_tool_calls":false'] = { "parallel_tool_calls" },
      [',"parallel_tool_calls":true'] = {},
      [',"tools":[{"type":"function","function":{"name":"f","strict":true}}]'] = { "tools.strict" },
      [',"tools":[{"type":"web_search_20250305","name":"web_search"}]'] = { "tools.web_search_20250305" },
    } do
      it(members, function() assert.same(lost, (select(2, request(members)))) end)
    end

    it("parts of messages", function()
      assert.same({ "messages.audio", "messages.critic", "messages.hologram" }, (select(2, contents('{"role":"user","content":[{"type":"text","text":"a"},'
        .. '{"type":"hologram"}]},{"role":"critic","content":"b"},{"role":"assistant","content":"c","audio":{"id":"x"}}'))))
    end)
  end)
end)

-- ---- round trips of requests ----

-- What is the same to Google: names in either case, an empty config, one candidate, hidden thoughts, the role of
-- instructions, types in capitals. Function responses stand in a content of their own.
local function settled(body)
  local function camel(v)
    if type(v) ~= "table" then return v end
    local out = {}
    for k, x in pairs(v) do out[type(k) == "string" and k:gsub("_(%l)", string.upper) or k] = camel(x) end
    return out
  end
  local function small_types(v)
    if type(v) ~= "table" then return v end
    local out = {}
    for k, x in pairs(v) do out[k] = k == "type" and type(x) == "string" and x:lower() or small_types(x) end
    return out
  end
  body = camel(body)
  for _, content in ipairs(body.contents) do content.role = content.role or "user" end
  if body.systemInstruction then body.systemInstruction.role = nil end
  for _, tool in ipairs(body.tools or {}) do
    for _, f in ipairs(tool.functionDeclarations or {}) do
      f.parametersJsonSchema = f.parametersJsonSchema or small_types(f.parameters)
      f.parameters = nil
    end
  end
  local config = body.generationConfig or {}
  local thinking = config.thinkingConfig or {}
  thinking.includeThoughts = thinking.includeThoughts or nil
  thinking.thinkingLevel = thinking.thinkingLevel and thinking.thinkingLevel:upper()
  if not next(config) then body.generationConfig = nil end
  return body
end

-- Calls that a client told without ids have some in chat, which go on to Google.
local function without_new_ids(told, made)
  for i, content in ipairs(told.contents) do
    for j, part in ipairs(content.parts) do
      for _, kind in ipairs { "functionCall", "functionResponse" } do
        if part[kind] and not part[kind].id then made.contents[i].parts[j][kind].id = nil end
      end
    end
  end
end

describe("a request of Google's, recorded, through chat and back", function()
  for _, place in ipairs { { "gemini", "gemini" }, { "gemini", "gemini-stream" }, { "vertex", "gemini" }, { "vertex", "gemini-stream" } } do
    local list = recordings.of(place[1], place[2])
    if not list then pending("TIDEGATE_TEST_DATA is not set") end
    for _, r in ipairs(list or {}) do
      local recorded = cjson.decode(r.request)
      if type(recorded.body) == "table" then
        it("asks the same: " .. r.name, function()
          local model = recorded.url:match "models/([^:]+)"
          local chat, lost = gemini_to_chat.request(cjson.encode(recorded.body), { model = model })
          local back, lost_back = chat_to_gemini.request(chat, { wire = "gemini", model = model })
          assert.same({ {}, {} }, { lost, lost_back })
          if recorded.body.contents[1].role == "invalid_role" then recorded.body.contents[1].role = "user" end
          local told, made = settled(recorded.body), settled(cjson.decode(back))
          without_new_ids(told, made)
          assert.same(told, made)
        end)
      end
    end
  end
end)

-- ---- what clients of Google's get ----

-- Chunks of a chat stream as frames.
local function frames(chunks)
  local out = {}
  local step = chat_to_gemini.stream(function(bytes) out[#out + 1] = bytes end)
  for _, chunk in ipairs(chunks) do step(chunk) end
  return out
end

local function chunk(members, more)
  return '{"id":"gen-1","object":"chat.completion.chunk","created":1,"model":"m/x","provider":"P","choices":[{"index":0,"delta":{"role":"assistant",'
    .. members .. '},"finish_reason":null,"native_finish_reason":null' .. (more or "") .. "}]}"
end

local LAST = '{"id":"gen-1","object":"chat.completion.chunk","created":1,"model":"m/x","provider":"P","choices":[{"index":0,'
  .. '"delta":{"role":"assistant","content":""},'
  .. '"finish_reason":"stop","native_finish_reason":"end_turn"}],"usage":{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17,"cost":0.001,'
  .. '"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":5}},"openrouter_metadata":{"a":1}}'

local TAIL = '"usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":2,"thoughtsTokenCount":5,'
  .. '"totalTokenCount":17,"cost":0.001},'
  .. '"modelVersion":"m/x","responseId":"gen-1","provider":"P","openrouter_metadata":{"a":1}}\r\n\r\n'

describe("chat_to_gemini.stream", function()
  it("writes frames, and how it ended at the end only", function()
    assert.same({
      'data: {"candidates":[{"content":{"parts":[{"text":"a\\u00e9"}],"role":"model"},"index":0}],"modelVersion":"m/x","responseId":"gen-1"}\r\n\r\n',
      'data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],' .. TAIL,
    }, frames { chunk '"content":"a\\u00e9"', chunk('"content":""', ""), LAST, "[DONE]" })
    assert.equal(1, #frames { chunk '"content":"a"', LAST })
  end)

  it("gathers calls, and writes each whole", function()
    local got = frames {
      chunk '"content":"a","tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":""}}]',
      chunk '"tool_calls":[{"index":0,"function":{"arguments":"{\\"n\\":"}}]',
      chunk('"tool_calls":[{"index":0,"function":{"arguments":"12345678901234567890\\n}"}},'
        .. '{"index":1,"id":"y","type":"function","function":{"name":"g","arguments":""}}]'),
      LAST, "[DONE]" }
    assert.equal(2, #got)
    assert.truthy(got[2]:find('{"parts":[{"functionCall":{"id":"x","name":"f","args":{"n":12345678901234567890 }}},{"functionCall":{"id":"y",'
      .. '"name":"g","args":{}}}],', 1, true))
  end)

  it("gives thoughts, refusals, images and audio their parts", function()
    local got = table.concat(frames { chunk '"reasoning":"hm"', chunk '"refusal":"No."',
      chunk '"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]', chunk '"audio":{"data":"AA==","format":"pcm16"}' })
    for _, part in ipairs { '[{"text":"hm","thought":true}]', '[{"text":"No."}]', '[{"inlineData":{"data":"AA==","mimeType":"image/png"}}]',
                            '[{"inlineData":{"data":"AA==","mimeType":"audio/L16;rate=24000"}}]' } do
      assert.truthy(got:find(part, 1, true), part)
    end
  end)

  for reason, word in pairs { stop = "STOP", tool_calls = "STOP", length = "MAX_TOKENS", content_filter = "SAFETY", error = "OTHER" } do
    it("calls " .. reason .. " " .. word, function()
      local got = frames { (LAST:gsub('"stop"', '"' .. reason .. '"')), "[DONE]" }
      assert.truthy(got[1]:find('"finishReason":"' .. word .. '"', 1, true))
    end)
  end

  it("keeps a reason that is Google's own, and what stood beside it", function()
    local got = frames { (LAST:gsub('"end_turn"', '"RECITATION","native_details":{"finishMessage":"Words"}')), "[DONE]" }
    assert.truthy(got[1]:find('"finishReason":"RECITATION","finishMessage":"Words"', 1, true))
  end)

  it("ends with an error in Google's shape, and says nothing behind it", function()
    local got = frames { chunk '"content":"a"',
      '{"error":{"code":429,"message":"Slow down","metadata":{"error_type":"rate_limit_exceeded","retry_after_seconds_raw":2.5}},"choices":[]}',
      chunk '"content":"b"', "[DONE]" }
    assert.equal(2, #got)
    assert.equal('data: {"error":{"code":429,"message":"Slow down","status":"RESOURCE_EXHAUSTED",'
      .. '"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",'
      .. '"reason":"RATE_LIMIT_EXCEEDED","domain":"tidegate"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"2.500s"}]}}\r\n\r\n', got[2])
  end)

  it("grounds in bytes what is cited in characters", function()
    local got = frames { chunk '"content":"\\u00e9 é"', chunk('"annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t",'
      .. '"start_index":2,"end_index":3}},'
      .. '{"type":"url_citation","url_citation":{"url":"v"}}]'), LAST, "[DONE]" }
    assert.truthy(got[2]:find('"groundingMetadata":{"groundingChunks":[{"web":{"title":"t","uri":"u"}},{"web":{"uri":"v"}}],'
      .. '"groundingSupports":[{"groundingChunkIndices":[0],"segment":{"endIndex":5,"startIndex":3}}]}', 1, true))
  end)

  it("gives probabilities of tokens", function()
    local got = frames { chunk('"content":"a"', ',"logprobs":{"content":[{"token":"a","logprob":-0.5,"bytes":null,"top_logprobs":[{"token":"b",'
      .. '"logprob":-1}]}]}') }
    assert.truthy(got[1]:find('"logprobsResult":{"chosenCandidates":[{"logProbability":-0.5,"token":"a"}],"topCandidates":'
      .. '[{"candidates":[{"logProbability":-1,"token":"b"}]}]}', 1, true))
  end)

  it("gives each choice its candidate", function()
    local got = frames { (chunk('"content":"b"'):gsub('"index":0', '"index":1')), chunk '"content":"a"', LAST, "[DONE]" }
    local texts = {}
    for i = 1, 2 do
      local candidate = cjson.decode(got[i]:sub(6)).candidates[1]
      texts[i] = ("%d%s"):format(candidate.index, candidate.content.parts[1].text)
    end
    assert.same({ "1b", "0a" }, texts)
    local last = cjson.decode(got[3]:sub(6)).candidates
    assert.same({ 0, 1 }, { last[1].index, last[2].index })
  end)
end)

describe("reasoning that another provider signed", function()
  -- As Anthropic's, in pieces; as OpenAI's.
  local CLAUDE = {
    chunk '"reasoning":"th","reasoning_details":[{"type":"reasoning.text","text":"th","format":"anthropic-claude-v1","index":0}]',
    chunk '"reasoning":"ink","reasoning_details":[{"type":"reasoning.text","text":"ink","format":"anthropic-claude-v1","index":0}]',
    chunk '"reasoning_details":[{"type":"reasoning.text","signature":"EqQB+/==","format":"anthropic-claude-v1","index":0}]',
    chunk '"reasoning_details":[{"type":"reasoning.encrypted","data":"redacted","format":"anthropic-claude-v1","index":1}]',
  }
  local DETAILS = {
    { type = "reasoning.text", text = "think", signature = "EqQB+/==", format = "anthropic-claude-v1", index = 0 },
    { type = "reasoning.encrypted", data = "redacted", format = "anthropic-claude-v1", index = 1 },
  }
  local CALL = chunk('"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{}"}},'
    .. '{"index":1,"id":"y","type":"function","function":{"name":"f","arguments":"{}"}}]')

  -- What a client keeps of the frames: parts, thoughts or not, signatures decoded and encoded as some SDKs do.
  local function kept(list, with_thoughts)
    local parts = {}
    for _, bytes in ipairs(list) do
      for _, part in ipairs(cjson.decode(bytes:sub(6)).candidates[1].content.parts) do
        if part.thoughtSignature then part.thoughtSignature = part.thoughtSignature:gsub("+", "-"):gsub("/", "_"):gsub("=", "") end
        if with_thoughts or not part.thought then parts[#parts + 1] = part end
      end
    end
    return parts
  end

  local function details_of(parts)
    local text = gemini_to_chat.request(cjson.encode { contents = { { role = "model", parts = parts } } }, { model = "m" })
    return cjson.decode(text).messages[1].reasoning_details
  end

  local function stream_with(last)
    local list = {}
    for i, one in ipairs(CLAUDE) do list[i] = one end
    list[#list + 1] = last
    list[#list + 1] = LAST
    list[#list + 1] = "[DONE]"
    return frames(list)
  end

  for name, last in pairs { ["a call"] = CALL, ["a text"] = chunk '"content":"Hi"' } do
    it("comes back from a client of Google's, at " .. name .. ", whether the client keeps thoughts or not", function()
      assert.same(DETAILS, details_of(kept(stream_with(last), false)))
      assert.same(DETAILS, details_of(kept(stream_with(last), true)))
    end)
  end

  it("stands on the first call, as Google's own", function()
    local parts = kept(stream_with(CALL), false)
    assert.truthy(parts[1].functionCall and parts[1].thoughtSignature)
    assert.is_nil(parts[2].thoughtSignature)
  end)

  it("comes back from a whole answer", function()
    local message = { role = "assistant", content = "Hi", reasoning = "think", reasoning_details = DETAILS }
    local text = chat_to_gemini.answer(cjson.encode { model = "m", choices = { { index = 0, message = message, finish_reason = "stop" } } })
    local parts = cjson.decode(text).candidates[1].content.parts
    assert.same({ text = "think", thought = true }, parts[1])
    assert.equal("Hi", parts[2].text)
    assert.truthy(signature.unbundle(parts[2].thoughtSignature))
    assert.same(DETAILS, details_of { parts[2] })
  end)
end)

describe("chat_to_gemini.answer", function()
  it("writes an answer whole", function()
    assert.equal('{"candidates":[{"content":{"parts":[{"text":"a"},{"functionCall":{"args":{"z":1.0,"a":2},"id":"x","name":"f"}}],"role":"model"},'
      .. '"finishReason":"STOP",'
      .. '"index":0}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":7,"totalTokenCount":17,"cost":0.001},"modelVersion":"m/x",'
      .. '"responseId":"gen-1","provider":"P"}',
      chat_to_gemini.answer('{"id":"gen-1","model":"m/x","provider":"P","object":"chat.completion","choices":[{"index":0,"logprobs":null,'
        .. '"finish_reason":"tool_calls",'
        .. '"native_finish_reason":"tool_use","message":{"role":"assistant","content":"a","refusal":null,"reasoning":null,"tool_calls":[{"id":"x",'
        .. '"index":0,"type":"function",'
        .. '"function":{"name":"f","arguments":"{\\"z\\":1.0,\\"a\\":2}"}}]}}],"usage":{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17,'
        .. '"cost":0.001}}'))
  end)

  for code, status in pairs { [400] = "INVALID_ARGUMENT", [401] = "UNAUTHENTICATED", [403] = "PERMISSION_DENIED", [404] = "NOT_FOUND",
                              [429] = "RESOURCE_EXHAUSTED",
                              [500] = "INTERNAL", [503] = "UNAVAILABLE", [504] = "DEADLINE_EXCEEDED", [418] = "INVALID_ARGUMENT" } do
    it("writes an error " .. code .. " as " .. status, function()
      assert.equal('{"error":{"code":' .. code .. ',"message":"m","status":"' .. status
        .. '","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"tidegate"}]}}',
        chat_to_gemini.answer('{"error":{"code":' .. code .. ',"message":"m"},"user_id":"u"}'))
    end)
  end
end)

describe("counts by kind of content", function()
  it("go to a client as Google tells them", function()
    local text = chat_to_gemini.answer('{"choices":[],"usage":{"prompt_tokens":50,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":30,'
      .. '"audio_tokens":32,"cached_tokens_details":{"audio_tokens":20}},"completion_tokens_details":{"image_tokens":9}}}')
    assert.equal('{"usageMetadata":{"promptTokenCount":50,"cachedContentTokenCount":30,"candidatesTokenCount":9,"totalTokenCount":59,'
      .. '"promptTokensDetails":[{"modality":"TEXT","tokenCount":18},{"modality":"AUDIO","tokenCount":32}],'
      .. '"cacheTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"AUDIO","tokenCount":20}],'
      .. '"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":9}]}}', text)
  end)
end)

describe("an answer of Google's, recorded, through chat and back", function()
  for _, provider in ipairs { "gemini", "vertex" } do
    local about = { wire = provider }
    for _, r in ipairs(recordings.of(provider, "gemini") or {}) do
      if r.status == 200 then
        it("says the same: " .. r.name, function()
          local told = gemini.whole(r.body)
          local back = gemini.whole(chat_to_gemini.answer((gemini_to_chat.answer(r.body, about))))
          for i, call in ipairs(told.calls) do call.id = call.id or back.calls[i].id end
          -- A sentence with which a prompt was blocked is told as a text, too.
          if told.finish == "MODEL_ARMOR" then told.text = back.text end
          assert.same(told, back)
        end)
      end
    end
    local list = recordings.of(provider, "gemini-stream")
    if not list then pending("TIDEGATE_TEST_DATA is not set") end
    for _, r in ipairs(list or {}) do
      if r.status == 200 then
        it("says the same: " .. r.name, function()
          local told, chunks = gemini.stream(r.body), {}
          local step = gemini_to_chat.stream(function(text) chunks[#chunks + 1] = text end, about)
          for _, data in ipairs(gemini.events(r.body)) do step("", data) end
          chunks[#chunks + 1] = "[DONE]"
          local back = gemini.stream(table.concat(frames(chunks)))
          for i, call in ipairs(told.calls) do call.id = call.id or back.calls[i].id end
          if told.finish == "SAFETY" then told.text = back.text end
          assert.same(told, back)
        end)
      end
    end
  end
end)

-- ---- counting and embedding ----

describe("chat_to_gemini.count", function()
  local CHAT = '{"messages":[{"role":"system","content":"s"},{"role":"user","content":"Hi"}],"temperature":0.5,"service_tier":"flex"}'

  it("asks Google AI with the whole request", function()
    assert.equal('{"generateContentRequest":{"model":"models/gemini-2.5-flash","systemInstruction":{"parts":[{"text":"s"}]},'
      .. '"contents":[{"parts":[{"text":"Hi"}],'
      .. '"role":"user"}],"generationConfig":{"temperature":0.5},"serviceTier":"flex"}}', (chat_to_gemini.count(CHAT, ABOUT)))
  end)

  it("asks Vertex with what it takes", function()
    assert.equal('{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"parts":[{"text":"Hi"}],"role":"user"}],"generationConfig":{"temperature":0.5}}',
      (chat_to_gemini.count(CHAT, { wire = "vertex", model = "m" })))
  end)

  it("answers a client", function() assert.equal('{"totalTokens":31}', chat_to_gemini.count_answer(31)) end)
end)

describe("chat_to_gemini.embeddings", function()
  for _, case in ipairs {
    { "gemini", '"input":"a"', '{"requests":[{"content":{"parts":[{"text":"a"}]},"model":"models/e"}]}', {} },
    { "gemini", '"input":["a","b"],"dimensions":8,"input_type":"search_query","encoding_format":"base64"',
      '{"requests":[{"content":{"parts":[{"text":"a"}]},"model":"models/e","outputDimensionality":8,"taskType":"RETRIEVAL_QUERY"},'
        .. '{"content":{"parts":[{"text":"b"}]},"model":"models/e","outputDimensionality":8,"taskType":"RETRIEVAL_QUERY"}]}', {} },
    { "gemini", '"input":["a"],"input_type":"CLUSTERING","truncate":"end"', '{"requests":[{"content":{"parts":[{"text":"a"}]},"model":"models/e",'
      .. '"taskType":"CLUSTERING"}]}',
      { "truncate" } },
    { "gemini", '"input":[{"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}]',
      '{"requests":[{"content":{"parts":[{"text":"a"},{"inlineData":{"data":"AA==","mimeType":"image/png"}}]},"model":"models/e"}]}', {} },
    { "vertex", '"input":["a","b"],"dimensions":8,"input_type":"search_document"',
      '{"instances":[{"content":"a","task_type":"RETRIEVAL_DOCUMENT"},{"content":"b","task_type":"RETRIEVAL_DOCUMENT"}],'
        .. '"parameters":{"outputDimensionality":8}}', {} },
    { "gemini", '"input":["a","b"],"dimensions":8,"requests":[{"title":"T","taskType":"RETRIEVAL_DOCUMENT"},{"outputDimensionality":2}]',
      '{"requests":[{"content":{"parts":[{"text":"a"}]},"model":"models/e","outputDimensionality":8,"taskType":"RETRIEVAL_DOCUMENT","title":"T"},'
        .. '{"content":{"parts":[{"text":"b"}]},"model":"models/e","outputDimensionality":2}]}', {} },
    { "vertex", '"input":["a"],"requests":[{"title":"T","taskType":"RETRIEVAL_DOCUMENT"}]',
      '{"instances":[{"content":"a","task_type":"RETRIEVAL_DOCUMENT","title":"T"}]}', {} },
    { "gemini", '"input":["a"],"requests":[5,{"content":{"parts":[{"text":"another"}]},"model":"m"}]',
      '{"requests":[{"content":{"parts":[{"text":"a"}]},"model":"models/e"}]}', {} },
    { "gemini", '"input":[1,2]', nil, "input must be text: Google embeds no lists of token numbers" },
    { "gemini", '"input":[]', nil, "input must be a text or a list of texts" },
    { "vertex", '"input":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}]', nil, "e embeds text only on Vertex" },
  } do
    it("asks " .. case[1] .. " for " .. case[2], function()
      assert.same({ case[3], case[4] }, { chat_to_gemini.embeddings('{"model":"m",' .. case[2] .. "}", { wire = case[1], model = "e" }) })
    end)
  end
end)

describe("chat_to_gemini.embeddings_answer", function()
  local ANSWER = '{"object":"list","data":[{"index":0,"embedding":[0.10,-2]},{"index":1,"embedding":[1e-7]}],"model":"m","provider":"P",'
    .. '"usage":{"prompt_tokens":3,"total_tokens":3,"cost":0.25}}'
  local REST = '"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3,"cost":0.25},"provider":"P"}'

  it("gives a batch its vectors, digit by digit", function()
    assert.equal('{"embeddings":[{"values":[0.10,-2]},{"values":[1e-7]}],' .. REST,
      chat_to_gemini.embeddings_answer(ANSWER, { is_batch = true }))
  end)

  it("gives the one that was asked for", function()
    assert.equal('{"embedding":{"values":[0.10,-2]},' .. REST, chat_to_gemini.embeddings_answer(ANSWER, {}))
  end)
end)
