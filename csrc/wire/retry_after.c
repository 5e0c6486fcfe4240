/* Times are decimal text and stay exact: digits are weighed as integers of
 * nanoseconds, never as floating point, which the locale could read wrongly
 * and rounding could shorten. What is left of a millisecond is rounded up: to
 * ask a moment too early costs another refusal. */
#include "wire/retry_after.h"

#include <string.h>

#include "wire/json.h"

enum {
    BODY_MAX_BYTES = 64 * 1024,          /* more of a body is not looked at */
    HINT_FIELDS_MAX = 16                 /* of metadata.headers in a body */
};

#define NS_PER_MS   UINT64_C(1000000)
#define NS_PER_S    (1000 * NS_PER_MS)
#define MS_PER_DAY  INT64_C(86400000)
#define ENDLESS     (UINT64_MAX / 16)    /* sums and tenfolds stop here */

static int64_t clamp_ms(uint64_t ms)
{
    return ms > TG_RETRY_AFTER_MAX_MS ? TG_RETRY_AFTER_MAX_MS : (int64_t)ms;
}

static int64_t ms_of_ns(uint64_t ns)
{
    return clamp_ms(ns / NS_PER_MS + (ns % NS_PER_MS != 0));
}

/* From now until a moment; -1 stays -1. */
static int64_t ms_until(int64_t moment_ms, uint64_t wall_ms)
{
    if (moment_ms < 0)
        return -1;
    return (uint64_t)moment_ms > wall_ms ? clamp_ms((uint64_t)moment_ms - wall_ms) : 0;
}

/* ---- decimal numbers ---- */

struct decimal {
    struct tg_str whole, part;           /* digits before and behind the point */
    int  exponent;
    bool is_negative;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static void skip(struct tg_str *s, size_t n)
{
    if (n == 0)
        return;
    s->at += n;
    s->len -= n;
}

static bool take_char(struct tg_str *s, char c)
{
    if (s->len == 0 || *s->at != c)
        return false;
    skip(s, 1);
    return true;
}

static struct tg_str take_digits(struct tg_str *s)
{
    struct tg_str digits = { s->at, 0 };

    while (digits.len < s->len && is_digit(s->at[digits.len]))
        digits.len++;
    skip(s, digits.len);
    return digits;
}

/* "e-05" off the front: some providers print floats as their language does. */
static void take_exponent(struct tg_str *s, struct decimal *d)
{
    struct tg_str rest = *s;
    uint64_t n;

    if (!take_char(&rest, 'e') && !take_char(&rest, 'E'))
        return;
    bool is_negative = take_char(&rest, '-');
    if (!is_negative)
        take_char(&rest, '+');
    struct tg_str digits = take_digits(&rest);
    if (digits.len == 0)
        return;
    if (!tg_str_u64(digits, &n) || n > 999)
        n = 999;
    d->exponent = is_negative ? -(int)n : (int)n;
    *s = rest;
}

static bool take_decimal(struct tg_str *s, struct decimal *d)
{
    struct tg_str rest = *s;

    *d = (struct decimal){ .is_negative = take_char(&rest, '-') };
    d->whole = take_digits(&rest);
    if (d->whole.len == 0)
        return false;
    if (rest.len >= 2 && *rest.at == '.' && is_digit(rest.at[1])) {
        skip(&rest, 1);
        d->part = take_digits(&rest);
    }
    take_exponent(&rest, d);
    *s = rest;
    return true;
}

static bool is_decimal(struct tg_str s, struct decimal *d)
{
    return take_decimal(&s, d) && s.len == 0;
}

static unsigned digit_at(const struct decimal *d, size_t i)
{
    return (unsigned)((i < d->whole.len ? d->whole.at[i] : d->part.at[i - d->whole.len]) - '0');
}

/* |d| times `unit`, cut to a whole number, ENDLESS at most. unit < 2^50. */
static uint64_t scale(const struct decimal *d, uint64_t unit)
{
    int64_t n = (int64_t)(d->whole.len + d->part.len);
    int64_t point = (int64_t)d->whole.len + d->exponent, i = 0;
    uint64_t sum = 0;

    for (; i < point && (i < n || sum); i++) {
        if (sum > ENDLESS / 10)
            return ENDLESS;
        sum = sum * 10 + (i < n ? digit_at(d, (size_t)i) * unit : 0);
    }
    for (int64_t lead = point; lead < 0 && unit; lead++)
        unit /= 10;
    for (; i < n && unit; i++)
        sum += digit_at(d, (size_t)i) * (unit /= 10);
    return sum < ENDLESS ? sum : ENDLESS;
}

static int64_t ms_of_seconds(const struct decimal *d)
{
    return d->is_negative ? 0 : ms_of_ns(scale(d, NS_PER_S));
}

/* ---- durations ---- */

static uint64_t unit_ns(struct tg_str word)
{
    static const struct { const char *word; uint64_t ns; } units[] = {
        { "ns", 1 },                      { "us", 1000 },
        { "\xc2\xb5s", 1000 },            { "\xce\xbcs", 1000 },
        { "ms", NS_PER_MS },              { "millisecond", NS_PER_MS },
        { "milliseconds", NS_PER_MS },    { "s", NS_PER_S },
        { "sec", NS_PER_S },              { "secs", NS_PER_S },
        { "second", NS_PER_S },           { "seconds", NS_PER_S },
        { "m", 60 * NS_PER_S },           { "min", 60 * NS_PER_S },
        { "mins", 60 * NS_PER_S },        { "minute", 60 * NS_PER_S },
        { "minutes", 60 * NS_PER_S },     { "h", 3600 * NS_PER_S },
        { "hour", 3600 * NS_PER_S },      { "hours", 3600 * NS_PER_S },
        { "d", 86400 * NS_PER_S },        { "day", 86400 * NS_PER_S },
        { "days", 86400 * NS_PER_S },
    };

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (tg_str_iis(word, units[i].word))
            return units[i].ns;
    return 0;
}

static struct tg_str take_word(struct tg_str *s)
{
    struct tg_str word = { s->at, 0 };

