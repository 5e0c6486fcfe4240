/* What the messages of a request need, and which conversation they begin. */
#include "check.h"

#include "quote.h"
#include "route/needs.h"
#include "route/prompt.h"

static struct tg_fault fault;
static struct tg_arena arena;

static struct tg_prompt read_messages(struct tg_str messages)
{
    const struct tg_refusal no = { &fault, &arena };
    struct tg_json root = { 0 };
    struct tg_prompt p = { 0 };

    CHECK_INT(tg_json_check(messages, TG_JSON_DEPTH_MAX, &root, NULL), TG_OK);
    CHECK_INT(tg_prompt_messages(&p, root, &no), TG_OK);
    return p;
}

TEST("what a message has is found in any order, and what stands behind it too")
{
    static const char first[] =
        "[{'role':'user','content':[{'type':'text','text':'12345678'},"
        "{'type':'image_url','image_url':{'url':'x'}}],'name':'abcd'},"
        "{'role':'user','content':'1234'}]";
    static const char other[] =
        "[{'name':'abcd','content':[{'text':'12345678','type':'text'} , "
        "{'image_url':{'url':'x'},'type':'image_url'}],'role':'user'},"
        "{'content':'1234','role':'user'}]";
    struct tg_prompt a = read_messages(qs(first)), b = read_messages(qs(other));

    CHECK_INT(a.tokens, 2 * TG_NEEDS_MESSAGE_TOKENS + 2 + TG_NEEDS_PART_TOKENS + 1 + 1);
    CHECK_INT(b.tokens, a.tokens);
    CHECK_INT(a.messages, 2);
    CHECK_INT(b.messages, 2);
    CHECK_INT(a.images, 1);
    CHECK_INT(b.images, 1);
    CHECK_INT(a.inputs, 1 << TG_MODE_TEXT | 1 << TG_MODE_IMAGE);
    CHECK_INT(b.inputs, a.inputs);
}

/* The hash of one message of `parts` parts of 1000 characters, all alike but
 * for one. */
static uint64_t hash_of_parts(int parts, int odd)
{
    struct tg_buf b = { 0 };

    tg_buf_z(&b, "[{\"role\":\"user\",\"content\":[");
    for (int i = 0; i < parts; i++)
        tg_buf_printf(&b, "%s{\"type\":\"text\",\"text\":\"%c%0999d\"}", i ? "," : "",
                      i == odd ? 'y' : 'x', 0);
    tg_buf_z(&b, "]}]");
    uint64_t hash = read_messages(tg_buf_view(&b)).opening_hash;
    tg_buf_done(&b);
    return hash;
}

TEST("of a message of many parts only the first bytes tell its conversation")
{
    uint64_t same = hash_of_parts(100, -1);

    CHECK(hash_of_parts(100, 0) != same);
    CHECK(hash_of_parts(100, 3) != same);
    CHECK(hash_of_parts(100, 50) == same);
}

TEST_MAIN
