#include "auth/tokens/jwt.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"

#include <cjose/cjose.h>
#include <stdlib.h>

#define RSA_MIN_BITS   2048
#define RSA_MAX_BITS   8192
#define ALGORITHM_SIZE 8

struct jwt_keys {
    size_t n;
    struct {
        cjose_jwk_t *jwk;
        char algorithm[ALGORITHM_SIZE]; /* as the JWK says; "" when it does not */
    } keys[JWT_KEYS_MAX];
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* What others wrote. NULL: it is no JSON, or none that one could mean. */
static json_t *parse(struct str text)
{
    return json_shallow(text) ? json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

/* Keys that this program has a use for. */
static bool useful(const json_t *jwk)
{
    const char *kty = text_of(jwk, "kty"), *use = text_of(jwk, "use");

    return (strcmp(kty, "RSA") == 0 || strcmp(kty, "EC") == 0) &&
           (use[0] == '\0' || strcmp(use, "sig") == 0);
}

static bool strong(const cjose_jwk_t *jwk)
{
    size_t bits = cjose_jwk_get_keysize(jwk, NULL);

    if (cjose_jwk_get_kty(jwk, NULL) != CJOSE_JWK_KTY_RSA)
        return true;
    return bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS;
}

static void add_key(struct jwt_keys *k, const json_t *json)
{
    char *text = useful(json) && k->n < JWT_KEYS_MAX ? json_dumps(json, JSON_COMPACT) : NULL;
    cjose_jwk_t *jwk = text ? cjose_jwk_import(text, strlen(text), NULL) : NULL;

    free(text);
    if (!jwk)
        return;
    if (!strong(jwk) ||
        !str_copy(str_of(text_of(json, "alg")), k->keys[k->n].algorithm, ALGORITHM_SIZE)) {
        cjose_jwk_release(jwk);
        return;
    }
    k->keys[k->n++].jwk = jwk;
}

enum err_code jwt_keys_parse(struct str jwks, struct jwt_keys **ret_keys, struct err *e)
{
    AUTO(json) json_t *root = parse(jwks);
    const json_t *list = json_object_get(root, "keys");
    struct jwt_keys *k;

    if (!json_is_array(list))
        return err_set(e, ERR_INTERNAL, "not a JWKS: no list 'keys'");
    k = NEW(struct jwt_keys);
    for (size_t i = 0; i < json_array_size(list); i++)
        add_key(k, json_array_get(list, i));
    *ret_keys = k;
    return ERR_OK;
}

void jwt_keys_free(struct jwt_keys *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->n; i++)
        cjose_jwk_release(k->keys[i].jwk);
    free(k);
}

size_t jwt_keys_count(const struct jwt_keys *k)
{
    return k->n;
}

static json_t *public_half(const struct jwt_keys *k, size_t i)
{
    char *text = cjose_jwk_to_json(k->keys[i].jwk, false, NULL);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;

    cjose_get_dealloc()(text);
    json_object_set_new(json, "use", json_string("sig"));
    if (k->keys[i].algorithm[0])
        json_object_set_new(json, "alg", json_string(k->keys[i].algorithm));
    return json;
}

char *jwt_keys_public(const struct jwt_keys *k)
{
    AUTO(json) json_t *root = json_object();
    json_t *list = json_array();
    char *text;

    for (size_t i = 0; i < k->n; i++)
        json_array_append_new(list, public_half(k, i));
    json_object_set_new(root, "keys", list);
    text = json_dumps(root, JSON_COMPACT);
    return text ? text : mem_strdup("{\"keys\":[]}");
}

enum err_code jwt_key_make(const char *algorithm, const char *kid, char **ret_json, struct err *e)
{
    static const uint8_t exponent[] = {1, 0, 1};
    cjose_jwk_t *jwk = strcmp(algorithm, "RS256") == 0
                           ? cjose_jwk_create_RSA_random(3072, exponent, sizeof(exponent), NULL)
                           : cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, NULL);
    AUTO(json) json_t *json = NULL;
    char *text;

