#include "route/prompt.h"

#include <stdbool.h>
#include <string.h>

#include "base/hash.h"
#include "route/needs.h"
#include "route/word.h"

enum {
    BYTES_PER_TOKEN = 4,
    WINDOW_BYTES    = 64,      /* looked at for escapes ... */
    STRIDE_BYTES    = 4096,    /* ... in the middle of so many */
    HASHED_BYTES    = 2048     /* of a text's beginning and of its end */
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

/* Of a long text, its beginning, its end and its length. */
static void hash_text(uint64_t *h, struct tg_str s)
{
    struct tg_str end = s;

    if (!h)
        return;
    if (s.len > 2 * HASHED_BYTES) {
        *h = tg_hash_join(*h, s.len);
        end = (struct tg_str){ s.at + s.len - HASHED_BYTES, HASHED_BYTES };
        s.len = HASHED_BYTES;
        *h = tg_hash_join(*h, tg_hash_stable(s));
    }
    *h = tg_hash_join(*h, tg_hash_stable(end));
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

/* `h` is NULL where nobody asks for the hash. Marks like cache_control wander
 * from turn to turn: only what is said is hashed. */
static void read_part(struct tg_prompt *p, struct tg_json part, uint64_t *h)
{
    struct tg_json text = { 0 }, type = { 0 }, value;
    struct tg_json_iter it;
    struct tg_str key;

    tg_json_iter_init(&it, part);
    while (tg_json_next(&it, &key, &value)) {
        if (tg_str_is(key, "text"))
            text = value;
        else if (tg_str_is(key, "type"))
            type = value;
    }
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

static void read_content(struct tg_prompt *p, struct tg_json content, uint64_t *h)
{
    struct tg_json_iter it;
    struct tg_str none;
    struct tg_json part;

    if (content.kind != TG_JSON_ARRAY) {
        tg_prompt_add(p, content);
        hash_text(h, content.raw);
        return;
    }
    tg_json_iter_init(&it, content);
    while (tg_json_next(&it, &none, &part))
        read_part(p, part, h);
}

/* ---- messages ---- */

/* The two messages that a conversation begins with. */
struct opening {
    uint64_t system, other;
    bool     has_system, has_other;
};

/* Where the hash of a message of this role goes; NULL when it is neither. */
static uint64_t *place_of(struct opening *o, struct tg_json role)
{
    bool is_system, *has;

    if (o->has_system && o->has_other)
        return NULL;
    is_system = tg_json_is(role, "system") || tg_json_is(role, "developer");
    has = is_system ? &o->has_system : &o->has_other;
    if (*has)
        return NULL;
    *has = true;
    return is_system ? &o->system : &o->other;
}

static void read_message(struct tg_prompt *p, struct tg_json message, struct opening *o)
{
    struct tg_json role = { 0 }, content = { 0 }, value;
    struct tg_json_iter it;
    struct tg_str key;

    tg_json_iter_init(&it, message);
    while (tg_json_next(&it, &key, &value)) {
        if (tg_str_is(key, "content"))
            content = value;
        else if (tg_str_is(key, "role"))
            role = value;
        else
            tg_prompt_add(p, value);       /* tool calls, reasoning, a name */
    }
    p->tokens += TG_NEEDS_MESSAGE_TOKENS;
    p->messages++;
    read_content(p, content, place_of(o, role));
}

tg_err tg_prompt_messages(struct tg_prompt *p, struct tg_json messages,
                          const struct tg_refusal *no)
{
    struct opening o = { 0 };
    struct tg_json_iter it;
    struct tg_str none;
    struct tg_json message;

    *p = (struct tg_prompt){ .inputs = 1 << TG_MODE_TEXT };
    if (messages.kind != TG_JSON_ARRAY)
        return tg_refuse(no, "'messages' must be an array, not %.*s", TG_SHOWN(messages.raw));
    tg_json_iter_init(&it, messages);
    while (tg_json_next(&it, &none, &message)) {
        if (message.kind != TG_JSON_OBJECT)
            return tg_refuse(no, "'messages[%lld]' must be an object, not %.*s",
                             (long long)p->messages, TG_SHOWN(message.raw));
        read_message(p, message, &o);
    }
    if (!p->messages)
        return tg_refuse(no, "'messages' must have at least one message");
    p->opening_hash = tg_hash_join(tg_hash_join(o.has_system, o.system), o.other);
    return TG_OK;
}

/* ---- prompt, input ---- */

static void read_item(struct tg_prompt *p, struct tg_json item)
{
    struct tg_json content = { 0 };

    if (item.kind == TG_JSON_NUMBER)
        p->tokens++;
    else if (item.kind == TG_JSON_ARRAY)
        p->tokens += (int64_t)tg_json_count(item);
    else if (item.kind == TG_JSON_OBJECT && (content = tg_json_get(item, "content")).kind)
        read_content(p, content, NULL);
    else
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
