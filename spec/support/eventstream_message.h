/* eventstream_message.h -- write messages of AWS's event stream, right ones and
 * wrong ones; sharing not a line with what reads them.
 *
 *     message_put_header(&headers, ":event-type", 7, TG_STR("chunk"));
 *     message_put(&stream, tg_buf_view(&headers), TG_STR("{}"));
 */
#ifndef TG_EVENTSTREAM_MESSAGE_H
#define TG_EVENTSTREAM_MESSAGE_H

#include <stdint.h>
#include <string.h>
#include "base/buf.h"

/* The polynomial, bit by bit. */
static inline uint32_t message_crc(const char *at, size_t n)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ UINT32_C(0xedb88320) : crc >> 1;
    }
    return ~crc;
}

static inline void message_put_number(struct tg_buf *out, uint32_t n, int bytes)
{
    while (bytes-- > 0)
        tg_buf_char(out, (char)(n >> 8 * bytes));
}

/* What is added to the right lengths and checksums. */
struct message_lies {
    uint32_t total, headers, prelude_crc, crc;
};

static inline void message_put_lying(struct tg_buf *out, struct tg_str headers,
                                     struct tg_str payload, struct message_lies by)
{
    size_t from = out->len;

    message_put_number(out, (uint32_t)(16 + headers.len + payload.len) + by.total, 4);
    message_put_number(out, (uint32_t)headers.len + by.headers, 4);
    message_put_number(out, message_crc(out->at + from, 8) + by.prelude_crc, 4);
    tg_buf_str(out, headers);
    tg_buf_str(out, payload);
    message_put_number(out, message_crc(out->at + from, out->len - from) + by.crc, 4);
}

static inline void message_put(struct tg_buf *out, struct tg_str headers, struct tg_str payload)
{
    message_put_lying(out, headers, payload, (struct message_lies){ 0 });
}

/* A header of any type; what `value` is, is not looked at. */
static inline void message_put_header(struct tg_buf *out, const char *name, int type,
                                      struct tg_str value)
{
    message_put_number(out, (uint32_t)strlen(name), 1);
    tg_buf_z(out, name);
    message_put_number(out, (uint32_t)type, 1);
    if (type == 6 || type == 7)
        message_put_number(out, (uint32_t)value.len, 2);
    tg_buf_str(out, value);
}

#endif
