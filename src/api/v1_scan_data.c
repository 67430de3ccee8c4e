/* The data of vulnerabilities that this server scans with: how old it is, and looking for newer. */
#include "api/handlers.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "scan/data.h"
#include "scan/rescan.h"

#define BODY_BYTES 8192

static enum err_code find(struct req *q, struct err *e)
{
    return q->api->scan_data ? ERR_OK
                             : err_tell(e, ERR_NOT_FOUND,
                                        "this server scans nothing: its configuration says "
                                        "nothing of scanning");
}

enum err_code api_scan_data_get(struct req *q, struct err *e)
{
    AUTO(buf) struct buf body = {0};
    struct scan_data_status s;
    struct rescan_state walk;

    TRY(find(q, e));
    TRY(rescan_state(q->registry, &walk, e));
    scan_data_status(q->api->scan_data, &s);
    s.failure[0] = '\0'; /* names places in our network: in the log, and `registry scan data` */
    buf_init(&body, BODY_BYTES);
    scan_data_json(&s, &walk, clock_wall_ms(), &body);
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

enum err_code api_scan_data_post(struct req *q, struct err *e)
{
    TRY(find(q, e));
    scan_data_ask(q->api->scan_data);
    reply_json(q, 202, STR("{\"state\":\"asked\"}\n"));
    return ERR_OK;
}
