/*
 * The bucket of the reference registry, read. Its s3 driver has the keys that its files have as
 * paths (store/distribution.c), below its rootdirectory:
 *
 *     docker/registry/v2/blobs/<algorithm>/<two digits>/<hex>/data
 *     docker/registry/v2/repositories/<name>/_layers/<algorithm>/<hex>/link
 *     docker/registry/v2/repositories/<name>/_manifests/revisions/<algorithm>/<hex>/link
 *     docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/current/link
 *
 * One list tells of all blobs, and one of all else; a request is made for each tag.
 */
#include "store/s3/s3.h"

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define BASE         "docker/registry/v2/"
#define BLOBS        "blobs/"
#define REPOSITORIES "repositories/"

struct theirs {
    struct store store;
    struct s3_client *client; /* with BASE in its prefix */
};

static struct theirs *theirs_of(struct store *s)
{
    return (struct theirs *)s;
}

/* The longest name is no longer than that of a file there, and prefixes are bounded. */
__attribute__((format(printf, 3, 4))) static void
name_below(const struct theirs *s, struct s3_name *ret_name, const char *fmt, ...)
{
    const char *prefix = s3_client_options(s->client)->prefix;
    va_list ap;
    int n = snprintf(ret_name->text, sizeof(ret_name->text), "%s", prefix);

    va_start(ap, fmt);
    n += vsnprintf(ret_name->text + n, sizeof(ret_name->text) - (size_t)n, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof(ret_name->text))
        abort();
    ret_name->n = (size_t)n;
}

static void data_name(const struct theirs *s, const struct digest *d, struct s3_name *ret_name)
{
    struct str hex = digest_hex(d);

    name_below(s, ret_name, BLOBS "%s/%.2s/" STR_FMT "/data", digest_algorithm_name(d->algorithm),
               hex.p, STR_ARG(hex));
}

/* The digest that the link holds; n is 0: something else. Error: NOT_FOUND. */
static enum err_code read_link(struct theirs *s, const struct s3_name *name,
                               struct digest *ret_digest, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    struct str digest;
    enum err_code code;

    buf_init(&text, DIGEST_TEXT_MAX + 8);
    code = s3_get_into(s->client, name, &text, e);
    digest = buf_str(&text);
    while (digest.n > 0 && (digest.p[digest.n - 1] == '\n' || digest.p[digest.n - 1] == '\r'))
        digest.n--;
    if (code == ERR_CORRUPT ||
        (code == ERR_OK && digest_parse(digest, ret_digest, ERR_IGNORED) != ERR_OK)) {
        ret_digest->n = 0;
        return ERR_OK;
    }
    return code;
}

static enum err_code data_size(struct theirs *s, const struct digest *d, struct s3_name *ret_name,
                               uint64_t *ret_size_bytes, struct err *e)
{
    struct s3_answer a = {0};

    data_name(s, d, ret_name);
    TRY(s3_head(s->client, ret_name, &a, e));
    *ret_size_bytes = a.total_bytes;
    return ERR_OK;
}

/* Where the bytes of a repository's blob are. The link may lead to another digest of the same, for
 * they are kept under sha256. Error: NOT_FOUND. */
static enum err_code find_blob(struct theirs *s, const struct repo_name *repo,
                               const struct digest *d, struct s3_name *ret_name,
                               uint64_t *ret_size_bytes, struct err *e)
{
    enum err_code code = data_size(s, d, ret_name, ret_size_bytes, e);
    struct str hex = digest_hex(d);
    struct digest kept;

    if (code != ERR_NOT_FOUND || d->algorithm == DIGEST_SHA256)
        return code;
    name_below(s, ret_name, REPOSITORIES "%s/_layers/%s/" STR_FMT "/link", repo->text,
               digest_algorithm_name(d->algorithm), STR_ARG(hex));
    TRY(read_link(s, ret_name, &kept, e));
    if (kept.n == 0 || digest_eq(&kept, d))
        return err_set(e, ERR_NOT_FOUND, "no %s", d->text);
    return data_size(s, &kept, ret_name, ret_size_bytes, e);
}

