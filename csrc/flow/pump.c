#include "flow/pump.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "flow/attempt.h"
#include "flow/engine.h"
#include "flow/reply.h"
#include "flow/settle.h"
#include "route/rank.h"
#include "wire/retry_after.h"

enum { KEY_LEAST = 8 };                /* bytes; what is shorter is no secret */

static void tell(struct tg_exchange *x, struct tg_relay_fact fact);
static void free_exchange(struct tg_exchange *x);
static void forward(struct tg_exchange *x);
static void body_over(struct tg_exchange *x, enum tg_outcome otherwise);

static void tell_event(struct tg_exchange *x, enum tg_relay_event event)
{
    tell(x, (struct tg_relay_fact){ .event = event });
}

/* How long each candidate usually takes to its first token: looked up only when
 * an attempt has failed and another may begin. */
static void look_up_times(struct tg_exchange *x, uint64_t now_ms)
{
    for (unsigned i = 0; x->desk && i < x->relay.count; i++) {
        struct tg_live *live = x->desk->plan.all[i].endpoint->live;
        struct tg_quantiles q = { 0 };
        if (live)
            tg_window_read(&live->ttft, false, now_ms, &q);
        x->candidates[i].p50_ttft_ms = (uint32_t)q.p50;
    }
}

static uint64_t now_of(const struct tg_exchange *x)
{
    return tg_loop_ms(tg_engine_loop(x->engine));
}

static void tell_fail(struct tg_exchange *x, enum tg_outcome outcome)
{
    look_up_times(x, now_of(x));
    tell(x, (struct tg_relay_fact){ .event = TG_EV_UP_FAIL, .outcome = outcome,
                                    .retry_after_ms = x->retry_after_ms });
}

/* ---- an attempt's end of the wire ---- */

static void free_try(struct tg_try *t)
{
    tg_engine_forget_try(t->engine, t);
    tg_credentials_leave(&t->wait);
    tg_loop_at(tg_engine_loop(t->engine), &t->timer, 0);
    tg_buf_done(&t->rest);
    tg_free(t);
}

void tg_try_cancel(struct tg_try *t)
{
    if (t->up)
        tg_upstream_cancel(t->up);
    free_try(t);
}

static struct tg_try *try_of(struct tg_timer *timer)
{
    return (struct tg_try *)((char *)timer - offsetof(struct tg_try, timer));
}

static void on_drain_timer(struct tg_timer *timer)
{
    tg_try_cancel(try_of(timer));
}

/* All that came was read, or is not wanted any more. */
static void catch_up(struct tg_try *t)
{
    if (!t->is_behind)
        return;
    t->is_behind = false;
    tg_buf_done(&t->rest);
    tg_upstream_resume(t->up);
}

/* The answer is whole but the body's last bytes are not here yet: read them
 * behind the client's back, so that the connection can be used again. Not while
 * the request is still being sent: its bytes are the exchange's. */
static void let_drain(struct tg_exchange *x)
{
    struct tg_try *t = x->try;

    x->try = NULL;
    if (!t)
        return;
    if (!t->up || !x->is_sent) {
        tg_try_cancel(t);
        return;
    }
    t->x = NULL;
    catch_up(t);
    t->timer.on = on_drain_timer;
    if (tg_loop_at(tg_engine_loop(t->engine), &t->timer, now_of(x) + TG_EXCHANGE_DRAIN_MS))
        tg_try_cancel(t);
}

static void cancel_try(struct tg_exchange *x)
{
    struct tg_try *t = x->try;

    x->try = NULL;
    if (t)
        tg_try_cancel(t);
}

/* ---- secrets ---- */

static void hide(struct tg_buf *b, struct tg_str key)
{
    char *at = b->at, *end = at ? at + b->len : NULL;

    while (key.len >= KEY_LEAST && at && (at = memmem(at, (size_t)(end - at), key.at, key.len)))
        at = (char *)memset(at, '*', key.len) + key.len;
}

/* Black out what the provider may have repeated of our request's keys. Stars of
 * the same length leave JSON and framing as they are. */
static void hide_keys(struct tg_exchange *x, struct tg_buf *b)
{
    const struct tg_provider *p = x->endpoint->provider;

    hide(b, p->key);
    hide(b, p->signer.secret_key);
    hide(b, p->signer.session_token);
    hide(b, tg_buf_view(&x->token));
}

