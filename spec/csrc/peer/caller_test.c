/* The client that is no connection: what an exchange tells it goes into a sink,
 * and what the sink's owner wants comes back. */
#include "check.h"

#include "base/mem.h"
#include "peer/caller.h"

/* A sink that writes down what it is told. */
static struct {
    char   said[512];
    size_t len;
    bool   is_full;
    int    gone, drained;
    void  *gone_with, *drained_with;
} world;

static void note(const char *what, struct tg_str s)
{
    world.len += (size_t)snprintf(world.said + world.len, sizeof world.said - world.len,
                                  "%s%s(%.*s)", world.len ? " " : "", what, (int)s.len,
                                  s.len ? s.at : "");
}

static void on_head(void *arg, int status, struct tg_str fields)
{
    CHECK(arg == &world);
    CHECK_INT(status, 200);
    note("head", fields);
}

static bool on_bytes(void *arg, struct tg_str bytes)
{
    note("bytes", bytes);
    return !world.is_full;
}

static void on_end(void *arg, struct tg_str last, bool is_whole)
{
    if (last.len)
        note("last", last);
    note("end", tg_str_of(is_whole ? "whole" : "broken"));
}

static void on_gone(void *attached)
{
    world.gone++;
    world.gone_with = attached;
}

static void on_drained(void *attached)
{
    world.drained++;
    world.drained_with = attached;
}

static struct tg_client *new_caller(const char *body)
{
    static const struct tg_caller_sink sink = { on_head, on_bytes, on_end, &world };
    struct tg_buf b = { 0 };
    struct tg_client *c;

    memset(&world, 0, sizeof world);
    CHECK(!tg_buf_z(&b, body));
    c = tg_caller_new(&sink, &b, on_gone, on_drained);
    CHECK(c != NULL);
    CHECK(!b.at);                          /* moved */
    return c;
}

TEST("a whole answer is a head, and an end with its bytes")
{
    tg_client_reply(new_caller(""), 200, TG_STR("A: b\r\n"), TG_STR("hello"));
    CHECK_STR(tg_str_of(world.said), "head(A: b\r\n) last(hello) end(whole)");
}

TEST("an answer without a body has no piece")
{
    tg_client_reply(new_caller(""), 200, TG_STR(""), TG_STR(""));
    CHECK_STR(tg_str_of(world.said), "head() end(whole)");
}

TEST("a stream comes in the pieces it is sent in; empty ones are not told")
{
    struct tg_client *c = new_caller("");

    tg_client_begin(c, 200, TG_STR(""));
    CHECK(tg_client_send(c, TG_STR("one")));
    CHECK(tg_client_send(c, TG_STR("")));
    CHECK(tg_client_send(c, TG_STR("two")));
    tg_client_end(c, TG_STR("last"));
    CHECK_STR(tg_str_of(world.said), "head() bytes(one) bytes(two) last(last) end(whole)");

    c = new_caller("");
    tg_client_begin(c, 200, TG_STR(""));
    tg_client_end(c, TG_STR(""));
    CHECK_STR(tg_str_of(world.said), "head() end(whole)");
}

TEST("an answer that is cut is no whole one")
{
    struct tg_client *c = new_caller("");

    tg_client_begin(c, 200, TG_STR(""));
    tg_client_send(c, TG_STR("one"));
    tg_client_abort(c);
    CHECK_STR(tg_str_of(world.said), "head() bytes(one) end(broken)");
}

TEST("a full sink stops the sender, and what is attached hears when there is room")
{
    struct tg_client *c = new_caller("");
    int exchange;

    tg_caller_drained(c);
    CHECK_INT(world.drained, 0);           /* nobody is attached yet */
    tg_client_attach(c, &exchange);
    tg_client_begin(c, 200, TG_STR(""));
    world.is_full = true;
    CHECK(!tg_client_send(c, TG_STR("one")));
    tg_caller_drained(c);
    CHECK_INT(world.drained, 1);
    CHECK(world.drained_with == &exchange);
    tg_client_end(c, TG_STR(""));
    CHECK_STR(tg_str_of(world.said), "head() bytes(one) end(whole)");
}

TEST("who leaves is told nothing more; what is attached hears that it is gone")
{
    struct tg_client *c = new_caller("the body");
    int exchange;

    tg_client_attach(c, &exchange);
    tg_client_begin(c, 200, TG_STR(""));
    tg_caller_leave(c);
    CHECK_INT(world.gone, 1);
    CHECK(world.gone_with == &exchange);
    CHECK_STR(tg_str_of(world.said), "head()");

    tg_caller_leave(new_caller("the body"));
    CHECK_INT(world.gone, 0);              /* nothing was attached */
    CHECK_STR(tg_str_of(world.said), "");
}

TEST("the body is there until it is taken, and goes with the caller when it is not")
{
    struct tg_client *c = new_caller("the body");
    struct tg_buf body;

    CHECK_STR(tg_caller_body(c), "the body");
    body = tg_client_take_body(c, tg_caller_body(c));
    CHECK_STR(tg_buf_view(&body), "the body");
    CHECK_STR(tg_caller_body(c), "");
    tg_buf_done(&body);
    tg_client_reply(c, 200, TG_STR(""), TG_STR(""));

    tg_client_reply(new_caller("the body"), 200, TG_STR(""), TG_STR(""));
}

TEST("R-36 without memory there is no caller, and the body stays where it was")
{
    static const struct tg_caller_sink sink = { on_head, on_bytes, on_end, &world };
    struct tg_buf b = { 0 };

    tg_buf_z(&b, "the body");
    tg_mem_fail_at(1);
    CHECK(!tg_caller_new(&sink, &b, on_gone, on_drained));
    tg_mem_fail_at(0);
    CHECK_STR(tg_buf_view(&b), "the body");
    tg_buf_done(&b);
}

TEST_MAIN
