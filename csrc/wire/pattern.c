#include "wire/pattern.h"

#include <string.h>

#include "base/mem.h"
#include "wire/json.h"

void tg_pattern_done(struct tg_pattern *p)
{
    tg_free(p->bytes);
    *p = (struct tg_pattern){ 0 };
}

bool tg_pattern_wants(struct tg_pattern *p)
{
    p->asked++;
    return (p->asked & (p->asked - 1)) == 0;
}

/* The frame's holes from left to right. */
static void sort_holes(struct tg_pattern *p, const struct tg_pattern_hole *holes)
{
    p->which[0] = 0;
    p->which[1] = 1;
    if (p->holes == 2 && holes[1].out_at < holes[0].out_at) {
        p->which[0] = 1;
        p->which[1] = 0;
    }
}

static char *copy(char *to, const char *from, const char *until, uint16_t *len)
{
    *len = (uint16_t)(until - from);
    memcpy(to, from, *len);
    return to + *len;
}

void tg_pattern_learn(struct tg_pattern *p, struct tg_str event, struct tg_str frame,
                      const struct tg_pattern_hole *holes, size_t count)
{
    const char *from = event.at;
    size_t bytes = event.len + frame.len;
    uint32_t asked = p->asked;

    tg_pattern_done(p);
    p->asked = asked;
    for (size_t i = 0; i < count; i++)
        bytes -= 2 * holes[i].in.len;
    if (bytes > TG_PATTERN_BYTES_MAX || !(p->bytes = tg_alloc(bytes)))
        return;

    char *to = p->bytes;
    p->holes = (uint8_t)count;
    sort_holes(p, holes);
    for (size_t i = 0; i < count; i++) {
        to = copy(to, from, holes[i].in.at, &p->in[i]);
        from = holes[i].in.at + holes[i].in.len;
    }
    to = copy(to, from, event.at + event.len, &p->in[count]);
    from = frame.at;
    for (size_t i = 0; i < count; i++) {
        const struct tg_pattern_hole *hole = &holes[p->which[i]];
        to = copy(to, from, frame.at + hole->out_at, &p->out[i]);
        from = frame.at + hole->out_at + hole->in.len;
    }
    copy(to, from, frame.at + frame.len, &p->out[count]);
}

static bool take(struct tg_str *s, const char *bytes, size_t n)
{
    if (s->len < n || memcmp(s->at, bytes, n) != 0)
        return false;
    s->at += n;
    s->len -= n;
    return true;
}

/* The string whose characters begin here; the quote before it is the last byte
 * of a piece, the quote behind it the first of the next. */
static bool take_text(struct tg_str *s, struct tg_str *text)
{
    const char *p = s->at, *end = s->at + s->len;

    for (;; p++) {
        const char *q = p = memchr(p, '"', (size_t)(end - p));
        if (!p)
            return false;
        while (q > s->at && q[-1] == '\\')
            q--;
        if ((p - q) % 2 == 0)
            break;
    }
    *text = (struct tg_str){ s->at, (size_t)(p - s->at) };
    s->len -= text->len;
    s->at = p;
    return text->len > 0 &&
           !tg_json_check((struct tg_str){ text->at - 1, text->len + 2 }, 1, NULL, NULL);
}

static bool matches(const struct tg_pattern *p, struct tg_str event,
                    struct tg_str texts[TG_PATTERN_HOLES_MAX])
{
    const char *piece = p->bytes;

    for (size_t i = 0; i < p->holes; i++) {
        if (!take(&event, piece, p->in[i]) || !take_text(&event, &texts[i]))
            return false;
        piece += p->in[i];
    }
    return take(&event, piece, p->in[p->holes]) && event.len == 0;
}

bool tg_pattern_put(const struct tg_pattern *p, struct tg_str event, struct tg_str head,
                    struct tg_buf *out, struct tg_str texts[TG_PATTERN_HOLES_MAX])
{
    if (!p->holes || !matches(p, event, texts))
        return false;
    const char *piece = p->bytes;
    for (size_t i = 0; i <= p->holes; i++)
        piece += p->in[i];
    if (tg_buf_reserve(out, head.len + event.len + TG_PATTERN_BYTES_MAX))
        return true;
    tg_buf_str(out, head);
    for (size_t i = 0; i < p->holes; i++) {
        tg_buf_add(out, piece, p->out[i]);
        tg_buf_str(out, texts[p->which[i]]);
        piece += p->out[i];
    }
    tg_buf_add(out, piece, p->out[p->holes]);
    return true;
}
