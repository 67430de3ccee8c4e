/* A decorator that fails one call on purpose: what tests use to see that every caller copes. */
#include "store/store.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

struct fault {
    struct store store;
    atomic_uint_fast64_t calls;
    atomic_uint_fast64_t fail_at; /* 0: never */
    atomic_int code;
};

/* Counts this call; its error when it is the one to fail. */
static enum err_code fault_before(struct store *s, struct store_call *c, struct err *e)
{
    struct fault *f = (struct fault *)s;
    uint64_t n;

    if (c->cannot_fail)
        return ERR_OK;
    n = atomic_fetch_add(&f->calls, 1) + 1;
    if (n != atomic_load(&f->fail_at))
        return ERR_OK;
    return err_set(e, (enum err_code)atomic_load(&f->code), "call %ju, %s, was told to fail",
                   (uintmax_t)n, c->name);
}

static void fault_free(struct store *s)
{
    free(s);
}

static const struct store_driver store_fault = {
    .name = "fault", .before = fault_before, .free = fault_free};

struct store *store_fault_new(struct store *inner)
{
    struct fault *f = NEW(struct fault);

    f->store = (struct store){&store_fault, inner};
    return &f->store;
}

void store_fault_arm(struct store *fault, uint64_t n, enum err_code code)
{
    struct fault *f = (struct fault *)fault;

    atomic_store(&f->code, (int)code);
    atomic_store(&f->fail_at, n);
    atomic_store(&f->calls, 0);
}

uint64_t store_fault_calls(const struct store *fault)
{
    return atomic_load(&((const struct fault *)fault)->calls);
}
