#include "check.h"

#include "native_story.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define PARTS(parts)   "|{'candidates':[{'content':{'parts':[" parts "]}}]}\n"
#define TEXT           PARTS("{'text':'Hi'}")
#define END(reason)    "|{'candidates':[{'finishReason':" reason "}]}\n"
#define COST(prompt, answer, total)                                                   \
    "'usageMetadata':{'promptTokenCount':" prompt ",'candidatesTokenCount':" answer  \
    ",'totalTokenCount':" total ",'cost':0.00140355}"

static struct tg_answer *told(const char *events, tg_err want)
{
    return story_told(TG_API_GEMINI, events, want);
}

TEST("every chunk has our id and the model's name where it has one")
{
    story_check(TG_API_GEMINI,
        "|{'candidates': [{'content': {'parts': [{'text': 'Hi'}]}}],'modelVersion': 'gemini-9',"
        "'responseId': 'r1'}\n" TEXT
        "|{'responseId':'r1','candidates':[{'finishReason':'STOP'}],"
        "'usageMetadata':{'promptTokenCount':3},'modelVersion':'gemini-9'}\n",
        "|{'candidates': [{'content': {'parts': [{'text': 'Hi'}]}}],'modelVersion': 'v/m',"
        "'responseId': 'gen-1'}\n" TEXT,
        "|{'responseId':'gen-1','candidates':[{'finishReason':'STOP'}],"
        "'usageMetadata':{'promptTokenCount':3,'cost':0.00140355},'modelVersion':'v/m'}\n");
}

TEST("text, thoughts, calls and data are content; signatures belong to them")
{
    static const struct story_content rows[] = {
        { "|{'candidates':[{'content':{'role':'model'}}]}", false, false, 0 },
        { "|{'usageMetadata':{'promptTokenCount':1}}", false, false, 0 },
        { PARTS("{'text':''}"), false, false, 0 },
        { PARTS("{'text':'','thoughtSignature':'abc'}"), false, false, 0 },
        { TEXT, true, false, 2 },
        { PARTS("{'text':'Hm','thought':true}"), true, false, 2 },
        { PARTS("{'text':'a'},{'text':'bc'}"), true, false, 3 },
        { PARTS("{'functionCall':{'name':'f','args':{'a':1}},'thoughtSignature':'s'}"),
          true, true, 7 },
        { PARTS("{'functionCall':{'name':'f'}}"), true, true, 0 },
        { PARTS("{'inlineData':{'mimeType':'image/png','data':'AAAA'}}"), true, false, 0 },
        { PARTS("{'executableCode':{'code':'1'}}"), true, false, 0 },
    };

    story_check_content(TG_API_GEMINI, rows, COUNT(rows));
}

TEST("the reason to finish is a word or its number; an accident is none")
{
    static const struct { const char *reason, *finish, *native; tg_err err; } rows[] = {
        { "'STOP'", "stop", "STOP", TG_OK }, { "1", "stop", "STOP", TG_OK },
        { "'MAX_TOKENS'", "length", "MAX_TOKENS", TG_OK }, { "2", "length", "MAX_TOKENS", TG_OK },
        { "'SAFETY'", "content_filter", "SAFETY", TG_OK },
        { "'RECITATION'", "content_filter", "RECITATION", TG_OK },
        { "'OF_TOMORROW'", "stop", "OF_TOMORROW", TG_OK },
        { "99", "stop", "99", TG_OK },
        { "'MALFORMED_FUNCTION_CALL'", "error", "MALFORMED_FUNCTION_CALL", TG_EPEER },
        { "'UNEXPECTED_TOOL_CALL'", "error", "UNEXPECTED_TOOL_CALL", TG_EPEER },
        { "'OTHER'", "error", "OTHER", TG_EPEER }, { "5", "error", "OTHER", TG_EPEER },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char events[512];
        check_context = rows[i].reason;
        snprintf(events, sizeof events, TEXT END("%s"), rows[i].reason);
        struct tg_answer *a = told(events, rows[i].err);
        CHECK_INT(tg_answer_facts(a)->has_finish, !rows[i].err);
        CHECK_INT(tg_answer_settle(a), !rows[i].err);
        CHECK_STR(tg_answer_finish_reason(a), rows[i].finish);
        CHECK_STR(tg_answer_native_reason(a), rows[i].native);
        tg_answer_free(a);
    }
    struct tg_answer *a = told(PARTS("{'functionCall':{'name':'f'}}") END("'STOP'"), TG_OK);
    CHECK_STR(tg_answer_finish_reason(a), "tool_calls");
    tg_answer_free(a);
}

