/*
 * All paths of an image's layers, each once, as a tree of numbered nodes. What is known of them is
 * kept by others, in arrays by node. Node 0 is the root; who stands above another has a lower
 * number. One thread while it grows; then any number may read it.
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

#define PATH_ROOT 0u
#define PATH_NONE UINT32_MAX

struct path_tree;

/* max_bytes: of memory. */
struct path_tree *path_tree_new(uint64_t max_bytes);
void path_tree_free(struct path_tree *t); /* accepts NULL */

/* The node of a clean path ("" is the root), which is added with all above it. The text is borrowed
 * as long as the tree lives. Error, told: IMAGE_TOO_LARGE, when they are too many. */
ERR_CHECKED enum err_code path_tree_add(struct path_tree *t, struct str path, uint32_t *ret_node,
                                        struct err *e);

/* PATH_NONE: there is none. */
uint32_t path_tree_find(const struct path_tree *t, struct str path);

size_t path_tree_count(const struct path_tree *t);
uint32_t path_tree_parent(const struct path_tree *t, uint32_t node); /* PATH_NONE of the root */
struct str path_tree_name(const struct path_tree *t, uint32_t node);

/* Children, in no order. PATH_NONE: there is none, or no more. */
uint32_t path_tree_first(const struct path_tree *t, uint32_t node);
uint32_t path_tree_next(const struct path_tree *t, uint32_t node);

uint64_t path_tree_memory(const struct path_tree *t); /* that it takes, in bytes */

AUTO_POINTER(path_tree, path_tree_free);
