#include "core/image_file.h"

#include "archive/unpack.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/mem.h"
#include "core/pull.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_BYTES    (256u << 10)
#define UNPACKING_MAX 4

static atomic_int unpacking;
static atomic_uint_fast64_t room_used; /* bytes of all files that are open */

/* ---- room, and a reader that has some */

struct room_reader {
    struct reader reader;
    int fd;
    uint64_t at_bytes, n_bytes;
};

static enum err_code read_some(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    struct room_reader *x = (struct room_reader *)r;
    ssize_t n = file_pread_all(x->fd, buf, cap, x->at_bytes);

    if (n < 0)
        return err_errno(e, "read a file that was unpacked");
    x->at_bytes += (uint64_t)n;
    *ret_n = (size_t)n;
    return ERR_OK;
}

static enum err_code seek_to(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    (void)e;
    ((struct room_reader *)r)->at_bytes = offset_bytes;
    return ERR_OK;
}

static int fd_of(struct reader *r)
{
    return ((struct room_reader *)r)->fd;
}

static void free_room(struct reader *r)
{
    struct room_reader *x = (struct room_reader *)r;

    if (x->fd >= 0)
        close(x->fd);
    atomic_fetch_sub(&room_used, x->n_bytes);
    free(x);
}

static const struct reader_ops ops = {
    .read = read_some, .seek = seek_to, .fd = fd_of, .free = free_room};

static enum err_code take_room(struct registry *r, uint64_t n_bytes, struct room_reader **ret,
                               struct err *e)
{
    uint64_t most = conf_u64(&r->options->analysis.file_room);
    struct room_reader *x;

    if (n_bytes > most)
        return err_tell(e, ERR_BODY_TOO_LARGE,
                        "the file has %llu bytes, and no more than %llu are unpacked",
                        (unsigned long long)n_bytes, (unsigned long long)most);
    TRY(registry_has_room(r, e));
    if (atomic_fetch_add(&room_used, n_bytes) > most - n_bytes) {
        atomic_fetch_sub(&room_used, n_bytes);
        return err_tell(e, ERR_UNAVAILABLE, "other files take up the room to unpack this one");
    }
    x = NEW(struct room_reader);
    x->reader.ops = &ops;
    x->n_bytes = n_bytes;
    x->fd = open(r->temp_dir ? r->temp_dir : P_tmpdir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    *ret = x;
    return x->fd < 0 ? err_errno(e, "make a file to unpack another one into") : ERR_OK;
}

/* ---- unpacking */

struct pulling {
    int fd;
    uint64_t at_bytes; /* of the tar */
    uint64_t from_bytes, to_bytes;
    struct hasher *hasher;
};

static inline void auto_pulling_(struct pulling *p)
{
    hasher_free(p->hasher);
}

/* LATER: that was all of it. */
static enum err_code take(void *ctx, const void *bytes, size_t n, struct err *e)
{
    struct pulling *p = ctx;
    uint64_t begin = p->at_bytes, end = begin + n;
    uint64_t from = p->from_bytes > begin ? p->from_bytes : begin;
    uint64_t to = p->to_bytes < end ? p->to_bytes : end;

    p->at_bytes = end;
    if (from < to) {
        const char *part = (const char *)bytes + (from - begin);

        hasher_update(p->hasher, part, (size_t)(to - from));
        if (file_pwrite_all(p->fd, part, (size_t)(to - from), from - p->from_bytes) != 0)
            return err_errno(e, "unpack a file of an image");
    }
    return end >= p->to_bytes ? err_set(e, ERR_LATER, "all is there") : ERR_OK;
}

static enum err_code check(const struct pulling *p, const struct layer_file *file, struct err *e)
{
    struct digest d;
    unsigned char sha256[sizeof(file->sha256)];

    hasher_digest(p->hasher, &d);
    hex_decode(digest_hex(&d), sha256, sizeof(sha256));
    if (memcmp(sha256, file->sha256, sizeof(sha256)) != 0)
        return err_set(e, ERR_CORRUPT, "a file of a layer is not what it was when it was listed");
    return ERR_OK;
}

static enum err_code unpack_until_there(struct reader *in, struct pulling *p, struct err *e)
{
    struct refusal refusal = {.code = REFUSAL_NONE};
    AUTO(unpack) struct unpack *u = unpack_new(true, take, p, &refusal);
    AUTO(mem) char *bytes = mem_alloc(READ_BYTES);
    enum err_code code = ERR_OK;
    size_t n;

    while (code == ERR_OK) {
        TRY(reader_read_waiting(in, bytes, READ_BYTES, &n, e));
        if (n == 0)
            return err_set(e, ERR_CORRUPT, "a layer ends before a file that it has");
        code = unpack_feed(u, bytes, n, e);
    }
    return code == ERR_LATER ? ERR_OK : code;
}

static enum err_code unpack(struct registry *r, const struct image_layer_set *l,
                            const struct image_file_found *f, int fd, struct err *e)
{
    AUTO(pulling)
    struct pulling p = {.fd = fd,
                        .from_bytes = f->file.at_bytes,
                        .to_bytes = f->file.at_bytes + f->file.size_bytes,
                        .hasher = hasher_new(DIGEST_SHA256)};
    AUTO(reader) struct reader *in = NULL;
    uint64_t unused;

    TRY(pull_blob(r, &l->repo, &l->digests[f->layer], &in, &unused, e));
    if (f->file.size_bytes > 0)
        TRY(unpack_until_there(in, &p, e));
    return check(&p, &f->file, e);
}

/* ---- the whole */

enum err_code image_file_find(struct registry *r, const struct image_layer_set *l, struct str path,
                              struct image_file_found *ret_found, struct err *e)
{
    struct folder_entry x;

    TRY(image_files_file(r, l, path, &ret_found->folder, e));
    image_folder_itself(ret_found->folder, &x);
    ret_found->file = x.file;
    ret_found->layer = x.layer;
    return ERR_OK;
}

void image_file_found_done(struct image_file_found *f)
{
    image_folder_free(f->folder);
}

enum err_code image_file_open(struct registry *r, const struct image_layer_set *l,
                              const struct image_file_found *f, struct reader **ret_reader,
                              struct err *e)
{
    struct room_reader *room = NULL;
    AUTO(reader) struct reader *reader = NULL;
    enum err_code code;

    if (!f->file.has_sha256)
        return err_tell(e, ERR_UNSUPPORTED, "a file with holes can't be had alone");
    code = take_room(r, f->file.size_bytes, &room, e);
    reader = room ? &room->reader : NULL;
    TRY(code);
    if (atomic_fetch_add(&unpacking, 1) < UNPACKING_MAX)
        code = unpack(r, l, f, room->fd, e);
    else
        code = err_tell(e, ERR_UNAVAILABLE, "%d files are unpacked just now; try again",
                        UNPACKING_MAX);
    atomic_fetch_sub(&unpacking, 1);
    TRY(code);
    *ret_reader = STEAL(reader);
    return ERR_OK;
}
