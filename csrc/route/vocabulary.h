/* vocabulary.h -- the contract's words for what requests ask and endpoints
 * offer: parameters, quantizations, modalities. */
#ifndef TG_VOCABULARY_H
#define TG_VOCABULARY_H

#include <stdint.h>
#include "base/str.h"

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
#define TG_PARAM_BIT(name) (UINT32_C(1) << TG_PARAM_##name)
#define TG_PARAM_ALL       ((UINT32_C(1) << TG_PARAMS) - 1)

/* The parameter of that name, -1 when it is none; and back. */
int tg_param_of(struct tg_str name);
const char *tg_param_name(int param);

/* "int4" ... "unknown" (contract 2.2); -1 when it is none. */
enum tg_quantization {
    TG_QUANT_INT4, TG_QUANT_INT8, TG_QUANT_FP4, TG_QUANT_MXFP4, TG_QUANT_NVFP4, TG_QUANT_FP6,
    TG_QUANT_FP8, TG_QUANT_MXFP8, TG_QUANT_FP16, TG_QUANT_BF16, TG_QUANT_FP32, TG_QUANT_UNKNOWN,
    TG_QUANTS
};
int tg_quantization_of(struct tg_str name);
const char *tg_quantization_name(int quantization);

/* Kinds of input and output. Bit 1 << TG_MODE_x. A word that is none of them
 * is TG_MODE_OTHER: the contract adds kinds without notice. */
enum tg_modality { TG_MODE_TEXT, TG_MODE_IMAGE, TG_MODE_FILE, TG_MODE_AUDIO, TG_MODE_VIDEO,
                   TG_MODE_EMBEDDINGS, TG_MODE_OTHER, TG_MODES };
int tg_modality_of(struct tg_str name);

/* Ways to choose a tool (tool_choice). Bit 1 << TG_CHOICE_x. */
enum tg_tool_choice { TG_CHOICE_NONE, TG_CHOICE_AUTO, TG_CHOICE_REQUIRED, TG_CHOICE_FUNCTION,
                      TG_CHOICES };
int tg_tool_choice_of(struct tg_str name);      /* -1 when it is none */

#endif
