/* body.h -- what each member of a request's body is to the gateway.
 *
 * needs.c finds the members out, body.c rewrites them; everything else asks
 * struct tg_needs. */
#ifndef TG_BODY_H
#define TG_BODY_H

#include "route/vocabulary.h"

/* The members that mean something. The first are the vocabulary's parameters,
 * under the same numbers. */
enum tg_field {
    TG_FIELD_DOCUMENTS = TG_PARAMS, TG_FIELD_ENCODING_FORMAT, TG_FIELD_INPUT, TG_FIELD_MESSAGES, TG_FIELD_METADATA, TG_FIELD_MODALITIES,
    TG_FIELD_MODEL, TG_FIELD_MODELS, TG_FIELD_N, TG_FIELD_POLICY, TG_FIELD_PROMPT,
    TG_FIELD_PROMPT_CACHE_KEY, TG_FIELD_PROVIDER, TG_FIELD_QUERY, TG_FIELD_ROUTE, TG_FIELD_SERVICE_TIER,
    TG_FIELD_SESSION_ID, TG_FIELD_STREAM, TG_FIELD_STREAM_OPTIONS, TG_FIELD_USER,
    TG_FIELD_OTHER,                /* goes upstream as it is */
    TG_FIELDS
};

#endif
