/* Reading, merging and asking a catalogue. */
#include "check.h"

#include "base/mem.h"
#include "quote.h"
#include "route/catalog.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct tg_provider providers[] = {
    { .slug = { "openai", 6 }, .name = { "OpenAI", 6 }, .key = { "sk-secret", 9 },
      .denies_data_collection = true },
    { .slug = { "google-vertex", 13 }, .name = { "Google", 6 }, .zdr = true },
    { .slug = { "vllm-1", 6 }, .name = { "vLLM", 4 } },
    { .slug = { "xai", 3 }, .name = { "xAI", 3 } },
};

static struct tg_buf why;
static size_t skipped;

static struct tg_catalog *fresh(void)
{
    tg_buf_reset(&why);
    skipped = 99;
    return tg_catalog_new(providers, COUNT(providers));
}

/* A sealed catalogue of one file that must be good. */
static struct tg_catalog *loaded(const char *text)
{
    struct tg_catalog *c = fresh();

    CHECK_INT(tg_catalog_add(c, qs(text), "catalog.json", &why, &skipped), TG_OK);
    CHECK_STR(tg_buf_view(&why), "");
    CHECK_INT(tg_catalog_seal(c), TG_OK);
    return c;
}

static const struct tg_endpoint *endpoint(const struct tg_catalog *c, const char *id, size_t i)
{
    const struct tg_model *m = tg_catalog_find(c, tg_str_of(id));
    return m && i < m->endpoints_count ? &m->endpoints[i] : NULL;
}

static void done(struct tg_catalog *c)
{
    tg_catalog_drop(c);
    tg_buf_done(&why);
}

#define MODEL(more)    "{'data':[{'id':'a/b'" more "}]}"
#define ENDPOINT(more) MODEL(",'endpoints':[{'provider':'openai'" more "}]")

TEST("a name without an author is that of the one model that is called so")
{
    static const struct { const char *asked, *id; } cases[] = {
        { "claude-haiku-4.5", "anthropic/claude-haiku-4.5" },        /* the id's */
        { "claude-haiku-4-5", "anthropic/claude-haiku-4.5" },        /* the provider's */
        { "claude-4.5-haiku-20251001", "anthropic/claude-haiku-4.5" },
        { "claude-haiku-4-5-20251001", "anthropic/claude-haiku-4.5" },
        { "claude-haiku-4-5-2025-10-01", "anthropic/claude-haiku-4.5" },
        { "claude-haiku-4-5-20251002", NULL },                       /* another snapshot */
        { "claude-haiku-4-5-2025-1001", "anthropic/claude-haiku-4.5" },
        { "claude-haiku-4-5-202-51001", NULL }, { "claude-haiku-4-5-0251001", NULL },
        { "claude-haiku-4-520251001", NULL }, { "20251001", NULL }, { "-20251001", NULL },
        { "gpt-5-2025-08-07", "openai/gpt-5" }, { "gpt-5-20250807", "openai/gpt-5" },
        { "gpt-5:free", NULL }, { "GPT-5", NULL }, { "", NULL }, { "-", NULL },
        { "twin", NULL }, { "twin-up", NULL }, { "x/gpt-5", NULL }, { "m/up", NULL },
        { "a-20251001", NULL },
    };
    struct tg_catalog *c = loaded("{'data':["
        "{'id':'anthropic/claude-haiku-4.5','canonical_slug':'anthropic/claude-4.5-haiku-20251001',"
        " 'endpoints':[{'provider':'openai','upstream_model':'claude-haiku-4-5'}]},"
        "{'id':'openai/gpt-5','canonical_slug':'openai/gpt-5-2025-08-07',"
        " 'endpoints':[{'provider':'openai','upstream_model':'gpt-5'},"
        "              {'provider':'xai','upstream_model':'m/up'}]},"
        "{'id':'openai/gpt-5:free','canonical_slug':'openai/gpt-5-2025-08-07',"
        " 'endpoints':[{'provider':'openai','upstream_model':'gpt-5'}]},"
        "{'id':'a/twin','endpoints':[{'provider':'openai','upstream_model':'twin-up'}]},"
        "{'id':'b/twin','endpoints':[{'provider':'openai','upstream_model':'twin-up'}]}]}");

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct tg_model *m = tg_catalog_find_bare(c, tg_str_of(cases[i].asked));
        check_context = cases[i].asked;
        CHECK_STR(m ? m->id : TG_STR("none"), cases[i].id ? cases[i].id : "none");
    }
    done(c);
}

