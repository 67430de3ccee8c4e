#include "cli/image_push.h"

#include "base/mem.h"
#include "base/parallel.h"

#include <stdlib.h>

#define TRIES 8

struct image_push_blob {
    const struct archive_blob *blob;
    bool there;
    uint64_t sent_bytes;
};

/* Work on blobs that several threads do. */
struct crowd {
    struct image_push *p;
    pthread_mutex_t lock; /* of all that follows, and of what p counts */
    struct err_first failed;
    struct progress_bar bar;
    uint64_t done_bytes;
};

/* One blob of it. */
struct turn {
    struct crowd *crowd;
    struct image_push_blob *item;
};

void image_push_done(struct image_push *p)
{
    free(p->blobs);
    p->blobs = NULL;
}

/* The first failure ends what the others do. */
static void note_failure(struct crowd *c, enum err_code code, const struct err *e)
{
    pthread_mutex_lock(&c->lock);
    c->failed.step = *e;
    if (err_first_add(&c->failed, code) != ERR_OK)
        client_hurry(c->p->registry->server->client, 0);
    pthread_mutex_unlock(&c->lock);
}

static bool has_failed(struct crowd *c)
{
    bool failed;

    pthread_mutex_lock(&c->lock);
    failed = c->failed.code != ERR_OK;
    pthread_mutex_unlock(&c->lock);
    return failed;
}

static void on_sent(void *ctx, uint64_t sent_bytes)
{
    const struct turn *t = ctx;
    struct crowd *c = t->crowd;

    pthread_mutex_lock(&c->lock);
    c->done_bytes += sent_bytes - t->item->sent_bytes;
    t->item->sent_bytes = sent_bytes;
    if (c->p->bar)
        progress_bar_show(&c->bar, c->done_bytes);
    pthread_mutex_unlock(&c->lock);
}

static struct blob_push push_of(struct turn *t)
{
    const struct image_push *p = t->crowd->p;
    const struct archive_blob *b = t->item->blob;

    return (struct blob_push){.registry = p->registry,
                              .repository_url = p->repository_url,
                              .from = p->from,
                              .notes = p->notes,
                              .digest = b->digest,
                              .size_bytes = b->size_bytes,
                              .bytes = b->bytes,
                              .fd = -1,
                              .sent = on_sent,
                              .ctx = t};
}

static void tell(struct crowd *c, const struct archive_blob *b, enum blob_result r)
{
    if (c->p->bar)
        progress_bar_end(&c->bar);
    c->p->tell(c->p->ctx, b, r);
}

/* ---- looking */

static void look(void *ctx, size_t i)
{
    struct crowd *c = ctx;
    struct turn t = {c, &c->p->blobs[i]};
    struct blob_push push = push_of(&t);
    struct err e = {0};
    enum err_code code;

    if (has_failed(c))
        return;
    code = blob_push_look(&push, &t.item->there, &e);
    if (code != ERR_OK) {
        note_failure(c, code, &e);
        return;
    }
    pthread_mutex_lock(&c->lock);
    if (t.item->there)
        tell(c, t.item->blob, BLOB_THERE);
    pthread_mutex_unlock(&c->lock);
}

/* The largest first: so that none is left alone at the end. */
static int by_size(const void *a, const void *b)
{
    const struct image_push_blob *x = a, *y = b;

    return (x->blob->size_bytes < y->blob->size_bytes) -
           (x->blob->size_bytes > y->blob->size_bytes);
}

static void list(struct image_push *p)
{
    const struct archive_verdict *v = p->archive->verdict;

    p->blobs = mem_zero((v->n_blobs + 1) * sizeof(*p->blobs));
    for (size_t i = 0; i < v->n_blobs; i++) {
        if (p->place->blobs[i])
            p->blobs[p->n_blobs++].blob = &v->blobs[i];
    }
    qsort(p->blobs, p->n_blobs, sizeof(*p->blobs), by_size);
}

static enum err_code run(struct crowd *c, void (*fn)(void *ctx, size_t i), struct err *e)
{
    pthread_mutex_init(&c->lock, NULL);
    parallel_each(c->p->n_blobs, c->p->jobs, fn, c);
    pthread_mutex_destroy(&c->lock);
    return err_first_of(&c->failed, e);
}

enum err_code image_push_look(struct image_push *p, struct err *e)
{
    struct crowd c = {.p = p};

    list(p);
    TRY(run(&c, look, e));
    for (size_t i = 0; i < p->n_blobs; i++) {
        if (p->blobs[i].there)
            continue;
        p->n_missing++;
        p->missing_bytes += p->blobs[i].blob->size_bytes;
    }
    return ERR_OK;
}

/* ---- sending */

