#include "flow/attempt.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "flow/engine.h"
#include "os/sigv4.h"

static enum tg_job job_of(const struct tg_exchange *x)
{
    if (x->api == TG_API_COMPLETIONS && !tg_translate_passes(x))
        return x->is_stream ? TG_JOB_STREAM : TG_JOB_WHOLE;
    return tg_job_of(x->api, x->is_stream);
}

static struct tg_answer_names names_for(const struct tg_exchange *x)
{
    return (struct tg_answer_names){
        .id = { x->id, TG_EXCHANGE_ID_LEN },
        .model = x->endpoint->model->id,
        .provider = x->endpoint->provider->name,
        .created_s = x->began_wall_ms / 1000,
    };
}

bool tg_attempt_prepare(struct tg_exchange *x)
{
    struct tg_answer_names names = names_for(x);
    enum tg_api api = tg_translate_answer_api(x);

    tg_translate_begin(x);
    if (x->answer && x->answer_api == api) {
        tg_answer_restart(x->answer, &names);
        return true;
    }
    tg_answer_free(x->answer);
    x->answer_api = api;
    x->answer = tg_answer_new(api, &names, api == TG_API_RERANK ? x->desk->needs.documents
                                                                : x->desk->needs.tools);
    return x->answer != NULL;
}

/* The fields of this request: the lane's, and those that its body and its
 * signature bring. */
static tg_err put_fields(struct tg_exchange *x, const struct tg_translated *t, struct tg_str *fields)
{
    const struct tg_lane *lane = tg_config_lane(x->config, x->endpoint);
    struct tg_buf all = { 0 };

    *fields = lane->fields;
    if (!t->fields.len)
        return TG_OK;
    tg_buf_str(&all, lane->fields);
    tg_buf_str(&all, tg_buf_view(&t->fields));
    *fields = all.bad ? (struct tg_str){ 0 } : tg_arena_copy(&x->desk->arena, tg_buf_view(&all));
    tg_buf_done(&all);
    return fields->at ? TG_OK : TG_ENOMEM;
}

static tg_err put_target(struct tg_exchange *x, struct tg_str *target)
{
    struct tg_str template = tg_config_target(x->config, x->endpoint, tg_translate_wire(x), job_of(x));
    struct tg_buf b = { 0 };
    tg_err err;

    *target = template;
    if (!memchr(template.at, '{', template.len))
        return TG_OK;
    err = tg_wire_put_target(&b, template, x->endpoint->upstream_model);
    if (!err)
        *target = tg_arena_copy(&x->desk->arena, tg_buf_view(&b));
    tg_buf_done(&b);
    return err || !target->at ? TG_ENOMEM : TG_OK;
}

static tg_err sign_aws(struct tg_exchange *x, const struct tg_upstream_request *request,
                       struct tg_buf *fields)
{
    const struct tg_provider *p = x->endpoint->provider;
    const struct tg_signer *s = &p->signer;
    struct tg_sigv4 who = { s->access_key, s->secret_key, s->session_token, s->region,
                            TG_STR("bedrock") };
    struct tg_sigv4_request what = { .method = request->method, .body = request->pieces,
                                     .body_pieces = request->pieces_count,
                                     .content_type = TG_STR("application/json") };
    struct tg_buf host = { 0 };

    tg_str_cut(request->target, '?', &what.path, &what.query);
    tg_url_put_host(&p->url, &host);
    what.host = tg_buf_view(&host);
    tg_err err = tg_sigv4_sign(&who, &what, tg_clock_wall_ms() / 1000, fields);
    tg_buf_done(&host);
    return err;
}

static tg_err put_token(struct tg_exchange *x, struct tg_buf *fields)
{
    struct tg_str token;
    tg_err err = tg_credentials_get(tg_engine_credentials(x->engine), x->endpoint->provider,
                                    tg_clock_wall_ms() / 1000, &token, &x->try->wait);

    if (err)
        return err;
    tg_buf_reset(&x->token);
    if (tg_buf_str(&x->token, token))
        return TG_ENOMEM;
    tg_buf_z(fields, "Authorization: Bearer ");
    tg_buf_str(fields, token);
    return tg_buf_z(fields, "\r\n");
}

/* TG_AGAIN: a token is being fetched, and the attempt goes on when it is there. */
static tg_err sign(struct tg_exchange *x, const struct tg_upstream_request *request,
                   struct tg_buf *fields)
{
    enum tg_signing kind = x->endpoint->provider->signer.kind;
    tg_err err = TG_OK;

    if (kind == TG_SIGN_AWS)
        err = sign_aws(x, request, fields);
    else if (kind == TG_SIGN_GOOGLE)
        err = put_token(x, fields);
    if (err != TG_EINVAL)
        return err;
    snprintf(x->why, sizeof x->why, "its keys cannot sign");
    return TG_EPEER;
}

static tg_err note_lost(struct tg_exchange *x)
{
    struct tg_buf lost = { 0 };
    tg_err err = tg_translate_put_lost(x, &lost);

    x->attempt->lost = err ? (struct tg_str){ 0 } : tg_arena_copy(&x->desk->arena, tg_buf_view(&lost));
    tg_buf_done(&lost);
    return x->attempt->lost.at ? TG_OK : TG_ENOMEM;
}

static tg_err make_request(struct tg_exchange *x, struct tg_translated *t,
                           struct tg_upstream_request *request)
{
    struct tg_desk *desk = x->desk;

    t->pieces = tg_arena_get(&desk->arena, t->cap * sizeof *t->pieces);
    tg_err err = t->pieces ? tg_translate_request(x, t) : TG_ENOMEM;
    x->attempt->dropped_params = t->dropped;
    if (!err)
        err = note_lost(x);
    if (!err)
        err = put_target(x, &request->target);
    request->pieces = t->pieces;
    request->pieces_count = t->count;
    request->body_bytes = t->bytes;
    if (!err)
        err = sign(x, request, &t->fields);
    return err ? err : put_fields(x, t, &request->fields);
}

tg_err tg_attempt_request(struct tg_exchange *x, struct tg_upstream_request *request)
{
    struct tg_translated t = { .cap = TG_EDIT_PIECES(TG_NEEDS_MEMBERS_MAX) };

    *request = (struct tg_upstream_request){ .method = TG_STR("POST"), .has_body = true };
    tg_err err = make_request(x, &t, request);
    tg_buf_done(&t.fields);
    return err;
}
