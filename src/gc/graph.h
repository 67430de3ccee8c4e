/*
 * Who names whom in a repository, and what lives: what has a tag; children of an index that lives;
 * referrers of a manifest that lives, by their subject, by cosign's tag or that of the referrers of
 * a registry that has no list of them; and what has no tag but belongs to nothing here. Time and
 * memory grow with manifests, tags and the edges between manifests.
 */
#pragma once

#include "meta/meta.h"

#define GC_NONE SIZE_MAX

enum gc_because {
    GC_NOT_LIVE,
    GC_TAGGED,
    GC_UNTAGGED, /* has none, and belongs to nothing: stays */
    GC_CHILD_OF_LIVE,
    GC_REFERRER_OF_LIVE
};

struct gc_node {
    struct digest digest;
    int64_t id;
    uint64_t size_bytes;
    bool has_tags;           /* of any kind */
    bool has_subject;        /* another node, which it is about */
    bool has_parent;         /* an index that is here names it */
    char *tag;               /* one that it lives by */
    enum gc_because because; /* it lives */
    size_t by;               /* the node that it lives by; or GC_NONE */
    enum meta_why why;       /* it does not, or is condemned */
    bool condemned, gone;    /* gone: its row was deleted since */
    bool damaged;            /* what it names is not known: it stays */
    int64_t condemned_ms, since_ms;
};

struct gc_pair {
    size_t from, to;
};

struct gc_graph {
    struct gc_node *nodes; /* sorted by digest */
    size_t n;
    struct gc_pair *children; /* from an index to its children; sorted, as the others */
    size_t n_children;
    struct gc_pair *referrers; /* from a subject; one may be about several */
    size_t n_referrers;
    struct gc_pair *ids;  /* from an id to its node */
    int64_t seen_version; /* of the tags */
};

struct gc_policy {
    bool children, referrers;   /* go with what they belong to */
    int64_t untagged_before_ms; /* what has had no tag since before then goes; 0: stays */
};

/* Errors: NAME_UNKNOWN, and those of the reads. */
ERR_CHECKED enum err_code gc_graph_load(struct meta *m, const struct repo_name *repo,
                                        const struct gc_policy *p, struct gc_graph *ret_graph,
                                        struct err *e);
void gc_graph_done(struct gc_graph *g);

/* The node of that id; GC_NONE: it came later. */
size_t gc_graph_by_id(const struct gc_graph *g, int64_t id);
size_t gc_graph_by_digest(const struct gc_graph *g, struct str digest);

static inline void auto_gc_graph_(struct gc_graph *g)
{
    gc_graph_done(g);
}
