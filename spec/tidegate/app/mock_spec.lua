local core   = require "tidegate.core"
local http   = require "tidegate.flow.http"
local script = require "tidegate.app.mock.script"
local server = require "tidegate.app.mock.server"
local words  = require "tidegate.app.mock.words"

local json, net = core.json, core.net

-- Run fn(ask) beside a mock with this script. ask(path, body, headers) gives the
-- whole response, or nil and an error.
local function with_mock(given, fn)
  given.listen = "127.0.0.1:0"
  local read = assert(script.read(given))
  net.run(function()
    local port
    net.spawn(function()
      server.run(read, function(addresses) port = tonumber(addresses[1]:match("(%d+)$")) end)
    end)
    fn(function(path, body, headers)
      local conn = assert(net.connect("127.0.0.1", port))
      conn:write(http.request(body and "POST" or "GET", path, headers, body and json.encode(body)))
      local response, err = http.read_response(conn, 5)
      conn:close()
      if response then response.json = json.decode(response.body) end
      return response, err
    end, port)
  end)
end

local QUICK = { ttft_ms = 0, tokens_per_s = 100000, tokens = 5 }

local function quick(more)
  local t = {}
  for name, value in pairs(QUICK) do t[name] = value end
  for name, value in pairs(more or {}) do t[name] = value end
  return t
end

local CHAT = { model = "m", messages = { { role = "user", content = "hello there" } } }

local function chat(more)
  local body = {}
  for name, value in pairs(CHAT) do body[name] = value end
  for name, value in pairs(more or {}) do body[name] = value end
  return body
end

