/* mem.h -- the four ways to get memory, and a way to make them fail.
 *
 * Everything in csrc allocates through these, so that a test can let the
 * n-th allocation fail and see that the failure is told and nothing leaks. */
#ifndef TG_MEM_H
#define TG_MEM_H

#include <stddef.h>

/* As malloc, calloc, realloc, free. NULL when out of memory; the caller owns
 * what it gets and gives it back with tg_free(). tg_free(NULL) is fine. */
void *tg_alloc(size_t n);
void *tg_zalloc(size_t n);
void *tg_realloc(void *p, size_t n);
void  tg_free(void *p);

/* Give memory that is free but kept back to the system. Takes about 0.1 ms. */
void tg_mem_trim(void);

/* Let the n-th allocation of this thread from now fail (1 is the next one);
 * 0 lets all succeed again. Returns how many allocations happened since the
 * last call. For tests. */
size_t tg_mem_fail_at(size_t n);

#endif
