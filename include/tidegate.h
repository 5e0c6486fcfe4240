/* tidegate.h -- requests to language models, routed, from inside your program.
 *
 *     struct tidegate_options options = { .size = sizeof options, .config = "tidegate.lua" };
 *     struct tidegate_request hello = { .size = sizeof hello, .body =
 *         "{\"model\": \"openai/gpt-4.1-mini\", \"stream\": true,"
 *         " \"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}" };
 *     const struct tidegate_event *e;
 *     char why[1024];
 *
 *     struct tidegate *t = tidegate_open(&options, why, sizeof why);
 *     tidegate_ask(t, &hello);
 *     while (tidegate_poll(t, -1) >= 0)            -- a game: tidegate_poll(t, 0), once a frame
 *         while ((e = tidegate_next(t)))
 *             if (e->kind == TIDEGATE_DELTA)
 *                 fputs(e->text.at, stdout);
 *     tidegate_close(t);
 *
 * You ask as often as you like, without waiting, and take what happens as events: the head of
 * an answer, its deltas, its end. Which provider answers, and who is asked when the first one
 * fails, is decided as in the gateway `tidegate serve`, by the same configuration. A request is
 * JSON text in the words of OpenRouter's API, and so is an answer.
 *
 * Threads. The work is done in one thread of the library's own, whatever the number of handles;
 * it begins with the first tidegate_open() and ends with the last tidegate_close(). It never
 * calls you: nothing happens to your program but what the functions below return. It has all
 * signals blocked, and no signal handler is installed. A handle belongs to one thread at a
 * time, and so does a plan; different ones may be used by different threads at once. There is
 * nothing to initialise.
 *
 * Waiting. Only these wait: tidegate_poll(), for as long as it is told to; tidegate_open() and
 * tidegate_reload(), for the files they read; tidegate_close(), for the thread to let go of
 * what runs, which it does at once. No function waits for the network.
 *
 * Memory. What you hand over is copied before the call returns. What you are handed belongs to
 * the library, and each function says how long it holds. You free nothing but what _open() and
 * _route() gave you, with _close() and _plan_free(). Every pointer to characters is to UTF-8
 * that ends in a zero, also where a length stands beside it.
 *
 * Errors. A function that fails says so by what it returns; tidegate_error() has the reason.
 * What goes wrong with a request after it was accepted is told by its end. NULL for a handle or
 * a plan is no crash: _close() and _plan_free() do nothing, the others fail.
 *
 * fork(). A child cannot use its parent's handles, which tell it so; it may close them, and open
 * its own.
 *
 * Growing. Structs that you fill in begin with their size, as your compiler knows it: set it,
 * and set everything you do not use to zero. Structs that you are handed may get further members
 * at their end, but for those that come in arrays: they stay as they are. A program runs with
 * every library of the same soname that is not older than the header it was compiled with. */
#ifndef TIDEGATE_H
#define TIDEGATE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define TIDEGATE_API __attribute__((visibility("default")))
#else
#define TIDEGATE_API
#endif

/* ---- version ---- */

#define TIDEGATE_VERSION        "0.1.0"
#define TIDEGATE_VERSION_NUMBER 100        /* 10000 * major + 100 * minor + patch */

/* Those of the library that is loaded: "0.1.0" and 100. For who loads it by name; else the
 * linker sees to it that it is new enough. */
TIDEGATE_API const char *tidegate_version(void);
TIDEGATE_API int tidegate_version_number(void);

/* ---- small things ---- */

/* `len` bytes and a zero behind them. Never NULL: without any it is "" and 0. */
struct tidegate_str {
    const char *at;
    size_t      len;
};

/* A field of a header. Never grows. */
struct tidegate_field {
    const char *name, *value;
};

/* ---- open and close ---- */

struct tidegate;

struct tidegate_options {
    size_t      size;              /* sizeof(struct tidegate_options) */
    const char *config;            /* path of a configuration file: docs/configuration.md */
    const char *config_text;       /* its text, where there is no file; `config` may then be NULL,
                                      or the path it would have: messages name it, and paths in it
                                      are relative to that */
    const char *log;               /* "debug", "info", "warn", "error": lines of that level and
                                      above go to stderr, for all handles of the process; "off";
                                      NULL: as it is, and that is off at first */
};

/* Read the configuration, its catalogues and policies, and begin. What is said in it of clients
 * (`listen`, `auth`, `keys`, `workers`) is checked and has no meaning here.
 *
 * NULL when something is wrong, and then `why` (may be NULL) holds as much of the reasons as fits
 * into `why_size` bytes: a line each, the first mistake of each file, as "tidegate.lua:7: unknown
 * key timeuots, did you mean timeouts?". The handle is yours: tidegate_close(). */
TIDEGATE_API struct tidegate *tidegate_open(const struct tidegate_options *options,
                                            char *why, size_t why_size);

/* Cancel what runs, and forget the rest. What the handle gave is gone, but for plans. */
TIDEGATE_API void tidegate_close(struct tidegate *t);

