/* The body that an endpoint is sent. Declared in needs.h. */
#include "route/body.h"

#include "route/needs.h"

/* What becomes of the body for one endpoint. */
struct changes {
    struct tg_edit edits[TG_NEEDS_MEMBERS_MAX];
    struct tg_str  added[3];       /* members to append */
    size_t         added_count;
    uint32_t       dropped;        /* parameters */
};

static void remove_field(struct changes *c, const struct tg_needs *n, int field)
{
    for (size_t i = 0; i < n->members_count; i++)
        if (n->fields[i] == field)
            c->edits[i].verb = TG_EDIT_REMOVE;
}

/* Give a member this value; false when the body has no such member. */
static bool replace_field(struct changes *c, const struct tg_needs *n, int field,
                          struct tg_str value)
{
    for (size_t i = 0; i < n->members_count; i++)
        if (n->fields[i] == field) {
            c->edits[i] = (struct tg_edit){ TG_EDIT_REPLACE, value };
            return true;
        }
    return false;
}

static void add(struct changes *c, struct tg_str member)
{
    c->added[c->added_count++] = member;
}

/* "model":... alone, of what was written for model and stream_options. */
static struct tg_str model_member(const struct tg_endpoint *e)
{
    const char *end = e->upstream_model_json.at + e->upstream_model_json.len;
    return (struct tg_str){ e->members.at, (size_t)(end - e->members.at) };
}

static struct tg_str usage_member(const struct tg_endpoint *e)
{
    size_t model = model_member(e).len + 1;        /* and the comma */
    return (struct tg_str){ e->members.at + model, e->members.len - model };
}

static void change_stream_options(struct changes *c, const struct tg_needs *n,
                                  const struct tg_endpoint *e)
{
    if (!n->stream || !tg_api_streams(n->api))
        return;
    if (e->provider->no_stream_options)
        remove_field(c, n, TG_FIELD_STREAM_OPTIONS);
    else if (!n->usage_is_asked
             && !replace_field(c, n, TG_FIELD_STREAM_OPTIONS, n->stream_options))
        add(c, usage_member(e));
}

uint32_t tg_needs_unsupported(const struct tg_needs *n, const struct tg_endpoint *e)
{
    const uint32_t reasoning = TG_PARAM_BIT(REASONING) | TG_PARAM_BIT(REASONING_EFFORT);
    bool is_converted = n->is_made || tg_endpoint_wire(e, n->api)->native != TG_API_CHAT;
    uint32_t has = e->params;

    if (is_converted && has & reasoning)
        has |= reasoning;
    return n->params & ~has;
}

/* A limit under the name that the endpoint does not know goes under the other. */
static uint32_t rename_limit(struct changes *c, const struct tg_needs *n,
                             const struct tg_endpoint *e, uint32_t dropped)
{
    const uint32_t both = TG_PARAM_BIT(MAX_TOKENS) | TG_PARAM_BIT(MAX_COMPLETION_TOKENS);

    if (!(dropped & both) || !(e->params & both) || !n->other_limit.len)
        return dropped;
    add(c, n->other_limit);
    return dropped & ~both;
}

static void drop_params(struct changes *c, const struct tg_needs *n, const struct tg_endpoint *e)
{
    uint32_t unsupported = tg_needs_unsupported(n, e);

    /* An endpoint may take some tool choices and not others. */
    if (n->tool_choice && !(e->tool_choices & n->tool_choice))
        unsupported |= n->params & TG_PARAM_BIT(TOOL_CHOICE);
    for (size_t i = 0; unsupported && i < n->members_count; i++)
        if (n->fields[i] < TG_PARAMS && unsupported & UINT32_C(1) << n->fields[i])
            c->edits[i].verb = TG_EDIT_REMOVE;
    c->dropped = rename_limit(c, n, e, unsupported);
}

static void make_changes(struct changes *c, const struct tg_needs *n, const struct tg_endpoint *e)
{
    static const enum tg_field ours[] = { TG_FIELD_PROVIDER, TG_FIELD_MODELS, TG_FIELD_ROUTE,
                                          TG_FIELD_POLICY };

    for (size_t i = 0; i < n->members_count; i++)
        c->edits[i] = (struct tg_edit){ 0 };
    c->added_count = 0;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        remove_field(c, n, ours[i]);
    drop_params(c, n, e);
    if (!replace_field(c, n, TG_FIELD_MODEL, e->upstream_model_json))
        add(c, model_member(e));
    change_stream_options(c, n, e);
}

/* Put a member behind the others: the last piece's last byte is the brace. */
static tg_err append(struct tg_str *pieces, size_t cap, size_t *count, size_t *bytes,
                     struct tg_str member)
{
    struct tg_str *last = &pieces[*count - 1];

    if (*count + 3 > cap)
        return TG_ETOOBIG;
    if (!--last->len)
        --*count;
    pieces[(*count)++] = TG_STR(",");
    pieces[(*count)++] = member;
    pieces[(*count)++] = TG_STR("}");
    *bytes += 1 + member.len;
    return TG_OK;
}

tg_err tg_needs_body(const struct tg_needs *n, const struct tg_endpoint *e,
                     struct tg_str *pieces, size_t cap, size_t *count, size_t *bytes,
                     uint32_t *dropped)
{
    struct changes c;

    make_changes(&c, n, e);
    struct tg_str first = c.added_count ? c.added[0] : TG_STR("");
    tg_err err = tg_edit_pieces(n->body, n->members, n->members_count, c.edits, first, pieces, cap,
                                count, bytes);
    for (size_t i = 1; !err && i < c.added_count; i++)
        err = append(pieces, cap, count, bytes, c.added[i]);
    if (!err)
        *dropped = c.dropped;
    return err;
}
