/*
 * The index of files (src/files) wants to know of each manifest that is pushed: a record of the
 * collection, by "REPOSITORY@DIGEST", goes with the transaction of the push. A job reads it.
 */
#pragma once

#include "core/own_repo.h"
#include "core/registry.h"

#define INDEX_WISHES   STR("files.waiting")
#define INDEX_WISH_JOB "files.new" /* of each process: there are some */
#define INDEX_KEY_MAX  (REPO_NAME_MAX + 1 + DIGEST_TEXT_MAX)

/* The repository where the index keeps its content. */
#define INDEX_REPO OWN_REPO_PREFIX "files"

/* "REPOSITORY@DIGEST", cut when it is none of these. */
void index_key(const struct repo_name *repo, const struct digest *d,
               char ret_key[static INDEX_KEY_MAX + 1]);

/* Adds the operation to ops, and returns how many it added: none, when there is no index. key lives
 * as long as the operations. */
size_t index_wish(const struct registry *r, const struct repo_name *repo, const struct digest *d,
                  char ret_key[static INDEX_KEY_MAX + 1], struct meta_op *ops);

/* The transaction is done. Never blocks for long. */
void index_wished(struct registry *r);