    while (word.len < s->len && (is_letter(s->at[word.len]) || (s->at[word.len] & 0x80)))
        word.len++;
    skip(s, word.len);
    return word;
}

/* "6ms", "1m0.052s", "40 seconds", "1 hour 5 minutes" off the front. */
static bool take_duration(struct tg_str *s, uint64_t *ns)
{
    struct tg_str rest = *s;
    uint64_t sum = 0;
    bool any = false;

    for (;;) {
        struct decimal d;
        if (!take_decimal(&rest, &d) || d.is_negative)
            break;
        take_char(&rest, ' ');
        uint64_t unit = unit_ns(take_word(&rest));
        if (unit == 0)
            break;
        sum += scale(&d, unit);
        sum = sum < ENDLESS ? sum : ENDLESS;
        any = true;
        *s = rest;
        take_char(&rest, ' ');
    }
    *ns = sum;
    return any;
}

/* A whole value: bare seconds, or a duration with its units. */
static int64_t ms_of_duration(struct tg_str s)
{
    struct decimal d;
    uint64_t ns;

    if (is_decimal(s, &d))
        return ms_of_seconds(&d);
    bool is_negative = take_char(&s, '-');
    if (!take_duration(&s, &ns) || s.len)
        return -1;
    return is_negative ? 0 : ms_of_ns(ns);
}

/* ---- dates ---- */

struct date {
    int64_t year;
    unsigned month, day, hour, minute, second;
};

static bool take_number(struct tg_str *s, size_t digits, unsigned *out)
{
    unsigned n = 0;

    if (s->len < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (!is_digit(s->at[i]))
            return false;
        n = n * 10 + (unsigned)(s->at[i] - '0');
    }
    skip(s, digits);
    *out = n;
    return true;
}

static bool take_year(struct tg_str *s, struct date *t)
{
    unsigned year;
    if (!take_number(s, 4, &year))
        return false;
    t->year = year;
    return true;
}

static bool take_text(struct tg_str *s, const char *text)
{
    if (!tg_str_starts(*s, text))
        return false;
    skip(s, strlen(text));
    return true;
}

static bool take_month(struct tg_str *s, struct date *t)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    for (unsigned i = 0; i < 12; i++) {
        if (take_text(s, months[i])) {
            t->month = i + 1;
            return true;
        }
    }
    return false;
}

static bool take_time(struct tg_str *s, struct date *t)
{
    return take_number(s, 2, &t->hour) && take_char(s, ':') && take_number(s, 2, &t->minute)
        && take_char(s, ':') && take_number(s, 2, &t->second);
}

