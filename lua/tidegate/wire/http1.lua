--- The engine's answer to one request, taken apart as it comes: the head, and the bytes of the body.
--
--     local r = http1.reader "POST"
--     while not r.is_over do
--       local bytes = r:feed(block)       a string, or a list of them; nil: nothing of the body yet
--     end
--     r.status, r.fields                  after the head: 200, { "Content-Type", "application/json", ... }
--
-- Pure. It reads what csrc/peer/client_h1.c writes: a Content-Length or chunks, no trailers and no
-- folded lines. `r.is_broken` says that it was something else.

local find, sub, lower = string.find, string.sub, string.lower

local http1 = {}

local HEAD_MAX, LINE_MAX = 65536, 64

local reader_mt = {}
reader_mt.__index = reader_mt

--- @tparam string method  of the request: to HEAD there is no body
function http1.reader(method)
  return setmetatable({ method = method, left = 0, gap = 0 }, reader_mt)
end

local function broken(self)
  self.is_broken = true
end

-- ---- the head ----

-- What frames the body is not passed on.
local function take_field(self, name, value)
  local known = lower(name)
  if known == "content-length" then
    self.length = tonumber(value)
    self.left = self.length or 0
  elseif known == "transfer-encoding" then
    self.is_chunked = true
  elseif known == "connection" then
    self.closes = lower(value) == "close"
  else
    local fields = self.fields
    fields[#fields + 1], fields[#fields + 2] = name, value
  end
end

local function has_body(self)
  local status = self.status
  return self.method ~= "HEAD" and status >= 200 and status ~= 204 and status ~= 304
end

-- Where the body begins; nil when the head is not whole yet.
local function take_head(self, block)
  local stop = find(block, "\r\n\r\n", 1, true)
  if not stop then
    if #block > HEAD_MAX then broken(self) end
    return nil
  end
  self.status, self.fields = tonumber(sub(block, 10, 12)), {}
  if sub(block, 1, 7) ~= "HTTP/1." or not self.status then return broken(self) end
  local at = find(block, "\r\n", 1, true) + 2
  while at < stop do
    local colon, line_end = find(block, ": ", at, true), find(block, "\r\n", at, true)
    if not colon or colon > line_end then return broken(self) end
    take_field(self, sub(block, at, colon - 1), sub(block, colon + 2, line_end - 1))
    at = line_end + 2
  end
  if not has_body(self) or self.length == 0 then
    self.is_over = true
  elseif not self.length and not self.is_chunked then
    return broken(self)
  end
  return stop + 4
end

-- ---- the body ----

local function take_length(self, block, at)
  local n = #block - at + 1
  if n == 0 then return nil end
  if n > self.left then return broken(self) end
  self.left = self.left - n
  self.is_over = self.left == 0
  return at == 1 and block or sub(block, at)
end

-- The line before a chunk; where its bytes begin. A line may come in two pieces.
local function take_size(self, block, at)
  local stop = find(block, "\r\n", at, true)
  if not stop then
    self.rest = sub(block, at)
    if #self.rest > LINE_MAX then broken(self) end
    return #block + 1
  end
  local size = tonumber(sub(block, at, stop - 1), 16)
  if not size then
    broken(self)
    return #block + 1
  end
  self.left = size
  if size == 0 then self.is_last, self.gap = true, 2 end
  return stop + 2
end

local function smaller(a, b)
  return a < b and a or b
end

local function take_chunks(self, block, at)
  local first, list
  while at <= #block and not self.is_over do
    if self.left > 0 then
      local n = smaller(self.left, #block - at + 1)
      local piece = sub(block, at, at + n - 1)
      self.left, at = self.left - n, at + n
      if self.left == 0 then self.gap = 2 end
      if list then
        list[#list + 1] = piece
      elseif first then
        list = { first, piece }
      else
        first = piece
      end
    elseif self.gap > 0 then                       -- the line end behind a chunk
      local n = smaller(self.gap, #block - at + 1)
      self.gap, at = self.gap - n, at + n
      if self.gap == 0 then self.is_over = self.is_last end
    else
      at = take_size(self, block, at)
    end
  end
  return list or first
end

--- Take what came.
-- @tparam string block
-- @treturn ?string|table  bytes of the body
function reader_mt:feed(block)
  if self.rest then block, self.rest = self.rest .. block, nil end
  local at = 1
  if not self.status then
    at = take_head(self, block)
    if not at then
      self.rest = block
      return nil
    end
  end
  if self.is_over or self.is_broken then return nil end
  if self.is_chunked then return take_chunks(self, block, at) end
  return take_length(self, block, at)
end

return http1
