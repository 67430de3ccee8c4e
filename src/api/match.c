#include "api/match.h"

#include "api/routes.h"
#include "base/percent.h"

#include <stdio.h>

static struct str cut_last(struct str *s)
{
    size_t i = s->n;

    while (i > 0 && s->p[i - 1] != '/')
        i--;
    struct str last = str_sub(*s, i, s->n - i);
    s->n = i > 0 ? i - 1 : 0;
    return last;
}

static struct str *capture(struct match *m, struct str parameter)
{
    const struct {
        struct str parameter;
        struct str *to;
    } places[] = {
        {STR("{reference}"), &m->reference},
        {STR("{digest}"), &m->digest},
        {STR("{user}"), &m->user},
        {STR("{token}"), &m->token},
        {STR("{rule}"), &m->rule},
        {STR("{run}"), &m->run},
        {STR("{id}"), &m->id},
        {STR("{original}"), &m->original},
        {STR("{tag}"), &m->tag},
        {STR("{webhook}"), &m->webhook},
        {STR("{file}"), &m->file},
    };

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (str_eq(parameter, places[i].parameter))
            return places[i].to;
    }
    return &m->upload;
}

/* NAME:TAG or NAME@DIGEST. A colon before a slash is of no tag. */
static void split_image(struct str image, struct match *m)
{
    const char *at = memchr(image.p, '@', image.n);
    size_t i = at ? (size_t)(at - image.p) + 1 : image.n;

    while (!at && i > 0 && image.p[i - 1] != ':' && image.p[i - 1] != '/')
        i--;
    m->no_reference = i <= 1 || i == image.n || image.p[i - 1] == '/';
    m->by_digest = at != NULL;
    m->name = m->no_reference ? image : str_sub(image, 0, i - 1);
    m->reference = m->no_reference ? STR_NONE : str_sub(image, i, image.n - i);
}

/*
 * From the end to the front: a name may hold any word that stands in a pattern, so what follows it
 * decides, and {name} takes all that is left. So does {image}.
 */
static bool takes_rest(struct str pattern, struct str parameter, struct str path,
                       struct str *ret_rest)
{
    size_t n = pattern.n - parameter.n; /* before it, with the slash */

    if (!str_starts(path, str_sub(pattern, 0, n)) || path.n == n)
        return false;
    *ret_rest = str_sub(path, n, path.n - n);
    return true;
}

static bool matches(struct str pattern, struct str path, struct match *m)
{
    if (path.n == 0 || path.p[0] != '/')
        return false;
    while (pattern.n > 0) {
        struct str want, have;

        if (str_ends(pattern, STR("/{name}")))
            return takes_rest(pattern, STR("{name}"), path, &m->name);
        if (str_ends(pattern, STR("/{path}")))
            return takes_rest(pattern, STR("{path}"), path, &have);
        if (str_ends(pattern, STR("/{image}"))) {
            if (!takes_rest(pattern, STR("{image}"), path, &have))
                return false;
            split_image(have, m);
            return true;
        }
        want = cut_last(&pattern);
        have = cut_last(&path);
        if (want.n > 0 && want.p[0] == '{') {
            if (have.n == 0)
                return false;
            *capture(m, want) = have;
        } else if (!str_eq(want, have)) {
            return false;
        }
    }
    return path.n == 0;
}

