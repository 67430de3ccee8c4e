#include "api/handlers.h"
#include "api/reply.h"

/* dist-spec "Determining Support". Docker's clients look for the version header. */
bool api_base_quick(struct req *q)
{
    http_header(q->x, "Docker-Distribution-Api-Version", STR("registry/2.0"));
    reply_json(q, 200, STR("{}"));
    return true;
}

enum err_code api_base_get(struct req *q, struct err *e)
{
    (void)e;
    api_base_quick(q);
    return ERR_OK;
}
