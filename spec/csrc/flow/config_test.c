/* Which policy a request is under, and what a snapshot is checked for when it
 * is sealed. */
#include "check.h"

#include "base/mem.h"
#include "flow/config.h"
#include "os/digest.h"

static unsigned freed;

static void free_policy(struct tg_policy *p)
{
    freed++;
    tg_free(p);
}

static const struct tg_policy_code code = { .free = free_policy };

static struct tg_policy *new_policy(const char *name)
{
    struct tg_policy *p = tg_zalloc(sizeof *p);

    CHECK(p != NULL);
    atomic_init(&p->references, 1);
    p->name = tg_str_of(name);
    p->code = &code;
    return p;
}

enum { POLICIES = 4 };
static const char *const NAMES[POLICIES] = { "cheap", "fast", "default", "European" };

/* A snapshot with these policies and no keys. */
static struct tg_config *new_config(void)
{
    static const struct tg_provider provider = { .slug = { "a", 1 } };
    struct tg_config *c = tg_config_new();

    c->catalog = tg_catalog_new(&provider, 1);
    CHECK_INT(tg_catalog_seal(c->catalog), TG_OK);
    c->policies = tg_arena_get(&c->arena, POLICIES * sizeof *c->policies);
    for (size_t i = 0; i < POLICIES; i++)
        c->policies[c->policies_count++] = new_policy(NAMES[i]);
    c->policy = tg_config_policy(c, TG_STR("default"));
    CHECK(c->policy != NULL);
    return c;
}

struct given_key {
    const char *text, *name, *policy;
};

static void give_keys(struct tg_config *c, const struct given_key *keys, size_t count)
{
    c->keys = tg_arena_get(&c->arena, count * sizeof *c->keys);
    c->keys_count = count;
    for (size_t i = 0; i < count; i++) {
        CHECK_INT(tg_sha256(tg_str_of(keys[i].text), c->keys[i].digest), TG_OK);
        c->keys[i].name = tg_str_of(keys[i].name);
        c->keys[i].policy_name = tg_str_of(keys[i].policy);
    }
}

static const struct given_key KEYS[] = {
    { "sk-1", "ci", "cheap" }, { "sk-2", "app", "" }, { "sk-3", "eu", "European" },
    { "sk-4", "odd", "default" },
};

static struct tg_config *sealed_config(void)
{
    struct tg_config *c = new_config();

    give_keys(c, KEYS, sizeof KEYS / sizeof *KEYS);
    CHECK_INT(tg_config_seal(c), TG_OK);
    return c;
}

/* ---- choosing ---- */

static const struct {
    const char *key, *named, *is;          /* NULL: nobody is known */
} choices[] = {
    { NULL, "", "default" },
    { NULL, "fast", "fast" },
    { "sk-2", "", "default" },
    { "sk-2", "fast", "fast" },
    { "sk-1", "", "cheap" },
    { "sk-1", "fast", "cheap" },           /* the key's goes first: it may be there to hold */
    { "sk-1", "cheap", "cheap" },
    { "sk-3", "fast", "European" },
    { "sk-4", "fast", "default" },         /* although it is the default's name */
};

TEST("a request is under its key's policy, else the one that it names, else the default")
{
    struct tg_config *c = sealed_config();
    struct tg_arena arena;

    tg_arena_init(&arena, 256);
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        const struct tg_key *key = choices[i].key
                                 ? tg_config_key(c, tg_str_of(choices[i].key)) : NULL;
        struct tg_policy *chosen = NULL;
        struct tg_fault fault = { 0 };
        char where[64];
        snprintf(where, sizeof where, "%s names '%s'", choices[i].key ? choices[i].key : "nobody",
                 choices[i].named);
        check_context = where;
        CHECK(!choices[i].key || key);
        CHECK_INT(tg_config_choose(c, key, tg_str_of(choices[i].named), &chosen, &arena, &fault),
                  TG_OK);
        if (CHECK(chosen != NULL))
            CHECK_STR(chosen->name, choices[i].is);
        CHECK_INT(fault.type, TG_FAULT_NONE);
    }
    tg_arena_done(&arena);
    tg_config_drop(c);
}

TEST("without a default a request that chooses none is under none")
{
    struct tg_config *c = sealed_config();
    struct tg_policy *chosen = c->policies[0];
    struct tg_fault fault = { 0 };

    c->policy = NULL;
    CHECK_INT(tg_config_choose(c, NULL, TG_STR(""), &chosen, NULL, &fault), TG_OK);
    CHECK(chosen == NULL);
    CHECK_INT(tg_config_choose(c, tg_config_key(c, TG_STR("sk-1")), TG_STR(""), &chosen, NULL,
                               &fault), TG_OK);
    CHECK(chosen == c->policies[0]);
    tg_config_drop(c);
}

