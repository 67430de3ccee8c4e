#include "scan/vex.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <strings.h>

/* One id of a vulnerability, about one package or all of the image. */
struct saying {
    char *id;
    char *package; /* purl; NULL: whatever is in the image */
    int64_t time_ms;
    bool dismisses;
};

struct vex {
    struct digest image;
    struct saying *sayings; /* sorted by id */
    size_t n;
    bool overflow; /* not all is in them */
};

struct vex *vex_new(const struct digest *image)
{
    struct vex *v = NEW(struct vex);

    v->image = *image;
    return v;
}

void vex_free(struct vex *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->n; i++) {
        free(v->sayings[i].id);
        free(v->sayings[i].package);
    }
    free(v->sayings);
    free(v);
}

void vex_overflow(struct vex *v)
{
    v->overflow = true;
}

static struct str text_of(const json_t *of, const char *key)
{
    const json_t *text = json_object_get(of, key);

    return json_is_string(text) ? (struct str){json_string_value(text), json_string_length(text)}
                                : STR("");
}

static enum err_code invalid(const char *why, struct err *e)
{
    return err_set(e, ERR_MANIFEST_INVALID, "OpenVEX: %s", why);
}

/* ---- products */

/* A package as an address, without what tells copies of it apart: "pkg:deb/debian/zlib1g". */
struct purl {
    struct str name, version;
};

static struct purl purl_parse(struct str text)
{
    struct purl p = {0};
    struct str rest;

    str_cut(&text, '#', &rest);
    str_cut(&rest, '?', &p.name);
    rest = p.name;
    if (str_cut(&rest, '@', &p.name))
        p.version = rest;
    return p;
}

static bool purl_covers(struct str pattern, struct str package)
{
    struct purl p = purl_parse(pattern), f = purl_parse(package);

    return package.n > 0 && str_eq(p.name, f.name) &&
           (p.version.n == 0 || str_eq(p.version, f.version));
}

/* "pkg:oci/app@sha256%3A..." of this digest or of none, or any name that has the digest in it. */
static bool is_image(const struct vex *v, struct str product)
{
    struct purl p = purl_parse(product);

    if (str_contains(product, digest_hex(&v->image)))
        return true;
    return p.version.n == 0 &&
           (str_starts(p.name, STR("pkg:oci/")) || str_starts(p.name, STR("pkg:docker/")));
}

/* A product, or a component: a text, or an object with one. */
static struct str product_id(const json_t *product)
{
    const json_t *identifiers = json_object_get(product, "identifiers");

    if (json_is_string(product))
        return (struct str){json_string_value(product), json_string_length(product)};
    if (text_of(identifiers, "purl").n > 0)
        return text_of(identifiers, "purl");
    return text_of(product, "@id");
}

/* ---- statements */

struct statement {
    const json_t *vulnerability;
    int64_t time_ms;
    bool dismisses;
};

static enum err_code say(struct vex *v, struct str id, struct str package,
                         const struct statement *s, struct err *e)
{
    if (id.n == 0)
        return ERR_OK;
    if (v->n >= VEX_STATEMENTS_MAX) {
        vex_overflow(v);
        return invalid("there are too many statements", e);
    }
    v->sayings = mem_resize(v->sayings, (v->n + 1) * sizeof(*v->sayings));
    v->sayings[v->n++] = (struct saying){.id = str_dup(id),
                                         .package = package.n > 0 ? str_dup(package) : NULL,
                                         .time_ms = s->time_ms,
                                         .dismisses = s->dismisses};
    return ERR_OK;
}

/* Of each name that the vulnerability has. */
static enum err_code say_of(struct vex *v, const struct statement *s, struct str package,
                            struct err *e)
{
    const json_t *names = s->vulnerability, *aliases = json_object_get(names, "aliases");

    if (json_is_string(names))
        return say(v, (struct str){json_string_value(names), json_string_length(names)}, package, s,
                   e);
    TRY(say(v, text_of(names, "name"), package, s, e));
    for (size_t i = 0; i < json_array_size(aliases); i++) {
        const json_t *one = json_array_get(aliases, i);

        if (json_is_string(one))
            TRY(say(v, (struct str){json_string_value(one), json_string_length(one)}, package, s,
                    e));
    }
    return ERR_OK;
}

/* Of all that is in the image. */
static enum err_code say_of_all(struct vex *v, const struct statement *s, struct err *e)
{
    return say_of(v, s, STR(""), e);
}

/* Is it there, and no list? Then nobody knows what the statement is about. */
static bool is_no_list(const json_t *list)
{
    return list && !json_is_array(list);
}

/* What can't be understood dismisses nothing; but what is affected may be anything. */
static enum err_code say_of_unknown(struct vex *v, const struct statement *s, struct err *e)
{
    return s->dismisses ? ERR_OK : say_of_all(v, s, e);
}

static enum err_code say_of_components(struct vex *v, const struct statement *s,
                                       const json_t *components, struct err *e)
{
    for (size_t i = 0; i < json_array_size(components); i++) {
        struct str package = product_id(json_array_get(components, i));

        if (package.n > 0)
            TRY(say_of(v, s, package, e));
    }
    return ERR_OK;
}

