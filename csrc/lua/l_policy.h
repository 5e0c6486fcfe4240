/* l_policy.h -- a policy as a Lua object, for those who hand one over. */
#ifndef TG_L_POLICY_H
#define TG_L_POLICY_H

#include "lua/policy.h"

struct tg_policy *tgl_check_policy(lua_State *L, int arg);

#endif
