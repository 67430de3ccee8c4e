#include "store/s3/s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* No digest has a '_'. */
void s3_moves_below(const struct digest *d, char ret_below[static S3_MOVES_BELOW_MAX])
{
    struct str hex = digest_hex(d);

    snprintf(ret_below, S3_MOVES_BELOW_MAX, S3_MOVES "%s/" STR_FMT "_",
             digest_algorithm_name(d->algorithm), STR_ARG(hex));
}

void s3_move_name(const struct s3 *s, const struct digest *d, const struct s3_upload_key *from,
                  struct s3_name *ret_name)
{
    char below[S3_MOVES_BELOW_MAX];

    s3_moves_below(d, below);
    begin(s, str_of(below), ret_name);
    if (from)
        add(ret_name, str_of(from->text));
}

bool s3_move_name_parse(const struct s3 *s, const struct s3_name *name, struct digest *ret_digest,
                        struct s3_upload_key *ret_from)
{
    struct str below = s3_name_below(s, name, STR(S3_MOVES)), digest;
    struct uuid id;

    return below.p && str_cut(&below, '_', &digest) && s3_name_digest(digest, ret_digest) &&
           s3_upload_key_parse(below, ret_from, &id);
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

/* What no other key has in it, ever. */
static uint64_t once(void)
{
    uint64_t n;

    random_bytes(&n, sizeof(n));
    return n;
}

void s3_parts_key(const struct uuid *id, bool first, struct s3_upload_key *ret_key)
{
    if (first)
        snprintf(ret_key->text, sizeof(ret_key->text), "%s", id->text);
    else
        snprintf(ret_key->text, sizeof(ret_key->text), "%s_%016llx", id->text,
                 (unsigned long long)once());
}

void s3_tail_key(const struct uuid *id, uint64_t turn, uint32_t number,
                 struct s3_upload_key *ret_key)
{
    snprintf(ret_key->text, sizeof(ret_key->text), "%s" S3_TAIL "_%016llx%08x_%016llx", id->text,
             (unsigned long long)turn, number, (unsigned long long)once());
}

bool s3_is_tail(const struct s3_upload_key *key)
{
    return strncmp(key->text + UUID_TEXT, S3_TAIL, sizeof(S3_TAIL) - 1) == 0;
}

uint32_t s3_tail_number(const struct s3_upload_key *key)
{
    const size_t at = UUID_TEXT + sizeof(S3_TAIL "_") - 1 + 16;
    char hex[9];

    if (strlen(key->text) != S3_UPLOAD_KEY_MAX || !s3_is_tail(key))
        return 0;
    memcpy(hex, key->text + at, 8);
    hex[8] = '\0';
    return (uint32_t)strtoul(hex, NULL, 16);
}

static bool is_ours(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

bool s3_upload_key_parse(struct str below, struct s3_upload_key *ret_key, struct uuid *ret_id)
{
    if (!below.p || below.n < UUID_TEXT || below.n > S3_UPLOAD_KEY_MAX ||
        !uuid_parse(str_sub(below, 0, UUID_TEXT), ret_id) ||
        (below.n > UUID_TEXT && below.p[UUID_TEXT] != '_'))
        return false;
    for (size_t i = UUID_TEXT; i < below.n; i++) {
        if (!is_ours(below.p[i]))
            return false;
    }
    return str_copy(below, ret_key->text, sizeof(ret_key->text));
}

void s3_upload_name(const struct s3 *s, const struct s3_upload_key *key, struct s3_name *ret_name)
{
    begin(s, STR(S3_UPLOADS), ret_name);
    add(ret_name, str_of(key->text));
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

void s3_original_name(const struct s3 *s, const struct store_original_name *name,
                      struct s3_name *ret_name)
{
    begin(s, STR(STORE_ORIGINALS), ret_name);
    add(ret_name, (struct str){name->text, name->n});
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
