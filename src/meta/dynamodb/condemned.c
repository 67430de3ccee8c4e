/*
 * Collection: what is condemned of a repository says so in its own item, so that a push, which
 * touches that item anyway, sees it. "c_since", "c_why" and "c_run".
 *
 * A count says how many manifests name an item. It may be condemned when as many condemned ones do
 * (naming.c finds them): the count is a condition, so that a push fails it, and so is "revived" of
 * the repository, which each revival moves. What a revival brings back in turn may be more than a
 * transaction holds: it is revived first, from the last to the first (commit.c calls for it), so a
 * stop in between has revived too much, never too little. Deletion does not rest on these marks
 * alone: nothing goes that a manifest names.
 */
#include "meta/dynamodb/dynamodb.h"

#include "base/clock.h"
#include "base/mem.h"
#include "meta/referrer_tag.h"

#include <stdlib.h>

#define REVIVE_STEP 40
#define LEFT_MOST   20 /* so many referrers are condemned with a deletion; the others before it */

static struct dynamo_cell *item_cell(struct dynamo_tx *tx, struct str repo,
                                     enum meta_item_kind kind, struct str digest)
{
    return dynamo_cell_of(tx, kind == META_ITEM_MANIFEST ? dynamo_key_manifest(repo, digest)
                                                         : dynamo_key_blob(repo, digest));
}

static const char *mark_of(enum meta_item_kind kind)
{
    return kind == META_ITEM_MANIFEST ? "media" : "size";
}

bool dynamo_is_condemned(const struct dynamo_cell *c)
{
    return dynamo_cell_has(c, "c_since");
}

void dynamo_not_condemned(struct dynamo_cell *c)
{
    static const char *const names[] = {"c_since", "c_why", "c_run"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (dynamo_cell_has(c, names[i]))
            dynamo_cell_unset(c, names[i]);
    }
}

/* One that is condemned stays so since then. */
static void set_condemned(struct dynamo_tx *tx, struct dynamo_cell *c, int64_t since_ms,
                          enum meta_why why, struct str run)
{
    if (!dynamo_is_condemned(c))
        dynamo_cell_set_number(c, "c_since", since_ms);
    dynamo_cell_set_number(c, "c_why", why);
    dynamo_cell_set(&tx->cells, c, "c_run", run.p ? run : STR(""));
}

/* ---- reviving */

void dynamo_revive_cell(struct dynamo_tx *tx, struct dynamo_cell *c, struct str repo)
{
    dynamo_not_condemned(c);
    dynamo_cell_add(dynamo_cell_of(tx, dynamo_key_repo(repo)), "revived", 1);
}

void dynamo_wants_revival(struct dynamo_tx *tx, const struct repo_name *repo, bool manifest,
                          const struct digest *d)
{
    tx->revive = mem_resize(tx->revive, (tx->n_revive + 1) * sizeof(*tx->revive));
    tx->revive[tx->n_revive++] = (struct dynamo_item_at){*repo, *d, manifest};
}

struct revival {
    struct dynamo *d;
    const struct repo_name *repo;
    json_t *seen;                 /* partitions */
    json_t *wanted;               /* keys of a level */
    struct dynamo_item_at *found; /* condemned, from the first to the last */
    size_t n_found, at;
};

static void auto_revival_(struct revival *r)
{
    json_decref(r->seen);
    json_decref(r->wanted);
    free(r->found);
}

static void look_at(struct revival *r, bool manifest, struct str digest)
{
    struct dynamo_key key = manifest ? dynamo_key_manifest(repo_name_str(r->repo), digest)
                                     : dynamo_key_blob(repo_name_str(r->repo), digest);

    if (json_object_get(r->seen, key.pk))
        return;
    json_object_set_new(r->seen, key.pk, json_true());
    json_array_append_new(r->wanted, dynamo_key_json(key.pk, key.sk));
}

static enum err_code see(struct revival *r, const json_t *item, int64_t end_ms, struct err *e)
{
    bool manifest = item_has(item, "media");
    AUTO(dynamo_children) struct dynamo_children children = {NULL, 0};

