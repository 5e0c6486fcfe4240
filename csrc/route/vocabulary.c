#include "route/vocabulary.h"

#include "route/word.h"

static const struct tg_word params[TG_PARAMS] = {
    TG_WORD("frequency_penalty", TG_PARAM_FREQUENCY_PENALTY),
    TG_WORD("include_reasoning", TG_PARAM_INCLUDE_REASONING),
    TG_WORD("logit_bias", TG_PARAM_LOGIT_BIAS),
    TG_WORD("logprobs", TG_PARAM_LOGPROBS),
    TG_WORD("max_completion_tokens", TG_PARAM_MAX_COMPLETION_TOKENS),
    TG_WORD("max_tokens", TG_PARAM_MAX_TOKENS),
    TG_WORD("min_p", TG_PARAM_MIN_P),
    TG_WORD("parallel_tool_calls", TG_PARAM_PARALLEL_TOOL_CALLS),
    TG_WORD("prediction", TG_PARAM_PREDICTION),
    TG_WORD("presence_penalty", TG_PARAM_PRESENCE_PENALTY),
    TG_WORD("reasoning", TG_PARAM_REASONING),
    TG_WORD("reasoning_effort", TG_PARAM_REASONING_EFFORT),
    TG_WORD("repetition_penalty", TG_PARAM_REPETITION_PENALTY),
    TG_WORD("response_format", TG_PARAM_RESPONSE_FORMAT),
    TG_WORD("seed", TG_PARAM_SEED),
    TG_WORD("stop", TG_PARAM_STOP),
    TG_WORD("structured_outputs", TG_PARAM_STRUCTURED_OUTPUTS),
    TG_WORD("temperature", TG_PARAM_TEMPERATURE),
    TG_WORD("tool_choice", TG_PARAM_TOOL_CHOICE),
    TG_WORD("tools", TG_PARAM_TOOLS),
    TG_WORD("top_a", TG_PARAM_TOP_A),
    TG_WORD("top_k", TG_PARAM_TOP_K),
    TG_WORD("top_logprobs", TG_PARAM_TOP_LOGPROBS),
    TG_WORD("top_p", TG_PARAM_TOP_P),
    TG_WORD("verbosity", TG_PARAM_VERBOSITY),
    TG_WORD("web_search_options", TG_PARAM_WEB_SEARCH_OPTIONS),
};

static const struct tg_word quantizations[TG_QUANTS] = {
    TG_WORD("bf16", TG_QUANT_BF16),
    TG_WORD("fp16", TG_QUANT_FP16),
    TG_WORD("fp32", TG_QUANT_FP32),
    TG_WORD("fp4", TG_QUANT_FP4),
    TG_WORD("fp6", TG_QUANT_FP6),
    TG_WORD("fp8", TG_QUANT_FP8),
    TG_WORD("int4", TG_QUANT_INT4),
    TG_WORD("int8", TG_QUANT_INT8),
    TG_WORD("mxfp4", TG_QUANT_MXFP4),
    TG_WORD("mxfp8", TG_QUANT_MXFP8),
    TG_WORD("nvfp4", TG_QUANT_NVFP4),
    TG_WORD("unknown", TG_QUANT_UNKNOWN),
};

static const struct tg_word modalities[] = {
    TG_WORD("audio", TG_MODE_AUDIO),
    TG_WORD("embeddings", TG_MODE_EMBEDDINGS),
    TG_WORD("file", TG_MODE_FILE),
    TG_WORD("image", TG_MODE_IMAGE),
    TG_WORD("text", TG_MODE_TEXT),
    TG_WORD("video", TG_MODE_VIDEO),
};

static const struct tg_word tool_choices[] = {
    TG_WORD("auto", TG_CHOICE_AUTO),
    TG_WORD("function", TG_CHOICE_FUNCTION),
    TG_WORD("none", TG_CHOICE_NONE),
    TG_WORD("required", TG_CHOICE_REQUIRED),
};

static const char *name_of(const struct tg_word *list, size_t count, int means)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].means == means)
            return list[i].text.at;
    return "";
}

int tg_param_of(struct tg_str name)
{
    return tg_word_find(params, TG_WORDS(params), name);
}

const char *tg_param_name(int param)
{
    return name_of(params, TG_WORDS(params), param);
}

int tg_quantization_of(struct tg_str name)
{
    return tg_word_find(quantizations, TG_WORDS(quantizations), name);
}

const char *tg_quantization_name(int quantization)
{
    return name_of(quantizations, TG_WORDS(quantizations), quantization);
}

int tg_modality_of(struct tg_str name)
{
    int mode = tg_word_find(modalities, TG_WORDS(modalities), name);
    return mode < 0 ? TG_MODE_OTHER : mode;
}

int tg_tool_choice_of(struct tg_str name)
{
    return tg_word_find(tool_choices, TG_WORDS(tool_choices), name);
}
