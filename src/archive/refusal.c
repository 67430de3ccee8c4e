#include "archive/refusal.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name, *expected;
} table[REFUSAL_COUNT] = {
#define REFUSAL_ROW(name, expected) [REFUSAL_##name] = {#name, expected},
    REFUSALS(REFUSAL_ROW)
#undef REFUSAL_ROW
};

const char *refusal_name(enum refusal_code code)
{
    return table[code].name;
}

const char *refusal_expected(enum refusal_code code)
{
    return table[code].expected;
}

/* A name of the archive, as far as it fits and is text. */
static void copy_name(struct str name, char *dst, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < name.n && n + 1 < cap; i++)
        dst[n++] = (char)(name.p[i] >= ' ' && name.p[i] < 0x7f ? name.p[i] : '?');
    dst[n] = '\0';
}

static enum err_code code_of(enum refusal_code code)
{
    switch (code) {
    case REFUSAL_TOO_LARGE:
    case REFUSAL_UNPACKED_TOO_LARGE:
    case REFUSAL_TOO_MANY_MEMBERS:
    case REFUSAL_TOO_MANY_REPOSITORIES:
    case REFUSAL_JSON_TOO_LARGE:
    case REFUSAL_DECODER_MEMORY:
        return ERR_IMAGE_TOO_LARGE;
    default:
        return ERR_IMAGE_INVALID;
    }
}

enum err_code refuse(struct refusal *f, enum refusal_code code, struct str member, struct err *e,
                     const char *fmt, ...)
{
    va_list ap;

    f->code = code;
    copy_name(member, f->member, sizeof(f->member));
    va_start(ap, fmt);
    vsnprintf(f->wrong, sizeof(f->wrong), fmt, ap);
    va_end(ap);
    if (!f->member[0])
        return err_tell(e, code_of(code), "%s; expected: %s", f->wrong, refusal_expected(code));
    return err_tell(e, code_of(code), "'%.100s': %s; expected: %s", f->member, f->wrong,
                    refusal_expected(code));
}
