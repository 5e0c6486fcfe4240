#define TGA_LUAJIT_ITSELF
#include "abi/luajit.h"

#include <dlfcn.h>
#include <pthread.h>

#ifndef RTLD_DEEPBIND
#define RTLD_DEEPBIND 0
#endif

struct tga_luajit tga_luajit;

static const char *failure;

/* Its own calls of lua_call() must be its own, too: hence RTLD_DEEPBIND. Sanitizers
 * refuse that flag; without it there may be no other Lua that exports its functions. */
static void *open_apart(void)
{
    static const char *const names[] = { "libluajit-5.1.so.2", "libluajit-5.1.so" };
    int apart = dlsym(RTLD_DEFAULT, "__sanitizer_set_death_callback") ? 0 : RTLD_DEEPBIND;
    void *library = NULL;

    for (unsigned i = 0; i < sizeof names / sizeof *names && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | apart);
    if (!library) {
        failure = "LuaJIT 2.1 cannot be loaded: install it (Debian: libluajit2-5.1-2)";
        return NULL;
    }
    void *other = dlsym(RTLD_DEFAULT, "lua_newstate");
    if (!apart && other && other != dlsym(library, "lua_newstate")) {
        failure = "LuaJIT cannot be kept apart from this program's own Lua under a sanitizer";
        return NULL;
    }
    return library;
}

static void load(void)
{
    void *library = open_apart();

    if (!library)
        return;
#define X(name)                                                                     \
    if (!(tga_luajit.name = (__typeof__(name) *)dlsym(library, #name)))              \
        failure = "this LuaJIT is too old: it lacks " #name;
    TGA_LUAJIT_FUNCTIONS(X)
#undef X
}

const char *tga_luajit_open(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return failure;
}
