#include "wire/usage_parts.h"

#include <limits.h>
#include <string.h>

enum { NANO_DIGITS = 9, TICKS_PER_NANO = 10 };

void tg_usage_init(struct tg_usage *u)
{
    *u = (struct tg_usage){
        .prompt = -1, .completion = -1, .total = -1,
        .cached = -1, .cached_audio = -1, .cached_image = -1,
        .cache_write = -1, .cache_write_1h = -1,
        .prompt_audio = -1, .prompt_image = -1, .prompt_video = -1,
        .reasoning = -1, .completion_audio = -1, .completion_image = -1,
        .web_searches = -1, .search_units = -1, .billed_prompt = -1, .billed_completion = -1,
        .cost_nano = -1,
    };
}

/* ---- read ---- */

static int64_t at_least_zero(int64_t count)
{
    return count > 0 ? count : 0;
}

/* Where a count may stand. Several names of one count in one object are
 * synonyms, of which the largest is believed: a zero often only means that
 * the server knows the name. */
struct field {
    const char   *group;       /* the object inside usage; NULL: usage itself */
    struct tg_str name;
    size_t        offset;
};

#define FIELD(group, name, member) \
    { group, { name, sizeof(name) - 1 }, offsetof(struct tg_usage, member) }

static const struct field fields[] = {
    FIELD(NULL, "prompt_tokens", prompt),
    FIELD(NULL, "completion_tokens", completion),
    FIELD(NULL, "output_tokens", completion),
    FIELD(NULL, "total_tokens", total),
    FIELD(NULL, "reasoning_tokens", reasoning),                 /* Copilot, Perplexity */
    FIELD(NULL, "cached_tokens", cached),                       /* Together, Moonshot */
    FIELD(NULL, "num_cached_tokens", cached),                   /* Mistral */
    FIELD(NULL, "prompt_cache_hit_tokens", cached),             /* DeepSeek */
    FIELD(NULL, "cache_read_input_tokens", cached),             /* Anthropic */
    FIELD(NULL, "cache_creation_input_tokens", cache_write),    /* Anthropic */
    FIELD(NULL, "audio_prompt_tokens", prompt_audio),           /* Azure's Grok */
    FIELD(NULL, "num_search_queries", web_searches),            /* Perplexity */
    FIELD(NULL, "search_units", search_units),                  /* Cohere, OpenRouter */
    FIELD("prompt_tokens_details", "cached_tokens", cached),
    FIELD("prompt_tokens_details", "cache_write_tokens", cache_write),
    FIELD("prompt_tokens_details", "audio_tokens", prompt_audio),
    FIELD("prompt_tokens_details", "image_tokens", prompt_image),
    FIELD("prompt_tokens_details", "video_tokens", prompt_video),
    FIELD("cached_tokens_details", "audio_tokens", cached_audio),
    FIELD("cached_tokens_details", "image_tokens", cached_image),
    FIELD("input_tokens_details", "cached_tokens", cached),
    FIELD("input_tokens_details", "cache_write_tokens", cache_write),
    FIELD("completion_tokens_details", "reasoning_tokens", reasoning),
    FIELD("completion_tokens_details", "audio_tokens", completion_audio),
    FIELD("completion_tokens_details", "image_tokens", completion_image),
    FIELD("output_tokens_details", "reasoning_tokens", reasoning),
    FIELD("output_tokens_details", "thinking_tokens", reasoning),       /* Anthropic */
    FIELD("cache_creation", "ephemeral_1h_input_tokens", cache_write_1h),
    FIELD("billed_units", "input_tokens", billed_prompt),       /* Cohere */
    FIELD("billed_units", "output_tokens", billed_completion),
    FIELD("server_tool_use_details", "web_search_requests", web_searches),
    FIELD("server_tool_use", "web_search_requests", web_searches),
    FIELD("server_side_tool_usage_details", "web_search_calls", web_searches),      /* xAI */
};
enum { FIELDS = sizeof fields / sizeof *fields };

/* Members of a usage object that are more than a count. The first ones are
 * groups of counts. */
