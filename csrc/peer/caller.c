#include "peer/caller.h"

#include "base/mem.h"
#include "peer/client_impl.h"

struct caller {
    struct tg_client client;               /* first: what others know of it */
    struct tg_caller_sink sink;
    void (*on_gone)(void *attached);
    void (*on_drained)(void *attached);
    void *attached;
    struct tg_buf body;                    /* of the request, until it is taken */
};

static struct caller *of(struct tg_client *client)
{
    return (struct caller *)client;
}

static void attach(struct tg_client *client, void *what)
{
    of(client)->attached = what;
}

static struct tg_buf take_body(struct tg_client *client, struct tg_str body)
{
    struct caller *c = of(client);
    struct tg_buf taken = c->body;

    c->body = (struct tg_buf){ 0 };
    return taken;
}

static void over(struct caller *c, struct tg_str last, bool is_whole)
{
    struct tg_caller_sink sink = c->sink;

    tg_buf_done(&c->body);
    tg_free(c);
    sink.on_end(sink.arg, last, is_whole);
}

static void begin(struct tg_client *client, int status, struct tg_str fields)
{
    struct caller *c = of(client);

    c->sink.on_head(c->sink.arg, status, fields);
}

static bool send_piece(struct tg_client *client, struct tg_str bytes)
{
    struct caller *c = of(client);

    return !bytes.len || c->sink.on_bytes(c->sink.arg, bytes);
}

static void end(struct tg_client *client, struct tg_str last)
{
    over(of(client), last, true);
}

static void reply(struct tg_client *client, int status, struct tg_str fields, struct tg_str body)
{
    begin(client, status, fields);
    end(client, body);
}

static void cut(struct tg_client *client)
{
    over(of(client), TG_STR(""), false);
}

static const struct tg_client_impl caller_impl = {
    .attach = attach, .take_body = take_body, .reply = reply, .begin = begin, .send = send_piece,
    .end = end, .abort = cut,
};

struct tg_client *tg_caller_new(const struct tg_caller_sink *sink, struct tg_buf *body,
                                void (*on_gone)(void *attached), void (*on_drained)(void *attached))
{
    struct caller *c = tg_zalloc(sizeof *c);

    if (!c)
        return NULL;
    *c = (struct caller){ .client = { &caller_impl }, .sink = *sink, .on_gone = on_gone,
                          .on_drained = on_drained, .body = *body };
    *body = (struct tg_buf){ 0 };
    return &c->client;
}

struct tg_str tg_caller_body(const struct tg_client *client)
{
    return tg_buf_view(&((const struct caller *)client)->body);
}

void tg_caller_drained(struct tg_client *client)
{
    struct caller *c = of(client);

    if (c->attached)
        c->on_drained(c->attached);
}

void tg_caller_leave(struct tg_client *client)
{
    struct caller *c = of(client);
    void *attached = c->attached;
    void (*on_gone)(void *) = c->on_gone;

    tg_buf_done(&c->body);
    tg_free(c);
    if (attached)
        on_gone(attached);
}
