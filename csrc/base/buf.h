/* buf.h -- bytes that grow at the end.
 *
 * A buffer is held by its owner and freed with tg_buf_done(); all zero is an
 * empty one that owns nothing. Pointers into it hold until the next call that
 * adds to it: keep offsets. A buffer that was refused memory stays `bad`
 * until tg_buf_reset(), adds nothing more and says TG_ENOMEM each time, so
 * that a run of additions may be checked once at its end. */
#ifndef TG_BUF_H
#define TG_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/err.h"
#include "base/str.h"

struct tg_buf {
    char  *at;
    size_t len;
    size_t cap;
    bool   bad;       /* an addition failed: what is here is incomplete */
};

void tg_buf_init(struct tg_buf *b);
void tg_buf_done(struct tg_buf *b);

/* Forget the content and keep the memory. */
void tg_buf_reset(struct tg_buf *b);

/* Make room for n more bytes. */
tg_err tg_buf_reserve(struct tg_buf *b, size_t n);

/* Add bytes. Inline, because answers are put together from many short pieces:
 * the usual case is one comparison and one copy. */
static inline tg_err tg_buf_add(struct tg_buf *b, const void *bytes, size_t n)
{
    if (b->bad || n > b->cap - b->len) {
        tg_err err = tg_buf_reserve(b, n);
        if (err)
            return err;
    }
    if (n)
        memcpy(b->at + b->len, bytes, n);
    b->len += n;
    return TG_OK;
}

static inline tg_err tg_buf_str(struct tg_buf *b, struct tg_str s)
{
    return tg_buf_add(b, s.at, s.len);
}

static inline tg_err tg_buf_z(struct tg_buf *b, const char *z)
{
    return tg_buf_add(b, z, strlen(z));
}

static inline tg_err tg_buf_char(struct tg_buf *b, char c)
{
    return tg_buf_add(b, &c, 1);
}

tg_err tg_buf_u64(struct tg_buf *b, uint64_t n);
tg_err tg_buf_i64(struct tg_buf *b, int64_t n);

/* printf into the buffer. Not for the path of every request. */
tg_err tg_buf_printf(struct tg_buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Drop the first n bytes (n <= len). */
void tg_buf_eat(struct tg_buf *b, size_t n);

/* The content as a view, until the next addition. */
struct tg_str tg_buf_view(const struct tg_buf *b);

/* The content as a zero-terminated string (the zero is not counted in len).
 * NULL when out of memory. */
const char *tg_buf_cstr(struct tg_buf *b);

#endif
