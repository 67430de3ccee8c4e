#include "signing/notation_policy.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/name.h"
#include "signing/signed_json.h"

#include <fcntl.h>
#include <stdarg.h>

#define STORE_NAME_MAX 128
#define SUBJECT        "x509.subject:"
#define SHOWN_MAX      100

static const char *const check_names[NOTATION_CHECKS] = {[NOTATION_AUTHENTICITY] = "authenticity",
                                                         [NOTATION_TIMESTAMP] =
                                                             "authenticTimestamp",
                                                         [NOTATION_EXPIRY] = "expiry",
                                                         [NOTATION_REVOCATION] = "revocation"};

static const char *const action_names[] = {
    [NOTATION_ENFORCE] = "enforce", [NOTATION_LOG] = "log", [NOTATION_SKIP] = "skip"};

static const char *const store_names[NOTATION_STORES] = {[NOTATION_CA] = "ca",
                                                         [NOTATION_SIGNING_AUTHORITY] =
                                                             "signingAuthority",
                                                         [NOTATION_TSA] = "tsa"};

/* "Signature Verification details" */
static const struct level {
    const char *name;
    enum notation_action actions[NOTATION_CHECKS];
} levels[] = {
    {"strict", {NOTATION_ENFORCE, NOTATION_ENFORCE, NOTATION_ENFORCE, NOTATION_ENFORCE}},
    {"permissive", {NOTATION_ENFORCE, NOTATION_LOG, NOTATION_LOG, NOTATION_LOG}},
    {"audit", {NOTATION_LOG, NOTATION_LOG, NOTATION_LOG, NOTATION_LOG}},
    {"skip", {NOTATION_SKIP, NOTATION_SKIP, NOTATION_SKIP, NOTATION_SKIP}},
};

const char *notation_store_type_name(enum notation_store_type t)
{
    return store_names[t];
}

static void free_statement(struct notation_statement *s)
{
    for (size_t i = 0; i < s->n_scopes; i++)
        free(s->scopes[i]);
    for (size_t i = 0; i < s->n_stores; i++)
        free(s->stores[i].name);
    for (size_t i = 0; i < s->n_identities; i++)
        distinguished_name_free(s->identities[i]);
    free(s->scopes);
    free(s->stores);
    free(s->identities);
    free(s->name);
}

void notation_policy_free(struct notation_policy *p)
{
    for (size_t i = 0; p && i < p->n; i++)
        free_statement(&p->statements[i]);
    if (p)
        free(p->statements);
    free(p);
}

/* ---- JSON that people wrote */

/* Which of the names a text is; n: none. */
static size_t index_of(struct str text, const char *const *names, size_t n)
{
    size_t i = 0;

    while (i < n && !str_eq(text, str_of(names[i])))
        i++;
    return i;
}

static enum err_code check_keys(const json_t *object, const char *const *known, size_t n,
                                struct err *e)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        if (index_of(str_of(key), known, n) == n)
            return err_set(e, ERR_CONFIG, "there is no key '%.*s'", SHOWN_MAX, key);
    }
    return ERR_OK;
}

#define CHECK_KEYS(object, e, ...)                                                                 \
    check_keys(object, (const char *const[]){__VA_ARGS__},                                         \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), e)

/* A list of texts: how many there are. */
static enum err_code rows_of(const json_t *object, const char *key, size_t *ret_n, struct err *e)
{
    const json_t *list = json_object_get(object, key);

    if (list && !json_is_array(list))
        return err_set(e, ERR_CONFIG, "%s is no list", key);
    if (json_array_size(list) > NOTATION_ROWS_MAX)
        return err_set(e, ERR_CONFIG, "%s has more than %d rows", key, NOTATION_ROWS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!json_is_string(json_array_get(list, i)))
            return err_set(e, ERR_CONFIG, "%s has something that is no text", key);
    }
    *ret_n = json_array_size(list);
    return ERR_OK;
}

static struct str row_of(const json_t *object, const char *key, size_t i)
{
    const json_t *row = json_array_get(json_object_get(object, key), i);

