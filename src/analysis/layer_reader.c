#include "analysis/layer_reader.h"

#include "analysis/facts.h"
#include "archive/tar.h"
#include "archive/unpack.h"
#include "base/buf.h"
#include "base/byte_line.h"
#include "base/digest.h"
#include "base/hex.h"
#include "base/mem.h"

#include <stdlib.h>

#define READ_BYTES (256u << 10)

/* So much may come of anything, before its ratio is looked at. */
#define RATIO_FREE_BYTES (64ull << 20)

/* image-spec "Whiteouts", "Opaque Whiteout". */
#define WHITEOUT STR(".wh.")
#define RESERVED STR(".wh..wh.")
#define OPAQUE   STR(".wh..wh..opq")

struct layer_reader {
    struct layer_limits limits;
    struct refusal packing_refusal;
    struct unpack *unpack; /* NULL: it comes unpacked */
    uint64_t in_bytes, out_bytes;
    struct byte_line *line; /* what is unpacked, and below: of who takes it */
    struct refusal refusal;
    struct tar *tar;
    struct layer_files *files;
    struct buf path, link; /* of the member that comes now, clean */
    struct hasher *hasher; /* of its contents, or NULL */
    struct facts *facts;
    bool wanted; /* its bytes, by facts */
};

/* ---- paths */

/* Takes the last component off. */
static bool go_up(struct buf *b)
{
    if (b->n == 0)
        return false;
    while (b->n > 0 && b->p[b->n - 1] != '/')
        b->n--;
    if (b->n > 0)
        b->n--;
    return true;
}

/* Below the root, wherever it begins; false when it leads out of it, or is none. */
static bool clean(struct str name, struct buf *ret_path)
{
    struct str part;
    bool more;

    buf_clear(ret_path);
    if (memchr(name.p, '\0', name.n))
        return false;
    do {
        more = str_cut(&name, '/', &part);
        if (str_eq(part, STR("..")) && !go_up(ret_path))
            return false;
        if (part.n == 0 || str_eq(part, STR(".")) || str_eq(part, STR("..")))
            continue;
        if (ret_path->n > 0)
            buf_add_char(ret_path, '/');
        buf_add_str(ret_path, part);
    } while (more);
    return !ret_path->full;
}

/* The last component; *ret_folder is what is before it, without the '/'. */
static struct str last_of(struct str path, struct str *ret_folder)
{
    size_t at = path.n;

    while (at > 0 && path.p[at - 1] != '/')
        at--;
    *ret_folder = str_sub(path, 0, at > 0 ? at - 1 : 0);
    return str_sub(path, at, path.n - at);
}

/* ---- members */

static enum layer_file_kind kind_of(enum tar_kind kind)
{
    static const enum layer_file_kind kinds[] = {
        [TAR_FILE] = LAYER_FILE,
        [TAR_HARD_LINK] = LAYER_HARD_LINK,
        [TAR_SYMBOLIC_LINK] = LAYER_SYMBOLIC_LINK,
        [TAR_FOLDER] = LAYER_FOLDER,
        [TAR_SPARSE] = LAYER_FILE,
        [TAR_OTHER] = LAYER_DEVICE,
    };

    return kinds[kind];
}

/* What a name that begins as a whiteout's says. The rest of those that are reserved is about the
 * disks of machines that once built it, and passed over. */
static bool read_whiteout(struct buf *path, struct layer_file *ret)
{
    struct str folder, name = last_of(buf_str(path), &folder);

    ret->path = folder;
    ret->kind = LAYER_OPAQUE;
    if (str_starts(name, RESERVED))
        return str_eq(name, OPAQUE);
    ret->kind = LAYER_WHITEOUT;
    memmove(path->p + (name.p - path->p), name.p + WHITEOUT.n, name.n - WHITEOUT.n);
    path->n -= WHITEOUT.n;
    ret->path = buf_str(path);
    return true;
}

static uint32_t id_of(uint64_t id)
{
    return id > UINT32_MAX ? UINT32_MAX : (uint32_t)id;
}

static enum err_code refuse_path(struct layer_reader *r, struct str name, struct err *e)
{
    return refuse(&r->refusal, REFUSAL_OUTSIDE, name, e, "the path leads out of the layer");
}

static enum err_code describe(struct layer_reader *r, const struct tar_entry *t,
                              struct layer_file *ret, struct err *e)
{
    if (!clean(t->name, &r->path))
        return refuse_path(r, t->name, e);
    *ret = (struct layer_file){
        .kind = kind_of(t->kind),
        .path = buf_str(&r->path),
        .size_bytes = t->whole_bytes,
        .mode = t->mode,
        .uid = id_of(t->uid),
        .gid = id_of(t->gid),
        .modified_s = t->modified_s,
        .at_bytes = t->at_bytes,
    };
    if (t->kind == TAR_HARD_LINK) {
        if (!clean(t->link, &r->link))
            return refuse_path(r, t->link, e);
        ret->link = buf_str(&r->link);
    } else if (t->kind == TAR_SYMBOLIC_LINK) {
        ret->link = t->link;
    }
    return ERR_OK;
}

static bool is_whiteout(struct str path)
{
    struct str folder, name = last_of(path, &folder);

    return str_starts(name, WHITEOUT) && name.n > WHITEOUT.n;
}

static enum err_code begin_member(void *ctx, const struct tar_entry *t, struct err *e)
{
    struct layer_reader *r = ctx;
    struct layer_file file = {0};

