/* Members of an object replaced, removed and added, every other byte kept. */
#include "check.h"

#include "base/buf.h"
#include "base/rand.h"
#include "wire/edit.h"

enum { MEMBERS_MAX = 16 };

struct object {
    struct tg_json root;
    struct tg_json_member members[MEMBERS_MAX];
    size_t n;
};

static struct object object_of(struct tg_str text)
{
    struct object o = { 0 };

    CHECK_INT(tg_json_check(text, TG_JSON_DEPTH_MAX, &o.root, NULL), TG_OK);
    CHECK_INT(tg_json_members(o.root, o.members, MEMBERS_MAX, &o.n), TG_OK);
    return o;
}

/* The pieces one behind the other; *count is how many there were. */
static void put_edited(struct tg_buf *out, const struct object *o, const struct tg_edit *edits,
                       struct tg_str more, size_t *count)
{
    struct tg_str pieces[TG_EDIT_PIECES(MEMBERS_MAX)];
    size_t bytes = 0;

    CHECK_INT(tg_edit_pieces(o->root, o->members, o->n, edits, more, pieces,
                             TG_EDIT_PIECES(o->n), count, &bytes), TG_OK);
    for (size_t i = 0; i < *count; i++) {
        CHECK(pieces[i].len > 0);
        tg_buf_str(out, pieces[i]);
    }
    CHECK_INT(bytes, out->len);
}

/* Verdicts as letters: k keeps, x removes, r replaces with 0. */
static void edits_of(const char *letters, struct tg_edit *edits)
{
    for (size_t i = 0; letters[i]; i++) {
        edits[i] = (struct tg_edit){ .verb = TG_EDIT_KEEP };
        if (letters[i] == 'x')
            edits[i].verb = TG_EDIT_REMOVE;
        if (letters[i] == 'r')
            edits[i] = (struct tg_edit){ TG_EDIT_REPLACE, TG_STR("0") };
    }
}

