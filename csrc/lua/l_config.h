/* l_config.h -- a configuration snapshot as a Lua object. */
#ifndef TG_L_CONFIG_H
#define TG_L_CONFIG_H

#include "flow/config.h"
#include "lua/tgl.h"

struct tg_config *tgl_check_config(lua_State *L, int arg);

#endif
