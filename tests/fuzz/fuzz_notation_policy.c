/* A trust policy of the Notary Project: one that is taken can be asked for any repository. */
#include "signing/notation_policy.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(notation_policy) struct notation_policy *p = NULL;
    struct err e = {0};

    if (notation_policy_parse((struct str){(const char *)data, size}, &p, &e) != ERR_OK) {
        assert(e.code == ERR_CONFIG && e.detail[0]);
        return 0;
    }
    assert(p->n > 0);
    for (size_t i = 0; i < p->n; i++) {
        const struct notation_statement *s = &p->statements[i];

        assert(s->name[0] && (s->skip || s->n_stores > 0));
        if (s->n_scopes > 0)
            assert(notation_policy_for(p, str_of(s->scopes[0])) == s);
    }
    return 0;
}
