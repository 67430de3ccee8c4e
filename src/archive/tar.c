#include "archive/tar.h"

#include "base/mem.h"

#include <stdlib.h>

#define BLOCK 512u

/* Of a PAX header or a long name. */
#define EXTRA_MAX (256u << 10)

enum state {
    HEADER, /* collecting a block */
    EXTRA,  /* the contents of a header that is about the next member */
    SPARSE_MAP,
    DATA,
    PADDING,
    ZERO, /* one block of zeros was there */
    OVER
};

/* What stands before a member about it. */
struct extra {
    bool has_size, has_uid, has_gid, has_modified, sparse;
    uint64_t size_bytes, whole_bytes, uid, gid;
    int64_t modified_s;
    char *name, *link; /* NULL: the header's own */
};

struct tar {
    const struct tar_events *events;
    void *ctx;
    struct refusal *refusal;
    enum state state;
    unsigned char block[BLOCK];
    size_t n_block;
    uint64_t left_bytes; /* of DATA, EXTRA or PADDING */
    size_t padding;      /* behind what is being read */
    bool member;         /* DATA is a member's, told to events */
    char extra_type;
    struct buf extra_text;
    struct extra extra;
    bool began;
    uint64_t at_bytes; /* of what was taken */
};

struct tar *tar_new(const struct tar_events *events, void *ctx, struct refusal *f)
{
    struct tar *t = NEW(struct tar);

    t->events = events;
    t->ctx = ctx;
    t->refusal = f;
    buf_init(&t->extra_text, EXTRA_MAX);
    return t;
}

static void extra_done(struct extra *x)
{
    free(x->name);
    free(x->link);
    *x = (struct extra){0};
}

void tar_free(struct tar *t)
{
    if (!t)
        return;
    extra_done(&t->extra);
    buf_done(&t->extra_text);
    free(t);
}

static enum err_code bad(struct tar *t, struct str name, const char *what, struct err *e)
{
    return refuse(t->refusal, REFUSAL_TAR_HEADER, name, e, "%s", what);
}

/* Octal, with blanks before and a blank or NUL behind; or, of GNU, base 256 (its first bit set). */
static bool number(const unsigned char *p, size_t n, uint64_t *ret)
{
    uint64_t v = 0;
    size_t i = 0;

    if (p[0] & 0x80) {
        if (p[0] != 0x80)
            return false; /* negative, or far too large */
        for (i = 1; i < n; i++) {
            if (v >> 55)
                return false;
            v = v << 8 | p[i];
        }
        *ret = v;
        return true;
    }
    while (i < n && p[i] == ' ')
        i++;
    for (; i < n && p[i] >= '0' && p[i] <= '7'; i++) {
        if (v >> 60)
            return false;
        v = v << 3 | (uint64_t)(p[i] - '0');
    }
    for (; i < n; i++) {
        if (p[i] != ' ' && p[i] != '\0')
            return false;
    }
    *ret = v;
    return true;
}

/* Some old programs added signed characters. */
static bool sum_right(const unsigned char *b)
{
    uint64_t said, sum = 0;
    int64_t with_sign = 0;

    for (size_t i = 0; i < BLOCK; i++) {
        unsigned char c = i >= 148 && i < 156 ? ' ' : b[i];

        sum += c;
        with_sign += (signed char)c;
    }
    return number(b + 148, 8, &said) && (said == sum || (int64_t)said == with_sign);
}

bool tar_begins(const void *p, size_t n)
{
    return n >= BLOCK && sum_right(p);
}

static bool all_zero(const unsigned char *b)
{
    for (size_t i = 0; i < BLOCK; i++) {
        if (b[i])
            return false;
    }
    return true;
}

static struct str field(const unsigned char *p, size_t max)
{
    return (struct str){(const char *)p, strnlen((const char *)p, max)};
}

/* The name in the header; of ustar, with its prefix. */
static struct str header_name(const unsigned char *b, char room[static 257])
{
    struct str name = field(b, 100), prefix = field(b + 345, 155);

