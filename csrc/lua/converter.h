/* converter.h -- require("tidegate.convert") as flow/convert.h wants it. */
#ifndef TG_CONVERTER_H
#define TG_CONVERTER_H

#include "flow/convert.h"
#include "lua/tgl.h"

/* What an engine's state has for it; zero but for L until the first use. */
struct tgl_converter {
    lua_State *L;
    int        module;                     /* registry: the module's table; 0: not required yet */
    void     (*emit)(void *arg, struct tg_str text);   /* of the step that runs */
    void      *emit_arg;
};

/* Its functions; `state` is a struct tgl_converter. */
extern const struct tg_convert tgl_convert;

#endif
