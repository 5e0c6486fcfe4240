#include "route/native.h"

#include "route/word.h"
#include "wire/json_pass.h"

/* What becomes of a member that has a meaning here; every other one passes. */
enum member { MODEL, OURS, STORE };

/* The gateway's business in all formats. `user` is OpenAI's own in Responses. */
static const struct tg_word names[] = {
    TG_WORD("debug", OURS),      TG_WORD("fallbacks", OURS), TG_WORD("image_config", OURS),
    TG_WORD("model", MODEL),     TG_WORD("models", OURS),    TG_WORD("plugins", OURS),
    TG_WORD("policy", OURS),     TG_WORD("provider", OURS),  TG_WORD("route", OURS),
    TG_WORD("session_id", OURS), TG_WORD("store", STORE),    TG_WORD("trace", OURS),
};

/* Parameters whose names mean the same as in a chat. A limit is none of them:
 * Anthropic requires one. */
static uint32_t may_be_dropped(void)
{
    return TG_PARAM_BIT(TEMPERATURE) | TG_PARAM_BIT(TOP_P) | TG_PARAM_BIT(TOP_K) |
           TG_PARAM_BIT(TOOLS) | TG_PARAM_BIT(TOOL_CHOICE) | TG_PARAM_BIT(PARALLEL_TOOL_CALLS);
}

struct work {
    enum tg_api format;
    const struct tg_endpoint *e;
    const struct tg_wire *wire;
    uint32_t unsupported, dropped;
    bool     has_model, has_store;
};

static void edit_member(struct work *w, struct tg_str name, struct tg_edit *edit)
{
    int known = tg_word_find(names, TG_WORDS(names), name), param = tg_param_of(name);

    *edit = (struct tg_edit){ .verb = TG_EDIT_KEEP };
    w->has_store |= known == STORE;
    if (known == MODEL && !w->wire->omits_model && w->format != TG_API_GEMINI) {
        w->has_model = true;
        *edit = (struct tg_edit){ TG_EDIT_REPLACE, w->e->upstream_model_json };
    } else if (known == MODEL || known == OURS ||
               (w->format == TG_API_MESSAGES && tg_str_is(name, "user"))) {
        edit->verb = TG_EDIT_REMOVE;
    } else if (param >= 0 && w->unsupported & UINT32_C(1) << param) {
        edit->verb = TG_EDIT_REMOVE;
        w->dropped |= UINT32_C(1) << param;
    }
}

/* Members that the body must have and has not, without outer commas. */
static tg_err put_more(const struct work *w, struct tg_buf *more)
{
    bool wants_model = !w->has_model && !w->wire->omits_model && w->format != TG_API_GEMINI;

    if (wants_model) {
        tg_buf_z(more, "\"model\":");
        tg_buf_str(more, w->e->upstream_model_json);
    }
    /* Nothing is kept at the provider: previous_response_id cannot be asked for anyway. */
    if (w->format == TG_API_RESPONSES && !w->has_store)
        tg_buf_z(more, more->len ? ",\"store\":false" : "\"store\":false");
    if (w->wire->adds.len) {
        tg_buf_z(more, more->len ? "," : "");
        tg_buf_str(more, w->wire->adds);
    }
    return more->bad ? TG_ENOMEM : TG_OK;
}

static tg_err keep_more(const struct work *w, struct tg_arena *arena, struct tg_str *kept)
{
    struct tg_buf more = { 0 };
    tg_err err = put_more(w, &more);

    *kept = err ? (struct tg_str){ 0 } : tg_arena_copy(arena, tg_buf_view(&more));
    tg_buf_done(&more);
    return kept->at ? TG_OK : TG_ENOMEM;
}

tg_err tg_native_body(enum tg_api format, struct tg_str text, const struct tg_endpoint *e,
                      const struct tg_needs *n, struct tg_arena *arena, struct tg_str *pieces,
                      size_t cap, size_t *count, size_t *bytes, uint32_t *dropped)
{
    struct work w = { .format = format, .e = e, .wire = tg_endpoint_wire(e, format),
                      .unsupported = n->params & ~e->params & may_be_dropped() };
    struct tg_json_member *members =
        tg_arena_get(arena, TG_NEEDS_MEMBERS_MAX * sizeof *members);
    struct tg_edit *edits = tg_arena_get(arena, TG_NEEDS_MEMBERS_MAX * sizeof *edits);
    struct tg_json object;
    struct tg_str more;
    size_t found;

    if (!members || !edits)
        return TG_ENOMEM;
    tg_err err = tg_json_check_members(text, TG_JSON_DEPTH_MAX, &object, members,
                                       TG_NEEDS_MEMBERS_MAX, &found, NULL);
    if (!err && found > TG_NEEDS_MEMBERS_MAX)
        err = TG_ETOOBIG;
    for (size_t i = 0; !err && i < found; i++)
        edit_member(&w, members[i].key, &edits[i]);
    if (!err)
        err = keep_more(&w, arena, &more);
    if (!err)
        err = tg_edit_pieces(object, members, found, edits, more, pieces, cap, count, bytes);
    *dropped = w.dropped;
    return err;
}
