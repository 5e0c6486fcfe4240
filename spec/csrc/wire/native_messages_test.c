#include "check.h"

#include "native_story.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define BLOCK(block) "|{'type':'content_block_start','index':0,'content_block':" block "}\n"
#define DELTA(delta) "|{'type':'content_block_delta','index':0,'delta':" delta "}\n"
#define STOP         "|{'type':'content_block_stop','index':0}\n"
#define TEXT         DELTA("{'type':'text_delta','text':'Hi'}")
#define ARGS(text)   DELTA("{'type':'input_json_delta','partial_json':'" text "'}")
#define CALL         BLOCK("{'type':'tool_use','id':'t','name':'f','input':{}}")
#define END(reason)  "|{'type':'message_delta','delta':{'stop_reason':'" reason "'}," \
                     "'usage':{'output_tokens':2}}\n"
#define OVER         "|{'type':'message_stop'}\n"
#define COST         "'cost':0.00140355,'is_byok':false,'cost_details':{"                 \
                     "'upstream_inference_cost':0.00140355,"                              \
                     "'upstream_inference_prompt_cost':0.001,"                            \
                     "'upstream_inference_completions_cost':0.00040355}"

static struct tg_answer *told(const char *events, tg_err want)
{
    return story_told(TG_API_MESSAGES, events, want);
}

TEST("the message's id and model are ours, wherever they stand in it")
{
    story_check(TG_API_MESSAGES,
        "message_start|{'type':'message_start','message':{'model':'c','content':[],'id':'m'}   }\n"
        TEXT END("end_turn") OVER,
        "message_start|{'type':'message_start','message':{'model':'v/m','content':[],'id':'gen-1'}"
        "   }\n"
        "content_block_delta" TEXT,
        "message_delta|{'type':'message_delta','delta':{'stop_reason':'end_turn'},"
        "'usage':{'output_tokens':2," COST "}}\n"
        "message_stop|{'type':'message_stop'}\n");
}

TEST("text, thinking, calls, citations and whatever tomorrow brings are content")
{
    static const struct story_content rows[] = {
        { BLOCK("{'type':'text','text':''}"), false, false, 0 },
        { BLOCK("{'type':'thinking','thinking':'','signature':''}"), false, false, 0 },
        { DELTA("{'type':'text_delta','text':''}"), false, false, 0 },
        { DELTA("{'type':'signature_delta','signature':'abc'}"), false, false, 0 },
        { "|{'type':'ping'}", false, false, 0 },
        { TEXT, true, false, 2 },
        { BLOCK("{'type':'text','text':'abc'}"), true, false, 3 },
        { DELTA("{'type':'thinking_delta','thinking':'Hmm'}"), true, false, 3 },
        { CALL, true, true, 0 },
        { BLOCK("{'type':'tool_use','id':'t','name':'f','input':{'a':1}}"), true, true, 7 },
        { CALL ARGS("") ARGS("{}"), true, true, 2 },
        { BLOCK("{'type':'server_tool_use','id':'t','name':'web_search','input':{}}"),
          true, false, 0 },
        { BLOCK("{'type':'redacted_thinking','data':'xyz'}"), true, false, 0 },
        { DELTA("{'type':'citations_delta','citation':{'cited_text':'x'}}"), true, false, 0 },
        { DELTA("{'type':'of_tomorrow_delta','words':'abcd'}"), true, false, 4 },
    };

    story_check_content(TG_API_MESSAGES, rows, COUNT(rows));
}

