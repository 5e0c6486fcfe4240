#include "check.h"

#include "base/mem.h"
#include "quote.h"
#include "wire/usage.h"

static struct tg_json json(const char *text)
{
    struct tg_json root = { 0 };
    CHECK_INT(tg_json_check(qs(text), TG_JSON_DEPTH_MAX, &root, NULL), TG_OK);
    return root;
}

static struct tg_usage read(const char *text)
{
    struct tg_usage u;

    tg_usage_init(&u);
    tg_usage_read(&u, json(text));
    return u;
}

static struct tg_usage settled(const char *text)
{
    struct tg_usage u = read(text);
    tg_usage_settle(&u);
    return u;
}

/* ---- read ---- */

TEST("counts are read whatever words the provider has for them")
{
    static const struct {
        const char *who, *usage;
        int64_t prompt, completion, total, cached, reasoning;
    } rows[] = {
        { "OpenAI", "{'prompt_tokens':10,'completion_tokens':5,'total_tokens':15,"
          "'prompt_tokens_details':{'cached_tokens':4},"
          "'completion_tokens_details':{'reasoning_tokens':2}}", 10, 5, 15, 4, 2 },
        { "DeepSeek", "{'prompt_tokens':10,'completion_tokens':5,'total_tokens':15,"
          "'prompt_cache_hit_tokens':6,'prompt_cache_miss_tokens':4}", 10, 5, 15, 6, -1 },
        { "Mistral", "{'prompt_tokens':10,'completion_tokens':5,'total_tokens':15,"
          "'num_cached_tokens':7}", 10, 5, 15, 7, -1 },
        { "Together", "{'prompt_tokens':10,'completion_tokens':5,'total_tokens':15,"
          "'cached_tokens':3}", 10, 5, 15, 3, -1 },
        { "Copilot", "{'prompt_tokens':10,'completion_tokens':5,'total_tokens':15,"
          "'reasoning_tokens':1}", 10, 5, 15, -1, 1 },
        { "no total", "{'prompt_tokens':10,'completion_tokens':5}", 10, 5, 15, -1, -1 },
        { "total alone", "{'total_tokens':15}", 15, -1, 15, -1, -1 },
        { "prompt and total", "{'prompt_tokens':8,'total_tokens':8}", 8, -1, 8, -1, -1 },
        { "Anthropic's names, cache outside input",
          "{'input_tokens':10,'cache_read_input_tokens':100,"
          "'cache_creation_input_tokens':20,'output_tokens':5}", 130, 5, 135, 100, -1 },
        { "Responses' names, cache inside input",
          "{'input_tokens':110,'input_tokens_details':{'cached_tokens':100},"
          "'output_tokens':5,'output_tokens_details':{'reasoning_tokens':3}}",
          110, 5, 115, 100, 3 },
        { "Anthropic's thinking", "{'input_tokens':10,'output_tokens':5,"
          "'output_tokens_details':{'thinking_tokens':4}}", 10, 5, 15, -1, 4 },
        { "written otherwise", "{'prompt_tokens':1e1,'completion_tokens':5.0}",
          10, 5, 15, -1, -1 },
        { "nulls", "{'prompt_tokens':10,'completion_tokens':5,'total_tokens':null,"
          "'prompt_tokens_details':null}", 10, 5, 15, -1, -1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_context = rows[i].who;
        struct tg_usage u = settled(rows[i].usage);
        CHECK_INT(u.prompt, rows[i].prompt);
        CHECK_INT(u.completion, rows[i].completion);
        CHECK_INT(u.total, rows[i].total);
        CHECK_INT(u.cached, rows[i].cached);
        CHECK_INT(u.reasoning, rows[i].reasoning);
        CHECK(u.seen && !u.doubtful);
    }
}

TEST("of several names for one count in one object the largest is believed")
{
    struct tg_usage u = read("{'prompt_tokens':10,'prompt_tokens_details':{'cached_tokens':9},"
                             "'cache_read_input_tokens':0}");
    CHECK_INT(u.cached, 9);
    u = read("{'prompt_tokens':10,'prompt_cache_hit_tokens':9,"
             "'prompt_tokens_details':{'cached_tokens':0}}");
    CHECK_INT(u.cached, 9);
}

TEST("cache writes are told apart by how long they are kept")
{
    struct tg_usage u = settled("{'prompt_tokens':100,'completion_tokens':1,'cache_creation':"
                                "{'ephemeral_5m_input_tokens':10,'ephemeral_1h_input_tokens':20}}");
    CHECK_INT(u.cache_write, 30);
    CHECK_INT(u.cache_write_1h, 20);
    CHECK(!u.doubtful);
}

TEST("Responses tells what it wrote to the cache beside what it read from it")
{
    struct tg_usage u = settled("{'input_tokens':4100,'input_tokens_details':{'cached_tokens':0,"
                                "'cache_write_tokens':4000},'output_tokens':5}");
    CHECK_INT(u.prompt, 4100);
    CHECK_INT(u.cached, 0);
    CHECK_INT(u.cache_write, 4000);
}

TEST("what was read from the cache may be told by kind")
{
    struct tg_usage u = settled("{'prompt_tokens':100,'completion_tokens':1,"
                                "'prompt_tokens_details':{'cached_tokens':60,'audio_tokens':50,"
                                "'cached_tokens_details':{'audio_tokens':40,'image_tokens':5}}}");
    CHECK_INT(u.cached, 60);
    CHECK_INT(u.prompt_audio, 50);
    CHECK_INT(u.cached_audio, 40);
    CHECK_INT(u.cached_image, 5);
}

TEST("Cohere bills less than it counts, and images with the rest")
{
    struct tg_usage u = settled("{'prompt_tokens':500,'completion_tokens':9,"
                                "'billed_units':{'input_tokens':20,'output_tokens':8}}");
    CHECK_INT(u.prompt, 500);
    CHECK_INT(u.billed_prompt, 20);
    CHECK_INT(u.billed_completion, 8);
    u = settled("{'prompt_tokens':11,'billed_units':{'input_tokens':7,'image_tokens':4}}");
    CHECK_INT(u.billed_prompt, 11);
    u = settled("{'search_units':1,'billed_units':{'search_units':1}}");
    CHECK_INT(u.billed_prompt, -1);
}

TEST("what Anthropic samples to compact is counted beside the answer, an advisor's is not")
{
    static const char told[] =
        "{'input_tokens':180,'output_tokens':8,'iterations':["
        "{'type':'compaction','input_tokens':100,'cache_read_input_tokens':7,"
        "'cache_creation_input_tokens':50,'output_tokens':82,"
        "'cache_creation':{'ephemeral_5m_input_tokens':20,'ephemeral_1h_input_tokens':30}},"
        "{'type':'compaction','input_tokens':1,'output_tokens':2},null,"
        "{'type':'advisor_message','model':'other','input_tokens':9,'output_tokens':9},"
        "{'type':'message','input_tokens':180,'output_tokens':8}]}";
    struct tg_usage u = settled(told);
    CHECK_INT(u.prompt, 180);
    CHECK_INT(u.completion, 8);
    CHECK_INT(u.beside.prompt, 158);
    CHECK_INT(u.beside.completion, 84);
    CHECK_INT(u.beside.cached, 7);
    CHECK_INT(u.beside.cache_write, 50);
    CHECK_INT(u.beside.cache_write_1h, 30);
    CHECK(!u.doubtful);
    tg_usage_read(&u, json("{'output_tokens':9}"));
    CHECK_INT(u.beside.prompt, 158);
    tg_usage_read(&u, json(told));                 /* told again, not sampled again */
    CHECK_INT(u.beside.prompt, 158);
}

TEST("a sum of what was sampled besides that cannot be true is doubted")
{
    struct tg_usage u = read("{'input_tokens':1,'output_tokens':1,'iterations':["
                             "{'type':'compaction','input_tokens':1000000000},"
                             "{'type':'compaction','input_tokens':1000000000}]}");
    CHECK_INT(u.beside.prompt, 0);
    CHECK(u.doubtful);
}

TEST("the last value of each count wins, and null takes nothing back")
{
    struct tg_usage u;

    tg_usage_init(&u);
    tg_usage_read(&u, json("{'prompt_tokens':0,'completion_tokens':0,"
                           "'prompt_tokens_details':{'cached_tokens':4}}"));
    tg_usage_read(&u, json("{'prompt_tokens':12,'completion_tokens':3,'cost':0.5}"));
    tg_usage_read(&u, json("{'completion_tokens':9,'prompt_tokens':null,'cost':null}"));
    tg_usage_read(&u, json("null"));
    tg_usage_read(&u, json("[]"));
    CHECK_INT(u.prompt, 12);
    CHECK_INT(u.completion, 9);
    CHECK_INT(u.cached, 4);
    CHECK_INT(u.cost_nano, 500000000);
    CHECK(!u.doubtful);
}

TEST("nothing was seen until both counts, or a total, were said")
{
    CHECK(!read("{}").seen);
    CHECK(!read("{'prompt_tokens':1}").seen);
    CHECK(!read("'much'").seen);
    CHECK(read("{'prompt_tokens':1,'completion_tokens':0}").seen);
    CHECK(read("{'total_tokens':1}").seen);
}

TEST("what cannot be true is not believed, and makes the rest doubtful")
{
    static const char *const rows[] = {
        "{'prompt_tokens':-5}", "{'prompt_tokens':1.5}", "{'prompt_tokens':'12'}",
        "{'prompt_tokens':[1]}", "{'prompt_tokens':{}}", "{'prompt_tokens':true}",
        "{'prompt_tokens':1e308}", "{'prompt_tokens':1000000001}",
        "{'prompt_tokens':92233720368547758070}", "{'cost':-1}", "{'cost':'free'}",
        "{'cost':1e300}", "{'cost_in_usd_ticks':-4}", "{'cost_in_usd_ticks':1.5}",
        "{'completion_tokens_details':{'reasoning_tokens':-1}}",
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_context = rows[i];
        struct tg_usage u = read(rows[i]);
        CHECK(u.doubtful && !u.seen);
        CHECK_INT(u.prompt, -1);
        CHECK_INT(u.cost_nano, -1);
        CHECK_INT(u.reasoning, -1);
    }
    CHECK_INT(read("{'prompt_tokens':1000000000}").prompt, TG_USAGE_TOKENS_MAX);
}

TEST("Gemini counts thoughts beside the answer, and its tools' prompts beside the prompt")
{
    static const struct {
        const char *who, *usage;
        int64_t prompt, completion, total, cached, reasoning;
    } rows[] = {
        { "an answer", "{'promptTokenCount':10,'candidatesTokenCount':5,'totalTokenCount':15}",
          10, 5, 15, -1, -1 },
        { "thoughts", "{'promptTokenCount':10,'candidatesTokenCount':5,'thoughtsTokenCount':7,"
          "'totalTokenCount':22}", 10, 12, 22, -1, 7 },
        { "thoughts alone", "{'promptTokenCount':3,'thoughtsTokenCount':9,'totalTokenCount':12}",
          3, 9, 12, -1, 9 },
        { "thoughts that are not told",
          "{'promptTokenCount':10,'candidatesTokenCount':5,'totalTokenCount':22}",
          10, 12, 22, -1, 7 },
        { "tools", "{'promptTokenCount':147,'candidatesTokenCount':108,'totalTokenCount':783,"
          "'toolUsePromptTokenCount':360,'thoughtsTokenCount':168}", 507, 276, 783, -1, 168 },
        { "a cache", "{'promptTokenCount':10,'cachedContentTokenCount':8,"
          "'candidatesTokenCount':5,'totalTokenCount':15}", 10, 5, 15, 8, -1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_usage u;
        check_context = rows[i].who;
        tg_usage_init(&u);
        tg_usage_read_gemini(&u, json(rows[i].usage));
        CHECK(u.seen);
        tg_usage_settle(&u);
        CHECK_INT(u.prompt, rows[i].prompt);
        CHECK_INT(u.completion, rows[i].completion);
        CHECK_INT(u.total, rows[i].total);
        CHECK_INT(u.cached, rows[i].cached);
        CHECK_INT(u.reasoning, rows[i].reasoning);
        CHECK(!u.doubtful);
    }
}

TEST("Gemini's counts grow from chunk to chunk, and one that is left out stays")
{
    struct tg_usage u;

    tg_usage_init(&u);
    tg_usage_read_gemini(&u, json("{'promptTokenCount':46,'thoughtsTokenCount':67}"));
    CHECK_INT(u.completion, 67);
    tg_usage_read_gemini(&u, json("{'promptTokenCount':46,'candidatesTokenCount':22}"));
    CHECK_INT(u.completion, 89);
    tg_usage_read_gemini(&u, json("{'candidatesTokenCount':46,'thoughtsTokenCount':70}"));
    CHECK_INT(u.completion, 116);
    tg_usage_read_gemini(&u, json("{'thoughtsTokenCount':71,'cost':0.5}"));
    CHECK_INT(u.completion, 117);
    CHECK_INT(u.reasoning, 71);
    CHECK_INT(u.prompt, 46);
    CHECK_INT(u.cost_nano, 500000000);
    tg_usage_read_gemini(&u, json("[]"));
    tg_usage_read_gemini(&u, json("{'candidatesTokenCount':null}"));
    CHECK(!u.doubtful);
    tg_usage_read_gemini(&u, json("{'candidatesTokenCount':-1}"));
    CHECK(u.doubtful);
    CHECK_INT(u.completion, 117);
}

TEST("Gemini tells sounds, pictures and films apart in lists")
{
    struct tg_usage u;

    tg_usage_init(&u);
    tg_usage_read_gemini(&u, json(
        "{'promptTokensDetails':[{'modality':'TEXT','tokenCount':1},{'modality':'AUDIO',"
        "'tokenCount':2},{'modality':'IMAGE','tokenCount':3},{'modality':'VIDEO','tokenCount':4},"
        "{'modality':'DOCUMENT','tokenCount':5},7,{}],'candidatesTokensDetails':[{'modality':"
        "'IMAGE','tokenCount':6},{'modality':'AUDIO','tokenCount':8},{'modality':'VIDEO',"
        "'tokenCount':9}]}"));
    CHECK_INT(u.prompt_audio, 2);
    CHECK_INT(u.prompt_image, 3);
    CHECK_INT(u.prompt_video, 4);
    CHECK_INT(u.completion_image, 6);
    CHECK_INT(u.completion_audio, 8);
    CHECK(!u.doubtful && !u.seen);
}

TEST("Gemini tells its tools' prompts and its cache by kind too")
{
    struct tg_usage u;

    tg_usage_init(&u);
    tg_usage_read_gemini(&u, json(
        "{'promptTokenCount':90,'promptTokensDetails':[{'modality':'AUDIO','tokenCount':20}],"
        "'toolUsePromptTokenCount':10,'toolUsePromptTokensDetails':[{'modality':'AUDIO',"
        "'tokenCount':4},{'modality':'IMAGE','tokenCount':6}],'cachedContentTokenCount':30,"
        "'cacheTokensDetails':[{'modality':'TEXT','tokenCount':7},{'modality':'AUDIO',"
        "'tokenCount':18},{'modality':'IMAGE','tokenCount':5}]}"));
    CHECK_INT(u.prompt, 100);
    CHECK_INT(u.prompt_audio, 24);
    CHECK_INT(u.prompt_image, 6);
    CHECK_INT(u.cached, 30);
    CHECK_INT(u.cached_audio, 18);
    CHECK_INT(u.cached_image, 5);
}

/* ---- settle ---- */

TEST("completion includes reasoning also where the provider counts it outside")
{
    static const struct {
        const char *who, *usage;
        int64_t completion, reasoning, total;
    } rows[] = {
        { "xAI", "{'prompt_tokens':432,'completion_tokens':68,'total_tokens':636,"
          "'completion_tokens_details':{'reasoning_tokens':136}}", 204, 136, 636 },
        { "Gemini, which does not say how much", "{'prompt_tokens':35,'completion_tokens':12,"
          "'total_tokens':109}", 74, 62, 109 },
        { "Vercel, whose total leaves it out", "{'prompt_tokens':57,'completion_tokens':18,"
          "'total_tokens':75,'completion_tokens_details':{'reasoning_tokens':95}}",
          113, 95, 170 },
        { "included", "{'prompt_tokens':10,'completion_tokens':50,'total_tokens':60,"
          "'completion_tokens_details':{'reasoning_tokens':40}}", 50, 40, 60 },
        { "no total", "{'prompt_tokens':10,'completion_tokens':50,"
          "'completion_tokens_details':{'reasoning_tokens':40}}", 50, 40, 60 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_context = rows[i].who;
        struct tg_usage u = settled(rows[i].usage);
        CHECK_INT(u.completion, rows[i].completion);
        CHECK_INT(u.reasoning, rows[i].reasoning);
        CHECK_INT(u.total, rows[i].total);
        CHECK(!u.doubtful);
        tg_usage_settle(&u);
        CHECK_INT(u.completion, rows[i].completion);
        CHECK_INT(u.total, rows[i].total);
    }
}

TEST("a total that contradicts its parts is put right and doubted")
{
    struct tg_usage u = settled("{'prompt_tokens':10,'completion_tokens':5,'total_tokens':3}");
    CHECK_INT(u.total, 15);
    CHECK(u.doubtful);
}

TEST("no part is larger than its whole")
{
    struct tg_usage u = settled("{'prompt_tokens':293,'completion_tokens':58,"
                                "'prompt_tokens_details':{'cached_tokens':387,"
                                "'cache_write_tokens':5}}");
    CHECK_INT(u.prompt, 293);
    CHECK_INT(u.cached, 293);
    CHECK_INT(u.cache_write, 0);
    CHECK(u.doubtful);
}

/* ---- charges ---- */

TEST("the provider's charge is read wherever it stands")
{
    static const struct {
        const char *who, *usage;
        int64_t nano;
    } rows[] = {
        { "OpenRouter", "{'cost':0.00140355}", 1403550 },
        { "nothing", "{'cost':0}", 0 },
        { "not said", "{'prompt_tokens':1}", -1 },
        { "Perplexity", "{'cost':{'input_tokens_cost':2e-05,'output_tokens_cost':1e-05,"
          "'request_cost':0.005,'total_cost':0.00503}}", 5030000 },
        { "xAI, 1e10 ticks a dollar", "{'cost_in_usd_ticks':1654500}", 165450 },
        { "xAI, rounded", "{'cost_in_usd_ticks':15}", 2 },
        { "details alone", "{'cost_details':{'upstream_inference_cost':0.0000063}}", 6300 },
        { "through our own key there", "{'cost':0.0000005,'is_byok':true,"
          "'cost_details':{'upstream_inference_cost':0.0000063}}", 6800 },
        { "details that only explain", "{'cost':0.5,'is_byok':false,"
          "'cost_details':{'upstream_inference_cost':0.5}}", 500000000 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_context = rows[i].who;
        CHECK_INT(read(rows[i].usage).cost_nano, rows[i].nano);
    }
}

TEST("a charge outside the usage object is read too")
{
    struct tg_usage u;

    tg_usage_init(&u);
    tg_usage_read_charge(&u, json("{'diem':0,'usd':0.0001313125}"));
    CHECK_INT(u.cost_nano, 131313);
    tg_usage_read_charge(&u, json("'much'"));
    tg_usage_read_charge(&u, json("{'eur':3}"));
    CHECK_INT(u.cost_nano, 131313);
}

TEST("dollars become nano-dollars exactly, half a nano-dollar away from zero")
{
    static const struct {
        const char *number;
        int64_t nano;
    } rows[] = {
        { "0", 0 }, { "-0", 0 }, { "1", 1000000000 }, { "0.00140355", 1403550 },
        { "1.275e-05", 12750 }, { "1E-9", 1 }, { "0.0000000005", 1 }, { "0.00000000049999", 0 },
        { "-0.0000000005", -1 }, { "1e-400", 0 }, { "0e999999999999", 0 }, { "0.000e5", 0 },
        { "123.456e2", 12345600000000 }, { "12300000e-5", 123000000000 },
        { "9223372036.854775807", INT64_MAX }, { "-9223372036.854775807", -INT64_MAX },
        { "0.1", 100000000 }, { "0.30000000000000004", 300000000 },
        { "0.000000000000000000000000000001e30", 1000000000 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t nano = 42;
        check_context = rows[i].number;
        CHECK(tg_usage_dollars(json(rows[i].number), &nano));
        CHECK_INT(nano, rows[i].nano);
    }
}

TEST("what is no number of dollars, or too many, is refused and changes nothing")
{
    static const char *const rows[] = {
        "9223372036.8547758075", "9223372037", "1e300", "1e99999999999999999999", "'1'", "null",
        "{}", "true",
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t nano = 42;
        check_context = rows[i];
        CHECK(!tg_usage_dollars(json(rows[i]), &nano));
        CHECK_INT(nano, 42);
    }
}

TEST("nano-dollars are written as the shortest exact number of dollars")
{
    static const struct {
        int64_t nano;
        const char *dollars;
    } rows[] = {
        { 0, "0" }, { 1, "0.000000001" }, { 1403550, "0.00140355" }, { 1000000000, "1" },
        { 1500000000, "1.5" }, { -1, "-0.000000001" }, { -2000000000, "-2" },
        { INT64_MAX, "9223372036.854775807" }, { INT64_MIN, "-9223372036.854775808" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_buf out = { 0 };
        int64_t back = 0;
        CHECK_INT(tg_usage_put_dollars(&out, rows[i].nano), TG_OK);
        CHECK_STR(tg_buf_view(&out), rows[i].dollars);
        if (rows[i].nano != INT64_MIN) {
            CHECK(tg_usage_dollars(json(rows[i].dollars), &back));
            CHECK_INT(back, rows[i].nano);
        }
        tg_buf_done(&out);
    }
}

/* ---- write ---- */

static const struct tg_cost cost = {
    .total = 837000, .upstream = 837000, .upstream_prompt = 762000, .upstream_completion = 75000
};

static void check_put(const char *usage, const struct tg_cost *c, const char *want)
{
    struct tg_usage u = settled(usage);
    struct tg_buf out = { 0 };

    CHECK_INT(tg_usage_put(&out, &u, c, json(usage)), TG_OK);
    CHECK_STR(tg_buf_view(&out), q(want));
    CHECK_INT(tg_json_check(tg_buf_view(&out), TG_JSON_DEPTH_MAX, NULL, NULL), TG_OK);
    tg_buf_done(&out);
}

TEST("the contract's usage object is written")
{
    check_put("{'prompt_tokens':254,'completion_tokens':5,'total_tokens':259}", &cost,
              "{'prompt_tokens':254,'completion_tokens':5,'total_tokens':259,"
              "'cost':0.000837,'is_byok':false,"
              "'prompt_tokens_details':{'cached_tokens':0,'cache_write_tokens':0,"
              "'audio_tokens':0,'video_tokens':0},"
              "'cost_details':{'upstream_inference_cost':0.000837,"
              "'upstream_inference_prompt_cost':0.000762,"
              "'upstream_inference_completions_cost':0.000075},"
              "'completion_tokens_details':{'reasoning_tokens':0,'image_tokens':0,"
              "'audio_tokens':0}}");
}

TEST("what the contract does not know goes on behind it, byte for byte")
{
    check_put("{'prompt_tokens':1,'completion_tokens':2,'queue_time':0.10,'cost':9,"
              "'seed':12345678901234567890,'nothing':null,"
              "'completion_tokens_details':{'accepted_prediction_tokens':1,'x':null}}", NULL,
              "{'prompt_tokens':1,'completion_tokens':2,'total_tokens':3,"
              "'prompt_tokens_details':{'cached_tokens':0,'cache_write_tokens':0,"
              "'audio_tokens':0,'video_tokens':0},"
              "'completion_tokens_details':{'reasoning_tokens':0,'image_tokens':0,"
              "'audio_tokens':0,'accepted_prediction_tokens':1},"
              "'queue_time':0.10,'seed':12345678901234567890}");
}

TEST("embeddings have no completion, and an unknown upstream cost is null")
{
    static const struct tg_cost byok = {
        .total = 5, .upstream = -1, .upstream_prompt = 0, .upstream_completion = -1, .is_byok = true
    };
    check_put("{'prompt_tokens':8,'total_tokens':8}", &byok,
              "{'prompt_tokens':8,'total_tokens':8,'cost':0.000000005,'is_byok':true,"
              "'prompt_tokens_details':{'cached_tokens':0,'cache_write_tokens':0,"
              "'audio_tokens':0,'video_tokens':0},"
              "'cost_details':{'upstream_inference_cost':null,"
              "'upstream_inference_prompt_cost':0,'upstream_inference_completions_cost':0}}");
}

TEST("server tools are told as the provider told them, or counted")
{
    struct tg_buf out = { 0 };
    struct tg_usage u = settled("{'total_tokens':1,'num_search_queries':2}");

    CHECK_INT(tg_usage_put(&out, &u, NULL, (struct tg_json){ 0 }), TG_OK);
    CHECK(tg_str_ends(tg_buf_view(&out),
                      q(",'server_tool_use_details':{'web_search_requests':2}}")));
    tg_buf_reset(&out);

    const char *told = "{'total_tokens':1,'server_tool_use_details':{'web_search_requests':1,"
                       "'tool_calls_executed':3}}";
    u = settled(told);
    CHECK_INT(u.web_searches, 1);
    CHECK_INT(settled("{'input_tokens':1,'output_tokens':1,'server_side_tool_usage_details':"
                      "{'web_search_calls':2,'x_search_calls':0}}").web_searches, 2);
    CHECK_INT(tg_usage_put(&out, &u, NULL, json(told)), TG_OK);
    CHECK(tg_str_ends(tg_buf_view(&out), q(",'server_tool_use_details':{'web_search_requests':1,"
                                         "'tool_calls_executed':3}}")));
    tg_buf_done(&out);
}

TEST("what the provider takes is told under the names that a format has for its parts")
{
    static const struct tg_cost none = {
        .total = 5, .upstream = -1, .upstream_prompt = -1, .upstream_completion = -1
    };
    struct tg_buf out = { 0 };

    CHECK_INT(tg_usage_put_cost_details(&out, &none, "in", "out"), TG_OK);
    CHECK_INT(out.len, 0);
    struct tg_cost some = none;
    some.upstream_prompt = 1;
    CHECK_INT(tg_usage_put_cost_details(&out, &some, "in", "out"), TG_OK);
    CHECK_STR(tg_buf_view(&out), q("{'upstream_inference_cost':null,'in':0.000000001,'out':0}"));
    tg_buf_done(&out);
}

static tg_err put_once(void)
{
    struct tg_usage u = settled("{'prompt_tokens':1,'completion_tokens':2}");
    struct tg_buf out = { 0 };
    tg_err err = tg_usage_put(&out, &u, &cost, (struct tg_json){ 0 });

    tg_buf_done(&out);
    return err;
}

TEST("being out of memory is told")
{
    CHECK_EVERY_ALLOCATION(put_once());
}

TEST_MAIN