TEST("an endpoint is spoken to as the client speaks, where it can be")
{
    static const struct tg_wire chat = { .native = TG_API_CHAT, .targets = { [0] = { "/c", 2 } } };
    struct tg_wire responses = { .native = TG_API_RESPONSES, .converts = { "r", 1 },
                                 .targets = { [TG_JOB_WHOLE] = { "/r", 2 },
                                              [TG_JOB_COUNT] = { "/t", 2 } } };
    struct tg_wire pro = responses, audio = chat;
    pro.models = TG_STR("*-pro *codex*");
    audio.models = TG_STR("gpt-audio*");
    struct tg_provider p = { .slug = TG_STR("openai"), .wires = { pro, audio, chat, responses },
                             .wires_count = 4 };
    static const struct { const char *model; enum tg_api api; int wire; } cases[] = {
        { "gpt-5",       TG_API_CHAT,       2 }, { "gpt-5",       TG_API_RESPONSES, 3 },
        { "gpt-5",       TG_API_MESSAGES,   2 }, { "gpt-5",       TG_API_COUNT,     3 },
        { "gpt-5",       TG_API_EMBEDDINGS, 2 }, { "gpt-5-pro",   TG_API_CHAT,      0 },
        { "gpt-5-pro",   TG_API_RESPONSES,  0 }, { "gpt-5-codex", TG_API_MESSAGES,  0 },
        { "codex-mini",  TG_API_CHAT,       0 }, { "gpt-5-prod",  TG_API_CHAT,      2 },
        { "gpt-audio",   TG_API_RESPONSES,  1 }, { "gpt-audio-2", TG_API_COUNT,     1 },
        { "my-gpt-audio", TG_API_RESPONSES, 3 },
    };
    struct tg_catalog *c = tg_catalog_new(&p, 1);

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tg_buf text = { 0 };
        tg_buf_printf(&text, "{\"data\":[{\"id\":\"a/m%zu\",\"endpoints\":[{\"provider\":\"openai\","
                      "\"pricing\":{\"prompt\":\"0\",\"completion\":\"0\"},"
                      "\"upstream_model\":\"%s\"}]}]}", i, cases[i].model);
        CHECK_INT(tg_catalog_add(c, tg_buf_view(&text), "c", &why, NULL), TG_OK);
        tg_buf_done(&text);
    }
    CHECK_INT(tg_catalog_seal(c), TG_OK);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct tg_endpoint *e = &c->models[i].endpoints[0];
        check_context = cases[i].model;
        CHECK_INT(tg_endpoint_wire(e, cases[i].api) - e->provider->wires, cases[i].wire);
    }
    done(c);
}

TEST("an endpoint is read with everything it says")
{
    struct tg_catalog *c = loaded(ENDPOINT(
        ",'tag':'openai/turbo','name':'OpenAI | a/b','upstream_model':'b-2026',"
        "'context_length':8192,'max_prompt_tokens':7000,'max_completion_tokens':1024,"
        "'quantization':'fp8','status':-2,'supported_parameters':['temperature','tools',"
        "'something_new'],'supports_implicit_caching':true,"
        "'supports_tool_choice':{'auto':true,'none':true,'required':false,'function':false},"
        "'pricing':{'prompt':'0.000003','completion':0.000015},"
        "'data_collection':'allow','zdr':true,'distillable':true,"
        "'latency_last_30m':null,'uptime_last_5m':99.5"));
    const struct tg_endpoint *e = endpoint(c, "a/b", 0);

    if (CHECK(e != NULL)) {
        CHECK_STR(e->tag, "openai/turbo");
        CHECK_STR(e->name, "OpenAI | a/b");
        CHECK_STR(e->upstream_model, "b-2026");
        CHECK_STR(e->upstream_model_json, q("'b-2026'"));
        CHECK_STR(e->members, q("'model':'b-2026','stream_options':{'include_usage':true}"));
        CHECK_INT(e->context_length, 8192);
        CHECK_INT(e->max_prompt_tokens, 7000);
        CHECK_INT(e->max_completion_tokens, 1024);
        CHECK_INT(e->quantization, TG_QUANT_FP8);
        CHECK_INT(e->status, -2);
        CHECK_INT(e->params, TG_PARAM_BIT(TEMPERATURE) | TG_PARAM_BIT(TOOLS));
        CHECK_INT(e->tool_choices, 1 << TG_CHOICE_AUTO | 1 << TG_CHOICE_NONE);
        CHECK_INT(e->price.base.femto[TG_PRICE_PROMPT], 3000000000);
        CHECK_INT(e->price.base.femto[TG_PRICE_COMPLETION], 15000000000);
        CHECK(e->implicit_caching && e->zdr && e->distillable && !e->denies_data_collection);
        CHECK(e->model == tg_catalog_find(c, TG_STR("a/b")));
        CHECK(e->provider == tg_catalog_provider(c, TG_STR("openai")));
        CHECK(e->identity != 0 && !e->is_tier);
        CHECK(tg_str_starts(e->raw.raw, q("{'provider':'openai'")));
        CHECK_INT(c->endpoints_count, 1);
        CHECK_INT(skipped, 0);
    }
    done(c);
}

