/* Fails the n-th call, for torture tests. A call that fails does not reach the inner meta. */
#include "base/mem.h"
#include "meta/meta.h"

#include <stdlib.h>

struct fault {
    struct meta meta;
    atomic_uint_fast64_t calls;
    atomic_uint_fast64_t n; /* 0: none */
    atomic_int code;
};

static enum err_code fault_before(struct meta *m, const char *call, struct err *e)
{
    struct fault *f = (struct fault *)m;
    uint64_t n = atomic_fetch_add(&f->calls, 1) + 1;

    if (n != atomic_load(&f->n))
        return ERR_OK;
    return err_set(e, (enum err_code)atomic_load(&f->code), "call %ju, %s, was told to fail",
                   (uintmax_t)n, call);
}

static void fault_free(struct meta *m)
{
    free(m);
}

static const struct meta_driver fault_driver = {
    .name = "fault", .before = fault_before, .free = fault_free};

struct meta *meta_fault_new(struct meta *inner)
{
    struct fault *f = NEW(struct fault);

    f->meta = (struct meta){&fault_driver, inner};
    return &f->meta;
}

void meta_fault_arm(struct meta *fault, uint64_t n, enum err_code code)
{
    struct fault *f = (struct fault *)fault;

    atomic_store(&f->code, (int)code);
    atomic_store(&f->calls, 0);
    atomic_store(&f->n, n);
}

uint64_t meta_fault_calls(const struct meta *fault)
{
    return atomic_load(&((const struct fault *)fault)->calls);
}