    if (item_has(item, "c_since")) {
        struct dynamo_item_at at = {.repo = *r->repo, .manifest = manifest};

        TRY(digest_parse(item_get_text(item, "digest"), &at.digest, e));
        r->found = mem_resize(r->found, (r->n_found + 1) * sizeof(*r->found));
        r->found[r->n_found++] = at;
    }
    if (!manifest)
        return ERR_OK;
    TRY(dynamo_children_read(r->d->link, item, end_ms, &children, e));
    for (size_t i = 0; i < children.n; i++)
        look_at(r, children.list[i].manifest, digest_str(&children.list[i].digest));
    return ERR_OK;
}

static enum err_code find_all(struct revival *r, int64_t end_ms, struct err *e)
{
    while (json_array_size(r->wanted) > 0) {
        AUTO(json) json_t *keys = STEAL(r->wanted);
        AUTO(json) json_t *items = NULL;
        const json_t *item;
        size_t i;

        r->wanted = json_array();
        TRY(dynamo_get_many(r->d->link, keys, end_ms, &items, e));
        json_array_foreach(items, i, item) TRY(see(r, item, end_ms, e));
    }
    return ERR_OK;
}

static enum err_code revive_some(struct dynamo_tx *tx, void *ctx, struct err *e)
{
    struct revival *r = ctx;

    for (size_t i = 0; i < REVIVE_STEP && i < r->at; i++) {
        const struct dynamo_item_at *x = &r->found[r->at - 1 - i];
        struct dynamo_cell *c =
            item_cell(tx, repo_name_str(&x->repo),
                      x->manifest ? META_ITEM_MANIFEST : META_ITEM_BLOB, digest_str(&x->digest));

        TRY(dynamo_cell_read(&tx->cells, c, e));
        dynamo_cell_saw(c, "c_since", false);
        if (dynamo_is_condemned(c))
            dynamo_revive_cell(tx, c, repo_name_str(&x->repo));
    }
    return ERR_OK;
}

enum err_code dynamo_revive_named(struct dynamo *d, const struct dynamo_item_at *at, int64_t end_ms,
                                  struct err *e)
{
    AUTO(revival)
    struct revival r = {.d = d, .repo = &at->repo, .seen = json_object(), .wanted = json_array()};

    look_at(&r, at->manifest, digest_str(&at->digest));
    TRY(find_all(&r, end_ms, e));
    for (r.at = r.n_found; r.at > 0; r.at -= r.at < REVIVE_STEP ? r.at : REVIVE_STEP)
        TRY(dynamo_transact(d, end_ms, revive_some, &r, e));
    return ERR_OK;
}

/* Is the manifest that it lives by there, if it lives by any? */
static enum err_code lives(struct dynamo_tx *tx, const struct meta_op *op, bool *ret_lives,
                           struct err *e)
{
    const struct digest *by = op->revive.by;
    struct dynamo_cell *s;

    *ret_lives = true;
    if (!by)
        return ERR_OK;
    s = item_cell(tx, repo_name_str(op->revive.repo), META_ITEM_MANIFEST, digest_str(by));
    TRY(dynamo_cell_read(&tx->cells, s, e));
    dynamo_cell_saw(s, "media", false);
    *ret_lives = dynamo_cell_has(s, "media");
    return ERR_OK;
}

static enum err_code revive(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct str repo = repo_name_str(op->revive.repo);
    struct dynamo_cell *c = item_cell(tx, repo, op->revive.kind, digest_str(op->revive.digest));
    bool revives;

    TRY(dynamo_cell_read(&tx->cells, c, e));
    TRY(lives(tx, op, &revives, e));
    revives = revives && dynamo_is_condemned(c) &&
              (op->revive.why < 0 || dynamo_cell_number(c, "c_why") == op->revive.why);
    if (op->revive.ret_done)
        *op->revive.ret_done = revives;
    if (!revives)
        return ERR_OK;
    dynamo_cell_saw(c, "c_since", false);
    dynamo_cell_saw(c, "c_why", true);
    if (op->revive.since_ms > 0)
        dynamo_cell_set_number(c, "c_since", op->revive.since_ms);
    else
        dynamo_revive_cell(tx, c, repo);
    return ERR_OK;
}

/* ---- what a manifest refers to */

