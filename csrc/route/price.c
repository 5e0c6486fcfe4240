#include "route/price.h"

/* Wide enough without a check: a side of the bill is a price (< 2^63) times at
 * most 2^63 units, and there are four of them and the request. What was sampled
 * besides is counted by wire/usage alone, below 2^30. */
typedef unsigned __int128 wide;

enum { FEMTO_DIGITS = 15, MILLION = 1000 * 1000 };

static const char *const NAMES[TG_PRICE_KEYS] = {
    [TG_PRICE_PROMPT]         = "prompt",
    [TG_PRICE_COMPLETION]     = "completion",
    [TG_PRICE_REQUEST]        = "request",
    [TG_PRICE_IMAGE]          = "image",
    [TG_PRICE_IMAGE_TOKEN]    = "image_token",
    [TG_PRICE_IMAGE_OUTPUT]   = "image_output",
    [TG_PRICE_AUDIO]          = "audio",
    [TG_PRICE_AUDIO_OUTPUT]   = "audio_output",
    [TG_PRICE_AUDIO_CACHE]    = "input_audio_cache",
    [TG_PRICE_CACHE_READ]     = "input_cache_read",
    [TG_PRICE_CACHE_WRITE]    = "input_cache_write",
    [TG_PRICE_CACHE_WRITE_1H] = "input_cache_write_1h",
    [TG_PRICE_REASONING]      = "internal_reasoning",
    [TG_PRICE_WEB_SEARCH]     = "web_search",
};

int tg_price_key_of(struct tg_str name)
{
    for (int k = 0; k < TG_PRICE_KEYS; k++)
        if (tg_str_is(name, NAMES[k]))
            return k;
    return -1;
}

/* ---- decimal text ---- */

