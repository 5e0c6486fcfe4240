#include "wire/carry.h"

#include <assert.h>
#include <stdint.h>

void tg_carry_done(struct tg_carry *c)
{
    tg_buf_done(&c->held);
    *c = (struct tg_carry){ 0 };
}

void tg_carry_feed(struct tg_carry *c, struct tg_str bytes)
{
    assert(c->fed.len == 0);
    c->fed = bytes;
}

void tg_carry_begin(struct tg_carry *c)
{
    if (c->is_taken)
        tg_buf_reset(&c->held);
    c->is_taken = false;
}

void tg_carry_skip(struct tg_carry *c, size_t n)
{
    if (n == c->fed.len)
        c->fed = (struct tg_str){ 0 };
    else
        c->fed = (struct tg_str){ c->fed.at + n, c->fed.len - n };
}

tg_err tg_carry_peek(struct tg_carry *c, size_t n, struct tg_str *bytes)
{
    if (c->held.len == 0 && c->fed.len >= n) {
        *bytes = (struct tg_str){ c->fed.at, n };
        return TG_OK;
    }
    size_t missing = n - c->held.len, more = missing < c->fed.len ? missing : c->fed.len;
    if (tg_buf_add(&c->held, c->fed.at, more))
        return TG_ENOMEM;
    tg_carry_skip(c, more);
    if (more == missing) {
        *bytes = tg_buf_view(&c->held);
        return TG_OK;
    }
    if (c->held.len == 0)
        tg_buf_done(&c->held);
    return TG_AGAIN;
}

tg_err tg_carry_take(struct tg_carry *c, size_t n, struct tg_str *event)
{
    tg_err err = tg_carry_peek(c, n, event);

    if (err)
        return err;
    c->is_taken = c->held.len > 0;
    if (!c->is_taken)
        tg_carry_skip(c, n);
    return TG_OK;
}

tg_err tg_carry_keep(struct tg_carry *c)
{
    struct tg_str none;

    return tg_carry_peek(c, SIZE_MAX, &none);
}

bool tg_carry_is_cut(const struct tg_carry *c)
{
    return c->held.len && !c->is_taken;
}
