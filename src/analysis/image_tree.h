/*
 * The layers of an image on each other: what a container sees, which layer each file of it is of,
 * and what every layer adds, changes, deletes and loses. As image-spec "Applying Changesets" says:
 * what a layer deletes are files of the layers below it, whatever the order in its tar.
 *
 * Made by one thread; then any number may read it.
 */
#pragma once

#include "analysis/layer_files.h"
#include "analysis/path_tree.h"

#define IMAGE_LAYERS_MAX 512 /* engines stack 128 to 500 */

/* Numbers of files are those of all but folders; of bytes, those of regular files. */
struct image_layer {
    uint64_t files, folders;
    uint64_t size_bytes; /* of its files */
    uint64_t added, added_bytes;
    uint64_t changed, changed_bytes;   /* that were there below; bytes: as this layer has them */
    uint64_t deleted, deleted_bytes;   /* of the layers below */
    uint64_t wasted_bytes;             /* of its own files, that later layers replaced or deleted */
    uint64_t repeated, repeated_bytes; /* of the changed: with the same contents as below */
};

/* Which file it is: an entry of a list. */
struct image_file {
    uint16_t layer; /* from 0 */
    uint32_t entry;
};

/* What layer `by` did to files of layer `of`. */
struct image_loss {
    uint64_t deleted_bytes, replaced_bytes;
};

struct image_tree;

/* The lists are borrowed as long as the tree lives. max_bytes: of memory. Error, told:
 * IMAGE_TOO_LARGE. */
ERR_CHECKED enum err_code image_tree_new(const struct layer_files *const *lists, size_t n,
                                         uint64_t max_bytes, struct image_tree **ret_tree,
                                         struct err *e);
void image_tree_free(struct image_tree *t); /* accepts NULL */

size_t image_tree_layers(const struct image_tree *t);
const struct image_layer *image_tree_layer(const struct image_tree *t, size_t layer);
const struct layer_files *image_tree_list(const struct image_tree *t, size_t layer);
const struct image_loss *image_tree_loss(const struct image_tree *t, size_t by, size_t of);
const struct path_tree *image_tree_paths(const struct image_tree *t);
uint64_t image_tree_memory(const struct image_tree *t); /* that it takes, in bytes */

/* Is there anything at that node in the end? */
bool image_tree_has(const struct image_tree *t, uint32_t node);

/* What is at the node in the end: false when it is nothing, or a folder that no tar has a member
 * for. */
bool image_tree_get(const struct image_tree *t, uint32_t node, struct image_file *ret);
void image_tree_file(const struct image_tree *t, struct image_file at, struct layer_file *ret);

/* A hard link's regular file; else the same as image_tree_get(). */
bool image_tree_contents(const struct image_tree *t, uint32_t node, struct image_file *ret);

AUTO_POINTER(image_tree, image_tree_free);
