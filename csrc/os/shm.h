/* shm.h -- memory that several threads and processes share. */
#ifndef TG_SHM_H
#define TG_SHM_H

#include <stddef.h>
#include "base/err.h"

/* Zeroed, shared with children forked later, real only where touched. With a
 * `path` it is a file mapped, kept as it is when it already has the size. */
tg_err tg_shm_map(const char *path, size_t bytes, void **out);
void   tg_shm_unmap(void *at, size_t bytes);

#endif
