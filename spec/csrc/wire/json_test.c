/* JSON read where it stands: the check, the walk, single values, writing. */
#include "check.h"

#include <dirent.h>
#include <float.h>
#include <locale.h>
#include <math.h>

#include "base/mem.h"
#include "base/rand.h"
#include "wire/json.h"

/* A copy on the heap, so that a sanitizer sees every byte read behind it. */
struct text {
    char *at;
    struct tg_str s;
};

static struct text text_of(const void *bytes, size_t n)
{
    struct text t = { .at = malloc(n ? n : 1) };
    memcpy(t.at, bytes, n);
    t.s = (struct tg_str){ t.at, n };
    return t;
}

static struct tg_json value_of(const char *z)
{
    struct tg_json root = { 0 };
    size_t where = 0;

    check_context = z;
    if (!CHECK_INT(tg_json_check(tg_str_of(z), TG_JSON_DEPTH_MAX, &root, &where), TG_OK))
        printf("    at %zu\n", where);
    return root;
}

#define CHECK_TEXT(value, want)                                                 \
    do {                                                                        \
        struct tg_buf text_ = { 0 };                                            \
        CHECK_INT(tg_json_text(value, &text_), TG_OK);                          \
        CHECK_STR(tg_buf_view(&text_), want);                                   \
        tg_buf_done(&text_);                                                    \
    } while (0)

/* ---- check ---- */

