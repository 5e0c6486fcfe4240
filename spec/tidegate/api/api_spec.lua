local api  = require "tidegate.api"
local core = require "tidegate.core"

local json = core.json

local PROVIDERS = {
  { slug = "openai", name = "OpenAI", base_url = "https://api.openai.com/v1", key = "sk-secret-0123",
    about = '{"headquarters":"US","privacy_policy_url":"https://p"}' },
  { slug = "groq", name = "Groq", base_url = "https://api.groq.com/openai/v1", zdr = true, region = "us" },
}

local CATALOG = [[{"data": [
  {"id": "openai/gpt-x", "canonical_slug": "openai/gpt-x-2026", "name": "GPT X", "created": 1700000000,
   "context_length": 128000, "pricing": {"prompt": "0.000001", "completion": 2e-6, "discount": 0.5},
   "architecture": {"modality": "text+image->text", "tokenizer": "GPT"},
   "supported_parameters": ["tools", "temperature"], "benchmarks": {"score": 1.50},
   "endpoints": [
     {"provider": "openai", "upstream_model": "gpt-x", "max_completion_tokens": 4096},
     {"provider": "groq", "upstream_model": "x", "tag": "groq/fast", "quantization": "fp8",
      "pricing": {"prompt": 1e-7, "completion": "0.0000002"}}]},
  {"id": "meta/small", "created": 1750000000, "context_length": 8192,
   "endpoints": [{"provider": "groq", "upstream_model": "s", "pricing": {"prompt": "0.00000005", "completion": "0"}}]},
  {"id": "openai/embed", "architecture": {"modality": "text->embeddings"}, "pricing": {"prompt": "0.00000002",
   "completion": "0"}, "endpoints": [{"provider": "openai", "upstream_model": "embed"}]},
  {"id": "nobody/none", "created": 1, "pricing": {"prompt": "0.001", "completion": "0.001"}, "endpoints": []}
]}]]

local catalog = assert(core.catalog.new(PROVIDERS))
assert(catalog:add(CATALOG, "catalog.json"))
assert(catalog:seal())

-- GET (or "METHOD /path?query"): status, decoded body, fields.
local function ask(what, more)
  local method, target = what:match("^(%u+) (.*)$")
  local path, query = (target or what):match("^([^?]*)%??(.*)$")
  local request = { method = method or "GET", path = path, query = query, catalog = catalog, wall_s = 1760000000 }
  for name, value in pairs(more or {}) do request[name] = value end
  local status, body, fields = api.answer(request)
  return status, json.decode(body), fields, body
end

local function ids(what)
  local status, body = ask(what)
  assert.equal(200, status)
  local out = {}
  for i, model in ipairs(body.data) do out[i] = model.id:match("/(.*)$") end
  return table.concat(out, " ")
end

