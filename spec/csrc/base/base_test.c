/* The words everybody uses: buf, str, arena, rand, hash, log. */
#include "check.h"

#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"

TEST("a buffer grows, prints numbers at both ends of their range and drops from the front")
{
    struct tg_buf b = { 0 };

    tg_buf_u64(&b, UINT64_MAX);
    tg_buf_char(&b, ' ');
    tg_buf_i64(&b, INT64_MIN);
    CHECK_STR(tg_buf_view(&b), "18446744073709551615 -9223372036854775808");
    tg_buf_eat(&b, 21);
    CHECK_STR(tg_buf_view(&b), "-9223372036854775808");
    for (int i = 0; i < 1000; i++)
        tg_buf_z(&b, "0123456789");
    CHECK_INT(b.len, 10020);
    tg_buf_done(&b);
}

TEST("a buffer refused memory says so at every later addition until it is reset")
{
    struct tg_buf b = { 0 };

    tg_mem_fail_at(1);
    CHECK_INT(tg_buf_z(&b, "lost"), TG_ENOMEM);
    tg_mem_fail_at(0);
    CHECK_INT(tg_buf_z(&b, "also lost"), TG_ENOMEM);
    CHECK(b.bad && b.len == 0);
    tg_buf_reset(&b);
    CHECK_INT(tg_buf_z(&b, "kept"), TG_OK);
    CHECK_STR(tg_buf_view(&b), "kept");
    tg_buf_done(&b);
}

