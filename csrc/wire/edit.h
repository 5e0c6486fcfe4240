/* edit.h -- change single members of a JSON object and leave every other byte.
 *
 * The result is a list of pieces, most of them views of the original text, for
 * writev(): nothing is copied, key order, spacing and big numbers survive.
 * Only next to a removed member commas and white space differ. */
#ifndef TG_EDIT_H
#define TG_EDIT_H

#include "base/err.h"
#include "base/str.h"
#include "wire/json.h"

enum tg_edit_verb { TG_EDIT_KEEP, TG_EDIT_REPLACE, TG_EDIT_REMOVE };

/* What becomes of one member; the i-th belongs to the i-th member. */
struct tg_edit {
    enum tg_edit_verb verb;
    struct tg_str     with;    /* JSON text of the new value, for REPLACE */
};

/* Pieces needed at most for n members: 2 n + 4. */
#define TG_EDIT_PIECES(n) (2 * (n) + 4)

/* Cut `object` (whose members are given, as tg_json_members() gave them) into
 * pieces that, one behind the other, are the edited object. `more` is members
 * to append, as `"name":value,"name":value` without a comma at either end;
 * may be empty. *count pieces are written and *bytes is their total length.
 * TG_ETOOBIG when `cap` is too small. */
tg_err tg_edit_pieces(struct tg_json object, const struct tg_json_member *members, size_t n,
                      const struct tg_edit *edits, struct tg_str more,
                      struct tg_str *pieces, size_t cap, size_t *count, size_t *bytes);

#endif
