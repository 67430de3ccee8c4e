#include "scan/layout.h"

#include "base/file.h"
#include "base/mem.h"
#include "core/pull.h"
#include "core/runnable.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#define OCI_IMAGE   "application/vnd.oci.image."
#define BLOBS       "blobs/sha256"
#define TEXT_BYTES  (4u << 20) /* of a config or manifest that is written */
#define LAYERS_MAX  4096
#define PIECE_BYTES (1u << 20)

static struct str type_of(const struct out_manifest *m, size_t i)
{
    return out_json_text(out_manifest_descriptor(m, i), "mediaType");
}

/* ---- one image */

struct layout {
    struct registry *r;
    const struct repo_name *repo;
    const struct out_manifest *m;
    const struct layout_limits *limits;
    struct scan_facts *facts;
    int dir; /* of its blobs */
    size_t n;
    const struct manifest_link **layers; /* that are in it */
};

static inline void auto_layout_(struct layout *l)
{
    auto_fd_(&l->dir);
    free(l->layers);
}

static void pass_over(struct layout *l, size_t i, const char *why)
{
    struct scan_facts *f = l->facts;
    size_t n = strlen(f->note);

    f->partial = true;
    snprintf(f->note + n, sizeof(f->note) - n, "%slayer %zu %s", n > 0 ? "; " : "", i, why);
}

static enum err_code check_layer(struct layout *l, size_t i, uint64_t *bytes, struct err *e)
{
    const struct manifest_link *link = &l->m->parsed.links[i];

    if (str_contains(type_of(l->m, i), STR("encrypted")))
        return err_tell(e, ERR_NOT_ANALYZABLE, "layer %zu is encrypted", i - 1);
    if (link->digest.algorithm != DIGEST_SHA256)
        return err_tell(e, ERR_NOT_ANALYZABLE, "layer %zu has a digest of %s: scanners take sha256",
                        i - 1, digest_algorithm_name(link->digest.algorithm));
    *bytes += link->size_bytes;
    if (link->size_bytes > l->limits->image_bytes || *bytes > l->limits->image_bytes)
        return err_tell(e, ERR_NOT_ANALYZABLE,
                        "its layers are larger than scan.max_image_size, %" PRIu64 " bytes",
                        l->limits->image_bytes);
    return ERR_OK;
}

static bool is_known_blob(struct layout *l, const struct digest *d)
{
    AUTO(reader) struct reader *in = NULL;
    uint64_t unused;

    return pull_blob(l->r, l->repo, d, &in, &unused, ERR_IGNORED) == ERR_OK;
}

static enum err_code choose_layers(struct layout *l, struct err *e)
{
    size_t n = l->m->parsed.n_links;
    uint64_t bytes = 0;

    if (n > LAYERS_MAX + 1)
        return err_tell(e, ERR_NOT_ANALYZABLE, "it has %zu layers; %d can be scanned", n - 1,
                        LAYERS_MAX);
    l->layers = mem_zero(n * sizeof(*l->layers));
    for (size_t i = 1; i < n; i++) {
        const struct manifest_link *link = &l->m->parsed.links[i];
        bool unpacks = true;

        if (link->kind == LINK_FOREIGN_BLOB && !is_known_blob(l, &link->digest)) {
            pass_over(l, i - 1, "is not in this registry");
            continue;
        }
        TRY(runnable_layer(l->r, l->repo, l->m, i, &unpacks, e));
        if (!unpacks) {
            pass_over(l, i - 1, "is nothing that could be unpacked");
        } else {
            TRY(check_layer(l, i, &bytes, e));
            l->layers[l->n++] = link;
        }
    }
    return ERR_OK;
}

/* ---- its blobs */

