/*
 * The one table: where everything lies. An item is found by its partition (attribute "pk") and its
 * place in it ("sk"), which sorts bytewise.
 *
 *     repos#H            REPOSITORY     version, manifests, bytes, tags; pushed, pushed_tag: when a
 * tag was pushed last, and which; H: of 16 shards that of the first component of the name. Of one
 * that is gone the version stays, without a name blob#DIGEST        REPOSITORY     size: it is a
 * blob of it; uses: manifests that name it manifest#R#DIGEST  0              media, bytes, edges,
 * subject; uses: indexes that name it t#TAG          a tag that points to it, and its version
 *     tags#R             TAG            digest, version
 *     holds#R            b#DIGEST       it may have the blob: the item of that says so
 *                        m#DIGEST       likewise a manifest
 *     moves#R            TAG#VERSION    what happened to a tag; in the index g_age by time
 *     referrers#R#S      d#DIGEST       a row of the list of subject S
 *                        a#TYPE#DIGEST  the same by the hash of its artifact type
 *     projections#R      TAG            version, digest; in the index g_age by age
 *     upload#ID          0              in the index g_age by start or finish
 *     records#COLLECTION KEY            value, version
 *     sign#KEY#NUMBER    0              the record of the replica of that key is there
 *     quota#SPACE        0              n: commits that were checked against a quota
 *     audit#S            TIME#ID        an entry, in one of 4 shards; in the indexes g_* as well
 *     audit              ids            n: the last id that was given away
 *     jobs#S             KIND KEY       a job; while it waits or runs in the index g_age
 *     removed#DIGEST     REPOSITORY     n: links that came; while its content goes, its state; "*":
 *                                       of all repositories; in the index g_age by state and age
 *     text#ID            NUMBER         a part of what is too large for its item
 *     table              layout         version of this layout
 *
 * Attribute "k" is a letter for the kind of item, for those that meta_rows() lists.
 */
#pragma once

#include "base/digest.h"
#include "base/name.h"
#include "base/uuid.h"

#define DYNAMO_PK_MAX 700
#define DYNAMO_SK_MAX 1024 /* "Quotas": of a sort key */

#define DYNAMO_REPO_SHARDS  16
#define DYNAMO_AGE_SHARDS   4 /* of g_age */
#define DYNAMO_AUDIT_SHARDS 4
#define DYNAMO_JOB_SHARDS   4
#define DYNAMO_SHARDS_MOST  16

struct dynamo_key {
    char pk[DYNAMO_PK_MAX + 1], sk[DYNAMO_SK_MAX + 1];
    bool cut; /* it did not fit: nothing has this key */
};

struct dynamo_key dynamo_key_repo(struct str repo);
struct dynamo_key dynamo_key_blob(struct str repo, struct str digest);
struct dynamo_key dynamo_key_manifest(struct str repo, struct str digest);
struct dynamo_key dynamo_key_held(struct str repo, bool manifest, struct str digest);
struct dynamo_key dynamo_key_tag_of(struct str repo, struct str digest, struct str tag);
struct dynamo_key dynamo_key_tag(struct str repo, struct str tag);
struct dynamo_key dynamo_key_move(struct str repo, struct str tag, int64_t version);
struct dynamo_key dynamo_key_referrer(struct str repo, struct str subject, struct str digest);
struct dynamo_key dynamo_key_referrer_typed(struct str repo, struct str subject, struct str type,
                                            struct str digest);
struct dynamo_key dynamo_key_projection(struct str repo, struct str tag);
struct dynamo_key dynamo_key_upload(struct str id);
struct dynamo_key dynamo_key_record(struct str collection, struct str key);
struct dynamo_key dynamo_key_sign(struct str key, unsigned i);
struct dynamo_key dynamo_key_quota(struct str space);
struct dynamo_key dynamo_key_job(struct str kind, struct str key);
struct dynamo_key dynamo_key_removed(struct str digest, struct str place); /* "": of all */
struct dynamo_key dynamo_key_text(const struct uuid *id, size_t part);

#define DYNAMO_HELD_PREFIX(manifest) ((manifest) ? "m#" : "b#")

/* The partition of shard i, and how a shard is chosen. */
void dynamo_repo_partition(unsigned shard, char dst[static DYNAMO_PK_MAX + 1]);
void dynamo_job_partition(unsigned shard, char dst[static DYNAMO_PK_MAX + 1]);
unsigned dynamo_repo_shard(struct str repo); /* or namespace */
unsigned dynamo_shard_of(struct str text, unsigned shards);

/* A number as text that sorts as numbers do, from INT64_MIN on. */
#define DYNAMO_SORTED 20
void dynamo_sorted(int64_t v, char dst[static DYNAMO_SORTED]);

/* The artifact type in a sort key, with what stands around it: "a#HASH#". */
#define DYNAMO_TYPE_SIZE 40
void dynamo_type_prefix(struct str type, char dst[static DYNAMO_TYPE_SIZE]);
