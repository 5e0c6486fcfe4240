-- The actions of haproxy.cfg: who serves this request, and how it went.
local json     = require "tidegate.core".json
local tidegate = require "tidegate"

-- Deciding alone: no thread, no I/O, some microseconds.
local c = assert(tidegate.client { config = "examples/embedded.lua" })

local function milliseconds()
  local now = core.now()
  return now.sec * 1000 + now.usec / 1000
end

local function refuse(txn, err)
  local reply = txn:reply()
  reply:set_status(err.status or 500)
  reply:add_header("Content-Type", "application/json")
  reply:set_body(json.encode { error = { code = err.status or 500, message = err.message } })
  txn:done(reply)
end

core.register_action("route", { "http-req" }, function(txn)
  local plan, err = c:route(txn.f:req_body())
  if not plan then return refuse(txn, err) end
  local url, headers = plan.request(1)
  txn:set_var("txn.provider", plan[1].provider)
  txn:set_var("txn.path", url:match "^%a+://[^/]+(/.*)$")
  txn:set_var("txn.authorization", headers.Authorization or "")
  txn:set_priv { endpoint = plan[1], from = milliseconds() }
end)

core.register_action("report", { "http-res" }, function(txn)
  local asked = txn:get_priv()
  if not asked then return end
  c:report(asked.endpoint, { status = txn.f:status(), ttft_ms = milliseconds() - asked.from })
end)
