#include "wire/told.h"

#include <string.h>

/* What was found so far; views into the text that is read. */
struct findings {
    struct tg_json words;          /* the best message */
    struct tg_json code;           /* the best code: a word before a number */
    int64_t        status;
};

static void reset(struct tg_told *t)
{
    t->status = 0;
    tg_buf_reset(&t->message);
    tg_buf_reset(&t->code);
    tg_buf_reset(&t->raw);
}

void tg_told_done(struct tg_told *t)
{
    tg_buf_done(&t->message);
    tg_buf_done(&t->code);
    tg_buf_done(&t->raw);
    t->status = 0;
}

/* Not longer than `max`, and not ending inside a character. */
static void cut(struct tg_buf *b, size_t max)
{
    if (b->bad || b->len <= max)
        return;
    while (max && ((unsigned char)b->at[max] & 0xc0) == 0x80)
        max--;
    b->len = max;
}

static tg_err failure_of(const struct tg_told *t)
{
    return t->message.bad || t->code.bad || t->raw.bad ? TG_ENOMEM : TG_OK;
}

/* ---- JSON ---- */

/* Where words stand, the best place first. */
static const char *const places[] = {
    "message", "Message", "detail", "msg", "error", "errors", "error_message", "errorMessage",
    "error_description", "description", "details", "reason", "title", NULL
};

/* The words in a value: itself, or the first that are found inside. */
static struct tg_json words_in(struct tg_json value, unsigned depth)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json element, words = { 0 };

    if (value.kind == TG_JSON_STRING)
        return tg_json_has_text(value) ? value : words;
    if (depth == 0)
        return words;
    if (value.kind == TG_JSON_ARRAY) {
        tg_json_iter_init(&it, value);
        if (tg_json_next(&it, &key, &element))
            words = words_in(element, depth - 1);
    }
    for (size_t i = 0; value.kind == TG_JSON_OBJECT && places[i]; i++) {
        words = words_in(tg_json_get(value, places[i]), depth - 1);
        if (words.kind == TG_JSON_STRING)
            break;
    }
    return words;
}

/* 400 and "400", but not "3051" or 1. */
static bool is_status(struct tg_json value, int64_t *status)
{
    struct tg_str digits;
    uint64_t n;
    int64_t code;

    if (tg_json_i64(value, &code))
        n = code < 0 ? 0 : (uint64_t)code;
    else if (!tg_json_plain(value, &digits) || !tg_str_u64(digits, &n))
        return false;
    if (n < 400 || n > 599)
        return false;
    *status = (int64_t)n;
    return true;
}

static bool is_number_text(struct tg_json value)
{
    struct tg_str digits;
    uint64_t n;

    return value.kind == TG_JSON_NUMBER ||
           (tg_json_plain(value, &digits) && tg_str_u64(digits, &n));
}

/* Status and code of one object. A word says more than a number; "error" as a
 * type says nothing. */
static void read_codes(struct findings *f, struct tg_json object)
{
    static const char *const codes[] = {
        "code", "type", "status", "error_type", "error_code", "__type", NULL
    };
    static const char *const statuses[] = {
        "status_code", "raw_status_code", "http_status", "status", "statusCode", "code", NULL
    };

    for (size_t i = 0; statuses[i] && !f->status; i++)
        is_status(tg_json_get(object, statuses[i]), &f->status);
    for (size_t i = 0; codes[i]; i++) {
        struct tg_json code = tg_json_get(object, codes[i]);
        bool is_code = code.kind == TG_JSON_NUMBER ||
                       (tg_json_has_text(code) && !tg_json_is(code, "error"));
        if (is_code && (f->code.kind == TG_JSON_NONE ||
                        (is_number_text(f->code) && !is_number_text(code))))
            f->code = code;
    }
}

static bool is_something(struct tg_json value)
{
    if (value.kind == TG_JSON_STRING)
        return tg_json_has_text(value);
    return value.kind == TG_JSON_ARRAY || value.kind == TG_JSON_OBJECT ? tg_json_count(value) > 0
                                                                       : false;
}

/* The object or string that is the error, out of its wrappers. */
static struct tg_json error_of(struct tg_json root)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json first;

    for (int wrappers = 0; root.kind == TG_JSON_ARRAY && wrappers < TG_TOLD_DEPTH_MAX; wrappers++) {
        tg_json_iter_init(&it, root);
        if (!tg_json_next(&it, &key, &first))
            break;
        root = first;
    }
    return root;
}

static void find(struct findings *f, struct tg_json root)
{
    struct tg_json error = tg_json_get(root, "error");

    if (!is_something(error))
        error = tg_json_get(root, "errors");
    error = is_something(error) ? error_of(error) : root;
    f->words = words_in(error, TG_TOLD_DEPTH_MAX);
    if (f->words.kind == TG_JSON_NONE)
        f->words = words_in(root, TG_TOLD_DEPTH_MAX);
    read_codes(f, error);
    read_codes(f, root);
}

