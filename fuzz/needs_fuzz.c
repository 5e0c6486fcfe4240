/* Any bytes as a request: it is refused with a sentence that is JSON, or what
 * every endpoint is sent is JSON again, with the members that must be gone
 * gone and the model's name the endpoint's. */
#include <stdlib.h>

#include "route/needs.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

static struct tg_catalog *catalog;

static void load(void)
{
    static const struct tg_provider providers[] = {
        { .slug = { "p", 1 } }, { .slug = { "q", 1 }, .no_stream_options = true },
    };
    struct tg_buf why = { 0 };

    catalog = tg_catalog_new(providers, 2);
    MUST(catalog);
    MUST(!tg_catalog_add(catalog, TG_STR(
        "{\"data\":[{\"id\":\"a/b\",\"endpoints\":[{\"provider\":\"p\",\"upstream_model\":\"up\"},"
        "{\"provider\":\"q\",\"upstream_model\":\"up\",\"supported_parameters\":[\"max_tokens\"],"
        "\"supports_tool_choice\":{}}]},{\"id\":\"a/b:free\"},{\"id\":\"~a/b\","
        "\"alias_target\":{\"slug\":\"a/b\"}}]}"), "c.json", &why, NULL));
    MUST(!tg_catalog_seal(catalog));
}

static void check_fault(const struct tg_fault *f)
{
    struct tg_buf out = { 0 };

    MUST(f->type == TG_FAULT_INVALID_REQUEST && f->message.len);
    MUST(!tg_fault_put_body(&out, f, TG_STR("")));
    MUST(!tg_json_check(tg_buf_view(&out), TG_JSON_DEPTH_MAX, NULL, NULL));
    tg_buf_done(&out);
}

static bool has(struct tg_json object, const char *name)
{
    return tg_json_get(object, name).kind != TG_JSON_NONE;
}

static void check_sent(const struct tg_needs *n, const struct tg_endpoint *e, struct tg_str text,
                       uint32_t dropped)
{
    struct tg_json sent;

    MUST(!tg_json_check(text, TG_JSON_DEPTH_MAX, &sent, NULL));
    MUST(tg_json_is(tg_json_get(sent, "model"), "up"));
    MUST(!has(sent, "models") && !has(sent, "provider") && !has(sent, "route") && !has(sent,
        "policy"));
    MUST((dropped & ~n->params) == 0);
    for (int p = 0; p < TG_PARAMS; p++)
        MUST(!(dropped & UINT32_C(1) << p) || !has(sent, tg_param_name(p)));
    if (n->stream)
        MUST(e->provider->no_stream_options
             ? !has(sent, "stream_options")
             : tg_json_get(tg_json_get(sent, "stream_options"),
                 "include_usage").kind == TG_JSON_TRUE);
}

static void check_body(const struct tg_needs *n, const struct tg_endpoint *e)
{
    struct tg_str pieces[TG_EDIT_PIECES(TG_NEEDS_MEMBERS_MAX)];
    size_t count, bytes;
    uint32_t dropped;
    struct tg_buf out = { 0 };

    MUST(!tg_needs_body(n, e, pieces, sizeof pieces / sizeof *pieces, &count, &bytes, &dropped));
    for (size_t i = 0; i < count; i++)
        tg_buf_str(&out, pieces[i]);
    MUST(out.len == bytes);
    check_sent(n, e, tg_buf_view(&out), dropped);
    tg_buf_done(&out);
}

static void check_needs(const struct tg_needs *n)
{
    MUST(n->targets_count > 0 && n->targets_count <= TG_NEEDS_MODELS_MAX);
    MUST(n->prompt_tokens >= 0 && n->max_tokens >= -1 && n->images >= 0);
    MUST(n->api == TG_API_EMBEDDINGS || n->api == TG_API_COMPLETIONS || n->messages_count > 0);
    for (size_t t = 0; t < n->targets_count; t++) {
        const struct tg_model *m = n->targets[t].model;
        MUST(m);
        for (size_t i = 0; i < m->endpoints_count; i++)
            check_body(n, &m->endpoints[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tg_needs n;
    struct tg_fault fault = { 0 };
    struct tg_arena arena;

    if (!catalog)
        load();
    if (!size)
        return 0;
    tg_arena_init(&arena, 4096);
    struct tg_str body = { (const char *)data + 1, size - 1 };
    tg_err err = tg_needs_read(&n, (enum tg_api)(data[0] % 3), body, NULL, catalog, 0, 0, &arena,
                               &fault);
    if (err)
        check_fault(&fault);
    else
        check_needs(&n);
    tg_arena_done(&arena);
    return 0;
}
