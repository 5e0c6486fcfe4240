#include "route/wires.h"

#include <string.h>

const struct tg_wire tg_wire_chat = {
    .name = { "openai-chat", 11 },
    .targets = {
        [TG_JOB_WHOLE]       = { "/chat/completions", 17 },
        [TG_JOB_STREAM]      = { "/chat/completions", 17 },
        [TG_JOB_COMPLETIONS] = { "/completions", 12 },
        [TG_JOB_EMBEDDINGS]  = { "/embeddings", 11 },
        [TG_JOB_RERANK]      = { "/rerank", 7 },
    },
    .carries = TG_PARAM_ALL,
    .native = TG_API_CHAT,
};

static struct tg_str behind_first(struct tg_str s)
{
    return (struct tg_str){ s.at + 1, s.len - 1 };
}

/* A star stands for any bytes, none included; everything else for itself. */
static bool is_like(struct tg_str text, struct tg_str pattern)
{
    struct tg_str star = { 0 }, back = text;   /* what is behind the last one, and where it began */

    while (text.len) {
        if (pattern.len && *pattern.at == '*') {
            star = pattern = behind_first(pattern);
            back = text;
        } else if (pattern.len && *pattern.at == *text.at) {
            pattern = behind_first(pattern);
            text = behind_first(text);
        } else if (star.at) {
            pattern = star;
            text = back = behind_first(back);
        } else {
            return false;
        }
    }
    while (pattern.len && *pattern.at == '*')
        pattern = behind_first(pattern);
    return !pattern.len;
}

bool tg_wire_is_for(const struct tg_wire *w, struct tg_str model)
{
    struct tg_str pattern, rest = w->models;
    bool is_for = false;

    for (bool more = rest.len; more && !is_for;) {
        more = tg_str_cut(rest, ' ', &pattern, &rest);
        is_for = is_like(model, pattern);
    }
    return is_for;
}

enum tg_job tg_job_of(enum tg_api api, bool stream)
{
    switch (api) {
    case TG_API_COMPLETIONS: return TG_JOB_COMPLETIONS;
    case TG_API_EMBEDDINGS:  return TG_JOB_EMBEDDINGS;
    case TG_API_RERANK:      return TG_JOB_RERANK;
    case TG_API_COUNT:       return TG_JOB_COUNT;
    default:                 return stream ? TG_JOB_STREAM : TG_JOB_WHOLE;
    }
}

bool tg_wire_passes(const struct tg_wire *w, enum tg_api api)
{
    switch (api) {
    case TG_API_COUNT:
        return false;
    case TG_API_COMPLETIONS: case TG_API_EMBEDDINGS: case TG_API_RERANK:
        return w->native == TG_API_CHAT && w->targets[tg_job_of(api, false)].len;
    default:
        return w->native == api;
    }
}

bool tg_wire_offers(const struct tg_wire *w, enum tg_api api)
{
    enum tg_job job = tg_job_of(api, false);

    /* A prompt without roles becomes a message where there are only chats. */
    return w->targets[job].len || (job == TG_JOB_COMPLETIONS && w->targets[TG_JOB_WHOLE].len);
}

static tg_err put_encoded(struct tg_buf *out, struct tg_str text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (size_t i = 0; i < text.len; i++) {
        if (memchr(plain, text.at[i], sizeof plain - 1))
            tg_buf_char(out, text.at[i]);
        else
            tg_buf_printf(out, "%%%02X", (unsigned char)text.at[i]);
    }
    return out->bad ? TG_ENOMEM : TG_OK;
}

tg_err tg_wire_put_target(struct tg_buf *out, struct tg_str target, struct tg_str model)
{
    static const char hole[] = "{model}";
    const char *at = memmem(target.at, target.len, hole, sizeof hole - 1);

    if (!at)
        return tg_buf_str(out, target);
    size_t head = (size_t)(at - target.at), skip = head + sizeof hole - 1;
    tg_buf_add(out, target.at, head);
    put_encoded(out, model);
    return tg_buf_add(out, target.at + skip, target.len - skip);
}

static bool knows_beta(const struct tg_wire *w, struct tg_str word)
{
    const char *end = w->betas.at + w->betas.len;

    if (!word.len || memchr(word.at, ' ', word.len))
        return false;
    for (const char *at = w->betas.at; at && at < end; at++) {
        at = memmem(at, (size_t)(end - at), word.at, word.len);
        if (!at)
            return false;
        if (at[-1] == ' ' && at[word.len] == ' ')
            return true;
    }
    return false;
}

tg_err tg_wire_put_betas(struct tg_buf *out, const struct tg_wire *w, struct tg_str list)
{
    const char *between = "";
    struct tg_str word;

    for (bool more = w->betas.len && list.len; more;) {
        more = tg_str_cut(list, ',', &word, &list);
        word = tg_str_trim(word);
        if (!knows_beta(w, word))
            continue;
        tg_buf_z(out, between);
        tg_buf_str(out, word);
        between = ",";
    }
    return out->bad ? TG_ENOMEM : TG_OK;
}

tg_err tg_wire_copy(struct tg_wire *w, struct tg_arena *arena)
{
    struct tg_str *views[] = { &w->name, &w->models, &w->converts, &w->source, &w->adds, &w->betas };

    for (size_t i = 0; i < sizeof views / sizeof *views + TG_JOBS; i++) {
        size_t n = sizeof views / sizeof *views;
        struct tg_str *view = i < n ? views[i] : &w->targets[i - n];
        *view = tg_arena_copy(arena, *view);
        if (!view->at)
            return TG_ENOMEM;
    }
    return TG_OK;
}