TEST("a whole text is one value with white space around it")
{
    static const struct { const char *text, *raw; enum tg_json_kind kind; } cases[] = {
        { "null", "null", TG_JSON_NULL },          { " true\n", "true", TG_JSON_TRUE },
        { "\t\r\n false ", "false", TG_JSON_FALSE }, { "-0.5e+7", "-0.5e+7", TG_JSON_NUMBER },
        { " \"a b\" ", "\"a b\"", TG_JSON_STRING }, { "\"\"", "\"\"", TG_JSON_STRING },
        { " [ ] ", "[ ]", TG_JSON_ARRAY },         { "{}", "{}", TG_JSON_OBJECT },
        { " {\"a\" : [1, {}]} ", "{\"a\" : [1, {}]}", TG_JSON_OBJECT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_json root = value_of(cases[i].text);
        CHECK_STR(root.raw, cases[i].raw);
        CHECK_INT(root.kind, cases[i].kind);
    }
}

TEST("the first wrong byte is told")
{
    static const struct { const char *text; size_t where; } cases[] = {
        { "", 0 },            { " ", 1 },             { "nul", 3 },        { "nulk", 3 },
        { "tRue", 1 },        { "[1 2]", 3 },         { "[1,]", 3 },       { "[,1]", 1 },
        { "[1", 2 },          { "]", 0 },             { "[}", 1 },         { "{]", 1 },
        { "{\"a\":1]", 6 },   { "{\"a\" 1}", 5 },     { "{\"a\":}", 5 },   { "{\"a\":1,}", 7 },
        { "{a:1}", 1 },       { "{\"a\":1 \"b\"", 7 }, { "01", 1 },         { "-", 1 },
        { "-a", 1 },          { "+1", 0 },            { ".5", 0 },         { "1.", 2 },
        { "1.e5", 2 },        { "1e", 2 },            { "1e+", 3 },        { "1e+x", 3 },
        { "0x1", 1 },         { "1 1", 2 },           { "{} {}", 3 },      { "[]]", 2 },
        { "\"a", 2 },         { "\"a\\", 3 },         { "\"\\x41\"", 2 },  { "\"\\u12", 5 },
        { "\"\\u12g4\"", 5 }, { "\"\\u12\"", 5 },     { "\"\\U1234\"", 2 }, { "\"\t\"", 1 },
        { "\"a\nb\"", 2 },    { "\"\\\n\"", 2 },      { "\xef\xbb\xbf{}", 0 }, { "'a'", 0 },
        { "\"\xff\"", 1 },    { "[\"a\xc3\"]", 3 },   { "\"\xe2\x82\"", 1 },
        { "\"\xed\xa0\x80\"", 1 },      /* a surrogate */
        { "\"\xc0\x80\"", 1 },          /* overlong */
        { "\"\xf4\x90\x80\x80\"", 1 },  /* above U+10FFFF */
        { "\"\xc3\x28\" x", 1 },        /* two mistakes: the first counts */
        { "\"\x01\xc3\x28\"", 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_json root = { .kind = TG_JSON_TRUE };
        size_t where = 999;
        struct text t = text_of(cases[i].text, strlen(cases[i].text));
        check_context = cases[i].text;
        CHECK_INT(tg_json_check(t.s, TG_JSON_DEPTH_MAX, &root, &where), TG_EINVAL);
        CHECK_INT(where, cases[i].where);
        CHECK_INT(root.kind, TG_JSON_TRUE);
        CHECK_INT(tg_json_check(t.s, TG_JSON_DEPTH_MAX, NULL, NULL), TG_EINVAL);
        free(t.at);
    }
}

/* What is wrong is wrong at the same place wherever it stands in a long text:
 * near the ends of the blocks that are looked at in one step, and across. */
TEST("a mistake is found at any distance from the beginning and the end")
{
    static const struct { const char *bytes; size_t n, wrong; } cases[] = {
        { "\x1f", 1, 0 },      { "\0", 1, 0 },        { "\\x", 2, 1 },     { "\\u00g0", 6, 4 },
        { "\\uzzzz", 6, 2 },   { "\\\x80", 2, 1 },    { "\xff", 1, 0 },    { "\xc3.", 2, 0 },
        { "\xe2\x82.", 3, 0 }, { "\xed\xbf\xbf", 3, 0 }, { "\xf0\x8f\xbf\xbf", 4, 0 },
        { "\x80", 1, 0 },      { "\\\\\\q", 4, 3 },
    };
    char context[80];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t before = 0; before < 150; before++)
            for (size_t after = 0; after < 70; after += 23) {
                char bytes[300] = "\"";
                size_t n = 1, where = 0;
                memset(bytes + n, 'x', before), n += before;
                memcpy(bytes + n, cases[i].bytes, cases[i].n), n += cases[i].n;
                memset(bytes + n, 'y', after), n += after;
                bytes[n++] = '"';
                struct text t = text_of(bytes, n);
                tg_err err = tg_json_check(t.s, TG_JSON_DEPTH_MAX, NULL, &where);
                snprintf(context, sizeof context, "case %zu behind %zu bytes", i, before);
                check_context = context;
                CHECK_INT(err, TG_EINVAL);
                CHECK_INT(where, 1 + before + cases[i].wrong);
                free(t.at);
            }
}

TEST("good strings are good at any length, with escapes and characters at any place")
{
    static const char *const parts[] = {
        "", "\\n", "\\\"", "\\\\", "\\\\\\\"", "\\u00e9", "\\ud83d\\ude00", "\\/\\b\\f\\r\\t",
        "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xee\x80\x80", "\x7f",
        "{", "]", "\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (size_t before = 0; before < 140; before++) {
            char bytes[300] = "[\"";
            size_t n = 2, len = strlen(parts[i]);
            memset(bytes + n, 'x', before), n += before;
            memcpy(bytes + n, parts[i], len), n += len;
            memcpy(bytes + n, "\",[1]]", 6), n += 6;
            struct text t = text_of(bytes, n);
            struct tg_json root = { 0 }, value = { 0 };
            struct tg_json_iter it;
            struct tg_str key;
            check_context = parts[i];
            CHECK_INT(tg_json_check(t.s, TG_JSON_DEPTH_MAX, &root, NULL), TG_OK);
            tg_json_iter_init(&it, root);
            CHECK(tg_json_next(&it, &key, &value) && value.raw.len == before + len + 2);
            CHECK(tg_json_next(&it, &key, &value) && tg_str_is(value.raw, "[1]"));
            CHECK(!tg_json_next(&it, &key, &value));
            free(t.at);
        }
}

TEST("nesting is bounded by the caller's limit, and never passes 512")
{
    static const struct { unsigned depth, max; tg_err err; } cases[] = {
        { 0, 0, TG_OK },     { 1, 0, TG_EDEPTH },  { 1, 1, TG_OK },     { 2, 1, TG_EDEPTH },
        { 64, 64, TG_OK },   { 65, 64, TG_EDEPTH }, { 512, 512, TG_OK }, { 513, 512, TG_EDEPTH },
        { 513, 100000, TG_EDEPTH },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int shape = 0; shape < 3; shape++) {
            struct tg_buf b = { 0 };
            size_t where = 0, limit_at = 0;
            for (unsigned d = 0; d < cases[i].depth; d++) {
                bool object = shape == 1 || (shape == 2 && d % 3 == 1);
                if (d == cases[i].max || d == TG_JSON_DEPTH_MAX)
                    limit_at = limit_at ? limit_at : b.len;
                tg_buf_z(&b, object ? "{\"a\":" : "[");
            }
            tg_buf_z(&b, "1");
            for (unsigned d = cases[i].depth; d-- > 0;)
                tg_buf_z(&b, shape == 1 || (shape == 2 && d % 3 == 1) ? "}" : "]");
            CHECK_INT(tg_json_check(tg_buf_view(&b), cases[i].max, NULL, &where), cases[i].err);
            if (cases[i].err)
                CHECK_INT(where, limit_at);
            tg_buf_done(&b);
        }
}

TEST("a million brackets are refused at the limit, without memory")
{
    enum { DEEP = 1000 * 1000 };
    char *text = malloc(DEEP * 5);

    for (size_t i = 0; i < DEEP; i++)
        memcpy(text + 5 * i, "{\"a\":", 5);
    tg_mem_fail_at(0);
    for (size_t n = 0; n < 2; n++) {
        size_t where = 0;
        if (n)
            memset(text, '[', DEEP);
        CHECK_INT(tg_json_check((struct tg_str){ text, DEEP }, 100, NULL, &where), TG_EDEPTH);
        CHECK_INT(where, n ? 100 : 500);
    }
    CHECK_INT(tg_mem_fail_at(0), 0);
    free(text);
}

TEST("closing brackets match the opening ones at every depth")
{
    static const char *const bad[] = {
        "[{\"a\":[1]}}", "{\"a\":[}]", "[[[[[[]]]]]}", "{\"a\":{\"b\":[{}]]}}", "[{\"a\":1]]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check_context = bad[i];
        CHECK_INT(tg_json_check(tg_str_of(bad[i]), 512, NULL, NULL), TG_EINVAL);
    }
}

static struct text read_file(const char *dir, const char *sub, const char *name)
{
    char path[1024], bytes[200000];

    snprintf(path, sizeof path, "%s/%s/%s", dir, sub, name);
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    if (f)
        fclose(f);
    return text_of(bytes, n);
}

TEST("the public parsing suite: what must pass passes, what must not is refused")
{
    /* Of what is left to the implementation: numbers of any size and lone
     * surrogates in escapes are text; what is not UTF-8, and a byte-order
     * mark, is not. */
    static const char *const accepted[] = {
        "i_number_double_huge_neg_exp", "i_number_huge_exp", "i_number_neg_int_huge_exp",
        "i_number_pos_double_huge_exp", "i_number_real_neg_overflow",
        "i_number_real_pos_overflow", "i_number_real_underflow", "i_number_too_big_neg_int",
        "i_number_too_big_pos_int", "i_number_very_big_negative_int",
        "i_object_key_lone_2nd_surrogate", "i_string_1st_surrogate_but_2nd_missing",
        "i_string_1st_valid_surrogate_2nd_invalid",
        "i_string_incomplete_surrogate_and_escape_valid", "i_string_incomplete_surrogate_pair",
        "i_string_incomplete_surrogates_escape_valid", "i_string_invalid_lonely_surrogate",
        "i_string_invalid_surrogate", "i_string_inverted_surrogates_U+1D11E",
        "i_string_lone_second_surrogate", "i_structure_500_nested_arrays",
    };
    const char *data = check_data_dir(), *sub = "abuse/json/test_parsing";
    char path[1024];
    int y = 0, n = 0, i = 0;

    if (!CHECK(true) || !data)
        return;
    snprintf(path, sizeof path, "%s/%s", data, sub);
    DIR *dir = opendir(path);
    if (!CHECK(dir != NULL))
        return;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        struct text t = read_file(data, sub, e->d_name);
        tg_err err = tg_json_check(t.s, TG_JSON_DEPTH_MAX, NULL, NULL);
        bool want = e->d_name[0] == 'y';
        y += e->d_name[0] == 'y', n += e->d_name[0] == 'n', i += e->d_name[0] == 'i';
        for (size_t k = 0; k < sizeof accepted / sizeof *accepted; k++)
            want |= strlen(accepted[k]) + 5 == strlen(e->d_name) &&
                    strncmp(accepted[k], e->d_name, strlen(accepted[k])) == 0;
        check_context = e->d_name;
        CHECK_INT(err == TG_OK, want);
        free(t.at);
    }
    closedir(dir);
    check_context = "how many there are";
    CHECK(y >= 95 && n >= 188 && i >= 35);
}

