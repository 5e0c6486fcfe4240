/* What a policy makes of a request: its data in C, and its hooks, which are
 * played here by functions of C (struct tg_policy_code) in virtual time. */
#include "route_world.h"

#include "route/policy.h"

/* $2, $3 and $1 per million, not in the order of the catalogue. */
static const char *const THREE = MODEL("m/one", AT("middle", "0.000002", "") ","
                                       AT("dear", "0.000003", "") "," AT("cheap", "0.000001", ""));

/* ---- a policy whose hooks are told what to do ---- */

enum { STEPS_MAX = 512 };

static struct {
    const char *drops, *reason;            /* filter: tags */
    bool     scores;                       /* score: what is `scored` gets 0, the others 9 */
    const char *scored;
    const char *first;                     /* order: tags */
    tg_err   fails;                        /* the hook `at` fails with this, after its work */
    enum tg_hook at;
    bool     slow;
    enum tg_verdict verdict;
    unsigned engine, asked, freed;
    char     steps[STEPS_MAX];             /* "filter(a b) score(a b) order(b a)" */
    struct tg_policy policy;
} play;

static bool is_one_of(struct tg_str tag, const char *tags)
{
    struct tg_str word, rest = tg_str_of(tags ? tags : "");

    while (rest.len) {
        bool more = tg_str_cut(rest, ' ', &word, &rest);
        if (tg_str_eq(word, tag))
            return true;
        if (!more)
            break;
    }
    return false;
}

static void note_step(const char *what, const struct tg_plan *p)
{
    size_t at = strlen(play.steps);

    at += (size_t)snprintf(play.steps + at, STEPS_MAX - at, "%s%s(", at ? " " : "", what);
    for (size_t i = 0; i < p->kept && at < STEPS_MAX; i++)
        at += (size_t)snprintf(play.steps + at, STEPS_MAX - at, "%s%.*s", i ? " " : "",
                               (int)p->all[i].endpoint->tag.len, p->all[i].endpoint->tag.at);
    if (at < STEPS_MAX - 1)
        strcpy(play.steps + at, ")");
}

static tg_err result_of(enum tg_hook hook)
{
    return play.at == hook ? play.fails : TG_OK;
}

static tg_err play_filter(void *arg, struct tg_plan *p)
{
    note_step("filter", p);
    for (size_t i = 0; i < p->kept; i++)
        if (is_one_of(p->all[i].endpoint->tag, play.drops)) {
            p->all[i].drop = TG_DROP_POLICY;
            p->all[i].detail = tg_str_of(play.reason ? play.reason : "");
        }
    return result_of(TG_HOOK_FILTER);
}

static tg_err play_score(void *arg, struct tg_plan *p)
{
    note_step("score", p);
    for (size_t i = 0; play.scores && i < p->kept; i++)
        p->all[i].score = is_one_of(p->all[i].endpoint->tag, play.scored) ? 0 : 9;
    return result_of(TG_HOOK_SCORE);
}

static tg_err play_order(void *arg, struct tg_plan *p)
{
    uint16_t places[16];
    struct tg_str word, rest = tg_str_of(play.first ? play.first : "");
    size_t n = 0;

    note_step("order", p);
    while (rest.len) {
        if (!tg_str_cut(rest, ' ', &word, &rest))
            rest.len = 0;
        for (size_t i = 0; i < p->kept; i++)
            if (tg_str_eq(p->all[i].endpoint->tag, word))
                places[n++] = (uint16_t)i;
    }
    tg_plan_put_first(p, places, n);
    return result_of(TG_HOOK_ORDER);
}

static tg_err play_decide(struct tg_policy *p, unsigned engine, struct tg_decision *d, bool *slow)
{
    unsigned has = p->hooks & ~d->without;
    struct tg_plan_hooks hooks = {
        .filter = has & 1 << TG_HOOK_FILTER ? play_filter : NULL,
        .score  = has & 1 << TG_HOOK_SCORE ? play_score : NULL,
        .order  = has & 1 << TG_HOOK_ORDER ? play_order : NULL,
    };

    play.engine = engine;
    play.asked++;
    *slow = play.slow;
    return tg_plan_make(d->plan, d->needs, &hooks, d->region, d->now_ms, d->arena, d->fault);
}

static tg_err play_on_error(struct tg_policy *p, unsigned engine, const struct tg_policy_request *r,
                            const struct tg_policy_attempt *a, const struct tg_policy_error *e,
                            enum tg_verdict *verdict, bool *slow)
{
    play.engine = engine;
    play.asked++;
    *slow = play.slow;
    *verdict = play.verdict;
    return result_of(TG_HOOK_ON_ERROR);
}

static tg_err play_on_response(struct tg_policy *p, unsigned engine,
                               const struct tg_policy_request *r, const struct tg_policy_attempt *a,
                               const struct tg_policy_response *is, bool *slow)
{
    play.engine = engine;
    play.asked++;
    *slow = play.slow;
    return result_of(TG_HOOK_ON_RESPONSE);
}

static void play_free(struct tg_policy *p)
{
    CHECK(p == &play.policy);
    play.freed++;
}

static const struct tg_policy_code PLAY = { play_decide, play_on_error, play_on_response,
                                            play_free };

#define HOOK(name) (1u << TG_HOOK_##name)

/* A new policy: these hooks, and `data` as JSON (NULL: none) in the world's
 * memory. */
static struct tg_policy *policy_of(struct world *w, unsigned hooks, const char *data)
{
    struct tg_policy *p = &play.policy;
    struct tg_json json;

    memset(&play, 0, sizeof play);
    p->name = TG_STR("test");
    p->file = TG_STR("policies/test.lua");
    p->hooks = hooks;
    p->code = &PLAY;
    atomic_init(&p->references, 1);
    if (data) {
        CHECK_INT(tg_json_check(world_json(w, data), 16, &json, NULL), TG_OK);
        CHECK_INT(tg_needs_wishes(&p->data, json, &w->arena, &w->fault), TG_OK);
        p->has_data = true;
    }
    return p;
}

/* ---- asking ---- */

static struct tg_policy_request request;

/* Decide about the request that was read last. */
static tg_err decide(struct world *w, struct tg_policy *p)
{
    struct tg_decision d = {
        .plan = &w->plan, .needs = &w->needs, .request = &request, .region = w->region,
        .now_ms = w->now_ms, .arena = &w->plans, .fault = &w->fault,
    };

    w->needs.seed = w->seed;
    tg_arena_reset(&w->plans);
    w->fault = (struct tg_fault){ 0 };
    return tg_policy_decide(p, 3, &d);
}

static void read_request(struct world *w, const char *model, const char *more)
{
    char body[2048];

    snprintf(body, sizeof body, "{'model':'%s'," HELLO "%s}", model, more);
    world_ask(w, body);
}

/* A request with this provider object (NULL: without), under a policy. */
static tg_err ask(struct world *w, struct tg_policy *p, const char *model, const char *wishes)
{
    char more[1024] = "";

    if (wishes)
        snprintf(more, sizeof more, ",'provider':%s", wishes);
    read_request(w, model, more);
    return decide(w, p);
}

/* The kept ones in the catalogue's order, whatever order they are tried in. */
static struct tg_str kept(struct world *w)
{
    tg_buf_reset(&w->out);
    for (uint32_t index = 0; index < w->catalog->endpoints_count; index++)
        for (size_t i = 0; i < w->plan.kept; i++)
            if (w->plan.all[i].endpoint->index == index) {
                tg_buf_z(&w->out, w->out.len ? " " : "");
                tg_buf_str(&w->out, w->plan.all[i].endpoint->tag);
            }
    return tg_buf_view(&w->out);
}

static const struct tg_candidate *candidate(struct world *w, const char *tag)
{
    for (size_t i = 0; i < w->plan.count; i++)
        if (tg_str_is(w->plan.all[i].endpoint->tag, tag))
            return &w->plan.all[i];
    (void)CHECK_FAIL("no candidate %s", tag);
    exit(1);
}