describe("tidegate.api", function()
  describe("GET /models", function()
    for _, case in ipairs {
      { "", "gpt-x small none" },
      { "output_modalities=all", "gpt-x small embed none" },
      { "output_modalities=embeddings", "embed" },
      { "input_modalities=image", "gpt-x" },
      { "supported_parameters=tools,temperature", "gpt-x small none" },
      { "q=GPT%20x", "gpt-x" },
      { "context=100000", "gpt-x" },
      { "max_price=0.5", "small" }, { "min_price=0.5", "gpt-x none" }, { "max_output_price=2", "gpt-x small" },
      { "arch=gpt", "gpt-x" },
      { "model_authors=openai,nobody", "gpt-x none" },
      { "providers=Groq", "gpt-x small" }, { "providers=openai", "gpt-x" },
      { "zdr=true", "gpt-x small" }, { "region=us", "gpt-x small" }, { "region=eu", "" },
      { "max_age_days=200", "small" }, { "min_age_days=200", "gpt-x none" },
      { "category=programming", "" }, { "min_coding_index=10", "" },
      { "sort=newest", "small gpt-x none" },
      { "sort=pricing-low-to-high", "small gpt-x none" }, { "sort=pricing-high-to-low", "none gpt-x small" },
      { "sort=context-high-to-low", "gpt-x small none" },
      { "sort=most-popular", "gpt-x small none" }, { "sort=latency-low-to-high", "gpt-x small none" },
      { "offset=1&limit=1", "small" }, { "offset=9", "" },
    } do
      it("?" .. case[1] .. " lists: " .. case[2], function()
        assert.equal(case[2], ids("/models?" .. case[1]))
      end)
    end

    for _, query in ipairs { "sort=best", "limit=0", "limit=1001", "offset=-1", "context=many", "zdr=1", "q=%zz", "region=mars" } do
      it("?" .. query .. " is a mistake of the client", function()
        local status, body = ask("/models?" .. query)
        assert.equal(400, status)
        assert.equal("invalid_request", body.error.error_type)
      end)
    end

    it("pages until there is no next one", function()
      local seen, at = {}, "/models?q=%2F&limit=2"
      repeat
        local _, body = ask(at)
        assert.equal(3, body.total_count)
        for _, model in ipairs(body.data) do seen[#seen + 1] = model.id end
        at = body.links.next ~= json.null and body.links.next:gsub("^/api/v1", "") or nil
      until not at
      assert.same({ "openai/gpt-x", "meta/small", "nobody/none" }, seen)
    end)

    it("names the next page below the prefix that was asked", function()
      for _, prefix in ipairs { "/api/v1", "/v1" } do
        local _, body = ask("/models?limit=1", { prefix = prefix })
        assert.equal(prefix .. "/models?offset=1&limit=1", body.links.next)
      end
    end)

    it("hands out what the operator wrote, byte for byte", function()
      local _, _, _, text = ask "/models?q=gpt-x"
      assert.truthy(text:find('"benchmarks":{"score": 1.50}', 1, true))
    end)

    it("writes every price as a decimal string and a discount as a number", function()
      local _, body = ask "/models?q=gpt-x"
      assert.same({ prompt = "0.000001", completion = "0.000002", discount = 0.5 }, body.data[1].pricing)
    end)

    it("prices a model without prices as its cheapest endpoint", function()
      local _, body = ask "/models?q=small"
      assert.same({ prompt = "0.00000005", completion = "0" }, body.data[1].pricing)
    end)

    it("fills in what the contract requires", function()
      local _, body = ask "/models?q=small"
      local model = body.data[1]
      assert.equal("meta/small", model.canonical_slug)
      assert.equal("/api/v1/models/meta/small/endpoints", model.links.details)
      assert.same({ "text" }, model.architecture.input_modalities)
      assert.equal("text->text", model.architecture.modality)
      for _, name in ipairs { "per_request_limits", "default_parameters", "supported_voices" } do
        assert.equal(json.null, model[name])
      end
    end)

    it("says nothing about endpoints, providers' names or keys", function()
      local _, _, _, text = ask "/models?output_modalities=all"
      for _, word in ipairs { "endpoints\":[", "upstream_model", "secret" } do
        assert.is_nil(text:find(word, 1, true), word)
      end
    end)

    it("may be kept for five minutes", function()
      local _, _, fields = ask "/models"
      assert.equal("public, max-age=300, stale-while-revalidate=3600, stale-if-error=3600", fields["Cache-Control"])
    end)
  end)

  it("counts models", function()
    assert.equal(3, select(2, ask "/models/count").data.count)
    assert.equal(1, select(2, ask "/models/count?output_modalities=embeddings").data.count)
  end)

  it("lists a key's models to those who have one", function()
    local status, body = ask "/models/user"
    assert.equal(401, status)
    assert.equal("Missing Authentication header", body.error.message)
    assert.equal(200, (ask("/models/user", { key = { name = "a", label = "b" } })))
    assert.equal(200, (ask("/models/user", { is_open = true })))
  end)

  describe("GET /model", function()
    for _, id in ipairs { "openai/gpt-x", "openai/gpt-x-2026", "openai/gpt-x:nitro", "openai/gpt-x:floor:exacto" } do
      it("finds " .. id, function()
        local status, body = ask("/model/" .. id)
        assert.equal(200, status)
        assert.equal("openai/gpt-x", body.data.id)
      end)
    end

    for _, id in ipairs { "openai/gpt-y", "openai/gpt-x:free", "openai/gpt-x:fast", "openai/gpt-x:online", "openai%2Fgpt-x/x" } do
      it("does not find " .. id, function()
        assert.equal(404, (ask("/model/" .. id)))
      end)
    end
  end)

  it("GET /models/{model} is the object that is listed, by any name that the model has", function()
    local listed = select(4, ask "/models")
    for _, name in ipairs { "openai%2Fgpt-x", "openai%2Fgpt-x-2026", "openai%2Fgpt-x:nitro", "gpt-x" } do
      local status, body, _, text = ask("/models/" .. name)
      assert.equal(200, status)
      assert.equal("openai/gpt-x", body.id)
      assert.truthy(listed:find(text, 1, true))
    end
    local status, body = ask "/models/gpt-y"
    assert.equal(404, status)
    assert.equal("Model gpt-y not found: GET /models lists those that there are", body.error.message)
  end)

  describe("GET /models/{author}/{slug}/endpoints", function()
    it("lists who serves a model, with everything the contract requires", function()
      local _, body = ask "/models/openai/gpt-x/endpoints"
      local first, second = body.data.endpoints[1], body.data.endpoints[2]
      assert.equal("openai", first.tag)
      assert.equal("groq/fast", second.tag)
      assert.equal("Groq", second.provider_name)
      assert.equal("fp8", second.quantization)
      assert.equal(4096, first.max_completion_tokens)
      assert.equal(128000, second.context_length)
      assert.same({ prompt = "0.0000001", completion = "0.0000002" }, second.pricing)
      assert.equal("0.000001", first.pricing.prompt)
      for _, name in ipairs { "auto", "function", "none", "required" } do
        assert.is_boolean(first.supports_tool_choice[name])
      end
      for _, name in ipairs { "uptime_last_5m", "uptime_last_30m", "uptime_last_1d", "latency_last_30m",
                              "throughput_last_30m", "max_prompt_tokens" } do
        assert.equal(json.null, first[name])
      end
    end)

    it("keeps to itself what the providers call the model", function()
      local _, _, _, text = ask("/models/openai/gpt-x/endpoints", { is_open = true })
      assert.is_nil(text:find("upstream_model", 1, true))
      assert.is_nil(text:find("api.openai.com", 1, true))
    end)

    it("is [] for a model that nobody serves", function()
      local _, _, _, text = ask "/models/nobody/none/endpoints"
      assert.truthy(text:find('"endpoints":[]', 1, true))
    end)

    it("is [] for a variant that there is not", function()
      local status, body = ask "/models/openai/gpt-x:free/endpoints"
      assert.equal(200, status)
      assert.equal(0, #body.data.endpoints)
      assert.equal(2, #select(2, ask "/models/openai/gpt-x:nitro/endpoints").data.endpoints)
      assert.equal(404, (ask "/models/openai/gpt-x:fast/endpoints"))
    end)

    it("is a 404 for a model that is not there", function()
      local status, body = ask "/models/no/such/endpoints"
      assert.equal(404, status)
      assert.equal("not_found", body.error.error_type)
    end)
  end)

  it("lists the endpoints that keep nothing", function()
    local _, body = ask "/endpoints/zdr"
    assert.equal(2, #body.data)
    for _, endpoint in ipairs(body.data) do assert.equal("Groq", endpoint.provider_name) end
  end)

  it("lists providers", function()
    local _, body = ask "/providers"
    assert.same({ "OpenAI", "Groq" }, { body.data[1].name, body.data[2].name })
    assert.equal("US", body.data[1].headquarters)
    assert.equal("https://p", body.data[1].privacy_policy_url)
    assert.equal(json.null, body.data[2].privacy_policy_url)
  end)

  describe("GET /models of a client of Google's", function()
    local function google(what) return ask(what, { shape = "gemini", id = "gen-1", prefix = "/v1beta" }) end

    it("lists every model in Google's shape", function()
      local status, body, fields, text = google "/models"
      assert.equal(200, status)
      assert.equal('{"models":[{"name":"models/openai/gpt-x","version":"openai/gpt-x-2026","displayName":"GPT X","inputTokenLimit":128000,'
        .. '"outputTokenLimit":4096,"supportedGenerationMethods":["generateContent","streamGenerateContent"]},'
        .. '{"name":"models/meta/small","version":"meta/small","displayName":"meta/small","inputTokenLimit":8192,'
        .. '"supportedGenerationMethods":["generateContent","streamGenerateContent"],"thinking":true},'
        .. '{"name":"models/openai/embed","version":"openai/embed","displayName":"openai/embed",'
        .. '"supportedGenerationMethods":["embedContent","batchEmbedContents"]},'
        .. '{"name":"models/nobody/none","version":"nobody/none","displayName":"nobody/none",'
        .. '"supportedGenerationMethods":["generateContent","streamGenerateContent"],"thinking":true}]}', text)
      assert.equal(4, #body.models)
      assert.equal("Anthropic-Version", fields.Vary)
    end)

    it("pages until there is no next one", function()
      local sizes, names, token = {}, {}, ""
      repeat
        local _, body = google("/models?pageSize=3&pageToken=" .. token)
        sizes[#sizes + 1] = #body.models
        for _, model in ipairs(body.models) do names[#names + 1] = model.name end
        token = body.nextPageToken
      until not token
      assert.same({ 3, 1 }, sizes)
      assert.equal("models/nobody/none", names[4])
      assert.is_nil((select(2, google "/models?pageSize=4")).nextPageToken)
      assert.equal(4, #(select(2, google "/models?pageSize=100000")).models)
    end)

    for _, query in ipairs { "pageSize=0", "pageSize=many", "pageToken=no/such" } do
      it("?" .. query .. " is a mistake, told in Google's way", function()
        local status, body = google("/models?" .. query)
        assert.equal(400, status)
        assert.equal("INVALID_ARGUMENT", body.error.status)
      end)
    end

    it("shows one of them, whatever way its slash is written", function()
      for _, path in ipairs { "/models/meta/small", "/models/meta%2Fsmall", "/models/meta/small:nitro",
          "/models/small" } do
        assert.equal("models/meta/small", (select(2, google(path))).name)
      end
    end)

    it("tells what is not there, and which methods there are, in Google's way", function()
      for _, what in ipairs { "/models/no/such", "/models/nothing", "/nope" } do
        local status, body = google(what)
        assert.equal(404, status)
        assert.equal("NOT_FOUND", body.error.status)
      end
      local status, body = google "POST /models/meta/small:predict"
      assert.equal(404, status)
      assert.truthy(body.error.message:find("generateContent", 1, true))
      status, body = google "DELETE /models"
      assert.equal(405, status)
      assert.equal("INVALID_ARGUMENT", body.error.status)
    end)
  end)

  describe("GET /models of a client of Anthropic's", function()
    local function anthropic(what) return ask(what, { shape = "messages", id = "gen-1", prefix = "/v1" }) end

    local function listed(query)
      local status, body = anthropic("/models?" .. query)
      assert.equal(200, status)
      local out = {}
      for i, model in ipairs(body.data) do out[i] = model.id:match "/(.*)$" end
      assert.equal(body.data[1] and body.data[1].id or json.null, body.first_id)
      assert.equal(body.data[1] and body.data[#body.data].id or json.null, body.last_id)
      return table.concat(out, " ") .. (body.has_more and " ..." or "")
    end

    it("shows a model in Anthropic's shape", function()
      local TEXT = '{"type":"model","id":"openai/gpt-x","display_name":"GPT X","created_at":"2023-11-14T22:13:20Z",'
        .. '"max_input_tokens":128000,"max_tokens":4096}'
      assert.equal(TEXT, (select(4, anthropic "/models/openai/gpt-x")))
      assert.equal(TEXT, (select(4, anthropic "/models/openai%2Fgpt-x")))
      assert.equal(TEXT, (select(4, anthropic "/models/gpt-x-2026")))          -- as its maker's programs call it
      assert.truthy((select(4, anthropic "/models")):find(TEXT, 1, true))
    end)

    for _, case in ipairs {
      { "", "small gpt-x none" }, { "limit=2", "small gpt-x ..." }, { "limit=2&after_id=openai/gpt-x", "none" },
      { "limit=1&after_id=meta%2Fsmall", "gpt-x ..." }, { "after_id=nobody/none", "" },
      { "limit=1&before_id=nobody/none", "gpt-x ..." }, { "limit=2&before_id=nobody/none", "small gpt-x" },
      { "before_id=meta/small", "" }, { "limit=5000", "small gpt-x none" },
    } do
      it("?" .. case[1] .. " lists, the newest first: " .. case[2], function()
        assert.equal(case[2], listed(case[1]))
      end)
    end

    it("tells mistakes in Anthropic's way", function()
      for _, what in ipairs { "/models?limit=0", "/models?after_id=no/such" } do
        local status, body = anthropic(what)
        assert.equal(400, status)
        assert.equal("invalid_request_error", body.error.type)
      end
      for _, what in ipairs { "/models/no/such", "/messages/batches" } do
        local status, body = anthropic(what)
        assert.equal(404, status)
        assert.equal("error", body.type)
        assert.equal("not_found_error", body.error.type)
        assert.equal("gen-1", body.request_id)
      end
    end)
  end)

  it("lists models for embeddings", function()
    assert.equal("embed", ids "/embeddings/models")
  end)

  it("takes a path with a slash at its end", function()
    assert.equal(200, (ask "/models/"))
  end)

  it("says which methods a path knows", function()
    local status, body, fields = ask "DELETE /models"
    assert.equal(405, status)
    assert.equal(405, body.error.code)
    assert.equal("GET, HEAD", fields.Allow)
  end)

  it("knows no other paths", function()
    local status, body = ask "/nope"
    assert.equal(404, status)
    assert.equal(404, body.error.http_status)
  end)
end)
