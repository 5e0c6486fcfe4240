/* http1.h -- HTTP/1.1 framing, both directions, strict (RFC 9110, RFC 9112).
 *
 * Pure: bytes in, facts out. A head is parsed where it stands; parse again
 * with more bytes while the answer is TG_AGAIN (`seen` makes that cheap).
 * What could be read two ways is refused: bare CR, LF or NUL in a field,
 * unknown or repeated transfer codings, Content-Length beside
 * Transfer-Encoding, several lengths that differ, white space before the
 * colon, obsolete line folding. */
#ifndef TG_HTTP1_H
#define TG_HTTP1_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    TG_HTTP1_FIELDS_MAX  = 128,
    TG_HTTP1_HEAD_MAX    = 64 * 1024,    /* bytes of a whole head */
    TG_HTTP1_TARGET_MAX  = 8 * 1024,
    TG_HTTP1_CHUNK_LINE_MAX = 1024,      /* bytes of a chunk-size line, or of all trailers */
    TG_HTTP1_CHUNK_WASTE_MAX = 16 * 1024 /* bytes of chunk lines beyond 16 + twice the chunk's,
                                          * over all chunks */
};

struct tg_http1_field {
    struct tg_str name;        /* as sent; compare with tg_str_iis() */
    struct tg_str value;       /* without the white space around it */
};

enum tg_http1_framing {
    TG_HTTP1_NO_BODY,
    TG_HTTP1_LENGTH,           /* body_bytes says how long */
    TG_HTTP1_CHUNKED,
    TG_HTTP1_UNTIL_CLOSE       /* responses only */
};

struct tg_http1_head {
    /* request */
    struct tg_str method, target;
    /* response */
    int           status;
    /* both */
    int           minor;                 /* HTTP/1.minor */
    enum tg_http1_framing framing;
    uint64_t      body_bytes;            /* with TG_HTTP1_LENGTH */
    bool          keep_alive;            /* may the connection serve another exchange? */
    bool          expects_continue;      /* Expect: 100-continue */
    size_t        head_bytes;            /* up to and with the empty line */
    size_t        fields_count;
    struct tg_http1_field fields[TG_HTTP1_FIELDS_MAX];
};

/* Why a request was refused: the status to answer with, after which the
 * connection is closed. 0 when it was not. */
struct tg_http1_fault {
    int         status;                  /* 400, 413, 414, 417, 431, 505 */
    const char *why;                     /* one sentence, static */
};

/* Parse a request head at the start of `in`. TG_AGAIN while incomplete;
 * *seen (0 at first, 0 again behind TG_OK) is where the search for its end goes
 * on. TG_EINVAL with *fault filled in when it must be refused. Empty lines before the request
 * line are skipped and counted in head_bytes. A request whose version is
 * HTTP/1.0 is accepted with keep_alive as it asks. Any method that is a token
 * passes: which ones are served is for the caller to say. Views hold as long
 * as the bytes of `in`; *h means nothing unless TG_OK. */
tg_err tg_http1_request(struct tg_str in, size_t *seen, struct tg_http1_head *h,
                        struct tg_http1_fault *fault);

/* Parse a response head. `to_head` for the answer to a HEAD request. 1xx
 * answers are returned like others: the caller skips them (101 is refused).
 * With both a length and chunked coding, chunked wins and keep_alive is
 * false. TG_EINVAL or TG_ETOOBIG when it cannot be trusted. */
tg_err tg_http1_response(struct tg_str in, size_t *seen, bool to_head, struct tg_http1_head *h);

/* Path and query of a request's target whatever its form: from the first '/'
 * behind the host; "*" stays "*". */
struct tg_str tg_http1_path(const struct tg_http1_head *h);

/* The value of the first field of that name; `at` NULL when absent. */
struct tg_str tg_http1_get(const struct tg_http1_head *h, const char *name);

/* Are these all token characters (RFC 9110 5.6.2), at least one? */
bool tg_http1_is_token(struct tg_str s);

/* May this go into a field value: no CR, LF, NUL or other control but tab? */
bool tg_http1_is_value(struct tg_str s);

/* ---- bodies ---- */

/* Takes the framing off a body, piece by piece. */
struct tg_http1_body {
    enum tg_http1_framing framing;
    uint64_t left;             /* of the length, or of the chunk */
    uint8_t  state;
    uint16_t line_bytes;       /* of the chunk-size line or the trailers so far */
    uint32_t waste_bytes;      /* see TG_HTTP1_CHUNK_WASTE_MAX */
    bool     done;
};

void tg_http1_body_init(struct tg_http1_body *b, const struct tg_http1_head *h);

/* Take the next run of body bytes from the front of *in, moving it forward.
 * TG_OK with a non-empty *out (a view into the input); TG_AGAIN when all of
 * *in was used and more is to come; TG_OK with an empty *out and b->done at
 * the end, bytes behind the body left in *in. TG_EINVAL for broken chunks and
 * for lines beyond the limits, then and ever after. */
tg_err tg_http1_body_next(struct tg_http1_body *b, struct tg_str *in, struct tg_str *out);

/* The connection was closed by the peer: was the body whole? */
bool tg_http1_body_whole_at_close(const struct tg_http1_body *b);

#endif
