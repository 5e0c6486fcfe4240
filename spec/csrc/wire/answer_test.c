#include "check.h"

#include <time.h>

#include "base/mem.h"
#include "quote.h"
#include "wire/answer.h"

static const struct tg_answer_names names = {
    { "gen-1", 5 }, { "v/m", 3 }, { "Pro V", 5 }, 7
};
static const struct tg_cost cost = {
    .total = 5, .upstream = -1, .upstream_prompt = -1, .upstream_completion = -1
};

#define HEAD(object) "{'id':'gen-1','object':'" object "','created':7,'model':'v/m'," \
                     "'provider':'Pro V'"
#define CHUNK        "data: " HEAD("chat.completion.chunk")
#define USAGE        "'prompt_tokens_details':{'cached_tokens':0,'cache_write_tokens':0,"       \
                     "'audio_tokens':0,'video_tokens':0},'completion_tokens_details':"          \
                     "{'reasoning_tokens':0,'image_tokens':0,'audio_tokens':0}"

/* ---- telling stories ---- */

static struct tg_json json(const char *text)
{
    struct tg_json root = { 0 };
    tg_json_check(qs(text), TG_JSON_DEPTH_MAX, &root, NULL);
    return root;
}

static struct tg_answer *begin(void)
{
    return tg_answer_new(TG_API_CHAT, &names, (struct tg_json){ 0 });
}

static tg_err tell(struct tg_answer *a, const char *data, struct tg_buf *out)
{
    struct tg_sse_event ev = { .data = qs(data) };
    return tg_answer_event(a, &ev, out);
}

/* Each line of `events` is the data of an event. The first error ends it. */
static tg_err tell_all(struct tg_answer *a, const char *events, struct tg_buf *out)
{
    struct tg_str line, rest = qs(events);

    while (rest.len) {
        tg_str_cut(rest, '\n', &line, &rest);
        struct tg_sse_event ev = { .data = line };
        tg_err err = tg_answer_event(a, &ev, out);
        if (err)
            return err;
    }
    return TG_OK;
}

static void replace(struct tg_buf *b, const char *what, const char *with)
{
    struct tg_buf done = { 0 };
    size_t n = strlen(what);

    what = q(what);
    with = q(with);
    for (size_t i = 0; i < b->len;) {
        if (b->len - i >= n && memcmp(b->at + i, what, n) == 0) {
            tg_buf_z(&done, with);
            i += n;
        } else {
            tg_buf_char(&done, b->at[i++]);
        }
    }
    tg_buf_done(b);
    *b = done;
}

/* Frames without what all of them have: a line `0 {"content":"x"}` for each,
 * the number being the choice's index. */
static void shorten(struct tg_buf *out)
{
    replace(out, CHUNK, "");
    replace(out, "'role':'assistant',", "");
    replace(out, ",'finish_reason':null,'native_finish_reason':null", "");
    replace(out, ",'choices':[{'index':", "");
    replace(out, ",'delta':", " ");
    replace(out, "}]}\n\n", "\n");
}

/* What the events become, shortened, must be `want`. */
static void check_chunks(const char *events, const char *want)
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    check_context = events;
    CHECK_INT(tell_all(a, events, &out), TG_OK);
    shorten(&out);
    CHECK_STR(tg_buf_view(&out), q(want));
    tg_buf_done(&out);
    tg_answer_free(a);
    check_context = "";
}

#define CHOICE(members) "{'choices':[{'index':0," members "}]}"
#define DELTA(members)  CHOICE("'delta':{" members "}")
#define TEXT(text)      DELTA("'content':'" text "'")
#define FINISH(reason)  CHOICE("'delta':{},'finish_reason':'" reason "'")

/* ---- chunks ---- */

TEST("every chunk has our names, one choice, the role, content and both finish reasons")
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    CHECK_INT(tell(a, "{'id':'x','object':'','created':0,'model':'gpt','provider':'Q',"
                      "'choices':[{'index':0,'delta':{'content':'Hi'}}]}", &out), TG_OK);
    CHECK_STR(tg_buf_view(&out),
              q(CHUNK ",'choices':[{'index':0,'delta':{'role':'assistant','content':'Hi'},"
              "'finish_reason':null,'native_finish_reason':null}]}\n\n"));
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("our names are written as JSON, whatever is in them")
{
    static const struct tg_answer_names odd = { { "a\"b", 3 }, { "\\", 1 }, { "\n\xff", 2 }, 0 };
    struct tg_answer *a = tg_answer_new(TG_API_CHAT, &odd, (struct tg_json){ 0 });
    struct tg_buf out = { 0 };

    CHECK_INT(tell(a, TEXT("x"), &out), TG_OK);
    CHECK(tg_str_starts(tg_buf_view(&out),
                        q("data: {'id':'a\\'b','object':'chat.completion.chunk','created':0,"
                          "'model':'\\\\','provider':'\\n\xef\xbf\xbd'")));
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("what is not known goes on byte for byte, in its order")
{
    check_chunks("{'seed':123456789012345678901,'choices':[{'index':0,'delta':{'z' : [1, 2],"
                 "'content':'a','a':1e+02},'y':{'k':1.10},'x':true}],'b':[]}",
                 ",'seed':123456789012345678901,'b':[]"
                 "0 {'content':'a','z' : [1, 2],'a':1e+02},'y':{'k':1.10},'x':true\n");
}

TEST("names written with escapes are the same names")
{
    check_chunks("{'ch\\u006fices':[{'delta':{'c\\u006fntent':'a'}}]}", "0 {'content':'a'}\n");
}

TEST("a chunk that brings nothing is no chunk")
{
    static const char *const rows[] = {
        DELTA("'role':'assistant'"), DELTA("'role':'assistant','content':''"),
        DELTA("'content':null,'refusal':null,'tool_calls':null"), DELTA(""),
        DELTA("'reasoning':null,'reasoning_details':[]"), DELTA("'tool_calls':[]"),
        CHOICE("'delta':null"), CHOICE("'logprobs':null"),
        CHOICE("'delta':{},'content_filter_results':{}"),
        "{'choices':[],'model':'','object':'','prompt_filter_results':[{'a':1}]}",
        "{'choices':[],'usage':{'prompt_tokens':1,'completion_tokens':2}}",
        "{'choices':[],'usage':null,'obfuscation':'abc','p':'abc'}",
        "{'choices':[{'delta':{'content':''}}],'x_groq':{'id':'req'}}",
        "{'type':'ping'}", "{}", "{'error':null}", "{'choices':null}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_chunks(rows[i], "");
}

TEST("a chunk without content goes on when it says something else")
{
    check_chunks("{'object':'chat.completion.chunk','choices':[],'citations':['u']}",
                 ",'citations':['u']0 {'content':''}\n");
    check_chunks(CHOICE("'delta':{},'logprobs':{'content':[]}"),
                 "0 {'content':''},'logprobs':{'content':[]}\n");
    check_chunks(DELTA("'annotations':[{'type':'url_citation'}]"),
                 "0 {'content':'','annotations':[{'type':'url_citation'}]}\n");
    check_chunks(DELTA("'audio':{'data':'AA'}"),
                 "0 {'content':'','audio':{'data':'AA'}}\n");
}

TEST("system_fingerprint goes on unless it is null, and service_tier too")
{
    check_chunks("{'system_fingerprint':null,'service_tier':null,'choices':[{'delta':"
                 "{'content':'a'}}]}", "0 {'content':'a'}\n");
    check_chunks("{'system_fingerprint':'fp','service_tier':'flex','choices':[{'delta':"
                 "{'content':'a'}}]}",
                 ",'system_fingerprint':'fp','service_tier':'flex'0 {'content':'a'}\n");
}

TEST("what belongs to our own account at a provider stays here")
{
    check_chunks("{'user_id':'u','openrouter_metadata':{'a':1},'choices':[{'delta':"
                 "{'content':'a'}}]}", "0 {'content':'a'}\n");
}

TEST("every choice of an event gets a chunk of its own")
{
    check_chunks("{'seed':1,'choices':[{'index':1,'delta':{'content':'b'}},{'index':0,"
                 "'delta':{}},{'delta':{'content':'c'}}]}",
                 ",'seed':11 {'content':'b'}\n2 {'content':'c'}\n");
}

TEST("line ends inside an event do not break the frame")
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    CHECK_INT(tell(a, "{\n'x':[1,\n2],'choices':[{'delta':{'content':'a\\nb',\n'y':{\n}}}]\n}",
                   &out), TG_OK);
    CHECK(!memchr(out.at, '\n', out.len - 2));
    CHECK(strstr(tg_buf_cstr(&out), q("'x':[1, 2]")));
    CHECK(strstr(tg_buf_cstr(&out), q("a\\nb")));
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("a message beside a delta, or after deltas, only repeats them")
{
    check_chunks(CHOICE("'message':{'content':'a'},'delta':{'content':'a'}") "\n"
                 CHOICE("'message':{'content':'ab'},'delta':{'content':'b'}") "\n"
                 CHOICE("'message':{'content':'ab'}"),
                 "0 {'content':'a'}\n0 {'content':'b'}\n");
    check_chunks(CHOICE("'message':{'role':'assistant','content':'all'}"),
                 "0 {'content':'all'}\n");
}

TEST("more choices than the limit are refused, quickly, and leave no frame behind")
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 }, event = { 0 };
    struct timespec from, to;

    tg_buf_z(&event, q("{'choices':[{'index':0,'delta':{'content':'x'}}"));
    for (int i = 0; i < 100000; i++)
        tg_buf_z(&event, q(",{'index':0,'delta':{'content':'x'}}"));
    tg_buf_z(&event, "]}");
    clock_gettime(CLOCK_MONOTONIC, &from);
    struct tg_sse_event ev = { .data = tg_buf_view(&event) };
    CHECK_INT(tg_answer_event(a, &ev, &out), TG_ETOOBIG);
    clock_gettime(CLOCK_MONOTONIC, &to);
    CHECK_INT(out.len, 0);
    CHECK(to.tv_sec - from.tv_sec < 2);
    CHECK_INT(tell(a, "{'choices':[{'index':16,'delta':{'content':'x'}}]}", &out), TG_ETOOBIG);
    CHECK_INT(tell(a, "{'choices':[{'index':15,'delta':{'content':'x'}}]}", &out), TG_OK);
    tg_buf_done(&event);
    tg_buf_done(&out);
    tg_answer_free(a);
}