static void note_sent(struct crowd *c, const struct archive_blob *b, enum blob_result r)
{
    struct image_push *p = c->p;

    pthread_mutex_lock(&c->lock);
    if (r == BLOB_SENT) {
        p->n_sent++;
        p->sent_bytes += b->size_bytes;
    }
    tell(c, b, r);
    pthread_mutex_unlock(&c->lock);
}

static void send_blob(void *ctx, size_t i)
{
    struct crowd *c = ctx;
    struct turn t = {c, &c->p->blobs[i]};
    struct blob_push push = push_of(&t);
    enum blob_result result;
    AUTO(fd) int fd = -1;
    struct err e = {0};
    enum err_code code;

    if (t.item->there || has_failed(c))
        return;
    code = push.bytes ? ERR_OK
                      : archive_file_place(c->p->archive, t.item->blob, &fd, &push.at_bytes, &e);
    push.fd = fd;
    if (code == ERR_OK)
        code = blob_push_run(&push, &result, &e);
    if (code != ERR_OK) {
        note_failure(c, code, &e);
        return;
    }
    on_sent(&t, push.size_bytes);
    note_sent(c, t.item->blob, result);
}

enum err_code image_push_blobs(struct image_push *p, struct err *e)
{
    struct crowd c = {.p = p};
    enum err_code code;

    if (p->bar)
        progress_bar_begin(&c.bar, p->bar, 0, p->missing_bytes);
    code = run(&c, send_blob, e);
    if (p->bar)
        progress_bar_end(&c.bar);
    return code;
}

/* ---- manifests and tags */

/* A reference, or one with a query behind it. */
static enum err_code put(struct image_push *p, const struct archive_manifest *m,
                         const char *reference, struct remote_answer *a, struct err *e)
{
    char url[REMOTE_URL_MAX];
    struct remote_request q = {.method = "PUT",
                               .url = url,
                               .body = m->bytes,
                               .content_type = m->media_type,
                               .tries = TRIES};

    snprintf(url, sizeof(url), "%s/manifests/%s", p->repository_url, reference);
    TRY(remote_registry_run(p->registry, &q, a, e));
    if (a->status != 201 && a->status != 200)
        return remote_registry_refused(p->registry, a, e);
    if (a->digest[0] && strcmp(a->digest, m->digest.text) != 0)
        return err_set(e, ERR_CORRUPT, "the server has stored %s as %.100s", m->digest.text,
                       a->digest);
    return ERR_OK;
}

static enum err_code put_by_digest(struct image_push *p, const struct archive_manifest *m,
                                   struct err *e)
{
    AUTO(remote_answer) struct remote_answer a = {0};

    return put(p, m, m->digest.text, &a, e);
}

/* A tag that is pushed by its name means a digest of sha256; another one has to be named with it
 * (dist-spec "Pushing manifests with digest and tags"), which is answered where it is known. */
static enum err_code put_tag(struct image_push *p, const struct archive_manifest *m,
                             const struct tag_name *tag, struct err *e)
{
    AUTO(remote_answer) struct remote_answer a = {0};
    char reference[DIGEST_TEXT_MAX + TAG_NAME_MAX + 8];

    if (m->digest.algorithm == DIGEST_SHA256)
        return put(p, m, tag->text, &a, e);
    snprintf(reference, sizeof(reference), "%s?tag=%s", m->digest.text, tag->text);
    TRY(put(p, m, reference, &a, e));
    if (strcmp(a.tag, tag->text) != 0)
        return err_set(e, ERR_UNSUPPORTED, "the server gives no tag to %s", m->digest.text);
    return ERR_OK;
}

/* It comes with its tags, and nothing needs it before. */
static bool comes_with_tags(const struct image_push *p, size_t manifest)
{
    if (p->one_of_several || p->archive->verdict->manifests[manifest].is_child)
        return false;
    for (size_t i = 0; i < p->place->n; i++) {
        if (p->place->items[i].manifest == manifest && p->place->items[i].n_tags > 0)
            return true;
    }
    return false;
}

/* Children come before what names them. */
enum err_code image_push_manifests(struct image_push *p, struct err *e)
{
    const struct archive_verdict *v = p->archive->verdict;

    for (size_t i = 0; i < v->n_manifests; i++) {
        if (p->place->manifests[i] && !comes_with_tags(p, i))
            TRY(put_by_digest(p, &v->manifests[i], e));
    }
    return ERR_OK;
}

enum err_code image_push_tags(struct image_push *p, struct err *e)
{
    const struct archive_verdict *v = p->archive->verdict;

    for (size_t i = 0; i < p->place->n; i++) {
        const struct image_plan_item *item = &p->place->items[i];

        for (size_t t = 0; t < item->n_tags; t++)
            TRY(put_tag(p, &v->manifests[item->manifest], &item->tags[t], e));
    }
    return ERR_OK;
}
