#include "api/req.h"

/* Alive: the process answers. Says nothing of what it stands on; that is /readyz. */
bool api_healthz_quick(struct req *q)
{
    reply_json(q, 200, STR("{\"status\":\"ok\"}\n"));
    return true;
}

enum err_code api_healthz_get(struct req *q, struct err *e)
{
    (void)e;
    api_healthz_quick(q);
    return ERR_OK;
}

enum err_code api_readyz_get(struct req *q, struct err *e)
{
    TRY(registry_health(q->registry, e));
    reply_json(q, 200, STR("{\"status\":\"ready\"}\n"));
    return ERR_OK;
}
