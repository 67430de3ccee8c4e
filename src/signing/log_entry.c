#include "signing/log_entry.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/hex.h"
#include "signing/certificates.h"
#include "signing/public_key.h"
#include "signing/signed_json.h"
#include "signing/trust_roots.h"

#include <inttypes.h>
#include <openssl/evp.h>

#define CHECKPOINT_MAX (16u << 10)
#define HINT_BYTES     4               /* of the key, before a signature of a note */
#define SIGNED_BY      "\xe2\x80\x94 " /* a dash and a space: C2SP, "signed-note" */

void log_entry_done(struct log_entry *l)
{
    buf_done(&l->body);
    buf_done(&l->promise);
    buf_done(&l->checkpoint);
    *l = (struct log_entry){.index = 0};
}

bool log_entry_speaks_of(const struct log_entry *l, const struct log_subject *s)
{
    return log_body_speaks_of(buf_str(&l->body), s);
}

/* ---- what it is read from */

static bool read_hashes(const json_t *list, struct log_entry *ret)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        AUTO(buf) struct buf hash = {0};

        if (ret->n_hashes == LOG_ENTRY_HASHES_MAX || !json_is_string(row) ||
            !signed_json_decode((struct str){json_string_value(row), json_string_length(row)},
                                &hash) ||
            hash.n != LOG_ENTRY_HASH)
            return false;
        memcpy(ret->hashes[ret->n_hashes++], hash.p, LOG_ENTRY_HASH);
    }
    return true;
}

/* A number that is 0 is left out by Protocol Buffers. */
static bool read_number(const json_t *of, const char *key, int64_t *ret)
{
    *ret = 0;
    return !json_object_get(of, key) || signed_json_number(of, key, ret);
}

static bool read_proof(const json_t *proof, struct log_entry *ret)
{
    ret->has_proof = true;
    buf_init(&ret->checkpoint, CHECKPOINT_MAX);
    buf_add_str(&ret->checkpoint,
                signed_json_text(json_object_get(proof, "checkpoint"), "envelope"));
    return !ret->checkpoint.full && ret->checkpoint.n > 0 &&
           read_number(proof, "logIndex", &ret->proof_index) &&
           read_number(proof, "treeSize", &ret->proof_size) &&
           read_hashes(json_object_get(proof, "hashes"), ret);
}

bool log_entry_read(const json_t *of, struct log_entry *ret)
{
    const json_t *promise = json_object_get(of, "inclusionPromise");
    const json_t *proof = json_object_get(of, "inclusionProof");
    AUTO(buf) struct buf id = {0};

    *ret = (struct log_entry){.index = 0};
    if (!signed_json_bytes(of, "canonicalizedBody", &ret->body) ||
        !signed_json_bytes(json_object_get(of, "logId"), "keyId", &id) || id.n > LOG_ENTRY_HASH ||
        !read_number(of, "logIndex", &ret->index) ||
        !read_number(of, "integratedTime", &ret->time_s))
        return false;
    hex_encode(id.p, id.n, ret->log);
    if (promise && !signed_json_bytes(promise, "signedEntryTimestamp", &ret->promise))
        return false;
    return !proof || read_proof(proof, ret);
}

bool log_entry_read_annotation(const json_t *of, struct log_entry *ret)
{
    const json_t *payload = json_object_get(of, "Payload");

    *ret = (struct log_entry){.index = 0};
    return signed_json_bytes(of, "SignedEntryTimestamp", &ret->promise) &&
           signed_json_bytes(payload, "body", &ret->body) &&
           str_copy(signed_json_text(payload, "logID"), ret->log, sizeof(ret->log)) &&
           hex_valid(str_of(ret->log)) && read_number(payload, "logIndex", &ret->index) &&
           read_number(payload, "integratedTime", &ret->time_s);
}

/* ---- the promise */

/* RFC 8785 of what the log signed: keys in order, nothing between them. */
static void canonical(const struct log_entry *l, struct buf *ret)
{
    size_t room = l->body.n / 3 * 4 + 8;
    unsigned char *text;

    buf_init(ret, room + 256);
    buf_add_text(ret, "{\"body\":\"");
    text = (unsigned char *)buf_reserve(ret, room);
    if (text)
        ret->n += (size_t)EVP_EncodeBlock(text, (const unsigned char *)l->body.p, (int)l->body.n);
    buf_addf(ret, "\",\"integratedTime\":%" PRId64 ",\"logID\":\"%s\",\"logIndex\":%" PRId64 "}",
             l->time_s, l->log, l->index);
}

static bool promised(const struct log_entry *l, const struct trust_log *log)
{
    AUTO(buf) struct buf text = {0};

    if (l->time_s > INT64_MAX / 1000 || !trust_period_has(&log->period, l->time_s * 1000) ||
        strcmp(l->log, public_key_fingerprint(log->key)) != 0)
        return false;
    canonical(l, &text);
    return !text.full && public_key_verifies(log->key, buf_str(&text), buf_str(&l->promise));
}

