/* What a request requires, read from its body; and the body that a provider is sent. */
#include "check.h"

#include <math.h>

#include "base/mem.h"
#include "quote.h"
#include "route/needs.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct tg_provider providers[] = {
    { .slug = { "openai", 6 } }, { .slug = { "plain", 5 }, .no_stream_options = true },
};

static const char catalog_text[] =
    "{'data':["
    "{'id':'openai/gpt-4o','canonical_slug':'openai/gpt-4o-2024','endpoints':["
      "{'provider':'openai','upstream_model':'gpt-4o'},"
      "{'provider':'plain','upstream_model':'plain\\u002f4o','supported_parameters':"
        "['temperature','max_tokens','tools','tool_choice'],"
        "'supports_tool_choice':{'auto':true}}]},"
    "{'id':'openai/gpt-4o:free','endpoints':[{'provider':'openai','upstream_model':'f',"
      "'supported_parameters':['temperature','max_completion_tokens']}]},"
    "{'id':'meta/llama'},"
    "{'id':'llama3:8b'},"
    "{'id':'~openai/gpt-latest','alias_target':{'slug':'openai/gpt-4o'}},"
    "{'id':'~openai/gone-latest','alias_target':{'slug':'openai/gone'}}]}";

static struct tg_catalog *catalog;
static struct tg_arena arena;
static struct tg_fault fault;
static struct tg_needs n;

static void begin(void)
{
    struct tg_buf why = { 0 };

    catalog = tg_catalog_new(providers, COUNT(providers));
    CHECK_INT(tg_catalog_add(catalog, qs(catalog_text), "c.json", &why, NULL), TG_OK);
    CHECK_STR(tg_buf_view(&why), "");
    CHECK_INT(tg_catalog_seal(catalog), TG_OK);
    tg_arena_init(&arena, 4096);
}

static void end(void)
{
    tg_arena_done(&arena);
    tg_catalog_drop(catalog);
}

static tg_err read_text(enum tg_api api, struct tg_str body, const struct tg_http1_head *head)
{
    fault = (struct tg_fault){ 0 };
    return tg_needs_read(&n, api, body, head, catalog, 1700000000, 7, &arena, &fault);
}

static tg_err read_as(enum tg_api api, const char *body, const struct tg_http1_head *head)
{
    return read_text(api, qs(body), head);
}

/* A body that must be good. */
static void read_good(const char *body)
{
    CHECK_INT(read_as(TG_API_CHAT, body, NULL), TG_OK);
    CHECK_STR(fault.message, "");
}

#define MESSAGES  "'messages':[{'role':'user','content':'hi'}]"
#define BODY(more) "{'model':'openai/gpt-4o'," MESSAGES more "}"

/* ---- the whole body ---- */

TEST("a small request needs its model and little else")
{
    begin();
    read_good(BODY(""));
    CHECK_INT(n.api, TG_API_CHAT);
    CHECK_INT(n.targets_count, 1);
    CHECK_STR(n.targets[0].asked, "openai/gpt-4o");
    CHECK_STR(n.targets[0].model->id, "openai/gpt-4o");
    CHECK(!n.stream && !n.usage_is_asked && !n.wants_metadata && !n.has_session_id);
    CHECK_INT(n.params, 0);
    CHECK_INT(n.max_tokens, -1);
    CHECK_INT(n.messages_count, 1);
    CHECK_INT(n.inputs, 1 << TG_MODE_TEXT);
    CHECK_INT(n.outputs, 0);
    CHECK_INT(n.tools.kind, TG_JSON_NONE);
    CHECK_INT(n.asked_wall_s, 1700000000);
    CHECK_INT(n.seed, 7);
    CHECK_STR(n.service_tier, "");
    CHECK(isnan(n.wishes.max_latency_s.p50) && n.wishes.max_price[0] == -1);
    end();
}

TEST("what cannot be a request is refused with the place")
{
    static const struct { const char *body, *why; } cases[] = {
        { "", "The body is not JSON: it ends too early, after 0 bytes" },
        { "{'model':", "The body is not JSON: it ends too early, after 9 bytes" },
        { "{'model':x}", "The body is not JSON: unexpected text at byte 9" },
        { "{} {}", "The body is not JSON: unexpected text at byte 3" },
        { "[]", "The body must be a JSON object" },
        { "'hi'", "The body must be a JSON object" },
        { "{'model':'openai/gpt-4o','model':'meta/llama'}", "'model' stands in the body twice" },
        { "{'model':'openai/gpt-4o','mod\\u0065l':'meta/llama'}",
          "'model' stands in the body twice" },
        { "{'seed':1,'y':2,'seed':1}", "'seed' stands in the body twice" },
        { "{'model':'openai/gpt-4o'}", "Input required: specify 'prompt' or 'messages'" },
        { "{'model':'openai/gpt-4o','messages':null}",
          "Input required: specify 'prompt' or 'messages'" },
        { "{'model':'openai/gpt-4o','messages':'hi'}", "'messages' must be an array, not \"hi\"" },
        { "{'model':'openai/gpt-4o','messages':[]}", "'messages' must have at least one message" },
        { "{'model':'openai/gpt-4o','messages':[{},7]}", "'messages[1]' must be an object, not 7" },
        { "{'model':'openai/gpt-4o','prompt':7}", "'prompt' must be a string or an array, not 7" },
        { "{" MESSAGES "}", "No models provided" },
        { "{'model':null,'models':null," MESSAGES "}", "No models provided" },
        { "{'model':'','models':[]," MESSAGES "}", "No models provided" },
        { "{'models':'openai/gpt-4o'," MESSAGES "}",
          "'models' must be an array of strings, not \"openai/gpt-4o\"" },
        { "{'models':['openai/gpt-4o',7]," MESSAGES "}",
          "'models' must be an array of strings that are not empty, not 7" },
        { "{'models':['']," MESSAGES "}",
          "'models' must be an array of strings that are not empty, not \"\"" },
        { "{'models':[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]," MESSAGES "}",
          "'models' array must have 15 items or fewer." },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_context = cases[i].body;
        CHECK_INT(read_as(TG_API_CHAT, cases[i].body, NULL), TG_EINVAL);
        CHECK_STR(fault.message, cases[i].why);
        CHECK_INT(fault.type, TG_FAULT_INVALID_REQUEST);
        CHECK_INT(tg_fault_status(&fault), 400);
        CHECK_INT(fault.availability, TG_AVAILABLE);
    }
    end();
}