    return (struct str){json_string_value(row), json_string_length(row)};
}

/* "*" stands alone. */
static enum err_code is_all(const json_t *object, const char *key, size_t n, bool *ret_all,
                            struct err *e)
{
    *ret_all = false;
    for (size_t i = 0; i < n; i++)
        *ret_all |= str_eq(row_of(object, key, i), STR("*"));
    return *ret_all && n > 1
               ? err_set(e, ERR_CONFIG, "%s: '*' says all of it and stands alone", key)
               : ERR_OK;
}

/* ---- a statement */

static enum err_code read_override(const json_t *override, struct notation_statement *s,
                                   struct err *e)
{
    const char *key;
    json_t *value;

    if (override && s->skip)
        return err_set(e, ERR_CONFIG, "override: level skip has nothing to override");
    json_object_foreach((json_t *) override, key, value)
    {
        size_t check = index_of(str_of(key), check_names, NOTATION_CHECKS);
        size_t action = index_of(signed_json_text(override, key), action_names, 3);

        if (check == NOTATION_CHECKS)
            return err_set(e, ERR_CONFIG,
                           "override: '%.*s' can not be overridden; allowed are authenticity, "
                           "authenticTimestamp, expiry and revocation",
                           SHOWN_MAX, key);
        if (action > NOTATION_SKIP || (action == NOTATION_SKIP && check != NOTATION_REVOCATION))
            return err_set(e, ERR_CONFIG, "override: %s is one of enforce and log%s", key,
                           check == NOTATION_REVOCATION ? ", or skip" : "");
        s->actions[check] = (enum notation_action)action;
    }
    return ERR_OK;
}

static enum err_code read_level(const json_t *verification, struct notation_statement *s,
                                struct err *e)
{
    struct str level = signed_json_text(verification, "level");
    struct str stamp = signed_json_text(verification, "verifyTimestamp");
    size_t i = 0;

    TRY(CHECK_KEYS(verification, e, "level", "override", "verifyTimestamp"));
    while (i < 4 && !str_eq(level, str_of(levels[i].name)))
        i++;
    if (i == 4)
        return err_set(e, ERR_CONFIG,
                       "signatureVerification.level is one of strict, permissive, audit and skip");
    memcpy(s->actions, levels[i].actions, sizeof(s->actions));
    s->skip = i == 3;
    s->stamp_when_expired = str_eq(stamp, STR("afterCertExpiry"));
    if (json_object_get(verification, "verifyTimestamp") && !s->stamp_when_expired &&
        !str_eq(stamp, STR("always")))
        return err_set(e, ERR_CONFIG, "verifyTimestamp is one of always and afterCertExpiry");
    return read_override(json_object_get(verification, "override"), s, e);
}

/* HOST/REPOSITORY */
static bool is_scope(struct str scope)
{
    struct str host;

    str_cut(&scope, '/', &host);
    return host.n > 0 && !memchr(host.p, '*', host.n) && repo_name_valid(scope);
}

static enum err_code read_scopes(const json_t *j, struct notation_statement *s, struct err *e)
{
    size_t n = 0;
    bool all = false;

    TRY(rows_of(j, "registryScopes", &n, e));
    TRY(is_all(j, "registryScopes", n, &all, e));
    if (n == 0)
        return err_set(e, ERR_CONFIG, "registryScopes says of no repository");
    s->scopes = mem_zero(n * sizeof(s->scopes[0]));
    for (size_t i = 0; !all && i < n; i++) {
        if (!is_scope(row_of(j, "registryScopes", i)))
            return err_set(e, ERR_CONFIG,
                           "registryScopes: row %zu is neither HOST/REPOSITORY nor '*'", i + 1);
        s->scopes[s->n_scopes++] = str_dup(row_of(j, "registryScopes", i));
    }
    return ERR_OK;
}

