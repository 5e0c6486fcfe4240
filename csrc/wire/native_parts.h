/* native_parts.h -- what native.c and the formats, native_*.c, share. Included
 * by those and by nothing else. */
#ifndef TG_NATIVE_PARTS_H
#define TG_NATIVE_PARTS_H

#include "wire/answer_parts.h"
#include "wire/fault.h"
#include "wire/native.h"
#include "wire/native_splice.h"
#include "wire/tool_args.h"

/* Where an event goes. */
enum tg_native_place {
    TG_NATIVE_PASS,            /* to the client, and what was kept before it */
    TG_NATIVE_FOLLOW,          /* behind what is kept; to the client when nothing is */
    TG_NATIVE_LAST             /* it is kept, and what was kept goes to the client */
};

/* One event: what came, and what is to become of it. */
struct tg_native_event {
    struct tg_str        name;         /* of the frame; a format may fill it in */
    struct tg_json       root;
    enum tg_native_place place;
    bool                 is_ours;      /* something in it is ours to say: change() */
};

/* What the ending tells. */
struct tg_native_end {
    struct tg_str metadata;
    struct tg_buf amount, details;     /* JSON texts of the cost ... */
    struct tg_member members[3];       /* ... which are members of usage */
    unsigned      members_count;
    struct tg_buf usage;               /* a usage object where the provider has none */
};

struct tg_native_format {
    enum tg_api api;
    const char *line_end;
    const char *usage_name;            /* the member that holds what was used */
    const char *prompt_cost, *completion_cost;     /* in cost_details; NULL: the cost alone */

    /* Gather the facts of an event, and say what becomes of it. TG_EPEER when
     * it tells an error. */
    tg_err (*on_event)(struct tg_answer *a, struct tg_native_event *e);

    /* Splice into an event what is ours; with `end`, which may be NULL, what
     * the ending tells as well. */
    void (*change)(const struct tg_answer *a, struct tg_json root,
                   const struct tg_native_end *end, struct tg_splices *s);

    /* The same two for a whole body. TG_EINVAL when it has no answer. */
    tg_err (*read_whole)(struct tg_answer *a, struct tg_json root);
    void (*change_whole)(const struct tg_answer *a, struct tg_json root,
                         const struct tg_native_end *end, struct tg_splices *s);

    /* Append the members of a usage object, from what was settled. */
    void (*put_usage)(const struct tg_usage *u, struct tg_buf *out);

    /* Append what stands behind the last event; NULL when nothing does. */
    tg_err (*put_tail)(struct tg_answer *a, const struct tg_native_end *end,
                          struct tg_buf *out);

    /* Append the frame of a failure; `error` is the contract's object. */
    void (*put_failure)(const struct tg_answer *a, struct tg_json error, struct tg_str metadata,
                        struct tg_buf *out);
};

extern const struct tg_native_format tg_native_messages, tg_native_responses, tg_native_gemini;

struct tg_native {
    const struct tg_native_format *format;
    struct tg_buf       kept;          /* the last events, as they came */
    struct tg_tool_args args;          /* of the call that is being made */
    int64_t             sequence;      /* the next event's number, where they have one */
    bool                has_content;   /* of the event that is being read */
    bool                is_calling;    /* inside a call of the client's tools */
    bool                has_bad_call;  /* arguments that are no JSON */
    bool                is_closed;     /* the format's last event came */
};

/* ---- reading ---- */

#define TG_NATIVE_NAME(text) { text, sizeof(text) - 1 }

/* Find members of an object, all in one pass: found[i] has the name names[i],
 * and is the last one of it. */
void tg_native_pick(struct tg_json object, const struct tg_str *names, struct tg_json *found,
                    size_t count);

/* Is it this word? `text` has its quotes: "\"ping\"". A word written with
 * escapes, which nobody does, is another. */
static inline bool tg_native_word_is(struct tg_json word, const char *text)
{
    return tg_str_is(word.raw, text);
}

/* Bytes of a string's text; 0 when it is none. */
static inline uint64_t tg_native_text_bytes(struct tg_json text)
{
    return text.kind == TG_JSON_STRING ? text.raw.len - 2 : 0;
}

/* The only choice of a format that has one; TG_ENOMEM. */
tg_err tg_native_choice(struct tg_answer *a, struct tg_choice **c);

/* Content of it came. */
void tg_native_content(struct tg_answer *a, struct tg_choice *c, uint64_t bytes);

/* It calls a tool of the client's. */
void tg_native_calls(struct tg_answer *a, struct tg_choice *c);

/* It ended, in the provider's word, or in one for it and the provider's behind.
 * TG_EPEER when that is an accident. */
tg_err tg_native_ends(struct tg_answer *a, struct tg_choice *c, struct tg_json word,
                      struct tg_json native);

/* Keep an event for the ending. */
tg_err tg_native_keep(struct tg_native *n, struct tg_str name, struct tg_str data);

/* ---- writing ---- */

/* Set the cost, or all of usage, in the object that should hold it. */
void tg_native_splice_usage(const struct tg_answer *a, struct tg_json owner,
                            const struct tg_native_end *end, struct tg_splices *s);

/* Set openrouter_metadata. */
void tg_native_splice_metadata(struct tg_json owner, const struct tg_native_end *end,
                               struct tg_splices *s);

/* Append a frame of the changed data. */
tg_err tg_native_put_frame(const struct tg_native *n, struct tg_str name, struct tg_str data,
                           struct tg_splices *s, struct tg_buf *out);

#endif