enum { PROMPT_DETAILS, COMPLETION_DETAILS, INPUT_DETAILS, OUTPUT_DETAILS, TOOL_DETAILS, TOOL_USE,
       SIDE_TOOLS, BILLED_UNITS, COUNT_GROUPS,
       CACHE_CREATION = COUNT_GROUPS, INPUT, ITERATIONS, COST, COST_DETAILS, COST_TICKS, IS_BYOK,
       PARTS };

#define NAME(text) { text, sizeof(text) - 1 }

static const struct tg_str part_names[PARTS] = {
    [PROMPT_DETAILS] = NAME("prompt_tokens_details"),
    [COMPLETION_DETAILS] = NAME("completion_tokens_details"),
    [INPUT_DETAILS] = NAME("input_tokens_details"),
    [OUTPUT_DETAILS] = NAME("output_tokens_details"),
    [TOOL_DETAILS] = NAME("server_tool_use_details"),
    [TOOL_USE] = NAME("server_tool_use"),
    [SIDE_TOOLS] = NAME("server_side_tool_usage_details"),
    [BILLED_UNITS] = NAME("billed_units"),
    [CACHE_CREATION] = NAME("cache_creation"),
    [INPUT] = NAME("input_tokens"),
    [ITERATIONS] = NAME("iterations"),
    [COST] = NAME("cost"),
    [COST_DETAILS] = NAME("cost_details"),
    [COST_TICKS] = NAME("cost_in_usd_ticks"),
    [IS_BYOK] = NAME("is_byok"),
};

void tg_usage_see(struct tg_usage *u)
{
    u->seen = (u->prompt >= 0 && u->completion >= 0) || u->total >= 0;
}

static int64_t *field_at(struct tg_usage *u, const struct field *f)
{
    return (int64_t *)(void *)((char *)u + f->offset);
}

bool tg_usage_count(struct tg_usage *u, struct tg_json value, int64_t *count)
{
    int64_t n;

    if (value.kind == TG_JSON_NONE || value.kind == TG_JSON_NULL)
        return false;
    if (!tg_json_i64(value, &n) || n < 0 || n > TG_USAGE_TOKENS_MAX) {
        u->doubtful = true;
        return false;
    }
    *count = n;
    return true;
}

/* Names are compared by their bytes; one that is written with escapes, which
 * nobody does, the long way. */
static bool is_named(struct tg_str key, struct tg_str name)
{
    if (key.len == name.len && memcmp(key.at, name.at, key.len) == 0)
        return true;
    return key.len > name.len && memchr(key.at, '\\', key.len) && tg_json_key_is(key, name.at);
}

static void read_field(struct tg_usage *said, const char *group, struct tg_str key,
                       struct tg_json value)
{
    for (size_t i = 0; i < FIELDS; i++) {
        const struct field *f = &fields[i];
        int64_t count;
        bool is_group = f->group ? group && strcmp(f->group, group) == 0 : !group;
        if (is_group && is_named(key, f->name)) {
            if (tg_usage_count(said, value, &count) && count > *field_at(said, f))
                *field_at(said, f) = count;
            return;
        }
    }
}

static void read_group(struct tg_usage *said, struct tg_json object, const char *group)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    tg_json_iter_init(&it, object);
    while (object.kind == TG_JSON_OBJECT && tg_json_next(&it, &key, &value))
        read_field(said, group, key, value);
}

/* Cache writes by how long they are kept: more than the sum is not told by
 * all who tell the parts. */
static void read_cache_creation(struct tg_usage *said, struct tg_json parts)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;
    int64_t count, sum = 0;

    read_group(said, parts, "cache_creation");
    tg_json_iter_init(&it, parts);
    while (parts.kind == TG_JSON_OBJECT && tg_json_next(&it, &key, &value))
        if (tg_usage_count(said, value, &count))
            sum += count;
    if (parts.kind == TG_JSON_OBJECT && sum > said->cache_write && sum <= TG_USAGE_TOKENS_MAX)
        said->cache_write = sum;
}

/* Anthropic's input_tokens are those outside the cache; Responses' input_tokens,
 * which come with details, are all of them. */