/* ---- reading the provider's answer ---- */

static void on_connected(void *arg, bool reused)
{
    struct tg_try *t = arg;

    if (!t->x)
        return;
    t->x->meter.connected_ms = now_of(t->x);
    tell_event(t->x, TG_EV_UP_CONNECTED);
}

static void on_sent(void *arg)
{
    struct tg_try *t = arg;

    if (!t->x)
        return;
    t->x->is_sent = true;
    tg_translate_sent(t->x);
}

static bool has_word(struct tg_str s, const char *word)
{
    return s.len && memmem(s.at, s.len, word, strlen(word)) != NULL;
}

/* How the body of a success is to be read. A provider may answer a stream
 * request with a whole body; where streams are JSON themselves, nothing in the
 * head tells the two apart. */
static enum tg_reading reading_of(const struct tg_exchange *x, const struct tg_http1_head *head)
{
    struct tg_str type = tg_http1_get(head, "content-type");
    bool is_json = x->frames.framing == TG_FRAMES_SSE && has_word(type, "json");

    return !x->is_stream || is_json ? TG_READ_WHOLE : TG_READ_EVENTS;
}

static tg_err begin_decoding(struct tg_exchange *x, const struct tg_http1_head *head)
{
    enum tg_coding coding;

    if (!tg_coding_of(tg_http1_get(head, "content-encoding"), &coding))
        return TG_EINVAL;
    if (coding == TG_CODING_NONE)
        return TG_OK;
    x->decode = tg_decode_new(coding);
    return x->decode ? TG_OK : TG_ENOMEM;
}

static void on_head(void *arg, const struct tg_http1_head *head)
{
    struct tg_try *t = arg;
    struct tg_exchange *x = t->x;
    tg_err err;

    if (!x)
        return;
    x->attempts[x->relay.attempts - 1].status = head->status;
    x->meter.head_ms = now_of(x);
    if ((err = begin_decoding(x, head))) {
        tell_fail(x, tg_outcome_of_err(err, true));
        return;
    }
    if (head->status >= 300) {
        x->reading = TG_READ_ERROR;
        x->retry_after_ms = tg_retry_after(head, TG_STR(""), tg_clock_wall_ms());
        return;
    }
    x->reading = reading_of(x, head);
    tell_event(x, TG_EV_UP_HEAD);
}

/* An error body is whole, cut, or longer than we care for. */
static void finish_error(struct tg_exchange *x)
{
    static const struct tg_http1_head no_head;
    int status = x->attempts[x->relay.attempts - 1].status;

    hide_keys(x, &x->whole);
    tg_told_read(&x->told, tg_buf_view(&x->whole));
    if (x->retry_after_ms < 0)
        x->retry_after_ms = tg_retry_after(&no_head, tg_buf_view(&x->whole), tg_clock_wall_ms());
    if ((status == 401 || status == 403) && x->endpoint->provider->signer.kind == TG_SIGN_GOOGLE)
        tg_credentials_forget(tg_engine_credentials(x->engine), x->endpoint->provider);
    tell_fail(x, tg_outcome_of_status(status, &x->told));
}

static void copy_told(struct tg_exchange *x)
{
    const struct tg_told *told = tg_answer_told(x->answer);

    tg_buf_reset(&x->told.message);
    tg_buf_reset(&x->told.code);
    tg_buf_reset(&x->told.raw);
    x->told.status = told->status;
    tg_buf_str(&x->told.message, tg_buf_view(&told->message));
    tg_buf_str(&x->told.code, tg_buf_view(&told->code));
    tg_buf_str(&x->told.raw, tg_buf_view(&told->raw));
    hide_keys(x, &x->told.message);
    hide_keys(x, &x->told.raw);
}

static enum tg_outcome outcome_of_event(struct tg_exchange *x, tg_err err)
{
    static const struct tg_http1_head no_head;

    if (err != TG_EPEER)
        return tg_outcome_of_err(err, true);
    copy_told(x);
    x->retry_after_ms = tg_retry_after(&no_head, tg_buf_view(&x->told.raw), tg_clock_wall_ms());
    return tg_outcome_of_told(&x->told);
}

