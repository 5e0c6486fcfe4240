#include "os/process.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"

enum { TEXT_BYTES_MAX = 8 << 20 };         /* a command line is bounded by the stack */

/* "/proc/PID/NAME" */
static const char *path_of(int pid, const char *name, char out[64])
{
    snprintf(out, 64, "/proc/%d/%s", pid, name);
    return out;
}

tg_err tg_process_list(struct tg_buf *out)
{
    DIR *dir = opendir("/proc");

    if (!dir)
        return errno == ENOENT ? TG_ENOTFOUND : TG_ESYSTEM;
    for (struct dirent *e; (e = readdir(dir));) {
        uint64_t n;
        if (!tg_str_u64(tg_str_of(e->d_name), &n) || n > INT_MAX)
            continue;
        tg_buf_add(out, &(int){ (int)n }, sizeof(int));
    }
    closedir(dir);
    return out->bad ? TG_ENOMEM : TG_OK;
}

int tg_process_self(void)
{
    return getpid();
}

unsigned tg_process_user(void)
{
    return geteuid();
}

static tg_err read_text(int pid, const char *name, struct tg_buf *out)
{
    char path[64];
    tg_err err = tg_file_read(path_of(pid, name, path), TEXT_BYTES_MAX, out);

    /* It ended while its file was open. */
    return err == TG_ESYSTEM && errno == ESRCH ? TG_ENOTFOUND : err;
}

static tg_err read_link(int pid, const char *name, struct tg_buf *out)
{
    char path[64];
    tg_err err = tg_buf_reserve(out, PATH_MAX);

    if (err)
        return err;
    ssize_t n = readlink(path_of(pid, name, path), out->at + out->len, PATH_MAX);
    if (n < 0)
        return errno == ENOENT || errno == ESRCH ? TG_ENOTFOUND : TG_ESYSTEM;
    out->len += (size_t)n;
    return TG_OK;
}

tg_err tg_process_exe(int pid, struct tg_buf *out)
{
    return read_link(pid, "exe", out);
}

tg_err tg_process_cwd(int pid, struct tg_buf *out)
{
    return read_link(pid, "cwd", out);
}

tg_err tg_process_words(int pid, struct tg_buf *out)
{
    return read_text(pid, "cmdline", out);
}

tg_err tg_process_environment(int pid, struct tg_buf *out)
{
    return read_text(pid, "environ", out);
}

enum { PID_BITS = 22, STATE = 1, BEGAN = 20 };     /* pid_max is 2^22 at most */

/* A word of /proc/PID/stat, counted from behind the ')' that ends the program's
 * name, which may hold anything: "4711 (a name) S 1 ..."; `text` holds it. */
static tg_err stat_field(int pid, int number, struct tg_buf *text, struct tg_str *out)
{
    tg_err err = read_text(pid, "stat", text);
    const char *end = err ? NULL : memrchr(text->at, ')', text->len);

    if (err)
        return err;
    if (!end || end + 2 > text->at + text->len)
        return TG_EINVAL;
    struct tg_str rest = { end + 2, (size_t)(text->at + text->len - end - 2) };
    for (int i = 0; i < number; i++)
        tg_str_cut(rest, ' ', out, &rest);
    return TG_OK;
}

/* When it was started, in ticks since the machine was; 0 when it has ended. */
static tg_err began(int pid, uint64_t *ticks)
{
    struct tg_buf text = { 0 };
    struct tg_str state = { 0 }, field = { 0 };
    tg_err err = stat_field(pid, STATE, &text, &state);
    bool is_over = !err && (tg_str_is(state, "Z") || tg_str_is(state, "X"));

    tg_buf_reset(&text);
    if (!err && !is_over)
        err = stat_field(pid, BEGAN, &text, &field);
    if (err == TG_ENOTFOUND || is_over)
        *ticks = 0, err = TG_OK;
    else if (!err && !tg_str_u64(field, ticks))
        err = TG_EINVAL;
    tg_buf_done(&text);
    return err;
}

static uint64_t identity_of(int pid, uint64_t ticks)
{
    return ticks << PID_BITS | (uint64_t)pid;
}

uint64_t tg_process_identity(void)
{
    uint64_t ticks;

    return began(getpid(), &ticks) || !ticks ? 0 : identity_of(getpid(), ticks);
}

bool tg_process_is_gone(uint64_t identity)
{
    int pid = (int)(identity & ((1u << PID_BITS) - 1));
    uint64_t ticks;

    return began(pid, &ticks) == TG_OK && (!ticks || identity_of(pid, ticks) != identity);
}

/* What stands behind "NAME:" in /proc/PID/status; `text` holds it. */
static tg_err status_field(int pid, const char *name, struct tg_buf *text, struct tg_str *out)
{
    tg_err err = read_text(pid, "status", text);
    struct tg_str rest = tg_buf_view(text), line, word;

    if (err)
        return err;
    while (rest.len) {
        tg_str_cut(rest, '\n', &line, &rest);
        if (tg_str_cut(line, ':', &word, out) && tg_str_is(word, name)) {
            *out = tg_str_trim(*out);
            return TG_OK;
        }
    }
    return TG_ENOTFOUND;
}

/* "Uid:	REAL	EFFECTIVE	SAVED	FILES" */
tg_err tg_process_owner(int pid, unsigned *user)
{
    struct tg_buf text = { 0 };
    struct tg_str field, word;
    uint64_t n = 0;
    tg_err err = status_field(pid, "Uid", &text, &field);

    if (!err) {
        tg_str_cut(field, '\t', &word, &field);
        tg_str_cut(field, '\t', &word, &field);
        if (tg_str_u64(word, &n))
            *user = (unsigned)n;
        else
            err = TG_EINVAL;
    }
    tg_buf_done(&text);
    return err;
}

/* "SigBlk:	0000000000004003", bit 0 for signal 1 */
tg_err tg_process_blocks(int pid, int number, bool *out)
{
    struct tg_buf text = { 0 };
    struct tg_str field;
    tg_err err = status_field(pid, "SigBlk", &text, &field);

    if (!err)
        *out = strtoull(field.at, NULL, 16) >> (number - 1) & 1;
    tg_buf_done(&text);
    return err;
}
