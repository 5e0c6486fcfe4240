/* The beginning of an event, held until its end arrives. */
#include "check.h"

#include "base/mem.h"
#include "wire/carry.h"

TEST("bytes that are all there are looked at and taken where they lie")
{
    static const char bytes[] = "abcdef";
    struct tg_carry c = { 0 };
    struct tg_str s;

    tg_mem_fail_at(0);
    tg_carry_feed(&c, TG_STR(bytes));
    tg_carry_begin(&c);
    CHECK_INT(tg_carry_peek(&c, 2, &s), TG_OK);
    CHECK(s.at == bytes && s.len == 2);
    CHECK_INT(tg_carry_take(&c, 4, &s), TG_OK);
    CHECK(s.at == bytes && s.len == 4);
    tg_carry_begin(&c);
    CHECK_INT(tg_carry_take(&c, 0, &s), TG_OK);
    CHECK(s.len == 0);
    tg_carry_skip(&c, 1);
    CHECK_INT(tg_carry_take(&c, 1, &s), TG_OK);
    CHECK_STR(s, "f");
    tg_carry_begin(&c);
    CHECK_INT(tg_carry_keep(&c), TG_AGAIN);
    CHECK_INT(tg_mem_fail_at(0), 0);
}

TEST("bytes that come in pieces are put together, and what follows stays where it lies")
{
    static const char last[] = "defghi";
    struct tg_carry c = { 0 };
    struct tg_str s = { 0 };

    tg_carry_feed(&c, TG_STR("a"));
    CHECK_INT(tg_carry_peek(&c, 2, &s), TG_AGAIN);
    CHECK(s.at == NULL && tg_carry_is_cut(&c));
    tg_carry_feed(&c, TG_STR("bc"));
    CHECK_INT(tg_carry_peek(&c, 2, &s), TG_OK);
    CHECK_STR(s, "ab");
    CHECK_INT(tg_carry_peek(&c, 5, &s), TG_AGAIN);
    tg_carry_feed(&c, TG_STR(last));
    CHECK_INT(tg_carry_take(&c, 5, &s), TG_OK);
    CHECK_STR(s, "abcde");
    CHECK(!tg_carry_is_cut(&c));
    tg_carry_begin(&c);
    CHECK_INT(tg_carry_take(&c, 3, &s), TG_OK);
    CHECK(s.at == last + 2);
    CHECK_STR(s, "fgh");
    CHECK_INT(tg_carry_keep(&c), TG_AGAIN);
    CHECK(c.held.len == 1 && c.fed.len == 0);
    tg_carry_done(&c);
}

TEST("an event that ends with what was held needs not a byte more")
{
    struct tg_carry c = { 0 };
    struct tg_str s;

    tg_carry_feed(&c, TG_STR("ab"));
    CHECK_INT(tg_carry_keep(&c), TG_AGAIN);
    CHECK_INT(tg_carry_take(&c, 2, &s), TG_OK);
    CHECK_STR(s, "ab");
    tg_carry_begin(&c);
    CHECK_INT(tg_carry_keep(&c), TG_AGAIN);
    CHECK(c.held.at == NULL);
}

TEST("an allocation that fails is told, and nothing leaks")
{
    struct tg_carry c = { 0 };

    tg_carry_feed(&c, TG_STR("a"));
    tg_mem_fail_at(1);
    CHECK_INT(tg_carry_keep(&c), TG_ENOMEM);
    tg_mem_fail_at(0);
    tg_carry_done(&c);
    CHECK(c.fed.len == 0);
}

TEST_MAIN