/* Read the same configuration again: requests from now on are under the new one, those that run
 * stay under theirs. 0, or -1 with the reasons in `why`, and then everything stays as it was. */
TIDEGATE_API int tidegate_reload(struct tidegate *t, char *why, size_t why_size);

/* ---- ask ---- */

enum tidegate_api {
    TIDEGATE_CHAT        = 0,      /* /chat/completions */
    TIDEGATE_COMPLETIONS = 1,      /* /completions */
    TIDEGATE_EMBEDDINGS  = 2,      /* /embeddings */
    TIDEGATE_RERANK      = 3       /* /rerank */
};

enum tidegate_flag {
    TIDEGATE_RAW = 1               /* the answer as the gateway would send it: TIDEGATE_BYTES
                                      instead of TIDEGATE_DELTA, and nothing is parsed */
};

struct tidegate_request {
    size_t      size;              /* sizeof(struct tidegate_request) */
    const char *body;              /* JSON; with "stream": true the answer is one */
    size_t      body_len;          /* 0: up to the zero at its end */
    int         api;               /* enum tidegate_api */
    unsigned    flags;             /* enum tidegate_flag */
    void       *user;              /* comes back in each event; nothing is done with it */
    const struct tidegate_field *fields;   /* as a request's header, e.g. "X-OpenRouter-Metadata";
                                              may be NULL */
    size_t      fields_count;      /* 128 at most */
    uint64_t    seed;              /* for tidegate_route(): of its random draws; 0 draws one */
};

/* Ask. The id of the request, never 0 and never used again by this handle; or 0: the struct or a
 * field cannot be used, there is no memory, or the process is a forked child. The JSON is not
 * looked at: if it is bad the answer says so, as it does to any client. */
TIDEGATE_API uint64_t tidegate_ask(struct tidegate *t, const struct tidegate_request *request);

/* Nobody wants that answer any more: the provider is left, and no event of it comes. Fine for a
 * request that is over, or never was. */
TIDEGATE_API void tidegate_cancel(struct tidegate *t, uint64_t id);

/* ---- hear ---- */

/* Wait until something comes, for `timeout_ms` at most; 0 does not wait, negative is for as long as
 * it takes.
 *     1   something came: take events until tidegate_next() gives NULL
 *     0   nothing yet: the time is over, or a signal came
 *    -1   there is nothing to wait for: no request runs, or the process is a forked child */
TIDEGATE_API int tidegate_poll(struct tidegate *t, int timeout_ms);

/* A file descriptor that is readable when something came: for select, poll, epoll and every loop
 * built on them. When it is, take events until tidegate_next() gives NULL, or it may not become
 * readable again. Only look at it: it is the library's, the same until tidegate_close(). -1 in a
 * forked child. */
TIDEGATE_API int tidegate_fd(const struct tidegate *t);

/* Of each request: one HEAD, then DELTAs (or BYTES), then one END, which is the last. Where the
 * answer is no stream there are no DELTAs, END has all of it. END comes in any case, HEAD may be
 * missing where nothing was answered; nothing comes behind tidegate_cancel(). */
enum tidegate_kind {
    TIDEGATE_HEAD  = 1,
    TIDEGATE_DELTA = 2,            /* a piece of a stream */
    TIDEGATE_BYTES = 3,            /* with TIDEGATE_RAW: some of the body */
    TIDEGATE_END   = 4
};

/* A tool call, or in a DELTA a fragment of one: those of the same index belong together, `id` and
 * `name` come with the first, `arguments` in pieces. Never grows. */
struct tidegate_tool_call {
    int         index;             /* from 0 */
    const char *id, *name;         /* "" where they were not told */
    struct tidegate_str arguments; /* JSON text */
};

/* What an answer used. -1 where nobody told. */
struct tidegate_usage {
    int64_t prompt_tokens;         /* all of them; cached ones too */
    int64_t completion_tokens;     /* all of them; reasoning too */
    int64_t total_tokens;
    int64_t cached_tokens;         /* of the prompt's */
    int64_t reasoning_tokens;      /* of the completion's */
    double  cost_usd;              /* by the catalogue's prices */
};

/* Who was asked in vain. Never grows. */
struct tidegate_attempt {
    const char *provider;          /* its name */
    const char *code;              /* "rate_limited", ...: docs/outcomes.md, or its own word */
    int         status;            /* HTTP; 0: it never answered */
};

/* What went wrong. */
struct tidegate_fault {
    const char *code;              /* for programs: "rate_limit_exceeded", ...: docs/errors.md and
                                      docs/c.md */
    const char *message;           /* for people: one sentence */
    int         status;            /* HTTP status that a client would get; 0: not from an answer */
    int64_t     retry_after_ms;    /* when to try again; -1: nobody told */
    const struct tidegate_attempt *attempts;
    size_t      attempts_count;
};

/* What it has depends on its kind, [in brackets] where not all have it; the rest is zero, or ""
 * for text. */