struct long_one {
    struct str prefix;
    char digest[DIGEST_TEXT_MAX + 1];
};

static enum err_code take_long(void *ctx, const json_t *item, struct err *e)
{
    struct long_one *l = ctx;
    struct str digest = item_get_text(item, "digest");

    (void)e;
    if (str_starts(digest, l->prefix))
        (void)!str_copy(digest, l->digest, sizeof(l->digest));
    return ERR_OK;
}

/* Of a tag that has but half of it. "": it is not there. */
static enum err_code find_long(struct dynamo_tx *tx, struct str repo, struct long_one *l,
                               struct err *e)
{
    struct dynamo_held_page page;

    return dynamo_held_each(tx->d->link, repo, true, l->prefix, 1, take_long, l, &page, e);
}

struct subjects {
    struct dynamo_tx *tx;
    struct str repo;
    const struct digest *but; /* NULL: none is left out */
    bool condemned_too;
    bool found; /* out: one is there, and so */
};

static enum err_code look_at_subject(struct subjects *s, struct str digest, struct err *e)
{
    struct dynamo_cell *c;

    if (s->found || digest.n == 0 || (s->but && str_eq(digest, digest_str(s->but))))
        return ERR_OK;
    c = item_cell(s->tx, s->repo, META_ITEM_MANIFEST, digest);
    TRY(dynamo_cell_read(&s->tx->cells, c, e));
    dynamo_cell_saw(c, "media", false);
    if (!s->condemned_too)
        dynamo_cell_saw(c, "c_since", false);
    s->found = dynamo_cell_has(c, "media") && (s->condemned_too || !dynamo_is_condemned(c));
    return ERR_OK;
}

/* *ret_refers: the tag is one of those. */
static enum err_code look_by_tag(struct subjects *s, const char *name, bool *ret_refers,
                                 struct err *e)
{
    char about[DIGEST_TEXT_MAX + 1];
    struct long_one l = {.digest = ""};
    struct tag_name tag;

    *ret_refers = tag_name_parse(str_of(name), &tag, ERR_IGNORED) == ERR_OK &&
                  referrer_tag_about(&tag, about);
    if (!*ret_refers)
        return ERR_OK;
    if (digest_parse(str_of(about), &(struct digest){0}, ERR_IGNORED) == ERR_OK)
        return look_at_subject(s, str_of(about), e);
    l.prefix = str_of(about);
    TRY(find_long(s->tx, s->repo, &l, e));
    return look_at_subject(s, str_of(l.digest), e);
}

/* By its field, and by its tags. *ret_own: it has tags of its own. */
static enum err_code look_at_subjects(struct subjects *s, const struct dynamo_cell *c,
                                      const struct dynamo_tags *tags, bool *ret_own, struct err *e)
{
    struct str field = dynamo_cell_text(c, "subject");
    AUTO(mem) char *subject = field.p ? str_dup(field) : NULL;

    *ret_own = false;
    if (subject)
        TRY(look_at_subject(s, str_of(subject), e));
    for (size_t i = 0; i < tags->n; i++) {
        bool refers;

        TRY(look_by_tag(s, tags->list[i].name, &refers, e));
        *ret_own |= !refers;
    }
    return ERR_OK;
}

/* ---- condemning */

/* *ret_whole: all that name something were found. */
static enum err_code count_condemned(struct dynamo_tx *tx, const struct meta_verdict *v, bool fresh,
                                     int64_t *ret_n, bool *ret_whole, struct err *e)
{
    bool manifest = v->kind == META_ITEM_MANIFEST;
    struct str repo = repo_name_str(v->repo);
    struct dynamo_naming *naming = NULL;
    const struct digest *user;
    enum err_code code = dynamo_naming_get(tx->d, v->repo, fresh, &naming, e);
    int64_t n = 0;
    size_t first;

    TRY(code);
    first = dynamo_naming_first(naming, manifest, v->digest);
    for (size_t i = first; (user = dynamo_naming_at(naming, i, manifest, v->digest)); i++)
        dynamo_cell_want(item_cell(tx, repo, META_ITEM_MANIFEST, digest_str(user)));
    code = dynamo_cells_fetch(&tx->cells, e);
    for (size_t i = first; (user = dynamo_naming_at(naming, i, manifest, v->digest)); i++) {
        const struct dynamo_cell *c = item_cell(tx, repo, META_ITEM_MANIFEST, digest_str(user));

        n += dynamo_cell_has(c, "media") && dynamo_is_condemned(c);
    }
    *ret_whole = !dynamo_naming_damaged(naming, NULL);
    dynamo_naming_unref(tx->d, naming);
    *ret_n = n;
    return code;
}

