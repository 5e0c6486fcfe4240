--- A gateway with a model for every price there is, before one provider that answers with the usage object of a job:
-- for specs of what answers are said to cost.
--
--     local models = world.models()
--     local jobs = { { usage = '{"prompt_tokens":1,...}', format = answers.chat, model = models:id("openai-chat", pricing) } }
--     world.ask_all(jobs, models)
--     jobs[1].nano         -- what the client was told that it cost

local net      = require("tidegate.core").net
local answers  = require "usage_answers"
local clients  = require "clients"
local gateway  = require "gateway"
local http     = require "http"
local lists    = require "price_lists"
local provider = require "provider"
local scene    = require "scene"

local world = {}

local TASKS = 16

-- Wires by provider slug; all are the same server.
local WIRES = {
  ["openai-chat"] = {}, ["azure-openai"] = {}, mistral = {}, ["openai-responses"] = {}, ["anthropic-messages"] = {},
  vertex = { project = "p", location = "l" }, gemini = {}, cohere = {}, ollama = {},
  ["bedrock-converse"] = { key = false, access_key = "AKIDEXAMPLE", secret_key = "wJalrXUtnFEMI", aws_region = "us-east-1" },
}

local Models = {}
Models.__index = Models

--- A catalogue's models, none yet.
function world.models() return setmetatable({ ids = {} }, Models) end

--- The model that a wire serves at these prices.
function Models:id(wire, pricing)
  local key = wire .. gateway.json(pricing)
  if not self.ids[key] then
    self.ids[key] = "m/" .. #self + 1
    self[#self + 1] = {
      id = self.ids[key], name = wire, created = 1, context_length = 10000000, pricing = pricing,
      endpoints = { { provider = wire, upstream_model = wire == "vertex" and "claude-up" or "up", pricing = pricing } },
    }
  end
  return self.ids[key]
end

local function answer_with(jobs)
  return function(conn, request)
    local job = jobs[tonumber(request.body:match "job (%d+)")]
    if not job.stream then return provider.json(conn, job.format.whole(job.usage)) end
    provider.begin_stream(conn)
    provider.chunk(conn, job.format.stream(job.usage))
    provider.end_stream(conn)
  end
end

-- Requests of the APIs that are no chats; `words` say which job it is.
local REQUESTS = {
  [answers.embeddings] = function(model, words) return "/v1/embeddings", { model = model, input = words } end,
  [answers.rerank] = function(model, words)
    return "/v1/rerank", { model = model, query = words, documents = gateway.list { "tide" } }
  end,
}

local function request_of(job, i)
  local words, other = "job " .. i, REQUESTS[job.format]
  if not other then return clients.request(job.client or "chat", job.model, { text = words, stream = job.stream }) end
  local path, body = other(job.model, words)
  return path, gateway.json(body)
end

local function configured(port)
  local providers = {}
  for wire, fields in pairs(WIRES) do
    local p = { wire = wire, key = "sk-1", base_url = "http://127.0.0.1:" .. port }
    for k, v in pairs(fields) do p[k] = v end
    providers[wire] = p
  end
  return providers
end

--- Ask for all of them. Every job gets `told`, its answer's body, and `nano`, the nano-dollars that it was said to cost.
-- @tparam table jobs  { usage (JSON text), format (of usage_answers), model, client (of clients.names; "chat"), stream }
function world.ask_all(jobs, models)
  net.run(function()
    local upstream = provider.start(answer_with(jobs))
    local gw = gateway.start { providers = configured(upstream.port), catalog = gateway.json { data = models } }
    local numbers = {}
    for i = 1, #jobs do numbers[i] = i end
    scene.each(numbers, TASKS, function(i)
      local r = http.post(gw.port, request_of(jobs[i], i))
      local cost
      for amount in r.body:gmatch '"cost":([%d.eE+-]+)' do cost = amount end
      jobs[i].told, jobs[i].nano = r.body, r.status == 200 and cost and lists.nano(cost)
    end)
    gw:stop()
    upstream:stop()
    assert(not upstream.failure, upstream.failure)
  end)
end

--- Words for a job that cost something else.
function world.says(job, want)
  return ("%s: %s nano-dollars instead of %s\nusage: %s\nanswer: %s"):format(job.name, tostring(job.nano), tostring(want),
    job.usage, job.told)
end

return world