-- The events of a stream: decoded, and the texts put together.
local function events_of(body)
  local events, text = {}, ""
  for data in body:gmatch("data: ([^\r\n]*)\r?\n\r?\n") do
    local event = data == "[DONE]" and data or json.decode(data)
    events[#events + 1] = event
    local choice = type(event) == "table" and event.choices[1]
    text = text .. (choice and choice.delta and choice.delta.content or "")
  end
  return events, text
end

describe("tidegate.app.mock", function()
  it("says the same to the same question, with usage that adds up", function()
    with_mock(quick(), function(ask)
      local first, second = ask("/v1/chat/completions", CHAT).json, ask("/v1/chat/completions", CHAT).json
      assert.equal("You said: hello there. and", first.choices[1].message.content)
      assert.same(first.choices, second.choices)
      assert.equal(first.usage.prompt_tokens + first.usage.completion_tokens, first.usage.total_tokens)
    end)
  end)

  for asked, said in pairs {
    ["Hello, moon."] = "You said: Hello, moon. and", ["really?"] = "You said: really? in and",
    [""] = "the tide comes in and", ["  "] = "the tide comes in and",
  } do
    it(("ends its sentence once, after %q"):format(asked), function()
      assert.equal(said, table.concat(words.tokens(asked, 5)))
    end)
  end

  it("cuts a long question between characters", function()
    local said = table.concat(words.tokens(("x"):rep(399) .. "\195\164\195\164", 3))
    assert.equal("You said: " .. ("x"):rep(399) .. ".", said)
  end)

  it("streams what it says whole", function()
    with_mock(quick(), function(ask)
      local whole = ask("/v1/chat/completions", CHAT).json.choices[1].message.content
      local stream = ask("/v1/chat/completions", chat { stream = true })
      local events, text = events_of(stream.body)
      assert.equal(whole, text)
      assert.equal("[DONE]", events[#events])
      assert.equal("stop", events[#events - 1].choices[1].finish_reason)
      assert.equal("text/event-stream", stream.headers["content-type"])
    end)
  end)

  it("keeps to max_tokens", function()
    with_mock(quick { tokens = 50 }, function(ask)
      local answer = ask("/v1/chat/completions", chat { max_tokens = 3 }).json
      assert.equal(3, answer.usage.completion_tokens)
      assert.equal("length", answer.choices[1].finish_reason)
    end)
  end)

  for _, case in ipairs {
    { "a usage chunk when it is asked for", {}, true, function(e) return e[#e - 1].usage ~= nil and e[#e - 1].choices[1] == nil end },
    { "no usage when it is not asked for", {}, false, function(e) return e[#e - 1].usage == nil end },
    { "usage in the finish chunk", { usage = "finish" }, false, function(e) return e[#e - 1].usage ~= nil and e[#e - 1].choices[1] ~= nil end },
    { "no usage at all", { usage = "none" }, true, function(e) return e[#e - 1].usage == nil end },
    { "no [DONE]", { done = false }, false, function(e) return e[#e] ~= "[DONE]" end },
    { "no event with the role alone", { role_first = false }, false, function(e) return e[1].choices[1].delta.content ~= "" end },
    { "reasoning first", { reasoning = 3 }, false, function(e) return e[2].choices[1].delta.reasoning_content ~= nil end },
    { "another finish reason", { finish = "eos" }, false, function(e) return e[#e - 1].choices[1].finish_reason == "eos" end },
    { "events that end in CRLF", { crlf = true }, false, function(_, body) return body:find("}\r\n\r\n", 1, true) ~= nil end },
    { "a tool call", { tool_call = { name = "f", arguments = '{"a":1}' } }, false,
      function(e) return e[2].choices[1].delta.tool_calls[1]["function"].arguments == '{"a":1}' end },
  } do
    it("streams " .. case[1], function()
      with_mock(quick(case[2]), function(ask)
        local stream = ask("/v1/chat/completions", chat { stream = true, stream_options = { include_usage = case[3] } })
        assert.is_true(case[4]((events_of(stream.body)), stream.body))
      end)
    end)
  end

  it("calls the tool that a request insists on", function()
    with_mock(quick(), function(ask)
      local tools = { { type = "function", ["function"] = { name = "now" } } }
      local answer = ask("/v1/chat/completions", chat { tools = tools, tool_choice = "required" }).json
      assert.equal("now", answer.choices[1].message.tool_calls[1]["function"].name)
      assert.equal("tool_calls", answer.choices[1].finish_reason)
    end)
  end)

  it("answers in JSON where that is asked for", function()
    with_mock(quick(), function(ask)
      local answer = ask("/v1/chat/completions", chat { response_format = { type = "json_object" } }).json
      assert.is_string(json.decode(answer.choices[1].message.content).answer)
    end)
  end)

  it("answers completions, embeddings and models, below any path", function()
    with_mock(quick { models = { "a", "b" } }, function(ask)
      assert.equal("You said: once. in and", ask("/x/completions", { prompt = "once" }).json.choices[1].text)
      local floats = ask("/embeddings", { input = "a", dimensions = 2 }).json.data[1].embedding
      assert.same({ -0.4921875, -0.46875 }, { floats[1], floats[2] })
      assert.equal("AAD8vgAA8L4=", ask("/embeddings", { input = "a", dimensions = 2, encoding_format = "base64" })
        .json.data[1].embedding)
      assert.equal(2, #ask("/deep/down/models").json.data)
      assert.equal(404, ask("/v1/audio", {}).status)
    end)
  end)

  describe("fails", function()
    for _, case in ipairs {
      { "rate_429", function(r) return r.status == 429 and r.headers["retry-after"] == "1" end },
      { "rate_500", function(r) return r.status == 500 end },
      { "rate_503", function(r) return r.status == 503 end },
      { "rate_bad", function(r) return r.status == 200 and r.json == nil end },
      { "rate_reset", function(r, err) return r == nil and err.code == "reset" end },
    } do
      it("always at a rate of 1: " .. case[1], function()
        with_mock(quick { [case[1]] = 1 }, function(ask)
          assert.is_true(case[2](ask("/v1/chat/completions", CHAT)))
        end)
      end)
    end

    it("half-way through a stream at rate_cut 1", function()
      with_mock(quick { rate_cut = 1, tokens = 100, tokens_per_s = 1000 }, function(ask)
        local whole, err = ask("/v1/chat/completions", chat { stream = true })
        assert.is_nil(whole)
        assert.equal("reset", err.code)
      end)
    end)

    it("about as often as it is told to", function()
      with_mock(quick { rate_500 = 0.3 }, function(ask)
        local failed = 0
        for _ = 1, 200 do
          failed = failed + (ask("/v1/chat/completions", CHAT).status == 500 and 1 or 0)
        end
        assert.is_true(failed > 30 and failed < 90)
      end)
    end)
  end)

  it("wants its key when it has one", function()
    with_mock(quick { key = "k" }, function(ask)
      assert.equal(401, ask("/v1/chat/completions", CHAT).status)
      assert.equal(200, ask("/v1/chat/completions", CHAT, { Authorization = "Bearer k" }).status)
    end)
  end)

  it("behaves by the longest prefix of the path, and takes over the rest", function()
    with_mock(quick { at = { ["/a"] = { finish = "x" }, ["/a/b"] = { finish = "y" } } }, function(ask)
      local function finish(path) return ask(path .. "/chat/completions", CHAT).json.choices[1].finish_reason end
      assert.same({ "stop", "x", "y" }, { finish "/v1", finish "/a/v1", finish "/a/b/v1" })
    end)
  end)

  it("sends what a function says, byte for byte", function()
    with_mock(quick {
      on_request = function(request)
        if request.path == "/raw" then
          return { raw = { "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfo", 0.005, "ur" }, finally = "fin" }
        elseif request.path == "/chunks" then
          return { headers = { ["X-A"] = "b" }, chunks = { "one", 0.005, "two" } }
        elseif request.json and request.json.echo then
          return { status = 418, body = { you = request.json.echo } }
        end
      end,
    }, function(ask)
      assert.equal("four", ask("/raw").body)
      local chunks = ask "/chunks"
      assert.equal("onetwo", chunks.body)
      assert.equal("b", chunks.headers["x-a"])
      local echo = ask("/x", { echo = 5 })
      assert.same({ 418, 5 }, { echo.status, echo.json.you })
      assert.equal(200, ask("/v1/chat/completions", CHAT).status)
    end)
  end)

  it("lives on when a script's function fails", function()
    with_mock(quick { on_request = function(request) if request.path == "/bad" then error "oops" end end }, function(ask)
      core.log.level "off"
      assert.is_nil((ask "/bad"))
      core.log.level "info"
      assert.equal(200, ask("/v1/chat/completions", CHAT).status)
    end)
  end)

  it("keeps a connection for the next request", function()
    with_mock(quick(), function(_, port)
      local conn = assert(net.connect("127.0.0.1", port))
      for _ = 1, 3 do
        conn:write(http.request("POST", "/v1/chat/completions", {}, json.encode(CHAT)))
        assert.equal(200, http.read_response(conn, 5).status)
      end
    end)
  end)

  for _, case in ipairs {
    { { tokns = 1 }, "unknown key tokns, did you mean tokens?" },
    { { ttft_ms = "1" }, "ttft_ms: number expected, got string" },
    { { usage = "maybe" }, "usage: chunk, finish, always or none expected" },
    { { at = { ["/a"] = { jiter = 1 } } }, 'at["/a"].unknown key jiter, did you mean jitter?' },
  } do
    it("refuses a script: " .. case[2], function()
      local _, why = script.read(case[1])
      assert.equal(case[2], why)
    end)
  end
end)
