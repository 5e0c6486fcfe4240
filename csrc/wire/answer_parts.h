/* answer_parts.h -- what answer.c, answer_whole.c and native*.c share. Included
 * by those and by nothing else. */
#ifndef TG_ANSWER_PARTS_H
#define TG_ANSWER_PARTS_H

#include "wire/answer.h"
#include "wire/native.h"
#include "wire/pattern.h"

enum {
    TG_ANSWER_TIER_MAX  = 16,          /* bytes of a service tier's JSON that are kept */
    TG_ANSWER_USAGE_MAX = 16 * 1024    /* bytes of a usage object that are kept */
};

struct tg_answer {
    enum tg_api            api;
    struct tg_native      *native;                 /* NULL: it is made what the contract says */
    struct tg_answer_names names;
    struct tg_json         offered;                /* the request's tools or documents */
    struct tg_answer_facts facts;
    struct tg_told        *told;                   /* NULL until there is one */
    struct tg_choices      choices;
    char                  *head;                   /* what every chunk begins with */
    size_t                 head_len;
    struct tg_pattern      pattern;                /* of chunks that bring text only */
    struct tg_buf          usage;                  /* the last usage object, as it came */
    char                   tier[TG_ANSWER_TIER_MAX];   /* the last service_tier, JSON */
    uint8_t                tier_len;
    uint8_t                text_hole;              /* which of the pattern's is the text */
    bool                   counts_tokens;          /* of reranked documents: tokens were told */
};

/* Nothing has come yet. Names and head stay. */
void tg_answer_forget(struct tg_answer *a);

/* Append `{"id":...` to `"provider":...`; `object` may be NULL. */
void tg_answer_put_identity(const struct tg_answer *a, const char *object, struct tg_buf *out);

/* Append `,"usage":...`, and `,"openrouter_metadata":...` unless it is empty. */
void tg_answer_put_usage(struct tg_answer *a, const struct tg_cost *cost, struct tg_str metadata,
                         struct tg_buf *out);

/* Take in what stands beside the choices, and what stands in one. */
void tg_answer_note(struct tg_answer *a, const struct tg_completion *c);
void tg_answer_note_piece(struct tg_answer *a, const struct tg_piece *p, struct tg_choice *c);

/* What tool calls of that choice must know; its finish reason was noted. */
struct tg_tool_setting tg_answer_setting(const struct tg_answer *a, unsigned index);

/* Content came: so many bytes of it. */
void tg_answer_note_content(struct tg_answer *a, struct tg_choice *c, uint64_t bytes);

/* Where an error is kept; NULL when out of memory. */
struct tg_told *tg_answer_make_told(struct tg_answer *a);

/* Keep the error that `root` tells, or that a piece or its finish reason
 * tells; TG_EPEER, or TG_OK when the piece tells none. */
tg_err tg_answer_tell(struct tg_answer *a, struct tg_json root);
tg_err tg_answer_tell_piece(struct tg_answer *a, const struct tg_piece *p,
                            const struct tg_choice *c);

/* The same where a finish reason is no end but an accident. */
tg_err tg_answer_tell_finish(struct tg_answer *a, const struct tg_choice *c);

/* Data that is no JSON: an error event may be plain words, anything else is
 * TG_EINVAL. */
tg_err tg_answer_refuse(struct tg_answer *a, const struct tg_sse_event *ev, struct tg_str data);

/* A whole body that is no answer: TG_EPEER when it has words for an error,
 * else TG_EINVAL. */
tg_err tg_answer_read_words(struct tg_answer *a, struct tg_json root);

/* A whole answer was read: is it one? TG_EPEER, TG_EINVAL when not. */
tg_err tg_answer_settle_whole(struct tg_answer *a);

/* Append the frames of one object: an event's, or a whole answer. */
tg_err tg_answer_put_frames(struct tg_answer *a, struct tg_json object, bool is_whole,
                            struct tg_buf *out);

/* Without the white space at both ends, line ends included. */
struct tg_str tg_answer_trim(struct tg_str s);

#endif
