#include "wire/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json_pass.h"
#include "wire/scan.h"
#include "wire/utf8.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum tg_json_kind kind_of(char first)
{
    static const unsigned char kinds[256] = {
        ['{'] = TG_JSON_OBJECT, ['['] = TG_JSON_ARRAY, ['"'] = TG_JSON_STRING,
        ['t'] = TG_JSON_TRUE,   ['f'] = TG_JSON_FALSE, ['n'] = TG_JSON_NULL,
        ['-'] = TG_JSON_NUMBER, ['0' ... '9'] = TG_JSON_NUMBER,
    };
    return kinds[(unsigned char)first];
}

/* ---- check ---- */

/* What the check knows besides where it stands. Each take_...() is given
 * where something begins and gives where it ends, or NULL with the wrong byte
 * in `wrong`; the place goes from hand to hand because it is faster in a
 * register than in here. */
struct grammar {
    const char *end, *wrong;
    unsigned    depth, depth_max;
    unsigned    floor;         /* the depth at which a text begins and ends */
    bool        in_object;                            /* the innermost container */
    uint64_t    was_object[TG_JSON_DEPTH_MAX / 64];   /* those around it, a bit each */
    tg_err      err;
};

static const char *fail(struct grammar *g, const char *wrong, tg_err err)
{
    g->wrong = wrong;
    g->err = err;
    return NULL;
}

static inline const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

/* Past one character, behind white space. */
static inline const char *take_mark(struct grammar *g, const char *p, char mark)
{
    p = skip_space(p, g->end);
    return p < g->end && *p == mark ? p + 1 : fail(g, p, TG_EINVAL);
}

/* At the opening quote. */
static inline const char *take_string(struct grammar *g, const char *p)
{
    bool is_closed = false;

    p = tg_scan_string(p + 1, g->end, &is_closed);
    return is_closed ? p + 1 : fail(g, p, TG_EINVAL);
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p))
        p++;
    return p;
}

/* At least one. */
static const char *take_digits(struct grammar *g, const char *p)
{
    const char *behind = skip_digits(p, g->end);
    return behind > p ? behind : fail(g, p, TG_EINVAL);
}

static const char *take_number(struct grammar *g, const char *p)
{
    p += *p == '-';
    p = p < g->end && *p == '0' ? p + 1 : take_digits(g, p);
    if (p && p < g->end && *p == '.')
        p = take_digits(g, p + 1);
    if (!p || p == g->end || (*p != 'e' && *p != 'E'))
        return p;
    p++;
    p += p < g->end && (*p == '+' || *p == '-');
    return take_digits(g, p);
}

static const char *take_word(struct grammar *g, const char *p, const char *word)
{
    for (; *word; word++, p++)
        if (p == g->end || *p != *word)
            return fail(g, p, TG_EINVAL);
    return p;
}

/* A member's name and its colon. */
static inline const char *take_key(struct grammar *g, const char *p)
{
    p = skip_space(p, g->end);
    if (p == g->end || *p != '"')
        return fail(g, p, TG_EINVAL);
    p = take_string(g, p);
    return p ? take_mark(g, p, ':') : NULL;
}

static inline void enter(struct grammar *g, bool is_object)
{
    uint64_t bit = UINT64_C(1) << g->depth % 64, *word = &g->was_object[g->depth / 64];

    *word = g->in_object ? *word | bit : *word & ~bit;
    g->in_object = is_object;
    g->depth++;
}

static inline void leave(struct grammar *g)
{
    g->depth--;
    g->in_object = g->was_object[g->depth / 64] >> g->depth % 64 & 1;
}

/* At an opening bracket. *is_open: a value must follow. */
static inline const char *take_open(struct grammar *g, const char *p, bool *is_open)
{
    bool is_object = *p == '{';

    if (g->depth == g->depth_max)
        return fail(g, p, TG_EDEPTH);
    p = skip_space(p + 1, g->end);
    if (p < g->end && *p == (is_object ? '}' : ']'))
        return p + 1;
    enter(g, is_object);
    *is_open = true;
    return is_object ? take_key(g, p) : p;
}

