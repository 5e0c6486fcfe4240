/* l_api.h -- the names of the APIs, as Lua says them. */
#ifndef TG_L_API_H
#define TG_L_API_H

#include "lua/tgl.h"
#include "wire/answer.h"

/* "chat" (also when empty), "completions", "embeddings"; raises for others. */
enum tg_api tgl_api_of(lua_State *L, struct tg_str name);

#endif
