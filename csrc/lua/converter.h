/* converter.h -- require("tidegate.convert") as flow/convert.h wants it. */
#ifndef TG_CONVERTER_H
#define TG_CONVERTER_H

#include "flow/convert.h"
#include "lua/adapters.h"
#include "lua/tgl.h"

/* What an engine's state has for it; zero but for the first three until the first
 * use. */
struct tgl_converter {
    lua_State *L;
    const char *path, *cpath;              /* as of tgl_state(); for the adapters' state */
    int        module;                     /* registry: the module's table; 0: not required yet */
    struct tgl_adapters adapters;
    void     (*emit)(void *arg, struct tg_str text);   /* of the step that runs */
    void      *emit_arg;
};

/* Its functions; `state` is a struct tgl_converter. */
extern const struct tg_convert tgl_convert;

/* Let go of the adapters' state; L is its owner's. */
void tgl_converter_done(struct tgl_converter *c);

#endif
