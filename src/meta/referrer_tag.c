#include "meta/referrer_tag.h"

#include <stdio.h>
#include <string.h>

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

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
            return false;
    }
    return true;
}

/* Of sha512 only the one without an ending is short enough to be a tag. */
static bool is_ending(struct str s, bool of_sha256)
{
    for (size_t i = 0; i < (of_sha256 ? REFERRER_TAGS : 1); i++) {
        if (str_eq(s, str_of(endings[i])))
            return true;
    }
    return false;
}

bool referrer_tag_about(const struct tag_name *tag, char dst[static DIGEST_TEXT_MAX + 1])
{
    const size_t before = STR("sha256-").n, all = before + HEX_MOST;
    struct str s = tag_name_str(tag);

    if (!referrer_tag_looks_so(tag) || s.n < all || !is_hex(str_sub(s, before, HEX_MOST)) ||
        !is_ending(str_sub(s, all, s.n - all), str_starts(s, STR("sha256-"))))
        return false;
    memcpy(dst, s.p, all);
    dst[before - 1] = ':';
    dst[all] = '\0';
    return true;
}
