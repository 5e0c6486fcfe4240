#include "check.h"

#include "base/mem.h"
#include "quote.h"
#include "wire/told.h"

TEST("the words are found whatever shape the error has")
{
    static const struct {
        const char *who, *body, *message, *code;
        int status;
    } rows[] = {
        { "OpenAI", "{'error':{'message':'No such model','type':'invalid_request_error',"
          "'param':null,'code':'model_not_found'}}", "No such model", "model_not_found", 0 },
        { "OpenAI without a code", "{'error':{'message':'m','type':"
                                   "'invalid_request_error',"
          "'code':null}}", "m", "invalid_request_error", 0 },
        { "Azure's code is a string of digits", "{'error':{'code':'401','message':'m'}}",
          "m", "401", 401 },
        { "Azure's Mistral", "{'error':{'code':'Invalid input','status':422,'message':"
          "'invalid input error','details':[{'msg':'Input should be a string'}]}}",
          "invalid input error", "Invalid input", 422 },
        { "llama.cpp", "{'error':{'code':400,'message':'too long','type':"
          "'exceed_context_size_error','n_ctx':512}}", "too long", "exceed_context_size_error",
          400 },
        { "Gemini", "{'error':{'code':404,'message':'not found','status':'NOT_FOUND'}}",
          "not found", "NOT_FOUND", 404 },
        { "Gemini in an array", "[{'error':{'code':400,'message':'bad','status':"
          "'INVALID_ARGUMENT'}}]", "bad", "INVALID_ARGUMENT", 400 },
        { "Mistral", "{'object':'error','message':'Logprobs are not enabled','type':"
          "'invalid_request_invalid_args','param':null,'code':'3051','raw_status_code':"
          "400}",
          "Logprobs are not enabled", "invalid_request_invalid_args", 400 },
        { "Mistral's gateway", "{'detail':'Invalid API Key'}", "Invalid API Key", "", 0 },
        { "Mistral's older 422", "{'object':'error','message':{'detail':[{'loc':"
                                 "['body'],"
          "'msg':'field required'}]},'type':'invalid_request_error'}", "field required",
          "invalid_request_error", 0 },
        { "FastAPI", "{'detail':[{'loc':['body','model'],'msg':'field required',"
                     "'type':"
          "'missing'}]}", "field required", "", 0 },
        { "older vLLM", "{'object':'error','message':'m','type':'NotFoundError',"
                        "'param':"
          "null,'code':404}", "m", "NotFoundError", 404 },
        { "xAI", "{'code':'Client specified an invalid argument','error':"
                 "'Model x does not'}",
          "Model x does not", "Client specified an invalid argument", 0 },
        { "Ollama", "{'error':'model x not found'}", "model x not found", "", 0 },
        { "Cohere", "{'id':'8bd5','message':'model not found'}", "model not found", "", 0 },
        { "AWS", "{'__type':'ThrottlingException','Message':'Too many'}", "Too many",
          "ThrottlingException", 0 },
        { "Cloudflare", "{'success':false,'errors':[{'code':3043,'message':'Internal'}],"
          "'result':{}}", "Internal", "3043", 0 },
        { "Anthropic", "{'type':'error','error':{'type':'overloaded_error','message':"
          "'Overloaded'},'request_id':'r'}", "Overloaded", "overloaded_error", 0 },
        { "Doubleword", "{'code':400,'message':'m','type':'Bad Request'}", "m",
          "Bad Request", 400 },
        { "Groq", "{'error':{'message':'m','code':'tool_use_failed','status_code':400,"
          "'failed_generation':'g'}}", "m", "tool_use_failed", 400 },
        { "problem+json", "{'title':'Bad','detail':'The detail','status':429}",
          "The detail", "429", 429 },
        { "escapes", "{'error':{'message':'a\\n\\u00e9\\''}}", "a\n\xc3\xa9'", "", 0 },
        { "a JSON string", "'just words'", "just words", "", 0 },
        { "plain text", " Service Unavailable\r\n", "Service Unavailable", "", 0 },
        { "a page", "<!DOCTYPE html>\n<html><head><TITLE>\n 502 Bad Gateway </TITLE></head></html>",
          "502 Bad Gateway", "", 0 },
        { "a page without a title", "<html><body>hello</body></html>", "", "", 0 },
        { "an event stream", "event: error\r\ndata: {'error':{'message':'m'}}\r\n\r\n", "m",
          "", 0 },
        { "nothing", "", "", "", 0 },
        { "white space", " \r\n\t ", "", "", 0 },
        { "JSON that broke off", "{'error':{'message':'half", "", "", 0 },
        { "no words at all", "{'error':{}}", "", "", 0 },
        { "a number", "503", "", "", 0 },
        { "a code that is no status", "{'error':{'code':3,'message':'m'}}", "m", "3", 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_told t = { 0 };
        check_context = rows[i].who;
        CHECK_INT(tg_told_read(&t, qs(rows[i].body)), TG_OK);
        CHECK_STR(tg_buf_view(&t.message), q(rows[i].message));
        CHECK_STR(tg_buf_view(&t.code), rows[i].code);
        CHECK_INT(t.status, rows[i].status);
        tg_told_done(&t);
    }
}

TEST("JSON inside JSON gives the words of the provider behind the gateway")
{
    static const struct {
        const char *raw, *message;
    } rows[] = {
        { "'{\\n \\'error\\': {\\'message\\': \\'Unsupported parameter\\'}}'",
          "Unsupported parameter" },
        { "'{\\'code\\':\\'c\\',\\'error\\':\\'Content violates guidelines\\'}'",
          "Content violates guidelines" },
        { "'x is temporarily rate-limited upstream'", "x is temporarily rate-limited upstream" },
        { "{'error':{'message':'an object'}}", "an object" },
        { "'<html><title>502</title></html>'", "Provider returned error" },
        { "''", "Provider returned error" },
        { "null", "Provider returned error" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_told t = { 0 };
        struct tg_buf body = { 0 };
        tg_buf_printf(&body, q("{'error':{'message':'Provider returned error','code':429,"
                               "'metadata':{'provider_name':'P','raw':%s}}}"), q(rows[i].raw));
        check_context = rows[i].raw;
        CHECK_INT(tg_told_read(&t, tg_buf_view(&body)), TG_OK);
        CHECK_STR(tg_buf_view(&t.message), q(rows[i].message));
        CHECK_INT(t.status, 429);
        tg_told_done(&t);
        tg_buf_done(&body);
    }
}

TEST("the error's own JSON is kept as it came")
{
    struct tg_told t = { 0 };

    CHECK_INT(tg_told_read(&t, qs("{ 'error' : {'message': 'm', 'n':1.0 }, 'x':"
                                      "1}")), TG_OK);
    CHECK_STR(tg_buf_view(&t.raw), q("{'message': 'm', 'n':1.0 }"));
    CHECK_INT(tg_told_read(&t, qs("{'detail':'m'}")), TG_OK);
    CHECK_STR(tg_buf_view(&t.raw), q("{'detail':'m'}"));
    CHECK_INT(tg_told_read(&t, TG_STR("words")), TG_OK);
    CHECK_INT(t.raw.len, 0);
    tg_told_done(&t);
}

TEST("endless words are cut between characters, and endless JSON is not kept")
{
    struct tg_told t = { 0 };
    struct tg_buf body = { 0 };

    tg_buf_z(&body, q("{'error':{'message':'x"));
    for (int i = 0; i < TG_TOLD_TEXT_MAX / 2 + 10; i++)
        tg_buf_z(&body, "\xc3\xa9");
    tg_buf_z(&body, q("'}}"));
    CHECK_INT(tg_told_read(&t, tg_buf_view(&body)), TG_OK);
    CHECK_INT(t.message.len, TG_TOLD_TEXT_MAX - 1);
    CHECK_INT((unsigned char)t.message.at[t.message.len - 1], 0xa9);
    CHECK_INT(t.raw.len, 0);
    tg_buf_done(&body);
    tg_told_done(&t);
}

TEST("wrappers are opened only so far")
{
    struct tg_told t = { 0 };

    CHECK_INT(tg_told_read(&t, qs("{'error':{'error':{'error':{'message':"
                                      "'deep'}}}}")), TG_OK);
    CHECK_STR(tg_buf_view(&t.message), "deep");
    CHECK_INT(tg_told_read(&t, qs("{'error':{'error':{'error':{'error':{'error':"
                                      "{'error':"
                                      "{'error':'far'}}}}}}}")), TG_OK);
    CHECK_INT(t.message.len, 0);
    tg_told_done(&t);
}

static tg_err read_once(const char *body)
{
    struct tg_told t = { 0 };
    tg_err err = tg_told_read(&t, qs(body));

    if (!err)
        err = tg_told_say(&t, 502, "broke", TG_STR("code"));
    tg_told_done(&t);
    return err;
}

TEST("being out of memory is told")
{
    CHECK_EVERY_ALLOCATION(read_once("{'error':{'message':'m','code':'c','metadata':"
                                     "{'raw':"
                                     "'{\\'message\\':\\'i\\'}'}}}"));
    CHECK_EVERY_ALLOCATION(read_once("plain words"));
}

TEST_MAIN
