#include "route/refuse.h"

#include <stdarg.h>
#include <stdio.h>

tg_err tg_refuse(const struct tg_refusal *r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *sentence = n < 0 ? NULL : tg_arena_get(r->arena, (size_t)n + 1);
    if (!sentence)
        return TG_ENOMEM;
    va_start(args, format);
    vsnprintf(sentence, (size_t)n + 1, format, args);
    va_end(args);
    *r->fault = tg_fault_make(TG_FAULT_INVALID_REQUEST, sentence);
    return TG_EINVAL;
}
