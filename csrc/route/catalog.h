/* catalog.h -- models, their endpoints and providers: immutable once sealed.
 *
 * Read from JSON in OpenRouter's own shape, {"data": [MODEL, ...]}, each MODEL
 * an object of GET /models with "endpoints": [ENDPOINT, ...], each ENDPOINT an
 * object of GET /models/{author}/{slug}/endpoints with "provider" and
 * "upstream_model" (docs/catalog.md). The text is kept: listings hand the
 * operator's own bytes out again. A sealed catalogue is shared by all engines
 * and swapped whole; who uses one holds a reference. */
#ifndef TG_CATALOG_H
#define TG_CATALOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "route/live.h"
#include "route/price.h"
#include "wire/json.h"
#include "wire/url.h"

enum {
    TG_CATALOG_MODELS_MAX = 20000,
    TG_CATALOG_ENDPOINTS_MAX = 256,        /* of one model */
    TG_CATALOG_PROVIDERS_MAX = 1024
};

/* The 26 request parameters that an endpoint may or may not support
 * (contract 7.1), in the contract's order. Bit 1 << TG_PARAM_x. */
enum tg_param {
    TG_PARAM_TEMPERATURE, TG_PARAM_TOP_P, TG_PARAM_TOP_K, TG_PARAM_MIN_P, TG_PARAM_TOP_A,
    TG_PARAM_FREQUENCY_PENALTY, TG_PARAM_PRESENCE_PENALTY, TG_PARAM_REPETITION_PENALTY,
    TG_PARAM_MAX_TOKENS, TG_PARAM_MAX_COMPLETION_TOKENS, TG_PARAM_LOGIT_BIAS, TG_PARAM_LOGPROBS,
    TG_PARAM_TOP_LOGPROBS, TG_PARAM_PREDICTION, TG_PARAM_SEED, TG_PARAM_RESPONSE_FORMAT,
    TG_PARAM_STRUCTURED_OUTPUTS, TG_PARAM_STOP, TG_PARAM_TOOLS, TG_PARAM_TOOL_CHOICE,
    TG_PARAM_PARALLEL_TOOL_CALLS, TG_PARAM_INCLUDE_REASONING, TG_PARAM_REASONING,
    TG_PARAM_REASONING_EFFORT, TG_PARAM_WEB_SEARCH_OPTIONS, TG_PARAM_VERBOSITY,
    TG_PARAMS
};
/* The parameter of that name, -1 when it is none; and back. */
int tg_param_of(struct tg_str name);
const char *tg_param_name(int param);

/* "int4" ... "unknown" (contract 2.2). */
enum tg_quantization {
    TG_QUANT_INT4, TG_QUANT_INT8, TG_QUANT_FP4, TG_QUANT_MXFP4, TG_QUANT_NVFP4, TG_QUANT_FP6,
    TG_QUANT_FP8, TG_QUANT_MXFP8, TG_QUANT_FP16, TG_QUANT_BF16, TG_QUANT_FP32, TG_QUANT_UNKNOWN,
    TG_QUANTS
};
int tg_quantization_of(struct tg_str name);
const char *tg_quantization_name(int quantization);

/* Kinds of input and output. Bit 1 << TG_MODE_x. */
enum tg_modality { TG_MODE_TEXT, TG_MODE_IMAGE, TG_MODE_FILE, TG_MODE_AUDIO, TG_MODE_VIDEO,
                   TG_MODE_EMBEDDINGS, TG_MODE_OTHER, TG_MODES };
int tg_modality_of(struct tg_str name);

/* One provider, from the configuration. Views belong to the catalogue. */
struct tg_provider {
    uint32_t      index;
    struct tg_str slug, name;              /* "google-vertex", "Google" */
    struct tg_str wire;                    /* "openai-chat" */
    struct tg_str base_url;                /* as written */
    struct tg_url url;                     /* of it */
    struct tg_str key;                     /* secret; empty: none is sent */
    struct tg_str auth_header, auth_prefix;    /* "Authorization", "Bearer " */
    struct tg_str headers;                 /* further "Name: value\r\n" lines, may be empty */
    struct tg_str proxy;                   /* URL of an HTTP proxy, may be empty */
    struct tg_str region;                  /* "eu", may be empty */
    struct tg_str about;                   /* JSON object for GET /providers, may be empty */
    bool          denies_data_collection;  /* neither trains on nor keeps prompts */
    bool          zdr;                     /* zero data retention */
    bool          wants_http2;
    bool          no_stream_options;       /* refuses stream_options */
};

