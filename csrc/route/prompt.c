#include "route/prompt.h"

#include <stdbool.h>
#include <string.h>

#include "base/hash.h"
#include "route/needs.h"
#include "route/word.h"
#include "wire/json_pass.h"

enum {
    BYTES_PER_TOKEN = 4,
    WINDOW_BYTES    = 64,      /* looked at for escapes ... */
    STRIDE_BYTES    = 4096,    /* ... in the middle of so many */
    HASHED_BYTES    = TG_NEEDS_HASHED_BYTES / 4    /* of a text's beginning and of its end */
};

/* ---- how long ---- */

/* How much longer escapes make a text: "\n" by one byte, "\u6f22" by three
 * (the character has three bytes in UTF-8, six escaped). */
static size_t escaping(const char *p, const char *end)
{
    size_t bytes = 0;

    while (p < end && (p = memchr(p, '\\', (size_t)(end - p)))) {
        bool is_long = p + 1 < end && p[1] == 'u';
        bytes += is_long ? 3 : 1;
        p += is_long ? 6 : 2;
    }
    return bytes;
}

/* Bytes of the text when unescaped, estimated: clients that write all but ASCII
 * as \u would otherwise seem to send twice as much, but to look at every
 * backslash of a large prompt would cost more than all the rest. */
static int64_t text_bytes(struct tg_json text)
{
    struct tg_str s = { text.raw.at + 1, text.raw.len - 2 };
    size_t seen = 0, extra = 0;

    for (size_t at = 0; at < s.len; at += STRIDE_BYTES) {
        size_t stride = s.len - at < STRIDE_BYTES ? s.len - at : STRIDE_BYTES;
        size_t window = stride < WINDOW_BYTES ? stride : WINDOW_BYTES;
        const char *from = s.at + at + (stride - window) / 2;
        extra += escaping(from, from + window);
        seen += window;
    }
    return seen ? (int64_t)(s.len - s.len * extra / seen) : 0;
}

static void add_bytes(struct tg_prompt *p, int64_t bytes)
{
    p->tokens += bytes / BYTES_PER_TOKEN;
}

void tg_prompt_add(struct tg_prompt *p, struct tg_json value)
{
    if (value.kind == TG_JSON_STRING)
        add_bytes(p, text_bytes(value));
    else if (value.kind == TG_JSON_ARRAY || value.kind == TG_JSON_OBJECT)
        add_bytes(p, (int64_t)value.raw.len);
}

/* ---- which conversation ---- */

/* What a message says, as far as it is hashed. */
struct said {
    uint64_t hash;
    size_t   left;             /* bytes that may still be hashed */
};

static void hash_bytes(struct said *h, const char *p, size_t bytes)
{
    bytes = bytes < h->left ? bytes : h->left;
    h->left -= bytes;
    h->hash = tg_hash_join(h->hash, tg_hash_stable((struct tg_str){ p, bytes }));
}

/* Of a long text, its beginning, its end and its length. `h` is NULL where
 * nobody asks. */
static void hash_text(struct said *h, struct tg_str s)
{
    if (!h)
        return;
    if (s.len <= 2 * HASHED_BYTES) {
        hash_bytes(h, s.at, s.len);
        return;
    }
    h->hash = tg_hash_join(h->hash, s.len);
    hash_bytes(h, s.at, HASHED_BYTES);
    hash_bytes(h, s.at + s.len - HASHED_BYTES, HASHED_BYTES);
}

/* ---- parts ---- */

static const struct tg_word part_types[] = {
    TG_WORD("audio", TG_MODE_AUDIO),
    TG_WORD("document", TG_MODE_FILE),
    TG_WORD("file", TG_MODE_FILE),
    TG_WORD("image", TG_MODE_IMAGE),
    TG_WORD("image_url", TG_MODE_IMAGE),
    TG_WORD("input_audio", TG_MODE_AUDIO),
    TG_WORD("input_file", TG_MODE_FILE),
    TG_WORD("input_image", TG_MODE_IMAGE),
    TG_WORD("input_text", TG_MODE_TEXT),
    TG_WORD("input_video", TG_MODE_VIDEO),
    TG_WORD("text", TG_MODE_TEXT),
    TG_WORD("video", TG_MODE_VIDEO),
    TG_WORD("video_url", TG_MODE_VIDEO),
};

/* TG_MODE_OTHER for what this gateway does not know. */
static int mode_of(struct tg_json type)
{
    struct tg_str word;

    int mode = tg_json_plain(type, &word)
             ? tg_word_find(part_types, TG_WORDS(part_types), word) : -1;
    return mode < 0 ? TG_MODE_OTHER : mode;
}

static void note_part(struct tg_prompt *p, struct tg_json part, struct tg_json type,
                      struct tg_json text, struct said *h)
{
    int mode = mode_of(type);

    if (mode == TG_MODE_TEXT || mode == TG_MODE_OTHER) {
        struct tg_json said = text.kind == TG_JSON_STRING ? text : part;
        tg_prompt_add(p, said);
        hash_text(h, said.raw);
        return;
    }
    p->tokens += TG_NEEDS_PART_TOKENS;
    p->images += mode == TG_MODE_IMAGE;
    p->inputs |= (uint8_t)(1 << mode);
    hash_text(h, part.raw);
}

/* Marks like cache_control wander from turn to turn: only what is said is
 * hashed. */
