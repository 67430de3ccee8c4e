/* An envelope of the Notary Project in either form, as the first byte says: what is read of it is
 * whole, and what was not signed verifies for nobody. */
#include "signing/notation_cose.h"
#include "signing/notation_jws.h"
#include "signing/signing_chain.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(notation_envelope) struct notation_envelope env = {.algorithm = NULL};
    struct err e = {0};
    struct str text;

    if (size < 1)
        return 0;
    text = (struct str){(const char *)data + 1, size - 1};
    if ((data[0] == 'j' ? notation_jws_read : notation_cose_read)(text, &env, &e) != ERR_OK) {
        assert(e.detail[0]);
        return 0;
    }
    assert(env.algorithm && sk_X509_num(env.chain) > 0 && env.expiry_ms > env.signed_ms);
    assert(env.message.n > 0 && !env.message.full);
    if (notation_envelope_verify(&env, &e) != ERR_OK ||
        signing_chain_check(env.chain, &e) != ERR_OK)
        assert(e.code == ERR_DENIED);
    return 0;
}
