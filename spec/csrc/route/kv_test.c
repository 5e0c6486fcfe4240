#include "route/kv.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rand.h"
#include "check.h"

enum { SECOND = 1000, HOUR = 3600 * SECOND, SEED = 42 };

static const uint64_t NOW = 1000ull * HOUR;

static void *map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static struct tg_kv *kv_new(size_t entries)
{
    struct tg_kv *kv = NULL;
    CHECK_INT(tg_kv_attach(map(tg_kv_bytes(entries)), tg_kv_bytes(entries), entries, SEED, &kv),
              TG_OK);
    return kv;
}

static void kv_free(struct tg_kv *kv, size_t entries)
{
    munmap(kv, tg_kv_bytes(entries));
}

static double number_at(struct tg_kv *kv, struct tg_str key, uint64_t now_ms)
{
    struct tg_kv_value v;
    if (tg_kv_get(kv, key, now_ms, &v))
        return -1;
    CHECK(!v.is_text);
    return v.number;
}

static bool has(struct tg_kv *kv, struct tg_str key, uint64_t now_ms)
{
    struct tg_kv_value v;
    return tg_kv_get(kv, key, now_ms, &v) == TG_OK;
}

/* ---- the region ---- */

TEST("a second attachment finds what the first one left, whatever its seed")
{
    struct tg_kv *kv = kv_new(100), *again = NULL;

    CHECK_INT(tg_kv_set(kv, TG_STR("a"), 7, TG_KV_FOREVER, NOW), TG_OK);
    CHECK_INT(tg_kv_attach(kv, tg_kv_bytes(100), 100, SEED + 1, &again), TG_OK);
    CHECK(number_at(again, TG_STR("a"), NOW) == 7);
    kv_free(kv, 100);
}

TEST("memory of another size, of another content or badly aligned is refused")
{
    struct tg_kv *kv = kv_new(100), *out = NULL;
    size_t bytes = tg_kv_bytes(100);

    CHECK_INT(tg_kv_attach(kv, bytes, 80, SEED, &out), TG_EINVAL);
    CHECK_INT(tg_kv_attach(kv, bytes - 1, 100, SEED, &out), TG_EINVAL);
    CHECK_INT(tg_kv_attach(kv, bytes, 0, SEED, &out), TG_EINVAL);
    CHECK_INT(tg_kv_attach(kv, SIZE_MAX, TG_KV_ENTRIES_MAX + 1, SEED, &out), TG_EINVAL);
    CHECK_INT(tg_kv_attach(kv, bytes, 100, 0, &out), TG_EINVAL);
    CHECK_INT(tg_kv_attach(NULL, bytes, 100, SEED, &out), TG_EINVAL);
    CHECK_INT(tg_kv_attach((char *)kv + 8, bytes, 100, SEED, &out), TG_EINVAL);
    ((char *)kv)[5] ^= 1;
    CHECK_INT(tg_kv_attach(kv, bytes, 100, SEED, &out), TG_EINVAL);
    CHECK(out == NULL);
    kv_free(kv, 100);
}

/* ---- values ---- */

TEST("what was set is there, numbers as numbers and strings as strings")
{
    struct tg_kv *kv = kv_new(100);
    struct tg_kv_value v;
    char longest[TG_KV_TEXT_MAX];

    memset(longest, 'x', sizeof longest);
    CHECK_INT(tg_kv_get(kv, TG_STR("k"), NOW, &v), TG_ENOTFOUND);
    CHECK_INT(tg_kv_set(kv, TG_STR("k"), -1.5e300, TG_KV_FOREVER, NOW), TG_OK);
    CHECK(number_at(kv, TG_STR("k"), NOW) == -1.5e300);

    struct tg_str texts[] = { TG_STR(""), TG_STR("a"), TG_STR("abcd"), TG_STR("openai/eu"),
                              { "a\0b", 3 }, { longest, sizeof longest } };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CHECK_INT(tg_kv_set_text(kv, TG_STR("k"), texts[i], TG_KV_FOREVER, NOW), TG_OK);
        CHECK_INT(tg_kv_get(kv, TG_STR("k"), NOW, &v), TG_OK);
        CHECK(v.is_text);
        CHECK(tg_str_eq((struct tg_str){ v.text, v.len }, texts[i]));
    }
    CHECK_INT(tg_kv_set(kv, TG_STR("k"), 0, TG_KV_FOREVER, NOW), TG_OK);
    CHECK(number_at(kv, TG_STR("k"), NOW) == 0);
    kv_free(kv, 100);
}

