#include "flow/admit.h"

/* "key=KEY", as Google's clients may put it into the URL of their own paths. */
static struct tg_str key_in_query(struct tg_str query)
{
    struct tg_str pair, name, value;

    for (bool more = query.len > 0; more;) {
        more = tg_str_cut(query, '&', &pair, &query);
        if (tg_str_cut(pair, '=', &name, &value) && tg_str_is(name, "key"))
            return value;
    }
    return (struct tg_str){ 0 };
}

/* The key's text: "Authorization: Bearer KEY", or x-api-key and x-goog-api-key
 * as Anthropic's and Google's SDKs send it. */
static struct tg_str key_text(const struct tg_http1_head *head, const struct tg_route *route)
{
    struct tg_str value = tg_http1_get(head, "authorization"), scheme, rest;

    if (!value.len) {
        value = tg_http1_get(head, "x-api-key");
        if (!value.len)
            value = tg_http1_get(head, "x-goog-api-key");
        if (!value.len && route->format == TG_API_GEMINI)
            value = key_in_query(route->query);
        return value;
    }
    if (tg_str_cut(value, ' ', &scheme, &rest) && tg_str_iis(scheme, "bearer"))
        return tg_str_trim(rest);
    return (struct tg_str){ 0 };
}

bool tg_admit(const struct tg_config *c, const struct tg_http1_head *head,
              const struct tg_route *route, const struct tg_key **key, struct tg_fault *fault)
{
    struct tg_str text;

    *key = NULL;
    if (c->auth == TG_AUTH_NONE)
        return true;
    text = key_text(head, route);
    if (text.len)
        *key = tg_config_key(c, text);
    if (*key || !route->relays)
        return true;
    *fault = tg_fault_make(TG_FAULT_AUTHENTICATION,
                           text.len ? "User not found." : "Missing Authentication header");
    return false;
}
