--- Runs a policy in plain Lua, for tests without the gateway's core.
--
-- A backend is { load = function(source, world) ... end }. The other one, with the sandbox that the
-- gateway has, is app/policy_backend.lua.
--
--     source     { text, called, beside }: the file's text, its name in errors, and a function that
--                gives text and name of a file beside it, by the name that `require` is given
--     world      { now, entries, lines }: the time, what kv holds, what was logged; of all policies
--
--     local code, why = backend.load(source, world)        why: "file:line: what"
--     code.value, code.globals      what the file returned, and left in its environment; a function
--                                   is one, or { ["function"] = LINE }
--     code:seed(n)                  what chance is from now on
--     code:call(hook, request, first, second)
--       --> true, results with their number `n`; or false, what it raised
--
-- `request`, `first` and `second` are plain tables that nobody changes any more; the hook gets them
-- read-only. Which argument stands where is told in prelude.lua.

local environment = require "tidegate.policy.environment"
local prelude     = require "tidegate.policy.prelude"

local backend = {}

local code_mt = {}
code_mt.__index = code_mt

-- The sandbox's require: files beside the policy, each once, while it is loaded.
local function new_require(loader)
  return function(name)
    local function fail(...) error(string.format(...), 3) end
    if type(name) ~= "string" or ("." .. name):gsub("%.[%w_]+", "") ~= "" or #name > 64 then
      fail("bad argument #1 to 'require' (letters, digits and '_', with dots between)")
    end
    local loaded = loader.modules[name]
    if loaded == loader then fail("module '%s' requires itself", name) end
    if loaded ~= nil then return loaded end
    if not loader.is_loading then fail("require works while a policy is loaded, not while it decides") end
    local text, called = loader.beside(name)
    if not text then fail("module '%s': no such thing", name) end
    local chunk, why = environment.load(text, called, loader.env)
    if not chunk then error(why, 0) end
    loader.modules[name] = loader
    local value = chunk()
    if value == nil then value = true end
    loader.modules[name] = value
    return value
  end
end

-- What was raised, with the file's name at least.
local function placed(raised, called)
  local message = type(raised) == "string" and raised or "raised a " .. type(raised)
  if message:find("^[^\n:]+:%d+: ") or message:sub(1, #called) == called then return message end
  return called .. ": " .. message
end

function backend.load(source, world)
  local loader = { modules = {}, beside = source.beside, is_loading = true }
  local env, seed = environment.new(new_require(loader))
  env.tidegate = environment.frozen { kv = prelude.kv(world), log = prelude.log(world, env.tostring) }
  loader.env = env
  local chunk, why = environment.load(source.text, source.called, env)
  if not chunk then return nil, why end
  local ok, value = environment.run(env, chunk)
  loader.is_loading = false
  if not ok then return nil, placed(value, source.called) end
  return setmetatable({ value = value, globals = env, env = env, reseed = seed, called = source.called,
                        views = setmetatable({}, { __mode = "k" }) }, code_mt)
end

function code_mt:seed(n)
  self.reseed(n)
end

-- The read-only view of a table, which is the same for all hooks of a decision.
function code_mt:view_of(t, make)
  local view = self.views[t]
  if not view then
    view = environment.frozen(make and make(t, self.env.math.random) or t)
    self.views[t] = view
  end
  return view
end

-- Of a list of tables, each is read-only; everything else is as a whole.
function code_mt:given(value)
  if type(value) ~= "table" then return value end
  if value[1] == nil then return self:view_of(value) end
  local list = {}
  for i, item in ipairs(value) do list[i] = self:view_of(item) end
  return list
end

function code_mt:call(hook, request, first, second)
  local _, is_good, results = environment.run(self.env, prelude.call, self.value, hook,
    self:view_of(request, prelude.request), self:given(first), self:given(second))
  if not is_good then return false, placed(results, self.called) end
  for i = 1, results.n do results[i] = environment.plain(results[i]) end
  return true, results
end

return backend
