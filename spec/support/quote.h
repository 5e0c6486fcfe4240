/* quote.h -- JSON in C tests without a backslash before every quote:
 * q("{'a':'b'}") is the text {"a":"b"}. Holds until sixteen calls later. */
#ifndef TG_QUOTE_H
#define TG_QUOTE_H

#include <stdlib.h>
#include <string.h>
#include "base/str.h"

static inline const char *q(const char *text)
{
    enum { TEXTS = 16, LONGEST = 1 << 14 };
    static char texts[TEXTS][LONGEST];
    static int last;
    char *to = texts[last = (last + 1) % TEXTS];

    if (strlen(text) >= LONGEST)
        abort();
    strcpy(to, text);
    for (char *c = to; *c; c++)
        if (*c == '\'')
            *c = '"';
    return to;
}

static inline struct tg_str qs(const char *text)
{
    return tg_str_of(q(text));
}

#endif
