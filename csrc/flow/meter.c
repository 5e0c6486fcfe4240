#include "flow/meter.h"

void tg_meter_begin(struct tg_meter *m, uint64_t now_ms)
{
    *m = (struct tg_meter){ .began_ms = now_ms };
}

void tg_meter_content(struct tg_meter *m, uint64_t now_ms)
{
    if (!m->first_content_ms)
        m->first_content_ms = now_ms;
    m->last_content_ms = now_ms;
}

int64_t tg_meter_ttft_ms(const struct tg_meter *m)
{
    uint64_t from = m->connected_ms ? m->connected_ms : m->began_ms;

    return m->first_content_ms ? (int64_t)(m->first_content_ms - from) : -1;
}

int64_t tg_meter_stream_ms(const struct tg_meter *m)
{
    return (int64_t)(m->last_content_ms - m->first_content_ms);
}