TEST("keys of every length up to the limit are kept apart")
{
    enum { MANY = 2000 };
    struct tg_kv *kv = kv_new(MANY);
    char key[TG_KV_KEY_MAX + 1];

    memset(key, 'k', sizeof key);
    for (size_t len = 1; len <= TG_KV_KEY_MAX; len++)
        CHECK_INT(tg_kv_set(kv, (struct tg_str){ key, len }, (double)len, HOUR, NOW), TG_OK);
    for (size_t len = 1; len <= TG_KV_KEY_MAX; len++)
        CHECK(number_at(kv, (struct tg_str){ key, len }, NOW) == (double)len);
    kv_free(kv, MANY);
}

TEST("what is too long, empty or no finite number is refused and changes nothing")
{
    struct tg_kv *kv = kv_new(10);
    char big[TG_KV_TEXT_MAX + 1] = { 0 };
    struct tg_str long_key = { big, TG_KV_KEY_MAX + 1 }, none = { NULL, 0 };
    struct tg_kv_value v;
    double sum = 5;

    CHECK_INT(tg_kv_set(kv, long_key, 1, 1, NOW), TG_ETOOBIG);
    CHECK_INT(tg_kv_add(kv, long_key, 1, 1, NOW, &sum), TG_ETOOBIG);
    CHECK_INT(tg_kv_get(kv, long_key, NOW, &v), TG_ETOOBIG);
    CHECK_INT(tg_kv_delete(kv, long_key, NOW), TG_ETOOBIG);
    CHECK_INT(tg_kv_set(kv, none, 1, 1, NOW), TG_EINVAL);
    CHECK_INT(tg_kv_get(kv, none, NOW, &v), TG_EINVAL);
    CHECK_INT(tg_kv_delete(kv, none, NOW), TG_EINVAL);
    struct tg_str long_text = { big, sizeof big };
    CHECK_INT(tg_kv_set_text(kv, TG_STR("k"), long_text, 1, NOW), TG_ETOOBIG);
    CHECK_INT(tg_kv_set(kv, TG_STR("k"), NAN, 1, NOW), TG_EINVAL);
    CHECK_INT(tg_kv_set(kv, TG_STR("k"), INFINITY, 1, NOW), TG_EINVAL);
    CHECK_INT(tg_kv_add(kv, TG_STR("k"), NAN, 1, NOW, &sum), TG_EINVAL);
    CHECK(!has(kv, TG_STR("k"), NOW));

    CHECK_INT(tg_kv_set(kv, TG_STR("k"), 1.7e308, TG_KV_FOREVER, NOW), TG_OK);
    CHECK_INT(tg_kv_add(kv, TG_STR("k"), 1.7e308, 1, NOW, &sum), TG_EINVAL);
    CHECK(number_at(kv, TG_STR("k"), NOW) == 1.7e308);
    CHECK_INT(tg_kv_set_text(kv, TG_STR("k"), TG_STR("eu"), TG_KV_FOREVER, NOW), TG_OK);
    CHECK_INT(tg_kv_add(kv, TG_STR("k"), 1, 1, NOW, &sum), TG_EINVAL);
    CHECK(has(kv, TG_STR("k"), NOW));
    CHECK(sum == 5);
    kv_free(kv, 10);
}

TEST("what was deleted is gone, and a second time is not there")
{
    struct tg_kv *kv = kv_new(10);

    CHECK_INT(tg_kv_delete(kv, TG_STR("k"), NOW), TG_ENOTFOUND);
    CHECK_INT(tg_kv_set(kv, TG_STR("k"), 1, TG_KV_FOREVER, NOW), TG_OK);
    CHECK_INT(tg_kv_set(kv, TG_STR("other"), 2, TG_KV_FOREVER, NOW), TG_OK);
    CHECK_INT(tg_kv_delete(kv, TG_STR("k"), NOW), TG_OK);
    CHECK(!has(kv, TG_STR("k"), NOW));
    CHECK_INT(tg_kv_delete(kv, TG_STR("k"), NOW), TG_ENOTFOUND);
    CHECK(number_at(kv, TG_STR("other"), NOW) == 2);
    kv_free(kv, 10);
}

/* ---- ends ---- */

TEST("an entry is over when its time is, to the millisecond")
{
    struct tg_kv *kv = kv_new(10);

    CHECK_INT(tg_kv_set(kv, TG_STR("k"), 1, SECOND, NOW), TG_OK);
    CHECK(has(kv, TG_STR("k"), NOW + SECOND - 1));
    CHECK(!has(kv, TG_STR("k"), NOW + SECOND));
    CHECK_INT(tg_kv_delete(kv, TG_STR("k"), NOW + SECOND), TG_ENOTFOUND);
    CHECK_INT(tg_kv_set(kv, TG_STR("k"), 1, TG_KV_FOREVER, NOW), TG_OK);
    CHECK(has(kv, TG_STR("k"), UINT64_MAX - 1));
    CHECK_INT(tg_kv_set(kv, TG_STR("k"), 1, 0, NOW), TG_OK);
    CHECK(!has(kv, TG_STR("k"), NOW));
    kv_free(kv, 10);
}

