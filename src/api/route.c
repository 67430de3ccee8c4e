#include "api/route.h"
#include "api/match.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "api/routes.h"
#include "api/tus.h"

/* What is asked for by probes, of the server itself. */
static bool is_probe(struct str path)
{
    return str_eq(path, STR("/healthz")) || str_eq(path, STR("/readyz"));
}

/* Passes over http.prefix; false when the path is not below it. */
static bool strip_prefix(struct req *q)
{
    struct str prefix = reply_prefix(q), path = req_path(q);

    if (prefix.n == 0 || is_probe(path) || http_on_debug(q->x))
        return true;
    if (!str_starts(path, prefix) ||
        !str_starts(str_sub(path, prefix.n, path.n - prefix.n), STR("/")))
        return false;
    q->path_at = prefix.n;
    return true;
}

/* The second door has the routes that are made for it and the probes, the first all others. */
static bool served_here(const struct req *q, const struct match *m)
{
    bool debug = m->route && m->route->debug;

    return debug == http_on_debug(q->x) || is_probe(req_path(q));
}

bool route_has_form(const struct req *q)
{
    return q->head->method == HTTP_POST &&
           str_istarts(http_field_get(q->head, STR("Content-Type")), STR("multipart/form-data"));
}

static size_t longest_name(const struct req *q)
{
    return (size_t)conf_u64(&q->registry->limits->repository_name_bytes);
}

enum err_code route_set_name(struct req *q, struct str name, struct err *e)
{
    struct repo_name parsed;

    TRY(repo_name_parse(name, &parsed, e));
    if (parsed.n > longest_name(q))
        return err_tell(e, ERR_NAME_INVALID, "the longest name accepted has %zu characters",
                        longest_name(q));
    q->name = parsed;
    return ERR_OK;
}

enum err_code route_set_tag(struct req *q, struct str tag, struct err *e)
{
    return tag_name_parse(tag, &q->ref.tag, e);
}

/* A parameter of the query, or, as tus has it, of Upload-Metadata. */
static enum err_code text_of(struct req *q, const char *name, char *dst, size_t cap, struct err *e)
{
    struct str metadata = http_field_get(q->head, STR("Upload-Metadata"));

    if (q->route->tus && !query_has(q, name))
        return tus_metadata(metadata, name, dst, cap, e);
    return query_text(q, name, dst, cap, e);
}

/* What the rights are about, where the path does not say it. It may not be known before the body.
 */
static enum err_code settle_query(struct req *q, struct err *e)
{
    char name[REPO_NAME_MAX + 2], tag[TAG_NAME_MAX + 2];

    TRY(text_of(q, "repository", name, sizeof(name), e));
    TRY(text_of(q, "tag", tag, sizeof(tag), e));
    if (tag[0])
        TRY(route_set_tag(q, str_of(tag), e));
    return name[0] ? route_set_name(q, str_of(name), e) : ERR_OK;
}

/* Only where tus is spoken does a header say which method it is. */
static enum match_result match_request(const struct req *q, struct match *ret_match)
{
    enum http_method said = tus_method(q->head);

    if (said != q->head->method && match_path(said, req_path(q), ret_match) == MATCH_FOUND &&
        ret_match->route->tus)
        return MATCH_FOUND;
    *ret_match = (struct match){0};
    return match_path(q->head->method, req_path(q), ret_match);
}

enum err_code route_request(struct req *q, struct err *e)
{
    struct match m = {0};
    enum match_result result;

    if (!strip_prefix(q))
        return err_tell(e, ERR_NOT_FOUND, "nothing is served outside of %s",
                        q->api->conf->http.prefix);
    result = match_request(q, &m);
    if (result != MATCH_NONE && !served_here(q, &m))
        result = MATCH_NONE;
    switch (result) {
    case MATCH_NONE:
        return err_tell(e, ERR_NOT_FOUND, "nothing is served under this path");
    case MATCH_OTHER_METHOD:
        return err_tell(e, ERR_UNSUPPORTED, "this method is not supported here");
    case MATCH_FOUND:
        break;
    }
    http_set_route(q->x, m.route->pattern);
    if (m.route->tus)
        http_header(q->x, "Tus-Resumable", STR(TUS_VERSION));
    TRY(match_settle(&m, longest_name(q), q, e));
    return q->route->by_query ? settle_query(q, e) : ERR_OK;
}
