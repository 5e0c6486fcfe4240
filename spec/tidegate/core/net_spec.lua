local net = require("tidegate.core").net

-- Run fn(listener) with a server beside it that treats each connection so.
local function with_server(serve, fn)
  return net.run(function()
    local listener = assert(net.listen "127.0.0.1:0")
    net.spawn(function()
      while true do
        local conn = listener:accept()
        if not conn then return end
        net.spawn(serve, conn)
      end
    end)
    return fn(listener)
  end)
end

local function echo(conn)
  while true do
    local line = conn:read_line()
    if not line then return conn:close() end
    conn:write(line .. "\n")
  end
end

describe("tidegate.core net", function()
  it("gives back what the function returns", function()
    assert.same({ 1, nil, "x" }, { net.run(function(a) return a, nil, "x" end, 1) })
  end)

  it("talks over a connection, lines and bytes", function()
    with_server(echo, function(listener)
      local c = assert(net.connect("127.0.0.1", listener:port()))
      assert(c:write "one\r\ntwo\n")
      assert.equal("one", c:read_line())
      assert.equal("tw", c:read(2))
      assert.equal("o\n", c:read_some())
    end)
  end)

  it("tells an orderly end from a reset", function()
    for how, code in pairs { close = "closed", reset = "reset" } do
      with_server(function(conn)
        conn:read_line()
        conn[how](conn)
      end, function(listener)
        local c = assert(net.connect("127.0.0.1", listener:port()))
        c:write "go\n"
        local bytes, err = c:read_some(5)
        assert.is_nil(bytes)
        assert.equal(code, err.code)
      end)
    end
  end)

  it("gives up waiting when the time is over, and the connection lives on", function()
    with_server(echo, function(listener)
      local c = assert(net.connect("127.0.0.1", listener:port()))
      local before = net.now()
      local line, err = c:read_line(0.02)
      assert.is_nil(line)
      assert.equal("timeout", err.code)
      assert.is_true(net.now() - before >= 0.019)
      c:write "still there\n"
      assert.equal("still there", c:read_line(5))
    end)
  end)

  it("says that nobody listens", function()
    net.run(function()
      local listener = assert(net.listen "127.0.0.1:0")
      local port = listener:port()
      listener:close()
      local c, err = net.connect("127.0.0.1", port)
      assert.is_nil(c)
      assert.equal("connect", err.code)
    end)
  end)

  it("refuses to share a port that somebody listens on", function()
    net.run(function()
      local first = assert(net.listen "127.0.0.1:0")
      local second, err = net.listen("127.0.0.1:" .. first:port())
      assert.is_nil(second)
      assert.equal("another program listens there already", tostring(err))
      local port = first:port()
      first:close()
      assert(net.listen("127.0.0.1:" .. port)):close()
    end)
  end)

  it("wakes a reader whose connection is closed under it", function()
    local told
    with_server(echo, function(listener)
      local c = assert(net.connect("127.0.0.1", listener:port()))
      net.spawn(function() told = select(2, c:read_line()) end)
      c:close()
    end)
    assert.equal("closed", told.code)
  end)

  it("writes more than a socket holds, at the reader's pace", function()
    local text = ("0123456789abcdef"):rep(262144)
    with_server(function(conn)
      conn:write(text)
      conn:close()
    end, function(listener)
      local c = assert(net.connect("127.0.0.1", listener:port()))
      net.sleep(0.01)
      assert.equal(text, c:read_all(10))
    end)
  end)

  it("serves many at once", function()
    local done = 0
    with_server(echo, function(listener)
      for i = 1, 300 do
        net.spawn(function()
          local c = assert(net.connect("127.0.0.1", listener:port()))
          for k = 1, 5 do
            c:write(i .. ":" .. k .. "\n")
            assert(c:read_line() == i .. ":" .. k)
          end
          c:close()
          done = done + 1
        end)
      end
      while done < 300 do net.sleep(0.005) end
    end)
    assert.equal(300, done)
  end)

  it("ends with the error of the task that failed, and where", function()
    local ok, message = pcall(net.run, function()
      net.spawn(function()
        net.sleep(0.001)
        error "boom"
      end)
      net.sleep(60)
    end)
    assert.is_false(ok)
    assert.truthy(message:find("net_spec.lua:%d+: boom"))
  end)

  it("goes on when a guarded task fails, and runs its guard as a task", function()
    local told, later
    net.run(function()
      net.spawn_guarded(function(message)
        told = message
        net.sleep(0.001)
        later = true
      end, function(word)
        net.sleep(0.001)
        error(word)
      end, "boom")
      net.spawn_guarded(error, function() net.sleep(0) end)
      net.sleep(0.02)
    end)
    assert.truthy(told:find("net_spec.lua:%d+: boom$"), told)
    assert.is_true(later)
  end)

  it("ends when a guard fails, too", function()
    local ok, message = pcall(net.run, function()
      net.spawn_guarded(function() error "worse" end, error, "boom")
      net.sleep(60)
    end)
    assert.is_false(ok)
    assert.truthy(message:find("net_spec.lua:%d+: worse"), message)
  end)

  it("closes what was left open, and objects know it", function()
    local kept
    net.run(function() kept = net.listen "127.0.0.1:0" end)
    assert.has_error(function() kept:accept() end)
    assert.has_error(function() net.sleep(0) end)
    collectgarbage()
  end)

  it("holds together when the collector runs all the time", function()
    collectgarbage("setpause", 0)
    collectgarbage("setstepmul", 10000)
    with_server(echo, function(listener)
      for _ = 1, 30 do
        local c = assert(net.connect("127.0.0.1", listener:port()))
        c:write "x\n"
        assert.equal("x", c:read_line())
      end
    end)
    collectgarbage("setpause", 200)
    collectgarbage("setstepmul", 200)
  end)
end)
