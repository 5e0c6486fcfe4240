#include "wire/tool_calls.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "wire/names.h"
#include "wire/tool_args.h"

enum {
    ID_LETTERS = 24,
    FIRST_CAP = 2,
    NAME_MAX_BYTES = 256           /* the field's limit is 64; a longer name is an unknown one */
};

struct tg_tool_call {
    uint64_t id, name;             /* hashes; 0 as long as there is none */
    int64_t  told_index;           /* -1: the provider does not number its calls */
    bool     is_offered, is_custom, was_mended;
    struct tg_tool_args args;
};

/* One element of the list, read. */
struct fragment {
    int64_t        index;
    struct tg_json id, type, function, custom;
    struct tg_json name, arguments;
    bool           has_others;     /* members to pass on as they came */
};

void tg_tool_calls_done(struct tg_tool_calls *t)
{
    tg_free(t->calls);
    *t = (struct tg_tool_calls){ 0 };
}

static uint64_t hash_of(struct tg_json text)
{
    uint64_t h = tg_json_has_text(text) ? tg_hash_stable(text.raw) : 0;
    return h ? h : tg_json_has_text(text);
}

/* ---- read ---- */

static void read_function(struct fragment *f)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    tg_json_iter_init(&it, f->function);
    while (tg_json_next(&it, &key, &value)) {
        switch (tg_name_of(key)) {
        case TG_NAME_NAME:      f->name = value; break;
        case TG_NAME_ARGUMENTS: f->arguments = value; break;
        default:                break;
        }
    }
}

/* False for what is no call of the client's: the blocks with which some
 * providers tell of tools they run themselves have neither "function" nor
 * "custom". */
static bool read_fragment(struct fragment *f, struct tg_json element)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    *f = (struct fragment){ .index = -1 };
    tg_json_iter_init(&it, element);
    while (element.kind == TG_JSON_OBJECT && tg_json_next(&it, &key, &value)) {
        switch (tg_name_of(key)) {
        case TG_NAME_INDEX:
            if (!tg_json_i64(value, &f->index) || f->index < 0)
                f->index = -1;
            break;
        case TG_NAME_ID:       f->id = value; break;
        case TG_NAME_TYPE:     f->type = value; break;
        case TG_NAME_FUNCTION: f->function = value; break;
        case TG_NAME_CUSTOM:   f->custom = value; break;
        default:               f->has_others = true; break;
        }
    }
    if (f->custom.kind == TG_JSON_OBJECT)
        f->name = tg_json_get(f->custom, "name");
    if (f->function.kind == TG_JSON_OBJECT)
        read_function(f);
    return f->custom.kind == TG_JSON_OBJECT || f->function.kind == TG_JSON_OBJECT;
}

static bool brings_arguments(const struct fragment *f)
{
    struct tg_str text;

    if (f->arguments.kind != TG_JSON_STRING)
        return f->arguments.kind > TG_JSON_NULL;
    return !tg_json_plain(f->arguments, &text) || tg_str_trim(text).len > 0;
}

/* Does a fragment that names this call's index, or nobody's, begin another? */
static bool begins_another(const struct tg_tool_call *c, const struct fragment *f)
{
    uint64_t id = hash_of(f->id), name = hash_of(f->name);

    if (id && c->id)
        return id != c->id;
    if (!name || !c->name)
        return false;
    return name != c->name || (tg_tool_args_is_whole(&c->args) && brings_arguments(f));
}

/* The call this fragment goes on with; NULL when it begins one. */
static struct tg_tool_call *find_call(struct tg_tool_calls *t, const struct fragment *f)
{
    uint64_t id = hash_of(f->id);

    for (size_t i = t->count; i-- > 0;) {
        struct tg_tool_call *c = &t->calls[i];
        if (f->index >= 0 ? c->told_index == f->index : !id || c->id == id)
            return begins_another(c, f) ? NULL : c;
    }
    return NULL;
}

/* The name of one offered tool; kind NONE for those that have none. */
static struct tg_json name_of_tool(struct tg_json tool)
{
    struct tg_json name = tg_json_get(tg_json_get(tool, "function"), "name");

    if (name.kind != TG_JSON_STRING)
        name = tg_json_get(tg_json_get(tool, "custom"), "name");
    return name.kind == TG_JSON_STRING ? name : tg_json_get(tool, "name");
}