static const struct {
    const char *named, *words;
} unknown[] = {
    { "cheep", "There is no policy 'cheep', did you mean 'cheap'?" },
    { "CHEAP", "There is no policy 'CHEAP', did you mean 'cheap'?" },
    { "european", "There is no policy 'european', did you mean 'European'?" },
    { "frobnicate", "There is no policy 'frobnicate'" },
    { "a name that is longer than what is shown of a client's words: of those one hundred and "
      "twenty-eight characters are shown, and no more than that",
      "There is no policy 'a name that is longer than what is shown of a client's words: of those "
      "one hundred and twenty-eight characters are shown, and no'" },
};

TEST("a name that there is not is refused, with the one that may have been meant")
{
    struct tg_config *c = sealed_config();
    struct tg_arena arena;

    tg_arena_init(&arena, 256);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        struct tg_policy *chosen = NULL;
        struct tg_fault fault = { 0 };
        check_context = unknown[i].named;
        CHECK_INT(tg_config_choose(c, NULL, tg_str_of(unknown[i].named), &chosen, &arena, &fault),
                  TG_EINVAL);
        CHECK_STR(fault.message, unknown[i].words);
        CHECK_INT(tg_fault_status(&fault), 400);
        CHECK(chosen == NULL);

        /* Nobody should believe that it was obeyed because a key goes first. */
        fault = (struct tg_fault){ 0 };
        CHECK_INT(tg_config_choose(c, tg_config_key(c, TG_STR("sk-1")),
                                   tg_str_of(unknown[i].named), &chosen, &arena, &fault),
                  TG_EINVAL);
        CHECK_INT(tg_fault_status(&fault), 400);
    }
    tg_arena_done(&arena);
    tg_config_drop(c);
}

static tg_err choose_once(const struct tg_config *c)
{
    struct tg_arena arena;
    struct tg_policy *chosen;
    struct tg_fault fault = { 0 };

    tg_arena_init(&arena, 64);
    tg_err err = tg_config_choose(c, NULL, TG_STR("cheep"), &chosen, &arena, &fault);
    tg_arena_done(&arena);
    return err == TG_EINVAL ? TG_OK : err;
}

TEST("a refusal that there is no memory for is told as that")
{
    struct tg_config *c = sealed_config();

    CHECK_EVERY_ALLOCATION(choose_once(c));
    tg_config_drop(c);
}

TEST("a policy is found by its whole name")
{
    struct tg_config *c = new_config();
    static const char *const none[] = { "", "chea", "cheaper", "Cheap" };

    for (size_t i = 0; i < POLICIES; i++)
        CHECK(tg_config_policy(c, tg_str_of(NAMES[i])) == c->policies[i]);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CHECK(tg_config_policy(c, tg_str_of(none[i])) == NULL);
    tg_config_drop(c);
}

/* ---- sealing ---- */

TEST("a key that names a policy that there is not seals no snapshot")
{
    static const struct given_key keys[] = { { "sk-1", "ci", "cheap" },
                                             { "sk-2", "app", "cheep" } };
    struct tg_config *c = new_config();

    give_keys(c, keys, 2);
    CHECK_INT(tg_config_seal(c), TG_ENOTFOUND);
    tg_config_drop(c);
}

TEST("two keys of the same text seal none either")
{
    static const struct given_key keys[] = { { "sk-1", "ci", "cheap" }, { "sk-1", "app", "" } };
    struct tg_config *c = new_config();

    give_keys(c, keys, 2);
    CHECK_INT(tg_config_seal(c), TG_EINVAL);
    tg_config_drop(c);
}

TEST("keys keep their policies when they are sorted")
{
    enum { MANY = 50 };
    static char texts[MANY][16];
    struct given_key keys[MANY];
    struct tg_config *c = new_config();

    for (int i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof texts[i], "sk-%d", i);
        keys[i] = (struct given_key){ texts[i], texts[i], NAMES[i % POLICIES] };
    }
    give_keys(c, keys, MANY);
    CHECK_INT(tg_config_seal(c), TG_OK);
    for (int i = 0; i < MANY; i++) {
        const struct tg_key *k = tg_config_key(c, tg_str_of(texts[i]));
        if (!CHECK(k != NULL))
            continue;
        CHECK_STR(k->name, texts[i]);
        CHECK(k->policy == c->policies[i % POLICIES]);
    }
    CHECK(tg_config_key(c, TG_STR("sk-x")) == NULL);
    tg_config_drop(c);
}

TEST("a snapshot lets go of its policies, and frees those that nobody else holds")
{
    struct tg_config *c = sealed_config();
    struct tg_policy *kept = c->policies[1];

    freed = 0;
    tg_policy_hold(kept);
    tg_config_hold(c);
    tg_config_drop(c);
    CHECK_INT(freed, 0);
    tg_config_drop(c);
    CHECK_INT(freed, POLICIES - 1);
    tg_policy_drop(kept);
    CHECK_INT(freed, POLICIES);
}

TEST_MAIN