TEST("each member's type and range are the contract's, and the refusal names it")
{
    static const struct { const char *member, *why; } cases[] = {
        { "'model':7", "'model' must be a string, not 7" },
        { "'stream':'yes'", "'stream' must be true or false, not \"yes\"" },
        { "'stream_options':true", "'stream_options' must be an object, not true" },
        { "'max_tokens':0", "'max_tokens' must be a whole number from 1 on, not 0" },
        { "'max_tokens':1.5", "'max_tokens' must be a whole number from 1 on, not 1.5" },
        { "'max_tokens':'9'", "'max_tokens' must be a whole number, not \"9\"" },
        { "'max_completion_tokens':-1",
          "'max_completion_tokens' must be a whole number from 1 on, not -1" },
        { "'temperature':2.1", "'temperature' must be a number from 0 to 2, not 2.1" },
        { "'temperature':'hot'", "'temperature' must be a number, not \"hot\"" },
        { "'top_p':-0.1", "'top_p' must be a number from 0 to 1, not -0.1" },
        { "'top_k':-2", "'top_k' must be a whole number from -1 on, not -2" },
        { "'frequency_penalty':3", "'frequency_penalty' must be a number from -2 to 2, not 3" },
        { "'seed':1.5", "'seed' must be a whole number, not 1.5" },
        { "'seed':12345678901234567890.5",
          "'seed' must be a whole number, not 12345678901234567890.5" },
        { "'top_logprobs':21", "'top_logprobs' must be a whole number from 0 to 20, not 21" },
        { "'n':17", "'n' must be a whole number from 1 to 16, not 17" },
        { "'logit_bias':[]", "'logit_bias' must be an object, not []" },
        { "'stop':7", "'stop' must be a string or an array, not 7" },
        { "'tools':{}", "'tools' must be an array, not {}" },
        { "'tool_choice':7", "'tool_choice' must be a string or an object, not 7" },
        { "'reasoning':'high'", "'reasoning' must be an object, not \"high\"" },
        { "'response_format':'json'", "'response_format' must be an object, not \"json\"" },
        { "'modalities':'text'", "'modalities' must be an array, not \"text\"" },
        { "'modalities':['smell']",
          "'modalities' may have 'text', 'image' and 'audio', not \"smell\"" },
        { "'service_tier':1", "'service_tier' must be a string, not 1" },
        { "'policy':{}", "'policy' must be a string, not {}" },
        { "'user':7", "'user' must be a string, not 7" },
        { "'route':'best'", "'route' must be 'fallback' or 'sort', not \"best\"" },
        { "'metadata':[]", "'metadata' must be an object, not []" },
        { "'metadata':{'a':1}", "'metadata.a' must be a string, not 1" },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[256];
        bool is_model = strncmp(cases[i].member, "'model'", 7) == 0;
        check_context = cases[i].member;
        snprintf(body, sizeof body, "{%s%s,%s}", is_model ? "" : "'model':'openai/gpt-4o',",
                 cases[i].member, MESSAGES);
        CHECK_INT(read_as(TG_API_CHAT, body, NULL), TG_EINVAL);
        CHECK_STR(fault.message, cases[i].why);
    }
    end();
}

TEST("null is absent, members nobody knows pass, and edges of ranges are good")
{
    begin();
    read_good(BODY(",'temperature':null,'provider':null,'stream':null,'tools':null,"
                   "'metadata':null,'route':null,'session_id':null,'user':null,"
                   "'policy':null,'models':null,'n':null,'modalities':null,"
                   "'max_tokens':null,'service_tier':null"));
    CHECK_INT(n.params, 0);
    CHECK_INT(n.max_tokens, -1);
    read_good(BODY(",'temperature':2,'top_p':0,'top_k':-1,'max_tokens':1e1,"
                   "'seed':-12345678901234567890,'n':16,'plugins':[7],'debug':{'x':[{}]},"
                   "'transforms':'any','preset':'p','trace':1,'usage':{}"));
    CHECK_INT(n.max_tokens, 10);
    end();
}

static const char *repeated(char c, size_t count)
{
    static char text[1024];
    memset(text, c, count);
    text[count] = '\0';
    return text;
}

TEST("texts are limited in characters, whatever their bytes and escapes")
{
    static const struct { const char *format; size_t most; } cases[] = {
        { BODY(",'session_id':'%s'"), TG_NEEDS_SESSION_MAX },
        { BODY(",'user':'%s'"), TG_NEEDS_SESSION_MAX },
        { BODY(",'policy':'%s'"), TG_NEEDS_POLICY_MAX },
        { BODY(",'metadata':{'%s':'v'}"), TG_NEEDS_PAIR_KEY_MAX },
        { BODY(",'metadata':{'k':'%s'}"), TG_NEEDS_PAIR_VALUE_MAX },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[8192], wide[4096] = "";
        check_context = cases[i].format;
        snprintf(body, sizeof body, cases[i].format, repeated('x', cases[i].most));
        CHECK_INT(read_as(TG_API_CHAT, body, NULL), TG_OK);
        snprintf(body, sizeof body, cases[i].format, repeated('x', cases[i].most + 1));
        CHECK_INT(read_as(TG_API_CHAT, body, NULL), TG_EINVAL);
        for (size_t k = 0; k < cases[i].most; k++)
            strcat(wide, k % 2 ? "\\u00e9" : "\xc3\xa9");
        snprintf(body, sizeof body, cases[i].format, wide);
        CHECK_INT(read_as(TG_API_CHAT, body, NULL), TG_OK);
    }
    end();
}

TEST("metadata has at most sixteen pairs")
{
    begin();
    for (int pairs = 16; pairs <= 17; pairs++) {
        char body[1024] = BODY(",'metadata':{'k0':'v'");
        body[strlen(body) - 1] = '\0';
        for (int i = 1; i < pairs; i++)
            sprintf(body + strlen(body), ",'k%d':'v'", i);
        strcat(body, "}}");
        CHECK_INT(read_as(TG_API_CHAT, body, NULL), pairs == 16 ? TG_OK : TG_EINVAL);
    }
    CHECK_STR(fault.message, "'metadata' must have 16 pairs or fewer");
    end();
}

TEST("a body of more members than the limit, or deeper than JSON may be, is refused")
{
    struct tg_buf b = { 0 };

    begin();
    tg_buf_z(&b, q("{'model':'openai/gpt-4o'," MESSAGES));
    for (int i = 0; i < TG_NEEDS_MEMBERS_MAX - 2; i++)
        tg_buf_printf(&b, q(",'x%d':0"), i);
    size_t full = b.len;
    tg_buf_z(&b, "}");
    CHECK_INT(read_text(TG_API_CHAT, tg_buf_view(&b), NULL), TG_OK);
    CHECK_INT(n.members_count, TG_NEEDS_MEMBERS_MAX);
    b.len = full;
    tg_buf_z(&b, q(",'one':'too many'}"));
    CHECK_INT(read_text(TG_API_CHAT, tg_buf_view(&b), NULL), TG_EINVAL);
    CHECK_STR(fault.message, "The body has more than 256 members");

    tg_buf_reset(&b);
    tg_buf_z(&b, q("{'deep':"));
    for (int i = 0; i < 100000; i++)
        tg_buf_z(&b, "[");
    CHECK_INT(read_text(TG_API_CHAT, tg_buf_view(&b), NULL), TG_EINVAL);
    CHECK_STR(fault.message, "The body is JSON nested deeper than 512 levels");
    tg_buf_done(&b);
    end();
}

/* ---- models ---- */

static tg_err target(struct tg_target *t, const char *asked)
{
    return tg_needs_target(t, tg_str_of(asked), catalog, &arena, &fault);
}

