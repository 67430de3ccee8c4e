#include "signing/signature_trust.h"

#include <stdlib.h>

const char *signature_verdict_name(enum signature_verdict v)
{
    static const char *const names[SIGNATURE_VERDICTS] = {
#define SIGNATURE_NAME(verdict, name, text) [SIGNATURE_##verdict] = name,
        SIGNATURE_VERDICTS_TABLE(SIGNATURE_NAME)
#undef SIGNATURE_NAME
    };

    return names[v];
}

const char *signature_verdict_text(enum signature_verdict v)
{
    static const char *const texts[SIGNATURE_VERDICTS] = {
#define SIGNATURE_TEXT(verdict, name, text) [SIGNATURE_##verdict] = text,
        SIGNATURE_VERDICTS_TABLE(SIGNATURE_TEXT)
#undef SIGNATURE_TEXT
    };

    return texts[v];
}

void signature_done(struct signature *s)
{
    free(s->identity);
    free(s->issuer);
    free(s->why);
    free(s->predicate);
    free(s->builder);
    *s = (struct signature){.verdict = SIGNATURE_UNKNOWN};
}
