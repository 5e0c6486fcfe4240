#include "flow/route.h"

#include <string.h>

#include "wire/url.h"

static bool cut_prefix(struct tg_str *path, const char *prefix)
{
    size_t n = strlen(prefix);

    if (!tg_str_starts(*path, prefix) || (path->len > n && path->at[n] != '/'))
        return false;
    path->at += n;
    path->len -= n;
    return true;
}

static struct tg_str path_of(struct tg_str target)
{
    struct tg_str head, tail;

    /* absolute-form: what stands behind the authority */
    if (target.len && target.at[0] != '/') {
        const char *p = memmem(target.at, target.len, "://", 3);
        if (p) {
            struct tg_str rest = { p + 3, target.len - (size_t)(p + 3 - target.at) };
            const char *slash = memchr(rest.at, '/', rest.len);
            if (!slash)
                return TG_STR("/");
            return (struct tg_str){ slash, rest.len - (size_t)(slash - rest.at) };
        }
    }
    tg_str_cut(target, '#', &head, &tail);
    return head;
}

static bool is_asked(struct tg_str query, const char *pair)
{
    struct tg_str one;

    for (bool more = true; more;) {
        more = tg_str_cut(query, '&', &one, &query);
        if (tg_str_is(one, pair))
            return true;
    }
    return false;
}

static bool is_below(struct tg_str path, const char *place)
{
    return cut_prefix(&path, place);
}

/* Whose client asks for what nobody relays, listings and mistakes, where the
 * prefix does not tell. */
static void find_client(struct tg_route *r, const struct tg_http1_head *head)
{
    if (r->format != TG_API_CHAT)
        return;
    if (is_below(r->path, "/responses"))
        r->format = TG_API_RESPONSES;
    else if (is_below(r->path, "/messages") || tg_http1_get(head, "anthropic-version").len)
        r->format = TG_API_MESSAGES;
}

static void find_named(struct tg_route *r)
{
    static const struct { const char *path; enum tg_api api, format; } routes[] = {
        { "/chat/completions",       TG_API_CHAT,        TG_API_CHAT },
        { "/completions",            TG_API_COMPLETIONS, TG_API_CHAT },
        { "/embeddings",             TG_API_EMBEDDINGS,  TG_API_CHAT },
        { "/rerank",                 TG_API_RERANK,      TG_API_CHAT },
        { "/messages",               TG_API_MESSAGES,    TG_API_MESSAGES },
        { "/messages/count_tokens",  TG_API_COUNT,       TG_API_MESSAGES },
        { "/responses",              TG_API_RESPONSES,   TG_API_RESPONSES },
        { "/responses/input_tokens", TG_API_COUNT,       TG_API_RESPONSES },
    };

    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (tg_str_is(r->path, routes[i].path)) {
            r->relays = true;
            r->api = routes[i].api;
            r->format = routes[i].format;
        }
}

/* "/models/google/gemini-2.5-flash:generateContent": the last colon is Google's. */
static void find_google(struct tg_route *r)
{
    static const struct { const char *verb; enum tg_api api; bool streams, is_batch; } verbs[] = {
        { ":generateContent",       .api = TG_API_GEMINI },
        { ":streamGenerateContent", .api = TG_API_GEMINI, .streams = true },
        { ":countTokens",           .api = TG_API_COUNT },
        { ":embedContent",          .api = TG_API_EMBEDDINGS },
        { ":batchEmbedContents",    .api = TG_API_EMBEDDINGS, .is_batch = true },
    };
    static const char models[] = "/models/";
    size_t head = sizeof models - 1;

    if (!tg_str_starts(r->path, models))
        return;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        size_t tail = strlen(verbs[i].verb);
        if (!tg_str_ends(r->path, verbs[i].verb) || r->path.len <= head + tail)
            continue;
        r->relays = true;
        r->api = verbs[i].api;
        r->format = TG_API_GEMINI;
        r->streams = verbs[i].streams;
        r->is_batch = verbs[i].is_batch;
        r->wants_array = r->streams && !is_asked(r->query, "alt=sse");
        r->model = (struct tg_str){ r->path.at + head, r->path.len - head - tail };
    }
}

static enum tg_fault_shape shape_of(const struct tg_route *r)
{
    switch (r->format) {
    case TG_API_MESSAGES:  return TG_SHAPE_MESSAGES;
    case TG_API_RESPONSES: return TG_SHAPE_RESPONSES;
    case TG_API_GEMINI:    return r->wants_array ? TG_SHAPE_GEMINI_ARRAY : TG_SHAPE_GEMINI;
    default:               return TG_SHAPE_CHAT;
    }
}

struct tg_route tg_route_of(const struct tg_http1_head *head)
{
    static const struct { const char *path; enum tg_api format; } prefixes[] = {
        { "/api/v1", TG_API_CHAT },       { "/v1", TG_API_CHAT },
        { "/api/v1beta", TG_API_GEMINI }, { "/v1beta", TG_API_GEMINI },
    };
    struct tg_route r = { .format = TG_API_CHAT };

    tg_str_cut(path_of(head->target), '?', &r.path, &r.query);
    if (tg_str_is(r.path, "/health")) {
        r.known = r.is_health = true;
        return r;
    }
    for (size_t i = 0; !r.known && i < sizeof prefixes / sizeof *prefixes; i++) {
        r.known = cut_prefix(&r.path, prefixes[i].path);
        r.format = r.known ? prefixes[i].format : TG_API_CHAT;
    }
    if (r.known) {
        find_named(&r);
        find_google(&r);
        if (!r.relays)
            find_client(&r, head);
    } else if (tg_str_is(r.path, "/v2/rerank") || tg_str_is(r.path, "/api/v2/rerank")) {
        r.known = r.relays = true;             /* where Cohere's clients have it */
        r.api = TG_API_RERANK;
    }
    r.shape = shape_of(&r);
    return r;
}

tg_err tg_route_put_model(const struct tg_route *r, struct tg_buf *out)
{
    return tg_url_decode(r->model, false, out);
}
