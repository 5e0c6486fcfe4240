#include "check.h"

#include "base/mem.h"
#include "quote.h"
#include "wire/native_splice.h"

static struct tg_json json(struct tg_str text)
{
    struct tg_json root = { 0 };
    CHECK_INT(tg_json_check(text, TG_JSON_DEPTH_MAX, &root, NULL), TG_OK);
    return root;
}

static const struct tg_member members[] = {
    { "id", { "gen-\"1\"", 7 }, .is_words = true },
    { "cost", { "0.5", 3 }, .is_added = true },
    { "more", { NULL, 0 }, .is_added = true },
};

TEST("members are set, added ones behind the last, and every other byte stays")
{
    static const struct { const char *text, *want; } rows[] = {
        { "{}", "{'cost':0.5}" },
        { " { } ", " {'cost':0.5 } " },
        { "{'a':1}", "{'a':1,'cost':0.5}" },
        { "{'a' : 9007199254740993 , 'id':'x' }  ",
          "{'a' : 9007199254740993 , 'id':'gen-\\'1\\'','cost':0.5 }  " },
        { "{'cost':{'deep':[1,2]},'id':null}", "{'cost':0.5,'id':'gen-\\'1\\''}" },
        { "{'more':[1],'a':'\\ud83d\\ude00'}", "{'more':null,'a':'\\ud83d\\ude00','cost':0.5}" },
        { "{'id':1,'a':{'id':2},'id':3}",
          "{'id':'gen-\\'1\\'','a':{'id':2},'id':'gen-\\'1\\'','cost':0.5}" },
        { "{'\\u0069d':1,'cost':1}", "{'\\u0069d':'gen-\\'1\\'','cost':0.5}" },
        { "[1]", "[1]" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_str text = qs(rows[i].text);
        struct tg_buf out = { 0 };
        struct tg_splices s;

        check_context = rows[i].text;
        tg_splices_init(&s);
        tg_splice_members(&s, json(text), members, 3);
        CHECK_INT(tg_splices_put(&s, text, &out), TG_OK);
        CHECK_STR(tg_buf_view(&out), q(rows[i].want));
        tg_buf_done(&out);
    }
}

TEST("objects inside one another are changed in any order")
{
    struct tg_str text = qs("{'a':{'b':{},'id':1},'id':2}");
    struct tg_json root = json(text), inner = tg_json_get(root, "a");
    struct tg_buf out = { 0 };
    struct tg_splices s;

    tg_splices_init(&s);
    tg_splice_members(&s, root, members, 3);
    tg_splice_members(&s, tg_json_get(inner, "b"), members, 3);
    tg_splice_members(&s, inner, members, 1);
    CHECK_INT(tg_splices_put(&s, text, &out), TG_OK);
    CHECK_STR(tg_buf_view(&out), q("{'a':{'b':{'cost':0.5},'id':'gen-\\'1\\''},"
                                   "'id':'gen-\\'1\\'','cost':0.5}"));
    tg_buf_done(&out);
}

TEST("a text of which the same member is to be changed too often is refused")
{
    struct tg_buf text = { 0 }, out = { 0 };
    struct tg_splices s;

    tg_buf_z(&text, "{\"id\":0");
    for (int i = 0; i < TG_SPLICES_MAX; i++)
        tg_buf_z(&text, ",\"id\":0");
    tg_buf_z(&text, "}");
    tg_splices_init(&s);
    tg_splice_members(&s, json(tg_buf_view(&text)), members, 1);
    CHECK_INT(tg_splices_put(&s, tg_buf_view(&text), &out), TG_ETOOBIG);
    CHECK(out.len == 0);
    tg_buf_done(&text);
    tg_buf_done(&out);
}

static tg_err put_once(void)
{
    struct tg_str text = qs("{'id':1}");
    struct tg_buf out = { 0 };
    struct tg_splices s;

    tg_splices_init(&s);
    tg_splice_members(&s, json(text), members, 3);
    tg_err err = tg_splices_put(&s, text, &out);
    tg_buf_done(&out);
    return err;
}

TEST("running out of memory is told")
{
    CHECK_EVERY_ALLOCATION(put_once());
}

TEST_MAIN
