#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>

void fail(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t parse_size(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    switch (*end) {
    case 'G':
        value <<= 10;
        /* fall through */
    case 'M':
        value <<= 10;
        /* fall through */
    case 'K':
        value <<= 10;
        end++;
    }
    if (end == text || *end)
        fail("not a number: %s", text);
    return value;
}

struct endpoint endpoint_parse(const char *text)
{
    struct endpoint e = {.addr_n = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&e.addr;
    char ip[64];
    unsigned port;

    if (sscanf(text, "%63[0-9.]:%5u", ip, &port) != 2 || port > 65535 ||
        inet_pton(AF_INET, ip, &in->sin_addr) != 1)
        fail("not an IPv4 address and port: %s", text);
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)port);
    snprintf(e.host, sizeof(e.host), "%s:%u", ip, port);
    return e;
}

int endpoint_connect(const struct endpoint *e)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0)
        fail("socket: %m");
    if (connect(fd, (const struct sockaddr *)&e->addr, e->addr_n))
        fail("connect to %s: %m", e->host);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

void raise_descriptor_limit(uint64_t n)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        fail("getrlimit: %m");
    if (limit.rlim_cur >= n)
        return;
    limit.rlim_cur = n;
    if (limit.rlim_max < n)
        limit.rlim_max = n;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        fail("ulimit -n %llu: %m", (unsigned long long)n);
}

static void take_field(const char *line, size_t n, struct answer *a)
{
    const char *colon = memchr(line, ':', n);
    size_t name_n, value_n;

    if (!colon)
        return;
    name_n = (size_t)(colon - line);
    do
        colon++;
    while (*colon == ' ');
    value_n = n - (size_t)(colon - line);
    if (name_n == 14 && !strncasecmp(line, "Content-Length", 14)) {
        a->content_length = strtoull(colon, NULL, 10);
    } else if (name_n == 8 && !strncasecmp(line, "Location", 8)) {
        if (value_n >= sizeof(a->location))
            fail("Location is too long");
        memcpy(a->location, colon, value_n);
        a->location[value_n] = '\0';
    }
}

bool answer_parse(const char *p, size_t n, struct answer *ret_answer)
{
    const char *blank = memmem(p, n, "\r\n\r\n", 4);
    const char *end, *line, *eol;

    if (!blank)
        return false;
    end = blank + 2;
    *ret_answer = (struct answer){.content_length = UINT64_MAX, .head_n = (size_t)(end + 2 - p)};
    if (end - p < 12 || memcmp(p, "HTTP/1.", 7) != 0)
        fail("not an HTTP/1 response");
    ret_answer->status = atoi(p + 9);
    for (line = p; line < end; line = eol + 2) {
        eol = memmem(line, (size_t)(end - line), "\r\n", 2);
        if (line != p)
            take_field(line, (size_t)(eol - line), ret_answer);
    }
    return true;
}

void send_all(int fd, const void *p, size_t n, int flags)
{
    const char *at = p;

    while (n) {
        ssize_t sent = send(fd, at, n, flags | MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            fail("send: %m");
        at += sent;
        n -= (size_t)sent;
    }
}