static bool is_offered(struct tg_json offered, struct tg_json name)
{
    struct tg_json_iter it;
    struct tg_str key, plain;
    struct tg_json tool;
    char text[NAME_MAX_BYTES + 1];

    if (offered.kind != TG_JSON_ARRAY)
        return true;
    if (!tg_json_plain(name, &plain) || plain.len > NAME_MAX_BYTES)
        return false;
    memcpy(text, plain.at, plain.len);
    text[plain.len] = '\0';

    tg_json_iter_init(&it, offered);
    while (tg_json_next(&it, &key, &tool))
        if (tg_json_is(name_of_tool(tool), text))
            return true;
    return false;
}

static tg_err add_call(struct tg_tool_calls *t, struct tg_tool_call **out)
{
    if (t->count == TG_TOOL_CALLS_MAX)
        return TG_ETOOBIG;
    if (t->count == t->cap) {
        uint16_t cap = t->cap ? (uint16_t)(t->cap * 2) : FIRST_CAP;
        void *calls = tg_realloc(t->calls, cap * sizeof *t->calls);
        if (!calls)
            return TG_ENOMEM;
        t->calls = calls;
        t->cap = cap;
    }
    *out = &t->calls[t->count++];
    **out = (struct tg_tool_call){ .told_index = -1, .is_offered = true };
    return TG_OK;
}

/* ---- write ---- */

/* The same call of the same answer gets the same id every time. */
static void put_made_id(struct tg_buf *out, const struct tg_tool_setting *s, unsigned index)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint64_t h = tg_hash_join(tg_hash_stable(s->answer_id), (uint64_t)s->choice << 32 | index);

    tg_buf_z(out, "\"call_");
    for (int i = 0; i < ID_LETTERS; i++) {
        h = tg_hash_join(h, (uint64_t)i);
        tg_buf_char(out, letters[h % (sizeof letters - 1)]);
    }
    tg_buf_char(out, '"');
}

/* Arguments as text: a string goes on as it came, an object as the text it
 * was sent as, so that its numbers keep every digit. */
static void put_arguments(struct tg_tool_call *c, struct tg_json arguments, bool mends,
                          struct tg_buf *out, uint64_t *bytes)
{
    size_t from = out->len;

    if (arguments.kind == TG_JSON_STRING)
        tg_buf_str(out, arguments.raw);
    else if (arguments.kind > TG_JSON_NULL)
        tg_json_put_text(out, arguments.raw);
    else
        tg_buf_z(out, "\"\"");
    if (out->bad)
        return;

    struct tg_str text = { out->at + from + 1, out->len - from - 2 };
    tg_tool_args_feed(&c->args, text);
    *bytes += text.len;
    if (mends && tg_tool_args_is_empty(&c->args)) {
        out->len = from;
        tg_buf_z(out, "\"{}\"");
        c->was_mended = true;
    }
}

/* Members that this module has no opinion on, as they came. */
static void put_others(struct tg_buf *out, struct tg_json object, bool is_function)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    tg_json_iter_init(&it, object);
    while (tg_json_next(&it, &key, &value)) {
        enum tg_name name = tg_name_of(key);
        bool is_known = is_function ? name == TG_NAME_NAME || name == TG_NAME_ARGUMENTS
                                    : name == TG_NAME_INDEX || name == TG_NAME_ID ||
                                      name == TG_NAME_TYPE || name == TG_NAME_FUNCTION;
        if (is_known || value.kind == TG_JSON_NULL)
            continue;
        tg_json_put_comma(out);
        tg_buf_char(out, '"');
        tg_buf_str(out, key);
        tg_buf_z(out, "\":");
        tg_buf_str(out, value.raw);
    }
}

static void put_function(struct tg_tool_call *c, const struct fragment *f, bool with_name,
                         bool mends, struct tg_buf *out, uint64_t *bytes)
{
    tg_buf_z(out, ",\"function\":{");
    if (with_name) {
        tg_buf_z(out, "\"name\":");
        if (f->name.kind == TG_JSON_STRING)
            tg_buf_str(out, f->name.raw);
        else
            tg_buf_z(out, "\"\"");
        tg_buf_char(out, ',');
    }
    tg_buf_z(out, "\"arguments\":");
    put_arguments(c, f->arguments, mends, out, bytes);
    put_others(out, f->function, true);
    tg_buf_char(out, '}');
}

