#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { A_READ = 16 * 1024 };

/* What errno says about a path. */
static tg_err err_of_path(void)
{
    return errno == ENOENT || errno == ENOTDIR ? TG_ENOTFOUND : TG_ESYSTEM;
}

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
        return err_of_path();
    tg_err err = read_all(fd, max_bytes, out);
    int why = errno;
    close(fd);
    errno = why;
    if (err)
        out->len = before;
    return err;
}

tg_err tg_file_stamp(const char *path, struct tg_file_stamp *out)
{
    struct stat st;

    if (stat(path, &st))
        return err_of_path();
    *out = (struct tg_file_stamp){
        .device = st.st_dev, .inode = st.st_ino, .bytes = (uint64_t)st.st_size,
        .written_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
    };
    return TG_OK;
}

bool tg_file_is_same(const char *a, const char *b)
{
    struct tg_file_stamp is, other;

    return !tg_file_stamp(a, &is) && !tg_file_stamp(b, &other)
        && is.device == other.device && is.inode == other.inode;
}

tg_err tg_file_own_directory(const char *path)
{
    struct stat st;

    if (mkdir(path, 0700) == 0)
        return TG_OK;
    if (errno != EEXIST)
        return err_of_path();
    if (lstat(path, &st))
        return TG_ESYSTEM;
    bool is_ours = S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 0777) == 0700;
    return is_ours ? TG_OK : TG_EINVAL;
}