/* One part of a path. */
static bool is_store_name(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (!str_is_alphanumeric(name.p[i]) && !strchr("_.-", name.p[i]))
            return false;
    }
    return name.n > 0 && name.n <= STORE_NAME_MAX && !str_eq(name, STR(".")) &&
           !str_eq(name, STR(".."));
}

static enum err_code read_stores(const json_t *j, struct notation_statement *s, struct err *e)
{
    size_t n = 0;

    TRY(rows_of(j, "trustStores", &n, e));
    s->stores = mem_zero((n + 1) * sizeof(s->stores[0]));
    for (size_t i = 0; i < n; i++) {
        struct str name = row_of(j, "trustStores", i), type;
        size_t at;

        str_cut(&name, ':', &type);
        at = index_of(type, store_names, NOTATION_STORES);
        if (at == NOTATION_STORES || !is_store_name(name))
            return err_set(e, ERR_CONFIG,
                           "trustStores: row %zu is none of ca:NAME, signingAuthority:NAME and "
                           "tsa:NAME, with letters, digits, '_', '.' and '-' in the name",
                           i + 1);
        s->stores[s->n_stores++] =
            (struct notation_store_name){(enum notation_store_type)at, str_dup(name)};
    }
    return ERR_OK;
}

static enum err_code add_identity(struct str text, struct notation_statement *s, struct err *e)
{
    struct distinguished_name *name;

    if (!str_starts(text, STR(SUBJECT)))
        return err_set(e, ERR_CONFIG, "it is neither '*' nor '" SUBJECT " C=…, ST=…, O=…, …'");
    text = str_trim(str_sub(text, strlen(SUBJECT), text.n - strlen(SUBJECT)));
    TRY(distinguished_name_parse(text, &name, e));
    s->identities[s->n_identities++] = name;
    for (size_t i = 0; i + 1 < s->n_identities; i++) {
        if (distinguished_name_within(s->identities[i], name) ||
            distinguished_name_within(name, s->identities[i]))
            return err_set(e, ERR_CONFIG, "whoever it names, row %zu names too, or the other way",
                           i + 1);
    }
    return ERR_OK;
}

static enum err_code read_identities(const json_t *j, struct notation_statement *s, size_t *ret_n,
                                     struct err *e)
{
    size_t n = 0;
    bool all = false;

    TRY(rows_of(j, "trustedIdentities", &n, e));
    TRY(is_all(j, "trustedIdentities", n, &all, e));
    s->identities = mem_zero((n + 1) * sizeof(s->identities[0]));
    for (size_t i = 0; !all && i < n; i++) {
        if (add_identity(row_of(j, "trustedIdentities", i), s, e) != ERR_OK)
            return err_prefix(e, "trustedIdentities: row %zu", i + 1);
    }
    *ret_n = n;
    return ERR_OK;
}

static enum err_code read_statement(const json_t *j, struct notation_statement *s, struct err *e)
{
    size_t n = 0;

    TRY(CHECK_KEYS(j, e, "name", "registryScopes", "signatureVerification", "trustStores",
                   "trustedIdentities"));
    TRY(read_level(json_object_get(j, "signatureVerification"), s, e));
    TRY(read_scopes(j, s, e));
    TRY(read_stores(j, s, e));
    TRY(read_identities(j, s, &n, e));
    if (s->skip && (n > 0 || s->n_stores > 0))
        return err_set(e, ERR_CONFIG,
                       "with level skip there are no trustStores and no trustedIdentities");
    if (!s->skip && (n == 0 || s->n_stores == 0))
        return err_set(e, ERR_CONFIG, "trustStores and trustedIdentities are both needed");
    return ERR_OK;
}

/* ---- all of them */

static bool is_scope_of(const struct notation_statement *s, const char *scope)
{
    for (size_t i = 0; i < s->n_scopes; i++) {
        if (strcmp(s->scopes[i], scope) == 0)
            return true;
    }
    return false;
}