static struct tg_str why_dropped(struct world *w, const char *tag)
{
    struct tg_buf detail = { 0 };

    tg_buf_reset(&w->out);
    tg_buf_z(&w->out, tg_drop_name(candidate(w, tag)->drop));
    CHECK_INT(tg_explain_drop(&detail, &w->plan, candidate(w, tag)), TG_OK);
    if (detail.len) {
        tg_buf_z(&w->out, ": ");
        tg_buf_str(&w->out, tg_buf_view(&detail));
    }
    tg_buf_done(&detail);
    return tg_buf_view(&w->out);
}

/* ---- data: limits ---- */

static const char *const MIXED =
    MODEL("m/one",
          AT("openai", "0.000002", ",'quantization':'bf16','supported_parameters':['seed']") ","
          AT("azure", "0.000003", ",'quantization':'fp8','supported_parameters':['top_k'],"
             "'distillable':true") ","
          AT("groq", "0.000008", ",'quantization':'fp4',"
             "'supported_parameters':['seed','top_k']") ","
          AT("free", "0", ",'supported_parameters':['top_k']"));

/* What one of the two says holds, and what both say holds together: neither is
 * told from the other by what is left. */
static const struct {
    const char *what, *one, *other, *kept;
} limits[] = {
    { "nothing", NULL, "{}", "openai azure groq free" },
    { "only", "{'only':['azure','groq']}", "{}", "azure groq" },
    { "only of both", "{'only':['azure','groq']}", "{'only':['groq','openai']}", "groq" },
    { "only of both, by slug and by display name", "{'only':['azure']}", "{'only':['Azure']}",
      "azure" },
    { "only of both, which share nobody", "{'only':['azure']}", "{'only':['groq']}", "" },
    { "only that is empty", "{'only':[]}", "{'only':['groq']}", "" },
    { "ignore", "{'ignore':['azure']}", "{}", "openai groq free" },
    { "ignore of both", "{'ignore':['azure']}", "{'ignore':['groq','azure']}", "openai free" },
    { "ignore that is empty", "{'ignore':[]}", "{}", "openai azure groq free" },
    { "only of one, ignore of the other", "{'only':['azure','groq']}", "{'ignore':['groq']}",
      "azure" },
    { "quantizations", "{'quantizations':['fp8','fp4']}", "{}", "azure groq" },
    { "quantizations of both", "{'quantizations':['fp8','fp4']}",
      "{'quantizations':['bf16','fp8']}", "azure" },
    { "quantizations of both, which share none", "{'quantizations':['fp8']}",
      "{'quantizations':['fp4']}", "" },
    { "quantizations that are empty: any", "{'quantizations':[]}", "{'quantizations':['fp8']}",
      "azure" },
    { "max_price", "{'max_price':{'prompt':3}}", "{}", "openai azure free" },
    { "max_price of both, the lower", "{'max_price':{'prompt':3}}", "{'max_price':{'prompt':2}}",
      "openai free" },
    { "max_price of both, the same", "{'max_price':{'prompt':3}}", "{'max_price':{'prompt':'3'}}",
      "openai azure free" },
    { "max_price of 0 is a limit", "{'max_price':{'prompt':0}}", "{'max_price':{'prompt':9}}",
      "free" },
    { "max_price of different things", "{'max_price':{'prompt':3}}",
      "{'max_price':{'completion':2.5}}", "openai free" },
    { "zdr", "{'zdr':true}", "{}", "azure" },
    { "zdr against its opposite", "{'zdr':true}", "{'zdr':false}", "azure" },
    { "data_collection", "{'data_collection':'deny'}", "{}", "azure groq" },
    { "data_collection against its opposite", "{'data_collection':'deny'}",
      "{'data_collection':'allow'}", "azure groq" },
    { "enforce_distillable_text", "{'enforce_distillable_text':true}", "{}", "azure" },
    { "enforce_distillable_text against its opposite", "{'enforce_distillable_text':true}",
      "{'enforce_distillable_text':false}", "azure" },
    { "require_parameters", "{'require_parameters':true}", "{}", "openai groq" },
    { "require_parameters against its opposite", "{'require_parameters':true}",
      "{'require_parameters':false}", "openai groq" },
    { "several at once", "{'only':['azure','groq','openai'],'max_price':{'prompt':3}}",
      "{'ignore':['openai'],'data_collection':'deny'}", "azure" },
};

TEST("whatever the request or the policy limits is limited, whichever of the two says it")
{
    struct world w;
    world_open(&w, MIXED);
    for (size_t i = 0; i < 2 * sizeof limits / sizeof *limits; i++) {
        bool is_swapped = i % 2;
        const char *mine = is_swapped ? limits[i / 2].other : limits[i / 2].one;
        const char *data = is_swapped ? limits[i / 2].one : limits[i / 2].other;
        char more[512], where[128];
        snprintf(where, sizeof where, "%s, %s", limits[i / 2].what,
                 is_swapped ? "data first" : "the request first");
        check_context = where;
        snprintf(more, sizeof more, ",'seed':7%s%s", mine ? ",'provider':" : "", mine ? mine : "");
        read_request(&w, "m/one", more);
        tg_err err = decide(&w, policy_of(&w, 0, data));
        CHECK_INT(err, *limits[i / 2].kept ? TG_OK : TG_ENOTFOUND);
        CHECK_STR(kept(&w), limits[i / 2].kept);
        CHECK_INT(w.plan.count, 4);
    }
    world_close(&w);
}

TEST("allow_fallbacks false of either leaves one, or those of order")
{
    static const struct { const char *wishes, *data, *order; } cases[] = {
        { "{'sort':'price'}", "{'allow_fallbacks':false}", "cheap" },
        { "{'sort':'price','allow_fallbacks':false}", "{'allow_fallbacks':true}", "cheap" },
        { "{'sort':'price','allow_fallbacks':true}", "{'allow_fallbacks':false}", "cheap" },
        { "{'order':['dear','middle']}", "{'allow_fallbacks':false}", "dear middle" },
        { "{'allow_fallbacks':false}", "{'order':['dear','middle']}", "dear middle" },
    };
    struct world w;
    world_open(&w, THREE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].data;
        CHECK_INT(ask(&w, policy_of(&w, 0, cases[i].data), "m/one", cases[i].wishes), TG_OK);
        CHECK_STR(world_order(&w), cases[i].order);
    }
    world_close(&w);
}

TEST("what a policy's lists drop says so, and what the request's drop does not")
{
    static const struct { const char *wishes, *data, *tag, *why; } cases[] = {
        { NULL, "{'only':['cheap']}", "dear", "only: by the routing policy" },
        { NULL, "{'ignore':['dear']}", "dear", "ignore: by the routing policy" },
        { "{'only':['cheap']}", "{'only':['cheap']}", "dear", "only" },
        { "{'ignore':['dear']}", "{'only':['cheap']}", "dear", "ignore" },
        { "{'only':['dear']}", "{'only':['cheap']}", "dear", "only: by the routing policy" },
        { "{'only':['dear']}", "{'only':['cheap']}", "cheap", "only" },
        { NULL, "{'quantizations':['fp8']}", "dear", "quantization: unknown" },
        { NULL, "{'max_price':{'prompt':2}}", "dear", "max_price: prompt $3 > $2 per million" },
        { NULL, "{'zdr':true}", "dear", "zdr" },
    };
    struct world w;
    world_open(&w, THREE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].data;
        ask(&w, policy_of(&w, 0, cases[i].data), "m/one", cases[i].wishes);
        CHECK_STR(why_dropped(&w, cases[i].tag), cases[i].why);
    }
    world_close(&w);
}

#define POLICYS "No endpoints found matching the gateway's routing policy."
#define NOBODY  "No allowed providers are available for the selected model. Providers serving " \
                "m/one: middle, dear, cheap, but your request's provider."

