#include "names.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct repo_name repo_of(const char *text)
{
    struct repo_name r;

    assert_int_equal(repo_name_parse(str_of(text), &r, ERR_IGNORED), ERR_OK);
    return r;
}

struct tag_name tag_of(const char *text)
{
    struct tag_name t;

    assert_int_equal(tag_name_parse(str_of(text), &t, ERR_IGNORED), ERR_OK);
    return t;
}

struct digest sha256_of(struct str bytes)
{
    struct digest d;

    digest_of(DIGEST_SHA256, bytes.p, bytes.n, &d);
    return d;
}