/* Is it named by condemned ones alone? */
static enum err_code is_unused(struct dynamo_tx *tx, const struct meta_verdict *v,
                               const struct dynamo_cell *c, bool *ret_unused, struct err *e)
{
    struct dynamo_cell *r = dynamo_cell_of(tx, dynamo_key_repo(repo_name_str(v->repo)));
    int64_t uses = dynamo_cell_number(c, "uses"), n = 0;
    bool whole = true;

    *ret_unused = uses == 0;
    if (uses == 0)
        return ERR_OK;
    TRY(dynamo_cell_read(&tx->cells, r, e)); /* before they are */
    dynamo_cell_saw(r, "revived", true);
    tx->looked_beside = true;
    TRY(count_condemned(tx, v, false, &n, &whole, e));
    if (n < uses && whole)
        TRY(count_condemned(tx, v, true, &n, &whole, e));
    *ret_unused = n == uses;
    return ERR_OK;
}

/* All its tags were seen, it is old enough, and its subjects are gone or condemned. */
static enum err_code may_go(struct dynamo_tx *tx, const struct meta_verdict *v,
                            struct dynamo_cell *c, bool *ret_may, struct err *e)
{
    struct str repo = repo_name_str(v->repo);
    struct dynamo_cell *r = dynamo_cell_of(tx, dynamo_key_repo(repo));
    struct subjects subjects = {.tx = tx, .repo = repo};
    AUTO(dynamo_tags) struct dynamo_tags tags = {NULL, 0};
    bool unused;

    *ret_may = false;
    TRY(dynamo_cell_read(&tx->cells, r, e)); /* before its tags are looked at */
    dynamo_cell_saw(r, "version", true);
    TRY(dynamo_see_tags(tx, repo, digest_str(v->digest), 0, &tags, e));
    if (v->seen_version != META_ANY && dynamo_last_tag(&tags) > v->seen_version)
        return ERR_OK;
    dynamo_cell_saw(c, "since", true);
    if (v->before_ms && dynamo_cell_number(c, "since") >= v->before_ms)
        return ERR_OK;
    TRY(look_at_subjects(&subjects, c, &tags, &unused, e));
    *ret_may = !subjects.found;
    return ERR_OK;
}

static enum err_code condemn(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct meta_verdict *v = &op->condemn.verdict;
    struct dynamo_cell *c = item_cell(tx, repo_name_str(v->repo), v->kind, digest_str(v->digest));
    bool may = true;

    *op->condemn.ret_done = false;
    TRY(dynamo_cell_read(&tx->cells, c, e));
    if (!dynamo_cell_has(c, mark_of(v->kind)))
        return ERR_OK;
    dynamo_cell_saw(c, "c_since", false);
    if (dynamo_is_condemned(c))
        return ERR_OK;
    TRY(is_unused(tx, v, c, &may, e));
    if (may && v->kind == META_ITEM_MANIFEST)
        TRY(may_go(tx, v, c, &may, e));
    if (!may)
        return ERR_OK;
    dynamo_cell_saw(c, mark_of(v->kind), false);
    dynamo_cell_saw(c, "uses", true);
    set_condemned(tx, c, v->now_ms, v->kind == META_ITEM_BLOB ? META_WHY_UNUSED : v->why, v->run);
    *op->condemn.ret_done = true;
    return ERR_OK;
}

static bool is_since(struct dynamo_cell *c, int64_t until_ms)
{
    dynamo_cell_saw(c, "c_since", true);
    return dynamo_is_condemned(c) && dynamo_cell_number(c, "c_since") <= until_ms;
}

