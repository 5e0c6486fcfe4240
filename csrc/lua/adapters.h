/* adapters.h -- where an engine runs the operator's own formats.
 *
 * A sandbox (sandbox.h) with the Lua half in it, apart from the state of the
 * gateway's own converters: those run compiled and without limits. It is made
 * at the first use, and anew when it keeps too much and no stream is in it. */
#ifndef TG_ADAPTERS_H
#define TG_ADAPTERS_H

#include "lua/sandbox.h"

enum {
    TGL_ADAPTERS_CALL_US = 100 * 1000,         /* what one call may take ... */
    TGL_ADAPTERS_CALL_KIB_US = 100,            /* ... and for each KiB that it is given */
    TGL_ADAPTERS_BYTES = 512 * 1024 * 1024,    /* of all in one engine */
    TGL_ADAPTERS_BLOCK_BYTES = 256 * 1024 * 1024,  /* of any one string */
    TGL_ADAPTERS_KEYS_MAX = 1024 * 1024,       /* of one table */
    TGL_ADAPTERS_STEPS_MAX = 64 * 1024 * 1024  /* of one call with a pattern: about 0.3 s */
};

/* Zero until the first use. */
struct tgl_adapters {
    struct tg_sandbox *sb;
    int                module;     /* registry: the converters' table; 0: not required yet */
    unsigned           streams;    /* whose closures are in it */
};

/* Make it fit for use; `path` and `cpath` as of tgl_state(). On failure the
 * reason is in `why`. */
tg_err tgl_adapters_ready(struct tgl_adapters *a, const char *path, const char *cpath,
                          struct tg_buf *why);

/* One call on `bytes` of text: a turn, as tg_sandbox_run(). */
tg_err tgl_adapters_run(struct tgl_adapters *a, size_t bytes, tg_sandbox_fn *fn, void *arg);

void tgl_adapters_done(struct tgl_adapters *a);

#endif
