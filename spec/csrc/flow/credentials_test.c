/* Tokens, from a token endpoint on the same loop: who waits is told once, one
 * fetch serves all, and nothing that the endpoint says is taken for more than
 * it is. The time of day is the test's. */
#include "check.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/clock.h"
#include "base/mem.h"
#include "flow/credentials.h"
#include "os/net.h"

static struct tg_buf pem;

static struct {
    struct tg_loop *loop;
    struct tg_upstreams *upstreams;
    struct tg_credentials *credentials;
    struct tg_provider provider;
    int listener, conns[32], count;
    int asked;
    const char *answer;                    /* NULL: it says nothing */
    char url[64], request[8192];
} world;

static void make_key(void)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    long len = BIO_get_mem_data(bio, &text);
    tg_buf_add(&pem, text, (size_t)len);
    BIO_free(bio);
    EVP_PKEY_free(key);
}

static void open_world(const char *answer)
{
    struct tg_addr at;

    if (!pem.len)
        make_key();
    memset(&world, 0, sizeof world);
    world.answer = answer;
    tg_addr_parse(TG_STR("127.0.0.1:0"), &at);
    CHECK(tg_net_listen(&at, 16, &world.listener, &at) == TG_OK);
    snprintf(world.url, sizeof world.url, "http://127.0.0.1:%u/token?x=1", tg_addr_port(&at));
    world.provider.signer = (struct tg_signer){
        .kind = TG_SIGN_GOOGLE, .email = TG_STR("me@project"), .private_key = tg_buf_view(&pem),
        .token_url = tg_str_of(world.url) };
    world.loop = tg_loop_new();
    world.upstreams = tg_upstreams_new(world.loop, NULL);
    world.credentials = tg_credentials_new(world.loop, world.upstreams);
}

static void close_world(void)
{
    tg_credentials_free(world.credentials);
    tg_upstreams_free(world.upstreams);
    tg_loop_free(world.loop);
    for (int i = 0; i < world.count; i++)
        close(world.conns[i]);
    close(world.listener);
}

static void run_endpoint(void)
{
    int fd = accept4(world.listener, NULL, NULL, SOCK_NONBLOCK);

    if (fd >= 0 && world.count < 32)
        world.conns[world.count++] = fd;
    for (int i = 0; i < world.count && world.answer; i++) {
        ssize_t got = recv(world.conns[i], world.request, sizeof world.request - 1, MSG_DONTWAIT);
        if (got <= 0)
            continue;
        world.request[got] = '\0';
        world.asked++;
        send(world.conns[i], world.answer, strlen(world.answer), MSG_NOSIGNAL);
        if (strstr(world.answer, "Connection: close"))
            shutdown(world.conns[i], SHUT_RDWR);
    }
}

static void turn(int n)
{
    while (n--) {
        tg_loop_turn(world.loop, 1);
        run_endpoint();
    }
}

/* ---- who waits ---- */

struct waiter {
    struct tg_credentials_wait wait;       /* first */
    int told;
    tg_err err;
    char why[256];
    struct waiter *drops;                  /* leaves with this one */
    int asks_again;                        /* so often */
};

static uint64_t now_s(void)
{
    return tg_clock_wall_ms() / 1000;
}

static tg_err get(struct waiter *w, uint64_t wall_s, struct tg_str *token);

static void on_told(struct tg_credentials_wait *wait, tg_err err, struct tg_str why)
{
    struct waiter *w = (struct waiter *)wait;
    struct tg_str token;

    w->told++;
    w->err = err;
    snprintf(w->why, sizeof w->why, "%.*s", (int)why.len, why.len ? why.at : "");
    if (w->drops)
        tg_credentials_leave(&w->drops->wait);
    if (w->asks_again-- > 0)
        get(w, now_s(), &token);
}

static tg_err get(struct waiter *w, uint64_t wall_s, struct tg_str *token)
{
    w->wait.on = on_told;
    *token = (struct tg_str){ 0 };
    return tg_credentials_get(world.credentials, &world.provider, wall_s, token, &w->wait);
}

#define ANSWER(status, body) \
    "HTTP/1.1 " status "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" body
static const char good[] = ANSWER("200 OK", "{\"access_token\":\"ya29.x\",\"expires_in\":3599,\"token_type\":\"Bearer\"}");

