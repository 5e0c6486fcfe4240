-- The policies beside this file, and simulated providers to try them on.
--
--     tidegate mock examples/policies/mock.lua &
--     tidegate serve examples/policies/tidegate.lua
--
-- Nothing leaves this machine. docs/policies/README.md goes on from here.
local mock = "http://127.0.0.1:9001"

return {
  listen = "127.0.0.1:8080",
  catalog = { "catalog.json" },
  providers = {
    { slug = "own-gpu", name = "Our GPU", base_url = mock .. "/own-gpu/v1", region = "eu", zdr = true },
    { slug = "eu-one", name = "EU One", base_url = mock .. "/eu-one/v1", region = "eu", zdr = true },
    { slug = "eu-two", name = "EU Two", base_url = mock .. "/eu-two/v1", region = "eu" },
    { slug = "us-fast", name = "US Fast", base_url = mock .. "/us-fast/v1", region = "us", zdr = true },
    { slug = "us-cheap", name = "US Cheap", base_url = mock .. "/us-cheap/v1", region = "us" },
    { slug = "us-new", name = "US New", base_url = mock .. "/us-new/v1", region = "us" },
  },
  -- Simulated ones need no secret; yours come from env "..." and are nobody's to read.
  keys = {
    { name = "dev", key = "key-of-dev" },                           -- chooses by request
    { name = "acme", key = "key-of-acme", policy = "eu_customer" }, -- cannot leave its policy
    { name = "ci", key = "key-of-ci", policy = "daily_budget" },
  },
  policies = {
    canary           = "canary.lua",
    cheapest_in_time = "cheapest_in_time.lua",
    daily_budget     = "daily_budget.lua",
    eu_customer      = "eu_customer.lua",
    office_hours     = "office_hours.lua",
    own_gpu_first    = "own_gpu_first.lua",
    price_cap        = "price_cap.lua",
    proven_tools     = "proven_tools.lua",
    rising_price     = "rising_price.lua",
    sticky_user      = "sticky_user.lua",
  },
}