/* Days from 1970-01-01; the year begins in March, so that the leap day is its
 * last (Howard Hinnant, chrono-compatible low-level date algorithms). */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool is_date(const struct date *t)
{
    static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (t->year % 4 == 0 && t->year % 100 != 0) || t->year % 400 == 0;

    if (t->month < 1 || t->month > 12 || t->day < 1)
        return false;
    if (t->day > days[t->month - 1] + (unsigned)(t->month == 2 && is_leap))
        return false;
    return t->hour < 24 && t->minute < 60 && t->second <= 60;      /* leap seconds exist */
}

static int64_t ms_of_date(const struct date *t)
{
    if (!is_date(t))
        return -1;
    int64_t ms = days_from_civil(t->year, t->month, t->day) * MS_PER_DAY
               + (((int64_t)t->hour * 60 + t->minute) * 60 + t->second) * 1000;
    return ms > 0 ? ms : 0;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool is_imf_fixdate(struct tg_str s, struct date *t)
{
    return take_text(&s, ", ") && take_number(&s, 2, &t->day) && take_char(&s, ' ')
        && take_month(&s, t) && take_char(&s, ' ') && take_year(&s, t) && take_char(&s, ' ')
        && take_time(&s, t) && tg_str_is(s, " GMT");
}

/* Sunday, 06-Nov-94 08:49:37 GMT. No clock here to say which century is near:
 * nobody sends one of before 1970. */
static bool is_rfc850_date(struct tg_str s, struct date *t)
{
    unsigned year;

    if (!take_text(&s, ", ") || !take_number(&s, 2, &t->day) || !take_char(&s, '-')
        || !take_month(&s, t) || !take_char(&s, '-') || !take_number(&s, 2, &year))
        return false;
    t->year = year < 70 ? 2000 + year : 1900 + year;
    return take_char(&s, ' ') && take_time(&s, t) && tg_str_is(s, " GMT");
}

/* Sun Nov  6 08:49:37 1994 */
static bool is_asctime_date(struct tg_str s, struct date *t)
{
    if (!take_char(&s, ' ') || !take_month(&s, t) || !take_char(&s, ' '))
        return false;
    if (!take_number(&s, take_char(&s, ' ') ? 1 : 2, &t->day))
        return false;
    return take_char(&s, ' ') && take_time(&s, t) && take_char(&s, ' ') && take_year(&s, t)
        && s.len == 0;
}

static bool is_weekday(struct tg_str word)
{
    static const char *const days[] = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
                                        "Saturday", "Sunday" };
    for (size_t i = 0; i < 7; i++)
        if (tg_str_eq(word, (struct tg_str){ days[i], 3 }) || tg_str_is(word, days[i]))
            return true;
    return false;
}

int64_t tg_http_date_ms(struct tg_str value)
{
    struct date t = { 0 };

    value = tg_str_trim(value);
    if (!is_weekday(take_word(&value)))
        return -1;
    if (is_imf_fixdate(value, &t) || is_rfc850_date(value, &t) || is_asctime_date(value, &t))
        return ms_of_date(&t);
    return -1;
}

/* "Z", "+05:30": how many ms local time is ahead. */
static bool take_zone(struct tg_str *s, int64_t *ahead_ms)
{
    unsigned hours, minutes;

    *ahead_ms = 0;
    if (take_char(s, 'Z') || take_char(s, 'z'))
        return true;
    bool is_behind = take_char(s, '-');
    if (!is_behind && !take_char(s, '+'))
        return false;
    if (!take_number(s, 2, &hours) || !take_char(s, ':') || !take_number(s, 2, &minutes)
        || hours > 23 || minutes > 59)
        return false;
    *ahead_ms = (int64_t)(hours * 60 + minutes) * (is_behind ? -60000 : 60000);
    return true;
}

int64_t tg_rfc3339_ms(struct tg_str value)
{
    struct tg_str s = tg_str_trim(value);
    struct decimal part = { { NULL, 0 }, { NULL, 0 }, 0, false };
    struct date t = { 0 };
    int64_t ahead_ms;

    if (!take_year(&s, &t) || !take_char(&s, '-') || !take_number(&s, 2, &t.month)
        || !take_char(&s, '-') || !take_number(&s, 2, &t.day))
        return -1;
    if (!take_char(&s, 'T') && !take_char(&s, 't') && !take_char(&s, ' '))
        return -1;
    if (!take_time(&s, &t))
        return -1;
    if (take_char(&s, '.') && (part.part = take_digits(&s)).len == 0)
        return -1;
    if (!take_zone(&s, &ahead_ms) || s.len)
        return -1;
    int64_t ms = ms_of_date(&t);
    if (ms < 0)
        return -1;
    ms += ms_of_ns(scale(&part, NS_PER_S)) - ahead_ms;
    return ms > 0 ? ms : 0;
}

