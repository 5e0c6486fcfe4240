--- Start programs, read what they print, end them. For specs; LuaJIT on Linux.

local ffi = require "ffi"

ffi.cdef [[
int pipe(int fds[2]);
int fork(void);
int execvp(const char *file, char *const argv[]);
int dup2(int from, int to);
int close(int fd);
long read(int fd, void *at, size_t n);
int kill(int pid, int sig);
int waitpid(int pid, int *status, int options);
int setenv(const char *name, const char *value, int overwrite);
int unsetenv(const char *name);
int chdir(const char *path);
int fcntl(int fd, int cmd, ...);
int usleep(unsigned int us);
void _exit(int status);
struct tg_spec_pollfd { int fd; short events; short revents; };
int poll(struct tg_spec_pollfd *fds, unsigned long n, int timeout);
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

local WNOHANG, POLLIN = 1, 1
process.TERM, process.KILL, process.HUP, process.INT = 15, 9, 1, 2

--- Start a program; its stdout and stderr come through one pipe.
-- @tparam table argv  program and arguments
-- @tparam ?table env  variables to set; false unsets
function process.start(argv, env)
  local fds = ffi.new("int[2]")
  assert(C.pipe(fds) == 0)
  local args = ffi.new("char *[?]", #argv + 1)
  local keep = {}
  for i, a in ipairs(argv) do
    keep[i] = ffi.new("char[?]", #a + 1, a)
    args[i - 1] = keep[i]
  end
  local pid = C.fork()
  if pid == 0 then
    C.dup2(fds[1], 1)
    C.dup2(fds[1], 2)
    for fd = 3, 255 do C.close(fd) end
    for name, value in pairs(env or {}) do
      if value then C.setenv(name, value, 1) else C.unsetenv(name) end
    end
    C.execvp(argv[1], args)
    C._exit(127)
  end
  assert(pid > 0, "fork failed")
  C.close(fds[1])
  return setmetatable({ pid = pid, fd = fds[0], printed = "" }, Process)
end

--- Read what was printed so far, waiting at most `seconds` for more. False at
-- the end of its output.
function Process:read(seconds)
  local p = ffi.new("struct tg_spec_pollfd[1]", { { fd = self.fd, events = POLLIN } })
  if C.poll(p, 1, math.floor((seconds or 0) * 1000)) <= 0 then return true end
  local buffer = ffi.new("char[65536]")
  local n = tonumber(C.read(self.fd, buffer, 65536))
  if n <= 0 then return false end
  self.printed = self.printed .. ffi.string(buffer, n)
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
  if self.status then return self.status end
  local status = ffi.new("int[1]")
  for _ = 1, (seconds or 10) * 100 do
    self:read(0)
    if C.waitpid(self.pid, status, WNOHANG) == self.pid then
      while self:read(0.05) do
        local p = ffi.new("struct tg_spec_pollfd[1]", { { fd = self.fd, events = POLLIN } })
        if C.poll(p, 1, 0) == 0 then break end
      end
      C.close(self.fd)
      local s = status[0]
      self.status = s % 128 ~= 0 and 128 + s % 128 or math.floor(s / 256)
      return self.status
    end
    C.usleep(10000)
  end
end

--- End it, gently and then not.
function Process:stop()
  if self.status then return self.status end
  self:signal(process.TERM)
  if not self:wait(10) then
    self:signal(process.KILL)
    self:wait(5)
  end
  return self.status
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