TEST("a model's name is taken as it is, else without its routing suffixes")
{
    static const struct {
        const char *asked, *id;
        enum tg_sort sort;
        bool priority, flex;
    } cases[] = {
        { "openai/gpt-4o", "openai/gpt-4o", TG_SORT_NONE, false, false },
        { "openai/gpt-4o-2024", "openai/gpt-4o", TG_SORT_NONE, false, false },
        { "openai/gpt-4o:free", "openai/gpt-4o:free", TG_SORT_NONE, false, false },
        { "openai/gpt-4o:nitro", "openai/gpt-4o", TG_SORT_THROUGHPUT, true, false },
        { "openai/gpt-4o:floor", "openai/gpt-4o", TG_SORT_PRICE, false, true },
        { "openai/gpt-4o:exacto", "openai/gpt-4o", TG_SORT_EXACTO, false, false },
        { "openai/gpt-4o:nitro:floor", "openai/gpt-4o", TG_SORT_PRICE, true, true },
        { "openai/gpt-4o:floor:exacto:nitro", "openai/gpt-4o", TG_SORT_THROUGHPUT, true, true },
        { "openai/gpt-4o:nitro:free", "openai/gpt-4o:free", TG_SORT_THROUGHPUT, true, false },
        { "openai/gpt-4o:free:nitro", "openai/gpt-4o:free", TG_SORT_THROUGHPUT, true, false },
        { "llama3:8b", "llama3:8b", TG_SORT_NONE, false, false },
        { "llama3:8b:floor", "llama3:8b", TG_SORT_PRICE, false, true },
        { "~openai/gpt-latest", "openai/gpt-4o", TG_SORT_NONE, false, false },
        { "~openai/gpt-latest:nitro", "openai/gpt-4o", TG_SORT_THROUGHPUT, true, false },
        { "~openai/gone-latest", "~openai/gone-latest", TG_SORT_NONE, false, false },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tg_target t;
        check_context = cases[i].asked;
        CHECK_INT(target(&t, cases[i].asked), TG_OK);
        CHECK_STR(t.asked, cases[i].asked);
        CHECK_STR(t.model ? t.model->id : TG_STR("-"), cases[i].id);
        CHECK_INT(t.sort, cases[i].sort);
        CHECK(t.admits_priority == cases[i].priority && t.admits_flex == cases[i].flex);
        CHECK_STR(t.policy, "");
    }
    end();
}

TEST("a name may carry a policy, in front of or behind its suffixes; the body's own goes first")
{
    static const struct { const char *asked, *policy; enum tg_sort sort; } cases[] = {
        { "openai/gpt-4o@policy/cheap", "cheap", TG_SORT_NONE },
        { "openai/gpt-4o:nitro@policy/cheap", "cheap", TG_SORT_THROUGHPUT },
        { "openai/gpt-4o@policy/cheap:nitro", "cheap", TG_SORT_THROUGHPUT },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[256];
        check_context = cases[i].asked;
        snprintf(body, sizeof body, "{'model':'%s'," MESSAGES "}", cases[i].asked);
        read_good(body);
        CHECK_STR(n.policy, cases[i].policy);
        CHECK_STR(n.targets[0].policy, cases[i].policy);
        CHECK_INT(n.targets[0].sort, cases[i].sort);
        CHECK_STR(n.targets[0].model->id, "openai/gpt-4o");
    }
    read_good("{'model':'openai/gpt-4o@policy/cheap','policy':'fast'," MESSAGES "}");
    CHECK_STR(n.policy, "fast");
    read_good("{'models':['meta/llama','openai/gpt-4o@policy/cheap']," MESSAGES "}");
    CHECK_STR(n.policy, "cheap");
    end();
}

TEST("an unknown model or suffix is told in the contract's words, with what may have been meant")
{
    static const struct { const char *asked, *meant; } cases[] = {
        { "acme/fake-1.0", "" }, { "GPT-4o", "openai/gpt-4o" },
        { "OpenAI/gpt-4o", "openai/gpt-4o" },
        { "openai/gpt-4", "openai/gpt-4o" }, { "openai/gpt-4o:online", "openai/gpt-4o" },
        { "openai/gpt-4o:batch", "openai/gpt-4o" }, { "openai/gpt-4o:", "openai/gpt-4o" },
        { "openai/gpt-4o::nitro", "openai/gpt-4o" }, { "openai/gpt-4o:free:free", "openai/gpt-4o" },
        { "openai/gpt-4o:Nitro", "openai/gpt-4o" }, { "meta/llama:free", "meta/llama" },
        { ":nitro", "" }, { "openai/gpt-4o ", "openai/gpt-4o" }, { "../../etc/passwd", "" },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tg_target t;
        char want[128];
        check_context = cases[i].asked;
        fault = (struct tg_fault){ 0 };
        CHECK_INT(target(&t, cases[i].asked), TG_EINVAL);
        snprintf(want, sizeof want, "%s is not a valid model ID", cases[i].asked);
        CHECK_STR(fault.message, want);
        CHECK_INT(fault.type, TG_FAULT_INVALID_REQUEST);
        CHECK_INT(fault.availability, TG_AVAIL_MODEL_NOT_FOUND);
        CHECK_STR(fault.requested_models[0], cases[i].asked);
        CHECK_STR(fault.fallback_models[0], cases[i].meant);
    }
    end();
}

TEST("presets and nameless policies are refused in words of their own")
{
    static const struct { const char *asked, *why; } cases[] = {
        { "@preset/mine", "@preset/mine is not available: this gateway has no presets" },
        { "openai/gpt-4o@preset/mine",
          "openai/gpt-4o@preset/mine is not available: this gateway has no presets" },
        { "openai/gpt-4o@policy/", "openai/gpt-4o@policy/ names no policy" },
        { "openai/gpt-4o@policy/:nitro", "openai/gpt-4o@policy/:nitro names no policy" },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tg_target t;
        check_context = cases[i].asked;
        CHECK_INT(target(&t, cases[i].asked), TG_EINVAL);
        CHECK_STR(fault.message, cases[i].why);
    }
    end();
}

TEST("model comes first, then models in their order; an unknown one among them is told with all")
{
    begin();
    read_good("{'model':'meta/llama','models':['openai/gpt-4o:floor','meta/llama']," MESSAGES "}");
    CHECK_INT(n.targets_count, 3);
    CHECK_STR(n.targets[0].asked, "meta/llama");
    CHECK_STR(n.targets[1].asked, "openai/gpt-4o:floor");
    CHECK_INT(n.targets[1].sort, TG_SORT_PRICE);
    read_good("{'models':['openai\\/gpt-4o']," MESSAGES "}");
    CHECK_STR(n.targets[0].asked, "openai/gpt-4o");

    CHECK_INT(read_as(TG_API_CHAT, "{'model':'meta/llama','models':['x/y','llama3:8b'],"
                      MESSAGES "}", NULL), TG_EINVAL);
    CHECK_STR(fault.message, "x/y is not a valid model ID");
    CHECK_STR(fault.requested_models[0], "meta/llama");
    CHECK_STR(fault.requested_models[1], "x/y");
    CHECK_STR(fault.requested_models[2], "llama3:8b");
    CHECK_STR(fault.requested_models[3], "");
    end();
}

/* ---- the provider object ---- */