/* A value, or with *is_open only its beginning. */
static inline const char *take_value(struct grammar *g, const char *p, bool *is_open)
{
    if (p == g->end)
        return fail(g, p, TG_EINVAL);
    switch (kind_of(*p)) {
    case TG_JSON_OBJECT:
    case TG_JSON_ARRAY:  return take_open(g, p, is_open);
    case TG_JSON_STRING: return take_string(g, p);
    case TG_JSON_NUMBER: return take_number(g, p);
    case TG_JSON_TRUE:   return take_word(g, p, "true");
    case TG_JSON_FALSE:  return take_word(g, p, "false");
    case TG_JSON_NULL:   return take_word(g, p, "null");
    case TG_JSON_NONE:   break;
    }
    return fail(g, p, TG_EINVAL);
}

/* Behind a value: close what ends here, and stop before the next value or
 * behind the one at the floor. */
static inline const char *take_rest(struct grammar *g, const char *p)
{
    while (g->depth > g->floor) {
        p = skip_space(p, g->end);
        if (p == g->end)
            return fail(g, p, TG_EINVAL);
        if (*p == ',')
            return g->in_object ? take_key(g, p + 1) : p + 1;
        if (*p != (g->in_object ? '}' : ']'))
            return fail(g, p, TG_EINVAL);
        leave(g);
        p++;
    }
    return p;
}

/* A value at the floor with all that is in it. */
static const char *take_text(struct grammar *g, const char *p)
{
    do {
        bool is_open = false;
        p = take_value(g, skip_space(p, g->end), &is_open);
        if (p && !is_open)
            p = take_rest(g, p);
    } while (p && g->depth > g->floor);
    return p;
}

struct members {
    struct tg_json_member *out;
    size_t                 cap, count;
};

static const char *take_member(struct grammar *g, const char *p, struct members *m)
{
    const char *from = skip_space(p, g->end), *name_end, *value;

    if (from == g->end || *from != '"')
        return fail(g, from, TG_EINVAL);
    if (!(name_end = take_string(g, from)) || !(p = take_mark(g, name_end, ':')))
        return NULL;
    value = skip_space(p, g->end);
    if (!(p = take_text(g, value)))
        return NULL;
    if (m->count < m->cap)
        m->out[m->count] = (struct tg_json_member){
            { from + 1, (size_t)(name_end - from) - 2 },
            { { value, (size_t)(p - value) }, kind_of(*value) }, from };
    m->count++;
    return p;
}

/* The outermost object, at its brace. */
static const char *take_members(struct grammar *g, const char *p, struct members *m)
{
    if (g->depth == g->depth_max)
        return fail(g, p, TG_EDEPTH);
    p = skip_space(p + 1, g->end);
    if (p < g->end && *p == '}')
        return p + 1;
    enter(g, true);
    g->floor = g->depth;
    while ((p = take_member(g, p, m))) {
        p = skip_space(p, g->end);
        if (p < g->end && *p == '}')
            return p + 1;
        if (!(p = take_mark(g, p, ',')))
            break;
    }
    return NULL;
}

tg_err tg_json_check_members(struct tg_str text, unsigned depth_max, struct tg_json *root,
                             struct tg_json_member *out, size_t cap, size_t *count,
                             size_t *where)
{
    struct members m = { out, cap, 0 };

    *count = 0;
    if (text.len == 0) {
        if (where)
            *where = 0;
        return TG_EINVAL;
    }
    struct grammar g = { .end = text.at + text.len };
    g.depth_max = depth_max < TG_JSON_DEPTH_MAX ? depth_max : TG_JSON_DEPTH_MAX;

    const char *from = skip_space(text.at, g.end);
    const char *to = from < g.end && *from == '{' ? take_members(&g, from, &m)
                                                  : take_text(&g, from);
    const char *rest = to ? skip_space(to, g.end) : g.end;
    if (rest < g.end)
        fail(&g, rest, TG_EINVAL);

    /* UTF-8 is looked at in a pass of its own: two simple loops are faster
     * than one that minds everything. */
    const char *limit = g.err ? g.wrong : g.end, *bad = tg_utf8_bad(text.at, limit);
    if (bad < limit)
        fail(&g, bad, TG_EINVAL);

    if (g.err && where)
        *where = (size_t)(g.wrong - text.at);
    *count = m.count;
    if (!g.err && root)
        *root = (struct tg_json){ { from, (size_t)(to - from) }, kind_of(*from) };
    return g.err;
}

tg_err tg_json_check(struct tg_str text, unsigned depth_max, struct tg_json *root, size_t *where)
{
    size_t count;
    return tg_json_check_members(text, depth_max, root, NULL, 0, &count, where);
}

/* ---- walk ---- */

/* From here on texts have passed the check; what has not must only stay
 * inside its bounds. */