/* ---- reasoning and content ---- */

TEST("reasoning comes as `reasoning`, whichever field held it")
{
    check_chunks(DELTA("'reasoning':'r'"), "0 {'content':'','reasoning':'r'}\n");
    check_chunks(DELTA("'content':null,'reasoning_content':'r'"),
                 "0 {'content':'','reasoning':'r','reasoning_content':'r'}\n");
    check_chunks(DELTA("'thinking':'r'"),
                 "0 {'content':'','reasoning':'r','thinking':'r'}\n");
    check_chunks(DELTA("'content':'c','reasoning_content':'','reasoning':null"),
                 "0 {'content':'c'}\n");
}

TEST("reasoning that is told in details alone is text too")
{
    check_chunks(DELTA("'reasoning_details':[{'type':'reasoning.text','text':'a'},{'text':'b'}]"),
                 "0 {'content':'','reasoning':'ab','reasoning_details':"
                 "[{'type':'reasoning.text','text':'a'},{'text':'b'}]}\n");
    check_chunks(DELTA("'reasoning':'a','reasoning_details':[{'text':'a'}]"),
                 "0 {'content':'','reasoning':'a','reasoning_details':[{'text':'a'}]}\n");
}

TEST("reasoning told in two fields comes once")
{
    check_chunks(DELTA("'reasoning':'r','reasoning_content':'r'"),
                 "0 {'content':'','reasoning':'r','reasoning_content':'r'}\n");
}

TEST("reasoning details go on verbatim")
{
    check_chunks(DELTA("'content':'','reasoning_details':[{'type':'reasoning.encrypted',"
                       "'data':'x=' }]"),
                 "0 {'content':'','reasoning_details':[{'type':'reasoning.encrypted',"
                 "'data':'x=' }]}\n");
}

TEST("content in parts becomes a string, and thinking among them reasoning")
{
    check_chunks(DELTA("'content':[{'type':'thinking','thinking':[{'type':'text','text':"
                       "'a\\n'},{'type':'text','text':'b'}]},{'type':'text','text':'c'},"
                       "'d']"),
                 "0 {'content':'cd','reasoning':'a\\nb'}\n");
    check_chunks(DELTA("'content':[{'type':'text','text':'c'},{'type':'reference',"
                       "'reference_ids':[1]}]"),
                 "0 {'content':'c','content_parts':[{'type':'text','text':'c'},"
                 "{'type':'reference','reference_ids':[1]}]}\n");
}

TEST("refusals are content, and null is none")
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    check_chunks(DELTA("'refusal':'no'"), "0 {'content':'','refusal':'no'}\n");
    CHECK_INT(tell(a, DELTA("'refusal':'no'"), &out), TG_OK);
    CHECK(tg_answer_facts(a)->has_content);
    tg_buf_done(&out);
    tg_answer_free(a);
}

/* ---- the same, quickly ---- */

TEST("events that differ in their text alone come out the same as if each were the first")
{
    static const char *const shapes[] = {
        "{'id':'c','choices':[{'delta':{'content':'%s'},'index':0,'logprobs':null}]}",
        "{'p':'%s','seed':1,'choices':[{'delta':{'content':'%s'}}],'usage':null}",
        "{'choices':[{'delta':{'content':'%s'}}],'system_fingerprint':'f',"
        "'obfuscation':'%s'}",
    };
    static const char *const texts[] = {
        "a", "b c", "\\'", "\\\\", "\\\\\\'", "\\u00e9", "\xc3\xa9", "", "x\\n", "}]}",
        "\\ud83d\\ude00",
    };
    enum { TEXTS = sizeof texts / sizeof *texts };

    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct tg_answer *a = begin();
        for (size_t i = 0; i < 3 * TEXTS; i++) {
            char event[300];
            struct tg_buf out = { 0 }, fresh = { 0 };
            struct tg_answer *b = begin();
            snprintf(event, sizeof event, shapes[s], texts[i * 5 % TEXTS], texts[i * 5 % TEXTS]);
            check_context = event;
            CHECK_INT(tell(a, event, &out), TG_OK);
            CHECK_INT(tell(b, event, &fresh), TG_OK);
            CHECK_STR(tg_buf_view(&out), fresh.len ? tg_buf_cstr(&fresh) : "");
            tg_buf_done(&out);
            tg_buf_done(&fresh);
            tg_answer_free(b);
        }
        tg_answer_free(a);
    }
}

