--- The built-in routing, as it is without a policy: nothing is asked for.
--
-- Endpoints without an outage are drawn with weight 1/price^2, the others follow by price; a
-- session stays where its prompt cache is warm; what is down comes last.

---@type tidegate.Policy
return {
  name = "default",
}
