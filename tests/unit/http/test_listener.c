/* Congestion control and send buffers of accepted sockets, within this machine and from others. */
#include "base/cleanup.h"
#include "http/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
    struct listener l;
    int client, accepted;
    struct sockaddr_storage peer;
};

static void congestion_of(int fd, char name[static 16])
{
    socklen_t n = 15;

    memset(name, 0, 16);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &n), 0);
}

static void system_congestion(char name[static 16])
{
    AUTO(fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    congestion_of(fd, name);
}

/* congestion: what the listener is made to start its sockets without; NULL: as it was opened. */
static struct pair connected(const char *congestion)
{
    struct pair p = {.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(p.peer);
    struct pollfd ready;
    struct err e = {0};

    assert_int_equal(listener_open("127.0.0.1:0", 1000, &p.l, &e), ERR_OK);
    if (congestion) {
        assert_int_equal(setsockopt(p.l.fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
        snprintf(p.l.congestion, sizeof(p.l.congestion), "%s", congestion);
    }
    to.sin_port = htons((uint16_t)p.l.port);
    assert_int_equal(connect(p.client, (struct sockaddr *)&to, sizeof(to)), 0);
    ready = (struct pollfd){.fd = p.l.fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 10000), 1);
    p.accepted = accept4(p.l.fd, (struct sockaddr *)&p.peer, &n, SOCK_CLOEXEC);
    assert_true(p.accepted >= 0);
    return p;
}

static void disconnect(struct pair *p)
{
    close(p->client);
    close(p->accepted);
    listener_close(&p->l);
}

/* One that the system allows everybody, other than reno; "" when there is none. */
static void other_than_reno(char name[static 16])
{
    static const char *const known[] = {"bbr", "cubic"};
    AUTO(fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    name[0] = '\0';
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !name[0]; i++)
        if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, known[i], (socklen_t)strlen(known[i])) == 0)
            snprintf(name, 16, "%s", known[i]);
}

static void
a_listener_leaves_bbr_alone_where_it_is_not_used_and_starts_without_it_else(void **state)
{
    struct pair p = connected(NULL);
    char wanted[16], found[16];
    bool paced;

    (void)state;
    system_congestion(wanted);
    paced = strncmp(wanted, "bbr", 3) == 0;
    congestion_of(p.accepted, found);
    assert_string_equal(found, paced ? "reno" : wanted);
    assert_string_equal(p.l.congestion, paced ? wanted : "");
    disconnect(&p);
}

static void a_connection_within_the_machine_stays_without_it(void **state)
{
    char other[16], found[16];
    struct pair p;

    (void)state;
    other_than_reno(other);
    if (!other[0])
        skip();
    p = connected(other);
    listener_settle(&p.l, p.accepted, &p.peer, true);
    congestion_of(p.accepted, found);
    assert_string_equal(found, "reno");
    disconnect(&p);
}

static void a_connection_from_elsewhere_gets_that_of_the_system(void **state)
{
    char other[16], found[16];
    struct pair p;

    (void)state;
    other_than_reno(other);
    if (!other[0])
        skip();
    p = connected(other);
    ((struct sockaddr_in *)&p.peer)->sin_addr.s_addr = inet_addr("192.0.2.1");
    listener_settle(&p.l, p.accepted, &p.peer, true);
    congestion_of(p.accepted, found);
    assert_string_equal(found, other);
    disconnect(&p);
}

static int send_buffer_of(int fd)
{
    socklen_t n = sizeof(int);
    int bytes = 0;

    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &n), 0);
    return bytes;
}

/* Whether listener_settle() touches the send buffer. */
static bool widened(bool elsewhere, bool plain)
{
    struct pair p = connected(NULL);
    int before = send_buffer_of(p.accepted), after;

    p.l.widens = true;
    if (elsewhere)
        ((struct sockaddr_in *)&p.peer)->sin_addr.s_addr = inet_addr("192.0.2.1");
    listener_settle(&p.l, p.accepted, &p.peer, plain);
    after = send_buffer_of(p.accepted);
    disconnect(&p);
    return after != before;
}

static void a_plain_connection_from_elsewhere_gets_a_larger_send_buffer(void **state)
{
    (void)state;
    assert_true(widened(true, true));
}

static void a_connection_within_the_machine_keeps_its_send_buffer(void **state)
{
    (void)state;
    assert_false(widened(false, true));
}

static void an_encrypted_connection_keeps_its_send_buffer(void **state)
{
    (void)state;
    assert_false(widened(true, false));
}

static void no_listener_asks_for_a_buffer_that_the_system_makes_smaller(void **state)
{
    struct pair p = connected(NULL);
    int before = send_buffer_of(p.accepted);

    (void)state;
    ((struct sockaddr_in *)&p.peer)->sin_addr.s_addr = inet_addr("192.0.2.1");
    listener_settle(&p.l, p.accepted, &p.peer, true);
    assert_true(send_buffer_of(p.accepted) >= before);
    assert_true(!p.l.widens || send_buffer_of(p.accepted) >= 8 << 20);
    disconnect(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_listener_leaves_bbr_alone_where_it_is_not_used_and_starts_without_it_else),
        cmocka_unit_test(a_connection_within_the_machine_stays_without_it),
        cmocka_unit_test(a_connection_from_elsewhere_gets_that_of_the_system),
        cmocka_unit_test(a_plain_connection_from_elsewhere_gets_a_larger_send_buffer),
        cmocka_unit_test(a_connection_within_the_machine_keeps_its_send_buffer),
        cmocka_unit_test(an_encrypted_connection_keeps_its_send_buffer),
        cmocka_unit_test(no_listener_asks_for_a_buffer_that_the_system_makes_smaller),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
