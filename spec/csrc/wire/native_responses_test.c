#include "check.h"

#include "native_story.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define TEXT            "|{'type':'response.output_text.delta','delta':'Hi'}\n"
#define ADDED(item)     "|{'type':'response.output_item.added','item':" item "}\n"
#define DONE(item)      "|{'type':'response.output_item.done','item':" item "}\n"
#define COMPLETED(more) "|{'type':'response.completed','response':{'status':'completed'" more "}}\n"
#define COST            "'cost':0.00140355,'is_byok':false,'cost_details':{"              \
                        "'upstream_inference_cost':0.00140355,"                           \
                        "'upstream_inference_input_cost':0.001,"                          \
                        "'upstream_inference_output_cost':0.00040355}"

static struct tg_answer *told(const char *events, tg_err want)
{
    return story_told(TG_API_RESPONSES, events, want);
}

TEST("the response's id and model are ours in every event that has it, items keep theirs")
{
    story_check(TG_API_RESPONSES,
        "response.created|{'type':'response.created','response':{'id':'r','previous_response_id':"
        "'r0','model':'m'},'sequence_number':0}\n"
        "x|{'type':'response.output_item.added','item':{'type':'message','id':'msg_1'}}\n" TEXT
        "response.completed|{'type':'response.completed','response':{'id':'r','model':'m',"
        "'status':'completed','output':[{'id':'msg_1'}],'usage':{'input_tokens':3,"
        "'output_tokens':2}}}\n",
        "response.created|{'type':'response.created','response':{'id':'gen-1',"
        "'previous_response_id':'r0','model':'v/m'},'sequence_number':0}\n"
        "x|{'type':'response.output_item.added','item':{'type':'message','id':'msg_1'}}\n" TEXT,
        "response.completed|{'type':'response.completed','response':{'id':'gen-1','model':'v/m',"
        "'status':'completed','output':[{'id':'msg_1'}],'usage':{'input_tokens':3,"
        "'output_tokens':2," COST "}}}\n|[DONE]\n");
}

TEST("a response that tells no usage is told what was counted")
{
    story_check(TG_API_RESPONSES, TEXT COMPLETED(",'usage':null,'id':1,'model':2"), TEXT,
        "|{'type':'response.completed','response':{'status':'completed','usage':{'input_tokens':0,"
        "'input_tokens_details':{'cached_tokens':0},'output_tokens':0,'output_tokens_details':"
        "{'reasoning_tokens':0},'total_tokens':0," COST "},'id':'gen-1','model':'v/m'}}\n"
        "|[DONE]\n");
}

TEST("deltas, calls, citations, pictures and the provider's own tools are content")
{
    static const struct story_content rows[] = {
        { "|{'type':'response.in_progress','response':{}}", false, false, 0 },
        { "|{'type':'response.content_part.added','part':{'type':'output_text','text':''}}",
          false, false, 0 },
        { ADDED("{'type':'message','content':[]}"), false, false, 0 },
        { ADDED("{'type':'reasoning','summary':[]}"), false, false, 0 },
        { "|{'type':'response.output_text.delta','delta':''}", false, false, 0 },
        { TEXT, true, false, 2 },
        { "|{'type':'response.refusal.delta','delta':'No.'}", true, false, 3 },
        { "|{'type':'response.reasoning_text.delta','delta':'Hm'}", true, false, 2 },
        { "|{'type':'response.reasoning_summary_text.delta','delta':'Hm'}", true, false, 2 },
        { "|{'type':'response.function_call_arguments.delta','delta':'{'}", true, false, 1 },
        { ADDED("{'type':'function_call','name':'f','arguments':''}"), true, true, 0 },
        { ADDED("{'type':'custom_tool_call','name':'f','input':''}"), true, true, 0 },
        { ADDED("{'type':'web_search_call'}"), true, false, 0 },
        { ADDED("{'type':'reasoning','encrypted_content':'xyz'}"), true, false, 0 },
        { "|{'type':'response.output_text.annotation.added','annotation':{}}", true, false, 0 },
        { "|{'type':'response.image_generation_call.partial_image'}", true, false, 0 },
        { DONE("{'type':'message','content':[{'type':'output_text','text':'abc'}]}"),
          true, false, 3 },
        { TEXT DONE("{'type':'message','content':[{'type':'output_text','text':'Hi'}]}"),
          true, false, 2 },
        { COMPLETED(",'output':[{'type':'reasoning','summary':[{'text':'ab'}]},{'type':"
          "'function_call','arguments':'{}'}]"), true, true, 4 },
    };

    story_check_content(TG_API_RESPONSES, rows, COUNT(rows));
}

