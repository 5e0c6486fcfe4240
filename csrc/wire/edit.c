#include "wire/edit.h"

#include <stdbool.h>

/* Pieces being laid one behind the other. */
struct row {
    struct tg_str *pieces;
    size_t cap, count, bytes;
    bool   is_full;            /* a piece found no place */
};

/* What continues the piece before it becomes part of it. */
static void lay(struct row *r, const char *from, const char *to)
{
    struct tg_str *last = r->count ? &r->pieces[r->count - 1] : NULL;
    size_t len = (size_t)(to - from);

    if (len == 0 || r->is_full)
        return;
    r->bytes += len;
    if (last && last->at + last->len == from) {
        last->len += len;
    } else if (r->count == r->cap) {
        r->is_full = true;
    } else {
        r->pieces[r->count++] = (struct tg_str){ from, len };
    }
}

static void lay_str(struct row *r, struct tg_str s)
{
    if (s.len)
        lay(r, s.at, s.at + s.len);
}

static const char *behind(struct tg_str s)
{
    return s.at + s.len;
}

/* What a member that stays looks like now. */
static void lay_member(struct row *r, const struct tg_json_member *m, const struct tg_edit *edit)
{
    lay(r, m->from, m->value.raw.at);
    lay_str(r, edit->verb == TG_EDIT_REPLACE ? edit->with : m->value.raw);
}

tg_err tg_edit_pieces(struct tg_json object, const struct tg_json_member *members, size_t n,
                      const struct tg_edit *edits, struct tg_str more,
                      struct tg_str *pieces, size_t cap, size_t *count, size_t *bytes)
{
    struct row r = { .pieces = pieces, .cap = cap };
    size_t kept = 0;

    if (object.kind != TG_JSON_OBJECT)
        return TG_EINVAL;

    const char *closing = behind(object.raw) - 1;
    lay(&r, object.raw.at, n ? members[0].from : closing);
    for (size_t i = 0; i < n; i++) {
        if (edits[i].verb == TG_EDIT_REMOVE)
            continue;
        if (kept++)            /* the comma and white space in front come along */
            lay(&r, behind(members[i - 1].value.raw), members[i].from);
        lay_member(&r, &members[i], &edits[i]);
    }
    if (more.len && kept)
        lay_str(&r, TG_STR(","));
    lay_str(&r, more);
    lay(&r, n ? behind(members[n - 1].value.raw) : closing, closing + 1);

    if (r.is_full)
        return TG_ETOOBIG;
    *count = r.count;
    *bytes = r.bytes;
    return TG_OK;
}
