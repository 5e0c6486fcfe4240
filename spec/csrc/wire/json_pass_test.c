/* Few passes see what many see. */
#include "check.h"

#include "base/rand.h"
#include "wire/json_pass.h"
#include "wire/scan.h"

enum { CAP = 8 };

static const char *const texts[] = {
    "{}", " { } ", "{\"a\":1}", "[1,{\"a\":2}]", "\"text\"", "12",
    "{\"a\":{},\"b\":[],\"\":null}",
    "{ \"model\" : \"x\\\"y\\\\\" ,\n\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
    "\"text\",\"text\":\"h\\u00e9 }]\"},{\"n\":[[1,2],{\"x\":{}}]}]},{\"a\":true}]\t,"
    "\"n\":-1.5e3 }",
    "{\"a\":1,\"a\":[1,[2,[3]]],\"b\":\"\xe2\x82\xac\",\"c\":{\"d\":{\"e\":\"]\"}}}",
    "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{\"a\"}", "{,}", "{\"a\":1}}", "{\"a\":[1}", "{1:2}",
};

#define EACH_TEXT(i) (size_t i = 0; i < sizeof texts / sizeof *texts; i++)

static bool is_same(struct tg_str a, struct tg_str b)
{
    return a.at == b.at && a.len == b.len;
}

static void check_one(struct tg_str text, unsigned depth_max)
{
    struct tg_json root = { 0 }, root_too = { 0 };
    struct tg_json_member all[CAP], want[CAP];
    size_t where = 99, where_too = 99, count = 99, wanted = 0;

    tg_err err = tg_json_check(text, depth_max, &root, &where);
    CHECK_INT(tg_json_check_members(text, depth_max, &root_too, all, CAP, &count, &where_too), err);
    CHECK_INT(where_too, where);
    if (err)
        return;
    CHECK(is_same(root.raw, root_too.raw) && root.kind == root_too.kind);
    if (root.kind == TG_JSON_OBJECT)
        CHECK_INT(tg_json_members(root, want, CAP, &wanted), TG_OK);
    CHECK_INT(count, wanted);
    for (size_t i = 0; i < wanted; i++) {
        CHECK(is_same(all[i].key, want[i].key) && is_same(all[i].value.raw, want[i].value.raw));
        CHECK(all[i].value.kind == want[i].value.kind && all[i].from == want[i].from);
    }
}

TEST("the check gives the members that a walk gives, and is as strict, wherever a text is cut")
{
    for EACH_TEXT(i)
        for (size_t len = 0; len <= strlen(texts[i]); len++) {
            char *copy = malloc(len ? len : 1);        /* a sanitizer sees what is read outside */
            memcpy(copy, texts[i], len);
            for (unsigned depth_max = 0; depth_max < 7; depth_max++)
                check_one((struct tg_str){ copy, len }, depth_max);
            free(copy);
        }
}