static const char *const method_names[] = {
    [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",
    [HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
    [HTTP_OPTIONS] = "OPTIONS", [HTTP_OTHER] = NULL,
};

const char *match_method_name(enum http_method method)
{
    return method_names[method];
}

/* A row of HEAD stands before that of GET. */
static bool serves(const struct route *r, enum http_method method)
{
    return r->method == method || (r->method == HTTP_GET && method == HTTP_HEAD);
}

enum match_result match_path(enum http_method method, struct str path, struct match *ret_match)
{
    enum match_result result = MATCH_NONE;

    for (size_t i = 0; i < api_routes_n; i++) {
        struct match found = {.route = &api_routes[i]};

        if (!serves(&api_routes[i], method) && result != MATCH_NONE)
            continue;
        if (!matches(str_of(api_routes[i].pattern), path, &found))
            continue;
        if (serves(&api_routes[i], method)) {
            *ret_match = found;
            return MATCH_FOUND;
        }
        result = MATCH_OTHER_METHOD;
    }
    return result;
}

void match_allow(struct str path, enum http_method but, struct buf *ret_methods)
{
    for (size_t i = 0; i < api_routes_n; i++) {
        enum http_method m = api_routes[i].method;
        struct match unused;

        if (m == but || !matches(str_of(api_routes[i].pattern), path, &unused))
            continue;
        if (ret_methods->n)
            buf_add_text(ret_methods, ", ");
        buf_add_text(ret_methods, method_names[m]);
        if (m == HTTP_GET && !str_ends(buf_str(ret_methods), STR("HEAD, GET")))
            buf_add_text(ret_methods, ", HEAD");
    }
}

/* What a path names, decoded. None of it is longer than a name may be. */
static bool decode(struct str encoded, char *dst, size_t cap, struct str *ret_plain)
{
    size_t n;

    if (!encoded.n || !memchr(encoded.p, '%', encoded.n)) {
        *ret_plain = encoded;
        return true;
    }
    if (!percent_decode(encoded, dst, cap, &n))
        return false;
    *ret_plain = (struct str){dst, n};
    return true;
}

static size_t slashes(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '/';
    return n;
}

/* RFC 3986, 2.2: an encoded slash is not a slash. A proxy that guards paths sees another name. */
static enum err_code settle_name(struct req *q, struct str encoded, size_t longest, struct err *e)
{
    char text[REPO_NAME_MAX + 1];
    struct str plain;

    if (!decode(encoded, text, sizeof(text), &plain) || slashes(plain) != slashes(encoded))
        plain = STR("%");
    TRY(repo_name_parse(plain, &q->name, e));
    if (plain.n > longest)
        return err_tell(e, ERR_NAME_INVALID, "the longest name accepted has %zu characters",
                        longest);
    return ERR_OK;
}

static enum err_code settle_reference(struct req *q, struct str encoded, struct err *e)
{
    char text[DIGEST_TEXT_MAX + 1];
    struct str plain;
    enum err_code code;

    if (!decode(encoded, text, sizeof(text), &plain))
        plain = STR("%");
    code = reference_parse(plain, &q->ref, e);
    if (code == ERR_TAG_INVALID && q->route->method == HTTP_GET)
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "there can be no such tag");
    return code;
}

static enum err_code settle_tag(struct req *q, struct str encoded, struct err *e)
{
    char text[TAG_NAME_MAX + 1];
    struct str plain;
    enum err_code code;

    if (!decode(encoded, text, sizeof(text), &plain))
        plain = STR("%");
    code = tag_name_parse(plain, &q->ref.tag, e);
    if (code == ERR_TAG_INVALID && q->route->method == HTTP_GET)
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "there can be no such tag");
    return code;
}

static enum err_code settle_digest(struct req *q, struct str encoded, struct err *e)
{
    char text[DIGEST_TEXT_MAX + 1];
    struct str plain;

    if (!decode(encoded, text, sizeof(text), &plain))
        plain = STR("%");
    return digest_parse(plain, &q->digest, e);
}

/* Users, tokens, rules, runs, uploads: an empty name is nobody's, so what can be none needs no
 * error of its own.
 */
static void settle_item(struct req *q, const char *kind, struct str encoded)
{
    char text[sizeof(q->item)];
    struct str plain;

    if (decode(encoded, text, sizeof(text), &plain) && identity_name_valid(plain))
        snprintf(q->item, sizeof(q->item), STR_FMT, STR_ARG(plain));
    snprintf(q->target, sizeof(q->target), "%s:%s", kind, q->item);
}

enum err_code match_settle(const struct match *m, size_t longest_name, struct req *q, struct err *e)
{
    q->route = m->route;
    if (m->no_reference)
        return err_tell(e, ERR_REQUEST_INVALID, "an image is named NAME:TAG or NAME@DIGEST");
    if (m->name.n)
        TRY(settle_name(q, m->name, longest_name, e));
    if (m->reference.n)
        TRY(settle_reference(q, m->reference, e));
    if (m->by_digest && !q->ref.is_digest)
        return err_tell(e, ERR_DIGEST_MALFORMED, "behind '@' stands a digest");
    if (m->tag.n)
        TRY(settle_tag(q, m->tag, e));
    if (m->digest.n)
        TRY(settle_digest(q, m->digest, e));
    if (m->user.n)
        settle_item(q, "user", m->user);
    if (m->token.n)
        settle_item(q, "token", m->token);
    if (m->rule.n)
        settle_item(q, "rule", m->rule);
    if (m->run.n)
        settle_item(q, "run", m->run);
    if (m->id.n)
        settle_item(q, "upload", m->id);
    if (m->original.n)
        settle_item(q, "original", m->original);
    if (m->webhook.n)
        settle_item(q, "webhook", m->webhook);
    if (m->file.n)
        settle_item(q, "file", m->file);
    if (m->upload.n && !uuid_parse(m->upload, &q->upload))
        return err_tell(e, ERR_BLOB_UPLOAD_UNKNOWN, "an upload is named by a UUID");
    return ERR_OK;
}