TEST("a prompt that is blocked is answered by that alone")
{
    static const struct { const char *reason, *native; } rows[] = {
        { "SAFETY", "SAFETY" }, { "PROHIBITED_CONTENT", "PROHIBITED_CONTENT" },
        { "OTHER", "content_filter" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char events[256];
        check_context = rows[i].reason;
        snprintf(events, sizeof events, "|{'promptFeedback':{'blockReason':'%s'}}\n",
                 rows[i].reason);
        struct tg_answer *a = told(events, TG_OK);
        CHECK(tg_answer_settle(a) && !tg_answer_facts(a)->has_content);
        CHECK_STR(tg_answer_finish_reason(a), "content_filter");
        CHECK_STR(tg_answer_native_reason(a), rows[i].native);
        tg_answer_free(a);
    }
    struct tg_answer *a = told("|{'promptFeedback':{'safetyRatings':[]}}\n", TG_OK);
    CHECK(!tg_answer_settle(a));
    tg_answer_free(a);
}

TEST("a chunk behind the finish lets the one before it go, and is the last then")
{
    story_check(TG_API_GEMINI,
        TEXT END("'STOP'") "|{'usageMetadata':{'promptTokenCount':3,'candidatesTokenCount':2}}\n",
        TEXT END("'STOP'"),
        "|{'usageMetadata':{'promptTokenCount':3,'candidatesTokenCount':2,'cost':0.00140355}}\n");
    story_check(TG_API_GEMINI, TEXT END("'STOP'") TEXT, TEXT END("'STOP'"),
        "|{'candidates':[{'content':{'parts':[{'text':'Hi'}]}}]," COST("0", "0", "0") "}\n");
}

TEST("of several candidates all must finish")
{
    struct tg_answer *a = told("|{'candidates':[{'index':0,'content':{'parts':[{'text':'a'}]}},"
        "{'index':1,'content':{'parts':[{'text':'b'}]},'finishReason':'STOP'}]}\n", TG_OK);
    CHECK(!tg_answer_facts(a)->has_finish && !tg_answer_settle(a));
    struct tg_buf out = { 0 };
    CHECK_INT(story_tell(a, END("'STOP'"), &out), TG_OK);
    CHECK(tg_answer_facts(a)->has_finish && tg_answer_settle(a) && out.len == 0);
    tg_answer_free(a);
    a = told("|{'candidates':[{'index':99}]}\n", TG_ETOOBIG);
    tg_answer_free(a);
}

TEST("an accident goes on with the content it came with")
{
    struct tg_answer *a = story_begin(TG_API_GEMINI);
    struct tg_buf out = { 0 };

    CHECK_INT(story_tell(a, "|{'candidates':[{'content':{'parts':[{'text':'Hi'}]},"
                         "'finishReason':'MALFORMED_FUNCTION_CALL'}]}\n", &out), TG_EPEER);
    CHECK(out.len > 0);
    CHECK_INT(tg_answer_told(a)->status, 502);
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("a whole answer tells what a stream of it would")
{
    struct tg_answer *a = story_begin(TG_API_GEMINI);

    CHECK_INT(tg_answer_read(a, qs(
        "{'candidates':[{'content':{'parts':[{'text':'Hm','thought':true},{'text':'Hi'},"
        "{'functionCall':{'name':'f','args':{}}}]},'finishReason':'STOP'}],"
        "'usageMetadata':{'promptTokenCount':9,'candidatesTokenCount':2,'thoughtsTokenCount':3,"
        "'totalTokenCount':14,'cachedContentTokenCount':4}}")), TG_OK);
    const struct tg_answer_facts *f = tg_answer_facts(a);
    CHECK(f->has_content && f->has_finish && f->has_terminal && f->has_tools && !f->has_error);
    CHECK_INT(f->content_bytes, 6);
    CHECK_INT(f->usage.prompt, 9);
    CHECK_INT(f->usage.completion, 5);
    CHECK_INT(f->usage.reasoning, 3);
    CHECK_INT(f->usage.cached, 4);
    CHECK_STR(tg_answer_finish_reason(a), "tool_calls");
    CHECK_INT(tg_answer_read(a, qs("{'promptFeedback':{'blockReason':'SAFETY'}}")), TG_OK);
    CHECK_INT(tg_answer_read(a, qs("{'promptFeedback':{}}")), TG_EINVAL);
    CHECK_INT(tg_answer_read(a, qs("{'candidates':[]}")), TG_EINVAL);
    CHECK_INT(tg_answer_read(a, qs("{'usageMetadata':{}}")), TG_EINVAL);
    tg_answer_free(a);
}

TEST_MAIN