static void read_parts(struct tg_prompt *p, struct tg_json_iter *parts, struct said *h)
{
    struct tg_json_iter members;
    struct tg_str none, key;
    struct tg_json part, value;

    while (tg_json_step(parts, &none, &part, &members)) {
        struct tg_json text = { 0 }, type = { 0 };
        while (tg_json_next(&members, &key, &value)) {
            if (tg_str_is(key, "text"))
                text = value;
            else if (tg_str_is(key, "type"))
                type = value;
        }
        if (part.kind == TG_JSON_OBJECT || part.kind == TG_JSON_ARRAY)
            tg_json_leave(parts, &members, &part);
        note_part(p, part, type, text, h);
    }
}

/* What tg_json_step() found, and behind it. */
static void read_content(struct tg_prompt *p, struct tg_json_iter *it, struct tg_json content,
                         struct tg_json_iter *parts, struct said *h)
{
    if (content.kind == TG_JSON_ARRAY) {
        read_parts(p, parts, h);
        tg_json_leave(it, parts, &content);
        return;
    }
    tg_json_whole(it, &content);
    tg_prompt_add(p, content);
    hash_text(h, content.raw);
}

/* ---- messages ---- */

/* The two messages that a conversation begins with. */
struct opening {
    uint64_t system, other;
    bool     has_system, has_other;
};

static void note_opening(struct opening *o, struct tg_json role, uint64_t hash)
{
    bool is_system = tg_json_is(role, "system") || tg_json_is(role, "developer");
    bool *has = is_system ? &o->has_system : &o->has_other;

    if (!*has)
        *(is_system ? &o->system : &o->other) = hash;
    *has = true;
}

/* The role may stand behind the content: what is said is hashed as long as one
 * of the two messages is missing. */
static void read_message(struct tg_prompt *p, struct tg_json_iter *message, struct opening *o)
{
    struct said said = { .left = TG_NEEDS_HASHED_BYTES };
    bool is_wanted = !o->has_system || !o->has_other;
    struct tg_json role = { 0 }, value;
    struct tg_json_iter in;
    struct tg_str key;

    while (tg_json_step(message, &key, &value, &in)) {
        if (tg_str_is(key, "content")) {
            read_content(p, message, value, &in, is_wanted ? &said : NULL);
            continue;
        }
        tg_json_whole(message, &value);
        if (tg_str_is(key, "role"))
            role = value;
        else
            tg_prompt_add(p, value);       /* tool calls, reasoning, a name */
    }
    p->tokens += TG_NEEDS_MESSAGE_TOKENS;
    p->messages++;
    if (is_wanted)
        note_opening(o, role, said.hash);
}

tg_err tg_prompt_messages(struct tg_prompt *p, struct tg_json messages,
                          const struct tg_refusal *no)
{
    struct opening o = { 0 };
    struct tg_json_iter it, members;
    struct tg_str none;
    struct tg_json message;

    *p = (struct tg_prompt){ .inputs = 1 << TG_MODE_TEXT };
    if (messages.kind != TG_JSON_ARRAY)
        return tg_refuse(no, "'messages' must be an array, not %.*s", TG_SHOWN(messages.raw));
    tg_json_iter_init(&it, messages);
    while (tg_json_step(&it, &none, &message, &members)) {
        if (message.kind != TG_JSON_OBJECT) {
            tg_json_whole(&it, &message);
            return tg_refuse(no, "'messages[%lld]' must be an object, not %.*s",
                             (long long)p->messages, TG_SHOWN(message.raw));
        }
        read_message(p, &members, &o);
        tg_json_leave(&it, &members, &message);
    }
    if (!p->messages)
        return tg_refuse(no, "'messages' must have at least one message");
    p->opening_hash = tg_hash_join(tg_hash_join(o.has_system, o.system), o.other);
    return TG_OK;
}

/* ---- prompt, input ---- */

/* The content of an object, the last one when there are several; what else
 * it has is not counted. */
static bool read_item_content(struct tg_prompt *p, struct tg_json item)
{
    struct tg_json content = tg_json_get(item, "content");
    struct tg_json_iter parts;

    if (content.kind == TG_JSON_ARRAY) {
        tg_json_iter_init(&parts, content);
        read_parts(p, &parts, NULL);
    } else {
        tg_prompt_add(p, content);
    }
    return content.kind != TG_JSON_NONE;
}

static void read_item(struct tg_prompt *p, struct tg_json item)
{
    if (item.kind == TG_JSON_NUMBER)
        p->tokens++;
    else if (item.kind == TG_JSON_ARRAY)
        p->tokens += (int64_t)tg_json_count(item);
    else if (item.kind != TG_JSON_OBJECT || !read_item_content(p, item))
        tg_prompt_add(p, item);
}

tg_err tg_prompt_text(struct tg_prompt *p, const char *key, struct tg_json text,
                      const struct tg_refusal *no)
{
    struct tg_json_iter it;
    struct tg_str none;
    struct tg_json item;

    *p = (struct tg_prompt){ .inputs = 1 << TG_MODE_TEXT };
    if (text.kind != TG_JSON_STRING && text.kind != TG_JSON_ARRAY)
        return tg_refuse(no, "'%s' must be a string or an array, not %.*s", key,
                         TG_SHOWN(text.raw));
    if (text.kind == TG_JSON_STRING)
        tg_prompt_add(p, text);
    tg_json_iter_init(&it, text);
    while (tg_json_next(&it, &none, &item))
        read_item(p, item);
    return TG_OK;
}
