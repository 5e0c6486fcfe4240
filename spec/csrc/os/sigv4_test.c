/* AWS Signature Version 4, against AWS's published test suite. What the suite
 * does not have (Bedrock's paths, pieces) was signed with AWS's own SDK. */
#include "check.h"

#include "base/mem.h"
#include "os/sigv4.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { SUITE_S = 1440938160 };                       /* 2015-08-30 12:36:00 UTC */

static const struct tg_sigv4 suite = {
    .access_key = { "AKIDEXAMPLE", 11 },
    .secret_key = { "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 40 },
    .region = { "us-east-1", 9 },
    .service = { "service", 7 },
};

static const char token[] =
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeo"
    "IYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5V"
    "SXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yj"
    "c8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

static struct tg_buf fields;

static struct tg_sigv4_request get(const char *path, const char *query)
{
    return (struct tg_sigv4_request){
        .method = TG_STR("GET"), .path = tg_str_of(path), .query = tg_str_of(query),
        .host = TG_STR("example.amazonaws.com"),
    };
}

static tg_err sign(const struct tg_sigv4 *who, const struct tg_sigv4_request *what, uint64_t wall_s)
{
    tg_buf_reset(&fields);
    return tg_sigv4_sign(who, what, wall_s, &fields);
}

/* What stands between `from` and the end of its line. */
static struct tg_str part_after(const char *from)
{
    const char *at = strstr(tg_buf_cstr(&fields), from);
    struct tg_str line = tg_str_of(at ? at + strlen(from) : NULL), rest;

    tg_str_cut(line, '\r', &line, &rest);
    return line;
}

TEST("the fields are those of a signed request, each with its line end")
{
    struct tg_sigv4_request what = get("/", "");

    CHECK_INT(sign(&suite, &what, SUITE_S), TG_OK);
    CHECK_STR(tg_buf_view(&fields),
              "X-Amz-Date: 20150830T123600Z\r\n"
              "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
              "SignedHeaders=host;x-amz-date, "
              "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\r\n");
}

TEST("what AWS's test suite publishes is reproduced")
{
    static const struct {
        const char *title, *method, *query, *content_type, *body, *signature;
    } cases[] = {
        { "get-vanilla", "GET", "", "", "",
          "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
        { "get-vanilla-query-order-key-case", "GET", "Param2=value2&Param1=value1", "", "",
          "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
        { "get-vanilla-query-order-key", "GET", "Param1=value2&Param1=Value1", "", "",
          "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1" },
        { "get-vanilla-query-order-value", "GET", "Param1=value2&Param1=value1", "", "",
          "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694" },
        { "get-vanilla-query-unreserved", "GET",
          "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz="
          "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", "",
          "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197" },
        { "post-vanilla", "POST", "", "", "",
          "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
        { "post-vanilla-query", "POST", "Param1=value1", "", "",
          "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11" },
        { "post-x-www-form-urlencoded", "POST", "", "application/x-www-form-urlencoded",
          "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a" },
        { "post-x-www-form-urlencoded-parameters", "POST", "",
          "application/x-www-form-urlencoded; charset=utf8", "Param1=value1",
          "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tg_str body = tg_str_of(cases[i].body);
        struct tg_sigv4_request what = get("/", cases[i].query);

        check_context = cases[i].title;
        what.method = tg_str_of(cases[i].method);
        what.content_type = tg_str_of(cases[i].content_type);
        what.body = &body;
        what.body_pieces = 1;
        CHECK_INT(sign(&suite, &what, SUITE_S), TG_OK);
        CHECK_STR(part_after("Signature="), cases[i].signature);
    }
}

TEST("a session token is sent and signed (post-sts-header-before)")
{
    struct tg_sigv4 who = suite;
    struct tg_sigv4_request what = get("/", "");

    who.session_token = tg_str_of(token);
    what.method = TG_STR("POST");
    CHECK_INT(sign(&who, &what, SUITE_S), TG_OK);
    CHECK_STR(part_after("X-Amz-Security-Token: "), token);
    CHECK_STR(part_after("SignedHeaders="),
              "host;x-amz-date;x-amz-security-token, "
              "Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead");
}

TEST("an encoded path is encoded once more, as Bedrock's model ids need it")
{
    struct tg_str body = TG_STR("{\"messages\":[]}");
    struct tg_sigv4 who = suite;
    struct tg_sigv4_request what = {
        .method = TG_STR("POST"),
        .path = TG_STR("/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream"),
        .host = TG_STR("bedrock-runtime.us-east-1.amazonaws.com"),
        .content_type = TG_STR("application/json"), .body = &body, .body_pieces = 1,
    };

    who.service = TG_STR("bedrock");
    who.session_token = TG_STR("TOKEN");
    CHECK_INT(sign(&who, &what, 1790842150), TG_OK);
    CHECK_STR(part_after("X-Amz-Date: "), "20261001T080910Z");
    CHECK_STR(part_after("SignedHeaders="),
              "content-type;host;x-amz-date;x-amz-security-token, "
              "Signature=7b7867813f5302a3fa984c85e6df318aa3c9f027482a29c675ae55f3fd5230a2");
}

TEST("parameters are sorted by name, then by value, and have a '=' each")
{
    struct tg_sigv4 who = suite;
    struct tg_sigv4_request what = get("/a", "a-b=1&a=2&b&a=10");

    what.host = TG_STR("h.amazonaws.com");
    who.region = TG_STR("eu-west-1");
    who.service = TG_STR("bedrock");
    CHECK_INT(sign(&who, &what, 951868799), TG_OK);            /* 2000-02-29 23:59:59 UTC */
    CHECK_STR(part_after("X-Amz-Date: "), "20000229T235959Z");
    CHECK_STR(part_after("Signature="),
              "975c296b23391ea50c011c8821342a84b4744b1fc69e64f57a308eec423672a5");
}

TEST("an empty path is the root, and empty parameters are none")
{
    struct tg_sigv4_request what = get("", "&&");

    CHECK_INT(sign(&suite, &what, SUITE_S), TG_OK);
    CHECK_STR(part_after("Signature="),
              "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

TEST("a body signs the same however it is cut")
{
    static const char body[] = "Param1=value1";

    for (size_t at = 0; at <= strlen(body); at++) {
        struct tg_str pieces[] = {
            { body, at }, { NULL, 0 }, { body + at, strlen(body) - at }
        };
        struct tg_sigv4_request what = get("/", "");
        what.method = TG_STR("POST");
        what.content_type = TG_STR("application/x-www-form-urlencoded");
        what.body = pieces;
        what.body_pieces = COUNT(pieces);
        CHECK_INT(sign(&suite, &what, SUITE_S), TG_OK);
        CHECK_STR(part_after("Signature="),
                  "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
    }
}

TEST("what would break a field or the signature is refused, and nothing is appended")
{
    struct tg_sigv4 who;
    struct tg_sigv4_request what;
    struct { const char *title; struct tg_str *place; struct tg_str value; } cases[] = {
        { "no access key", &who.access_key, { 0 } },
        { "no secret key", &who.secret_key, { 0 } },
        { "no region", &who.region, { 0 } },
        { "no service", &who.service, { 0 } },
        { "no host", &what.host, { 0 } },
        { "no method", &what.method, { 0 } },
        { "a line end in the key", &who.access_key, TG_STR("AKID\r\nX-Evil: 1") },
        { "a space in the region", &who.region, TG_STR("us east") },
        { "a line end in the token", &who.session_token, TG_STR("a\nb") },
        { "a line end in the host", &what.host, TG_STR("h\r\n") },
        { "a line end in the path", &what.path, TG_STR("/a\nb") },
        { "a line end in the query", &what.query, TG_STR("a=\n") },
        { "a NUL in the content type", &what.content_type, TG_STR("a\0b") },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_context = cases[i].title;
        who = suite;
        what = get("/", "");
        *cases[i].place = cases[i].value;
        CHECK_INT(sign(&who, &what, SUITE_S), TG_EINVAL);
        CHECK_INT(fields.len, 0);
    }
}

TEST("a moment beyond the year 9999 cannot be signed")
{
    struct tg_sigv4_request what = get("/", "");

    CHECK_INT(sign(&suite, &what, 253402300799), TG_OK);
    CHECK_STR(part_after("X-Amz-Date: "), "99991231T235959Z");
    CHECK_INT(sign(&suite, &what, 253402300800), TG_EINVAL);
    CHECK_INT(sign(&suite, &what, UINT64_MAX / 2), TG_EINVAL);
}

TEST("a query of too many parameters is refused")
{
    struct tg_buf query = { 0 };
    struct tg_sigv4_request what = get("/", "");

    for (int i = 0; i < TG_SIGV4_QUERY_MAX; i++)
        tg_buf_printf(&query, "&p%d=v", i);
    what.query = tg_buf_view(&query);
    CHECK_INT(sign(&suite, &what, SUITE_S), TG_OK);
    tg_buf_z(&query, "&one_more");
    what.query = tg_buf_view(&query);
    CHECK_INT(sign(&suite, &what, SUITE_S), TG_ETOOBIG);
    tg_buf_done(&query);
}

static tg_err sign_into_nothing(void)
{
    struct tg_buf out = { 0 };
    struct tg_sigv4_request what = get("/a%3Ab", "b=1&a=2");
    tg_err err = tg_sigv4_sign(&suite, &what, SUITE_S, &out);

    CHECK(err ? !out.len : out.len > 0);
    tg_buf_done(&out);
    return err;
}

TEST("memory that runs out is told, and nothing leaks")
{
    CHECK_EVERY_ALLOCATION(sign_into_nothing());
}

TEST_MAIN
