#include "analysis/layer_files.h"

#include "base/mem.h"

#include <stdlib.h>

/* Rows and texts are kept in blocks, which never move: what was read out stays good. */
#define ROWS_BLOCK 256u
#define TEXT_BLOCK (16u << 10)

struct row {
    const char *path, *link; /* in texts */
    uint64_t size_bytes, at_bytes;
    int64_t modified_s;
    uint32_t uid, gid;
    uint16_t path_n, link_n, mode;
    uint8_t kind;
    bool has_sha256;
    unsigned char sha256[32];
};

struct package_row {
    const char *name, *version;
    uint32_t file;
    uint16_t name_n, version_n;
    uint8_t kind;
};

struct blocks {
    void **all;
    size_t n_blocks, n;
};

struct layer_files {
    uint64_t max_bytes, used_bytes;
    struct blocks rows, packages;
    char **texts;
    size_t n_texts, text_used;
    struct str os_release;
    uint64_t packed_bytes, unpacked_bytes;
};

struct layer_files *layer_files_new(uint64_t max_bytes)
{
    struct layer_files *f = NEW(struct layer_files);

    f->max_bytes = max_bytes;
    f->text_used = TEXT_BLOCK; /* of no block */
    return f;
}

static void blocks_done(struct blocks *b)
{
    for (size_t i = 0; i < b->n_blocks; i++)
        free(b->all[i]);
    free(b->all);
}

void layer_files_free(struct layer_files *f)
{
    if (!f)
        return;
    blocks_done(&f->rows);
    blocks_done(&f->packages);
    for (size_t i = 0; i < f->n_texts; i++)
        free(f->texts[i]);
    free(f->texts);
    free(f);
}

static enum err_code pay(struct layer_files *f, uint64_t bytes, struct err *e)
{
    if (bytes > f->max_bytes - f->used_bytes)
        return err_tell(e, ERR_IMAGE_TOO_LARGE,
                        "too many files: the list of them needs more than %llu bytes of memory",
                        (unsigned long long)f->max_bytes);
    f->used_bytes += bytes;
    return ERR_OK;
}

/* The place of one more, zeroed. */
static enum err_code blocks_add(struct layer_files *f, struct blocks *b, size_t size, void **ret,
                                struct err *e)
{
    if (b->n == b->n_blocks * ROWS_BLOCK) {
        TRY(pay(f, ROWS_BLOCK * size, e));
        b->all = mem_resize(b->all, (b->n_blocks + 1) * sizeof(*b->all));
        b->all[b->n_blocks++] = mem_zero(ROWS_BLOCK * size);
    }
    *ret = (char *)b->all[b->n / ROWS_BLOCK] + b->n % ROWS_BLOCK * size;
    b->n++;
    return ERR_OK;
}

static const void *blocks_at(const struct blocks *b, size_t i, size_t size)
{
    return (const char *)b->all[i / ROWS_BLOCK] + i % ROWS_BLOCK * size;
}

/* Texts longer than a quarter of a block have one of their own. */
static enum err_code add_text(struct layer_files *f, struct str s, const char **ret, struct err *e)
{
    bool own = s.n > TEXT_BLOCK / 4;
    size_t at;

    if (s.n == 0) {
        *ret = "";
        return ERR_OK;
    }
    if (own || s.n > TEXT_BLOCK - f->text_used) {
        size_t bytes = own ? s.n : TEXT_BLOCK;

        TRY(pay(f, bytes + sizeof(*f->texts), e));
        f->texts = mem_resize(f->texts, (f->n_texts + 1) * sizeof(*f->texts));
        f->texts[f->n_texts++] = mem_alloc(bytes);
        f->text_used = own ? TEXT_BLOCK : 0;
    }
    at = own ? 0 : f->text_used;
    memcpy(f->texts[f->n_texts - 1] + at, s.p, s.n);
    if (!own)
        f->text_used += s.n;
    *ret = f->texts[f->n_texts - 1] + at;
    return ERR_OK;
}

enum err_code layer_files_add(struct layer_files *f, const struct layer_file *file, struct err *e)
{
    const char *path, *link;
    void *place;
    struct row *row;

    if (file->path.n > UINT16_MAX || file->link.n > UINT16_MAX || f->rows.n >= UINT32_MAX)
        return err_tell(e, ERR_IMAGE_TOO_LARGE, "too many files, or a path that is too long");
    TRY(add_text(f, file->path, &path, e));
    TRY(add_text(f, file->link, &link, e));
    TRY(blocks_add(f, &f->rows, sizeof(*row), &place, e));
    row = place;
    *row = (struct row){
        .path = path,
        .link = link,
        .path_n = (uint16_t)file->path.n,
        .link_n = (uint16_t)file->link.n,
        .size_bytes = file->size_bytes,
        .at_bytes = file->at_bytes,
        .modified_s = file->modified_s,
        .uid = file->uid,
        .gid = file->gid,
        .mode = (uint16_t)file->mode,
        .kind = (uint8_t)file->kind,
        .has_sha256 = file->has_sha256,
    };
    memcpy(row->sha256, file->sha256, sizeof(row->sha256));
    return ERR_OK;
}