/* Say what came of a batch of events. None of these facts ends the exchange. */
static void tell_progress(struct tg_exchange *x)
{
    const struct tg_answer_facts *f = tg_answer_facts(x->answer);

    if (f->has_content || f->has_finish) {
        if (!x->content_told) {
            x->content_told = true;
            tell_event(x, TG_EV_UP_CONTENT);
        } else if (x->out.len > TG_EXCHANGE_TURN_BYTES) {
            forward(x);
        } else if (x->out.len) {
            tg_engine_flush_soon(x->engine, x);
        }
    }
    if (f->has_finish && !x->finish_told) {
        x->finish_told = true;
        tell_event(x, TG_EV_UP_FINISH);
    }
}

/* A stream holds a buffer only while it has something to send: all of an engine
 * pass one on. */
static void take_buffer(struct tg_exchange *x)
{
    struct tg_buf *spare = tg_engine_spare(x->engine);

    if (x->out.at)
        return;
    x->out = *spare;
    *spare = (struct tg_buf){ 0 };
}

static void give_buffer(struct tg_exchange *x)
{
    struct tg_buf *spare = tg_engine_spare(x->engine);

    tg_buf_reset(&x->out);
    if (spare->at || x->out.cap > 2 * TG_EXCHANGE_TURN_BYTES) {
        tg_buf_done(&x->out);
        return;
    }
    *spare = x->out;
    x->out = (struct tg_buf){ 0 };
}

/* Translate events until the bytes are dry. */
static void read_events(struct tg_exchange *x, struct tg_str bytes)
{
    const struct tg_answer_facts *f = tg_answer_facts(x->answer);
    struct tg_sse_event ev;
    uint32_t content = f->content_events;
    tg_err err = tg_frames_feed(&x->frames, bytes);

    take_buffer(x);
    while (!err && !f->has_terminal && !(err = tg_frames_next(&x->frames, &ev)))
        err = tg_translate_event(x, &ev);
    if (err == TG_AGAIN)
        err = TG_OK;
    if (!err && x->out.bad)
        err = TG_ENOMEM;
    if (!err && !x->forwards && x->out.len > TG_EXCHANGE_HOLD_BYTES + x->config->event_bytes)
        err = TG_ETOOBIG;
    if (f->content_events != content)
        tg_meter_content(&x->meter, now_of(x));
    /* Content that comes together with an error is not worth a commit. */
    if (!err || x->content_told)
        tell_progress(x);
    if (err)
        tell_fail(x, outcome_of_event(x, err));
    else if (f->has_terminal)
        body_over(x, TG_OUT_TRUNCATED);
}

static void read_whole(struct tg_exchange *x, struct tg_str bytes)
{
    size_t most = x->reading == TG_READ_ERROR ? TG_EXCHANGE_ERROR_BYTES
                                              : (size_t)x->config->answer_bytes;
    bool fits = bytes.len <= most - x->whole.len;

    tg_buf_add(&x->whole, bytes.at, fits ? bytes.len : most - x->whole.len);
    if (x->whole.bad) {
        tell_fail(x, TG_OUT_OUR_FAULT);
    } else if (!fits && x->reading == TG_READ_ERROR) {
        cancel_try(x);
        finish_error(x);
    } else if (!fits) {
        cancel_try(x);
        tell_fail(x, TG_OUT_TOO_BIG);
    }
}

/* No event begins so: a whole body, whatever the head said or forgot to say. */
static bool begins_object(struct tg_str bytes)
{
    while (bytes.len && memchr(" \t\r\n", *bytes.at, 4)) {
        bytes.at++;
        bytes.len--;
    }
    return bytes.len && *bytes.at == '{';
}

static void read_plain(struct tg_exchange *x, struct tg_str bytes)
{
    if (x->reading == TG_READ_EVENTS && x->frames.framing == TG_FRAMES_SSE && !x->meter.bytes &&
        begins_object(bytes))
        x->reading = TG_READ_WHOLE;
    x->meter.bytes += bytes.len;
    if (x->reading == TG_READ_EVENTS) {
        if (x->meter.bytes > x->config->answer_bytes)
            tell_fail(x, TG_OUT_TOO_BIG);
        else
            read_events(x, bytes);
    } else {
        read_whole(x, bytes);
    }
}

