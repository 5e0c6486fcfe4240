#include "wire/array.h"

#include <string.h>

static const char data[] = "data: ";

/* Move bytes of a buffer to an earlier place in it. */
static char *put(char *to, const char *from, size_t len)
{
    memmove(to, from, len);
    return to + len;
}

static char *put_separator(struct tg_array *a, char *to)
{
    const char *text = a->is_open ? ",\r\n" : "[";

    a->is_open = true;
    return put(to, text, strlen(text));
}

void tg_array_fold(struct tg_array *a, struct tg_buf *frames)
{
    struct tg_str rest = tg_buf_view(frames), line;
    char *to = frames->at;
    bool is_inside = false;

    for (bool more = rest.len > 0; more;) {
        more = tg_str_cut(rest, '\n', &line, &rest);
        if (tg_str_ends(line, "\r"))
            line.len--;
        if (tg_str_starts(line, data)) {
            to = is_inside ? put(to, "\n", 1) : put_separator(a, to);
            to = put(to, line.at + sizeof data - 1, line.len - (sizeof data - 1));
            is_inside = true;
        } else if (is_inside) {
            to = put(to, "\n", 1);
            is_inside = false;
        }
    }
    frames->len = to ? (size_t)(to - frames->at) : 0;
}

tg_err tg_array_close(struct tg_array *a, struct tg_buf *out)
{
    return tg_buf_z(out, a->is_open ? "]\n" : "[]\n");
}
