/* Repositories as people want to see them: many, and one. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "api/repository_shown.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "core/pulled.h"

#include <stdlib.h>

/* ---- what is shown of some */

struct entries {
    struct repo_name *names;
    struct meta_repo_shown *rows;
    struct shown_manifest *latest;
    int64_t *pulled_ms;
    size_t n;
};

static void auto_entries_(struct entries *s)
{
    shown_manifests_free(s->latest, s->n);
    meta_repos_shown_free(s->rows, s->n);
    free(s->names);
    free(s->pulled_ms);
}

static enum err_code find_pulled(struct req *q, struct entries *s, struct err *e)
{
    AUTO(mem) char *keys = mem_zero((s->n + 1) * PULLED_KEY_MAX);
    AUTO(mem) const char **refs = mem_zero((s->n + 1) * sizeof(*refs));

    s->pulled_ms = mem_zero((s->n + 1) * sizeof(*s->pulled_ms));
    if (!q->registry->pulled)
        return ERR_OK;
    for (size_t i = 0; i < s->n; i++) {
        refs[i] = keys + i * PULLED_KEY_MAX;
        pulled_key(&s->names[i], STR_NONE, keys + i * PULLED_KEY_MAX);
    }
    return pulled_among(q->registry->meta, refs, s->n, s->pulled_ms, e);
}

/* The latest tag, if the caller may pull it. */
static void read_latest(const struct req *q, struct entries *s, size_t i)
{
    const struct meta_tag_shown *latest = &s->rows[i].latest;
    bool shown = latest->manifest.digest.n > 0 &&
                 access_may(q, ACTION_PULL, &s->names[i], &latest->tag.name);

    shown_manifest_read(shown ? &latest->manifest : NULL, &s->latest[i]);
}

static enum err_code load(struct req *q, const char *const *names, size_t n, struct entries *s,
                          struct err *e)
{
    TRY(meta_repos_shown(q->registry->meta, names, n, &s->rows, e));
    s->n = n;
    s->names = mem_zero((n + 1) * sizeof(*s->names));
    s->latest = mem_zero((n + 1) * sizeof(*s->latest));
    for (size_t i = 0; i < n; i++) {
        TRY(repo_name_parse(str_of(names[i]), &s->names[i], e));
        read_latest(q, s, i);
    }
    TRY(shown_scans(q->registry, s->latest, n, e));
    return find_pulled(q, s, e);
}

/* ---- as JSON */

static void add_latest(struct buf *b, const struct entries *s, size_t i)
{
    const struct shown_manifest *m = &s->latest[i];

    if (!m->of) {
        buf_add_text(b, ",\"latest\":null");
        return;
    }
    buf_add_text(b, ",\"latest\":{\"tag\":");
    buf_add_json(b, tag_name_str(&s->rows[i].latest.tag.name));
    shown_add_text(b, "digest", digest_str(&m->of->digest));
    shown_add_types(b, m);
    shown_add_scan(b, &m->scan);
    buf_add_char(b, '}');
}

/* Without its closing brace. */
static void add_entry(const struct req *q, const struct entries *s, size_t i, struct buf *b)
{
    const struct meta_repo_shown *row = &s->rows[i];

    buf_add_text(b, "{\"name\":");
    buf_add_json(b, repo_name_str(&s->names[i]));
    if (access_pulls_all(q, &s->names[i])) {
        shown_add_number(b, "tags", row->tags);
        shown_add_number(b, "manifests", row->manifests);
        shown_add_number(b, "size", row->bytes);
    } else {
        buf_add_text(b, ",\"tags\":null,\"manifests\":null,\"size\":null");
    }
    reply_add_time(b, "pushed", row->pushed_ms);
    reply_add_time(b, "pulled", s->pulled_ms[i]);
    add_latest(b, s, i);
}

/* ---- many */

static enum err_code fetch(struct req *q, const struct meta_ask *ask, size_t limit,
                           struct meta_place_list *ret_list, struct err *e)
{
    return meta_repo_places(q->registry->meta, ask, limit, ret_list, e);
}

