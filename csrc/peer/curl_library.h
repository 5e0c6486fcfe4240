/* curl_library.h -- libcurl, loaded when the first provider needs it.
 *
 * Few gateways have a provider behind a proxy or with HTTP/2 only, and libcurl
 * brings thirty libraries along: 4 MiB and half of the start-up time. So it is
 * opened at run time; its headers are needed to build, the library only by who
 * uses it. */
#ifndef TG_CURL_LIBRARY_H
#define TG_CURL_LIBRARY_H

#include <curl/curl.h>

/* Each is libcurl's function of that name with "curl_" before it. */
#define TG_CURL_FUNCTIONS(X) \
    X(easy_cleanup) X(easy_getinfo) X(easy_init) X(easy_pause) X(easy_reset) X(easy_setopt) \
    X(easy_strerror) X(global_init) X(multi_add_handle) X(multi_assign) X(multi_cleanup) \
    X(multi_info_read) X(multi_init) X(multi_remove_handle) X(multi_setopt) \
    X(multi_socket_action) X(slist_append) X(slist_free_all)

#undef curl_easy_getinfo           /* type-checking macros of curl.h */
#undef curl_easy_setopt
#undef curl_multi_setopt

struct tg_curl_library {
#define X(name) __typeof__(curl_##name) *name;
    TG_CURL_FUNCTIONS(X)
#undef X
};

/* The library, initialised; NULL, after a line in the log, when this machine
 * does not have it. */
const struct tg_curl_library *tg_curl_library(void);

#endif
