#include "route_world.h"

#include "route/constrain.h"

#define DOLLAR "0.000001"

/* ---- who is dropped, and why ---- */

static const char *const MIXED =
    MODEL("m/one",
          AT("openai", "0.000002", ",'quantization':'bf16','supported_parameters':['tools',"
             "'max_tokens','seed','response_format']") ","
          AT("openai", "0.000009", ",'tag':'openai/priority'") ","
          AT("openai", "0.000001", ",'tag':'openai/flex'") ","
          AT("azure", "0.000003", ",'quantization':'fp8','supported_parameters':['tools',"
             "'tool_choice','max_tokens','top_k'],'distillable':true") ","
          AT("google-vertex", "0.000004", ",'tag':'google-vertex/us-east5','quantization':'fp4',"
             "'supported_parameters':['max_tokens']") ","
          AT("groq", "0.000008", ",'context_length':1000,'max_completion_tokens':500,"
             "'supported_parameters':['tools','tool_choice','max_tokens'],"
             "'supports_tool_choice':{'auto':true,'none':true,'required':false,'function':true}"));

static const struct {
    const char *what, *body, *kept, *dropped;
} filters[] = {
    { "nothing asked: all but the tiers", "",
      "openai azure google-vertex/us-east5 groq",
      "openai/priority:service_tier openai/flex:service_tier" },
    { "only, by slug and by display name", ",'provider':{'only':['azure','Groq']}",
      "azure groq", "openai:only openai/priority:service_tier openai/flex:service_tier "
      "google-vertex/us-east5:only" },
    { "only, a base slug means every region", ",'provider':{'only':['google-vertex']}",
      "google-vertex/us-east5", NULL },
    { "only, a tag means that one", ",'provider':{'only':['openai/priority']}",
      "openai/priority", NULL },
    { "ignore", ",'provider':{'ignore':['openai','google-vertex/us-east5']}",
      "azure groq", "openai:ignore openai/priority:service_tier openai/flex:service_tier "
      "google-vertex/us-east5:ignore" },
    { "data_collection deny", ",'provider':{'data_collection':'deny'}", "azure groq",
      "openai:data_collection openai/priority:service_tier openai/flex:service_tier "
      "google-vertex/us-east5:data_collection" },
    { "data_collection allow", ",'provider':{'data_collection':'allow'}",
      "openai azure google-vertex/us-east5 groq", NULL },
    { "zdr", ",'provider':{'zdr':true}", "azure", NULL },
    { "zdr false relaxes nothing and asks nothing", ",'provider':{'zdr':false}",
      "openai azure google-vertex/us-east5 groq", NULL },
    { "distillable", ",'provider':{'enforce_distillable_text':true}", "azure", NULL },
    { "quantizations", ",'provider':{'quantizations':['fp8','fp4']}",
      "azure google-vertex/us-east5", NULL },
    { "quantization unknown is a word like the others", ",'provider':{'quantizations':['unknown']}",
      "groq", NULL },
    { "max_price per million, the bound included", ",'provider':{'max_price':{'prompt':3}}",
      "openai azure", "openai/priority:service_tier openai/flex:service_tier "
      "google-vertex/us-east5:max_price groq:max_price" },
    { "max_price as text", ",'provider':{'max_price':{'completion':'2.5'}}", "openai", NULL },
    { "a price that is not given is no price", ",'provider':{'max_price':{'request':0}}",
      "openai azure google-vertex/us-east5 groq", NULL },
    { "a longer answer than an endpoint gives", ",'max_tokens':501",
      "openai azure google-vertex/us-east5",
      "openai/priority:service_tier openai/flex:service_tier "
      "groq:max_tokens" },
    { "prompt and answer together fit the context", ",'max_tokens':99990",
      "openai azure google-vertex/us-east5", NULL },
    { "require_parameters", ",'seed':1,'provider':{'require_parameters':true}", "openai", NULL },
    { "either spelling of max_tokens is supported with the other",
      ",'max_completion_tokens':100,'provider':{'require_parameters':true}",
      "openai azure google-vertex/us-east5 groq", NULL },
    { "without require_parameters an unknown parameter drops nobody", ",'seed':1",
      "openai azure google-vertex/us-east5 groq", NULL },
    { "tools, where some support them", ",'tools':[{'type':'function','function':{'name':'f'}}]",
      "openai azure groq", "openai/priority:service_tier openai/flex:service_tier "
      "google-vertex/us-east5:tools" },
    { "response_format, where some support it", ",'response_format':{'type':'json_object'}",
      "openai", "openai/priority:service_tier openai/flex:service_tier azure:parameters "
      "google-vertex/us-east5:parameters groq:parameters" },
    { "verbosity, where nobody supports it", ",'verbosity':'low'",
      "openai azure google-vertex/us-east5 groq", NULL },
    { "tool_choice required", ",'tools':[{'type':'function','function':{'name':'f'}}],"
      "'tool_choice':'required'", "azure", "openai:tool_choice openai/priority:service_tier "
      "openai/flex:service_tier google-vertex/us-east5:tools groq:tool_choice" },
    { "tool_choice of one function", ",'tools':[{'type':'function','function':{'name':'f'}}],"
      "'tool_choice':{'type':'function','function':{'name':'f'}}", "azure groq", NULL },
    { "tool_choice auto is no need", ",'tools':[{'type':'function','function':{'name':'f'}}],"
      "'tool_choice':'auto'", "openai azure groq", NULL },
    { "service_tier priority", ",'service_tier':'priority'",
      "openai openai/priority azure google-vertex/us-east5 groq", "openai/flex:service_tier" },
    { "service_tier fast is priority", ",'service_tier':'fast'",
      "openai openai/priority azure google-vertex/us-east5 groq", NULL },
    { "service_tier flex never falls back where flex exists", ",'service_tier':'flex'",
      "openai/flex", "openai:service_tier openai/priority:service_tier azure:service_tier "
      "google-vertex/us-east5:service_tier groq:service_tier" },
    { "order admits the tier that it names", ",'provider':{'order':['openai/flex']}",
      "openai openai/flex azure google-vertex/us-east5 groq", "openai/priority:service_tier" },
};

