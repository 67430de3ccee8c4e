#include "auth/core/credential.h"

#include "base/base64.h"
#include "base/hex.h"

static bool parse_basic(struct str text, struct credential *ret, char *memory)
{
    size_t n;

    text = str_trim(text);
    if (BASE64_ROOM(text.n) > CREDENTIAL_BASIC_ROOM ||
        !base64_decode(text, (unsigned char *)memory, &n))
        return false;
    ret->kind = CREDENTIAL_BASIC;
    ret->secret = (struct str){memory, n};
    return str_cut(&ret->secret, ':', &ret->user);
}

bool credential_parse(struct str header, struct credential *ret,
                      char memory[static CREDENTIAL_BASIC_ROOM])
{
    struct str scheme;

    str_cut(&header, ' ', &scheme);
    if (str_ieq(scheme, STR("Basic")))
        return parse_basic(header, ret, memory);
    ret->kind = CREDENTIAL_BEARER;
    ret->user = STR_NONE;
    ret->secret = str_trim(header);
    return str_ieq(scheme, STR("Bearer")) && ret->secret.n > 0;
}

bool credential_is_access_token(struct str secret)
{
    return secret.n == ACCESS_TOKEN_TEXT && str_starts(secret, ACCESS_TOKEN_PREFIX) &&
           hex_valid(str_sub(secret, ACCESS_TOKEN_PREFIX.n, secret.n - ACCESS_TOKEN_PREFIX.n));
}

bool credential_guessed(const struct credential *c)
{
    return c->kind == CREDENTIAL_BASIC || c->kind == CREDENTIAL_BEARER;
}
