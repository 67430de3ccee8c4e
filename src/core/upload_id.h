/*
 * The ids that upload sessions get. An id says when its session was begun, and for which algorithm,
 * and is signed for one repository and one owner with a key that all processes on a database share:
 * so a session costs nothing until its first bytes come, wherever they come. It is a UUID of
 * version 8 (RFC 9562, 5.8): whoever knows an id and nothing else can address its session, as ever.
 */
#pragma once

#include "base/digest.h"
#include "base/name.h"
#include "base/uuid.h"
#include "meta/meta.h"

struct upload_ids;

struct upload_ids *upload_ids_new(void);
void upload_ids_free(struct upload_ids *ids); /* accepts NULL */

/* Before the others: the key, when it is not there yet. Blocks; any thread. Errors:
 * meta_secret()'s. */
ERR_CHECKED enum err_code upload_ids_load(struct upload_ids *ids, struct meta *m, struct err *e);

/* What an id says. */
struct upload_claim {
    const struct repo_name *repo;
    const char *owner;
    enum digest_algorithm algorithm;
    int64_t started_ms; /* wall clock */
};

void upload_id_make(const struct upload_ids *ids, const struct upload_claim *claim,
                    struct uuid *ret_id);

/* claim->repo and claim->owner are given, the others are found in the id. now_ms is the wall clock:
 * an id is read as one of the 17 years before it or after it. False: it was not made for them. */
bool upload_id_read(const struct upload_ids *ids, const struct uuid *id, int64_t now_ms,
                    struct upload_claim *claim);
