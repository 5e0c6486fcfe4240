#include "check.h"

#include "base/mem.h"
#include "quote.h"
#include "wire/tool_calls.h"

static const struct tg_tool_setting setting = { .answer_id = { "gen-1", 5 } };

static struct tg_json json(struct tg_str text)
{
    struct tg_json root = { 0 };
    CHECK_INT(tg_json_check(text, TG_JSON_DEPTH_MAX, &root, NULL), TG_OK);
    return root;
}

/* Each line is the list of one delta; a line of `want` is what it becomes,
 * `-` for nothing. */
static void check_lists(const char *title, const char *lists, const char *want)
{
    struct tg_tool_calls calls = { 0 };
    struct tg_buf out = { 0 };
    struct tg_str line, rest = qs(lists);
    uint64_t bytes = 0;

    check_context = title;
    while (rest.len) {
        size_t from = out.len;
        tg_str_cut(rest, '\n', &line, &rest);
        CHECK_INT(tg_tool_calls_put(&calls, &setting, json(line), false, &out, &bytes), TG_OK);
        tg_buf_z(&out, out.len == from ? "-\n" : "\n");
    }
    CHECK_STR(tg_buf_view(&out), q(want));
    tg_buf_done(&out);
    tg_tool_calls_done(&calls);
    check_context = "";
}

#define CALL(index, id, name, arguments)                                                        \
    "[{'index':" index ",'id':'" id "','type':'function','function':{'name':'" name \
    "','arguments':'" arguments "'}}]"
#define MORE(index, arguments) \
    "[{'index':" index ",'function':{'arguments':'" arguments "'}}]"

TEST("a call comes with index, id, type and name once, and its arguments in pieces")
{
    check_lists("OpenAI", CALL("0", "a", "f", "") "\n" MORE("0", "{") "\n" MORE("0", "}"),
                CALL("0", "a", "f", "") "\n" MORE("0", "{") "\n" MORE("0", "}") "\n");
    check_lists("everything repeated", CALL("0", "a", "f", "{") "\n" CALL("0", "a", "f", "}"),
                CALL("0", "a", "f", "{") "\n" MORE("0", "}") "\n");
    check_lists("Alibaba: later ids and names empty",
                CALL("0", "a", "f", "") "\n" CALL("0", "", "", "{}"),
                CALL("0", "a", "f", "") "\n" MORE("0", "{}") "\n");
    check_lists("nulls", CALL("0", "a", "f", "") "\n"
                "[{'index':0,'id':null,'type':null,'function':{'name':null,'arguments':"
                "null}}]",
                CALL("0", "a", "f", "") "\n" MORE("0", "") "\n");
}

TEST("indices are 0, 1, 2 ... in the order in which calls come")
{
    check_lists("from 1", CALL("1", "a", "f", "{}") "\n" CALL("2", "b", "g", "{") "\n" MORE("2",
            "}")
                "\n" MORE("1", " "),
                CALL("0", "a", "f", "{}") "\n" CALL("1", "b", "g", "{") "\n" MORE("1", "}")
                "\n" MORE("0", " ") "\n");
    check_lists("with gaps", CALL("7", "a", "f", "{}") "\n" CALL("3", "b", "g", "{}"),
                CALL("0", "a", "f", "{}") "\n" CALL("1", "b", "g", "{}") "\n");
    check_lists("no index, whole calls",
                "[{'id':'a','function':{'name':'f','arguments':'{}'}},"
                "{'id':'b','function':{'name':'f','arguments':'{}'}}]",
                "[{'index':0,'id':'a','type':'function','function':{'name':'f',"
                "'arguments':'{}'}},{'index':1,'id':'b','type':'function',"
                "'function':"
                "{'name':'f','arguments':'{}'}}]\n");
    check_lists("no index, pieces",
                "[{'id':'a','function':{'name':'f','arguments':''}}]\n"
                "[{'function':{'arguments':'{'}}]\n[{'id':'a','function':"
                "{'arguments':'}'}}]",
                CALL("0", "a", "f", "") "\n" MORE("0", "{") "\n" MORE("0", "}") "\n");
}

