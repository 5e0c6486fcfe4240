/* server.h -- all engines of one process: start, swap the configuration, drain.
 *
 *     server = tg_server_start(config, &how, &why);       listening
 *     tg_server_swap(server, newer)                       any time, any thread
 *     tg_server_drain(server)                             no new connections
 *     tg_server_wait(server)                              until all is over
 *     tg_server_free(server)
 */
#ifndef TG_SERVER_H
#define TG_SERVER_H

#include "base/buf.h"
#include "flow/config.h"
#include "flow/convert.h"
#include "wire/fault.h"
#include "wire/http1.h"

struct tg_server;

/* A request that is no relay: catalogue, listings. Views hold during the call. */
struct tg_api_request {
    struct tg_str method;                  /* "GET" */
    struct tg_str path;                    /* behind the prefix: "/models" */
    struct tg_str query;                   /* behind '?', still encoded; may be empty */
    const struct tg_http1_head *head;
    const struct tg_key *key;              /* who asks; NULL: nobody known */
    struct tg_str id;                      /* gen-..., of the answer */
    enum tg_fault_shape shape;             /* whose client asks, by the errors that it knows */
    struct tg_config *config;
    uint64_t      now_ms, wall_ms;
};

struct tg_api_reply {
    int           status;
    struct tg_buf fields;                  /* further "Name: value\r\n" lines */
    struct tg_buf body;                    /* JSON */
};

/* Who answers those requests and makes one format of another. One state an
 * engine, used by its thread only. */
struct tg_server_hooks {
    void  *(*open)(void *arg, struct tg_buf *why);         /* NULL: cannot start */
    tg_err (*answer)(void *state, const struct tg_api_request *request,
                     struct tg_api_reply *reply);          /* an error becomes a 500 */
    void   (*close)(void *state);
    void   (*rest)(void *state);                           /* nothing to do for a while: what is
                                                              free may go back; may be NULL */
    const struct tg_convert *convert;                      /* NULL: nobody converts */
    void    *arg;
};

/* How it is started. Only needed during the call. */
struct tg_server_how {
    struct tg_server_hooks hooks;
    struct tg_str listen;                  /* empty: as the configuration says */
    unsigned      workers;                 /* 0: as the configuration says */
    bool          is_guest;                /* the process is somebody else's, and others beside it
                                              share the live region: its memory is left alone,
                                              and what it has in flight is taken back by the
                                              next one when it is killed (route/live.h) */
};

/* Start so many engines, each with its own listening socket; those of a socket
 * file share one. Takes one reference of its own. NULL with one line in `why`
 * when it cannot. */
struct tg_server *tg_server_start(struct tg_config *config, const struct tg_server_how *how,
                                  struct tg_buf *why);

/* Where it listens, with the real port, "127.0.0.1:8080" or "unix:/path"; for the
 * ready line. */
struct tg_str tg_server_address(const struct tg_server *s);

/* New requests use this snapshot from now on (within one turn of each loop);
 * requests in flight keep theirs. Address, workers and limits.connections stay
 * as they were at the start. */
void tg_server_swap(struct tg_server *s, struct tg_config *config);

/* Stop accepting, close idle connections, let running exchanges end. A socket
 * file is removed, if it is still ours. */
void tg_server_drain(struct tg_server *s);

/* Close everything now. */
void tg_server_stop(struct tg_server *s);

/* Block until every engine has ended. From one thread, once; others may still
 * call the functions above. */
void tg_server_wait(struct tg_server *s);

/* After tg_server_wait(), when no thread uses the server any more. */
void tg_server_free(struct tg_server *s);

#endif
