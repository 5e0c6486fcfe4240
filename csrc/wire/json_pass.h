/* json_pass.h -- read a large text in as few passes as can be.
 *
 * tg_json_next() looks for the end of every value it gives, so each level of
 * arrays and objects that a reader goes into is one more pass over what is in
 * it. A request of megabytes is looked at once by the check and once by:
 *
 *     while (tg_json_step(&it, &key, &value, &in)) {
 *         if (value.kind == TG_JSON_OBJECT && tg_json_key_is(key, "wanted")) {
 *             ... tg_json_next() or tg_json_step() over `in`, to its end
 *             tg_json_leave(&it, &in, &value);
 *         } else {
 *             tg_json_whole(&it, &value);
 *         }
 *     }
 *
 * Views hold as long as the text. */
#ifndef TG_JSON_PASS_H
#define TG_JSON_PASS_H

#include "wire/json.h"

/* tg_json_check() that also gives the members of an outermost object, as
 * tg_json_members() would. *count is how many there are: of more than `cap`,
 * the first `cap` are in `out`. It is 0 when the text is no object, and says
 * nothing when the check fails. */
tg_err tg_json_check_members(struct tg_str text, unsigned depth_max, struct tg_json *root,
                             struct tg_json_member *out, size_t cap, size_t *count,
                             size_t *where);

/* tg_json_next() that goes into arrays and objects: of such a value only the
 * kind and where it begins are known, and `in` is over what is in it. One of
 * the two functions below must be called before the next step. Any other
 * value is whole, and `in` over nothing. */
bool tg_json_step(struct tg_json_iter *it, struct tg_str *key, struct tg_json *value,
                  struct tg_json_iter *in);

/* Behind a value whose `in` has given everything; the value is whole now. */
void tg_json_leave(struct tg_json_iter *it, const struct tg_json_iter *in, struct tg_json *value);

/* Behind a value that nobody went into; it is whole now. */
void tg_json_whole(struct tg_json_iter *it, struct tg_json *value);

#endif