static enum err_code unknown_blob(enum err_code code, struct err *e)
{
    if (code == ERR_NOT_FOUND)
        e->code = code = ERR_BLOB_UNKNOWN;
    return code;
}

/* Asks only for what is not known. */
static enum err_code locate(struct theirs *s, const struct repo_name *repo, const struct digest *d,
                            uint64_t *size_bytes, struct s3_name *ret_name, struct err *e)
{
    data_name(s, d, ret_name);
    if (*size_bytes != UINT64_MAX && d->algorithm == DIGEST_SHA256)
        return ERR_OK;
    return unknown_blob(find_blob(s, repo, d, ret_name, size_bytes, e), e);
}

static enum err_code theirs_blob_stat(struct store *base, const struct repo_name *repo,
                                      const struct digest *d, uint64_t *ret_size_bytes,
                                      struct err *e)
{
    struct s3_name name;

    return unknown_blob(find_blob(theirs_of(base), repo, d, &name, ret_size_bytes, e), e);
}

static enum err_code theirs_blob_open(struct store *base, const struct repo_name *repo,
                                      const struct digest *d, uint64_t known_bytes,
                                      struct reader **ret_reader, uint64_t *ret_size_bytes,
                                      struct err *e)
{
    struct theirs *s = theirs_of(base);
    struct s3_name name;

    TRY(locate(s, repo, d, &known_bytes, &name, e));
    *ret_size_bytes = known_bytes;
    return s3_reader_of(s->client, &name, d, known_bytes, ret_reader, e);
}

static enum err_code theirs_blob_place(struct store *base, const struct repo_name *repo,
                                       const struct digest *d, uint64_t known_bytes,
                                       struct store_place *ret_place, struct err *e)
{
    struct theirs *s = theirs_of(base);
    struct s3_name name;

    TRY(locate(s, repo, d, &known_bytes, &name, e));
    s3_place_at(s->client, &name, known_bytes, ret_place);
    return ERR_OK;
}

static enum err_code theirs_manifest_get(struct store *base, const struct repo_name *repo,
                                         const struct digest *d, struct buf *ret_bytes,
                                         struct err *e)
{
    struct theirs *s = theirs_of(base);
    struct s3_name name;
    enum err_code code;

    (void)repo;
    data_name(s, d, &name);
    code = s3_get_into(s->client, &name, ret_bytes, e);
    if (code == ERR_NOT_FOUND)
        e->code = code = ERR_MANIFEST_UNKNOWN;
    return code;
}

static enum err_code read_tag(struct theirs *s, const struct repo_name *repo,
                              const struct tag_name *tag, struct digest *ret_digest, struct err *e)
{
    struct s3_name name;

    name_below(s, &name, REPOSITORIES "%s/_manifests/tags/%s/current/link", repo->text, tag->text);
    return read_link(s, &name, ret_digest, e);
}

static enum err_code theirs_tag_get(struct store *base, const struct repo_name *repo,
                                    const struct tag_name *tag, struct digest *ret_digest,
                                    struct err *e)
{
    enum err_code code = read_tag(theirs_of(base), repo, tag, ret_digest, e);

    if (code == ERR_NOT_FOUND)
        e->code = code = ERR_MANIFEST_UNKNOWN;
    TRY(code);
    if (ret_digest->n == 0)
        return err_set(e, ERR_CORRUPT, "tag %s of %s does not name a digest", tag->text,
                       repo->text);
    return ERR_OK;
}

/* Finding all that is there. */

struct sized {
    unsigned char algorithm, hash[DIGEST_BYTES_MAX];
    uint64_t size_bytes;
};

struct walk {
    struct theirs *s;
    unsigned kinds;
    store_item_fn fn;
    void *ctx;
    struct sized *data; /* sorted, when all are there */
    size_t n, cap;
    struct s3_together *unsettled; /* what has to be asked for */
};

static struct str below(const struct walk *w, const struct s3_listed *object, struct str dir)
{
    size_t skip = strlen(s3_client_options(w->s->client)->prefix) + dir.n;

    return str_sub((struct str){object->name.text, object->name.n}, skip, object->name.n - skip);
}

