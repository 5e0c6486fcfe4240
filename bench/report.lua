--- The table, the budgets, and what there is to say about the machine.
--
-- Everything is printed and kept in build/bench.txt.

local figures  = require "bench.figures"
local formats  = require "bench.formats"
local policies = require "bench.policies"
local process  = require "bench.process"

local report = {}

local out, notes
local file_name

local function say(...)
  local line = select("#", ...) > 1 and string.format(...) or (... or "")
  out[#out + 1] = line
  io.stdout:write(line, "\n")
end

--- Something that went wrong in a run and must stand beside its figures.
function report.note(text) notes[#notes + 1] = text end

local began
function report.progress(what, who, rep)
  if not report.is_terminal then return end
  io.stderr:write(("\r\27[K%4d s  %s: %s, %d"):format(process.now() - began, what, who, rep))
end

-- ---- the machine ----

local function cpu_model()
  local text = process.read "/proc/cpuinfo" or ""
  return text:match "model name%s*:%s*([^\n]+)" or text:match "Processor%s*:%s*([^\n]+)" or "unknown CPU"
end

local function load_average() return (process.read "/proc/loadavg" or ""):match "^%S+ %S+ %S+" end

function report.begin(build)
  out, notes, began = {}, {}, process.now()
  file_name = build .. "/bench.txt"
  report.is_terminal = process.output "test -t 2 && echo yes" == "yes" or os.getenv "PROGRESS" ~= nil
  say("command   %s", (os.getenv "COMMAND" or "script/bench"):gsub("%s+$", ""))
  say("date      %s", process.output "date -u '+%Y-%m-%d %H:%M UTC'")
  say("machine   %s, %s CPUs, load average %s at the start", cpu_model(), process.output "nproc", load_average())
  say("kernel    %s", process.output "uname -srm")
  say("tidegate  %s at %s", process.output(build .. "/tidegate version | head -1"),
    process.output "git log -1 --format='%h of %cd' --date=iso")
  if process.output "command -v nginx" == "" then return say() end
  say("others    nginx %s, lua-nginx-module %s, Node.js %s, @portkey-ai/gateway 1.15.2 (@hono/node-server 1.13.8)",
    process.output "nginx -v 2>&1 | sed s:.*/::", process.output "dpkg-query -W -f '${Version}' libnginx-mod-http-lua",
    process.output "node --version")
  say()
end

-- ---- numbers ----

local median, over, ratio = figures.median, figures.over, figures.ratio
local shown, times, verdict = figures.shown, figures.times, figures.verdict
local cpu_per_request, cpu_per_event = figures.cpu_per_request, figures.cpu_per_event

local function difference(cell, a, b, of)
  local list = {}
  if not cell or not cell[a] or not cell[b] then return nil end
  for rep = 1, math.min(#cell[a], #cell[b]) do
    local x, y = of(cell[a][rep]), of(cell[b][rep])
    if x and y then list[#list + 1] = x - y end
  end
  return median(list)
end

local function field(name) return function(run) return run[name] end end

-- ---- tables ----

local function put_table(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, #cell) end
  end
  for r, row in ipairs(rows) do
    local line = {}
    for i, cell in ipairs(row) do
      local pad = (" "):rep(widths[i] - #cell)
      line[i] = i <= 2 and cell .. pad or pad .. cell
    end
    say("%s", "| " .. table.concat(line, " | ") .. " |")
    if r == 1 then
      for i, width in ipairs(widths) do line[i] = i <= 2 and ("-"):rep(width) or ("-"):rep(width - 1) .. ":" end
      say("%s", "| " .. table.concat(line, " | ") .. " |")
    end
  end
  say()
end

local COLUMNS = { "direct", "nginx", "lua", "portkey", "tidegate", "keys" }

-- One row of what alternating runs measured; the last columns are ratios.
local function row(load, what, cell, of, options)
  options = options or {}
  local r = { load, what }
  for i, id in ipairs(COLUMNS) do
    r[i + 2] = (options.only_proxies and id == "direct") and "-" or shown(over(cell[id], of))
  end
  r[#r + 1] = options.no_ratio and "-" or times(ratio(cell, "tidegate", "nginx", of))
  r[#r + 1] = options.no_ratio and "-" or times(ratio(cell, "keys", "nginx", of))
  return r
end

-- What a proxy adds to the direct figure, p50 and p99 in one cell.
local function added_row(load, what, cell, name)
  local r = { load, what }
  for i, id in ipairs(COLUMNS) do
    local p50, p99 = field(name .. "_p50_us"), field(name .. "_p99_us")
    if id == "direct" then
      r[i + 2] = shown(over(cell.direct, p50)) .. " / " .. shown(over(cell.direct, p99))
    else
      local d50, d99 = difference(cell, id, "direct", p50), difference(cell, id, "direct", p99)
      r[i + 2] = d50 and ("+%s / +%s"):format(shown(d50), shown(d99)):gsub("%+%-", "-") or "-"
    end
  end
  r[#r + 1], r[#r + 2] = "-", "-"
  return r
end

local function latency_row(load, cell)
  local r = { load, "p50 / p99, us" }
  for i, id in ipairs(COLUMNS) do
    r[i + 2] = shown(over(cell[id], field "latency_p50_us")) .. " / " .. shown(over(cell[id], field "latency_p99_us"))
  end
  r[#r + 1] = times(ratio(cell, "tidegate", "nginx", field "latency_p50_us"))
  r[#r + 1] = times(ratio(cell, "keys", "nginx", field "latency_p50_us"))
  return r
end

-- A figure each contender has one of.
local function single(load, what, of, no_ratio)
  local r, values = { load, what }, {}
  for i, id in ipairs(COLUMNS) do
    values[id] = of(id)
    r[i + 2] = shown(values[id])
  end
  local has = values.tidegate and values.nginx and values.nginx > 0 and not no_ratio
  r[#r + 1], r[#r + 2] = has and times(values.tidegate / values.nginx) or "-", "-"
  return r
end

local function mib(kib) return kib and kib / 1024 end

local function request_rows(rows, results)
  for _, load in ipairs { "1 KB, 1", "1 KB, 16", "1 KB, 64", "1 KB, 256", "20 KB, 1", "20 KB, 64", "20 KB, 256" } do
    local cell = results[load]
    if cell then
      local name = load:gsub(", ", " x ")
      rows[#rows + 1] = row(name, "CPU us/request", cell, cpu_per_request)
      rows[#rows + 1] = row(name, "requests/s", cell, field "rps")
      rows[#rows + 1] = latency_row(name, cell)
    end
  end
end

local function stream_rows(rows, results)
  for _, one in ipairs { { "paced", "64 streams, 5 ms" }, { "many", "1,000 streams, 20 ms" },
                         { "short", "64 streams of 20 events" } } do
    local cell = results[one[1]]
    if cell then
      rows[#rows + 1] = row(one[2], "events/s", cell, function(run) return run.events / run.seconds end)
      rows[#rows + 1] = row(one[2], "CPU us/event", cell, cpu_per_event)
      if over(cell.tidegate, field "first_byte_p50_us") then
        rows[#rows + 1] = added_row(one[2], "first event p50 / p99, us", cell, "first_byte")
      end
      rows[#rows + 1] = added_row(one[2], "event's way p50 / p99, us", cell, "event_delay")
    end
  end
end

local function beside(m, name)
  if m then return over(m.beside, field(name)) end
end

local function memory_rows(rows, results)
  local memory = results.memory
  if not memory then return end
  local function of(name) return function(id) return memory[id] and mib(memory[id][name]) end end
  rows[#rows + 1] = single("memory", "RSS idle, MiB", of "idle_kib")
  rows[#rows + 1] = single("memory", "RSS under 20 KB x 256, MiB", of "loaded_kib")
  rows[#rows + 1] = single("memory", "RSS after, MiB", of "after_kib")
  rows[#rows + 1] = single("memory", "RSS after 4,000 streams, MiB", of "after_streams_kib")
  rows[#rows + 1] = single("4,000 streams (Portkey 1,000)", "KiB per open stream",
    function(id) return memory[id] and memory[id].stream_kib end)
  rows[#rows + 1] = single("1,000 streams, TLS upstream", "KiB per open stream",
    function(id) return id == "tidegate" and results.tls_stream_kib or nil end)
  rows[#rows + 1] = single("50 MB unread", "growth, MiB", of "unread_kib", true)
  rows[#rows + 1] = single("no streams open", "CPU us/request", function(id) return beside(memory[id], "none") end)
  rows[#rows + 1] = single("4,000 streams open", "CPU us/request", function(id) return beside(memory[id], "open") end)
end

-- ---- policies ----

local KIND_NAMES = { none = "none", data = "data alone", hooks = "filter, score", whole = "every hook" }
local BURN_NAMES = { none = "no policy", loops = "loops for ever", long = "1.5 ms", short = "0.9 ms", tiny = "45 us",
                     answers = "1.5 ms in on_response" }

-- What hooks add to the same decision without them; all of a policy of data alone.
local function added_us(kind)
  return function(run)
    return (run.order - (kind == "data" and run.built_in or run.data)) / 1000
  end
end

local function decision_rows(rows, list)
  for _, size in ipairs(policies.SIZES) do
    local whole, added, first = { size .. " endpoints", "decision, us" }, { size .. " endpoints", "of which hooks, us" },
      { size .. " endpoints", "first decision, us" }
    for i, kind in ipairs(policies.KINDS) do
      local runs = list[("%s, %d"):format(kind == "none" and "data" or kind, size)]
      whole[i + 2] = shown(over(runs, function(run) return (kind == "none" and run.built_in or run.order) / 1000 end))
      added[i + 2] = (kind == "none" or kind == "data") and "-" or shown(over(runs, added_us(kind)))
      first[i + 2] = kind == "none" and "-" or shown(over(runs, function(run) return run.first / 1000 end))
    end
    rows[#rows + 1], rows[#rows + 2], rows[#rows + 3] = whole, added, first
  end
end

local function policy_table(results)
  local cell, list = results.policy_requests, results.policy_decisions
  if not cell then return end
  local rows, cpu, to_none = { { "policy", "figure" } }, { "1 KB x 64", "CPU us/request" }, { "1 KB x 64", "to none" }
  for i, kind in ipairs(policies.KINDS) do
    rows[1][i + 2] = KIND_NAMES[kind]
    cpu[i + 2] = shown(over(cell[kind], cpu_per_request))
    to_none[i + 2] = kind == "none" and "-" or times(ratio(cell, kind, "none", cpu_per_request))
  end
  decision_rows(rows, list)
  rows[#rows + 1], rows[#rows + 2] = cpu, to_none
  rows[#rows + 1] = { "memory", "KiB of a policy in an engine", "-", "-", shown(results.policy_kib), "-" }
  put_table(rows)
end

local function burn_table(results)
  local cell = results.policy_burns
  if not cell then return end
  local rows = { { "requests beside a policy that burns", "figure" } }
  for _, one in ipairs { { "of no policy", "p50 / p99, us" }, { "of no policy", "beyond no policy" },
                         { "of that policy", "p99, us" } } do
    rows[#rows + 1] = one
  end
  for i, burn in ipairs(policies.BURNS) do
    local runs, p50, p99 = cell[burn.id], field "latency_p50_us", field "latency_p99_us"
    rows[1][i + 2] = BURN_NAMES[burn.id]
    rows[2][i + 2] = shown(over(runs, p50)) .. " / " .. shown(over(runs, p99))
    rows[3][i + 2] = burn.hook and ("%s / %s"):format(shown(difference(cell, burn.id, "none", p50)),
      shown(difference(cell, burn.id, "none", p99))) or "-"
    rows[4][i + 2] = shown(over(runs, field "others_p99_us"))
  end
  put_table(rows)
end

-- ---- budgets ----

local function format_budgets(add, results)
  for _, what in ipairs { "request", "event" } do
    for _, base in ipairs { "the same format", "chat over openai-chat" } do
      local most, who = formats.worst(results, what, base ~= "the same format")
      if most then
        add(("CPU per %s translated, to %s: the dearest, %s"):format(what, base, who), formats.LIMITS[what], most, "x")
      end
    end
  end
end

local function budget_rows(results)
  local rows = { { "budget", "limit", "measured", "verdict" } }
  local memory = results.memory or {}
  local tide, decide = memory.tidegate or {}, results.decide or {}
  local function add(what, limit, value, unit, at_least)
    if not value then return end
    rows[#rows + 1] = { what, (at_least and ">= " or "<= ") .. limit .. unit,
                        shown(value) .. unit, verdict(value, limit, at_least) }
  end
  local function cell(name) return results[name] or {} end
  add("CPU per request, 1 KB x 64, to nginx", 1.2, ratio(cell "1 KB, 64", "tidegate", "nginx", cpu_per_request), "x")
  add("CPU per request, 1 KB x 1, to nginx", 1.1, ratio(cell "1 KB, 1", "tidegate", "nginx", cpu_per_request), "x")
  add("CPU per request, 20 KB x 64, to nginx", 1.2, ratio(cell "20 KB, 64", "tidegate", "nginx", cpu_per_request), "x")
  add("CPU per request, 20 KB x 64, to nginx + Lua", 0.45,
    ratio(cell "20 KB, 64", "tidegate", "lua", cpu_per_request), "x")
  add("CPU per event, 64 streams, to nginx", 1.2, ratio(cell "paced", "tidegate", "nginx", cpu_per_event), "x")
  add("CPU per event, 1,000 streams, to nginx", 1.2, ratio(cell "many", "tidegate", "nginx", cpu_per_event), "x")
  add("first event of a stream p50, beyond nginx", 50,
    difference(cell "short", "tidegate", "nginx", field "first_byte_p50_us"), " us")
  add("first event of a stream p99, beyond nginx", 200,
    difference(cell "short", "tidegate", "nginx", field "first_byte_p99_us"), " us")
  local c16 = cell "1 KB, 16"
  local function added(name, limit)
    local ours = difference(c16, "tidegate", "direct", field(name))
    local theirs = difference(c16, "nginx", "direct", field(name))
    add(("added %s at 16 connections, to nginx's"):format(name:match "p%d+"), limit,
      ours and theirs and theirs > 0 and ours / theirs or nil, "x")
  end
  added("latency_p50_us", 1.2)
  added("latency_p99_us", 1.4)
  add("CPU per new request with 4,000 streams open, to none", 1.15,
    over(tide.beside, function(b) return b.open / b.none end), "x")
  add("growth for a client that leaves 50 MB unread", 1, mib(tide.unread_kib), " MiB")
  add("memory per open stream", 6, tide.stream_kib, " KiB")
  add("memory per open stream, TLS upstream", 34, results.tls_stream_kib, " KiB")
  add("RSS idle", 10, mib(tide.idle_kib), " MiB")
  add("RSS after load and 4,000 streams, to idle", 1.2,
    tide.after_streams_kib and tide.after_streams_kib / tide.idle_kib, "x")
  add("decision over 16 endpoints", 1000, decide.plan_ns, " ns")
  add("window update", 30, decide.window_add_ns, " ns")
  add("four quantiles", 1000, decide.quantiles_ns, " ns")
  add("start to ready, 500 models", 40, results.start and over(results.start.tidegate, field "ready_ms"), " ms")
  add("Portkey's CPU per request, 1 KB x 64, to ours", 35,
    ratio(cell "1 KB, 64", "portkey", "tidegate", cpu_per_request), "x", true)
  add("Portkey's CPU per event, 64 streams, to ours", 5,
    ratio(cell "paced", "portkey", "tidegate", cpu_per_event), "x", true)
  local theirs = memory.portkey and memory.portkey.stream_kib
  add("Portkey's memory per stream, to ours", 15,
    theirs and tide.stream_kib and tide.stream_kib > 0 and theirs / tide.stream_kib or nil, "x", true)
  local list, burns = results.policy_decisions or {}, results.policy_burns or {}
  add("hooks over 5 endpoints, filter and score", 2, over(list["hooks, 5"], added_us "hooks"), " us")
  add("hooks over 20 endpoints, filter and score", 5, over(list["hooks, 20"], added_us "hooks"), " us")
  add("a policy of data alone, 20 endpoints", 2, over(list["data, 20"], added_us "data"), " us")
  for _, burn in ipairs(policies.BURNS) do
    if burn.hook then
      add("others' p99 beside a policy that burns: " .. BURN_NAMES[burn.id], 1000,
        difference(burns, burn.id, "none", field "latency_p99_us"), " us")
    end
  end
  format_budgets(add, results)
  return rows
end

-- How much of the time the proxies stood ready and others had their CPU.
local function say_noise(results)
  local shares = {}
  for name, cell in pairs(results) do
    if type(cell) == "table" and (cell.nginx and cell.direct or name:find "^format_") then
      for _, runs in pairs(cell) do
        for _, run in ipairs(runs) do
          if run.wait_us then shares[#shares + 1] = run.wait_us / run.seconds / 1e4 end
        end
      end
    end
  end
  if #shares == 0 then return end
  table.sort(shares)
  say("Noise: in the median run the proxy stood ready for %.1f %% of the time while something else had its CPU"
    .. " (worst run: %.0f %%). Load average %s at the end.", median(shares), shares[#shares], load_average())
end

function report.print(results, is_quick)
  if report.is_terminal then io.stderr:write "\r\27[K" end
  local rows = { { "load", "figure", "direct", "nginx", "nginx + Lua", "Portkey", "tidegate", "tidegate, keys",
                   "to nginx", "keys to nginx" } }
  request_rows(rows, results)
  stream_rows(rows, results)
  memory_rows(rows, results)
  if results.start then
    rows[#rows + 1] = single("start, 500 models", "ms to the first 200",
      function(id) return over(results.start[id], field "ready_ms") end)
  end
  local d = results.decide
  if d then
    local function own(what, key)
      rows[#rows + 1] = single("16 endpoints", what, function(id) return id == "tidegate" and d[key] or nil end)
    end
    own("decisions/s (read body, plan)", "decisions_per_s")
    own("ns, read the body's needs", "needs_ns")
    own("ns, plan: constrain and rank", "plan_ns")
    own("ns, sort by latency", "plan_sorted_ns")
    own("ns, window update", "window_add_ns")
    own("ns, four quantiles", "quantiles_ns")
  end
  if #rows > 1 then put_table(rows) end
  policy_table(results)
  burn_table(results)
  if results.format_events then put_table(formats.rows(results)) end
  local budgets = budget_rows(results)
  if #budgets > 1 then put_table(budgets) end
  say_noise(results)
  if is_quick then
    say("A quick run: one repetition of about a second each, of policies three, of formats two. Ratios are rough.")
  end
  for _, note in ipairs(notes) do say("%s", "Note: " .. note) end
  say("Took %d s.", process.now() - began)
  process.write(file_name, table.concat(out, "\n") .. "\n")
end

return report