TEST("what an endpoint does not say, or says as null, is the model's")
{
    struct tg_catalog *c = loaded(MODEL(
        ",'endpoints':[{'provider':'google-vertex','context_length':null,"
        "'max_completion_tokens':null,'pricing':null,'supported_parameters':null,"
        "'quantization':null,'tag':null,'upstream_model':null,'name':null}],"
        "'name':'A: B','created':1747930371,'canonical_slug':'a/b-2026',"
        "'context_length':1000000,'pricing':{'prompt':'0.000001'},"
        "'supported_parameters':['seed','max_tokens'],'distillable':true,"
        "'architecture':{'input_modalities':['image','text'],'output_modalities':['text']},"
        "'top_provider':{'context_length':200000,'max_completion_tokens':64000}"));
    const struct tg_endpoint *e = endpoint(c, "a/b", 0);

    if (CHECK(e != NULL)) {
        CHECK_STR(e->tag, "google-vertex");
        CHECK_STR(e->name, "A: B");
        CHECK_STR(e->upstream_model, "a/b");
        CHECK_STR(e->upstream_model_json, q("'a/b'"));
        CHECK_INT(e->context_length, 1000000);
        CHECK_INT(e->max_completion_tokens, 64000);
        CHECK_INT(e->price.base.femto[TG_PRICE_PROMPT], 1000000000);
        CHECK_INT(e->params, TG_PARAM_BIT(SEED) | TG_PARAM_BIT(MAX_TOKENS));
        CHECK_INT(e->inputs, 1 << TG_MODE_TEXT | 1 << TG_MODE_IMAGE);
        CHECK_INT(e->outputs, 1 << TG_MODE_TEXT);
        CHECK_INT(e->quantization, TG_QUANT_UNKNOWN);
        CHECK_INT(e->tool_choices, 15);
        CHECK(e->zdr && e->distillable && !e->denies_data_collection);
        CHECK(e->model->has_params);
        CHECK_INT(e->model->created_s, 1747930371);
    }
    done(c);
}

TEST("a model without supported_parameters or architecture is taken to support everything")
{
    struct tg_catalog *c = loaded(ENDPOINT(""));
    const struct tg_endpoint *e = endpoint(c, "a/b", 0);

    if (CHECK(e != NULL)) {
        CHECK_INT(e->params, TG_PARAM_ALL);
        CHECK_INT(e->inputs, (1 << TG_MODES) - 1);
        CHECK(!e->model->has_params);
        CHECK(e->denies_data_collection);
    }
    done(c);
}

TEST("older listings name modalities in one string")
{
    struct tg_catalog *c = loaded(ENDPOINT(
        ",'architecture':{'modality':'text+image+hologram->text+audio'}"));
    const struct tg_endpoint *e = endpoint(c, "a/b", 0);

    if (CHECK(e != NULL)) {
        CHECK_INT(e->inputs, 1 << TG_MODE_TEXT | 1 << TG_MODE_IMAGE | 1 << TG_MODE_OTHER);
        CHECK_INT(e->outputs, 1 << TG_MODE_TEXT | 1 << TG_MODE_AUDIO);
    }
    done(c);
}

TEST("a model's parameters are those of its endpoints together")
{
    struct tg_catalog *c = loaded(MODEL(
        ",'supported_parameters':['seed'],'endpoints':["
        "{'provider':'openai','supported_parameters':['tools']},"
        "{'provider':'xai','supported_parameters':['stop']}]"));

    CHECK_INT(tg_catalog_find(c, TG_STR("a/b"))->params, TG_PARAM_BIT(TOOLS) | TG_PARAM_BIT(STOP));
    done(c);
}

TEST("models without endpoints, and one model's own listing, are good catalogues")
{
    static const char *const texts[] = {
        "{'data':[{'id':'a/b'}]}", "{'data':[{'id':'a/b','endpoints':[]}]}",
        "{'data':[{'id':'a/b','endpoints':null}]}", "{'data':{'id':'a/b','endpoints':[]}}",
        "{'links':{'next':null},'total_count':1,'data':[{'id':'a/b','hugging_face_id':7}]}",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        check_context = texts[i];
        struct tg_catalog *c = loaded(texts[i]);
        const struct tg_model *m = tg_catalog_find(c, TG_STR("a/b"));
        if (CHECK(m != NULL)) {
            CHECK_INT(m->endpoints_count, 0);
            CHECK_STR(m->name, "a/b");
        }
        done(c);
    }
    struct tg_catalog *c = loaded("{'data':[]}");
    CHECK_INT(c->models_count, 0);
    CHECK(tg_catalog_find(c, TG_STR("a/b")) == NULL);
    done(c);
}

TEST("endpoints of providers that are not configured are left out and counted")
{
    struct tg_catalog *c = loaded(MODEL(",'endpoints':[{'provider':'groq'},"
        "{'provider':'openai'},{'provider':'groq','tag':'groq/2'}]"));

    CHECK_INT(skipped, 2);
    CHECK_INT(c->endpoints_count, 1);
    CHECK(endpoint(c, "a/b", 0)->provider == &c->providers[0]);
    done(c);
}