TEST("each wish drops those that do not meet it and nobody else")
{
    struct world w;
    char body[1024];
    world_open(&w, MIXED);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        check_context = filters[i].what;
        snprintf(body, sizeof body, "{'model':'m/one'," HELLO "%s}", filters[i].body);
        CHECK_INT(world_ask(&w, body), TG_OK);
        tg_plan_begin(&w.plan, &w.needs);
        CHECK_INT(tg_constrain(&w.plan, &w.plans), TG_OK);
        CHECK_STR(world_order(&w), filters[i].kept);
        if (filters[i].dropped)
            CHECK_STR(world_dropped(&w), filters[i].dropped);
    }
    world_close(&w);
}

static const struct {
    const char *model, *kept, *body;
} suffixes[] = {
    { "m/one:nitro", "openai/priority", "" },
    { "m/one:floor", "openai/flex", "" },
    { "m/one:nitro", "", ",'service_tier':'default'" },
    { "m/one:floor", "", ",'provider':{'order':['openai']}" },
    { "m/one:exacto", "", "" },
};

TEST(":nitro admits priority and :floor flex, unless order or the default tier is asked for")
{
    struct world w;
    char body[256];
    world_open(&w, MIXED);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        struct tg_buf tiers = { 0 };
        check_context = suffixes[i].model;
        snprintf(body, sizeof body, "{'model':'%s'," HELLO "%s}", suffixes[i].model,
            suffixes[i].body);
        CHECK_INT(world_ask(&w, body), TG_OK);
        for (size_t c = 0; c < w.plan.kept; c++)
            if (w.plan.all[c].endpoint->is_tier)
                tg_buf_str(&tiers, w.plan.all[c].endpoint->tag);
        CHECK_STR(tg_buf_view(&tiers), suffixes[i].kept);
        tg_buf_done(&tiers);
    }
    world_close(&w);
}

TEST("an estimate may be a fifth too high: only what surely overflows is dropped")
{
    struct world w;
    world_open(&w, MODEL("m/one", AT("openai", DOLLAR, ",'context_length':1000")));
    CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO "}"), TG_OK);

    w.needs.prompt_tokens = 1250;
    w.needs.max_tokens = -1;
    CHECK_INT(world_plan(&w), TG_OK);
    w.needs.prompt_tokens = 1252;
    CHECK_INT(world_plan(&w), TG_ENOTFOUND);
    w.needs.prompt_tokens = 1000;
    w.needs.max_tokens = 200;
    CHECK_INT(world_plan(&w), TG_OK);
    w.needs.max_tokens = 201;
    CHECK_INT(world_plan(&w), TG_ENOTFOUND);
    w.needs.prompt_tokens = INT64_MAX;
    w.needs.max_tokens = INT64_MAX;
    CHECK_INT(world_plan(&w), TG_ENOTFOUND);
    world_close(&w);
}