static const struct {
    const char *wishes, *data, *words, *field;
} emptied[] = {
    /* the policy alone */
    { NULL, "{'only':['groq']}", POLICYS, "" },
    { NULL, "{'only':[]}", POLICYS, "" },
    { NULL, "{'ignore':['cheap','middle','dear']}", POLICYS, "" },
    { NULL, "{'quantizations':['fp8']}", POLICYS, "" },
    { "{'sort':'price'}", "{'only':['groq']}", POLICYS, "" },
    { "{'only':['cheap']}", "{'ignore':['cheap']}", POLICYS, "" },
    /* the request alone */
    { "{'only':['groq']}", "{'sort':'price'}", NOBODY "only preference permits only: groq.",
      "provider.only" },
    { "{'only':['groq']}", "{'only':['groq']}", NOBODY "only preference permits only: groq.",
      "provider.only" },
    { "{'quantizations':['fp8']}", "{'zdr':false}",
      "No endpoints found matching the requested quantizations: fp8.", "provider.quantizations" },
    /* both */
    { "{'ignore':['cheap']}", "{'ignore':['middle','dear']}",
      NOBODY "ignore preference excludes: cheap.", "provider.ignore" },
    { "{'max_price':{'prompt':2}}", "{'max_price':{'prompt':0.5}}",
      "No endpoints found matching the max_price of your request or of the gateway's routing "
      "policy. The cheapest that fits otherwise costs $1 per million prompt tokens and $1 per "
      "million completion tokens.", "provider.max_price" },
};

TEST("when nobody is left the client is told whether it was its own request or the policy")
{
    struct world w;
    world_open(&w, THREE);
    for (size_t i = 0; i < sizeof emptied / sizeof *emptied; i++) {
        check_context = emptied[i].data;
        CHECK_INT(ask(&w, policy_of(&w, 0, emptied[i].data), "m/one", emptied[i].wishes),
                  TG_ENOTFOUND);
        CHECK_INT(w.plan.kept, 0);
        CHECK_STR(w.fault.message, emptied[i].words);
        CHECK_STR(w.fault.constraint_field, emptied[i].field);
        CHECK_INT(tg_fault_status(&w.fault), 404);
        CHECK_INT(w.fault.availability, TG_AVAIL_CONSTRAINT_FILTERED);
    }
    world_close(&w);
}

/* ---- data: preferences ---- */

/* By price cheap middle dear, by latency middle dear cheap, by throughput dear
 * middle cheap; and all of them sure about it. */
static void let_them_differ(struct world *w)
{
    world_serves(w, "cheap", 200, 900, 10);
    world_serves(w, "middle", 200, 100, 50);
    world_serves(w, "dear", 200, 400, 200);
}

static const struct {
    const char *what, *model, *wishes, *data, *order;
} preferences[] = {
    { "data alone", "m/one", NULL, "{'sort':'latency'}", "middle dear cheap" },
    { "the request's sort before data's", "m/one", "{'sort':'price'}", "{'sort':'latency'}",
      "cheap middle dear" },
    { "a suffix before data's", "m/one:nitro", NULL, "{'sort':'latency'}", "dear middle cheap" },
    { "another suffix before data's", "m/one:floor", NULL, "{'sort':'latency'}",
      "cheap middle dear" },
    { "the request's sort before a suffix and data's", "m/one:nitro", "{'sort':'latency'}",
      "{'sort':'price'}", "middle dear cheap" },
    { "data's order, where the request has none", "m/one", NULL,
      "{'order':['dear','cheap'],'sort':'price'}", "dear cheap middle" },
    { "the request's order before data's", "m/one", "{'order':['middle']}",
      "{'order':['dear'],'sort':'price'}", "middle cheap dear" },
    { "the request's order though it is empty", "m/one", "{'order':[]}",
      "{'order':['dear'],'sort':'price'}", "cheap middle dear" },
    { "behind data's order the request's sort", "m/one", "{'sort':'throughput'}",
      "{'order':['cheap']}", "cheap dear middle" },
    { "data's thresholds, where the request has none", "m/one", NULL,
      "{'sort':'price','preferred_max_latency':0.5}", "middle dear cheap" },
    { "the request's thresholds instead of data's", "m/one", "{'preferred_max_latency':0.2}",
      "{'sort':'price','preferred_max_latency':0.5}", "middle cheap dear" },
    { "a threshold of each kind from each", "m/one", "{'preferred_max_latency':0.5}",
      "{'sort':'price','preferred_min_throughput':100}", "dear cheap middle" },
    { "the request's throughput instead of data's", "m/one", "{'preferred_min_throughput':20}",
      "{'sort':'price','preferred_min_throughput':100}", "middle dear cheap" },
};

TEST("what is preferred is the request's own, then its model's suffix's, then data's")
{
    struct world w;
    world_open(&w, THREE);
    let_them_differ(&w);
    for (size_t i = 0; i < sizeof preferences / sizeof *preferences; i++) {
        check_context = preferences[i].what;
        CHECK_INT(ask(&w, policy_of(&w, 0, preferences[i].data), preferences[i].model,
                      preferences[i].wishes), TG_OK);
        CHECK_STR(world_order(&w), preferences[i].order);
    }
    world_close(&w);
}

#define TWO_MODELS MODEL("m/one", AT("dear", "0.000009", "") "," AT("middle", "0.000008", "")) "," \
                   MODEL("m/two", AT("cheap", "0.000001", "") "," AT("groq", "0.000002", ""))

TEST("a partition is the request's own where it says one, else data's")
{
    static const struct { const char *wishes, *data, *order; } cases[] = {
        { NULL, "{'sort':{'by':'price','partition':'none'}}", "cheap groq middle dear" },
        { "{'sort':'price'}", "{'sort':{'partition':'none'}}", "cheap groq middle dear" },
        { "{'sort':{'by':'price','partition':'model'}}",
          "{'sort':{'by':'price','partition':'none'}}", "middle dear cheap groq" },
        { "{'sort':{'partition':'none'}}", "{'sort':{'by':'price','partition':'model'}}",
          "cheap groq middle dear" },
    };
    struct world w;
    world_open(&w, TWO_MODELS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char more[256] = ",'models':['m/two']";
        check_context = cases[i].data;
        if (cases[i].wishes)
            snprintf(more, sizeof more, ",'models':['m/two'],'provider':%s", cases[i].wishes);
        read_request(&w, "m/one", more);
        CHECK_INT(decide(&w, policy_of(&w, 0, cases[i].data)), TG_OK);
        CHECK_STR(world_order(&w), cases[i].order);
    }
    world_close(&w);
}

/* ---- models and tiers ---- */

/* The policy's further models: names, as they are written in a file. */
static void add_models(struct world *w, struct tg_policy *p, const char *const *names, size_t count)
{
    p->targets = tg_arena_get(&w->arena, count * sizeof *p->targets);
    for (size_t i = 0; i < count; i++)
        CHECK_INT(tg_needs_target(&p->targets[i], tg_str_of(names[i]), w->catalog, &w->arena,
                                  &w->fault), TG_OK);
    p->models_count = count;
}

TEST("a policy's models are tried behind the request's own, each once")
{
    static const char *const more[] = { "m/one", "m/two:floor", "m/three" };
    struct world w;
    world_open(&w, TWO_MODELS "," MODEL("m/three", AT("openai", "0.000005", "")));
    struct tg_policy *p = policy_of(&w, 0, "{'sort':'price'}");
    add_models(&w, p, more, 3);

    CHECK_INT(ask(&w, p, "m/one", NULL), TG_OK);
    CHECK_STR(world_order(&w), "middle dear cheap groq openai");
    CHECK_STR(tg_str_of(w.plan.strategy), "fallback");
    read_request(&w, "m/three", ",'models':['m/two']");
    CHECK_INT(decide(&w, p), TG_OK);
    CHECK_STR(world_order(&w), "openai cheap groq middle dear");

    /* A cap has somewhere to go. */
    p = policy_of(&w, 0, "{'max_price':{'prompt':3}}");
    add_models(&w, p, more, 3);
    CHECK_INT(ask(&w, p, "m/one", "{'sort':'price'}"), TG_OK);
    CHECK_STR(world_order(&w), "cheap groq");
    world_close(&w);
}

