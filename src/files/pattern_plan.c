#include "files/pattern_plan.h"

#include "base/hex.h"
#include "base/pattern.h"

#include <stdio.h>

#define PATH_MAX_BYTES 1024
#define LONG_ENOUGH    3 /* letters of a name that few others have */

static bool is_wild(char c)
{
    return c == '*' || c == '?';
}

static size_t plain_begin(struct str s)
{
    size_t n = 0;

    while (n < s.n && !is_wild(s.p[n]))
        n++;
    return n;
}

static size_t plain_end(struct str s)
{
    size_t n = 0;

    while (n < s.n && !is_wild(s.p[s.n - 1 - n]))
        n++;
    return n;
}

static struct str last_part(struct str path)
{
    size_t n = 0;

    while (n < path.n && path.p[path.n - 1 - n] != '/')
        n++;
    return (struct str){path.p + path.n - n, n};
}

static bool has_two_stars(struct str s)
{
    for (size_t i = 0; i + 1 < s.n; i++) {
        if (s.p[i] == '*' && s.p[i + 1] == '*')
            return true;
    }
    return false;
}

static void keep(struct str s, char *dst)
{
    (void)str_copy(s, dst, FILES_PATTERN_MAX + 1);
}

static void plan_base(struct files_plan *p, struct str base)
{
    size_t begin = plain_begin(base), end = plain_end(base);

    p->whole = begin == base.n;
    p->road = p->whole || begin >= end ? FILES_BY_NAME : FILES_BY_END;
    if (begin == 0)
        p->road = FILES_BY_END;
    keep(str_sub(base, 0, begin), p->begin);
    keep(str_sub(base, base.n - end, end), p->end);
}

/* path is without the '/' at its beginning. */
static void plan_path(struct files_plan *p, struct str path)
{
    struct str base = last_part(path), dir = str_sub(path, 0, path.n - base.n);
    size_t begin = plain_begin(path);

    if (has_two_stars(base) || base.n == 0) { /* it may be about parts of the directory */
        p->road = FILES_BY_PATH;
        keep(str_sub(path, 0, begin), p->begin);
        return;
    }
    plan_base(p, base);
    p->plain = begin == path.n;
    if (p->plain)
        keep(str_sub(dir, 0, dir.n > 0 ? dir.n - 1 : 0), p->dir);
    else if (!p->whole && (begin >= dir.n || (strlen(p->begin) < LONG_ENOUGH &&
                                              strlen(p->end) < LONG_ENOUGH && begin > 0))) {
        p->road = FILES_BY_PATH;
        keep(str_sub(path, 0, begin), p->begin);
    }
}

enum err_code files_plan_path(struct str pattern, struct files_plan *ret_plan, struct err *e)
{
    struct files_plan p = {.path = pattern.n > 0 && memchr(pattern.p, '/', pattern.n)};

    if (pattern.n == 0 || pattern.n > FILES_PATTERN_MAX || !str_is_text(pattern))
        return err_tell(e, ERR_REQUEST_INVALID, "a pattern is text of 1 to %d bytes, on one line",
                        FILES_PATTERN_MAX);
    if (str_ends(pattern, STR("/")))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "a pattern that ends in '/' matches no file; did you mean '%.*s**'?",
                        STR_ARG(pattern));
    if (!p.path) {
        plan_base(&p, pattern);
        p.plain = p.whole;
        keep(pattern, p.pattern);
        if (has_two_stars(pattern)) {
            p.road = FILES_BY_END;
            p.begin[0] = '\0';
        }
    } else {
        bool rooted = pattern.p[0] == '/';

        snprintf(p.pattern, sizeof(p.pattern), "%s" STR_FMT,
                 rooted || str_starts(pattern, STR("**")) ? "" : "/", STR_ARG(pattern));
        plan_path(&p, (struct str){pattern.p + rooted, pattern.n - rooted});
    }
    *ret_plan = p;
    return ERR_OK;
}

enum err_code files_plan_hash(struct str hash, struct files_plan *ret_plan, struct err *e)
{
    struct files_plan p = {.road = FILES_BY_HASH};

    if (str_starts(hash, STR("sha256:")))
        hash = str_sub(hash, 7, hash.n - 7);
    if (!hex_decode(hash, p.hash, sizeof(p.hash)))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "a SHA-256 has 64 hexadecimal digits, in small letters");
    *ret_plan = p;
    return ERR_OK;
}

bool files_plan_matches_base(const struct files_plan *p, struct str base)
{
    return p->path || pattern_matches(str_of(p->pattern), base);
}

bool files_plan_matches(const struct files_plan *p, struct str base, struct str dir)
{
    char path[PATH_MAX_BYTES + 2];
    int n;

    if (!p->path)
        return pattern_matches(str_of(p->pattern), base);
    n = snprintf(path, sizeof(path), "%s" STR_FMT "/" STR_FMT, dir.n > 0 ? "/" : "", STR_ARG(dir),
                 STR_ARG(base));
    return pattern_matches(str_of(p->pattern), (struct str){path, (size_t)n});
}