TEST("one fetch serves all who wait, and whoever asks afterwards does not wait")
{
    struct waiter w[3] = { { .told = 0 } };
    struct tg_str token;

    open_world(good);
    for (int i = 0; i < 3; i++)
        CHECK_INT(get(&w[i], now_s(), &token), TG_AGAIN);
    turn(50);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(w[i].told, 1);
        CHECK_INT(w[i].err, TG_OK);
    }
    CHECK_INT(get(&w[0], now_s(), &token), TG_OK);
    CHECK_STR(token, "ya29.x");
    CHECK_INT(world.asked, 1);
    CHECK(tg_str_starts(tg_str_of(world.request), "POST /token?x=1 HTTP/1.1\r\n"));
    CHECK(strstr(world.request, "Content-Type: application/x-www-form-urlencoded\r\n") != NULL);
    CHECK(strstr(world.request, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey"));
    CHECK(!strstr(world.request, "PRIVATE"));
    close_world();
}

TEST("a token is fetched again before it ends, and used meanwhile; when it is over they wait")
{
    static const char next[] = ANSWER("200 OK", "{\"access_token\":\"ya29.next\",\"expires_in\":3599}");
    struct waiter w = { .told = 0 };
    struct tg_str token;

    open_world(good);
    get(&w, now_s(), &token);
    turn(50);
    world.answer = next;
    CHECK_INT(get(&w, now_s() + 3400, &token), TG_OK);
    CHECK_STR(token, "ya29.x");
    CHECK_INT(get(&w, now_s() + 3400, &token), TG_OK);      /* one fetch, not two */
    turn(50);
    CHECK_INT(world.asked, 2);
    CHECK_INT(get(&w, now_s(), &token), TG_OK);
    CHECK_STR(token, "ya29.next");
    CHECK_INT(get(&w, now_s() + 3600, &token), TG_AGAIN);
    turn(50);
    CHECK_INT(w.told, 2);
    CHECK_INT(world.asked, 3);
    close_world();
}

TEST("an early fetch that fails leaves the token that still holds")
{
    static const char *const answers[] = { ANSWER("500 No", ""), ANSWER("200 OK", "{}"),
                                           ANSWER("200 OK", "nonsense"), "Connection: close" };
    struct waiter w = { .told = 0 };
    struct tg_str token;

    open_world(good);
    get(&w, now_s(), &token);
    turn(50);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        world.answer = answers[i];
        CHECK_INT(get(&w, now_s() + 3400, &token), TG_OK);
        turn(30);
        CHECK_INT(get(&w, now_s(), &token), TG_OK);
        CHECK_STR(token, "ya29.x");
    }
    CHECK_INT(world.asked, 5);
    close_world();
}

