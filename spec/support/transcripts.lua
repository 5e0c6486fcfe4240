--- Recorded provider traffic, read the simplest way that can work: what a
-- provider said, for judging what the gateway made of it.
--
-- The recordings are under $TIDEGATE_TEST_DATA/transcripts. This reading knows
-- nothing of the gateway's code; JSON is lua-cjson's.

local cjson = require "cjson"

local transcripts = {}

local APIS = { chat = "/chat/completions", completions = "/completions", embeddings = "/embeddings" }

-- ---- the material ----

local function slurp(path, ...)
  local f = io.open(path, ...)
  if not f then return nil end
  local text = f:read "*a"
  f:close()
  return text
end

local function gunzip(path)
  local f = assert(io.popen("gzip -dc " .. path))
  local text = f:read "*a"
  f:close()
  return text
end

--- Where the recordings are, or nil.
function transcripts.dir()
  local dir = os.getenv "TIDEGATE_TEST_DATA"
  if dir and slurp(dir .. "/transcripts/index.jsonl") then return dir .. "/transcripts" end
end

-- The header fields to send again, and what is to be known of them.
local HOP = { ["content-length"] = true, ["transfer-encoding"] = true, connection = true, ["keep-alive"] = true }

local function headers_of(meta)
  local out = {}
  for _, pair in ipairs(meta.headers) do
    local name, value = pair[1], pair[2]
    local lower = name:lower()
    if not HOP[lower] and not (lower == "content-encoding" and meta.recorder_decoded_body)
      and type(value) == "string" and not value:find "[%c]" then
      out[#out + 1] = name .. ": " .. value
    end
  end
  return out
end

local function has_field(headers, name)
  for _, line in ipairs(headers) do
    if line:lower():find("^" .. name:gsub("%-", "%%-") .. ":") then return true end
  end
end

--- One recording, by its line of the index: { name, api, kind, status, provider, headers, bytes (as they travel),
-- body (decoded), reads (sizes, where they were recorded), request (decoded) }.
function transcripts.recording(dir, row)
  local base = dir .. "/" .. row.case
  local meta = cjson.decode(assert(slurp(base .. "/response.meta.json")))
  local chunks = slurp(base .. "/response.chunks.json")
  local sizes = chunks and cjson.decode(chunks)
  local r = {
    name = row.case, api = row.api, kind = row.kind, status = row.status, provider = row.provider,
    headers = headers_of(meta), reads = sizes and sizes.chunk_sizes,
    request = cjson.decode(assert(slurp(base .. "/request.json"))),
    bytes = assert(slurp(base .. "/response.body", "rb")),
  }
  r.body = r.bytes
  if meta.body_on_disk == "gzip" then
    r.body = gunzip(base .. "/response.body")
    if not has_field(r.headers, "content-encoding") then
      r.headers[#r.headers + 1] = "Content-Encoding: gzip"
    end
  end
  return r
end

--- The lines of the index, decoded.
function transcripts.index(dir)
  local rows = {}
  for line in assert(slurp(dir .. "/index.jsonl")):gmatch "[^\n]+" do rows[#rows + 1] = cjson.decode(line) end
  return rows
end

--- Every recording of an OpenAI-compatible kind, and besides: path, is_stream.
function transcripts.all(dir)
  local list = {}
  for _, row in ipairs(transcripts.index(dir)) do
    if APIS[row.api] then
      local r = transcripts.recording(dir, row)
      r.path = APIS[row.api]
      r.is_stream = r.status == 200 and (r.body:find "^[\r\n ]*data:" or r.body:find "^[\r\n ]*event:"
        or r.body:find "^[\r\n ]*:") ~= nil
      list[#list + 1] = r
    end
  end
  return list
end

-- ---- cuts ----

--- A generator of numbers 1..n that anybody can repeat.
function transcripts.random(seed)
  local x = seed
  return function(n)
    x = (x * 16807) % 2147483647
    return x % n + 1
  end
end

--- Cut into pieces; `size()` says how long the next one is.
function transcripts.cut(bytes, size)
  local out, at = {}, 1
  while at <= #bytes do
    local n = math.max(1, size())
    out[#out + 1] = bytes:sub(at, at + n - 1)
    at = at + n
  end
  return out
end

-- ---- compression ----

-- What the converters' specs need runs in every Lua; to compress, LuaJIT is needed.
local has_ffi, ffi = pcall(require, "ffi")
if has_ffi then
  ffi.cdef [[
  typedef struct gzFile_s *tg_spec_gz;
  tg_spec_gz gzopen(const char *path, const char *mode);
  int gzwrite(tg_spec_gz file, const void *at, unsigned len);
  int gzclose(tg_spec_gz file);
  int BrotliEncoderCompress(int quality, int window, int mode, size_t in_len, const char *in,
                            size_t *out_len, char *out);
  ]]
end

local z = has_ffi and ffi.load "libz.so.1"
local has_brotli, brotli
if has_ffi then has_brotli, brotli = pcall(ffi.load, "libbrotlienc.so.1") end

function transcripts.gzip(text)
  local path = os.tmpname()
  local file = z.gzopen(path, "wb")
  assert(z.gzwrite(file, text, #text) == #text and z.gzclose(file) == 0)
  local bytes = slurp(path, "rb")
  os.remove(path)
  return bytes
end

--- Brotli; nil where the machine has no encoder.
transcripts.br = has_brotli and function(text)
  local room = #text + 1024
  local out, len = ffi.new("char[?]", room), ffi.new("size_t[1]", room)
  assert(brotli.BrotliEncoderCompress(5, 18, 0, #text, text, len, out) == 1)
  return ffi.string(out, len[0])
end or nil

-- ---- the simple reading ----

local function text_of(v) return type(v) == "string" and v or "" end
local function is_table(v) return type(v) == "table" end
local function count_of(v) return type(v) == "number" and v or nil end

local function new_reading()
  return { content = {}, reasoning = {}, arguments = "", tools = {}, finish = {}, seen = {}, natives = {},
    finishes = 0, errors = 0, usage = {}, objects = 0 }
end

local function add(t, i, text) t[i] = (t[i] or "") .. text end

local function read_parts(r, i, parts)
  for _, part in ipairs(parts) do
    if part.type == "thinking" then
      if is_table(part.thinking) then
        for _, leaf in ipairs(part.thinking) do add(r.reasoning, i, text_of(leaf.text)) end
      end
    else
      add(r.content, i, text_of(part.text))
    end
  end
end

local function read_calls(r, calls)
  for _, call in ipairs(calls) do
    local f, id = is_table(call["function"]) and call["function"] or {}, text_of(call.id)
    local is_same = id ~= "" and id == r.last_id
    if id ~= "" then r.last_id = id end
    if text_of(f.name) ~= "" and not is_same then r.tools[#r.tools + 1] = f.name end
    r.arguments = r.arguments .. text_of(f.arguments)
  end
end

local function read_saying(r, i, said)
  if not is_table(said) then return end
  if is_table(said.content) then
    read_parts(r, i, said.content)
  else
    add(r.content, i, text_of(said.content))
  end
  local thought = text_of(said.reasoning)
  add(r.reasoning, i, thought ~= "" and thought or text_of(said.reasoning_content))
  if is_table(said.tool_calls) then read_calls(r, said.tool_calls) end
end

-- The last count that was said wins, each under any of its names.
local function read_usage(r, usage)
  if not is_table(usage) then return end
  local u = r.usage
  local inp = is_table(usage.prompt_tokens_details) and usage.prompt_tokens_details or {}
  local out = is_table(usage.completion_tokens_details) and usage.completion_tokens_details or {}
  u.prompt = count_of(usage.prompt_tokens) or u.prompt
  u.completion = count_of(usage.completion_tokens) or u.completion
  u.total = count_of(usage.total_tokens) or u.total
  u.reasoning = count_of(out.reasoning_tokens) or count_of(usage.reasoning_tokens) or u.reasoning
  u.cached = math.max(count_of(inp.cached_tokens) or -1, count_of(usage.prompt_cache_hit_tokens) or -1,
    count_of(usage.cached_tokens) or -1, count_of(usage.num_cached_tokens) or -1, u.cached or -1)
  if count_of(usage.cost) then u.cost = usage.cost end
  if is_table(usage.cost) then u.cost = count_of(usage.cost.total_cost) or u.cost end
  if count_of(usage.cost_in_usd_ticks) then u.cost = usage.cost_in_usd_ticks / 1e10 end
  u.is_byok = usage.is_byok == true
end

--- Reasoning counted beside the completion belongs to it.
function transcripts.settled_usage(u)
  local prompt, completion, total = u.prompt, u.completion, u.total
  if not completion and total and prompt then completion = total - prompt end
  if not completion then return prompt, nil end
  local beyond = total and prompt and total - prompt - completion or 0
  if beyond > 0 and (not u.reasoning or beyond == u.reasoning) then
    completion = completion + beyond
  elseif (u.reasoning or 0) > completion then
    completion = completion + u.reasoning
  end
  return prompt, completion
end

local function note_error(r, err)
  r.errors = r.errors + 1
  if is_table(err) then
    r.words = text_of(err.message)
  else
    r.words = text_of(err)
  end
end

local function read_object(r, o, is_text)
  if not is_table(o) then
    r.nonsense = true
    return
  end
  r.objects = r.objects + 1
  if o.error ~= nil and o.error ~= cjson.null then note_error(r, o.error) end
  if o.object == "chat.completion.done" then r.done = true end
  read_usage(r, o.usage)
  if is_table(o.x_groq) then read_usage(r, o.x_groq.usage) end
  if is_table(o.cost) and count_of(o.cost.usd) then r.usage.cost = o.cost.usd end
  for _, c in ipairs(is_table(o.choices) and o.choices or {}) do
    local i = count_of(c.index) or 0
    r.seen[i] = true
    if text_of(c.finish_reason) ~= "" then
      r.finishes = r.finishes + 1
      r.finish[i] = c.finish_reason
    end
    if is_text then
      add(r.content, i, text_of(c.text))
    else
      local is_whole = o.object == "chat.completion" or not is_table(c.delta)
      read_saying(r, i, is_whole and c.message or c.delta)
    end
    read_usage(r, c.usage)
  end
end

--- The events of a stream's text: a list of { name, data }; comments counted.
function transcripts.events(text)
  local list, comments, name, data = {}, 0, nil, nil
  for line in text:gsub("\r\n", "\n"):gmatch "([^\n]*)\n" do
    if line == "" then
      if data then list[#list + 1] = { name = name, data = data } end
      name, data = nil, nil
    elseif line:sub(1, 1) == ":" then
      comments = comments + 1
    else
      local value = line:match "^data: ?(.*)$"
      if value then data = data and data .. "\n" .. value or value end
      name = line:match "^event: ?(.*)$" or name
    end
  end
  return list, comments
end

--- What a stream said. With `is_cut` the text may end anywhere: its last line
-- counts when it is complete JSON, blank line or not.
function transcripts.read_stream(text, api, is_cut)
  local r = new_reading()
  local list = transcripts.events(is_cut and text .. "\n\n" or text)
  for n, event in ipairs(list) do
    if event.data == "[DONE]" then
      r.done = true
      break
    end
    local ok, object = pcall(cjson.decode, event.data)
    if not ok then
      r.nonsense = r.nonsense or not (is_cut and n == #list)
    else
      local before = r.errors
      read_object(r, object, api == "completions")
      if event.name == "error" and r.errors == before then note_error(r, object) end
    end
  end
  return r
end

--- What a whole body said.
function transcripts.read_whole(text, api)
  local r = new_reading()
  local ok, object = pcall(cjson.decode, text)
  if not ok then
    r.nonsense = true
    return r
  end
  read_object(r, object, api == "completions")
  r.object, r.done = object, true
  r.vectors = is_table(object) and is_table(object.data) and #object.data or nil
  return r
end

local function has_content(r)
  for _, t in ipairs { r.content, r.reasoning } do
    for _, text in pairs(t) do
      if text ~= "" then return true end
    end
  end
  return #r.tools > 0
end
transcripts.has_content = has_content

--- Was this an answer from its beginning to its end? Every choice that began
-- has a finish reason, or a terminal marker came behind content.
function transcripts.is_whole(r)
  if r.errors > 0 or r.nonsense or next(r.seen) == nil then return false end
  local all = true
  for i in pairs(r.seen) do all = all and r.finish[i] ~= nil end
  return all or (r.done == true and has_content(r))
end

return transcripts