TEST("the first wrong byte of an object is where the grammar breaks")
{
    static const struct {
        const char *text;
        unsigned depth_max;
        tg_err err;
        size_t where;
    } cases[] = {
        { "", 9, TG_EINVAL, 0 }, { "{", 9, TG_EINVAL, 1 }, { "{\"a\":1,}", 9, TG_EINVAL, 7 },
        { "{\"a\":1 \"b\":2}", 9, TG_EINVAL, 7 }, { "{\"a\" 1}", 9, TG_EINVAL, 5 },
        { "{\"a\":1}x", 9, TG_EINVAL, 7 }, { "{\"a\":]}", 9, TG_EINVAL, 5 },
        { "{\"a\\x\":1}", 9, TG_EINVAL, 4 }, { "{\"a\":\"\xff\"}", 9, TG_EINVAL, 6 },
        { "{}", 0, TG_EDEPTH, 0 }, { "{\"a\":[]}", 1, TG_EDEPTH, 5 },
        { "{\"a\":[]}", 2, TG_OK, 99 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_json_member out[CAP];
        size_t count, where = 99;
        tg_err err = tg_json_check_members(tg_str_of(cases[i].text), cases[i].depth_max, NULL,
                                           out, CAP, &count, &where);
        CHECK_INT(err, cases[i].err);
        CHECK_INT(where, cases[i].where);
    }
}

TEST("members that find no room are counted")
{
    struct tg_json_member out[2];
    size_t count;

    CHECK_INT(tg_json_check_members(TG_STR("{\"a\":1,\"b\":2,\"c\":3}"), 9, NULL, out, 2, &count,
                                    NULL), TG_OK);
    CHECK_INT(count, 3);
    CHECK_STR(out[1].key, "b");
    CHECK_STR(out[1].value.raw, "2");
}

/* The same container by tg_json_next() and by tg_json_step(), which goes into
 * some of what it meets. */
static void walk_both(struct tg_json_iter *plain, struct tg_json_iter *stepping,
                      struct tg_rand *rand)
{
    struct tg_json_iter in, inner;
    struct tg_str key, key_too;
    struct tg_json value, value_too;

    while (tg_json_next(plain, &key, &value)) {
        if (!CHECK(tg_json_step(stepping, &key_too, &value_too, &in)))
            return;
        CHECK(is_same(key, key_too));
        CHECK(value.kind == value_too.kind && value.raw.at == value_too.raw.at);
        bool is_open = value.kind == TG_JSON_ARRAY || value.kind == TG_JSON_OBJECT;
        if (is_open && tg_rand_below(rand, 3)) {
            tg_json_iter_init(&inner, value);
            walk_both(&inner, &in, rand);
            tg_json_leave(stepping, &in, &value_too);
        } else if (is_open) {
            tg_json_whole(stepping, &value_too);
        } else {
            CHECK(!tg_json_next(&in, &key_too, &value_too));
            value_too = value;
        }
        CHECK(is_same(value.raw, value_too.raw));
    }
    CHECK(!tg_json_step(stepping, &key, &value, &in));
    CHECK(!tg_json_step(stepping, &key, &value, &in));
}

TEST("a walk that goes into values sees what a walk over them sees")
{
    struct tg_rand rand = { 1 };

    for (int round = 0; round < 50; round++)
        for EACH_TEXT(i) {
            struct tg_json root;
            struct tg_json_iter plain, stepping;
            if (tg_json_check(tg_str_of(texts[i]), TG_JSON_DEPTH_MAX, &root, NULL))
                continue;
            tg_json_iter_init(&plain, root);
            tg_json_iter_init(&stepping, root);
            walk_both(&plain, &stepping, &rand);
        }
}

TEST("a walk over what is no JSON ends, inside its bounds")
{
    for EACH_TEXT(i)
        for (size_t len = 2; len <= strlen(texts[i]); len++) {
            char *copy = malloc(len);
            memcpy(copy, texts[i], len);
            struct tg_json value, part, root = { { copy, len }, TG_JSON_OBJECT };
            struct tg_json_iter it, in, inner;
            struct tg_str key;
            size_t steps = 0;
            root.kind = *copy == '[' ? TG_JSON_ARRAY : TG_JSON_OBJECT;
            tg_json_iter_init(&it, root);
            while (steps++ <= len && tg_json_step(&it, &key, &value, &in)) {
                while (steps++ <= len && tg_json_step(&in, &key, &part, &inner))
                    if (part.kind == TG_JSON_ARRAY || part.kind == TG_JSON_OBJECT)
                        tg_json_whole(&in, &part);
                if (value.kind == TG_JSON_ARRAY || value.kind == TG_JSON_OBJECT)
                    tg_json_leave(&it, &in, &value);
                CHECK(value.raw.at + value.raw.len <= copy + len);
            }
            CHECK(steps <= len + 1);
            free(copy);
        }
}

static const char *plain_close(const char *p, const char *end)
{
    for (; p < end && *p != '"'; p++)
        if (*p == '\\' && ++p == end)
            break;
    return p < end ? p : end;
}

TEST("a string is closed by the quote that a look at every byte finds")
{
    static const char *const words[] = {
        "plain characters ", "\\\"", "\\\\", "\\n", "x", "\\", "\"",
    };
    enum { LONGEST = 400, ROUNDS = 20000 };
    struct tg_rand rand = { 4 };

    for (int round = 0; round < ROUNDS; round++) {
        uint32_t kinds = 1 + tg_rand_below(&rand, sizeof words / sizeof *words);
        size_t len = tg_rand_below(&rand, LONGEST), at = 0;
        char *text = malloc(len ? len : 1);
        while (at < len) {
            const char *word = words[tg_rand_below(&rand, kinds)];
            for (size_t i = 0; word[i] && at < len; i++)
                text[at++] = word[i];
        }
        const char *end = text + len, *want = plain_close(text, end);
        CHECK(tg_scan_close(text, end) == want);
        CHECK(tg_scan_close_by(tg_scan_mask_portable, text, end) == want);
#if TG_SCAN_X86
        CHECK(tg_scan_close_by(tg_scan_mask_sse2, text, end) == want);
#endif
        free(text);
    }
}

TEST_MAIN