    if (!jwk)
        return err_set(e, ERR_INTERNAL, "a signing key can't be made");
    text = cjose_jwk_to_json(jwk, true, NULL);
    json = text ? json_loads(text, 0, NULL) : NULL;
    if (text)
        OPENSSL_cleanse(text, strlen(text));
    cjose_get_dealloc()(text);
    cjose_jwk_release(jwk);
    json_object_set_new(json, "kid", json_string(kid));
    json_object_set_new(json, "alg", json_string(algorithm));
    *ret_json = json_dumps(json, JSON_COMPACT);
    return *ret_json ? ERR_OK : err_set(e, ERR_INTERNAL, "a signing key can't be written");
}

static int find_kid(const struct jwt_keys *k, const char *kid)
{
    for (size_t i = 0; i < k->n; i++) {
        const char *have = cjose_jwk_get_kid(k->keys[i].jwk, NULL);

        if (have && strcmp(have, kid) == 0)
            return (int)i;
    }
    return -1;
}

enum err_code jwt_sign(const struct jwt_keys *k, const char *kid, const json_t *claims,
                       char **ret_token, struct err *e)
{
    int i = find_kid(k, kid);
    cjose_header_t *header = cjose_header_new(NULL);
    char *text = json_dumps(claims, JSON_COMPACT);
    const char *token = NULL;
    cjose_jws_t *jws = NULL;

    if (i >= 0 && header && text && cjose_header_set(header, "alg", k->keys[i].algorithm, NULL) &&
        cjose_header_set(header, "kid", kid, NULL) && cjose_header_set(header, "typ", "JWT", NULL))
        jws = cjose_jws_sign(k->keys[i].jwk, header, (const uint8_t *)text, strlen(text), NULL);
    if (jws && cjose_jws_export(jws, &token, NULL))
        *ret_token = mem_strdup(token);
    cjose_jws_release(jws);
    cjose_header_release(header);
    free(text);
    return token ? ERR_OK : err_set(e, ERR_INTERNAL, "a token can't be signed with key '%s'", kid);
}

/* Base64url of a JSON object (RFC 7515, 3). */
static json_t *decode_part(struct str part)
{
    AUTO(mem) unsigned char *bytes = mem_alloc(BASE64_ROOM(part.n));
    size_t n;

    if (!base64url_decode(part, bytes, &n))
        return NULL;
    return parse((struct str){(const char *)bytes, n});
}

static bool split(struct str token, struct str *ret_header, struct str *ret_claims)
{
    return token.n <= JWT_MAX_BYTES && str_cut(&token, '.', ret_header) &&
           str_cut(&token, '.', ret_claims) && token.n > 0 && !memchr(token.p, '.', token.n);
}

json_t *jwt_peek(struct str token)
{
    struct str header, claims;

    return split(token, &header, &claims) ? decode_part(claims) : NULL;
}

json_t *jwt_peek_header(struct str token)
{
    struct str header, claims;

    return split(token, &header, &claims) ? decode_part(header) : NULL;
}

/* Does the algorithm go with the kind of key? (RFC 7518, 3.1) */
static bool fits(const cjose_jwk_t *jwk, const char *algorithm)
{
    bool rsa = cjose_jwk_get_kty(jwk, NULL) == CJOSE_JWK_KTY_RSA;

    return rsa ? algorithm[0] == 'R' || algorithm[0] == 'P' : algorithm[0] == 'E';
}

static bool allowed(const char *algorithm, const char *const *algorithms)
{
    /* A secret is no key of ours, and no signature is none (RFC 8725, 3.1). */
    if (algorithm[0] != 'R' && algorithm[0] != 'P' && algorithm[0] != 'E')
        return false;
    for (; *algorithms; algorithms++) {
        if (strcmp(algorithm, *algorithms) == 0)
            return true;
    }
    return false;
}

/* The signature, and nothing else, with one key. */
static json_t *open_with(const cjose_jwk_t *jwk, struct str token)
{
    cjose_jws_t *jws = cjose_jws_import(token.p, token.n, NULL);
    json_t *claims = NULL;
    uint8_t *plain;
    size_t n;

    if (jws && cjose_jws_verify(jws, jwk, NULL) && cjose_jws_get_plaintext(jws, &plain, &n, NULL))
        claims = parse((struct str){(const char *)plain, n});
    cjose_jws_release(jws);
    return claims;
}

