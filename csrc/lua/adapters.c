#include "lua/adapters.h"

#include "lua/tgl.h"

enum { FURNISH_US = 2000 * 1000 };         /* our own modules are read; they end */

struct paths {
    const char *path, *cpath;
};

static int furnish(lua_State *L, void *arg)
{
    const struct paths *p = arg;

    tg_sandbox_widen(L);
    tgl_lend_modules(L, p->path, p->cpath);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "tidegate.convert");
    lua_call(L, 1, 0);
    return 0;
}

static tg_err make(struct tgl_adapters *a, const struct paths *paths, struct tg_buf *why)
{
    static const struct tg_sandbox_limits limits = {
        .memory_bytes = TGL_ADAPTERS_BYTES, .string_bytes = TGL_ADAPTERS_BLOCK_BYTES,
        .block_bytes = TGL_ADAPTERS_BLOCK_BYTES, .keys = TGL_ADAPTERS_KEYS_MAX,
        .steps = TGL_ADAPTERS_STEPS_MAX,
    };

    a->sb = tg_sandbox_new(&limits);
    tg_err err = a->sb ? tg_sandbox_run_for(a->sb, FURNISH_US, furnish, (void *)paths) : TG_ENOMEM;
    if (!err)
        return TG_OK;
    tg_buf_str(why, a->sb ? tg_sandbox_why(a->sb) : tg_str_of(tg_err_text(err)));
    tgl_adapters_done(a);
    return err;
}

tg_err tgl_adapters_ready(struct tgl_adapters *a, const char *path, const char *cpath,
                          struct tg_buf *why)
{
    struct paths paths = { path, cpath };

    if (a->sb && (a->streams || !tg_sandbox_is_worn(a->sb)))
        return TG_OK;
    tgl_adapters_done(a);
    return make(a, &paths, why);
}

tg_err tgl_adapters_run(struct tgl_adapters *a, size_t bytes, tg_sandbox_fn *fn, void *arg)
{
    size_t kib = bytes / 1024 < UINT32_MAX / 1024 ? bytes / 1024 : UINT32_MAX / 1024;

    return tg_sandbox_run_for(a->sb, TGL_ADAPTERS_CALL_US + (uint32_t)kib * TGL_ADAPTERS_CALL_KIB_US,
                              fn, arg);
}

void tgl_adapters_done(struct tgl_adapters *a)
{
    tg_sandbox_free(a->sb);
    *a = (struct tgl_adapters){ 0 };
}
