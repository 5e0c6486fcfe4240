#include "flow/admit.h"

/* The key's text: "Authorization: Bearer KEY", or x-api-key as Anthropic's
 * SDKs send it. */
static struct tg_str key_text(const struct tg_http1_head *head)
{
    struct tg_str value = tg_http1_get(head, "authorization"), scheme, rest;

    if (!value.len)
        return tg_http1_get(head, "x-api-key");
    if (tg_str_cut(value, ' ', &scheme, &rest) && tg_str_iis(scheme, "bearer"))
        return tg_str_trim(rest);
    return (struct tg_str){ 0 };
}

bool tg_admit(const struct tg_config *c, const struct tg_http1_head *head, bool needs_key,
              const struct tg_key **key, struct tg_fault *fault)
{
    struct tg_str text;

    *key = NULL;
    if (c->auth == TG_AUTH_NONE)
        return true;
    text = key_text(head);
    if (text.len)
        *key = tg_config_key(c, text);
    if (*key || !needs_key)
        return true;
    *fault = tg_fault_make(TG_FAULT_AUTHENTICATION,
                           text.len ? "User not found." : "Missing Authentication header");
    return false;
}
