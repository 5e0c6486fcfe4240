#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/file.h"
#include "os/shm.h"

static char path[] = "/tmp/tidegate-file-XXXXXX";

static void write_file(size_t bytes)
{
    strcpy(path, "/tmp/tidegate-file-XXXXXX");
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    for (size_t i = 0; i < bytes; i++)
        CHECK(write(fd, &"0123456789"[i % 10], 1) == 1);
    close(fd);
}

TEST("a file is appended to what the buffer holds")
{
    struct tg_buf b = { 0 };

    write_file(12);
    tg_buf_z(&b, "<");
    CHECK_INT(tg_file_read(path, 100, &b), TG_OK);
    CHECK_STR(tg_buf_view(&b), "<012345678901");
    unlink(path);
    tg_buf_done(&b);
}

TEST("a file of just the limit is read, one byte more is too big")
{
    static const size_t limits[] = { 0, 1, 100, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1 };

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct tg_buf b = { 0 };

        write_file(limits[i]);
        CHECK_INT(tg_file_read(path, limits[i], &b), TG_OK);
        CHECK_INT(b.len, limits[i]);
        unlink(path);

        tg_buf_reset(&b);
        tg_buf_z(&b, "kept");
        write_file(limits[i] + 1);
        CHECK_INT(tg_file_read(path, limits[i], &b), TG_ETOOBIG);
        CHECK_STR(tg_buf_view(&b), "kept");
        unlink(path);
        tg_buf_done(&b);
    }
}

TEST("files whose size nobody tells are read too")
{
    struct tg_buf b = { 0 };

    CHECK_INT(tg_file_read("/proc/self/status", 1 << 20, &b), TG_OK);
    CHECK(b.len > 100);
    tg_buf_done(&b);
}

TEST("what is not there and what cannot be read are told apart")
{
    struct tg_buf b = { 0 };

    CHECK_INT(tg_file_read("/nonexistent/file", 100, &b), TG_ENOTFOUND);
    CHECK_INT(tg_file_read("/", 100, &b), TG_ESYSTEM);
    CHECK_INT(errno, EISDIR);
    CHECK_INT(b.len, 0);
    tg_buf_done(&b);
}

static tg_err read_once(void)
{
    struct tg_buf b = { 0 };
    tg_err err = tg_file_read(path, 100 * 1024, &b);

    tg_buf_done(&b);
    return err;
}

TEST("every refused allocation is told")
{
    write_file(40000);
    CHECK_EVERY_ALLOCATION(read_once());
    unlink(path);
}

/* ---- shared memory ---- */

TEST("shared memory is zero at first and shared with children forked later")
{
    void *at = NULL;
    int status;

    CHECK_INT(tg_shm_map(NULL, 4096, &at), TG_OK);
    volatile int *word = at;
    CHECK_INT(*word, 0);
    pid_t child = fork();
    if (child == 0) {
        *word = 42;
        _exit(0);
    }
    waitpid(child, &status, 0);
    CHECK_INT(*word, 42);
    tg_shm_unmap(at, 4096);
}

TEST("shared memory with a path is kept when it has the size, else begun anew")
{
    static const struct { size_t bytes; char before, write; } steps[] = {
        { 4096, 0, 1 }, { 4096, 1, 2 }, { 8192, 0, 3 }, { 8192, 3, 4 }, { 4096, 0, 5 },
    };

    write_file(0);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        void *at = NULL;

        CHECK_INT(tg_shm_map(path, steps[i].bytes, &at), TG_OK);
        char *bytes = at;
        CHECK_INT(bytes[0], steps[i].before);
        CHECK_INT(bytes[steps[i].bytes - 1], steps[i].before);
        bytes[0] = bytes[steps[i].bytes - 1] = steps[i].write;
        tg_shm_unmap(at, steps[i].bytes);
    }
    unlink(path);
}

TEST("shared memory that cannot be had is told and leaves the result alone")
{
    void *at = path;

    CHECK_INT(tg_shm_map("/nonexistent/file", 4096, &at), TG_ESYSTEM);
    CHECK_INT(tg_shm_map(NULL, SIZE_MAX / 2, &at), TG_ESYSTEM);
    CHECK(at == path);
}

TEST_MAIN
