#include "wire/retry_after.h"

#include <glob.h>
#include <locale.h>

#include "base/buf.h"
#include "check.h"
#include "wire/json.h"

/* Wed, 19 Aug 2026 14:34:22 GMT */
#define NOW UINT64_C(1787150062000)

static struct tg_http1_head head;

/* A head of the fields in "Name: value\n" lines; the text must stay. */
static void set_fields(const char *lines)
{
    struct tg_str rest = tg_str_of(lines), line;

    head.fields_count = 0;
    while (rest.len) {
        tg_str_cut(rest, '\n', &line, &rest);
        struct tg_http1_field *f = &head.fields[head.fields_count++];
        tg_str_cut(line, ':', &f->name, &f->value);
        f->value = tg_str_trim(f->value);
    }
}

static int64_t wait_of(const char *fields, const char *body)
{
    set_fields(fields);
    return tg_retry_after(&head, tg_str_of(body), NOW);
}

TEST("a Retry-After value is seconds, a fraction of them, or a date; garbage is neither")
{
    static const struct { const char *value; int64_t ms; } cases[] = {
        { "0", 0 }, { "1", 1000 }, { "30", 30000 }, { " 7\t", 7000 }, { "007", 7000 },
        { "0.5", 500 }, { "1.984", 1984 }, { "16.007", 16007 }, { "0.001", 1 },
        { "0.0001", 1 }, { "1.984999999", 1985 }, { "24479.62136220932", 24479622 },
        { "4.35", 4350 }, { "1.1", 1100 }, { "2.3", 2300 }, { "0.29", 290 },
        { "1e1", 10000 }, { "1.5e-1", 150 }, { "9.5e-05", 1 }, { "1E+2", 100000 },
        { "0e999", 0 }, { "1e-999", 0 }, { "0.000e3", 0 }, { "0.0012e3", 1200 },
        { "-1", 0 }, { "-0.5", 0 }, { "-99999999999999999999", 0 },
        { "86400", 86400000 }, { "86400.001", TG_RETRY_AFTER_MAX_MS },
        { "99999999999999999999999999999999999999", TG_RETRY_AFTER_MAX_MS },
        { "1e300", TG_RETRY_AFTER_MAX_MS }, { "1e99999999999999999999", TG_RETRY_AFTER_MAX_MS },
        { "18446744073709551616", TG_RETRY_AFTER_MAX_MS },
        { "Wed, 19 Aug 2026 14:34:52 GMT", 30000 },
        { "Wed, 19 Aug 2026 14:34:22 GMT", 0 },
        { "Wed, 19 Aug 2026 14:34:21 GMT", 0 },
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Mon, 01 Jan 0001 00:00:00 GMT", 0 },
        { "Fri, 31 Dec 9999 23:59:59 GMT", TG_RETRY_AFTER_MAX_MS },
        { "", -1 }, { " ", -1 }, { "soon", -1 }, { "1s", -1 }, { "1,5", -1 }, { "1.", -1 },
        { ".5", -1 }, { "+5", -1 }, { "--5", -1 }, { "-", -1 }, { "0x10", -1 }, { "1 2", -1 },
        { "1.2.3", -1 }, { "1e", -1 }, { "1e+", -1 }, { "e5", -1 }, { "inf", -1 }, { "nan", -1 },
        { "\xd9\xa1", -1 }, { "2026-08-19T14:34:52Z", -1 }, { "Wed, 19 Aug 2026", -1 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(tg_retry_after_value(tg_str_of(check_context = cases[i].value), NOW),
                  cases[i].ms);
}

TEST("an HTTP date is understood in all three forms and in no other")
{
    static const struct { const char *value; int64_t ms; } cases[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777000 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777000 },
        { "Sun Nov  6 08:49:37 1994", 784111777000 },
        { "Wed Aug 19 14:34:22 2026", NOW },
        { "Wednesday, 19-Aug-26 14:34:22 GMT", NOW },
        { " Wed, 19 Aug 2026 14:34:22 GMT ", NOW },
        { "Tue, 29 Feb 2000 00:00:00 GMT", 951782400000 },
        { "Sat, 31 Dec 2016 23:59:59 GMT", 1483228799000 },
        { "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800000 },
        { "Thu, 31 Dec 1969 23:59:59 GMT", 0 },
        { "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799000 },
        { "", -1 },
        { "Sun, 06 Nov 1994 08:49:37", -1 },
        { "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
        { "Sun, 06 Nov 1994 08:49:37 +0000", -1 },
        { "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
        { "Sun, 06 Nov 94 08:49:37 GMT", -1 },
        { "sun, 06 nov 1994 08:49:37 gmt", -1 },
        { "Foo, 06 Nov 1994 08:49:37 GMT", -1 },
        { "06 Nov 1994 08:49:37 GMT", -1 },
        { "Sun, 06 Foo 1994 08:49:37 GMT", -1 },
        { "Sun, 00 Nov 1994 08:49:37 GMT", -1 },
        { "Sun, 31 Nov 1994 08:49:37 GMT", -1 },
        { "Wed, 29 Feb 2023 00:00:00 GMT", -1 },
        { "Thu, 29 Feb 1900 00:00:00 GMT", -1 },
        { "Sun, 06 Nov 1994 24:00:00 GMT", -1 },
        { "Sun, 06 Nov 1994 08:60:00 GMT", -1 },
        { "Sun, 06 Nov 1994 08:49:61 GMT", -1 },
        { "Sun, 06 Nov 1994 8:49:37 GMT", -1 },
        { "Sun, 06 Nov 1994 08:49:37 GMT x", -1 },
        { "Sun Nov 6 08:49:37 1994", -1 },
        { "Sun Nov  6 08:49:37 1994 GMT", -1 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(tg_http_date_ms(tg_str_of(check_context = cases[i].value)), cases[i].ms);
}

TEST("an RFC 3339 time is understood with its fraction and its zone")
{
    static const struct { const char *value; int64_t ms; } cases[] = {
        { "2026-08-19T14:34:22Z", NOW },
        { "2026-08-19t14:34:22z", NOW },
        { "2026-08-19 14:34:22Z", NOW },
        { "2026-08-19T14:34:22.5Z", NOW + 500 },
        { "2026-08-19T14:34:22.000001Z", NOW + 1 },
        { "2026-08-19T14:34:22.123456789012345678901234567890Z", NOW + 124 },
        { "2026-08-19T14:34:22+00:00", NOW },
        { "2026-08-19T14:34:22-00:00", NOW },
        { "2026-08-19T16:34:22+02:00", NOW },
        { "2026-08-19T09:04:22-05:30", NOW },
        { "2016-12-31T23:59:60Z", 1483228800000 },
        { "1969-12-31T23:59:59Z", 0 },
        { "1970-01-01T00:30:00+01:00", 0 },
        { "", -1 }, { "2026-08-19", -1 }, { "2026-08-19T14:34:22", -1 },
        { "2026-08-19T14:34Z", -1 }, { "2026-8-19T14:34:22Z", -1 },
        { "2026-13-19T14:34:22Z", -1 }, { "2026-02-29T14:34:22Z", -1 },
        { "2026-08-19T24:00:00Z", -1 }, { "2026-08-19T14:34:22.Z", -1 },
        { "2026-08-19T14:34:22+0200", -1 }, { "2026-08-19T14:34:22+24:00", -1 },
        { "2026-08-19T14:34:22Zx", -1 }, { "2026-08-19T14:34:22+02", -1 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(tg_rfc3339_ms(tg_str_of(check_context = cases[i].value)), cases[i].ms);
}

TEST("header fields say how long to wait, the more direct and finer one first")
{
    static const struct { const char *fields; int64_t ms; } cases[] = {
        { "", -1 },
        { "retry-after: 15", 15000 },
        { "RETRY-AFTER: 0", 0 },
        { "Retry-After: -3", 0 },
        { "Retry-After: Wed, 19 Aug 2026 14:35:22 GMT", 60000 },
        { "retry-after-ms: 494", 494 },
        { "retry-after-ms: 494.2", 495 },
        { "retry-after-ms: -1", 0 },
        { "retry-after-ms: 1e12", TG_RETRY_AFTER_MAX_MS },
        { "retry-after: 1\nretry-after-ms: 494", 494 },
        /* azure/chat.error-429.01 */
        { "Retry-After: 1\nRetry-After-Ms: 0", 1000 },
        { "Retry-After-Ms: 0", 0 },
        { "Retry-After: soon\nRetry-After-Ms: 20", 20 },
        { "Retry-After: 2\nRetry-After-Ms: soon", 2000 },
        { "Retry-After: 2\nx-ratelimit-reset: 50", 2000 },
        { "Retry-After: 0\nx-ratelimit-reset: 50", 0 },
        { "Retry-After: soon\nx-ratelimit-reset: 50", 50000 },
        { "x-ratelimit-reset: 2", 2000 },
        { "ratelimit-reset: 19", 19000 },
        { "ratelimitbysize-reset: 46", 46000 },
        { "x-ratelimit-reset-tokens: 6ms", 6 },
        { "x-ratelimit-reset-tokens: 0s", 0 },
        { "x-ratelimit-reset-tokens: 0", 0 },
        { "x-ratelimit-reset-tokens: 120ms", 120 },
        { "x-ratelimit-reset-tokens: 17\xc2\xb5s", 1 },
        { "x-ratelimit-reset-tokens: 999us", 1 },
        { "x-ratelimit-reset-tokens: 1.000001s", 1001 },
        { "x-ratelimit-reset-tokens: 1m0.052s", 60052 },
        { "x-ratelimit-reset-requests: 28m48s", 1728000 },
        { "x-ratelimit-reset-requests: 5m45.223999999s", 345224 },
        { "x-ratelimit-reset-requests: 1h2m3s", 3723000 },
        { "x-ratelimit-reset-requests: 25h", TG_RETRY_AFTER_MAX_MS },
        { "x-ratelimit-reset-requests: 99999999999999999h9999999999999999h",
          TG_RETRY_AFTER_MAX_MS },
        { "x-ratelimit-reset-requests: -5s", 0 },
        { "x-ratelimit-reset-requests: 5x", -1 },
        { "x-ratelimit-reset-requests: 5s!", -1 },
        { "x-ratelimit-reset-requests: m", -1 },
        { "x-ratelimit-reset-requests-day: 3555.4451332092285", 3555446 },
        { "anthropic-ratelimit-tokens-reset: 2026-08-19T14:35:17Z", 55000 },
        { "anthropic-ratelimit-tokens-reset: 2026-08-19T14:00:00Z", 0 },
        { "x-ratelimit-reset: 1787150072", 10000 },
        { "x-ratelimit-reset: 1787150072.25", 10250 },
        { "x-ratelimit-reset: 1787150072500", 10500 },
        { "X-RateLimit-Reset: 1759845420000", 0 },
        { "x-ratelimit-reset: 99999999999999999999999", TG_RETRY_AFTER_MAX_MS },
        { "x-ratelimit-reset: 999999999", TG_RETRY_AFTER_MAX_MS },
        { "x-ratelimit-reset: 1000000000", 0 },
        { "x-ratelimit-reset: Wed, 19 Aug 2026 14:34:52 GMT", 30000 },
        { "x-ratelimit-reset:", -1 },
        { "x-ratelimit-limit: 50\nx-ratelimit-remaining: 0\nx-reset: 5", -1 },
        /* several: the largest */
        { "x-ratelimit-reset-requests: 6ms\nx-ratelimit-reset-tokens: 1m0.052s", 60052 },
        { "x-ratelimit-reset-tokens: 1m0.052s\nx-ratelimit-reset-requests: 6ms", 60052 },
        { "x-ratelimit-reset-a: soon\nx-ratelimit-reset-b: 3s", 3000 },
        /* but not one of which something is left, beside one of which nothing is */
        { "x-ratelimit-remaining-requests-day: 14399\nx-ratelimit-reset-requests-day: 24479.6\n"
          "x-ratelimit-remaining-tokens-minute: 0\nx-ratelimit-reset-tokens-minute: 23.1", 23100 },
        { "anthropic-ratelimit-requests-remaining: 0\n"
          "anthropic-ratelimit-requests-reset: 2026-08-19T14:34:32Z\n"
          "anthropic-ratelimit-tokens-remaining: 5000\n"
          "anthropic-ratelimit-tokens-reset: 2026-08-19T14:44:22Z", 10000 },
        { "x-ratelimit-remaining-requests: 9999\nx-ratelimit-reset-requests: 6ms\n"
          "x-ratelimit-remaining-tokens: 200\nx-ratelimit-reset-tokens: 40s", 40000 },
        { "x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 0s\n"
          "x-ratelimit-remaining-tokens: 9\nx-ratelimit-reset-tokens: 40s", 0 },
        { "x-ratelimit-remaining-requests: lots\nx-ratelimit-reset-requests: 6s", 6000 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(wait_of(check_context = cases[i].fields, ""), cases[i].ms);
}

TEST("bodies say it in their own ways, behind the header and before the resets")
{
    static const struct { const char *fields, *body; int64_t ms; } cases[] = {
        { "", "{}", -1 }, { "", "null", -1 }, { "", "[]", -1 }, { "", "[[]]", -1 },
        { "", "{\"error\":null}", -1 }, { "", "{\"error\":[]}", -1 },
        { "", "{\"error\":{\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.Help\"},"
              "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
              "\"retryDelay\":\"34.4s\"}]}}",
          34400 },
        { "", "[{\"error\":{\"details\":[{\"retryDelay\":\"48s\"}]}}]", 48000 },
        { "", "{\"error\":{\"details\":[{\"retryDelay\":\"0s\"}]}}", 0 },
        { "", "{\"error\":{\"details\":[{\"retryDelay\":\"0.000000001s\"}]}}", 1 },
        { "", "{\"error\":{\"details\":[{\"retryDelay\":\"-1s\"}]}}", 0 },
        { "", "{\"error\":{\"details\":[{\"retryDelay\":{}}]}}", -1 },
        { "", "{\"error\":{\"details\":\"retryDelay\"}}", -1 },
        { "", "{\"error\":{\"metadata\":{\"retry_after_seconds\":17,"
              "\"retry_after_seconds_raw\":16.007,\"headers\":{\"Retry-After\":\"18\"}}}}", 17000 },
        { "", "{\"error\":{\"metadata\":{\"retry_after_seconds\":null,"
              "\"retry_after_seconds_raw\":16.007}}}", 16007 },
        { "", "{\"error\":{\"metadata\":{\"headers\":{\"Retry-After\":\"18\"}}}}", 18000 },
        { "", "{\"error\":{\"metadata\":{\"headers\":{\"retry-after\":18.5}}}}", 18500 },
        { "", "{\"error\":{\"metadata\":{\"headers\":{\"X-RateLimit-Limit\":\"20\","
              "\"X-RateLimit-Remaining\":\"0\",\"X-RateLimit-Reset\":\"1787150072000\"}}}}",
          10000 },
        { "", "{\"error\":{\"metadata\":{\"headers\":{\"X-RateLimit-Reset\":null}}}}", -1 },
        { "", "{\"error\":{\"availability\":{\"code\":\"capacity_exhausted\",\"retry_after\":40}}}",
          40000 },
        { "", "{\"retry_after\":0.25,\"message\":\"You are being rate limited.\"}", 250 },
        { "", "{\"error\":{\"retry_after_seconds\":\"5\"}}", 5000 },
        { "", "{\"error\":{\"retry_after_seconds\":1e400}}", TG_RETRY_AFTER_MAX_MS },
        { "", "{\"error\":{\"retry_after_seconds\":true}}", -1 },
        { "", "{\"error\":{\"message\":\"Please try again in 1.984999999s. Need more\"}}", 1985 },
        { "", "{\"error\":{\"message\":\"Please retry in 48.939935699s.\"}}", 48940 },
        { "", "{\"error\":\"rate limit, please try again in 6ms\"}", 6 },
        { "", "{\"detail\":\"Please wait 30 seconds.\"}", 30000 },
        { "", "{\"error\":{\"message\":\"All providers are busy. Retry after 40 seconds.\"}}",
          40000 },
        { "", "{\"message\":\"Try again in 1 hour 5 minutes\"}", 3900000 },
        { "", "{\"message\":\"try again in 7m12s\"}", 432000 },
        { "", "{\"message\":\"try again in 2 minutes.\"}", 120000 },
        { "", "{\"message\":\"try again in 3 days\"}", TG_RETRY_AFTER_MAX_MS },
        { "", "{\"message\":\"try again in a moment, or try again in 3s\"}", 3000 },
        { "", "{\"message\":\"Please try again later.\"}", -1 },
        { "", "{\"message\":\"Please retry shortly\"}", -1 },
        { "", "{\"message\":\"Retry after in-flight requests settle\"}", -1 },
        { "", "{\"message\":\"try again in 5\"}", -1 },
        { "", "{\"message\":\"try again in 5 apples\"}", -1 },
        { "", "{\"message\":\"try again in -5s\"}", -1 },
        { "", "<html>429: TRY AGAIN IN 10 SECONDS</html>", 10000 },
        { "", "try again in ", -1 },
        { "", "try again in 1", -1 },
        { "", "{\"error\":{\"retry_after\":7}", -1 },
        { "Retry-After: 2", "{\"retry_after\":7}", 2000 },
        { "x-ratelimit-reset: 2", "{\"retry_after\":7}", 7000 },
        { "x-ratelimit-reset: 2", "try again in 7s", 7000 },
        { "x-ratelimit-reset: 2", "{\"message\":\"try again in 7s\",\"retry_after\":8}", 8000 },
        { "x-ratelimit-reset: 2",
          "{\"error\":{\"metadata\":{\"headers\":{\"X-RateLimit-Reset\":\"9\"}}}}", 2000 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(wait_of(cases[i].fields, check_context = cases[i].body), cases[i].ms);
}

TEST("a huge body is looked at in its beginning only")
{
    struct tg_buf b = { 0 };

    tg_buf_z(&b, "try again in 5s ");
    while (b.len < 100000)
        tg_buf_z(&b, "blah ");
    tg_buf_char(&b, '\0');
    CHECK_INT(wait_of("", b.at), 5000);
    memset(b.at, ' ', 16);
    memcpy(b.at + 90000, "try again in 5s ", 16);
    CHECK_INT(wait_of("", b.at), -1);
    tg_buf_done(&b);
}

TEST("of the header fields inside a body the first few count")
{
    struct tg_buf b = { 0 };

    for (int behind = 15; behind <= 16; behind++) {
        tg_buf_reset(&b);
        tg_buf_z(&b, "{\"error\":{\"metadata\":{\"headers\":{");
        for (int i = 0; i < behind; i++)
            tg_buf_printf(&b, "\"X-%d\":\"y\",", i);
        tg_buf_z(&b, "\"Retry-After\":\"3\"}}}}");
        CHECK_INT(wait_of("", tg_buf_cstr(&b)), behind == 15 ? 3000 : -1);
    }
    tg_buf_done(&b);
}

TEST("a locale with a decimal comma changes nothing")
{
    char *before = strdup(setlocale(LC_ALL, NULL));
    bool there = setlocale(LC_ALL, "de_DE.UTF-8") != NULL;

    if (!there)
        printf("    NOTICE: the locale de_DE.UTF-8 is not installed; tried in \"%s\"\n", before);
    CHECK_INT(tg_retry_after_value(TG_STR("1.5"), NOW), 1500);
    CHECK_INT(tg_retry_after_value(TG_STR("1,5"), NOW), -1);
    CHECK_INT(wait_of("", "{\"retry_after\":0.25}"), 250);
    setlocale(LC_ALL, before);
    free(before);
}

/* ---- recorded answers ---- */

static struct tg_str read_file(const char *path, struct tg_buf *out)
{
    FILE *f = fopen(path, "r");
    char piece[4096];
    size_t n;

    tg_buf_reset(out);
    while (f && (n = fread(piece, 1, sizeof piece, f)) > 0)
        tg_buf_add(out, piece, n);
    if (f)
        fclose(f);
    return tg_buf_view(out);
}

/* Recorded fields: a list of pairs or an object. Returns how many of them
 * speak of waiting. */
static size_t take_fields(struct tg_json headers)
{
    struct tg_json_iter it, pair;
    struct tg_json one, value;
    struct tg_str key;
    size_t about_waiting = 0;

    head.fields_count = 0;
    tg_json_iter_init(&it, headers);
    while (tg_json_next(&it, &key, &one) && head.fields_count < TG_HTTP1_FIELDS_MAX) {
        struct tg_http1_field *f = &head.fields[head.fields_count];
        f->name = key;
        value = one;
        tg_json_iter_init(&pair, one);
        if (one.kind == TG_JSON_ARRAY && tg_json_next(&pair, &key, &value)) {
            tg_json_plain(value, &f->name);
            tg_json_next(&pair, &key, &value);
        }
        if (!tg_json_plain(value, &f->value))
            continue;
        head.fields_count++;
        about_waiting += tg_str_iis(f->name, "retry-after")
                      || (memmem(f->name.at, f->name.len, "reset", 5) != NULL
                          && memmem(f->name.at, f->name.len, "ratelimit", 9) != NULL);
    }
    return about_waiting;
}

TEST("every waiting time that a provider was recorded to send is understood")
{
    const char *dir = check_data_dir();
    struct tg_buf text = { 0 }, path = { 0 };
    size_t understood = 0;
    glob_t found = { 0 };

    if (dir) {
        tg_buf_printf(&path, "%s/transcripts/*/*/response.meta.json", dir);
        glob(tg_buf_cstr(&path), 0, NULL, &found);
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct tg_json root;
        struct tg_str meta = read_file(check_context = found.gl_pathv[i], &text);
        if (!CHECK_INT(tg_json_check(meta, TG_JSON_DEPTH_MAX, &root, NULL), TG_OK))
            continue;
        if (take_fields(tg_json_get(root, "headers")) == 0)
            continue;
        CHECK(tg_retry_after(&head, TG_STR(""), NOW) >= 0);
        understood++;
    }
    check_context = "";
    CHECK(!dir || understood > 50);
    globfree(&found);
    tg_buf_done(&text);
    tg_buf_done(&path);
}

static int64_t wait_of_recording(const char *dir, const char *name)
{
    struct tg_buf path = { 0 }, meta = { 0 }, body = { 0 };
    struct tg_json root;
    int64_t ms = -2;

    tg_buf_printf(&path, "%s/transcripts/%s/response.meta.json", dir, name);
    read_file(tg_buf_cstr(&path), &meta);
    tg_buf_reset(&path);
    tg_buf_printf(&path, "%s/transcripts/%s/response.body", dir, name);
    read_file(tg_buf_cstr(&path), &body);
    if (tg_json_check(tg_buf_view(&meta), TG_JSON_DEPTH_MAX, &root, NULL) == TG_OK) {
        take_fields(tg_json_get(root, "headers"));
        ms = tg_retry_after(&head, tg_buf_view(&body), NOW);
    }
    tg_buf_done(&path);
    tg_buf_done(&meta);
    tg_buf_done(&body);
    return ms;
}

TEST("recorded refusals say what their providers meant")
{
    /* Part of a quoted error, and what it asks for. */
    static const struct { const char *part; int64_t ms; } quoted[] = {
        { "wrtnlabs/autobe/issues/136", 494 },
        { "rotemweiss57/gpt-newspaper/issues/10", 26604 },
        { "Pythagora-io/gpt-pilot/issues/17", 6 },
        { "1.984999999s", 1985 },
        { "overloaded_error", -1 },
        { "Resource exhausted. Please try again later", -1 },
        { "wait before trying again", -1 },
    };
    const char *dir = check_data_dir();
    char path[512], *line = NULL;
    size_t cap = 0, asked = 0;
    FILE *f = NULL;

    if (dir) {
        CHECK_INT(wait_of_recording(dir, "azure/chat.error-429.01"), 1000);
        CHECK_INT(wait_of_recording(dir, "gemini/gemini.error-429.01"), 48000);
        snprintf(path, sizeof path, "%s/transcripts/_quoted_errors.jsonl", dir);
        f = fopen(path, "r");
    }
    while (f && getline(&line, &cap, f) > 0) {
        struct tg_json root;
        check_context = line;
        if (!CHECK_INT(tg_json_check(tg_str_of(line), TG_JSON_DEPTH_MAX, &root, NULL), TG_OK))
            continue;
        take_fields(tg_json_get(root, "headers"));
        int64_t ms = tg_retry_after(&head, tg_json_get(root, "body").raw, NOW);
        CHECK(ms >= -1 && ms <= TG_RETRY_AFTER_MAX_MS);
        for (size_t i = 0; i < sizeof quoted / sizeof *quoted; i++) {
            if (!strstr(line, quoted[i].part))
                continue;
            CHECK_INT(ms, quoted[i].ms);
            asked++;
        }
    }
    check_context = "";
    CHECK(!dir || asked >= sizeof quoted / sizeof *quoted);
    free(line);
    if (f)
        fclose(f);
}

TEST_MAIN