static enum err_code say_of_product(struct vex *v, const struct statement *s, const json_t *product,
                                    const json_t *components, struct err *e)
{
    struct str id = product_id(product);
    const json_t *own = json_object_get(product, "subcomponents");

    if (!is_image(v, id)) /* a package of it, or an image that is none of ours */
        return str_starts(id, STR("pkg:oci/")) || id.n == 0 ? ERR_OK : say_of(v, s, id, e);
    if (is_no_list(own) || is_no_list(components))
        return say_of_unknown(v, s, e);
    components = json_array_size(own) > 0 ? own : components;
    return json_array_size(components) > 0 ? say_of_components(v, s, components, e)
                                           : say_of_all(v, s, e);
}

/* "not affected" needs a reason (OpenVEX, "Status Justifications"); without one it is nothing. */
static bool dismisses(const json_t *statement)
{
    struct str status = text_of(statement, "status");

    if (str_eq(status, STR("not_affected")))
        return text_of(statement, "justification").n > 0 ||
               text_of(statement, "impact_statement").n > 0;
    return str_eq(status, STR("fixed"));
}

static int64_t time_of(const json_t *of)
{
    int64_t ms = 0;

    if (!clock_parse(text_of(of, "last_updated"), &ms) &&
        !clock_parse(text_of(of, "timestamp"), &ms))
        return 0;
    return ms;
}

static enum err_code add_statement(struct vex *v, const json_t *document, const json_t *statement,
                                   struct err *e)
{
    const json_t *products = json_object_get(statement, "products");
    struct statement s = {.vulnerability = json_object_get(statement, "vulnerability"),
                          .time_ms = time_of(statement),
                          .dismisses = dismisses(statement)};

    if (s.time_ms == 0)
        s.time_ms = time_of(document);
    if (is_no_list(products))
        return say_of_unknown(v, &s, e);
    if (json_array_size(products) == 0) /* of what it is attached to */
        return say_of_all(v, &s, e);
    for (size_t i = 0; i < json_array_size(products); i++)
        TRY(say_of_product(v, &s, json_array_get(products, i),
                           json_object_get(statement, "subcomponents"), e));
    return ERR_OK;
}

static int by_id(const void *a, const void *b)
{
    return strcasecmp(((const struct saying *)a)->id, ((const struct saying *)b)->id);
}

static enum err_code add_document(struct vex *v, const json_t *document, struct err *e)
{
    const json_t *statements = json_object_get(document, "statements");
    enum err_code code = ERR_OK;

    if (!str_contains(text_of(document, "@context"), STR("openvex.dev")) ||
        !json_is_array(statements))
        return invalid("this is no document of it", e);
    for (size_t i = 0; i < json_array_size(statements) && code == ERR_OK; i++)
        code = add_statement(v, document, json_array_get(statements, i), e);
    if (v->n > 0)
        qsort(v->sayings, v->n, sizeof(*v->sayings), by_id);
    return code;
}

/* ---- envelopes */

static json_t *parse(struct str text)
{
    if (text.n > VEX_DOCUMENT_MAX || !json_shallow(text))
        return NULL;
    return json_loadb(text.p, text.n, 0, NULL);
}

/* DSSE: what is signed, in base64. */
static json_t *open_envelope(const json_t *envelope)
{
    struct str payload = text_of(envelope, "payload");
    AUTO(mem) unsigned char *bytes = mem_alloc(BASE64_ROOM(payload.n));
    size_t n;

    if (!base64_decode(payload, bytes, &n))
        return NULL;
    return parse((struct str){(const char *)bytes, n});
}

enum err_code vex_add(struct vex *v, struct str document, struct err *e)
{
    AUTO(json) json_t *j = parse(document);
    AUTO(json) json_t *opened = NULL;
    const json_t *inner = j;

    if (json_object_get(j, "payload")) {
        opened = open_envelope(j);
        inner = opened;
    }
    if (json_object_get(inner, "predicate")) /* an in-toto statement */
        inner = json_object_get(inner, "predicate");
    if (!json_is_object(inner))
        return invalid("this is no JSON", e);
    return add_document(v, inner, e);
}

/* ---- asking */

/* The first with that id. */
static size_t find(const struct vex *v, struct str id)
{
    size_t from = 0, to = v->n;
    AUTO(mem) char *text = str_dup(id);

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (strcasecmp(v->sayings[middle].id, text) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

bool vex_dismisses(const struct vex *v, const struct finding *f)
{
    int64_t latest_ms = INT64_MIN;
    bool dismissed = false;

    for (size_t i = v ? find(v, f->cve) : 0; v && i < v->n; i++) {
        const struct saying *s = &v->sayings[i];

        if (!str_ieq(str_of(s->id), f->cve))
            break;
        if (s->package && !purl_covers(str_of(s->package), f->purl))
            continue;
        if (s->time_ms > latest_ms)
            dismissed = s->dismisses;
        else if (s->time_ms == latest_ms)
            dismissed = dismissed && s->dismisses;
        latest_ms = s->time_ms > latest_ms ? s->time_ms : latest_ms;
    }
    return dismissed && !v->overflow;
}
