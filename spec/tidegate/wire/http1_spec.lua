local http1 = require "tidegate.wire.http1"

-- What comes of these blocks: status, fields as text, body, and how it ended.
local function read(blocks, method)
  local r, body = http1.reader(method or "POST"), {}
  for _, block in ipairs(blocks) do
    assert.is_falsy(r.is_over)
    local bytes = r:feed(block)
    if type(bytes) == "table" then bytes = table.concat(bytes) end
    if bytes then
      assert.is_true(#bytes > 0)
      body[#body + 1] = bytes
    end
    if r.is_broken then break end
  end
  return { status = r.status, fields = r.fields and table.concat(r.fields, "|"), body = table.concat(body),
           is_over = r.is_over or false, is_broken = r.is_broken or false, length = r.length, closes = r.closes }
end

local function cut(text, size)
  local blocks = {}
  for i = 1, #text, size do blocks[#blocks + 1] = text:sub(i, i + size - 1) end
  return blocks
end

local WHOLE = "HTTP/1.1 200 OK\r\nDate: now\r\nX-Generation-Id: gen-1\r\nContent-Length: 12\r\n\r\n{\"answer\":1}"
local CHUNKS = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
  .. "b\r\ndata: one\n\n\r\n18\r\ndata: \r\n0\r\n\r\n and more\n\n\r\n0\r\n\r\n"
local CHUNKS_BODY = "data: one\n\ndata: \r\n0\r\n\r\n and more\n\n"

describe("http1.reader", function()
  it("reads a head and a body of a known length, however it is cut", function()
    for size = 1, #WHOLE do
      assert.same({ status = 200, fields = "Date|now|X-Generation-Id|gen-1", body = '{"answer":1}', is_over = true,
                    is_broken = false, length = 12 }, read(cut(WHOLE, size)))
    end
  end)

  it("reads chunks, however they are cut", function()
    for size = 1, #CHUNKS do
      assert.same({ status = 200, fields = "Content-Type|text/event-stream", body = CHUNKS_BODY, is_over = true,
                    is_broken = false }, read(cut(CHUNKS, size)))
    end
  end)

  it("gives what came with the block that brought it", function()
    local r = http1.reader "POST"
    assert.is_nil(r:feed "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert.equal("one", r:feed "3\r\none")
    assert.is_nil(r:feed "\r\n")
    assert.same({ "two", "three" }, r:feed "3\r\ntwo\r\n5\r\nthree\r\n")
    assert.is_nil(r.is_over)
    assert.is_nil(r:feed "0\r\n\r")
    assert.is_nil(r.is_over)
    assert.is_nil(r:feed "\n")
    assert.is_true(r.is_over)
  end)

  it("knows which answers have no body", function()
    local head = "HTTP/1.1 %d X\r\nContent-Length: 12\r\n\r\n"
    assert.same({ status = 200, fields = "", body = "", is_over = true, is_broken = false, length = 12 },
      read({ head:format(200) }, "HEAD"))
    assert.is_true(read({ head:format(304) }).is_over)
    assert.is_true(read({ "HTTP/1.1 204 No Content\r\nAllow: POST\r\n\r\n" }).is_over)
    assert.is_true(read({ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }).is_over)
  end)

  it("says that the connection ends, and passes nothing of it on", function()
    local r = read { "HTTP/1.1 400 Bad\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx" }
    assert.is_true(r.closes)
    assert.equal("", r.fields)
  end)

  it("says what is no answer of the engine's", function()
    for _, text in ipairs {
      "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 abc X\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\nuntil the end", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", ("x"):rep(70000),
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" .. ("1"):rep(100),
    } do
      local r = read { text }
      assert.is_true(r.is_broken, text:sub(1, 40))
      assert.is_false(r.is_over)
    end
  end)
end)
