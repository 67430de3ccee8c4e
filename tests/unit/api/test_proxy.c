#include "api/proxy.h"

#include "conf/conf.h"
#include "exchange.h"

/* Who is behind a proxy: what the peer passes on, and who the client is then. */

static struct server s;
static char *trusted[] = {"10.0.0.0/8", "fd00::/8", "192.0.2.1"};

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    proxies_done(&s.api);
    s.w.conf->http.trusted_proxies = (struct conf_strings){trusted, 3};
    proxies_init(&s.api);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    s.w.conf->http.trusted_proxies = (struct conf_strings){0};
    server_done(&s);
    return 0;
}

#define FOR(list)   "X-Forwarded-For: " list "\r\n"
#define PROTO(text) "X-Forwarded-Proto: " text "\r\n"

static void the_client_is_the_last_that_no_proxy_of_ours_is(void **state)
{
    static const struct {
        const char *story, *peer, *headers, *client;
    } rows[] = {
        {"nobody is in between", "198.51.100.7", NULL, "198.51.100.7"},
        {"somebody else's proxy", "198.51.100.7", FOR("203.0.113.5"), "198.51.100.7"},
        {"our proxy", "10.1.2.3", FOR("203.0.113.5"), "203.0.113.5"},
        {"our proxy says nothing", "10.1.2.3", NULL, "10.1.2.3"},
        {"our proxy says an empty list", "10.1.2.3", FOR(""), "10.1.2.3"},
        {"a name without case", "10.1.2.3", "x-forwarded-for: 203.0.113.5\r\n", "203.0.113.5"},
        {"two of our proxies", "10.1.2.3", FOR("203.0.113.5, 192.0.2.1"), "203.0.113.5"},
        {"only our proxies", "10.1.2.3", FOR("10.9.9.9,192.0.2.1"), "10.9.9.9"},
        {"the client writes more in front", "10.1.2.3", FOR("192.0.2.66, 203.0.113.5"),
         "203.0.113.5"},
        {"the client names a proxy of ours", "10.1.2.3", FOR("1.1.1.1, 10.4.4.4, 203.0.113.5"),
         "203.0.113.5"},
        {"the proxy adds a field of its own", "10.1.2.3", FOR("1.1.1.1") FOR("203.0.113.5"),
         "203.0.113.5"},
        {"two proxies add fields of their own", "10.1.2.3",
         FOR("1.1.1.1") FOR("203.0.113.5") "A: b\r\n" FOR("192.0.2.1"), "203.0.113.5"},
        {"an empty field at the end", "10.1.2.3", FOR("203.0.113.5") FOR(""), "203.0.113.5"},
        {"blanks and tabs", "10.1.2.3", FOR("1.1.1.1 ,\t 203.0.113.5 \t"), "203.0.113.5"},
        {"IPv6", "fd00::1", FOR("2001:db8::5"), "2001:db8::5"},
        {"no address", "10.1.2.3", FOR("203.0.113.5, unknown"), "10.1.2.3"},
        {"an empty element", "10.1.2.3", FOR("203.0.113.5,"), "10.1.2.3"},
        {"with a port", "10.1.2.3", FOR("203.0.113.5:4711"), "10.1.2.3"},
        {"no address, behind a proxy", "10.1.2.3", FOR("_hidden, 192.0.2.1"), "192.0.2.1"},
        {"a text that is too long", "10.1.2.3",
         FOR("00000000000000000000000000000000000000000000000000000000000000000000000"),
         "10.1.2.3"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct call c;

        call_init(
            &c, &s,
            &(struct request){.line = "GET /", .headers = rows[i].headers, .peer = rows[i].peer});
        if (strcmp(client_address(&c.q), rows[i].client) != 0)
            fail_msg("%s: %s", rows[i].story, client_address(&c.q));
        assert_string_equal(client_address(&c.q), rows[i].client); /* and once more */
        call_done(&c);
    }
}

static void limits_count_a_network_of_ipv6(void **state)
{
    static const struct {
        const char *client, *network;
    } rows[] = {
        {"203.0.113.5", "203.0.113.5"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
        {"::1", "::"},
        {"::ffff:203.0.113.5", "203.0.113.5"},
        {"", ""}, /* a socket of this machine */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct call c;

        call_init(&c, &s, &(struct request){.line = "GET /", .peer = rows[i].client});
        assert_string_equal(client_network(&c.q), rows[i].network);
        assert_string_equal(client_network(&c.q), rows[i].network);
        assert_string_equal(client_address(&c.q), rows[i].client);
        call_done(&c);
    }
}

static void the_scheme_is_that_of_the_client(void **state)
{
    static const struct {
        const char *story, *peer;
        bool tls;
        const char *headers, *scheme;
    } rows[] = {
        {"plain", "198.51.100.7", false, NULL, "http"},
        {"TLS", "198.51.100.7", true, NULL, "https"},
        {"TLS up to our proxy", "10.1.2.3", false, PROTO("https"), "https"},
        {"in capitals", "10.1.2.3", false, PROTO("HTTPS"), "https"},
        {"plain up to our proxy", "10.1.2.3", false, PROTO("http"), "http"},
        {"our proxy says nothing", "10.1.2.3", false, NULL, "http"},
        {"somebody else says so", "198.51.100.7", false, PROTO("https"), "http"},
        {"TLS between our proxy and us", "10.1.2.3", true, PROTO("http"), "https"},
        {"the client says so, too", "10.1.2.3", false, PROTO("https") PROTO("http"), "http"},
        {"the client says otherwise", "10.1.2.3", false, PROTO("http") PROTO("https"), "https"},
        {"a list", "10.1.2.3", false, PROTO("https, http"), "http"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct call c;

        call_init(&c, &s,
                  &(struct request){.line = "GET /",
                                    .headers = rows[i].headers,
                                    .peer = rows[i].peer,
                                    .tls = rows[i].tls});
        if (strcmp(client_scheme(&c.q), rows[i].scheme) != 0)
            fail_msg("%s: %s", rows[i].story, client_scheme(&c.q));
        call_done(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_is_the_last_that_no_proxy_of_ours_is),
        cmocka_unit_test(limits_count_a_network_of_ipv6),
        cmocka_unit_test(the_scheme_is_that_of_the_client),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
