/* l_json.h -- what the files of l_json.c share. */
#ifndef TG_L_JSON_H
#define TG_L_JSON_H

#include "lua/tgl.h"
#include "wire/json.h"

enum {
    TGL_JSON_DEPTH_MAX  = 128,             /* arrays and objects inside one another, in Lua */
    TGL_JSON_KEPT_BYTES = 64 * 1024        /* of a buffer, or of the last text, between two calls */
};

/* What the functions of one Lua state share, so that a call makes nothing that the
 * collector must free. Marks are compared by address: tables do not move. */
struct tgl_json {
    const void *array, *raw;               /* metatables */
    struct tg_buf out, scratch;
    bool is_out_taken, is_scratch_taken;
    struct tg_str text;                    /* the last that was checked: in the table at TGL_JSON_HELD */
    struct tg_json root;
};

/* Upvalues of every function. */
enum { TGL_JSON_SHARED = 1, TGL_JSON_ARRAY, TGL_JSON_RAW, TGL_JSON_ORDERED, TGL_JSON_HELD };

static inline struct tgl_json *tgl_json_shared(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(TGL_JSON_SHARED));
}

/* Borrow a buffer; where somebody has it, or an error let him never give it back,
 * one that the collector frees. A finalizer in Lua may call us in the middle of
 * a call of ours. */
struct tg_buf *tgl_json_borrow(lua_State *L, struct tg_buf *kept, bool *is_taken);
void           tgl_json_return(struct tg_buf *b, struct tg_buf *kept, bool *is_taken);

/* JSON text, as a value that is written as it is. */
void tgl_json_push_raw(lua_State *L, struct tg_str text);

enum tgl_json_mark { TGL_JSON_IS_PLAIN, TGL_JSON_IS_ARRAY, TGL_JSON_IS_RAW, TGL_JSON_IS_OTHER };

/* What the table at this place is marked as. */
enum tgl_json_mark tgl_json_mark_of(lua_State *L, int at, const struct tgl_json *all);

extern const luaL_Reg tgl_json_read[], tgl_json_write[];

#endif