/* ---- a slice a turn ---- */

static size_t slice_of(const struct tg_exchange *x)
{
    return x->reading == TG_READ_EVENTS ? TG_EXCHANGE_SLICE_BYTES : SIZE_MAX;
}

/* Take the next slice of *in, decoded. TG_AGAIN: there is another one behind it. */
static tg_err take_slice(struct tg_exchange *x, struct tg_str *in, struct tg_buf *plain)
{
    size_t most = slice_of(x), n = in->len < most ? in->len : most;

    if (x->decode)
        return tg_decode_some(x->decode, in, most, x->config->answer_bytes, plain);
    tg_err err = tg_buf_add(plain, in->at, n);
    *in = (struct tg_str){ in->at + n, in->len - n };
    return !err && in->len ? TG_AGAIN : err;
}

/* The next turn reads on; the provider waits until all of this was read. */
static tg_err fall_behind(struct tg_try *t, struct tg_str rest)
{
    struct tg_loop *loop = tg_engine_loop(t->engine);

    if (t->is_behind)
        tg_buf_eat(&t->rest, t->rest.len - rest.len);
    else if (tg_buf_str(&t->rest, rest))
        return TG_ENOMEM;
    t->is_behind = true;
    tg_upstream_pause(t->up);
    return tg_loop_at(loop, &t->timer, tg_loop_ms(loop));
}

/* A hundred kilobytes can unpack to six million events, which others would have to
 * wait for, were they read in one turn. What is done here with `t` is done before
 * the slice is read, which may be its end. */
static void read_slice(struct tg_try *t, struct tg_str bytes)
{
    struct tg_exchange *x = t->x;
    struct tg_buf plain = { 0 };

    tg_err err = take_slice(x, &bytes, &plain);
    if (err == TG_AGAIN)
        err = fall_behind(t, bytes);
    else if (!err)
        catch_up(t);
    if (err)
        tell_fail(x, tg_outcome_of_err(err, true));
    else
        read_plain(x, tg_buf_view(&plain));
    tg_buf_done(&plain);
}

/* A client that is full has it wait for resume(). */
static void on_next_slice(struct tg_timer *timer)
{
    struct tg_try *t = try_of(timer);

    if (t->x->relay.paused)
        return;
    tell_event(t->x, TG_EV_UP_BYTES);
    read_slice(t, tg_buf_view(&t->rest));
}

static void resume(struct tg_exchange *x)
{
    struct tg_try *t = x->try;

    if (!t->is_behind)
        tg_upstream_resume(t->up);
    else if (tg_loop_at(tg_engine_loop(t->engine), &t->timer, now_of(x)))
        tell_fail(x, TG_OUT_OUR_FAULT);
}

static void on_body(void *arg, struct tg_str bytes)
{
    struct tg_try *t = arg;
    struct tg_exchange *x = t->x;

    if (!x) {
        t->drained_bytes += bytes.len;
        if (t->drained_bytes > TG_EXCHANGE_DRAIN_BYTES)
            tg_try_cancel(t);
        return;
    }
    if (x->reading != TG_READ_ERROR)
        tell_event(x, TG_EV_UP_BYTES);
    if (x->decode || bytes.len > slice_of(x))
        read_slice(t, bytes);
    else
        read_plain(x, bytes);
}

/* Without the byte-order mark that some servers put before their JSON. */
static struct tg_str whole_body(const struct tg_exchange *x)
{
    struct tg_str s = tg_buf_view(&x->whole);

    return tg_str_starts(s, "\xef\xbb\xbf") ? (struct tg_str){ s.at + 3, s.len - 3 } : s;
}

/* A whole body is here: is it a completion? */
static void finish_whole(struct tg_exchange *x)
{
    tg_err err = tg_translate_whole(x, whole_body(x));
    struct tg_str body = whole_body(x);

    if (!err)
        err = tg_answer_read(x->answer, body);
    if (!err && x->is_stream) {
        err = tg_answer_write_as_stream(x->answer, body, &x->out);
        tg_answer_settle(x->answer);
    }
    if (err == TG_EINVAL && !body.len) {
        tell_fail(x, TG_OUT_EMPTY);
    } else if (err) {
        tell_fail(x, outcome_of_event(x, err));
    } else {
        tg_meter_content(&x->meter, now_of(x));
        tell_event(x, TG_EV_UP_DONE);
    }
}

