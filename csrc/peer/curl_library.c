#include "peer/curl_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/log.h"

static struct tg_curl_library functions;
static bool is_there;

static void load(void)
{
    static const char *const names[] = { "libcurl.so.4", "libcurl.so", "libcurl.4.dylib" };
    void *library = NULL;

    for (unsigned i = 0; i < sizeof names / sizeof *names && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    is_there = library != NULL;
#define X(name) is_there = is_there && (functions.name = dlsym(library, "curl_" #name)) != NULL;
    TG_CURL_FUNCTIONS(X)
#undef X
    if (is_there)
        functions.global_init(CURL_GLOBAL_DEFAULT);
    else
        tg_log_say(TG_LOG_ERROR, "libcurl",
                   "libcurl 4 cannot be loaded: providers with `proxy` or `http2` cannot be asked; "
                   "install it (Debian: libcurl4)");
}

const struct tg_curl_library *tg_curl_library(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return is_there ? &functions : NULL;
}
