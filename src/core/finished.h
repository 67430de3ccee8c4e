/*
 * Upload sessions that were finished lately: a bounded memory, the oldest forgotten first. Any
 * thread.
 */
#pragma once

#include "base/digest.h"
#include "meta/meta.h"

struct finished;

struct finished *finished_new(void);
void finished_free(struct finished *f); /* accepts NULL */

/* info's session became the blob d; remembered for so long at most. */
void finished_add(struct finished *f, const struct meta_upload *info, const struct digest *d,
                  int64_t keep_ms);

/* Was the session of that id, repository and owner finished as that blob? */
bool finished_has(struct finished *f, const struct meta_upload *info, const struct digest *d);