struct tidegate_event {
    uint64_t    id;                /* of the request */
    void       *user;              /* the request's */
    int         kind;              /* enum tidegate_kind */
    int         status;            /* HTTP; 0: nothing was answered [END] */
    struct tidegate_str text;      /* [DELTA] the next piece, [END] all of it, as far as it came */
    struct tidegate_str reasoning; /* likewise */
    const struct tidegate_tool_call *tool_calls;   /* [DELTA] fragments, [END] whole calls */
    size_t      tool_calls_count;
    const char *finish_reason;     /* [DELTA, END] "stop", "length", "tool_calls",
                                      "content_filter", "error"; "": none yet */
    int         choice;            /* [DELTA] which one, where the request asks for several; END's
                                      members are those of the first */
    const char *generation;        /* [DELTA, END] the answer's id, "gen-..." */
    const char *model, *provider;  /* [DELTA, END] who answers */
    struct tidegate_str data;      /* [HEAD] "Name: value\r\n" lines, [DELTA] the chunk's JSON,
                                      [BYTES] the bytes, [END] the answer's JSON, if it was no
                                      stream */
    const struct tidegate_usage *usage;            /* [END] NULL: nobody told */
    const struct tidegate_fault *error;            /* [END] NULL: the answer is whole. With
                                                      TIDEGATE_RAW only "broken" is told */
};

/* Take the oldest event; NULL when there is none. It holds, with all it points to, until the
 * next call of tidegate_next() or tidegate_close() with this handle. */
TIDEGATE_API const struct tidegate_event *tidegate_next(struct tidegate *t);

/* Why the last function that failed with this handle did; NULL when none did yet. Holds until the
 * next one fails. */
TIDEGATE_API const struct tidegate_fault *tidegate_error(const struct tidegate *t);

/* ---- decide alone ---- */

/* The decision for a request: where it would go, for who does the asking. */
struct tidegate_plan;

/* Decide; nobody is asked. `flags` and `user` have no meaning. NULL when the request cannot be
 * read. A plan without endpoints, and the reason in tidegate_error(), when none is left: its
 * drops say why. The plan is yours: tidegate_plan_free(). It may be kept longer than the handle. */
TIDEGATE_API struct tidegate_plan *tidegate_route(struct tidegate *t,
                                                  const struct tidegate_request *request);
TIDEGATE_API void tidegate_plan_free(struct tidegate_plan *p);

/* Where it may go. Holds as long as the plan. */
struct tidegate_endpoint {
    const char *endpoint;          /* its tag: "deepinfra/turbo" */
    const char *provider, *provider_name;          /* "deepinfra", "DeepInfra" */
    const char *model;             /* "openai/gpt-4.1-mini" */
    const char *upstream_model;    /* the same in the provider's words */
    const char *place;             /* why it stands where it does: docs/words.md */
    double      score;             /* lower is tried first, among those of the same place */
};

/* How many there are, and the i-th to try, from 0; NULL when there is none, or no memory. */
TIDEGATE_API size_t tidegate_plan_count(const struct tidegate_plan *p);
TIDEGATE_API const struct tidegate_endpoint *tidegate_plan_endpoint(struct tidegate_plan *p,
                                                                    size_t i);

/* Where it may not go. Holds as long as the plan. */
struct tidegate_drop {
    const char *endpoint, *provider, *model;
    const char *reason;            /* for programs: "max_price" */
    const char *why;               /* "costs more than max_price allows" */
    const char *detail;            /* "prompt $3 > $2 per million", a policy's words, or "" */
};

TIDEGATE_API size_t tidegate_plan_drops(const struct tidegate_plan *p);
TIDEGATE_API const struct tidegate_drop *tidegate_plan_drop(struct tidegate_plan *p, size_t i);

/* What the i-th endpoint would be sent, by POST. The provider's key is among the fields. */
struct tidegate_upstream {
    const char *url;
    const struct tidegate_field *fields;
    size_t      fields_count;
    struct tidegate_str body;
};

/* NULL when there is no such endpoint, or no memory, or where the provider is spoken to in another format
 * than chat or its requests are signed. Holds until the next call for this plan. */
TIDEGATE_API const struct tidegate_upstream *tidegate_plan_request(struct tidegate_plan *p,
                                                                   size_t i);

/* How it went. 0 is: not known. */
struct tidegate_figures {
    size_t  size;                  /* sizeof(struct tidegate_figures) */
    int     status;                /* HTTP; 0: it never answered */
    int64_t ttft_ms;               /* until the first token */
    int64_t tokens;                /* of the completion */
    int64_t cached_tokens;         /* of the prompt: read from a cache or written to it */
    int64_t duration_ms;           /* until the end */
    int64_t retry_after_ms;        /* what a 429 asked for */
};

/* Tell how the i-th endpoint did. It counts for later decisions, as what the library asked itself
 * does. 0, or -1: no such endpoint, or the struct cannot be used. */
TIDEGATE_API int tidegate_report(struct tidegate_plan *p, size_t i,
                                 const struct tidegate_figures *report);

#ifdef __cplusplus
}
#endif

#endif
