/* route_world.h -- a catalogue, traffic and a request, for tests of decisions.
 *
 *     struct world w;
 *     world_open(&w, MODEL("m/one", AT("cheap", "0.000001", "") "," AT("dear", ...)));
 *     world_fails(&w, "cheap", 2);
 *     CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO "}"), TG_OK);
 *     CHECK_STR(world_order(&w), "dear cheap");
 *     world_close(&w);
 *
 * JSON is written with ' for ". Time stands still unless a test moves it. */
#ifndef TG_ROUTE_WORLD_H
#define TG_ROUTE_WORLD_H

#include <stdatomic.h>
#include <stdlib.h>
#include "base/mem.h"
#include "check.h"
#include "route/catalog.h"
#include "route/explain.h"
#include "route/live.h"
#include "route/plan.h"

#define HELLO "'messages':[{'role':'user','content':'hi'}]"
#define MODEL(id, endpoints) \
    "{'id':'" id "','name':'" id "','context_length':100000,'endpoints':[" endpoints "]}"
#define AT(provider, dollars_a_token, more) \
    "{'provider':'" provider "','pricing':{'prompt':'" dollars_a_token \
    "','completion':'" dollars_a_token "'}" more "}"

enum { WORLD_SLOTS = 512, WORLD_WALL_S = 1790000000 };

struct world {
    struct tg_arena arena, plans;  /* catalogue and requests; the last plan */
    struct tg_catalog *catalog;
    void *memory;
    struct tg_live_region *region;
    struct tg_needs needs;
    struct tg_plan plan;
    struct tg_fault fault;
    struct tg_buf out;             /* of world_order() */
    uint64_t now_ms, seed;
};

static const struct tg_provider world_providers[] = {
    { .slug = { "openai", 6 },        .name = { "OpenAI", 6 } },
    { .slug = { "azure", 5 },         .name = { "Azure", 5 }, .denies_data_collection = true,
      .zdr = true },
    { .slug = { "google-vertex", 13 }, .name = { "Google", 6 } },
    { .slug = { "groq", 4 },          .name = { "Groq", 4 }, .denies_data_collection = true },
    { .slug = { "cheap", 5 },         .name = { "Cheap Inc", 9 } },
    { .slug = { "middle", 6 },        .name = { "Middle & Sons", 13 } },
    { .slug = { "dear", 4 },          .name = { "Dear \"Quoted\"", 13 } },
    { .slug = { "free", 4 },          .name = { "Free", 4 } },
};

/* The text with ' made ", in the arena. */
static struct tg_str world_json(struct world *w, const char *text)
{
    struct tg_str s = tg_arena_copy(&w->arena, tg_str_of(text));
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] == '\'')
            ((char *)(uintptr_t)s.at)[i] = '"';
    return s;
}

static void world_open(struct world *w, const char *models)
{
    struct tg_buf why = { 0 }, text = { 0 };

    *w = (struct world){ .now_ms = 10 * 3600 * 1000, .seed = 1 };
    tg_arena_init(&w->arena, 64 * 1024);
    tg_arena_init(&w->plans, 64 * 1024);
    w->memory = aligned_alloc(4096, (tg_live_bytes(WORLD_SLOTS) + 4095) / 4096 * 4096);
    memset(w->memory, 0, tg_live_bytes(WORLD_SLOTS));
    CHECK(!tg_live_attach(w->memory, tg_live_bytes(WORLD_SLOTS), WORLD_SLOTS, &w->region));
    w->catalog = tg_catalog_new(world_providers, sizeof world_providers / sizeof *world_providers);
    tg_buf_printf(&text, "{'data':[%s]}", models);
    tg_err err = tg_catalog_add(w->catalog, world_json(w, tg_buf_cstr(&text)), "test.json", &why,
        NULL);
    if (!CHECK(!err))
        printf("    %.*s\n", (int)why.len, why.at);
    CHECK(!tg_catalog_seal(w->catalog));
    CHECK(!tg_catalog_join(w->catalog, w->region));
    tg_buf_done(&why);
    tg_buf_done(&text);
}

static void world_close(struct world *w)
{
    tg_catalog_drop(w->catalog);
    tg_arena_done(&w->arena);
    tg_arena_done(&w->plans);
    tg_buf_done(&w->out);
    free(w->memory);
}

/* The plan of the request read last, drawn with w->seed. */
static inline tg_err world_plan(struct world *w)
{
    w->needs.seed = w->seed;
    tg_arena_reset(&w->plans);
    w->fault = (struct tg_fault){ 0 };
    return tg_plan_make(&w->plan, &w->needs, NULL, w->region, w->now_ms, &w->plans, &w->fault);
}

