#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int status;
    const char *wire, *message, *name;
} table[ERR_COUNT] = {[ERR_OK] = {200, "", "", "OK"},
#define ERR_ROW(n, s, w, m) [ERR_##n] = {s, w, m, #n},
                      ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};

__attribute__((format(printf, 4, 0))) static enum err_code
fill(struct err *e, enum err_code code, bool public_detail, const char *fmt, va_list ap)
{
    e->code = code;
    e->public_detail = public_detail;
    vsnprintf(e->detail, sizeof(e->detail), fmt, ap);
    return code;
}

enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fill(e, code, false, fmt, ap);
    va_end(ap);
    return code;
}

enum err_code err_tell(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fill(e, code, true, fmt, ap);
    va_end(ap);
    return code;
}

enum err_code err_prefix(struct err *e, const char *fmt, ...)
{
    char rest[sizeof(e->detail)];
    size_t used;
    va_list ap;

    memcpy(rest, e->detail, sizeof(rest));
    va_start(ap, fmt);
    vsnprintf(e->detail, sizeof(e->detail), fmt, ap);
    va_end(ap);
    used = strlen(e->detail);
    snprintf(e->detail + used, sizeof(e->detail) - used, ": %s", rest);
    return e->code;
}

enum err_code err_of_errno(int error)
{
    static const struct {
        int error;
        enum err_code code;
    } codes[] = {
        {ENOSPC, ERR_STORAGE_FULL},    {EDQUOT, ERR_STORAGE_FULL},
        {EROFS, ERR_STORAGE_READONLY}, {EACCES, ERR_STORAGE_READONLY},
        {EPERM, ERR_STORAGE_READONLY}, {EMFILE, ERR_UNAVAILABLE},
        {ENFILE, ERR_UNAVAILABLE},     {ENOMEM, ERR_UNAVAILABLE},
        {EAGAIN, ERR_UNAVAILABLE},     {ESTALE, ERR_UNAVAILABLE},
        {ETIMEDOUT, ERR_UNAVAILABLE},  {ENOTCONN, ERR_UNAVAILABLE},
        {EHOSTDOWN, ERR_UNAVAILABLE},  {ENODEV, ERR_UNAVAILABLE},
        {ENXIO, ERR_UNAVAILABLE},
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].error == error)
            return codes[i].code;
    }
    return ERR_INTERNAL;
}

enum err_code err_errno(struct err *e, const char *fmt, ...)
{
    int saved = errno;
    char what[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    errno = saved;
    return err_set(e, err_of_errno(saved), "%s: %m", what);
}

int err_status(enum err_code code)
{
    return table[code].status;
}

const char *err_wire(enum err_code code)
{
    return table[code].wire;
}

const char *err_message(enum err_code code)
{
    return table[code].message;
}

const char *err_name(enum err_code code)
{
    return table[code].name;
}
