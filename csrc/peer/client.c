#include "peer/client_impl.h"

void tg_client_attach(struct tg_client *c, void *what)
{
    c->impl->attach(c, what);
}

struct tg_buf tg_client_take_body(struct tg_client *c, struct tg_str body)
{
    return c->impl->take_body(c, body);
}

void tg_client_reply(struct tg_client *c, int status, struct tg_str fields, struct tg_str body)
{
    c->impl->reply(c, status, fields, body);
}

void tg_client_begin(struct tg_client *c, int status, struct tg_str fields)
{
    c->impl->begin(c, status, fields);
}

bool tg_client_send(struct tg_client *c, struct tg_str bytes)
{
    return c->impl->send(c, bytes);
}

void tg_client_end(struct tg_client *c, struct tg_str last)
{
    c->impl->end(c, last);
}

void tg_client_abort(struct tg_client *c)
{
    c->impl->abort(c);
}