    if (memcmp(b + 257, "ustar\0", 6) != 0 || prefix.n == 0)
        return name;
    memcpy(room, prefix.p, prefix.n);
    room[prefix.n] = '/';
    memcpy(room + prefix.n + 1, name.p, name.n);
    return (struct str){room, prefix.n + 1 + name.n};
}

static void after(struct tar *t, uint64_t size_bytes)
{
    t->padding = (size_t)((BLOCK - size_bytes % BLOCK) % BLOCK);
    t->left_bytes = size_bytes;
}

static enum err_code begin_extra(struct tar *t, char type, uint64_t size_bytes, struct err *e)
{
    if (size_bytes > EXTRA_MAX)
        return bad(t, STR_NONE, "a PAX header or a name is larger than 256 KiB", e);
    t->extra_type = type;
    buf_clear(&t->extra_text);
    after(t, size_bytes);
    t->state = EXTRA;
    return ERR_OK;
}

static enum err_code member_ended(struct tar *t, struct err *e)
{
    t->member = false;
    return t->events->end(t->ctx, e);
}

static enum tar_kind kind_of(char type, struct str name)
{
    switch (type) {
    case '\0':
        return str_ends(name, STR("/")) ? TAR_FOLDER : TAR_FILE; /* version 7 */
    case '0':
    case '7':
        return TAR_FILE;
    case '1':
        return TAR_HARD_LINK;
    case '2':
        return TAR_SYMBOLIC_LINK;
    case '5':
        return TAR_FOLDER;
    case 'S':
        return TAR_SPARSE;
    default:
        return TAR_OTHER;
    }
}

static bool has_contents(enum tar_kind kind, char type)
{
    return kind == TAR_FILE || kind == TAR_SPARSE ||
           (kind == TAR_OTHER && type != '3' && type != '4' && type != '6');
}

/* What no program fails for: 0 where it can't be read. */
static uint64_t number_or_0(const unsigned char *p, size_t n)
{
    uint64_t v;

    return number(p, n, &v) ? v : 0;
}

static void add_attributes(const struct tar *t, struct tar_entry *entry)
{
    const unsigned char *b = t->block;
    const struct extra *x = &t->extra;

    entry->mode = (uint32_t)number_or_0(b + 100, 8) & 07777;
    entry->uid = x->has_uid ? x->uid : number_or_0(b + 108, 8);
    entry->gid = x->has_gid ? x->gid : number_or_0(b + 116, 8);
    entry->modified_s = x->has_modified ? x->modified_s : (int64_t)number_or_0(b + 136, 12);
    entry->whole_bytes = entry->size_bytes;
    if (b[156] == 'S')
        entry->whole_bytes = number_or_0(b + 483, 12);
    else if (entry->kind == TAR_SPARSE && x->whole_bytes > 0)
        entry->whole_bytes = x->whole_bytes;
}

static enum err_code begin_member(struct tar *t, uint64_t size_bytes, struct err *e)
{
    const unsigned char *b = t->block;
    char room[257], type = (char)b[156];
    struct tar_entry entry = {
        .name = header_name(b, room), .link = field(b + 157, 100), .at_bytes = t->at_bytes};

    if (t->extra.name)
        entry.name = str_of(t->extra.name);
    if (t->extra.link)
        entry.link = str_of(t->extra.link);
    entry.kind = kind_of(type, entry.name);
    if (t->extra.sparse && entry.kind == TAR_FILE)
        entry.kind = TAR_SPARSE;
    entry.size_bytes = t->extra.has_size ? t->extra.size_bytes : size_bytes;
    if (entry.name.n == 0 || entry.name.n > TAR_NAME_MAX || entry.link.n > TAR_NAME_MAX)
        return bad(t, STR_NONE, "a member without a name, or with one longer than 4096 bytes", e);
    /* Some programs would read what follows as its contents, others as the next header. */
    if (entry.size_bytes > 0 && !has_contents(entry.kind, type))
        return bad(t, entry.name, "a folder, link or device with contents", e);
    add_attributes(t, &entry);
    TRY(t->events->begin(t->ctx, &entry, e));
    t->member = true;
    after(t, entry.size_bytes);
    t->state = type == 'S' && b[482] ? SPARSE_MAP : DATA;
    extra_done(&t->extra);
    return ERR_OK;
}