TEST("text that is not valid is refused also where the rest of the event was seen before")
{
    static const char *const bad[] = { "\xff", "\\x", "\\u12", "\x01", "a\\", "a'b" };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tg_answer *a = begin();
        struct tg_buf out = { 0 };
        char event[200];
        CHECK_INT(tell_all(a, TEXT("a") "\n" TEXT("b") "\n" TEXT("c"), &out), TG_OK);
        size_t len = out.len;
        snprintf(event, sizeof event, "{'choices':[{'index':0,'delta':{'content':'%s'}}]}", bad[i]);
        CHECK_INT(tell(a, event, &out), TG_EINVAL);
        CHECK_INT(out.len, len);
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

TEST("content is counted, however it is read")
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    CHECK_INT(tell_all(a, TEXT("ab") "\n" TEXT("cde") "\n" TEXT("f") "\n" TEXT("") "\n"
                       DELTA("'reasoning':'gh'") "\n" DELTA("'role':'assistant'"), &out), TG_OK);
    CHECK_INT(tg_answer_facts(a)->content_events, 4);
    CHECK_INT(tg_answer_facts(a)->content_bytes, 8);
    tg_buf_done(&out);
    tg_answer_free(a);
}

/* ---- the end of a stream ---- */

/* Tell, settle, finish; the whole text must be `want` after shortening. */
static void check_ending(const char *events, const char *want)
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    check_context = events;
    CHECK_INT(tell_all(a, events, &out), TG_OK);
    CHECK(tg_answer_settle(a));
    CHECK_INT(tg_answer_finish(a, NULL, TG_STR(""), &out), TG_OK);
    shorten(&out);
    replace(&out, USAGE, "...");
    CHECK_STR(tg_buf_view(&out), q(want));
    tg_buf_done(&out);
    tg_answer_free(a);
    check_context = "";
}

#define END(finish, native, usage)                                                              \
    "0 {'content':''},'finish_reason':'" finish "','native_finish_reason':" native "\n" \
    "0 {'content':''},'finish_reason':'" finish "','native_finish_reason':" native      \
    "}],'usage':{" usage "...}}\n\ndata: [DONE]\n\n"
#define NO_USAGE "'prompt_tokens':0,'completion_tokens':0,'total_tokens':0,"

TEST("the end is a finish chunk, a usage chunk that repeats it, and [DONE]")
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    CHECK_INT(tell_all(a, TEXT("a") "\n"
                       "{'service_tier':'flex','choices':[{'delta':{},'finish_reason':'end_turn'}]}"
                       "\n{'choices':[],'usage':{'prompt_tokens':3,'completion_tokens':4,'x':1}}\n"
                       "[DONE]", &out), TG_OK);
    tg_buf_reset(&out);
    CHECK(tg_answer_settle(a));
    CHECK_STR(tg_answer_finish_reason(a), "stop");
    CHECK_STR(tg_answer_native_reason(a), "end_turn");
    CHECK_INT(tg_answer_finish(a, &cost, qs("{'attempt':\n1}"), &out), TG_OK);
    CHECK_STR(tg_buf_view(&out),
              q(CHUNK ",'choices':[{'index':0,'delta':{'role':'assistant','content':''},"
              "'finish_reason':'stop','native_finish_reason':'end_turn'}]}\n\n"
              CHUNK ",'choices':[{'index':0,'delta':{'role':'assistant','content':''},"
              "'finish_reason':'stop','native_finish_reason':'end_turn'}],"
              "'service_tier':'flex',"
              "'usage':{'prompt_tokens':3,'completion_tokens':4,'total_tokens':7,"
              "'cost':0.000000005,'is_byok':false," USAGE ",'x':1},"
              "'openrouter_metadata':{'attempt': 1}}\n\n"
              "data: [DONE]\n\n"));
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("content after the finish reason comes before the finish chunk")
{
    check_ending(CHOICE("'delta':{'content':'a'},'finish_reason':'length'") "\n" TEXT("b"),
                 "0 {'content':'a'}\n0 {'content':'b'}\n" END("length", "'length'", NO_USAGE));
}

TEST("a finish reason told twice comes out once, and a late stop takes nothing back")
{
    check_ending(TEXT("a") "\n" FINISH("length") "\n" FINISH("length"),
                 "0 {'content':'a'}\n" END("length", "'length'", NO_USAGE));
    check_ending(TEXT("a") "\n" FINISH("length") "\n" FINISH("stop"),
                 "0 {'content':'a'}\n" END("length", "'length'", NO_USAGE));
}

