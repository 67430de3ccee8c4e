/* Names in LDAP filters: whatever bytes a name has, the filter around it keeps its shape, and the
 * directory reads the same bytes. */
#include "auth/providers/ldap_filter.h"

#include <assert.h>

/* Takes the text off the front of *s. */
static void expect(struct str *s, struct str text)
{
    assert(str_starts(*s, text));
    *s = str_sub(*s, text.n, s->n - text.n);
}

static int digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

    assert(at);
    return (int)(at - digits);
}

/* Takes one assertion value off, as RFC 4515 section 3 reads it: it must be this one. */
static void expect_value(struct str *s, struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        assert(s->n > 0 && !strchr("()*", s->p[0]));
        if (s->p[0] != '\\') {
            expect(s, (struct str){(const char *)&c, 1});
            continue;
        }
        assert(s->n >= 3 && digit(s->p[1]) * 16 + digit(s->p[2]) == c);
        *s = str_sub(*s, 3, s->n - 3);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str user = {(const char *)data, n / 2};
    struct str dn = {(const char *)data + n / 2, n - n / 2};
    struct ldap_filter_values v = {.user = user, .dn = dn};
    AUTO(buf) struct buf filter = {0};
    struct str left;

    buf_init(&filter, 3 * n + 256);
    if (n == 0)
        return 0; /* no value is any value */
    ldap_filter_fill(&filter, "(&(uid={user})(member={dn}))", &v);
    assert(!filter.full);
    left = buf_str(&filter);
    expect(&left, STR("(&(uid="));
    expect_value(&left, user);
    expect(&left, STR(")(member="));
    expect_value(&left, dn);
    expect(&left, STR("))"));
    assert(left.n == 0);
    return 0;
}