/* Names and scopes are of one statement each. */
static enum err_code check_alone(const struct notation_policy *p,
                                 const struct notation_statement *s, struct err *e)
{
    for (const struct notation_statement *other = p->statements; other < s; other++) {
        if (strcmp(other->name, s->name) == 0)
            return err_set(e, ERR_CONFIG, "another has that name");
        if (other->n_scopes == 0 && s->n_scopes == 0)
            return err_set(e, ERR_CONFIG, "registryScopes: '*' is in '%.*s' too", SHOWN_MAX,
                           other->name);
        for (size_t i = 0; i < s->n_scopes; i++) {
            if (is_scope_of(other, s->scopes[i]))
                return err_set(e, ERR_CONFIG, "registryScopes: row %zu is in '%.*s' too", i + 1,
                               SHOWN_MAX, other->name);
        }
    }
    return ERR_OK;
}

static enum err_code add_statement(const json_t *j, struct notation_policy *p, struct err *e)
{
    struct notation_statement *s = &p->statements[p->n];
    struct str name = signed_json_text(j, "name");

    if (name.n == 0 || !str_is_text(name))
        return err_set(e, ERR_CONFIG, "trustPolicies: row %zu has no name", p->n + 1);
    s->name = str_dup(name);
    p->n++;
    if (read_statement(j, s, e) != ERR_OK || check_alone(p, s, e) != ERR_OK)
        return err_prefix(e, "trustPolicies '%.*s'", SHOWN_MAX, s->name);
    return ERR_OK;
}

enum err_code notation_policy_parse(struct str text, struct notation_policy **ret, struct err *e)
{
    json_error_t where;
    AUTO(json) json_t *j = NULL;
    AUTO(notation_policy) struct notation_policy *p = NEW(struct notation_policy);
    const json_t *rows;

    if (!json_shallow(text))
        return err_set(e, ERR_CONFIG, "it is no trust policy");
    j = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(j))
        return err_set(e, ERR_CONFIG, "it is no JSON object: line %d: %.*s", j ? 1 : where.line,
                       SHOWN_MAX, j ? "" : where.text);
    TRY(CHECK_KEYS(j, e, "version", "trustPolicies"));
    if (!str_eq(signed_json_text(j, "version"), STR("1.0")))
        return err_set(e, ERR_CONFIG, "version is not \"1.0\"");
    rows = json_object_get(j, "trustPolicies");
    if (json_array_size(rows) == 0 || json_array_size(rows) > NOTATION_STATEMENTS_MAX)
        return err_set(e, ERR_CONFIG, "trustPolicies is no list of 1 to %d",
                       NOTATION_STATEMENTS_MAX);
    p->statements = mem_zero(json_array_size(rows) * sizeof(p->statements[0]));
    for (size_t i = 0; i < json_array_size(rows); i++)
        TRY(add_statement(json_array_get(rows, i), p, e));
    *ret = STEAL(p);
    return ERR_OK;
}

enum err_code notation_policy_read(const char *path, struct notation_policy **ret, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, NOTATION_POLICY_MAX);
    TRY(file_read_at(AT_FDCWD, path, &text, e));
    return notation_policy_parse(buf_str(&text), ret, e);
}

/* ---- which one holds */

static bool names(const char *scope, struct str name)
{
    struct str s = str_of(scope), host;

    if (name.n > 0 && name.p[0] == '/') {
        str_cut(&s, '/', &host);
        name = str_sub(name, 1, name.n - 1);
    }
    return str_eq(s, name);
}

static bool names_any(const struct notation_statement *s, struct str name)
{
    for (size_t i = 0; i < s->n_scopes; i++) {
        if (names(s->scopes[i], name))
            return true;
    }
    return false;
}

const struct notation_statement *notation_policy_for(const struct notation_policy *p,
                                                     struct str name)
{
    const struct notation_statement *rest = NULL, *named = NULL;

    for (size_t i = 0; i < p->n; i++) {
        const struct notation_statement *s = &p->statements[i];

        if (s->n_scopes == 0)
            rest = s;
        else if (names_any(s, name) && named)
            return NULL;
        else if (names_any(s, name))
            named = s;
    }
    return named ? named : rest;
}
