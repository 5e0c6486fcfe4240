/* The header alone, as strict C99 and as C++: every function is there, and NULL is fine wherever
 * it says so. */
#include <tidegate.h>

#include <stdio.h>
#include <string.h>

static int failed;

static void check(int holds, const char *what)
{
    if (holds)
        return;
    printf("not so: %s\n", what);
    failed = 1;
}

#define CHECK(cond) check((cond) ? 1 : 0, #cond)

static void without_a_handle(void)
{
    CHECK(!tidegate_open(NULL, NULL, 0));
    tidegate_close(NULL);
    CHECK(tidegate_reload(NULL, NULL, 0) == -1);
    CHECK(tidegate_ask(NULL, NULL) == 0);
    tidegate_cancel(NULL, 1);
    CHECK(tidegate_poll(NULL, -1) == -1);
    CHECK(tidegate_fd(NULL) == -1);
    CHECK(!tidegate_next(NULL));
    CHECK(!tidegate_error(NULL));
    CHECK(!tidegate_route(NULL, NULL));
    CHECK(tidegate_plan_count(NULL) == 0 && !tidegate_plan_endpoint(NULL, 0));
    CHECK(tidegate_plan_drops(NULL) == 0 && !tidegate_plan_drop(NULL, 0));
    CHECK(!tidegate_plan_request(NULL, 0));
    CHECK(tidegate_report(NULL, 0, NULL) == -1);
    tidegate_plan_free(NULL);
}

static void sizes_tell_versions(void)
{
    struct {
        struct tidegate_options known;
        const char *later;
    } newer;
    char why[128] = "";

    memset(&newer, 0, sizeof newer);
    newer.known.config_text = "return { providers = {} }";
    CHECK(!tidegate_open(&newer.known, why, sizeof why) && strstr(why, "size is not set"));
    newer.known.size = sizeof newer;
    newer.later = "what is this?";
    CHECK(!tidegate_open(&newer.known, why, sizeof why) && strstr(why, "does not know"));
    newer.later = NULL;
    struct tidegate *t = tidegate_open(&newer.known, why, sizeof why);
    CHECK(t);
    tidegate_close(t);
    newer.known.size = sizeof newer.known;
    newer.known.config_text = NULL;
    CHECK(!tidegate_open(&newer.known, why, 8) && strlen(why) == 7);
}

int main(void)
{
    CHECK(!strcmp(tidegate_version(), TIDEGATE_VERSION));
    CHECK(tidegate_version_number() == TIDEGATE_VERSION_NUMBER);
    without_a_handle();
    sizes_tell_versions();
    return failed;
}
