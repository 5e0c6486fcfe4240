--- Start programs, read what they print, end them. For specs; LuaJIT on Linux.

local has_ffi, ffi = pcall(require, "ffi")
if not has_ffi then
  -- Who only requires this may go on.
  return setmetatable({}, { __index = function(_, name) error("process." .. name .. " needs LuaJIT", 2) end })
end

ffi.cdef [[
int fork(void);
int open(const char *path, int flags, ...);
int execvp(const char *file, char *const argv[]);
int dup2(int from, int to);
int close(int fd);
int kill(int pid, int sig);
int waitpid(int pid, int *status, int options);
int setenv(const char *name, const char *value, int overwrite);
int unsetenv(const char *name);
int chdir(const char *path);
int usleep(unsigned int us);
void _exit(int status);
struct tg_spec_sockaddr { uint16_t family, port; uint32_t address; char zero[8]; };
int socket(int domain, int type, int protocol);
int bind(int fd, const struct tg_spec_sockaddr *at, unsigned bytes);
int listen(int fd, int backlog);
int connect(int fd, const struct tg_spec_sockaddr *to, unsigned bytes);
int getsockname(int fd, struct tg_spec_sockaddr *at, unsigned *bytes);
]]

local C = ffi.C
local process = {}
local Process = {}
Process.__index = Process

local WNOHANG, WRONLY_APPEND = 1, 1 + 1024
process.TERM, process.KILL, process.HUP, process.INT = 15, 9, 1, 2

--- Start a program; its stdout and stderr go to one file, which never fills up
-- while nobody looks, as a pipe would.
-- @tparam table argv  program and arguments
-- @tparam ?table env  variables to set; false unsets
function process.start(argv, env)
  local path = os.tmpname()
  local out = assert(io.open(path, "rb"))
  local args = ffi.new("char *[?]", #argv + 1)
  local keep = {}
  for i, a in ipairs(argv) do
    keep[i] = ffi.new("char[?]", #a + 1, a)
    args[i - 1] = keep[i]
  end
  local pid = C.fork()
  if pid == 0 then
    local fd = C.open(path, WRONLY_APPEND)
    C.dup2(fd, 1)
    C.dup2(fd, 2)
    for other = 3, 255 do C.close(other) end
    for name, value in pairs(env or {}) do
      if value then C.setenv(name, value, 1) else C.unsetenv(name) end
    end
    C.execvp(argv[1], args)
    C._exit(127)
  end
  assert(pid > 0, "fork failed")
  local self = setmetatable({ pid = pid, out = out, path = path, printed = "" }, Process)
  return self
end

-- Has it ended? Then its status is known from now on.
local function is_over(self)
  if self.status then return true end
  local status = ffi.new("int[1]")
  if C.waitpid(self.pid, status, WNOHANG) ~= self.pid then return false end
  local s = status[0]
  self.status = s % 128 ~= 0 and 128 + s % 128 or math.floor(s / 256)
  return true
end

-- Take what it has printed since; true when that was something.
local function take(self)
  self.out:seek("cur", 0)
  local more = self.out:read "*a"
  if not more or more == "" then return false end
  self.printed = self.printed .. more
  return true
end

--- Read what was printed so far, waiting at most `seconds` for more. False at
-- the end of its output.
function Process:read(seconds)
  if not self.out then return false end
  for _ = 0, (seconds or 0) * 100 do
    local over = is_over(self)
    if take(self) then return true end
    if over then return false end
    if (seconds or 0) > 0 then C.usleep(10000) end
  end
  return true
end

--- Wait until the output holds this pattern; its captures.
function Process:expect(pattern, seconds)
  local deadline = os.time() + (seconds or 10)
  while not self.printed:find(pattern) do
    if not self:read(0.2) or os.time() > deadline then
      error("did not print " .. pattern .. " but:\n" .. self.printed, 2)
    end
  end
  return self.printed:match(pattern)
end

function Process:signal(number)
  C.kill(self.pid, number)
end

--- Its exit status (128 + signal when it was killed), or nil if it still runs
-- after `seconds`. Reads the rest of its output.
function Process:wait(seconds)
  for _ = 0, (seconds or 10) * 100 do
    if is_over(self) then
      if self.out then
        take(self)
        self.out:close()
        os.remove(self.path)
        self.out = nil
      end
      return self.status
    end
    C.usleep(10000)
  end
end

--- End it, gently and then not.
function Process:stop()
  if not is_over(self) then self:signal(process.TERM) end
  if not self:wait(10) then
    self:signal(process.KILL)
    self:wait(5)
  end
  return self.status
end

--- A port of 127.0.0.1 that is free now, for programs that must be told one.
function process.free_port()
  local AF_INET, SOCK_STREAM = 2, 1
  local at = ffi.new("struct tg_spec_sockaddr", { family = AF_INET, address = 0x0100007f })
  local bytes = ffi.new("unsigned[1]", 16)
  local fd = C.socket(AF_INET, SOCK_STREAM, 0)
  assert(C.bind(fd, at, 16) == 0 and C.getsockname(fd, at, bytes) == 0)
  C.close(fd)
  return math.floor(at.port / 256) + at.port % 256 * 256
end

--- A port of 127.0.0.1 that lets nobody in and refuses nobody: its queue is
-- full, further connections hang.
-- @treturn number    the port
-- @treturn function  ends it
function process.hanging_port()
  local AF_INET, SOCK_STREAM, NONBLOCK = 2, 1, 2048
  local at = ffi.new("struct tg_spec_sockaddr", { family = AF_INET, address = 0x0100007f })
  local bytes = ffi.new("unsigned[1]", 16)
  local fds = { C.socket(AF_INET, SOCK_STREAM, 0) }
  assert(C.bind(fds[1], at, 16) == 0 and C.listen(fds[1], 0) == 0)
  assert(C.getsockname(fds[1], at, bytes) == 0)
  for i = 2, 5 do
    fds[i] = C.socket(AF_INET, SOCK_STREAM + NONBLOCK, 0)
    C.connect(fds[i], at, 16)
  end
  local port = math.floor(at.port / 256) + at.port % 256 * 256
  return port, function()
    for _, fd in ipairs(fds) do C.close(fd) end
  end
end

--- Run to the end: exit status and output.
function process.run(argv, env, seconds)
  local p = process.start(argv, env)
  local status = p:wait(seconds or 30)
  if not status then p:signal(process.KILL); p:wait(5) end
  return status, p.printed
end

return process
