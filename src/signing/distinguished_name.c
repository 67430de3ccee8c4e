#include "signing/distinguished_name.h"

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"

#include <openssl/err.h>

/* RFC 4514, 3, and what certificates of companies have besides; S is what some write for ST. */
static const struct attribute {
    const char *name;
    int nid;
} attributes[] = {
    {"C", NID_countryName},         {"ST", NID_stateOrProvinceName},
    {"O", NID_organizationName},    {"S", NID_stateOrProvinceName},
    {"L", NID_localityName},        {"OU", NID_organizationalUnitName},
    {"CN", NID_commonName},         {"STREET", NID_streetAddress},
    {"POSTALCODE", NID_postalCode}, {"SERIALNUMBER", NID_serialNumber},
    {"DC", NID_domainComponent},    {"UID", NID_userId},
};

#define ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))
#define NEEDED     3                   /* the first of them */
#define SPECIAL    STR("\\\"+,;<>=# ") /* RFC 4514, 2.4 */

struct distinguished_name {
    char *values[ATTRIBUTES]; /* NULL: says nothing of it; S is with ST */
};

void distinguished_name_free(struct distinguished_name *n)
{
    for (size_t i = 0; n && i < ATTRIBUTES; i++)
        free(n->values[i]);
    free(n);
}

/* The first that goes by that number; ATTRIBUTES: none. */
static size_t slot_of(int nid)
{
    size_t i = 0;

    while (i < ATTRIBUTES && attributes[i].nid != nid)
        i++;
    return i;
}

static size_t slot_named(struct str name)
{
    for (size_t i = 0; i < ATTRIBUTES; i++) {
        if (str_eq(name, str_of(attributes[i].name)))
            return slot_of(attributes[i].nid);
    }
    return ATTRIBUTES;
}

/* ---- the text */

static struct str skip_blanks(struct str s)
{
    while (s.n > 0 && s.p[0] == ' ')
        s = str_sub(s, 1, s.n - 1);
    return s;
}

/* RFC 4514, 2.4: a backslash and a character, or two digits. False: it is neither. */
static bool unescape(struct str *rest, struct buf *ret)
{
    int high = rest->n > 1 ? hex_value_any(rest->p[1]) : -1;
    int low = rest->n > 2 ? hex_value_any(rest->p[2]) : -1;

    if (rest->n < 2)
        return false;
    if (high >= 0 && low >= 0) {
        buf_add_char(ret, (char)(high << 4 | low));
        *rest = str_sub(*rest, 3, rest->n - 3);
        return true;
    }
    if (!memchr(SPECIAL.p, rest->p[1], SPECIAL.n))
        return false;
    buf_add_char(ret, rest->p[1]);
    *rest = str_sub(*rest, 2, rest->n - 2);
    return true;
}

/* Up to a comma, blanks at both ends left out unless they are escaped. */
static bool take_value(struct str *rest, struct buf *ret)
{
    size_t kept = 0; /* bytes up to the last that is no blank */

    *rest = skip_blanks(*rest);
    while (rest->n > 0 && rest->p[0] != ',') {
        if (rest->p[0] == '\\') {
            if (!unescape(rest, ret))
                return false;
            kept = ret->n;
            continue;
        }
        if (strchr("\"+;<>", rest->p[0]))
            return false;
        buf_add_char(ret, rest->p[0]);
        kept = rest->p[0] == ' ' ? kept : ret->n;
        *rest = str_sub(*rest, 1, rest->n - 1);
    }
    ret->n = kept;
    if (rest->n > 0)
        *rest = str_sub(*rest, 1, rest->n - 1);
    return kept > 0 && !ret->full && memchr(ret->p, '\0', ret->n) == NULL;
}

static enum err_code take_attribute(struct str *rest, struct distinguished_name *n, struct err *e)
{
    AUTO(buf) struct buf value = {0};
    struct str name;
    size_t slot;

    str_cut(rest, '=', &name);
    name = str_trim(name);
    slot = slot_named(name);
    if (slot == ATTRIBUTES)
        return err_set(
            e, ERR_CONFIG,
            "'%.*s' is no attribute of a subject; allowed are C, ST, O, L, OU, CN, STREET, "
            "POSTALCODE, SERIALNUMBER, DC and UID",
            (int)(name.n < 80 ? name.n : 80), name.p);
    buf_init(&value, DISTINGUISHED_NAME_MAX);
    if ((rest->n > 0 && rest->p[0] == '#') || !take_value(rest, &value))
        return err_set(e, ERR_CONFIG, "the value of %s is empty, or not written as RFC 4514 has it",
                       attributes[slot].name);
    if (n->values[slot])
        return err_set(e, ERR_CONFIG, "%s is there twice", attributes[slot].name);
    n->values[slot] = str_dup(buf_str(&value));
    return ERR_OK;
}

enum err_code distinguished_name_parse(struct str text, struct distinguished_name **ret,
                                       struct err *e)
{
    AUTO(distinguished_name) struct distinguished_name *n = NEW(struct distinguished_name);

    if (text.n > DISTINGUISHED_NAME_MAX)
        return err_set(e, ERR_CONFIG, "it is longer than %d bytes", DISTINGUISHED_NAME_MAX);
    while (text.n > 0)
        TRY(take_attribute(&text, n, e));
    for (size_t i = 0; i < NEEDED; i++) {
        if (!n->values[i])
            return err_set(e, ERR_CONFIG, "it has no %s; needed are C, ST and O",
                           attributes[i].name);
    }
    *ret = STEAL(n);
    return ERR_OK;
}

/* ---- certificates */

static bool is_value(const X509_NAME_ENTRY *entry, const char *value)
{
    unsigned char *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
    bool same = n >= 0 && (size_t)n == strlen(value) && memcmp(text, value, (size_t)n) == 0;

    OPENSSL_free(text);
    ERR_clear_error();
    return same;
}

/* The only one of that kind; NULL: there is none, or there are several. */
static const X509_NAME_ENTRY *only(const X509_NAME *subject, int nid)
{
    int at = X509_NAME_get_index_by_NID(subject, nid, -1);

    if (at < 0 || X509_NAME_get_index_by_NID(subject, nid, at) >= 0)
        return NULL;
    return X509_NAME_get_entry(subject, at);
}

/* Attributes in one place, which some readers take for one and some for two. */
static bool is_plain(const X509_NAME *subject)
{
    for (int i = 1; i < X509_NAME_entry_count(subject); i++) {
        if (X509_NAME_ENTRY_set(X509_NAME_get_entry(subject, i)) ==
            X509_NAME_ENTRY_set(X509_NAME_get_entry(subject, i - 1)))
            return false;
    }
    return true;
}

bool distinguished_name_fits(const struct distinguished_name *n, const X509 *c)
{
    const X509_NAME *subject = X509_get_subject_name(c);

    for (size_t i = 0; i < ATTRIBUTES; i++) {
        const X509_NAME_ENTRY *entry = n->values[i] ? only(subject, attributes[i].nid) : NULL;

        if (n->values[i] && (!entry || !is_value(entry, n->values[i])))
            return false;
    }
    return is_plain(subject);
}

bool distinguished_name_within(const struct distinguished_name *a,
                               const struct distinguished_name *b)
{
    for (size_t i = 0; i < ATTRIBUTES; i++) {
        if (a->values[i] && (!b->values[i] || strcmp(a->values[i], b->values[i]) != 0))
            return false;
    }
    return true;
}