TEST("a new id on a taken index is a new call")
{
    check_lists("all at 0", CALL("0", "a", "f", "{}") "\n" CALL("0", "b", "f", "{") "\n" MORE("0",
            "}"),
                CALL("0", "a", "f", "{}") "\n" CALL("1", "b", "f", "{") "\n" MORE("1", "}") "\n");
}

/* "call_" and 24 letters or digits, the same each time. */

static void take_id(struct tg_str list, char id[32])
{
    const char *from = memmem(list.at, list.len, q("'id':'"), 6);
    memset(id, 0, 32);
    if (from)
        memcpy(id, from + 6, 29);
}

TEST("a missing id is made up, the same for the same call, another for another")
{
    struct tg_tool_setting other = { .answer_id = { "gen-2", 5 } }, second = setting;
    struct tg_json list = json(qs("[{'index':0,'id':'','function':{'name':'f'}},"
                                      "{'index':1,'function':{'name':'f'}}]"));
    const struct tg_tool_setting *const settings[] = { &setting, &setting, &other, &second };
    char ids[4][32];

    second.choice = 1;
    for (int i = 0; i < 4; i++) {
        struct tg_tool_calls calls = { 0 };
        struct tg_buf out = { 0 };
        uint64_t bytes = 0;
        CHECK_INT(tg_tool_calls_put(&calls, settings[i], list, false, &out, &bytes), TG_OK);
        take_id(tg_buf_view(&out), ids[i]);
        CHECK_INT(strlen(ids[i]), 29);
        CHECK(strncmp(ids[i], "call_", 5) == 0);
        CHECK_INT(strspn(ids[i] + 5, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxy"
                                     "z"), 24);
        struct tg_str all = tg_buf_view(&out);
        CHECK(memmem(all.at + 40, all.len - 40, ids[i], 29) == NULL);     /* call 1 has another */
        tg_buf_done(&out);
        tg_tool_calls_done(&calls);
    }
    CHECK(strcmp(ids[0], ids[1]) == 0);
    CHECK(strcmp(ids[0], ids[2]) != 0 && strcmp(ids[0], ids[3]) != 0);
}

static void check_count(const char *title, const char *lists, int want)
{
    struct tg_tool_calls calls = { 0 };
    struct tg_buf out = { 0 };
    struct tg_str line, rest = qs(lists);
    uint64_t bytes = 0;

    check_context = title;
    while (rest.len) {
        tg_str_cut(rest, '\n', &line, &rest);
        CHECK_INT(tg_tool_calls_put(&calls, &setting, json(line), false, &out, &bytes), TG_OK);
    }
    CHECK_INT(calls.count, want);
    CHECK(tg_tool_calls_are_good(&calls));
    tg_buf_done(&out);
    tg_tool_calls_done(&calls);
    check_context = "";
}

TEST("where no ids are sent, another name or a second whole value is another call")
{
    check_count("two names", CALL("0", "", "f", "{}") "\n" CALL("0", "", "g", "{}"), 2);
    check_count("the same function twice", CALL("0", "", "f", "{}") "\n" CALL("0", "", "f", "{}"),
                2);
    check_count("its name with every piece", CALL("0", "", "f", "{") "\n" CALL("0", "", "f", "}"),
                1);
    check_count("its name once more at the end", CALL("0", "", "f", "{}") "\n" CALL("0", "", "f",
            ""), 1);
    check_count("nothing but names", "[{'function':{'name':'f','arguments':'{}'}}]\n"
                "[{'function':{'name':'f','arguments':'{}'}}]\n"
                "[{'function':{'arguments':' '}}]", 2);
    check_count("a late id", CALL("0", "", "f", "{") "\n" CALL("0", "a", "", "}"), 1);
}

TEST("arguments sent as an object are the text that was sent")
{
    check_lists("object", "[{'function':{'name':'f','arguments':{'n': 1.50, 'k':"
                "12345678901234567890, 's':'\\u00e9\\n'}},'id':'a'}]",
                CALL("0", "a", "f", "{\\'n\\': 1.50, \\'k\\':12345678901234567890, "
                "\\'s\\':\\'\\\\u00e9\\\\n\\'}") "\n");
}

