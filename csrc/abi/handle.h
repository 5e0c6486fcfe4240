/* handle.h -- what stands behind `struct tidegate *`. */
#ifndef TG_ABI_HANDLE_H
#define TG_ABI_HANDLE_H

#include <tidegate.h>
#include "abi/answer.h"
#include "base/arena.h"
#include "flow/embed.h"

enum { TGA_BUCKETS = 256 };                /* of answers, by id: a power of two */

struct tidegate {
    struct tg_embed  *embed;
    struct tg_config *config;              /* in force; a reference is ours */
    struct tg_buf     path, text;          /* of the configuration, to read it again */
    bool              has_text;            /* else it is the file */

    struct tga_answer *running[TGA_BUCKETS];
    size_t            running_count;
    struct tga_answer *fed;                /* its bytes are being given as deltas */
    struct tga_answer *over;               /* their views are with the host until its next turn */

    struct tidegate_event event;           /* the one handed out, and its views */
    struct tg_arena   scratch;

    struct tidegate_fault failure;         /* told by tidegate_error(); its code is NULL when
                                              there was none */
    struct tg_buf     failure_words;
};

/* Remember why a function fails: an error of ours, in other words where they say more. */
void tga_fail(struct tidegate *t, tg_err err, const char *words);

/* The same of a fault, as a client would be told it. */
void tga_fail_fault(struct tidegate *t, const struct tg_fault *f);

/* Read a struct of the host's, which begins with its size, into ours: what the host
 * does not know of is zero. `least` is the size it had in version 0.1. NULL, or what is
 * wrong with it. */
const char *tga_take(void *ours, size_t ours_size, const void *theirs, size_t least);

/* A request of the host's, checked. */
struct tga_question {
    struct tidegate_request is;
    struct tg_str body;
    enum tg_api   api;
    struct tg_http1_head head;             /* its fields, views into the host's */
};

/* False after tga_fail(). */
bool tga_take_request(struct tidegate *t, const struct tidegate_request *theirs,
                      struct tga_question *q);

#endif
