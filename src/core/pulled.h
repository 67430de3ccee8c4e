/*
 * When tags and manifests were pulled last, for retention (`keep_pulled`). A pull leaves a note in
 * memory, which costs it less than a microsecond and never waits for the database; a job writes the
 * notes once a minute, as records of the collection "pulls". So a crash loses what was pulled in
 * its last minute: it seems to have been pulled before. What is noted is bounded: of more names
 * than that in a minute the rest is lost likewise.
 */
#pragma once

#include "core/reference.h"
#include "core/registry.h"

struct pulled;

struct pulled *pulled_new(void);
void pulled_free(struct pulled *p); /* accepts NULL */

/* Any thread. p may be NULL: nobody wants to know. */
void pulled_note(struct pulled *p, const struct repo_name *repo, const struct reference *ref,
                 int64_t now_ms);

/* Writes all notes; what can't be written is noted again. */
ERR_CHECKED enum err_code pulled_write(struct pulled *p, struct meta *m, struct err *e);

/* Since when pulls are recorded: from the first call on, until they are not wanted. */
ERR_CHECKED enum err_code pulled_begin(struct meta *m, int64_t now_ms, struct err *e);
ERR_CHECKED enum err_code pulled_end(struct meta *m, struct err *e);

/* Since when pulls are recorded; 0: they are not. */
ERR_CHECKED enum err_code pulled_since(struct meta *m, int64_t *ret_ms, struct err *e);

/* Each that was pulled since then, by what it was asked for; an error of fn ends it. */
typedef enum err_code (*pulled_fn)(void *ctx, const struct repo_name *repo,
                                   const struct reference *ref, int64_t time_ms, struct err *e);
ERR_CHECKED enum err_code pulled_each(struct meta *m, int64_t since_ms, pulled_fn fn, void *ctx,
                                      struct err *e);

/* When each of many was pulled last, by the keys that the first of these makes; 0: not since pulls
 * are recorded. An empty reference stands for whatever of the repository it was. One question. */
#define PULLED_KEY_MAX (REPO_NAME_MAX + DIGEST_TEXT_MAX + 2)
void pulled_key(const struct repo_name *repo, struct str reference,
                char dst[static PULLED_KEY_MAX]);
ERR_CHECKED enum err_code pulled_among(struct meta *m, const char *const *keys, size_t n,
                                       int64_t *ret_ms, struct err *e);

/* Forgets pulls of before that time. */
ERR_CHECKED enum err_code pulled_prune(struct meta *m, int64_t before_ms, struct err *e);

/* When the tag, or what it points to, was pulled last, and at the earliest since when pulls are
 * recorded; 0: they are not. */
ERR_CHECKED enum err_code pulled_last(struct meta *m, const struct repo_name *repo,
                                      const struct meta_repo_tag *tag, int64_t *ret_ms,
                                      struct err *e);