/* The body of a stream is over, well or not: was the answer whole? */
static void body_over(struct tg_exchange *x, enum tg_outcome otherwise)
{
    if (tg_answer_settle(x->answer))
        tell_event(x, TG_EV_UP_DONE);
    else if (!tg_answer_facts(x->answer)->has_content && otherwise == TG_OUT_TRUNCATED)
        tell_fail(x, TG_OUT_EMPTY);
    else
        tell_fail(x, otherwise);
}

static void finish_events(struct tg_exchange *x, enum tg_outcome otherwise)
{
    /* Some close right behind the last line: end its event for them. What does
     * not parse now was cut, which settling finds out. */
    if (tg_frames_is_cut(&x->frames)) {
        struct tg_sse_event ev;
        tg_err err = tg_frames_finish(&x->frames);
        while (!err && !(err = tg_frames_next(&x->frames, &ev)))
            err = tg_translate_event(x, &ev);
        if (err == TG_EPEER) {
            tell_fail(x, outcome_of_event(x, err));
            return;
        }
        tell_progress(x);
    }
    body_over(x, otherwise);
}

static void on_end(void *arg)
{
    struct tg_try *t = arg;
    struct tg_exchange *x = t->x;

    t->up = NULL;
    if (!x) {
        free_try(t);
        return;
    }
    if (x->decode && !tg_decode_is_whole(x->decode) && x->reading != TG_READ_EVENTS)
        tell_fail(x, TG_OUT_TRUNCATED);
    else if (x->reading == TG_READ_ERROR)
        finish_error(x);
    else if (x->reading == TG_READ_WHOLE)
        finish_whole(x);
    else
        finish_events(x, TG_OUT_TRUNCATED);
}

static void on_fail(void *arg, tg_err err, const char *why)
{
    struct tg_try *t = arg;
    struct tg_exchange *x = t->x;

    t->up = NULL;
    if (!x) {
        free_try(t);
        return;
    }
    snprintf(x->why, sizeof x->why, "%s", why ? why : "");
    if (x->reading == TG_READ_ERROR && x->meter.head_ms)
        finish_error(x);
    else if (x->reading == TG_READ_EVENTS && x->meter.head_ms)
        finish_events(x, tg_outcome_of_err(err, true));
    else
        tell_fail(x, tg_outcome_of_err(err, x->meter.head_ms != 0));
}

/* ---- things to do ---- */

/* Nothing of a failed attempt may reach the client. */
static void forget_attempt(struct tg_exchange *x)
{
    tg_buf_done(&x->whole);
    tg_buf_reset(&x->out);
    tg_decode_free(x->decode);
    x->decode = NULL;
    tg_frames_done(&x->frames);
    tg_frames_init(&x->frames, tg_translate_wire(x)->framing, (size_t)x->config->event_bytes);
    tg_buf_reset(&x->told.message);
    tg_buf_reset(&x->told.code);
    tg_buf_reset(&x->told.raw);
    x->told.status = 0;
    x->content_told = x->finish_told = x->is_sent = false;
    x->retry_after_ms = -1;
    x->why[0] = '\0';
    x->reading = TG_READ_ERROR;
}

static enum tg_outcome outcome_of_begin(tg_err err)
{
    return err == TG_EINVAL ? TG_OUT_UNSUITABLE : err == TG_EPEER ? TG_OUT_KEY_REFUSED
                                                                  : TG_OUT_OUR_FAULT;
}

/* TG_EINVAL, with x->told, when this provider cannot be asked this. */
static tg_err open_upstream(struct tg_exchange *x)
{
    const struct tg_lane *lane = tg_config_lane(x->config, x->endpoint);
    struct tg_upstream_request request;
    struct tg_upstream_handler handler = {
        .on_connected = on_connected, .on_sent = on_sent, .on_head = on_head,
        .on_body = on_body, .on_end = on_end, .on_fail = on_fail, .arg = x->try,
    };

    tg_err err = tg_attempt_request(x, &request);
    if (err)
        return err == TG_AGAIN ? TG_OK : err;      /* on_token() goes on */
    x->try->up = tg_upstream_open(tg_engine_upstreams(x->engine), &lane->origin, &request, &handler);
    return x->try->up ? TG_OK : TG_ENOMEM;
}

