/* http1_response_fuzz.c -- a response head is taken or refused, the same
 * however it is cut. The first byte says where to cut, and whether HEAD was
 * asked. */
#include "wire/http1.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tg_http1_head head, cut_head;

static void check_head(struct tg_str in, bool to_head)
{
    assert(head.head_bytes <= in.len && head.head_bytes <= TG_HTTP1_HEAD_MAX);
    assert(memcmp(in.at + head.head_bytes - 4, "\r\n\r\n", 4) == 0);
    assert(head.status >= 100 && head.status <= 999 && head.status != 101);
    assert(head.minor >= 0 && head.minor <= 9);
    assert(head.fields_count <= TG_HTTP1_FIELDS_MAX);
    for (size_t i = 0; i < head.fields_count; i++) {
        assert(tg_http1_is_token(head.fields[i].name));
        assert(tg_http1_is_value(head.fields[i].value));
    }
    if (to_head || head.status < 200 || head.status == 204 || head.status == 304)
        assert(head.framing == TG_HTTP1_NO_BODY);
    else
        assert(head.framing != TG_HTTP1_NO_BODY);
    if (head.framing == TG_HTTP1_UNTIL_CLOSE)
        assert(!head.keep_alive && !tg_http1_get(&head, "content-length").at);
    if (head.framing == TG_HTTP1_CHUNKED)
        assert(!head.keep_alive || !tg_http1_get(&head, "content-length").at);
    if (head.framing == TG_HTTP1_LENGTH)
        assert(head.body_bytes <= INT64_MAX && !tg_http1_get(&head, "transfer-encoding").at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t seen = 0, cut_seen = 0;

    if (size == 0)
        return 0;
    struct tg_str in = { (const char *)data + 1, size - 1 };
    bool to_head = data[0] & 0x80;
    tg_err err = tg_http1_response(in, &seen, to_head, &head), cut = TG_AGAIN;

    assert(err == TG_OK || err == TG_AGAIN || err == TG_EINVAL || err == TG_ETOOBIG);
    if (err == TG_OK)
        check_head(in, to_head);

    size_t step = 1 + (data[0] & 0x7f);
    for (size_t have = step; cut == TG_AGAIN; have += step) {
        have = have < in.len ? have : in.len;
        cut = tg_http1_response((struct tg_str){ in.at, have }, &cut_seen, to_head, &cut_head);
        if (have == in.len)
            break;
    }
    assert(cut == err);
    assert(err || (cut_head.head_bytes == head.head_bytes && cut_head.framing == head.framing
                   && cut_head.body_bytes == head.body_bytes
                   && cut_head.keep_alive == head.keep_alive));
    return 0;
}
