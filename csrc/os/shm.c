#include "os/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of another size is of another version: begin anew with zeros. */
static tg_err fit(int fd, size_t bytes)
{
    struct stat st;

    if (fstat(fd, &st))
        return TG_ESYSTEM;
    if ((uint64_t)st.st_size == bytes)
        return TG_OK;
    if (ftruncate(fd, 0) || ftruncate(fd, (off_t)bytes))
        return TG_ESYSTEM;
    return TG_OK;
}

static tg_err map(int fd, size_t bytes, void **out)
{
    int flags = MAP_SHARED | MAP_NORESERVE | (fd < 0 ? MAP_ANONYMOUS : 0);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

    if (at == MAP_FAILED)
        return TG_ESYSTEM;
    *out = at;
    return TG_OK;
}

tg_err tg_shm_map(const char *path, size_t bytes, void **out)
{
    if (!path)
        return map(-1, bytes, out);

    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return TG_ESYSTEM;
    tg_err err = fit(fd, bytes);
    if (!err)
        err = map(fd, bytes, out);
    int why = errno;
    close(fd);
    errno = why;
    return err;
}

void tg_shm_unmap(void *at, size_t bytes)
{
    if (at)
        munmap(at, bytes);
}