static enum err_code not_any_more(const struct digest *d, struct err *e)
{
    return err_set(e, ERR_CONFLICT, "%s was revived, or its subject is there", d->text);
}

enum err_code dynamo_condemned_blob(struct dynamo_cell *c, const struct digest *d, int64_t until_ms,
                                    struct err *e)
{
    return is_since(c, until_ms) ? ERR_OK : not_any_more(d, e);
}

enum err_code dynamo_condemned_manifest(struct dynamo_tx *tx, struct str repo,
                                        struct dynamo_cell *c, const struct digest *d,
                                        const struct dynamo_tags *tags, int64_t until_ms,
                                        struct err *e)
{
    struct subjects subjects = {.tx = tx, .repo = repo, .condemned_too = true};
    bool unused;

    if (!is_since(c, until_ms))
        return not_any_more(d, e);
    TRY(look_at_subjects(&subjects, c, tags, &unused, e));
    return subjects.found ? not_any_more(d, e) : ERR_OK;
}

enum err_code dynamo_condemned(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    return op->kind == META_CONDEMN ? condemn(tx, op, e) : revive(tx, op, e);
}

void dynamo_condemned_wants(struct dynamo_tx *tx, const struct meta_op *op)
{
    const struct meta_verdict *v = &op->condemn.verdict;
    struct str repo;

    if (op->kind == META_CONDEMN) {
        dynamo_cell_want(item_cell(tx, repo_name_str(v->repo), v->kind, digest_str(v->digest)));
    } else if (op->kind == META_REVIVE) {
        repo = repo_name_str(op->revive.repo);
        dynamo_cell_want(item_cell(tx, repo, op->revive.kind, digest_str(op->revive.digest)));
        if (op->revive.by)
            dynamo_cell_want(item_cell(tx, repo, META_ITEM_MANIFEST, digest_str(op->revive.by)));
    }
}

/* ---- what a deletion leaves */

static enum err_code leave_child(struct dynamo_tx *tx, const struct repo_name *repo,
                                 const struct digest *d, int64_t now_ms, struct err *e)
{
    struct dynamo_cell *c = item_cell(tx, repo_name_str(repo), META_ITEM_MANIFEST, digest_str(d));
    AUTO(dynamo_tags) struct dynamo_tags tags = {NULL, 0};

    TRY(dynamo_cell_read(&tx->cells, c, e));
    if (!dynamo_cell_has(c, "media"))
        return ERR_OK;
    dynamo_cell_saw(c, "media", false);
    dynamo_cell_saw(c, "uses", true);
    if (dynamo_cell_number(c, "uses") > 0)
        return ERR_OK;
    TRY(dynamo_see_tags(tx, repo_name_str(repo), digest_str(d), 1, &tags, e));
    if (tags.n > 0)
        return ERR_OK;
    dynamo_cell_saw(c, "c_since", false);
    set_condemned(tx, c, now_ms, META_WHY_CHILD, STR(""));
    return ERR_OK;
}

enum err_code dynamo_leave_children(struct dynamo_tx *tx, const struct repo_name *repo,
                                    const struct dynamo_children *children, size_t from, size_t to,
                                    struct err *e)
{
    int64_t now_ms = clock_wall_ms();

    for (size_t i = from; i < to; i++) {
        if (children->list[i].manifest)
            dynamo_cell_want(item_cell(tx, repo_name_str(repo), META_ITEM_MANIFEST,
                                       digest_str(&children->list[i].digest)));
    }
    for (size_t i = from; i < to; i++) {
        if (children->list[i].manifest)
            TRY(leave_child(tx, repo, &children->list[i].digest, now_ms, e));
    }
    return ERR_OK;
}

struct leaving {
    const struct repo_name *repo;
    const struct digest *subject;
    const struct dynamo_fence *fence; /* where it is no part itself */
    struct referrer_tags tags;
    size_t most, n; /* marked in this transaction */
};

/* Unless it is the subject itself, has tags of its own, or refers to something else that is there.
 */
static enum err_code leave_referrer(struct dynamo_tx *tx, struct leaving *l, struct str digest,
                                    struct err *e)
{
    struct str repo = repo_name_str(l->repo);
    struct dynamo_cell *c = item_cell(tx, repo, META_ITEM_MANIFEST, digest);
    struct subjects others = {.tx = tx, .repo = repo, .but = l->subject, .condemned_too = true};
    AUTO(dynamo_tags) struct dynamo_tags tags = {NULL, 0};
    bool own;

