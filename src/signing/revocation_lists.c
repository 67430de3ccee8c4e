#include "signing/revocation_lists.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#define SUBJECT_SHOWN 160

struct revocation_lists {
    STACK_OF(X509_CRL) * all;
    X509_STORE *none; /* OpenSSL looks there for more */
};

static void auto_BIO_(BIO **b)
{
    BIO_free(*b);
}

static void auto_X509_STORE_CTX_(X509_STORE_CTX **c)
{
    X509_STORE_CTX_free(*c);
}

static void auto_roots_(STACK_OF(X509) * *s)
{
    sk_X509_free(*s);
}

struct revocation_lists *revocation_lists_new(void)
{
    struct revocation_lists *l = NEW(struct revocation_lists);

    l->all = sk_X509_CRL_new_null();
    l->none = X509_STORE_new();
    return l;
}

void revocation_lists_free(struct revocation_lists *l)
{
    if (!l)
        return;
    sk_X509_CRL_pop_free(l->all, X509_CRL_free);
    X509_STORE_free(l->none);
    free(l);
}

/* ---- files */

static bool read_der(struct str text, STACK_OF(X509_CRL) * all)
{
    const unsigned char *at = (const unsigned char *)text.p;
    X509_CRL *one = d2i_X509_CRL(NULL, &at, (long)text.n);

    if (one)
        sk_X509_CRL_push(all, one);
    return one != NULL;
}

/* A block that is damaged ends it: false. */
static bool read_blocks(struct str pem, STACK_OF(X509_CRL) * all)
{
    AUTO(BIO) BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509_CRL *l;

    while (sk_X509_CRL_num(all) <= REVOCATION_LISTS_MAX &&
           (l = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)))
        sk_X509_CRL_push(all, l);
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

enum err_code revocation_lists_read(struct revocation_lists *l, const char *path, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    int before = sk_X509_CRL_num(l->all);
    bool whole;

    buf_init(&text, REVOCATION_LIST_FILE_MAX);
    TRY(file_read_at(AT_FDCWD, path, &text, e));
    whole = read_der(buf_str(&text), l->all) || read_blocks(buf_str(&text), l->all);
    ERR_clear_error();
    if (sk_X509_CRL_num(l->all) > REVOCATION_LISTS_MAX)
        return err_set(e, ERR_CONFIG, "there are more than %d lists", REVOCATION_LISTS_MAX);
    if (sk_X509_CRL_num(l->all) == before)
        return err_set(
            e, ERR_CONFIG,
            "it has no list of revoked certificates; wanted are some as PEM, which begin "
            "with '-----BEGIN X509 CRL-----', or one in DER");
    return whole ? ERR_OK
                 : err_set(e, ERR_CONFIG, "list %d of it is damaged",
                           sk_X509_CRL_num(l->all) - before + 1);
}

/* ---- what they say of a chain */

struct asking {
    const struct revocation_question *q;
    enum revocation found;
    struct err *e;
};

/* The worst is told, and of two alike the first. */
static void found(struct asking *a, enum revocation what, const X509 *c, const char *why)
{
    char subject[SUBJECT_SHOWN] = "";

    if (a->found == REVOKED || a->found == what)
        return;
    if (c)
        certificate_subject(c, subject, sizeof(subject));
    a->found = what;
    err_set(a->e, ERR_DENIED, "certificate '%s' %s", subject, why);
}

/* RFC 5280, 4.2.1.13 and 4.2.2.1: it says where lists or answers of it can be had. */
static bool names_places(const X509 *c)
{
    return X509_get_ext_by_NID(c, NID_crl_distribution_points, -1) >= 0 ||
           X509_get_ext_by_NID(c, NID_info_access, -1) >= 0;
}

/* RFC 5280, 5.3.2: since when the key is not to be trusted, if that is said. */
static bool was_good_then(X509_STORE_CTX *ctx, X509 *c, int64_t signed_ms)
{
    X509_CRL *list = X509_STORE_CTX_get0_current_crl(ctx); /* none, when it is out of date */
    X509_REVOKED *row = NULL;
    ASN1_GENERALIZEDTIME *since;
    int64_t since_ms;
    bool good;

    if (!list || X509_CRL_get0_by_cert(list, &row, c) != 1)
        return false;
    since = X509_REVOKED_get_ext_d2i(row, NID_invalidity_date, NULL, NULL);
    good = since && certificate_time(since, &since_ms) && signed_ms < since_ms;
    ASN1_GENERALIZEDTIME_free(since);
    return good;
}

