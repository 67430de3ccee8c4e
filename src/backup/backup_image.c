#include "backup/backup_image.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define TYPE       "application/vnd.cyberdock.backup.v1"
#define LAYER_TYPE "application/vnd.cyberdock.metadata.v1.sqlite"
#define CONFIG_TYPE                                                                                \
    "application/vnd.oci.empty.v1+json" /* image-spec "Guidance for an Empty Descriptor" */
#define CONFIG STR("{}")

#define PIECE_BYTES  (1u << 20)
#define MANIFEST_MAX 65536

static const struct repo_name repository = {sizeof(BACKUP_REPOSITORY) - 1, BACKUP_REPOSITORY};

/* Bytes that become a blob: of a file, or of a text. */
struct content {
    int fd; /* -1: the text's */
    struct str text;
    struct digest digest;
    uint64_t size_bytes;
};

/* *ret_n is 0 at the end. */
static enum err_code read_content(const struct content *c, char *p, uint64_t at, size_t *ret_n,
                                  struct err *e)
{
    ssize_t n;

    if (c->fd < 0) {
        *ret_n = at < c->text.n ? c->text.n - at : 0;
        memcpy(p, c->text.p + at, *ret_n);
        return ERR_OK;
    }
    n = file_pread_all(c->fd, p, PIECE_BYTES, at);
    if (n < 0)
        return err_errno(e, "read the snapshot of the metadata");
    *ret_n = (size_t)n;
    return ERR_OK;
}

static enum err_code measure(struct content *c, struct err *e)
{
    AUTO(mem) char *p = mem_alloc(PIECE_BYTES);
    AUTO(hasher) struct hasher *h = hasher_new(DIGEST_SHA256);
    size_t n = 0;

    do {
        TRY(read_content(c, p, hasher_bytes(h), &n, e));
        hasher_update(h, p, n);
    } while (n > 0);
    c->size_bytes = hasher_bytes(h);
    hasher_digest(h, &c->digest);
    return ERR_OK;
}

static enum err_code write_upload(struct store *s, const struct content *c, struct store_upload *u,
                                  struct err *e)
{
    AUTO(mem) char *p = mem_alloc(PIECE_BYTES);
    uint64_t at = 0;
    size_t n = 0;

    TRY(store_upload_expect(s, u, &repository, &c->digest, c->size_bytes, e));
    do {
        TRY(read_content(c, p, at, &n, e));
        if (n > 0)
            TRY(store_upload_write(s, u, p, n, at, e));
        at += n;
    } while (n > 0);
    TRY(store_upload_prepare(s, u, &repository, &c->digest, NULL, e));
    return store_upload_commit(s, u, &repository, &c->digest, NULL, e);
}

static enum err_code put_blob(struct store *s, const struct content *c, struct err *e)
{
    struct store_upload *u;
    enum err_code code;
    struct uuid id;
    uint64_t had;

    uuid_make(&id);
    TRY(store_upload_create(s, &id, e));
    TRY(store_upload_open(s, &id, &u, &had, e));
    code = write_upload(s, c, u, e);
    if (code != ERR_OK)
        store_upload_close(s, u);
    (void)!store_upload_delete(s, &id, ERR_IGNORED);
    return code;
}

static json_t *descriptor(const char *type, const struct content *c)
{
    return json_pack("{s:s, s:s, s:I}", "mediaType", type, "digest", c->digest.text, "size",
                     (json_int_t)c->size_bytes);
}

static enum err_code put_manifest(struct store *s, const struct tag_name *tag,
                                  const struct content *config, const struct content *layer,
                                  struct err *e)
{
    AUTO(json)
    json_t *o = json_pack("{s:i, s:s, s:s, s:o, s:[o]}", "schemaVersion", 2, "mediaType",
                          MEDIA_OCI_MANIFEST, "artifactType", TYPE, "config",
                          descriptor(CONFIG_TYPE, config), "layers", descriptor(LAYER_TYPE, layer));
    AUTO(mem) char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    struct digest d;

    if (!text)
        return err_set(e, ERR_INTERNAL, "the manifest of a backup can't be made");
    digest_of(DIGEST_SHA256, text, strlen(text), &d);
    TRY(store_manifest_put(s, &repository, &d, str_of(text), e));
    TRY(store_tag_put(s, &repository, tag, &d, e));
    return store_tag_sync(s, &repository, e);
}

