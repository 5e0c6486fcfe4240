#include "wire/frames.h"

void tg_frames_init(struct tg_frames *f, enum tg_framing framing, size_t limit)
{
    *f = (struct tg_frames){ .framing = framing };
    switch (framing) {
    case TG_FRAMES_SSE:         tg_sse_init(&f->sse, limit, false); break;
    case TG_FRAMES_LINES:       tg_lines_init(&f->lines, limit); break;
    case TG_FRAMES_EVENTSTREAM: tg_eventstream_init(&f->eventstream, limit); break;
    case TG_FRAMES_ELEMENTS:    tg_elements_init(&f->elements, limit); break;
    }
}

void tg_frames_done(struct tg_frames *f)
{
    switch (f->framing) {
    case TG_FRAMES_SSE:         tg_sse_done(&f->sse); break;
    case TG_FRAMES_LINES:       tg_lines_done(&f->lines); break;
    case TG_FRAMES_EVENTSTREAM: tg_eventstream_done(&f->eventstream); break;
    case TG_FRAMES_ELEMENTS:    tg_elements_done(&f->elements); break;
    }
}

tg_err tg_frames_feed(struct tg_frames *f, struct tg_str bytes)
{
    switch (f->framing) {
    case TG_FRAMES_SSE:         return tg_sse_feed(&f->sse, bytes);
    case TG_FRAMES_LINES:       return tg_lines_feed(&f->lines, bytes);
    case TG_FRAMES_EVENTSTREAM: return tg_eventstream_feed(&f->eventstream, bytes);
    case TG_FRAMES_ELEMENTS:    return tg_elements_feed(&f->elements, bytes);
    }
    return TG_EINVAL;
}

static tg_err next_message(struct tg_frames *f, struct tg_sse_event *ev)
{
    struct tg_eventstream_event message;
    tg_err err = tg_eventstream_next(&f->eventstream, &message);

    if (!err) {
        f->is_error = message.is_error;
        *ev = (struct tg_sse_event){ .name = message.name, .data = message.data };
    }
    return err;
}

tg_err tg_frames_next(struct tg_frames *f, struct tg_sse_event *ev)
{
    struct tg_str data = { 0 };
    tg_err err = TG_EINVAL;

    switch (f->framing) {
    case TG_FRAMES_SSE:         return tg_sse_next(&f->sse, ev);
    case TG_FRAMES_LINES:       err = tg_lines_next(&f->lines, &data); break;
    case TG_FRAMES_EVENTSTREAM: return next_message(f, ev);
    case TG_FRAMES_ELEMENTS:    err = tg_elements_next(&f->elements, &data); break;
    }
    if (!err)
        *ev = (struct tg_sse_event){ .data = data };
    return err;
}

bool tg_frames_is_error(const struct tg_frames *f)
{
    return f->is_error;
}

tg_err tg_frames_finish(struct tg_frames *f)
{
    struct tg_str none = { 0 };

    if (f->framing == TG_FRAMES_SSE && tg_sse_is_cut(&f->sse))
        return tg_sse_feed(&f->sse, TG_STR("\n\n"));
    if (f->framing == TG_FRAMES_LINES)
        tg_lines_finish(&f->lines);
    return tg_frames_feed(f, none);
}

bool tg_frames_is_cut(const struct tg_frames *f)
{
    switch (f->framing) {
    case TG_FRAMES_SSE:         return tg_sse_is_cut(&f->sse);
    case TG_FRAMES_LINES:       return tg_lines_is_cut(&f->lines);
    case TG_FRAMES_EVENTSTREAM: return tg_eventstream_is_cut(&f->eventstream);
    case TG_FRAMES_ELEMENTS:    return tg_elements_is_cut(&f->elements);
    }
    return false;
}
