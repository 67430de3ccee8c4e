#include "api/proxy.h"

#include "base/mem.h"
#include "conf/cidr.h"

#include <arpa/inet.h>
#include <stdlib.h>

/* The configuration was checked: each of them parses. */
void proxies_init(struct api *a)
{
    const struct conf_strings *list = &a->conf->http.trusted_proxies;

    a->proxies = mem_alloc(list->n * sizeof(*a->proxies));
    a->n_proxies = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (conf_cidr_parse(str_of(list->items[i]), &a->proxies[a->n_proxies]))
            a->n_proxies++;
    }
}

void proxies_done(struct api *a)
{
    free(a->proxies);
}

static bool trusted(const struct req *q, const char *address)
{
    for (size_t i = 0; i < q->api->n_proxies; i++) {
        if (conf_cidr_contains(&q->api->proxies[i], address))
            return true;
    }
    return false;
}

/* A numeric address; what a proxy passes on may be anything. */
static bool numeric(struct str s, char dst[static CLIENT_ADDRESS_MAX])
{
    unsigned char bytes[16];

    return str_copy(s, dst, CLIENT_ADDRESS_MAX) &&
           (inet_pton(AF_INET, dst, bytes) == 1 || inet_pton(AF_INET6, dst, bytes) == 1);
}

/* The last element of a comma-separated list, which is cut off it. */
static struct str cut_last(struct str *list)
{
    size_t i = list->n;
    struct str last;

    while (i > 0 && list->p[i - 1] != ',')
        i--;
    last = str_trim(str_sub(*list, i, list->n - i));
    list->n = i > 0 ? i - 1 : 0;
    return last;
}

/* From the last to the first: each proxy has added whom it spoke to, and the first that is none of
 * ours is the client. What stands before it they may have written themselves. */
const char *client_address(struct req *q)
{
    struct str list = http_field_get(q->head, STR("X-Forwarded-For"));
    const char *peer = http_client(q->x);

    if (q->client[0])
        return q->client;
    str_copy(str_of(peer), q->client, sizeof(q->client));
    while (list.n > 0 && trusted(q, q->client)) {
        char next[CLIENT_ADDRESS_MAX];

        if (!numeric(cut_last(&list), next))
            break;
        memcpy(q->client, next, sizeof(next));
    }
    return q->client;
}

const char *client_network(struct req *q)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    const char *address = client_address(q);
    unsigned char bytes[16];

    if (q->network[0])
        return q->network;
    str_copy(str_of(address), q->network, sizeof(q->network));
    if (inet_pton(AF_INET6, address, bytes) != 1)
        return q->network;
    if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        inet_ntop(AF_INET, bytes + 12, q->network, sizeof(q->network));
    } else {
        memset(bytes + 8, 0, 8);
        inet_ntop(AF_INET6, bytes, q->network, sizeof(q->network));
    }
    return q->network;
}

const char *client_scheme(const struct req *q)
{
    struct str proto = http_field_get(q->head, STR("X-Forwarded-Proto"));

    if (str_ieq(proto, STR("https")) && trusted(q, http_client(q->x)))
        return "https";
    return http_is_tls(q->x) ? "https" : "http";
}