TEST("a suffix of a policy's model is that model's alone")
{
    static const char *const more[] = { "m/two:nitro" };
    struct world w;
    world_open(&w, TWO_MODELS);
    world_serves(&w, "cheap", 10, 100, 10);
    world_serves(&w, "groq", 10, 100, 99);
    world_serves(&w, "dear", 10, 100, 99);
    struct tg_policy *p = policy_of(&w, 0, "{'sort':'price'}");
    add_models(&w, p, more, 1);
    CHECK_INT(ask(&w, p, "m/one", NULL), TG_OK);
    CHECK_STR(world_order(&w), "middle dear groq cheap");
    world_close(&w);
}

TEST("together they are sixteen models at most, and the request's own go first")
{
    struct world w;
    struct tg_buf models = { 0 }, body = { 0 };
    char names[TG_NEEDS_MODELS_MAX][16];
    const char *more[TG_NEEDS_MODELS_MAX];
    for (int m = 0; m < 2 * TG_NEEDS_MODELS_MAX; m++)
        tg_buf_printf(&models, "%s{'id':'m/%d','endpoints':[{'provider':'openai',"
                               "'tag':'openai/r%d','pricing':{'prompt':'1'}}]}",
                      m ? "," : "", m, m);
    for (int m = 0; m < TG_NEEDS_MODELS_MAX; m++) {
        snprintf(names[m], sizeof names[m], "m/%d", TG_NEEDS_MODELS_MAX + m);
        more[m] = names[m];
    }
    world_open(&w, tg_buf_cstr(&models));
    struct tg_policy *p = policy_of(&w, 0, NULL);
    add_models(&w, p, more, TG_NEEDS_MODELS_MAX);
    for (int own = 1; own <= TG_NEEDS_MODELS_MAX; own++) {
        tg_buf_reset(&body);
        tg_buf_z(&body, "{'model':'m/0'," HELLO ",'models':[");
        for (int m = 1; m < own; m++)
            tg_buf_printf(&body, "%s'm/%d'", m > 1 ? "," : "", m);
        tg_buf_z(&body, "]}");
        world_ask(&w, tg_buf_cstr(&body));
        CHECK_INT(w.needs.targets_count, own);
        CHECK_INT(decide(&w, p), TG_OK);
        CHECK_INT(w.needs.targets_count, TG_NEEDS_MODELS_MAX);
        CHECK_INT(w.plan.kept, TG_NEEDS_MODELS_MAX);
        for (int m = 0; m < TG_NEEDS_MODELS_MAX; m++)
            CHECK_INT(w.plan.all[m].endpoint->index, m < own ? m : TG_NEEDS_MODELS_MAX + m - own);
    }
    tg_buf_done(&models);
    tg_buf_done(&body);
    world_close(&w);
}

static const char *const TIERS =
    MODEL("m/one", AT("openai", "0.000002", "") ","
          AT("openai", "0.000009", ",'tag':'openai/priority'") ","
          AT("openai", "0.000001", ",'tag':'openai/flex'"));

static const struct {
    bool priority, flex;
    const char *data, *more, *kept;
} tiers[] = {
    { false, false, NULL, "", "openai" },
    { true, false, NULL, "", "openai openai/priority" },
    { false, true, NULL, "", "openai openai/flex" },
    { true, true, NULL, "", "openai openai/priority openai/flex" },
    { true, true, NULL, ",'service_tier':'default'", "openai" },
    { true, true, NULL, ",'service_tier':'flex'", "openai/flex" },
    { false, true, NULL, ",'service_tier':'priority'", "openai openai/priority openai/flex" },
    { true, true, NULL, ",'provider':{'order':['openai']}", "openai" },
    { true, true, NULL, ",'provider':{'only':['azure','openai/flex']}", "openai/flex" },
    /* what data names it admits */
    { false, false, "{'only':['openai/flex']}", "", "openai/flex" },
    { false, false, "{'order':['openai/priority']}", "", "openai openai/priority" },
};

TEST("tiers that a policy admits need not be asked for, and are refused as those of a suffix are")
{
    struct world w;
    world_open(&w, TIERS);
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
        struct tg_policy *p = policy_of(&w, 0, tiers[i].data);
        p->admits_priority = tiers[i].priority;
        p->admits_flex = tiers[i].flex;
        check_context = tiers[i].data ? tiers[i].data : tiers[i].more;
        read_request(&w, "m/one", tiers[i].more);
        CHECK_INT(decide(&w, p), TG_OK);
        CHECK_STR(kept(&w), tiers[i].kept);
    }
    world_close(&w);
}

/* ---- hooks: what they do ---- */

enum { ALL = HOOK(FILTER) | HOOK(SCORE) | HOOK(ORDER) };

TEST("without hooks nobody is asked, and without a policy all is as it was")
{
    struct world w;
    struct tg_buf plain = { 0 }, under = { 0 };
    world_open(&w, THREE);
    for (w.seed = 0; w.seed < 50; w.seed++) {
        tg_buf_reset(&plain);
        tg_buf_reset(&under);
        read_request(&w, "m/one", "");
        CHECK_INT(tg_explain_text(&plain, &w.plan, w.now_ms), TG_OK);
        CHECK_INT(decide(&w, NULL), TG_OK);
        CHECK_INT(tg_explain_text(&under, &w.plan, w.now_ms), TG_OK);
        CHECK(tg_str_eq(tg_buf_view(&plain), tg_buf_view(&under)));
        CHECK(w.plan.policy == NULL && !w.plan.policy_failed && !w.plan.ran);
    }
    struct tg_policy *p = policy_of(&w, HOOK(ON_ERROR) | HOOK(ON_RESPONSE), "{'sort':'price'}");
    CHECK_INT(ask(&w, p, "m/one", NULL), TG_OK);
    CHECK(w.plan.policy == p && !w.plan.policy_failed && !w.plan.ran);
    CHECK_INT(play.asked, 0);
    CHECK_INT(atomic_load(&p->decisions), 0);
    tg_buf_done(&plain);
    tg_buf_done(&under);
    world_close(&w);
}

TEST("filter, score and order come in that order, and each sees what the one before left")
{
    struct world w;
    world_open(&w, THREE);
    struct tg_policy *p = policy_of(&w, ALL, "{'sort':'price'}");
    play.drops = "middle";
    play.reason = "not today";
    play.scores = true;
    play.scored = "dear";
    play.first = "cheap";
    CHECK_INT(ask(&w, p, "m/one", NULL), TG_OK);
    CHECK_STR(tg_str_of(play.steps),
              "filter(middle dear cheap) score(cheap dear) order(dear cheap)");
    CHECK_STR(world_places(&w), "cheap:policy dear:sorted");
    CHECK_STR(why_dropped(&w, "middle"), "policy: not today");
    CHECK_INT(w.plan.ran, ALL);
    CHECK_INT(play.engine, 3);
    CHECK_INT(atomic_load(&p->decisions), 1);
    CHECK_INT(atomic_load(&p->failures), 0);

    /* base is the sort's, score the hook's; was is the place before order. */
    CHECK(candidate(&w, "cheap")->base == 1 && candidate(&w, "cheap")->score == 9);
    CHECK(candidate(&w, "dear")->base == 3 && candidate(&w, "dear")->score == 0);
    CHECK_INT(candidate(&w, "cheap")->was, 1);
    CHECK_INT(candidate(&w, "dear")->was, 0);
    world_close(&w);
}

TEST("base is the score of the sort in force, in its unit")
{
    static const struct { const char *sort; double cheap, dear; } cases[] = {
        { "{}", 1, 3 }, { "{'sort':'price'}", 1, 3 },
        { "{'sort':'latency'}", 0.9, 0.4 }, { "{'sort':'throughput'}", 100, 5 },
    };
    struct world w;
    world_open(&w, THREE);
    let_them_differ(&w);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].sort;
        CHECK_INT(ask(&w, policy_of(&w, HOOK(SCORE), NULL), "m/one", cases[i].sort), TG_OK);
        double cheap = candidate(&w, "cheap")->base, dear = candidate(&w, "dear")->base;
        CHECK(cheap > cases[i].cheap * 0.98 && cheap < cases[i].cheap * 1.02);
        CHECK(dear > cases[i].dear * 0.98 && dear < cases[i].dear * 1.02);
        CHECK(candidate(&w, "cheap")->score == cheap);
    }
    world_close(&w);
}

