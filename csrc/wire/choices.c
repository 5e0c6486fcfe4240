#include "wire/choices.h"

#include <string.h>

#include "base/mem.h"

void tg_choices_done(struct tg_choices *cs)
{
    for (unsigned i = 0; i < cs->count; i++)
        tg_tool_calls_done(&cs->at[i].calls);
    tg_free(cs->at);
    *cs = (struct tg_choices){ 0 };
}

static tg_err make_room(struct tg_choices *cs, unsigned count)
{
    if (count <= cs->count)
        return TG_OK;
    struct tg_choice *at = tg_realloc(cs->at, count * sizeof *at);
    if (!at)
        return TG_ENOMEM;
    memset(at + cs->count, 0, (count - cs->count) * sizeof *at);
    cs->at = at;
    cs->count = count;
    return TG_OK;
}

tg_err tg_choices_get(struct tg_choices *cs, struct tg_json index, unsigned place,
                      unsigned *out_index, struct tg_choice **out)
{
    int64_t i;

    if (!tg_json_i64(index, &i) || i < 0)
        i = place;
    if (i >= TG_CHOICES_MAX)
        return TG_ETOOBIG;
    tg_err err = make_room(cs, (unsigned)i + 1);
    if (err)
        return err;
    *out_index = (unsigned)i;
    *out = &cs->at[i];
    (*out)->seen = true;
    return TG_OK;
}

const struct tg_choice *tg_choices_first(const struct tg_choices *cs)
{
    for (unsigned i = 0; i < cs->count; i++)
        if (cs->at[i].seen)
            return &cs->at[i];
    return NULL;
}

bool tg_choices_are_finished(const struct tg_choices *cs)
{
    for (unsigned i = 0; i < cs->count; i++) {
        enum tg_finish f = tg_choice_finish(&cs->at[i]);
        if (cs->at[i].seen && (f == TG_FINISH_NONE || f == TG_FINISH_ERROR))
            return false;
    }
    return tg_choices_first(cs);
}

void tg_choices_close(struct tg_choices *cs)
{
    for (unsigned i = 0; i < cs->count; i++)
        if (cs->at[i].seen && cs->at[i].finish == TG_FINISH_NONE)
            cs->at[i].finish = TG_FINISH_STOP;
}

bool tg_choice_made_calls(const struct tg_choice *c)
{
    return c->calls.count || c->has_function_call;
}

/* The word in a finish reason: a string's characters, a number's digits. */
static struct tg_str word_of(struct tg_json reason)
{
    struct tg_str word = { 0 };

    if (reason.kind == TG_JSON_NUMBER)
        return reason.raw;
    if (tg_json_has_text(reason) && !tg_json_plain(reason, &word))
        word = TG_STR("unknown");
    return word;
}

static void keep_native(struct tg_choice *c, struct tg_str word)
{
    c->native_len = (uint8_t)(word.len < TG_CHOICE_NATIVE_MAX ? word.len : TG_CHOICE_NATIVE_MAX);
    memcpy(c->native, word.at, c->native_len);
}

/* Where the native word tells of a worse end than the reason beside it, it is
 * right: gateways have called a malformed call a stop. */
void tg_choice_read_finish(struct tg_choice *c, struct tg_json reason, struct tg_json native)
{
    struct tg_str word = word_of(reason), native_word = word_of(native);
    enum tg_finish f = tg_finish_of(word);

    if (f == TG_FINISH_NONE)
        return;
    f = tg_finish_worse(f, tg_finish_of(native_word));
    c->finish = (uint8_t)tg_finish_worse((enum tg_finish)c->finish, f);
    if (native_word.len)
        keep_native(c, native_word);
    else if (!c->native_len)
        keep_native(c, word);
}

enum tg_finish tg_choice_finish(const struct tg_choice *c)
{
    enum tg_finish f = (enum tg_finish)c->finish;

    if (f == TG_FINISH_UNKNOWN)
        f = c->has_content ? TG_FINISH_STOP : TG_FINISH_ERROR;
    return f == TG_FINISH_STOP && tg_choice_made_calls(c) ? TG_FINISH_TOOL_CALLS : f;
}

struct tg_str tg_choice_native(const struct tg_choice *c)
{
    return (struct tg_str){ c->native, c->native_len };
}

static void put_or_null(struct tg_str word, struct tg_buf *out)
{
    if (word.len)
        tg_json_put_text(out, word);
    else
        tg_buf_z(out, "null");
}

void tg_choice_put_reasons(const struct tg_choice *c, struct tg_buf *out)
{
    tg_buf_z(out, ",\"finish_reason\":");
    put_or_null(tg_finish_word(tg_choice_finish(c)), out);
    tg_buf_z(out, ",\"native_finish_reason\":");
    put_or_null(tg_choice_native(c), out);
}