/* Read a request of that API and make its plan. */
static inline tg_err world_ask_api(struct world *w, enum tg_api api, const char *body)
{
    tg_err err = tg_needs_read(&w->needs, api, world_json(w, body), NULL, w->catalog,
                               WORLD_WALL_S, w->seed, &w->arena, &w->fault);
    if (!err)
        return world_plan(w);
    (void)CHECK_FAIL("the request is not read: %.*s", (int)w->fault.message.len,
        w->fault.message.at);
    exit(1);
}

static inline tg_err world_ask(struct world *w, const char *body)
{
    return world_ask_api(w, TG_API_CHAT, body);
}

static inline struct tg_str world_order(struct world *w)
{
    tg_buf_reset(&w->out);
    for (size_t i = 0; i < w->plan.kept; i++) {
        tg_buf_z(&w->out, i ? " " : "");
        tg_buf_str(&w->out, w->plan.all[i].endpoint->tag);
    }
    return tg_buf_view(&w->out);
}

/* "tag:reason tag:reason", in the catalogue's order. */
static inline struct tg_str world_dropped(struct world *w)
{
    tg_buf_reset(&w->out);
    for (size_t i = w->plan.kept; i < w->plan.count; i++) {
        tg_buf_z(&w->out, i > w->plan.kept ? " " : "");
        tg_buf_str(&w->out, w->plan.all[i].endpoint->tag);
        tg_buf_char(&w->out, ':');
        tg_buf_z(&w->out, tg_drop_name(w->plan.all[i].drop));
    }
    return tg_buf_view(&w->out);
}

/* "tag:place tag:place", in the order to try. */
static inline struct tg_str world_places(struct world *w)
{
    tg_buf_reset(&w->out);
    for (size_t i = 0; i < w->plan.kept; i++) {
        tg_buf_z(&w->out, i ? " " : "");
        tg_buf_str(&w->out, w->plan.all[i].endpoint->tag);
        tg_buf_char(&w->out, ':');
        tg_buf_z(&w->out, tg_place_name(w->plan.all[i].place));
    }
    return tg_buf_view(&w->out);
}

/* The first endpoint of that tag; of the model when one is given as
 * "model tag". */
static inline const struct tg_endpoint *world_endpoint(struct world *w, const char *tag)
{
    struct tg_str model, wanted = tg_str_of(tag);
    bool of_model = tg_str_cut(tg_str_of(tag), ' ', &model, &wanted);
    if (!of_model)
        wanted = model;
    for (size_t m = 0; m < w->catalog->models_count; m++)
        for (size_t i = 0; i < w->catalog->models[m].endpoints_count; i++) {
            const struct tg_endpoint *e = &w->catalog->models[m].endpoints[i];
            if (tg_str_eq(e->tag, wanted) && (!of_model || tg_str_eq(e->model->id, model)))
                return e;
        }
    (void)CHECK_FAIL("no endpoint %s", tag);
    exit(1);
}

/* ---- traffic ---- */

static inline void world_tell(struct world *w, const char *tag, struct tg_live_report report)
{
    tg_live_tell(world_endpoint(w, tag)->live, &report, w->now_ms);
}

static inline void world_fails(struct world *w, const char *tag, int times)
{
    for (int i = 0; i < times; i++)
        world_tell(w, tag, (struct tg_live_report){ .event = TG_HEALTH_FAILURE, .ttft_ms = -1,
                                                    .output_tokens = -1, .hold_ms = -1 });
}

static inline void world_limits(struct world *w, const char *tag, int64_t hold_ms)
{
    world_tell(w, tag, (struct tg_live_report){ .event = TG_HEALTH_RATE_LIMITED, .ttft_ms = -1,
                                                .output_tokens = -1, .hold_ms = hold_ms });
}

/* Answers with that first-token time and so many tokens a second. */
static inline void world_serves(struct world *w, const char *tag, int times, int64_t ttft_ms,
                                int64_t tokens_per_s)
{
    for (int i = 0; i < times; i++)
        world_tell(w, tag, (struct tg_live_report){ .event = TG_HEALTH_SUCCESS, .ttft_ms = ttft_ms,
                                                    .output_tokens = tokens_per_s,
                                                        .stream_ms = 1000,
                                                    .hold_ms = -1 });
}

static inline void world_calls_tools(struct world *w, const char *tag, int good, int bad)
{
    for (int i = 0; i < good + bad; i++)
        world_tell(w, tag, (struct tg_live_report){ .event = TG_HEALTH_SUCCESS, .ttft_ms = -1,
                                                    .output_tokens = -1, .hold_ms = -1,
                                                    .tools = true, .tools_bad = i >= good });
}

#endif