/* ---- fields ---- */

struct fields {
    const struct tg_http1_field *at;
    size_t count;
};

static const struct tg_http1_field *find(struct fields f, const char *name)
{
    for (size_t i = 0; i < f.count; i++)
        if (tg_str_iis(f.at[i].name, name))
            return &f.at[i];
    return NULL;
}

int64_t tg_retry_after_value(struct tg_str value, uint64_t wall_ms)
{
    struct decimal d;

    value = tg_str_trim(value);
    if (is_decimal(value, &d))
        return ms_of_seconds(&d);
    return ms_until(tg_http_date_ms(value), wall_ms);
}

/* retry-after-ms is the finer one of the two, except where it is 0 beside a
 * Retry-After of a second, as Azure sends it: then it says nothing. */
static int64_t direct_of(struct fields f, uint64_t wall_ms)
{
    const struct tg_http1_field *fine = find(f, "retry-after-ms");
    const struct tg_http1_field *coarse = find(f, "retry-after");
    int64_t fine_ms = -1, coarse_ms = -1;
    struct decimal d;

    if (fine && is_decimal(fine->value, &d))
        fine_ms = d.is_negative ? 0 : ms_of_ns(scale(&d, NS_PER_MS));
    if (coarse)
        coarse_ms = tg_retry_after_value(coarse->value, wall_ms);
    return fine_ms > 0 || coarse_ms < 0 ? fine_ms : coarse_ms;
}

/* Where `word` stands in `s`, in any case of letters; s.len when nowhere. */
static size_t find_word(struct tg_str s, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= s.len; i++)
        if ((s.at[i] | 0x20) == *word && tg_str_iis((struct tg_str){ s.at + i, n }, word))
            return i;
    return s.len;
}

/* x-ratelimit-reset-tokens, anthropic-ratelimit-requests-reset,
 * ratelimitbysize-reset: everybody has another order of the same words. */
static bool is_reset(struct tg_str name)
{
    return find_word(name, "ratelimit") < name.len && find_word(name, "reset") < name.len;
}

/* Does the sibling of a reset field, which says "remaining" instead, say that
 * something is left of this limit? */
static bool has_some_left(struct fields f, struct tg_str reset)
{
    size_t at = find_word(reset, "reset");
    struct tg_str before = { reset.at, at }, behind = { reset.at + at + 5, reset.len - at - 5 };
    struct decimal d;

    for (size_t i = 0; i < f.count; i++) {
        struct tg_str name = f.at[i].name;
        if (name.len != reset.len + 4 || !tg_str_ieq((struct tg_str){ name.at, at }, before))
            continue;
        if (tg_str_iis((struct tg_str){ name.at + at, 9 }, "remaining")
            && tg_str_ieq((struct tg_str){ name.at + at + 9, behind.len }, behind)
            && is_decimal(f.at[i].value, &d))
            return !d.is_negative && scale(&d, 1000) > 0;
    }
    return false;
}

/* A bare number is seconds from now, unless it is too large for that. */
static int64_t reset_value(struct tg_str value, uint64_t wall_ms)
{
    struct decimal d;

    if (!is_decimal(value, &d)) {
        int64_t ms = ms_of_duration(value);
        if (ms < 0)
            ms = ms_until(tg_rfc3339_ms(value), wall_ms);
        return ms < 0 ? ms_until(tg_http_date_ms(value), wall_ms) : ms;
    }
    uint64_t n = scale(&d, 1);
    if (d.is_negative || n < UINT64_C(1000000000))
        return ms_of_seconds(&d);
    return ms_until((int64_t)scale(&d, n < UINT64_C(100000000000) ? 1000 : 1), wall_ms);
}

/* The largest reset of the limits that are used up; of all when none says so:
 * a request can be refused for being larger than what is left. */
static int64_t reset_of(struct fields f, uint64_t wall_ms)
{
    int64_t used_up = -1, any = -1;

    for (size_t i = 0; i < f.count; i++) {
        if (!is_reset(f.at[i].name))
            continue;
        int64_t ms = reset_value(f.at[i].value, wall_ms);
        if (ms > any)
            any = ms;
        if (ms > used_up && !has_some_left(f, f.at[i].name))
            used_up = ms;
    }
    return used_up >= 0 ? used_up : any;
}

