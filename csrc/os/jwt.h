/* jwt.h -- a JSON Web Token signed with RSA and SHA-256 (RFC 7519, RS256), by OpenSSL. */
#ifndef TG_JWT_H
#define TG_JWT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Append the token with these claims (JSON text), signed with a private key in
 * PEM. TG_EINVAL when that is no RSA key, TG_ENOMEM. */
tg_err tg_jwt_put(struct tg_buf *out, struct tg_str claims, struct tg_str private_key);

#endif
