/* l_api.h -- the names of the APIs, as Lua says them. */
#ifndef TG_L_API_H
#define TG_L_API_H

#include "lua/tgl.h"
#include "wire/answer.h"
#include "wire/fault.h"

/* "chat" (also when empty), "completions", "embeddings", "rerank"; raises for others. */
enum tg_api tgl_api_of(lua_State *L, struct tg_str name);

/* The names of enum tg_fault_shape, and NULL. */
extern const char *const tgl_shapes[];

#endif
