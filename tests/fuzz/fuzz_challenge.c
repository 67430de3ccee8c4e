/* A WWW-Authenticate header: what is taken from it are texts within their bounds, and it is read to
 * its end. */
#include "cli/bearer.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct bearer_challenge c = {0};

    bearer_challenge_add(&c, (struct str){(const char *)data, n});
    assert(memchr(c.realm, '\0', sizeof(c.realm)));
    assert(memchr(c.service, '\0', sizeof(c.service)));
    assert(c.bearer || (!c.realm[0] && !c.service[0]));
    return 0;
}
