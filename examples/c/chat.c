/* Ask a model, and print its answer as it comes.
 *
 *     cc chat.c -o chat $(pkg-config --cflags --libs tidegate)
 *     ./chat tidegate.lua '{"model": "demo/tide-large", "stream": true, "messages":
 *         [{"role": "user", "content": "Hello, moon."}]}'
 */
#include <stdio.h>
#include <tidegate.h>

static int print_end(const struct tidegate_event *e)
{
    if (e->error) {
        fprintf(stderr, "\n%s: %s\n", e->error->code, e->error->message);
        for (size_t i = 0; i < e->error->attempts_count; i++)
            fprintf(stderr, "  %s: %s\n", e->error->attempts[i].provider, e->error->attempts[i].code);
        return 1;
    }
    printf("\n-- %s of %s", e->model, e->provider);
    if (e->usage)
        printf(", %lld tokens, $%.6f", (long long)e->usage->total_tokens, e->usage->cost_usd);
    printf("\n");
    return 0;
}

int main(int argc, char **argv)
{
    struct tidegate_options options = { .size = sizeof options, .config = argc > 1 ? argv[1] : NULL };
    struct tidegate_request request = { .size = sizeof request, .body = argc > 2 ? argv[2] : NULL };
    const struct tidegate_event *e;
    char why[1024];
    int status = 1;

    struct tidegate *t = tidegate_open(&options, why, sizeof why);
    if (!t) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    if (!tidegate_ask(t, &request))
        fprintf(stderr, "%s\n", tidegate_error(t)->message);
    while (tidegate_poll(t, -1) >= 0)              /* until nothing runs */
        while ((e = tidegate_next(t))) {
            if (e->kind == TIDEGATE_DELTA)
                fputs(e->text.at, stdout);
            else if (e->kind == TIDEGATE_END)
                status = print_end(e);
            fflush(stdout);
        }
    tidegate_close(t);
    return status;
}