struct tg_model;

struct tg_endpoint {
    uint32_t      index;                   /* in the whole catalogue */
    const struct tg_model    *model;
    const struct tg_provider *provider;
    struct tg_str tag;                     /* "deepinfra/turbo"; default the slug */
    struct tg_str name;
    struct tg_str upstream_model;          /* the provider's name of the model */
    struct tg_str upstream_model_json;     /* the same as JSON text, quotes included */
    struct tg_price price;
    int64_t       context_length;          /* tokens; 0 unknown */
    int64_t       max_prompt_tokens;       /* 0 unknown */
    int64_t       max_completion_tokens;   /* 0 unknown */
    uint32_t      params;                  /* bits of enum tg_param */
    uint32_t      tool_choices;            /* bits: 0 none, 1 auto, 2 required, 3 function */
    uint8_t       quantization;
    uint8_t       inputs, outputs;         /* bits of enum tg_modality */
    int           status;                  /* 0 healthy, < 0 degraded or off */
    bool          denies_data_collection, zdr, distillable, implicit_caching;
    bool          is_tier;                 /* tag ends in /priority or /flex */
    uint64_t      identity;                /* stable hash of model id, provider slug and tag */
    struct tg_live *live;                  /* shared; set by tg_catalog_join() */
    struct tg_json raw;                    /* the ENDPOINT object as written */
};

struct tg_model {
    uint32_t      index;
    struct tg_str id, canonical_slug, name;
    int64_t       created_s;
    int64_t       context_length;
    uint8_t       inputs, outputs;
    bool          distillable;
    bool          has_params;              /* supported_parameters was given */
    uint32_t      params;                  /* union over its endpoints */
    struct tg_price price;                 /* of the model object; listings */
    struct tg_endpoint *endpoints;
    size_t        endpoints_count;
    struct tg_json raw;                    /* the MODEL object as written */
};

struct tg_catalog {
    atomic_uint         references;
    struct tg_arena     arena;
    struct tg_provider *providers;
    size_t              providers_count;
    struct tg_model    *models;            /* in the order of the files, later files replace */
    size_t              models_count;
    size_t              endpoints_count;
    void               *by_name;           /* private */
};

/* A new catalogue with one reference and copies of these providers (all views
 * are copied). NULL when out of memory. */
struct tg_catalog *tg_catalog_new(const struct tg_provider *providers, size_t count);

void tg_catalog_hold(struct tg_catalog *c);
void tg_catalog_drop(struct tg_catalog *c);

/* Add a file's text (copied). On failure `why` gets one line,
 * "name:line: what is wrong, did you mean ...", and the catalogue is as
 * before. A model that an earlier file had replaces it. Endpoints of
 * providers that are not configured are left out, and counted in *skipped
 * (may be NULL); a misspelt provider near a configured one is told so. */
tg_err tg_catalog_add(struct tg_catalog *c, struct tg_str text, const char *name,
                      struct tg_buf *why, size_t *skipped);

/* No more files: build the look-up table. */
tg_err tg_catalog_seal(struct tg_catalog *c);

/* Give every endpoint its slot of the shared region. Endpoints beyond the
 * region's size share nothing and count for themselves. */
tg_err tg_catalog_join(struct tg_catalog *c, struct tg_live_region *region);

/* By id or canonical slug, catalogue variant (":free") included. NULL. */
const struct tg_model *tg_catalog_find(const struct tg_catalog *c, struct tg_str id);

/* By slug. NULL. */
const struct tg_provider *tg_catalog_provider(const struct tg_catalog *c, struct tg_str slug);

/* Does a word of order/only/ignore mean this endpoint? It is a slug
 * ("google-vertex": every endpoint of it but its /priority and /flex tiers), a
 * tag ("google-vertex/us-east5": that one) or a display name; case counts
 * for none of them. */
bool tg_endpoint_matches(const struct tg_endpoint *e, struct tg_str word);

/* The known name nearest to `word` (edit distance <= 2 and less than half of
 * it), for "did you mean"; empty. */
struct tg_str tg_catalog_near(const struct tg_str *names, size_t count, struct tg_str word);

#endif