TEST("a limit on the prompt alone holds beside the context")
{
    struct world w;
    world_open(&w, MODEL("m/one", AT("openai", DOLLAR, ",'max_prompt_tokens':500")));
    CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO "}"), TG_OK);
    w.needs.prompt_tokens = 625;
    CHECK_INT(world_plan(&w), TG_OK);
    w.needs.prompt_tokens = 627;
    CHECK_INT(world_plan(&w), TG_ENOTFOUND);
    CHECK(tg_str_starts(w.fault.message, "This endpoint's maximum context length is 500 tokens."));
    world_close(&w);
}

TEST("status -5 and -10 are off, milder ones are tried")
{
    struct world w;
    world_open(&w, MODEL("m/one", AT("openai", DOLLAR, ",'status':-3") ","
                         AT("azure", DOLLAR, ",'status':-5") "," AT("groq", DOLLAR, ","
                            "'status':-10")));
    CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO "}"), TG_OK);
    CHECK_STR(world_order(&w), "openai");
    CHECK_STR(world_dropped(&w), "azure:disabled groq:disabled");
    world_close(&w);
}

TEST("images go where images are taken, and unknown abilities count as there")
{
    struct world w;
    world_open(&w, MODEL("m/one",
                         AT("openai", DOLLAR, ",'architecture':{'input_modalities':['text'],"
                            "'output_modalities':['text']}") ","
                         AT("azure", DOLLAR, ",'architecture':{'input_modalities':['text',"
                            "'image'],'output_modalities':['text']}") ","
                         AT("groq", DOLLAR, "")));
    CHECK_INT(world_ask(&w, "{'model':'m/one','provider':{'order':['azure','groq']},"
                            "'messages':[{'role':'user','content':["
                            "{'type':'image_url',"
                            "'image_url':{'url':'https://x.example/a.png'}}]}]}"), TG_OK);
    CHECK_STR(world_order(&w), "azure groq");
    CHECK_STR(world_dropped(&w), "openai:modality");
    world_close(&w);
}

TEST("embeddings go to embedding models and chats do not")
{
    struct world w;
    world_open(&w, MODEL("m/chat", AT("openai", DOLLAR, ","
                         "'architecture':{'input_modalities':['text'],"
                         "'output_modalities':['text']}")) ","
               MODEL("m/embed", AT("openai", DOLLAR, ","
                     "'architecture':{'input_modalities':['text'],"
                     "'output_modalities':['embeddings']}")));
    CHECK_INT(world_ask_api(&w, TG_API_EMBEDDINGS, "{'model':'m/embed','input':'x'}"), TG_OK);
    CHECK_INT(world_ask_api(&w, TG_API_EMBEDDINGS, "{'model':'m/chat','input':'x'}"), TG_ENOTFOUND);
    CHECK_INT(w.fault.availability, TG_AVAIL_WRONG_ENDPOINT);
    CHECK_INT(tg_fault_status(&w.fault), 400);
    CHECK_INT(world_ask(&w, "{'model':'m/embed'," HELLO "}"), TG_ENOTFOUND);
    CHECK_INT(w.fault.availability, TG_AVAIL_WRONG_ENDPOINT);
    world_close(&w);
}

TEST("a model that stands twice in the list is tried once")
{
    struct world w;
    world_open(&w, MODEL("m/one", AT("openai", DOLLAR, "")) ","
                   MODEL("m/two", AT("azure", DOLLAR, "")));
    CHECK_INT(world_ask(&w, "{'model':'m/one','models':['m/two','m/one:floor']," HELLO "}"), TG_OK);
    CHECK_STR(world_order(&w), "openai azure");
    CHECK_INT(w.plan.count, 2);
    world_close(&w);
}

/* ---- what the client is told ---- */

#define DOCS " To learn more about provider routing, visit: " \
             "https://openrouter.ai/docs/guides/routing/provider-selection"

