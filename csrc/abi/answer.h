/* answer.h -- one answer of the engine, as a program wants it: its pieces as they come, and
 * at its end what they make.
 *
 *     tga_answer_head(a, status, fields);
 *     tga_answer_feed(a, bytes);
 *     while (tga_answer_next(a, &scratch, &ev))           deltas of what was fed
 *         use(&ev);
 *     tga_answer_end(a, is_whole, &ev);
 *
 * Reads what our own engine writes, so it knows one dialect. Pure. Want of memory breaks
 * the answer, and its end tells. */
#ifndef TG_ABI_ANSWER_H
#define TG_ABI_ANSWER_H

#include <stdbool.h>
#include <tidegate.h>
#include "base/arena.h"
#include "wire/sse.h"
#include "wire/usage.h"

struct tga_answer {
    struct tga_answer *next;               /* its owner's */
    uint64_t      id;
    void         *user;
    bool          is_raw;

    /* private */
    int           status;
    bool          is_stream, is_done;      /* its terminal came */
    struct tg_sse sse;
    struct tg_json_iter choices;           /* of the chunk being given, what is left */
    struct tg_str chunk;
    struct tg_buf body, text, reasoning;
    struct tga_call *calls;                /* of the first choice */
    size_t        calls_count, calls_cap;
    struct tg_arena arena;                 /* owns the words below */
    const char   *generation, *model, *provider, *finish_reason;
    struct tg_usage usage;
    struct tidegate_usage told_usage;
    struct tidegate_fault error;
    bool          has_error;
};

/* NULL when out of memory. */
struct tga_answer *tga_answer_new(void *user, bool is_raw);
void tga_answer_free(struct tga_answer *a);

/* An event of this answer that has nothing in it yet. */
void tga_answer_event(const struct tga_answer *a, int kind, struct tidegate_event *ev);

/* The head came; `fields` are "Name: value\r\n" lines. */
void tga_answer_head(struct tga_answer *a, int status, struct tg_str fields);

/* Bytes of the body came. Those of a stream are lent, until tga_answer_next() is false. */
void tga_answer_feed(struct tga_answer *a, struct tg_str bytes);

/* The next DELTA of them, whose views are in `scratch`. */
bool tga_answer_next(struct tga_answer *a, struct tg_arena *scratch, struct tidegate_event *ev);

/* Something that came could not be handed on: its end will tell. */
void tga_answer_break(struct tga_answer *a);

/* The END, whose views hold as long as the answer. `is_whole` as the engine says. */
void tga_answer_end(struct tga_answer *a, bool is_whole, struct tidegate_event *ev);

#endif
