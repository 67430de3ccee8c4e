/* A method's first letter and a path: what a route gives a handler is valid, whatever was asked. */
#include "api/match.h"

#include <assert.h>

static enum http_method method_of(uint8_t c)
{
    static const enum http_method methods[] = {HTTP_GET,   HTTP_HEAD,   HTTP_POST,    HTTP_PUT,
                                               HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER};

    return methods[c % (sizeof(methods) / sizeof(methods[0]))];
}

static void check_settled(const struct match *m, const struct req *q)
{
    assert(q->route == m->route);
    if (m->name.n)
        assert(repo_name_valid(repo_name_str(&q->name)));
    if (m->digest.n)
        assert(q->digest.n > 0 && q->digest.text[q->digest.n] == '\0');
    if (m->reference.n)
        assert(q->ref.is_digest || tag_name_valid(tag_name_str(&q->ref.tag)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct req q = {0};
    struct err e = {0};
    struct match m;
    struct str path;
    struct buf allow;
    enum match_result result;

    if (n == 0)
        return 0;
    path = (struct str){(const char *)data + 1, n - 1};
    result = match_path(method_of(data[0]), path, &m);
    buf_init(&allow, 256);
    match_allow(path, method_of(data[0]), &allow);
    assert(!allow.full);
    assert(result != MATCH_OTHER_METHOD || allow.n > 0);
    assert(result != MATCH_NONE || allow.n == 0);
    buf_done(&allow);
    if (result != MATCH_FOUND)
        return 0;
    if (match_settle(&m, REPO_NAME_MAX, &q, &e) == ERR_OK)
        check_settled(&m, &q);
    else
        assert(e.public_detail);
    return 0;
}
