--- `:floor`: the lowest price first, flex tiers among the candidates.

---@type tidegate.Policy
return {
  name = "floor",
  tiers = { "flex" },
  data = { sort = "price" },
}
