#include "analysis/kept_list.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/varint.h"

#include <string.h>

#define MAGIC       STR("CDLF1\n")
#define PIECE_BYTES (64u << 10)
#define HASH_FLAG   8u /* above the kinds */
#define KIND_MASK   7u
#define TEXT_MAX    ((size_t)UINT16_MAX)

/* Times may be before 1970. */
static uint64_t fold(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static int64_t unfold(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static bool has_link(enum layer_file_kind kind)
{
    return kind == LAYER_SYMBOLIC_LINK || kind == LAYER_HARD_LINK;
}

static bool has_attributes(enum layer_file_kind kind)
{
    return kind != LAYER_WHITEOUT && kind != LAYER_OPAQUE;
}

/* ---- writing */

static void put(struct buf *b, uint64_t v)
{
    unsigned char bytes[VARINT_MAX];

    buf_add(b, bytes, varint_put(v, bytes));
}

static void put_text(struct buf *b, struct str text)
{
    put(b, text.n);
    buf_add_str(b, text);
}

static size_t shared_bytes(struct str a, struct str b)
{
    size_t n = 0;

    while (n < a.n && n < b.n && a.p[n] == b.p[n])
        n++;
    return n;
}

static void put_file(struct buf *b, const struct layer_file *f, struct str before)
{
    size_t shared = shared_bytes(before, f->path);

    put(b, (unsigned)f->kind | (f->has_sha256 ? HASH_FLAG : 0));
    put(b, shared);
    put_text(b, str_sub(f->path, shared, f->path.n - shared));
    if (has_link(f->kind))
        put_text(b, f->link);
    if (!has_attributes(f->kind))
        return;
    put(b, f->size_bytes);
    put(b, f->mode);
    put(b, f->uid);
    put(b, f->gid);
    put(b, fold(f->modified_s));
    put(b, f->at_bytes);
    if (f->has_sha256)
        buf_add(b, f->sha256, sizeof(f->sha256));
}

static enum err_code flush(struct buf *b, size_t at_least, kept_list_fn emit, void *ctx,
                           struct err *e)
{
    if (b->n >= at_least && b->n > 0) {
        TRY(emit(ctx, b->p, b->n, e));
        buf_clear(b);
    }
    return ERR_OK;
}

enum err_code kept_list_write(const struct layer_files *f, struct str of, kept_list_fn emit,
                              void *ctx, struct err *e)
{
    AUTO(buf) struct buf b = {0};
    struct str before = STR(""), os_release = layer_files_os_release(f);

    buf_init(&b, PIECE_BYTES + 4 * TEXT_MAX);
    buf_add_str(&b, MAGIC);
    put_text(&b, of);
    put(&b, layer_files_packed_bytes(f));
    put(&b, layer_files_unpacked_bytes(f));
    put(&b, layer_files_count(f));
    for (size_t i = 0; i < layer_files_count(f); i++) {
        struct layer_file file;

        layer_files_get(f, i, &file);
        put_file(&b, &file, before);
        before = file.path;
        TRY(flush(&b, PIECE_BYTES, emit, ctx, e));
    }
    put(&b, layer_files_packages(f));
    for (size_t i = 0; i < layer_files_packages(f); i++) {
        struct layer_package p;

        layer_files_get_package(f, i, &p);
        put(&b, p.kind);
        put(&b, p.file);
        put_text(&b, p.name);
        put_text(&b, p.version);
        TRY(flush(&b, PIECE_BYTES, emit, ctx, e));
    }
    put_text(&b, str_sub(os_release, 0, os_release.n < TEXT_MAX ? os_release.n : TEXT_MAX));
    return flush(&b, 0, emit, ctx, e);
}

/* ---- reading */

struct source {
    struct reader *in;
    unsigned char *bytes; /* PIECE_BYTES */
    size_t at, n;
    struct buf path, text, more;
};

static void auto_source_(struct source *s)
{
    free(s->bytes);
    buf_done(&s->path);
    buf_done(&s->text);
    buf_done(&s->more);
}

static enum err_code damaged(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "a kept list of a layer's files is damaged");
}

/* Bytes that are at hand; CORRUPT at the end. */
static enum err_code need(struct source *s, struct err *e)
{
    if (s->at < s->n)
        return ERR_OK;
    s->at = 0;
    TRY(reader_read_waiting(s->in, s->bytes, PIECE_BYTES, &s->n, e));
    return s->n > 0 ? ERR_OK : damaged(e);
}

static enum err_code get(struct source *s, uint64_t *ret, struct err *e)
{
    unsigned char bytes[VARINT_MAX];
    size_t n = 0;

    do {
        if (n == VARINT_MAX)
            return damaged(e);
        TRY(need(s, e));
        bytes[n++] = s->bytes[s->at++];
    } while (bytes[n - 1] & 0x80);
    (void)varint_get(bytes, n, ret);
    return ERR_OK;
}

static enum err_code get_below(struct source *s, uint64_t end, uint64_t *ret, struct err *e)
{
    TRY(get(s, ret, e));
    return *ret < end ? ERR_OK : damaged(e);
}

static enum err_code get_bytes(struct source *s, void *dst, size_t n, struct err *e)
{
    for (size_t done = 0, some; done < n; done += some) {
        TRY(need(s, e));
        some = n - done < s->n - s->at ? n - done : s->n - s->at;
        memcpy((char *)dst + done, s->bytes + s->at, some);
        s->at += some;
    }
    return ERR_OK;
}

/* Behind what is in dst. */
static enum err_code get_text(struct source *s, struct buf *dst, struct err *e)
{
    uint64_t n;
    char *p;

    TRY(get_below(s, TEXT_MAX + 1 - dst->n, &n, e));
    p = buf_reserve(dst, (size_t)n + 1);
    if (!p)
        return damaged(e);
    TRY(get_bytes(s, p, (size_t)n, e));
    dst->n += (size_t)n;
    return ERR_OK;
}

static enum err_code get_u32(struct source *s, uint32_t *ret, struct err *e)
{
    uint64_t v;

    TRY(get_below(s, 1ull << 32, &v, e));
    *ret = (uint32_t)v;
    return ERR_OK;
}

static enum err_code get_attributes(struct source *s, struct layer_file *f, struct err *e)
{
    uint64_t modified;

    TRY(get(s, &f->size_bytes, e));
    TRY(get_u32(s, &f->mode, e));
    TRY(get_u32(s, &f->uid, e));
    TRY(get_u32(s, &f->gid, e));
    TRY(get(s, &modified, e));
    f->modified_s = unfold(modified);
    TRY(get(s, &f->at_bytes, e));
    return f->has_sha256 ? get_bytes(s, f->sha256, sizeof(f->sha256), e) : ERR_OK;
}

/* Its texts are those of the source, until the next one. */
static enum err_code get_file(struct source *s, struct layer_file *ret, struct err *e)
{
    uint64_t what, shared;

    TRY(get_below(s, 2 * HASH_FLAG, &what, e));
    if ((what & KIND_MASK) >= LAYER_KINDS)
        return damaged(e);
    *ret = (struct layer_file){.kind = (enum layer_file_kind)(what & KIND_MASK),
                               .has_sha256 = what & HASH_FLAG};
    TRY(get_below(s, s->path.n + 1, &shared, e));
    s->path.n = (size_t)shared;
    TRY(get_text(s, &s->path, e));
    ret->path = buf_str(&s->path);
    buf_clear(&s->text);
    if (has_link(ret->kind))
        TRY(get_text(s, &s->text, e));
    ret->link = buf_str(&s->text);
    return has_attributes(ret->kind) ? get_attributes(s, ret, e) : ERR_OK;
}

static enum err_code get_files(struct source *s, kept_list_want want, void *ctx,
                               struct layer_files *f, struct err *e)
{
    uint64_t n;

    TRY(get_below(s, UINT32_MAX, &n, e));
    for (uint64_t i = 0; i < n; i++) {
        struct layer_file file;

        TRY(get_file(s, &file, e));
        if (!want || want(ctx, &file))
            TRY(layer_files_add(f, &file, e));
    }
    return ERR_OK;
}

static enum err_code get_packages(struct source *s, struct layer_files *f, struct err *e)
{
    uint64_t n, kind;

    TRY(get(s, &n, e));
    for (uint64_t i = 0; i < n; i++) {
        struct layer_package p = {.file = 0};

        buf_clear(&s->text);
        buf_clear(&s->more);
        TRY(get_below(s, PACKAGE_KINDS, &kind, e));
        p.kind = (enum layer_package_kind)kind;
        TRY(get_u32(s, &p.file, e));
        if (p.file >= layer_files_count(f))
            return damaged(e);
        TRY(get_text(s, &s->text, e));
        TRY(get_text(s, &s->more, e));
        p.name = buf_str(&s->text);
        p.version = buf_str(&s->more);
        TRY(layer_files_add_package(f, &p, e));
    }
    buf_clear(&s->text);
    TRY(get_text(s, &s->text, e));
    return layer_files_set_os_release(f, buf_str(&s->text), e);
}

static enum err_code get_head(struct source *s, struct str of, struct layer_files *f, struct err *e)
{
    char magic[8];
    uint64_t packed, unpacked;

    TRY(get_bytes(s, magic, MAGIC.n, e));
    if (!str_eq((struct str){magic, MAGIC.n}, MAGIC))
        return damaged(e);
    TRY(get_text(s, &s->text, e));
    if (!str_eq(buf_str(&s->text), of))
        return damaged(e);
    TRY(get(s, &packed, e));
    TRY(get(s, &unpacked, e));
    layer_files_set_bytes(f, packed, unpacked);
    return ERR_OK;
}

enum err_code kept_list_read(struct reader *in, struct str of, uint64_t max_bytes,
                             kept_list_want want, void *ctx, struct layer_files **ret_files,
                             struct err *e)
{
    AUTO(source) struct source s = {.in = in, .bytes = mem_alloc(PIECE_BYTES)};
    AUTO(layer_files) struct layer_files *f = layer_files_new(max_bytes);

    buf_init(&s.path, TEXT_MAX + 1);
    buf_init(&s.text, TEXT_MAX + 1);
    buf_init(&s.more, TEXT_MAX + 1);
    TRY(get_head(&s, of, f, e));
    TRY(get_files(&s, want, ctx, f, e));
    if (!want)
        TRY(get_packages(&s, f, e));
    *ret_files = STEAL(f);
    return ERR_OK;
}