    if (l->n == l->most || str_eq(digest, digest_str(l->subject)))
        return ERR_OK;
    TRY(dynamo_cell_read(&tx->cells, c, e));
    if (!dynamo_cell_has(c, "media") ||
        (dynamo_is_condemned(c) && dynamo_cell_number(c, "c_why") == META_WHY_REFERRER))
        return ERR_OK;
    TRY(dynamo_see_tags(tx, repo, digest, 0, &tags, e));
    TRY(look_at_subjects(&others, c, &tags, &own, e));
    if (own || others.found)
        return ERR_OK;
    dynamo_cell_saw(c, "media", false);
    dynamo_cell_saw(c, "c_since", false);
    set_condemned(tx, c, clock_wall_ms(), META_WHY_REFERRER, STR(""));
    l->n++;
    return ERR_OK;
}

static enum err_code leave_listed(struct dynamo_tx *tx, struct leaving *l, struct err *e)
{
    struct dynamo_key key =
        dynamo_key_referrer(repo_name_str(l->repo), digest_str(l->subject), STR(""));
    AUTO(dynamo_cursor)
    struct dynamo_cursor c = {.range = {.partition = key.pk, .prefix = "d#"}};
    json_t *item;

    for (;; dynamo_cursor_step(&c)) {
        TRY(dynamo_cursor_peek(tx->d->link, &c, tx->cells.end_ms, &item, e));
        if (!item || l->n == l->most)
            return ERR_OK;
        TRY(leave_referrer(tx, l, item_get_text(item, "digest"), e));
    }
}

static enum err_code leave_signatures(struct dynamo_tx *tx, struct leaving *l, struct err *e)
{
    for (size_t i = 0; i < REFERRER_TAGS; i++) {
        struct dynamo_cell *c;
        AUTO(mem) char *digest = NULL;

        if (!l->tags.names[i][0])
            continue;
        c = dynamo_cell_of(tx, dynamo_key_tag(repo_name_str(l->repo), str_of(l->tags.names[i])));
        TRY(dynamo_cell_read(&tx->cells, c, e));
        if (!dynamo_cell_has(c, "digest"))
            continue;
        digest = str_dup(dynamo_cell_text(c, "digest"));
        TRY(leave_referrer(tx, l, str_of(digest), e));
    }
    return ERR_OK;
}

static enum err_code leave_some(struct dynamo_tx *tx, struct leaving *l, struct err *e)
{
    l->n = 0;
    referrer_tags_of(l->subject, &l->tags);
    for (size_t i = 0; i < REFERRER_TAGS; i++) {
        if (l->tags.names[i][0])
            dynamo_cell_want(dynamo_cell_of(
                tx, dynamo_key_tag(repo_name_str(l->repo), str_of(l->tags.names[i]))));
    }
    TRY(leave_signatures(tx, l, e));
    return leave_listed(tx, l, e);
}

enum err_code dynamo_leave_referrers(struct dynamo_tx *tx, const struct repo_name *repo,
                                     const struct digest *subject, struct err *e)
{
    struct leaving l = {.repo = repo, .subject = subject, .most = LEFT_MOST};

    TRY(leave_some(tx, &l, e));
    if (l.n < LEFT_MOST)
        return ERR_OK;
    tx->wants_leave = true;
    return err_set(e, ERR_CONFLICT, "manifest %s has too many referrers to go at once",
                   subject->text);
}

static enum err_code leave(struct dynamo_tx *tx, void *ctx, struct err *e)
{
    struct leaving *l = ctx;

    TRY(leave_some(tx, l, e));
    return dynamo_fence(tx, l->fence, e);
}

enum err_code dynamo_leave(struct dynamo *d, const struct repo_name *repo,
                           const struct digest *subject, const struct dynamo_fence *fence,
                           int64_t end_ms, struct err *e)
{
    struct leaving l = {
        .repo = repo, .subject = subject, .fence = fence, .most = LEFT_MOST, .n = LEFT_MOST};

    while (l.n == LEFT_MOST)
        TRY(dynamo_transact(d, end_ms, leave, &l, e));
    return ERR_OK;
}