static struct tg_wishes w;

static tg_err wish(const char *text)
{
    struct tg_json root;

    fault = (struct tg_fault){ 0 };
    CHECK_INT(tg_json_check(qs(text), TG_JSON_DEPTH_MAX, &root, NULL), TG_OK);
    return tg_needs_wishes(&w, root, &arena, &fault);
}

TEST("a provider object says everything the contract knows")
{
    begin();
    CHECK_INT(wish("{'order':['openai','a\\/b'],'only':['x'],'ignore':['y','z'],"
        "'allow_fallbacks':false,'require_parameters':true,'data_collection':'deny',"
        "'zdr':true,'enforce_distillable_text':true,'quantizations':['fp8','bf16'],"
        "'sort':{'by':'latency','partition':'none'},'preferred_min_throughput':50,"
        "'preferred_max_latency':{'p50':1,'p90':2.5,'p99':null},"
        "'max_price':{'prompt':2,'completion':'8.5','request':'0.01','image':0,"
        "'audio':null}}"), TG_OK);
    CHECK_INT(w.order_count, 2);
    CHECK_STR(w.order[1], "a/b");
    CHECK_INT(w.only_count, 1);
    CHECK_INT(w.ignore_count, 2);
    CHECK(w.has_order && w.has_only && w.no_fallbacks && w.require_parameters);
    CHECK(w.deny_data_collection && w.zdr && w.distillable);
    CHECK_INT(w.quantizations, 1 << TG_QUANT_FP8 | 1 << TG_QUANT_BF16);
    CHECK_INT(w.sort, TG_SORT_LATENCY);
    CHECK(w.sorts_across_models && w.has_partition);
    CHECK(w.min_throughput.any && w.min_throughput.p50 == 50 && isnan(w.min_throughput.p90));
    CHECK(w.max_latency_s.any && w.max_latency_s.p50 == 1 && w.max_latency_s.p90 == 2.5);
    CHECK(isnan(w.max_latency_s.p75) && isnan(w.max_latency_s.p99));
    CHECK_INT(w.max_price[0], 2000000000);             /* femto-dollars a token */
    CHECK_INT(w.max_price[1], 8500000000);
    CHECK_INT(w.max_price[2], 10000000000000);         /* femto-dollars a request */
    CHECK_INT(w.max_price[3], 0);
    CHECK_INT(w.max_price[4], -1);
    end();
}

TEST("null, empty and default provider objects wish nothing")
{
    static const char *const texts[] = {
        "null",
        "{}",
        ("{'order':null,'only':null,'sort':null,'max_price':null,'quantizations':null,"
         "'allow_fallbacks':null,'data_collection':null,'zdr':null,"
         "'preferred_max_latency':null}"),
        ("{'allow_fallbacks':true,'data_collection':'allow','zdr':false,'quantizations':[],"
         "'max_price':{},'preferred_max_latency':{},'sort':{'by':null,'partition':null}}"),
    };
    begin();
    for (size_t i = 0; i < COUNT(texts); i++) {
        check_context = texts[i];
        CHECK_INT(wish(texts[i]), TG_OK);
        CHECK(!w.has_order && !w.has_only && !w.no_fallbacks && !w.zdr && !w.deny_data_collection);
        CHECK(!w.max_latency_s.any && isnan(w.max_latency_s.p50) && !w.min_throughput.any);
        CHECK(w.sort == TG_SORT_NONE && w.quantizations == 0 && !w.has_partition);
        for (size_t k = 0; k < 5; k++)
            CHECK_INT(w.max_price[k], -1);
    }
    CHECK_INT(wish("{'only':[],'order':[]}"), TG_OK);
    CHECK(w.has_only && w.only_count == 0 && w.has_order && w.order_count == 0);
    end();
}

TEST("the provider object is strict: unknown keys, wrong types and unknown words are refused")
{
    static const struct { const char *text, *why; } cases[] = {
        { "[]", "'provider' must be an object, not []" },
        { "'openai'", "'provider' must be an object, not \"openai\"" },
        { "{'ordr':[]}", "'provider' has no key 'ordr', did you mean 'order'?" },
        { "{'ord\\u0065r2':[]}", "'provider' has no key 'order2', did you mean 'order'?" },
        { "{'speed':1}", "'provider' has no key 'speed', only allow_fallbacks, "
          "data_collection, enforce_distillable_text, ignore, max_price, only, order, "
          "preferred_max_latency, preferred_min_throughput, quantizations, require_parameters, "
          "sort, zdr" },
        { "{'Order':[]}", "'provider' has no key 'Order', did you mean 'order'?" },
        { "{'zdr':true,'zdr':false}", "'provider.zdr' stands there twice" },
        { "{'zdr':true,'z\\u0064r':false}", "'provider.zdr' stands there twice" },
        { "{'order':'openai'}", "'provider.order' must be an array of strings, not \"openai\"" },
        { "{'only':[7]}", "'provider.only' must be an array of strings that are not empty, not 7" },
        { "{'ignore':['']}",
          "'provider.ignore' must be an array of strings that are not empty, not \"\"" },
        { "{'allow_fallbacks':'no'}",
          "'provider.allow_fallbacks' must be true or false, not \"no\"" },
        { "{'require_parameters':1}",
          "'provider.require_parameters' must be true or false, not 1" },
        { "{'zdr':0}", "'provider.zdr' must be true or false, not 0" },
        { "{'enforce_distillable_text':''}",
          "'provider.enforce_distillable_text' must be true or false, not \"\"" },
        { "{'data_collection':'denied'}",
          "'provider.data_collection' cannot be 'denied', only allow, deny" },
        { "{'data_collection':true}", "'provider.data_collection' must be a string, not true" },
        { "{'quantizations':'fp8'}",
          "'provider.quantizations' must be an array of strings, not \"fp8\"" },
        { "{'quantizations':['fp7']}", "'provider.quantizations' cannot have 'fp7'; it may have "
          "int4, int8, fp4, mxfp4, nvfp4, fp6, fp8, mxfp8, fp16, bf16, fp32, unknown" },
        { "{'sort':'prize'}", "'provider.sort' cannot be 'prize', did you mean 'price'?" },
        { "{'sort':'quality'}", "'provider.sort' cannot be 'quality', "
          "only exacto, latency, price, throughput" },
        { "{'sort':7}", "'provider.sort' must be a string or an object, not 7" },
        { "{'sort':{'by':'prize'}}",
          "'provider.sort.by' cannot be 'prize', did you mean 'price'?" },
        { "{'sort':{'partition':'all'}}", "'provider.sort.partition' cannot be 'all', "
          "only model, none" },
        { "{'sort':{'order':'asc'}}", "'provider.sort' has no key 'order', only by, partition" },
        { "{'preferred_max_latency':'1'}",
          "'provider.preferred_max_latency' must be a number from "
          "0 on, or an object of such for p50, p75, p90, p99, not \"1\"" },
        { "{'preferred_min_throughput':{'p50':-1}}",
          "'provider.preferred_min_throughput' must be a number from "
          "0 on, or an object of such for p50, p75, p90, p99, not -1" },
        { "{'preferred_max_latency':{'p95':1}}",
          "'provider.preferred_max_latency' has no key 'p95', did you mean 'p75'?" },
        { "{'max_price':5}", "'provider.max_price' must be an object, not 5" },
        { "{'max_price':{'promt':5}}",
          "'provider.max_price' has no key 'promt', did you mean 'prompt'?" },
        { "{'max_price':{'prompt':-1}}",
          "'provider.max_price' must be an object of prices that are not negative, not -1" },
        { "{'max_price':{'prompt':'cheap'}}",
          "'provider.max_price' must be an object of prices that are not negative, not \"cheap\"" },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[256];
        check_context = cases[i].text;
        CHECK_INT(wish(cases[i].text), TG_EINVAL);
        CHECK_STR(fault.message, cases[i].why);
        snprintf(body, sizeof body, BODY(",'provider':%s"), cases[i].text);
        CHECK_INT(read_as(TG_API_CHAT, body, NULL), TG_EINVAL);
        CHECK_STR(fault.message, cases[i].why);
        CHECK_INT(fault.type, TG_FAULT_INVALID_REQUEST);
    }
    end();
}

