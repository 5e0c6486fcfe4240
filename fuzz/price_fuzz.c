/* Any bytes as a pricing object: what is read is a price, what is written reads
 * back, no bill is negative or above its ceiling, more never costs less. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "route/price.h"

#define MUST(cond) do { if (!(cond)) abort(); } while (0)

static void check_set(const struct tg_price_set *set)
{
    for (int k = 0; k < TG_PRICE_KEYS; k++) {
        struct tg_buf text = { 0 };
        int64_t back;
        MUST(set->femto[k] >= 0);
        MUST(set->has >> k & 1 || set->femto[k] == 0);
        MUST(tg_price_put(&text, set->femto[k]) == TG_OK);
        struct tg_json number = { tg_buf_view(&text), TG_JSON_NUMBER };
        MUST(tg_price_femto(number, &back) == TG_OK);
        MUST(back == set->femto[k]);
        tg_buf_done(&text);
    }
}

static void check_bill(const struct tg_price_set *set, struct tg_usage u, int64_t images)
{
    struct tg_cost c = tg_price_cost(set, &u, images, -1);

    MUST(c.total >= 0 && c.upstream_prompt >= 0 && c.upstream_completion >= 0);
    MUST(c.upstream == c.total);
    if (u.web_searches <= 0 && u.cost_nano < 0)
        MUST(c.total <= tg_price_ceiling(set, u.prompt, u.completion, images));
    if (u.completion < INT64_MAX) {                /* one more ordinary token */
        u.completion++;
        MUST(tg_price_cost(set, &u, images, -1).total >= c.total);
    }
    MUST(tg_price_blend(set, u.prompt, u.completion) >= 0);
}

/* The first bytes are the counts, the rest is the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_usage u;
    int64_t counts[4];
    struct tg_json root;
    struct tg_price price = { 0 };
    struct tg_price_set set;
    struct tg_arena arena;
    const char *why = NULL;
    struct tg_str where = { 0 };

    if (size < sizeof counts)
        return 0;
    memcpy(counts, data, sizeof counts);
    struct tg_str text = { (const char *)data + sizeof counts, size - sizeof counts };
    if (tg_json_check(text, TG_JSON_DEPTH_MAX, &root, NULL))
        return 0;

    tg_arena_init(&arena, 1024);
    tg_err err = tg_price_read(&price, root, &arena, &why, &where);
    MUST(err == TG_OK || err == TG_EINVAL);
    if (err) {
        MUST(why && *why);
        MUST(where.at >= text.at && where.at + where.len <= text.at + text.len);
    } else {
        MUST(price.overrides_count <= TG_PRICE_OVERRIDES_MAX && price.discount_ppm <= 1000000);
        tg_price_at(&price, counts[0], counts[3], &set);
        check_set(&set);
        check_set(&price.base);
        memset(&u, 0xff, sizeof u);
        u.prompt = counts[0], u.completion = counts[1], u.cached = counts[2];
        u.reasoning = counts[3], u.prompt_audio = counts[1], u.cached_audio = counts[0];
        check_bill(&set, u, counts[2]);
        u.cost_nano = counts[3], u.web_searches = counts[2];
        check_bill(&set, u, counts[1]);
    }
    tg_arena_done(&arena);
    return 0;
}
