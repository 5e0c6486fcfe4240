-- The configuration of the programs in neovim/, love/, tarantool/, haproxy/, copas/, cqueues/ and
-- plain/: three providers that `tidegate mock` plays, with the models of the demo. Nothing leaves
-- this machine.
local mock = env "TIDEGATE_MOCK" or "http://127.0.0.1:9001"

return {
  catalog = { "tidegate:demo" },
  providers = {
    { slug = "swift", name = "Swift", key = false, base_url = mock .. "/swift/v1" },
    { slug = "steady", name = "Steady", key = false, base_url = mock .. "/steady/v1" },
    { slug = "thrift", name = "Thrift", key = false, base_url = mock .. "/thrift/v1" },
  },
}
