/* http1_request_fuzz.c -- a request head is taken or refused, the same however
 * it is cut, and what is taken cannot be read another way. The first byte says
 * where to cut. */
#include "wire/http1.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tg_http1_head head, cut_head;

static bool is_inside(struct tg_str part, struct tg_str whole)
{
    return part.at >= whole.at && part.at + part.len <= whole.at + whole.len;
}

static size_t count(const struct tg_http1_head *h, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < h->fields_count; i++)
        n += tg_str_iis(h->fields[i].name, name);
    return n;
}

static void check_fields(struct tg_str in)
{
    assert(head.fields_count <= TG_HTTP1_FIELDS_MAX);
    for (size_t i = 0; i < head.fields_count; i++) {
        const struct tg_http1_field *f = &head.fields[i];
        assert(is_inside(f->name, in) && is_inside(f->value, in));
        assert(tg_http1_is_token(f->name));
        assert(tg_http1_is_value(f->value));
        assert(tg_str_eq(tg_str_trim(f->value), f->value));
    }
}

static void check_framing(void)
{
    size_t codings = count(&head, "transfer-encoding"), lengths = count(&head, "content-length");

    assert(count(&head, "host") == 1 || (head.minor == 0 && count(&head, "host") == 0));
    assert(codings + lengths <= 1);
    switch (head.framing) {
    case TG_HTTP1_NO_BODY:
        assert(codings + lengths == 0);
        break;
    case TG_HTTP1_LENGTH:
        assert(lengths == 1 && head.body_bytes <= INT64_MAX);
        break;
    case TG_HTTP1_CHUNKED:
        assert(codings == 1 && head.minor > 0);
        assert(tg_str_iis(tg_http1_get(&head, "transfer-encoding"), "chunked"));
        break;
    case TG_HTTP1_UNTIL_CLOSE:
        assert(!"a request has an end");
    }
}

static void check_head(struct tg_str in)
{
    struct tg_str path = tg_http1_path(&head);

    assert(head.head_bytes <= in.len && head.head_bytes <= TG_HTTP1_HEAD_MAX);
    assert(memcmp(in.at + head.head_bytes - 4, "\r\n\r\n", 4) == 0);
    assert(tg_http1_is_token(head.method));
    assert(head.target.len <= TG_HTTP1_TARGET_MAX && is_inside(head.target, in));
    for (size_t i = 0; i < head.target.len; i++)
        assert(head.target.at[i] > 0x20 && head.target.at[i] < 0x7f);
    assert(tg_str_is(path, "*") || tg_str_starts(path, "/"));
    in.len = head.head_bytes;
    check_fields(in);
    check_framing();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_http1_fault fault, cut_fault;
    size_t seen = 0, cut_seen = 0;

    if (size == 0)
        return 0;
    struct tg_str in = { (const char *)data + 1, size - 1 };
    tg_err err = tg_http1_request(in, &seen, &head, &fault);

    assert(err == TG_OK || err == TG_AGAIN || err == TG_EINVAL);
    assert((err == TG_EINVAL) == (fault.status >= 400));
    assert((err == TG_EINVAL) == (fault.why != NULL));
    assert(seen <= in.len);
    if (err == TG_OK)
        check_head(in);

    tg_err cut = TG_AGAIN;
    size_t step = 1 + data[0];
    for (size_t have = step; cut == TG_AGAIN; have += step) {
        have = have < in.len ? have : in.len;
        cut = tg_http1_request((struct tg_str){ in.at, have }, &cut_seen, &cut_head, &cut_fault);
        if (have == in.len)
            break;
    }
    assert(cut == err);
    assert(cut_fault.status == fault.status);
    assert(err || (cut_head.head_bytes == head.head_bytes && cut_head.framing == head.framing
                   && cut_head.fields_count == head.fields_count));
    return 0;
}