struct decimal {
    struct tg_str whole, fraction;     /* digits */
    int64_t exponent;
    bool negative, zero;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct tg_str take_digits(struct tg_str *s, bool *zero)
{
    struct tg_str digits = { s->at, 0 };

    while (s->len && is_digit(*s->at)) {
        *zero = *zero && *s->at == '0';
        digits.len++, s->at++, s->len--;
    }
    return digits;
}

static bool take(struct tg_str *s, char c)
{
    if (!s->len || *s->at != c)
        return false;
    s->at++, s->len--;
    return true;
}

/* Beyond this much it is nothing or too much, however long the digits are. */
enum { EXPONENT_MAX = 1000 * 1000 * 1000 };

static bool take_exponent(struct tg_str *s, int64_t *exponent)
{
    bool zero = true, negative = take(s, '-');
    int64_t n = 0;

    if (!negative)
        take(s, '+');
    struct tg_str digits = take_digits(s, &zero);
    for (size_t i = 0; i < digits.len; i++)
        n = n < EXPONENT_MAX ? n * 10 + (digits.at[i] - '0') : EXPONENT_MAX;
    *exponent = negative ? -n : n;
    return digits.len > 0;
}

/* JSON's grammar for numbers, for numbers in strings too. */
static bool scan_decimal(struct tg_str s, struct decimal *d)
{
    *d = (struct decimal){ .zero = true };
    d->negative = take(&s, '-');
    d->whole = take_digits(&s, &d->zero);
    if (d->whole.len == 0 || (d->whole.len > 1 && d->whole.at[0] == '0'))
        return false;
    if (take(&s, '.')) {
        d->fraction = take_digits(&s, &d->zero);
        if (d->fraction.len == 0)
            return false;
    }
    if ((take(&s, 'e') || take(&s, 'E')) && !take_exponent(&s, &d->exponent))
        return false;
    return s.len == 0;
}

static bool push_digit(int64_t *n, int digit)
{
    return !__builtin_mul_overflow(*n, (int64_t)10, n) &&
           !__builtin_add_overflow(*n, (int64_t)digit, n);
}

/* d x 10^15, rounded half up; false when it does not fit. */
static bool femto_of(const struct decimal *d, int64_t *femto)
{
    size_t digits = d->whole.len + d->fraction.len;
    /* Of the digit looked at, its power of ten in femto-dollars. */
    int64_t power = (int64_t)d->whole.len - 1 + d->exponent + FEMTO_DIGITS;
    int64_t n = 0;

    for (size_t i = 0; i < digits && power >= -1; i++, power--) {
        int digit = (i < d->whole.len ? d->whole.at[i] : d->fraction.at[i - d->whole.len]) - '0';
        if (power == -1) {
            if (digit >= 5 && __builtin_add_overflow(n, (int64_t)1, &n))
                return false;
        } else if (!push_digit(&n, digit)) {
            return false;
        }
    }
    for (; n && power >= 0; power--)
        if (!push_digit(&n, 0))
            return false;
    *femto = n;
    return true;
}

tg_err tg_price_femto(struct tg_json value, int64_t *femto)
{
    struct tg_str text = value.raw;
    struct decimal d;

    if (value.kind != TG_JSON_NUMBER && !tg_json_plain(value, &text))
        return TG_EINVAL;
    if (!scan_decimal(text, &d) || (d.negative && !d.zero))
        return TG_EINVAL;
    return femto_of(&d, femto) ? TG_OK : TG_ETOOBIG;
}

tg_err tg_price_put(struct tg_buf *out, int64_t femto)
{
    enum { DIGITS = 20 };
    char text[DIGITS + 2];
    size_t at = sizeof text;
    uint64_t left = femto < 0 ? 0 : (uint64_t)femto;
    bool significant = false;

    for (int i = 0; i < FEMTO_DIGITS; i++, left /= 10) {
        significant = significant || left % 10;
        if (significant)
            text[--at] = (char)('0' + left % 10);
    }
    if (significant)
        text[--at] = '.';
    do
        text[--at] = (char)('0' + left % 10);
    while (left /= 10);
    return tg_buf_add(out, text + at, sizeof text - at);
}

/* ---- read a pricing object ---- */

struct reading {
    const char *why;
    struct tg_str where;
};

static tg_err complain(struct reading *r, struct tg_json value, const char *why)
{
    r->why = why;
    r->where = value.raw;
    return TG_EINVAL;
}

static bool is_given(struct tg_json value)
{
    return value.kind != TG_JSON_NONE && value.kind != TG_JSON_NULL;
}

static bool looks_negative(struct tg_json value)
{
    struct tg_str text = value.raw;

    tg_json_plain(value, &text);
    return text.len && text.at[0] == '-';
}

static tg_err read_amount(struct tg_json value, int64_t *femto, struct reading *r)
{
    tg_err err = tg_price_femto(value, femto);

    if (err == TG_ETOOBIG)
        return complain(r, value, "a price beyond 9,223 dollars a unit");
    if (err && looks_negative(value))
        return complain(r, value, "a price cannot be negative");
    if (err)
        return complain(r, value, "a price is a decimal number of dollars, such as \"0.000003\"");
    return TG_OK;
}

static int key_of_member(struct tg_str key)
{
    for (int k = 0; k < TG_PRICE_KEYS; k++)
        if (tg_json_key_is(key, NAMES[k]))
            return k;
    return -1;
}

/* One walk, because a catalogue has thousands of these. */
static tg_err read_set(struct tg_price_set *set, struct tg_json object, struct reading *r)
{
    struct tg_json_iter it;
    struct tg_json value;
    struct tg_str key;

    tg_json_iter_init(&it, object);
    while (tg_json_next(&it, &key, &value)) {
        int k = key_of_member(key);
        if (k < 0)
            continue;
        set->femto[k] = 0;
        set->has &= ~(1u << k);
        if (!is_given(value))
            continue;
        tg_err err = read_amount(value, &set->femto[k], r);
        if (err)
            return err;
        set->has |= 1u << k;
    }
    return TG_OK;
}

static tg_err read_discount(struct tg_price *p, struct tg_json value, struct reading *r)
{
    const int64_t femto_per_ppm = 1000000000;
    int64_t femto;

    if (!is_given(value))
        return TG_OK;
    if (tg_price_femto(value, &femto) || femto > MILLION * femto_per_ppm)
        return complain(r, value, "a discount is a number from 0 to 1");
    p->discount_ppm = (uint32_t)((femto + femto_per_ppm / 2) / femto_per_ppm);
    return TG_OK;
}

static bool is_hhmm(int64_t n)
{
    return n >= 0 && n <= 2400 && n % 100 < 60;
}

static tg_err read_window(struct tg_price_override *o, struct tg_json object, struct reading *r)
{
    struct tg_json start = tg_json_get(object, "utc_start"), end = tg_json_get(object, "utc_end");
    int64_t from, to;

    if (!is_given(start) && !is_given(end))
        return TG_OK;
    if (!tg_json_i64(start, &from) || !is_hhmm(from))
        return complain(r, is_given(start) ? start : object,
                        "utc_start is a time of day as HHMM, such as 1030");
    if (!tg_json_i64(end, &to) || !is_hhmm(to))
        return complain(r, is_given(end) ? end : object,
                        "utc_end is a time of day as HHMM, such as 400");
    o->utc_start = (int)from;
    o->utc_end = (int)to;
    return TG_OK;
}

static bool read_day(struct tg_json value, uint8_t *days)
{
    static const char *const NAMES_OF_DAYS[] = { "monday", "tuesday", "wednesday", "thursday",
                                                 "friday", "saturday", "sunday" };
    for (int d = 0; d < 7; d++)
        if (tg_json_is(value, NAMES_OF_DAYS[d])) {
            *days |= (uint8_t)(1u << d);
            return true;
        }
    return false;
}

static tg_err read_days(struct tg_price_override *o, struct tg_json value, struct reading *r)
{
    struct tg_json_iter it;
    struct tg_json day;
    struct tg_str key;

    if (!is_given(value))
        return TG_OK;
    tg_json_iter_init(&it, value);
    while (tg_json_next(&it, &key, &day))
        if (!read_day(day, &o->utc_days))
            return complain(r, day, "a day is \"monday\" ... \"sunday\"");
    if (value.kind != TG_JSON_ARRAY || !o->utc_days)
        return complain(r, value, "utc_days is a list of days, such as [\"saturday\",\"sunday\"]");
    return TG_OK;
}

static tg_err read_override(struct tg_price_override *o, struct tg_json object, struct reading *r)
{
    struct tg_json least = tg_json_get(object, "min_prompt_tokens");
    tg_err err;

    *o = (struct tg_price_override){ .min_prompt_tokens = -1, .utc_start = -1, .utc_end = -1 };
    if (object.kind != TG_JSON_OBJECT)
        return complain(r, object, "an override is an object");
    if (is_given(least) && (!tg_json_i64(least, &o->min_prompt_tokens) || o->min_prompt_tokens < 0))
        return complain(r, least, "min_prompt_tokens is a number of tokens");
    if ((err = read_window(o, object, r)))
        return err;
    if ((err = read_days(o, tg_json_get(object, "utc_days"), r)))
        return err;
    return read_set(&o->set, object, r);
}

static tg_err read_overrides(struct tg_price *p, struct tg_json list, struct tg_arena *arena,
                             struct reading *r)
{
    size_t count = tg_json_count(list);
    struct tg_json_iter it;
    struct tg_json value;
    struct tg_str key;

