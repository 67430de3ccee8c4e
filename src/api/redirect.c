#include "api/redirect.h"

#include "api/api.h"
#include "api/proxy.h"
#include "api/reply.h"
#include "base/cleanup.h"

#define URL_MAX 8192

void redirect_init(struct api *a)
{
    const struct conf_strings *list = &a->conf->storage.s3.redirect.networks;

    conf_cidrs_init(list->items, list->n, &a->redirect_networks);
}

void redirect_done(struct api *a)
{
    conf_cidrs_done(&a->redirect_networks);
}

/* None in the list are all. */
static bool network_listed(const struct conf_cidrs *networks, const char *address)
{
    return networks->n == 0 || conf_cidrs_contain(networks, address);
}

static bool agent_listed(const struct conf_strings *agents, struct str agent)
{
    for (size_t i = 0; i < agents->n; i++) {
        if (str_starts(agent, str_of(agents->items[i])))
            return true;
    }
    return agents->n == 0;
}

static bool wanted(struct req *q, uint64_t size_bytes)
{
    const struct conf_storage *storage = &q->api->conf->storage;
    const struct conf_s3_redirect *r = &storage->s3.redirect;

    return storage->backend == CONF_STORAGE_S3 && r->enabled && q->head->method == HTTP_GET &&
           size_bytes >= r->min_bytes &&
           network_listed(&q->api->redirect_networks, client_address(q)) &&
           agent_listed(&r->user_agents, http_field_get(q->head, STR("User-Agent")));
}

enum err_code redirect_blob(struct req *q, uint64_t size_bytes, bool *ret_done, struct err *e)
{
    uint64_t expiry_ms = q->api->conf->storage.s3.redirect.expiry_ms;
    AUTO(buf) struct buf url = {0};
    enum err_code code;

    *ret_done = false;
    if (!wanted(q, size_bytes))
        return ERR_OK;
    buf_init(&url, URL_MAX);
    code = store_blob_url(q->registry->store, &q->digest, (unsigned)(expiry_ms / 1000), &url, e);
    if (code == ERR_UNSUPPORTED)
        return ERR_OK;
    TRY(code);
    http_header(q->x, "Location", buf_str(&url));
    reply_digest(q, &q->digest);
    reply_empty(q, 307);
    *ret_done = true;
    return ERR_OK;
}