TEST("the public transformation suite: what it asks about, read our way")
{
    static const struct { const char *file, *text; } strings[] = {
        { "string_1_escaped_invalid_codepoint", "\xef\xbf\xbd" },
        { "string_2_escaped_invalid_codepoints", "\xef\xbf\xbd\xef\xbf\xbd" },
        { "string_3_escaped_invalid_codepoints", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    };
    static const struct { const char *file; bool fits; int64_t n; } numbers[] = {
        { "number_-9223372036854775808", true, INT64_MIN },
        { "number_-9223372036854775809", false, 0 },
        { "number_1.0", true, 1 },
        { "number_1.000000000000000005", false, 0 },
        { "number_1000000000000000", true, 1000000000000000 },
        { "number_10000000000000000999", false, 0 },
        { "number_1e-999", false, 0 },
        { "number_1e6", true, 1000000 },
        { "number_9223372036854775807", true, INT64_MAX },
        { "number_9223372036854775808", false, 0 },
    };
    static const char *const refused[] = {
        "string_1_invalid_codepoint", "string_2_invalid_codepoints", "string_3_invalid_codepoints",
    };
    const char *data = check_data_dir(), *sub = "abuse/json/test_transform";
    struct tg_json root = { 0 };
    struct tg_str key;
    struct tg_json_iter it;
    char name[200];

    if (!CHECK(true) || !data)
        return;
    for (size_t k = 0; k < sizeof strings / sizeof *strings; k++) {
        snprintf(name, sizeof name, "%s.json", check_context = strings[k].file);
        struct text t = read_file(data, sub, name);
        CHECK_INT(tg_json_check(t.s, 512, &root, NULL), TG_OK);
        tg_json_iter_init(&it, root);
        CHECK(tg_json_next(&it, &key, &root));
        CHECK_TEXT(root, strings[k].text);
        free(t.at);
    }
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        int64_t n = 0;
        snprintf(name, sizeof name, "%s.json", check_context = numbers[k].file);
        struct text t = read_file(data, sub, name);
        CHECK_INT(tg_json_check(t.s, 512, &root, NULL), TG_OK);
        tg_json_iter_init(&it, root);
        CHECK(tg_json_next(&it, &key, &root));
        CHECK_INT(tg_json_i64(root, &n), numbers[k].fits);
        CHECK_INT(n, numbers[k].n);
        free(t.at);
    }
    for (size_t k = 0; k < sizeof refused / sizeof *refused; k++) {
        snprintf(name, sizeof name, "%s.json", check_context = refused[k]);
        struct text t = read_file(data, sub, name);
        CHECK_INT(tg_json_check(t.s, 512, NULL, NULL), TG_EINVAL);
        free(t.at);
    }
    snprintf(name, sizeof name, "%s.json", check_context = "object_same_key_different_values");
    struct text t = read_file(data, sub, name);
    CHECK_INT(tg_json_check(t.s, 512, &root, NULL), TG_OK);
    CHECK_INT(tg_json_count(root), 2);
    CHECK_STR(tg_json_get(root, "a").raw, "2");
    free(t.at);
}

