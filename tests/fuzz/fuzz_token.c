/*
 * Tokens of others, before and after their signature is known. What is not signed is believed
 * neither as it comes nor with a header of any shape (kid, x5c, jwk, ...); and claims of any shape,
 * once they are signed, make nobody who could not be.
 *
 * The input is a token, or a header and claims (JSON) with a line's end between them.
 */
#include "auth/core/claims.h"
#include "auth/providers/foreign.h"
#include "auth/tokens/jwt.h"
#include "auth/tokens/trust.h"

#include <assert.h>
#include <cjose/cjose.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const algorithms[] = {"ES256", "ES384", "ES512", "RS256", "RS384",
                                         "RS512", "PS256", "PS384", "PS512", NULL};

static char dir[] = "/tmp/fuzz-token-XXXXXX", bundle[64], jwks[64];
static char issuer[] = "tokens", service[] = "registry";
static struct conf_token conf = {
    .issuer = issuer, .service = service, .rootcertbundle = bundle, .jwks = jwks};
static struct jwt_keys *keys;
static struct trust *trust;
static struct provider *provider;

static void write_bundle(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *x = X509_new();
    FILE *f = fopen(bundle, "we");

    X509_set_version(x, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);
    assert(X509_sign(x, key, EVP_sha256()) > 0);
    assert(f && PEM_write_X509(f, x) == 1);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void write_jwks(void)
{
    char *key, *set, *public;
    FILE *f = fopen(jwks, "we");

    assert(jwt_key_make("ES256", "k", &key, ERR_IGNORED) == ERR_OK);
    assert(asprintf(&set, "{\"keys\":[%s]}", key) > 0);
    assert(jwt_keys_parse(str_of(set), &keys, ERR_IGNORED) == ERR_OK);
    public = jwt_keys_public(keys);
    assert(f && fputs(public, f) >= 0);
    fclose(f);
    free(public);
    free(set);
    free(key);
}

static void prepare(void)
{
    assert(mkdtemp(dir));
    snprintf(bundle, sizeof(bundle), "%s/bundle.pem", dir);
    snprintf(jwks, sizeof(jwks), "%s/jwks.json", dir);
    write_bundle();
    write_jwks();
    assert(trust_load(bundle, jwks, &trust, ERR_IGNORED) == ERR_OK);
    assert(foreign_new(&conf, &provider, ERR_IGNORED) == ERR_OK);
    unlink(bundle);
    unlink(jwks);
    rmdir(dir);
}

/* Nobody signed it. */
static void expect_refusal(struct str token)
{
    struct credential c = {.kind = CREDENTIAL_BEARER, .secret = token};
    struct identity *id = NULL;
    json_t *claims = NULL;
    struct err e = {0};

    json_decref(jwt_peek(token));
    assert(trust_verify(trust, token, algorithms, &claims, &e) == ERR_UNAUTHORIZED && !claims);
    assert(provider->driver->check(provider, &c, &id, &e) != VERDICT_YES && !id);
}

static void refuse_parts(struct str header, struct str claims)
{
    char *h = NULL, *c = NULL, *token = NULL;
    size_t h_n, c_n;
    int n;

    if (!cjose_base64url_encode((const uint8_t *)header.p, header.n, &h, &h_n, NULL) ||
        !cjose_base64url_encode((const uint8_t *)claims.p, claims.n, &c, &c_n, NULL))
        abort();
    n = asprintf(&token, "%s.%s.AAAA", h, c);
    assert(n > 0);
    expect_refusal((struct str){token, (size_t)n});
    free(token);
    free(c);
    free(h);
}

static void expect_modest(const struct identity *id)
{
    assert(id->kind == IDENTITY_ANONYMOUS || claims_name_valid(str_of(id->name)));
    assert(id->scoped && id->granted && !id->admin && id->n_groups == 0);
    assert(!(identity_scope_actions(id, STR("")) & ~(unsigned)ACTION_PULL));
    for (size_t i = 0; i < id->n_scopes; i++) {
        struct str name = str_of(id->scopes[i].repository);
        struct repo_name repo;

        assert(name.n == 0 || repo_name_parse(name, &repo, ERR_IGNORED) == ERR_OK);
        assert(!(id->scopes[i].actions & (ACTION_ADMIN | ACTION_SCAN)));
    }
}

/* Claims of the service itself; what they lack to be believed is added, to get further. */
static void sign_and_check(struct str text)
{
    json_t *claims = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    struct credential c = {.kind = CREDENTIAL_BEARER};
    struct identity *id = NULL;
    struct err e = {0};
    char *token = NULL;

    if (json_is_object(claims)) {
        if (!json_object_get(claims, "iss"))
            json_object_set_new(claims, "iss", json_string(issuer));
        if (!json_object_get(claims, "aud"))
            json_object_set_new(claims, "aud", json_string(service));
        if (!json_object_get(claims, "exp"))
            json_object_set_new(claims, "exp", json_integer(99999999999));
        if (jwt_sign(keys, "k", claims, &token, &e) == ERR_OK) {
            c.secret = str_of(token);
            if (provider->driver->check(provider, &c, &id, &e) == VERDICT_YES)
                expect_modest(id);
        }
        free(token);
        identity_unref(id);
    }
    json_decref(claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str all = {(const char *)data, n}, claims = all, header;

    if (!provider)
        prepare();
    expect_refusal(all);
    if (!str_cut(&claims, '\n', &header))
        return 0;
    refuse_parts(header, claims);
    sign_and_check(claims);
    return 0;
}