TEST("with a score hook nothing is drawn: the same order whatever the seed")
{
    struct world w;
    world_open(&w, THREE);
    struct tg_policy *p = policy_of(&w, HOOK(SCORE), NULL);
    for (w.seed = 0; w.seed < 50; w.seed++) {
        CHECK_INT(ask(&w, p, "m/one", NULL), TG_OK);
        CHECK_STR(world_places(&w), "cheap:sorted middle:sorted dear:sorted");
    }
    world_close(&w);
}

TEST("what is down stays behind whatever its score, and order alone can change that")
{
    struct world w;
    world_open(&w, THREE);
    world_fails(&w, "cheap", 5);           /* an open breaker */
    world_limits(&w, "middle", 5000);      /* a 429 hold */
    struct tg_policy *p = policy_of(&w, HOOK(SCORE), "{'sort':'price'}");
    play.scores = true;
    play.scored = "cheap middle";
    CHECK_INT(ask(&w, p, "m/one", NULL), TG_OK);
    CHECK_STR(world_places(&w), "dear:sorted middle:held cheap:open");

    p = policy_of(&w, HOOK(ORDER), "{'sort':'price'}");
    play.first = "cheap";
    CHECK_INT(ask(&w, p, "m/one", NULL), TG_OK);
    CHECK_STR(world_places(&w), "cheap:policy dear:sorted middle:held");
    CHECK_INT(candidate(&w, "cheap")->was, 2);
    world_close(&w);
}

TEST("an order of nothing changes nothing")
{
    struct world w;
    world_open(&w, THREE);
    CHECK_INT(ask(&w, policy_of(&w, HOOK(ORDER), "{'sort':'price'}"), "m/one", NULL), TG_OK);
    CHECK_STR(world_places(&w), "cheap:sorted middle:sorted dear:sorted");
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(w.plan.all[i].was, i);
    world_close(&w);
}

TEST("without fallbacks it is the hooks that say who the one is")
{
    struct world w;
    world_open(&w, THREE);
    struct tg_policy *p = policy_of(&w, HOOK(SCORE), "{'sort':'price','allow_fallbacks':false}");
    play.scores = true;
    play.scored = "dear";
    CHECK_INT(ask(&w, p, "m/one", NULL), TG_OK);
    CHECK_STR(tg_str_of(play.steps), "score(cheap middle dear)");
    CHECK_STR(world_order(&w), "dear");
    CHECK_STR(world_dropped(&w), "cheap:allow_fallbacks middle:allow_fallbacks");

    p = policy_of(&w, HOOK(ORDER), "{'sort':'price'}");
    play.first = "middle";
    CHECK_INT(ask(&w, p, "m/one", "{'allow_fallbacks':false}"), TG_OK);
    CHECK_STR(world_order(&w), "middle");

    /* An `order` of words is all there is, also for the hook. */
    p = policy_of(&w, HOOK(ORDER), NULL);
    play.first = "middle cheap";
    CHECK_INT(ask(&w, p, "m/one", "{'order':['dear','cheap'],'allow_fallbacks':false}"), TG_OK);
    CHECK_STR(world_order(&w), "cheap dear");
    world_close(&w);
}

TEST("a filter that drops everybody is an answer, not a failure")
{
    struct world w;
    world_open(&w, THREE);
    struct tg_policy *p = policy_of(&w, ALL, NULL);
    p->refuses = true;
    play.drops = "cheap middle dear";
    for (int i = 0; i < 10; i++)
        CHECK_INT(ask(&w, p, "m/one", NULL), TG_ENOTFOUND);
    CHECK_STR(w.fault.message, POLICYS);
    CHECK_INT(tg_fault_status(&w.fault), 404);
    CHECK_INT(play.asked, 10);
    CHECK_INT(w.plan.ran, HOOK(FILTER));
    CHECK(!w.plan.policy_failed);
    CHECK_INT(atomic_load(&p->failures), 0);
    world_close(&w);
}

TEST("when a filter's words are why nobody is left the client is told each of them once")
{
    struct world w;
    world_open(&w, THREE);
    policy_of(&w, HOOK(FILTER), NULL);
    play.drops = "cheap middle dear";
    play.reason = "over the budget";
    CHECK_INT(ask(&w, &play.policy, "m/one", NULL), TG_ENOTFOUND);
    CHECK_STR(w.fault.message, "No endpoints found matching the gateway's routing policy: "
                               "over the budget.");
    CHECK_STR(w.fault.constraint_field, "");
    play.drops = "cheap middle";
    CHECK_INT(ask(&w, &play.policy, "m/one", "{'ignore':['dear']}"), TG_ENOTFOUND);
    CHECK_STR(w.fault.message, "No endpoints found matching the gateway's routing policy: "
                               "over the budget.");
    world_close(&w);
}

TEST("where the request's own limits leave nobody no hook runs")
{
    struct world w;
    world_open(&w, THREE);
    struct tg_policy *p = policy_of(&w, ALL, NULL);
    CHECK_INT(ask(&w, p, "m/one", "{'only':['groq']}"), TG_ENOTFOUND);
    CHECK_STR(tg_str_of(play.steps), "");
    CHECK_INT(w.plan.ran, 0);
    world_close(&w);
}

TEST("hooks that the decision leaves out do not run")
{
    struct world w;
    world_open(&w, THREE);
    struct tg_policy *p = policy_of(&w, ALL, "{'sort':'price'}");
    struct tg_decision d = { .plan = &w.plan, .needs = &w.needs, .request = &request,
                             .arena = &w.plans, .fault = &w.fault, .now_ms = w.now_ms };
    d.without = HOOK(FILTER) | HOOK(ORDER);
    read_request(&w, "m/one", "");
    CHECK_INT(tg_policy_decide(p, 0, &d), TG_OK);
    CHECK_STR(tg_str_of(play.steps), "score(cheap middle dear)");
    d.without = ALL;
    CHECK_INT(tg_policy_decide(p, 0, &d), TG_OK);
    CHECK_INT(play.asked, 1);
    world_close(&w);
}

/* ---- putting some first ---- */

/* Every sequence of different places below n, `count` of them so far. */
static void put_every(size_t n, uint16_t *places, size_t count)
{
    struct tg_candidate all[8];
    struct tg_plan p = { .all = all, .kept = n, .count = n + 1, .is_sticky = true };
    size_t at = count;

    for (uint16_t i = 0; i <= n; i++)
        all[i] = (struct tg_candidate){ .target = i, .place = TG_PLACE_HELD };
    all[n].drop = TG_DROP_POLICY;
    tg_plan_put_first(&p, places, count);
    for (size_t i = 0; i < count; i++) {
        CHECK_INT(all[i].target, places[i]);
        CHECK_INT(all[i].place, TG_PLACE_POLICY);
    }
    for (uint16_t i = 0; i < n; i++) {
        bool is_put = false;
        for (size_t k = 0; k < count; k++)
            is_put |= places[k] == i;
        if (is_put)
            continue;
        CHECK_INT(all[at].target, i);      /* the others, as they were */
        CHECK_INT(all[at++].place, TG_PLACE_HELD);
    }
    for (size_t i = 0; i < n; i++)
        CHECK_INT(all[i].was, all[i].target);
    CHECK_INT(all[n].target, n);           /* what was dropped stays there */
    CHECK(!p.is_sticky);

    for (uint16_t next = 0; count < n && next < n; next++) {
        bool is_put = false;
        for (size_t k = 0; k < count; k++)
            is_put |= places[k] == next;
        places[count] = next;
        if (!is_put)
            put_every(n, places, count + 1);
    }
}

