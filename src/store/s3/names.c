#include "store/s3/s3.h"

#include <stdio.h>
#include <stdlib.h>

/* Names are validated and prefixes bounded, so nothing is ever cut. */
static void add(struct s3_name *name, struct str s)
{
    if (s.n > S3_KEY_MAX - name->n)
        abort();
    memcpy(name->text + name->n, s.p, s.n);
    name->n += s.n;
    name->text[name->n] = '\0';
}

static void begin(const struct s3 *s, struct str kind, struct s3_name *name)
{
    name->n = 0;
    add(name, str_of(s3_client_options(s->client)->prefix));
    add(name, kind);
}

static void add_digest(struct s3_name *name, const struct digest *d)
{
    add(name, str_of(digest_algorithm_name(d->algorithm)));
    add(name, STR("/"));
    add(name, digest_hex(d));
}

void s3_blob_name(const struct s3 *s, const struct digest *d, struct s3_name *ret_name)
{
    begin(s, STR(S3_BLOBS), ret_name);
    add_digest(ret_name, d);
}

void s3_quarantine_name(const struct s3 *s, const struct digest *d, struct s3_name *ret_name)
{
    begin(s, STR(S3_QUARANTINE), ret_name);
    add_digest(ret_name, d);
}

void s3_move_name(const struct s3 *s, const struct digest *d, struct s3_name *ret_name)
{
    begin(s, STR(S3_MOVES), ret_name);
    add_digest(ret_name, d);
}

/* A digest has a ':', and no component of a repository's name has one. */
void s3_manifest_name(const struct s3 *s, const struct repo_name *repo, const struct digest *d,
                      struct s3_name *ret_name)
{
    begin(s, STR(S3_MANIFESTS), ret_name);
    add(ret_name, repo_name_str(repo));
    add(ret_name, STR("/"));
    add(ret_name, digest_str(d));
}

/* No component of a repository's name begins with '_'. */
void s3_tag_name(const struct s3 *s, const struct repo_name *repo, const struct tag_name *tag,
                 struct s3_name *ret_name)
{
    begin(s, STR(S3_TAGS), ret_name);
    add(ret_name, repo_name_str(repo));
    add(ret_name, STR(S3_TAGS_DIR));
    add(ret_name, tag_name_str(tag));
}

void s3_upload_name(const struct s3 *s, const struct uuid *id, struct s3_name *ret_name)
{
    begin(s, STR(S3_UPLOADS), ret_name);
    add(ret_name, str_of(id->text));
}

void s3_tail_name(const struct s3 *s, const struct uuid *id, struct s3_name *ret_name)
{
    s3_upload_name(s, id, ret_name);
    add(ret_name, STR(S3_TAIL));
}

void s3_probe_name(const struct s3_client *c, const struct uuid *id, const char *end,
                   struct s3_name *ret_name)
{
    ret_name->n = 0;
    add(ret_name, str_of(s3_client_options(c)->prefix));
    add(ret_name, STR(S3_PROBES));
    add(ret_name, str_of(id->text));
    add(ret_name, str_of(end));
}

void s3_mark_name(const struct s3_client *c, struct s3_name *ret_name)
{
    ret_name->n = 0;
    add(ret_name, str_of(s3_client_options(c)->prefix));
    add(ret_name, STR(S3_MARK));
}

struct str s3_name_below(const struct s3 *s, const struct s3_name *name, struct str prefix)
{
    struct str rest = {name->text, name->n}, own = str_of(s3_client_options(s->client)->prefix);

    if (!str_starts(rest, own))
        return STR_NONE;
    rest = str_sub(rest, own.n, rest.n - own.n);
    if (!str_starts(rest, prefix))
        return STR_NONE;
    return str_sub(rest, prefix.n, rest.n - prefix.n);
}

void s3_place_at(const struct s3_client *c, const struct s3_name *name, uint64_t size_bytes,
                 struct store_place *ret_place)
{
    snprintf(ret_place->bucket, sizeof(ret_place->bucket), "%s", s3_client_options(c)->bucket);
    snprintf(ret_place->key, sizeof(ret_place->key), "%s", name->text);
    ret_place->size_bytes = size_bytes;
}

bool s3_name_digest(struct str below, struct digest *ret_digest)
{
    char text[DIGEST_TEXT_MAX + 1];
    struct str algorithm;

    if (!below.p || !str_cut(&below, '/', &algorithm) ||
        algorithm.n + 1 + below.n > DIGEST_TEXT_MAX)
        return false;
    memcpy(text, algorithm.p, algorithm.n);
    text[algorithm.n] = ':';
    memcpy(text + algorithm.n + 1, below.p, below.n);
    return digest_parse((struct str){text, algorithm.n + 1 + below.n}, ret_digest, ERR_IGNORED) ==
           ERR_OK;
}