static const char *skip_space_and(char also, const char *p, const char *end)
{
    while (p < end && (is_space(*p) || *p == also))
        p++;
    return p;
}

/* The quote that closes the string whose characters begin at p. */
static const char *string_close(const char *p, const char *end)
{
    const char *first = tg_scan_quote(p, end);

    if (first == end || first == p || first[-1] != '\\')
        return first;
    return tg_scan_close(p, end);      /* escapes: by blocks, not from quote to quote */
}

static const char *value_end(const char *p, const char *end)
{
    if (*p == '{' || *p == '[')
        return tg_scan_container(p, end);
    if (*p == '"') {
        p = string_close(p + 1, end);
        return p + (p < end);
    }
    while (p < end && !is_space(*p) && *p != ',' && *p != ']' && *p != '}')
        p++;
    return p;
}

void tg_json_iter_init(struct tg_json_iter *it, struct tg_json container)
{
    *it = (struct tg_json_iter){ .is_object = container.kind == TG_JSON_OBJECT };
    if (container.kind != TG_JSON_OBJECT && container.kind != TG_JSON_ARRAY)
        return;
    if (container.raw.len < 2)
        return;
    it->at = container.raw.at + 1;
    it->end = container.raw.at + container.raw.len - 1;
}

/* At a key's quote: the key, and where its value begins. */
static const char *take_name(const char *p, const char *end, struct tg_str *key)
{
    const char *close = string_close(p + 1, end);

    *key = (struct tg_str){ p + 1, (size_t)(close - p - 1) };
    return skip_space_and(':', close + (close < end), end);
}

/* The next key and where its value begins; NULL, and at the closing bracket if
 * there is one, at the end. */
static inline const char *find_value(struct tg_json_iter *it, struct tg_str *key)
{
    const char *p = skip_space_and(',', it->at, it->end);
    struct tg_str name = { p, 0 };

    it->at = p;
    if (it->is_object && p < it->end) {
        if (*p != '"')
            return NULL;
        p = take_name(p, it->end, &name);
    }
    if (p >= it->end || kind_of(*p) == TG_JSON_NONE)
        return NULL;
    *key = name;
    return p;
}

bool tg_json_next(struct tg_json_iter *it, struct tg_str *key, struct tg_json *value)
{
    const char *p = find_value(it, key);

    if (!p)
        return false;
    it->at = value_end(p, it->end);
    *value = (struct tg_json){ { p, (size_t)(it->at - p) }, kind_of(*p) };
    return true;
}

bool tg_json_step(struct tg_json_iter *it, struct tg_str *key, struct tg_json *value,
                  struct tg_json_iter *in)
{
    const char *p = find_value(it, key);

    if (!p)
        return false;
    *value = (struct tg_json){ { p, 1 }, kind_of(*p) };
    *in = (struct tg_json_iter){ 0 };
    if (value->kind == TG_JSON_ARRAY || value->kind == TG_JSON_OBJECT)
        *in = (struct tg_json_iter){ p + 1, it->end, value->kind == TG_JSON_OBJECT };
    else
        tg_json_whole(it, value);
    return true;
}

void tg_json_leave(struct tg_json_iter *it, const struct tg_json_iter *in, struct tg_json *value)
{
    it->at = in->at + (in->at < it->end);
    value->raw.len = (size_t)(it->at - value->raw.at);
}

void tg_json_whole(struct tg_json_iter *it, struct tg_json *value)
{
    it->at = value_end(value->raw.at, it->end);
    value->raw.len = (size_t)(it->at - value->raw.at);
}

static bool characters_are(struct tg_str escaped, struct tg_str plain);

bool tg_json_key_is(struct tg_str key, const char *name)
{
    return characters_are(key, tg_str_of(name));
}

struct tg_json tg_json_get(struct tg_json object, const char *name)
{
    struct tg_json found = { 0 }, value;
    struct tg_json_iter it;
    struct tg_str key, wanted = tg_str_of(name);

    if (object.kind != TG_JSON_OBJECT)
        return found;
    tg_json_iter_init(&it, object);
    while (tg_json_next(&it, &key, &value))
        if (characters_are(key, wanted))
            found = value;
    return found;
}

size_t tg_json_count(struct tg_json container)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;
    size_t n = 0;

    tg_json_iter_init(&it, container);
    while (tg_json_next(&it, &key, &value))
        n++;
    return n;
}

