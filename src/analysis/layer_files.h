/*
 * analysis: what is inside an image. May include archive/ and base/.
 *
 * A layer is read once, from its first byte to its last (layer_reader.h), into the list that is
 * here: its files, as its tar has them, and what some of them say (packages, os-release). All else
 * is made of such lists, without the layer. A list is good for every image that has the layer, and
 * can be kept as bytes.
 *
 * A list is filled by one thread; then any number may read it.
 * Sources: image-spec "Image Layer Filesystem Changeset".
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum layer_file_kind {
    LAYER_FILE,
    LAYER_FOLDER,
    LAYER_SYMBOLIC_LINK,
    LAYER_HARD_LINK,
    LAYER_DEVICE,   /* or a pipe, or what else there is */
    LAYER_WHITEOUT, /* deletes `path` of the layers below; the other fields say nothing */
    LAYER_OPAQUE,   /* deletes what is in the folder `path` in the layers below; likewise */
    LAYER_KINDS
};

struct layer_file {
    enum layer_file_kind kind;
    bool has_sha256;          /* of a file whose bytes all stand in the layer */
    unsigned char sha256[32]; /* of its contents */
    struct str path;          /* "usr/bin/env": no '/' at its ends, no "." or ".."; "": the root */
    struct str link;          /* of a symbolic link, as it stands there; of a hard one, a path */
    uint64_t size_bytes;
    uint32_t mode; /* permissions, set-id and sticky bits */
    uint32_t uid, gid;
    int64_t modified_s; /* Unix time */
    uint64_t at_bytes;  /* where its contents begin in the layer's tar */
};

enum layer_package_kind {
    PACKAGE_DEB,
    PACKAGE_APK,
    PACKAGE_RPM, /* a database of them: no names */
    PACKAGE_NPM,
    PACKAGE_PYTHON,
    PACKAGE_JAVA,
    PACKAGE_GO, /* modules that a program was built of */
    PACKAGE_KINDS
};

/* What a file says that it is, or that is installed. */
struct layer_package {
    enum layer_package_kind kind;
    struct str name, version; /* version: may be empty */
    uint32_t file;            /* which says so, of this list */
};

struct layer_files;

/* max_bytes: of memory for all that is added. */
struct layer_files *layer_files_new(uint64_t max_bytes);
void layer_files_free(struct layer_files *f); /* accepts NULL */

/* Texts are copied. Error, told: IMAGE_TOO_LARGE, when they are too many. */
ERR_CHECKED enum err_code layer_files_add(struct layer_files *f, const struct layer_file *file,
                                          struct err *e);
ERR_CHECKED enum err_code layer_files_add_package(struct layer_files *f,
                                                  const struct layer_package *p, struct err *e);
void layer_files_set_sha256(struct layer_files *f, size_t i, const unsigned char sha256[static 32]);

/* In the order of the tar; a path may stand there several times, and the last one counts. What is
 * borrowed lives as long as the list. */
size_t layer_files_count(const struct layer_files *f);
void layer_files_get(const struct layer_files *f, size_t i, struct layer_file *ret_file);
size_t layer_files_packages(const struct layer_files *f);
void layer_files_get_package(const struct layer_files *f, size_t i, struct layer_package *ret);

/* What the layer's os-release says; empty: it has none. */
struct str layer_files_os_release(const struct layer_files *f);
ERR_CHECKED enum err_code layer_files_set_os_release(struct layer_files *f, struct str text,
                                                     struct err *e);

/* Of the layer. */
uint64_t layer_files_packed_bytes(const struct layer_files *f);
uint64_t layer_files_unpacked_bytes(const struct layer_files *f); /* of its tar */
void layer_files_set_bytes(struct layer_files *f, uint64_t packed_bytes, uint64_t unpacked_bytes);

uint64_t layer_files_memory(const struct layer_files *f); /* that it takes, in bytes */

/* "file", "folder", "symlink", "hardlink", "device", "whiteout", "opaque". */
const char *layer_file_kind_name(enum layer_file_kind kind);
/* "deb", "apk", "rpm", "npm", "python", "java", "go". */
const char *layer_package_kind_name(enum layer_package_kind kind);

AUTO_POINTER(layer_files, layer_files_free);
