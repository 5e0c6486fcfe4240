--- Every client's format over every provider's, through the whole program, against a provider of each format
-- (`tidegate mock`, which knows nothing of the converters). What comes of it is the table in docs/wires/README.md.

package.path = "spec/support/?.lua;" .. package.path

local core    = require "tidegate.core"
local clients = require "clients"
local gateway = require "gateway"
local http    = require "http"
local scene   = require "scene"
local script  = require "tidegate.app.mock.script"
local server  = require "tidegate.app.mock.server"
local wires   = require "tidegate.wire.wires"

local json, net = core.json, core.net

-- name, fields of the provider, its name of the model, what it signs reasoning with
local WIRES = {
  { "openai-chat" }, { "azure-openai" }, { "mistral" },
  { "anthropic-messages", signs = true },
  { "vertex-anthropic", wire = "vertex", model = "claude-up", fields = { project = "p", location = "l" }, signs = true },
  { "gemini", signs = true },
  { "vertex", fields = { project = "p", location = "l" }, signs = true },
  { "bedrock-converse", signs = true, has_no_retry_after = true,
    fields = { key = false, access_key = "AKIDEXAMPLE", secret_key = "wJalrXUtnFEMI", aws_region = "us-east-1" } },
  { "openai-responses", signs = true }, { "cohere" }, { "ollama", counts_no_cache = true },
}

local ARGUMENTS = '{"zeta":"b\\u00e9 \\"q\\"","alpha":9007199254740993}'
local SIGNATURE = "+/+/IHNpZ25hdHVyZSBvZiBtb2Nr"       -- how every signature of the mock begins

-- ---- the world: one mock, one gateway, for all pairs ----

local seen                     -- the last request that a provider got

local function behaviour(more)
  local b = { ttft_ms = 0, tokens_per_s = 1e6, tokens = 9, reasoning = 5, cached_tokens = 2, usage = "always",
              on_request = function(request) seen = request end }
  for k, v in pairs(more or {}) do b[k] = v end
  return b
end

local function start_mock()
  local b = behaviour()
  b.listen = "127.0.0.1:0"
  b.at = { ["/calls"] = behaviour { tool_call = { name = "look_up", arguments = ARGUMENTS } },
           ["/full"] = behaviour { rate_429 = 1, retry_after = 20 }, ["/cut"] = behaviour { rate_cut = 1, tokens = 40 } }
  local address
  net.spawn(function() server.run(assert(script.read(b)), function(list) address = list[1] end) end)
  while not address do net.sleep(0.001) end
  return address
end

local KINDS = { "", "/calls", "/full", "/cut" }

local function start_gateway(address)
  local providers, models = {}, gateway.list {}
  for _, w in ipairs(WIRES) do
    for _, kind in ipairs(KINDS) do
      local slug = w[1] .. kind:gsub("/", "-")
      local p = { wire = w.wire or w[1], base_url = "http://" .. address .. kind, key = "sk-of-" .. w[1] }
      for k, v in pairs(w.fields or {}) do p[k] = v end
      providers[slug] = p
      models[#models + 1] = { id = "m/" .. slug, name = slug, created = 1, context_length = 100000,
        pricing = { prompt = "0.000001", completion = "0.000002", input_cache_read = "0.0000005" },
        endpoints = { { provider = slug, upstream_model = w.model or "up" } } }
    end
    for kind, output in pairs { e = "embeddings", r = "rerank" } do
      models[#models + 1] = { id = kind .. "/" .. w[1], name = w[1], created = 1, context_length = 100000,
        architecture = { input_modalities = { "text" }, output_modalities = { output } },
        pricing = { prompt = "0.000001" }, endpoints = { { provider = w[1], upstream_model = "up" } } }
    end
  end
  return gateway.start { providers = providers, catalog = gateway.json { data = models } }
end

local function with_world(fn)
  local ok, why = true, nil
  net.run(function()
    local gw = start_gateway(start_mock())
    ok, why = pcall(fn, gw.port)
    local ended, words = pcall(gw.stop, gw)
    if ok and not ended then ok, why = false, words end
  end)
  if not ok then error(why, 0) end
