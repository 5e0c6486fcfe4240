/* retry_after_fuzz.c -- whatever a provider says, the wait is -1, or between
 * nothing and the longest; and saying it behind a Retry-After changes nothing.
 * Fields up to an empty line, then the body. */
#include "wire/retry_after.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tg_http1_head head;

static bool is_wait(int64_t ms)
{
    return ms >= -1 && ms <= TG_RETRY_AFTER_MAX_MS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t now = 1787150062000;
    struct tg_str rest = { (const char *)data, size }, line;

    head.fields_count = 0;
    while (tg_str_cut(rest, '\n', &line, &rest) && line.len && head.fields_count < 8) {
        struct tg_http1_field *f = &head.fields[head.fields_count++];
        tg_str_cut(line, ':', &f->name, &f->value);
        f->value = tg_str_trim(f->value);
        assert(is_wait(tg_retry_after_value(f->value, now)));
        assert(tg_http_date_ms(f->value) >= -1);
        assert(tg_rfc3339_ms(f->value) >= -1);
    }
    assert(is_wait(tg_retry_after(&head, rest, now)));
    assert(is_wait(tg_retry_after(&head, rest, 0)));
    assert(is_wait(tg_retry_after(&head, rest, UINT64_MAX)));

    for (size_t i = head.fields_count; i > 0; i--)
        head.fields[i] = head.fields[i - 1];
    head.fields[0] = (struct tg_http1_field){ TG_STR("Retry-After"), TG_STR("7") };
    head.fields_count++;
    int64_t ms = tg_retry_after(&head, rest, now);
    bool is_finer = false;
    for (size_t i = 1; i < head.fields_count; i++)
        is_finer |= tg_str_iis(head.fields[i].name, "retry-after-ms");
    assert(is_finer ? is_wait(ms) : ms == 7000);
    return 0;
}