TEST("whichever are put first, in whichever order, the others stay behind them as they were")
{
    uint16_t places[8];
    for (size_t n = 0; n <= 5; n++)
        put_every(n, places, 0);
}

TEST("as many candidates as there can be are put first like three")
{
    enum { MANY = TG_PLAN_CANDIDATES_MAX };
    static struct tg_candidate all[MANY];
    static uint16_t places[MANY];
    struct tg_plan p = { .all = all, .kept = MANY, .count = MANY };
    for (size_t i = 0; i < MANY; i++) {
        all[i] = (struct tg_candidate){ .target = (uint16_t)i };
        places[i] = (uint16_t)(MANY - 1 - i);
    }
    tg_plan_put_first(&p, places, MANY);
    for (size_t i = 0; i < MANY; i++) {
        CHECK_INT(all[i].target, MANY - 1 - i);
        CHECK_INT(all[i].was, MANY - 1 - i);
    }
}

/* ---- hooks that fail ---- */

static const tg_err FAILURES[] = { TG_EINVAL, TG_ETIMEOUT, TG_ENOMEM };

static void check_same_plan(const struct tg_plan *a, const struct tg_plan *b)
{
    CHECK_INT(a->kept, b->kept);
    CHECK_INT(a->count, b->count);
    CHECK_INT(a->is_sticky, b->is_sticky);
    CHECK(a->sticky_key == b->sticky_key);
    for (size_t i = 0; i < a->count; i++) {
        const struct tg_candidate *x = &a->all[i], *y = &b->all[i];
        CHECK(x->endpoint == y->endpoint && x->target == y->target && x->drop == y->drop);
        CHECK(x->place == y->place && x->is_probe == y->is_probe);
        CHECK(x->score == y->score && x->base == y->base && x->was == y->was);
        CHECK(tg_str_eq(x->detail, y->detail));
        CHECK_INT(x->prices.has, y->prices.has);
    }
}

/* As the hook `at` fails with `err`, after the ones before it did their worst. */
static void check_no_trace(struct world *w, enum tg_hook at, tg_err err, const char *wishes)
{
    struct tg_policy *p = policy_of(w, 0, "{'ignore':['dear']}");
    struct tg_plan plain;
    struct tg_arena arena;

    CHECK_INT(ask(w, p, "m/one", wishes), TG_OK);
    tg_arena_init(&arena, 4096);
    plain = w->plan;
    plain.all = tg_arena_get(&arena, plain.count * sizeof *plain.all);
    memcpy(plain.all, w->plan.all, plain.count * sizeof *plain.all);

    p = policy_of(w, ALL, "{'ignore':['dear']}");
    play.drops = "cheap";
    play.scores = true;
    play.scored = "openai";
    play.first = "middle";
    play.at = at;
    play.fails = err;
    CHECK_INT(ask(w, p, "m/one", wishes), TG_OK);
    CHECK_INT(play.asked, 1);
    check_same_plan(&w->plan, &plain);
    CHECK(w->plan.policy == p && w->plan.policy_failed);
    CHECK_INT(w->plan.ran, 0);
    CHECK_INT(atomic_load(&p->failures), 1);
    CHECK_INT(atomic_load(&p->decisions), 1);
    tg_arena_done(&arena);
}

TEST("a hook that fails leaves no trace: it is the very plan of the same request without hooks")
{
    static const char *const wishes[] = { NULL, "{'sort':'latency'}", "{'order':['openai']}" };
    struct world w;
    world_open(&w, MODEL("m/one", AT("cheap", "0.000001", "") "," AT("middle", "0.000002", "") ","
                         AT("dear", "0.000003", "") "," AT("openai", "0.000002", "")));
    world_serves(&w, "cheap", 20, 300, 20);
    world_fails(&w, "middle", 2);
    for (w.seed = 0; w.seed < 40; w.seed++)
        for (int hook = TG_HOOK_FILTER; hook <= TG_HOOK_ORDER; hook++)
            check_no_trace(&w, (enum tg_hook)hook, FAILURES[w.seed % 3], wishes[w.seed % 3]);
    world_close(&w);
}

TEST("a failed policy's data, models and tiers hold all the same")
{
    static const char *const more[] = { "m/two" };
    struct world w;
    world_open(&w, MODEL("m/one", AT("cheap", "0.000001", "") "," AT("dear", "0.000009", "") ","
                         AT("openai", "0.000002", ",'tag':'openai/flex'")) ","
               MODEL("m/two", AT("middle", "0.000002", "")));
    struct tg_policy *p = policy_of(&w, ALL, "{'sort':'price','max_price':{'prompt':3}}");
    add_models(&w, p, more, 1);
    p->admits_flex = true;
    play.at = TG_HOOK_FILTER;
    play.fails = TG_EINVAL;
    CHECK_INT(ask(&w, p, "m/one", NULL), TG_OK);
    CHECK_STR(world_order(&w), "cheap openai/flex middle");
    CHECK_STR(why_dropped(&w, "dear"), "max_price: prompt $9 > $3 per million");
    CHECK(w.plan.policy_failed);
    world_close(&w);
}

TEST("a policy that refuses on failure answers 503, also while its breaker is open")
{
    struct world w;
    world_open(&w, THREE);
    struct tg_policy *p = policy_of(&w, ALL, NULL);
    p->refuses = true;
    CHECK_INT(ask(&w, p, "m/one", NULL), TG_OK);
    CHECK(!w.plan.policy_failed);
    play.at = TG_HOOK_SCORE;
    play.fails = TG_ETIMEOUT;
    for (int i = 0; i < 10; i++) {
        CHECK_INT(ask(&w, p, "m/one", NULL), TG_EINVAL);
        CHECK_INT(tg_fault_status(&w.fault), 503);
        CHECK_STR(w.fault.message, "The gateway's routing policy failed, and it is set to refuse "
                                   "requests then. Its log says what is wrong.");
        CHECK(w.plan.needs == &w.needs && w.plan.policy == p && w.plan.policy_failed);
        CHECK_INT(w.plan.kept + w.plan.count, 0);
    }
    CHECK_INT(tg_health_breaker(&p->health, w.now_ms), TG_BREAKER_OPEN);
    CHECK(play.asked < 11);
    world_close(&w);
}

static tg_err decide_once(struct world *w, struct tg_policy *p)
{
    struct tg_arena arena;
    struct tg_plan plan;
    struct tg_needs *needs = malloc(sizeof *needs);
    struct tg_fault fault = { 0 };

    memcpy(needs, &w->needs, sizeof *needs);
    tg_arena_init(&arena, 256);
    memset(&p->health, 0, sizeof p->health);
    struct tg_decision d = { .plan = &plan, .needs = needs, .request = &request, .arena = &arena,
                             .region = w->region, .now_ms = w->now_ms, .fault = &fault };
    tg_err err = tg_policy_decide(p, 0, &d);
    if (!err && plan.policy_failed)
        err = TG_ENOMEM;                   /* made up for by the plan without hooks */
    tg_arena_done(&arena);
    free(needs);
    return err;
}

TEST("memory that runs out amid hooks is a failure like others, and nothing leaks")
{
    struct world w;
    struct tg_buf models = { 0 };
    tg_buf_z(&models, "{'id':'m/one','endpoints':[");
    for (int i = 0; i < 100; i++)
        tg_buf_printf(&models, "%s{'provider':'openai','tag':'openai/r%d',"
                               "'pricing':{'prompt':'1'}}", i ? "," : "", i);
    tg_buf_z(&models, "]}");
    world_open(&w, tg_buf_cstr(&models));
    struct tg_policy *p = policy_of(&w, ALL, "{'sort':'price'}");
    read_request(&w, "m/one", "");
    CHECK_EVERY_ALLOCATION(decide_once(&w, p));
    tg_buf_done(&models);
    world_close(&w);
}

/* ---- the breaker, in virtual time ---- */

/* Ask so often; how often the hooks ran. */
static unsigned ask_often(struct world *w, struct tg_policy *p, int times)
{
    unsigned before = play.asked;
    for (int i = 0; i < times; i++)
        CHECK_INT(ask(w, p, "m/one", NULL), TG_OK);
    return play.asked - before;
}

