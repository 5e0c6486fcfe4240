/* What is the same for all formats that pass as they are; what each of them
 * says is in native_messages_test.c and its neighbours. */
#include "check.h"

#include "base/mem.h"
#include "native_story.h"
#include "wire/told.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct {
    enum tg_api api;
    const char *who;
    const char *start, *content, *finish;      /* events of a small answer */
    const char *whole;
} formats[] = {
    { TG_API_MESSAGES, "messages",
      "message_start|{'type':'message_start','message':{'id':'msg_1','model':'claude','content':[],"
      "'usage':{'input_tokens':3,'output_tokens':1}}}",
      "content_block_delta|{'type':'content_block_delta','index':0,"
      "'delta':{'type':'text_delta','text':'Hi'}}",
      "message_delta|{'type':'message_delta','delta':{'stop_reason':'end_turn'},"
      "'usage':{'output_tokens':2}}\nmessage_stop|{'type':'message_stop'}",
      "{'type':'message','id':'msg_1','model':'claude','content':[{'type':'text','text':'Hi'}],"
      "'stop_reason':'end_turn','usage':{'input_tokens':3,'output_tokens':2}}" },
    { TG_API_RESPONSES, "responses",
      "response.created|{'type':'response.created','response':{'id':'resp_1','model':'gpt',"
      "'status':'in_progress','usage':null},'sequence_number':0}",
      "response.output_text.delta|{'type':'response.output_text.delta','delta':'Hi',"
      "'sequence_number':1}",
      "response.completed|{'type':'response.completed','response':{'id':'resp_1','model':'gpt',"
      "'status':'completed','usage':{'input_tokens':3,'output_tokens':2}},'sequence_number':2}",
      "{'object':'response','id':'resp_1','model':'gpt','status':'completed','output':[{'type':"
      "'message','content':[{'type':'output_text','text':'Hi'}]}],"
      "'usage':{'input_tokens':3,'output_tokens':2}}" },
    { TG_API_GEMINI, "gemini",
      "|{'candidates':[{'content':{'role':'model'}}],'usageMetadata':{'promptTokenCount':3},"
      "'responseId':'r1'}",
      "|{'candidates':[{'content':{'parts':[{'text':'Hi'}]}}],'responseId':'r1'}",
      "|{'candidates':[{'finishReason':'STOP'}],'usageMetadata':{'promptTokenCount':3,"
      "'candidatesTokenCount':2},'responseId':'r1'}",
      "{'candidates':[{'content':{'parts':[{'text':'Hi'}]},'finishReason':'STOP'}],"
      "'usageMetadata':{'promptTokenCount':3,'candidatesTokenCount':2},'responseId':'r1'}" },
};

/* ---- frames ---- */