TEST("members that are not known go on, at the call and at its function")
{
    check_lists("Gemini's signature",
                "[{'extra_content':{'google':{'thought_signature':'x=='}},'id':'a',"
                "'function':"
                "{'name':'f','arguments':'{}','strict':true}}]",
                "[{'index':0,'id':'a','type':'function','function':{'name':'f',"
                "'arguments':'{}','strict':true},'extra_content':{'google':"
                "{'thought_signature':'x=='}}}]\n");
    check_lists("a custom tool", "[{'index':0,'id':'a','custom':{'name':'f','input':"
                                 "'free'}}]",
                "[{'index':0,'id':'a','type':'custom','custom':{'name':'f',"
                "'input':"
                "'free'}}]\n");
}

TEST("tools that the provider runs itself are no calls of the client's")
{
    check_lists("blocks", "[{'type':'web_search','web_search':{'q':"
                          "'x'}}]\n[]\nnull\n{}\n[null,1,'a']",
                "-\n-\n-\n-\n-\n");
}

TEST("an empty list of missing arguments is not written, and none is told twice")
{
    struct tg_tool_calls calls = { 0 };
    struct tg_buf out = { 0 };
    uint64_t bytes = 0;

    CHECK_INT(tg_tool_calls_put_missing(&calls, &out), TG_OK);
    CHECK_INT(out.len, 0);
    CHECK_INT(tg_tool_calls_put(&calls, &setting,
                                json(qs("[{'id':'a','function':{'name':'f'}},"
                                "{'id':'b','function':{'name':'f','arguments':'{}'}},"
                                "{'id':'c','function':{'name':'f','arguments':"
                                "' '}}]")),
                                false, &out, &bytes), TG_OK);
    CHECK_INT(bytes, 3);
    tg_buf_reset(&out);
    CHECK_INT(tg_tool_calls_put_missing(&calls, &out), TG_OK);
    CHECK_STR(tg_buf_view(&out), q("[{'index':0,'function':{'arguments':'{}'}},"
                                 "{'index':2,'function':{'arguments':'{}'}}]"));
    tg_buf_reset(&out);
    CHECK_INT(tg_tool_calls_put_missing(&calls, &out), TG_OK);
    CHECK_INT(out.len, 0);
    tg_buf_done(&out);
    tg_tool_calls_done(&calls);
}

TEST("more calls than the limit are refused")
{
    struct tg_tool_calls calls = { 0 };
    struct tg_buf out = { 0 }, list = { 0 };
    uint64_t bytes = 0;

    tg_buf_char(&list, '[');
    for (int i = 0; i <= TG_TOOL_CALLS_MAX; i++)
        tg_buf_printf(&list, q("%s{'id':'%d','function':{}}"), i ? "," : "", i);
    tg_buf_char(&list, ']');
    CHECK_INT(tg_tool_calls_put(&calls, &setting, json(tg_buf_view(&list)), false, &out, &bytes),
              TG_ETOOBIG);
    CHECK_INT(calls.count, TG_TOOL_CALLS_MAX);
    tg_buf_done(&list);
    tg_buf_done(&out);
    tg_tool_calls_done(&calls);
}

static tg_err put_once(void)
{
    struct tg_tool_calls calls = { 0 };
    struct tg_buf out = { 0 };
    uint64_t bytes = 0;
    struct tg_json list = json(qs("[{'function':{'name':'f'}},{'function':{'name':"
                                      "'g'}},"
                                      "{'function':{'name':'h','arguments':{}}}]"));
    tg_err err = tg_tool_calls_put(&calls, &setting, list, false, &out, &bytes);

    if (!err)
        err = tg_tool_calls_put_missing(&calls, &out);
    tg_buf_done(&out);
    tg_tool_calls_done(&calls);
    return err;
}

TEST("being out of memory is told")
{
    CHECK_EVERY_ALLOCATION(put_once());
}

TEST_MAIN