tg_err tg_json_members(struct tg_json object, struct tg_json_member *out, size_t cap, size_t *count)
{
    struct tg_json_iter it;
    struct tg_json_member m;
    size_t n = 0;

    if (object.kind != TG_JSON_OBJECT)
        return TG_EINVAL;
    tg_json_iter_init(&it, object);
    while (tg_json_next(&it, &m.key, &m.value)) {
        if (n == cap)
            return TG_ETOOBIG;
        m.from = m.key.at - 1;
        out[n++] = m;
    }
    *count = n;
    return TG_OK;
}

/* ---- strings ---- */

static struct tg_str between_quotes(struct tg_json value)
{
    if (value.kind != TG_JSON_STRING || value.raw.len < 2)
        return (struct tg_str){ 0 };
    return (struct tg_str){ value.raw.at + 1, value.raw.len - 2 };
}

static bool has_escapes(struct tg_str escaped)
{
    return escaped.len && memchr(escaped.at, '\\', escaped.len);
}

/* Four hexadecimal digits; -1 when they are not there. */
static int32_t code_unit(const char *p, const char *end)
{
    int32_t unit = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char lower = (char)(p[i] | 0x20);
        if (is_digit(p[i]))
            unit = unit * 16 + (p[i] - '0');
        else if (lower >= 'a' && lower <= 'f')
            unit = unit * 16 + (lower - 'a' + 10);
        else
            return -1;
    }
    return unit;
}

static size_t put_utf8(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(0xf00 >> n | c);       /* as many ones in front as bytes */
    return n;
}

