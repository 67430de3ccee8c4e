
#include "api/handlers.h"
#include "api/redirect.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "core/pull.h"
#include "core/remove.h"

#include <stdio.h>

static enum err_code open_blob(struct req *q, struct reader **ret_reader, uint64_t *ret_size_bytes,
                               struct err *e)
{
    bool head = q->head->method == HTTP_HEAD;
    enum err_code code = (head ? pull_blob_head : pull_blob)(q->registry, &q->name, &q->digest,
                                                             ret_reader, ret_size_bytes, e);

    if (code == ERR_CORRUPT && head) {
        /* Asked by clients before they push: told that it is missing they send it, which mends it.
         */
        log_err(LOG_ERROR, "a blob is not in the store as it should be", e);
        return err_set(e, ERR_BLOB_UNKNOWN, "%s is damaged or missing", q->digest.text);
    }
    return code;
}

static void note_cache(struct req *q, const struct reader *r)
{
    char text[DIGEST_TEXT_MAX + 64];

    q->cache = r->cache;
    if (q->cache != READER_HIT || q->head->method != HTTP_GET)
        return;
    snprintf(text, sizeof(text), "Cache HIT for layer %s (served from disk)", q->digest.text);
    log_event(LOG_INFO, text, LOG_STR("repository", repo_name_str(&q->name)));
}

enum err_code api_blob_get(struct req *q, struct err *e)
{
    AUTO(reader) struct reader *r = NULL;
    char etag[DIGEST_TEXT_MAX + 3];
    uint64_t size_bytes = 0;
    bool sent_away = false;
    int n;

    if (!http_content_waits(q->x)) {
        TRY(open_blob(q, &r, &size_bytes, e));
        note_cache(q, r);
        if (q->cache != READER_HIT)
            TRY(redirect_blob(q, size_bytes, &sent_away, e));
    }
    if (sent_away)
        return ERR_OK;
    if (q->cache != READER_NO_CACHE)
        http_header(q->x, "X-Cache", q->cache == READER_HIT ? STR("HIT") : STR("MISS"));
    n = snprintf(etag, sizeof(etag), "\"%s\"", q->digest.text);
    reply_digest(q, &q->digest);
    /* Never what the content claims to be: a browser must not run it. */
    http_header(q->x, "Content-Type", STR("application/octet-stream"));
    return http_send_content(q->x, STEAL(r), size_bytes, (struct str){etag, (size_t)n}, e);
}

enum err_code api_blob_delete(struct req *q, struct err *e)
{
    TRY(remove_blob(q->registry, &q->name, &q->digest, e));
    reply_empty(q, 202);
    return ERR_OK;
}
