--- `:exacto`: endpoints whose tool calls are proven valid first, the fastest of them before the
-- others.

---@type tidegate.Policy
return {
  name = "exacto",
  data = { sort = "exacto" },
}
