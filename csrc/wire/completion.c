#include "wire/completion.h"

#include "wire/delta.h"
#include "wire/names.h"

/* ---- the object ---- */

/* Groq keeps a second usage there, and why it stopped early. */
static void read_x_groq(struct tg_completion *c, struct tg_json x_groq)
{
    struct tg_json error = tg_json_get(x_groq, "error");

    c->x_groq_usage = tg_json_get(x_groq, "usage");
    if (tg_completion_tells_error(error)) {
        c->error = error;
        c->error_in = x_groq;
    }
}

void tg_completion_read(struct tg_completion *c, enum tg_api api, struct tg_json object,
                        struct tg_buf *out)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    *c = (struct tg_completion){ .error_in = object };
    tg_json_iter_init(&it, object);
    while (tg_json_next(&it, &key, &value)) {
        switch (tg_name_of(key)) {
        case TG_NAME_CREATED:
        case TG_NAME_ID:
        case TG_NAME_MODEL:
        case TG_NAME_PROVIDER:
        case TG_NAME_OPENROUTER_METADATA:      /* another gateway's decision */
        case TG_NAME_USER_ID:                  /* whose key we hold there */
            continue;
        case TG_NAME_CHOICES:            c->choices = value; continue;
        case TG_NAME_ERROR:
            if (tg_completion_tells_error(value)) {
                c->error = value;
                c->error_in = object;
            }
            continue;
        case TG_NAME_OBJECT:             c->object = value; continue;
        case TG_NAME_USAGE:              c->usage = value; continue;
        case TG_NAME_SYSTEM_FINGERPRINT: c->system_fingerprint = value; continue;
        case TG_NAME_SERVICE_TIER:       c->service_tier = value; continue;
        case TG_NAME_DATA:
            if (api == TG_API_RERANK)
                break;
            c->data = value;
            if (api == TG_API_EMBEDDINGS)
                continue;
            break;
        case TG_NAME_X_GROQ:
            read_x_groq(c, value);
            /* fall through */
        case TG_NAME_PROMPT_FILTER_RESULTS:    /* no reasons for a chunk of their own */
            tg_name_pass(out, key, value);
            continue;
        case TG_NAME_OBFUSCATION:
        case TG_NAME_P:
            tg_name_pass(out, key, value);
            c->padding = value;
            c->padding_at = out->len - value.raw.len;
            continue;
        case TG_NAME_COST: c->charge = value; break;
        case TG_NAME_TYPE: c->type = value; break;
        default:
            if (api != TG_API_RERANK || !tg_json_key_is(key, "results"))
                break;
            c->data = value;
            continue;
        }
        tg_name_pass(out, key, value);
        c->says_more |= tg_delta_says(value);
    }
}

bool tg_completion_tells_error(struct tg_json error)
{
    return (error.kind == TG_JSON_STRING || error.kind == TG_JSON_OBJECT ||
            error.kind == TG_JSON_ARRAY) && tg_delta_says(error);
}

bool tg_completion_is_error(const struct tg_completion *c)
{
    if (tg_completion_tells_error(c->error))
        return true;
    return c->choices.kind == TG_JSON_NONE && c->data.kind == TG_JSON_NONE &&
           (tg_json_is(c->object, "error") || tg_json_is(c->type, "error"));
}

/* ---- its choices ---- */

static bool is_passed(enum tg_name name, enum tg_api api, struct tg_json value)
{
    switch (name) {
    case TG_NAME_INDEX:
    case TG_NAME_DELTA:
    case TG_NAME_MESSAGE:
    case TG_NAME_FINISH_REASON:
    case TG_NAME_NATIVE_FINISH_REASON:
    case TG_NAME_LOGPROBS:
    case TG_NAME_ERROR:  return false;
    case TG_NAME_TEXT:   return api != TG_API_COMPLETIONS;
    case TG_NAME_USAGE:  return value.kind != TG_JSON_OBJECT;
    default:             return true;
    }
}

void tg_piece_read(struct tg_piece *p, enum tg_api api, struct tg_json object)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    *p = (struct tg_piece){ .object = object };
    tg_json_iter_init(&it, object);
    while (object.kind == TG_JSON_OBJECT && tg_json_next(&it, &key, &value)) {
        enum tg_name name = tg_name_of(key);
        switch (name) {
        case TG_NAME_DELTA:                p->delta = value; break;
        case TG_NAME_ERROR:                p->error = value; break;
        case TG_NAME_FINISH_REASON:        p->finish_reason = value; break;
        case TG_NAME_INDEX:                p->index = value; break;
        case TG_NAME_LOGPROBS:             p->logprobs = value; break;
        case TG_NAME_MESSAGE:              p->message = value; break;
        case TG_NAME_NATIVE_FINISH_REASON: p->native_finish_reason = value; break;
        case TG_NAME_TEXT:                 p->text = value; break;     /* Together: beside delta */
        case TG_NAME_USAGE:                p->usage = value; break;    /* Moonshot */
        default:                           break;
        }
        if (is_passed(name, api, value)) {
            p->passed++;
            p->says_more |= name != TG_NAME_TEXT && tg_delta_says(value);
        }
    }
    p->says_more |= tg_delta_says(p->logprobs);
}

void tg_piece_pass(const struct tg_piece *p, enum tg_api api, struct tg_buf *out)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    if (!p->passed)
        return;
    tg_json_iter_init(&it, p->object);
    while (tg_json_next(&it, &key, &value))
        if (is_passed(tg_name_of(key), api, value))
            tg_name_pass(out, key, value);
}