static void read_input(struct tg_usage *u, struct tg_usage *said, const struct tg_json *parts)
{
    int64_t input;

    if (!tg_usage_count(said, parts[INPUT], &input) || said->prompt >= 0)
        return;
    if (parts[INPUT_DETAILS].kind != TG_JSON_OBJECT) {
        int64_t cached = said->cached >= 0 ? said->cached : u->cached;
        int64_t written = said->cache_write >= 0 ? said->cache_write : u->cache_write;
        input += cached > 0 ? cached : 0;
        input += written > 0 ? written : 0;
    }
    if (input <= TG_USAGE_TOKENS_MAX)
        said->prompt = input;
}

/* A charge in dollars; false when nothing that can be true was said. */
static bool read_dollars(struct tg_usage *u, struct tg_json value, int64_t *nano)
{
    int64_t n;

    if (value.kind == TG_JSON_NONE || value.kind == TG_JSON_NULL)
        return false;
    if (!tg_usage_dollars(value, &n) || n < 0) {
        u->doubtful = true;
        return false;
    }
    *nano = n;
    return true;
}

void tg_usage_read_charge(struct tg_usage *u, struct tg_json cost)
{
    if (cost.kind == TG_JSON_NUMBER)
        read_dollars(u, cost, &u->cost_nano);
    else if (!read_dollars(u, tg_json_get(cost, "total_cost"), &u->cost_nano))
        read_dollars(u, tg_json_get(cost, "usd"), &u->cost_nano);
}

/* What the provider takes for it: a number of dollars, Perplexity's object,
 * xAI's ticks (1e10 a dollar); through somebody else's key the fee and what
 * the provider behind takes. */
static void read_cost(struct tg_usage *said, const struct tg_json *parts)
{
    struct tg_json cost = parts[COST], ticks = parts[COST_TICKS];
    int64_t n, upstream = -1;
    bool is_byok = false;

    if (ticks.kind != TG_JSON_NONE && ticks.kind != TG_JSON_NULL) {
        if (tg_json_i64(ticks, &n) && n >= 0)
            said->cost_nano = n / TICKS_PER_NANO + (n % TICKS_PER_NANO >= TICKS_PER_NANO / 2);
        else
            said->doubtful = true;
    }
    if (cost.kind == TG_JSON_OBJECT || cost.kind == TG_JSON_NUMBER)
        tg_usage_read_charge(said, cost);
    else if (cost.kind != TG_JSON_NONE && cost.kind != TG_JSON_NULL)
        said->doubtful = true;

    read_dollars(said, tg_json_get(parts[COST_DETAILS], "upstream_inference_cost"), &upstream);
    tg_json_bool(parts[IS_BYOK], &is_byok);
    if (upstream < 0)
        return;
    if (said->cost_nano < 0)
        said->cost_nano = upstream;
    else if (is_byok && said->cost_nano <= INT64_MAX - upstream)
        said->cost_nano += upstream;
}

/* What this object said replaces what earlier ones did, count by count. */
static void merge(struct tg_usage *u, const struct tg_usage *said)
{
    struct tg_usage copy = *said;

    for (size_t i = 0; i < FIELDS; i++) {
        int64_t count = *field_at(&copy, &fields[i]);
        if (count >= 0)
            *field_at(u, &fields[i]) = count;
    }
    if (said->cost_nano >= 0)
        u->cost_nano = said->cost_nano;
    if (said->beside.prompt > 0)
        u->beside = said->beside;
    u->doubtful = u->doubtful || said->doubtful;
    tg_usage_see(u);
}

/* One pass over the object: counts are read, the rest is put where it belongs. */
static void sort_members(struct tg_usage *said, struct tg_json usage, struct tg_json *parts)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    tg_json_iter_init(&it, usage);
    while (tg_json_next(&it, &key, &value)) {
        int part = 0;
        while (part < PARTS && !is_named(key, part_names[part]))
            part++;
        if (part < PARTS)
            parts[part] = value;
        else
            read_field(said, NULL, key, value);
    }
}

/* What one object says, under what `u` was told before. */
static void read_object(struct tg_usage *said, struct tg_usage *u, struct tg_json usage,
                        struct tg_json *parts)
{
    int64_t images;

