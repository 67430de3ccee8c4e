#include "api/handlers.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "core/conditions.h"
#include "scan/data.h"

static void add_condition(struct buf *body, const char *name, enum condition c, const char *bad)
{
    const char *words[] = {
        [CONDITION_UNKNOWN] = "unknown", [CONDITION_OK] = "ok", [CONDITION_BAD] = bad};

    buf_addf(body, ",\"%s\":\"%s\"", name, words[c]);
}

static void reply_conditions(struct req *q, const char *status, const struct conditions *c)
{
    AUTO(buf) struct buf body = {0};

    buf_init(&body, 512);
    buf_addf(&body, "{\"status\":\"%s\"", status);
    add_condition(&body, "structure", c->structure, "damaged");
    add_condition(&body, "symlinks", c->symlinks, "broken");
    add_condition(&body, "disk_space", c->space, "low");
    add_condition(&body, "resources", c->resources, "low");
    if (q->api->scan_data) {
        struct scan_data_status s;

        scan_data_status(q->api->scan_data, &s);
        buf_addf(&body, ",\"scan_data\":\"%s\"", scan_data_state_name(s.state));
    }
    buf_add_text(&body, "}\n");
    reply_json(q, 200, buf_str(&body));
}

static uint64_t min_free_bytes(const struct req *q)
{
    return conf_u64(&q->api->conf->check.min_free_bytes);
}

/* Alive: the process answers, and waits for nothing. What it stands on is shown as it was seen last
 * and changes no status: who starts a process anew because its disk is full has two problems. */
bool api_healthz_quick(struct req *q)
{
    struct conditions c;

    conditions_peek(q->registry, min_free_bytes(q), &c);
    reply_conditions(q, "ok", &c);
    return true;
}

enum err_code api_healthz_get(struct req *q, struct err *e)
{
    (void)e;
    api_healthz_quick(q);
    return ERR_OK;
}

/* As the reference registry answers it: what fails, by name; nothing when all is well. */
enum err_code api_debug_health_get(struct req *q, struct err *e)
{
    bool memory = q->api->conf->storage.backend == CONF_STORAGE_MEM;
    bool ok = registry_health(q->registry, e) == ERR_OK;
    AUTO(buf) struct buf body = {0};

    buf_init(&body, 4096);
    buf_add_char(&body, '{');
    if (!ok) {
        log_err(LOG_ERROR, "not healthy", e);
        buf_addf(&body, "\"storagedriver_%s\":", memory ? "inmemory" : "filesystem");
        buf_add_json(&body, str_of(e->public_detail ? e->detail : err_message(e->code)));
    }
    buf_add_char(&body, '}');
    reply_json(q, ok ? 200 : 503, buf_str(&body));
    return ERR_OK;
}

/* What is not as it should be, and keeps nobody from being served. */
static void reply_ready(struct req *q)
{
    struct conditions c;

    conditions_get(q->registry, min_free_bytes(q), &c);
    reply_conditions(q, "ready", &c);
}

enum err_code api_readyz_get(struct req *q, struct err *e)
{
    enum err_code code = registry_health(q->registry, e);

    /* Whatever it is, it is not for the one who asked too early to mend. */
    if (code != ERR_OK && code != ERR_STORAGE_FULL && code != ERR_STORAGE_READONLY)
        code = e->code = ERR_UNAVAILABLE;
    if (code != ERR_OK)
        return code;
    reply_ready(q);
    return ERR_OK;
}