static json_t *open_with_any(const struct jwt_keys *k, struct str token, const char *algorithm,
                             int only)
{
    json_t *claims = NULL;

    for (size_t i = 0; i < k->n && !claims; i++) {
        const char *own = k->keys[i].algorithm;

        if ((only >= 0 && (size_t)only != i) || !fits(k->keys[i].jwk, algorithm))
            continue;
        if (own[0] && strcmp(own, algorithm) != 0)
            continue;
        claims = open_with(k->keys[i].jwk, token);
    }
    return claims;
}

enum err_code jwt_verify(const struct jwt_keys *k, struct str token, const char *const *algorithms,
                         json_t **ret_claims, bool *ret_unknown_kid, struct err *e)
{
    AUTO(json) json_t *header = NULL;
    struct str header_part, claims_part;
    const char *algorithm, *kid;
    int only = -1;

    if (ret_unknown_kid)
        *ret_unknown_kid = false;
    if (!split(token, &header_part, &claims_part) || !(header = decode_part(header_part)))
        return err_set(e, ERR_UNAUTHORIZED, "not a signed token");
    algorithm = text_of(header, "alg");
    kid = text_of(header, "kid");
    if (!allowed(algorithm, algorithms))
        return err_set(e, ERR_UNAUTHORIZED, "algorithm '%.16s' of the token is not allowed",
                       algorithm);
    if (json_object_get(header, "crit")) /* RFC 7515, 4.1.11: not understood, so refused */
        return err_set(e, ERR_UNAUTHORIZED, "the token has critical extensions");
    if (kid[0] && (only = find_kid(k, kid)) < 0) {
        if (ret_unknown_kid)
            *ret_unknown_kid = true;
        return err_set(e, ERR_UNAUTHORIZED, "key '%.64s' of the token is not known", kid);
    }
    /* jwk, jku and x5u of the header are never looked at: a token does not bring its own key. */
    *ret_claims = open_with_any(k, token, algorithm, only);
    if (!json_is_object(*ret_claims)) {
        json_decref(*ret_claims);
        *ret_claims = NULL;
        return err_set(e, ERR_UNAUTHORIZED, "the token's signature is wrong");
    }
    return ERR_OK;
}

static bool has_audience(const json_t *aud, const char *audience)
{
    if (json_is_string(aud))
        return strcmp(json_string_value(aud), audience) == 0;
    for (size_t i = 0; i < json_array_size(aud); i++) {
        const char *one = json_string_value(json_array_get(aud, i));

        if (one && strcmp(one, audience) == 0)
            return true;
    }
    return false;
}

/* A NumericDate (RFC 7519, 2), which may have a fraction. False: there is none, or no number. */
static bool date_of(const json_t *claims, const char *key, double *ret)
{
    const json_t *j = json_object_get(claims, key);

    *ret = json_number_value(j);
    return json_is_number(j);
}

enum err_code jwt_check_claims(const json_t *claims, const char *issuer, const char *audience,
                               int64_t now_s, struct err *e)
{
    double date, now = (double)now_s;

    if (strcmp(text_of(claims, "iss"), issuer) != 0)
        return err_set(e, ERR_UNAUTHORIZED, "the token is of another issuer");
    if (audience && !has_audience(json_object_get(claims, "aud"), audience))
        return err_set(e, ERR_UNAUTHORIZED, "the token is for another audience");
    if (!date_of(claims, "exp", &date) || now >= date + JWT_LEEWAY_S)
        return err_set(e, ERR_UNAUTHORIZED, "the token has expired, or does not say when it does");
    if (json_object_get(claims, "nbf") &&
        (!date_of(claims, "nbf", &date) || now + JWT_LEEWAY_S < date))
        return err_set(e, ERR_UNAUTHORIZED, "the token is not valid yet");
    if (json_object_get(claims, "iat") &&
        (!date_of(claims, "iat", &date) || now + JWT_LEEWAY_S < date))
        return err_set(e, ERR_UNAUTHORIZED, "the token was made in the future");
    return ERR_OK;
}