    TRY(describe(r, t, &file, e));
    if (is_whiteout(file.path)) {
        file = (struct layer_file){.kind = LAYER_WHITEOUT};
        return read_whiteout(&r->path, &file) ? layer_files_add(r->files, &file, e) : ERR_OK;
    }
    if (file.path.n == 0 && file.kind != LAYER_FOLDER)
        return refuse_path(r, t->name, e);
    TRY(layer_files_add(r->files, &file, e));
    if (t->kind != TAR_FILE)
        return ERR_OK;
    r->hasher = hasher_new(DIGEST_SHA256);
    return facts_begin(r->facts, r->files, &file, &r->wanted, e);
}

static enum err_code take_data(void *ctx, const void *p, size_t n, struct err *e)
{
    struct layer_reader *r = ctx;

    if (r->hasher)
        hasher_update(r->hasher, p, n);
    return r->hasher && r->wanted ? facts_data(r->facts, p, n, e) : ERR_OK;
}

static enum err_code end_member(void *ctx, struct err *e)
{
    struct layer_reader *r = ctx;
    struct digest d;
    unsigned char sha256[32];

    if (!r->hasher)
        return ERR_OK;
    hasher_digest(r->hasher, &d);
    hex_decode(digest_hex(&d), sha256, sizeof(sha256));
    layer_files_set_sha256(r->files, layer_files_count(r->files) - 1, sha256);
    hasher_free(STEAL(r->hasher));
    return r->wanted ? facts_end(r->facts, e) : ERR_OK;
}

static const struct tar_events events = {begin_member, take_data, end_member};

/* ---- bytes */

enum err_code layer_limits_allow(const struct layer_limits *limits, uint64_t packed_bytes,
                                 uint64_t unpacked_bytes, struct err *e)
{
    if (unpacked_bytes > limits->max_unpacked_bytes)
        return err_tell(e, ERR_IMAGE_TOO_LARGE, "the layer unpacks to more than %llu bytes",
                        (unsigned long long)limits->max_unpacked_bytes);
    if (unpacked_bytes > RATIO_FREE_BYTES &&
        (unpacked_bytes - RATIO_FREE_BYTES) / limits->max_ratio > packed_bytes)
        return err_tell(e, ERR_IMAGE_TOO_LARGE,
                        "the layer unpacks to more than %llu times its size",
                        (unsigned long long)limits->max_ratio);
    return ERR_OK;
}

static enum err_code take_unpacked(void *ctx, const void *p, size_t n, struct err *e)
{
    struct layer_reader *r = ctx;

    r->out_bytes += n;
    TRY(layer_limits_allow(&r->limits, r->unpack ? r->in_bytes : UINT64_MAX, r->out_bytes, e));
    return byte_line_add(r->line, p, n, e);
}

/* Reading the tar, and hashing its files, costs half as much as unpacking, or more. */
static enum err_code take_tar(void *ctx, const void *p, size_t n, struct err *e)
{
    struct layer_reader *r = ctx;

    return tar_feed(r->tar, p, n, e);
}

struct layer_reader *layer_reader_new(const struct layer_limits *limits, bool unpacked)
{
    struct layer_reader *r = NEW(struct layer_reader);

    r->limits = *limits;
    r->files = layer_files_new(limits->memory_bytes);
    r->facts = facts_new();
    r->tar = tar_new(&events, r, &r->refusal);
    r->line = byte_line_new(take_tar, r);
    if (!unpacked)
        r->unpack = unpack_new(true, take_unpacked, r, &r->packing_refusal);
    buf_init(&r->path, TAR_NAME_MAX);
    buf_init(&r->link, TAR_NAME_MAX);
    return r;
}

void layer_reader_free(struct layer_reader *r)
{
    if (!r)
        return;
    byte_line_free(r->line);
    unpack_free(r->unpack);
    tar_free(r->tar);
    layer_files_free(r->files);
    buf_done(&r->path);
    buf_done(&r->link);
    hasher_free(r->hasher);
    facts_free(r->facts);
    free(r);
}

/* Of what is wrong with the tar, and then with its packing, whoever takes it may know later. */
static enum err_code unpacked(struct layer_reader *r, enum err_code code, struct err *e)
{
    struct err earlier;
    enum err_code of_tar;

    if (code == ERR_OK)
        return ERR_OK;
    of_tar = byte_line_settle(r->line, &earlier);
    if (of_tar == ERR_OK)
        return code;
    *e = earlier;
    return of_tar;
}

enum err_code layer_reader_feed(struct layer_reader *r, const void *p, size_t n, struct err *e)
{
    r->in_bytes += n;
    return unpacked(r, r->unpack ? unpack_feed(r->unpack, p, n, e) : take_unpacked(r, p, n, e), e);
}

enum err_code layer_reader_end(struct layer_reader *r, uint64_t packed_bytes,
                               struct layer_files **ret_files, struct err *e)
{
    if (r->unpack)
        TRY(unpacked(r, unpack_end(r->unpack, e), e));
    TRY(byte_line_settle(r->line, e));
    TRY(tar_end(r->tar, e));
    layer_files_set_bytes(r->files, r->unpack ? r->in_bytes : packed_bytes, r->out_bytes);
    *ret_files = STEAL(r->files);
    return ERR_OK;
}

enum err_code layer_read(struct reader *in, const struct layer_limits *limits,
                         bool (*go_on)(void *ctx), void *ctx, struct layer_files **ret_files,
                         struct err *e)
{
    AUTO(layer_reader) struct layer_reader *r = layer_reader_new(limits, false);
    AUTO(mem) char *bytes = mem_alloc(READ_BYTES);
    size_t n;

    do {
        if (go_on && !go_on(ctx))
            return err_set(e, ERR_LATER, "stopped");
        TRY(reader_read_waiting(in, bytes, READ_BYTES, &n, e));
        if (n > 0)
            TRY(layer_reader_feed(r, bytes, n, e));
    } while (n > 0);
    return layer_reader_end(r, 0, ret_files, e);
}