static bool digest_from(struct str algorithm, struct str hex, struct digest *ret_digest)
{
    char text[DIGEST_TEXT_MAX + 1];
    int n = snprintf(text, sizeof(text), STR_FMT ":" STR_FMT, STR_ARG(algorithm), STR_ARG(hex));

    return n < (int)sizeof(text) &&
           digest_parse((struct str){text, (size_t)n}, ret_digest, ERR_IGNORED) == ERR_OK;
}

static struct sized sized_of(const struct digest *d, uint64_t size_bytes)
{
    struct sized one = {.algorithm = (unsigned char)d->algorithm, .size_bytes = size_bytes};
    struct str hex = digest_hex(d);

    if (!hex_decode(hex, one.hash, hex.n / 2))
        abort(); /* a struct digest exists only validated */
    return one;
}

static int by_digest(const void *a, const void *b)
{
    return memcmp(a, b, offsetof(struct sized, size_bytes));
}

static enum err_code keep_data(void *ctx, const struct s3_listed *object, struct err *e)
{
    struct walk *w = ctx;
    struct str rest = below(w, object, STR(BLOBS)), algorithm, two, hex;
    struct digest d;

    (void)e;
    if (!str_cut(&rest, '/', &algorithm) || !str_cut(&rest, '/', &two) ||
        !str_cut(&rest, '/', &hex) || !str_eq(rest, STR("data")) ||
        !digest_from(algorithm, hex, &d))
        return ERR_OK;
    if (w->n == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 1024;
        w->data = mem_resize(w->data, w->cap * sizeof(*w->data));
    }
    w->data[w->n++] = sized_of(&d, object->size_bytes);
    return ERR_OK;
}

static bool is_listed(const struct walk *w, const struct digest *d, uint64_t *ret_size_bytes)
{
    struct sized key = sized_of(d, 0);
    const struct sized *at = w->n ? bsearch(&key, w->data, w->n, sizeof(key), by_digest) : NULL;

    if (at)
        *ret_size_bytes = at->size_bytes;
    return at;
}

/* What a blob of that digest, which the list of all does not have, is: pushed since then, kept
 * under another digest, or gone with its images. */
static enum err_code ask(void *ctx, struct store_item *item, struct err *e)
{
    struct theirs *s = ctx;
    struct s3_name name;
    enum err_code code;

    if (item->kind == STORE_TAG)
        return read_tag(s, &item->repo, &item->tag, &item->digest, e);
    if (item->kind == STORE_BLOB)
        return find_blob(s, &item->repo, &item->digest, &name, &item->size_bytes, e);
    code = data_size(s, &item->digest, &name, &item->size_bytes, e);
    return code == ERR_NOT_FOUND ? ERR_OK : code; /* getting it says so */
}

/* "<algorithm>/<hex>/link" */
static enum err_code found_link(struct walk *w, struct store_item *item, struct str rest,
                                struct err *e)
{
    struct str algorithm, hex;

    if (!str_cut(&rest, '/', &algorithm) || !str_cut(&rest, '/', &hex) ||
        !str_eq(rest, STR("link")) || !digest_from(algorithm, hex, &item->digest))
        return ERR_OK;
    if (is_listed(w, &item->digest, &item->size_bytes))
        return w->fn(w->ctx, item, e);
    return s3_together_add(w->unsettled, item, e);
}

/* "<tag>/current/link" */
static enum err_code found_tag(struct walk *w, struct store_item *item, struct str rest,
                               struct err *e)
{
    struct str tag;