TEST("a provider near a configured one is a mistake unless it may well be another one")
{
    static const struct { const char *slug; bool is_mistake; } cases[] = {
        { "opnai", true }, { "openia", true }, { "OpenAI", true }, { "google_vertex", true },
        { "zai", false }, { "vllm-2", false }, { "azure", false }, { "openrouter", false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[256], want[256];
        struct tg_catalog *c = fresh();

        check_context = cases[i].slug;
        snprintf(text, sizeof text, "{'data':[{'id':'a/b',\n'endpoints':[\n{'provider':'%s'}]}]}",
                 cases[i].slug);
        tg_err err = tg_catalog_add(c, qs(text), "c.json", &why, &skipped);
        CHECK_INT(err, cases[i].is_mistake ? TG_EINVAL : TG_OK);
        snprintf(want, sizeof want, "c.json:3: a/b: no provider '%s' is configured, "
                 "did you mean '%s'?", cases[i].slug,
                 *cases[i].slug == 'g' ? "google-vertex" : "openai");
        CHECK_STR(tg_buf_view(&why), cases[i].is_mistake ? q(want) : "");
        done(c);
    }
}

TEST("a router, whose price is -1, is listed and has no endpoints to use")
{
    struct tg_catalog *c = loaded("{'data':["
        "{'id':'openrouter/auto','pricing':{'prompt':'-1','completion':'-1'},"
        "'endpoints':[{'provider':'openai'}]},"
        "{'id':'a/b','endpoints':[{'provider':'openai','pricing':{'prompt':-1}}]}]}");

    CHECK_INT(c->models_count, 2);
    CHECK_INT(c->endpoints_count, 0);
    CHECK_INT(skipped, 2);
    done(c);
}

TEST("a mistake is told with the line where it stands, in words that show the way")
{
    static const struct { const char *text, *why; } cases[] = {
        { "{'data':\n[{'id':'a/b'},\n]}", "c.json:3: not JSON from column 1 on: ]}" },
        { "{'data':\n[{'id':'a/b'}", "c.json:2: the JSON ends too early" },
        { "", "c.json:1: the JSON ends too early" },
        { "\n[]", "c.json:2: expected {'data': [MODEL, ...]}" },
        { "{}", "c.json:1: expected {'data': [MODEL, ...]}" },
        { "{\n'data':7}", "c.json:2: expected {'data': [MODEL, ...]}" },
        { "{'data':[\n7]}", "c.json:2: 'data' must be an array of models, not 7" },
        { "{'data':[\n{'name':'x'}]}", "c.json:2: a model without 'id'" },
        { "{'data':[{\n'id':null}]}", "c.json:1: a model without 'id'" },
        { "{'data':[{\n'id':7}]}", "c.json:2: 'id' must be a string, not 7" },
        { "{'data':[{'id':''}]}",
          "c.json:1: 'id' must have 1 to 512 bytes, none of them a control character" },
        { "{'data':[{'id':'a\\nb'}]}",
          "c.json:1: 'id' must have 1 to 512 bytes, none of them a control character" },
        { "{'data':[{'id':'a/b c'}]}",
          "c.json:1: 'id' must be of letters, digits and ./:@_~+- only, not 'a/b c'" },
        { "{'data':[{'id':'a/b%2f..'}]}",
          "c.json:1: 'id' must be of letters, digits and ./:@_~+- only, not 'a/b%2f..'" },
        { "{'data':[{'id':'a/b'},\n{'id':'a/b'}]}", "c.json:2: a/b: stands in this file twice" },
        { MODEL(",\n'context_length':'many'"),
          "c.json:2: a/b: 'context_length' must be a whole number from 0 on, not 'many'" },
        { MODEL(",\n'context_length':-1"),
          "c.json:2: a/b: 'context_length' must be a whole number from 0 on, not -1" },
        { MODEL(",\n\n'created':1.5"),
          "c.json:3: a/b: 'created' must be a whole number from 0 on, not 1.5" },
        { MODEL(",\n'name':[\n1]"), "c.json:2: a/b: 'name' must be a string, not [ 1]" },
        { MODEL(",\n'supported_parameters':'seed'"),
          "c.json:2: a/b: 'supported_parameters' must be an array of strings, not 'seed'" },
        { MODEL(",'supported_parameters':[\n'seed',\n7]"),
          "c.json:3: a/b: 'supported_parameters' must be an array of strings, not 7" },
        { MODEL(",'architecture':[]"), "c.json:1: a/b: 'architecture' must be an object, not []" },
        { MODEL(",'pricing':'free'"), "c.json:1: a/b: 'pricing' must be an object, not 'free'" },
        { MODEL(",'endpoints':{}"), "c.json:1: a/b: 'endpoints' must be an array, not {}" },
        { MODEL(",'endpoints':[\n7]"),
          "c.json:2: a/b: 'endpoints' must be an array of objects, not 7" },
        { MODEL(",'endpoints':[\n{'tag':'x'}]"),
          "c.json:2: a/b: an endpoint without 'provider', the slug of a configured provider" },
        { MODEL(",'endpoints':[{'provider':'openai'},\n{'provider':'openai'}]"),
          "c.json:2: a/b: two endpoints with the tag 'openai'; "
          "a 'tag' of its own tells each apart" },
        { ENDPOINT(",\n'status':'up'"),
          "c.json:2: a/b: 'status' must be a whole number, not 'up'" },
        { ENDPOINT(",\n'zdr':1"), "c.json:2: a/b: 'zdr' must be true or false, not 1" },
        { ENDPOINT(",\n'data_collection':'no'"),
          "c.json:2: a/b: 'data_collection' must be 'allow' or 'deny', not 'no'" },
        { ENDPOINT(",\n'supports_tool_choice':{'auto':'yes'}"),
          "c.json:2: a/b: 'supports_tool_choice' must be true or false, not 'yes'" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tg_catalog *c = fresh();

        check_context = cases[i].text;
        CHECK_INT(tg_catalog_add(c, qs(cases[i].text), "c.json", &why, &skipped), TG_EINVAL);
        CHECK_STR(tg_buf_view(&why), q(cases[i].why));
        CHECK_INT(c->models_count, 0);
        CHECK_INT(skipped, 99);
        done(c);
    }
}

TEST("a price that is none is told with its line")
{
    static const char *const bad[] = { "'dear'", "[]", "true", "''", "'0x10'" };

    for (size_t i = 0; i < COUNT(bad); i++) {
        char text[256];
        struct tg_catalog *c = fresh();

        check_context = bad[i];
        snprintf(text, sizeof text, "{'data':[{'id':'a/b','pricing':{\n\n'prompt':%s}}]}", bad[i]);
        CHECK_INT(tg_catalog_add(c, qs(text), "c.json", &why, NULL), TG_EINVAL);
        CHECK(tg_str_starts(tg_buf_view(&why), q("c.json:3: a/b: 'pricing': ")));
        done(c);
    }
}

TEST("text that nests without end is refused, and quickly")
{
    size_t n = 1 << 20;
    char *text = malloc(n);
    struct tg_catalog *c = fresh();

    memset(text, '[', n);
    CHECK_INT(tg_catalog_add(c, (struct tg_str){ text, n }, "c.json", &why, NULL), TG_EINVAL);
    CHECK_STR(tg_buf_view(&why), "c.json:1: nested deeper than 512 levels");
    free(text);
    done(c);
}

static void put_models(struct tg_buf *b, size_t models, size_t endpoints)
{
    tg_buf_z(b, q("{'data':["));
    for (size_t m = 0; m < models; m++) {
        tg_buf_printf(b, q("%s{'id':'a/m%zu','endpoints':["), m ? "," : "", m);
        for (size_t e = 0; e < endpoints; e++)
            tg_buf_printf(b, q("%s{'provider':'openai','tag':'t%zu'}"), e ? "," : "", e);
        tg_buf_z(b, "]}");
    }
    tg_buf_z(b, "]}");
}

TEST("more models or endpoints than the limits are told; as many are taken")
{
    static const struct { size_t models, endpoints; tg_err err; const char *why; } cases[] = {
        { TG_CATALOG_MODELS_MAX, 0, TG_OK, "" },
        { TG_CATALOG_MODELS_MAX + 1, 0, TG_EINVAL, "c.json:1: more than 20000 models" },
        { 1, TG_CATALOG_ENDPOINTS_MAX, TG_OK, "" },
        { 1, TG_CATALOG_ENDPOINTS_MAX + 1, TG_EINVAL, "c.json:1: a/m0: more than 256 endpoints" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tg_buf text = { 0 };
        struct tg_catalog *c = fresh();

        put_models(&text, cases[i].models, cases[i].endpoints);
        CHECK_INT(tg_catalog_add(c, tg_buf_view(&text), "c.json", &why, NULL), cases[i].err);
        CHECK_STR(tg_buf_view(&why), q(cases[i].why));
        if (i == 0) {
            CHECK_INT(tg_catalog_add(c, qs(MODEL("")), "d.json", &why, NULL), TG_ETOOBIG);
            CHECK_STR(tg_buf_view(&why),
                      "d.json:1: with this file there are more than 20000 models");
            CHECK_INT(tg_catalog_seal(c), TG_OK);
            CHECK(tg_catalog_find(c, TG_STR("a/m19999")) == &c->models[19999]);
        }
        tg_buf_done(&text);
        done(c);
    }
}

TEST("a later file replaces whole models and keeps their places; a bad one changes nothing")
{
    struct tg_catalog *c = fresh();

    CHECK_INT(tg_catalog_add(c, qs("{'data':[{'id':'a/x','name':'X','context_length':1,"
        "'endpoints':[{'provider':'openai'}]},{'id':'a/y'}]}"), "1.json", &why, NULL), TG_OK);
    CHECK_INT(tg_catalog_add(c, qs("{'data':[{'id':'a/z'},{'id':'a/x','endpoints':["
        "{'provider':'xai'},{'provider':'openai'}]}]}"), "2.json", &why, NULL), TG_OK);
    CHECK_INT(tg_catalog_add(c, qs("{'data':[{'id':'a/y','name':'Y'},{'id':7}]}"),
                             "3.json", &why, NULL), TG_EINVAL);
    CHECK_INT(tg_catalog_seal(c), TG_OK);

    CHECK_INT(c->models_count, 3);
    CHECK_INT(c->endpoints_count, 2);
    CHECK_STR(c->models[0].id, "a/x");
    CHECK_STR(c->models[0].name, "a/x");
    CHECK_INT(c->models[0].context_length, 0);
    CHECK_STR(c->models[1].name, "a/y");
    CHECK_STR(c->models[2].id, "a/z");
    for (uint32_t i = 0; i < 3; i++)
        CHECK_INT(c->models[i].index, i);
    CHECK_STR(endpoint(c, "a/x", 0)->tag, "xai");
    CHECK_INT(endpoint(c, "a/x", 1)->index, 1);
    CHECK(endpoint(c, "a/x", 1)->model == &c->models[0]);
    done(c);
}

TEST("a model is found by id and by canonical slug, each with its own variant, exactly as written")
{
    struct tg_catalog *c = loaded("{'data':["
        "{'id':'q/r1:free','canonical_slug':'q/r1-0528'},"
        "{'id':'q/r1','canonical_slug':'q/r1-0528'},"
        "{'id':'q/r2','canonical_slug':'q/r1'},"
        "{'id':'q/r3:batch','canonical_slug':'q/r3-1:batch'},"
        "{'id':'llama3:8b'}]}");
    static const struct { const char *asked, *found; } cases[] = {
        { "q/r1", "q/r1" }, { "q/r1:free", "q/r1:free" }, { "q/r1-0528", "q/r1" },
        { "q/r1-0528:free", "q/r1:free" }, { "q/r2", "q/r2" }, { "q/r3-1:batch", "q/r3:batch" },
        { "llama3:8b", "llama3:8b" }, { "q/r1:batch", NULL }, { "Q/R1", NULL }, { "q/r3", NULL },
        { "", NULL }, { "q/r", NULL },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct tg_model *m = tg_catalog_find(c, tg_str_of(cases[i].asked));
        check_context = cases[i].asked;
        CHECK_STR(m ? m->id : TG_STR("-"), cases[i].found ? cases[i].found : "-");
    }
    done(c);
}

TEST("an unknown id is answered with those that may have been meant, likeliest first")
{
    struct tg_catalog *c = loaded("{'data':[{'id':'openai/gpt-4o'},{'id':'azure/gpt-4o'},"
        "{'id':'openai/gpt-4o:free'},{'id':'openai/gpt-4.1'},{'id':'meta/llama'}]}");
    static const struct { const char *asked, *first, *second; size_t count; } cases[] = {
        { "gpt-4o", "openai/gpt-4o", "azure/gpt-4o", 2 },
        { "OpenAI/GPT-4o", "openai/gpt-4o", "azure/gpt-4o", 4 },
        { "openai/gpt-4", "openai/gpt-4o", "openai/gpt-4.1", 2 },
        { "meta/llama:free", "meta/llama", NULL, 1 },
        { "meta/lama", "meta/llama", NULL, 1 },
        { "acme/fake-1.0", NULL, NULL, 0 }, { "", NULL, NULL, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tg_str out[4];
        size_t n = tg_catalog_suggest(c, tg_str_of(cases[i].asked), out, 4);
        check_context = cases[i].asked;
        CHECK_INT(n, cases[i].count);
        if (n > 0)
            CHECK_STR(out[0], cases[i].first);
        if (n > 1)
            CHECK_STR(out[1], cases[i].second);
        CHECK_INT(tg_catalog_suggest(c, tg_str_of(cases[i].asked), out, 1), n > 0);
    }
    done(c);
}

TEST("a word of order, only or ignore matches slug, base of a tag, display name or the whole tag")
{
    struct tg_catalog *c = loaded(MODEL(",'endpoints':["
        "{'provider':'google-vertex','tag':'google-vertex/us-east5'},"
        "{'provider':'google-vertex','tag':'google-vertex/priority'},"
        "{'provider':'openai'},"
        "{'provider':'openai','tag':'openai/eu/Flex'},"
        "{'provider':'vllm-1','tag':'deepinfra/turbo'},"
        "{'provider':'xai','tag':'flex'}]"));
    static const struct { const char *word, *matches; } cases[] = {
        { "google-vertex", "100000" }, { "Google", "100000" }, { "GOOGLE-vertex", "100000" },
        { "google-vertex/us-east5", "100000" }, { "Google-Vertex/US-East5", "100000" },
        { "google-vertex/priority", "010000" }, { "google-vertex/eu", "000000" },
        { "openai", "001000" }, { "OpenAI", "001000" }, { "openai/eu/flex", "000100" },
        { "openai/eu", "000000" }, { "deepinfra", "000010" }, { "vllm-1", "000010" },
        { "vLLM", "000010" }, { "deepinfra/turbo", "000010" }, { "xai", "000001" },
        { "flex", "000001" }, { "", "000000" }, { "google", "100000" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char got[7] = "";
        check_context = cases[i].word;
        for (size_t k = 0; k < 6; k++) {
            bool matches = tg_endpoint_matches(endpoint(c, "a/b", k), tg_str_of(cases[i].word));
            got[k] = matches ? '1' : '0';
        }
        CHECK_STR(tg_str_of(got), cases[i].matches);
    }
    check_context = "";
    CHECK(endpoint(c, "a/b", 1)->is_tier && endpoint(c, "a/b", 3)->is_tier);
    CHECK(!endpoint(c, "a/b", 0)->is_tier && !endpoint(c, "a/b", 5)->is_tier);
    done(c);
}

TEST("an endpoint's identity depends on model, provider and tag, and on nothing else")
{
    struct tg_catalog *one = loaded("{'data':[{'id':'a/b','endpoints':[{'provider':'openai'}]},"
        "{'id':'a/c','endpoints':[{'provider':'openai'},{'provider':'xai'},"
        "{'provider':'xai','tag':'openai\\u002f2'}]}]}");
    struct tg_catalog *two = loaded("{'data':[{'id':'a/c','name':'C','endpoints':["
        "{'provider':'xai','upstream_model':'c','pricing':{'prompt':1}}]}]}");
    uint64_t ids[] = { endpoint(one, "a/b", 0)->identity, endpoint(one, "a/c", 0)->identity,
                       endpoint(one, "a/c", 1)->identity, endpoint(one, "a/c", 2)->identity };

    for (size_t i = 0; i < COUNT(ids); i++)
        for (size_t k = 0; k < i; k++)
            CHECK(ids[i] != ids[k]);
    CHECK(endpoint(two, "a/c", 0)->identity == ids[2]);
    CHECK_STR(endpoint(one, "a/c", 2)->tag, "openai/2");
    done(one);
    done(two);
}

TEST("an alias names the model it stands for")
{
    struct tg_catalog *c = loaded("{'data':[{'id':'~a/b-latest',"
        "'alias_target':{'name':'B','slug':'a/b'}},{'id':'a/b','alias_target':null}]}");

    CHECK_STR(c->models[0].alias, "a/b");
    CHECK_STR(c->models[1].alias, "");
    done(c);
}

TEST("providers are copied whole, their URL's parts into the copy")
{
    char base_url[] = "https://api.example.com/v1", key[] = "sk-1234";
    struct tg_provider p = { .slug = TG_STR("p"), .base_url = tg_str_of(base_url),
                             .key = tg_str_of(key), .auth_prefix = TG_STR("Bearer "),
                             .url = { .is_tls = true, .port = 443 } };
    p.url.host = (struct tg_str){ base_url + 8, 15 };
    p.url.path = (struct tg_str){ base_url + 23, 3 };
    struct tg_catalog *c = tg_catalog_new(&p, 1);

    memset(base_url, 'x', sizeof base_url - 1);
    memset(key, 'x', sizeof key - 1);
    const struct tg_provider *copy = tg_catalog_provider(c, TG_STR("p"));
    if (CHECK(copy != NULL)) {
        CHECK_STR(copy->url.host, "api.example.com");
        CHECK_STR(copy->url.path, "/v1");
        CHECK_STR(copy->key, "sk-1234");
        CHECK(copy->url.host.at == copy->base_url.at + 8);
        CHECK_INT(copy->url.port, 443);
    }
    CHECK(tg_catalog_provider(c, TG_STR("q")) == NULL);
    CHECK(tg_catalog_provider(c, TG_STR("")) == NULL);
    tg_catalog_drop(c);
}

TEST("joined, endpoints have slots of the region while it has room, and their own beyond it")
{
    enum { SLOTS = 2 };
    size_t bytes = tg_live_bytes(SLOTS);
    void *memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    struct tg_live_region *region = NULL;
    struct tg_catalog *c = loaded(MODEL(",'endpoints':[{'provider':'openai'},"
        "{'provider':'xai'},{'provider':'vllm-1'}]"));

    memset(memory, 0, bytes);
    CHECK_INT(tg_live_attach(memory, bytes, SLOTS, &region), TG_OK);
    CHECK_INT(tg_catalog_join(c, region), TG_OK);
    for (size_t i = 0; i < 3; i++) {
        const struct tg_endpoint *e = endpoint(c, "a/b", i);
        const char *at = (const char *)e->live;
        CHECK((at >= (char *)memory && at < (char *)memory + bytes) == (i < SLOTS));
        CHECK(at && e->live == (i < SLOTS ? tg_live_slot(region, e->identity) : e->live));
        CHECK(i < SLOTS || e->live->identity == e->identity);
    }
    done(c);
    free(memory);
}

TEST("a catalogue in use is freed by whoever drops it last")
{
    struct tg_catalog *c = loaded(MODEL(""));

    tg_catalog_hold(c);
    tg_catalog_drop(c);
    CHECK(tg_catalog_find(c, TG_STR("a/b")) != NULL);
    done(c);
    tg_catalog_drop(NULL);
}

TEST("the nearest known name is one that is at most two edits and less than half the word away")
{
    static const struct tg_str names[] = {
        { "price", 5 }, { "throughput", 10 }, { "latency", 7 }, { "exacto", 6 }, { "p50", 3 },
    };
    static const struct { const char *word, *near; } cases[] = {
        { "prise", "price" }, { "Price", "price" }, { "latncy", "latency" },
        { "laetncy", "latency" },
        { "troughput", "throughput" }, { "exact", "exacto" }, { "p5", "" }, { "p55", "p50" },
        { "speed", "" }, { "", "" }, { "pr", "" }, { "pricess", "price" }, { "pricesss", "" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_context = cases[i].word;
        CHECK_STR(tg_catalog_near(names, COUNT(names), tg_str_of(cases[i].word)), cases[i].near);
    }
}

TEST("the vocabulary is the contract's, each word there and back")
{
    static const char *const params[] = {
        "temperature", "top_p", "top_k", "min_p", "top_a", "frequency_penalty", "presence_penalty",
        "repetition_penalty", "max_tokens", "max_completion_tokens", "logit_bias", "logprobs",
        "top_logprobs", "prediction", "seed", "response_format", "structured_outputs", "stop",
        "tools", "tool_choice", "parallel_tool_calls", "include_reasoning", "reasoning",
        "reasoning_effort", "web_search_options", "verbosity",
    };
    static const char *const quantizations[] = {
        "int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32",
        "unknown",
    };
    CHECK_INT(COUNT(params), TG_PARAMS);
    for (int i = 0; i < TG_PARAMS; i++) {
        CHECK_INT(tg_param_of(tg_str_of(params[i])), i);
        CHECK_STR(tg_str_of(tg_param_name(i)), params[i]);
    }
    CHECK_INT(COUNT(quantizations), TG_QUANTS);
    for (int i = 0; i < TG_QUANTS; i++) {
        CHECK_INT(tg_quantization_of(tg_str_of(quantizations[i])), i);
        CHECK_STR(tg_str_of(tg_quantization_name(i)), quantizations[i]);
    }
    CHECK_INT(tg_param_of(TG_STR("messages")), -1);
    CHECK_INT(tg_quantization_of(TG_STR("fp7")), -1);
    CHECK_INT(tg_modality_of(TG_STR("file")), TG_MODE_FILE);
    CHECK_INT(tg_modality_of(TG_STR("rerank")), TG_MODE_OTHER);
    CHECK_STR(tg_str_of(tg_param_name(TG_PARAMS)), "");
}

static tg_err load_all(void)
{
    struct tg_buf b = { 0 };
    struct tg_catalog *c = tg_catalog_new(providers, COUNT(providers));
    tg_err err = c ? TG_OK : TG_ENOMEM;

    if (!err)
        err = tg_catalog_add(c, qs("{'data':[{'id':'a\\u002fb:free','canonical_slug':'a/c',"
            "'endpoints':[{'provider':'openai','upstream_model':'x\\/y','pricing':"
            "{'prompt':'1','overrides':[{'min_prompt_tokens':5,'prompt':'2'}]}}]}]}"),
            "c.json", &b, NULL);
    if (!err)
        err = tg_catalog_seal(c);
    if (!err)
        err = tg_catalog_join(c, NULL);
    tg_catalog_drop(c);
    tg_buf_done(&b);
    return err;
}

static tg_err complain(void)
{
    struct tg_buf b = { 0 };
    struct tg_catalog *c = tg_catalog_new(providers, COUNT(providers));
    tg_err err = c ? tg_catalog_add(c, qs("{'data':[{'id':7}]}"), "c.json", &b, NULL) : TG_ENOMEM;

    tg_catalog_drop(c);
    tg_buf_done(&b);
    return err == TG_EINVAL ? TG_OK : err ? err : TG_EINVAL;
}

TEST("running out of memory anywhere is told, and nothing leaks")
{
    CHECK_EVERY_ALLOCATION(load_all());
    CHECK_EVERY_ALLOCATION(complain());
}

/* ---- recorded listings ---- */

static struct tg_buf read_all(const char *dir, const char *name)
{
    struct tg_buf b = { 0 };
    char path[512], part[4096];
    size_t n;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!CHECK(f != NULL))
        return b;
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        tg_buf_add(&b, part, n);
    fclose(f);
    return b;
}

TEST("recorded answers of GET /models are catalogues")
{
    static const struct { const char *name; size_t models; } files[] = {
        { "catalogs/openrouter/models.2026-08.rig-cassette.json", 413 },
        { "catalogs/openrouter/models.2025-12-31.chatlas-cassette.json", 353 },
    };
    const char *dir = check_data_dir();

    CHECK(true);
    for (size_t i = 0; dir && i < COUNT(files); i++) {
        struct tg_buf text = read_all(dir, files[i].name);
        struct tg_catalog *c = fresh();

        check_context = files[i].name;
        CHECK_INT(tg_catalog_add(c, tg_buf_view(&text), "models.json", &why, &skipped), TG_OK);
        CHECK_STR(tg_buf_view(&why), "");
        CHECK_INT(tg_catalog_seal(c), TG_OK);
        CHECK_INT(c->models_count, files[i].models);
        for (size_t m = 0; m < c->models_count; m++) {
            const struct tg_model *found = tg_catalog_find(c, c->models[m].id);
            CHECK(found == &c->models[m]);
            CHECK(c->models[m].context_length > 0 && c->models[m].inputs & 1 << TG_MODE_TEXT);
            CHECK(tg_catalog_find(c, c->models[m].canonical_slug) != NULL
                  || tg_str_ends(c->models[m].id, ":free")
                  || tg_str_ends(c->models[m].id, ":batch"));
        }
        tg_buf_done(&text);
        done(c);
    }
}

TEST_MAIN