static void on_token(struct tg_credentials_wait *w, tg_err err, struct tg_str why)
{
    struct tg_try *t = (struct tg_try *)((char *)w - offsetof(struct tg_try, wait));
    struct tg_exchange *x = t->x;

    if (!err) {
        err = open_upstream(x);
        if (err)
            tell_fail(x, outcome_of_begin(err));
        return;
    }
    snprintf(x->why, sizeof x->why, "%.*s", (int)why.len, why.at);
    tell_fail(x, err == TG_EPEER ? TG_OUT_KEY_REFUSED : tg_outcome_of_err(err, false));
}

static tg_err begin_attempt(struct tg_exchange *x, uint16_t candidate)
{
    struct tg_attempt *a = &x->attempts[x->relay.attempts - 1];

    *a = (struct tg_attempt){ .candidate = candidate, .ttft_ms = -1, .total_ms = -1 };
    x->attempt = a;
    x->endpoint = x->desk->plan.all[candidate].endpoint;
    x->remembers = tg_rank_remembers(&x->desk->plan, candidate, 0);
    x->remembers_cached = tg_rank_remembers(&x->desk->plan, candidate, 1);
    if (x->endpoint->live)
        tg_live_enter(x->endpoint->live, x->config->live, tg_engine_seat(x->engine));
    forget_attempt(x);
    tg_meter_begin(&x->meter, now_of(x));
    if (!tg_attempt_prepare(x))
        return TG_ENOMEM;
    x->try = tg_zalloc(sizeof *x->try);
    if (!x->try)
        return TG_ENOMEM;
    x->try->x = x;
    x->try->engine = x->engine;
    x->try->timer.on = on_next_slice;
    x->try->wait.on = on_token;
    tg_engine_remember_try(x->engine, x->try);
    return open_upstream(x);
}

static void send_head(struct tg_exchange *x)
{
    struct tg_buf fields = { 0 };

    tg_reply_fields(&fields, (struct tg_str){ x->id, TG_EXCHANGE_ID_LEN },
                    x->wants_array ? "application/json" : "text/event-stream");
    tg_buf_z(&fields, "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n");
    tg_client_begin(x->client, 200, tg_buf_view(&fields));
    tg_buf_done(&fields);
}

/* What was read of a stream, as its client is to see it. */
static struct tg_str presentable(struct tg_exchange *x, bool is_last)
{
    hide_keys(x, &x->out);
    return tg_translate_out(x, &x->out, is_last);
}

static void end_stream(struct tg_exchange *x, struct tg_client *client)
{
    struct tg_str last = presentable(x, true);

    if (x->translation.is_broken) {
        x->status = 500;
        tg_client_abort(client);
    } else {
        tg_client_end(client, last);
    }
    tg_translate_told(x);
}

/* Send what was translated. May find the client full: then x may be paused,
 * and nothing else happens here. What cannot be told ends at the end of this
 * turn, in tg_pump_flush(). */
static void forward(struct tg_exchange *x)
{
    bool room;

    if (!x->forwards || !x->out.len)
        return;
    room = tg_client_send(x->client, presentable(x, false));
    tg_translate_told(x);
    give_buffer(x);
    if (x->translation.is_broken)
        tg_engine_flush_soon(x->engine, x);
    else if (!room)
        tell_event(x, TG_EV_DOWN_FULL);
}

/* After the commit no other attempt follows: what planning and repeating
 * needed goes, unless the ending wants to tell about it. */
static void commit(struct tg_exchange *x)
{
    x->forwards = true;
    if (x->wants_metadata || !x->desk || !x->is_sent)
        return;
    if (x->desk->needs.tools.kind == TG_JSON_NONE)
        tg_buf_done(&x->body);
    tg_buf_done(&x->original);
    x->relay.candidates = x->candidates = NULL;
    tg_engine_give_desk(x->engine, x->desk);
    x->desk = NULL;
}

/* The whole completion into x->out, as its client is to see it. */
static tg_err write_whole(struct tg_exchange *x, struct tg_str metadata)
{
    tg_err err = tg_answer_write(x->answer, whole_body(x), &x->cost, metadata, &x->out);

    if (err)
        return err;
    hide_keys(x, &x->out);
    return tg_translate_reply(x, &x->out);
}

