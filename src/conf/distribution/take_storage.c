#include "conf/distribution/take.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

/* "storage: filesystem", without anything below. */
enum err_code take_storage(struct taking *t, const struct distribution_row *row,
                           const struct flat_entry *entry, struct err *e)
{
    (void)row;
    if (!entry->value || strcmp(entry->value, "filesystem") == 0)
        return ERR_OK;
    if (strcmp(entry->value, "inmemory") == 0)
        return take_set(t, "storage.backend", entry, "gone when the server ends", STR("mem"), e);
    if (strcmp(entry->value, "s3") == 0 || strcmp(entry->value, "s3aws") == 0)
        return take_refuse(t, entry, "its keys must follow below it", e);
    return take_refuse(t, entry,
                       "content can be kept by 'filesystem', 's3' and 'inmemory' only, so far", e);
}

/* Its directories are below that one, beside ours: neither is in the way of the other. */
enum err_code take_root(struct taking *t, const struct distribution_row *row,
                        const struct flat_entry *entry, struct err *e)
{
    char theirs[4096 + 32];
    struct stat st;

    snprintf(theirs, sizeof(theirs), "%.4095s/docker/registry/v2", entry->value);
    if (!t->source->elsewhere && stat(theirs, &st) == 0)
        take_warn(t, entry,
                  "the images that the reference registry left in docker/registry/v2 are not "
                  "served from there; 'registry import-distribution FILE --config FILE', with this "
                  "file as both, takes them over");
    return take_set(t, row->to, entry, NULL, str_of(entry->value), e);
}

enum err_code take_memory(struct taking *t, const struct distribution_row *row,
                          const struct flat_entry *entry, struct err *e)
{
    return take_set(t, row->to, entry, row->note, STR("mem"), e);
}

enum err_code take_cache(struct taking *t, const struct distribution_row *row,
                         const struct flat_entry *entry, struct err *e)
{
    (void)e;
    if (entry->value && strcmp(entry->value, "redis") == 0)
        take_warn(t, entry, row->note);
    return ERR_OK;
}

enum err_code take_threads(struct taking *t, const struct distribution_row *row,
                           const struct flat_entry *entry, struct err *e)
{
    const struct conf_row *to = conf_row_find(str_of(row->to));
    char text[32];
    uint64_t n;

    if (!str_to_u64(str_of(entry->value), to->max, &n) || n < 1)
        return take_refuse(t, entry, "is no number of threads that can be had", e);
    snprintf(text, sizeof(text), "%" PRIu64, n < 25 ? 25 : n); /* as they do */
    return take_set(t, row->to, entry, row->note, str_of(text), e);
}