enum err_code layer_files_add_package(struct layer_files *f, const struct layer_package *p,
                                      struct err *e)
{
    const char *name, *version;
    void *place;

    if (p->name.n > UINT16_MAX || p->version.n > UINT16_MAX)
        return err_tell(e, ERR_IMAGE_TOO_LARGE, "the name of a package is too long");
    TRY(add_text(f, p->name, &name, e));
    TRY(add_text(f, p->version, &version, e));
    TRY(blocks_add(f, &f->packages, sizeof(struct package_row), &place, e));
    *(struct package_row *)place = (struct package_row){
        .name = name,
        .version = version,
        .name_n = (uint16_t)p->name.n,
        .version_n = (uint16_t)p->version.n,
        .file = p->file,
        .kind = (uint8_t)p->kind,
    };
    return ERR_OK;
}

void layer_files_set_sha256(struct layer_files *f, size_t i, const unsigned char sha256[static 32])
{
    struct row *row = (struct row *)blocks_at(&f->rows, i, sizeof(*row));

    row->has_sha256 = true;
    memcpy(row->sha256, sha256, sizeof(row->sha256));
}

size_t layer_files_count(const struct layer_files *f)
{
    return f->rows.n;
}

void layer_files_get(const struct layer_files *f, size_t i, struct layer_file *ret_file)
{
    const struct row *row = blocks_at(&f->rows, i, sizeof(*row));

    *ret_file = (struct layer_file){
        .kind = (enum layer_file_kind)row->kind,
        .has_sha256 = row->has_sha256,
        .path = {row->path, row->path_n},
        .link = {row->link, row->link_n},
        .size_bytes = row->size_bytes,
        .at_bytes = row->at_bytes,
        .mode = row->mode,
        .uid = row->uid,
        .gid = row->gid,
        .modified_s = row->modified_s,
    };
    memcpy(ret_file->sha256, row->sha256, sizeof(row->sha256));
}

size_t layer_files_packages(const struct layer_files *f)
{
    return f->packages.n;
}

void layer_files_get_package(const struct layer_files *f, size_t i, struct layer_package *ret)
{
    const struct package_row *row = blocks_at(&f->packages, i, sizeof(*row));

    *ret = (struct layer_package){.kind = (enum layer_package_kind)row->kind,
                                  .name = {row->name, row->name_n},
                                  .version = {row->version, row->version_n},
                                  .file = row->file};
}

struct str layer_files_os_release(const struct layer_files *f)
{
    return f->os_release;
}

enum err_code layer_files_set_os_release(struct layer_files *f, struct str text, struct err *e)
{
    const char *copy;

    TRY(add_text(f, text, &copy, e));
    f->os_release = (struct str){copy, text.n};
    return ERR_OK;
}

uint64_t layer_files_packed_bytes(const struct layer_files *f)
{
    return f->packed_bytes;
}

uint64_t layer_files_unpacked_bytes(const struct layer_files *f)
{
    return f->unpacked_bytes;
}

void layer_files_set_bytes(struct layer_files *f, uint64_t packed_bytes, uint64_t unpacked_bytes)
{
    f->packed_bytes = packed_bytes;
    f->unpacked_bytes = unpacked_bytes;
}

uint64_t layer_files_memory(const struct layer_files *f)
{
    return f->used_bytes;
}

const char *layer_file_kind_name(enum layer_file_kind kind)
{
    static const char *const names[LAYER_KINDS] = {
        [LAYER_FILE] = "file",
        [LAYER_FOLDER] = "folder",
        [LAYER_SYMBOLIC_LINK] = "symlink",
        [LAYER_HARD_LINK] = "hardlink",
        [LAYER_DEVICE] = "device",
        [LAYER_WHITEOUT] = "whiteout",
        [LAYER_OPAQUE] = "opaque",
    };

    return names[kind];
}

const char *layer_package_kind_name(enum layer_package_kind kind)
{
    static const char *const names[PACKAGE_KINDS] = {
        [PACKAGE_DEB] = "deb", [PACKAGE_APK] = "apk",       [PACKAGE_RPM] = "rpm",
        [PACKAGE_NPM] = "npm", [PACKAGE_PYTHON] = "python", [PACKAGE_JAVA] = "java",
        [PACKAGE_GO] = "go",
    };

    return names[kind];
}
