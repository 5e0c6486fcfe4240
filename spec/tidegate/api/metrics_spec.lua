local metrics = require "tidegate.api.metrics"

local FIGURES = { p50 = 100, p75 = 200, p90 = 300.5, p99 = 4000 }

local function live(more)
  local t = { successes = 0, failures = 0, rate_limited = 0, neutral = 0, in_flight = 0, breaker = "closed",
              outage = false, hold_ms = 0, samples = 0 }
  for name, value in pairs(more or {}) do t[name] = value end
  return t
end

-- A catalogue of models, each a list of { provider, tag, live }.
local function catalog(models)
  local c = {}
  function c.count()
    local n = 0
    for _, m in ipairs(models) do n = n + #m end
    return #models, n, 1
  end
  function c.model(_, i)
    local endpoints = {}
    for j, e in ipairs(models[i]) do endpoints[j] = { provider = e[1], tag = e[2] } end
    return { id = models[i].id, endpoints = endpoints }
  end
  function c.live(_, i)
    local list = {}
    for j, e in ipairs(models[i]) do list[j] = e[3] end
    return list
  end
  return c
end

local function text_of(c, most)
  return metrics.text(c, metrics.labels(c), most or 1000)
end

local function has(text, line)
  assert.truthy(("\n" .. text):find("\n" .. line .. "\n", 1, true), line .. "\n" .. text)
end

describe("metrics", function()
  it("tells of endpoints that were asked, and of no others", function()
    local text = text_of(catalog { { id = "a/b",
      { "groq", "groq", live { successes = 7, failures = 2, breaker = "half_open", outage = true, hold_ms = 1500,
                               samples = 9, latency_ms = FIGURES, throughput = FIGURES, uptime_5m = 0.75 } },
      { "deep", "deep/turbo", live() }, { "none", "none", {} } } })
    local labels = 'model="a/b",provider="groq",endpoint="groq"'
    has(text, "# TYPE tidegate_attempts_total counter")
    has(text, ('tidegate_attempts_total{%s,outcome="success"} 7'):format(labels))
    has(text, ('tidegate_attempts_total{%s,outcome="rate_limited"} 0'):format(labels))
    has(text, ('tidegate_breaker{%s} 1'):format(labels))
    has(text, ('tidegate_outage{%s} 1'):format(labels))
    has(text, ('tidegate_hold_seconds{%s} 1.5'):format(labels))
    has(text, ('tidegate_first_token_seconds{%s,quantile="0.9"} 0.3005'):format(labels))
    has(text, ('tidegate_tokens_per_second{%s,quantile="0.99"} 4000'):format(labels))
    has(text, ('tidegate_uptime_ratio{%s,window="5m"} 0.75'):format(labels))
    has(text, "tidegate_endpoints 3")
    assert.is_nil(text:find("turbo", 1, true))
    assert.is_nil(text:find('window="1d"', 1, true))
  end)

  it("leaves out what is beyond its room, and says how much that is", function()
    local endpoints = { id = "a/b" }
    for i = 1, 12 do endpoints[i] = { "p" .. i, "p" .. i, live { in_flight = 1 } } end
    local text = text_of(catalog { endpoints }, 5)
    local _, count = text:gsub("\ntidegate_in_flight{", "")
    assert.equal(5, count)
    has(text, "tidegate_endpoints_left_out 7")
  end)

  it("escapes what stands in labels", function()
    has(text_of(catalog { { id = 'a"b\\c\nd', { "p", "p", live { in_flight = 3 } } } }),
      [[tidegate_in_flight{model="a\"b\\c\nd",provider="p",endpoint="p"} 3]])
  end)
end)
