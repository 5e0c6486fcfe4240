#include "base/err.h"

static const struct {
    const char *code, *text;
} said[] = {
    [TG_OK]        = { "ok", "no error" },
    [TG_AGAIN]     = { "again", "more input is needed" },
    [TG_ENOMEM]    = { "no_memory", "out of memory" },
    [TG_ETOOBIG]   = { "too_big", "a size limit was passed" },
    [TG_EINVAL]    = { "invalid", "the text does not follow its format" },
    [TG_EDEPTH]    = { "too_deep", "the text is nested too deeply" },
    [TG_ENOTFOUND] = { "not_found", "no such thing" },
    [TG_ECONNECT]  = { "connect", "no connection could be made" },
    [TG_ETLS]      = { "tls", "the TLS handshake failed" },
    [TG_ETIMEOUT]  = { "timeout", "the time for this was over" },
    [TG_EPEER]     = { "peer", "the other side broke the protocol or hung up" },
    [TG_ESYSTEM]   = { "system", "the operating system refused" },
    [TG_EFORK]     = { "forked", "this belongs to the process that was forked" },
};

enum { KNOWN = sizeof said / sizeof said[0] };

const char *tg_err_code(tg_err err)
{
    return (unsigned)err < KNOWN ? said[err].code : "unknown";
}

const char *tg_err_text(tg_err err)
{
    return (unsigned)err < KNOWN ? said[err].text : "unknown error";
}
