/* sigv4.h -- AWS Signature Version 4: the header fields that say who asks.
 *
 * For all services but S3, which treats paths otherwise. Host, date, session
 * token, content type and body are signed; the moment comes from the caller,
 * and a service refuses one that is more than five minutes off. */
#ifndef TG_SIGV4_H
#define TG_SIGV4_H

#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { TG_SIGV4_QUERY_MAX = 64 };       /* parameters of a query */

/* Who asks, and for what service: "us-east-1", "bedrock". */
struct tg_sigv4 {
    struct tg_str access_key, secret_key;
    struct tg_str session_token;        /* of temporary keys; else empty */
    struct tg_str region, service;
};

/* What is asked, as it is sent. */
struct tg_sigv4_request {
    struct tg_str method;
    struct tg_str path;                 /* percent-encoded, no empty or dot segments; empty is "/" */
    struct tg_str query;                /* percent-encoded, behind '?'; may be empty */
    struct tg_str host;                 /* the Host field's value */
    struct tg_str content_type;         /* the Content-Type field's value; empty: there is none */
    const struct tg_str *body;          /* in this many pieces */
    size_t        body_pieces;
};

/* Append the fields X-Amz-Date, X-Amz-Security-Token (where there is a token)
 * and Authorization, each with its line end. `wall_s` is Unix time. TG_EINVAL
 * when a key, region, service or host is missing or anything has a control
 * character in it, TG_ETOOBIG past TG_SIGV4_QUERY_MAX, TG_ENOMEM. */
tg_err tg_sigv4_sign(const struct tg_sigv4 *who, const struct tg_sigv4_request *what,
                     uint64_t wall_s, struct tg_buf *fields);

#endif