static enum err_code create(struct layout *l, const struct digest *d, int *ret_fd, struct err *e)
{
    *ret_fd = openat(l->dir, digest_hex(d).p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return *ret_fd < 0 ? err_errno(e, "create %s for a scan", d->text) : ERR_OK;
}

/* The file that a reader reads, under its name here too: whatever it is called there. Where it
 * can't be, it is copied. */
static bool link_blob(struct layout *l, const struct manifest_link *layer, struct reader *in)
{
    char path[64];
    struct stat st;
    int fd = reader_fd(in);

    if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_size != layer->size_bytes)
        return false;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, l->dir, digest_hex(&layer->digest).p, AT_SYMLINK_FOLLOW) == 0;
}

static enum err_code check_end(struct layout *l, struct err *e)
{
    if (l->limits->goes_on && !l->limits->goes_on(l->limits->ctx))
        return err_set(e, ERR_UNAVAILABLE, "the scan was told to end");
    return ERR_OK;
}

static enum err_code copy_bytes(struct layout *l, struct reader *in, int fd, struct hasher *h,
                                uint64_t most, struct err *e)
{
    AUTO(mem) char *piece = mem_alloc(PIECE_BYTES);
    size_t n;

    do {
        TRY(check_end(l, e));
        TRY(reader_read_waiting(in, piece, PIECE_BYTES, &n, e));
        hasher_update(h, piece, n);
        if (hasher_bytes(h) > most)
            break; /* it has another digest, then */
        if (file_write_all(fd, piece, n) < 0)
            return err_errno(e, "copy a layer for a scan");
    } while (n > 0);
    return ERR_OK;
}

static enum err_code copy_blob(struct layout *l, const struct manifest_link *layer,
                               struct reader *in, struct err *e)
{
    AUTO(hasher) struct hasher *h = hasher_new(layer->digest.algorithm);
    AUTO(fd) int fd = -1;
    struct digest come;

    TRY(create(l, &layer->digest, &fd, e));
    TRY(copy_bytes(l, in, fd, h, layer->size_bytes, e));
    hasher_digest(h, &come);
    if (!digest_eq(&come, &layer->digest)) {
        reader_distrust(in);
        return err_set(e, ERR_CORRUPT, "the stored layer %s is not what it should be",
                       layer->digest.text);
    }
    return ERR_OK;
}

static enum err_code place_layer(struct layout *l, const struct manifest_link *layer, struct err *e)
{
    AUTO(reader) struct reader *in = NULL;
    uint64_t bytes;

    if (faccessat(l->dir, digest_hex(&layer->digest).p, F_OK, 0) == 0)
        return ERR_OK; /* it is in the image several times */
    TRY(check_end(l, e));
    TRY(pull_blob(l->r, l->repo, &layer->digest, &in, &bytes, e));
    if (bytes != layer->size_bytes)
        return err_tell(e, ERR_NOT_ANALYZABLE,
                        "layer %s has %" PRIu64 " bytes, and its manifest says %" PRIu64,
                        layer->digest.text, bytes, layer->size_bytes);
    return link_blob(l, layer, in) ? ERR_OK : copy_blob(l, layer, in, e);
}

static enum err_code write_file(int dir, const char *name, struct str text, struct err *e)
{
    AUTO(fd) int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd < 0 || file_write_all(fd, text.p, text.n) < 0)
        return err_errno(e, "write '%s' for a scan", name);
    return ERR_OK;
}

/* A blob that is written here, and appends its descriptor to *to. */
static enum err_code write_blob(struct layout *l, const char *type, struct buf *text,
                                struct buf *to, struct err *e)
{
    struct digest d;

    if (text->full)
        return err_tell(e, ERR_NOT_ANALYZABLE, "it has more layers than can be described");
    digest_of(DIGEST_SHA256, text->p, text->n, &d);
    buf_addf(to, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}", type, d.text, text->n);
    return write_file(l->dir, digest_hex(&d).p, buf_str(text), e);
}

/* ---- what describes them */

