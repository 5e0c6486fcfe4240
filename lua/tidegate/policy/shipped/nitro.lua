--- `:nitro`: the highest throughput first, priority tiers among the candidates.

---@type tidegate.Policy
return {
  name = "nitro",
  tiers = { "priority" },
  data = { sort = "throughput" },
}
