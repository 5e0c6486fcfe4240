#include "abi/handle.h"

#include "wire/completion.h"

/* ---- failures ---- */

static void remember(struct tidegate *t, const char *code, struct tg_str words, int status)
{
    tg_buf_reset(&t->failure_words);
    tg_buf_str(&t->failure_words, words);
    const char *message = tg_buf_cstr(&t->failure_words);
    t->failure = (struct tidegate_fault){
        .code = code, .message = message ? message : tg_err_text(TG_ENOMEM), .status = status,
        .retry_after_ms = -1,
    };
}

void tga_fail(struct tidegate *t, tg_err err, const char *words)
{
    remember(t, tg_err_code(err), tg_str_of(words ? words : tg_err_text(err)), 0);
}

void tga_fail_fault(struct tidegate *t, const struct tg_fault *f)
{
    remember(t, tg_fault_type_name(f->type), f->message, tg_fault_status(f));
}

/* ---- what the host hands over ---- */

const char *tga_take(void *ours, size_t ours_size, const void *theirs, size_t least)
{
    const unsigned char *bytes = theirs;
    size_t size;

    if (!theirs)
        return "the struct is NULL";
    memcpy(&size, theirs, sizeof size);
    if (size < least)
        return "the struct's size is not set";
    for (size_t i = ours_size; i < size; i++)
        if (bytes[i])
            return "the struct has a member that this version of the library does not know";
    memset(ours, 0, ours_size);
    memcpy(ours, theirs, size < ours_size ? size : ours_size);
    return NULL;
}

static const char *take_fields(const struct tidegate_request *r, struct tg_http1_head *head)
{
    if (r->fields_count > TG_HTTP1_FIELDS_MAX)
        return "more than 128 header fields";
    if (r->fields_count && !r->fields)
        return "there is a count of header fields, and no field";
    for (size_t i = 0; i < r->fields_count; i++) {
        struct tg_http1_field *f = &head->fields[i];
        f->name = tg_str_of(r->fields[i].name);
        f->value = tg_str_of(r->fields[i].value);
        if (!tg_http1_is_token(f->name) || !f->value.at || !tg_http1_is_value(f->value))
            return "a header field cannot be sent";
    }
    head->fields_count = r->fields_count;
    return NULL;
}

static const char *take_request(const struct tidegate_request *theirs, struct tga_question *q)
{
    static const enum tg_api apis[] = { [TIDEGATE_CHAT] = TG_API_CHAT,
                                        [TIDEGATE_COMPLETIONS] = TG_API_COMPLETIONS,
                                        [TIDEGATE_EMBEDDINGS] = TG_API_EMBEDDINGS,
                                        [TIDEGATE_RERANK] = TG_API_RERANK };
    const char *wrong = tga_take(&q->is, sizeof q->is, theirs, sizeof q->is);

    if (wrong)
        return wrong;
    if (!q->is.body)
        return "the body is NULL";
    if (q->is.api < 0 || (size_t)q->is.api >= sizeof apis / sizeof *apis)
        return "there is no such api";
    if (q->is.flags & ~(unsigned)TIDEGATE_RAW)
        return "there is no such flag";
    q->api = apis[q->is.api];
    q->body = (struct tg_str){ q->is.body, q->is.body_len ? q->is.body_len : strlen(q->is.body) };
    return take_fields(&q->is, &q->head);
}

bool tga_take_request(struct tidegate *t, const struct tidegate_request *theirs,
                      struct tga_question *q)
{
    *q = (struct tga_question){ 0 };
    const char *wrong = take_request(theirs, q);

    if (wrong)
        tga_fail(t, TG_EINVAL, wrong);
    return !wrong;
}
