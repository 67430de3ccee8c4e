/*
 * Who names what in a repository: read from all of its manifests, and kept for whoever asks about
 * the same repository next, for items say only by how many they are named. It may be out of date;
 * condemning (condemned.c) looks again at those that it gives, and at their number. A manifest of
 * which can't be read what it names is in the counts alone, and so keeps that.
 */
#include "meta/dynamodb/dynamodb.h"

#include "base/mem.h"

#include <stdlib.h>

struct name_of {
    struct digest child;
    bool manifest;
    size_t parent;
};

struct dynamo_naming {
    unsigned refs; /* under naming_lock */
    struct repo_name repo;
    struct digest *manifests;
    size_t n;
    struct digest *damaged; /* of manifests */
    size_t n_damaged;
    struct name_of *names; /* sorted by child */
    size_t n_names, cap;
    struct dynamo_link *link; /* while it is read */
};

void dynamo_naming_unref(struct dynamo *d, struct dynamo_naming *n)
{
    bool last;

    if (!n)
        return;
    pthread_mutex_lock(&d->naming_lock);
    last = --n->refs == 0;
    pthread_mutex_unlock(&d->naming_lock);
    if (!last)
        return;
    free(n->manifests);
    free(n->damaged);
    free(n->names);
    free(n);
}

static void add_name(struct dynamo_naming *n, const struct dynamo_child *child)
{
    if (n->n_names == n->cap) {
        n->cap = n->cap ? 2 * n->cap : 256;
        n->names = mem_resize(n->names, n->cap * sizeof(*n->names));
    }
    n->names[n->n_names++] = (struct name_of){child->digest, child->manifest, n->n};
}

static void add_damaged(struct dynamo_naming *n, const struct digest *d)
{
    n->damaged = mem_resize(n->damaged, (n->n_damaged + 1) * sizeof(*n->damaged));
    n->damaged[n->n_damaged++] = *d;
}

static enum err_code add_manifest(void *ctx, const json_t *item, struct err *e)
{
    struct dynamo_naming *n = ctx;
    AUTO(dynamo_children) struct dynamo_children children = {NULL, 0};
    enum err_code code;
    struct digest d;

    if (digest_parse(item_get_text(item, "digest"), &d, ERR_IGNORED) != ERR_OK)
        return err_set(e, ERR_CORRUPT, "table %s: damaged digest of a manifest",
                       dynamo_link_where(n->link));
    code = dynamo_children_read(n->link, item, dynamo_link_end(n->link), &children, e);
    if (code == ERR_CORRUPT)
        add_damaged(n, &d);
    else
        TRY(code);
    if ((n->n & (n->n - 1)) == 0) /* 0, or a power of two */
        n->manifests = mem_resize(n->manifests, (n->n ? 2 * n->n : 1) * sizeof(*n->manifests));
    for (size_t i = 0; i < children.n; i++)
        add_name(n, &children.list[i]);
    n->manifests[n->n++] = d;
    return ERR_OK;
}

static int by_child(const void *a, const void *b)
{
    const struct name_of *x = a, *y = b;
    int order = (int)x->manifest - (int)y->manifest;

    return order ? order : strcmp(x->child.text, y->child.text);
}

static enum err_code read_all(struct dynamo *d, struct dynamo_naming *n, struct err *e)
{
    struct dynamo_held_page page = {.more = true};

    n->link = d->link;
    while (page.more)
        TRY(dynamo_held_each(d->link, repo_name_str(&n->repo), true, str_of(page.last), 1000,
                             add_manifest, n, &page, e));
    if (n->n_names > 1)
        qsort(n->names, n->n_names, sizeof(*n->names), by_child);
    return ERR_OK;
}

/* What was read takes the place of what is kept; both are one reference. */
static void keep(struct dynamo *d, struct dynamo_naming *n)
{
    struct dynamo_naming *old;

    pthread_mutex_lock(&d->naming_lock);
    old = d->naming;
    d->naming = n;
    n->refs++;
    pthread_mutex_unlock(&d->naming_lock);
    dynamo_naming_unref(d, old);
}

static struct dynamo_naming *kept(struct dynamo *d, const struct repo_name *repo)
{
    struct dynamo_naming *n;

    pthread_mutex_lock(&d->naming_lock);
    n = d->naming;
    if (n && str_eq(repo_name_str(&n->repo), repo_name_str(repo)))
        n->refs++;
    else
        n = NULL;
    pthread_mutex_unlock(&d->naming_lock);
    return n;
}

enum err_code dynamo_naming_get(struct dynamo *d, const struct repo_name *repo, bool fresh,
                                struct dynamo_naming **ret, struct err *e)
{
    struct dynamo_naming *n = fresh ? NULL : kept(d, repo);
    enum err_code code;

    if (n) {
        *ret = n;
        return ERR_OK;
    }
    n = NEW(struct dynamo_naming);
    n->refs = 1;
    n->repo = *repo;
    code = read_all(d, n, e);
    if (code != ERR_OK) {
        dynamo_naming_unref(d, n);
        return code;
    }
    keep(d, n);
    *ret = n;
    return ERR_OK;
}

size_t dynamo_naming_first(const struct dynamo_naming *n, bool manifest, const struct digest *child)
{
    const struct name_of key = {.child = *child, .manifest = manifest};
    size_t low = 0, high = n->n_names;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (by_child(&n->names[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct digest *dynamo_naming_at(const struct dynamo_naming *n, size_t i, bool manifest,
                                      const struct digest *child)
{
    if (i >= n->n_names || n->names[i].manifest != manifest ||
        !digest_eq(&n->names[i].child, child))
        return NULL;
    return &n->manifests[n->names[i].parent];
}

bool dynamo_naming_damaged(const struct dynamo_naming *n, const struct digest *manifest)
{
    for (size_t i = 0; i < n->n_damaged; i++) {
        if (!manifest || digest_eq(&n->damaged[i], manifest))
            return true;
    }
    return false;
}
