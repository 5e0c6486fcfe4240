/* Any object under any edits: the pieces are valid JSON with exactly the
 * members they should have. The first bytes are the verdicts. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "wire/edit.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

enum { MEMBERS_MAX = 32 };

static void same_member(const struct tg_json_member *got, struct tg_str key, struct tg_str value)
{
    MUST(tg_str_eq(got->key, key) && tg_str_eq(got->value.raw, value));
}

static void check_edited(struct tg_str text, const struct tg_json_member *m, size_t n,
                         const struct tg_edit *edits, bool has_more)
{
    struct tg_json_member got[MEMBERS_MAX + 1];
    struct tg_json root;
    size_t count = 0, at = 0;

    MUST(tg_json_check(text, TG_JSON_DEPTH_MAX, &root, NULL) == TG_OK);
    MUST(tg_json_members(root, got, MEMBERS_MAX + 1, &count) == TG_OK);
    for (size_t i = 0; i < n; i++) {
        if (edits[i].verb == TG_EDIT_REMOVE)
            continue;
        MUST(at < count);
        bool replaced = edits[i].verb == TG_EDIT_REPLACE;
        same_member(&got[at++], m[i].key, replaced ? edits[i].with : m[i].value.raw);
    }
    if (has_more) {
        MUST(at < count);
        same_member(&got[at++], TG_STR("added"), TG_STR("[1]"));
    }
    MUST(at == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_json_member m[MEMBERS_MAX];
    struct tg_edit edits[MEMBERS_MAX];
    struct tg_str pieces[TG_EDIT_PIECES(MEMBERS_MAX)];
    struct tg_json root;
    struct tg_buf out = { 0 };
    size_t n = 0, count = 0, bytes = 0;
    bool all_kept = true;

    if (size < 8)
        return 0;
    struct tg_str text = { (const char *)data + 8, size - 8 };
    if (tg_json_check(text, TG_JSON_DEPTH_MAX, &root, NULL) ||
        tg_json_members(root, m, MEMBERS_MAX, &n))
        return 0;
    for (size_t i = 0; i < n; i++) {
        edits[i] = (struct tg_edit){ (enum tg_edit_verb)((data[i / 5] >> i % 5) % 3),
                                     TG_STR("{\"new\":0}") };
        all_kept &= edits[i].verb == TG_EDIT_KEEP;
    }
    bool has_more = data[7] & 1;
    struct tg_str more = tg_str_of(has_more ? "\"added\":[1]" : "");
    MUST(tg_edit_pieces(root, m, n, edits, more, pieces, TG_EDIT_PIECES(n), &count, &bytes) ==
         TG_OK);
    for (size_t i = 0; i < count; i++)
        tg_buf_str(&out, pieces[i]);
    MUST(out.len == bytes);
    MUST(!all_kept || has_more || (count == 1 && tg_str_eq(tg_buf_view(&out), root.raw)));
    check_edited(tg_buf_view(&out), m, n, edits, has_more);
    tg_buf_done(&out);
    return 0;
}
