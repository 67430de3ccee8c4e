#include "archive/out_layout.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCK          512u
#define NAME_MAX_USTAR 100u
#define SIZE_MAX_USTAR 077777777777u /* 11 octal digits: 8 GiB less one */
#define PAX_MAX        1024u         /* of the records of one member */

/* POSIX.1-2017, pax, "ustar Interchange Format". All of it is text, so no padding is in between. */
struct ustar {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100],
        magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], unused[12];
};
_Static_assert(sizeof(struct ustar) == BLOCK, "a header is a block");

void out_layout_init(struct out_layout *l)
{
    *l = (struct out_layout){0};
    buf_init(&l->text, OUT_TEXT_MAX);
}

void out_layout_done(struct out_layout *l)
{
    buf_done(&l->text);
    free(l->pieces);
}

static struct out_piece *new_piece(struct out_layout *l)
{
    l->pieces = mem_resize(l->pieces, (l->n_pieces + 1) * sizeof(*l->pieces));
    l->pieces[l->n_pieces] = (struct out_piece){.at_bytes = l->n_bytes};
    return &l->pieces[l->n_pieces++];
}

/* Text that follows text is one piece. */
static void add_text(struct out_layout *l, struct str s)
{
    struct out_piece *last = l->n_pieces ? &l->pieces[l->n_pieces - 1] : NULL;

    if (s.n == 0)
        return;
    if (!last || last->is_blob) {
        last = new_piece(l);
        last->text_at = l->text.n;
    }
    buf_add_str(&l->text, s);
    last->n_bytes += s.n;
    l->n_bytes += s.n;
}

static void pad(struct out_layout *l)
{
    static const char zeros[BLOCK];

    add_text(l, (struct str){zeros, (size_t)((BLOCK - l->n_bytes % BLOCK) % BLOCK)});
}

static void set_checksum(struct ustar *h)
{
    const unsigned char *p = (const unsigned char *)h;
    unsigned sum = 0;

    memset(h->checksum, ' ', sizeof(h->checksum));
    for (size_t i = 0; i < BLOCK; i++)
        sum += p[i];
    snprintf(h->checksum, sizeof(h->checksum), "%06o", sum); /* a NUL, and the blank is there */
}

static void add_header(struct out_layout *l, char type, struct str name, uint64_t n_bytes)
{
    struct ustar h = {
        .mode = "0000644",
        .uid = "0000000",
        .gid = "0000000",
        .mtime = "00000000000",
        .type = type,
        .magic = "ustar",
        .version = {'0', '0'},
        .major = "0000000",
        .minor = "0000000",
    };

    memcpy(h.name, name.p, name.n < NAME_MAX_USTAR ? name.n : NAME_MAX_USTAR);
    snprintf(h.size, sizeof(h.size), "%011llo", (unsigned long long)n_bytes);
    set_checksum(&h);
    add_text(l, (struct str){(const char *)&h, sizeof(h)});
}

/* "30 mtime=1350244992.023960108\n": the length counts itself. */
static void add_record(struct buf *records, const char *key, struct str value)
{
    size_t rest = strlen(" =\n") + strlen(key) + value.n, n = rest + 1;
    char digits[STR_DECIMAL_MAX];

    while (n != rest + str_decimal(n, digits).n)
        n = rest + str_decimal(n, digits).n;
    buf_addf(records, "%zu %s=" STR_FMT "\n", n, key, STR_ARG(value));
}

/* What the header of a member can't hold goes before it. Where the record has the size, its field
 * is 0, as tar of Go and Python write it. */
static void add_member(struct out_layout *l, struct str name, uint64_t n_bytes)
{
    AUTO(buf) struct buf records = {0};
    char digits[STR_DECIMAL_MAX];

    buf_init(&records, PAX_MAX);
    if (name.n > NAME_MAX_USTAR)
        add_record(&records, "path", name);
    if (n_bytes > SIZE_MAX_USTAR)
        add_record(&records, "size", str_decimal(n_bytes, digits));
    if (records.n > 0) {
        add_header(l, 'x', STR("pax"), records.n);
        add_text(l, buf_str(&records));
        pad(l);
    }
    add_header(l, '0', name, n_bytes > SIZE_MAX_USTAR ? 0 : n_bytes);
}

void out_layout_file(struct out_layout *l, struct str name, struct str bytes)
{
    add_member(l, name, bytes.n);
    add_text(l, bytes);
    pad(l);
}

void out_layout_blob(struct out_layout *l, struct str name, const struct digest *d,
                     uint64_t n_bytes)
{
    add_member(l, name, n_bytes);
    if (n_bytes > 0) {
        struct out_piece *p = new_piece(l);

        p->is_blob = true;
        p->digest = *d;
        p->n_bytes = n_bytes;
        l->n_bytes += n_bytes;
    }
    pad(l);
}

enum err_code out_layout_end(struct out_layout *l, struct err *e)
{
    static const char zeros[2 * BLOCK];

    add_text(l, (struct str){zeros, sizeof(zeros)});
    if (l->text.full)
        return err_tell(e, ERR_UNSUPPORTED,
                        "the manifests and headers of the archive are more than %u bytes",
                        OUT_TEXT_MAX);
    return ERR_OK;
}

const struct out_piece *out_layout_find(const struct out_layout *l, uint64_t at_bytes)
{
    size_t from = 0, to = l->n_pieces;

    while (to - from > 1) {
        size_t middle = from + (to - from) / 2;

        if (l->pieces[middle].at_bytes <= at_bytes)
            from = middle;
        else
            to = middle;
    }
    return &l->pieces[from];
}

void out_layout_digest(const struct out_layout *l, struct digest *ret_digest)
{
    AUTO(hasher) struct hasher *h = hasher_new(DIGEST_SHA256);

    for (size_t i = 0; i < l->n_pieces; i++) {
        const struct out_piece *p = &l->pieces[i];

        if (p->is_blob) /* how long it is stands in the header before it */
            hasher_update(h, p->digest.text, p->digest.n);
        else
            hasher_update(h, l->text.p + p->text_at, (size_t)p->n_bytes);
    }
    hasher_digest(h, ret_digest);
}