/* ---- reads */

/* Manifests have no numbers here: the first of the digest's hash are, 63 bits. */
static int64_t id_of(const struct digest *d)
{
    struct str hex = digest_hex(d);
    uint64_t id = 0;

    for (size_t i = 0; i < 16 && i < hex.n; i++)
        id = id << 4 | (uint64_t)(hex.p[i] <= '9' ? hex.p[i] - '0' : hex.p[i] - 'a' + 10);
    return (int64_t)(id >> 1);
}

static enum err_code repo_is(struct dynamo *d, const struct repo_name *repo, int64_t *ret_version,
                             struct err *e)
{
    struct dynamo_key key = dynamo_key_repo(repo_name_str(repo));
    AUTO(json) json_t *item = NULL;

    TRY(dynamo_get(d->link, &key, dynamo_link_end(d->link), &item, e));
    if (!item_has(item, "name"))
        return err_tell(e, ERR_NAME_UNKNOWN, "no repository %s", repo->text);
    *ret_version = item_get_number(item, "version");
    return ERR_OK;
}

struct reading {
    struct dynamo *d;
    bool manifest;
    const struct dynamo_naming *naming;
    struct meta_use_list l;
};

static void add_users(struct reading *r, struct meta_use *u)
{
    struct meta_use_list *l = &r->l;
    const struct digest *user;
    size_t first = dynamo_naming_first(r->naming, r->manifest, &u->digest), n = 0;

    while (dynamo_naming_at(r->naming, first + n, r->manifest, &u->digest))
        n++;
    u->users = l->n_users;
    u->n_users = n;
    l->users = mem_resize(l->users, (l->n_users + n + 1) * sizeof(*l->users));
    for (size_t i = 0; i < n; i++) {
        user = dynamo_naming_at(r->naming, first + i, r->manifest, &u->digest);
        l->users[l->n_users++] = id_of(user);
    }
}

static enum err_code size_of(struct reading *r, const json_t *item, uint64_t *ret_bytes,
                             struct err *e)
{
    AUTO(buf) struct buf bytes = {0};

    if (!r->manifest) {
        *ret_bytes = (uint64_t)item_get_number(item, "size");
        return ERR_OK;
    }
    buf_init(&bytes, DYNAMO_EDGES_MAX);
    TRY(dynamo_text_read(r->d->link, item, "bytes", dynamo_link_end(r->d->link), &bytes, e));
    *ret_bytes = bytes.n;
    return ERR_OK;
}

static enum err_code add_use(void *ctx, const json_t *item, struct err *e)
{
    struct reading *r = ctx;
    struct str subject = item_get_text(item, "subject");
    struct meta_use u = {.since_ms = item_get_number(item, "since"),
                         .condemned = item_has(item, "c_since"),
                         .why = (enum meta_why)item_get_number(item, "c_why"),
                         .condemned_ms = item_get_number(item, "c_since"),
                         .by_run = item_get_text(item, "c_run").n > 0};

    if (digest_parse(item_get_text(item, "digest"), &u.digest, ERR_IGNORED) != ERR_OK ||
        (subject.n > 0 && digest_parse(subject, &u.subject, ERR_IGNORED) != ERR_OK))
        return err_set(e, ERR_CORRUPT, "table %s: damaged digest", dynamo_link_where(r->d->link));
    TRY(size_of(r, item, &u.size_bytes, e));
    if (r->manifest) {
        u.id = id_of(&u.digest);
        u.damaged = dynamo_naming_damaged(r->naming, &u.digest);
    }
    add_users(r, &u);
    if ((r->l.n & (r->l.n - 1)) == 0) /* 0, or a power of two */
        r->l.rows = mem_resize(r->l.rows, (r->l.n ? 2 * r->l.n : 1) * sizeof(*r->l.rows));
    r->l.rows[r->l.n++] = u;
    return ERR_OK;
}

