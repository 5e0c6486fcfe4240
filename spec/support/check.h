/* check.h -- C tests whose list of titles is the specification.
 *
 *     TEST("a full buffer grows") { CHECK(...); CHECK_INT(got, 3); }
 *     TEST_MAIN
 *
 * Every test runs, in the order of the file; a failing check prints file:line,
 * what was expected, and goes on. `prog -l` lists titles; `prog PART` runs
 * those whose title contains PART. Exit 1 when a check failed, and also when
 * no test ran. */
#ifndef TG_CHECK_H
#define TG_CHECK_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/str.h"

struct check_test {
    const char *title;
    void (*run)(void);
    struct check_test *next;
};

static struct check_test *check_first, **check_last = &check_first;
static int check_failed, check_passed;
static const char *check_context = "";     /* names the row of a table of cases */

#define CHECK_JOIN2(a, b) a##b
#define CHECK_JOIN(a, b)  CHECK_JOIN2(a, b)
#define TEST_NAMED(title_, fn, node, add)                                       \
    static void fn(void);                                                      \
    static struct check_test node = { title_, fn, NULL };                       \
    __attribute__((constructor)) static void add(void)                          \
    {                                                                           \
        *check_last = &node;                                                    \
        check_last = &node.next;                                                \
    }                                                                           \
    static void fn(void)
#define TEST(title)                                                             \
    TEST_NAMED(title, CHECK_JOIN(test_, __LINE__), CHECK_JOIN(node_, __LINE__), \
               CHECK_JOIN(add_, __LINE__))

#define CHECK_FAIL(...) check_fail(__FILE__, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 3, 4)))
static inline bool check_fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    check_failed++;
    printf("    %s:%d: ", file, line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf(*check_context ? "  [%s]\n" : "%s\n", check_context);
    return false;
}

#define CHECK(cond) ((cond) ? (check_passed++, true) : CHECK_FAIL("not so: %s", #cond))

#define CHECK_INT(got, want)                                                    \
    check_int(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(want))
#define CHECK_STR(got, want) check_str(__FILE__, __LINE__, #got, (got), (want))

static inline bool check_int(const char *file, int line, const char *what, int64_t got, int64_t want)
{
    if (got == want)
        return check_passed++, true;
    check_failed++;
    printf("    %s:%d: %s is %" PRId64 ", not %" PRId64 "  [%s]\n", file, line, what, got, want,
           check_context);
    return false;
}

static inline bool check_str(const char *file, int line, const char *what, struct tg_str got,
                             const char *want)
{
    if (tg_str_is(got, want))
        return check_passed++, true;
    check_failed++;
    printf("    %s:%d: %s is\n      %.*s\n    not\n      %s\n    [%s]\n", file, line, what,
           (int)got.len, got.at ? got.at : "", want, check_context);
    return false;
}

#define TEST_MAIN                                                               \
    int main(int argc, char **argv)                                             \
    {                                                                           \
        int run = 0, bad = 0;                                                   \
        bool list = argc > 1 && strcmp(argv[1], "-l") == 0;                     \
        for (struct check_test *t = check_first; t; t = t->next) {              \
            if (!list && argc > 1 && !strstr(t->title, argv[1]))                \
                continue;                                                       \
            if (list) {                                                         \
                puts(t->title);                                                 \
                continue;                                                       \
            }                                                                   \
            int before = check_failed, passed = check_passed;                   \
            check_context = "";                                                 \
            t->run();                                                           \
            if (check_failed == before && check_passed == passed)               \
                check_failed++, printf("    this test checks nothing\n");       \
            printf("%s  %s\n", check_failed == before ? "ok  " : "FAIL", t->title); \
            fflush(stdout);                                                     \
            run++;                                                              \
            bad += check_failed != before;                                      \
        }                                                                       \
        if (list)                                                               \
            return 0;                                                           \
        printf("%d tests, %d checks, %d failed\n", run, check_passed, bad);     \
        return bad || !run;                                                     \
    }

/* Run `body` with its 1st, 2nd, 3rd ... allocation failing, until a run makes
 * no failing one. `body` must not leak and must tell the failure (return an
 * error, not TG_OK) whenever one was injected; returns how many runs it took.
 * Needs base/mem.h. */
#define CHECK_EVERY_ALLOCATION(body)                                            \
    do {                                                                        \
        for (size_t nth_ = 1;; nth_++) {                                        \
            tg_mem_fail_at(nth_);                                               \
            int err_ = (int)(body);                                             \
            size_t made_ = tg_mem_fail_at(0);                                   \
            if (made_ < nth_) {                                                 \
                CHECK(err_ == 0);                                               \
                break;                                                          \
            }                                                                   \
            CHECK(err_ != 0);                                                   \
            if (nth_ > 100000) { CHECK_FAIL("allocates without end"); break; }   \
        }                                                                       \
    } while (0)

/* Where the recorded and hostile material lies that is tested in place and is
 * not part of this repository; NULL, with a visible notice, when absent. */
static inline const char *check_data_dir(void)
{
    const char *dir = getenv("TIDEGATE_TEST_DATA");
    if (!dir || !*dir)
        printf("    NOTICE: TIDEGATE_TEST_DATA is not set; the recorded material is not tested\n");
    return dir && *dir ? dir : NULL;
}

#endif