/* ---- walk ---- */

TEST("an object gives its members in order, with keys still escaped")
{
    struct tg_json root = value_of(" { \"a\" : 1 ,\"b\\u0063\":[1,\"]\"],\n\"\":{\"x\":{}} } ");
    static const struct { const char *key, *raw; enum tg_json_kind kind; } want[] = {
        { "a", "1", TG_JSON_NUMBER },
        { "b\\u0063", "[1,\"]\"]", TG_JSON_ARRAY },
        { "", "{\"x\":{}}", TG_JSON_OBJECT },
    };
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    tg_json_iter_init(&it, root);
    for (size_t i = 0; i < 3; i++) {
        CHECK(tg_json_next(&it, &key, &value));
        CHECK_STR(key, want[i].key);
        CHECK_STR(value.raw, want[i].raw);
        CHECK_INT(value.kind, want[i].kind);
    }
    CHECK(!tg_json_next(&it, &key, &value));
    CHECK(!tg_json_next(&it, &key, &value));
    CHECK_INT(tg_json_count(root), 3);
}

TEST("an array gives its elements with empty keys; nothing else gives any")
{
    static const struct { const char *text; size_t count; } cases[] = {
        { "[]", 0 }, { "[ ]", 0 }, { "[1]", 1 }, { "[ null , [ ] , {} ]", 3 },
        { "[[[1,2],3],4]", 2 },
        { "{}", 0 }, { "1", 0 },   { "\"[1,2]\"", 0 }, { "null", 0 }, { "[\"a,b\",\"\\\",\"]", 2 },
        { "{\"a\":\"}\",\"b\":\"\\\\\"}", 2 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(tg_json_count(value_of(cases[i].text)), cases[i].count);

    struct tg_json_iter it;
    struct tg_str key = TG_STR("stale");
    struct tg_json value;
    tg_json_iter_init(&it, value_of("[7]"));
    CHECK(tg_json_next(&it, &key, &value) && key.len == 0);
    tg_json_iter_init(&it, (struct tg_json){ 0 });
    CHECK(!tg_json_next(&it, &key, &value));
}

TEST("a long nested value is skipped whole, whatever brackets and quotes its strings hold")
{
    static const char *const inside[] = {
        "\"]}[{\"", "\"\\\"]\"", "\"\\\\\"", "{\"]\":\"}\"}", "[[],[{}]]", "\"\\\\\\\"]}\"", "12",
    };
    struct tg_rand rand = { 7 };

    for (int round = 0; round < 3000; round++) {
        struct tg_buf b = { 0 };
        struct tg_json root = { 0 };
        tg_buf_z(&b, "{\"a\":[");
        for (int k = (int)(tg_rand_u64(&rand) % 30); k >= 0; k--) {
            for (uint64_t pad = tg_rand_u64(&rand) % 40; pad > 0; pad--)
                tg_buf_char(&b, ' ');
            tg_buf_z(&b, inside[tg_rand_u64(&rand) % (sizeof inside / sizeof *inside)]);
            tg_buf_z(&b, k ? "," : "");
        }
        size_t end = b.len + 1;
        tg_buf_z(&b, "],\"b\":true}");
        struct text t = text_of(b.at, b.len);
        if (CHECK_INT(tg_json_check(t.s, 512, &root, NULL), TG_OK)) {
            CHECK_INT(tg_json_get(root, "a").raw.len, end - 5);
            CHECK_INT(tg_json_get(root, "b").kind, TG_JSON_TRUE);
        }
        free(t.at);
        tg_buf_done(&b);
    }
}

TEST("a look-up compares characters, not spelling, and the last of several wins")
{
    struct tg_json o = value_of("{\"model\":\"a\",\"m\\u006fdel\":\"b\",\"x\\\\y\":1,\"x\\ny\":2,"
                                "\"\\u20ac\":3,\"\\ud83d\\ude00\":4,\"\":5,"
                                "\"z\\u0000\":6,\"z\":7}");
    CHECK_STR(tg_json_get(o, "model").raw, "\"b\"");
    CHECK_STR(tg_json_get(o, "x\\y").raw, "1");
    CHECK_STR(tg_json_get(o, "x\ny").raw, "2");
    CHECK_STR(tg_json_get(o, "\xe2\x82\xac").raw, "3");
    CHECK_STR(tg_json_get(o, "\xf0\x9f\x98\x80").raw, "4");
    CHECK_STR(tg_json_get(o, "").raw, "5");
    CHECK_STR(tg_json_get(o, "z").raw, "7");
    CHECK_INT(tg_json_get(o, "mode").kind, TG_JSON_NONE);
    CHECK_INT(tg_json_get(o, "models").kind, TG_JSON_NONE);
    CHECK_INT(tg_json_get(value_of("[1]"), "").kind, TG_JSON_NONE);
    CHECK_INT(tg_json_get((struct tg_json){ 0 }, "a").kind, TG_JSON_NONE);
    CHECK(!tg_json_key_is(TG_STR("a\\b"), "a\\b"));
    CHECK(tg_json_key_is(TG_STR("a\\b"), "a\b"));
}

TEST("members know where they start; too many are refused")
{
    struct tg_json o = value_of("{ \"a\" : 1, \"b\":[2] }");
    struct tg_json_member m[2];
    size_t n = 99;

    CHECK_INT(tg_json_members(o, m, 2, &n), TG_OK);
    CHECK_INT(n, 2);
    CHECK_INT(m[0].from - o.raw.at, 2);
    CHECK_INT(m[1].from - o.raw.at, 11);
    CHECK_STR(m[1].key, "b");
    CHECK_STR(m[1].value.raw, "[2]");
    n = 99;
    CHECK_INT(tg_json_members(o, m, 1, &n), TG_ETOOBIG);
    CHECK_INT(tg_json_members(value_of("[]"), m, 2, &n), TG_EINVAL);
    CHECK_INT(n, 99);
    CHECK_INT(tg_json_members(value_of("{}"), m, 0, &n), TG_OK);
    CHECK_INT(n, 0);
}

/* ---- strings ---- */

TEST("strings unescape to UTF-8, and what is no character becomes U+FFFD")
{
    static const struct { const char *text, *want; } cases[] = {
        { "\"\"", "" },
        { "\"plain\"", "plain" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        { "\"\\u0041\\u00e9\\u20AC\\uFFFF\"", "A\xc3\xa9\xe2\x82\xac\xef\xbf\xbf" },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
        { "\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf" },
        { "\"\\ud83d\"", "\xef\xbf\xbd" },
        { "\"\\ude00\"", "\xef\xbf\xbd" },
        { "\"\\ud83dx\"", "\xef\xbf\xbdx" },
        { "\"\\ud83d\\n\"", "\xef\xbf\xbd\n" },
        { "\"\\ud83d\\u0041\"", "\xef\xbf\xbd""A" },
        { "\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80" },
        { "\"\\ude00\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_json v = value_of(cases[i].text);
        CHECK_TEXT(v, cases[i].want);
        CHECK(tg_json_is(v, cases[i].want));
        CHECK(!tg_json_is(v, "something else"));
        CHECK_INT(tg_json_has_text(v), i != 0);
    }
    struct tg_buf b = { 0 };
    CHECK_INT(tg_json_text(value_of("\"a\\u0000b\""), &b), TG_OK);
    CHECK(b.len == 3 && memcmp(b.at, "a\0b", 3) == 0);
    CHECK(!tg_json_is(value_of("\"a\\u0000b\""), "a"));
    CHECK_INT(tg_json_text(value_of("12"), &b), TG_EINVAL);
    tg_buf_done(&b);
}

TEST("only a string without escapes is given without a copy")
{
    struct tg_str s = TG_STR("untouched");

    CHECK(!tg_json_plain(value_of("\"a\\n\""), &s));
    CHECK(!tg_json_plain(value_of("1"), &s));
    CHECK(!tg_json_plain((struct tg_json){ 0 }, &s));
    CHECK_STR(s, "untouched");
    CHECK(tg_json_plain(value_of("\"a b\""), &s));
    CHECK_STR(s, "a b");
    CHECK(tg_json_plain(value_of("\"\""), &s));
    CHECK_INT(s.len, 0);
    CHECK(!tg_json_has_text(value_of("[1]")));
    CHECK(!tg_json_is((struct tg_json){ 0 }, ""));
    CHECK(tg_json_is(value_of("\"\""), ""));
}

TEST("booleans are told from everything else")
{
    bool b = true;

    CHECK(tg_json_bool(value_of("false"), &b) && !b);
    CHECK(tg_json_bool(value_of("true"), &b) && b);
    CHECK(!tg_json_bool(value_of("null"), &b));
    CHECK(!tg_json_bool(value_of("1"), &b));
    CHECK(!tg_json_bool(value_of("\"true\""), &b));
    CHECK(b);
}

/* ---- numbers ---- */

TEST("whole numbers are exact, however they are written")
{
    static const struct { const char *text; bool ok; int64_t want; } cases[] = {
        { "0", true, 0 },            { "-0", true, 0 },           { "0.000", true, 0 },
        { "0e99999999999999999999", true, 0 },                    { "-0.0e-5", true, 0 },
        { "10", true, 10 },          { "1e1", true, 10 },         { "10.0", true, 10 },
        { "1E+1", true, 10 },        { "100e-1", true, 10 },      { "1.25e2", true, 125 },
        { "0.00125e5", true, 125 },  { "12500000e-5", true, 125 }, { "-7", true, -7 },
        { "1.5", false, 0 },         { "1e-1", false, 0 },        { "125e-3", false, 0 },
        { "9007199254740993", true, 9007199254740993 },
        { "9223372036854775807", true, INT64_MAX },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775808", true, INT64_MIN },
        { "-9223372036854775809", false, 0 },
        { "9.223372036854775807e18", true, INT64_MAX },
        { "92233720368547758070e-1", true, INT64_MAX },
        { "18446744073709551616", false, 0 },
        { "1e18", true, 1000000000000000000 },
        { "1e19", false, 0 },        { "1e400", false, 0 },       { "-1e400", false, 0 },
        { "1e-400", false, 0 },      { "1e999999999999999999999999", false, 0 },
        { "1e-999999999999999999999999", false, 0 },
        { "100000000000000000000000000000000e-31", true, 10 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t n = 4711;
        CHECK_INT(tg_json_i64(value_of(cases[i].text), &n), cases[i].ok);
        CHECK_INT(n, cases[i].ok ? cases[i].want : 4711);
    }
    int64_t n = 0;
    CHECK(!tg_json_i64(value_of("\"1\""), &n));
    CHECK(!tg_json_i64(value_of("true"), &n));
    CHECK(!tg_json_i64((struct tg_json){ 0 }, &n));
}

TEST("a number of a million digits is read in one pass")
{
    enum { MANY = 1000 * 1000 };
    char *text = malloc(MANY + 40);
    struct tg_json root;
    int64_t n = 0;
    double d = 0;

    memset(text, '0', MANY);
    text[0] = '7';
    int len = snprintf(text + MANY, 40, "e-%d", MANY - 1);
    CHECK_INT(tg_json_check((struct tg_str){ text, (size_t)(MANY + len) }, 1, &root, NULL), TG_OK);
    CHECK(tg_json_i64(root, &n) && n == 7);
    CHECK(tg_json_double(root, &d) && d == 7);
    memset(text, '3', MANY);
    CHECK_INT(tg_json_check((struct tg_str){ text, (size_t)(MANY + len) }, 1, &root, NULL), TG_OK);
    CHECK(!tg_json_i64(root, &n));
    CHECK(tg_json_double(root, &d) && d == 10.0 / 3);
    free(text);
}

TEST("doubles are the nearest, and finite")
{
    static const struct { const char *text; bool ok; double want; } cases[] = {
        { "0", true, 0 },          { "0.7", true, 0.7 },         { "-1.25e-3", true, -0.00125 },
        { "1e400", false, 0 },     { "-1e400", false, 0 },       { "1e-400", true, 0 },
        { "1e99999999999999999999", false, 0 },
        { "5e-324", true, 5e-324 }, { "2.4703282292062327208e-324", true, 0 },
        { "2.4703282292062328e-324", true, 5e-324 },
        { "1.7976931348623157e308", true, DBL_MAX }, { "1.7976931348623159e308", false, 0 },
        { "9007199254740993", true, 9007199254740992 },
        { "9007199254740993.00000000000000000000000000000000000001", true, 9007199254740994 },
        { "0.1000000000000000055511151231257827021181583404541015625", true, 0.1 },
        { "123456789012345678901234567890", true, 123456789012345678901234567890.0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double d = 47.11;
        CHECK_INT(tg_json_double(value_of(cases[i].text), &d), cases[i].ok);
        CHECK(d == (cases[i].ok ? cases[i].want : 47.11));
    }
    double d = 1;
    CHECK(tg_json_double(value_of("-0.0"), &d) && d == 0 && signbit(d));
    CHECK(!tg_json_double(value_of("null"), &d));
}

TEST("one digit far behind a tie decides how a double rounds")
{
    char text[1200] = "9007199254740993.";
    double d = 0;

    memset(text + 17, '0', 1100);
    CHECK(tg_json_double(value_of(text), &d) && d == 9007199254740992.0);
    text[17 + 1050] = '1';
    CHECK(tg_json_double(value_of(text), &d) && d == 9007199254740994.0);
}

/* ---- write ---- */

TEST("text is written with the short escapes, and bytes that are no UTF-8 as U+FFFD")
{
    static const struct { const char *text; size_t n; const char *want; } cases[] = {
        { "", 0, "\"\"" },
        { "a\"b\\c/", 6, "\"a\\\"b\\\\c/\"" },
        { "\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"" },
        { "\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\x7f\"" },
        { "\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\"" },
        { "a\xff" "b", 3, "\"a\xef\xbf\xbd" "b\"" },
        { "\x80\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xe2\x82", 2, "\"\xef\xbf\xbd\"" },                      /* one for what was begun */
        { "\xf0\x9f\x98" "a", 4, "\"\xef\xbf\xbd" "a\"" },
        { "\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_buf b = { 0 };
        check_context = cases[i].want;
        CHECK_INT(tg_json_put_text(&b, (struct tg_str){ cases[i].text, cases[i].n }), TG_OK);
        CHECK_STR(tg_buf_view(&b), cases[i].want);
        tg_buf_done(&b);
    }
}

TEST("what is written as text passes the check and reads back the same")
{
    struct tg_rand rand = { 11 };

    for (int round = 0; round < 4000; round++) {
        struct tg_buf plain = { 0 }, written = { 0 }, back = { 0 };
        struct tg_json root = { 0 };
        for (uint64_t n = tg_rand_u64(&rand) % 120; n > 0; n--) {
            uint64_t pick = tg_rand_u64(&rand);
            if (pick % 8 == 0)
                tg_buf_z(&plain, "\xe2\x82\xac");
            else
                tg_buf_char(&plain, (char)(pick % 8 == 1 ? pick / 8 % 0x20 : pick / 8 % 0x80));
        }
        tg_json_put_text(&written, tg_buf_view(&plain));
        CHECK_INT(tg_json_check(tg_buf_view(&written), 0, &root, NULL), TG_OK);
        CHECK_INT(tg_json_text(root, &back), TG_OK);
        CHECK(tg_str_eq(tg_buf_view(&plain), tg_buf_view(&back)));
        tg_buf_done(&plain);
        tg_buf_done(&written);
        tg_buf_done(&back);
    }
}

TEST("names and commas fall into place")
{
    struct tg_buf b = { 0 };

    tg_json_put_comma(&b);
    tg_buf_z(&b, "{");
    tg_json_put_name(&b, "a");
    tg_buf_z(&b, "[");
    tg_json_put_comma(&b);
    tg_buf_z(&b, "1");
    tg_json_put_comma(&b);
    tg_buf_z(&b, "2]");
    tg_json_put_name(&b, "b");
    tg_json_put_text(&b, TG_STR("x"));
    tg_buf_z(&b, "}");
    CHECK_STR(tg_buf_view(&b), "{\"a\":[1,2],\"b\":\"x\"}");
    tg_buf_done(&b);
}

TEST("doubles are written with the fewest digits that read back the same")
{
    static const struct { double value; const char *want; } cases[] = {
        { 0, "0" },                 { -0.0, "-0" },            { 1, "1" },
        { -2.5, "-2.5" },           { 0.1, "0.1" },            { 0.7, "0.7" },
        { 1.0 / 3, "0.3333333333333333" }, { 100, "100" },     { 1e20, "100000000000000000000" },
        { 1e21, "1e21" },           { 1.5e300, "1.5e300" },    { 0.00001, "0.00001" },
        { 0.000001, "0.000001" },   { 0.0000001, "1e-7" },     { 1.25e-9, "1.25e-9" },
        { 5e-324, "5e-324" },       { DBL_MAX, "1.7976931348623157e308" },
        { DBL_MIN, "2.2250738585072014e-308" }, { 9007199254740993.0, "9007199254740992" },
        { 0x1p-44, "5.684341886080802e-14" }, { 123456.789, "123456.789" },
        { INFINITY, "null" },       { -INFINITY, "null" },     { NAN, "null" },
        { 2e-323, "2e-323" },       { 0.30000000000000004, "0.30000000000000004" },
        { 12345678901234567890.0, "12345678901234567000" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_buf b = { 0 };
        check_context = cases[i].want;
        CHECK_INT(tg_json_put_double(&b, cases[i].value), TG_OK);
        CHECK_STR(tg_buf_view(&b), cases[i].want);
        tg_buf_done(&b);
    }
}

TEST("any finite double written reads back bit for bit")
{
    struct tg_rand rand = { 3 };

    for (int round = 0; round < 20000; round++) {
        struct tg_buf b = { 0 };
        struct tg_json root = { 0 };
        uint64_t bits = tg_rand_u64(&rand);
        double value, back = 1;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        tg_json_put_double(&b, value);
        CHECK_INT(tg_json_check(tg_buf_view(&b), 0, &root, NULL), TG_OK);
        CHECK(tg_json_double(root, &back) && memcmp(&back, &value, sizeof value) == 0);
        tg_buf_done(&b);
    }
}

TEST("numbers are read and written alike in a locale with a decimal comma")
{
    static const char *const locales[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "pt_BR.UTF-8" };
    struct tg_buf b = { 0 };
    const char *set = NULL;
    double d = 0;

    for (size_t i = 0; i < sizeof locales / sizeof *locales && !set; i++)
        set = setlocale(LC_ALL, locales[i]);
    if (!set)
        printf("    NOTICE: no locale with a decimal comma is installed\n");
    CHECK(tg_json_double(value_of("1.5"), &d) && d == 1.5);
    CHECK_INT(tg_json_put_double(&b, 1.5), TG_OK);
    CHECK_STR(tg_buf_view(&b), "1.5");
    setlocale(LC_ALL, "C");
    tg_buf_done(&b);
}

/* ---- memory ---- */

static tg_err write_and_read(void)
{
    struct tg_buf b = { 0 }, text = { 0 };
    char many[2000];

    memset(many, '\n', sizeof many);
    tg_json_put_name(&b, "n");
    tg_json_put_double(&b, 0.1);
    tg_json_put_comma(&b);
    tg_err err = tg_json_put_text(&b, (struct tg_str){ many, sizeof many });
    if (!err)
        err = tg_json_text(value_of("\"a\\n\\u20ac plain and long\""), &text);
    tg_buf_done(&b);
    tg_buf_done(&text);
    return err;
}

TEST("every allocation may fail, and it is told")
{
    CHECK_EVERY_ALLOCATION(write_and_read());
}

TEST_MAIN