/* Plain text, or the JSON that hides in it: its own words are better than
 * "Provider returned error". */
static tg_err take_raw(struct tg_told *t, struct tg_json error)
{
    struct tg_json raw = tg_json_get(tg_json_get(error, "metadata"), "raw");
    struct tg_buf text = { 0 };
    struct tg_json root, words;

    if (raw.kind == TG_JSON_STRING) {
        tg_json_text(raw, &text);
        if (text.bad)
            return TG_ENOMEM;
        bool is_json = !tg_json_check(tg_buf_view(&text), TG_JSON_DEPTH_MAX, &root, NULL);
        words = is_json ? words_in(error_of(root), TG_TOLD_DEPTH_MAX) : (struct tg_json){ 0 };
        bool is_page = text.len && *text.at == '<';
        if (!is_json && !is_page && tg_str_trim(tg_buf_view(&text)).len) {
            tg_buf_reset(&t->message);
            tg_buf_str(&t->message, tg_buf_view(&text));
        }
    } else {
        words = words_in(error_of(raw), TG_TOLD_DEPTH_MAX);
    }
    if (words.kind == TG_JSON_STRING) {
        tg_buf_reset(&t->message);
        tg_json_text(words, &t->message);
    }
    tg_buf_done(&text);
    return failure_of(t);
}

tg_err tg_told_read_json(struct tg_told *t, struct tg_json root)
{
    struct findings f = { 0 };
    struct tg_json inner = error_of(root);

    reset(t);
    find(&f, inner);
    t->status = (int)f.status;
    if (f.words.kind == TG_JSON_STRING)
        tg_json_text(f.words, &t->message);
    if (f.code.kind == TG_JSON_STRING)
        tg_json_text(f.code, &t->code);
    else if (f.code.kind == TG_JSON_NUMBER)
        tg_buf_str(&t->code, f.code.raw);

    struct tg_json error = tg_json_get(inner, "error");
    if (!is_something(error))
        error = inner;
    if (error.raw.len <= TG_TOLD_TEXT_MAX)
        tg_buf_str(&t->raw, error.raw);
    tg_err err = failure_of(t);
    if (!err)
        err = take_raw(t, error);
    cut(&t->message, TG_TOLD_TEXT_MAX);
    cut(&t->code, TG_TOLD_TEXT_MAX);
    return err;
}

/* ---- other texts ---- */

static struct tg_str trim_all(struct tg_str s)
{
    while (s.len && strchr(" \t\r\n", s.at[0]) && s.at[0])
        s.at++, s.len--;
    while (s.len && strchr(" \t\r\n", s.at[s.len - 1]) && s.at[s.len - 1])
        s.len--;
    return s;
}

/* Where `part` begins in s, whatever its case; s.len when nowhere. */
static size_t find_part(struct tg_str s, const char *part)
{
    size_t n = strlen(part), i = 0;

    while (i + n <= s.len && !tg_str_iis((struct tg_str){ s.at + i, n }, part))
        i++;
    return i + n <= s.len ? i : s.len;
}

static struct tg_str from(struct tg_str s, size_t at)
{
    return (struct tg_str){ s.at + at, s.len - at };
}

/* Of a page, only its title is for people who asked for no page. */
static struct tg_str title_of(struct tg_str page)
{
    struct tg_str head = from(page, find_part(page, "<title"));
    struct tg_str open, title;

    if (!tg_str_cut(head, '>', &open, &title))
        return (struct tg_str){ 0 };
    title.len = find_part(title, "</");
    return trim_all(title);
}

/* An event stream's first data line, where an error came as one. */
static struct tg_str payload_of(struct tg_str body)
{
    struct tg_str line, rest = body;

    if (!tg_str_starts(body, "data:") && !tg_str_starts(body, "event:") &&
        !tg_str_starts(body, ":"))
        return body;
    while (rest.len) {
        tg_str_cut(rest, '\n', &line, &rest);
        if (tg_str_starts(line, "data:"))
            return trim_all(from(line, 5));
    }
    return body;
}

tg_err tg_told_read(struct tg_told *t, struct tg_str body)
{
    struct tg_json root;
    struct tg_str text = payload_of(trim_all(body));

    reset(t);
    if (!text.len)
        return TG_OK;
    if (!tg_json_check(text, TG_JSON_DEPTH_MAX, &root, NULL))
        return tg_told_read_json(t, root);
    if (*text.at == '<')
        text = title_of(text);
    else if (*text.at == '{' || *text.at == '[')
        text.len = 0;                                  /* JSON that broke off: nobody's words */
    if (text.len > TG_TOLD_TEXT_MAX)
        text.len = TG_TOLD_TEXT_MAX;
    tg_buf_str(&t->message, text);
    return failure_of(t);
}

tg_err tg_told_say(struct tg_told *t, int status, const char *message, struct tg_str code)
{
    reset(t);
    t->status = status;
    tg_buf_z(&t->message, message);
    tg_buf_str(&t->code, code);
    return failure_of(t);
}