TEST("a list of providers has at most 64 words")
{
    begin();
    for (int count = 64; count <= 65; count++) {
        char text[512] = "{'order':['a'";
        for (int i = 1; i < count; i++)
            strcat(text, ",'a'");
        strcat(text, "]}");
        CHECK_INT(wish(text), count == 64 ? TG_OK : TG_EINVAL);
    }
    CHECK_STR(fault.message, "'provider.order' must have 64 items or fewer");
    end();
}

TEST("a price limit beyond every price is no limit; one below a femto-dollar is zero")
{
    begin();
    CHECK_INT(wish("{'max_price':{'prompt':1e30,'request':'99999999999'}}"), TG_OK);
    CHECK(w.max_price[0] == INT64_MAX && w.max_price[2] == INT64_MAX);
    CHECK_INT(wish("{'max_price':{'prompt':0.0000000001}}"), TG_OK);
    CHECK_INT(w.max_price[0], 0);
    end();
}

TEST("route is the older word for sort.partition, which goes first")
{
    static const struct { const char *more; bool across; } cases[] = {
        { ",'route':'sort'", true }, { ",'route':'fallback'", false },
        { ",'route':'sort','provider':{'sort':{'by':'price','partition':'model'}}", false },
        { ",'route':'fallback','provider':{'sort':{'partition':'none'}}", true },
        { ",'route':'sort','provider':{'sort':'price'}", true },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[512];
        check_context = cases[i].more;
        snprintf(body, sizeof body, BODY("%s"), cases[i].more);
        read_good(body);
        CHECK(n.wishes.sorts_across_models == cases[i].across);
    }
    end();
}

/* ---- parameters ---- */

TEST("a parameter is needed when it is present and not null, tools when there are any")
{
    begin();
    read_good(BODY(",'temperature':0,'seed':null,'reasoning':{},'tools':[],'stop':[],"
                   "'lo\\u0067probs':false,'verbosity':'low','unknown':1"));
    CHECK_INT(n.params, TG_PARAM_BIT(TEMPERATURE) | TG_PARAM_BIT(REASONING) | TG_PARAM_BIT(STOP)
                      | TG_PARAM_BIT(LOGPROBS) | TG_PARAM_BIT(VERBOSITY));
    CHECK_INT(n.tools.kind, TG_JSON_NONE);
    read_good(BODY(",'tools':[{'type':'function'}]"));
    CHECK_INT(n.params, TG_PARAM_BIT(TOOLS));
    CHECK_STR(n.tools.raw, q("[{'type':'function'}]"));
    end();
}

TEST("tool_choice is told apart by word and by type")
{
    static const struct { const char *choice; uint32_t bit; } cases[] = {
        { "'none'", 1 << TG_CHOICE_NONE }, { "'auto'", 1 << TG_CHOICE_AUTO },
        { "'required'", 1 << TG_CHOICE_REQUIRED },
        { "{'type':'function','function':{'name':'f'}}", 1 << TG_CHOICE_FUNCTION },
        { "'any'", 0 }, { "{'type':'openrouter:web'}", 0 }, { "{}", 0 }, { "null", 0 },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[256];
        check_context = cases[i].choice;
        snprintf(body, sizeof body, BODY(",'tool_choice':%s"), cases[i].choice);
        read_good(body);
        CHECK_INT(n.tool_choice, cases[i].bit);
    }
    end();
}

TEST("the newer spelling of the output limit goes before the older")
{
    begin();
    read_good(BODY(",'max_tokens':5,'max_completion_tokens':9"));
    CHECK_INT(n.max_tokens, 9);
    read_good(BODY(",'max_tokens':5"));
    CHECK_INT(n.max_tokens, 5);
    read_good(BODY(",'max_tokens':5,'max_completion_tokens':null"));
    CHECK_INT(n.max_tokens, 5);
    end();
}

TEST("output modalities, service tier, policy and user are what the body says")
{
    begin();
    read_good(BODY(",'modalities':['text','image'],'service_tier':'flex',"
                   "'policy':'ch\\u0065ap','user':'u-1'"));
    CHECK_INT(n.outputs, 1 << TG_MODE_TEXT | 1 << TG_MODE_IMAGE);
    CHECK_STR(n.service_tier, "flex");
    CHECK_STR(n.policy, "cheap");
    CHECK_STR(n.user, "u-1");
    end();
}

/* ---- the text ---- */

TEST("a prompt is estimated at a token for four bytes, and more for messages and parts")
{
    static const struct { const char *messages; int64_t tokens, images; } cases[] = {
        { "[{'role':'user','content':'12345678'}]", 4 + 2, 0 },
        { "[{'role':'system','content':'1234'},{'role':'user','content':'1234'}]", 10, 0 },
        { "[{'role':'user','content':null}]", 4, 0 },
        { "[{'role':'user','content':[{'type':'text','text':'1234'},"
          "{'type':'image_url','image_url':{'url':'data:image/png;base64,AAAA'}},"
          "{'type':'image_url','image_url':{'url':'x'}}]}]", 4 + 1 + 2000, 2 },
        { "[{'role':'user','content':'\\u6f22\\u5b57\\u6f22\\u5b57'}]", 4 + 3, 0 },
        { "[{'role':'user','content':'a\\nb\\'c\\\\d\\te'}]", 4 + 2, 0 },
        { "[{'role':'assistant','tool_calls':[{'id':'12345678'}]}]", 4 + 4, 0 },
        { "[{'role':'user','content':''}]", 4, 0 },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[1024];
        check_context = cases[i].messages;
        snprintf(body, sizeof body, "{'model':'meta/llama','messages':%s}", cases[i].messages);
        read_good(body);
        CHECK_INT(n.prompt_tokens, cases[i].tokens);
        CHECK_INT(n.images, cases[i].images);
    }
    read_good(BODY(",'tools':[{'type':'function','function':{'name':'f'}}]"));
    CHECK_INT(n.prompt_tokens, 4 + 0 + 47 / 4);
    end();
}

