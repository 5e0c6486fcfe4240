#include "route/text.h"

#include <string.h>

tg_err tg_text_of(struct tg_json value, struct tg_arena *arena, struct tg_str *out)
{
    struct tg_buf b = { 0 };
    struct tg_str copy = { 0 };

    if (tg_json_plain(value, out))
        return TG_OK;
    if (tg_json_text(value, &b) == TG_OK)
        copy = tg_arena_copy(arena, tg_buf_view(&b));
    tg_buf_done(&b);
    if (!copy.at)
        return TG_ENOMEM;
    *out = copy;
    return TG_OK;
}

tg_err tg_text_of_key(struct tg_str key, struct tg_arena *arena, struct tg_str *out)
{
    if (!key.len || !memchr(key.at, '\\', key.len)) {
        *out = key;
        return TG_OK;
    }
    struct tg_json quoted = { { key.at - 1, key.len + 2 }, TG_JSON_STRING };
    return tg_text_of(quoted, arena, out);
}
