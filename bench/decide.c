/* decide.c -- what deciding costs, without any I/O.
 *
 *     decide
 *
 * A model with 16 endpoints whose five minutes hold samples, and a chat request
 * of 1 KB. Prints one JSON object: nanoseconds to read the request, to make the
 * plan (default order; sorted by latency, which asks every window), to add to a
 * window and to read four quantiles of one; and decisions (read, then plan) per
 * second. Each is the median of ROUNDS rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/buf.h"
#include "route/catalog.h"
#include "route/live.h"
#include "route/needs.h"
#include "route/plan.h"

enum { ENDPOINTS = 16, ROUNDS = 9, REQUESTS = 20000, ADDS = 1000000, READS = 20000, VALUES = 1024,
       SLOTS = 64, WALL_S = 1790000000 };

struct bench {
    struct tg_catalog *catalog;
    struct tg_live_region *region;
    struct tg_live *live[ENDPOINTS];
    struct tg_arena arena;
    struct tg_needs needs;
    struct tg_plan plan;
    struct tg_str body, sorted;
    double values[VALUES];
    uint64_t now_ms;
    volatile double sink;          /* so that nothing is optimized away */
};

static void die(const char *what)
{
    fprintf(stderr, "decide: %s\n", what);
    exit(1);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);    /* others' turns do not count */
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- what is decided about ---- */

static void open_catalog(struct bench *b)
{
    static char slugs[ENDPOINTS][16];
    struct tg_provider providers[ENDPOINTS] = { 0 };
    struct tg_buf text = { 0 }, why = { 0 };

    tg_buf_printf(&text, "{\"data\":[{\"id\":\"bench/model\",\"name\":\"Model\","
                         "\"context_length\":131072,\"endpoints\":[");
    for (int i = 0; i < ENDPOINTS; i++) {
        snprintf(slugs[i], sizeof slugs[i], "bench-%02d", i);
        providers[i].slug = providers[i].name = tg_str_of(slugs[i]);
        tg_buf_printf(&text, "%s{\"provider\":\"%s\",\"pricing\":{\"prompt\":\"0.0000%02d\","
                             "\"completion\":\"0.0000%02d\"}}",
                      i ? "," : "", slugs[i], 10 + i, 30 + i);
    }
    tg_buf_printf(&text, "]}]}");
    b->catalog = tg_catalog_new(providers, ENDPOINTS);
    if (!b->catalog || tg_catalog_add(b->catalog, tg_buf_view(&text), "bench", &why, NULL))
        die(tg_buf_cstr(&why));
    tg_buf_done(&text);

    size_t bytes = (tg_live_bytes(SLOTS) + 4095) / 4096 * 4096;
    void *memory = aligned_alloc(4096, bytes);
    memset(memory, 0, bytes);
    if (tg_catalog_seal(b->catalog)
        || tg_live_attach(memory, tg_live_bytes(SLOTS), SLOTS, &b->region)
        || tg_catalog_join(b->catalog, b->region))
        die("no catalogue");
    for (int i = 0; i < ENDPOINTS; i++)
        b->live[i] = b->catalog->models[0].endpoints[i].live;
}

static void make_traffic(struct bench *b)
{
    unsigned seed = 1;

    for (int i = 0; i < VALUES; i++) {
        seed = seed * 1664525 + 1013904223;
        b->values[i] = 50 + (seed >> 8) % 2000;
    }
    for (int i = 0; i < 100 * ENDPOINTS; i++)
        tg_live_tell(b->live[i % ENDPOINTS], &(struct tg_live_report){
            .event = TG_HEALTH_SUCCESS, .ttft_ms = (int64_t)b->values[i % VALUES],
            .output_tokens = 300, .stream_ms = 3000, .hold_ms = -1 }, b->now_ms);
}

static struct tg_str make_body(const char *more)
{
    static const char words[] = "and then she said \\\"so\\\",\\nwhich was a word of its own; ";
    struct tg_buf b = { 0 };