TEST("only its terminal ends it, and tells why")
{
    static const struct { const char *response, *finish, *native; tg_err err; } rows[] = {
        { "|{'type':'response.completed','response':{'status':'completed'}}",
          "stop", "completed", TG_OK },
        { "|{'type':'response.incomplete','response':{'status':'incomplete',"
          "'incomplete_details':{'reason':'max_output_tokens'}}}",
          "length", "max_output_tokens", TG_OK },
        { "|{'type':'response.incomplete','response':{'status':'incomplete',"
          "'incomplete_details':{'reason':'content_filter'}}}",
          "content_filter", "content_filter", TG_OK },
        { "|{'type':'response.incomplete','response':{'status':'incomplete',"
          "'incomplete_details':null}}", "length", "incomplete", TG_OK },
        { "|{'type':'response.completed','response':{}}", "stop", "", TG_OK },
        { "|{'type':'response.cancelled','response':{'status':'cancelled'}}",
          "error", "cancelled", TG_EPEER },
        { "|{'type':'response.failed','response':{'status':'failed','error':null}}",
          "", "", TG_EPEER },
        { "|{'type':'response.completed','response':{'error':{'message':'x'}}}", "", "", TG_EPEER },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char events[1024];
        check_context = rows[i].response;
        snprintf(events, sizeof events, TEXT "%s\n", rows[i].response);
        struct tg_answer *a = told(events, rows[i].err);
        CHECK_INT(tg_answer_settle(a), !rows[i].err);
        CHECK_INT(tg_answer_facts(a)->has_error, rows[i].err == TG_EPEER);
        CHECK_STR(tg_answer_finish_reason(a), rows[i].finish);
        CHECK_STR(tg_answer_native_reason(a), rows[i].native);
        tg_answer_free(a);
    }
    struct tg_answer *a = told(TEXT "|{'type':'response.output_text.done','text':'Hi'}\n|[DONE]",
                               TG_OK);
    CHECK(!tg_answer_settle(a));
    tg_answer_free(a);
}

TEST("a call whose arguments are no JSON is a bad one, unless a limit cut it")
{
    static const struct { const char *events; bool is_bad; } rows[] = {
        { DONE("{'type':'function_call','arguments':'{\\'a\\':1}'}") COMPLETED(""), false },
        { DONE("{'type':'function_call','arguments':''}") COMPLETED(""), false },
        { DONE("{'type':'function_call','arguments':'{'}") COMPLETED(""), true },
        { DONE("{'type':'custom_tool_call','input':'{'}") COMPLETED(""), false },
        { DONE("{'type':'function_call','arguments':'{'}")
          "|{'type':'response.incomplete','response':{'status':'incomplete'}}", false },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        check_context = rows[i].events;
        struct tg_answer *a = told(rows[i].events, TG_OK);
        CHECK(tg_answer_settle(a));
        CHECK_INT(tg_answer_facts(a)->has_bad_tools, rows[i].is_bad);
        tg_answer_free(a);
    }
}

TEST("a failure has the number behind the last event's")
{
    static const struct { const char *events, *number; } rows[] = {
        { "", "'sequence_number':0}" },
        { "|{'type':'x','sequence_number':0}", "'sequence_number':1}" },
        { "|{'type':'x','sequence_number':41}\n|{'type':'y'}", "'sequence_number':42}" },
        { "|{'type':'x','sequence_number':-9}\n|{'type':'y','sequence_number':'z'}",
          "'sequence_number':0}" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tg_answer *a = told(rows[i].events, TG_OK);
        struct tg_buf out = { 0 };
        check_context = rows[i].events;
        CHECK_INT(tg_answer_fail(a, TG_STR("{}"), TG_STR(""), &out), TG_OK);
        out.len -= 2;
        CHECK(tg_str_ends(tg_buf_view(&out), q(rows[i].number)));
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

TEST("a whole response tells what a stream of it would")
{
    struct tg_answer *a = story_begin(TG_API_RESPONSES);

    CHECK_INT(tg_answer_read(a, qs(
        "{'status':'completed','error':null,'output':[{'type':'reasoning','summary':[{'type':'summary_text','text':'Hm'}]},{'type':'message','content':[{'type':"
        "'output_text','text':'Hi'},{'type':'refusal','refusal':'no'}]},{'type':'function_call',"
        "'arguments':'{}'}],'usage':{'input_tokens':9,'input_tokens_details':{'cached_tokens':4},"
        "'output_tokens':5,'output_tokens_details':{'reasoning_tokens':3},'total_tokens':14}}")),
        TG_OK);
    const struct tg_answer_facts *f = tg_answer_facts(a);
    CHECK(f->has_content && f->has_finish && f->has_terminal && f->has_tools && !f->has_error);
    CHECK_INT(f->content_bytes, 8);
    CHECK_INT(f->usage.prompt, 9);
    CHECK_INT(f->usage.cached, 4);
    CHECK_INT(f->usage.reasoning, 3);
    CHECK_INT(f->usage.total, 14);
    CHECK_STR(tg_answer_finish_reason(a), "tool_calls");
    CHECK_INT(tg_answer_read(a, qs("{'status':'failed','output':[],'error':{'message':'x'}}")),
              TG_EPEER);
    CHECK_INT(tg_answer_read(a, qs("{'status':'queued','output':[]}")), TG_EPEER);
    tg_answer_free(a);
}

TEST_MAIN