static void send_ending(struct tg_exchange *x)
{
    struct tg_str id = { x->id, TG_EXCHANGE_ID_LEN };
    struct tg_client *client = x->client;
    struct tg_buf metadata = { 0 }, fields = { 0 };
    tg_err err;

    tg_settle_price(x);
    tg_reply_metadata(x, true, now_of(x), &metadata);
    x->status = 200;
    err = x->is_stream ? tg_answer_finish(x->answer, &x->cost, tg_buf_view(&metadata), &x->out)
                       : write_whole(x, tg_buf_view(&metadata));
    x->client = NULL;
    if (err || x->out.bad) {
        struct tg_fault f = tg_fault_make(TG_FAULT_SERVER, NULL);
        x->status = tg_fault_status(&f);
        if (x->is_stream)
            tg_client_abort(client);
        else
            tg_reply_fault(client, x->shape, &f, id, TG_STR(""));
    } else if (x->is_stream) {
        end_stream(x, client);
    } else {
        tg_reply_fields(&fields, id, "application/json");
        tg_client_reply(client, 200, tg_buf_view(&fields), tg_buf_view(&x->out));
    }
    tg_buf_done(&metadata);
    tg_buf_done(&fields);
}

static void send_error(struct tg_exchange *x, bool in_stream)
{
    struct tg_client *client = x->client;
    struct tg_buf words = { 0 }, metadata = { 0 }, error = { 0 };
    struct tg_fault f = tg_reply_failure(x, &words);

    tg_reply_metadata(x, false, now_of(x), &metadata);
    x->client = NULL;
    x->status = tg_fault_status(&f);
    if (!in_stream) {
        tg_reply_fault(client, x->shape, &f, (struct tg_str){ x->id, TG_EXCHANGE_ID_LEN },
                       tg_buf_view(&metadata));
    } else if (!x->answer) {
        tg_client_abort(client);
    } else {
        tg_fault_put(&error, &f);
        if (!x->forwards)
            tg_buf_reset(&x->out);     /* of an attempt the client never saw */
        tg_answer_fail(x->answer, tg_buf_view(&error), tg_buf_view(&metadata), &x->out);
        end_stream(x, client);
    }
    tg_buf_done(&words);
    tg_buf_done(&metadata);
    tg_buf_done(&error);
}

/* An attempt has failed and nothing was told yet: what does the policy say? */
static void ask_policy(struct tg_exchange *x, enum tg_outcome outcome)
{
    struct tg_policy_attempt a = tg_settle_attempt_facts(x);
    struct tg_policy_error e = {
        .status = x->attempt->status, .type = tg_outcome_rule(outcome)->name,
        .message = tg_buf_view(&x->told.message), .retry_after_ms = x->retry_after_ms,
    };
    enum tg_verdict verdict = tg_policy_on_error(x->policy, tg_engine_index(x->engine), x->request,
                                                 &a, &e, now_of(x));

    tell(x, (struct tg_relay_fact){ .event = TG_EV_VERDICT, .verdict = verdict,
                                    .retry_after_ms = x->retry_after_ms });
}

/* Perform what the relay says, in its order. */
static void perform(struct tg_exchange *x, const struct tg_relay_todo *todo)
{
    unsigned what = todo->what;

    if (what & TG_DO_RECORD)
        tg_settle_attempt(x, todo->outcome, now_of(x));
    if (what & TG_DO_CANCEL_UP)
        cancel_try(x);
    if ((what & TG_DO_RECORD) && x->try && !(what & TG_DO_ENDING)) {
        /* A failed attempt is closed at once; after on_fail and on_end there
         * is nothing left to close. */
        cancel_try(x);
    }
    if (what & TG_DO_ASK_POLICY) {
        ask_policy(x, todo->outcome);
        return;
    }
    if (what & TG_DO_CONNECT) {
        tg_err err = begin_attempt(x, todo->candidate);
        if (err) {
            cancel_try(x);
            tell_fail(x, outcome_of_begin(err));
            return;
        }
    }
    if (what & TG_DO_SEND_HEAD)
        send_head(x);
    if (what & TG_DO_KEEPALIVE && x->format != TG_API_GEMINI)   /* Google's clients know no comments */
        tg_client_send(x->client, TG_STR(": OPENROUTER PROCESSING\n\n"));
    if (what & TG_DO_FORWARD) {
        commit(x);
        forward(x);
    }
    if (what & TG_DO_ENDING)
        send_ending(x);
    if (what & (TG_DO_ERROR_REPLY | TG_DO_ERROR_EVENT))
        send_error(x, what & TG_DO_ERROR_EVENT);
    if (what & TG_DO_PAUSE_UP && x->try && x->try->up)
        tg_upstream_pause(x->try->up);
    if (what & TG_DO_FINISH) {
        tg_settle_exchange(x, now_of(x));
        free_exchange(x);
    } else if (what & TG_DO_RESUME_UP && x->try && x->try->up) {
        resume(x);                         /* last: it may read at once */
    }
}

