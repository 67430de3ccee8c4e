/*
 * One path of an image, or of one of its layers: what is there, and what stands in it. Of the lists
 * of its layers no more is read into memory than that takes, so it is cheap for a folder of any
 * image, and bounded by what stands in the folder.
 *
 * Symbolic links are followed as a container with this image would, and never lead out of it.
 */
#pragma once

#include "analysis/image_tree.h"
#include "analysis/kept_list.h"

#define FOLDER_PATH_MAX  4096
#define FOLDER_LINKS_MAX 40 /* as the kernel has it */

struct folder_source {
    size_t n_layers; /* the lowest first */
    /* The list of a layer, of which only some is wanted. */
    enum err_code (*load)(void *ctx, size_t layer, kept_list_want want, void *want_ctx,
                          struct layer_files **ret_files, struct err *e);
    void *ctx;
};

struct folder_entry {
    struct str name; /* of the root: empty */
    size_t layer;    /* that has it */
    bool has_member; /* false: a folder for which no tar has a member; all below is its kind */
    struct layer_file file;
};

struct image_folder; /* any number may read it */

enum folder_links {
    FOLDER_FOLLOW,   /* where a symbolic link leads */
    FOLDER_LINK,     /* the link itself, where it is the last of the path */
    FOLDER_WHITEOUTS /* likewise; and what a layer deletes is listed: of one layer */
};

/* path: its '/' at the ends, "." and ".." are taken as they are meant. max_bytes: of memory.
 * Errors, told: NOT_FOUND; REQUEST_INVALID, it leads through too many links or is too long;
 * IMAGE_TOO_LARGE, more stands in it than memory holds; those of load. */
ERR_CHECKED enum err_code image_folder_open(const struct folder_source *s, struct str path,
                                            enum folder_links links, uint64_t max_bytes,
                                            struct image_folder **ret_folder, struct err *e);
void image_folder_free(struct image_folder *f); /* accepts NULL */

/* Where the links led: "usr/bin". */
struct str image_folder_path(const struct image_folder *f);
void image_folder_itself(const struct image_folder *f, struct folder_entry *ret);

/* Of one layer: it deletes whatever the layers below have in this folder. */
bool image_folder_is_opaque(const struct image_folder *f);

/* What stands in it, sorted by name, bytewise; none in what is no folder. */
size_t image_folder_count(const struct image_folder *f);
void image_folder_get(const struct image_folder *f, size_t i, struct folder_entry *ret);

/* The regular file whose contents are at the path, through links of any kind: has_member, and a
 * LAYER_FILE. Errors: the same; REQUEST_INVALID, told, when it is no file. */
ERR_CHECKED enum err_code image_folder_find_file(const struct folder_source *s, struct str path,
                                                 uint64_t max_bytes,
                                                 struct image_folder **ret_folder, struct err *e);

AUTO_POINTER(image_folder, image_folder_free);
