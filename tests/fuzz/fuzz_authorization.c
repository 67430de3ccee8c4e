/* An Authorization header, and the token in it: what is accepted lies within bounds, and no token
 * is believed without a key. */
#include "auth/core/credential.h"
#include "auth/tokens/jwt.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const algorithms[] = {"ES256", "RS256", NULL};
    static struct jwt_keys *keys;
    struct str header = {(const char *)data, n};
    char memory[CREDENTIAL_BASIC_ROOM];
    struct credential c = {0};
    json_t *claims = NULL;

    if (!keys)
        assert(jwt_keys_parse(STR("{\"keys\":[]}"), &keys, ERR_IGNORED) == ERR_OK);
    if (!credential_parse(header, &c, memory))
        return 0;
    if (c.kind == CREDENTIAL_BASIC) {
        assert(c.user.n + c.secret.n < CREDENTIAL_BASIC_ROOM);
        assert(c.user.n == 0 || memchr(c.user.p, ':', c.user.n) == NULL);
        return 0;
    }
    json_decref(jwt_peek(c.secret));
    assert(jwt_verify(keys, c.secret, algorithms, &claims, NULL, ERR_IGNORED) != ERR_OK);
    return 0;
}
