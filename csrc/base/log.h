/* log.h -- one line an event, to stderr: a JSON object, or text on a terminal.
 *
 *     struct tg_log l;
 *     if (tg_log_open(&l, TG_LOG_INFO, "request")) {
 *         tg_log_str(&l, "model", model);
 *         tg_log_int(&l, "status", 200);
 *         tg_log_close(&l);
 *     }
 *
 * A line of up to PIPE_BUF bytes is written with one write(), so lines of
 * several threads do not mix. Values are escaped and cut at TG_LOG_VALUE_MAX
 * bytes; what was registered with tg_log_secret() appears as "[redacted]"
 * wherever it stands. */
#ifndef TG_LOG_H
#define TG_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

enum tg_log_level { TG_LOG_DEBUG, TG_LOG_INFO, TG_LOG_WARN, TG_LOG_ERROR, TG_LOG_OFF };

enum {
    TG_LOG_VALUE_MAX = 2048,           /* bytes of one value */
    TG_LOG_SELDOM_MS = 1000,           /* between two lines of a kind that may come with any request */
    TG_LOG_HELD_MAX  = 64 * 1024
};

struct tg_log {
    struct tg_buf line;
    enum tg_log_level level;
    bool text;
    bool foreign;                      /* holds words that are not our own */
};

/* Log lines of this level and above from now on; info until called. `fd` is
 * where they go (2 until called). */
void tg_log_setup(enum tg_log_level least, int fd);
bool tg_log_wants(enum tg_log_level level);

/* "debug", "info", "warn", "error", "off"; false when it is none of them. */
bool tg_log_level_of(struct tg_str name, enum tg_log_level *out);

/* A secret of at least 8 bytes never to be shown. Copied; for the life of the
 * process. Also used by whoever shows a peer's words to somebody else. */
tg_err tg_log_secret(struct tg_str secret);

/* Replace every registered secret in the buffer's bytes from `from` on. */
void tg_log_redact(struct tg_buf *b, size_t from);

/* Begin a line; false, and nothing to close, when the level is not wanted. */
bool tg_log_open(struct tg_log *l, enum tg_log_level level, const char *event);
void tg_log_str(struct tg_log *l, const char *name, struct tg_str value);
void tg_log_z(struct tg_log *l, const char *name, const char *value);
/* The same for our own and the operator's words (ids, slugs, names), which
 * are no secrets: a line of nothing else is not searched for them. */
void tg_log_own(struct tg_log *l, const char *name, struct tg_str value);
void tg_log_int(struct tg_log *l, const char *name, int64_t value);
void tg_log_bool(struct tg_log *l, const char *name, bool value);
void tg_log_close(struct tg_log *l);

/* Is it time for such a line? `said_ms` is when the last one was, 0 at first, of
 * all threads that complain of the same thing; the line says how often it
 * happened. */
bool tg_log_is_due(_Atomic uint64_t *said_ms, uint64_t now_ms);

/* Between hold and release this thread's lines are written together, when
 * tg_log_flush() is called or TG_LOG_HELD_MAX bytes are waiting: for a loop that
 * logs a line per request. Lines above info are written at once. No call waits
 * for whoever reads the log: what it does not take is kept, up to
 * TG_LOG_HELD_MAX bytes, and beyond that dropped and counted; the count is a
 * line of its own once the others are out. */
void tg_log_hold(void);
void tg_log_flush(void);
void tg_log_release(void);

/* A line of one message. */
void tg_log_say(enum tg_log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
