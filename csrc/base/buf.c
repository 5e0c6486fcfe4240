#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { SMALLEST = 256 };

void tg_buf_init(struct tg_buf *b)
{
    *b = (struct tg_buf){ 0 };
}

void tg_buf_done(struct tg_buf *b)
{
    tg_free(b->at);
    *b = (struct tg_buf){ 0 };
}

void tg_buf_reset(struct tg_buf *b)
{
    b->len = 0;
    b->bad = false;
}

tg_err tg_buf_reserve(struct tg_buf *b, size_t n)
{
    if (b->bad)
        return TG_ENOMEM;
    if (n <= b->cap - b->len)
        return TG_OK;

    size_t cap = b->cap ? b->cap : SMALLEST;
    while (cap - b->len < n) {
        if (cap > SIZE_MAX / 2) {
            b->bad = true;
            return TG_ENOMEM;
        }
        cap *= 2;
    }
    char *at = tg_realloc(b->at, cap);
    if (!at) {
        b->bad = true;
        return TG_ENOMEM;
    }
    b->at = at;
    b->cap = cap;
    return TG_OK;
}

tg_err tg_buf_u64(struct tg_buf *b, uint64_t n)
{
    char digits[20];
    size_t i = sizeof digits;

    do
        digits[--i] = (char)('0' + n % 10);
    while (n /= 10);
    return tg_buf_add(b, digits + i, sizeof digits - i);
}

tg_err tg_buf_i64(struct tg_buf *b, int64_t n)
{
    if (n >= 0)
        return tg_buf_u64(b, (uint64_t)n);
    tg_buf_char(b, '-');
    return tg_buf_u64(b, 0 - (uint64_t)n);
}

tg_err tg_buf_printf(struct tg_buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        return TG_EINVAL;
    tg_err err = tg_buf_reserve(b, (size_t)n + 1);
    if (err)
        return err;
    va_start(args, format);
    vsnprintf(b->at + b->len, (size_t)n + 1, format, args);
    va_end(args);
    b->len += (size_t)n;
    return TG_OK;
}

void tg_buf_eat(struct tg_buf *b, size_t n)
{
    if (n == 0)
        return;
    b->len -= n;
    memmove(b->at, b->at + n, b->len);
}

struct tg_str tg_buf_view(const struct tg_buf *b)
{
    return (struct tg_str){ b->at, b->len };
}

const char *tg_buf_cstr(struct tg_buf *b)
{
    if (tg_buf_reserve(b, 1))
        return NULL;
    b->at[b->len] = '\0';
    return b->at;
}