static enum err_code header(struct tar *t, struct err *e)
{
    const unsigned char *b = t->block;
    uint64_t size_bytes;

    if (all_zero(b)) {
        t->state = t->state == ZERO ? OVER : ZERO;
        return ERR_OK;
    }
    if (t->state == ZERO)
        return bad(t, STR_NONE, "a single block of zeros, and more behind it", e);
    if (!sum_right(b))
        return bad(
            t, STR_NONE,
            t->began ? "the checksum of a header is wrong" : "these bytes are no tar archive", e);
    t->began = true;
    if (!number(b + 124, 12, &size_bytes))
        return bad(t, field(b, 100), "the size is no number, negative or too large", e);
    if (memchr("xgLK", b[156], 4) && b[156])
        return begin_extra(t, (char)b[156], size_bytes, e);
    if (b[156] == 'M')
        return bad(t, field(b, 100), "a part of a file that began in another archive", e);
    return begin_member(t, size_bytes, e);
}

static enum err_code set_text(struct tar *t, char **dst, struct str value, struct err *e)
{
    if (value.n > TAR_NAME_MAX || memchr(value.p, '\0', value.n))
        return bad(t, STR_NONE, "a name of more than 4096 bytes, or with a NUL", e);
    free(*dst);
    *dst = value.n > 0 ? str_dup(value) : NULL; /* POSIX: empty takes an earlier one back */
    return ERR_OK;
}

/* Attributes, of which what can't be read says nothing. Source: pax, "uid", "gid", "mtime"; GNU
 * tar, "PAX 1.0" of sparse files. */
static void set_attribute(struct extra *x, struct str key, struct str value)
{
    struct str seconds;
    uint64_t v;

    str_cut(&value, '.', &seconds); /* of times: no finer than seconds */
    if (!str_to_u64(seconds, INT64_MAX, &v))
        return;
    if (str_eq(key, STR("uid"))) {
        x->has_uid = true;
        x->uid = v;
    } else if (str_eq(key, STR("gid"))) {
        x->has_gid = true;
        x->gid = v;
    } else if (str_eq(key, STR("mtime"))) {
        x->has_modified = true;
        x->modified_s = (int64_t)v;
    } else if (str_eq(key, STR("GNU.sparse.realsize")) || str_eq(key, STR("GNU.sparse.size"))) {
        x->whole_bytes = v;
    }
}

static enum err_code pax_record(struct tar *t, struct str key, struct str value, bool global,
                                struct err *e)
{
    bool of_one = str_eq(key, STR("path")) || str_eq(key, STR("linkpath")) ||
                  str_eq(key, STR("size")) || str_starts(key, STR("GNU.sparse."));

    if (of_one && global)
        return bad(t, STR_NONE, "a global PAX header with a name or size", e);
    if (str_eq(key, STR("path")) || str_eq(key, STR("GNU.sparse.name")))
        return set_text(t, &t->extra.name, value, e);
    if (str_eq(key, STR("linkpath")))
        return set_text(t, &t->extra.link, value, e);
    if (str_eq(key, STR("size"))) {
        if (!str_to_u64(value, INT64_MAX, &t->extra.size_bytes))
            return bad(t, STR_NONE, "the size in a PAX header is no number", e);
        t->extra.has_size = true;
    }
    if (!global)
        set_attribute(&t->extra, key, value);
    t->extra.sparse = t->extra.sparse || str_starts(key, STR("GNU.sparse."));
    return ERR_OK;
}

/* "LENGTH KEY=VALUE\n" each, LENGTH being that of all of it. */
static enum err_code pax_records(struct tar *t, bool global, struct err *e)
{
    struct str text = buf_str(&t->extra_text);

