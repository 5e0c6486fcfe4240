#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static _Thread_local size_t made, fails_at;

static bool refused(void)
{
    return ++made == fails_at;
}

void *tg_alloc(size_t n)
{
    return refused() ? NULL : malloc(n);
}

void *tg_zalloc(size_t n)
{
    return refused() ? NULL : calloc(1, n);
}

void *tg_realloc(void *p, size_t n)
{
    return refused() ? NULL : realloc(p, n);
}

void tg_free(void *p)
{
    free(p);
}

void tg_mem_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

size_t tg_mem_fail_at(size_t n)
{
    size_t was = made;
    made = 0;
    fails_at = n;
    return was;
}
