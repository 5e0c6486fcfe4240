/* err.h -- every way a csrc function can fail, in one list.
 *
 * A function that can fail returns tg_err. Zero is success, so
 * `if (err) return err;` reads the same everywhere. Results come back
 * through the last pointer arguments and are untouched on failure. */
#ifndef TG_ERR_H
#define TG_ERR_H

typedef enum {
    TG_OK = 0,
    TG_AGAIN,      /* not an error: nothing more until new input arrives */
    TG_ENOMEM,
    TG_ETOOBIG,    /* a limit with a name was passed */
    TG_EINVAL,     /* the text is not what its format says */
    TG_EDEPTH,     /* nested deeper than the limit */
    TG_ENOTFOUND,
    TG_ECONNECT,   /* no connection: refused, unreachable, name unknown */
    TG_ETLS,       /* the TLS handshake failed or the certificate is not good */
    TG_ETIMEOUT,
    TG_EPEER,      /* the other side broke the protocol or hung up */
    TG_ESYSTEM,    /* the kernel said no; errno has the reason */
    TG_EFORK       /* the process was forked since: this belongs to its parent */
} tg_err;

/* The short name Lua sees as err.code, e.g. "too_big". Never NULL. */
const char *tg_err_code(tg_err err);

/* One English sentence, without a full stop. Never NULL. */
const char *tg_err_text(tg_err err);

#endif
