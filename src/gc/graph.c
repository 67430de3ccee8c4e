#include "gc/graph.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "meta/referrer_tag.h"

#include <stdlib.h>

#define PAGE 1000

struct link {
    int64_t parent_id;
    size_t child;
};

/* Most manifests have none, and a digest is large. */
struct subject {
    size_t of; /* a node */
    struct digest digest;
};

struct loading {
    struct meta *meta;
    const struct repo_name *repo;
    const struct gc_policy *policy;
    struct gc_graph g;
    struct meta_tag *tags;
    size_t n_tags;
    struct link *links; /* from indexes, by their ids */
    size_t n_links;
    struct subject *subjects;
    size_t n_subjects;
};

static void auto_loading_(struct loading *l)
{
    gc_graph_done(&l->g);
    free(l->tags);
    free(l->links);
    free(l->subjects);
}

void gc_graph_done(struct gc_graph *g)
{
    for (size_t i = 0; i < g->n; i++)
        free(g->nodes[i].tag);
    free(g->nodes);
    free(g->children);
    free(g->referrers);
    free(g->ids);
    *g = (struct gc_graph){0};
}

/* ---- reading. What the pages of different times don't agree about is looked at again by the
 * transactions. */

static enum err_code load_tags(struct loading *l, struct err *e)
{
    char after[TAG_NAME_MAX + 1] = "";

    for (bool more = true, first = true; more; first = false) {
        AUTO(meta_tags) struct meta_tag_list page = {0};
        int64_t version;

        TRY(meta_tag_targets(l->meta, l->repo, str_of(after), PAGE, &page, &version, e));
        if (first)
            l->g.seen_version = version;
        if (page.n == 0)
            break;
        l->tags = mem_resize(l->tags, (l->n_tags + page.n) * sizeof(*l->tags));
        memcpy(l->tags + l->n_tags, page.rows, page.n * sizeof(*page.rows));
        l->n_tags += page.n;
        strcpy(after, page.rows[page.n - 1].name.text);
        more = page.more;
    }
    return ERR_OK;
}

static size_t with_subject(const struct meta_use_list *page)
{
    size_t n = 0;

    for (size_t i = 0; i < page->n; i++)
        n += page->rows[i].subject.n > 0;
    return n;
}

static void add_manifests(struct loading *l, const struct meta_use_list *page)
{
    struct gc_graph *g = &l->g;

    g->nodes = mem_resize(g->nodes, (g->n + page->n) * sizeof(*g->nodes));
    l->subjects =
        mem_resize(l->subjects, (l->n_subjects + with_subject(page) + 1) * sizeof(*l->subjects));
    l->links = mem_resize(l->links, (l->n_links + page->n_users + 1) * sizeof(*l->links));
    for (size_t i = 0; i < page->n; i++) {
        const struct meta_use *u = &page->rows[i];

        for (size_t j = 0; j < u->n_users; j++)
            l->links[l->n_links++] = (struct link){page->users[u->users + j], g->n};
        if (u->subject.n > 0)
            l->subjects[l->n_subjects++] = (struct subject){g->n, u->subject};
        g->nodes[g->n++] = (struct gc_node){.digest = u->digest,
                                            .id = u->id,
                                            .size_bytes = u->size_bytes,
                                            .by = GC_NONE,
                                            .why = u->why,
                                            .condemned = u->condemned,
                                            .damaged = u->damaged,
                                            .condemned_ms = u->condemned_ms,
                                            .since_ms = u->since_ms};
    }
}

static enum err_code load_manifests(struct loading *l, struct err *e)
{
    char after[DIGEST_TEXT_MAX + 1] = "";

    for (bool more = true; more;) {
        AUTO(meta_uses) struct meta_use_list page = {0};

        TRY(meta_uses(l->meta, l->repo, META_ITEM_MANIFEST, str_of(after), PAGE, &page, e));
        if (page.n == 0)
            break;
        add_manifests(l, &page);
        strcpy(after, page.rows[page.n - 1].digest.text);
        more = page.more;
    }
    return ERR_OK;
}

