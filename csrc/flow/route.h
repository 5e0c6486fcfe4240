/* route.h -- what a request's path asks for. Pure. */
#ifndef TG_ROUTE_H
#define TG_ROUTE_H

#include "wire/completion.h"
#include "wire/fault.h"
#include "wire/http1.h"

struct tg_route {
    bool known;                    /* below one of our prefixes */
    bool relays;                   /* an inference route, of this api ... */
    enum tg_api api;
    enum tg_api format;            /* ... in this client's format: chat, messages, responses or
                                      gemini. Also where nothing is relayed */
    enum tg_fault_shape shape;     /* in which errors are told */
    bool is_health;
    bool streams;                  /* :streamGenerateContent */
    bool wants_array;              /* it, as one JSON array */
    bool is_batch;                 /* :batchEmbedContents */
    struct tg_str model;           /* of Google's paths, still percent-encoded */
    struct tg_str path, query;     /* behind the prefix */
};

struct tg_route tg_route_of(const struct tg_http1_head *head);

/* Append the path's model, decoded. TG_EINVAL for a bad %-escape. */
tg_err tg_route_put_model(const struct tg_route *r, struct tg_buf *out);

#endif
