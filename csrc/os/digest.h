/* digest.h -- SHA-256, by OpenSSL. */
#ifndef TG_DIGEST_H
#define TG_DIGEST_H

#include "base/err.h"
#include "base/str.h"

tg_err tg_sha256(struct tg_str s, unsigned char out[32]);

#endif