TEST("usage comes in two parts, of which zeros in the second take nothing back")
{
    static const struct {
        const char *who, *start, *delta;
        int64_t prompt, completion, cached, cache_write;
    } rows[] = {
        { "the answer's part alone",
          "{'input_tokens':10,'cache_read_input_tokens':5,'cache_creation_input_tokens':2,"
          "'output_tokens':1}", "{'output_tokens':30}", 17, 30, 5, 2 },
        { "both parts again", "{'input_tokens':10,'output_tokens':1}",
          "{'input_tokens':90,'cache_read_input_tokens':8,'output_tokens':30}", 98, 30, 8, -1 },
        { "zeros", "{'input_tokens':10,'cache_read_input_tokens':5,'output_tokens':1}",
          "{'input_tokens':0,'cache_read_input_tokens':0,'output_tokens':30}", 15, 30, 5, -1 },
        { "all at the end", "{'input_tokens':0,'output_tokens':0}",
          "{'input_tokens':10,'output_tokens':30}", 10, 30, -1, -1 },
        { "nothing new", "{'input_tokens':10,'output_tokens':4}", "null", 10, 4, -1, -1 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char events[1024];
        check_context = rows[i].who;
        snprintf(events, sizeof events, "|{'type':'message_start','message':{'usage':%s}}\n"
                 "|{'type':'message_delta','delta':{},'usage':%s}\n", rows[i].start, rows[i].delta);
        struct tg_answer *a = told(events, TG_OK);
        const struct tg_usage *u = &tg_answer_facts(a)->usage;
        CHECK_INT(u->prompt, rows[i].prompt);
        CHECK_INT(u->completion, rows[i].completion);
        CHECK_INT(u->cached, rows[i].cached);
        CHECK_INT(u->cache_write, rows[i].cache_write);
        tg_answer_free(a);
    }
}

TEST("the reason to stop is told in the contract's words; an accident is none")
{
    static const struct { const char *word, *finish; tg_err err; } rows[] = {
        { "end_turn", "stop", TG_OK }, { "stop_sequence", "stop", TG_OK },
        { "pause_turn", "stop", TG_OK }, { "max_tokens", "length", TG_OK },
        { "model_context_window_exceeded", "length", TG_OK }, { "tool_use", "tool_calls", TG_OK },
        { "refusal", "content_filter", TG_OK }, { "of_tomorrow", "stop", TG_OK },
        { "internal_error", "error", TG_EPEER },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char events[512];
        check_context = rows[i].word;
        snprintf(events, sizeof events, TEXT END("%s"), rows[i].word);
        struct tg_answer *a = told(events, rows[i].err);
        CHECK_INT(tg_answer_facts(a)->has_finish, !rows[i].err);
        CHECK_INT(tg_answer_settle(a), !rows[i].err);
        CHECK_STR(tg_answer_finish_reason(a), rows[i].finish);
        CHECK_STR(tg_answer_native_reason(a), rows[i].word);
        tg_answer_free(a);
    }
}

TEST("an answer is whole with a reason to stop, or with its stop behind content")
{
    static const struct { const char *events; bool is_whole; } rows[] = {
        { "|{'type':'message_start','message':{}}", false },
        { TEXT, false }, { OVER, false }, { TEXT STOP, false },
        { TEXT "|{'type':'message_delta','delta':{'stop_reason':null}}", false },
        { TEXT OVER, true }, { TEXT END("end_turn"), true }, { END("end_turn") OVER, true },
        { TEXT END("end_turn") OVER, true },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        check_context = rows[i].events;
        struct tg_answer *a = told(rows[i].events, TG_OK);
        CHECK_INT(tg_answer_settle(a), rows[i].is_whole);
        tg_answer_free(a);
    }
}

TEST("what is behind the finish stays behind it, in its order")
{
    story_check(TG_API_MESSAGES, TEXT END("end_turn") "|{'type':'ping'}\nx|{'type':'x'}\n" OVER,
        "content_block_delta" TEXT,
        "message_delta|{'type':'message_delta','delta':{'stop_reason':'end_turn'},"
        "'usage':{'output_tokens':2," COST "}}\n"
        "ping|{'type':'ping'}\nx|{'type':'x'}\nmessage_stop|{'type':'message_stop'}\n");
}

TEST("a later message_delta, or content, takes the ending back")
{
    story_check(TG_API_MESSAGES,
        TEXT END("end_turn")
        "|{'type':'message_delta','delta':{},'usage':{'output_tokens':9}}\n" OVER,
        "content_block_delta" TEXT "message_delta" END("end_turn"),
        "message_delta|{'type':'message_delta','delta':{},'usage':{'output_tokens':9," COST "}}\n"
        "message_stop" OVER);
    story_check(TG_API_MESSAGES, END("max_tokens") TEXT OVER,
        "message_delta" END("max_tokens") "content_block_delta" TEXT,
        "message_delta|{'type':'message_delta','delta':{'stop_reason':'max_tokens',"
        "'stop_sequence':null},'usage':{'input_tokens':0,'cache_creation_input_tokens':0,"
        "'cache_read_input_tokens':0,'output_tokens':2," COST "}}\n"
        "message_stop" OVER);
}

TEST("what an ending lacks is made up")
{
    story_check(TG_API_MESSAGES, TEXT END("end_turn"), "content_block_delta" TEXT,
        "message_delta|{'type':'message_delta','delta':{'stop_reason':'end_turn'},"
        "'usage':{'output_tokens':2," COST "}}\n"
        "message_stop" OVER);
    story_check(TG_API_MESSAGES, CALL OVER, "content_block_start" CALL,
        "message_delta|{'type':'message_delta','delta':{'stop_reason':'tool_use',"
        "'stop_sequence':null},'usage':{'input_tokens':0,'cache_creation_input_tokens':0,"
        "'cache_read_input_tokens':0,'output_tokens':0," COST "}}\n"
        "message_stop" OVER);
}

TEST("arguments that are no JSON make a call bad, unless a limit cut them")
{
    static const struct { const char *events; bool is_bad; } rows[] = {
        { CALL ARGS("{\\'a\\'") ARGS(":1}") STOP END("tool_use"), false },
        { CALL STOP END("tool_use"), false },
        { CALL ARGS("{\\'a\\'") STOP END("tool_use"), true },
        { CALL ARGS("{}") STOP CALL ARGS("x") STOP END("tool_use"), true },
        { CALL ARGS("{\\'a\\'") STOP END("max_tokens"), false },
        { BLOCK("{'type':'server_tool_use','input':{}}") ARGS("{") STOP END("end_turn"), false },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        check_context = rows[i].events;
        struct tg_answer *a = told(rows[i].events, TG_OK);
        CHECK(tg_answer_settle(a));
        CHECK_INT(tg_answer_facts(a)->has_bad_tools, rows[i].is_bad);
        tg_answer_free(a);
    }
}

TEST("an accident behind content goes on with the content, the error is told")
{
    struct tg_answer *a = story_begin(TG_API_MESSAGES);
    struct tg_buf out = { 0 };

    CHECK_INT(story_tell(a, TEXT END("internal_error"), &out), TG_EPEER);
    story_lines(&out);
    CHECK_STR(tg_buf_view(&out), q("content_block_delta" TEXT));
    CHECK_INT(tg_answer_told(a)->status, 502);
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("a whole message tells what a stream of it would")
{
    struct tg_answer *a = story_begin(TG_API_MESSAGES);

    CHECK_INT(tg_answer_read(a, qs(
        "{'content':[{'type':'thinking','thinking':'Hm','signature':'s'},"
        "{'type':'text','text':'Hi'},{'type':'tool_use','id':'t','name':'f','input':{'a':1}}],"
        "'stop_reason':'tool_use','usage':{'input_tokens':3,'cache_read_input_tokens':4,"
        "'output_tokens':2}}")), TG_OK);
    const struct tg_answer_facts *f = tg_answer_facts(a);
    CHECK(f->has_content && f->has_finish && f->has_terminal && f->has_tools && !f->has_error);
    CHECK_INT(f->content_bytes, 2 + 2 + 7);
    CHECK_INT(f->content_events, 1);
    CHECK_INT(f->usage.prompt, 7);
    CHECK_INT(f->usage.total, 9);
    CHECK_STR(tg_answer_finish_reason(a), "tool_calls");
    CHECK_INT(tg_answer_read(a, qs("{'content':[],'stop_reason':'end_turn'}")), TG_OK);
    CHECK_INT(tg_answer_read(a, qs("{'content':[]}")), TG_EINVAL);
    CHECK_INT(tg_answer_read(a, qs("{'content':[],'stop_reason':'aborted'}")), TG_EPEER);
    tg_answer_free(a);
}

TEST_MAIN