end

local function ask(port, client, model, wish)
  local path, body = clients.request(client, model, wish)
  local r = http.post(port, path, body)
  r.reading = r.status == 200 and clients[client].read(r, wish.stream) or nil
  return r
end

-- ---- what is asked of a pair ----

local CHECKS = {}

local function check(name, fn) CHECKS[#CHECKS + 1] = { name, fn } end

for _, stream in ipairs { false, true } do
  local how = stream and "streamed" or "whole"
  check("text, " .. how, function(port, client, wire)
    local r = ask(port, client, "m/" .. wire[1], { text = "Good day", stream = stream })
    assert.equal(200, r.status, r.body)
    assert.equal("You said: Good day. and the tide goes out", r.reading.text)
    assert.is_true(r.reading.complete, "it is not complete")
    assert.is_nil(r.reading.error)
    assert.is_string(r.reading.finish)
  end)
  check("a tool call, " .. how, function(port, client, wire)
    local r = ask(port, client, "m/" .. wire[1] .. "-calls", { text = "Look", tool = true, stream = stream })
    assert.equal(200, r.status, r.body)
    assert.equal(1, #r.reading.calls)
    assert.equal("look_up", r.reading.calls[1].name)
    assert.equal('b\195\169 "q"', r.reading.calls[1].arguments.zeta)
    assert.truthy(stream or r.body:find("9007199254740993", 1, true), "a number lost digits")
    assert.truthy(seen.body:find('"zeta":{"type":"string"},"alpha":{"type":"number"}', 1, true), "the schema changed")
  end)
  check("reasoning, " .. how, function(port, client, wire)
    local r = ask(port, client, "m/" .. wire[1], { text = "Think", reasons = true, stream = stream })
    assert.equal(200, r.status, r.body)
    assert.equal("the tide comes in and", r.reading.reasoning)
  end)
  check("usage, " .. how, function(port, client, wire)
    local r = ask(port, client, "m/" .. wire[1], { text = "Count this", stream = stream })
    assert.equal(14, r.reading.usage.completion)
    assert.equal(wire.counts_no_cache and 0 or 2, r.reading.usage.cached)
    assert.is_true(r.reading.usage.prompt > 2)
    assert.truthy(r.body:find('"cost":0.0000', 1, true), "no cost")
  end)
end

check("a tool's result, and signatures back", function(port, client, wire)
  local model = "m/" .. wire[1] .. "-calls"
  local first = ask(port, client, model, { text = "Look", tool = true, reasons = true })
  local answer = assert(json.decode(first.body))
  local call = first.reading.calls[1]
  local more = clients[client].next_turn(answer, call, "result-7")
  local r = ask(port, client, model, { text = "Look", tool = true, reasons = true, more = more })
  assert.equal(200, r.status, r.body)
  assert.equal("The tool said: result-7. and the tide goes out", r.reading.text)
  assert.truthy(seen.body:find("9007199254740993", 1, true), "the call's arguments lost digits")
  if wire.signs then assert.truthy(seen.body:find(SIGNATURE, 1, true), "the signature did not come back") end
end)

check("a picture", function(port, client, wire)
  local r = ask(port, client, "m/" .. wire[1], { text = "See", image = true })
  assert.equal(200, r.status, r.body)
  assert.truthy(seen.body:find(clients.PNG, 1, true), "the picture did not arrive")
end)

check("a schema for the answer", function(port, client, wire)
  local r = ask(port, client, "m/" .. wire[1], { text = "Fit", schema = true })
  assert.equal(200, r.status, r.body)
  -- AWS has it as a string.
  local body = seen.body:gsub('\\"', '"')
  assert.truthy(body:find('"zeta":{"type":"string"},"alpha":{"type":"number"}', 1, true), "the schema did not arrive")
end)

check("a provider at its limit", function(port, client, wire)
  local r = ask(port, client, "m/" .. wire[1] .. "-full", { text = "Hurry", stream = true })
  assert.equal(429, r.status)
  local message = clients[client].error_of(assert(json.decode(r.body)))
  assert.equal("Provider returned error", message)
  assert.equal(not wire.has_no_retry_after and "20" or nil, r.headers["retry-after"])
end)

check("a stream that breaks off", function(port, client, wire)
  local r = ask(port, client, "m/" .. wire[1] .. "-cut", { text = "Break", stream = true })
  if r.status == 200 then
    assert.is_false(r.reading.complete and not r.reading.error, "a broken stream looks whole")
  else
    assert.equal(502, r.status)
  end
end)

-- ---- what is no conversation ----

local function post(port, path, body) return http.post(port, path, json.encode(body)) end

local OTHERS = {
  { "completions", "/v1/completions", {
    { "text, whole", function(port, model)
      local r = post(port, "/v1/completions", { model = model, prompt = "Good day" })
      assert.equal(200, r.status, r.body)
      assert.equal("You said: Good day. and the tide goes out", json.decode(r.body).choices[1].text)
    end },
    { "text, streamed", function(port, model)
      local r = post(port, "/v1/completions", { model = model, prompt = "Good day", stream = true })
      local text = {}
      for _, data in ipairs((http.events(r.body))) do
        text[#text + 1] = data ~= "[DONE]" and json.decode(data).choices[1].text or ""
      end
      assert.equal("You said: Good day. and the tide goes out", table.concat(text))
    end },
  } },
  { "embeddings", "/v1/embeddings", {
    { "vectors", function(port, model)
      local r = post(port, "/v1/embeddings", { model = model, input = { "tide", "moon" } })
      assert.equal(200, r.status, r.body)
      local answer = json.decode(r.body)
      assert.equal(2, #answer.data)
      assert.equal(1, answer.data[2].index)
      assert.is_number(answer.data[2].embedding[1])
      assert.is_true(answer.usage.prompt_tokens > 0)
    end },
    { "vectors in base64", function(port, model)
      local r = post(port, "/v1/embeddings", { model = model, input = "tide", encoding_format = "base64" })
      assert.equal(200, r.status, r.body)
      assert.is_string(json.decode(r.body).data[1].embedding)
    end },
  } },
  { "embedContent", nil, {
    { "one vector", function(port, model)
      local r = post(port, "/v1beta/models/" .. model .. ":embedContent", { content = { parts = { { text = "tide" } } } })
      assert.equal(200, r.status, r.body)
      local answer = json.decode(r.body)
      assert.is_number(answer.embedding.values[1])
      assert.is_true(answer.usageMetadata.promptTokenCount > 0)
    end },
    { "a batch", function(port, model)
      local r = post(port, "/v1beta/models/" .. model .. ":batchEmbedContents", { requests = {
        { model = "models/" .. model, content = { parts = { { text = "ti" }, { text = "de" } } }, taskType = "SEMANTIC_SIMILARITY" },
        { model = "models/" .. model, content = { parts = { { text = "moon" } } }, taskType = "RETRIEVAL_DOCUMENT", title = "T" },
      } })
      assert.equal(200, r.status, r.body)
      local answer = json.decode(r.body)
      assert.equal(2, #answer.embeddings)
      assert.is_number(answer.embeddings[2].values[1])
    end },
  } },
  { "rerank", "/v1/rerank", {
    { "places", function(port, model)
      local r = post(port, "/v1/rerank", { model = model, query = "tide", documents = { "rock", "the tide" }, top_n = 1 })
      assert.equal(200, r.status, r.body)
      assert.equal(1, json.decode(r.body).results[1].index)
    end },
  } },
  { "counts of tokens", nil, {
    { "in three formats", function(port, model)
      local r = post(port, "/v1/messages/count_tokens", { model = model, messages = { { role = "user", content = "Good day" } } })
      assert.equal(200, r.status, r.body)
      assert.is_true(json.decode(r.body).input_tokens > 1)
      r = post(port, "/v1/responses/input_tokens", { model = model, input = "Good day" })
      assert.is_true(json.decode(r.body).input_tokens > 1)
      r = post(port, "/v1beta/models/" .. model .. ":countTokens", { contents = { { role = "user", parts = { { text = "Good day" } } } } })
      assert.is_true(json.decode(r.body).totalTokens > 1)
    end },
  } },
}

-- Which wires offer it, by their own files; a prompt becomes a chat anywhere.
local JOB = { embeddings = "embeddings", embedContent = "embeddings", rerank = "rerank", ["counts of tokens"] = "count" }

local function offers(what, wire)
  local job = JOB[what]
  if not job then return true end
  local p = { base_url = "http://x", wire = wire.wire or wire[1] }
  for k, v in pairs(wire.fields or {}) do p[k] = v end
  for _, one in ipairs(wires.compile(p, wires.find)) do
    if one.name == wire[1] or not one.models and one.name == p.wire and p.wire == wire[1] then return one.targets[job] ~= nil end
  end
end

-- Does the request go on as it came?
local NATIVE = { chat = "chat", completions = "chat", embeddings = "chat", rerank = "chat", messages = "messages",
                 responses = "responses", gemini = "gemini" }

local function passes(what, wire)
  local found = wires.find(wire.wire or wire[1])
  if wire.model then found = found.others[1] end
  return NATIVE[what] ~= nil and found.native == NATIVE[what] and (what ~= "completions" or wire[1] ~= "mistral")
end

-- ---- the table in docs/wires/README.md ----

local ROWS = {
  { "chat", "`/chat/completions`" }, { "messages", "`/messages`" }, { "responses", "`/responses`" },
  { "gemini", "`:generateContent`, `:streamGenerateContent`" }, { "completions", "`/completions`" },
  { "embeddings", "`/embeddings`" }, { "embedContent", "`:embedContent`, `:batchEmbedContents`" },
  { "rerank", "`/rerank`" }, { "counts of tokens", "counts of tokens" },
}

local function table_of(failures)
  local head, line = { "client" }, { "---" }
  for i, wire in ipairs(WIRES) do head[i + 1], line[i + 1] = "`" .. wire[1] .. "`", "---" end
  local out = { "| " .. table.concat(head, " | ") .. " |", "|" .. table.concat(line, "|") .. "|" }
  for _, row in ipairs(ROWS) do
    local cells = { row[2] }
    for i, wire in ipairs(WIRES) do
      local bad = failures[row[1] .. wire[1]]
      cells[i + 1] = bad and "fails" or not offers(row[1], wire) and "-" or passes(row[1], wire) and "as it is" or "yes"
    end
    out[#out + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  return table.concat(out, "\n")
end

-- ---- all of it ----

-- Every pair with everything that is asked of it: { row, wire, title, fn(port) }.
local function cases()
  local list = {}
  for _, wire in ipairs(WIRES) do
    for _, client in ipairs(clients.names) do
      for _, c in ipairs(CHECKS) do
        list[#list + 1] = { client, wire, c[1], function(port) c[2](port, client, wire) end }
      end
    end
    for _, other in ipairs(OTHERS) do
      for _, c in ipairs(offers(other[1], wire) and other[3] or {}) do
        local kind = JOB[other[1]] == "embeddings" and "e/" or other[1] == "rerank" and "r/" or "m/"
        list[#list + 1] = { other[1], wire, c[1], function(port) c[2](port, kind .. wire[1]) end }
      end
    end
  end
  return list
end

describe("every client's format over every provider's", function()
  local failures, of_pair, list = {}, {}, cases()

  setup(function()
    with_world(function(port)
      for i, case in ipairs(list) do
        local ok, why = pcall(case[4], port)
        if not ok then
          failures[i] = type(why) == "table" and (why.message or tostring(why)) or tostring(why)
          of_pair[case[1] .. case[2][1]] = true
        end
      end
    end)
  end)

  for i, case in ipairs(list) do
    it(("%s over %s: %s"):format(case[1], case[2][1], case[3]), function() assert.is_nil(failures[i]) end)
  end

  it("is the table in docs/wires/README.md", function()
    local page = scene.read_file "docs/wires/README.md"
    local made = table_of(of_pair)
    assert.truthy(page:find(made, 1, true), "docs/wires/README.md should have this table:\n\n" .. made .. "\n")
  end)
end)