/* ---- the proof */

struct hash {
    unsigned char bytes[LOG_ENTRY_HASH];
};

/* RFC 6962, 2.1: what stands in a tree, by a byte of its own for leaves and for nodes. */
static struct hash hash_of(unsigned char kind, const void *a, size_t n_a, const void *b, size_t n_b)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct hash h = {{0}};

    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1) {
        EVP_DigestUpdate(ctx, &kind, 1);
        EVP_DigestUpdate(ctx, a, n_a);
        EVP_DigestUpdate(ctx, b, n_b);
        EVP_DigestFinal_ex(ctx, h.bytes, NULL);
    }
    EVP_MD_CTX_free(ctx);
    return h;
}

static struct hash node(const void *left, const void *right)
{
    return hash_of(1, left, LOG_ENTRY_HASH, right, LOG_ENTRY_HASH);
}

/* The root of the tree that the proof leads to (RFC 9162, 2.1.3.2). False: it leads nowhere. */
static bool root_of(const struct log_entry *l, struct hash *ret)
{
    uint64_t at = (uint64_t)l->proof_index, last = (uint64_t)l->proof_size - 1;
    struct hash h = hash_of(0, l->body.p, l->body.n, NULL, 0);

    if (l->proof_size <= l->proof_index)
        return false;
    for (size_t i = 0; i < l->n_hashes; i++) {
        if (last == 0)
            return false;
        if ((at & 1) || at == last) {
            h = node(l->hashes[i], h.bytes);
            for (; !(at & 1) && at > 0; at >>= 1)
                last >>= 1;
        } else {
            h = node(h.bytes, l->hashes[i]);
        }
        at >>= 1;
        last >>= 1;
    }
    *ret = h;
    return last == 0;
}

/* C2SP, "tlog-checkpoint": the origin, how large the tree is, its root, a line each. Which size it
 * says matters to nobody: no other tree has that root. */
static bool says(struct str note, const struct hash *root)
{
    struct str origin, number, hash;
    unsigned char bytes[BASE64_ROOM(64)];
    uint64_t n;
    size_t n_hash;

    return str_cut(&note, '\n', &origin) && origin.n > 0 && str_cut(&note, '\n', &number) &&
           str_to_u64(number, INT64_MAX, &n) && str_cut(&note, '\n', &hash) && hash.n <= 64 &&
           base64_decode(hash, bytes, &n_hash) && n_hash == LOG_ENTRY_HASH &&
           memcmp(bytes, root->bytes, n_hash) == 0;
}

/* A line of signatures: a dash, a name, and base64 of a hint and the signature. */
static bool line_verifies(struct str line, struct str note, const struct public_key *key)
{
    struct str name;
    AUTO(buf) struct buf bytes = {0};

    if (!str_starts(line, STR(SIGNED_BY)))
        return false;
    line = str_sub(line, sizeof(SIGNED_BY) - 1, line.n - (sizeof(SIGNED_BY) - 1));
    return str_cut(&line, ' ', &name) && signed_json_decode(line, &bytes) && bytes.n > HINT_BYTES &&
           public_key_verifies(key, note,
                               str_sub(buf_str(&bytes), HINT_BYTES, bytes.n - HINT_BYTES));
}

/* Where the text of a note ends: behind the line before its signatures. */
static size_t end_of_text(struct str note)
{
    for (size_t i = note.n; i >= 2; i--) {
        if (note.p[i - 1] == '\n' && note.p[i - 2] == '\n')
            return i - 1;
    }
    return 0;
}

static bool proven(const struct log_entry *l, const struct trust_log *log)
{
    struct str all = buf_str(&l->checkpoint), line;
    size_t n = end_of_text(all);
    struct str note = str_sub(all, 0, n);
    struct hash root;

    if (n == 0 || !root_of(l, &root) || !says(note, &root))
        return false;
    all = str_sub(all, n + 1, all.n - n - 1);
    for (size_t i = 0; all.n > 0 && i < LOG_ENTRY_HASHES_MAX; i++) {
        str_cut(&all, '\n', &line);
        if (line_verifies(line, note, log->key))
            return true;
    }
    return false;
}

/* ---- both */

static bool is_in(const struct log_entry *l, const struct trust_log *log)
{
    return (l->promise.n > 0 || l->has_proof) && (l->promise.n == 0 || promised(l, log)) &&
           (!l->has_proof || proven(l, log));
}

bool log_entry_is_logged(const struct log_entry *l, const struct trust_roots *roots,
                         int64_t *ret_ms, const struct trust_log **ret_log)
{
    for (size_t i = 0; i < roots->n_logs; i++) {
        if (is_in(l, &roots->logs[i])) {
            *ret_log = &roots->logs[i];
            *ret_ms = l->promise.n > 0 ? l->time_s * 1000 : LOG_ENTRY_NO_TIME;
            return true;
        }
    }
    return false;
}
