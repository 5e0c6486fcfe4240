#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
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

/* ---- stamps ---- */

static bool is_stamp(const struct tg_file_stamp *a, const struct tg_file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes
        && a->written_ns == b->written_ns;
}

TEST("a file has one stamp until it is written or replaced")
{
    struct tg_file_stamp first, again;

    write_file(3);
    CHECK_INT(tg_file_stamp(path, &first), TG_OK);
    CHECK_INT(tg_file_stamp(path, &again), TG_OK);
    CHECK(is_stamp(&first, &again));
    CHECK_INT(first.bytes, 3);

    CHECK_INT(truncate(path, 2), 0);
    CHECK_INT(tg_file_stamp(path, &again), TG_OK);
    CHECK(!is_stamp(&first, &again));

    /* Another file of the same size and time. */
    struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
    char old[sizeof path];
    CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
    CHECK_INT(tg_file_stamp(path, &first), TG_OK);
    strcpy(old, path);
    write_file(2);
    CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
    CHECK_INT(rename(path, old), 0);
    CHECK_INT(tg_file_stamp(old, &again), TG_OK);
    CHECK_INT(again.written_ns, first.written_ns);
    CHECK(!is_stamp(&first, &again));
    unlink(old);

    CHECK_INT(tg_file_stamp(old, &again), TG_ENOTFOUND);
}

TEST("two paths are the same file however they are written, and through links")
{
    char link[sizeof path + 4];

    write_file(1);
    snprintf(link, sizeof link, "%s.ln", path);
    CHECK_INT(symlink(path, link), 0);
    CHECK(tg_file_is_same(path, link));
    CHECK(tg_file_is_same("/tmp", "/tmp/../tmp"));
    CHECK(!tg_file_is_same(path, "/tmp"));
    unlink(path);
    CHECK(!tg_file_is_same(path, path));
    unlink(link);
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

TEST("a directory of one's own is made, found again, and nothing else is taken for it")
{
    char own[] = "/tmp/tidegate-own-XXXXXX", inside[64], link[64];
    struct stat st;

    CHECK(mkdtemp(own) != NULL);
    snprintf(inside, sizeof inside, "%s/a", own);
    snprintf(link, sizeof link, "%s/l", own);
    CHECK_INT(tg_file_own_directory(inside), TG_OK);
    CHECK_INT(stat(inside, &st), 0);
    CHECK_INT(st.st_mode & 07777, 0700);
    CHECK_INT(tg_file_own_directory(inside), TG_OK);

    CHECK_INT(symlink(inside, link), 0);
    CHECK_INT(tg_file_own_directory(link), TG_EINVAL);
    CHECK_INT(chmod(inside, 0710), 0);
    CHECK_INT(tg_file_own_directory(inside), TG_EINVAL);
    rmdir(inside);
    close(open(inside, O_CREAT | O_WRONLY, 0700));
    CHECK_INT(tg_file_own_directory(inside), TG_EINVAL);
    if (geteuid() == 0) {
        unlink(inside);
        CHECK_INT(mkdir(inside, 0700), 0);
        CHECK_INT(chown(inside, 1, 1), 0);
        CHECK_INT(tg_file_own_directory(inside), TG_EINVAL);
        rmdir(inside);
    }
    unlink(inside);
    unlink(link);
    rmdir(own);
    CHECK_INT(tg_file_own_directory(inside), TG_ENOTFOUND);
}

TEST_MAIN
