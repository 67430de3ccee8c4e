#include "meta/dynamodb/key.h"

#include <stdio.h>

/* FNV-1a: the same on every machine and for ever. */
unsigned dynamo_shard_of(struct str text, unsigned shards)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < text.n; i++)
        h = (h ^ (unsigned char)text.p[i]) * 0x100000001b3u;
    return (unsigned)((h ^ h >> 32) % shards);
}

/* All of a namespace in one shard, so that what it holds is a range of it. */
unsigned dynamo_repo_shard(struct str repo)
{
    struct str first;

    str_cut(&repo, '/', &first);
    return dynamo_shard_of(first, DYNAMO_REPO_SHARDS);
}

void dynamo_repo_partition(unsigned shard, char dst[static DYNAMO_PK_MAX + 1])
{
    snprintf(dst, DYNAMO_PK_MAX + 1, "repos#%x", shard);
}

void dynamo_sorted(int64_t v, char dst[static DYNAMO_SORTED])
{
    snprintf(dst, DYNAMO_SORTED, "%016llx", (unsigned long long)v ^ 1ull << 63);
}

void dynamo_type_prefix(struct str type, char dst[static DYNAMO_TYPE_SIZE])
{
    struct digest d;

    digest_of(DIGEST_SHA256, type.p ? type.p : "", type.n, &d);
    snprintf(dst, DYNAMO_TYPE_SIZE, "a#%.32s#", digest_hex(&d).p);
}

/* "KIND", and "#" with each that is not NULL behind it. */
static struct dynamo_key key_of(const char *kind, struct str a, struct str b)
{
    struct dynamo_key k = {.cut = strlen(kind) + a.n + b.n + 2 > DYNAMO_PK_MAX};
    const struct str parts[] = {a, b};
    size_t n = strlen(kind);

    if (k.cut)
        return k;
    memcpy(k.pk, kind, n);
    for (size_t i = 0; i < 2 && parts[i].p; i++) {
        k.pk[n++] = '#';
        memcpy(k.pk + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    return k;
}

static void set_sort(struct dynamo_key *k, const char *prefix, struct str rest)
{
    if (strlen(prefix) + rest.n > DYNAMO_SK_MAX)
        k->cut = true;
    else
        snprintf(k->sk, sizeof(k->sk), "%s" STR_FMT, prefix, STR_ARG(rest));
}

static struct dynamo_key with_sort(struct dynamo_key k, const char *prefix, struct str rest)
{
    set_sort(&k, prefix, rest);
    return k;
}

struct dynamo_key dynamo_key_repo(struct str repo)
{
    struct dynamo_key k = {.cut = false};

    dynamo_repo_partition(dynamo_repo_shard(repo), k.pk);
    set_sort(&k, "", repo);
    return k;
}

struct dynamo_key dynamo_key_blob(struct str repo, struct str digest)
{
    return with_sort(key_of("blob", digest, STR_NONE), "", repo);
}

struct dynamo_key dynamo_key_manifest(struct str repo, struct str digest)
{
    return with_sort(key_of("manifest", repo, digest), "0", STR(""));
}

struct dynamo_key dynamo_key_held(struct str repo, bool manifest, struct str digest)
{
    return with_sort(key_of("holds", repo, STR_NONE), DYNAMO_HELD_PREFIX(manifest), digest);
}

struct dynamo_key dynamo_key_tag_of(struct str repo, struct str digest, struct str tag)
{
    return with_sort(key_of("manifest", repo, digest), "t#", tag);
}

struct dynamo_key dynamo_key_tag(struct str repo, struct str tag)
{
    return with_sort(key_of("tags", repo, STR_NONE), "", tag);
}

struct dynamo_key dynamo_key_move(struct str repo, struct str tag, int64_t version)
{
    struct dynamo_key k = key_of("moves", repo, STR_NONE);
    char sorted[DYNAMO_SORTED];

    dynamo_sorted(version, sorted);
    k.cut = k.cut || tag.n + 1 + strlen(sorted) > DYNAMO_SK_MAX;
    if (!k.cut)
        snprintf(k.sk, sizeof(k.sk), STR_FMT "#%s", STR_ARG(tag), sorted);
    return k;
}

struct dynamo_key dynamo_key_referrer(struct str repo, struct str subject, struct str digest)
{
    return with_sort(key_of("referrers", repo, subject), "d#", digest);
}

struct dynamo_key dynamo_key_referrer_typed(struct str repo, struct str subject, struct str type,
                                            struct str digest)
{
    char prefix[DYNAMO_TYPE_SIZE];

    dynamo_type_prefix(type, prefix);
    return with_sort(key_of("referrers", repo, subject), prefix, digest);
}

struct dynamo_key dynamo_key_projection(struct str repo, struct str tag)
{
    return with_sort(key_of("projections", repo, STR_NONE), "", tag);
}

struct dynamo_key dynamo_key_upload(struct str id)
{
    return with_sort(key_of("upload", id, STR_NONE), "0", STR(""));
}

struct dynamo_key dynamo_key_record(struct str collection, struct str key)
{
    return with_sort(key_of("records", collection, STR_NONE), "", key);
}

/* A partition each: they are many because they are asked for often. */
struct dynamo_key dynamo_key_sign(struct str key, unsigned i)
{
    char number[16];

    snprintf(number, sizeof(number), "%u", i);
    return with_sort(key_of("sign", key, str_of(number)), "0", STR(""));
}

struct dynamo_key dynamo_key_quota(struct str space)
{
    return with_sort(key_of("quota", space.p ? space : STR(""), STR_NONE), "0", STR(""));
}

void dynamo_job_partition(unsigned shard, char dst[static DYNAMO_PK_MAX + 1])
{
    snprintf(dst, DYNAMO_PK_MAX + 1, "jobs#%u", shard);
}

/* "KIND KEY" sorts by both: kinds have no character below the blank. */
struct dynamo_key dynamo_key_job(struct str kind, struct str key)
{
    struct dynamo_key k = {.cut = kind.n + key.n + 1 > DYNAMO_SK_MAX};

    dynamo_job_partition(dynamo_shard_of(key, DYNAMO_JOB_SHARDS), k.pk);
    if (!k.cut)
        snprintf(k.sk, sizeof(k.sk), STR_FMT " " STR_FMT, STR_ARG(kind), STR_ARG(key));
    return k;
}

struct dynamo_key dynamo_key_removed(struct str digest, struct str place)
{
    return with_sort(key_of("removed", digest, STR_NONE), "", place.n > 0 ? place : STR("*"));
}

struct dynamo_key dynamo_key_text(const struct uuid *id, size_t part)
{
    char number[24];

    snprintf(number, sizeof(number), "%06zu", part);
    return with_sort(key_of("text", str_of(id->text), STR_NONE), number, STR(""));
}
