#include "api/route.h"
#include "api/match.h"
#include "api/routes.h"

enum err_code route_request(struct req *q, struct err *e)
{
    size_t longest = (size_t)conf_u64(&q->registry->limits->repository_name_bytes);
    struct match m;

    switch (match_path(q->head->method, q->head->path, &m)) {
    case MATCH_NONE:
        return err_tell(e, ERR_NOT_FOUND, "nothing is served under this path");
    case MATCH_OTHER_METHOD:
        return err_tell(e, ERR_UNSUPPORTED, "this method is not supported here");
    case MATCH_FOUND:
        break;
    }
    http_set_route(q->x, m.route->pattern);
    return match_settle(&m, longest, q, e);
}
