#include "os/digest.h"

#include <openssl/evp.h>

tg_err tg_sha256(struct tg_str s, unsigned char out[32])
{
    return EVP_Digest(s.at ? s.at : "", s.len, out, NULL, EVP_sha256(), NULL) == 1 ? TG_OK
                                                                                  : TG_ENOMEM;
}