    tg_buf_printf(&b, "{\"model\":\"bench/model\",%s\"messages\":["
                      "{\"role\":\"user\",\"content\":\"", more);
    for (int i = 0; i < 15; i++)
        tg_buf_printf(&b, "%s", words);
    tg_buf_printf(&b, "\"}],\"temperature\":0.7,\"max_tokens\":500}");
    return tg_buf_view(&b);        /* lives as long as the program */
}

/* ---- what is measured ---- */

static void read_needs(struct bench *b, struct tg_str body, uint64_t seed)
{
    struct tg_fault fault;
    if (tg_needs_read(&b->needs, TG_API_CHAT, body, NULL, b->catalog, WALL_S, seed, &b->arena,
                      &fault))
        die("the request is refused");
}

static void make_plan(struct bench *b)
{
    struct tg_fault fault;
    if (tg_plan_make(&b->plan, &b->needs, NULL, b->region, b->now_ms, &b->arena, &fault)
        || b->plan.kept != ENDPOINTS)
        die("no plan");
}

static void decide(struct bench *b)
{
    for (uint64_t i = 0; i < REQUESTS; i++) {
        tg_arena_reset(&b->arena);
        read_needs(b, b->body, i);
        make_plan(b);
    }
}

static void needs(struct bench *b)
{
    for (uint64_t i = 0; i < REQUESTS; i++) {
        tg_arena_reset(&b->arena);
        read_needs(b, b->body, i);
    }
}

/* The needs are read once, into an arena of which none is reset. */
static void plans(struct bench *b, struct tg_str body)
{
    struct tg_arena kept = b->arena;

    tg_arena_init(&b->arena, 64 * 1024);
    read_needs(b, body, 1);
    struct tg_arena of_needs = b->arena;
    tg_arena_init(&b->arena, 64 * 1024);
    for (uint64_t i = 0; i < REQUESTS; i++) {
        tg_arena_reset(&b->arena);
        b->needs.seed = i;
        make_plan(b);
    }
    tg_arena_done(&b->arena);
    tg_arena_done(&of_needs);
    b->arena = kept;
}

static void plan(struct bench *b) { plans(b, b->body); }
static void plan_sorted(struct bench *b) { plans(b, b->sorted); }

/* 1,000 a second at each endpoint: slices turn as they do in service. */
static void add(struct bench *b)
{
    for (int i = 0; i < ADDS; i++)
        tg_window_add(&b->live[i % ENDPOINTS]->ttft, b->values[i % VALUES],
                      b->now_ms + (unsigned)i / 16000);
    b->now_ms += ADDS / 16000;
}

static void quantiles(struct bench *b)
{
    struct tg_quantiles q;
    for (int i = 0; i < READS; i++) {
        tg_window_read(&b->live[i % ENDPOINTS]->ttft, false, b->now_ms, &q);
        b->sink += q.p50 + q.p75 + q.p90 + q.p99;
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median nanoseconds of one of `count`. */
static double time_of(struct bench *b, void (*run)(struct bench *), int count)
{
    double took[ROUNDS];

    run(b);                        /* caches and branches */
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t began = cpu_ns();
        run(b);
        took[i] = (double)(cpu_ns() - began) / count;
    }
    qsort(took, ROUNDS, sizeof *took, by_size);
    return took[ROUNDS / 2];
}

int main(void)
{
    static struct bench b = { .now_ms = 3600000 };

    tg_arena_init(&b.arena, 64 * 1024);
    open_catalog(&b);
    make_traffic(&b);
    b.body = make_body("");
    b.sorted = make_body("\"provider\":{\"sort\":\"latency\"},");
    double decision = time_of(&b, decide, REQUESTS);
    printf("{\"decisions_per_s\":%.0f,\"needs_ns\":%.1f,\"plan_ns\":%.1f,\"plan_sorted_ns\":%.1f,",
           1e9 / decision, time_of(&b, needs, REQUESTS), time_of(&b, plan, REQUESTS),
           time_of(&b, plan_sorted, REQUESTS));
    printf("\"window_add_ns\":%.1f,", time_of(&b, add, ADDS));
    printf("\"quantiles_ns\":%.1f}\n", time_of(&b, quantiles, READS));
    return 0;
}
