#include "wire/native_splice.h"

static void add(struct tg_splices *s, struct tg_splice splice)
{
    if (s->count == TG_SPLICES_MAX)
        s->is_full = true;
    else
        s->at[s->count++] = splice;
}

static void replace(struct tg_splices *s, struct tg_json value, const struct tg_member *m)
{
    add(s, (struct tg_splice){ value.raw.at, value.raw.at + value.raw.len, false, *m });
}

void tg_splice_members(struct tg_splices *s, struct tg_json object,
                       const struct tg_member *members, size_t count)
{
    const char *last = object.raw.at + 1;      /* behind the last member */
    bool is_empty = true;
    uint32_t seen = 0;
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    if (object.kind != TG_JSON_OBJECT)
        return;
    tg_json_iter_init(&it, object);
    while (tg_json_next(&it, &key, &value)) {
        for (size_t i = 0; i < count; i++) {
            if (!tg_json_key_is(key, members[i].name))
                continue;
            replace(s, value, &members[i]);
            seen |= UINT32_C(1) << i;
        }
        last = value.raw.at + value.raw.len;
        is_empty = false;
    }
    for (size_t i = 0; i < count; i++) {
        if (seen >> i & 1 || !members[i].is_added || !members[i].value.len)
            continue;
        add(s, (struct tg_splice){ last, last, is_empty, members[i] });
        is_empty = false;
    }
}

/* By their place; those of one place stay in their order. */
static void sort(struct tg_splices *s)
{
    for (unsigned i = 1; i < s->count; i++) {
        struct tg_splice splice = s->at[i];
        unsigned to = i;
        for (; to > 0 && s->at[to - 1].from > splice.from; to--)
            s->at[to] = s->at[to - 1];
        s->at[to] = splice;
    }
}

static void put(const struct tg_splice *splice, struct tg_buf *out)
{
    const struct tg_member *m = &splice->member;

    if (splice->from == splice->to) {
        tg_buf_z(out, splice->is_first ? "\"" : ",\"");
        tg_buf_z(out, m->name);
        tg_buf_z(out, "\":");
    }
    if (m->is_words)
        tg_json_put_text(out, m->value);
    else if (m->value.len)
        tg_buf_str(out, m->value);
    else
        tg_buf_z(out, "null");
}

tg_err tg_splices_put(struct tg_splices *s, struct tg_str text, struct tg_buf *out)
{
    const char *at = text.at;

    if (s->is_full)
        return TG_ETOOBIG;
    sort(s);
    for (unsigned i = 0; i < s->count; i++) {
        tg_buf_add(out, at, (size_t)(s->at[i].from - at));
        put(&s->at[i], out);
        at = s->at[i].to;
    }
    return tg_buf_add(out, at, (size_t)(text.at + text.len - at));
}
