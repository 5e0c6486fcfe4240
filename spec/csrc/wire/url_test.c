#include "wire/url.h"

#include <arpa/inet.h>

#include "base/mem.h"
#include "check.h"

static struct tg_url url;
static const char *why;

TEST("a URL is taken apart into scheme, host, port, path and query")
{
    static const struct {
        const char *text;
        bool is_tls;
        const char *host;
        bool is_ipv6;
        int port;
        const char *path, *query, *host_field;
    } cases[] = {
        { "https://api.openai.com/v1", true, "api.openai.com", false, 443, "/v1", "",
          "api.openai.com" },
        { "http://localhost:11434/", false, "localhost", false, 11434, "", "",
          "localhost:11434" },
        { "https://h", true, "h", false, 443, "", "", "h" },
        { "HTTPS://H/A", true, "H", false, 443, "/A", "", "H" },
        { "https://h:443", true, "h", false, 443, "", "", "h" },
        { "http://h:443", false, "h", false, 443, "", "", "h:443" },
        { "http://h:80/", false, "h", false, 80, "", "", "h" },
        { "http://h:00080", false, "h", false, 80, "", "", "h" },
        { "http://under_score.internal:65535", false, "under_score.internal", false, 65535, "", "",
          "under_score.internal:65535" },
        { "https://h/a/b/", true, "h", false, 443, "/a/b", "", "h" },
        { "https://h/a///", true, "h", false, 443, "/a", "", "h" },
        { "https://h//a", true, "h", false, 443, "//a", "", "h" },
        { "https://h/a?b=c&d=e/f?g", true, "h", false, 443, "/a", "b=c&d=e/f?g", "h" },
        { "https://h?b", true, "h", false, 443, "", "b", "h" },
        { "https://h/?", true, "h", false, 443, "", "", "h" },
        { "https://h/%7Ea/...", true, "h", false, 443, "/%7Ea/...", "", "h" },
        { "https://h/%41?%42", true, "h", false, 443, "/%41", "%42", "h" },
        { "https://h/-._~!$&'()*+,;=:@", true, "h", false, 443, "/-._~!$&'()*+,;=:@", "", "h" },
        { "http://127.0.0.1:8000/v1", false, "127.0.0.1", false, 8000, "/v1", "",
          "127.0.0.1:8000" },
        { "http://[::1]", false, "::1", true, 80, "", "", "[::1]" },
        { "http://[2001:db8::1]:8080/v1", false, "2001:db8::1", true, 8080, "/v1", "",
          "[2001:db8::1]:8080" },
        { "https://cafe.de", true, "cafe.de", false, 443, "", "", "cafe.de" },
        { "https://1.example", true, "1.example", false, 443, "", "", "1.example" },
        { "https://127.0.0.1.nip.io", true, "127.0.0.1.nip.io", false, 443, "", "",
          "127.0.0.1.nip.io" },
        { "https://xn--bcher-kva.example", true, "xn--bcher-kva.example", false, 443, "", "",
          "xn--bcher-kva.example" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_buf b = { 0 };
        CHECK_INT(tg_url_parse(tg_str_of(check_context = cases[i].text), &url, &why), TG_OK);
        CHECK_INT(url.is_tls, cases[i].is_tls);
        CHECK_STR(url.host, cases[i].host);
        CHECK_INT(url.is_ipv6, cases[i].is_ipv6);
        CHECK_INT(url.port, cases[i].port);
        CHECK_STR(url.path, cases[i].path);
        CHECK_STR(url.query, cases[i].query);
        CHECK_INT(tg_url_put_host(&url, &b), TG_OK);
        CHECK_STR(tg_buf_view(&b), cases[i].host_field);
        tg_buf_done(&b);
    }
}

TEST("what is no plain http URL is refused with a sentence, and the result is left alone")
{
    static const char *const cases[] = {
        "", "h", "//h/", "/v1", "http", "http:", "http:/", "http:h", "http:/h", "http://",
        "http:///v1", "http://:80", "http://?x", "ftp://h", "file:///etc/passwd", "httpss://h",
        "wss://h", "javascript:alert(1)", " https://h", "https://h ", "https://h/a b",
        "https://h\t/", "https://h/\n", "https://h/\x7f", "https://h/\x01",
        "https://u@h/", "https://u:p@h/", "https://@h/", "https://h@evil/", "https://h:80@evil/",
        "https://h#x", "https://h/#x", "https://h/a#@b", "https://h\\@evil/", "https://h/a\\b",
        "https://\xc3\xbc.example", "https://h/\xc3\xbc", "https://\xef\xbd\x88/",
        "https://h:", "https://h:/", "https://h:0", "https://h:65536", "https://h:99999999999",
        "https://h:-1", "https://h:+1", "https://h:8o", "https://h:1:2", "https://a%2eb/",
        "https://h,i/", "https://h;i/", "https://h!/", "https://a..b/", "https://.a/",
        "https://a./", "https://*.a/", "https://${HOST}/", "https://{host}/",
        "https://h/{model}", "https://h/a|b", "https://h/\"", "https://h/<a>", "https://h/^",
        "https://h/`", "https://h/[a]", "https://h/a[", "https://h?a[]=1",
        "https://h/%", "https://h/%4", "https://h/%zz", "https://h/a?%g0",
        "https://h/.", "https://h/..", "https://h/a/../b", "https://h/a/./b", "https://h/a/..",
        "https://h/../", "https://127.1/", "https://127.0.1/", "https://2130706433/",
        "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0X7F.1/", "https://0177.0.0.1/",
        "https://017700000001/", "https://127.0.0.01/", "https://00.0.0.0/",
        "https://256.0.0.1/", "https://1.2.3.4.5/", "https://1.2.3/", "https://0/",
        "https://127.0.0.0x1/", "https://example.1/", "https://example.0x1/", "https://1.2.3.4./",
        "https://[::1", "https://::1/", "https://[]/", "https://[1]/", "https://[:]/",
        "https://[:::]/", "https://[1::2::3]/", "https://[1:2:3:4:5:6:7]/",
        "https://[1:2:3:4:5:6:7:8:9]/", "https://[1:2:3:4:5:6:7:8::]/", "https://[12345::]/",
        "https://[g::]/", "https://[::1:]/", "https://[:1::]/", "https://[::1%25eth0]/",
        "https://[fe80::1%eth0]/", "https://[::1.2.3]/", "https://[::1.2.3.256]/",
        "https://[::1.2.3.4:5]/", "https://[1:2:3:4:5:6:7:1.2.3.4]/", "https://[::01.2.3.4]/",
        "https://[::1]x", "https://[::1]:", "https://[::1]:x", "https://[::1]@h", "https://[v1.a]/",
        "https://[127.0.0.1]/",
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_url untouched = { .port = 7 };
        why = NULL;
        CHECK_INT(tg_url_parse(tg_str_of(check_context = cases[i]), &untouched, &why), TG_EINVAL);
        CHECK(why && why[strlen(why) - 1] == '.');
        CHECK_INT(untouched.port, 7);
    }
    CHECK_INT(tg_url_parse(TG_STR("https://h/\0x"), &url, &why), TG_EINVAL);
    CHECK_INT(tg_url_parse(TG_STR("https://h\0.example/"), &url, &why), TG_EINVAL);
}

static tg_err parse_filled(const char *before, char fill, size_t n, const char *after)
{
    struct tg_buf b = { 0 };

    tg_buf_z(&b, before);
    while (n--)
        tg_buf_char(&b, fill);
    tg_buf_z(&b, after);
    tg_err err = tg_url_parse(tg_buf_view(&b), &url, &why);
    tg_buf_done(&b);
    return err;
}

TEST("labels, names and whole URLs end at their limits")
{
    CHECK_INT(parse_filled("http://", 'a', 63, ".b/"), TG_OK);
    CHECK_INT(parse_filled("http://", 'a', 64, ".b/"), TG_EINVAL);
    CHECK_INT(parse_filled("http://h/", 'a', TG_URL_MAX - 9, ""), TG_OK);
    CHECK_INT(parse_filled("http://h/", 'a', TG_URL_MAX - 8, ""), TG_EINVAL);

    struct tg_buf b = { 0 };
    tg_buf_z(&b, "http://");
    for (int i = 0; i < 126; i++)
        tg_buf_z(&b, "a.");
    tg_buf_z(&b, "a");
    CHECK_INT(tg_url_parse(tg_buf_view(&b), &url, &why), TG_OK);
    CHECK_INT(url.host.len, 253);
    tg_buf_z(&b, "a");
    CHECK_INT(tg_url_parse(tg_buf_view(&b), &url, &why), TG_EINVAL);
    tg_buf_done(&b);
}

TEST("the bytes of an address are the ones the kernel would use")
{
    static const char *const cases[] = {
        "1.2.3.4", "255.255.255.255", "0.0.0.0", "::", "::1", "1::", "1::8", "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2::7:8", "2001:DB8::a:BC:def", "::1.2.3.4",
        "::ffff:127.0.0.1", "64:ff9b::8.8.8.8", "1:2:3:4:5:6:1.2.3.4", "1::1.2.3.4",
        "0000:0000:0000:0000:0000:0000:0000:0001",
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool is_v6 = strchr(check_context = cases[i], ':') != NULL;
        struct tg_url u = { .host = tg_str_of(cases[i]), .is_ipv6 = is_v6 };
        unsigned char got[16], want[16];
        CHECK_INT(inet_pton(is_v6 ? AF_INET6 : AF_INET, cases[i], want), 1);
        CHECK_INT(tg_url_address(&u, got), is_v6 ? 16 : 4);
        CHECK(memcmp(got, want, is_v6 ? 16 : 4) == 0);
    }
    struct tg_url name = { .host = TG_STR("api.openai.com") };
    unsigned char addr[16];
    CHECK_INT(tg_url_address(&name, addr), 0);
}

/* Both ends of every special block, and their neighbours outside. */
TEST("only addresses of the public internet are public")
{
    static const struct { const char *addr; bool is_public; } cases[] = {
        { "0.0.0.0", false }, { "0.255.255.255", false }, { "1.0.0.0", true },
        { "9.255.255.255", true }, { "10.0.0.0", false }, { "10.255.255.255", false },
        { "11.0.0.0", true }, { "100.63.255.255", true }, { "100.64.0.0", false },
        { "100.100.100.200", false }, { "100.127.255.255", false }, { "100.128.0.0", true },
        { "126.255.255.255", true }, { "127.0.0.1", false }, { "127.255.255.255", false },
        { "128.0.0.0", true }, { "169.253.255.255", true }, { "169.254.169.254", false },
        { "169.255.0.0", true }, { "172.15.255.255", true }, { "172.16.0.0", false },
        { "172.31.255.255", false }, { "172.32.0.0", true }, { "191.255.255.255", true },
        { "192.0.0.192", false }, { "192.0.1.0", true }, { "192.0.2.1", false },
        { "192.0.3.0", true }, { "192.88.99.1", false }, { "192.167.255.255", true },
        { "192.168.0.0", false }, { "192.168.255.255", false }, { "192.169.0.0", true },
        { "198.17.255.255", true }, { "198.18.0.0", false }, { "198.19.255.255", false },
        { "198.20.0.0", true }, { "198.51.100.7", false }, { "198.51.101.0", true },
        { "203.0.113.9", false }, { "203.0.114.0", true }, { "223.255.255.255", true },
        { "224.0.0.1", false }, { "239.255.255.255", false }, { "240.0.0.0", false },
        { "255.255.255.255", false }, { "8.8.8.8", true },
        { "::", false }, { "::1", false }, { "::2", false }, { "::8.8.8.8", false },
        { "::127.0.0.1", false }, { "::ffff:127.0.0.1", false }, { "::ffff:10.0.0.1", false },
        { "::ffff:169.254.169.254", false }, { "::ffff:8.8.8.8", true },
        { "::ffff:0:127.0.0.1", false }, { "::ffff:0:8.8.8.8", false },
        { "64:ff9b::127.0.0.1", false }, { "64:ff9b::10.1.2.3", false },
        { "64:ff9b::8.8.8.8", true }, { "64:ff9b:1::8.8.8.8", false },
        { "64:ff9b:0:0:1::8.8.8.8", false }, { "100::1", false },
        { "1fff:ffff::1", false }, { "2000::1", true }, { "2001::1", false },
        { "2001:0:7f00:1::", false }, { "2001:2::1", false }, { "2001:20::1", false },
        { "2001:1ff:ffff::1", false }, { "2001:200::1", true }, { "2001:4860:4860::8888", true },
        { "2001:db7::1", true }, { "2001:db8::1", false }, { "2001:db8:ffff::1", false },
        { "2001:db9::1", true }, { "2002:7f00:1::", false }, { "2002:a00:1::1", false },
        { "2002:c0a8:101::1", false }, { "2002:808:808::1", true },
        { "2606:4700::1111", true }, { "3ffe:ffff::1", true }, { "3fff::1", false },
        { "3fff:fff:ffff::1", false }, { "3fff:1000::1", true }, { "4000::1", false },
        { "5f00::1", false }, { "fc00::1", false }, { "fd00:ec2::254", false },
        { "fe80::1", false }, { "fec0::1", false }, { "ff02::1", false },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool is_v6 = strchr(check_context = cases[i].addr, ':') != NULL;
        unsigned char addr[16];
        CHECK_INT(inet_pton(is_v6 ? AF_INET6 : AF_INET, cases[i].addr, addr), 1);
        CHECK_INT(tg_url_is_public(addr, is_v6 ? 16 : 4), cases[i].is_public);
    }
    check_context = "";
    unsigned char eights[16] = { 8, 8, 8, 8 };
    for (size_t len = 0; len < 16; len++)
        CHECK_INT(tg_url_is_public(eights, len), len == 4);
}

TEST("a slug may stand in a path as it is when it has no character with a meaning there")
{
    static const struct { struct tg_str s; bool is; } cases[] = {
        { TG_STR("gpt-4.1"), true },      { TG_STR("a_b~c:free@1"), true },
        { TG_STR("..."), true },          { TG_STR(".a"), true },
        { TG_STR(""), false },            { TG_STR("."), false },
        { TG_STR(".."), false },          { TG_STR("a/b"), false },
        { TG_STR("a?b"), false },         { TG_STR("a#b"), false },
        { TG_STR("a%2fb"), false },       { TG_STR("a b"), false },
        { TG_STR("a\\b"), false },        { TG_STR("a\r\nb"), false },
        { TG_STR("a\0b"), false },        { TG_STR("\xc3\xa9"), false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].s.at;
        CHECK_INT(tg_url_is_segment(cases[i].s), cases[i].is);
    }
}

TEST("escapes are decoded behind what is there; broken ones leave the buffer alone")
{
    static const struct { struct tg_str s; bool plus; const char *text; } cases[] = {
        { TG_STR(""), false, "" },              { TG_STR("abc"), false, "abc" },
        { TG_STR("a%2Fb%2fc"), false, "a/b/c" }, { TG_STR("%41%5a"), false, "AZ" },
        { TG_STR("a+b"), false, "a+b" },        { TG_STR("a+b"), true, "a b" },
        { TG_STR("%2B"), true, "+" },           { TG_STR("%2500"), false, "%00" },
        { TG_STR("%c3%a9"), false, "\xc3\xa9" }, { TG_STR("%FF"), false, "\xff" },
        { TG_STR("%"), false, NULL },           { TG_STR("%4"), false, NULL },
        { TG_STR("a%g1"), false, NULL },        { TG_STR("a%1g"), false, NULL },
        { TG_STR("%%41"), false, NULL },        { TG_STR("%00"), false, NULL },
        { TG_STR("a%00b"), false, NULL },       { TG_STR("a\0b"), false, NULL },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_buf b = { 0 };
        check_context = cases[i].s.at;
        tg_buf_z(&b, ">");
        tg_err err = tg_url_decode(cases[i].s, cases[i].plus, &b);
        CHECK_INT(err, cases[i].text ? TG_OK : TG_EINVAL);
        b.at++, b.len--;
        CHECK_STR(tg_buf_view(&b), cases[i].text ? cases[i].text : "");
        b.at--;
        tg_buf_done(&b);
    }
}

static tg_err write_both(void)
{
    struct tg_buf host = { 0 }, text = { 0 };
    tg_err err;

    if ((err = tg_url_parse(TG_STR("http://[::1]:8080/"), &url, &why)))
        return err;
    err = tg_url_put_host(&url, &host);
    if (!err)
        err = tg_url_decode(TG_STR("a%20b"), false, &text);
    tg_buf_done(&host);
    tg_buf_done(&text);
    return err;
}

TEST("memory that is refused is told")
{
    CHECK_EVERY_ALLOCATION(write_both());
}

/* ---- recorded attacks ---- */

/* The string behind `"url": "` in a line of JSON, its escapes undone. */
static void read_url(const char *line, struct tg_buf *out)
{
    const char *p = strstr(line, "\"url\": \"");

    for (p = p ? p + 8 : ""; *p && *p != '"'; p++)
        tg_buf_char(out, *p == '\\' ? *++p : *p);
}

TEST("recorded attacks on the inner network are refused or lead to no public address")
{
    /* Names: whoever connects must resolve them and check what came of it. */
    static const char *const names[] = {
        "http://127.0.0.1.nip.io/", "http://localtest.me/", "http://localhost/",
        "http://api.openai.com.127.0.0.1.nip.io/", "http://metadata.google.internal/",
    };
    const char *dir = check_data_dir();
    char path[512], *line = NULL;
    size_t cap = 0, lines = 0;
    FILE *f = NULL;

    if (dir) {
        snprintf(path, sizeof path, "%s/abuse/ssrf/ssrf_targets.jsonl", dir);
        f = fopen(path, "r");
    }
    while (f && getline(&line, &cap, f) > 0) {
        struct tg_buf b = { 0 };
        unsigned char addr[16];
        check_context = line;
        read_url(line, &b);
        lines++;
        if (tg_url_parse(tg_buf_view(&b), &url, &why) == TG_OK) {
            size_t n = tg_url_address(&url, addr);
            bool is_listed = false;
            for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                is_listed |= tg_str_is(tg_buf_view(&b), names[i]);
            CHECK(n ? !tg_url_is_public(addr, n) : is_listed);
        }
        tg_buf_done(&b);
    }
    check_context = "";
    CHECK(!dir || lines > 30);
    free(line);
    if (f)
        fclose(f);
}

TEST_MAIN
