#include "net/directory_dn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BASE "ou=people,dc=example,dc=org"

static void a_name_below_the_base_has_a_leaf(void **state)
{
    static const struct {
        const char *dn, *base, *attribute;
        const char *leaf; /* NULL: none */
    } rows[] = {
        {"uid=alice," BASE, BASE, "uid", "alice"},
        {"UID=alice,OU=People,DC=Example,DC=Org", BASE, "uid", "alice"},
        {"uid = alice , ou=people, dc=example, dc=org", BASE, "uid", "alice"},
        {"uid=alice,ou=staff," BASE, BASE, "uid", "alice"}, /* anywhere below */
        {"cn=Alice+uid=alice," BASE, BASE, "uid", "alice"}, /* one of several in its part */
        {"uid=alice," BASE, "", "uid", "alice"},            /* the root of all */
        /* RFC 4514, 2.4: escaped */
        {"cn=Smith\\, Alice," BASE, BASE, "cn", "Smith, Alice"},
        {"cn=Smith\\2C Alice," BASE, BASE, "cn", "Smith, Alice"},
        {"cn=Lu\\C4\\8Di\\C4\\87," BASE, BASE, "cn", "Lu\xc4\x8di\xc4\x87"},
        {"uid=alice,ou=a\\,b,dc=example", "ou=a\\2cb,dc=example", "uid", "alice"},
        /* not below it */
        {BASE, BASE, "ou", NULL},
        {"uid=alice,ou=others,dc=example,dc=org", BASE, "uid", NULL},
        {"uid=alice,ou=staffou=people,dc=example,dc=org", BASE, "uid", NULL},
        {"uid=alice,ou=x\\,ou=people,dc=example,dc=org", BASE, "uid", NULL},
        {"dc=org", BASE, "dc", NULL},
        {"", BASE, "uid", NULL},
        {"", "", "uid", NULL},
        /* no such leaf */
        {"cn=alice," BASE, BASE, "uid", NULL},
        {"cn=x,uid=alice," BASE, BASE, "uid", NULL},
        /* with a NUL, which no text of ours holds */
        {"uid=ali\\00ce," BASE, BASE, "uid", NULL},
        /* longer than there is room */
        {"uid=a-name-of-far-more-than-32-characters," BASE, BASE, "uid", NULL},
        /* no names */
        {"alice", BASE, "uid", NULL},
        {"uid=alice,,dc=org", "dc=org", "uid", NULL},
        {"uid=alice," BASE, "people", "uid", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char leaf[32] = "untouched";

        if (directory_dn_leaf(rows[i].dn, rows[i].base, rows[i].attribute, leaf, sizeof(leaf)) !=
            (rows[i].leaf != NULL))
            fail_msg("'%s' below '%s'", rows[i].dn, rows[i].base);
        assert_string_equal(leaf, rows[i].leaf ? rows[i].leaf : "untouched");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_below_the_base_has_a_leaf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