static enum err_code read_config(struct layout *l, json_t **ret_config, struct err *e)
{
    TRY(out_manifest_config(l->r, l->repo, l->m, ret_config, e));
    return *ret_config ? ERR_OK : err_tell(e, ERR_NOT_ANALYZABLE, "its config is no JSON object");
}

/* A config that speaks of other layers than the manifest has: some clients would follow the one,
 * some the other. */
static enum err_code check_config(const struct layout *l, const json_t *config, struct err *e)
{
    size_t ids = json_array_size(json_object_get(json_object_get(config, "rootfs"), "diff_ids"));
    size_t layers = l->m->parsed.n_links - 1;

    if (ids != layers)
        return err_tell(e, ERR_NOT_ANALYZABLE,
                        "its config speaks of %zu layers, and its manifest of %zu", ids, layers);
    return ERR_OK;
}

static void add_config(const struct layout *l, const json_t *config, struct buf *to)
{
    struct str os = out_json_text(config, "os");

    buf_add_text(to, "{\"architecture\":");
    buf_add_json(to, out_json_text(config, "architecture"));
    buf_add_text(to, ",\"os\":");
    buf_add_json(to, os.n > 0 ? os : STR("linux"));
    buf_add_text(to, ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[");
    for (size_t i = 0; i < l->n; i++)
        buf_addf(to, "%s\"%s\"", i > 0 ? "," : "", l->layers[i]->digest.text);
    buf_add_text(to, "]}}");
}

/* How a layer is packed the scanner finds out by itself. */
static void add_layers(const struct layout *l, struct buf *to)
{
    for (size_t i = 0; i < l->n; i++)
        buf_addf(to,
                 "%s{\"mediaType\":\"" OCI_IMAGE "layer.v1.tar+gzip\",\"digest\":\"%s\","
                 "\"size\":%" PRIu64 "}",
                 i > 0 ? "," : "", l->layers[i]->digest.text, l->layers[i]->size_bytes);
}

static enum err_code write_descriptions(struct layout *l, int dir_fd, const json_t *config,
                                        struct err *e)
{
    AUTO(buf) struct buf text = {0}, manifest = {0}, index = {0};

    buf_init(&text, TEXT_BYTES);
    buf_init(&manifest, TEXT_BYTES);
    buf_init(&index, TEXT_BYTES);
    add_config(l, config, &text);
    buf_add_text(&manifest, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\","
                            "\"config\":");
    TRY(write_blob(l, OCI_IMAGE "config.v1+json", &text, &manifest, e));
    buf_add_text(&manifest, ",\"layers\":[");
    add_layers(l, &manifest);
    buf_add_text(&manifest, "]}");
    buf_add_text(&index, "{\"schemaVersion\":2,\"manifests\":[");
    TRY(write_blob(l, MEDIA_OCI_MANIFEST, &manifest, &index, e));
    buf_add_text(&index, "]}");
    TRY(write_file(dir_fd, "index.json", buf_str(&index), e));
    return write_file(dir_fd, "oci-layout", STR("{\"imageLayoutVersion\":\"1.0.0\"}"), e);
}

enum err_code layout_write(struct registry *r, const struct repo_name *repo,
                           const struct out_manifest *m, int dir_fd,
                           const struct layout_limits *limits, struct scan_facts *facts,
                           struct err *e)
{
    AUTO(layout)
    struct layout l = {.r = r, .repo = repo, .m = m, .limits = limits, .facts = facts, .dir = -1};
    AUTO(json) json_t *config = NULL;

    TRY(choose_layers(&l, e));
    TRY(read_config(&l, &config, e));
    TRY(check_config(&l, config, e));
    TRY(file_mkdirs_at(dir_fd, BLOBS, false, e));
    l.dir = openat(dir_fd, BLOBS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l.dir < 0)
        return err_errno(e, "open a layout for a scan");
    for (size_t i = 0; i < l.n; i++)
        TRY(place_layer(&l, l.layers[i], e));
    return write_descriptions(&l, dir_fd, config, e);
}
