/* Files as JSON: members of an object, with a comma in front where it has some already. */
#pragma once

#include "analysis/layer_files.h"
#include "base/buf.h"

/* "key":"name", and "key_percent":"%FF" of a name that is no UTF-8: as a query has it. */
void file_json_name(struct buf *b, const char *key, struct str name);

/* The same of a path below the root, with its '/'. */
void file_json_path(struct buf *b, const char *key, struct str path);

/* Mode, owner, time, size, sha256, link: those that its kind has. */
void file_json_attributes(struct buf *b, const struct layer_file *f);