TEST("a counter keeps the end it was made with, and begins anew behind it")
{
    struct tg_kv *kv = kv_new(10);
    double sum = 0;

    CHECK_INT(tg_kv_add(kv, TG_STR("k"), 2, SECOND, NOW, &sum), TG_OK);
    CHECK(sum == 2);
    CHECK_INT(tg_kv_add(kv, TG_STR("k"), 3, HOUR, NOW + 900, &sum), TG_OK);
    CHECK(sum == 5);
    CHECK(!has(kv, TG_STR("k"), NOW + SECOND));
    CHECK_INT(tg_kv_add(kv, TG_STR("k"), 10, SECOND, NOW + SECOND, &sum), TG_OK);
    CHECK(sum == 10);
    CHECK(has(kv, TG_STR("k"), NOW + 2 * SECOND - 1));
    kv_free(kv, 10);
}

/* ---- room ---- */

static struct tg_str key_of(char text[24], int i)
{
    return (struct tg_str){ text, (size_t)snprintf(text, 24, "key %d", i) };
}

TEST("the oldest entry of a full bucket makes room, and of two writings the newer counts")
{
    struct tg_kv *kv = kv_new(TG_KV_WAYS);          /* one bucket */
    char text[24];

    for (int i = 0; i < TG_KV_WAYS; i++)
        CHECK_INT(tg_kv_set(kv, key_of(text, i), i, TG_KV_FOREVER, NOW + (uint64_t)i), TG_OK);
    CHECK_INT(tg_kv_set(kv, key_of(text, 0), 100, TG_KV_FOREVER, NOW + 50), TG_OK);
    CHECK_INT(tg_kv_set(kv, key_of(text, 77), 77, TG_KV_FOREVER, NOW + 60), TG_OK);
    CHECK(number_at(kv, key_of(text, 77), NOW + 60) == 77);
    CHECK(number_at(kv, key_of(text, 0), NOW + 60) == 100);
    CHECK(!has(kv, key_of(text, 1), NOW + 60));
    for (int i = 2; i < TG_KV_WAYS; i++)
        CHECK(number_at(kv, key_of(text, i), NOW + 60) == i);
    kv_free(kv, TG_KV_WAYS);
}

TEST("what is over makes room before what is old")
{
    struct tg_kv *kv = kv_new(TG_KV_WAYS);
    char text[24];

    for (int i = 0; i < TG_KV_WAYS; i++) {
        uint64_t ttl_ms = i == 4 ? SECOND : HOUR;
        CHECK_INT(tg_kv_set(kv, key_of(text, i), i, ttl_ms, NOW + (uint64_t)i), TG_OK);
    }
    CHECK_INT(tg_kv_set(kv, key_of(text, 9), 9, HOUR, NOW + 2 * SECOND), TG_OK);
    for (int i = 0; i < TG_KV_WAYS; i++)
        CHECK(has(kv, key_of(text, i), NOW + 2 * SECOND) == (i != 4));
    kv_free(kv, TG_KV_WAYS);
}

TEST("a table that is half full has lost next to nothing")
{
    enum { ENTRIES = 4096, MANY = ENTRIES / 2 };
    struct tg_kv *kv = kv_new(ENTRIES);
    char text[24];
    int kept = 0;

    for (int i = 0; i < MANY; i++)
        CHECK_INT(tg_kv_set(kv, key_of(text, i), i, TG_KV_FOREVER, NOW + (uint64_t)i), TG_OK);
    for (int i = 0; i < MANY; i++)
        kept += number_at(kv, key_of(text, i), NOW) == i;
    CHECK(kept >= MANY * 97 / 100);
    kv_free(kv, ENTRIES);
}

/* ---- versions ---- */

static _Atomic uint64_t *head_of(struct tg_kv *kv)
{
    return (_Atomic uint64_t *)(void *)((char *)kv + 64);
}

TEST("a change that nobody disturbs is made at the first try")
{
    struct tg_kv *kv = kv_new(TG_KV_WAYS);
    double sum = 0;

    for (int i = 0; i < 5000; i++)
        CHECK_INT(tg_kv_add(kv, TG_STR("n"), 1, TG_KV_FOREVER, NOW, &sum), TG_OK);
    CHECK_INT(*head_of(kv) >> 32, 2 * 5000);        /* a claim and its publishing */
    kv_free(kv, TG_KV_WAYS);
}

