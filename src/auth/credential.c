#include "auth/credential.h"

#include <openssl/evp.h>

static bool parse_basic(struct str text, struct credential *ret, char *memory)
{
    int n = -1;

    text = str_trim(text);
    if (text.n > 0 && text.n % 4 == 0 && text.n / 4 * 3 <= CREDENTIAL_BASIC_MAX)
        n = EVP_DecodeBlock((unsigned char *)memory, (const unsigned char *)text.p, (int)text.n);
    for (size_t i = text.n; n > 0 && i > 0 && text.p[i - 1] == '=' && text.n - i < 2; i--)
        n--; /* EVP_DecodeBlock counts the padding */
    if (n < 0)
        return false;
    ret->kind = CREDENTIAL_BASIC;
    ret->secret = (struct str){memory, (size_t)n};
    return str_cut(&ret->secret, ':', &ret->user);
}

bool credential_parse(struct str header, struct credential *ret,
                      char memory[static CREDENTIAL_BASIC_MAX + 3])
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