static void on_timer(struct tg_timer *t)
{
    struct tg_exchange *x = (struct tg_exchange *)((char *)t - offsetof(struct tg_exchange, timer));

    look_up_times(x, now_of(x));
    tell_event(x, TG_EV_TICK);
}

static void tell(struct tg_exchange *x, struct tg_relay_fact fact)
{
    struct tg_loop *loop = tg_engine_loop(x->engine);

    fact.now_ms = tg_loop_ms(loop);
    struct tg_relay_todo todo = tg_relay_on(&x->relay, &fact);
    if (x->relay.state != TG_RELAY_OVER && todo.wake_at_ms != x->timer.at_ms)
        tg_loop_at(loop, &x->timer, todo.wake_at_ms);
    if (todo.what)
        perform(x, &todo);
}

/* ---- life ---- */

static void free_exchange(struct tg_exchange *x)
{
    struct tg_engine *engine = x->engine;

    tg_loop_at(tg_engine_loop(engine), &x->timer, 0);
    let_drain(x);
    if (x->desk)
        tg_engine_give_desk(engine, x->desk);
    tg_answer_free(x->answer);
    tg_decode_free(x->decode);
    tg_frames_done(&x->frames);
    tg_translate_done(x);
    tg_told_done(&x->told);
    tg_buf_done(&x->token);
    tg_free(x->request);
    tg_buf_done(&x->original);
    tg_buf_done(&x->body);
    tg_buf_done(&x->whole);
    tg_buf_done(&x->out);
    tg_buf_done(&x->failures);
    tg_engine_forget(engine, x);
    tg_config_drop(x->config);
    tg_free(x);
}

void tg_pump_start(struct tg_exchange *x)
{
    struct tg_plan *p = &x->desk->plan;
    size_t n = p->kept < TG_RELAY_CANDIDATES_MAX ? p->kept : TG_RELAY_CANDIDATES_MAX;

    x->timer.on = on_timer;
    x->candidates = tg_arena_get(&x->desk->arena, n * sizeof *x->candidates);
    for (size_t i = 0; x->candidates && i < n; i++)
        x->candidates[i] = (struct tg_relay_candidate){
            .target = p->all[i].target, .context_length = p->all[i].endpoint->context_length };
    if (!x->candidates) {
        struct tg_fault f = tg_fault_make(TG_FAULT_SERVER, NULL);
        tg_reply_fault(x->client, x->shape, &f, (struct tg_str){ x->id, TG_EXCHANGE_ID_LEN },
                       TG_STR(""));
        x->client = NULL;
        free_exchange(x);
        return;
    }
    tg_relay_init(&x->relay, x->candidates, (uint16_t)n, &x->config->timeouts, x->is_stream);
    x->relay.asks_policy = x->policy && x->policy->hooks & 1 << TG_HOOK_ON_ERROR;
    tell_event(x, TG_EV_START);
}

void tg_pump_flush(struct tg_exchange *x)
{
    if (x->translation.is_broken)
        tell_fail(x, TG_OUT_OUR_FAULT);
    else
        forward(x);
}

void tg_pump_down_gone(struct tg_exchange *x)
{
    x->client = NULL;
    x->status = 499;               /* nginx's number for it */
    tell_event(x, TG_EV_DOWN_GONE);
}

void tg_pump_down_drained(struct tg_exchange *x)
{
    tell_event(x, TG_EV_DOWN_DRAINED);
}
