#include "peer/upstream.h"

#include "base/mem.h"
#include "peer/upstream_impl.h"

/* Each implementation gets its set when the first request needs it. */
struct side {
    const struct tg_upstream_impl *impl;
    void *set;
};

struct tg_upstreams {
    struct tg_loop        *loop;
    struct tg_tls_context *tls;
    const struct tg_upstream_impl *forced;
    struct side h1, curl;
};

struct tg_upstreams *tg_upstreams_new(struct tg_loop *loop, struct tg_tls_context *tls)
{
    struct tg_upstreams *set = tg_zalloc(sizeof *set);

    if (!set)
        return NULL;
    set->loop = loop;
    set->tls = tls;
    set->h1.impl = &tg_upstream_h1;
    set->curl.impl = &tg_upstream_curl;
    return set;
}

void tg_upstreams_free(struct tg_upstreams *set)
{
    if (!set)
        return;
    if (set->h1.set)
        set->h1.impl->set_free(set->h1.set);
    if (set->curl.set)
        set->curl.impl->set_free(set->curl.set);
    tg_free(set);
}

void tg_upstreams_force(struct tg_upstreams *set, const struct tg_upstream_impl *impl)
{
    set->forced = impl;
}

static void add_count(const struct side *s, size_t *idle, size_t *busy)
{
    size_t more_idle = 0, more_busy = 0;

    if (s->set)
        s->impl->count(s->set, &more_idle, &more_busy);
    *idle += more_idle;
    *busy += more_busy;
}

void tg_upstreams_count(const struct tg_upstreams *set, size_t *idle, size_t *busy)
{
    *idle = *busy = 0;
    add_count(&set->h1, idle, busy);
    add_count(&set->curl, idle, busy);
}

static struct side *side_of(struct tg_upstreams *set, const struct tg_origin *origin)
{
    if (set->forced)
        return set->forced == set->curl.impl ? &set->curl : &set->h1;
    return origin->proxy.len || origin->wants_http2 ? &set->curl : &set->h1;
}

struct tg_upstream *tg_upstream_open(struct tg_upstreams *set, const struct tg_origin *origin,
                                     const struct tg_upstream_request *request,
                                     const struct tg_upstream_handler *handler)
{
    struct side *s = side_of(set, origin);

    if (!s->set)
        s->set = s->impl->set_new(set->loop, set->tls);
    return s->set ? s->impl->open(s->set, origin, request, handler) : NULL;
}

void tg_upstream_pause(struct tg_upstream *up)
{
    up->impl->pause(up);
}

void tg_upstream_resume(struct tg_upstream *up)
{
    up->impl->resume(up);
}

void tg_upstream_cancel(struct tg_upstream *up)
{
    up->impl->cancel(up);
}
