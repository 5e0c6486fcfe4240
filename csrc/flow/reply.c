#include "flow/reply.h"

#include "route/explain.h"

void tg_reply_fields(struct tg_buf *out, struct tg_str id, const char *content_type)
{
    tg_buf_z(out, "Access-Control-Allow-Origin: *\r\n"
                  "Access-Control-Expose-Headers: X-Generation-Id,X-Provider-Name,cf-ray\r\n");
    if (id.len) {
        tg_buf_z(out, "X-Generation-Id: ");
        tg_buf_str(out, id);
        tg_buf_z(out, "\r\n");
    }
    tg_buf_z(out, "Content-Type: ");
    tg_buf_z(out, content_type);
    tg_buf_z(out, "\r\n");
}

void tg_reply_fault(struct tg_client *c, enum tg_fault_shape shape, const struct tg_fault *f,
                    struct tg_str id, struct tg_str metadata)
{
    struct tg_buf fields = { 0 }, body = { 0 };

    tg_reply_fields(&fields, id, "application/json");
    if (f->status == 405)
        tg_buf_z(&fields, "Allow: POST\r\n");
    if (f->retry_after_ms > 0) {
        tg_buf_z(&fields, "Retry-After: ");
        tg_buf_u64(&fields, ((uint64_t)f->retry_after_ms + 999) / 1000);
        tg_buf_z(&fields, "\r\n");
    }
    tg_fault_put_body_as(&body, shape, f, id, metadata);
    tg_client_reply(c, tg_fault_status(f), tg_buf_view(&fields), tg_buf_view(&body));
    tg_buf_done(&fields);
    tg_buf_done(&body);
}

/* A provider's status that is told as it is; others become the fault's own. */
static bool is_passed_on(int status)
{
    switch (status) {
    case 400: case 404: case 408: case 409: case 412: case 413: case 422: case 429:
        return true;
    default:
        return status >= 500 && status <= 599;
    }
}

static void name_previous(const struct tg_exchange *x, struct tg_fault *f)
{
    if (!x->desk)
        return;
    for (unsigned i = 0; i + 1 < x->relay.attempts && i < TG_FAULT_PREVIOUS_MAX; i++) {
        const struct tg_attempt *a = &x->attempts[i];
        const struct tg_endpoint *e = x->desk->plan.all[a->candidate].endpoint;
        f->previous[f->previous_count++] = (struct tg_fault_previous){
            .provider = e->provider->name, .code = tg_str_of(a->outcome), .status = a->status };
    }
}

static void name_affected(const struct tg_exchange *x, struct tg_fault *f)
{
    const struct tg_plan *p;

    if (!x->desk)
        return;
    p = &x->desk->plan;
    for (size_t i = 0; i < p->needs->targets_count && i < TG_FAULT_NAMES_MAX; i++)
        f->requested_models[i] = p->needs->targets[i].asked;
    for (size_t i = 0; i < p->kept && i < TG_FAULT_NAMES_MAX; i++)
        f->affected_providers[i] = p->all[i].endpoint->provider->slug;
}

static const char *why_not(enum tg_outcome o)
{
    switch (o) {
    case TG_OUT_CONNECT:             return "no connection could be made";
    case TG_OUT_TLS:                 return "the TLS handshake failed";
    case TG_OUT_CONNECT_TIMEOUT:     return "no connection within timeouts.connect";
    case TG_OUT_FIRST_BYTE_TIMEOUT:  return "no answer within timeouts.first_byte";
    case TG_OUT_FIRST_TOKEN_TIMEOUT: return "no content within timeouts.first_token";
    case TG_OUT_IDLE_TIMEOUT:        return "silent for longer than timeouts.idle";
    case TG_OUT_TOTAL_TIMEOUT:       return "not finished within timeouts.total";
    case TG_OUT_RESET:               return "the connection broke off";
    case TG_OUT_TRUNCATED:           return "the answer ended before it was complete";
    case TG_OUT_MALFORMED:           return "the answer is not a valid completion";
    case TG_OUT_EMPTY:               return "the answer is empty";
    case TG_OUT_TOO_BIG:             return "the answer is larger than limits.answer or limits.event";
    case TG_OUT_KEY_REFUSED:         return "it refused the gateway's key";
    case TG_OUT_NO_CREDIT:           return "the gateway's account there has no credit";
    case TG_OUT_REDIRECT:            return "it answered with a redirect";
    default:                         return "it returned an error";
    }
}

struct tg_fault tg_reply_failure(const struct tg_exchange *x, struct tg_buf *words)
{
    const struct tg_relay *r = &x->relay;
    const struct tg_outcome_rule *rule = tg_outcome_rule(r->last);
    struct tg_fault f = { .type = rule->fault, .provider_name = x->failed_at };
    struct tg_str said = tg_buf_view(&x->told.message);
    int status = r->attempts ? x->attempts[r->attempts - 1].status : 0;

    if (rule->told && x->told.status)
        status = x->told.status;
    name_previous(x, &f);
    if (rule->told) {
        if (is_passed_on(status))
            f.status = status;
        if (f.type == TG_FAULT_INVALID_REQUEST && (status == 412 || status == 422))
            f.type = tg_fault_type_for(status);
        f.provider_code = tg_buf_view(&x->told.code);
        f.raw = tg_buf_view(&x->told.raw);
    }
    if (r->last == TG_OUT_RATE_LIMITED) {
        f.status = 429;
        f.message = TG_STR("Provider returned error");
        f.retry_after_ms = r->retry_after_ms;
        if (r->all_rate_limited)
            f.availability = TG_AVAIL_CAPACITY_EXHAUSTED;
    } else if (r->last == TG_OUT_OVERLOADED) {
        f.message = TG_STR("Provider returned error");
        f.retry_after_ms = r->retry_after_ms;
        f.availability = TG_AVAIL_TEMPORARILY_UNAVAILABLE;
    } else if (rule->told && rule->health == TG_HEALTH_NEUTRAL && said.len) {
        f.message = said;              /* the request's own fault, in the provider's words */
    } else if (r->last != TG_OUT_OUR_FAULT) {
        tg_buf_z(words, "Upstream error from ");
        tg_buf_str(words, x->failed_at);
        tg_buf_z(words, ": ");
        if (rule->told && said.len)
            tg_buf_str(words, said);
        else
            tg_buf_z(words, why_not(r->last));
        f.message = tg_buf_view(words);
    }
    if (f.availability != TG_AVAILABLE)
        name_affected(x, &f);
    return f;
}

void tg_reply_metadata(const struct tg_exchange *x, bool answered, uint64_t now_ms,
                       struct tg_buf *out)
{
    if (!x->wants_metadata || !x->desk)
        return;
    tg_explain_metadata(out, &x->desk->plan, x->attempts, x->relay.attempts,
                        answered ? x->relay.attempts - 1 : -1, (int64_t)(now_ms - x->began_ms));
}
