#include "cli/command_gc_order.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "core/life.h"
#include "core/owner.h"

#include <unistd.h>

#define LOOK_EVERY_MS 100
#define WAIT_MS       15000 /* for a server to begin */

const char *cli_gc_bytes(uint64_t bytes, char dst[static CLI_GC_BYTES_SIZE])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    double n = (double)bytes;
    size_t i = 0;

    for (; n >= 999.5 && i + 1 < sizeof(units) / sizeof(units[0]); i++)
        n /= 1000;
    snprintf(dst, CLI_GC_BYTES_SIZE, i == 0 ? "%.0f %s" : "%.1f %s", n, units[i]);
    return dst;
}

enum err_code cli_gc_open(struct cli *cli, struct conf *conf, bool dry_run,
                          struct registry **ret_registry, struct meta **ret_meta, struct err *e)
{
    bool files = conf->storage.backend == CONF_STORAGE_FILESYSTEM;
    struct store *store = NULL;

    *ret_registry = NULL;
    *ret_meta = NULL;
    if (conf->storage.backend == CONF_STORAGE_MEM)
        return err_set(e, ERR_CONFIG,
                       "storage.backend is 'mem': there is no content outside of the server");
    if (dry_run)
        TRY(cli->open_store_beside(conf, &store, e));
    else if (files && cli->open_store(conf, &store, ERR_IGNORED) != ERR_OK)
        store = NULL;
    conf->registry.manifest_cache_bytes = 0;
    if (cli->open_meta(conf, NULL, NULL, ret_meta, e) != ERR_OK) {
        store_free(store);
        return e->code;
    }
    if (!store)
        return ERR_OK;
    *ret_registry = registry_new(store, *ret_meta, conf);
    return owner_match(store, *ret_meta, e);
}

static bool has_begun(struct meta *m, const char *id)
{
    AUTO(record) struct meta_record record = {0};
    AUTO(json) json_t *run = NULL;

    if (meta_record_get(m, GC_RUNS, str_of(id), &record, ERR_IGNORED) != ERR_OK)
        return false;
    run = json_loads(record.value, 0, NULL);
    return !str_eq(str_of(json_string_value(json_object_get(run, "state"))), STR(GC_WAITING));
}

enum err_code cli_gc_order(struct cli *cli, struct meta *m, struct gc_order *order, bool quiet,
                           bool *ret_left, struct err *e)
{
    int64_t end_ms = clock_mono_ms() + WAIT_MS;
    bool waits = true, begun = false;

    *ret_left = false;
    TRY(gc_order_add(m, order, e));
    for (; waits; usleep(LOOK_EVERY_MS * 1000)) {
        TRY(gc_order_waits(m, order->id, &waits, e));
        begun = begun || has_begun(m, order->id);
        if (waits && !begun && clock_mono_ms() > end_ms) {
            fprintf(cli->out, "run %s: no server has taken it up; the next one that runs will\n",
                    order->id);
            *ret_left = true;
            return ERR_OK;
        }
    }
    if (!quiet)
        fprintf(cli->out, "run %s, by the server\n", order->id);
    return ERR_OK;
}
