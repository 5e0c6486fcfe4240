--- The providers of a configuration: which take part, as the core wants them, and why the others do not.
--
--     local list, notes = providers.read(file)
--
-- `file` is a configuration that was read and held to the schema (config.lua).

local core         = require "tidegate.core"
local builtin      = require "tidegate.providers"
local header_lines = require "tidegate.base.header_lines"
local signers      = require "tidegate.app.signers"
local wires        = require "tidegate.wire.wires"

local providers = {}

local FORMATS_MAX = 4     -- of one provider: TG_WIRES_MAX is twice that
local SECRET_BYTES = 8    -- what is shorter stands in ordinary words, too
local USUAL_WIRE = "openai-chat"

-- What a built-in provider gives to who names it; the first two only to who leaves its wire to it.
local WITH_WIRE = { "also", "wire_of" }
local INHERITED = { "name", "wire", "base_url", "key", "extensions", "data_collection", "zdr", "region", "about" }

-- "groq", or a table without base_url: the built-in provider of that slug, where it speaks that wire.
local function completed(given, env)
  if type(given) == "string" then given = { slug = given, key = nil, is_short = true } end
  local known = not given.base_url and builtin.find(given.slug)
  local p = {}
  for name, value in pairs(given) do p[name] = value end
  if type(p.also) == "string" then p.also = { p.also } end
  p.wire = p.wire or not known and USUAL_WIRE or nil
  if not known then return p end
  for _, name in ipairs(p.wire and {} or WITH_WIRE) do
    if p[name] == nil then p[name] = known[name] end
  end
  for _, name in ipairs(INHERITED) do
    if p[name] == nil then p[name] = known[name] end
  end
  if p.wire ~= known.wire then p.base_url = (known.addresses or {})[p.wire] end
  p.usual_env = known.env
  if given.is_short and known.env then
    p.key = env(known.env)
    p.missing_env = p.key == nil and known.env or nil
  end
  return p
end