/* ---- who belongs to whom */

static int by_from(const void *a, const void *b)
{
    const struct gc_pair *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

/* The first pair from there, or from a later one. */
static size_t first_from(const struct gc_pair *pairs, size_t n, size_t from)
{
    size_t low = 0;

    while (low < n) {
        size_t middle = low + (n - low) / 2;

        if (pairs[middle].from < from)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

size_t gc_graph_by_id(const struct gc_graph *g, int64_t id)
{
    size_t i = first_from(g->ids, g->n, (size_t)id);

    return i < g->n && g->ids[i].from == (size_t)id ? g->ids[i].to : GC_NONE;
}

/* The first node whose digest is not before that. */
static size_t lower_bound(const struct gc_graph *g, struct str digest)
{
    size_t low = 0, high = g->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (str_cmp(digest_str(&g->nodes[middle].digest), digest) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t gc_graph_by_digest(const struct gc_graph *g, struct str digest)
{
    size_t i = lower_bound(g, digest);

    return i < g->n && str_eq(digest_str(&g->nodes[i].digest), digest) ? i : GC_NONE;
}

static void find_children(struct loading *l)
{
    struct gc_graph *g = &l->g;

    g->ids = mem_alloc((g->n + 1) * sizeof(*g->ids));
    for (size_t i = 0; i < g->n; i++)
        g->ids[i] = (struct gc_pair){(size_t)g->nodes[i].id, i};
    qsort(g->ids, g->n, sizeof(*g->ids), by_from);
    g->children = mem_alloc((l->n_links + 1) * sizeof(*g->children));
    for (size_t i = 0; i < l->n_links; i++) {
        size_t parent = gc_graph_by_id(g, l->links[i].parent_id);

        if (parent == GC_NONE)
            continue;
        g->children[g->n_children++] = (struct gc_pair){parent, l->links[i].child};
        g->nodes[l->links[i].child].has_parent = true;
    }
    qsort(g->children, g->n_children, sizeof(*g->children), by_from);
}

/* The manifest that a tag of referrers is about. */
static size_t about(const struct gc_graph *g, const struct tag_name *tag)
{
    char begins[DIGEST_TEXT_MAX + 1];
    size_t i;

    if (!referrer_tag_about(tag, begins))
        return GC_NONE;
    i = lower_bound(g, str_of(begins));
    return i < g->n && str_starts(digest_str(&g->nodes[i].digest), str_of(begins)) ? i : GC_NONE;
}

static void add_subject(struct gc_graph *g, size_t subject, size_t node)
{
    g->referrers[g->n_referrers++] = (struct gc_pair){subject, node};
    g->nodes[node].has_subject = true;
}

static void find_subjects(struct loading *l)
{
    for (size_t i = 0; i < l->n_subjects; i++) {
        const struct subject *s = &l->subjects[i];
        size_t subject = gc_graph_by_digest(&l->g, digest_str(&s->digest));

        if (subject != GC_NONE)
            add_subject(&l->g, subject, s->of);
    }
}

static bool refers(const struct tag_name *tag)
{
    char unused[DIGEST_TEXT_MAX + 1];

    return referrer_tag_about(tag, unused);
}

static void live_by(struct gc_node *node, const struct tag_name *tag)
{
    if (node->tag)
        return;
    node->tag = mem_strdup(tag->text);
    node->because = GC_TAGGED;
}

/* A tag of referrers is no reason to live: what it is about is. */
static void take_tag(struct loading *l, const struct meta_tag *tag)
{
    struct gc_graph *g = &l->g;
    size_t at = gc_graph_by_id(g, tag->manifest_id), subject = about(g, &tag->name);

    if (at == GC_NONE)
        return;
    g->nodes[at].has_tags = true;
    if (subject != GC_NONE && subject != at)
        add_subject(g, subject, at);
    else if (subject == at || !refers(&tag->name))
        live_by(&g->nodes[at], &tag->name);
}

/* One about what is not there is a reason for what is about nothing that is, unless it has been. */
static void take_lone_tag(struct loading *l, const struct meta_tag *tag)
{
    size_t at = gc_graph_by_id(&l->g, tag->manifest_id);
    struct gc_node *node = at == GC_NONE ? NULL : &l->g.nodes[at];

    if (node && !node->has_subject && !(node->condemned && node->why == META_WHY_REFERRER) &&
        refers(&tag->name))
        live_by(node, &tag->name);
}

static void take_tags(struct loading *l)
{
    struct gc_graph *g = &l->g;
    size_t n = l->n_subjects;

    for (size_t i = 0; i < l->n_tags; i++)
        n += refers(&l->tags[i].name);
    g->referrers = mem_alloc((n + 1) * sizeof(*g->referrers));
    find_subjects(l);
    for (size_t i = 0; i < l->n_tags; i++)
        take_tag(l, &l->tags[i]);
    for (size_t i = 0; i < l->n_tags; i++)
        take_lone_tag(l, &l->tags[i]);
    qsort(g->referrers, g->n_referrers, sizeof(*g->referrers), by_from);
}

/* ---- what lives */

/* Whether a manifest by which nothing lives yet lives by itself. One whose index or subject went
 * was condemned by that. */
static bool stays(const struct gc_policy *p, const struct gc_node *node)
{
    if (p->children && (node->has_parent || (node->condemned && node->why == META_WHY_CHILD)))
        return false;
    if (p->referrers && (node->has_subject || (node->condemned && node->why == META_WHY_REFERRER)))
        return false;
    return node->since_ms >= p->untagged_before_ms;
}

static enum meta_why why_of(const struct gc_node *node)
{
    if (node->condemned)
        return node->why;
    if (node->has_subject)
        return META_WHY_REFERRER;
    return node->has_parent ? META_WHY_CHILD : META_WHY_UNTAGGED;
}

struct spread {
    struct gc_graph *g;
    size_t *queue;
    size_t n_queue;
};

static void reach(struct spread *s, const struct gc_pair *pairs, size_t n, size_t from,
                  enum gc_because because)
{
    for (size_t i = first_from(pairs, n, from); i < n && pairs[i].from == from; i++) {
        struct gc_node *node = &s->g->nodes[pairs[i].to];

        if (node->because != GC_NOT_LIVE)
            continue;
        node->because = because;
        node->by = from;
        s->queue[s->n_queue++] = pairs[i].to;
    }
}

static void spread(struct gc_graph *g)
{
    struct spread s = {.g = g};

    s.queue = mem_alloc((g->n + 1) * sizeof(*s.queue));
    for (size_t i = 0; i < g->n; i++) {
        if (g->nodes[i].because != GC_NOT_LIVE)
            s.queue[s.n_queue++] = i;
    }
    for (size_t i = 0; i < s.n_queue; i++) {
        reach(&s, g->children, g->n_children, s.queue[i], GC_CHILD_OF_LIVE);
        reach(&s, g->referrers, g->n_referrers, s.queue[i], GC_REFERRER_OF_LIVE);
    }
    free(s.queue);
}

enum err_code gc_graph_load(struct meta *m, const struct repo_name *repo, const struct gc_policy *p,
                            struct gc_graph *ret_graph, struct err *e)
{
    AUTO(loading) struct loading l = {.meta = m, .repo = repo, .policy = p};
    struct gc_graph *g = &l.g;

    TRY(load_tags(&l, e));
    TRY(load_manifests(&l, e));
    find_children(&l);
    take_tags(&l);
    for (size_t i = 0; i < g->n; i++) {
        if (g->nodes[i].because == GC_NOT_LIVE && stays(p, &g->nodes[i]))
            g->nodes[i].because = GC_UNTAGGED;
    }
    spread(g);
    for (size_t i = 0; i < g->n; i++)
        g->nodes[i].why = why_of(&g->nodes[i]);
    *ret_graph = l.g;
    l.g = (struct gc_graph){0};
    return ERR_OK;
}
