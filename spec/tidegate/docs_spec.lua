-- The tables in docs/ say what the tables in the code say.

local function read(path)
  local f = assert(io.open(path))
  local text = f:read "*a"
  f:close()
  return text
end

-- Rows of a Markdown table whose first cell is `code`, as lists of cells.
local function rows(text)
  local out = {}
  for line in text:gmatch "[^\n]+" do
    local cells = {}
    for cell in line:gmatch "|([^|]*)" do cells[#cells + 1] = cell:match "^%s*(.-)%s*$" end
    out[#out + 1] = cells
  end
  return out
end

describe("docs/outcomes.md", function()
  local said = {}
  for _, cells in ipairs(rows(read "docs/outcomes.md")) do
    local name = cells[1] and cells[1]:match "^`([%w_]+)`$"
    if name then said[name] = cells end
  end
  local yes = { ["true"] = "yes", ["false"] = "no" }
  local health = { FAILS = "failure", OTHER = "neutral", TG_HEALTH_SUCCESS = "success",
    TG_HEALTH_RATE_LIMITED = "rate limited" }
  local count = 0

  for name, next, again, told, h, fault in read("csrc/flow/outcome.c"):gmatch
    '%[TG_OUT_[%u_]+%]%s*=%s*{%s*"([%w_]+)",%s*TG_NEXT_(%u+),%s*(%l+),%s*(%l+),%s*([%u_]+),%s*TG_FAULT_([%u_]+)' do
    count = count + 1
    it("tells the rule of " .. name, function()
      local cells = assert(said[name], "there is no row for " .. name)
      fault = fault == "NONE" and "-" or fault:lower()
      assert.same({ next:lower(), yes[again], yes[told], health[h], fault },
        { cells[3], cells[4], cells[5], cells[6], cells[7] })
      said[name] = nil
    end)
  end

  it("has a row for every outcome and no other", function()
    assert.is_true(count > 20)
    assert.is_nil(next(said))
  end)
end)

describe("docs/errors.md", function()
  local said = {}
  for _, cells in ipairs(rows(read "docs/errors.md")) do
    local status = tonumber(cells[2])
    if status then
      for name in cells[1]:gmatch "[%w_]+" do said[name] = status end
    end
  end
  local count = 0
  for name, status in read("csrc/wire/fault.c"):gmatch '{%s*"([%l_]+)",%s*(%d%d%d)' do
    count = count + 1
    it("tells the status of " .. name, function()
      assert.equal(tonumber(status), said[name])
    end)
  end

  it("knows every error type", function()
    assert.equal(27, count)
  end)
end)
