/* eventstream.h -- cut a byte stream into the messages of AWS's binary event
 * stream, application/vnd.amazon.eventstream.
 *
 *      0          4            8         12
 *     +----------+------------+---------+---------+---------+---------+
 *     | total    | headers    | CRC32   | headers | payload | CRC32   |
 *     | length   | length     | of both |         |         | of all  |
 *     +----------+------------+---------+---------+---------+---------+
 *      a header: length of name (1 byte), name, type (1 byte), value
 *
 * All numbers are big endian. Both checksums must be right; lengths are looked
 * at before anything but the first 12 bytes is held. The format is Smithy's
 * "Amazon Event Stream Specification". Input may be cut anywhere; the usage is
 * that of wire/sse.h. */
#ifndef TG_EVENTSTREAM_H
#define TG_EVENTSTREAM_H

#include <stdint.h>
#include "wire/carry.h"

enum {
    TG_EVENTSTREAM_HEADERS_MAX = 128 * 1024      /* bytes of one message's headers */
};

/* A message, by the header :message-type. The views belong to the reader, or
 * to the bytes last fed, and hold until the next call on it. */
struct tg_eventstream_event {
    struct tg_str name;        /* :event-type; of an exception :exception-type, of an
                                * error :error-code */
    struct tg_str data;        /* the payload; of an exception or error without one
                                * {"message": ...} with its :error-message */
    bool          is_error;    /* an exception or an error */
};

/* Held by its owner; fields are private. Holds no memory between whole
 * messages. */
struct tg_eventstream {
    size_t          limit;
    struct tg_carry carry;
    struct tg_buf   told;              /* data that is put together */
    uint32_t        total_bytes;       /* of the message; 0 before its lengths are read */
    uint32_t        headers_bytes;
    tg_err          err;               /* it failed; nothing more comes */
};

/* A reader that refuses messages of more than `limit` bytes, all counted. */
void tg_eventstream_init(struct tg_eventstream *r, size_t limit);
void tg_eventstream_done(struct tg_eventstream *r);

/* Lend it bytes; they must stay in place until tg_eventstream_next() said
 * TG_AGAIN. Not before it said so may more be fed. An error is given again. */
tg_err tg_eventstream_feed(struct tg_eventstream *r, struct tg_str bytes);

/* Take the next message. TG_AGAIN when none is whole; TG_ETOOBIG for one that
 * says it will pass a limit, TG_EINVAL for a wrong checksum, for lengths that
 * contradict each other and for headers that are none; TG_ENOMEM. After an
 * error nothing more comes. A message that lies whole in the bytes fed is not
 * copied. */
tg_err tg_eventstream_next(struct tg_eventstream *r, struct tg_eventstream_event *ev);

/* Did the stream stop inside a message? After TG_AGAIN. */
bool tg_eventstream_is_cut(const struct tg_eventstream *r);

#endif
