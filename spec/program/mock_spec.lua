--- tidegate mock, every switch of docs/mock.md, over its real port.

local json    = require "cjson.safe"
local net     = require("tidegate.core").net
local gateway = require "gateway"
local http    = require "http"
local process = require "process"
local scene   = require "scene"

local QUICK = { ttft_ms = 0, tokens_per_s = 100000, tokens = 6 }

local function source(script)
  local parts = {}
  for k, v in pairs(script) do
    if k ~= "on_request" and k ~= "at" then parts[#parts + 1] = ("  [%q] = %s,"):format(k, gateway.show(v)) end
  end
  if script.on_request then parts[#parts + 1] = "  on_request = " .. script.on_request .. "," end
  if script.at then
    parts[#parts + 1] = "  at = {"
    for prefix, more in pairs(script.at) do parts[#parts + 1] = ("[%q] = %s,"):format(prefix, source(more)) end
    parts[#parts + 1] = "  },"
  end
  return "{\n" .. table.concat(parts, "\n") .. "\n}"
end

-- Run fn(ask, port) beside a mock; ask(path, members, headers) is a response.
local function with(script, fn)
  return function()
    local all = {}
    for k, v in pairs(QUICK) do all[k] = v end
    for k, v in pairs(script) do all[k] = v end
    local path = gateway.write(os.tmpname(), "return " .. source(all))
    local p = process.start { gateway.program(), "mock", path, "--listen", "127.0.0.1:0" }
    local ok, why = pcall(function()
      local port = tonumber((p:expect("tidegate mock: listening on http://127%.0%.0%.1:(%d+)", 10)))
      local good, failure = true, nil
      net.run(function()
        good, failure = pcall(fn, function(where, members, headers)
          local body = { model = "mock", messages = gateway.list { { role = "user", content = "hi" } } }
          for k, v in pairs(members or {}) do body[k] = v end
          return scene.told(http.post(port, where or "/v1/chat/completions", gateway.json(body), headers, 5))
        end, port)
      end)
      if not good then error(failure, 0) end
    end)
    p:signal(process.KILL)
    p:wait(5)
    os.remove(path)
    if not ok then error(why, 0) end
  end
end

local STREAM = { stream = true }

local function streamed(more)
  local members = { stream = true }
  for k, v in pairs(more or {}) do members[k] = v end
  return members
end

describe("tidegate mock", function()
  it("answers chat, whole and streamed, with the same words", with({}, function(ask)
    local whole, stream = ask(), ask(nil, STREAM)
    local text = whole.json.choices[1].message.content
    assert.equal(200, whole.status)
    assert.is_true(#text > 0)
    assert.equal(text, stream.text)
    assert.equal(text, ask().json.choices[1].message.content)
    assert.is_true(stream.done)
    assert.same({ "stop" }, stream.finishes)
    assert.equal(6, whole.json.usage.completion_tokens)
    assert.equal(whole.json.usage.prompt_tokens + 6, whole.json.usage.total_tokens)
  end))

  it("answers completions, embeddings and models below any path", with({ models = { "one", "two" }, dimensions = 5 },
    function(ask, port)
      assert.is_string(ask("/deep/er/completions", { prompt = "x" }).json.choices[1].text)
      local r = ask("/v1/embeddings", { input = gateway.list { "a", "b" } }).json
      assert.same({ 2, 5, 1 }, { #r.data, #r.data[1].embedding, r.data[2].index })
      assert.same(r.data[1].embedding, ask("/v1/embeddings", { input = "a" }).json.data[1].embedding)
      assert.is_string(ask("/v1/embeddings", { input = "a", encoding_format = "base64" }).json.data[1].embedding)
      local list = json.decode(http.get(port, "/x/models").body).data
      assert.same({ "one", "two" }, { list[1].id, list[2].id })
      assert.equal(404, http.get(port, "/v1/nothing").status)
    end))

  it("max_tokens cuts, and finish says another reason", with({ at = { ["/odd"] = { finish = "MAX_TOKENS" } } }, function(ask)
    local r = ask(nil, { max_tokens = 2 }).json
    assert.same({ 2, "length" }, { r.usage.completion_tokens, r.choices[1].finish_reason })
    assert.equal("MAX_TOKENS", ask("/odd/v1/chat/completions").json.choices[1].finish_reason)
  end))

  it("ttft_ms and tokens_per_s take their time", with({ at = {
    ["/slow"] = { ttft_ms = 200, tokens_per_s = 100000, tokens = 2 },
    ["/drip"] = { ttft_ms = 0, tokens_per_s = 50, tokens = 10 },
  } }, function(ask)
    local before = net.now()
    ask("/slow/chat/completions", STREAM)
    local took = net.now() - before
    assert.is_true(took >= 0.19 and took < 0.6, took)
    before = net.now()
    ask("/drip/chat/completions", STREAM)
    took = net.now() - before
    assert.is_true(took >= 0.17 and took < 0.8, took)
    before = net.now()
    ask "/slow/chat/completions"
    assert.is_true(net.now() - before >= 0.19)
  end))

  it("the longest path prefix counts, and takes over what it does not say", with({ tokens = 3, at = {
    ["/a"] = { answer_model = "a" }, ["/a/b"] = { answer_model = "ab", tokens = 4 } } }, function(ask)
    local function told(path)
      local r = ask(path .. "/chat/completions").json
      return r.model .. r.usage.completion_tokens
    end
    assert.same({ "mock3", "a3", "ab4" }, { told "/v1", told "/a/v1", told "/a/b/v1" })
  end))

  it("reasoning and its field, cached tokens", with({ reasoning = 5, cached_tokens = 1,
    at = { ["/r"] = { reasoning_field = "reasoning" } } }, function(ask)
    local r = ask().json
    assert.is_string(r.choices[1].message.reasoning_content)
    assert.same({ 5, 1 }, { r.usage.completion_tokens_details.reasoning_tokens, r.usage.prompt_tokens_details.cached_tokens })
    assert.is_string(ask("/r/chat/completions").json.choices[1].message.reasoning)
    local stream, text = ask(nil, STREAM), ""
    for _, e in ipairs(stream.events) do
      text = text .. ((e.choices[1] or { delta = {} }).delta.reasoning_content or "")
    end
    assert.equal(r.choices[1].message.reasoning_content, text)
  end))

  it("usage where the dialect has it", with({ at = {
    ["/finish"] = { usage = "finish" }, ["/always"] = { usage = "always" }, ["/none"] = { usage = "none" } } }, function(ask)
    local function usages(path, members)
      local n, at = 0, nil
      for _, e in ipairs(ask(path .. "/chat/completions", streamed(members)).events) do
        if type(e.usage) == "table" then
          n = n + 1
          at = e.choices[1] and "finish" or "chunk"
        end
      end
      return n .. (at or "")
    end
    local asked = { stream_options = { include_usage = true } }
    assert.same({ "0", "1chunk" }, { usages "/v1", usages("/v1", asked) })
    assert.same({ "1finish", "1chunk", "0" }, { usages "/finish", usages "/always", usages("/none", asked) })
    assert.is_nil(ask("/none/chat/completions").json.usage)
  end))

  it("role_first, done and crlf are as in other dialects", with({ role_first = false, done = false, crlf = true },
    function(ask)
      local r = ask(nil, STREAM)
      assert.is_truthy(r.body:find("\r\n\r\n", 1, true))
      assert.is_nil(r.body:find("[DONE]", 1, true))
      assert.is_nil(r.body:find('"role"', 1, true))
    end))

  it("calls a tool because the script or the client says so", with({ at = {
    ["/t"] = { tool_call = { name = "get_weather", arguments = '{"city":"Rom"}' } } } }, function(ask)
    local r = ask("/t/chat/completions").json.choices[1]
    assert.same({ "tool_calls", "get_weather", '{"city":"Rom"}' },
      { r.finish_reason, r.message.tool_calls[1]["function"].name, r.message.tool_calls[1]["function"].arguments })
    local tool = { type = "function", ["function"] = { name = "f" } }
    local other = { type = "function", ["function"] = { name = "g" } }
    r = ask(nil, { tools = gateway.list { tool, other }, tool_choice = other }).json.choices[1]
    assert.equal("g", r.message.tool_calls[1]["function"].name)
    r = ask(nil, { tools = gateway.list { tool }, tool_choice = "required" }).json.choices[1]
    assert.equal("f", r.message.tool_calls[1]["function"].name)
    local stream = ask("/t/chat/completions", STREAM)
    assert.same({ "tool_calls" }, stream.finishes)
  end))

  it("gives a JSON object for a response_format", with({}, function(ask)
    local text = ask(nil, { response_format = { type = "json_object" } }).json.choices[1].message.content
    assert.is_string(json.decode(text).answer)
  end))

  it("key lets in those who send it", with({ key = "sk-mock" }, function(ask)
    assert.equal(401, ask().status)
    assert.equal(200, ask(nil, nil, { Authorization = "Bearer sk-mock" }).status)
  end))

  for status, switch in pairs { [429] = "rate_429", [500] = "rate_500", [503] = "rate_503" } do
    it(switch .. " is that share of requests", with({ retry_after = 7, at = { ["/all"] = { [switch] = 1 },
      ["/some"] = { [switch] = 0.3 } } }, function(ask)
      local r = ask "/all/chat/completions"
      assert.equal(status, r.status)
      assert.is_string(r.json.error.message)
      if status == 429 then assert.equal("7", r.headers["retry-after"]) end
      local count = 0
      for _ = 1, 100 do count = count + (ask("/some/chat/completions").status == status and 1 or 0) end
      assert.is_true(count > 8 and count < 55, count)
    end))
  end

  it("rate_bad, rate_reset, rate_hang and rate_cut break what they say", with({ at = {
    ["/bad"] = { rate_bad = 1 }, ["/reset"] = { rate_reset = 1 }, ["/hang"] = { rate_hang = 1 },
    ["/cut"] = { rate_cut = 1, tokens = 50 },
  } }, function(ask, port)
    local r = ask "/bad/chat/completions"
    assert.equal(200, r.status)
    assert.is_nil(r.json)
    assert.is_false((pcall(ask, "/reset/chat/completions")))
    local before = net.now()
    assert.is_false((pcall(http.post, port, "/hang/chat/completions", "{}", nil, 0.3)))
    assert.is_true(net.now() - before >= 0.29)
    local cut = http.post(port, "/cut/chat/completions", '{"model":"m","stream":true,"messages":[]}', nil, 5)
    assert.is_true(cut.cut)
    assert.is_truthy(cut.body:find("data: ", 1, true))
    assert.is_nil(cut.body:find("[DONE]", 1, true))
  end))

  it("does the same again with the same seed", function()
    local function statuses(seed)
      local out = {}
      with({ rate_500 = 0.5, seed = seed }, function(ask)
        for i = 1, 24 do out[i] = ask().status end
      end)()
      return table.concat(out, " ")
    end
    local one = statuses(5)
    assert.equal(one, statuses(5))
    assert.not_equal(one, statuses(6))
  end)

  it("on_request writes every byte by hand", with({ on_request = [[function(request)
    local way = request.path:match "/by/(%w+)"
    if way == "body" then return { status = 418, headers = { ["X-Odd"] = "1" }, body = { n = request.number, m = request.method } } end
    if way == "chunks" then return { chunks = { "data: 1\n\n", 0.1, "data: 2\n\n" } } end
    if way == "raw" then return { raw = { "HTTP/1.1 200 OK\r\nContent-", "Length: 2\r\n\r\nhi" } } end
    if way == "half" then return { raw = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", finally = "fin" } end
    if way == "reset" then return { finally = "reset" } end
    if way == "late" then return { delay = 0.2, body = "x" } end
  end]] }, function(ask, port)
    local r = ask "/by/body"
    assert.same({ 418, "1", "POST" }, { r.status, r.headers["x-odd"], r.json.m })
    local chunked = http.post(port, "/by/chunks", "{}")
    assert.equal("data: 1\n\ndata: 2\n\n", chunked.body)
    assert.is_true(chunked.chunks[2].at - chunked.chunks[1].at >= 0.09)
    assert.equal(r.json.n + 2, ask("/by/body").json.n)
    assert.equal("hi", http.post(port, "/by/raw", "{}").body)
    assert.is_true(http.post(port, "/by/half", "{}").cut)
    assert.is_false((pcall(http.post, port, "/by/reset", "{}")))
    local before = net.now()
    assert.equal("x", http.post(port, "/by/late", "{}").body)
    assert.is_true(net.now() - before >= 0.19)
    assert.equal(200, ask().status)
  end))

  it("streams to many at once", with({ tokens_per_s = 100, tokens = 30 }, function(ask)
    local many, before = {}, net.now()
    for i = 1, 100 do many[i] = function() return ask(nil, STREAM).done end end
    for _, done in ipairs(scene.together(many)) do assert.is_true(done) end
    assert.is_true(net.now() - before < 3)
  end))

  for text, words in pairs {
    ["return { ttft_m = 5 }"] = "unknown key ttft_m, did you mean ttft_ms?", ["return { tokens = 'many' }"] = "tokens: number expected",
    ["return { at = { ['/x'] = { rat_500 = 1 } } }"] = "did you mean rate_500?", ["return 5"] = "a script returns a table",
    ["return { usage = 'maybe' }"] = "usage: chunk, finish, always or none", ["return {"] = ":1: ",
  } do
    it("refuses a script that is wrong: " .. text, function()
      local path = gateway.write(os.tmpname(), text)
      local status, said = process.run { gateway.program(), "mock", path, "--listen", "127.0.0.1:0" }
      os.remove(path)
      assert.equal(1, status)
      assert.is_truthy(said:find(words, 1, true), said)
    end)
  end

  it("refuses a port on which somebody listens", function()
    local p = process.start { gateway.program(), "mock", "--listen", "127.0.0.1:0" }
    local address = p:expect("listening on http://(127%.0%.0%.1:%d+)", 10)
    local status, said = process.run { gateway.program(), "mock", "--listen", address }
    p:signal(process.KILL)
    p:wait(5)
    assert.equal(1, status)
    assert.equal("tidegate mock: " .. address .. ": another program listens there already\n", said)
  end)

  it("runs the examples' script behind the gateway", function()
    local p = process.start { gateway.program(), "mock", "examples/mock-chaos.lua", "--listen", "127.0.0.1:0" }
    local port = tonumber((p:expect("listening on http://127%.0%.0%.1:(%d+)", 10)))
    local ok, why = pcall(scene.run, {
      bad = { base_url = ("http://127.0.0.1:%d/bad"):format(port) }, good = { base_url = ("http://127.0.0.1:%d/good"):format(port) },
      odd = { base_url = ("http://127.0.0.1:%d/odd"):format(port) },
    }, nil, function(s)
      for _, first in ipairs { "good", "odd" } do
        local r = s:chat { stream = true, provider = { order = gateway.list { first } } }
        assert.equal("Provider " .. first:upper(), r.last.provider)
        assert.is_true(r.done)
      end
    end)
    p:signal(process.KILL)
    p:wait(5)
    if not ok then error(why, 0) end
  end)
end)