TEST("a long text is estimated within a tenth, escaped or not")
{
    static const char *const units[] = { "plain words. ", "\\u6f22", "line\\n\\'quoted\\'",
                                         "\xe6\xbc\xa2" };
    static const int64_t bytes[] = { 13, 3, 13, 3 };

    begin();
    for (size_t i = 0; i < COUNT(units); i++) {
        struct tg_buf b = { 0 };
        check_context = units[i];
        tg_buf_z(&b, q("{'model':'meta/llama','messages':[{'role':'user','content':'"));
        for (int k = 0; k < 20000; k++)
            tg_buf_z(&b, q(units[i]));
        tg_buf_z(&b, q("'}]}"));
        CHECK_INT(read_text(TG_API_CHAT, tg_buf_view(&b), NULL), TG_OK);
        int64_t exact = bytes[i] * 20000 / 4;
        CHECK(n.prompt_tokens > exact * 9 / 10 && n.prompt_tokens < exact * 11 / 10);
        tg_buf_done(&b);
    }
    end();
}

TEST("parts say which kinds of input a model must take, whoever's names they have")
{
    static const struct { const char *type; int mode; } cases[] = {
        { "image_url", TG_MODE_IMAGE }, { "input_image", TG_MODE_IMAGE },
        { "image", TG_MODE_IMAGE },
        { "input_audio", TG_MODE_AUDIO }, { "file", TG_MODE_FILE }, { "input_file", TG_MODE_FILE },
        { "document", TG_MODE_FILE }, { "video_url", TG_MODE_VIDEO }, { "text", TG_MODE_TEXT },
        { "something_new", TG_MODE_TEXT },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[256];
        check_context = cases[i].type;
        snprintf(body, sizeof body, "{'model':'meta/llama','messages':[{'role':'user',"
                 "'content':[{'x':1,'type':'%s'}]}]}", cases[i].type);
        read_good(body);
        CHECK_INT(n.inputs, 1 << TG_MODE_TEXT | 1 << cases[i].mode);
    }
    end();
}

TEST("each api asks for its own input")
{
    static const struct {
        enum tg_api api;
        const char *more;
        enum tg_api means;
        const char *why;
    } cases[] = {
        { TG_API_CHAT, "'prompt':'12345678'", TG_API_COMPLETIONS, NULL },
        { TG_API_CHAT, "'prompt':'x'," MESSAGES, TG_API_CHAT, NULL },
        { TG_API_COMPLETIONS, "'prompt':['1234','5678']", TG_API_COMPLETIONS, NULL },
        { TG_API_COMPLETIONS, "'prompt':[7,8]", TG_API_COMPLETIONS, NULL },
        { TG_API_COMPLETIONS, "'prompt':[[7],[8]]", TG_API_COMPLETIONS, NULL },
        { TG_API_COMPLETIONS, MESSAGES, 0, "Input required: specify 'prompt'" },
        { TG_API_EMBEDDINGS, "'input':'12345678'", TG_API_EMBEDDINGS, NULL },
        { TG_API_EMBEDDINGS, "'input':['1234','5678'],'stream':true", TG_API_EMBEDDINGS, NULL },
        { TG_API_EMBEDDINGS, "'input':null", 0, "Input required: specify 'input'" },
        { TG_API_EMBEDDINGS, "'input':{}", 0, "'input' must be a string or an array, not {}" },
        { TG_API_EMBEDDINGS, "'input':[{'content':[{'type':'image_url','image_url':1}]}]",
          TG_API_EMBEDDINGS, NULL },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[256];
        check_context = cases[i].more;
        snprintf(body, sizeof body, "{'model':'meta/llama',%s}", cases[i].more);
        CHECK_INT(read_as(cases[i].api, body, NULL), cases[i].why ? TG_EINVAL : TG_OK);
        CHECK_STR(fault.message, cases[i].why ? cases[i].why : "");
        if (cases[i].why)
            continue;
        CHECK_INT(n.api, cases[i].means);
        CHECK(!n.stream);
        if (n.api != TG_API_CHAT)
            CHECK_INT(n.prompt_tokens, i == 10 ? 1000 : 2);
    }
    CHECK_INT(n.images, 1);
    end();
}

/* ---- the conversation ---- */

static struct tg_http1_head head_of(const char *name, const char *value)
{
    struct tg_http1_head h = { .fields_count = 1 };
    h.fields[0] = (struct tg_http1_field){ tg_str_of(name), tg_str_of(value) };
    return h;
}

TEST("a session is the body's, else the header's, else the cache key")
{
    struct tg_http1_head h = head_of("X-Session-Id", "from-header");

    begin();
    CHECK_INT(read_as(TG_API_CHAT, BODY(",'session_id':'mine','prompt_cache_key':'k'"), &h), TG_OK);
    CHECK_STR(n.session, "mine");
    CHECK(n.has_session_id);
    uint64_t mine = n.session_hash;
    CHECK_INT(read_as(TG_API_CHAT, BODY(",'prompt_cache_key':'k'"), &h), TG_OK);
    CHECK_STR(n.session, "from-header");
    CHECK(n.has_session_id && n.session_hash != mine);
    read_good(BODY(",'session_id':'','prompt_cache_key':'mine'"));
    CHECK_STR(n.session, "mine");
    CHECK(!n.has_session_id && n.session_hash == mine);

    h = head_of("x-session-id", repeated('x', 257));
    CHECK_INT(read_as(TG_API_CHAT, BODY(""), &h), TG_EINVAL);
    CHECK_STR(fault.message, "'x-session-id' must have 256 characters or fewer");
    end();
}

static uint64_t opening(const char *messages)
{
    char body[1024];

    snprintf(body, sizeof body, "{'model':'meta/llama','messages':[%s]}", messages);
    read_good(body);
    CHECK_STR(n.session, "");
    return n.session_hash;
}

#define SYSTEM "{'role':'system','content':'be brief'}"
#define FIRST  "{'role':'user','content':'hello'}"

TEST("without a session a conversation is known by what it begins with")
{
    begin();
    uint64_t h = opening(SYSTEM "," FIRST);
    CHECK(h != 0);
    CHECK(opening(SYSTEM "," FIRST ",{'role':'assistant','content':'hi'}," FIRST) == h);
    CHECK(opening("{'content':'be brief','role':'system','name':'x'}," FIRST) == h);
    CHECK(opening(SYSTEM "," SYSTEM "," FIRST) == h);
    CHECK(opening("{'role':'developer','content':'be brief'}," FIRST) == h);
    CHECK(opening(FIRST) != h);
    CHECK(opening(SYSTEM) != h);
    CHECK(opening("{'role':'system','content':'be long'}," FIRST) != h);
    CHECK(opening(SYSTEM ",{'role':'user','content':'other'}") != h);
    end();
}

TEST("a cache mark that moves on does not make another conversation")
{
    begin();
    CHECK(opening("{'role':'user','content':[{'type':'text','text':'hello',"
                  "'cache_control':{'type':'ephemeral'}}]}")
          == opening("{'role':'user','content':[{'type':'text','text':'hello'}]}"));
    end();
}