TEST("members are kept, replaced, removed and added; the rest stays as it was written")
{
    static const struct { const char *text, *edits, *more, *want; } cases[] = {
        { "{\"a\":1,\"b\":2,\"c\":3}", "kkk", "", "{\"a\":1,\"b\":2,\"c\":3}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "rkk", "", "{\"a\":0,\"b\":2,\"c\":3}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "krr", "", "{\"a\":1,\"b\":0,\"c\":0}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "xkk", "", "{\"b\":2,\"c\":3}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "kxk", "", "{\"a\":1,\"c\":3}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "kkx", "", "{\"a\":1,\"b\":2}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "xxk", "", "{\"c\":3}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "kxx", "", "{\"a\":1}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "xrx", "", "{\"b\":0}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "xxx", "", "{}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "kkk", "\"d\":4", "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "xxx", "\"d\":4,\"e\":5", "{\"d\":4,\"e\":5}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "kxx", "\"d\":4", "{\"a\":1,\"d\":4}" },
        { "{}", "", "", "{}" },
        { "{ }", "", "", "{ }" },
        { "{}", "", "\"d\":4", "{\"d\":4}" },
        { "{ }", "", "\"d\":4", "{ \"d\":4}" },
        { "{\n  \"a\": 1,\n  \"b\": 2\n}", "kk", "", "{\n  \"a\": 1,\n  \"b\": 2\n}" },
        { "{\n  \"a\": 1,\n  \"b\": 2\n}", "xk", "", "{\n  \"b\": 2\n}" },
        { "{\n  \"a\": 1,\n  \"b\": 2\n}", "kx", "", "{\n  \"a\": 1\n}" },
        { "{\n  \"a\": 1,\n  \"b\": 2\n}", "kr", "\"c\":3",
          "{\n  \"a\": 1,\n  \"b\": 0,\"c\":3\n}" },
        { "{ \"a\" : [1, 2.50] , \"b\" : 12345678901234567890 }", "kr", "",
          "{ \"a\" : [1, 2.50] , \"b\" : 0 }" },
        { "{\"a\":1,\"a\":2}", "xk", "", "{\"a\":2}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct object o = object_of(tg_str_of(cases[i].text));
        struct tg_edit edits[MEMBERS_MAX];
        struct tg_buf out = { 0 };
        size_t count = 0;
        check_context = cases[i].want;
        edits_of(cases[i].edits, edits);
        put_edited(&out, &o, edits, tg_str_of(cases[i].more), &count);
        CHECK_STR(tg_buf_view(&out), cases[i].want);
        tg_buf_done(&out);
    }
}

TEST("without edits the object is one piece: the text itself")
{
    struct tg_str text = TG_STR("{ \"a\" : 1 , \"b\":[ ] }"), pieces[1];
    struct object o = object_of(text);
    struct tg_edit edits[MEMBERS_MAX] = { { .verb = TG_EDIT_KEEP } };
    size_t count = 0, bytes = 0;

    CHECK_INT(tg_edit_pieces(o.root, o.members, o.n, edits, (struct tg_str){ 0 }, pieces, 1,
                             &count, &bytes), TG_OK);
    CHECK_INT(count, 1);
    CHECK(pieces[0].at == text.at && pieces[0].len == text.len && bytes == text.len);
}

TEST("what is kept is not copied")
{
    struct tg_str text = TG_STR("{\"model\":\"x\",\"messages\":[\"long\"]}"), pieces[3];
    struct object o = object_of(text);
    struct tg_edit edits[2] = { { TG_EDIT_REPLACE, TG_STR("\"y\"") }, { .verb = TG_EDIT_KEEP } };
    size_t count = 0, bytes = 0;

    CHECK_INT(tg_edit_pieces(o.root, o.members, o.n, edits, (struct tg_str){ 0 }, pieces, 3,
                             &count, &bytes), TG_OK);
    CHECK_INT(count, 3);
    CHECK(pieces[0].at == text.at && pieces[1].at == edits[0].with.at);
    CHECK(pieces[2].at == text.at + 12);
}

TEST("too little room and what is no object are refused, the results untouched")
{
    struct object o = object_of(TG_STR("{\"a\":1,\"b\":2}"));
    struct tg_edit edits[2];
    struct tg_str pieces[TG_EDIT_PIECES(2)];
    size_t count = 99, bytes = 99, needed = 0;

    edits_of("rr", edits);
    CHECK_INT(tg_edit_pieces(o.root, o.members, 2, edits, TG_STR("\"c\":1"), pieces,
                             TG_EDIT_PIECES(2), &needed, &bytes), TG_OK);
    CHECK_INT(needed, 7);
    bytes = 99;
    for (size_t cap = 0; cap < needed; cap++)
        CHECK_INT(tg_edit_pieces(o.root, o.members, 2, edits, TG_STR("\"c\":1"), pieces, cap,
                                 &count, &bytes), TG_ETOOBIG);
    o.root.kind = TG_JSON_ARRAY;
    CHECK_INT(tg_edit_pieces(o.root, o.members, 2, edits, (struct tg_str){ 0 }, pieces,
                             TG_EDIT_PIECES(2), &count, &bytes), TG_EINVAL);
    CHECK(count == 99 && bytes == 99);
}

/* ---- any object, any edits ---- */

#define LONG "a string longer than a block of bytes that is looked at in one step, by some"

static const char *const VALUES[] = {
    "1", "-0.0", "12345678901234567890123", "\"\"", "\"a,b}\"", "\"\\\"\\\\\"", "[]", "[ ]", "{}",
    "{\"a\": [1,{\"b\":\"]\"}]}", "null", "true", "\"" LONG "\"",
};
static const char *const SPACES[] = { "", "", "", " ", "\n  ", "\t\r\n" };
static const char *const KEYS[] = { "a", "b", "", "model", "\\u0061", "\\\"", "messages" };

#define PICK(list) list[tg_rand_below(rand, sizeof list / sizeof *list)]

static void put_random_object(struct tg_buf *out, struct tg_rand *rand, uint32_t members)
{
    tg_buf_z(out, "{");
    for (uint32_t i = 0; i < members; i++) {
        tg_buf_printf(out, "%s%s\"%s\"%s:%s", i ? "," : "", PICK(SPACES), PICK(KEYS), PICK(SPACES),
                      PICK(SPACES));
        tg_buf_printf(out, "%s%s", PICK(VALUES), PICK(SPACES));
    }
    tg_buf_printf(out, "%s}", members ? "" : PICK(SPACES));
}

static void random_edits(struct tg_edit *edits, size_t n, struct tg_rand *rand)
{
    static const enum tg_edit_verb verbs[] = {
        TG_EDIT_KEEP, TG_EDIT_KEEP, TG_EDIT_REPLACE, TG_EDIT_REMOVE, TG_EDIT_REMOVE,
    };
    for (size_t i = 0; i < n; i++)
        edits[i] = (struct tg_edit){ PICK(verbs), tg_str_of(PICK(VALUES)) };
}

/* The edited text has these members and no others, each value byte for byte. */
static void check_edited(struct tg_str text, const struct object *o, const struct tg_edit *edits,
                         struct tg_str more)
{
    struct object got = object_of(text), added = { 0 };
    struct tg_buf braced = { 0 };
    size_t at = 0;

    tg_buf_printf(&braced, "{%.*s}", (int)more.len, more.at);
    added = object_of(tg_buf_view(&braced));
    for (size_t i = 0; i < o->n; i++) {
        if (edits[i].verb == TG_EDIT_REMOVE)
            continue;
        struct tg_str want = o->members[i].value.raw;
        if (edits[i].verb == TG_EDIT_REPLACE)
            want = edits[i].with;
        CHECK(at < got.n && tg_str_eq(got.members[at].key, o->members[i].key) &&
              tg_str_eq(got.members[at].value.raw, want));
        at++;
    }
    for (size_t i = 0; i < added.n; i++, at++)
        CHECK(at < got.n && tg_str_eq(got.members[at].key, added.members[i].key) &&
              tg_str_eq(got.members[at].value.raw, added.members[i].value.raw));
    CHECK_INT(got.n, at);
    tg_buf_done(&braced);
}

TEST("any object under any edits is valid JSON with exactly the members it should have")
{
    static const char *const more[] = { "", "", "\"x\":1", "\"x\" : [2],\"y\":\"\"" };
    struct tg_rand seeded = { 17 }, *rand = &seeded;

    for (int round = 0; round < 5000; round++) {
        struct tg_buf text = { 0 }, out = { 0 };
        struct tg_edit edits[MEMBERS_MAX];
        size_t count = 0;
        put_random_object(&text, rand, tg_rand_below(rand, MEMBERS_MAX - 2));
        struct object o = object_of(tg_buf_view(&text));
        struct tg_str added = tg_str_of(PICK(more));
        random_edits(edits, o.n, rand);
        put_edited(&out, &o, edits, added, &count);
        check_edited(tg_buf_view(&out), &o, edits, added);
        tg_buf_done(&text);
        tg_buf_done(&out);
    }
}

TEST_MAIN