TEST("entries old and new outlive the wrapping of the versions")
{
    struct tg_kv *kv = kv_new(TG_KV_WAYS);
    _Atomic uint64_t *head = head_of(kv);
    char longest[TG_KV_TEXT_MAX];
    double sum = 0, want = 0;

    memset(longest, 'y', sizeof longest);
    struct tg_str text = { longest, sizeof longest };
    CHECK_INT(tg_kv_set_text(kv, TG_STR("still"), text, TG_KV_FOREVER, NOW), TG_OK);
    for (uint64_t passed = 0; passed < 2ull << 32; passed += 50000000) {
        *head += 50000000ull << 32;                 /* as if so many had been made */
        for (int i = 0; i < 2000; i++, want++)
            CHECK_INT(tg_kv_add(kv, TG_STR("n"), 1, TG_KV_FOREVER, NOW, &sum), TG_OK);
        CHECK(sum == want);
    }
    struct tg_kv_value v;
    CHECK_INT(tg_kv_get(kv, TG_STR("still"), NOW, &v), TG_OK);
    CHECK(tg_str_eq((struct tg_str){ v.text, v.len }, text));
    CHECK_INT(tg_kv_set(kv, TG_STR("still"), 1, TG_KV_FOREVER, NOW), TG_OK);
    CHECK_INT(tg_kv_set_text(kv, TG_STR("n"), text, TG_KV_FOREVER, NOW), TG_OK);
    kv_free(kv, TG_KV_WAYS);
}

/* ---- many at once ---- */

enum { THREADS = 4, ADDS = 20000 };

static void *add_many(void *arg)
{
    char text[24];
    double sum;
    for (int i = 0; i < ADDS; i++)
        if (tg_kv_add(arg, key_of(text, i % 3), 1, TG_KV_FOREVER, NOW, &sum))
            return arg;
    return NULL;
}

TEST("additions of several threads to the same counters are all counted")
{
    struct tg_kv *kv = kv_new(TG_KV_WAYS);
    pthread_t threads[THREADS];
    char text[24];
    double total = 0;
    void *said;

    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, add_many, kv);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &said);
        CHECK(said == NULL);
    }
    for (int i = 0; i < 3; i++)
        total += number_at(kv, key_of(text, i), NOW);
    CHECK(total == THREADS * ADDS);
    kv_free(kv, TG_KV_WAYS);
}

static atomic_bool is_over;

/* A text says of itself what it should be: one letter, that often. */
static bool is_whole(const struct tg_kv_value *v)
{
    for (size_t i = 0; i < v->len; i++)
        if (v->text[i] != (char)('a' + v->len % 26))
            return false;
    return v->is_text;
}

static void *write_texts(void *arg)
{
    char text[24], value[TG_KV_TEXT_MAX];
    struct tg_rand r;
    tg_rand_seed(&r, (uint64_t)(uintptr_t)&r);
    while (!atomic_load(&is_over)) {
        size_t len = tg_rand_below(&r, TG_KV_TEXT_MAX + 1);
        memset(value, (int)('a' + len % 26), sizeof value);
        struct tg_str key = key_of(text, (int)tg_rand_below(&r, 9));
        if (tg_rand_below(&r, 8) == 0)
            tg_kv_delete(arg, key, NOW);
        else
            tg_kv_set_text(arg, key, (struct tg_str){ value, len }, TG_KV_FOREVER, NOW);
    }
    return NULL;
}

TEST("a reader sees whole values, whatever is written meanwhile")
{
    struct tg_kv *kv = kv_new(TG_KV_WAYS);
    pthread_t threads[THREADS];
    char text[24];
    int seen = 0, torn = 0;

    atomic_store(&is_over, false);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, write_texts, kv);
    for (int i = 0; i < 300000 || (seen < 1000 && i < 30000000); i++) {
        struct tg_kv_value v;
        if (tg_kv_get(kv, key_of(text, i % 9), NOW, &v))
            continue;
        seen++;
        torn += !is_whole(&v);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK(seen >= 1000);
    CHECK_INT(torn, 0);
    kv_free(kv, TG_KV_WAYS);
}

/* ---- killed ---- */

struct tally {
    atomic_long done[8];
};