static const struct {
    const char *endpoints, *body, *message;
    int status;
    enum tg_availability availability;
    const char *excluded_by, *providers, *field;
} faults[] = {
    { "", "", "No endpoints found for m/one.", 404, TG_AVAIL_NO_ENDPOINTS, "", "", "" },
    { AT("openai", DOLLAR, ",'status':-10"), "", "No endpoints found for m/one.",
      404, TG_AVAIL_MODEL_UNAVAILABLE_UPSTREAM, "", "openai", "" },
    { AT("openai", DOLLAR, ",'tag':'openai/priority'"), "", "No endpoints found for m/one.",
      404, TG_AVAIL_NO_ENDPOINTS, "", "", "" },
    { AT("openai", DOLLAR, "") "," AT("groq", DOLLAR, ""), ",'provider':{'only':['azure','x']}",
      "No allowed providers are available for the selected model. Providers serving m/one: openai, "
      "groq, but your request's provider.only preference permits only: azure, x.",
      404, TG_AVAIL_CONSTRAINT_FILTERED, "allowed_providers", "openai,groq", "provider.only" },
    { AT("openai", DOLLAR, "") "," AT("openai", DOLLAR, ",'tag':'openai/priority'"),
      ",'provider':{'ignore':['openai']}",
      "No allowed providers are available for the selected model. Providers serving m/one: openai, "
      "but your request's provider.ignore preference excludes: openai.",
      404, TG_AVAIL_CONSTRAINT_FILTERED, "allowed_providers", "openai", "provider.ignore" },
    { AT("openai", DOLLAR, ""), ",'provider':{'order':['azure'],'allow_fallbacks':false}",
      "No allowed providers are available for the selected model. Providers serving m/one: openai, "
      "but your request's provider.order preference, without fallbacks, permits only: azure.",
      404, TG_AVAIL_CONSTRAINT_FILTERED, "allowed_providers", "openai",
          "provider.allow_fallbacks" },
    { AT("openai", DOLLAR, ""), ",'provider':{'data_collection':'deny'}",
      "No endpoints found matching your data policy (Paid model training). Configure: "
      "https://openrouter.ai/settings/privacy",
      404, TG_AVAIL_PRIVACY_RESTRICTED, "data_policy:training", "openai", "" },
    { AT("openai", DOLLAR, "") "," AT("groq", DOLLAR, ""),
      ",'provider':{'zdr':true,'data_collection':'deny'}",
      "No endpoints found matching your data policy (Zero data retention). Configure: "
      "https://openrouter.ai/settings/privacy",
      404, TG_AVAIL_PRIVACY_RESTRICTED, "data_policy:training,data_policy:zdr", "openai,groq", "" },
    { AT("openai", DOLLAR, ""), ",'provider':{'enforce_distillable_text':true}",
      "No endpoints found matching your request's provider.enforce_distillable_text preference.",
      404, TG_AVAIL_CONSTRAINT_FILTERED, "", "openai", "provider.enforce_distillable_text" },
    { AT("openai", DOLLAR, ",'quantization':'fp4'"), ",'provider':{'quantizations':['fp8','bf16']}",
      "No endpoints found matching the requested quantizations: fp8, bf16.",
      404, TG_AVAIL_CONSTRAINT_FILTERED, "quantization", "openai", "provider.quantizations" },
    { AT("openai", "0.0000025", "") "," AT("groq", "0.000003", ""),
      ",'provider':{'max_price':{'prompt':1}}",
      "No endpoints found matching your request's provider.max_price. The cheapest that fits "
      "otherwise costs $2.5 per million prompt tokens and $2.5 per million completion tokens.",
      404, TG_AVAIL_CONSTRAINT_FILTERED, "max_price", "openai,groq", "provider.max_price" },
    { AT("openai", DOLLAR, ",'max_completion_tokens':10") ","
      AT("groq", DOLLAR, ",'max_completion_tokens':20"), ",'max_tokens':30",
      "No endpoints found matching the requested output length: max_tokens is 30, the longest "
      "possible answer has 20 tokens.",
      404, TG_AVAIL_CONSTRAINT_FILTERED, "context_length", "openai,groq", "max_tokens" },
    { AT("openai", DOLLAR, ",'supported_parameters':['seed']"),
      ",'seed':1,'top_k':1,'provider':{'require_parameters':true}",
      "No endpoints found that can handle the requested parameters." DOCS,
      404, TG_AVAIL_CONSTRAINT_FILTERED, "require_parameters", "openai",
          "provider.require_parameters" },
    { AT("openai", DOLLAR, ",'supported_parameters':['seed']"),
      ",'tools':[{'type':'function','function':{'name':'f'}}]",
      "No endpoints found that support tool use." DOCS,
      404, TG_AVAIL_CONSTRAINT_FILTERED, "require_parameters", "openai", "tools" },
    { AT("openai", DOLLAR, ",'supported_parameters':['tools']"),
      ",'tools':[{'type':'function','function':{'name':'f'}}],'tool_choice':'required'",
      "No endpoints found that support the provided 'tool_choice' value." DOCS,
      404, TG_AVAIL_CONSTRAINT_FILTERED, "require_parameters", "openai", "tool_choice" },
    { AT("openai", DOLLAR, ",'architecture':{'modality':'text->text'}"),
      ",'modalities':['image','text']",
      "No endpoints found that support the requested output modalities: text, image",
      404, TG_AVAIL_CONSTRAINT_FILTERED, "require_parameters", "openai", "messages" },
};

