/* usage.h -- what an answer says it used, whatever words its provider has.
 *
 * Counts follow OpenRouter's contract: prompt_tokens includes cache reads and
 * writes, completion_tokens includes reasoning. Read field by field; the last
 * non-null value of each wins. Numbers that are negative, not whole, not
 * finite or beyond TG_USAGE_TOKENS_MAX do not count as said. */
#ifndef TG_USAGE_H
#define TG_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "wire/json.h"

enum { TG_USAGE_TOKENS_MAX = 1000 * 1000 * 1000 };

/* Sampled besides, outside of an answer's own counts, at the same prices: what
 * Anthropic compacts a conversation with. prompt includes its cache reads and
 * writes. */
struct tg_usage_beside {
    int64_t prompt, completion, cached, cache_write, cache_write_1h;
};

struct tg_usage {
    bool    seen;                      /* both prompt and completion, or a total, were said */
    bool    doubtful;                  /* something was said that cannot be true */
    int64_t prompt, completion, total; /* tokens; -1 as long as not said */
    int64_t cached;                    /* of prompt: read from a cache */
    int64_t cached_audio, cached_image; /* of cached, and of prompt_audio and prompt_image */
    int64_t cache_write;               /* of prompt: written to a cache, for however long */
    int64_t cache_write_1h;            /* of cache_write: to be kept for an hour or more */
    int64_t prompt_audio, prompt_image, prompt_video;
    int64_t reasoning, completion_audio, completion_image;
    int64_t web_searches;
    int64_t search_units;              /* what reranking is billed by; no tokens */
    int64_t billed_prompt, billed_completion; /* where not all of the tokens are charged for */
    struct tg_usage_beside beside;     /* zeros when there was nothing */
    int64_t cost_nano;                 /* charge the provider reported, nano-dollars; -1 */
};

/* What the answer costs; made by route/price from usage and prices. Amounts
 * in nano-dollars. */
struct tg_cost {
    int64_t total;                     /* charged */
    int64_t upstream;                  /* of it, what the provider takes; -1 unknown */
    int64_t upstream_prompt, upstream_completion;
    bool    is_byok;
};

void tg_usage_init(struct tg_usage *u);

/* Read one usage object (OpenAI's, DeepSeek's, xAI's, Groq's, Perplexity's,
 * Mistral's, OpenRouter's, vLLM's, Anthropic-like names, Cohere's billed_units) into `u`. Anything
 * that is no object leaves it alone. */
void tg_usage_read(struct tg_usage *u, struct tg_json usage);

/* The same of Gemini's usageMetadata: thoughts are part of completion, the
 * prompts of its own tools part of prompt. */
void tg_usage_read_gemini(struct tg_usage *u, struct tg_json metadata);

/* Read a charge that stands outside the usage object: a number of dollars, or
 * {"total_cost":...} or {"usd":...}. Anything else leaves `u` alone. */
void tg_usage_read_charge(struct tg_usage *u, struct tg_json cost);

/* After the last one was read: fill what follows from the rest (total, or
 * reasoning that was counted outside completion). */
void tg_usage_settle(struct tg_usage *u);

/* Append the contract's usage object: its fields, cost, cost_details, and
 * behind them the members of `original` (the provider's last usage object,
 * may be absent) whose names the contract does not know. Without a completion
 * count (embeddings) there are no completion fields; `cost` may be NULL, and
 * then there are no cost fields. */
tg_err tg_usage_put(struct tg_buf *out, const struct tg_usage *u, const struct tg_cost *cost,
                    struct tg_json original);

/* Append the usage object of reranked documents: search_units and total_tokens
 * where they were said, `cost` unless it is NULL, the rest of `original`. */
tg_err tg_usage_put_rerank(struct tg_buf *out, const struct tg_usage *u,
                           const struct tg_cost *cost, struct tg_json original);

/* Append the object of what the provider takes, the parts under these names;
 * nothing when none of it is known. */
tg_err tg_usage_put_cost_details(struct tg_buf *out, const struct tg_cost *cost,
                                 const char *prompt_name, const char *completion_name);

/* Append nano-dollars as a JSON number of dollars, exact: 1403550 -> 0.00140355. */
tg_err tg_usage_put_dollars(struct tg_buf *out, int64_t nano);

/* A JSON number of dollars to nano-dollars, rounded half away from zero,
 * without floating point. False when it is none or does not fit. */
bool tg_usage_dollars(struct tg_json number, int64_t *nano);

#endif