    tg_usage_init(said);
    sort_members(said, usage, parts);
    for (int i = 0; i < COUNT_GROUPS; i++)
        if (parts[i].kind == TG_JSON_OBJECT)
            read_group(said, parts[i], part_names[i].at);
    read_group(said, tg_json_get(parts[PROMPT_DETAILS], "cached_tokens_details"),
               "cached_tokens_details");
    if (tg_usage_count(said, tg_json_get(parts[BILLED_UNITS], "image_tokens"), &images))
        said->billed_prompt = at_least_zero(said->billed_prompt) + images;
    read_cache_creation(said, parts[CACHE_CREATION]);
    read_input(u, said, parts);
    read_cost(said, parts);
}

/* Anthropic tells every sampling of a request. Those that compact are not among
 * the request's own counts, and are charged for; those of an advisor have
 * another model's price. */
static void read_beside(struct tg_usage *said, struct tg_json iterations)
{
    struct tg_usage_beside *b = &said->beside;
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json one;

    tg_json_iter_init(&it, iterations);
    while (iterations.kind == TG_JSON_ARRAY && tg_json_next(&it, &key, &one)) {
        struct tg_json parts[PARTS] = { 0 };
        struct tg_usage nothing, of;
        if (!tg_json_is(tg_json_get(one, "type"), "compaction"))
            continue;
        tg_usage_init(&nothing);
        read_object(&of, &nothing, one, parts);
        said->doubtful = said->doubtful || of.doubtful;
        b->prompt += at_least_zero(of.prompt);
        b->completion += at_least_zero(of.completion);
        b->cached += at_least_zero(of.cached);
        b->cache_write += at_least_zero(of.cache_write);
        b->cache_write_1h += at_least_zero(of.cache_write_1h);
    }
    if (b->prompt > TG_USAGE_TOKENS_MAX || b->completion > TG_USAGE_TOKENS_MAX) {
        *b = (struct tg_usage_beside){ 0 };
        said->doubtful = true;
    }
}

void tg_usage_read(struct tg_usage *u, struct tg_json usage)
{
    struct tg_json parts[PARTS] = { 0 };
    struct tg_usage said;

    if (usage.kind != TG_JSON_OBJECT)
        return;
    read_object(&said, u, usage, parts);
    read_beside(&said, parts[ITERATIONS]);
    merge(u, &said);
}

/* ---- settle ---- */

/* Reasoning that is not among the completion tokens: what the total has beyond
 * prompt and completion (xAI tells it, Gemini leaves it to be guessed), or
 * what could not be part of so few (Vercel's gateway). */
static void count_reasoning_in(struct tg_usage *u)
{
    int64_t beyond = u->total - u->prompt - u->completion;

    if (u->total >= 0 && beyond > 0 && (u->reasoning < 0 || beyond == u->reasoning)) {
        u->reasoning = beyond;
        u->completion += beyond;
    } else if (u->reasoning > u->completion) {
        u->completion += u->reasoning;
        u->total = u->prompt + u->completion;
    }
}

static void limit(struct tg_usage *u, int64_t *part, int64_t whole)
{
    if (*part <= whole)
        return;
    *part = whole;
    u->doubtful = true;
}

void tg_usage_settle(struct tg_usage *u)
{
    if (u->prompt < 0 && u->completion < 0 && u->total < 0)
        return;
    if (u->prompt < 0)
        u->prompt = at_least_zero(u->total - at_least_zero(u->completion));
    if (u->completion >= 0)
        count_reasoning_in(u);

    int64_t sum = u->prompt + at_least_zero(u->completion);
    if (u->total >= 0 && u->total != sum)
        u->doubtful = true;
    u->total = sum;
    u->seen = true;

    limit(u, &u->cached, u->prompt);
    limit(u, &u->cache_write, u->prompt - at_least_zero(u->cached));
    if (u->cache_write_1h > u->cache_write)
        u->cache_write = u->cache_write_1h;
    limit(u, &u->cache_write, u->prompt - at_least_zero(u->cached));
    limit(u, &u->cache_write_1h, at_least_zero(u->cache_write));
}

/* ---- write ---- */

static void put_count(struct tg_buf *out, const char *name, int64_t count)
{
    tg_json_put_name(out, name);
    tg_buf_i64(out, at_least_zero(count));
}

