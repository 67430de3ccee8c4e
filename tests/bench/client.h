/*
 * client: what the load generators of the benchmark share. They are programs of their own and
 * include nothing of the registry, so that what is measured does not measure itself. Any failure
 * ends the program with a message: a benchmark that went wrong has no result.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define HEAD_MAX (16 * 1024)

struct endpoint {
    struct sockaddr_storage addr;
    socklen_t addr_n;
    char host[128]; /* as given, for the Host header */
};

/* The head of a response. */
struct answer {
    int status;
    uint64_t content_length; /* UINT64_MAX when the head has none */
    char location[2048];     /* "" when the head has none */
    size_t head_n;           /* bytes of the head, blank line included */
};

void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

uint64_t now_ns(void);

/* A number with an optional suffix K, M or G (powers of 1024). */
uint64_t parse_size(const char *text);

/* "127.0.0.1:5000". */
struct endpoint endpoint_parse(const char *text);

/* A connected socket, Nagle off. */
int endpoint_connect(const struct endpoint *e);

/* Room for that many descriptors. */
void raise_descriptor_limit(uint64_t n);

/* Parses a head that starts at p; false when it is not complete in n bytes. */
bool answer_parse(const char *p, size_t n, struct answer *ret_answer);

void send_all(int fd, const void *p, size_t n, int flags);