TEST("a policy that fails again and again is not asked for a while, and comes back")
{
    struct world w;
    world_open(&w, THREE);
    struct tg_policy *p = policy_of(&w, ALL, "{'sort':'price'}");
    CHECK_INT(ask_often(&w, p, 60), 60);
    play.at = TG_HOOK_ORDER;
    play.fails = TG_EINVAL;
    CHECK_INT(ask_often(&w, p, 50), TG_HEALTH_ROW);
    CHECK(w.plan.policy_failed);
    CHECK_INT(atomic_load(&p->failures), TG_HEALTH_ROW);
    CHECK_INT(atomic_load(&p->decisions), 60 + TG_HEALTH_ROW);

    /* Half open: one asks, and when that fails the hold is longer. */
    w.now_ms += TG_HEALTH_OPEN_MS * 11 / 10;
    CHECK_INT(ask_often(&w, p, 50), 1);
    w.now_ms += TG_HEALTH_OPEN_MS * 11 / 10;
    CHECK_INT(ask_often(&w, p, 50), 0);
    w.now_ms += TG_HEALTH_OPEN_MS * 11 / 10;
    CHECK_INT(ask_often(&w, p, 1), 1);
    CHECK_INT(atomic_load(&p->failures), TG_HEALTH_ROW + 2);

    /* Mended: as often as it is asked, and three successes close it. */
    w.now_ms += 4 * TG_HEALTH_OPEN_MS * 11 / 10;
    play.fails = TG_OK;
    CHECK_INT(ask_often(&w, p, 50), 50);
    CHECK(!w.plan.policy_failed);
    CHECK_INT(tg_health_breaker(&p->health, w.now_ms), TG_BREAKER_CLOSED);
    CHECK_INT(atomic_load(&p->failures), TG_HEALTH_ROW + 2);
    world_close(&w);
}

TEST("failures with successes between them do not open the breaker")
{
    struct world w;
    world_open(&w, THREE);
    struct tg_policy *p = policy_of(&w, ALL, NULL);
    play.at = TG_HOOK_FILTER;
    for (int i = 0; i < 100; i++) {
        play.fails = TG_OK;
        CHECK_INT(ask_often(&w, p, 9), 9);
        play.fails = TG_EINVAL;
        CHECK_INT(ask_often(&w, p, 1), 1);
        w.now_ms += 100;
    }
    CHECK_INT(atomic_load(&p->failures), 100);
    world_close(&w);
}

TEST("what took too long is used, and opens the breaker as a failure does")
{
    struct world w;
    world_open(&w, THREE);
    struct tg_policy *p = policy_of(&w, ALL, "{'sort':'price'}");
    CHECK_INT(ask_often(&w, p, 60), 60);
    play.slow = true;
    play.first = "dear";
    for (int i = 0; i < TG_HEALTH_ROW; i++) {
        CHECK_INT(ask_often(&w, p, 1), 1);
        CHECK_STR(world_order(&w), "dear cheap middle");
        CHECK(!w.plan.policy_failed);
    }
    CHECK_INT(atomic_load(&p->failures), TG_HEALTH_ROW);
    CHECK_INT(ask_often(&w, p, 10), 0);
    CHECK_STR(world_order(&w), "cheap middle dear");
    CHECK(w.plan.policy_failed);
    world_close(&w);
}

/* ---- on_error and on_response ---- */

static enum tg_verdict ask_on_error(struct world *w, struct tg_policy *p)
{
    static const struct tg_policy_attempt attempt;
    static const struct tg_policy_error error;
    return tg_policy_on_error(p, 5, &request, &attempt, &error, w->now_ms);
}

static void tell_response(struct world *w, struct tg_policy *p)
{
    static const struct tg_policy_attempt attempt;
    static const struct tg_policy_response response;
    tg_policy_on_response(p, 5, &request, &attempt, &response, w->now_ms);
}

TEST("on_error's verdict is the policy's, and none where there is no such hook, or it fails")
{
    struct world w;
    world_open(&w, THREE);
    CHECK_INT(ask_on_error(&w, NULL), TG_VERDICT_NONE);
    tell_response(&w, NULL);
    struct tg_policy *p = policy_of(&w, ALL | HOOK(ON_RESPONSE), NULL);
    play.verdict = TG_VERDICT_STOP;
    CHECK_INT(ask_on_error(&w, p), TG_VERDICT_NONE);
    CHECK_INT(play.asked, 0);

    p = policy_of(&w, HOOK(ON_ERROR), NULL);
    for (int verdict = TG_VERDICT_NONE; verdict <= TG_VERDICT_STOP; verdict++) {
        play.verdict = (enum tg_verdict)verdict;
        CHECK_INT(ask_on_error(&w, p), verdict);
    }
    CHECK_INT(play.asked, 4);
    CHECK_INT(play.engine, 5);
    tell_response(&w, p);
    CHECK_INT(play.asked, 4);

    play.at = TG_HOOK_ON_ERROR;
    play.fails = TG_EINVAL;
    CHECK_INT(ask_on_error(&w, p), TG_VERDICT_NONE);
    CHECK_INT(atomic_load(&p->failures), 1);
    world_close(&w);
}

TEST("while the breaker is open neither is asked, and afterwards both are")
{
    struct world w;
    world_open(&w, THREE);
    struct tg_policy *p = policy_of(&w, ALL | HOOK(ON_ERROR) | HOOK(ON_RESPONSE), NULL);
    play.at = TG_HOOK_FILTER;
    play.fails = TG_ETIMEOUT;
    play.verdict = TG_VERDICT_RETRY;
    ask_often(&w, p, TG_HEALTH_ROW);
    CHECK_INT(tg_health_breaker(&p->health, w.now_ms), TG_BREAKER_OPEN);
    play.asked = 0;
    CHECK_INT(ask_on_error(&w, p), TG_VERDICT_NONE);
    tell_response(&w, p);
    CHECK_INT(play.asked, 0);
    w.now_ms += TG_HEALTH_OPEN_MS * 11 / 10;
    CHECK_INT(ask_on_error(&w, p), TG_VERDICT_RETRY);
    tell_response(&w, p);
    CHECK_INT(play.asked, 2);
    world_close(&w);
}

TEST("an on_error or on_response that fails again and again is not asked for a while")
{
    struct world w;
    world_open(&w, THREE);
    for (int hook = TG_HOOK_ON_ERROR; hook <= TG_HOOK_ON_RESPONSE; hook++) {
        struct tg_policy *p = policy_of(&w, HOOK(ON_ERROR) | HOOK(ON_RESPONSE), NULL);
        check_context = tg_hook_name((enum tg_hook)hook);
        play.at = (enum tg_hook)hook;
        play.fails = TG_EINVAL;
        for (int i = 0; i < 20; i++)
            hook == TG_HOOK_ON_ERROR ? (void)ask_on_error(&w, p) : tell_response(&w, p);
        CHECK(play.asked >= 3 && play.asked <= TG_HEALTH_ROW);
        CHECK_INT(atomic_load(&p->failures), play.asked);
    }
    world_close(&w);
}

TEST("an on_error or on_response that mostly works is asked every time")
{
    struct world w;
    world_open(&w, THREE);
    for (int hook = TG_HOOK_ON_ERROR; hook <= TG_HOOK_ON_RESPONSE; hook++) {
        struct tg_policy *p = policy_of(&w, HOOK(ON_ERROR) | HOOK(ON_RESPONSE), NULL);
        check_context = tg_hook_name((enum tg_hook)hook);
        play.at = (enum tg_hook)hook;
        for (int i = 1; i <= 1000; i++) {
            play.fails = i % 100 ? TG_OK : TG_EINVAL;
            hook == TG_HOOK_ON_ERROR ? (void)ask_on_error(&w, p) : tell_response(&w, p);
            w.now_ms += 10;
        }
        CHECK_INT(play.asked, 1000);
        CHECK_INT(atomic_load(&p->failures), 10);
    }
    world_close(&w);
}