/* Behind "\u": the character, from two units when they are a pair. */
static uint32_t take_unicode(const char **p, const char *end)
{
    int32_t high = code_unit(*p, end), low = -1;

    *p = high < 0 ? end : *p + 4;
    if (high < 0 || (high & 0xf800) != 0xd800)
        return high < 0 ? 0xfffd : (uint32_t)high;
    if (high < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u')
        low = code_unit(*p + 2, end);
    if ((low & 0xfc00) != 0xdc00)
        return 0xfffd;
    *p += 6;
    return 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

/* At a backslash: the UTF-8 of what the escape stands for, and behind it. */
static size_t unescape(const char **p, const char *end, char out[4])
{
    static const char names[] = "bfnrt", means[] = "\b\f\n\r\t";
    char c = *p + 1 < end ? (*p)[1] : 'u';

    *p = end - *p < 2 ? end : *p + 2;
    if (c == 'u')
        return put_utf8(take_unicode(p, end), out);
    const char *named = c ? strchr(names, c) : NULL;
    out[0] = named ? means[named - names] : c;
    return 1;
}

static bool characters_are(struct tg_str escaped, struct tg_str plain)
{
    if (!has_escapes(escaped))
        return tg_str_eq(escaped, plain);

    const char *p = escaped.at, *end = escaped.at + escaped.len;
    while (p < end) {
        char c[4] = { *p };
        size_t n = *p == '\\' ? unescape(&p, end, c) : (p++, 1);
        if (plain.len < n || memcmp(plain.at, c, n) != 0)
            return false;
        plain.at += n;
        plain.len -= n;
    }
    return plain.len == 0;
}

tg_err tg_json_text(struct tg_json value, struct tg_buf *out)
{
    struct tg_str s = between_quotes(value);

    if (value.kind != TG_JSON_STRING)
        return TG_EINVAL;
    if (!has_escapes(s))
        return tg_buf_str(out, s);

    const char *p = s.at, *end = s.at + s.len;
    while (p < end) {
        const char *stop = memchr(p, '\\', (size_t)(end - p));
        char c[4];
        tg_buf_add(out, p, (size_t)((stop ? stop : end) - p));
        if (!stop)
            break;
        p = stop;
        size_t n = unescape(&p, end, c);
        tg_buf_add(out, c, n);
    }
    return out->bad ? TG_ENOMEM : TG_OK;
}

bool tg_json_plain(struct tg_json value, struct tg_str *out)
{
    struct tg_str s = between_quotes(value);

    if (!s.at || has_escapes(s))
        return false;
    *out = s;
    return true;
}

bool tg_json_is(struct tg_json value, const char *text)
{
    struct tg_str s = between_quotes(value);

    return s.at && characters_are(s, tg_str_of(text));
}

bool tg_json_has_text(struct tg_json value)
{
    return between_quotes(value).len > 0;
}

bool tg_json_bool(struct tg_json value, bool *out)
{
    if (value.kind != TG_JSON_TRUE && value.kind != TG_JSON_FALSE)
        return false;
    *out = value.kind == TG_JSON_TRUE;
    return true;
}

/* ---- numbers ---- */

/* A number taken apart: digits times ten to the power of `exponent`. Neither
 * the first nor the last digit is zero; there is none for zero. */
struct decimal {
    bool        is_negative;
    const char *from, *to;     /* the digits, perhaps with a point among them */
    int64_t     exponent;
};

/* Far beyond what any digits in front can make up for, and far from where
 * sums of two would overflow. */
#define EXPONENT_MAX (INT64_MAX / 16)

static int64_t exponent_of(const char *p, const char *end)
{
    bool is_negative = p < end && *p == '-';
    int64_t n = 0;

    for (p += p < end && (*p == '-' || *p == '+'); p < end && is_digit(*p); p++)
        n = n < EXPONENT_MAX / 10 ? n * 10 + (*p - '0') : EXPONENT_MAX;
    return is_negative ? -n : n;
}

static struct decimal decimal_of(struct tg_str number)
{
    const char *p = number.at, *end = number.at + number.len, *point = NULL;
    struct decimal d = { .is_negative = *p == '-' };

    d.from = p += d.is_negative;
    for (; p < end && (is_digit(*p) || *p == '.'); p++)
        if (*p == '.')
            point = p;
    d.to = p;
    if (p < end)
        d.exponent = exponent_of(p + 1, end);
    if (point)
        d.exponent -= d.to - point - 1;

    for (; d.to > d.from && (d.to[-1] == '0' || d.to[-1] == '.'); d.to--)
        d.exponent += d.to[-1] == '0';
    while (d.from < d.to && (*d.from == '0' || *d.from == '.'))
        d.from++;
    return d;
}

bool tg_json_i64(struct tg_json value, int64_t *out)
{
    uint64_t n = 0;

    if (value.kind != TG_JSON_NUMBER || value.raw.len == 0)
        return false;
    struct decimal d = decimal_of(value.raw);
    if (d.from < d.to && d.exponent < 0)
        return false;
    for (const char *p = d.from; p < d.to; p++) {
        if (*p == '.')
            continue;
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
            return false;
    }
    for (int64_t i = 0; n && i < d.exponent; i++)
        if (__builtin_mul_overflow(n, 10, &n))
            return false;
    if (n > (uint64_t)INT64_MAX + d.is_negative)
        return false;
    *out = (int64_t)(d.is_negative ? 0 - n : n);
    return true;
}

enum {
    /* So many digits decide how any decimal rounds to a double; of those
     * behind them it only matters whether one is not zero. */
    DIGITS_MAX = 768,
    POWER_MAX = 100000         /* beyond all doubles, DIGITS_MAX digits in front */
};

/* The nearest double; may be infinite. strtod() is given no point to read:
 * which character that is depends on the locale. */
static double nearest_double(struct decimal d)
{
    char text[DIGITS_MAX + 32];
    size_t n = 0;

    if (d.from == d.to)
        return d.is_negative ? -0.0 : 0.0;
    for (; d.from < d.to && n < DIGITS_MAX; d.from++)
        if (*d.from != '.')
            text[n++] = *d.from;
    if (d.from < d.to) {
        d.exponent += d.to - d.from - (memchr(d.from, '.', (size_t)(d.to - d.from)) != NULL) - 1;
        text[n++] = '1';
    }
    if (d.exponent > POWER_MAX || d.exponent < -POWER_MAX)
        d.exponent = d.exponent < 0 ? -POWER_MAX : POWER_MAX;
    snprintf(text + n, sizeof text - n, "e%d", (int)d.exponent);
    double magnitude = strtod(text, NULL);
    return d.is_negative ? -magnitude : magnitude;
}

bool tg_json_double(struct tg_json value, double *out)
{
    if (value.kind != TG_JSON_NUMBER || value.raw.len == 0)
        return false;
    double nearest = nearest_double(decimal_of(value.raw));
    if (!isfinite(nearest))
        return false;
    *out = nearest;
    return true;
}

/* ---- write ---- */

static void put_escape(struct tg_buf *out, char c)
{
    static const char names[] = "bfnrt", means[] = "\b\f\n\r\t", hex[] = "0123456789abcdef";
    const char *named = c ? strchr(means, c) : NULL;

    if (c == '"' || c == '\\' || named) {
        char two[2] = { '\\', named ? names[named - means] : c };
        tg_buf_add(out, two, sizeof two);
    } else {
        char six[6] = { '\\', 'u', '0', '0', hex[c >> 4 & 15], hex[c & 15] };
        tg_buf_add(out, six, sizeof six);
    }
}

/* Characters that are well-formed UTF-8. */
static void put_characters(struct tg_buf *out, const char *p, const char *end)
{
    while (p < end) {
        const char *stop = tg_scan_special(p, end);
        tg_buf_add(out, p, (size_t)(stop - p));
        if (stop == end)
            return;
        put_escape(out, *stop);
        p = stop + 1;
    }
}

tg_err tg_json_put_text(struct tg_buf *out, struct tg_str s)
{
    const char *p = s.at, *end = s.len ? s.at + s.len : s.at;
    bool good = true;

    tg_buf_char(out, '"');
    while (p < end) {
        const char *bad = tg_utf8_bad(p, end);
        put_characters(out, p, bad);
        if (bad == end)
            break;
        tg_buf_z(out, "\xef\xbf\xbd");
        p = bad + tg_utf8_take(bad, end, &good);
    }
    return tg_buf_char(out, '"');
}

void tg_json_put_comma(struct tg_buf *out)
{
    char last = out->len ? out->at[out->len - 1] : '[';

    if (last != '[' && last != '{')
        tg_buf_char(out, ',');
}

void tg_json_put_name(struct tg_buf *out, const char *name)
{
    tg_json_put_comma(out);
    tg_buf_char(out, '"');
    tg_buf_z(out, name);
    tg_buf_z(out, "\":");
}

/* `value` rounded to so many digits: the digits, without zeros at the end. */
static struct decimal rounded(double value, int digits, char text[48])
{
    snprintf(text, 48, "%.*e", digits - 1, value);
    char *e = strchr(text, 'e'), *to = text;
    struct decimal d = { .is_negative = *text == '-', .from = text };

    d.exponent = strtol(e + 1, NULL, 10) - (digits - 1);
    for (const char *p = text; p < e; p++)       /* the point may be any character */
        if (is_digit(*p))
            *to++ = *p;
    for (; to > text && to[-1] == '0'; to--)
        d.exponent++;
    d.to = to;
    return d;
}

static struct decimal shortest(double value, char text[48])
{
    /* Up to DBL_DIG digits survive the way to a double and back, so that the
     * shorter ones show as zeros at the end; not so for subnormal numbers. */
    int digits = fabs(value) < DBL_MIN ? 1 : DBL_DIG;
    struct decimal d = rounded(value, digits, text);

    while (nearest_double(d) != value && digits < DBL_DECIMAL_DIG) {
        /* Powers of two are closer to the double below than to the one above:
         * the decimal next to the nearest may do where the nearest does not. */
        if (d.to - d.from == digits && text[digits - 1] < '9') {
            text[digits - 1]++;
            if (nearest_double(d) == value)
                break;
        }
        d = rounded(value, ++digits, text);
    }
    return d;
}

static void put_zeros(struct tg_buf *out, int64_t n)
{
    while (n-- > 0)
        tg_buf_char(out, '0');
}

tg_err tg_json_put_double(struct tg_buf *out, double value)
{
    char text[48];

    if (!isfinite(value))
        return tg_buf_z(out, "null");
    if (signbit(value))
        tg_buf_char(out, '-');
    if (value == 0)
        return tg_buf_char(out, '0');

    struct decimal d = shortest(value, text);
    int64_t n = d.to - d.from, whole = n + d.exponent;     /* digits before the point */
    if (whole > 21 || whole < -5) {
        tg_buf_char(out, *d.from);
        if (n > 1)
            tg_buf_char(out, '.');
        tg_buf_add(out, d.from + 1, (size_t)(n - 1));
        tg_buf_char(out, 'e');
        return tg_buf_i64(out, whole - 1);
    }
    if (whole <= 0) {
        tg_buf_z(out, "0.");
        put_zeros(out, -whole);
        return tg_buf_add(out, d.from, (size_t)n);
    }
    if (n <= whole) {
        tg_buf_add(out, d.from, (size_t)n);
        put_zeros(out, whole - n);
        return out->bad ? TG_ENOMEM : TG_OK;
    }
    tg_buf_add(out, d.from, (size_t)whole);
    tg_buf_char(out, '.');
    return tg_buf_add(out, d.from + whole, (size_t)(n - whole));
}