static void put_amount(struct tg_buf *out, const char *name, int64_t nano)
{
    tg_json_put_name(out, name);
    if (nano < 0)
        tg_buf_z(out, "0");
    else
        tg_usage_put_dollars(out, nano);
}

/* The members of `from` that are not null and whose names are none of these. */
static void put_others(struct tg_buf *out, struct tg_json from, const char *const *known)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    tg_json_iter_init(&it, from);
    while (from.kind == TG_JSON_OBJECT && tg_json_next(&it, &key, &value)) {
        bool is_known = value.kind == TG_JSON_NULL;
        for (size_t i = 0; known[i] && !is_known; i++)
            is_known = tg_json_key_is(key, known[i]);
        if (is_known)
            continue;
        tg_json_put_comma(out);
        tg_buf_char(out, '"');
        tg_buf_str(out, key);
        tg_buf_z(out, "\":");
        tg_buf_str(out, value.raw);
    }
}

static void put_prompt_details(struct tg_buf *out, const struct tg_usage *u,
                               struct tg_json original)
{
    static const char *const known[] = {
        "cached_tokens", "cache_write_tokens", "audio_tokens", "video_tokens", "image_tokens", NULL
    };

    tg_json_put_name(out, "prompt_tokens_details");
    tg_buf_char(out, '{');
    put_count(out, "cached_tokens", u->cached);
    put_count(out, "cache_write_tokens", u->cache_write);
    put_count(out, "audio_tokens", u->prompt_audio);
    put_count(out, "video_tokens", u->prompt_video);
    if (u->prompt_image >= 0)
        put_count(out, "image_tokens", u->prompt_image);
    put_others(out, tg_json_get(original, "prompt_tokens_details"), known);
    tg_buf_char(out, '}');
}

static void put_completion_details(struct tg_buf *out, const struct tg_usage *u,
                                   struct tg_json original)
{
    static const char *const known[] = {
        "reasoning_tokens", "image_tokens", "audio_tokens", NULL
    };

    tg_json_put_name(out, "completion_tokens_details");
    tg_buf_char(out, '{');
    put_count(out, "reasoning_tokens", u->reasoning);
    put_count(out, "image_tokens", u->completion_image);
    put_count(out, "audio_tokens", u->completion_audio);
    put_others(out, tg_json_get(original, "completion_tokens_details"), known);
    tg_buf_char(out, '}');
}

static bool has_cost_details(const struct tg_cost *cost)
{
    return cost->upstream >= 0 || cost->upstream_prompt >= 0 || cost->upstream_completion >= 0;
}

/* The contract's schema wants both parts where there are details. */
tg_err tg_usage_put_cost_details(struct tg_buf *out, const struct tg_cost *cost,
                                 const char *prompt_name, const char *completion_name)
{
    if (!has_cost_details(cost))
        return TG_OK;
    tg_buf_z(out, "{\"upstream_inference_cost\":");
    if (cost->upstream < 0)
        tg_buf_z(out, "null");
    else
        tg_usage_put_dollars(out, cost->upstream);
    put_amount(out, prompt_name, cost->upstream_prompt);
    put_amount(out, completion_name, cost->upstream_completion);
    return tg_buf_char(out, '}');
}

static void put_cost(struct tg_buf *out, const struct tg_cost *cost)
{
    put_amount(out, "cost", cost->total);
    tg_buf_z(out, cost->is_byok ? ",\"is_byok\":true" : ",\"is_byok\":false");
}

static void put_cost_details(struct tg_buf *out, const struct tg_cost *cost)
{
    if (!has_cost_details(cost))
        return;
    tg_json_put_name(out, "cost_details");
    tg_usage_put_cost_details(out, cost, "upstream_inference_prompt_cost",
                              "upstream_inference_completions_cost");
}

/* What the provider tells of its tools, and the searches where it names them
 * otherwise. */
static void put_server_tools(struct tg_buf *out, const struct tg_usage *u, struct tg_json original)
{
    struct tg_json told = tg_json_get(original, "server_tool_use_details");

    if (told.kind != TG_JSON_OBJECT && u->web_searches < 0)
        return;
    tg_json_put_name(out, "server_tool_use_details");
    if (told.kind == TG_JSON_OBJECT) {
        tg_buf_str(out, told.raw);
        return;
    }
    tg_buf_char(out, '{');
    put_count(out, "web_search_requests", u->web_searches);
    tg_buf_char(out, '}');
}

