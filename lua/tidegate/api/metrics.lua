--- What is known of endpoints, as Prometheus reads it.
--
--     local labels = metrics.labels(catalog)            once a catalogue
--     metrics.text(catalog, labels, 1000)
--
-- One set of series for each endpoint that was ever asked, and for so many of them at most: labels
-- come from the catalogue and never from a request.

local concat = table.concat

local metrics = {}

local PAUSE_AFTER = 50             -- endpoints, or models

local QUANTILES = { { "p50", "0.5" }, { "p75", "0.75" }, { "p90", "0.9" }, { "p99", "0.99" } }
local BREAKERS = { closed = 0, half_open = 1, open = 2 }

local function escaped(value)
  return (value:gsub('[\\"\n]', { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }))
end

--- Of each model the labels of its endpoints, as text.
function metrics.labels(catalog)
  local labels = {}
  for i = 1, (catalog:count()) do
    local model, list = catalog:model(i), {}
    for j, endpoint in ipairs(model.endpoints) do
      list[j] = ('model="%s",provider="%s",endpoint="%s"'):format(
        escaped(model.id), escaped(endpoint.provider), escaped(endpoint.tag))
    end
    labels[i] = list
  end
  return labels
end

-- ---- series ----

-- In the order in which they are written: name, type, help, and what puts the lines of one endpoint.
local function plain(value)
  return function(put, live)
    local n = value(live)
    if n then put("", n) end
  end
end

local function quantiles(field, scale)
  return function(put, live)
    local figures = live[field]
    for _, q in ipairs(figures and QUANTILES or {}) do
      put((',quantile="%s"'):format(q[2]), figures[q[1]] * scale)
    end
  end
end

local SERIES = {
  { "tidegate_attempts_total", "counter", "Attempts that ended, by what they said of the endpoint's health.",
    function(put, live)
      for _, outcome in ipairs { "success", "failure", "rate_limited", "neutral" } do
        local field = outcome == "success" and "successes" or outcome == "failure" and "failures" or outcome
        put((',outcome="%s"'):format(outcome), live[field])
      end
    end },
  { "tidegate_in_flight", "gauge", "Attempts that run now.", plain(function(live) return live.in_flight end) },
  { "tidegate_breaker", "gauge", "0 closed, 1 half open, 2 open.",
    plain(function(live) return BREAKERS[live.breaker] end) },
  { "tidegate_outage", "gauge", "1 while it comes last for its failures of the last seconds.",
    plain(function(live) return live.outage and 1 or 0 end) },
  { "tidegate_hold_seconds", "gauge", "Until it is asked again after a 429.",
    plain(function(live) return live.hold_ms / 1000 end) },
  { "tidegate_uptime_ratio", "gauge", "Share of attempts that did not fail.",
    function(put, live)
      for _, span in ipairs { "5m", "30m", "1d" } do
        local share = live["uptime_" .. span]
        if share then put((',window="%s"'):format(span), share) end
      end
    end },
  { "tidegate_samples", "gauge", "First tokens of the last five minutes.",
    plain(function(live) return live.samples end) },
  { "tidegate_first_token_seconds", "gauge", "Time to the first token, over the last five minutes.",
    quantiles("latency_ms", 0.001) },
  { "tidegate_tokens_per_second", "gauge",
    "Throughput over the last five minutes; 0.9 is what 90 % of the attempts reach.", quantiles("throughput", 1) },
}

-- Numbers as Prometheus reads them, in any locale.
local function shown(n)
  return n % 1 == 0 and ("%d"):format(n) or (("%.6g"):format(n):gsub(",", "."))
end

local function was_asked(live)
  return live.successes and live.successes + live.failures + live.rate_limited + live.neutral + live.in_flight > 0
end

-- The lines of one endpoint, each to the others of its series.
local function put_endpoint(out, labels, live)
  for i, series in ipairs(SERIES) do
    local lines, name = out[i], series[1]
    series[4](function(more, value)
      lines[#lines + 1] = ("%s{%s%s} %s\n"):format(name, labels, more, shown(value))
    end, live)
  end
end

local function head(name, kind, help)
  return ("# HELP %s %s\n# TYPE %s %s\n"):format(name, help, name, kind)
end

--- @tparam catalog catalog
-- @tparam table labels  of it
-- @tparam number most  endpoints
-- @tparam ?function pause  called now and then, for those who must let others have their turn
function metrics.text(catalog, labels, most, pause)
  local out, count, left_out = {}, 0, 0
  for i, series in ipairs(SERIES) do out[i] = { head(series[1], series[2], series[3]) } end
  for i, of_model in ipairs(labels) do
    for j, live in ipairs(catalog:live(i)) do
      local is_asked = was_asked(live)
      if is_asked and count < most then
        count = count + 1
        put_endpoint(out, of_model[j], live)
        if pause and count % PAUSE_AFTER == 0 then pause() end
      elseif is_asked then
        left_out = left_out + 1
      end
    end
    if pause and i % PAUSE_AFTER == 0 then pause() end
  end
  for i, lines in ipairs(out) do out[i] = concat(lines) end
  local _, endpoints = catalog:count()
  out[#out + 1] = head("tidegate_endpoints", "gauge", "Endpoints of the catalogue.")
    .. ("tidegate_endpoints %d\n"):format(endpoints)
  out[#out + 1] = head("tidegate_endpoints_left_out", "gauge", "Asked, and not shown here for want of room.")
    .. ("tidegate_endpoints_left_out %d\n"):format(left_out)
  return concat(out)
end

return metrics