/* Nothing ends the walk; what is no matter of revocation others have judged already. */
static int judge(int good, X509_STORE_CTX *ctx)
{
    struct asking *a = X509_STORE_CTX_get_app_data(ctx);
    X509 *c = X509_STORE_CTX_get_current_cert(ctx);
    int error = X509_STORE_CTX_get_error(ctx);

    if (good || !a)
        return good;
    if (X509_STORE_CTX_get_error_depth(ctx) == sk_X509_num(a->q->chain) - 1)
        return 1; /* nobody revokes a root but who configured it */
    switch (error) {
    case X509_V_ERR_CERT_REVOKED:
        if (!was_good_then(ctx, c, a->q->signed_ms))
            found(a, REVOKED, c, "is revoked");
        return 1;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
        if (names_places(c))
            found(a, REVOCATION_UNKNOWN, c,
                  "can be revoked, and there is no list of revoked certificates of its issuer");
        return 1;
    case X509_V_ERR_CRL_HAS_EXPIRED:
        found(a, REVOCATION_UNKNOWN, c,
              "may be revoked by now: the list of its issuer is out of date");
        return 1;
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
        found(a, REVOCATION_UNKNOWN, c,
              "may be revoked: the list of its issuer is damaged, not by it, or not understood");
        return 1;
    default:
        return 1;
    }
}

/* RFC 5280, 6.3, which OpenSSL does along a chain. */
static bool walk(const struct revocation_lists *l, struct asking *a)
{
    const STACK_OF(X509) *chain = a->q->chain;
    AUTO(X509_STORE_CTX) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    AUTO(roots) STACK_OF(X509) *roots = sk_X509_new_null();
    bool done;

    sk_X509_push(roots, sk_X509_value(chain, sk_X509_num(chain) - 1));
    if (!ctx ||
        X509_STORE_CTX_init(ctx, l->none, sk_X509_value(chain, 0), (STACK_OF(X509) *)chain) != 1)
        return false;
    X509_STORE_CTX_set0_trusted_stack(ctx, roots);
    X509_STORE_CTX_set0_crls(ctx, l->all);
    X509_STORE_CTX_set_app_data(ctx, a);
    X509_STORE_CTX_set_verify_cb(ctx, judge);
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    X509_STORE_CTX_set_time(ctx, 0, (time_t)(a->q->now_ms / 1000));
    done = X509_verify_cert(ctx) == 1;
    ERR_clear_error();
    return done;
}

static bool issued_any(const X509_CRL *list, const STACK_OF(X509) * chain)
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        if (X509_NAME_cmp(X509_CRL_get_issuer(list),
                          X509_get_issuer_name(sk_X509_value(chain, i))) == 0)
            return true;
    }
    return false;
}

static int64_t next_due(const struct revocation_lists *l, const struct revocation_question *q)
{
    int64_t until_ms = INT64_MAX;

    for (int i = 0; i < sk_X509_CRL_num(l->all); i++) {
        const X509_CRL *list = sk_X509_CRL_value(l->all, i);
        int64_t due_ms;

        if (issued_any(list, q->chain) &&
            certificate_time(X509_CRL_get0_nextUpdate(list), &due_ms) && due_ms > q->now_ms &&
            due_ms < until_ms)
            until_ms = due_ms;
    }
    return until_ms;
}

enum revocation revocation_ask(const struct revocation_lists *l,
                               const struct revocation_question *q, int64_t *ret_until_ms,
                               struct err *e)
{
    struct asking a = {.q = q, .found = NOT_REVOKED, .e = e};

    *ret_until_ms = next_due(l, q);
    if (!walk(l, &a))
        found(&a, REVOCATION_UNKNOWN, sk_X509_value(q->chain, 0), "can not be asked for");
    return a.found;
}
