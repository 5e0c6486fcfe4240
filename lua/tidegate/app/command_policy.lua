--- tidegate policy: what the author of a policy needs.

local core         = require "tidegate.core"
local near         = require "tidegate.base.near"
local policies     = require "tidegate.app.policies"
local policy_bench = require "tidegate.app.policy_bench"
local policy_test  = require "tidegate.app.policy_test"
local schema       = require "tidegate.policy.schema"
local shipped      = require "tidegate.app.shipped"

local unpack = rawget(_G, "unpack") or rawget(table, "unpack")

local command = {
  summary = "test, time and write routing policies",
  arguments = { "WHAT", "[FILE...]" },
  options = {
    { name = "endpoints", value = "N", doc = "bench: over so many; default 5, then 20" },
    { name = "config", value = "CONFIG", doc = "bench: over this configuration's endpoints" },
    { name = "request", value = "FILE", doc = "bench: with this request body" },
    { name = "json", doc = "bench: as JSON, a line each" },
  },
  doc = [[
WHAT is

  test FILE...    run the *_spec.lua beside each policy, hooks in the real sandbox;
                  FILE may be a policy or one of its specs
  bench FILE...   microseconds of a decision, and where they go
  show [NAME]     print a policy that comes with the program, to be copied
  fields          print every key, field and function as Markdown tables
  types           print LuaCATS definitions for editors
  luacheckrc      print a part of .luacheckrc that knows what the sandbox has

docs/policy.md has every key and field, docs/first-policy.md begins at nothing.]],
}

local function complain(...)
  io.stderr:write("tidegate policy: ", string.format(...), "\n")
  return 2
end

local actions = {}

function actions.test(_, files)
  if not files[1] then return complain("test: FILE is missing") end
  return policy_test.run(files)
end

-- ---- bench ----

local function sizes_of(given)
  if given.config then return { 0 } end
  if not given.endpoints then return { 5, 20 } end
  local n = tonumber(given.endpoints)
  return n and n >= 1 and n <= 256 and n % 1 == 0 and { n } or nil
end

local function bench(given, path, endpoints)
  local result, err = policy_bench.run(path, { endpoints = endpoints, config = given.config,
                                               request = given.request })
  if not result then
    io.stderr:write(tostring(err), "\n")
    return 1
  end
  if given.json then
    result.file = path
    io.stdout:write(core.json.encode(result), "\n")
  else
    io.stdout:write(policy_bench.told(path, result))
  end
  return 0
end

function actions.bench(given, files)
  local sizes = sizes_of(given)
  if not files[1] then return complain("bench: FILE is missing") end
  if not sizes then return complain("--endpoints: a number from 1 to 256 expected, got %s", given.endpoints) end
  if given.request and not given.config then return complain("--request needs --config") end
  core.log.level "off"                   -- a policy may log, and is asked many thousand times
  local status = 0
  for _, path in ipairs(files) do
    for _, endpoints in ipairs(sizes) do
      status = math.max(status, bench(given, path, endpoints))
    end
  end
  return status
end

-- ---- print ----

function actions.show(_, names)
  if not names[1] then
    io.stdout:write(table.concat(policies.SHIPPED, "\n"), "\n")
    return 0
  end
  for _, name in ipairs(policies.SHIPPED) do
    if name == names[1] then
      io.stdout:write(shipped.policy(name))
      return 0
    end
  end
  return complain("show: there is no %s; there are %s", names[1], table.concat(policies.SHIPPED, ", "))
end

function actions.fields()
  io.stdout:write(schema.markdown())
  return 0
end

function actions.types()
  io.stdout:write(schema.luacats())
  return 0
end

function actions.luacheckrc()
  io.stdout:write(schema.luacheckrc())
  return 0
end

function command.run(given)
  local action = actions[given[1]]
  if action then return action(given, { unpack(given, 2) }) end
  local meant = near({ "test", "bench", "show", "fields", "types", "luacheckrc" }, given[1])
  return complain("no such thing to do: %s%s", given[1], meant and ", did you mean " .. meant .. "?" or "")
end

return command
