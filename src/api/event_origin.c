#include "api/event_origin.h"

#include "api/match.h"
#include "api/proxy.h"

struct event_origin req_origin(struct req *q)
{
    return (struct event_origin){
        .actor = req_actor(q),
        .address = client_address(q),
        .request_id = http_request_id(q->x),
        .method = match_method_name(q->head->method),
        .host = http_field_get(q->head, STR("Host")),
        .user_agent = http_field_get(q->head, STR("User-Agent")),
    };
}
