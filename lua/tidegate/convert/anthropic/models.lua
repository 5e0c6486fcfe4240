--- What a model of Anthropic's takes, told from its name.
--
-- The Messages API is one format, but each generation refuses with a 400 what the next or the last one takes
-- (docs/wires/anthropic-messages.md has the table and its sources). A name that is nobody's (another maker's model
-- behind an Anthropic-shaped server) takes everything.

local anthropic_models = {}

local FAMILIES = { "opus", "sonnet", "haiku", "fable", "mythos" }

local function digits(major, minor)
  return tonumber(major) + (tonumber(minor) or 0) / 10
end

--- Family and version, from any of the spellings: claude-3-7-sonnet-20250219, claude-opus-4-1@20250805,
-- anthropic/claude-4.6-sonnet, claude-fable-5.
-- @treturn ?string  nil for a name that says neither
-- @treturn ?number  4.6
function anthropic_models.version(name)
  name = (name or ""):lower()
  for _, family in ipairs(FAMILIES) do
    local major, minor = name:match("claude%-(%d+)[%-.](%d%d?)%-" .. family)
    if not major then major = name:match("claude%-(%d+)%-" .. family) end
    if not major then
      -- A date follows some names; a minor version never has more than two digits.
      major, minor = name:match("claude%-" .. family .. "%-(%d+)[%-.](%d%d?)%f[%D]")
      if not major then major = name:match("claude%-" .. family .. "%-(%d%d?)%f[%D]") end
    end
    if major then return family, digits(major, minor) end
  end
end

-- How to ask for no thinking: a `type`, or nothing ("") where it does not think unless asked, or nil where it
-- cannot be turned off.
local function off(family, version)
  if family == "fable" or family == "mythos" or (family == "opus" and version >= 5.5) then return nil end
  if version < 5 then return "" end
  return family == "sonnet" and version >= 5.5 and "between_tools" or "disabled"
end

local function efforts_of(family, version)
  if version >= 4.7 then return { "low", "medium", "high", "xhigh", "max" } end
  if version >= 4.6 then return { "low", "medium", "high", "max" } end
  if version >= 4.5 and family == "opus" then return { "low", "medium", "high" } end
  return {}
end

-- The longest answer where the catalogue does not say.
local function longest(family, version)
  if version >= 4.7 or (version >= 4.6 and family == "opus") then return 128000 end
  if version >= 4 and version < 4.5 and family == "opus" then return 32000 end
  return version >= 3.7 and 64000 or version >= 3.5 and 8192 or 4096
end

local ANY = {
  thinks = true, by_budget = true, adapts = false, thinks_unasked = false, off = "disabled", hides_thoughts = false,
  efforts = {}, samples = true, samples_by_one = false, can_be_forced = true, has_formats = true,
  hears_system = false,
}

--- @treturn table  thinks; by_budget: `thinking` with budget_tokens; adapts: adaptive `thinking`; thinks_unasked;
--   off: the `type` for no thinking, "" for none needed, nil for impossible; hides_thoughts unless told to show them;
--   efforts: levels of output_config.effort, lowest first; samples: takes temperature, top_p, top_k;
--   samples_by_one: temperature or top_p, never both; can_be_forced to call a tool; has_formats:
--   output_config.format and strict tools; hears_system: system messages in mid-conversation; longest: output
--   tokens, nil unknown
function anthropic_models.traits(name)
  local family, v = anthropic_models.version(name)
  if not family then return ANY end
  local is_myth = family == "fable" or family == "mythos"
  return {
    thinks = v >= 3.7, by_budget = v >= 3.7 and v < 4.7, adapts = v >= 4.6,
    thinks_unasked = v >= 5, off = off(family, v), hides_thoughts = v >= 4.7, efforts = efforts_of(family, v),
    samples = v < 4.7, samples_by_one = v >= 4.1 and v < 4.7,
    can_be_forced = not (is_myth and v >= 5.1 or v >= 5.5 and family ~= "haiku"),
    has_formats = v >= 4.1, longest = longest(family, v),
    hears_system = is_myth or v >= 5.5 or family == "opus" and v >= 4.8,
  }
end

local ORDER = { minimal = 0, low = 1, medium = 2, high = 3, xhigh = 4, max = 5 }

--- The level of `efforts` that is nearest to a word of the contract's, the lower one of two; nil when there are none.
function anthropic_models.effort(efforts, word)
  local wanted, best = ORDER[word], nil
  if not wanted then return nil end
  for _, level in ipairs(efforts) do
    if not best or ORDER[level] <= wanted then best = level end
  end
  return best
end

return anthropic_models
