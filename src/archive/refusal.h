/*
 * Why an archive is refused: a code for programs, which member, what is wrong with it, and what is
 * expected instead. REFUSALS is the one table of the codes.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

/* X(code, expected) */
#define REFUSALS(X)                                                                                \
    X(EMPTY, "a tar archive, plain or packed by gzip, zstd, xz or bzip2")                          \
    X(NOT_AN_IMAGE, "manifest.json of a docker archive, or oci-layout and index.json")             \
    X(OLD_FORMAT, "an archive of Docker 1.10 or later: load it there and save it again")           \
    X(CUT, "the whole archive, to its last byte")                                                  \
    X(PACKED_WRONG, "bytes that unpack, with the checksums that they carry")                       \
    X(PACKED_TRAILING, "nothing behind the end of what was packed")                                \
    X(DECODER_MEMORY, "what unpacks with no more memory than upload.decoder_memory")               \
    X(TAR_HEADER, "headers as ustar, PAX, GNU tar or tar of version 7 write them")                 \
    X(TOO_LARGE, "no more than upload.max_bytes")                                                  \
    X(UNPACKED_TOO_LARGE, "no more than upload.max_unpacked_bytes, upload.max_ratio")              \
    X(TOO_MANY_MEMBERS, "no more members than upload.max_members")                                 \
    X(JSON_TOO_LARGE, "descriptions of no more than upload.json_bytes, upload.memory_bytes")       \
    X(NOT_JSON, "JSON, nested moderately, no key twice")                                           \
    X(SCHEMA, "what the specification of this file says")                                          \
    X(LAYOUT_VERSION, "imageLayoutVersion 1.0.0")                                                  \
    X(NO_IMAGE, "one image at least")                                                              \
    X(MISSING, "a member of that name")                                                            \
    X(OUTSIDE, "names and links that stay inside the archive")                                     \
    X(LINKS, "a link that leads to a file in a few steps")                                         \
    X(TWICE, "one content for each name that is used")                                             \
    X(SPARSE, "files whose bytes all stand in the archive")                                        \
    X(NOT_A_FILE, "a regular file, or a link to one")                                              \
    X(DIGEST, "bytes that have the digest they are named by")                                      \
    X(SIZE, "as many bytes as the descriptor says")                                                \
    X(DIFF_ID_COUNT, "a diff_id in the config for each layer")                                     \
    X(DIFF_ID, "layers that unpack to what the diff_ids in the config say")                        \
    X(HISTORY, "a history with as many entries that are not empty as there are layers")            \
    X(PLATFORM, "os and architecture of small letters, digits, '.', '_' and '-'")                  \
    X(NAME, "names of the form repository:tag")                                                    \
    X(LAYOUTS_DISAGREE, "a manifest.json that describes images of index.json")                     \
    X(CHOICE, "one image for one tag: choose it by its name or digest with image=")                \
    X(NO_TAG, "a tag: give it with tag=")                                                          \
    X(NO_REPOSITORY, "a name with a repository for each image; or one for all: repository=")       \
    X(TOO_MANY_REPOSITORIES, "no more repositories than upload.max_repositories")                  \
    X(TOO_DEEP, "indexes that name few others, and not deep in each other")                        \
    X(FORM, "multipart/form-data with few parts and short heads, to its last boundary")            \
    X(FIELD, "one part 'file', at most one repository, tag, image and platform, as short text")

enum refusal_code {
    REFUSAL_NONE,
#define REFUSAL_ENUM(name, expected) REFUSAL_##name,
    REFUSALS(REFUSAL_ENUM)
#undef REFUSAL_ENUM
        REFUSAL_COUNT
};

#define REFUSAL_MEMBER_MAX 255
#define REFUSAL_WRONG_MAX  299

struct refusal {
    enum refusal_code code;
    char member[REFUSAL_MEMBER_MAX + 1]; /* as text; "" when it is the archive */
    char wrong[REFUSAL_WRONG_MAX + 1];
};

const char *refusal_name(enum refusal_code code);     /* "CUT" */
const char *refusal_expected(enum refusal_code code); /* of the table */

/* Sets *f, and *e to a sentence of it that clients may read. Returns IMAGE_TOO_LARGE for what
 * bounds say, else IMAGE_INVALID. */
enum err_code refuse(struct refusal *f, enum refusal_code code, struct str member, struct err *e,
                     const char *fmt, ...) __attribute__((format(printf, 5, 6)));
