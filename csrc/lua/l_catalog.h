/* l_catalog.h -- the catalogue as a Lua object, for those who hand one over. */
#ifndef TG_L_CATALOG_H
#define TG_L_CATALOG_H

#include "lua/tgl.h"
#include "route/catalog.h"

/* Push an object that holds a reference of its own. */
void tgl_push_catalog(lua_State *L, struct tg_catalog *c);

struct tg_catalog *tgl_check_catalog(lua_State *L, int arg);

/* What is known from traffic, shared by all engines and kept over reloads:
 * made at the first call, with room for at least `endpoints`. NULL when
 * memory cannot be had. */
struct tg_live_region *tgl_live(size_t endpoints);

#endif
