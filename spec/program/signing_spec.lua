--- Providers for which a header with a key is not enough: tokens that are fetched, requests that are signed.

package.path = "spec/support/?.lua;" .. package.path

local json    = require "cjson.safe"
local net     = require("tidegate.core").net
local gateway = require "gateway"
local http    = require "http"
local provider = require "provider"
local scene   = require "scene"

local KEY      -- a service account's private key, PEM

local function private_key()
  if KEY then return KEY end
  local p = assert(io.popen "openssl genrsa 2048 2>/dev/null")
  KEY = p:read "*a"
  p:close()
  assert(KEY:find "PRIVATE KEY")
  return KEY
end

local ANSWER = json.encode { candidates = { { content = { role = "model", parts = { { text = "hello" } } },
  finishReason = "STOP", index = 0 } }, usageMetadata = { promptTokenCount = 3, candidatesTokenCount = 1, totalTokenCount = 4 } }

local function write(conn, status, body, fields)
  conn:write(("HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s"):format(status, #body, fields or "", body))
end

local function token_answer(token, seconds)
  return json.encode { access_token = token, expires_in = seconds or 3599, token_type = "Bearer" }
end

local function unbase64(text)
  text = text:gsub("-", "+"):gsub("_", "/")
  local bits, out = 0, {}
  local held = 0
  for c in text:gmatch "." do
    local at = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):find(c, 1, true)
    bits, held = bits * 64 + at - 1, held + 6
    if held >= 8 then
      held = held - 8
      out[#out + 1] = string.char(math.floor(bits / 2 ^ held) % 256)
      bits = bits % 2 ^ held
    end
  end
  return table.concat(out)
end

-- For it(): a gateway before a Vertex of `answer` whose tokens come from `tokens`; fn(s, ask). With a `token_uri` Vertex
-- is elsewhere, too, and `answer` is the proxy on the way to both.
local function run(tokens, answer, fn, token_uri)
  return function()
    local failure
    net.run(function()
      local t, g = provider.start(tokens), provider.start(answer)
      local account = json.encode { type = "service_account", project_id = "p", client_email = "svc@p.iam.example",
        private_key = private_key(), token_uri = token_uri or ("http://127.0.0.1:%d/token"):format(t.port) }
      local near = "http://127.0.0.1:" .. g.port
      local gw = gateway.start {
        providers = { google = { wire = "vertex", base_url = token_uri and "http://vertex.invalid" or near, location = "l",
                                 proxy = token_uri and near, credentials = "account.json", key = false } },
        files = { ["account.json"] = account }, config = { timeouts = { connect = 2 } },
      }
      local function ask()
        local r = http.post(gw.port, "/v1/chat/completions", scene.body())
        r.json = json.decode(r.body)
        return r
      end
      local ok, why = pcall(fn, { tokens = t, google = g, gateway = gw }, ask)
      failure = not ok and why or t.failure or g.failure
      local log = gw:log()
      local ended, words = pcall(gw.stop, gw)
      t:stop()
      g:stop()
      if not failure and not ended then failure = words end
      if not failure and log:find("PRIVATE KEY", 1, true) then failure = "the private key stands in the log" end
    end)
    if failure then error(failure, 0) end
  end
end

describe("a provider with a service account", function()
  local good_token = function(conn) write(conn, 200, token_answer "ya29.first-token") end
  local good = function(conn) write(conn, 200, ANSWER) end

  it("is asked with a token, which is fetched once with a signed statement", run(good_token, good, function(s, ask)
    for _, r in ipairs(scene.together { ask, ask, ask, ask, ask }) do assert.equal(200, r.status, r.body) end
    assert.equal("hello", ask().json.choices[1].message.content)
    assert.equal(1, #s.tokens.requests)
    assert.equal(6, #s.google.requests)
    for _, request in ipairs(s.google.requests) do
      assert.equal("Bearer ya29.first-token", request.headers.authorization)
      assert.equal("/v1beta1/projects/p/locations/l/publishers/google/models/up-google:generateContent", request.path)
    end
    local asked = s.tokens.requests[1]
    assert.equal("application/x-www-form-urlencoded", asked.headers["content-type"])
    assert.is_nil(asked.headers.authorization)
    local head, claims = asked.body:match "^grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant%-type%%3Ajwt%-bearer&assertion=([%w_-]+)%.([%w_-]+)%.[%w_-]+$"
    assert.same({ alg = "RS256", typ = "JWT" }, json.decode(unbase64(head)))
    claims = json.decode(unbase64(claims))
    assert.equal("svc@p.iam.example", claims.iss)
    assert.equal("https://www.googleapis.com/auth/cloud-platform", claims.scope)
    assert.equal(("http://127.0.0.1:%d/token"):format(s.tokens.port), claims.aud)
    assert.equal(3600, claims.exp - claims.iat)
  end))

  for title, answer in pairs {
    ["an answer"]  = function(conn, request)
      write(conn, 200, (ANSWER:gsub("hello", "you sent " .. request.headers.authorization)))
    end,
    ["an error"]   = function(conn, request)
      write(conn, 400, json.encode { error = { code = 400, message = "not good: " .. request.headers.authorization,
        status = "INVALID_ARGUMENT" } })
    end,
  } do
    it("does not see its token pass to a client in " .. title, run(good_token, answer, function(s, ask)
      local body = ask().body
      assert.equal(1, #s.google.requests)
      assert.truthy(body:find("you sent Bearer ***", 1, true) or body:find("not good: Bearer ***", 1, true), body)
      assert.is_nil(body:find("first-token", 1, true))
      assert.is_nil(s.gateway:log():find("first-token", 1, true))
    end))
  end

  it("gets a new token before the old one's end, and is asked with the old one meanwhile", run(
    function(conn, _, n)
      if n > 1 then net.sleep(0.05) end
      write(conn, 200, token_answer("ya29.token-" .. n, 200))
    end, good, function(s, ask)
      ask()
      ask()      -- 200 seconds is too near: the next one is fetched behind it
      assert.is_true(scene.eventually(2, function() return #s.tokens.requests == 2 end))
      assert.equal("Bearer ya29.token-1", s.google.requests[2].headers.authorization)
      net.sleep(0.1)
      ask()
      assert.equal("Bearer ya29.token-2", s.google.requests[3].headers.authorization)
    end))

  it("gets a new token when it refuses the old one", run(
    function(conn, _, n) write(conn, 200, token_answer("ya29.token-" .. n)) end,
    function(conn, request)
      if request.headers.authorization == "Bearer ya29.token-1" then
        write(conn, 401, json.encode { error = { code = 401, message = "expired", status = "UNAUTHENTICATED" } })
      else
        write(conn, 200, ANSWER)
      end
    end, function(_, ask)
      assert.equal(502, ask().status)
      assert.equal(200, ask().status)
    end))

  for _, case in ipairs {
    { "refuses the account", function(conn) write(conn, 400, json.encode { error = "invalid_grant", error_description = "Invalid JWT" }) end },
    { "answers nonsense", function(conn) write(conn, 200, "<html>") end },
    { "gives a token that splits a header", function(conn) write(conn, 200, token_answer "a\r\nX: b") end },
    { "gives no token", function(conn) write(conn, 200, "{}") end },
    { "answers without end", function(conn) write(conn, 200, ("x"):rep(40000)) end },
    { "breaks off", function(conn) conn:reset() return false end },
  } do
    it("is not asked while its token endpoint " .. case[1], run(case[2], good, function(s, ask)
      local r = ask()
      assert.is_true(r.status == 502 or r.status == 504, r.body)
      assert.is_nil(r.body:find("PRIVATE KEY", 1, true))
      assert.equal(0, #s.google.requests)
    end))
  end

  it("is given up within timeouts.connect while its token endpoint says nothing", run(function() net.sleep(30) end, good,
    function(_, ask)
      local from = net.now()
      assert.equal(504, ask().status)
      assert.is_true(net.now() - from < 6)
    end))

  it("gets its token by way of its proxy", run(nil, function(conn, request)
    if request.path == "http://oauth.invalid/token" then
      write(conn, 200, token_answer "ya29.by-proxy")
    else
      write(conn, 200, ANSWER)
    end
  end, function(s, ask)
    local r = ask()
    assert.equal(200, r.status, r.body)
    assert.equal(2, #s.google.requests)
    assert.matches("^http://vertex.invalid/v1beta1/", s.google.requests[2].path)
    assert.equal("Bearer ya29.by-proxy", s.google.requests[2].headers.authorization)
  end, "http://oauth.invalid/token"))

  it("speaks TLS to its token endpoint in a tunnel through its proxy", run(nil, function(conn)
    conn:write "HTTP/1.1 200 OK\r\n\r\n"
    local hello = conn:read(2, 5)
    assert(hello == "\22\3", "no TLS in the tunnel")
    return false
  end, function(s, ask)
    local r = ask()
    assert.is_true(r.status == 502 or r.status == 504, r.body)
    assert.equal("CONNECT oauth.invalid:443 HTTP/1.1", s.google.requests[1].line)
    for _, request in ipairs(s.google.requests) do assert.equal("oauth.invalid:443", request.path) end
  end, "https://oauth.invalid/token"))

  it("forgets a client that leaves while it waits", run(function(conn)
    net.sleep(0.3)
    write(conn, 200, token_answer "ya29.late")
  end, good, function(s, ask)
    local conn = assert(net.connect("127.0.0.1", s.gateway.port))
    conn:write(http.request_text("POST", "/v1/chat/completions", {}, scene.body()))
    net.sleep(0.1)
    conn:close()
    assert.equal(200, ask().status)
    assert.equal(1, #s.google.requests)
  end))
end)

describe("a provider whose requests are signed", function()
  it("is asked with AWS's Signature Version 4, and never with the secret", scene.with({
    aws = function(conn)
      write(conn, 200, json.encode { output = { message = { role = "assistant", content = { { text = "hello" } } } },
        stopReason = "end_turn", usage = { inputTokens = 3, outputTokens = 1, totalTokens = 4 } })
    end,
  }, {
    endpoints = { aws = { upstream_model = "anthropic.claude-v1:0" } },
    provider_fields = { aws = { wire = "bedrock-converse", key = false, access_key = "AKIDEXAMPLE",
                                secret_key = "wJalrXUtnFEMI/K7MDENG", session_token = "the-session", aws_region = "eu-central-1" } },
  }, function(s)
    assert.equal(200, s:chat().status)
    local r = s.aws.requests[1]
    assert.equal("/v1/model/anthropic.claude-v1%3A0/converse", r.path)
    assert.truthy(r.headers["x-amz-date"]:find "^%d%d%d%d%d%d%d%dT%d%d%d%d%d%dZ$")
    assert.equal("the-session", r.headers["x-amz-security-token"])
    assert.truthy(r.headers.authorization:find("^AWS4%-HMAC%-SHA256 Credential=AKIDEXAMPLE/%d+/eu%-central%-1/bedrock/aws4_request, "
      .. "SignedHeaders=content%-type;host;x%-amz%-date;x%-amz%-security%-token, Signature=%x+$"), r.headers.authorization)
    for _, line in ipairs(r.raw_headers) do assert.is_nil(line:find("wJalrXUtnFEMI", 1, true)) end
    assert.is_nil(s.gateway:log():find("wJalrXUtnFEMI", 1, true))
  end))

  it("is asked with a Bedrock API key where that is given", scene.with({
    aws = function(conn)
      write(conn, 200, json.encode { output = { message = { role = "assistant", content = { { text = "hello" } } } },
        stopReason = "end_turn", usage = { inputTokens = 3, outputTokens = 1, totalTokens = 4 } })
    end,
  }, { provider_fields = { aws = { wire = "bedrock-converse", key = "ABSK-1234567890" } } }, function(s)
    assert.equal(200, s:chat().status)
    assert.equal("Bearer ABSK-1234567890", s.aws.requests[1].headers.authorization)
    assert.is_nil(s.aws.requests[1].headers["x-amz-date"])
  end))
end)
