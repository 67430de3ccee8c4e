#include "meta/referrer_tag.h"

#include <stdio.h>

#define HEX_MOST 64

static const char *const endings[REFERRER_TAGS] = {"", ".sig", ".att", ".sbom"};

void referrer_tags_of(const struct digest *d, struct referrer_tags *ret)
{
    struct str hex = digest_hex(d);

    for (size_t i = 0; i < REFERRER_TAGS; i++) {
        bool cut = endings[i][0] == '\0' && hex.n > HEX_MOST;
        int n = snprintf(ret->names[i], sizeof(ret->names[i]), "%s-%.*s%s",
                         digest_algorithm_name(d->algorithm), (int)(cut ? HEX_MOST : hex.n), hex.p,
                         endings[i]);

        if ((size_t)n >= sizeof(ret->names[i]))
            ret->names[i][0] = '\0';
    }
}

bool referrer_tag_looks_so(const struct tag_name *tag)
{
    struct str s = tag_name_str(tag);

    return str_starts(s, STR("sha256-")) || str_starts(s, STR("sha512-"));
}