tg_err tg_usage_put(struct tg_buf *out, const struct tg_usage *u, const struct tg_cost *cost,
                    struct tg_json original)
{
    static const char *const known[] = {
        "prompt_tokens", "completion_tokens", "total_tokens", "cost", "is_byok",
        "prompt_tokens_details", "completion_tokens_details", "cost_details",
        "server_tool_use_details", NULL
    };

    tg_buf_char(out, '{');
    put_count(out, "prompt_tokens", u->prompt);
    if (u->completion >= 0)
        put_count(out, "completion_tokens", u->completion);
    put_count(out, "total_tokens", u->total);
    if (cost)
        put_cost(out, cost);
    put_prompt_details(out, u, original);
    if (cost)
        put_cost_details(out, cost);
    if (u->completion >= 0)
        put_completion_details(out, u, original);
    put_server_tools(out, u, original);
    put_others(out, original, known);
    return tg_buf_char(out, '}');
}

tg_err tg_usage_put_rerank(struct tg_buf *out, const struct tg_usage *u,
                           const struct tg_cost *cost, struct tg_json original)
{
    static const char *const known[] = {
        "search_units", "total_tokens", "cost", "is_byok", "cost_details", NULL
    };

    tg_buf_char(out, '{');
    if (u->search_units >= 0)
        put_count(out, "search_units", u->search_units);
    if (u->total >= 0)
        put_count(out, "total_tokens", u->total);
    if (cost) {
        put_cost(out, cost);
        put_cost_details(out, cost);
    }
    put_others(out, original, known);
    return tg_buf_char(out, '}');
}

/* ---- dollars ---- */

tg_err tg_usage_put_dollars(struct tg_buf *out, int64_t nano)
{
    uint64_t amount = nano < 0 ? 0 - (uint64_t)nano : (uint64_t)nano;
    uint64_t part = amount % 1000000000;
    char digits[NANO_DIGITS];
    size_t n = NANO_DIGITS;

    if (nano < 0)
        tg_buf_char(out, '-');
    if (!part)
        return tg_buf_u64(out, amount / 1000000000);
    tg_buf_u64(out, amount / 1000000000);
    for (size_t i = NANO_DIGITS; i-- > 0; part /= 10)
        digits[i] = (char)('0' + part % 10);
    while (digits[n - 1] == '0')
        n--;
    tg_buf_char(out, '.');
    return tg_buf_add(out, digits, n);
}

/* The number's exponent, held within what cannot matter. */
static int64_t read_exponent(const char *at, const char *end)
{
    bool is_negative = at < end && *at == '-';
    int64_t e = 0;

    if (at < end && (*at == '-' || *at == '+'))
        at++;
    for (; at < end && e < INT_MAX; at++)
        e = e * 10 + (*at - '0');
    return is_negative ? -e : e;
}

bool tg_usage_dollars(struct tg_json number, int64_t *nano)
{
    if (number.kind != TG_JSON_NUMBER || !number.raw.len)
        return false;

    const char *at = number.raw.at, *end = at + number.raw.len;
    bool is_negative = *at == '-';
    at += is_negative;

    const char *point = NULL, *stop = at;
    for (; stop < end && *stop != 'e' && *stop != 'E'; stop++)
        if (*stop == '.')
            point = stop;

    int64_t left = (point ? point : stop) - at + NANO_DIGITS;
    if (stop < end)
        left += read_exponent(stop + 1, end);

    /* `left` digits make whole nano-dollars, the next one rounds. */
    int64_t sum = 0;
    for (; left >= 0; left--) {
        while (at < stop && *at == '.')
            at++;
        int digit = at < stop ? *at++ - '0' : 0;
        if (left == 0) {
            if (digit >= 5 && __builtin_add_overflow(sum, 1, &sum))
                return false;
            break;
        }
        if (at >= stop && !sum && !digit)      /* nothing but zeros, however many */
            break;
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, digit, &sum))
            return false;
    }
    *nano = is_negative ? -sum : sum;
    return true;
}
