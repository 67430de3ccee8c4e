#include "signing/trust_roots.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "signing/certificates.h"
#include "signing/public_key.h"
#include "signing/signed_json.h"

#include <fcntl.h>

#define KEY_BEGINS "-----BEGIN PUBLIC KEY-----"

static const struct trust_period always = {INT64_MIN, INT64_MAX};

void trust_roots_done(struct trust_roots *r)
{
    for (size_t i = 0; i < r->n_authorities; i++)
        certificates_free(r->authorities[i].all);
    for (size_t i = 0; i < r->n_stamps; i++)
        certificates_free(r->stamps[i].all);
    for (size_t i = 0; i < r->n_logs; i++)
        public_key_free(r->logs[i].key);
    *r = (struct trust_roots){.n_logs = 0};
}

/* ---- what is added */

/* all is used up. */
static enum err_code add_authority(struct trust_authority *list, size_t *n, STACK_OF(X509) * all,
                                   struct trust_period period, struct err *e)
{
    if (*n == TRUST_ROOTS_MAX) {
        certificates_free(all);
        return err_set(e, ERR_CONFIG, "there are more than %d authorities", TRUST_ROOTS_MAX);
    }
    list[(*n)++] = (struct trust_authority){all, period};
    return ERR_OK;
}

/* key is used up. */
static enum err_code add_log(struct trust_roots *r, struct public_key *key,
                             struct trust_period period, struct err *e)
{
    if (r->n_logs == TRUST_ROOTS_MAX) {
        public_key_free(key);
        return err_set(e, ERR_CONFIG, "there are keys of more than %d logs", TRUST_ROOTS_MAX);
    }
    r->logs[r->n_logs++] = (struct trust_log){key, period};
    return ERR_OK;
}

/* ---- PEM */

static bool is_root(X509 *c)
{
    return X509_NAME_cmp(X509_get_subject_name(c), X509_get_issuer_name(c)) == 0;
}

/* Without a root nothing can be trusted; told where it was configured, not with each signature. */
static enum err_code want_root(const STACK_OF(X509) * all, struct err *e)
{
    for (int i = 0; i < sk_X509_num(all); i++) {
        if (is_root(sk_X509_value(all, i)))
            return ERR_OK;
    }
    return err_set(e, ERR_CONFIG,
                   "it has no root: none of its certificates is of the name that issued it");
}

static enum err_code add_pem(struct trust_authority *list, size_t *n, const char *path,
                             struct err *e)
{
    AUTO(certificates) STACK_OF(X509) *all = NULL;

    TRY(certificates_read(path, &all, e));
    TRY(want_root(all, e));
    return add_authority(list, n, STEAL(all), always, e);
}

/* ---- a trusted root of sigstore */

/* "validFor": {"start": TIME, "end": TIME}, either of which may be missing. */
static bool read_period(const json_t *of, struct trust_period *ret)
{
    const json_t *period = json_object_get(of, "validFor");
    struct str start = signed_json_text(period, "start"), end = signed_json_text(period, "end");

    *ret = always;
    return (start.n == 0 || clock_parse(start, &ret->from_ms)) &&
           (end.n == 0 || clock_parse(end, &ret->to_ms));
}

static bool read_chain(const json_t *authority, STACK_OF(X509) * ret)
{
    const json_t *list = json_object_get(json_object_get(authority, "certChain"), "certificates");

    for (size_t i = 0; i < json_array_size(list) && i < CERTIFICATES_MAX; i++) {
        AUTO(buf) struct buf der = {0};
        X509 *c = NULL;

        if (signed_json_bytes(json_array_get(list, i), "rawBytes", &der))
            c = certificate_parse(buf_str(&der));
        if (!c)
            return false;
        sk_X509_push(ret, c);
    }
    return sk_X509_num(ret) > 0;
}

static enum err_code add_chains(struct trust_authority *list, size_t *n, const json_t *root,
                                const char *key, struct err *e)
{
    const json_t *rows = json_object_get(root, key);

    for (size_t i = 0; i < json_array_size(rows); i++) {
        AUTO(certificates) STACK_OF(X509) *all = sk_X509_new_null();
        struct trust_period period;

        if (!read_period(json_array_get(rows, i), &period) ||
            !read_chain(json_array_get(rows, i), all))
            return err_set(e, ERR_CONFIG, "%s[%zu] is damaged", key, i);
        if (want_root(all, e) != ERR_OK)
            return err_prefix(e, "%s[%zu]", key, i);
        TRY(add_authority(list, n, STEAL(all), period, e));
    }
    return ERR_OK;
}

static enum err_code add_json_log(struct trust_roots *r, const json_t *log, struct err *e)
{
    AUTO(buf) struct buf der = {0};
    const json_t *key = json_object_get(log, "publicKey");
    struct public_key *k = NULL;
    struct trust_period period;

    if (!signed_json_bytes(key, "rawBytes", &der) || !read_period(key, &period))
        return err_set(e, ERR_CONFIG, "it is damaged");
    TRY(public_key_parse_der(buf_str(&der), &k, e));
    return add_log(r, k, period, e);
}

static enum err_code add_json(struct trust_roots *r, struct str text, struct err *e)
{
    AUTO(json) json_t *root = signed_json_parse(text);
    const json_t *logs = json_object_get(root, "tlogs");

    if (!json_is_object(root))
        return err_set(e, ERR_CONFIG, "it is neither PEM nor a trusted root of sigstore (JSON)");
    TRY(add_chains(r->authorities, &r->n_authorities, root, "certificateAuthorities", e));
    TRY(add_chains(r->stamps, &r->n_stamps, root, "timestampAuthorities", e));
    for (size_t i = 0; i < json_array_size(logs); i++) {
        if (add_json_log(r, json_array_get(logs, i), e) != ERR_OK)
            return err_prefix(e, "tlogs[%zu]", i);
    }
    return r->n_authorities > 0 ? ERR_OK
                                : err_set(e, ERR_CONFIG, "it has no certificateAuthorities");
}

/* ---- files */

enum err_code trust_roots_add(struct trust_roots *r, const char *path, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, TRUST_ROOTS_FILE_MAX);
    TRY(file_read_at(AT_FDCWD, path, &text, e));
    if (text.n > 0 && text.p[0] == '{')
        return add_json(r, buf_str(&text), e);
    return add_pem(r->authorities, &r->n_authorities, path, e);
}

enum err_code trust_roots_add_stamps(struct trust_roots *r, const char *path, struct err *e)
{
    return add_pem(r->stamps, &r->n_stamps, path, e);
}

/* Each key that begins in the text. */
enum err_code trust_roots_add_logs(struct trust_roots *r, const char *path, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    const char *at, *end;

    buf_init(&text, PUBLIC_KEY_PEM_MAX);
    TRY(file_read_at(AT_FDCWD, path, &text, e));
    at = buf_text(&text);
    end = at + text.n;
    do {
        struct public_key *k = NULL;
        const char *begins = strstr(at, KEY_BEGINS);

        at = begins ? begins : at;
        TRY(public_key_parse((struct str){at, (size_t)(end - at)}, &k, e));
        TRY(add_log(r, k, always, e));
        at = strstr(at + sizeof(KEY_BEGINS) - 1, KEY_BEGINS);
    } while (at);
    return ERR_OK;
}