static bool visible(const struct req *q, const char *name)
{
    struct repo_name repo;

    return repo_name_parse(str_of(name), &repo, ERR_IGNORED) == ERR_OK && access_sees(q, &repo);
}

enum err_code api_repository_list(struct req *q, struct err *e)
{
    static const struct shown_source source = {fetch, visible};
    AUTO(meta_places) struct meta_place_list l = {0};
    AUTO(mem) const char **names = NULL;
    AUTO(entries) struct entries s = {0};
    AUTO(buf) struct buf body = {0};
    struct shown_ask a;
    size_t n = 0;

    TRY(shown_ask_parse(q, 1u << META_BY_NAME | 1u << META_BY_PUSH | 1u << META_BY_SIZE, &a, e));
    TRY(shown_names(q, &source, &a, &l, e));
    names = shown_name_list(&l);
    TRY(load(q, names, l.n, &s, e));
    buf_init(&body, SHOWN_BODY_MAX);
    buf_add_text(&body, "{\"repositories\":[");
    for (size_t i = 0; i < s.n; i++) {
        if (!s.rows[i].there) /* it went meanwhile */
            continue;
        buf_add_text(&body, n++ > 0 ? "," : "");
        add_entry(q, &s, i, &body);
        buf_add_char(&body, '}');
    }
    buf_add_text(&body, "]}\n");
    if (body.full)
        return err_tell(e, ERR_UNAVAILABLE, "the page is too large; ask for fewer (?n=)");
    if (l.more)
        shown_next(q, &a, &l.rows[l.n - 1]);
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

/* ---- one */

static void add_annotations(struct buf *b, const json_t *annotations)
{
    const char *key;
    json_t *value;
    size_t n = 0;

    buf_add_text(b, ",\"annotations\":{");
    json_object_foreach((json_t *)annotations, key, value)
    {
        if (!str_starts(str_of(key), SHOWN_ANNOTATION) || !json_is_string(value))
            continue;
        buf_add_text(b, n++ > 0 ? "," : "");
        buf_add_json(b, str_of(key));
        buf_add_char(b, ':');
        buf_add_json(b, (struct str){json_string_value(value), json_string_length(value)});
    }
    buf_add_char(b, '}');
}

static bool has_annotations(const json_t *j)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)j, key, value)
    {
        if (str_starts(str_of(key), SHOWN_ANNOTATION))
            return true;
    }
    return false;
}

static void take_first(void *ctx, size_t link, const char *platform)
{
    size_t *first = ctx;

    (void)platform;
    if (*first == SIZE_MAX)
        *first = link;
}

/* Those of an index without any are those of its first image, which is in *child then. */
static enum err_code find_annotations(struct req *q, const struct shown_manifest *m,
                                      struct out_manifest *child, const json_t **ret, struct err *e)
{
    size_t first = SIZE_MAX;
    enum err_code code;

    *ret = m->known ? json_object_get(m->m.json, "annotations") : NULL;
    if (has_annotations(*ret) || shown_images(m, take_first, &first) == 0)
        return ERR_OK;
    code =
        out_manifest_by_digest(q->registry, &q->name, &m->m.parsed.links[first].digest, child, e);
    if (code == ERR_MANIFEST_UNKNOWN || code == ERR_UNSUPPORTED) /* it is not here; too large */
        return ERR_OK;
    TRY(code);
    *ret = json_object_get(child->json, "annotations");
    return ERR_OK;
}

enum err_code repository_shown_add(struct req *q, struct buf *body, struct err *e)
{
    const char *const names[] = {q->name.text};
    AUTO(out_manifest) struct out_manifest child = {0};
    AUTO(entries) struct entries s = {0};
    const json_t *annotations = NULL;

    TRY(load(q, names, 1, &s, e));
    if (!s.rows[0].there)
        return err_tell(e, ERR_NAME_UNKNOWN, "no repository %s", q->name.text);
    add_entry(q, &s, 0, body);
    TRY(find_annotations(q, &s.latest[0], &child, &annotations, e));
    shown_add_text(body, "description",
                   out_json_text(annotations, "org.opencontainers.image.description"));
    add_annotations(body, annotations);
    return ERR_OK;
}