static void add_until_killed(struct tg_kv *kv, atomic_long *done)
{
    char value[TG_KV_TEXT_MAX];
    struct tg_str text = { value, sizeof value };
    double sum;

    memset(value, (int)('a' + sizeof value % 26), sizeof value);
    for (;;) {
        if (tg_kv_add(kv, TG_STR("n"), 1, TG_KV_FOREVER, NOW, &sum) == TG_OK)
            atomic_fetch_add(done, 1);
        tg_kv_set_text(kv, TG_STR("text"), text, TG_KV_FOREVER, NOW);
    }
}

TEST("killed processes lose no addition but the one in hand, and hold up nobody")
{
    enum { ROUNDS = 60, PROCESSES = 4 };
    struct tg_kv *kv = kv_new(TG_KV_WAYS);
    struct tally *t = map(sizeof *t);
    struct tg_kv_value v;
    long done = 0, killed = 0;

    CHECK_INT(tg_kv_set(kv, TG_STR("bystander"), 1234, TG_KV_FOREVER, NOW), TG_OK);
    CHECK_INT(tg_kv_set(kv, TG_STR("n"), 0, TG_KV_FOREVER, NOW), TG_OK);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t pids[PROCESSES];
        long before = done;
        for (int i = 0; i < PROCESSES; i++)
            if (!(pids[i] = fork()))
                add_until_killed(kv, &t->done[i]);
        while (done - before < 200) {
            done = 0;
            for (int i = 0; i < PROCESSES; i++)
                done += atomic_load(&t->done[i]);
        }
        for (int i = 0; i < PROCESSES; i++, killed++)
            kill(pids[i], SIGKILL);
        for (int i = 0; i < PROCESSES; i++)
            waitpid(pids[i], NULL, 0);
        done = 0;
        for (int i = 0; i < PROCESSES; i++)
            done += atomic_load(&t->done[i]);
        double n = number_at(kv, TG_STR("n"), NOW);
        CHECK(n >= (double)done && n <= (double)(done + killed));
        CHECK(number_at(kv, TG_STR("bystander"), NOW) == 1234);
        if (tg_kv_get(kv, TG_STR("text"), NOW, &v) == TG_OK)
            CHECK(is_whole(&v) && v.len == TG_KV_TEXT_MAX);
    }
    CHECK_INT(killed, ROUNDS * PROCESSES);
    munmap(t, sizeof *t);
    kv_free(kv, TG_KV_WAYS);
}

/* A child that stops at each instruction of an addition; 0 when it may not. */
static pid_t add_in_steps(struct tg_kv *kv)
{
    int status = 0;
    pid_t pid = fork();

    if (!pid) {
        double sum;
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
            _exit(3);
        raise(SIGSTOP);
        tg_kv_add(kv, TG_STR("n"), 1, TG_KV_FOREVER, NOW, &sum);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFSTOPPED(status) ? pid : 0;
}

static bool is_another_step(pid_t pid)
{
    int status = 0;

    return !ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) && waitpid(pid, &status, 0) == pid &&
           WIFSTOPPED(status);
}

/* What a process that is killed leaves is the memory as it is: a copy of it. */
TEST("a process that is killed at any instruction of an addition leaves the old sum or the new one")
{
    size_t bytes = tg_kv_bytes(TG_KV_WAYS);
    struct tg_kv *kv = kv_new(TG_KV_WAYS), *left = map(bytes);
    int steps = 0, new_ones = 0;

    CHECK_INT(tg_kv_set(kv, TG_STR("n"), 1, TG_KV_FOREVER, NOW), TG_OK);
    CHECK_INT(tg_kv_set_text(kv, TG_STR("bystander"), TG_STR("here"), TG_KV_FOREVER, NOW), TG_OK);
    pid_t pid = add_in_steps(kv);
    if (!pid)
        printf("    NOTICE: processes may not be traced here; not tested\n");
    for (; pid && is_another_step(pid); steps++) {
        struct tg_kv_value v;
        double sum = 0;
        memcpy(left, kv, bytes);
        double is = number_at(left, TG_STR("n"), NOW);
        new_ones += is == 2;
        if (is != 1 && is != 2)
            CHECK_FAIL("the sum is %g after instruction %d", is, steps);
        if (tg_kv_get(left, TG_STR("bystander"), NOW, &v))
            CHECK_FAIL("the bystander is gone after instruction %d", steps);
        if (tg_kv_add(left, TG_STR("n"), 1, TG_KV_FOREVER, NOW, &sum) || sum != is + 1)
            CHECK_FAIL("the next addition gives %g after instruction %d", sum, steps);
    }
    CHECK(!pid || (steps > 100 && new_ones > 0 && new_ones < steps));
    munmap(left, bytes);
    kv_free(kv, TG_KV_WAYS);
}

TEST_MAIN
