/* An image and another one, compared: docs/analysis.md. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/image_known.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "base/mem.h"
#include "core/image_analysis.h"
#include "core/image_compare.h"
#include "core/own_repo.h"

#include <stdlib.h>

#define FILES_UNASKED  1000
#define PAGE_MAX_BYTES (32u << 20)
#define PLATFORM_MAX   128
#define PATH_MAX_BYTES 4096
#define WITH_MAX       (REPO_NAME_MAX + 1 + DIGEST_TEXT_MAX)

struct asked {
    char with[WITH_MAX + 1], last[PATH_MAX_BYTES + 1], platform[PLATFORM_MAX];
    struct compared_image before, after; /* of the path; `with` */
    struct diff_page page;
    char *next;
    struct buf body;
};

static void auto_asked_(struct asked *a)
{
    free(a->next);
    buf_done(&a->body);
}

/* A tag or digest of the same repository; or NAME:TAG, NAME@DIGEST. */
static enum err_code parse_with(struct req *q, struct str text, struct repo_name *ret_repo,
                                struct reference *ret_ref, struct err *e)
{
    const char *at = memchr(text.p, '@', text.n), *colon = memrchr(text.p, ':', text.n);
    const char *cut = at ? at : colon;
    struct str name;

    *ret_repo = q->name;
    if (!cut || reference_parse(text, ret_ref, ERR_IGNORED) == ERR_OK)
        return reference_parse(text, ret_ref, e);
    name = str_sub(text, 0, (size_t)(cut - text.p));
    TRY(repo_name_parse(name, ret_repo, e));
    return reference_parse(str_sub(text, name.n + 1, text.n - name.n - 1), ret_ref, e);
}

/* What the caller may not pull is as if it were not there. */
static enum err_code find_with(struct req *q, struct asked *a, struct err *e)
{
    struct reference ref;

    TRY(parse_with(q, str_of(a->with), &a->after.repo, &ref, e));
    if (own_repo(&a->after.repo) ||
        !access_may(q, ACTION_PULL, &a->after.repo, ref.is_digest ? NULL : &ref.tag))
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "with '%s'", a->with);
    if (image_analysis_find(q->registry, &a->after.repo, &ref, str_of(a->platform),
                            &a->after.digest, e) != ERR_OK)
        return err_prefix(e, "with '%s'", a->with);
    return ERR_OK;
}

static enum err_code parse(struct req *q, struct asked *a, struct err *e)
{
    TRY(query_page(q, FILES_UNASKED, &a->page.n, e));
    TRY(query_text(q, "with", a->with, sizeof(a->with), e));
    TRY(query_text(q, "last", a->last, sizeof(a->last), e));
    TRY(query_text(q, "platform", a->platform, sizeof(a->platform), e));
    if (!a->with[0])
        return err_tell(e, ERR_REQUEST_INVALID,
                        "ask with 'with': a tag, a digest, NAME:TAG or NAME@DIGEST");
    a->page.last = str_of(a->last);
    return find_with(q, a, e);
}

static enum err_code look_with(struct req *q, void *ctx, struct err *e)
{
    struct asked *a = ctx;

    return image_compare_ready(q->registry, &a->after, e);
}

static enum err_code compare(struct req *q, void *ctx, struct err *e)
{
    struct asked *a = ctx;

    buf_init(&a->body, PAGE_MAX_BYTES);
    return image_compare(q->registry, &a->before, &a->after, &a->page, &a->next, &a->body, e);
}

static enum err_code look(struct req *q, void *ctx, struct err *e)
{
    return image_look_in_turn(q, compare, ctx, e);
}

static void reply_link(struct req *q, const struct asked *a)
{
    AUTO(buf) struct buf more = {0};

    buf_init(&more, 4096);
    buf_add_text(&more, "&with=");
    buf_add_percent(&more, str_of(a->with));
    if (a->platform[0]) {
        buf_add_text(&more, "&platform=");
        buf_add_percent(&more, str_of(a->platform));
    }
    reply_next(q, a->page.n, str_of(a->next), buf_str(&more));
}

enum err_code api_image_diff_get(struct req *q, struct err *e)
{
    AUTO(asked) struct asked a = {.with = ""};
    bool known;

    TRY(parse(q, &a, e));
    TRY(image_find(q, e));
    a.before = (struct compared_image){q->name, q->digest};
    TRY(image_known_of(q, &a.after.repo, &a.after.digest, look_with, &a, &known, e));
    if (!known)
        return ERR_OK;
    TRY(image_known(q, look, &a, &known, e));
    if (!known)
        return ERR_OK;
    if (a.next[0])
        reply_link(q, &a);
    buf_add_char(&a.body, '\n');
    reply_json(q, 200, buf_str(&a.body));
    return ERR_OK;
}