static const struct { const char *answer; tg_err err; const char *why; } failures[] = {
    { ANSWER("400 No", "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT\"}"), TG_EPEER, "answered 400" },
    { ANSWER("302 There", ""), TG_EPEER, "answered 302" },
    { ANSWER("200 OK", "{\"error\":\"no\"}"), TG_EPEER, "holds no token" },
    { ANSWER("200 OK", "<html>ya29.secret</html>"), TG_EPEER, "holds no token" },
    { ANSWER("200 OK", "[]"), TG_EPEER, "holds no token" },
    { ANSWER("200 OK", "{\"access_token\":\"\",\"expires_in\":3599}"), TG_EPEER, "holds no token" },
    { ANSWER("200 OK", "{\"access_token\":5,\"expires_in\":3599}"), TG_EPEER, "holds no token" },
    { ANSWER("200 OK", "{\"access_token\":\"a\\r\\nHost: b\",\"expires_in\":3599}"), TG_EPEER, "holds no token" },
    { ANSWER("200 OK", "{\"access_token\":\"ya29.secret\",\"expires_in\":0}"), TG_EPEER, "holds no token" },
    { ANSWER("200 OK", "{\"access_token\":\"ya29.secret\",\"expires_in\":-5}"), TG_EPEER, "holds no token" },
    { ANSWER("200 OK", "{\"access_token\":\"ya29.secret\",\"expires_in\":\"soon\"}"), TG_EPEER, "holds no token" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\n{", TG_EPEER, "" },
};

TEST("whatever is no token is an error with words, once, and no secret is among them")
{
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        struct waiter w = { .asks_again = 0 };
        struct tg_str token;
        check_context = failures[i].answer;
        open_world(failures[i].answer);
        CHECK_INT(get(&w, now_s(), &token), TG_AGAIN);
        turn(50);
        CHECK_INT(w.told, 1);
        CHECK(w.err != TG_OK && strstr(w.why, failures[i].why) && !strstr(w.why, "secret"));
        CHECK_INT(world.asked, 1);
        close_world();
    }
}

TEST("an answer longer than a token's is not read to its end")
{
    static char long_answer[64 * 1024];
    struct waiter w = { .told = 0 };
    struct tg_str token;

    int n = snprintf(long_answer, sizeof long_answer, "HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"");
    memset(long_answer + n, 'x', sizeof long_answer - 1 - (size_t)n);
    open_world(long_answer);
    get(&w, now_s(), &token);
    turn(50);
    CHECK_INT(w.told, 1);
    CHECK_INT(w.err, TG_ETOOBIG);
    close_world();
}

TEST("a key that is none is told at once, and nobody is asked")
{
    struct waiter w = { .told = 0 };
    struct tg_str token;

    open_world(good);
    world.provider.signer.private_key = TG_STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    CHECK_INT(get(&w, now_s(), &token), TG_EINVAL);
    turn(10);
    CHECK_INT(w.told, 0);
    CHECK_INT(world.asked, 0);
    close_world();
}

TEST("who leaves is not told, also when another one that is told makes it leave")
{
    struct waiter w[4] = { { .told = 0 } };
    struct tg_str token;

    open_world(good);
    for (int i = 0; i < 4; i++)
        get(&w[i], now_s(), &token);
    tg_credentials_leave(&w[1].wait);
    tg_credentials_leave(&w[1].wait);          /* fine twice */
    w[3].drops = &w[2];                        /* the newest is told first */
    w[2].drops = &w[3];
    turn(50);
    CHECK_INT(w[0].told, 1);
    CHECK_INT(w[1].told, 0);
    CHECK_INT(w[2].told + w[3].told, 1);
    close_world();
}

TEST("who is told of a failure and asks again waits for another fetch")
{
    struct waiter w[2] = { { .asks_again = 1 }, { .asks_again = 1 } };
    struct tg_str token;

    open_world(ANSWER("503 No", ""));
    get(&w[0], now_s(), &token);
    get(&w[1], now_s(), &token);
    turn(80);
    CHECK_INT(w[0].told, 2);
    CHECK_INT(w[1].told, 2);
    CHECK_INT(world.asked, 2);
    close_world();
}

TEST("all may end in the midst of a fetch: nobody is told, and nothing is left")
{
    struct waiter w[2] = { { .told = 0 } };
    struct tg_str token;

    for (int turns = 0; turns < 6; turns++) {
        open_world(NULL);
        get(&w[0], now_s(), &token);
        get(&w[1], now_s(), &token);
        turn(turns);
        close_world();
        CHECK_INT(w[0].told + w[1].told, 0);
        CHECK(!w[0].wait.place && !w[1].wait.place);
    }
}

TEST("a token that a provider refused is fetched anew; accounts do not share theirs")
{
    struct waiter w = { .told = 0 };
    struct tg_str token;

    open_world(good);
    get(&w, now_s(), &token);
    turn(50);
    struct tg_provider mine = world.provider;
    world.provider.signer.email = TG_STR("other@project");
    CHECK_INT(get(&w, now_s(), &token), TG_AGAIN);
    turn(50);
    CHECK_INT(world.asked, 2);
    world.provider = mine;
    tg_credentials_forget(world.credentials, &mine);
    CHECK_INT(get(&w, now_s(), &token), TG_AGAIN);
    turn(50);
    CHECK_INT(world.asked, 3);
    CHECK_INT(get(&w, now_s(), &token), TG_OK);
    close_world();
}

TEST("accounts that are over make room for others")
{
    struct waiter w = { .told = 0 };
    struct tg_str token;
    char email[32];
    int refused = 0;

    open_world(good);
    world.provider.signer.private_key = TG_STR("no key");           /* nothing is fetched for these */
    for (int i = 0; i < 3 * TG_CREDENTIALS_MAX; i++) {
        snprintf(email, sizeof email, "%d@project", i);
        world.provider.signer.email = tg_str_of(email);
        refused += get(&w, now_s(), &token) != TG_EINVAL;
    }
    CHECK_INT(refused, 0);
    close_world();
}

TEST("R-36 whatever allocation fails, it is told, nothing leaks, and nobody waits for ever")
{
    for (size_t nth = 1, made = nth; made >= nth; nth++) {
        struct waiter w = { .told = 0 };
        struct tg_str token;
        open_world(good);
        tg_mem_fail_at(nth);
        tg_err err = get(&w, now_s(), &token);
        CHECK(err == TG_AGAIN || err == TG_ENOMEM || err == TG_EINVAL);
        turn(20);
        made = tg_mem_fail_at(0);
        if (err == TG_AGAIN) {
            turn(20);
            CHECK_INT(w.told, 1);
        }
        if (w.err == TG_OK && w.told) {
            CHECK_INT(get(&w, now_s(), &token), TG_OK);
            CHECK_STR(token, "ya29.x");
        }
        close_world();
    }
}

TEST_MAIN