/* id, type and name are told with the first fragment of a call, the name also
 * when it comes later. */
static void put_fragment(struct tg_tool_calls *t, const struct tg_tool_setting *s,
                         struct tg_tool_call *c, const struct fragment *f, struct tg_json element,
                         bool is_first, bool is_whole, struct tg_buf *out, uint64_t *bytes)
{
    unsigned index = (unsigned)(c - t->calls);
    bool with_name = is_first || (!c->name && tg_json_has_text(f->name));

    if (!c->id)
        c->id = hash_of(f->id);
    if (!c->name && tg_json_has_text(f->name)) {
        c->name = hash_of(f->name);
        c->is_offered = is_offered(s->offered, f->name);
    }
    tg_buf_z(out, "{\"index\":");
    tg_buf_u64(out, index);
    if (is_first) {
        tg_buf_z(out, ",\"id\":");
        if (tg_json_has_text(f->id))
            tg_buf_str(out, f->id.raw);
        else
            put_made_id(out, s, index);
        tg_buf_z(out, ",\"type\":");
        if (tg_json_has_text(f->type))
            tg_buf_str(out, f->type.raw);
        else
            tg_buf_z(out, c->is_custom ? "\"custom\"" : "\"function\"");
    }
    if (f->function.kind == TG_JSON_OBJECT)
        put_function(c, f, with_name, is_whole && !s->was_cut_short, out, bytes);
    if (f->has_others || c->is_custom)
        put_others(out, element, false);
    tg_buf_char(out, '}');
}

static tg_err put_element(struct tg_tool_calls *t, const struct tg_tool_setting *s,
                          struct tg_json element, bool is_whole, struct tg_buf *out,
                          uint64_t *bytes)
{
    struct fragment f;

    if (!read_fragment(&f, element))
        return TG_OK;

    struct tg_tool_call *c = is_whole ? NULL : find_call(t, &f);
    bool is_first = !c;
    if (is_first) {
        tg_err err = add_call(t, &c);
        if (err)
            return err;
        c->told_index = f.index;
        c->is_custom = f.function.kind != TG_JSON_OBJECT;
    }
    tg_json_put_comma(out);
    put_fragment(t, s, c, &f, element, is_first, is_whole, out, bytes);
    return out->bad ? TG_ENOMEM : TG_OK;
}

tg_err tg_tool_calls_put(struct tg_tool_calls *t, const struct tg_tool_setting *s,
                         struct tg_json list, bool is_whole, struct tg_buf *out, uint64_t *bytes)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json element;
    size_t from = out->len;

    if (list.kind != TG_JSON_ARRAY)
        return TG_OK;
    tg_buf_char(out, '[');
    tg_json_iter_init(&it, list);
    while (tg_json_next(&it, &key, &element)) {
        tg_err err = put_element(t, s, element, is_whole, out, bytes);
        if (err)
            return err;
    }
    if (!out->bad && out->len == from + 1)
        out->len = from;
    else
        tg_buf_char(out, ']');
    return out->bad ? TG_ENOMEM : TG_OK;
}

tg_err tg_tool_calls_put_missing(struct tg_tool_calls *t, struct tg_buf *out)
{
    bool is_open = false;

    for (size_t i = 0; i < t->count; i++) {
        struct tg_tool_call *c = &t->calls[i];
        if (c->is_custom || c->was_mended || !tg_tool_args_is_empty(&c->args))
            continue;
        c->was_mended = true;
        tg_buf_z(out, is_open ? ",{\"index\":" : "[{\"index\":");
        tg_buf_u64(out, i);
        tg_buf_z(out, ",\"function\":{\"arguments\":\"{}\"}}");
        is_open = true;
    }
    return is_open ? tg_buf_char(out, ']') : TG_OK;
}

bool tg_tool_calls_are_good(const struct tg_tool_calls *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct tg_tool_call *c = &t->calls[i];
        bool is_json = c->is_custom || tg_tool_args_is_empty(&c->args) ||
                       tg_tool_args_is_whole(&c->args);
        if (!is_json || !c->is_offered || !c->name)
            return false;
    }
    return true;
}
