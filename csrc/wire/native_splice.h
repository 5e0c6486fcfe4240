/* native_splice.h -- change a few members inside a JSON text and leave every
 * other byte.
 *
 *     tg_splices_init(&s);
 *     tg_splice_members(&s, object, members, n);        for each object, inner or outer
 *     tg_splices_put(&s, text, out);
 *
 * wire/edit.h does the same for one object's members and a writev(); here the
 * objects may lie inside one another. */
#ifndef TG_NATIVE_SPLICE_H
#define TG_NATIVE_SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"
#include "base/err.h"
#include "wire/json.h"

enum { TG_SPLICES_MAX = 16 };

/* What a member shall be. */
struct tg_member {
    const char   *name;
    struct tg_str value;       /* empty: null where the member is there */
    bool          is_words;    /* `value` is characters, not yet JSON text */
    bool          is_added;    /* where the member is not there */
};

struct tg_splice {
    const char    *from, *to;  /* what goes; the same place where something is added */
    bool           is_first;   /* added to an object that is empty */
    struct tg_member member;
};

/* Held by its owner. The text, and what the members' names and values view,
 * must stay until it is written. */
struct tg_splices {
    unsigned         count;
    bool             is_full;
    struct tg_splice at[TG_SPLICES_MAX];
};

/* No changes yet. The room for them is left as it is: this is asked of every event. */
static inline void tg_splices_init(struct tg_splices *s)
{
    s->count = 0;
    s->is_full = false;
}

/* Set these members of the object, all of that name where there are several.
 * Added ones stand behind the last. */
void tg_splice_members(struct tg_splices *s, struct tg_json object,
                       const struct tg_member *members, size_t count);

/* Append the changed text. TG_ETOOBIG when there were more changes than there
 * is room for, TG_ENOMEM. */
tg_err tg_splices_put(struct tg_splices *s, struct tg_str text, struct tg_buf *out);

#endif
