#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"

static atomic_int least_level = TG_LOG_INFO;
static atomic_int out_fd = 2;

static const char *const level_names[] = { "debug", "info", "warn", "error", "off" };

void tg_log_setup(enum tg_log_level least, int fd)
{
    atomic_store(&least_level, (int)least);
    atomic_store(&out_fd, fd);
}

bool tg_log_wants(enum tg_log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

bool tg_log_level_of(struct tg_str name, enum tg_log_level *out)
{
    for (int i = TG_LOG_DEBUG; i <= TG_LOG_OFF; i++)
        if (tg_str_is(name, level_names[i])) {
            *out = (enum tg_log_level)i;
            return true;
        }
    return false;
}

/* Secrets are only ever added, so readers need no lock: a reader that sees
 * the new count also sees the entry. */
enum { SECRETS_MAX = 4096, SECRET_MIN = 8 };

static struct tg_str secrets[SECRETS_MAX];
static atomic_size_t secrets_known;
static pthread_mutex_t secrets_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tg_arena secrets_arena = { .block_bytes = 4096 };

tg_err tg_log_secret(struct tg_str secret)
{
    tg_err err = TG_OK;

    if (secret.len < SECRET_MIN)
        return TG_OK;
    pthread_mutex_lock(&secrets_lock);
    size_t n = atomic_load(&secrets_known);
    for (size_t i = 0; i < n; i++)
        if (tg_str_eq(secrets[i], secret))
            goto out;
    if (n == SECRETS_MAX) {
        err = TG_ETOOBIG;
        goto out;
    }
    secrets[n] = tg_arena_copy(&secrets_arena, secret);
    if (!secrets[n].at)
        err = TG_ENOMEM;
    else
        atomic_store(&secrets_known, n + 1);
out:
    pthread_mutex_unlock(&secrets_lock);
    return err;
}

void tg_log_redact(struct tg_buf *b, size_t from)
{
    static const char mark[] = "[redacted]";
    size_t n = atomic_load(&secrets_known);

    for (size_t i = 0; i < n; i++) {
        struct tg_str s = secrets[i];
        size_t at = from;
        char *hit;

        while (b->len - at >= s.len && (hit = memmem(b->at + at, b->len - at, s.at, s.len))) {
            size_t pos = (size_t)(hit - b->at), after = pos + s.len, keep = sizeof mark - 1;
            if (keep > s.len)
                keep = s.len;
            memcpy(b->at + pos, mark, keep);
            memmove(b->at + pos + keep, b->at + after, b->len - after);
            b->len -= s.len - keep;
            at = pos + keep;
        }
    }
}

/* Lines of this thread that wait to be written, a buffer for the next, and how
 * many found no room. */
static _Thread_local struct tg_buf held, spare;
static _Thread_local unsigned long long dropped;
static _Thread_local bool holds;

enum { PATIENCE_MS = 200 };        /* of those who do not hold */

/* As many whole lines as whatever reads there takes at once; of a longer line
 * its beginning. */
static size_t portion(int fd, const char *at, size_t len)
{
    struct stat st;

    if (len <= PIPE_BUF || (!fstat(fd, &st) && S_ISREG(st.st_mode)))
        return len;
    const char *end = memrchr(at, '\n', PIPE_BUF);
    return end ? (size_t)(end - at) + 1 : PIPE_BUF;
}

/* Nobody waits for whoever reads the log: write what is taken within `wait_ms`,
 * and say how much that was. */
static size_t write_some(struct tg_str s, int wait_ms)
{
    struct pollfd p = { .fd = atomic_load(&out_fd), .events = POLLOUT };
    size_t at = 0;

    while (at < s.len && poll(&p, 1, wait_ms) == 1) {
        ssize_t put = write(p.fd, s.at + at, portion(p.fd, s.at + at, s.len - at));
        if (put < 0 && errno != EINTR && errno != EAGAIN)
            return s.len;          /* nobody can be told that logging fails */
        at += put > 0 ? (size_t)put : 0;
    }
    return at;
}

void tg_log_hold(void)
{
    holds = true;
}

static void tell_dropped(void)
{
    unsigned long long lines = dropped;

    dropped = 0;
    tg_log_say(TG_LOG_WARN, "log", "%llu lines were dropped: nobody read them", lines);
}

void tg_log_flush(void)
{
    size_t taken;

    if (!held.len)
        return;
    taken = write_some(tg_buf_view(&held), 0);
    memmove(held.at, held.at + taken, held.len - taken);
    held.len -= taken;
    if (!held.len && dropped)
        tell_dropped();
}

void tg_log_release(void)
{
    tg_log_flush();
    tg_buf_done(&held);
    tg_buf_done(&spare);
    holds = false;
}

static void add_escaped(struct tg_buf *b, struct tg_str s)
{
    size_t plain = 0;

    if (s.len > TG_LOG_VALUE_MAX)
        s.len = TG_LOG_VALUE_MAX;
    tg_buf_char(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        tg_buf_add(b, s.at + plain, i - plain);
        plain = i + 1;
        if (c == '"' || c == '\\') {
            tg_buf_char(b, '\\');
            tg_buf_char(b, (char)c);
        } else {
            tg_buf_printf(b, "\\u%04x", c);
        }
    }
    tg_buf_add(b, s.at + plain, s.len - plain);
    tg_buf_char(b, '"');
}

static void name_field(struct tg_log *l, const char *name)
{
    tg_buf_z(&l->line, l->text ? " " : ",\"");
    tg_buf_z(&l->line, name);
    tg_buf_z(&l->line, l->text ? "=" : "\":");
}

/* The date changes once a second; most lines only need other milliseconds. */
static void add_time(struct tg_buf *b)
{
    static _Thread_local time_t shown;
    static _Thread_local char date[24];
    uint64_t ms = tg_clock_wall_ms();
    time_t s = (time_t)(ms / 1000);
    char fraction[5] = { (char)('0' + ms / 100 % 10), (char)('0' + ms / 10 % 10),
                         (char)('0' + ms % 10), 'Z' };

    if (s != shown) {
        struct tm t;
        gmtime_r(&s, &t);
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S.", &t);
        shown = s;
    }
    tg_buf_z(b, date);
    tg_buf_z(b, fraction);
}

bool tg_log_open(struct tg_log *l, enum tg_log_level level, const char *event)
{
    static atomic_int terminal = -1;

    if (!tg_log_wants(level))
        return false;
    int is_tty = atomic_load(&terminal);
    if (is_tty < 0)
        atomic_store(&terminal, is_tty = isatty(atomic_load(&out_fd)));

    l->line = spare;
    spare = (struct tg_buf){ 0 };
    l->level = level;
    l->foreign = false;
    l->text = is_tty == 1;
    if (l->text) {
        add_time(&l->line);
        tg_buf_printf(&l->line, " %-5s %s", level_names[level], event);
    } else {
        tg_buf_z(&l->line, "{\"time\":\"");
        add_time(&l->line);
        tg_buf_z(&l->line, "\",\"level\":\"");
        tg_buf_z(&l->line, level_names[level]);
        tg_buf_z(&l->line, "\",\"event\":\"");
        tg_buf_z(&l->line, event);
        tg_buf_char(&l->line, '"');
    }
    return true;
}

void tg_log_own(struct tg_log *l, const char *name, struct tg_str value)
{
    name_field(l, name);
    add_escaped(&l->line, value);
}

void tg_log_str(struct tg_log *l, const char *name, struct tg_str value)
{
    l->foreign = true;
    tg_log_own(l, name, value);
}

void tg_log_z(struct tg_log *l, const char *name, const char *value)
{
    tg_log_str(l, name, tg_str_of(value));
}

void tg_log_int(struct tg_log *l, const char *name, int64_t value)
{
    name_field(l, name);
    tg_buf_i64(&l->line, value);
}

void tg_log_bool(struct tg_log *l, const char *name, bool value)
{
    name_field(l, name);
    tg_buf_z(&l->line, value ? "true" : "false");
}

static void hold(struct tg_str line, enum tg_log_level level)
{
    if (held.len + line.len > TG_LOG_HELD_MAX)
        tg_log_flush();
    if (held.len + line.len > TG_LOG_HELD_MAX || tg_buf_str(&held, line))
        dropped++;
    else if (level > TG_LOG_INFO)
        tg_log_flush();
}

void tg_log_close(struct tg_log *l)
{
    tg_buf_z(&l->line, l->text ? "\n" : "}\n");
    if (!l->line.bad) {
        if (l->foreign)
            tg_log_redact(&l->line, 0);
        if (holds)
            hold(tg_buf_view(&l->line), l->level);
        else
            write_some(tg_buf_view(&l->line), PATIENCE_MS);
    }
    if (!holds) {
        tg_buf_done(&l->line);
        return;
    }
    spare = l->line;
    tg_buf_reset(&spare);
    l->line = (struct tg_buf){ 0 };
}

bool tg_log_is_due(_Atomic uint64_t *said_ms, uint64_t now_ms)
{
    uint64_t before = atomic_load_explicit(said_ms, memory_order_relaxed);

    return (!before || now_ms - before >= TG_LOG_SELDOM_MS) &&
           atomic_compare_exchange_strong(said_ms, &before, now_ms);
}

void tg_log_say(enum tg_log_level level, const char *event, const char *format, ...)
{
    char text[TG_LOG_VALUE_MAX];
    struct tg_log l;
    va_list args;

    if (!tg_log_open(&l, level, event))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tg_log_z(&l, "message", text);
    tg_log_close(&l);
}
