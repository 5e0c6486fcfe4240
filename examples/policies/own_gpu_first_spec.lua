local t = require "tidegate.testing"

describe("own_gpu_first.lua", function()
  local p = t.load "own_gpu_first.lua"

  before_each(t.reset)

  local function ranked_with(gpu)
    gpu.id, gpu.price = "own-gpu", { prompt = 0, completion = 0 }
    return (p:rank({}, { t.endpoint { id = "dear", price = { prompt = 2 } }, t.endpoint { id = "cheap", price = { prompt = 1 } },
                         t.endpoint(gpu) }))
  end

  local OWN, CLOUD = { "own-gpu", "cheap", "dear" }, { "cheap", "dear", "own-gpu" }

  it("asks the own GPU first, then the cloud by price", function()
    assert.same(OWN, ranked_with {})
  end)

  it("leaves it alone when as many requests are with it as it can work on", function()
    assert.same(OWN, ranked_with { in_flight = 7 })
    assert.same(CLOUD, ranked_with { in_flight = 8 })
  end)

  it("leaves it alone when its first tokens have become slow", function()
    assert.same(OWN, ranked_with { latency = { p90 = 3 } })
    assert.same(CLOUD, ranked_with { latency = { p90 = 3.1 } })
  end)

  it("does not believe a slow p90 of a few answers", function()
    assert.same(OWN, ranked_with { latency = { p90 = 60 }, samples = 29 })
  end)

  it("goes on at once when the GPU is overloaded, and lets it rest for some seconds", function()
    assert.equal("next", p:on_error({ type = "overloaded" }, { provider = "own-gpu" }))
    assert.same(CLOUD, ranked_with {})
    t.now(t.now() + 4.9)
    assert.same(CLOUD, ranked_with {})
    t.now(t.now() + 0.2)
    assert.same(OWN, ranked_with {})
  end)

  it("has no opinion on a bad request, and on what goes wrong in the cloud", function()
    assert.is_nil(p:on_error({ type = "bad_request" }, { provider = "own-gpu" }))
    assert.is_nil(p:on_error({ type = "overloaded" }, { provider = "cheap" }))
    assert.same(OWN, ranked_with {})
  end)

  it("keeps a GPU without room as the last resort", function()
    assert.same({ "own-gpu" }, (p:rank({}, { t.endpoint { id = "own-gpu", in_flight = 99 } })))
  end)
end)