TEST("decimal numbers are digits only and do not overflow")
{
    static const struct { const char *text; bool ok; uint64_t value; } cases[] = {
        { "0", true, 0 },      { "18446744073709551615", true, UINT64_MAX },
        { "18446744073709551616", false, 0 }, { "", false, 0 }, { "+1", false, 0 },
        { " 1", false, 0 },    { "1x", false, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t n = 0;
        check_context = cases[i].text;
        CHECK(tg_str_u64(tg_str_of(cases[i].text), &n) == cases[i].ok);
        CHECK(n == cases[i].value);
    }
}

TEST("secrets compare equal only when they are, whatever their lengths")
{
    CHECK(tg_str_same_secret(TG_STR("abc"), TG_STR("abc")));
    CHECK(!tg_str_same_secret(TG_STR("abc"), TG_STR("abd")));
    CHECK(!tg_str_same_secret(TG_STR("abcabc"), TG_STR("abc")));
    CHECK(!tg_str_same_secret(TG_STR("abc"), TG_STR("")));
    CHECK(tg_str_same_secret(TG_STR(""), TG_STR("")));
}

TEST("an arena hands out zeroed memory and gives it back at once")
{
    struct tg_arena a;

    tg_arena_init(&a, 64);
    for (int i = 1; i < 200; i++) {
        char *p = tg_arena_get(&a, (size_t)i);
        if (!CHECK(p != NULL))
            break;
        CHECK(p[0] == 0 && p[i - 1] == 0);
        memset(p, 0xff, (size_t)i);
    }
    tg_arena_reset(&a);
    CHECK_STR(tg_arena_copy(&a, TG_STR("kept")), "kept");
    tg_arena_done(&a);
}

TEST("the same seed gives the same numbers, and below(n) reaches both ends")
{
    struct tg_rand a, b;
    bool low = false, high = false;

    tg_rand_seed(&a, 42);
    tg_rand_seed(&b, 42);
    for (int i = 0; i < 1000; i++) {
        uint32_t n = tg_rand_below(&a, 10);
        CHECK(n == tg_rand_below(&b, 10));
        CHECK(n < 10);
        low |= n == 0;
        high |= n == 9;
    }
    CHECK(low && high);
}

TEST("hashes are those of SipHash-1-3 and depend on the key")
{
    /* What CPython 3.11, whose hash of bytes is SipHash-1-3, gives with the key
     * {0, 0} (PYTHONHASHSEED=0) for 00..0e, "tidegate" and 64 times "a". */
    struct tg_hash_key key = { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u };
    char message[15];
    for (int i = 0; i < 15; i++)
        message[i] = (char)i;
    struct tg_str s = { message, sizeof message };
    CHECK(tg_hash_stable(s) == 0xf30eb725bb91c9eau);
    CHECK(tg_hash_stable(TG_STR("tidegate")) == 0xf975437e4dbb18f9u);
    CHECK(tg_hash_stable(TG_STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
          == 0x7e72fd0c68571c3bu);
    CHECK(tg_hash(key, s) != tg_hash_stable(s));
    CHECK(tg_hash(key, s) == tg_hash(key, s));
    CHECK(tg_hash_join(1, 2) != tg_hash_join(2, 1));
}

static struct tg_str log_line(char *line, size_t size, void (*say)(void))
{
    int ends[2];
    if (pipe(ends))
        return (struct tg_str){ 0 };
    tg_log_setup(TG_LOG_INFO, ends[1]);
    say();
    tg_log_setup(TG_LOG_INFO, 2);
    close(ends[1]);
    ssize_t n = read(ends[0], line, size);
    close(ends[0]);
    return (struct tg_str){ line, n > 0 ? (size_t)n : 0 };
}

static void say_secret(void)
{
    struct tg_log l;
    tg_log_secret(TG_STR("sk-canary-0123456789"));
    if (tg_log_open(&l, TG_LOG_WARN, "upstream")) {
        tg_log_z(&l, "said", "key sk-canary-0123456789 \"refused\"\n\x1b[2J");
        tg_log_int(&l, "status", 401);
        tg_log_close(&l);
    }
}

TEST("a log line is one JSON object whose values are escaped and whose secrets are gone")
{
    char line[1024];
    struct tg_str s = log_line(line, sizeof line, say_secret);
    CHECK(!memmem(s.at, s.len, "canary", 6));
    CHECK(memmem(s.at, s.len, "\"said\":\"key [redacted] \\\"refused\\\"\\u000a\\u001b[2J\",\"status\":401}\n",
                 strlen("\"said\":\"key [redacted] \\\"refused\\\"\\u000a\\u001b[2J\",\"status\":401}\n")) != NULL);
}

static void say_two(void)
{
    tg_log_hold();
    tg_log_say(TG_LOG_INFO, "first", "one");
    tg_log_say(TG_LOG_INFO, "second", "two");
    tg_log_release();
}

TEST("held lines are written together and in order")
{
    char line[1024];
    struct tg_str s = log_line(line, sizeof line, say_two), first, rest;
    CHECK(tg_str_cut(s, '\n', &first, &rest));
    CHECK(memmem(first.at, first.len, "\"message\":\"one\"", 15) != NULL);
    CHECK(memmem(rest.at, rest.len, "\"message\":\"two\"", 15) != NULL);
}

enum { MANY = 4000 };

/* How many whole lines stand in the pipe; the rest of it is taken out too. */
static int take_lines(int fd, char *last, size_t size)
{
    static char all[1 << 20];
    struct tg_str text, line;
    int lines = 0;

    ssize_t n = read(fd, all, sizeof all);
    text = (struct tg_str){ all, n > 0 ? (size_t)n : 0 };
    CHECK(text.len && text.at[text.len - 1] == '\n');
    for (struct tg_str rest; tg_str_cut(text, '\n', &line, &rest); text = rest, lines++)
        snprintf(last, size, "%.*s", (int)line.len, line.at);
    return lines;
}

TEST("a log that nobody reads costs lines, not time, and says how many")
{
    char last[256] = "", want[64];
    int ends[2], lines = 0;

    CHECK(!pipe(ends));
    tg_log_setup(TG_LOG_INFO, ends[1]);
    tg_log_hold();
    for (int i = 0; i < MANY; i++)
        tg_log_say(i % 9 ? TG_LOG_INFO : TG_LOG_WARN, "request", "%d", i);
    tg_log_flush();
    while (!strstr(last, "lines were dropped")) {
        lines += take_lines(ends[0], last, sizeof last);
        tg_log_flush();
    }
    snprintf(want, sizeof want, "\"message\":\"%d lines were dropped", MANY - (lines - 1));
    CHECK(lines > 100 && lines < MANY && strstr(last, want));
    tg_log_release();
    tg_log_setup(TG_LOG_INFO, 2);
    close(ends[0]);
    close(ends[1]);
}

TEST_MAIN