    while (text.n > 0) {
        struct str rest = text, digits, record, key;
        uint64_t n;

        if (!str_cut(&rest, ' ', &digits) || !str_to_u64(digits, text.n, &n) || n < digits.n + 2 ||
            text.p[n - 1] != '\n')
            return bad(t, STR_NONE, "a PAX header that is not of records", e);
        record = str_sub(text, digits.n + 1, (size_t)n - digits.n - 2);
        if (!str_cut(&record, '=', &key))
            return bad(t, STR_NONE, "a PAX record without '='", e);
        TRY(pax_record(t, key, record, global, e));
        text = str_sub(text, (size_t)n, text.n - (size_t)n);
    }
    return ERR_OK;
}

static enum err_code extra_ended(struct tar *t, struct err *e)
{
    struct str text = buf_str(&t->extra_text);

    if (t->extra_type == 'x' || t->extra_type == 'g')
        return pax_records(t, t->extra_type == 'g', e);
    text.n = text.n > 0 ? strnlen(text.p, text.n) : 0;
    return set_text(t, t->extra_type == 'L' ? &t->extra.name : &t->extra.link, text, e);
}

/* The contents of the header or member have ended. */
static enum err_code contents_ended(struct tar *t, struct err *e)
{
    if (t->state == EXTRA)
        TRY(extra_ended(t, e));
    else
        TRY(member_ended(t, e));
    t->left_bytes = t->padding;
    t->state = PADDING;
    return ERR_OK;
}

/* What needs no more bytes. */
static enum err_code settle(struct tar *t, struct err *e)
{
    if ((t->state == DATA || t->state == EXTRA) && t->left_bytes == 0)
        TRY(contents_ended(t, e));
    if (t->state == PADDING && t->left_bytes == 0)
        t->state = HEADER;
    return ERR_OK;
}

static enum err_code contents(struct tar *t, const void *p, size_t n, struct err *e)
{
    if (t->state == DATA)
        TRY(t->events->data(t->ctx, p, n, e));
    else if (t->state == EXTRA)
        buf_add(&t->extra_text, p, n);
    t->left_bytes -= n;
    return settle(t, e);
}

static enum err_code block(struct tar *t, struct err *e)
{
    t->n_block = 0;
    if (t->state == SPARSE_MAP)
        t->state = t->block[504] ? SPARSE_MAP : DATA;
    else
        TRY(header(t, e));
    return settle(t, e);
}

enum err_code tar_feed(struct tar *t, const void *p, size_t n, struct err *e)
{
    const unsigned char *bytes = p;

    while (n > 0 && t->state != OVER) {
        bool blocks = t->state == HEADER || t->state == ZERO || t->state == SPARSE_MAP;
        size_t take = blocks ? BLOCK - t->n_block : n;

        if (take > n)
            take = n;
        if (!blocks && take > t->left_bytes)
            take = (size_t)t->left_bytes;
        t->at_bytes += take;
        if (blocks) {
            memcpy(t->block + t->n_block, bytes, take);
            t->n_block += take;
            if (t->n_block == BLOCK)
                TRY(block(t, e));
        } else {
            TRY(contents(t, bytes, take, e));
        }
        bytes += take;
        n -= take;
    }
    return ERR_OK;
}

enum err_code tar_end(struct tar *t, struct err *e)
{
    bool at_header = (t->state == HEADER || t->state == ZERO) && t->n_block == 0;

    if (t->state == OVER)
        return ERR_OK;
    if (!t->began && t->state == HEADER && t->n_block == 0)
        return refuse(t->refusal, REFUSAL_EMPTY, STR_NONE, e, "nothing came");
    if (!t->began && t->state == HEADER)
        return bad(t, STR_NONE, "these bytes are no tar archive", e);
    if (!at_header || t->extra.name || t->extra.link || t->extra.has_size)
        return refuse(t->refusal, REFUSAL_CUT, STR_NONE, e, "the archive ends in a member");
    return ERR_OK;
}