/* A page of which nothing is there any more is none to go on from. */
static enum err_code read_page(struct reading *r, const struct repo_name *repo, struct str after,
                               size_t limit, struct err *e)
{
    struct dynamo_held_page page = {.more = true};

    if (!str_copy(after, page.last, sizeof(page.last)))
        return err_set(e, ERR_INTERNAL, "a place in a repository that is none");
    while (page.more && r->l.n == 0)
        TRY(dynamo_held_each(r->d->link, repo_name_str(repo), r->manifest, str_of(page.last), limit,
                             add_use, r, &page, e));
    r->l.more = page.more;
    return ERR_OK;
}

static enum err_code uses(struct meta *m, const struct repo_name *repo, enum meta_item_kind kind,
                          struct str after, size_t limit, struct meta_use_list *ret_list,
                          struct err *e)
{
    struct dynamo *d = dynamo_of(m);
    struct reading r = {.d = d, .manifest = kind == META_ITEM_MANIFEST};
    struct dynamo_naming *naming = NULL;
    enum err_code code;
    int64_t version;

    TRY(repo_is(d, repo, &version, e));
    TRY(dynamo_naming_get(d, repo, after.n == 0, &naming, e));
    r.naming = naming;
    code = read_page(&r, repo, after, limit, e);
    dynamo_naming_unref(d, naming);
    if (code != ERR_OK) {
        meta_use_list_done(&r.l);
        return code;
    }
    *ret_list = r.l;
    return ERR_OK;
}

static enum err_code add_tag(struct dynamo *d, const json_t *item, struct meta_tag_list *l,
                             struct err *e)
{
    struct digest manifest;
    struct meta_tag tag;

    if (tag_name_parse(item_get_text(item, "sk"), &tag.name, ERR_IGNORED) != ERR_OK ||
        digest_parse(item_get_text(item, "digest"), &manifest, ERR_IGNORED) != ERR_OK)
        return err_set(e, ERR_CORRUPT, "table %s: damaged tag", dynamo_link_where(d->link));
    tag.manifest_id = id_of(&manifest);
    if ((l->n & (l->n - 1)) == 0) /* 0, or a power of two */
        l->rows = mem_resize(l->rows, (l->n ? 2 * l->n : 1) * sizeof(*l->rows));
    l->rows[l->n++] = tag;
    return ERR_OK;
}

/* The version is read first. */
static enum err_code tag_targets(struct meta *m, const struct repo_name *repo, struct str after,
                                 size_t limit, struct meta_tag_list *ret_list, int64_t *ret_version,
                                 struct err *e)
{
    struct dynamo *d = dynamo_of(m);
    struct dynamo_key key = dynamo_key_tag(repo_name_str(repo), after);
    AUTO(dynamo_cursor)
    struct dynamo_cursor c = {.range = {.partition = key.pk,
                                        .above = after.n > 0 ? key.sk : NULL,
                                        .page = limit < 1000 ? limit + 1 : 0}};
    AUTO(meta_tags) struct meta_tag_list l = {0};
    int64_t version;
    json_t *item;

    TRY(repo_is(d, repo, &version, e));
    for (;; dynamo_cursor_step(&c)) {
        TRY(dynamo_cursor_peek(d->link, &c, dynamo_link_end(d->link), &item, e));
        if (!item || l.n == limit)
            break;
        TRY(add_tag(d, item, &l, e));
    }
    l.more = item != NULL;
    *ret_version = version;
    *ret_list = l;
    l = (struct meta_tag_list){0};
    return ERR_OK;
}

static enum err_code manifest_condemned(struct meta *m, const struct repo_name *repo,
                                        const struct digest *d, int64_t *ret_since_ms,
                                        struct err *e)
{
    struct dynamo_key key = dynamo_key_manifest(repo_name_str(repo), digest_str(d));
    struct dynamo_link *link = dynamo_of(m)->link;
    AUTO(json) json_t *item = NULL;

    TRY(dynamo_get(link, &key, dynamo_link_end(link), &item, e));
    *ret_since_ms = item_get_number(item, "c_since");
    return ERR_OK;
}

void dynamo_condemned_fill(struct meta_driver *d)
{
    d->manifest_condemned = manifest_condemned;
    d->uses = uses;
    d->tag_targets = tag_targets;
}