    if (!is_given(list))
        return TG_OK;
    if (list.kind != TG_JSON_ARRAY)
        return complain(r, list, "overrides is a list");
    if (count > TG_PRICE_OVERRIDES_MAX)
        return complain(r, list, "more than 32 overrides");
    if (count == 0)
        return TG_OK;
    p->overrides = tg_arena_get(arena, count * sizeof *p->overrides);
    if (!p->overrides)
        return TG_ENOMEM;
    tg_json_iter_init(&it, list);
    while (p->overrides_count < count && tg_json_next(&it, &key, &value)) {
        tg_err err = read_override(&p->overrides[p->overrides_count], value, r);
        if (err)
            return err;
        p->overrides_count++;
    }
    return TG_OK;
}

static tg_err read_all(struct tg_price *p, struct tg_json pricing, struct tg_arena *arena,
                       struct reading *r)
{
    tg_err err;

    if (pricing.kind != TG_JSON_OBJECT)
        return complain(r, pricing, "pricing is an object");
    if ((err = read_set(&p->base, pricing, r)))
        return err;
    if ((err = read_discount(p, tg_json_get(pricing, "discount"), r)))
        return err;
    return read_overrides(p, tg_json_get(pricing, "overrides"), arena, r);
}

tg_err tg_price_read(struct tg_price *p, struct tg_json pricing, struct tg_arena *arena,
                     const char **why, struct tg_str *where)
{
    struct tg_price read = { 0 };
    struct reading r = { 0 };
    tg_err err = read_all(&read, pricing, arena, &r);

    if (err == TG_OK)
        *p = read;
    if (err == TG_EINVAL) {
        *why = r.why;
        *where = r.where;
    }
    return err;
}

/* ---- which prices hold ---- */

enum { DAY_S = 24 * 60 * 60, THURSDAY = 3 };       /* 1970 began on one */

static int64_t days_since_1970(int64_t wall_s)
{
    return wall_s / DAY_S - (wall_s % DAY_S < 0);
}

static bool is_in_window(const struct tg_price_override *o, int64_t wall_s)
{
    int minute = (int)((wall_s - days_since_1970(wall_s) * DAY_S) / 60);
    int now = minute / 60 * 100 + minute % 60;

    if (o->utc_start < 0 || o->utc_start == o->utc_end)
        return true;
    if (o->utc_start < o->utc_end)
        return now >= o->utc_start && now < o->utc_end;
    return now >= o->utc_start || now < o->utc_end;
}

static bool is_on_day(const struct tg_price_override *o, int64_t wall_s)
{
    int64_t day = (days_since_1970(wall_s) % 7 + 7 + THURSDAY) % 7;

    return !o->utc_days || o->utc_days >> day & 1;
}

static bool holds(const struct tg_price_override *o, int64_t prompt_tokens, int64_t wall_s)
{
    return (o->min_prompt_tokens < 0 || prompt_tokens > o->min_prompt_tokens) &&
           is_on_day(o, wall_s) && is_in_window(o, wall_s);
}

static void lay_over(struct tg_price_set *set, const struct tg_price_set *above)
{
    for (int k = 0; k < TG_PRICE_KEYS; k++)
        if (above->has >> k & 1)
            set->femto[k] = above->femto[k];
    set->has |= above->has;
}

static void reduce(struct tg_price_set *set, uint32_t discount_ppm)
{
    for (int k = 0; k < TG_PRICE_KEYS; k++) {
        wide millionths = (wide)set->femto[k] * (MILLION - discount_ppm);
        set->femto[k] = (int64_t)((millionths + MILLION / 2) / MILLION);
    }
}

void tg_price_at(const struct tg_price *p, int64_t prompt_tokens, int64_t wall_s,
                 struct tg_price_set *out)
{
    *out = p->base;
    for (size_t i = 0; i < p->overrides_count; i++)
        if (holds(&p->overrides[i], prompt_tokens, wall_s))
            lay_over(out, &p->overrides[i].set);
    if (p->discount_ppm)
        reduce(out, p->discount_ppm);
}

/* ---- what it costs ---- */

static wide price(const struct tg_price_set *p, enum tg_price_key key)
{
    return (wide)p->femto[key];
}

static bool has(const struct tg_price_set *p, enum tg_price_key key)
{
    return p->has >> key & 1;
}

/* Old listings give every key there is, with "0" for those that do not apply:
 * for these kinds of token 0 is no price. */
static bool is_priced(const struct tg_price_set *p, enum tg_price_key key)
{
    return has(p, key) && p->femto[key] > 0;
}

static int64_t at_least_0(int64_t n)
{
    return n > 0 ? n : 0;
}

/* So much of `said` as is left of the whole; it is taken off. */
static int64_t part_of(int64_t *left, int64_t said)
{
    int64_t part = said < *left ? at_least_0(said) : *left;

    *left -= part;
    return part;
}

static wide prompt_femto(const struct tg_price_set *p, const struct tg_usage *u)
{
    int64_t left = at_least_0(u->billed_prompt >= 0 ? u->billed_prompt : u->prompt);
    wide plain = price(p, TG_PRICE_PROMPT);
    wide read = has(p, TG_PRICE_CACHE_READ) ? price(p, TG_PRICE_CACHE_READ) : plain;
    wide write = has(p, TG_PRICE_CACHE_WRITE) ? price(p, TG_PRICE_CACHE_WRITE) : plain;
    wide write_1h = has(p, TG_PRICE_CACHE_WRITE_1H) ? price(p, TG_PRICE_CACHE_WRITE_1H) : write;

    /* Of what was read from the cache, some may have been audio or images. */
    int64_t cached = part_of(&left, u->cached), whole = cached;
    int64_t cached_audio = part_of(&cached, u->cached_audio);
    int64_t cached_image = part_of(&cached, u->cached_image);
    wide read_audio = is_priced(p, TG_PRICE_AUDIO_CACHE) ? price(p, TG_PRICE_AUDIO_CACHE) : read;

    wide sum = (wide)cached_audio * read_audio + (wide)(whole - cached_audio) * read;
    sum += (wide)part_of(&left, u->cache_write_1h) * write_1h;
    sum += (wide)part_of(&left, u->cache_write - at_least_0(u->cache_write_1h)) * write;
    if (is_priced(p, TG_PRICE_AUDIO))
        sum += (wide)part_of(&left, at_least_0(u->prompt_audio) - cached_audio) *
               price(p, TG_PRICE_AUDIO);
    if (is_priced(p, TG_PRICE_IMAGE_TOKEN))
        sum += (wide)part_of(&left, at_least_0(u->prompt_image) - cached_image) *
               price(p, TG_PRICE_IMAGE_TOKEN);
    return sum + (wide)left * plain;
}

static wide completion_femto(const struct tg_price_set *p, const struct tg_usage *u)
{
    int64_t left = at_least_0(u->billed_completion >= 0 ? u->billed_completion : u->completion);
    wide sum = 0;

    if (is_priced(p, TG_PRICE_REASONING))
        sum += (wide)part_of(&left, u->reasoning) * price(p, TG_PRICE_REASONING);
    if (is_priced(p, TG_PRICE_AUDIO_OUTPUT))
        sum += (wide)part_of(&left, u->completion_audio) * price(p, TG_PRICE_AUDIO_OUTPUT);
    if (is_priced(p, TG_PRICE_IMAGE_OUTPUT))
        sum += (wide)part_of(&left, u->completion_image) * price(p, TG_PRICE_IMAGE_OUTPUT);
    return sum + (wide)left * price(p, TG_PRICE_COMPLETION);
}

static struct tg_usage beside_of(const struct tg_usage *u)
{
    return (struct tg_usage){
        .prompt = u->beside.prompt, .completion = u->beside.completion,
        .cached = u->beside.cached, .cache_write = u->beside.cache_write,
        .cache_write_1h = u->beside.cache_write_1h,
        .billed_prompt = -1, .billed_completion = -1,
    };
}

enum { FEMTO_PER_NANO = 1000 * 1000 };

static int64_t nano_of(wide femto, unsigned rounding)
{
    wide nano = (femto + rounding) / FEMTO_PER_NANO;

    return nano < INT64_MAX ? (int64_t)nano : INT64_MAX;
}

struct tg_cost tg_price_cost(const struct tg_price_set *p, const struct tg_usage *u,
                             int64_t images, int64_t ceiling_nano)
{
    struct tg_usage beside = beside_of(u);
    wide prompt = prompt_femto(p, u) + prompt_femto(p, &beside) +
                  (wide)at_least_0(images) * price(p, TG_PRICE_IMAGE);
    wide completion = completion_femto(p, u) + completion_femto(p, &beside);
    /* Who reranks counts searches, of which a request may be several. */
    int64_t requests = u->search_units > 1 ? u->search_units : 1;
    wide searches = (wide)at_least_0(u->web_searches) * price(p, TG_PRICE_WEB_SEARCH);
    wide fees = (wide)requests * price(p, TG_PRICE_REQUEST) + searches;
    /* How often it would search nobody knew when the ceiling was made. */
    wide most = (wide)at_least_0(ceiling_nano) + searches / FEMTO_PER_NANO;
    bool is_told = u->cost_nano >= 0 && (ceiling_nano < 0 || (wide)u->cost_nano <= most);
    int64_t listed = nano_of(prompt + completion + fees, FEMTO_PER_NANO / 2);
    int64_t total = is_told ? u->cost_nano : listed;

    return (struct tg_cost){
        .total = total,
        .upstream = total,
        .upstream_prompt = nano_of(prompt, FEMTO_PER_NANO / 2),
        .upstream_completion = nano_of(completion, FEMTO_PER_NANO / 2),
    };
}

static wide dearest(const struct tg_price_set *p, const enum tg_price_key *keys, size_t count)
{
    wide most = 0;

    for (size_t i = 0; i < count; i++)
        if (price(p, keys[i]) > most)
            most = price(p, keys[i]);
    return most;
}

int64_t tg_price_ceiling(const struct tg_price_set *p, int64_t prompt_tokens, int64_t max_tokens,
                         int64_t images)
{
    static const enum tg_price_key in[] = { TG_PRICE_PROMPT, TG_PRICE_CACHE_READ,
                                            TG_PRICE_CACHE_WRITE, TG_PRICE_CACHE_WRITE_1H,
                                            TG_PRICE_AUDIO, TG_PRICE_AUDIO_CACHE,
                                            TG_PRICE_IMAGE_TOKEN };
    static const enum tg_price_key out[] = { TG_PRICE_COMPLETION, TG_PRICE_REASONING,
                                             TG_PRICE_AUDIO_OUTPUT, TG_PRICE_IMAGE_OUTPUT };

    wide femto = (wide)at_least_0(prompt_tokens) * dearest(p, in, sizeof in / sizeof *in);
    femto += (wide)at_least_0(max_tokens) * dearest(p, out, sizeof out / sizeof *out);
    femto += (wide)at_least_0(images) * price(p, TG_PRICE_IMAGE) + price(p, TG_PRICE_REQUEST);
    return nano_of(femto, FEMTO_PER_NANO - 1);
}

double tg_price_blend(const struct tg_price_set *p, int64_t prompt_tokens, int64_t output_tokens)
{
    double prompt = (double)prompt_tokens, output = (double)output_tokens;

    if (prompt_tokens <= 0 && output_tokens <= 0)
        prompt = TG_PRICE_TYPICAL_TOKENS * 0.75;
    else if (prompt_tokens <= 0)
        prompt = output * 3;
    if (output_tokens <= 0)
        output = prompt / 3;
    return (prompt * (double)p->femto[TG_PRICE_PROMPT] +
            output * (double)p->femto[TG_PRICE_COMPLETION] +
            (double)p->femto[TG_PRICE_REQUEST]) / (prompt + output);
}