/* ---- what hooks are told of the request ---- */

TEST("a header that holds a secret is never seen, however it is written")
{
    static const char *const secret[] = {
        "authorization", "Authorization", "AUTHORIZATION", "Proxy-Authorization", "cookie",
        "Cookie", "X-Api-Key", "x-api-key", "api-key", "Api-Key", "X-Goog-Api-Key",
    };
    static const char *const seen[] = { "user-agent", "X-Team", "x-session-id", "authorizations",
                                        "x-authorization-of", "content-type", "" };
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++) {
        check_context = secret[i];
        CHECK(!tg_policy_sees_header(tg_str_of(secret[i])));
    }
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        check_context = seen[i];
        CHECK(tg_policy_sees_header(tg_str_of(seen[i])));
    }
}

#define TOOLS ",'tools':[{'type':'function','function':{'name':'f'}}]"

TEST("the request is told as it was read")
{
    struct world w;
    struct tg_policy_request r;
    struct tg_http1_head head = { .fields_count = 1, .fields = { { TG_STR("X-A"), TG_STR("1") } } };
    world_open(&w, TWO_MODELS);
    w.seed = 77;
    read_request(&w, "m/one:nitro", ",'models':['m/two@policy/x'],'stream':true,'max_tokens':9,"
                 "'user':'u','session_id':'s','metadata':{'team':'a'}" TOOLS);
    tg_policy_request_of(&r, &w.needs, &head);
    CHECK_INT(r.models_count, 2);
    CHECK_STR(r.models[0], "m/one");
    CHECK_STR(r.models[1], "m/two");
    CHECK(r.stream && r.has_tools);
    CHECK_INT(r.messages_count, 1);
    CHECK_INT(r.max_tokens, 9);
    CHECK(r.prompt_tokens > 0);
    CHECK_STR(r.user, "u");
    CHECK_STR(r.session, "s");
    CHECK_STR(r.metadata, "{\"team\":\"a\"}");
    CHECK_INT(r.seed, 77);
    CHECK_INT(r.wall_ms, WORLD_WALL_S * 1000ull);
    CHECK(r.headers == head.fields);
    CHECK_INT(r.headers_count, 1);

    read_request(&w, "m/one", "");
    tg_policy_request_of(&r, &w.needs, NULL);
    CHECK(!r.stream && !r.has_tools && r.max_tokens == -1);
    CHECK(!r.user.len && !r.session.len && !r.metadata.len && !r.headers_count);
    world_close(&w);
}

TEST("a session that was only made out of the messages is no session id")
{
    struct world w;
    struct tg_policy_request r;
    world_open(&w, THREE);
    read_request(&w, "m/one", ",'prompt_cache_key':'cache'");
    tg_policy_request_of(&r, &w.needs, NULL);
    CHECK_STR(r.session, "");
    world_close(&w);
}

/* Everything that has text in it, each piece in memory of its own. */
static void fill_request(struct tg_policy_request *r, struct tg_arena *arena,
                         struct tg_http1_field *headers, size_t models, size_t fields)
{
    char text[32];
    int n = 0;

#define TEXT(...) (snprintf(text, sizeof text, __VA_ARGS__), tg_arena_copy(arena, tg_str_of(text)))
    *r = (struct tg_policy_request){ .stream = true, .messages_count = 3, .prompt_tokens = 4,
                                     .max_tokens = 5, .wall_ms = 6, .seed = 7, .headers = headers };
    for (size_t i = 0; i < models; i++)
        r->models[r->models_count++] = TEXT("author/model-%d", n++);
    for (size_t i = 0; i < fields; i++)
        headers[r->headers_count++] = (struct tg_http1_field){ TEXT("X-Name-%d", n++),
                                                               TEXT("value %d", n++) };
    r->session = TEXT("session %d", n++);
    r->user = TEXT("user %d", n++);
    r->key_name = TEXT("key %d", n++);
    r->key_label = TEXT("label %d", n++);
    r->metadata = TEXT("{\"m\":\"%d\"}", n++);
    r->id = TEXT("gen-%d", n++);
#undef TEXT
}

static void check_same_request(const struct tg_policy_request *a, const struct tg_policy_request *b)
{
    CHECK_INT(a->models_count, b->models_count);
    CHECK_INT(a->headers_count, b->headers_count);
    for (size_t i = 0; i < a->models_count; i++)
        CHECK(tg_str_eq(a->models[i], b->models[i]));
    for (size_t i = 0; i < a->headers_count; i++) {
        CHECK(tg_str_eq(a->headers[i].name, b->headers[i].name));
        CHECK(tg_str_eq(a->headers[i].value, b->headers[i].value));
    }
    CHECK(tg_str_eq(a->session, b->session) && tg_str_eq(a->user, b->user));
    CHECK(tg_str_eq(a->key_name, b->key_name) && tg_str_eq(a->key_label, b->key_label));
    CHECK(tg_str_eq(a->metadata, b->metadata) && tg_str_eq(a->id, b->id));
    CHECK(a->stream == b->stream && a->has_tools == b->has_tools && a->wall_ms == b->wall_ms);
    CHECK_INT(a->messages_count, b->messages_count);
    CHECK_INT(a->prompt_tokens, b->prompt_tokens);
    CHECK_INT(a->max_tokens, b->max_tokens);
    CHECK_INT(a->seed, b->seed);
}

TEST("a copy of a request holds when everything it was made from is gone")
{
    static const struct { size_t models, fields; } cases[] = {
        { 0, 0 }, { 1, 0 }, { 1, 3 }, { TG_NEEDS_MODELS_MAX, TG_HTTP1_FIELDS_MAX },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct tg_http1_field headers[TG_HTTP1_FIELDS_MAX], again[TG_HTTP1_FIELDS_MAX];
        struct tg_arena first, second;
        struct tg_policy_request r, same;
        tg_arena_init(&first, 64);
        tg_arena_init(&second, 64);
        fill_request(&r, &first, headers, cases[i].models, cases[i].fields);
        fill_request(&same, &second, again, cases[i].models, cases[i].fields);
        struct tg_policy_request *copy = tg_policy_request_copy(&r);
        memset(headers, 0xee, sizeof headers);
        memset(&r, 0xee, sizeof r);
        tg_arena_done(&first);                 /* the sanitizer sees who looks there */
        check_same_request(copy, &same);
        tg_free(copy);
        tg_arena_done(&second);
    }
}

static tg_err copy_once(const struct tg_policy_request *r)
{
    struct tg_policy_request *copy = tg_policy_request_copy(r);
    tg_free(copy);
    return copy ? TG_OK : TG_ENOMEM;
}

TEST("a copy that there is no memory for is NULL")
{
    struct tg_http1_field headers[2];
    struct tg_arena arena;
    struct tg_policy_request r;
    tg_arena_init(&arena, 256);
    fill_request(&r, &arena, headers, 2, 2);
    CHECK_EVERY_ALLOCATION(copy_once(&r));
    tg_arena_done(&arena);
}

/* ---- names, references ---- */

TEST("every hook has a name of its own, and no other name is a hook")
{
    for (int i = 0; i < TG_HOOKS; i++)
        CHECK_INT(tg_hook_of(tg_str_of(tg_hook_name((enum tg_hook)i))), i);
    static const char *const none[] = { "", "filters", "Filter", "on_err", "data" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CHECK_INT(tg_hook_of(tg_str_of(none[i])), TG_HOOKS);
}

TEST("a policy is freed once, with the last that held it")
{
    struct world w;
    world_open(&w, THREE);
    struct tg_policy *p = policy_of(&w, 0, NULL);
    tg_policy_hold(p);
    tg_policy_hold(p);
    tg_policy_drop(p);
    tg_policy_drop(p);
    CHECK_INT(play.freed, 0);
    tg_policy_drop(p);
    CHECK_INT(play.freed, 1);
    tg_policy_drop(NULL);
    world_close(&w);
}

TEST_MAIN
