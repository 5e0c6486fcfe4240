/* told.h -- the provider's own words for what went wrong.
 *
 * There are as many shapes of an error as there are providers:
 *
 *     {"error":{"message","type","code","param"}}           OpenAI and most
 *     {"error":{"code":400,"message","status"}}, [..]        Gemini, in an array or not
 *     {"error":"words"}, {"code":"words","error":"words"}    Ollama, Venice, xAI
 *     {"object":"error","message","type","code"}             Mistral, older vLLM
 *     {"detail":"words"}, {"detail":[{"msg","loc"}]}         Mistral, FastAPI
 *     {"message"}, {"Message"}, {"errors":[{"message"}]}     Cohere, AWS, Cloudflare
 *     {"error":{"message","metadata":{"raw":"{..}"}}}        OpenRouter: JSON inside JSON
 *     HTML, plain text, nothing                              whatever stands before them
 *
 * One reader takes the words out of all of them. */
#ifndef TG_TOLD_H
#define TG_TOLD_H

#include <stdbool.h>
#include "base/buf.h"
#include "base/err.h"
#include "wire/json.h"

enum {
    TG_TOLD_TEXT_MAX  = 1 << 20,   /* bytes of the words, and of the JSON, that are kept */
    TG_TOLD_DEPTH_MAX = 5          /* wrappers that are opened to find the words */
};

/* An error that the provider told inside an answer, or in an error body. Held
 * by its owner; all zero is an empty one. */
struct tg_told {
    int           status;      /* HTTP-like code in the body; 0 unknown */
    struct tg_buf message;     /* the provider's words, may be empty */
    struct tg_buf code;        /* its code or type, as text */
    struct tg_buf raw;         /* the error's JSON as it came; empty when it was none */
};

/* Read the body of an HTTP error, whatever its shape. `t` is empty or was
 * read before. TG_ENOMEM is the only failure. */
tg_err tg_told_read(struct tg_told *t, struct tg_str body);

/* Read an error that stands inside other JSON: `root` is the object that has
 * an "error" member or is the error itself. */
tg_err tg_told_read_json(struct tg_told *t, struct tg_json root);

/* An error that is ours to word: a sentence and a code. */
tg_err tg_told_say(struct tg_told *t, int status, const char *message, struct tg_str code);

void tg_told_done(struct tg_told *t);

#endif