TEST("the empty string and null are no finish reasons")
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    CHECK_INT(tell_all(a, TEXT("a") "\n" FINISH("") "\n"
                       CHOICE("'delta':{},'finish_reason':null"), &out), TG_OK);
    CHECK(!tg_answer_facts(a)->has_finish);
    CHECK(!tg_answer_settle(a));
    CHECK_INT(tg_answer_finish_reason(a).len, 0);
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("a stop beside tool calls is tool_calls, and the provider's word is kept")
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    CHECK_INT(tell_all(a, DELTA("'tool_calls':[{'id':'a','function':{'name':'f','arguments':"
                                "'{}'}}]") "\n" FINISH("STOP"), &out), TG_OK);
    CHECK(tg_answer_settle(a) && tg_answer_facts(a)->has_tools);
    CHECK_STR(tg_answer_finish_reason(a), "tool_calls");
    CHECK_STR(tg_answer_native_reason(a), "STOP");
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("a gateway's native reason goes on, and is believed where it tells of something worse")
{
    static const struct {
        const char *event, *finish, *native;
        tg_err err;
    } rows[] = {
        { CHOICE("'delta':{'content':'a'},'finish_reason':'stop','native_finish_reason':"
                 "'end_turn'"), "stop", "end_turn", TG_OK },
        { CHOICE("'delta':{'content':'a'},'finish_reason':'stop','native_finish_reason':"
                 "null"), "stop", "stop", TG_OK },
        { CHOICE("'delta':{'content':'a'},'finish_reason':'stop','native_finish_reason':"
                 "'SAFETY'"), "content_filter", "SAFETY", TG_OK },
        { CHOICE("'delta':{'content':'a'},'finish_reason':'stop','native_finish_reason':"
                 "'MALFORMED_FUNCTION_CALL'"), "error", "MALFORMED_FUNCTION_CALL", TG_EPEER },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_answer *a = begin();
        struct tg_buf out = { 0 };
        CHECK_INT(tell(a, rows[i].event, &out), rows[i].err);
        CHECK(tg_answer_facts(a)->has_finish == !rows[i].err);
        CHECK_STR(tg_answer_finish_reason(a), rows[i].finish);
        CHECK_STR(tg_answer_native_reason(a), rows[i].native);
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

TEST("several choices end one by one, and usage comes once")
{
    check_ending("{'choices':[{'index':0,'delta':{'content':'a'}},{'index':1,'delta':"
                 "{'content':'b'},'finish_reason':'length'}]}\n" FINISH("stop"),
                 "0 {'content':'a'}\n1 {'content':'b'}\n"
                 "0 {'content':''},'finish_reason':'stop','native_finish_reason':'stop'\n"
                 "1 {'content':''},'finish_reason':'length','native_finish_reason':'length'\n"
                 "0 {'content':''},'finish_reason':'stop','native_finish_reason':'stop'}],"
                 "'usage':{" NO_USAGE "...}}\n\ndata: [DONE]\n\n");
}

TEST("what is whole and what is not")
{
    static const struct {
        const char *title, *events;
        bool is_whole;
        const char *finish;
    } rows[] = {
        { "finish reason, then [DONE]", TEXT("a") "\n" FINISH("stop") "\n[DONE]", true, "stop" },
        { "finish reason, then the end", TEXT("a") "\n" FINISH("stop"), true, "stop" },
        { "an empty stop", FINISH("stop") "\n[DONE]", true, "stop" },
        { "nothing", "", false, "" },
        { "text, then the end", TEXT("a"), false, "" },
        { "text, then [DONE]", TEXT("a") "\n[DONE]", true, "stop" },
        { "text, then [DONE] with white space", TEXT("a") "\n [DONE]  ", true, "stop" },
        { "nothing, then [DONE]", "[DONE]", false, "" },
        { "a role, then [DONE]", DELTA("'role':'assistant'") "\n[DONE]", false, "" },
        { "reasoning, then [DONE]", DELTA("'reasoning':'r'") "\n[DONE]", true, "stop" },
        { "a tool call, then [DONE]", DELTA("'tool_calls':[{'id':'a','function':{'name':"
          "'f'}}]") "\n[DONE]", true, "tool_calls" },
        { "usage is no end", TEXT("a") "\n{'choices':[],'usage':{'total_tokens':3}}", false, "" },
        { "a provider's own last object", TEXT("a") "\n{'object':'chat.completion.done',"
          "'choices':[{'delta':{}}]}", true, "stop" },
        { "one of two choices ended", "{'choices':[{'index':0,'delta':{'content':'a'},"
          "'finish_reason':'stop'},{'index':1,'delta':{'content':'b'}}]}", false, "stop" },
        { "one of two, then [DONE]", "{'choices':[{'index':0,'delta':{'content':'a'},"
          "'finish_reason':'length'},{'index':1,'delta':{'content':'b'}}]}\n[DONE]",
          true, "length" },
        { "an unknown word with content", TEXT("a") "\n" FINISH("satisfied"), true, "stop" },
        { "an unknown word and nothing else", FINISH("satisfied"), false, "error" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_answer *a = begin();
        struct tg_buf out = { 0 };
        check_context = rows[i].title;
        CHECK_INT(tell_all(a, rows[i].events, &out), TG_OK);
        CHECK(tg_answer_settle(a) == rows[i].is_whole);
        CHECK_STR(tg_answer_finish_reason(a), rows[i].finish);
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

TEST("after the terminal everything is ignored")
{
    check_ending(TEXT("a") "\n" FINISH("stop") "\n[DONE]\n" TEXT("b") "\nnot json\n"
                 "{'error':{'message':'late'}}",
                 "0 {'content':'a'}\n" END("stop", "'stop'", NO_USAGE));
}

TEST("a broken stream ends with the error, an error finish, and no [DONE]")
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    CHECK_INT(tell(a, TEXT("a"), &out), TG_OK);
    tg_buf_reset(&out);
    CHECK_INT(tg_answer_fail(a, qs("{'code':502,\n'message':'m'}"), TG_STR("{}"), &out), TG_OK);
    CHECK_STR(tg_buf_view(&out),
              q(CHUNK ",'choices':[{'index':0,'delta':{'role':'assistant','content':''},"
              "'finish_reason':'error','native_finish_reason':null}],"
              "'error':{'code':502, 'message':'m'},'openrouter_metadata':{}}\n\n"));
    tg_buf_done(&out);
    tg_answer_free(a);
}

/* ---- usage ---- */

TEST("usage is found wherever a stream has it, and the last of each count wins")
{
    static const struct {
        const char *title, *events;
        int64_t prompt, completion;
    } rows[] = {
        { "a chunk without choices", "{'choices':[],'usage':{'prompt_tokens':3,"
          "'completion_tokens':4}}", 3, 4 },
        { "the finish chunk", "{'choices':[{'delta':{},'finish_reason':'stop'}],'usage':"
          "{'prompt_tokens':3,'completion_tokens':4}}", 3, 4 },
        { "every chunk", "{'choices':[],'usage':{'prompt_tokens':3,'completion_tokens':1}}\n"
          "{'choices':[],'usage':{'prompt_tokens':3,'completion_tokens':2}}\n"
          "{'choices':[],'usage':null}", 3, 2 },
        { "x_groq", "{'choices':[],'x_groq':{'usage':{'prompt_tokens':3,"
          "'completion_tokens':4}}}", 3, 4 },
        { "inside the choice", "{'choices':[{'delta':{},'usage':{'prompt_tokens':3,"
          "'completion_tokens':4}}]}", 3, 4 },
        { "zeros first", "{'choices':[],'usage':{'prompt_tokens':0,'completion_tokens':0}}\n"
          "{'choices':[],'usage':{'prompt_tokens':3,'completion_tokens':4}}", 3, 4 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_answer *a = begin();
        struct tg_buf out = { 0 };
        check_context = rows[i].title;
        CHECK_INT(tell_all(a, rows[i].events, &out), TG_OK);
        CHECK_INT(out.len, 0);
        CHECK_INT(tg_answer_facts(a)->usage.prompt, rows[i].prompt);
        CHECK_INT(tg_answer_facts(a)->usage.completion, rows[i].completion);
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

TEST("usage completed by whoever prices it is what the ending tells")
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    CHECK_INT(tell_all(a, TEXT("a") "\n" FINISH("stop"), &out), TG_OK);
    CHECK(tg_answer_settle(a));
    tg_answer_usage(a)->prompt = 5;
    tg_answer_usage(a)->completion = 1;
    tg_answer_usage(a)->total = 6;
    CHECK_INT(tg_answer_finish(a, &cost, TG_STR(""), &out), TG_OK);
    CHECK(strstr(tg_buf_cstr(&out),
                 q("'usage':{'prompt_tokens':5,'completion_tokens':1,'total_tokens':6,")));
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("a charge beside the usage is read and goes on")
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    CHECK_INT(tell(a, "{'cost':{'usd':0.5},'choices':[{'delta':{'content':'a'}}]}", &out), TG_OK);
    CHECK_INT(tg_answer_facts(a)->usage.cost_nano, 500000000);
    CHECK(strstr(tg_buf_cstr(&out), q(",'cost':{'usd':0.5},")));
    tg_buf_done(&out);
    tg_answer_free(a);
}

/* ---- errors in a stream ---- */

TEST("an error inside a stream is told in the provider's words")
{
    static const struct {
        const char *title, *name, *data;
        tg_err err;
        int status;
        const char *message, *code;
    } rows[] = {
        { "alone", "", "{'error':{'code':502,'message':'down'},'user_id':'u'}",
          TG_EPEER, 502, "down", "502" },
        { "beside choices", "", "{'error':{'code':400,'message':'Token limit reached'},"
          "'choices':[{'delta':{'content':''},'finish_reason':null}]}",
          TG_EPEER, 400, "Token limit reached", "400" },
        { "inside the choice", "", "{'choices':[{'delta':{},'finish_reason':'error','error':"
          "{'code':429,'message':'slow'}}]}", TG_EPEER, 429, "slow", "429" },
        { "a string", "", "{'error':'too bad'}", TG_EPEER, 0, "too bad", "" },
        { "Groq", "error", "{'error':{'message':'m','type':'invalid_request_error','code':"
          "'tool_use_failed','status_code':400}}", TG_EPEER, 400, "m", "tool_use_failed" },
        { "an error event with an object of its own", "error", "{'type':'overloaded','message':"
          "'m'}", TG_EPEER, 0, "m", "overloaded" },
        { "Groq, stopped early", "", "{'choices':[],'x_groq':{'id':'r','error':'out of capacity'}}",
          TG_EPEER, 0, "out of capacity", "" },
        { "an error event in plain words", "error", "no more", TG_EPEER, 0, "no more", "" },
        { "Anthropic", "", "{'type':'error','error':{'type':'overloaded_error','message':"
          "'Overloaded'}}", TG_EPEER, 0, "Overloaded", "overloaded_error" },
        { "Mistral", "", "{'object':'error','message':'m','type':'t','code':'3051'}",
          TG_EPEER, 0, "m", "t" },
        { "an abnormal end", "", FINISH("network_error"), TG_EPEER, 502,
          "The provider broke the answer off: network_error", "network_error" },
        { "not JSON", "", "<html>", TG_EINVAL, 0, NULL, NULL },
        { "JSON cut off", "", "{'choices':[{'delta':{'content':'a'}", TG_EINVAL, 0, NULL, NULL },
        { "not an object", "", "[1]", TG_EINVAL, 0, NULL, NULL },
        { "a number", "", "17", TG_EINVAL, 0, NULL, NULL },
        { "too deep", "", NULL, TG_EINVAL, 0, NULL, NULL },
    };
    char deep[1400];

    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_answer *a = begin();
        struct tg_buf out = { 0 };
        struct tg_sse_event ev = { .name = tg_str_of(rows[i].name),
                                   .data = rows[i].data ? qs(rows[i].data) : tg_str_of(deep) };
        check_context = rows[i].title;
        CHECK_INT(tg_answer_event(a, &ev, &out), rows[i].err);
        CHECK_INT(out.len, 0);
        CHECK(tg_answer_facts(a)->has_error == (rows[i].err == TG_EPEER));
        CHECK(!tg_answer_facts(a)->has_finish && !tg_answer_facts(a)->has_content);
        CHECK(!tg_answer_settle(a));
        if (rows[i].err == TG_EPEER) {
            CHECK_INT(tg_answer_told(a)->status, rows[i].status);
            CHECK_STR(tg_buf_view(&tg_answer_told(a)->message), rows[i].message);
            CHECK_STR(tg_buf_view(&tg_answer_told(a)->code), rows[i].code);
        }
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

TEST("what an event brought beside its error is delivered")
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    CHECK_INT(tell(a, "{'choices':[{'delta':{'content':'last'}}],'error':{'message':'m'},"
                      "'usage':{'prompt_tokens':1,'completion_tokens':2}}", &out), TG_EPEER);
    shorten(&out);
    CHECK_STR(tg_buf_view(&out), q("0 {'content':'last'}\n"));
    CHECK_INT(tg_answer_facts(a)->usage.completion, 2);
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("comments and empty events say nothing")
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };
    struct tg_sse_event comment = { .data = TG_STR("OPENROUTER PROCESSING"), .is_comment = true };

    CHECK_INT(tg_answer_event(a, &comment, &out), TG_OK);
    CHECK_INT(tell(a, " ", &out), TG_OK);
    CHECK_INT(out.len, 0);
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("a restarted answer keeps nothing of the failed one")
{
    static const struct tg_answer_names others = { { "gen-2", 5 }, { "w", 1 }, { "Q", 1 }, 8 };
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    CHECK_INT(tell_all(a, TEXT("a") "\n" TEXT("b") "\n" DELTA("'tool_calls':[{'function':{}}]") "\n"
                       "{'error':'e','usage':{'total_tokens':3,'cost':1}}", &out), TG_EPEER);
    tg_answer_restart(a, &others);
    tg_buf_reset(&out);
    CHECK(!tg_answer_facts(a)->has_error && !tg_answer_facts(a)->has_content);
    CHECK(!tg_answer_facts(a)->has_tools && !tg_answer_facts(a)->usage.seen);
    CHECK_INT(tg_answer_facts(a)->usage.cost_nano, -1);
    CHECK_INT(tell_all(a, TEXT("a") "\n" FINISH("stop"), &out), TG_OK);
    CHECK(strstr(tg_buf_cstr(&out), q("data: {'id':'gen-2','object':'chat.completion.chunk',"
                                    "'created':8,'model':'w','provider':'Q'")));
    CHECK(tg_answer_settle(a));
    CHECK_STR(tg_answer_finish_reason(a), "stop");
    tg_buf_done(&out);
    tg_answer_free(a);
}

/* ---- tool calls, seen from outside ---- */

TEST("offered names and whole arguments make good calls, anything else bad ones")
{
    static const char tools[] = "[{'type':'function','function':{'name':'f'}},"
                                "{'type':'web_search','name':'g'}]";
    static const struct {
        const char *title, *calls;
        bool is_bad;
    } rows[] = {
        { "good", "{'index':0,'function':{'name':'f','arguments':'{\\'a\\':1}'}}", false },
        { "no arguments", "{'index':0,'function':{'name':'f','arguments':''}}", false },
        { "a tool without a function", "{'index':0,'function':{'name':'g'}}", false },
        { "broken off", "{'index':0,'function':{'name':'f','arguments':'{\\'a\\':'}}", true },
        { "words", "{'index':0,'function':{'name':'f','arguments':'well'}}", true },
        { "unknown name", "{'index':0,'function':{'name':'h','arguments':'{}'}}", true },
        { "no name", "{'index':0,'function':{'arguments':'{}'}}", true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_answer *a = tg_answer_new(TG_API_CHAT, &names, json(tools));
        struct tg_buf out = { 0 };
        char event[300];
        check_context = rows[i].title;
        snprintf(event, sizeof event, "{'choices':[{'delta':{'tool_calls':[%s]},'finish_reason':"
                                      "'tool_calls'}]}", rows[i].calls);
        CHECK_INT(tell(a, event, &out), TG_OK);
        CHECK(tg_answer_settle(a));
        CHECK(tg_answer_facts(a)->has_bad_tools == rows[i].is_bad);
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

TEST("a call that got no arguments gets an empty object, unless it was cut short")
{
    check_ending(DELTA("'tool_calls':[{'id':'a','function':{'name':'f','arguments':null}}]")
                 "\n" FINISH("tool_calls"),
                 "0 {'content':'','tool_calls':[{'index':0,'id':'a','type':'function',"
                 "'function':{'name':'f','arguments':''}}]}\n"
                 "0 {'content':'','tool_calls':[{'index':0,'function':{'arguments':'{}'}}]}\n"
                 END("tool_calls", "'tool_calls'", NO_USAGE));
    check_ending(DELTA("'tool_calls':[{'id':'a','function':{'name':'f','arguments':null}}]")
                 "\n" FINISH("length"),
                 "0 {'content':'','tool_calls':[{'index':0,'id':'a','type':'function',"
                 "'function':{'name':'f','arguments':''}}]}\n"
                 END("length", "'length'", NO_USAGE));
}

TEST("the call of before there were tools goes on as it came")
{
    check_ending(DELTA("'function_call':{'name':'f','arguments':'{}'}") "\n"
                 FINISH("function_call"),
                 "0 {'content':'','function_call':{'name':'f','arguments':'{}'}}\n"
                 END("tool_calls", "'function_call'", NO_USAGE));
}

/* ---- whole ---- */

static void check_whole(enum tg_api api, const char *body, const char *want)
{
    struct tg_answer *a = tg_answer_new(api, &names, (struct tg_json){ 0 });
    struct tg_buf out = { 0 };

    check_context = body;
    CHECK_INT(tg_answer_read(a, qs(body)), TG_OK);
    CHECK_INT(tg_answer_write(a, qs(body), &cost, TG_STR(""), &out), TG_OK);
    replace(&out, USAGE, "...");
    CHECK_STR(tg_buf_view(&out), q(want));
    tg_buf_done(&out);
    tg_answer_free(a);
    check_context = "";
}

#define WHOLE     HEAD("chat.completion") ",'system_fingerprint':null,'service_tier':null," \
                  "'choices':["
#define STOP      "'finish_reason':'stop','native_finish_reason':'stop'"
#define NO_TOKENS ",'usage':{'prompt_tokens':0,'completion_tokens':0,'total_tokens':0," \
                  "'cost':0.000000005,'is_byok':false,...}}"

TEST("a whole answer has every member that the contract has")
{
    check_whole(TG_API_CHAT, " {'choices':[{'message':{'content':'Hi'},'finish_reason':'stop'}]}\n",
                WHOLE "{'index':0,'logprobs':null," STOP ",'message':{'role':'assistant',"
                "'content':'Hi','refusal':null,'reasoning':null}}]" NO_TOKENS);
}

TEST("a whole answer keeps what is not known, and content that is null")
{
    check_whole(TG_API_CHAT,
                "{'id':'x','system_fingerprint':'fp','service_tier':'flex','timings':{'a': 1},"
                "'choices':[{'index':0,'delta':{'content':''},'message':{'content':null,"
                "'tool_calls':null,'refusal':'no','name':null,'audio':null,'new':[ ]},"
                "'logprobs':{'content':[]},'finish_reason':'stop','seed':1}]}",
                HEAD("chat.completion") ",'system_fingerprint':'fp','service_tier':'flex',"
                "'choices':[{'index':0,'logprobs':{'content':[]}," STOP ",'message':"
                "{'role':'assistant','content':null,'refusal':'no','reasoning':null,"
                "'new':[ ]},'seed':1}],'timings':{'a': 1}" NO_TOKENS);
}

TEST("whole tool calls get index, type, id and arguments as text")
{
    check_whole(TG_API_CHAT,
                "{'choices':[{'message':{'content':'','tool_calls':[{'id':'a','function':"
                "{'name':'f','arguments':{'n': 12345678901234567890}}},{'id':'b','type':"
                "'function','function':{'name':'f'}}]},'finish_reason':'stop'}]}",
                WHOLE "{'index':0,'logprobs':null,'finish_reason':'tool_calls',"
                "'native_finish_reason':'stop','message':{'role':'assistant','content':'',"
                "'refusal':null,'reasoning':null,'tool_calls':[{'index':0,'id':'a','type':"
                "'function','function':{'name':'f','arguments':"
                "'{\\'n\\': 12345678901234567890}'}},{'index':1,'id':'b','type':'function',"
                "'function':{'name':'f','arguments':'{}'}}]}}]" NO_TOKENS);
}

TEST("content that is an object is the text of that object")
{
    check_whole(TG_API_CHAT, "{'choices':[{'message':{'content':{'a': 'b'}},'finish_reason':"
                             "'stop'}]}",
                WHOLE "{'index':0,'logprobs':null," STOP ",'message':{'role':'assistant',"
                "'content':'{\\'a\\': \\'b\\'}','refusal':null,'reasoning':null}}]" NO_TOKENS);
}

TEST("a content filter may leave no message at all")
{
    check_whole(TG_API_CHAT, "{'choices':[{'finish_reason':'content_filter'}]}",
                WHOLE "{'index':0,'logprobs':null,'finish_reason':'content_filter',"
                "'native_finish_reason':'content_filter','message':{'role':'assistant',"
                "'content':null,'refusal':null,'reasoning':null}}]" NO_TOKENS);
}

TEST("a whole answer that does not say how it ended, but brought something, ended with a stop")
{
    check_whole(TG_API_CHAT, "{'choices':[{'message':{'content':'a'},'finish_reason':null}]}",
                WHOLE "{'index':0,'logprobs':null,'finish_reason':'stop',"
                "'native_finish_reason':null,'message':{'role':'assistant','content':'a',"
                "'refusal':null,'reasoning':null}}]" NO_TOKENS);
}

TEST("completions have text and the same names")
{
    check_whole(TG_API_COMPLETIONS, "{'object':'text_completion','choices':[{'text':'a','index':0,"
                                    "'logprobs':null,'finish_reason':'length','s':1}]}",
                HEAD("text_completion") ",'system_fingerprint':null,'service_tier':null,'choices':["
                "{'index':0,'logprobs':null,'finish_reason':'length','native_finish_reason':"
                "'length','text':'a','s':1}]" NO_TOKENS);
}

TEST("completions stream text, choice by choice, and end as chats do")
{
    struct tg_answer *a = tg_answer_new(TG_API_COMPLETIONS, &names, (struct tg_json){ 0 });
    struct tg_buf out = { 0 };

    CHECK_INT(tell_all(a, "{'id':'c','object':'text_completion','choices':[{'text':'a','index':0,"
                          "'logprobs':null,'finish_reason':null,'stop_reason':null}]}\n"
                          "{'choices':[{'text':'','index':0}]}\n"
                          "{'choices':[{'text':'b','index':0,'finish_reason':'length'}]}\n"
                          "{'choices':[],'usage':{'prompt_tokens':1,'completion_tokens':2}}\n"
                          "[DONE]", &out), TG_OK);
    CHECK(tg_answer_settle(a));
    CHECK_INT(tg_answer_finish(a, NULL, TG_STR(""), &out), TG_OK);
    replace(&out, "data: " HEAD("text_completion") ",'choices':[{'index':", "");
    replace(&out, "'finish_reason':null,'native_finish_reason':null", "-");
    replace(&out, "'finish_reason':'length','native_finish_reason':'length'", "length");
    replace(&out, USAGE, "...");
    CHECK_STR(tg_buf_view(&out),
              q("0,'text':'a',-,'stop_reason':null}]}\n\n0,'text':'b',-}]}\n\n"
                "0,'text':'',length}]}\n\n0,'text':'',length}],'usage':{'prompt_tokens':1,'completion_tokens':2,"
                "'total_tokens':3,...}}\n\ndata: [DONE]\n\n"));
    CHECK_INT(tg_answer_facts(a)->content_events, 2);
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("embeddings are never a stream")
{
    struct tg_answer *a = tg_answer_new(TG_API_EMBEDDINGS, &names, (struct tg_json){ 0 });
    struct tg_buf out = { 0 };

    CHECK_INT(tell(a, "{'data':[]}", &out), TG_EINVAL);
    CHECK_INT(tg_answer_write_as_stream(a, qs("{'data':[]}"), &out), TG_EINVAL);
    CHECK_INT(out.len, 0);
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("embeddings keep their data byte for byte")
{
    check_whole(TG_API_EMBEDDINGS,
                "{'object':'list','data':[{'embedding':[0.10, -1e-05] , 'index':0}],'model':'x',"
                "'usage':{'prompt_tokens':8,'total_tokens':8}}",
                "{'id':'gen-1','object':'list','model':'v/m','provider':'Pro V',"
                "'data':[{'embedding':[0.10, -1e-05] , 'index':0}],'usage':{'prompt_tokens':8,"
                "'total_tokens':8,'cost':0.000000005,'is_byok':false,'prompt_tokens_details':"
                "{'cached_tokens':0,'cache_write_tokens':0,'audio_tokens':0,'video_tokens':0}}}");
}

TEST("reranked documents are told with what it took, in searches or in tokens")
{
    check_whole(TG_API_RERANK,
                "{'id':'c','results':[{'index':1, 'relevance_score':0.750}],'meta':{'api_version':"
                "{'version':'2'},'billed_units':{'search_units':1}}}",
                "{'id':'gen-1','model':'v/m','provider':'Pro V',"
                "'results':[{'index':1, 'relevance_score':0.750}],'meta':{'api_version':"
                "{'version':'2'},'billed_units':{'search_units':1}},"
                "'usage':{'search_units':1,'cost':0.000000005,'is_byok':false}}");
    check_whole(TG_API_RERANK,
                "{'model':'bge','object':'list','results':[],'usage':{'prompt_tokens':13,"
                "'total_tokens':13,'cost':7}}",
                "{'id':'gen-1','model':'v/m','provider':'Pro V','results':[],"
                "'usage':{'total_tokens':13,'cost':0.000000005,'is_byok':false,"
                "'prompt_tokens':13}}");
}

TEST("the tokens of reranking are what is billed")
{
    static const struct { const char *body; int64_t prompt, total, units; } rows[] = {
        { "{'results':[]}", -1, -1, -1 },
        { "{'results':[],'usage':{'total_tokens':17}}", 17, 17, -1 },
        { "{'results':[],'usage':{'prompt_tokens':13,'total_tokens':13}}", 13, 13, -1 },
        { "{'results':[],'meta':{'tokens':{'input_tokens':9},'billed_units':{'search_units':2}}}",
          9, 9, 2 },
        { "{'results':[],'meta':{'tokens':{'input_tokens':9},'billed_units':{'input_tokens':8}}}",
          8, 8, -1 },
        { "{'results':[],'usage':{'search_units':3}}", -1, -1, 3 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_answer *a = tg_answer_new(TG_API_RERANK, &names, (struct tg_json){ 0 });
        check_context = rows[i].body;
        CHECK_INT(tg_answer_read(a, qs(rows[i].body)), TG_OK);
        CHECK_INT(tg_answer_facts(a)->usage.prompt, rows[i].prompt);
        CHECK_INT(tg_answer_facts(a)->usage.total, rows[i].total);
        CHECK_INT(tg_answer_facts(a)->usage.search_units, rows[i].units);
        tg_answer_free(a);
    }
}

TEST("an estimate of tokens is for the price of reranking and is not told")
{
    struct tg_answer *a = tg_answer_new(TG_API_RERANK, &names, (struct tg_json){ 0 });
    struct tg_str body = qs("{'results':[]}");
    struct tg_buf out = { 0 };

    CHECK_INT(tg_answer_read(a, body), TG_OK);
    tg_answer_usage(a)->prompt = tg_answer_usage(a)->total = 99;
    CHECK_INT(tg_answer_write(a, body, &cost, TG_STR("{}"), &out), TG_OK);
    CHECK(tg_str_ends(tg_buf_view(&out), q("'results':[],'usage':{'cost':0.000000005,"
                                         "'is_byok':false},'openrouter_metadata':{}}")));
    CHECK_INT(tg_answer_write_as_stream(a, body, &out), TG_EINVAL);
    tg_buf_done(&out);
    tg_answer_free(a);
}

/* A provider may name one document again and again. */
TEST("documents are looked up in time, and each is told once")
{
    enum { DOCUMENTS = 40 * 1000 };
    struct tg_buf asked = { 0 }, body = { 0 }, out = { 0 };
    struct tg_json documents;

    tg_buf_char(&asked, '[');
    tg_buf_z(&body, "{\"results\":[");
    for (int i = 0; i < DOCUMENTS; i++) {
        tg_buf_printf(&asked, "%s\"text %d\"", i ? "," : "", i);
        tg_buf_printf(&body, "%s{\"index\":%d},{\"index\":%d}", i ? "," : "", DOCUMENTS - 1 - i, 7);
    }
    tg_buf_char(&asked, ']');
    tg_buf_z(&body, "]}");
    CHECK_INT(tg_json_check(tg_buf_view(&asked), TG_JSON_DEPTH_MAX, &documents, NULL), TG_OK);
    struct tg_answer *a = tg_answer_new(TG_API_RERANK, &names, documents);
    clock_t began = clock();
    CHECK_INT(tg_answer_read(a, tg_buf_view(&body)), TG_OK);
    CHECK_INT(tg_answer_write(a, tg_buf_view(&body), &cost, TG_STR(""), &out), TG_OK);
    CHECK(clock() - began < 2 * CLOCKS_PER_SEC);
    const char *text = tg_buf_cstr(&out);
    CHECK(strstr(text, "{\"index\":0,\"document\":{\"text\":\"text 0\"}}") != NULL);
    CHECK(strstr(text, "{\"index\":39999,\"document\":{\"text\":\"text 39999\"}}") != NULL);
    const char *once = strstr(text, "\"text 7\"");
    CHECK(once && !strstr(once + 1, "\"text 7\""));
    tg_answer_free(a);
    tg_buf_done(&asked);
    tg_buf_done(&body);
    tg_buf_done(&out);
}

TEST("a body that is no answer is refused, and one that tells an error is told")
{
    static const struct {
        enum tg_api api;
        const char *body;
        tg_err err;
        const char *message;
    } rows[] = {
        { TG_API_CHAT, "", TG_EINVAL, "" },
        { TG_API_CHAT, "<html></html>", TG_EINVAL, "" },
        { TG_API_CHAT, "{'choices':[{'message':{'content':'a'}", TG_EINVAL, "" },
        { TG_API_CHAT, "'text'", TG_EINVAL, "" },
        { TG_API_CHAT, "[]", TG_EINVAL, "" },
        { TG_API_CHAT, "{}", TG_EINVAL, "" },
        { TG_API_CHAT, "{'choices':[]}", TG_EINVAL, "" },
        { TG_API_CHAT, "{'choices':{}}", TG_EINVAL, "" },
        { TG_API_CHAT, "{'choices':[{'message':{'content':''},'finish_reason':null}]}",
          TG_EINVAL, "" },
        { TG_API_EMBEDDINGS, "{'data':{}}", TG_EINVAL, "" },
        { TG_API_EMBEDDINGS, "{'embeddings':[[1]]}", TG_EINVAL, "" },
        { TG_API_RERANK, "{'results':{}}", TG_EINVAL, "" },
        { TG_API_RERANK, "{'data':[]}", TG_EINVAL, "" },
        { TG_API_RERANK, "{'message':'no'}", TG_EPEER, "no" },
        { TG_API_CHAT, "{'error':{'code':502,'message':'down'}}", TG_EPEER, "down" },
        { TG_API_CHAT, "{'error':'down','choices':[{'message':{'content':'a'},"
          "'finish_reason':'stop'}]}", TG_EPEER, "down" },
        { TG_API_CHAT, "{'error':null,'choices':[{'message':{'content':'a'},"
          "'finish_reason':'stop'}]}", TG_OK, "" },
        { TG_API_CHAT, "{'choices':[{'message':{'content':'a'},'finish_reason':'error',"
          "'error':{'message':'broke'}}]}", TG_EPEER, "broke" },
        { TG_API_CHAT, "[{'error':{'code':400,'message':'bad','status':'X'}}]",
          TG_EPEER, "bad" },
        { TG_API_CHAT, "{'detail':'Unauthorized'}", TG_EPEER, "Unauthorized" },
        { TG_API_EMBEDDINGS, "{'object':'error','message':'m'}", TG_EPEER, "m" },
        { TG_API_CHAT, "{'choices':[{'message':{'content':'a'},'finish_reason':"
          "'MALFORMED_FUNCTION_CALL'}]}", TG_EPEER,
          "The provider broke the answer off: MALFORMED_FUNCTION_CALL" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_answer *a = tg_answer_new(rows[i].api, &names, (struct tg_json){ 0 });
        check_context = rows[i].body;
        CHECK_INT(tg_answer_read(a, qs(rows[i].body)), rows[i].err);
        CHECK_STR(tg_buf_view(&tg_answer_told(a)->message), rows[i].message);
        CHECK(tg_answer_facts(a)->has_error == (rows[i].err == TG_EPEER));
        tg_answer_free(a);
    }
}

TEST("a whole answer can be told as a stream")
{
    static const char body[] =
        "{'id':'x',\n'choices':[{'message':{'content':'a','reasoning_content':'r',"
        "'tool_calls':[{'id':'t','function':{'name':'f'}}]},\n'finish_reason':'stop'}],"
        "'usage':{'prompt_tokens':1,'completion_tokens':2}}";
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    CHECK_INT(tg_answer_read(a, qs(body)), TG_OK);
    CHECK_INT(tg_answer_write_as_stream(a, qs(body), &out), TG_OK);
    CHECK(tg_answer_settle(a));
    CHECK_INT(tg_answer_finish(a, NULL, TG_STR(""), &out), TG_OK);
    shorten(&out);
    replace(&out, USAGE, "...");
    CHECK_STR(tg_buf_view(&out),
              q("0 {'content':'a','reasoning':'r','tool_calls':[{'index':0,'id':'t','type':"
              "'function','function':{'name':'f','arguments':'{}'}}],"
              "'reasoning_content':'r'}\n"
              END("tool_calls", "'stop'",
                  "'prompt_tokens':1,'completion_tokens':2,'total_tokens':3,")));
    tg_buf_done(&out);
    tg_answer_free(a);
}

/* ---- memory ---- */

static tg_err stream_once(void)
{
    static const char events[] =
        TEXT("a") "\n" TEXT("b") "\n" TEXT("c") "\n"
        DELTA("'tool_calls':[{'id':'x','function':{'name':'f','arguments':''}},"
              "{'id':'y','function':{'name':'f','arguments':{}}},"
              "{'id':'z','function':{'name':'f'}}]") "\n"
        "{'choices':[{'index':1,'delta':{'content':[{'type':'text','text':'q'}]},"
        "'finish_reason':'stop'}]}\n" FINISH("stop") "\n"
        "{'choices':[],'usage':{'prompt_tokens':1,'completion_tokens':2}}\n[DONE]";
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    if (!a)
        return TG_ENOMEM;
    tg_err err = tell_all(a, events, &out);
    if (!err)
        err = tg_answer_settle(a) ? TG_OK : TG_EPEER;
    if (!err)
        err = tg_answer_finish(a, &cost, TG_STR("{}"), &out);
    tg_buf_done(&out);
    tg_answer_free(a);
    return err;
}

static tg_err write_once(void)
{
    static const char body[] =
        "{'choices':[{'message':{'content':{'a':1},'tool_calls':[{'id':'t','function':"
        "{'name':'f'}}]},'finish_reason':'stop','usage':{'prompt_tokens':1}}],'x':1,"
        "'usage':{'prompt_tokens':1,'completion_tokens':2}}";
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    if (!a)
        return TG_ENOMEM;
    tg_err err = tg_answer_read(a, qs(body));
    if (!err)
        err = tg_answer_write(a, qs(body), &cost, TG_STR("{}"), &out);
    if (!err)
        err = tg_answer_write_as_stream(a, qs(body), &out);
    tg_buf_done(&out);
    tg_answer_free(a);
    return err;
}

static tg_err fail_once(void)
{
    struct tg_answer *a = begin();
    struct tg_buf out = { 0 };

    if (!a)
        return TG_ENOMEM;
    tg_err err = tell(a, "{'error':{'message':'m','code':'c','metadata':{'raw':"
                         "'{\\'message\\':\\'inner\\'}'}}}", &out);
    err = err == TG_EPEER ? TG_OK : err;
    if (!err)
        tg_answer_restart(a, &names);
    if (!err)
        err = tell(a, FINISH("network_error"), &out);
    err = err == TG_EPEER ? TG_OK : err;
    if (!err)
        err = tg_answer_fail(a, TG_STR("{}"), TG_STR(""), &out);
    tg_buf_done(&out);
    tg_answer_free(a);
    return err;
}

/* Not learning a pattern for want of memory is no failure: the stream goes on. */
TEST("being out of memory is told, whenever it happens, and nothing leaks")
{
    size_t silent = 0;

    for (size_t nth = 1;; nth++) {
        tg_mem_fail_at(nth);
        tg_err err = stream_once();
        if (tg_mem_fail_at(0) < nth) {
            CHECK_INT(err, TG_OK);
            break;
        }
        silent += !err;
        CHECK(!err || err == TG_ENOMEM);
    }
    CHECK_INT(silent, 1);
    CHECK_EVERY_ALLOCATION(write_once());
    CHECK_EVERY_ALLOCATION(fail_once());
}

TEST_MAIN
