#include "core/registry.h"

#include "jobs/jobs.h"

enum err_code registry_has_room(struct registry *r, struct err *e)
{
    if (reserve_held(r->reserve))
        return ERR_OK;
    return err_tell(e, ERR_STORAGE_FULL,
                    "the disk is full; nothing is added until there is room, but deleting works");
}

enum err_code registry_health(struct registry *r, struct err *e)
{
    struct store_health health;

    TRY(registry_has_room(r, e));
    TRY(store_health(r->store, &health, e));
    return meta_health(r->meta, e);
}

void registry_wake(struct registry *r)
{
    jobs_wake_own(r->jobs, REGISTRY_CARRY);
}
