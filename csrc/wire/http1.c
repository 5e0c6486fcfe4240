/* A head is read in two passes. The first looks only for control characters:
 * it finds the line ends, refuses everything else below a space, remembers in
 * *seen how far it came, and so makes a head that arrives byte by byte cheap
 * and a hopeless one short. The second runs once, over a whole head that is
 * known to consist of lines. Every refusal of the first pass depends on the
 * bytes before it alone, so the answer does not depend on how the head was
 * cut. */
#include "wire/http1.h"

#include <string.h>

enum {
    EMPTY_LINES_MAX = 8,                         /* before a request line */
    REQUEST_LINE_MAX = TG_HTTP1_TARGET_MAX + 64
};

static const unsigned char is_token_char[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
    ['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,
    ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static const unsigned char is_host_char[256] = {
    ['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1,
    ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

bool tg_http1_is_token(struct tg_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_token_char[(unsigned char)s.at[i]])
            return false;
    return s.len > 0;
}

bool tg_http1_is_value(struct tg_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (is_control(s.at[i]))
            return false;
    return true;
}

static tg_err refuse(struct tg_http1_fault *fault, int status, const char *why)
{
    *fault = (struct tg_http1_fault){ status, why };
    return TG_EINVAL;
}

/* ---- first pass ---- */

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* Eight bytes, the first one lowest. */
static uint64_t read_word(const char *eight)
{
    uint64_t w;

    memcpy(&w, eight, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    w = __builtin_bswap64(w);
#endif
    return w;
}

/* The high bit of each of eight bytes that is below a space or is DEL. A
 * borrow can mark a byte wrongly, but only above one that is marked rightly:
 * the lowest mark is always true. */
static uint64_t mark_controls(const char *eight)
{
    uint64_t w = read_word(eight);
    uint64_t del = w ^ EACH_BYTE(0x7f);
    return (((w - EACH_BYTE(0x20)) & ~w) | ((del - EACH_BYTE(1)) & ~del)) & EACH_BYTE(0x80);
}

/* Where the next control character but tab is, `len` when there is none. */
static size_t find_control(const char *at, size_t i, size_t len)
{
    while (i + 8 <= len) {
        uint64_t marks = mark_controls(at + i);
        if (!marks) {
            i += 8;
            continue;
        }
        i += (size_t)__builtin_ctzll(marks) / 8;
        if (at[i] != '\t')
            return i;
        i++;
    }
    while (i < len && !is_control(at[i]))
        i++;
    return i;
}

/* Find the end of the head that begins at `start` and whose first line may
 * have `line_max` bytes. */
static tg_err find_end(struct tg_str in, size_t start, size_t line_max, size_t *seen, size_t *end,
                       struct tg_http1_fault *fault)
{
    size_t len = in.len < TG_HTTP1_HEAD_MAX ? in.len : TG_HTTP1_HEAD_MAX;
    bool long_line = false;

    if (*seen < start)
        *seen = start;
    if (*seen - start < line_max && len - start >= line_max
        && !memchr(in.at + start, '\n', line_max)) {
        long_line = true;
        len = start + line_max;
    }

    size_t i = *seen;
    while ((i = find_control(in.at, i, len)) < len) {
        if (in.at[i] == '\n')
            return refuse(fault, 400, "A line of the head ends without a carriage return.");
        if (in.at[i] != '\r')
            return refuse(fault, 400, "The head has a control character.");
        if (i + 1 == len)
            break;
        if (in.at[i + 1] != '\n')
            return refuse(fault, 400, "The head has a carriage return that ends no line.");
        i += 2;
        if (i - start >= 4 && in.at[i - 4] == '\r' && in.at[i - 3] == '\n') {
            *end = i;
            return TG_OK;
        }
    }
    *seen = i;
    if (long_line)
        return refuse(fault, 414, "The request target is too long.");
    if (len == TG_HTTP1_HEAD_MAX)
        return refuse(fault, 431, "The head is too large.");
    return TG_AGAIN;
}

/* ---- second pass: fields ---- */

/* What the fields say about the message, before it is judged. */
struct said {
    unsigned      hosts, lengths, codings;
    struct tg_str host, length, coding;          /* the first of each */
    bool          close, keep_alive, expects_other, lookalike;
};

/* Content_Length and the like: what maps names to variables reads '_' and '-'
 * as one. */
static bool resembles(struct tg_str name, const char *framing_name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i] == '_' ? '-' : name.at[i];
        if ((c | 0x20) != (framing_name[i] | 0x20))
            return false;
    }
    return true;
}

static void note_connection(struct said *said, struct tg_str options)
{
    struct tg_str option;

    while (options.len) {
        tg_str_cut(options, ',', &option, &options);
        option = tg_str_trim(option);
        said->close |= tg_str_iis(option, "close");
        said->keep_alive |= tg_str_iis(option, "keep-alive");
    }
}

static void note_field(struct said *said, struct tg_http1_head *h, struct tg_http1_field *f)
{
    switch (f->name.len) {
    case 4:
        if (tg_str_iis(f->name, "host") && said->hosts++ == 0)
            said->host = f->value;
        break;
    case 6:
        if (!tg_str_iis(f->name, "expect"))
            break;
        if (tg_str_iis(f->value, "100-continue"))
            h->expects_continue = true;
        else
            said->expects_other = true;
        break;
    case 10:
        if (tg_str_iis(f->name, "connection"))
            note_connection(said, f->value);
        break;
    case 14:
        if (!resembles(f->name, "content-length"))
            break;
        if (f->name.at[7] == '_')
            said->lookalike = true;
        else if (said->lengths++ == 0)
            said->length = f->value;
        break;
    case 17:
        if (!resembles(f->name, "transfer-encoding"))
            break;
        if (f->name.at[8] == '_')
            said->lookalike = true;
        else if (said->codings++ == 0)
            said->coding = f->value;
        break;
    }
}

/* The high bit of each of eight bytes that is no letter, digit or dash, which
 * is what field names are made of; exact for all eight. */
static uint64_t mark_unusual(const char *eight)
{
    uint64_t w = read_word(eight), high = w & EACH_BYTE(0x80), x = w ^ high;
    uint64_t lower = x | EACH_BYTE(0x20);
    uint64_t letter = (lower + EACH_BYTE(0x80 - 'a')) & ~(lower + EACH_BYTE(0x7f - 'z'));
    uint64_t digit = (x + EACH_BYTE(0x80 - '0')) & ~(x + EACH_BYTE(0x7f - '9'));
    uint64_t dash = ~((x ^ EACH_BYTE('-')) + EACH_BYTE(0x7f));
    return (~(letter | digit | dash) & EACH_BYTE(0x80)) | high;
}

/* Behind the token characters at `p`. */
static const char *skip_token(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t marks = mark_unusual(p);
        if (!marks) {
            p += 8;
            continue;
        }
        p += __builtin_ctzll(marks) / 8;
        if (!is_token_char[(unsigned char)*p])
            return p;
        p++;
    }
    while (is_token_char[(unsigned char)*p])
        p++;
    return p;
}

static const char *why_no_name(const char *line, const char *p)
{
    bool blank = *p == ' ' || *p == '\t';

    if (p == line && blank)
        return "A field is folded, or begins with white space.";
    if (p == line && *p == ':')
        return "A field has no name.";
    return blank ? "White space stands before the colon of a field."
                 : "A field name has a character that no name may have.";
}

/* The lines from `p` to the empty one, whose CRLF ends at `end`. */
static tg_err read_fields(const char *p, const char *end, struct tg_http1_head *h,
                          struct said *said, struct tg_http1_fault *fault)
{
    while (p < end - 2) {
        const char *name = p;
        p = skip_token(p, end);
        if (*p != ':' || p == name)
            return refuse(fault, 400, why_no_name(name, p));
        if (h->fields_count == TG_HTTP1_FIELDS_MAX)
            return refuse(fault, 431, "The head has too many fields.");

        const char *value = p + 1;
        const char *eol = memchr(value, '\r', (size_t)(end - value));
        struct tg_http1_field *f = &h->fields[h->fields_count++];
        f->name = (struct tg_str){ name, (size_t)(p - name) };
        f->value = tg_str_trim((struct tg_str){ value, (size_t)(eol - value) });
        note_field(said, h, f);
        p = eol + 2;
    }
    return TG_OK;
}

/* "HTTP/1.x". HTTP/1.2 and later would be read as 1.1 is (RFC 9110, 2.5). */
static bool read_version(struct tg_str s, int *major, int *minor)
{
    if (s.len != 8 || memcmp(s.at, "HTTP/", 5) != 0 || s.at[6] != '.')
        return false;
    *major = s.at[5] - '0';
    *minor = s.at[7] - '0';
    return *major >= 0 && *major <= 9 && *minor >= 0 && *minor <= 9;
}

static void clear(struct tg_http1_head *h)
{
    /* All but the fields, which are 4 KiB that need no clearing. */
    memset(h, 0, offsetof(struct tg_http1_head, fields));
}

/* ---- requests ---- */

static bool is_host(struct tg_str s)
{
    struct tg_str name = s, port = { NULL, 0 };
    size_t i = 0;

    if (s.len && *s.at == '[') {
        while (i < s.len && s.at[i] != ']')
            i++;
        if (i == s.len || i < 3)
            return false;
        for (size_t k = 1; k < i; k++)
            if (!memchr("0123456789abcdefABCDEF:.", s.at[k], 24))
                return false;
        struct tg_str rest = { s.at + i + 1, s.len - i - 1 };
        if (rest.len && *rest.at != ':')
            return false;
        tg_str_cut(rest, ':', &name, &port);
    } else {
        tg_str_cut(s, ':', &name, &port);
        for (; i < name.len; i++)
            if (!is_host_char[(unsigned char)name.at[i]])
                return false;
        if (name.len == 0)
            return false;
    }
    uint64_t n;
    return port.len == 0 || (port.len <= 5 && tg_str_u64(port, &n) && n <= 65535);
}

/* Of an absolute target: the authority, and what is behind it. */
static bool cut_absolute(struct tg_str target, struct tg_str *authority, struct tg_str *path)
{
    size_t from = 0;

    if (target.len >= 7 && tg_str_iis((struct tg_str){ target.at, 7 }, "http://"))
        from = 7;
    else if (target.len >= 8 && tg_str_iis((struct tg_str){ target.at, 8 }, "https://"))
        from = 8;
    else
        return false;

    struct tg_str rest = { target.at + from, target.len - from };
    tg_str_cut(rest, '/', authority, path);
    *path = (struct tg_str){ rest.at + authority->len, rest.len - authority->len };
    return is_host(*authority);
}

struct tg_str tg_http1_path(const struct tg_http1_head *h)
{
    struct tg_str authority, path;

    if (!cut_absolute(h->target, &authority, &path))
        return h->target;
    return path.len ? path : TG_STR("/");
}

static tg_err read_target(struct tg_http1_head *h, struct tg_http1_fault *fault)
{
    struct tg_str t = h->target, authority, path;

    if (t.len > TG_HTTP1_TARGET_MAX)
        return refuse(fault, 414, "The request target is too long.");
    for (size_t i = 0; i < t.len; i++)
        if ((unsigned char)t.at[i] <= 0x20 || (unsigned char)t.at[i] >= 0x7f || t.at[i] == '#')
            return refuse(fault, 400, "The request target has a character that may not be there.");
    if (t.len && *t.at == '/')
        return TG_OK;
    if (tg_str_is(t, "*") && tg_str_is(h->method, "OPTIONS"))
        return TG_OK;
    if (cut_absolute(t, &authority, &path))
        return TG_OK;
    return refuse(fault, 400, "The request target is neither a path nor an http URL.");
}

static tg_err read_request_line(struct tg_str line, struct tg_http1_head *h,
                                struct tg_http1_fault *fault)
{
    struct tg_str rest, version;
    int major;

    tg_str_cut(line, ' ', &h->method, &rest);
    tg_str_cut(rest, ' ', &h->target, &version);
    if (!tg_http1_is_token(h->method))
        return refuse(fault, 400, "The request line does not begin with a method.");
    if (!read_version(version, &major, &h->minor))
        return refuse(fault, 400, "The request line does not end with an HTTP version.");
    if (major != 1)
        return refuse(fault, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
    return read_target(h, fault);
}

/* RFC 9112, 3.2. A target that names another host than Host does is refused
 * rather than believed: whoever stands in front may have believed the other. */
static tg_err judge_host(const struct tg_http1_head *h, const struct said *said,
                         struct tg_http1_fault *fault)
{
    struct tg_str authority, path;

    if (said->hosts > 1)
        return refuse(fault, 400, "The request has several Host fields.");
    if (said->hosts == 0)
        return h->minor == 0 ? TG_OK : refuse(fault, 400, "The request has no Host field.");
    if (!is_host(said->host))
        return refuse(fault, 400, "The Host field is not a host and a port.");
    if (cut_absolute(h->target, &authority, &path) && !tg_str_ieq(authority, said->host))
        return refuse(fault, 400, "The request target names another host than the Host field.");
    return TG_OK;
}

static bool is_digits(struct tg_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
    return s.len > 0;
}

/* RFC 9112, 6.3, without its leniencies. 6.1 suggests 501 for a coding that
 * is not known, but a request whose end cannot be found is simply malformed. */
static tg_err judge_request_framing(struct tg_http1_head *h, const struct said *said,
                                    struct tg_http1_fault *fault)
{
    if (said->lookalike)
        return refuse(fault, 400, "A field is named almost as one that frames the request.");
    if (said->codings) {
        if (said->lengths)
            return refuse(fault, 400, "Content-Length stands beside Transfer-Encoding.");
        if (h->minor == 0)
            return refuse(fault, 400, "An HTTP/1.0 request has no Transfer-Encoding.");
        if (said->codings > 1 || !tg_str_iis(said->coding, "chunked"))
            return refuse(fault, 400, "The only transfer coding understood is \"chunked\", once.");
        h->framing = TG_HTTP1_CHUNKED;
        return TG_OK;
    }
    if (said->lengths == 0)
        return TG_OK;
    if (said->lengths > 1)
        return refuse(fault, 400, "The request has several Content-Length fields.");
    if (!is_digits(said->length))
        return refuse(fault, 400, "Content-Length is not a number.");
    if (!tg_str_u64(said->length, &h->body_bytes) || h->body_bytes > INT64_MAX)
        return refuse(fault, 413, "Content-Length is larger than any body may be.");
    h->framing = TG_HTTP1_LENGTH;
    return TG_OK;
}

static size_t skip_empty_lines(struct tg_str in)
{
    size_t i = 0;

    while (i < 2 * EMPTY_LINES_MAX && in.len - i >= 2 && in.at[i] == '\r' && in.at[i + 1] == '\n')
        i += 2;
    return i;
}

tg_err tg_http1_request(struct tg_str in, size_t *seen, struct tg_http1_head *h,
                        struct tg_http1_fault *fault)
{
    struct said said = { 0 };
    size_t start = skip_empty_lines(in), end;
    tg_err err;

    *fault = (struct tg_http1_fault){ 0, NULL };
    if (in.len == start)
        return TG_AGAIN;
    if (in.len - start >= 2 && in.at[start] == '\r' && in.at[start + 1] == '\n')
        return refuse(fault, 400, "Too many empty lines stand before the request.");
    if ((err = find_end(in, start, REQUEST_LINE_MAX, seen, &end, fault)))
        return err;

    clear(h);
    const char *line = in.at + start;
    const char *eol = memchr(line, '\r', end - start);
    if ((err = read_request_line((struct tg_str){ line, (size_t)(eol - line) }, h, fault)))
        return err;
    if ((err = read_fields(eol + 2, in.at + end, h, &said, fault)))
        return err;
    if ((err = judge_host(h, &said, fault)))
        return err;
    if ((err = judge_request_framing(h, &said, fault)))
        return err;
    if (said.expects_other)
        return refuse(fault, 417, "The only expectation that can be met is 100-continue.");

    h->keep_alive = !said.close && (h->minor > 0 || said.keep_alive);
    h->expects_continue = h->expects_continue && h->minor > 0;
    h->head_bytes = end;
    *seen = 0;
    return TG_OK;
}

/* ---- responses ---- */

/* "HTTP/1.1 200 OK". Some servers leave out the reason, and some of those the
 * space before it. */
static bool read_status_line(struct tg_str line, struct tg_http1_head *h)
{
    int major;

    if (line.len < 12 || line.at[8] != ' ' || (line.len > 12 && line.at[12] != ' '))
        return false;
    if (!read_version((struct tg_str){ line.at, 8 }, &major, &h->minor) || major != 1)
        return false;
    struct tg_str digits = { line.at + 9, 3 };
    if (!is_digits(digits))
        return false;
    for (size_t i = 0; i < 3; i++)
        h->status = h->status * 10 + (digits.at[i] - '0');
    return h->status >= 100;
}

/* All lengths of all Content-Length fields, which must agree (RFC 9110, 8.6:
 * "5, 5" is what a proxy made of two fields). */
static bool read_lengths(const struct tg_http1_head *h, uint64_t *out)
{
    bool any = false;

    for (size_t i = 0; i < h->fields_count; i++) {
        struct tg_str list = h->fields[i].value, one;
        if (!tg_str_iis(h->fields[i].name, "content-length"))
            continue;
        for (bool more = true; more;) {
            uint64_t n;
            more = tg_str_cut(list, ',', &one, &list);
            if (!tg_str_u64(tg_str_trim(one), &n) || n > INT64_MAX || (any && n != *out))
                return false;
            *out = n;
            any = true;
        }
    }
    return any;
}

static bool has_no_body(const struct tg_http1_head *h, bool to_head)
{
    return to_head || h->status < 200 || h->status == 204 || h->status == 304;
}

/* RFC 9112, 6.3. */
static tg_err judge_response_framing(struct tg_http1_head *h, const struct said *said, bool to_head)
{
    uint64_t length = 0;

    h->keep_alive = !said->close && (h->minor > 0 || said->keep_alive);
    if (has_no_body(h, to_head))
        return TG_OK;
    if (said->lengths && !read_lengths(h, &length))
        return TG_EINVAL;
    if (said->codings) {
        if (said->codings > 1 || !tg_str_iis(said->coding, "chunked"))
            return TG_EINVAL;
        /* A length beside it, or a version that knows no chunks, means that
         * somebody on the way may have counted otherwise. */
        if (said->lengths || h->minor == 0)
            h->keep_alive = false;
        h->framing = TG_HTTP1_CHUNKED;
    } else if (said->lengths) {
        h->framing = TG_HTTP1_LENGTH;
        h->body_bytes = length;
    } else {
        h->framing = TG_HTTP1_UNTIL_CLOSE;
        h->keep_alive = false;
    }
    return TG_OK;
}

static tg_err without_fault(tg_err err, const struct tg_http1_fault *fault)
{
    return err == TG_EINVAL && fault->status == 431 ? TG_ETOOBIG : err;
}

tg_err tg_http1_response(struct tg_str in, size_t *seen, bool to_head, struct tg_http1_head *h)
{
    struct tg_http1_fault fault = { 0, NULL };
    struct said said = { 0 };
    size_t end;
    tg_err err;

    if ((err = find_end(in, 0, TG_HTTP1_HEAD_MAX + 1, seen, &end, &fault)))
        return without_fault(err, &fault);

    clear(h);
    const char *eol = memchr(in.at, '\r', end);
    if (!read_status_line((struct tg_str){ in.at, (size_t)(eol - in.at) }, h) || h->status == 101)
        return TG_EINVAL;
    if ((err = read_fields(eol + 2, in.at + end, h, &said, &fault)))
        return without_fault(err, &fault);
    if ((err = judge_response_framing(h, &said, to_head)))
        return err;
    h->expects_continue = false;
    h->head_bytes = end;
    *seen = 0;
    return TG_OK;
}

struct tg_str tg_http1_get(const struct tg_http1_head *h, const char *name)
{
    struct tg_str wanted = tg_str_of(name);

    for (size_t i = 0; i < h->fields_count; i++)
        if (tg_str_ieq(h->fields[i].name, wanted))
            return h->fields[i].value;
    return (struct tg_str){ NULL, 0 };
}

/* ---- bodies ---- */

/*   SIZE -> (BLANK ->) (EXTENSION ->) SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 *                                        \
 *                                         -> TRAILER -> (NAME -> VALUE -> VALUE_LF -> TRAILER)*
 *                                               \-> END_LF -> over                            */
enum {
    SIZE,              /* digits of a chunk's size */
    BLANK,             /* white space that only an extension may follow (RFC 9112, 7.1.1) */
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,           /* the first byte of a trailer, or of the empty line */
    NAME,
    VALUE,
    VALUE_LF,
    END_LF,
    OVER,
    BROKEN
};

void tg_http1_body_init(struct tg_http1_body *b, const struct tg_http1_head *h)
{
    *b = (struct tg_http1_body){
        .framing = h->framing,
        .left = h->framing == TG_HTTP1_LENGTH ? h->body_bytes : 0,
        .state = SIZE,
    };
}

static uint8_t take_digit(struct tg_http1_body *b, char c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *d = c ? strchr(digits, c) : NULL;

    if (!d)
        return BROKEN;
    unsigned n = (unsigned)(d - digits);
    n = n > 15 ? n - 6 : n;
    if (b->left > ((uint64_t)INT64_MAX - n) / 16)
        return BROKEN;
    b->left = b->left * 16 + n;
    return SIZE;
}

/* A sender could wrap each byte into a kilobyte of extension and be paid for
 * bytes that no limit of the body sees. What the lines have over what the
 * chunks deserve is added up; good manners pay it back. */
static bool wastes_too_much(struct tg_http1_body *b)
{
    uint64_t deserved = 16 + (b->left < TG_HTTP1_CHUNK_WASTE_MAX ? 2 * b->left
                                                               : 2 * TG_HTTP1_CHUNK_WASTE_MAX);
    uint64_t waste = (uint64_t)b->waste_bytes + b->line_bytes;

    b->waste_bytes = waste > deserved ? (uint32_t)(waste - deserved) : 0;
    return b->waste_bytes > TG_HTTP1_CHUNK_WASTE_MAX;
}

static uint8_t end_size_line(struct tg_http1_body *b)
{
    if (wastes_too_much(b))
        return BROKEN;
    b->line_bytes = 0;
    return b->left ? DATA : TRAILER;
}

/* One byte of framing: the state it leads to. */
static uint8_t step(struct tg_http1_body *b, char c)
{
    switch (b->state) {
    case SIZE:
        if (b->line_bytes > 1 && c == '\r')
            return SIZE_LF;
        if (b->line_bytes > 1 && c == ';')
            return EXTENSION;
        if (b->line_bytes > 1 && (c == ' ' || c == '\t'))
            return BLANK;
        return take_digit(b, c);
    case BLANK:
        return c == ';' ? EXTENSION : c == ' ' || c == '\t' ? BLANK : BROKEN;
    case EXTENSION:
        return c == '\r' ? SIZE_LF : is_control(c) ? BROKEN : EXTENSION;
    case SIZE_LF:
        return c == '\n' ? end_size_line(b) : BROKEN;
    case DATA_CR:
        return c == '\r' ? DATA_LF : BROKEN;
    case DATA_LF:
        b->line_bytes = 0;
        return c == '\n' ? SIZE : BROKEN;
    case TRAILER:
        return c == '\r' ? END_LF : is_token_char[(unsigned char)c] ? NAME : BROKEN;
    case NAME:
        return c == ':' ? VALUE : is_token_char[(unsigned char)c] ? NAME : BROKEN;
    case VALUE:
        return c == '\r' ? VALUE_LF : is_control(c) ? BROKEN : VALUE;
    case VALUE_LF:
        return c == '\n' ? TRAILER : BROKEN;
    case END_LF:
        return c == '\n' ? OVER : BROKEN;
    }
    return BROKEN;
}

static tg_err take_framing(struct tg_http1_body *b, struct tg_str *in)
{
    while (in->len && b->state != DATA && b->state < OVER) {
        if (++b->line_bytes > TG_HTTP1_CHUNK_LINE_MAX)
            b->state = BROKEN;
        else
            b->state = step(b, *in->at);
        in->at++, in->len--;
    }
    if (b->state == BROKEN)
        return TG_EINVAL;
    if (b->state == OVER)
        return TG_OK;
    return in->len ? TG_OK : TG_AGAIN;
}

static void take_data(struct tg_http1_body *b, struct tg_str *in, struct tg_str *out)
{
    size_t n = in->len < b->left ? in->len : (size_t)b->left;

    *out = (struct tg_str){ in->at, n };
    in->at += n, in->len -= n;
    b->left -= n;
}

static tg_err next_of_chunks(struct tg_http1_body *b, struct tg_str *in, struct tg_str *out)
{
    tg_err err = take_framing(b, in);

    if (err)
        return err;
    if (b->state == OVER) {
        b->done = true;
        return TG_OK;
    }
    take_data(b, in, out);
    if (b->left == 0)
        b->state = DATA_CR;
    return TG_OK;
}

tg_err tg_http1_body_next(struct tg_http1_body *b, struct tg_str *in, struct tg_str *out)
{
    *out = (struct tg_str){ in->at, 0 };
    if (b->framing == TG_HTTP1_CHUNKED)
        return next_of_chunks(b, in, out);
    if (b->framing == TG_HTTP1_UNTIL_CLOSE) {
        b->left = in->len;
    } else if (b->left == 0) {
        b->done = true;
        return TG_OK;
    }
    if (in->len == 0)
        return TG_AGAIN;
    take_data(b, in, out);
    return TG_OK;
}

bool tg_http1_body_whole_at_close(const struct tg_http1_body *b)
{
    if (b->framing == TG_HTTP1_CHUNKED)
        return b->state == OVER;
    return b->framing == TG_HTTP1_UNTIL_CLOSE || b->left == 0;
}
