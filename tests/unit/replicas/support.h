/*
 * Several members in one process: each has a connection of its own to one database in memory, which
 * looks as if processes shared it, and can be cut. Time passes when a test says so.
 */
#pragma once

#include "replicas/members.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LEASE_MS 2000

/* What one member reaches the database through. */
struct line {
    struct meta meta;         /* its inner is the database */
    atomic_bool cut;          /* nothing comes through */
    atomic_bool deaf;         /* commits come through, their answers do not */
    _Atomic unsigned slow_ms; /* each call takes so long */
    _Atomic unsigned late_ms; /* some answers come so much later, at most */
    _Atomic unsigned
        stall_ms; /* transactions of several operations stand still before they begin */
    void (*in_commit)(void *ctx); /* once, before the next commit of at least only_ops operations */
    size_t only_ops;
    void (*in_read)(void *ctx); /* once, when the next manifest of a tag was read */
    void *ctx;
};

struct meta *database_new(void); /* for meta_free() */
void line_init(struct line *l, struct meta *database);

extern atomic_int_least64_t test_now_ms;
int64_t test_clock(void *ctx);

struct members *member_new(struct line *l);

/* Asserts that it works. */
void member_start(struct members *m);

/* So many milliseconds, in which those members go round each tenth of a lease, and others stand
 * still. */
void pass(int64_t ms, struct members *const *members, size_t n);

#define PASS(ms, ...)                                                                              \
    pass((ms), (struct members *const[]){__VA_ARGS__},                                             \
         sizeof((struct members *const[]){__VA_ARGS__}) / sizeof(struct members *))