enum err_code backup_image_put(struct store *s, const struct tag_name *tag, const char *path,
                               struct err *e)
{
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct content layer = {.fd = fd}, config = {.fd = -1, .text = CONFIG};

    if (fd < 0)
        return err_errno(e, "open '%s'", path);
    TRY(measure(&layer, e));
    TRY(measure(&config, e));
    TRY(put_blob(s, &layer, e));
    TRY(put_blob(s, &config, e));
    TRY(store_sync(s, e));
    return put_manifest(s, tag, &config, &layer, e);
}

struct listing {
    char **tags;
    size_t n;
};

static enum err_code note_tag(void *ctx, const struct store_item *item, struct err *e)
{
    struct listing *l = ctx;

    (void)e;
    if (!str_eq(repo_name_str(&item->repo), STR(BACKUP_REPOSITORY)))
        return ERR_OK;
    l->tags = mem_resize(l->tags, (l->n + 1) * sizeof(*l->tags));
    l->tags[l->n++] = str_dup(tag_name_str(&item->tag));
    return ERR_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum err_code backup_image_list(struct store *s, char ***ret_tags, size_t *ret_n, struct err *e)
{
    struct listing l = {0};
    enum err_code code = store_each(s, STORE_TAG, note_tag, &l, e);

    if (code != ERR_OK) {
        while (l.n > 0)
            free(l.tags[--l.n]);
        free(l.tags);
        return code;
    }
    if (l.n > 1)
        qsort(l.tags, l.n, sizeof(*l.tags), by_text);
    *ret_tags = l.tags;
    *ret_n = l.n;
    return ERR_OK;
}

enum err_code backup_image_look(struct store *s, const struct tag_name *tag,
                                struct manifest *ret_manifest, struct digest *ret_digest,
                                struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(manifest) struct manifest m = {0};

    buf_init(&bytes, MANIFEST_MAX);
    TRY(store_tag_get(s, &repository, tag, ret_digest, e));
    TRY(store_manifest_get(s, &repository, ret_digest, &bytes, e));
    TRY(manifest_parse(buf_str(&bytes), STR_NONE, 2, &m, e));
    if (!str_eq(str_of(m.artifact_type), STR(TYPE)) || m.n_links != 2)
        return err_set(e, ERR_CORRUPT, "tag '%s' of the backup is no snapshot of metadata",
                       tag->text);
    *ret_manifest = m;
    m = (struct manifest){0};
    return ERR_OK;
}

static enum err_code write_file(struct reader *r, const char *path, const struct digest *wanted,
                                struct err *e)
{
    AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    AUTO(mem) char *p = mem_alloc(PIECE_BYTES);
    AUTO(hasher) struct hasher *h = hasher_new(wanted->algorithm);
    struct digest found;
    size_t n;

    if (fd < 0)
        return err_errno(e, "make '%s'", path);
    do {
        TRY(reader_read_waiting(r, p, PIECE_BYTES, &n, e));
        if (n > 0 && file_write_all(fd, p, n) < 0)
            return err_errno(e, "write the snapshot of the metadata");
        hasher_update(h, p, n);
    } while (n > 0);
    hasher_digest(h, &found);
    if (!digest_eq(&found, wanted))
        return err_set(e, ERR_CORRUPT,
                       "the snapshot of the metadata is damaged: it has the digest "
                       "%s and should have %s",
                       found.text, wanted->text);
    return ERR_OK;
}

enum err_code backup_image_read(struct store *s, const struct manifest *m, const char *path,
                                struct err *e)
{
    const struct manifest_link *layer = &m->links[1]; /* behind the config */
    AUTO(reader) struct reader *r = NULL;
    uint64_t size;

    TRY(store_blob_open(s, &repository, &layer->digest, layer->size_bytes, &r, &size, e));
    return write_file(r, path, &layer->digest, e);
}

enum err_code backup_image_get(struct store *s, const struct tag_name *tag, const char *path,
                               struct err *e)
{
    AUTO(manifest) struct manifest m = {0};
    struct digest d;

    TRY(backup_image_look(s, tag, &m, &d, e));
    return backup_image_read(s, &m, path, e);
}