TEST("long openings that differ at their beginning or their end are different conversations")
{
    char text[6000], other[6000];

    begin();
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    uint64_t hashes[3];
    for (size_t i = 0; i < 3; i++) {
        struct tg_buf b = { 0 };
        memcpy(other, text, sizeof text);
        if (i)
            other[i == 1 ? 0 : sizeof other - 2] = 'y';
        tg_buf_printf(&b, q("{'model':'meta/llama','messages':[{'role':'user','content':'%s'}]}"),
                      other);
        CHECK_INT(read_text(TG_API_CHAT, tg_buf_view(&b), NULL), TG_OK);
        hashes[i] = n.session_hash;
        tg_buf_done(&b);
    }
    CHECK(hashes[0] != hashes[1] && hashes[0] != hashes[2] && hashes[1] != hashes[2]);
    end();
}

TEST("metadata is wanted when its header, old or new, says enabled in any case")
{
    static const struct { const char *name, *value; bool wants; } cases[] = {
        { "X-OpenRouter-Metadata", "enabled", true }, { "x-openrouter-metadata", "ENABLED", true },
        { "X-OpenRouter-Experimental-Metadata", "Enabled", true },
        { "X-OpenRouter-Metadata", "disabled", false }, { "X-OpenRouter-Metadata", "true", false },
        { "X-Other", "enabled", false },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tg_http1_head h = head_of(cases[i].name, cases[i].value);
        check_context = cases[i].value;
        CHECK_INT(read_as(TG_API_CHAT, BODY(""), &h), TG_OK);
        CHECK(n.wants_metadata == cases[i].wants);
    }
    end();
}

/* ---- the body for an endpoint ---- */

static struct tg_buf sent;
static uint32_t dropped;

/* What endpoint `e` of the first target is sent. */
static struct tg_str body_for(size_t e)
{
    struct tg_str pieces[TG_EDIT_PIECES(TG_NEEDS_MEMBERS_MAX)];
    size_t count = 0, bytes = 0;

    tg_buf_reset(&sent);
    CHECK_INT(tg_needs_body(&n, &n.targets[0].model->endpoints[e], pieces, COUNT(pieces), &count,
                            &bytes, &dropped), TG_OK);
    for (size_t i = 0; i < count; i++)
        tg_buf_str(&sent, pieces[i]);
    CHECK_INT(sent.len, bytes);
    return tg_buf_view(&sent);
}

#define CHECK_SENT(endpoint, want) CHECK_STR(body_for(endpoint), q(want))

TEST("only the model's name changes in what a provider is sent")
{
    begin();
    read_good("{ 'messages' :[{'role':'user','content':'h\\u0069'}],\n\t'x': 12345678901234567890,"
              "'twice':1,'twice':[],"
              "'model':'openai/gpt-4o:nitro' , 'seed':1e0,'nested':{'model':'x','provider':[ ]} }");
    CHECK_SENT(0, "{ 'messages' :[{'role':'user','content':'h\\u0069'}],\n\t"
              "'x': 12345678901234567890,'twice':1,'twice':[],"
              "'model':'gpt-4o' , 'seed':1e0,'nested':{'model':'x','provider':[ ]} }");
    CHECK_INT(dropped, 0);
    end();
    tg_buf_done(&sent);
}

TEST("members for the gateway are taken out, all others stay")
{
    begin();
    read_good("{'provider':{'zdr':false},'model':'openai/gpt-4o','models':['meta/llama'],"
              "'route':'fallback','policy':'p'," MESSAGES ",'session_id':'s','user':'u',"
              "'plugins':[],'transforms':[],'trace':{},'usage':{'include':true},'preset':'x'}");
    CHECK_SENT(0, "{'model':'gpt-4o'," MESSAGES ",'session_id':'s','user':'u','plugins':[],"
              "'transforms':[],'trace':{},'usage':{'include':true},'preset':'x'}");
    read_good("{'pr\\u006fvider':{'zdr':false},'m\\u006fdel':'openai/gpt-4o'," MESSAGES "}");
    CHECK_SENT(0, "{'m\\u006fdel':'gpt-4o'," MESSAGES "}");
    read_good("{'models':['openai/gpt-4o']," MESSAGES "}");
    CHECK_SENT(0, "{" MESSAGES ",'model':'gpt-4o'}");
    read_good("{'models':['openai/gpt-4o'],'model':null," MESSAGES ",'stream':true}");
    CHECK_SENT(0, "{'model':'gpt-4o'," MESSAGES
              ",'stream':true,'stream_options':{'include_usage':true}}");
    end();
    tg_buf_done(&sent);
}

TEST("a stream asks for usage, whatever else its options say, unless it does already")
{
    static const struct { const char *more, *sent; } cases[] = {
        { ",'stream':true", ",'stream':true,'stream_options':{'include_usage':true}" },
        { ",'stream':true,'stream_options':null",
          ",'stream':true,'stream_options':{'include_usage':true}" },
        { ",'stream_options':{},'stream':true",
          ",'stream_options':{'include_usage':true},'stream':true" },
        { ",'stream':true,'stream_options':{'include_usage':false}",
          ",'stream':true,'stream_options':{'include_usage':true}" },
        { ",'stream':true,'stream_options':{'include_obfuscation':false, 'x':[1, 2]}",
          ",'stream':true,'stream_options':{'include_usage':true,"
          "'include_obfuscation':false,'x':[1, 2]}" },
        { ",'stream':true,'stream_options':{ 'include_usage' : true ,'x':1}",
          ",'stream':true,'stream_options':{ 'include_usage' : true ,'x':1}" },
        { ",'stream':false", ",'stream':false" },
        { ",'stream':false,'stream_options':{'x':1}", ",'stream':false,'stream_options':{'x':1}" },
    };
    begin();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[512], want[512];
        check_context = cases[i].more;
        snprintf(body, sizeof body, BODY("%s"), cases[i].more);
        snprintf(want, sizeof want, "{'model':'gpt-4o'," MESSAGES "%s}", cases[i].sent);
        read_good(body);
        CHECK_SENT(0, want);
    }
    end();
    tg_buf_done(&sent);
}

TEST("a provider that refuses stream_options is sent none")
{
    begin();
    read_good(BODY(",'stream':true,'stream_options':{'include_usage':true},'x':1"));
    CHECK_SENT(1, "{'model':'plain\\u002f4o'," MESSAGES ",'stream':true,'x':1}");
    read_good(BODY(",'stream':true"));
    CHECK_SENT(1, "{'model':'plain\\u002f4o'," MESSAGES ",'stream':true}");
    end();
    tg_buf_done(&sent);
}

TEST("parameters that the endpoint does not support are left out and told; no other member is")
{
    begin();
    read_good(BODY(",'temperature':1,'seed':5,'logit_bias':{},'top_k':null,'made_up':1,"
                   "'tools':[{'type':'function'}],'tool_choice':'required'"));
    CHECK_SENT(0, "{'model':'gpt-4o'," MESSAGES ",'temperature':1,'seed':5,"
              "'logit_bias':{},'top_k':null,'made_up':1,'tools':[{'type':'function'}],"
              "'tool_choice':'required'}");
    CHECK_INT(dropped, 0);
    CHECK_SENT(1, "{'model':'plain\\u002f4o'," MESSAGES ",'temperature':1,"
              "'top_k':null,'made_up':1,'tools':[{'type':'function'}]}");
    CHECK_INT(dropped, TG_PARAM_BIT(SEED) | TG_PARAM_BIT(LOGIT_BIAS) | TG_PARAM_BIT(TOOL_CHOICE));
    end();
    tg_buf_done(&sent);
}

