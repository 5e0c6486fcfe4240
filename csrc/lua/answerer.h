/* answerer.h -- who answers what is no relay: catalogue, listings.
 *
 * Every engine has a Lua state of its own, in which require("tidegate.api").answer(request)
 * is asked. The Lua half is found where the state that starts the server finds it. */
#ifndef TG_ANSWERER_H
#define TG_ANSWERER_H

#include "flow/server.h"
#include "lua/tgl.h"

/* What tg_server_start() is given. Leaves values on the stack that must stay there
 * until it has returned. */
struct tg_server_hooks tgl_push_answerer(lua_State *L);

/* The same for engines inside this program (flow/embed.h), which use the first that
 * is lent. The Lua half is found by these paths. */
void tgl_lend_answerer(const char *path, const char *cpath);

#endif
