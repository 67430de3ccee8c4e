#include "net/rds_token.h"

#include "base/cleanup.h"

#define GOOD_FOR_S 900
#define HOST_MAX   1024

void rds_token(const struct sigv4_key *key, const char *host, const char *port, const char *user,
               int64_t time_ms, struct buf *ret_token)
{
    struct sigv4_key own = *key;
    AUTO(buf) struct buf where = {0};

    own.service = "rds-db";
    buf_init(&where, HOST_MAX);
    buf_addf(&where, "%s:%s", host, port);

    const struct sigv4_field query[] = {{STR("Action"), STR("connect")},
                                        {STR("DBUser"), str_of(user)}};
    const struct sigv4_field headers[] = {{STR("host"), buf_str(&where)}};
    const struct sigv4_request r = {
        .method = "GET",
        .path = STR("/"),
        .query = query,
        .n_query = sizeof(query) / sizeof(query[0]),
        .headers = headers,
        .n_headers = 1,
        .payload = SIGV4_EMPTY_BODY,
        .time_ms = time_ms,
    };

    buf_add_str(ret_token, buf_str(&where));
    buf_add_text(ret_token, "/?");
    sigv4_presign(&own, &r, GOOD_FOR_S, ret_token);
}
