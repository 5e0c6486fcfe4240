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
#include "route/vocabulary.h"
#include "route/wires.h"
#include "wire/json.h"
#include "wire/url.h"

enum {
    TG_CATALOG_MODELS_MAX    = 20000,
    TG_CATALOG_ENDPOINTS_MAX = 256,        /* of one model */
    TG_CATALOG_PROVIDERS_MAX = 1024,
    TG_CATALOG_NAME_MAX      = 512,        /* bytes of an id, slug, tag or upstream model */
    TG_CATALOG_TEXT_MAX      = 256 << 20   /* bytes of one file */
};

/* How a request proves whose it is, where a header with a key is not enough. */
enum tg_signing {
    TG_SIGN_NOTHING,
    TG_SIGN_AWS,                           /* Signature Version 4 */
    TG_SIGN_GOOGLE                         /* a service account's token, fetched when needed */
};

/* What it takes; secrets but for region and token_url. */
struct tg_signer {
    enum tg_signing kind;
    struct tg_str access_key, secret_key, session_token, region;   /* AWS */
    struct tg_str email, private_key, token_url;                   /* Google; the key is PEM */
    struct tg_url token_at;                                        /* of token_url */
};

/* One provider, from the configuration. Views belong to the catalogue. */
struct tg_provider {
    uint32_t      index;
    struct tg_str slug, name;              /* "google-vertex", "Google" */
    struct tg_wire wires[TG_WIRES_MAX];    /* those of some models, then the usual one, then those
                                              that are spoken beside it */
    size_t        wires_count;             /* 0: OpenAI's chat completions */
    struct tg_signer signer;
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
    const struct tg_wire *wire;            /* how this model is spoken to there; for one api:
                                              tg_endpoint_wire() */
    struct tg_str tag;                     /* "deepinfra/turbo"; default the slug */
    struct tg_str name;
    struct tg_str upstream_model;          /* the provider's name of the model */
    struct tg_str upstream_model_json;     /* the same as JSON text, quotes included */
    struct tg_str members;                 /* "model":...,"stream_options":...; route/body.c */
    struct tg_price price;
    int64_t       context_length;          /* tokens; 0 unknown */
    int64_t       max_prompt_tokens;       /* 0 unknown */
    int64_t       max_completion_tokens;   /* 0 unknown */
    uint32_t      params;                  /* bits of enum tg_param */
    uint32_t      tool_choices;            /* bits of enum tg_tool_choice */
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
    struct tg_str alias;                   /* id of the model it stands for, may be empty */
    int64_t       created_s;
    int64_t       context_length;
    int64_t       max_completion_tokens;   /* of top_provider; 0 unknown */
    uint8_t       inputs, outputs;
    bool          distillable;
    bool          has_params;              /* supported_parameters was given, here or below */
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
    struct tg_catalog_tables *tables;      /* private */
};

/* A new catalogue with one reference and copies of these providers (all views
 * are copied). NULL when out of memory. */
struct tg_catalog *tg_catalog_new(const struct tg_provider *providers, size_t count);

void tg_catalog_hold(struct tg_catalog *c);
void tg_catalog_drop(struct tg_catalog *c);

/* Add a file's text (copied): {"data": [MODEL, ...]}, or {"data": MODEL} as
 * one model's listing has it. On failure `why` gets one line, "name:line: what
 * is wrong, did you mean ...", and the catalogue is as before. A model of a
 * later file replaces the one of that id that an earlier file had; in one file
 * an id may stand once.
 *
 * What an ENDPOINT does not say (or says as null) is the model's: context
 * length, pricing, supported_parameters, architecture, and from top_provider
 * max_completion_tokens; upstream_model defaults to the model's id and tag to
 * the provider's slug. Where supported_parameters or architecture are not
 * given at all, everything counts as supported. Our own additions to an
 * ENDPOINT: "provider", "upstream_model", "data_collection", "zdr",
 * "distillable". Left out and counted in *skipped (may be NULL) are endpoints
 * of providers that are not configured, and those with a router's price of -1.
 * A provider that looks like a misspelt configured one is a mistake, not one
 * left out. */
tg_err tg_catalog_add(struct tg_catalog *c, struct tg_str text, const char *name,
                      struct tg_buf *why, size_t *skipped);

/* No more files: build the look-up table. */
tg_err tg_catalog_seal(struct tg_catalog *c);

/* Give every endpoint its slot of the shared region. Endpoints beyond the
 * region's size share nothing and count for themselves. */
tg_err tg_catalog_join(struct tg_catalog *c, struct tg_live_region *region);

/* By id or canonical slug, catalogue variant (":free") included; exactly as
 * written. An id goes before a canonical slug, an earlier model before a later
 * one. NULL. */
const struct tg_model *tg_catalog_find(const struct tg_catalog *c, struct tg_str id);

/* By a name without an author, as makers' own clients have it: bare.h. NULL
 * where that is no model's, or more than one's. */
const struct tg_model *tg_catalog_find_bare(const struct tg_catalog *c, struct tg_str name);

/* The ids that somebody who asked for an unknown one may have meant, likeliest
 * first: the same but for case, the same without its author or its variant,
 * a misspelling. Returns how many. */
size_t tg_catalog_suggest(const struct tg_catalog *c, struct tg_str id, struct tg_str *out,
                          size_t cap);

/* By slug. NULL. */
const struct tg_provider *tg_catalog_provider(const struct tg_catalog *c, struct tg_str slug);

/* How the endpoint is asked for this api: as that passes unconverted, where it
 * is spoken to so at all; else in the usual way, where that offers it. */
const struct tg_wire *tg_endpoint_wire(const struct tg_endpoint *e, enum tg_api api);

/* Does a word of order/only/ignore mean this endpoint? It is a slug or the
 * part of a tag before its '/' ("google-vertex": every endpoint of it but its
 * /priority and /flex tiers), a tag ("google-vertex/us-east5": that one) or a
 * display name (as a slug); case counts for none of them. */
bool tg_endpoint_matches(const struct tg_endpoint *e, struct tg_str word);

/* The known name nearest to `word` (edit distance <= 2 and less than half of
 * it, case aside), for "did you mean"; empty. */
struct tg_str tg_catalog_near(const struct tg_str *names, size_t count, struct tg_str word);

#endif
