#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { A_READ = 16 * 1024 };

/* One byte more than allowed is asked for, to see that there is none. The size
 * that the file system tells is not trusted: /proc and pipes tell none. */
static tg_err read_all(int fd, size_t max_bytes, struct tg_buf *out)
{
    size_t got = 0;

    for (;;) {
        size_t left = max_bytes - got, want = left < A_READ ? left + 1 : A_READ;
        tg_err err = tg_buf_reserve(out, want);
        if (err)
            return err;
        ssize_t n = read(fd, out->at + out->len, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return TG_ESYSTEM;
        if (n == 0)
            return TG_OK;
        if ((size_t)n > left)
            return TG_ETOOBIG;
        out->len += (size_t)n;
        got += (size_t)n;
    }
}

tg_err tg_file_read(const char *path, size_t max_bytes, struct tg_buf *out)
{
    size_t before = out->len;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? TG_ENOTFOUND : TG_ESYSTEM;
    tg_err err = read_all(fd, max_bytes, out);
    int why = errno;
    close(fd);
    errno = why;
    if (err)
        out->len = before;
    return err;
}