TEST("an empty list of tools is sent as it is")
{
    begin();
    read_good("{'model':'openai/gpt-4o:free'," MESSAGES ",'tools':[]}");
    CHECK_SENT(0, "{'model':'f'," MESSAGES ",'tools':[]}");
    CHECK_INT(dropped, 0);
    end();
    tg_buf_done(&sent);
}

TEST("the output limit goes under the name that the endpoint knows, its digits as written")
{
    begin();
    read_good(BODY(",'max_completion_tokens':1e2,'top_k':1"));
    CHECK_SENT(0, "{'model':'gpt-4o'," MESSAGES ",'max_completion_tokens':1e2,'top_k':1}");
    CHECK_SENT(1, "{'model':'plain\\u002f4o'," MESSAGES ",'max_tokens':1e2}");
    CHECK_INT(dropped, TG_PARAM_BIT(TOP_K));
    read_good("{'models':['openai/gpt-4o:free']," MESSAGES ",'max_tokens':7,'stream':true}");
    CHECK_SENT(0, "{" MESSAGES ",'stream':true,'max_completion_tokens':7,'model':'f',"
              "'stream_options':{'include_usage':true}}");
    CHECK_INT(dropped, 0);
    read_good(BODY(",'max_completion_tokens':9,'max_tokens':7"));
    CHECK_SENT(1, "{'model':'plain\\u002f4o'," MESSAGES ",'max_tokens':7}");
    CHECK_INT(dropped, TG_PARAM_BIT(MAX_COMPLETION_TOKENS));
    end();
    tg_buf_done(&sent);
}

TEST("too few pieces are told, not written beyond")
{
    struct tg_str pieces[8];
    size_t count, bytes;

    begin();
    read_good("{'models':['openai/gpt-4o:free']," MESSAGES ",'max_tokens':7,'x':1,'stream':true}");
    for (size_t cap = 1; cap < 8; cap++) {
        tg_err err = tg_needs_body(&n, &n.targets[0].model->endpoints[0], pieces, cap, &count,
                                   &bytes, &dropped);
        CHECK(err == TG_ETOOBIG || (err == TG_OK && count <= cap));
    }
    end();
}

/* ---- memory, recorded bodies ---- */

static tg_err read_under_pressure(bool is_good)
{
    tg_err err;

    tg_arena_init(&arena, 64);
    err = read_as(TG_API_CHAT, is_good
        ? "{'model':'openai\\/gpt-4o:nitro','us\\u0065r':'\\u0041','stream':true,"
          "'stream_options':{'x':1},'max_tokens':5,'provider':{'order':['a\\/b']}," MESSAGES "}"
        : "{'model':'openai\\/gpt-5o'," MESSAGES "}", NULL);
    tg_arena_done(&arena);
    return is_good ? err : err == TG_EINVAL ? TG_OK : err ? err : TG_EINVAL;
}

TEST("running out of memory anywhere is told, and nothing leaks")
{
    begin();
    tg_arena_done(&arena);
    CHECK_EVERY_ALLOCATION(read_under_pressure(true));
    CHECK_EVERY_ALLOCATION(read_under_pressure(false));
    tg_arena_init(&arena, 64);
    end();
}

static struct tg_buf read_file(const char *dir, struct tg_str name, const char *rest)
{
    struct tg_buf b = { 0 };
    char path[512], part[4096];
    size_t got;

    snprintf(path, sizeof path, "%s/%.*s%s", dir, (int)name.len, name.at, rest);
    FILE *f = fopen(path, "rb");
    if (!f)
        return b;
    while ((got = fread(part, 1, sizeof part, f)) > 0)
        tg_buf_add(&b, part, got);
    fclose(f);
    return b;
}

/* A catalogue that has this model alone. */
static struct tg_catalog *catalog_of(struct tg_json model)
{
    struct tg_buf text = { 0 }, why = { 0 };
    struct tg_catalog *c = tg_catalog_new(providers, COUNT(providers));

    tg_buf_printf(&text, q("{'data':[{'id':%.*s,'endpoints':[{'provider':'openai'}]}]}"),
                  (int)model.raw.len, model.raw.at);
    CHECK_INT(tg_catalog_add(c, tg_buf_view(&text), "c.json", &why, NULL), TG_OK);
    CHECK_STR(tg_buf_view(&why), "");
    CHECK_INT(tg_catalog_seal(c), TG_OK);
    tg_buf_done(&text);
    tg_buf_done(&why);
    return c;
}

/* Understood, and its provider is sent the same but for what is the gateway's.
 * What the provider refused, too, may be refused. */
static void check_recorded(struct tg_json body, struct tg_json status)
{
    tg_arena_init(&arena, 4096);
    catalog = catalog_of(tg_json_get(body, "model"));
    tg_err err = read_text(TG_API_CHAT, body.raw, NULL);
    CHECK(err == TG_OK || (err == TG_EINVAL && tg_str_is(status.raw, "400")));
    if (!err) {
        bool is_changed = (n.stream && !n.usage_is_asked) || tg_json_get(body, "provider").kind;
        CHECK(is_changed || tg_str_eq(body_for(0), body.raw));
        CHECK(n.prompt_tokens > 0 && n.messages_count > 0);
        CHECK(n.prompt_tokens < (int64_t)body.raw.len / 4 + 1010 * (n.messages_count + 10));
    }
    end();
}

TEST("chat requests recorded from real clients are understood, and sent on as they are")
{
    const char *dir = check_data_dir();
    struct tg_buf index = { 0 };
    struct tg_str lines, line, name;
    struct tg_json row;
    int seen = 0;

    CHECK(true);
    if (dir)
        index = read_file(dir, TG_STR("transcripts/index"), ".jsonl");
    lines = tg_buf_view(&index);
    while (lines.len) {
        tg_str_cut(lines, '\n', &line, &lines);
        char folder[256];
        if (tg_json_check(line, TG_JSON_DEPTH_MAX, &row, NULL)
            || !tg_json_is(tg_json_get(row, "api"), "chat")
            || !tg_json_plain(tg_json_get(row, "case"), &name))
            continue;
        snprintf(folder, sizeof folder, "transcripts/%.*s", (int)name.len, name.at);
        struct tg_buf text = read_file(dir, tg_str_of(folder), "/request.json");
        struct tg_json request = { 0 };
        tg_json_check(tg_buf_view(&text), TG_JSON_DEPTH_MAX, &request, NULL);
        struct tg_json body = tg_json_get(request, "body");
        check_context = folder;
        if (tg_json_has_text(tg_json_get(body, "model"))) {
            check_recorded(body, tg_json_get(row, "status"));
            seen++;
        }
        tg_buf_done(&text);
    }
    check_context = "";
    CHECK(!dir || seen > 300);
    tg_buf_done(&index);
    tg_buf_done(&sent);
}

TEST_MAIN
