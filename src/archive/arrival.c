#include "archive/arrival.h"

#include "base/hash_line.h"
#include "base/mem.h"

#include <stdlib.h>

/* As large may whatever file be to be kept in memory. */
#define SMALL_BYTES (16u << 10)

/* So much may come of anything, before its ratio is looked at. */
#define RATIO_FREE_BYTES (64ull << 20)

enum err_code budget_in(struct budget *b, size_t n, struct err *e)
{
    b->in_bytes += n;
    if (b->in_bytes > b->limits->max_bytes)
        return refuse(b->refusal, REFUSAL_TOO_LARGE, STR_NONE, e,
                      "the archive is larger than %llu bytes",
                      (unsigned long long)b->limits->max_bytes);
    return ERR_OK;
}

enum err_code budget_out(struct budget *b, size_t n, struct err *e)
{
    b->out_bytes += n;
    if (b->out_bytes > b->limits->max_unpacked_bytes)
        return refuse(b->refusal, REFUSAL_UNPACKED_TOO_LARGE, STR_NONE, e,
                      "it unpacks to more than %llu bytes",
                      (unsigned long long)b->limits->max_unpacked_bytes);
    if (b->out_bytes > RATIO_FREE_BYTES &&
        (b->out_bytes - RATIO_FREE_BYTES) / b->limits->max_ratio > b->in_bytes)
        return refuse(b->refusal, REFUSAL_UNPACKED_TOO_LARGE, STR_NONE, e,
                      "it unpacks to more than %llu times its size",
                      (unsigned long long)b->limits->max_ratio);
    return ERR_OK;
}

static void forget_now(struct arrival *in)
{
    unpack_free(in->unpack);
    hash_line_free(STEAL(in->diff_line));
    hasher_free(in->diff);
    pack_free(in->pack);
    in->pack = NULL;
    in->unpack = NULL;
    in->diff = NULL;
    in->now = NULL;
}

void arrival_done(struct arrival *in)
{
    forget_now(in);
    for (size_t i = 0; i < in->members.n; i++) {
        if (in->members.all[i].content)
            in->sink->release(in->sink_ctx, in->members.all[i].content);
    }
    members_done(&in->members);
}

/* Hashes what a member unpacks to. */
static enum err_code take_unpacked(void *ctx, const void *p, size_t n, struct err *e)
{
    struct arrival *in = ctx;

    bool plain = unpack_packing(in->unpack) == PACKED_NOT;

    if (in->sink->unpacked && in->now->content)
        TRY(in->sink->unpacked(in->sink_ctx, in->now->content, p, n, e));
    if (plain && in->algorithm == DIGEST_SHA256 && !in->pack)
        return ERR_OK; /* its digest is its diff_id */
    if (!plain)
        TRY(budget_out(in->budget, n, e));
    if (!in->diff_line)
        in->diff_line = hash_line_new(in->diff);
    hash_line_add(in->diff_line, p, n);
    return ERR_OK;
}

/* image-spec "Image Layout": blobs/<algorithm>/<encoded>. */
static bool digest_of_name(struct str name, struct digest *ret)
{
    char text[DIGEST_TEXT_MAX + 1];
    struct str algorithm, hex = name;

    if (!str_starts(name, STR("blobs/")) || name.n > DIGEST_TEXT_MAX + 6)
        return false;
    hex = str_sub(name, 6, name.n - 6);
    if (!str_cut(&hex, '/', &algorithm))
        return false;
    snprintf(text, sizeof(text), STR_FMT ":" STR_FMT, STR_ARG(algorithm), STR_ARG(hex));
    return digest_parse(str_of(text), ret, ERR_IGNORED) == ERR_OK;
}

static enum err_code begin_file(struct arrival *in, struct err *e)
{
    struct member *m = in->now;

    in->placed = false;
    in->filled_bytes = in->packed_bytes = 0;
    in->n_head = 0;
    in->has_said = digest_of_name(str_of(m->name), &in->said);
    in->algorithm = in->has_said ? in->said.algorithm : DIGEST_SHA256;
    in->diff = hasher_new(DIGEST_SHA256);
    in->unpack = unpack_new(true, take_unpacked, in, &m->why);
    unpack_bound(in->unpack, in->limits->decoder_bytes);
    /* What can't come in full is refused before it comes. */
    if (m->size_bytes > in->limits->max_unpacked_bytes)
        return refuse(in->refusal, REFUSAL_UNPACKED_TOO_LARGE, str_of(m->name), e,
                      "a member of %llu bytes", (unsigned long long)m->size_bytes);
    return ERR_OK;
}

static enum err_code begin_member(void *ctx, const struct tar_entry *t, struct err *e)
{
    struct arrival *in = ctx;
    AUTO(mem) char *name = member_name(STR_NONE, t->name);
    struct member *m;

    if (++in->n_members > in->limits->max_members)
        return refuse(in->refusal, REFUSAL_TOO_MANY_MEMBERS, t->name, e, "there are more than %llu",
                      (unsigned long long)in->limits->max_members);
    in->now = NULL;
    if (!name) /* never the name of anything: passed over */
        return ERR_OK;
    m = members_add(&in->members, name);
    m->kind = t->kind;
    m->size_bytes = t->size_bytes;
    m->at_bytes = t->at_bytes;
    if (t->kind == TAR_HARD_LINK)
        m->link = member_name(STR_NONE, t->link);
    else if (t->kind == TAR_SYMBOLIC_LINK)
        m->link = member_name(member_folder(str_of(name)), t->link);
    if (t->kind != TAR_FILE)
        return ERR_OK;
    in->now = m;
    return begin_file(in, e);
}