    if (!str_cut(&rest, '/', &tag) || !str_eq(rest, STR("current/link")) ||
        tag_name_parse(tag, &item->tag, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    return s3_together_add(w->unsettled, item, e);
}

static enum err_code found(void *ctx, const struct s3_listed *object, struct err *e)
{
    static const struct {
        enum store_kind kind;
        struct str dir;
        enum err_code (*found)(struct walk *w, struct store_item *item, struct str rest,
                               struct err *e);
    } dirs[] = {
        {STORE_BLOB, STR("/_layers/"), found_link},
        {STORE_MANIFEST, STR("/_manifests/revisions/"), found_link},
        {STORE_TAG, STR("/_manifests/tags/"), found_tag},
    };
    struct walk *w = ctx;
    struct str rest = below(w, object, STR(REPOSITORIES));
    const char *own = memmem(rest.p, rest.n, "/_", 2); /* no component of a name begins with '_' */
    struct store_item item = {.modified_ms = object->modified_ms};
    size_t n = own ? (size_t)(own - rest.p) : 0;

    if (repo_name_parse(str_sub(rest, 0, n), &item.repo, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    rest = str_sub(rest, n, rest.n - n);
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        item.kind = dirs[i].kind;
        if ((w->kinds & dirs[i].kind) && str_starts(rest, dirs[i].dir))
            return dirs[i].found(w, &item, str_sub(rest, dirs[i].dir.n, rest.n - dirs[i].dir.n), e);
    }
    return ERR_OK;
}

static enum err_code walk(struct walk *w, struct err *e)
{
    if (w->kinds & (STORE_BLOB | STORE_MANIFEST))
        TRY(s3_list(w->s->client, BLOBS, keep_data, w, e));
    if (w->n > 1)
        qsort(w->data, w->n, sizeof(*w->data), by_digest);
    TRY(s3_list(w->s->client, REPOSITORIES, found, w, e));
    return s3_together_end(w->unsettled, e);
}

static enum err_code theirs_each(struct store *base, unsigned kinds, store_item_fn fn, void *ctx,
                                 struct err *e)
{
    struct walk w = {.s = theirs_of(base), .kinds = kinds, .fn = fn, .ctx = ctx};
    enum err_code code;

    w.unsettled = s3_together_new(ask, w.s, fn, ctx);
    code = walk(&w, e);
    s3_together_free(w.unsettled);
    free(w.data);
    return code;
}

static void theirs_hurry(struct store *base, uint64_t ms)
{
    s3_client_hurry(theirs_of(base)->client, ms);
}

static void theirs_free(struct store *base)
{
    struct theirs *s = theirs_of(base);

    s3_client_free(s->client);
    free(s);
}

static const struct store_driver store_s3_distribution = {
    .name = "bucket of a reference registry",
    .blob_stat = theirs_blob_stat,
    .blob_open = theirs_blob_open,
    .blob_place = theirs_blob_place,
    .manifest_get = theirs_manifest_get,
    .tag_get = theirs_tag_get,
    .each = theirs_each,
    .hurry = theirs_hurry,
    .free = theirs_free,
};

/* There is something: one is enough. */
static enum err_code end_list(void *ctx, const struct s3_listed *object, struct err *e)
{
    (void)object;
    *(bool *)ctx = true;
    return err_set(e, ERR_CONFLICT, "found");
}

static enum err_code look(struct theirs *s, struct err *e)
{
    const struct store_s3_options *o = s3_client_options(s->client);
    bool is_there = false;
    enum err_code code = s3_list(s->client, "", end_list, &is_there, e);

    if (is_there)
        return ERR_OK;
    TRY(code);
    return err_set(e, ERR_NOT_FOUND,
                   "that is not where a reference registry keeps its content: there is nothing "
                   "below '%s'",
                   o->prefix);
}

enum err_code store_s3_distribution_new(const struct store_s3_options *o, struct store **ret_store,
                                        struct err *e)
{
    char prefix[S3_KEY_MAX / 2];
    struct store_s3_options theirs = *o;
    struct theirs *s = NEW(struct theirs);
    enum err_code code = ERR_OK;

    s->store.driver = &store_s3_distribution;
    theirs.prefix = prefix;
    if (snprintf(prefix, sizeof(prefix), "%s" BASE, o->prefix) >= (int)sizeof(prefix))
        code = err_set(e, ERR_CONFIG, "the prefix is longer than any may be");
    if (code == ERR_OK)
        code = s3_client_new(&theirs, &s->client, e);
    if (code == ERR_OK)
        code = look(s, e);
    if (code != ERR_OK) {
        theirs_free(&s->store);
        return err_prefix(e, "bucket '%s'", o->bucket);
    }
    s->store.server = s3_client_server(s->client);
    *ret_store = &s->store;
    return ERR_OK;
}
