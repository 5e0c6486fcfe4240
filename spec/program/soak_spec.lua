-- R-35 in short: script/soak runs the same load for as long as wanted.

local scene = require "scene"
local soak = require "soak"

describe("Under a mixed load of answers, streams, failures and clients that leave", function()
  it("R-35 memory and open files do not grow with the number of requests", function()
    local requests = 4000
    local r = soak.run { requests = requests, connections = 32 }
    assert.is_true(r.answers[200] > requests / 10 * 0.5, "most requests are answered")
    assert.is_true(r.files <= r.files_early + 16, r.files_early .. " files, then " .. r.files)
    -- A sanitizer keeps freed memory in quarantine on purpose.
    if not scene.is_sanitized() then
      assert.is_true(r.rss <= r.rss_early * 1.1 + 1024, r.rss_early .. " KiB, then " .. r.rss)
    end
  end)
end)