/* Is it to be kept in memory? Descriptions are, for they are parsed at the end. */
static bool kept(const struct arrival *in, char first)
{
    uint64_t size_bytes = in->now->size_bytes;
    uint64_t most = first == '{' || first == '[' ? in->limits->json_bytes : SMALL_BYTES;

    return size_bytes <= most && size_bytes <= in->limits->memory_bytes - in->kept_bytes;
}

/* A name that is a digest says which bytes are meant. */
static bool may_be_packed(const struct arrival *in)
{
    return in->pack_as.as != PACKED_NOT && !in->has_said;
}

/* By its first header: one of ustar, PAX or GNU, or the end of a tar without anything. */
static bool is_tar(const struct arrival *in)
{
    static const char zeros[ARRIVAL_HEAD_BYTES];

    if (in->n_head < ARRIVAL_HEAD_BYTES)
        return false;
    return (memcmp(in->head + 257, "ustar", 5) == 0 &&
            packing_of(in->head, PACK_HEAD_BYTES, true) == PACKED_NOT) ||
           memcmp(in->head, zeros, sizeof(zeros)) == 0;
}

static enum err_code take_packed(void *ctx, const void *p, size_t n, struct err *e)
{
    struct arrival *in = ctx;

    in->packed_bytes += n;
    return in->sink->write(in->sink_ctx, in->now->content, p, n, e);
}

static enum err_code place(struct arrival *in, char first, struct err *e)
{
    struct member *m = in->now;

    in->placed = true;
    if (may_be_packed(in) && is_tar(in)) {
        TRY(in->sink->begin(in->sink_ctx, in->algorithm, NULL, m->size_bytes, &m->content, e));
        return pack_new(&in->pack_as, m->size_bytes, take_packed, in, &in->pack, e);
    }
    if (kept(in, first)) {
        in->kept_bytes += m->size_bytes;
        m->bytes = mem_alloc((size_t)m->size_bytes + 1);
        m->bytes[m->size_bytes] = '\0';
        return ERR_OK;
    }
    return in->sink->begin(in->sink_ctx, in->algorithm, in->has_said ? &in->said : NULL,
                           m->size_bytes, &m->content, e);
}

/* What does not unpack is refused only if it is a layer, at the end. */
static enum err_code unpacked(struct arrival *in, enum err_code code)
{
    if (in->now->why.code != REFUSAL_NONE) {
        unpack_free(STEAL(in->unpack));
        return ERR_OK;
    }
    return code;
}

static enum err_code put(struct arrival *in, const void *p, size_t n, struct err *e)
{
    struct member *m = in->now;

    if (m->bytes) {
        memcpy(m->bytes + in->filled_bytes, p, n);
        in->filled_bytes += n;
    } else if (in->pack) {
        TRY(pack_feed(in->pack, p, n, e));
    } else {
        TRY(in->sink->write(in->sink_ctx, m->content, p, n, e));
    }
    return in->unpack ? unpacked(in, unpack_feed(in->unpack, p, n, e)) : ERR_OK;
}

/* What comes first, until there is enough of it to see what it is. */
static enum err_code take_head(struct arrival *in, const char **p, size_t *n, struct err *e)
{
    uint64_t whole = in->now->size_bytes;
    size_t wanted = whole < sizeof(in->head) ? (size_t)whole : sizeof(in->head);
    size_t step = *n < wanted - in->n_head ? *n : wanted - in->n_head;

    memcpy(in->head + in->n_head, *p, step);
    in->n_head += step;
    *p += step;
    *n -= step;
    if (in->n_head < wanted)
        return ERR_OK;
    TRY(place(in, in->head[0], e));
    return put(in, in->head, in->n_head, e);
}

static enum err_code take_data(void *ctx, const void *p, size_t n, struct err *e)
{
    struct arrival *in = ctx;
    const char *bytes = p;

    if (!in->now)
        return ERR_OK;
    if (!in->placed && may_be_packed(in))
        TRY(take_head(in, &bytes, &n, e));
    else if (!in->placed)
        TRY(place(in, *bytes, e));
    return n > 0 ? put(in, bytes, n, e) : ERR_OK;
}

static enum err_code end_digest(struct arrival *in, struct err *e)
{
    struct member *m = in->now;

    if (!in->placed)
        TRY(place(in, '\0', e));
    if (in->pack) {
        TRY(pack_end(in->pack, e));
        m->size_bytes = in->packed_bytes;
    }
    if (m->bytes)
        digest_of(in->algorithm, m->bytes, (size_t)m->size_bytes, &m->digest);
    else
        TRY(in->sink->finish(in->sink_ctx, m->content, &m->digest, e));
    m->misnamed = in->has_said && !digest_eq(&in->said, &m->digest);
    return ERR_OK;
}

static enum err_code end_member(void *ctx, struct err *e)
{
    struct arrival *in = ctx;
    struct member *m = in->now;

    if (!m)
        return ERR_OK;
    TRY(end_digest(in, e));
    if (in->unpack)
        TRY(unpacked(in, unpack_end(in->unpack, e)));
    hash_line_free(STEAL(in->diff_line));
    if (in->unpack) {
        m->packing = unpack_packing(in->unpack);
        if (m->packing == PACKED_NOT && m->digest.algorithm == DIGEST_SHA256 && !in->pack)
            m->diff_id = m->digest;
        else
            hasher_digest(in->diff, &m->diff_id);
    }
    if (in->pack)
        m->packing = in->pack_as.as;
    forget_now(in);
    return ERR_OK;
}

const struct tar_events arrival_events = {begin_member, take_data, end_member};