/* ---- bodies ---- */

/* The text of a string or number; nothing for others. */
static struct tg_str text_of(struct tg_json v)
{
    struct tg_str s = { NULL, 0 };

    if (v.kind == TG_JSON_NUMBER)
        return v.raw;
    tg_json_plain(v, &s);
    return s;
}

static int64_t wait_in(struct tg_json object)
{
    static const char *const names[] = { "retryDelay", "retry_after_seconds",
                                         "retry_after_seconds_raw", "retry_after" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int64_t ms = ms_of_duration(text_of(tg_json_get(object, names[i])));
        if (ms >= 0)
            return ms;
    }
    return -1;
}

/* Google's errors carry a list of typed details; one of them is RetryInfo. */
static int64_t wait_in_details(struct tg_json error)
{
    struct tg_json_iter it;
    struct tg_json one;
    struct tg_str key;
    int64_t ms = -1;

    tg_json_iter_init(&it, tg_json_get(error, "details"));
    while (ms < 0 && tg_json_next(&it, &key, &one))
        ms = wait_in(one);
    return ms;
}

static int64_t wait_in_error(struct tg_json error)
{
    int64_t ms = wait_in(error);

    if (ms < 0)
        ms = wait_in_details(error);
    if (ms < 0)
        ms = wait_in(tg_json_get(error, "metadata"));
    if (ms < 0)
        ms = wait_in(tg_json_get(error, "availability"));
    return ms;
}

/* OpenRouter repeats the header fields that it got inside its error. */
static struct fields hints_of(struct tg_json error, struct tg_http1_field out[HINT_FIELDS_MAX])
{
    struct tg_json headers = tg_json_get(tg_json_get(error, "metadata"), "headers"), value;
    struct tg_json_iter it;
    struct tg_str key;
    size_t n = 0;

    tg_json_iter_init(&it, headers);
    while (n < HINT_FIELDS_MAX && tg_json_next(&it, &key, &value))
        out[n++] = (struct tg_http1_field){ key, tg_str_trim(text_of(value)) };
    return (struct fields){ out, n };
}

/* The error object of a body: {"error": {...}}, the same in a list as Google
 * sends it, or the body itself. */
static struct tg_json error_of(struct tg_str body)
{
    struct tg_json root = { { NULL, 0 }, TG_JSON_NONE }, error;
    struct tg_json_iter it;
    struct tg_str key;

    if (tg_json_check(body, TG_JSON_DEPTH_MAX, &root, NULL))
        return root;
    if (root.kind == TG_JSON_ARRAY) {
        tg_json_iter_init(&it, root);
        if (!tg_json_next(&it, &key, &root))
            return root;
    }
    error = tg_json_get(root, "error");
    return error.kind == TG_JSON_OBJECT ? error : root;
}

/* "Please try again in 1.984999999s." */
static int64_t wait_in_words(struct tg_str text)
{
    static const char *const phrases[] = { "try again in ", "retry in ", "retry after ",
                                           "try again after ", "please wait " };
    uint64_t ns;

    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        struct tg_str rest = text;
        size_t at;
        while ((at = find_word(rest, phrases[i])) < rest.len) {
            skip(&rest, at + strlen(phrases[i]));
            if (take_duration(&rest, &ns))
                return ms_of_ns(ns);
        }
    }
    return -1;
}

int64_t tg_retry_after(const struct tg_http1_head *h, struct tg_str body, uint64_t wall_ms)
{
    struct fields fields = { h->fields, h->fields_count }, hints;
    struct tg_http1_field hint_fields[HINT_FIELDS_MAX];
    int64_t ms = direct_of(fields, wall_ms);

    if (ms >= 0)
        return ms;
    if (body.len > BODY_MAX_BYTES)
        body.len = BODY_MAX_BYTES;
    struct tg_json error = error_of(body);
    hints = hints_of(error, hint_fields);
    if ((ms = wait_in_error(error)) >= 0)
        return ms;
    if ((ms = direct_of(hints, wall_ms)) >= 0)
        return ms;
    if ((ms = wait_in_words(body)) >= 0)
        return ms;
    if ((ms = reset_of(fields, wall_ms)) >= 0)
        return ms;
    return reset_of(hints, wall_ms);
}
