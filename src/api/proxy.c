#include "api/proxy.h"

#include <arpa/inet.h>

void proxies_init(struct api *a)
{
    const struct conf_strings *list = &a->conf->http.trusted_proxies;

    conf_cidrs_init(list->items, list->n, &a->proxies);
}

void proxies_done(struct api *a)
{
    conf_cidrs_done(&a->proxies);
}

static bool trusted(const struct req *q, const char *address)
{
    return conf_cidrs_contain(&q->api->proxies, address);
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

/* The elements of a list of all fields of a name (RFC 9110, 5.3), from the last to the first: some
 * proxies add a field of their own behind what the client has sent. */
struct backwards {
    const struct http_head *head;
    struct str name;
    size_t fields;   /* that were not looked at */
    struct str left; /* of the value of the field behind those */
};

static bool field_before(struct backwards *b)
{
    while (b->fields > 0) {
        const struct http_field *f = &b->head->fields[--b->fields];

        b->left = f->value;
        if (str_ieq(f->name, b->name) && f->value.n > 0)
            return true;
    }
    return false;
}

static bool element_before(struct backwards *b, struct str *ret)
{
    if (b->left.n == 0 && !field_before(b))
        return false;
    *ret = cut_last(&b->left);
    return true;
}

static struct backwards backwards(const struct req *q, struct str name)
{
    return (struct backwards){q->head, name, q->head->n_fields, STR_NONE};
}

/* From the last to the first: each proxy has added whom it spoke to, and the first that is none of
 * ours is the client. What stands before it they may have written themselves. */
const char *client_address(struct req *q)
{
    struct backwards list = backwards(q, STR("X-Forwarded-For"));
    struct str element;
    const char *peer = http_client(q->x);

    if (q->client[0])
        return q->client;
    str_copy(str_of(peer), q->client, sizeof(q->client));
    while (trusted(q, q->client) && element_before(&list, &element)) {
        char next[CLIENT_ADDRESS_MAX];

        if (!numeric(element, next))
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
    struct backwards protos = backwards(q, STR("X-Forwarded-Proto"));

    if (field_before(&protos) && str_ieq(protos.left, STR("https")) &&
        trusted(q, http_client(q->x)))
        return "https";
    return http_is_tls(q->x) ? "https" : "http";
}
