--- The policy that is measured: what people write, and some of everything.

---@type tidegate.Policy
return {
  name = "cheap-but-awake",
  data = {
    max_price = { prompt = 50, completion = 150 },
    data_collection = "deny", zdr = true,
    quantizations = { "fp8", "bf16", "unknown" },
    sort = { by = "price", partition = "none" },
    preferred_max_latency = { p90 = 3 },
  },
  filter = function(endpoint)
    return endpoint.uptime_5m > 0.9, "too many failures lately"
  end,
  score = function(endpoint, request, base)
    if request.stream and endpoint.latency.p50 > 1.5 then return base * 2 end
    return base
  end,
}