static struct tg_str joined(struct tg_buf *b, const struct tg_str *list)
{
    tg_buf_reset(b);
    for (size_t i = 0; i < TG_FAULT_NAMES_MAX && list[i].len; i++) {
        tg_buf_z(b, i ? "," : "");
        tg_buf_str(b, list[i]);
    }
    return tg_buf_view(b);
}

TEST("when nobody is left the client is told which wish was the last straw")
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct world w;
        struct tg_buf list = { 0 };
        char model[1024], body[512];
        check_context = faults[i].message;
        snprintf(model, sizeof model, MODEL("m/one", "%s"), faults[i].endpoints);
        snprintf(body, sizeof body, "{'model':'m/one'," HELLO "%s}", faults[i].body);
        world_open(&w, model);
        CHECK_INT(world_ask(&w, body), TG_ENOTFOUND);
        CHECK_INT(w.plan.kept, 0);
        CHECK_STR(w.fault.message, faults[i].message);
        CHECK_INT(tg_fault_status(&w.fault), faults[i].status);
        CHECK_INT(w.fault.availability, faults[i].availability);
        CHECK_STR(joined(&list, w.fault.excluded_by), faults[i].excluded_by);
        CHECK_STR(joined(&list, w.fault.affected_providers), faults[i].providers);
        CHECK_STR(joined(&list, w.fault.requested_models), "m/one");
        CHECK_STR(w.fault.constraint_field, faults[i].field);
        tg_buf_done(&list);
        world_close(&w);
    }
}

TEST("an image that nobody takes is said so in the words clients look for")
{
    struct world w;
    world_open(&w, MODEL("m/one", AT("openai", DOLLAR, ","
                         "'architecture':{'modality':'text->text'}")));
    CHECK_INT(world_ask(&w, "{'model':'m/one','messages':[{'role':'user','content':["
                            "{'type':'image_url',"
                            "'image_url':{'url':'https://x.example/a.png'}}]}]}"),
              TG_ENOTFOUND);
    CHECK_STR(w.fault.message, "No endpoints found that support image input");
    world_close(&w);
}

TEST("a prompt too long for all is a 400 that names the largest context")
{
    struct world w;
    world_open(&w, MODEL("m/one", AT("openai", DOLLAR, ",'context_length':4096") ","
                         AT("groq", DOLLAR, ",'context_length':8192")));
    CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO ",'max_tokens':9000}"), TG_ENOTFOUND);
    w.needs.prompt_tokens = 20;
    CHECK_INT(world_plan(&w), TG_ENOTFOUND);
    CHECK_STR(w.fault.message,
              "This endpoint's maximum context length is 8192 tokens. However, you requested about "
              "9020 tokens (20 of text input, 9000 in the output). Please reduce the length of "
              "either one, or use the context-compression plugin to compress your prompt "
              "automatically.");
    CHECK_INT(w.fault.type, TG_FAULT_CONTEXT_LENGTH_EXCEEDED);
    CHECK_INT(tg_fault_status(&w.fault), 400);
    world_close(&w);
}

TEST("tools that the first model lacks are no reason to fail when the next has them")
{
    struct world w;
    world_open(&w, MODEL("m/one", AT("openai", DOLLAR, ",'supported_parameters':['seed']")) ","
               MODEL("m/two", AT("groq", DOLLAR, ",'supported_parameters':['tools']")));
    CHECK_INT(world_ask(&w, "{'models':['m/one','m/two']," HELLO
                            ",'tools':[{'type':'function','function':{'name':'f'}}]}"), TG_OK);
    CHECK_STR(world_order(&w), "groq");
    CHECK_STR(world_dropped(&w), "openai:tools");
    world_close(&w);
}

TEST("long lists of providers and models are cut, not overrun")
{
    struct world w;
    struct tg_buf models = { 0 };
    tg_buf_z(&models, "{'id':'m/one','endpoints':[");
    for (int i = 0; i < 200; i++)
        tg_buf_printf(&models, "%s{'provider':'openai','tag':'openai/r%d',"
                               "'pricing':{'prompt':'1'}}",
                      i ? "," : "", i);
    tg_buf_z(&models, "]}");
    world_open(&w, tg_buf_cstr(&models));
    CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO "}"), TG_OK);
    CHECK_INT(w.plan.kept, 200);
    CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO ",'provider':{'only':['azure']}}"),
        TG_ENOTFOUND);
    CHECK(tg_str_is(w.fault.affected_providers[0], "openai") && !w.fault.affected_providers[1].len);
    tg_buf_done(&models);
    world_close(&w);
}

TEST_MAIN