TEST("an event goes on byte for byte, framed as its format frames it")
{
    static const struct { enum tg_api api; const char *event, *frame; } rows[] = {
        { TG_API_MESSAGES,
          "content_block_delta|{ 'delta' :{'text':'\\u00e4\\n' , 'n':9007199254740993},"
          "'type':'content_block_delta' , 'index':1e0}       ",
          "event: content_block_delta\ndata: { 'delta' :{'text':'\\u00e4\\n' , "
          "'n':9007199254740993},'type':'content_block_delta' , 'index':1e0}       \n\n" },
        { TG_API_MESSAGES, "ping|{'type': 'ping'}", "event: ping\ndata: {'type': 'ping'}\n\n" },
        { TG_API_MESSAGES, "of_tomorrow|{'type':'of_tomorrow','x':[-0.0]}",
          "event: of_tomorrow\ndata: {'type':'of_tomorrow','x':[-0.0]}\n\n" },
        { TG_API_MESSAGES, "|{'type':'ping'}", "event: ping\ndata: {'type':'ping'}\n\n" },
        { TG_API_RESPONSES, "keepalive|{'type':'keepalive','sequence_number':7}",
          "event: keepalive\ndata: {'type':'keepalive','sequence_number':7}\n\n" },
        { TG_API_RESPONSES, "|{'type':'response.output_text.delta','delta':'x'}",
          "data: {'type':'response.output_text.delta','delta':'x'}\n\n" },
        { TG_API_GEMINI, "|{'candidates' : [ { 'content':{'parts':[{'text':'x'}]} } ]} ",
          "data: {'candidates' : [ { 'content':{'parts':[{'text':'x'}]} } ]} \r\n\r\n" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tg_answer *a = story_begin(rows[i].api);
        struct tg_buf out = { 0 };
        check_context = rows[i].event;
        CHECK_INT(story_event(a, qs(rows[i].event), &out), TG_OK);
        CHECK_STR(tg_buf_view(&out), q(rows[i].frame));
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

TEST("data of several lines goes on in as many")
{
    struct tg_answer *a = story_begin(TG_API_MESSAGES);
    struct tg_buf out = { 0 };
    struct tg_sse_event ev = { .name = TG_STR("ping"), .data = qs("{'type':\n'ping'\n}") };

    CHECK_INT(tg_answer_event(a, &ev, &out), TG_OK);
    CHECK_STR(tg_buf_view(&out), q("event: ping\ndata: {'type':\ndata: 'ping'\ndata: }\n\n"));
    tg_buf_reset(&out);
    tg_answer_free(a);
    a = story_begin(TG_API_GEMINI);
    ev = (struct tg_sse_event){ .data = qs("{'responseId':\n'r'}") };
    CHECK_INT(tg_answer_event(a, &ev, &out), TG_OK);
    CHECK_STR(tg_buf_view(&out), q("data: {'responseId':\r\ndata: 'gen-1'}\r\n\r\n"));
    tg_buf_reset(&out);
    ev.data = qs("{\r'responseId':\r\n'r'\r}");
    CHECK_INT(tg_answer_event(a, &ev, &out), TG_OK);
    CHECK_STR(tg_buf_view(&out),
              q("data: {\r\ndata: 'responseId':\r\ndata: 'gen-1'\r\ndata: }\r\n\r\n"));
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("a name of several lines, which no event stream has, is left out")
{
    struct tg_answer *a = story_begin(TG_API_MESSAGES);
    struct tg_buf out = { 0 };
    struct tg_sse_event ev = { .name = TG_STR("a\ndata: b"), .data = qs("{'type':'ping'}") };

    CHECK_INT(tg_answer_event(a, &ev, &out), TG_OK);
    CHECK_STR(tg_buf_view(&out), q("data: {'type':'ping'}\n\n"));
    tg_buf_done(&out);
    tg_answer_free(a);
}

TEST("comments and events without data are nobody's business")
{
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct tg_answer *a = story_begin(formats[i].api);
        struct tg_buf out = { 0 };
        struct tg_sse_event comment = { .data = TG_STR("x"), .is_comment = true };
        struct tg_sse_event empty = { .name = TG_STR("ping"), .data = TG_STR(" ") };
        CHECK_INT(tg_answer_event(a, &comment, &out), TG_OK);
        CHECK_INT(tg_answer_event(a, &empty, &out), TG_OK);
        CHECK(out.len == 0);
        tg_answer_free(a);
    }
}

/* ---- the ending ---- */

static tg_err tell_whole(struct tg_answer *a, size_t i, struct tg_buf *out)
{
    tg_err err = story_tell(a, formats[i].start, out);
    if (!err)
        err = story_tell(a, formats[i].content, out);
    return err ? err : story_tell(a, formats[i].finish, out);
}

static bool holds(struct tg_buf *out, const char *part)
{
    return memmem(out->at, out->len, part, strlen(part)) != NULL;
}

TEST("the ending is kept back until the cost is known, and tells it")
{
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct tg_answer *a = story_begin(formats[i].api);
        struct tg_buf out = { 0 };
        check_context = formats[i].who;
        CHECK_INT(tell_whole(a, i, &out), TG_OK);
        CHECK(tg_answer_facts(a)->has_finish && tg_answer_facts(a)->has_content);
        CHECK(tg_answer_settle(a));
        size_t before = out.len;
        CHECK(!holds(&out, "message_delta") && !holds(&out, "completed") && !holds(&out, "STOP"));
        CHECK_INT(tg_answer_finish(a, &story_cost, qs("{'attempt':1}"), &out), TG_OK);
        struct tg_buf ending = { out.at + before, out.len - before, out.len - before, false };
        CHECK(holds(&ending, q("'cost':0.00140355")));
        CHECK(holds(&ending, q("'openrouter_metadata':{'attempt':1}")));
        CHECK(!holds(&out, "msg_1") && !holds(&out, "resp_1") && !holds(&out, "r1"));
        CHECK_INT(tg_answer_facts(a)->usage.prompt, 3);
        CHECK_INT(tg_answer_facts(a)->usage.completion, 2);
        CHECK_STR(tg_answer_finish_reason(a), "stop");
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

TEST("an ending without a cost tells none")
{
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct tg_answer *a = story_begin(formats[i].api);
        struct tg_buf out = { 0 };
        check_context = formats[i].who;
        CHECK_INT(tell_whole(a, i, &out), TG_OK);
        CHECK_INT(tg_answer_finish(a, NULL, TG_STR(""), &out), TG_OK);
        CHECK(!holds(&out, "cost") && !holds(&out, "is_byok"));
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

TEST("a stream that is cut anywhere before its finish has failed, and shows no ending")
{
    for (size_t i = 0; i < COUNT(formats); i++) {
        for (int told = 0; told < 3; told++) {
            struct tg_answer *a = story_begin(formats[i].api);
            struct tg_buf out = { 0 };
            check_context = formats[i].who;
            if (told > 0)
                story_tell(a, formats[i].start, &out);
            if (told > 1)
                story_tell(a, formats[i].content, &out);
            CHECK(!tg_answer_settle(a));
            CHECK(!tg_answer_facts(a)->has_finish && !tg_answer_facts(a)->has_terminal);
            CHECK_INT(tg_answer_facts(a)->has_content, told > 1);
            tg_buf_done(&out);
            tg_answer_free(a);
        }
    }
}

TEST("[DONE] alone is nobody's end, and behind a finish the end of it")
{
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct tg_answer *a = story_begin(formats[i].api);
        struct tg_buf out = { 0 };
        check_context = formats[i].who;
        story_tell(a, formats[i].content, &out);
        size_t before = out.len;
        CHECK_INT(story_tell(a, "|[DONE]", &out), TG_OK);
        CHECK(!tg_answer_facts(a)->has_terminal && !tg_answer_settle(a));
        CHECK_INT(story_tell(a, formats[i].finish, &out), TG_OK);
        CHECK_INT(story_tell(a, "|[DONE]", &out), TG_OK);
        CHECK(tg_answer_facts(a)->has_terminal && tg_answer_settle(a));
        CHECK_INT(out.len, before);
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

TEST("another attempt begins with nothing of the one that failed")
{
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct tg_answer_names other = { TG_STR("gen-2"), TG_STR("w/n"), TG_STR("Q"), 8 };
        struct tg_answer *a = story_begin(formats[i].api);
        struct tg_buf out = { 0 };
        check_context = formats[i].who;
        tell_whole(a, i, &out);
        tg_answer_restart(a, &other);
        tg_buf_reset(&out);
        CHECK(!tg_answer_facts(a)->has_content && !tg_answer_facts(a)->has_finish);
        CHECK(!tg_answer_facts(a)->has_terminal && tg_answer_facts(a)->content_bytes == 0);
        CHECK_INT(tg_answer_facts(a)->usage.prompt, -1);
        CHECK(!tg_answer_settle(a));
        CHECK_INT(story_tell(a, formats[i].start, &out), TG_OK);
        CHECK(holds(&out, "gen-2") && !holds(&out, "gen-1"));
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

/* ---- failures ---- */

#define FAULT "{'code':429,'message':'slow \\'down\\'','error_type':'rate_limit_exceeded'," \
              "'metadata':{'retry_after_seconds_raw':39.5}}"

TEST("a failure is told in the format's own way, and what was kept of an ending is not")
{
    static const struct { enum tg_api api; const char *frame; } rows[] = {
        { TG_API_MESSAGES,
          "event: error\ndata: {'type':'error','error':{'type':'rate_limit_error',"
          "'message':'slow \\'down\\'','error_type':'rate_limit_exceeded'},"
          "'request_id':'gen-1','openrouter_metadata':{}}\n\n" },
        { TG_API_RESPONSES,
          "event: response.failed\ndata: {'type':'response.failed','response':{'id':'gen-1',"
          "'object':'response','created_at':7,'model':'v/m','status':'failed','error':{'code':"
          "'rate_limit_exceeded','message':'slow \\'down\\''},'error_type':'rate_limit_exceeded',"
          "'completed_at':null,'incomplete_details':null,'instructions':null,'metadata':{},"
          "'output':[],'parallel_tool_calls':true,'frequency_penalty':null,"
          "'presence_penalty':null,'temperature':null,'tool_choice':'auto','tools':[],"
          "'top_p':null,'usage':null,'openrouter_metadata':{}},'sequence_number':3}\n\n" },
        { TG_API_GEMINI,
          "data: {'error':{'code':429,'message':'slow \\'down\\'','status':'RESOURCE_EXHAUSTED',"
          "'details':[{'@type':'type.googleapis.com/google.rpc.ErrorInfo',"
          "'reason':'RATE_LIMIT_EXCEEDED','domain':'tidegate'},"
          "{'@type':'type.googleapis.com/google.rpc.RetryInfo','retryDelay':'39.500s'}]},"
          "'openrouter_metadata':{}}\r\n\r\n" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tg_answer *a = story_begin(rows[i].api);
        struct tg_buf out = { 0 };
        check_context = formats[i].who;
        CHECK_INT(tell_whole(a, i, &out), TG_OK);
        tg_buf_reset(&out);
        CHECK_INT(tg_answer_fail(a, qs(FAULT), TG_STR("{}"), &out), TG_OK);
        CHECK_STR(tg_buf_view(&out), q(rows[i].frame));
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

TEST("an error inside a stream is one, whatever its shape")
{
    static const struct { enum tg_api api; const char *event, *code, *message; } rows[] = {
        { TG_API_MESSAGES, "error|{'type':'error','error':{'type':'overloaded_error',"
          "'message':'Overloaded'}}", "overloaded_error", "Overloaded" },
        { TG_API_MESSAGES, "|{'type':'error','error':{'type':'api_error','message':'x'}}",
          "api_error", "x" },
        { TG_API_MESSAGES, "|{'error':{'message':'x','code':'y'}}", "y", "x" },
        { TG_API_MESSAGES, "error|upstream timed out", "", "upstream timed out" },
        { TG_API_RESPONSES, "error|{'type':'error','code':'rate_limit_exceeded','message':'x',"
          "'param':null,'sequence_number':3}", "rate_limit_exceeded", "x" },
        { TG_API_RESPONSES, "|{'type':'error','error':{'type':'invalid_request_error',"
          "'code':'context_length_exceeded','message':'x'}}", "context_length_exceeded", "x" },
        { TG_API_RESPONSES, "response.failed|{'type':'response.failed','response':{'id':'r',"
          "'status':'failed','error':{'code':'server_error','message':'x'}}}",
          "server_error", "x" },
        { TG_API_RESPONSES, "|{'type':'response.error','error':{'code':'c','message':'x'}}",
          "c", "x" },
        { TG_API_GEMINI, "|{'error':{'code':503,'message':'x','status':'UNAVAILABLE'}}",
          "UNAVAILABLE", "x" },
        { TG_API_GEMINI, "|[{'error':{'code':503,'message':'x','status':'UNAVAILABLE'}}]",
          "UNAVAILABLE", "x" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tg_answer *a = story_begin(rows[i].api);
        struct tg_buf out = { 0 };
        check_context = rows[i].event;
        CHECK_INT(story_tell(a, rows[i].event, &out), TG_EPEER);
        CHECK(tg_answer_facts(a)->has_error && !tg_answer_settle(a));
        CHECK_STR(tg_buf_view(&tg_answer_told(a)->code), rows[i].code);
        CHECK_STR(tg_buf_view(&tg_answer_told(a)->message), rows[i].message);
        CHECK(out.len == 0);
        CHECK_INT(story_tell(a, "|{'type':'ping'}", &out), TG_OK);     /* nothing is behind it */
        CHECK(out.len == 0);
        tg_answer_free(a);
    }
}

TEST("what is no JSON object is refused and leaves nothing")
{
    static const char *const rows[] = { "|{", "|<html>", "|1", "|'x'", "|[]", "|[{'a':1}]",
                                        "|{} {}", "|{'a':'\xff'}", "message_start|{'a'}",
                                        "|{}\f", "|\v{}" };

    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t f = 0; f < COUNT(formats); f++) {
            struct tg_answer *a = story_begin(formats[f].api);
            struct tg_buf out = { 0 };
            check_context = rows[i];
            CHECK_INT(story_tell(a, rows[i], &out), TG_EINVAL);
            CHECK(out.len == 0 && !tg_answer_facts(a)->has_error);
            tg_answer_free(a);
        }
}

/* ---- whole ---- */

TEST("a whole body is the provider's, byte for byte but for what is ours")
{
    story_check_whole(TG_API_MESSAGES,
        " {'id' : 'msg_1','content':[{'type':'text','text':'\\u00e4'}],'model':'claude',\n"
        "'n':9007199254740993,'stop_reason':'end_turn','usage':{'input_tokens':3 ,"
        "'output_tokens':2 } } \n",
        " {'id' : 'gen-1','content':[{'type':'text','text':'\\u00e4'}],'model':'v/m',\n"
        "'n':9007199254740993,'stop_reason':'end_turn','usage':{'input_tokens':3 ,"
        "'output_tokens':2,'cost':0.00140355,'is_byok':false,'cost_details':"
        "{'upstream_inference_cost':0.00140355,'upstream_inference_prompt_cost':0.001,"
        "'upstream_inference_completions_cost':0.00040355} },'provider':'Pro V',"
        "'openrouter_metadata':{} } \n");
    story_check_whole(TG_API_RESPONSES,
        "{'id':'resp_1','output':[],'status':'completed','model':'gpt','seed':1e400,"
        "'usage':{'input_tokens':3,'output_tokens':2}}",
        "{'id':'gen-1','output':[],'status':'completed','model':'v/m','seed':1e400,"
        "'usage':{'input_tokens':3,'output_tokens':2,'cost':0.00140355,'is_byok':false,"
        "'cost_details':{'upstream_inference_cost':0.00140355,"
        "'upstream_inference_input_cost':0.001,'upstream_inference_output_cost':0.00040355}},"
        "'openrouter_metadata':{}}");
    story_check_whole(TG_API_GEMINI,
        "{'candidates':[{'content':{'parts':[{'text':'x'}]},'finishReason':'STOP'}],"
        "'usageMetadata':{'promptTokenCount':3},'modelVersion':'gemini-9','responseId':'r1'}",
        "{'candidates':[{'content':{'parts':[{'text':'x'}]},'finishReason':'STOP'}],"
        "'usageMetadata':{'promptTokenCount':3,'cost':0.00140355},'modelVersion':'v/m',"
        "'responseId':'gen-1','openrouter_metadata':{}}");
}

TEST("what another gateway says of cost and decision is ours to say")
{
    story_check_whole(TG_API_RESPONSES,
        "{'id':'gen-9','model':'x/y','output':[],'status':'completed',"
        "'openrouter_metadata':{'a':1},'usage':{'cost':7,'input_tokens':3,'cost_details':{'x':1},'is_byok':true}}",
        "{'id':'gen-1','model':'v/m','output':[],'status':'completed','openrouter_metadata':{},"
        "'usage':{'cost':0.00140355,'input_tokens':3,'cost_details':"
        "{'upstream_inference_cost':0.00140355,'upstream_inference_input_cost':0.001,"
        "'upstream_inference_output_cost':0.00040355},'is_byok':false}}");
}

TEST("a body that is no answer of its format is none, and one that tells an error tells it")
{
    static const struct { const char *body; tg_err err; } rows[] = {
        { "", TG_EINVAL }, { "{", TG_EINVAL }, { "1", TG_EINVAL }, { "<html>", TG_EINVAL },
        { "{}", TG_EINVAL }, { "{'content':{},'output':{},'candidates':{}}", TG_EINVAL },
        { "{'choices':[{'index':0}],'object':'chat.completion'}", TG_EINVAL },
        { "{'error':{'message':'no'}}", TG_EPEER }, { "[{'error':{'message':'no'}}]", TG_EPEER },
        { "{'detail':'no'}", TG_EPEER }, { "{'type':'error','message':'no'}", TG_EPEER },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t f = 0; f < COUNT(formats); f++) {
            struct tg_answer *a = story_begin(formats[f].api);
            check_context = rows[i].body;
            CHECK_INT(tg_answer_read(a, qs(rows[i].body)), rows[i].err);
            if (rows[i].err == TG_EPEER)
                CHECK_STR(tg_buf_view(&tg_answer_told(a)->message), "no");
            tg_answer_free(a);
        }
}

TEST("an answer that came whole where a stream was asked for cannot be made one")
{
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct tg_answer *a = story_begin(formats[i].api);
        struct tg_buf out = { 0 };
        CHECK_INT(tg_answer_read(a, qs(formats[i].whole)), TG_OK);
        CHECK_INT(tg_answer_write_as_stream(a, qs(formats[i].whole), &out), TG_EINVAL);
        CHECK(out.len == 0);
        tg_answer_free(a);
    }
}

/* ---- hostile ---- */

static const char *const odd[] = {
    "null", "true", "-1", "1e999", "''", "'x'", "[]", "{}", "[[],{},'x',1,null]",
    "{'type':'error','text':{},'parts':7,'usage':[],'id':{}}", "'\\ud800'",
};

/* The text with the value at `at` (a quote, digit or bracket) exchanged. */
static void tell_odd(enum tg_api api, struct tg_str line, struct tg_json value, const char *with)
{
    struct tg_answer *a = story_begin(api);
    struct tg_buf text = { 0 }, out = { 0 };
    const char *end = value.raw.at + value.raw.len;

    tg_buf_add(&text, line.at, (size_t)(value.raw.at - line.at));
    tg_buf_z(&text, with);
    tg_buf_add(&text, end, (size_t)(line.at + line.len - end));
    tg_err err = story_event(a, tg_buf_view(&text), &out);
    CHECK(err == TG_OK || err == TG_EPEER || err == TG_ETOOBIG);
    tg_answer_settle(a);
    CHECK_INT(tg_answer_finish(a, &story_cost, TG_STR("{}"), &out), TG_OK);
    tg_buf_done(&text);
    tg_buf_done(&out);
    tg_answer_free(a);
}

static void tell_all_odd(enum tg_api api, struct tg_str line, struct tg_json value)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json inner;

    for (size_t i = 0; i < COUNT(odd); i++)
        tell_odd(api, line, value, q(odd[i]));
    tg_json_iter_init(&it, value);
    while (tg_json_next(&it, &key, &inner))
        tell_all_odd(api, line, inner);
}

TEST("a value of any other kind in any place is survived")
{
    for (size_t f = 0; f < COUNT(formats); f++) {
        const char *events[] = { formats[f].start, formats[f].content, formats[f].finish };
        for (size_t i = 0; i < COUNT(events); i++) {
            char *text = strdup(q(events[i]));
            struct tg_str line, rest, name, data;
            struct tg_json root = { 0 };
            check_context = events[i];
            tg_str_cut(tg_str_of(text), '\n', &line, &rest);
            tg_str_cut(line, '|', &name, &data);
            CHECK_INT(tg_json_check(data, TG_JSON_DEPTH_MAX, &root, NULL), TG_OK);
            struct tg_json_iter it;
            struct tg_str key;
            struct tg_json value;
            tg_json_iter_init(&it, root);
            while (tg_json_next(&it, &key, &value))
                tell_all_odd(formats[f].api, line, value);
            free(text);
        }
    }
}

TEST("a whole body with any other value in any place is survived")
{
    for (size_t f = 0; f < COUNT(formats); f++) {
        struct tg_str body = qs(formats[f].whole);
        struct tg_json root = { 0 }, value;
        struct tg_json_iter it;
        struct tg_str key;
        CHECK_INT(tg_json_check(body, TG_JSON_DEPTH_MAX, &root, NULL), TG_OK);
        tg_json_iter_init(&it, root);
        while (tg_json_next(&it, &key, &value))
            for (size_t i = 0; i < COUNT(odd); i++) {
                struct tg_answer *a = story_begin(formats[f].api);
                struct tg_buf text = { 0 }, out = { 0 };
                const char *end = value.raw.at + value.raw.len;
                tg_buf_add(&text, body.at, (size_t)(value.raw.at - body.at));
                tg_buf_z(&text, q(odd[i]));
                tg_buf_add(&text, end, (size_t)(body.at + body.len - end));
                check_context = odd[i];
                tg_err err = tg_answer_read(a, tg_buf_view(&text));
                CHECK(err == TG_OK || err == TG_EPEER || err == TG_EINVAL);
                if (!err)
                    CHECK_INT(tg_answer_write(a, tg_buf_view(&text), &story_cost, TG_STR("{}"),
                                              &out), TG_OK);
                tg_buf_done(&text);
                tg_buf_done(&out);
                tg_answer_free(a);
            }
    }
}

TEST("an event that is cut at any byte, or nested too deep, is refused")
{
    for (size_t f = 0; f < COUNT(formats); f++) {
        struct tg_str line = qs(formats[f].content);
        struct tg_buf deep = { 0 }, out = { 0 };
        struct tg_answer *a = story_begin(formats[f].api);
        check_context = formats[f].who;
        size_t from = (size_t)((const char *)memchr(line.at, '|', line.len) - line.at) + 2;
        for (size_t n = from; n < line.len; n++)
            CHECK_INT(story_event(a, (struct tg_str){ line.at, n }, &out), TG_EINVAL);
        tg_buf_z(&deep, "|{\"a\":");
        for (int i = 0; i < 100000; i++)
            tg_buf_char(&deep, '[');
        CHECK_INT(story_event(a, tg_buf_view(&deep), &out), TG_EINVAL);
        CHECK(out.len == 0 && !tg_answer_facts(a)->has_content);
        tg_buf_done(&deep);
        tg_answer_free(a);
    }
}

TEST("names are written as JSON, whatever is in them")
{
    static const struct tg_answer_names names = { { "a\"b", 3 }, { "\\\n", 2 }, { "\xff", 1 }, 0 };

    for (size_t i = 0; i < COUNT(formats); i++) {
        struct tg_answer *a = tg_answer_new(formats[i].api, &names, (struct tg_json){ 0 });
        struct tg_buf out = { 0 };
        check_context = formats[i].who;
        tg_answer_read(a, qs(formats[i].whole));
        CHECK_INT(tg_answer_write(a, qs(formats[i].whole), &story_cost, TG_STR(""), &out), TG_OK);
        CHECK_INT(tg_json_check(tg_buf_view(&out), TG_JSON_DEPTH_MAX, NULL, NULL), TG_OK);
        CHECK(holds(&out, "\"a\\\"b\""));
        tg_buf_done(&out);
        tg_answer_free(a);
    }
}

/* ---- memory ---- */

static tg_err stream_once(size_t i)
{
    struct tg_answer *a = story_begin(formats[i].api);
    struct tg_buf out = { 0 };
    tg_err err = a ? tell_whole(a, i, &out) : TG_ENOMEM;

    if (!err && !tg_answer_settle(a))
        err = TG_EINVAL;
    if (!err)
        err = tg_answer_finish(a, &story_cost, TG_STR("{}"), &out);
    tg_buf_done(&out);
    tg_answer_free(a);
    return err;
}

static tg_err write_once(size_t i)
{
    struct tg_answer *a = story_begin(formats[i].api);
    struct tg_buf out = { 0 };
    struct tg_str body = qs(formats[i].whole);
    tg_err err = a ? tg_answer_read(a, body) : TG_ENOMEM;

    if (!err)
        err = tg_answer_write(a, body, &story_cost, TG_STR("{}"), &out);
    tg_buf_done(&out);
    tg_answer_free(a);
    return err;
}

static tg_err fail_once(size_t i)
{
    struct tg_answer *a = story_begin(formats[i].api);
    struct tg_buf out = { 0 };
    tg_err err = a ? story_tell(a, "|{'error':{'message':'x'}}", &out) : TG_ENOMEM;

    if (err == TG_EPEER)
        err = tg_answer_fail(a, qs(FAULT), TG_STR("{}"), &out);
    tg_buf_done(&out);
    tg_answer_free(a);
    return err;
}

TEST("being out of memory is told, whenever it happens, and nothing leaks")
{
    for (size_t i = 0; i < COUNT(formats); i++) {
        check_context = formats[i].who;
        CHECK_EVERY_ALLOCATION(stream_once(i));
        CHECK_EVERY_ALLOCATION(write_once(i));
        CHECK_EVERY_ALLOCATION(fail_once(i));
    }
}

TEST_MAIN
