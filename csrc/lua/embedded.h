/* embedded.h -- the Lua half, inside the program. Made by tools/embed.lua. */
#ifndef TG_EMBEDDED_H
#define TG_EMBEDDED_H

#include <stddef.h>

struct tg_embedded {
    const char *name;          /* "tidegate.app.main", "tidegate/catalog/shipped.json" */
    const char *bytes;
    size_t      len;
};

/* Sorted by file name; tg_embedded_count of them and an entry of NULL. */
extern const struct tg_embedded tg_embedded[];
extern const size_t tg_embedded_count;

#endif
