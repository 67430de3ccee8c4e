#include "replicas/replicas.h"

#include "base/mem.h"

#include <stdlib.h>

struct replicas {
    struct meta meta;
    struct members *members;
};

static void replicas_free(struct meta *base)
{
    struct replicas *r = (struct replicas *)base;

    members_free(r->members);
    free(r);
}

static const struct meta_driver replicas_driver = {.name = "replicas", .free = replicas_free};

struct meta *replicas_new(struct meta *inner, const struct members_options *o)
{
    struct replicas *r = NEW(struct replicas);

    r->meta = (struct meta){&replicas_driver, inner};
    r->members = members_new(inner, o);
    return &r->meta;
}

struct members *replicas_members(struct meta *replicas)
{
    return ((struct replicas *)replicas)->members;
}