-- The names of all its wires, each once, the usual one first.
local function spoken_by(p)
  local names, has = {}, {}
  local function add(name)
    if not has[name] then names[#names + 1], has[name] = name, true end
  end
  add(p.wire)
  for _, name in ipairs(p.also or {}) do add(name) end
  local others = {}
  for _, name in pairs(p.wire_of or {}) do others[#others + 1] = name end
  table.sort(others)
  for _, name in ipairs(others) do add(name) end
  return names
end

-- ---- as the core wants them ----

-- The wires' fields, unless the provider's table has others.
local function all_headers(p, find)
  local headers, has = {}, {}
  local function add(more)
    for name, value in pairs(more or {}) do
      if not has[name:lower()] then headers[name], has[name:lower()] = value, true end
    end
  end
  add(p.headers)
  for _, name in ipairs(spoken_by(p)) do add(find(name).headers) end
  return headers
end

local BEARER = { header = "Authorization", prefix = "Bearer " }

-- As struct tg_provider wants it.
local function for_core(p, find, signer)
  local wire = find(p.wire)
  local auth = p.token and BEARER or wire.auth
  return {
    slug = p.slug, name = p.name or p.slug, wires = wires.compile(p, find),
    base_url = p.base_url, key = p.token or p.key or nil, auth_header = auth.header, auth_prefix = auth.prefix,
    signer = signer, headers = header_lines(all_headers(p, find)), proxy = p.proxy, region = p.region,
    about = p.about and core.json.encode(p.about),
    denies_data_collection = p.data_collection == "deny" or p.zdr == true, zdr = p.zdr,
    http2 = p.http2, no_stream_options = p.stream_options == false,
  }
end

-- ---- keys that are not there ----

local function has_secret(p)
  for _, name in ipairs(signers.SECRETS) do
    if p[name] then return true end
  end
  return false
end

-- Is this provider's key meant to be there although it is nil? `key = env "X"`
-- is written in its table; a table that is made by a program has no place in
-- the source, and then any unset variable is reason enough.
local function lacks_key(p, node, missing)
  if p.key == false or has_secret(p) then return false end
  if p.missing_env then return true end
  if not (node and node.fields) then return #missing > 0 end
  for _, name in ipairs(signers.SECRETS) do
    if node.fields[name] ~= nil then return true end
  end
  return false
end

-- Which variables were to give these keys: "A and B are not set"; nil when none is named.
local function unset(node, names)
  local variables = {}
  for _, name in ipairs(names) do
    local field = node and node.fields and node.fields[name]
    if field and field.env then variables[#variables + 1] = field.env end
  end
  if not variables[1] then return nil end
  return table.concat(variables, " and ") .. (variables[2] and " are not set" or " is not set")
end

local function left_out(p, node)
  local why = p.missing_env and p.missing_env .. " is not set" or unset(node, signers.SECRETS) or "its key is not set"
  return ("provider %s is left out: %s"):format(p.slug, why)
end

-- What is good and yet looks odd about a provider that takes part.
local function note_keys(p, notes)
  for _, name in ipairs { "key", "token" } do
    if type(p[name]) == "string" then
      core.log.secret(p[name])
      if #p[name] < SECRET_BYTES then
        notes[#notes + 1] = ("provider %s has a key of less than %d characters: too short to be found "
          .. "and blacked out in what it says"):format(p.slug, SECRET_BYTES)
      end
    end
  end
  if p.key ~= false and p.base_url:find "^https:" and not has_secret(p) then
    notes[#notes + 1] = ("provider %s is sent no key%s; key = false says that this is meant"):format(p.slug,
      p.usual_env and (', for that there is key = env "%s"'):format(p.usual_env) or "")
  end
end

-- ---- addresses ----

local function without_slash(url)
  return (url:gsub("/+$", ""))
end

local function ends_in(url, ending)
  return without_slash(url):sub(-#ending) == ending
end

-- Why this wire is not spoken below that address; nil when it may be.
local function odd_address(p, find)
  for ending, name in pairs(find(p.wire).apart or {}) do
    if ends_in(p.base_url, ending) then
      return ('%s is spoken below %s: leave that out, or say wire = "%s"'):format(name, ending, name)
    end
  end
  for _, one in ipairs(wires.compile(p, find)) do
    local path = one.targets.whole:gsub("%?.*$", ""):match "/[%w%-/]+$"
    if path and ends_in(p.base_url, path) then return ("requests go to %s below it: leave that out"):format(path) end
  end
end

-- Why these two are not spoken by one provider; nil when they may be.
local function apart(name, wire, other_name, other)
  local own = (wire.signs or wire.others) and name or (other.signs or other.others) and other_name
  return own and own .. " has addresses and keys of its own: make it another provider"
end

-- Which key names a wire that is not to be had there, and why; nil when all are.
local function odd_wire(file, p)
  local usual, why = file.wires.find(p.wire)
  if not usual then return "wire", why end
  local seen = { [p.wire] = true }
  for _, name in ipairs(p.also or {}) do
    if seen[name] then return "also", name .. " is one of its formats already" end
    seen[name] = true
  end
  for key, names in pairs { also = p.also, wire_of = p.wire_of } do
    for _, name in pairs(names) do
      local wire, unknown = file.wires.find(name)
      why = unknown or name ~= p.wire and apart(name, wire, p.wire, usual)
      if why then return key, why end
    end
  end
  if #spoken_by(p) > FORMATS_MAX then return "also", ("more than %d formats"):format(FORMATS_MAX) end
end

-- What there is to say to a provider without an address.
local function no_address(given, p)
  if builtin.find(p.slug) then
    return ("missing key base_url: %s is not known to speak %s"):format(p.slug, p.wire)
  end
  if wires.find(given.wire or "") then return ("missing key base_url, see docs/wires/%s.md"):format(given.wire) end
  return "missing key base_url: " .. builtin.instead(p.slug)
end

local function check_url(p, name)
  local ok, why = core.is_url(p[name])
  if not ok then return ("providers: %s of %s: %s"):format(name, p.slug, tostring(why)) end
end

-- ---- reading ----

-- One provider as the core wants it; nil and what is wrong with which key.
local function read_one(file, p, node)
  local find = file.wires.find
  local wire = find(p.wire)
  local odd, why = signers.misplaced(wire, p)
  if odd then return nil, odd, why end
  why = odd_address(p, find)
  if why then return nil, "base_url", why end
  local signer, key, words, project = signers.of(wire, p, file.path_of)
  if key then return nil, key, p[key] == nil and unset(node, { key }) or words end
  p.project = p.project or project
  return for_core(p, find, signer)
end

-- What is wrong with its place: a name that nobody has, no address, one that is none, a name twice.
local function check_place(file, i, given, p, seen)
  local path = { "providers", i }
  local function bad(...) return file:complain(path, ("providers[%d]: "):format(i) .. string.format(...)) end
  if type(given) == "string" and not builtin.find(given) then return bad("%s", builtin.instead(given)) end
  local wrong, why = odd_wire(file, p)
  if wrong then return file:complain({ "providers", i, wrong }, ("providers[%d].%s: %s"):format(i, wrong, why)) end
  if not p.base_url then return bad("%s", no_address(given, p)) end
  if seen[p.slug] then return bad("there are two providers %s", p.slug) end
  for _, name in ipairs { "base_url", "proxy" } do
    why = p[name] and check_url(p, name)
    if why then return file:complain({ "providers", i, name }, why) end
  end
end

--- The providers that take part, and what is told about the others.
-- @treturn ?table  as the core wants them
-- @treturn table  notes; or the first mistake
function providers.read(file)
  local taking_part, notes, seen = {}, {}, {}
  for i, given in ipairs(file.value.providers or {}) do
    local p, node = completed(given, file.env), file:node("providers", i)
    local bad = check_place(file, i, given, p, seen)
    if bad then return nil, bad end
    seen[p.slug] = true
    if lacks_key(p, node, file.missing) then
      notes[#notes + 1] = left_out(p, node)
    else
      local read, key, words = read_one(file, p, node)
      if not read then
        return nil, file:complain({ "providers", i, key }, ("providers[%d].%s: %s"):format(i, key, words))
      end
      taking_part[#taking_part + 1] = read
      note_keys(p, notes)
    end
  end
  return taking_part, notes
end

return providers
