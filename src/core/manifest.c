#include "core/manifest.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"

#include <jansson.h>
#include <pthread.h>
#include <strings.h>

static const struct {
    const char *media_type;
    enum manifest_shape shape;
} types[] = {
    {MEDIA_OCI_MANIFEST, MANIFEST_IMAGE},
    {MEDIA_OCI_INDEX, MANIFEST_INDEX},
    {MEDIA_DOCKER_MANIFEST, MANIFEST_IMAGE},
    {MEDIA_DOCKER_LIST, MANIFEST_INDEX},
};

#define TYPES (sizeof(types) / sizeof(types[0]))

/*
 * A JSON tree may take a hundred times the memory of its text. What it will take at most is known
 * from the text: so much an object or list, so much a value. Large trees are built one at a time.
 */
#define CONTAINER_BYTES  256
#define VALUE_BYTES      192
#define TREE_LARGE_BYTES (1u << 20)
#define TREE_MAX_BYTES   (96u << 20) /* 4 MiB of an index with annotations take two thirds of it */

/* jansson recurses as deep as its input, which on a worker's stack must end: writing 2,000 levels
 * took more than its 512 KiB. No manifest has more than a few. */
#define DEPTH_MAX 128

static pthread_mutex_t large = PTHREAD_MUTEX_INITIALIZER;

struct parse {
    struct manifest *m;
    size_t max_links;
    struct err *e;
};

/* RFC 9110, 8.3.1: without case. */
static int type_index(struct str media_type)
{
    for (size_t i = 0; i < TYPES; i++) {
        if (str_ieq(media_type, str_of(types[i].media_type)))
            return (int)i;
    }
    return -1;
}

bool manifest_media_type_known(struct str media_type)
{
    return type_index(media_type) >= 0;
}

static struct str json_str(const json_t *j)
{
    return (struct str){json_string_value(j), json_string_length(j)};
}

static bool present(const json_t *root, const char *key)
{
    const json_t *j = json_object_get(root, key);

    return j && !json_is_null(j);
}

/* Non-distributable layers (image-spec "layer", Docker's foreign layers) may live elsewhere. */
static bool is_foreign(struct str media_type)
{
    static const char *const foreign[] = {
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    };

    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        if (str_eq(media_type, str_of(foreign[i])))
            return true;
    }
    return str_starts(media_type, STR("application/vnd.oci.image.layer.nondistributable.v1."));
}

/* image-spec "descriptor", data: must be the content that digest and size describe. */
static enum err_code check_data(struct parse *p, const json_t *data, const char *where,
                                const struct digest *d, uint64_t size_bytes)
{
    struct str text = json_str(data);
    AUTO(mem) unsigned char *bytes = NULL;
    struct digest actual;
    size_t n;

    if (!json_is_string(data))
        return err_tell(p->e, ERR_MANIFEST_INVALID, "%s: 'data' is not a string", where);
    bytes = mem_alloc(BASE64_ROOM(text.n));
    if (!base64_decode(text, bytes, &n) || n != size_bytes)
        return err_tell(p->e, ERR_MANIFEST_INVALID,
                        "%s: 'data' is not base64 of as many bytes as 'size' says", where);
    digest_of(d->algorithm, bytes, n, &actual);
    if (!digest_eq(&actual, d))
        return err_tell(p->e, ERR_MANIFEST_INVALID, "%s: 'data' does not match 'digest'", where);
    return ERR_OK;
}

/* The key as Go's decoder compares keys: ASCII letters without case, and the two letters outside
 * ASCII that fold into it. False when it is longer than any key we know. */
static bool fold_key(const char *key, char *dst, size_t cap)
{
    size_t n = 0;

    while (*key && n + 1 < cap) {
        if (strncmp(key, "\xc5\xbf", 2) == 0) { /* U+017F, long s */
            dst[n++] = 's';
            key += 2;
        } else if (strncmp(key, "\xe2\x84\xaa", 3) == 0) { /* U+212A, Kelvin */
            dst[n++] = 'k';
            key += 3;
        } else {
            dst[n++] = *key >= 'A' && *key <= 'Z' ? (char)(*key - 'A' + 'a') : *key;
            key++;
        }
    }
    dst[n] = '\0';
    return *key == '\0';
}

/*
 * Most clients are written in Go, whose decoder takes "Layers" for "layers", the last one winning.
 * They would see another image than the one that was checked here, so such a key is refused.
 */
static enum err_code check_keys(struct parse *p, const json_t *object, const char *where)
{
    static const char *const known[] = {
        "schemaVersion", "mediaType",    "config", "layers", "manifests", "fsLayers",    "subject",
        "digest",        "artifactType", "size",   "data",   "urls",      "annotations", "platform",
    };
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        char folded[32];

        if (!fold_key(key, folded, sizeof(folded)))
            continue;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (strcasecmp(folded, known[i]) == 0 && strcmp(key, known[i]) != 0)
                return err_tell(p->e, ERR_MANIFEST_INVALID,
                                "%s: a key is '%s' but for upper and lower case", where, known[i]);
        }
    }
    return ERR_OK;
}

/* image-spec "annotations": texts by name. What else is there would make the referrers list that
 * repeats it unreadable to clients. */
static enum err_code check_annotations(struct parse *p, const json_t *owner, const char *where)
{
    json_t *annotations = json_object_get(owner, "annotations");
    const char *key;
    json_t *value;

    if (!annotations || json_is_null(annotations))
        return ERR_OK;
    if (!json_is_object(annotations))
        return err_tell(p->e, ERR_MANIFEST_INVALID, "%s: 'annotations' is not an object", where);
    json_object_foreach(annotations, key, value)
    {
        if (!json_is_string(value))
            return err_tell(p->e, ERR_MANIFEST_INVALID,
                            "%s: 'annotations' has a value that is no text", where);
    }
    return ERR_OK;
}

/* image-spec "descriptor", urls. */
static enum err_code add_urls(struct parse *p, const json_t *descriptor, const char *where)
{
    const json_t *list = json_object_get(descriptor, "urls");
    struct manifest *m = p->m;

    if (!list || json_is_null(list))
        return ERR_OK;
    if (!json_is_array(list))
        return err_tell(p->e, ERR_MANIFEST_INVALID, "%s: 'urls' is not a list", where);
    m->urls = mem_resize(m->urls, (m->n_urls + json_array_size(list) + 1) * sizeof(*m->urls));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *url = json_array_get(list, i);

        if (!json_is_string(url) || strlen(json_string_value(url)) != json_string_length(url))
            return err_tell(p->e, ERR_MANIFEST_INVALID, "%s: 'urls' has a value that is no text",
                            where);
        m->urls[m->n_urls++] = mem_strdup(json_string_value(url));
    }
    return ERR_OK;
}

/* mediaType, digest and size of a descriptor; where is its place in the manifest. */
static enum err_code parse_descriptor(struct parse *p, const json_t *j, const char *where,
                                      struct str *ret_type, struct digest *ret_digest,
                                      uint64_t *ret_size)
{
    const json_t *type = json_object_get(j, "mediaType");
    const json_t *size = json_object_get(j, "size");
    const json_t *data = json_object_get(j, "data");

    if (!json_is_object(j))
        return err_tell(p->e, ERR_MANIFEST_INVALID, "%s: not a descriptor (an object)", where);
    TRY(check_keys(p, j, where));
    if (!json_is_string(type) || json_string_length(type) == 0)
        return err_tell(p->e, ERR_MANIFEST_INVALID, "%s: 'mediaType' is missing", where);
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return err_tell(p->e, ERR_MANIFEST_INVALID, "%s: 'size' is not a number of bytes", where);
    if (digest_parse(json_str(json_object_get(j, "digest")), ret_digest, ERR_IGNORED) != ERR_OK)
        return err_tell(p->e, ERR_MANIFEST_INVALID,
                        "%s: 'digest' is not 'sha256:' or 'sha512:' and hexadecimal digits", where);
    TRY(check_annotations(p, j, where));
    TRY(add_urls(p, j, where));
    *ret_type = json_str(type);
    *ret_size = (uint64_t)json_integer_value(size);
    if (data && !json_is_null(data))
        TRY(check_data(p, data, where, ret_digest, *ret_size));
    return ERR_OK;
}

static enum err_code add_link(struct parse *p, const json_t *j, const char *where, bool child)
{
    struct manifest *m = p->m;
    struct manifest_link *link = &m->links[m->n_links];
    struct str type = STR_NONE;

    TRY(parse_descriptor(p, j, where, &type, &link->digest, &link->size_bytes));
    if (child)
        link->kind = manifest_media_type_known(type) ? LINK_MANIFEST : LINK_UNKNOWN;
    else
        link->kind = is_foreign(type) ? LINK_FOREIGN_BLOB : LINK_BLOB;
    m->n_links++;
    return ERR_OK;
}

static enum err_code add_links(struct parse *p, const json_t *root, const char *key, bool child)
{
    const json_t *list = json_object_get(root, key);
    size_t n = json_array_size(list);

    if (!list || json_is_null(list)) /* an empty Go slice is written as null */
        return ERR_OK;
    if (!json_is_array(list))
        return err_tell(p->e, ERR_MANIFEST_INVALID, "'%s' is not a list", key);
    if (p->m->n_links + n > p->max_links)
        return err_tell(p->e, ERR_MANIFEST_INVALID, "%zu descriptors, this registry accepts %zu",
                        p->m->n_links + n, p->max_links);
    p->m->links = mem_resize(p->m->links, (p->m->n_links + n) * sizeof(*p->m->links) + 1);
    for (size_t i = 0; i < n; i++) {
        char where[64];

        snprintf(where, sizeof(where), "%s[%zu]", key, i);
        TRY(add_link(p, json_array_get(list, i), where, child));
    }
    return ERR_OK;
}

static enum err_code parse_image(struct parse *p, const json_t *root)
{
    if (present(root, "manifests"))
        return err_tell(p->e, ERR_MANIFEST_INVALID,
                        "'manifests' does not belong in an image manifest");
    p->m->links = mem_alloc(sizeof(*p->m->links));
    TRY(add_link(p, json_object_get(root, "config"), "config", false));
    return add_links(p, root, "layers", false);
}

static enum err_code parse_index(struct parse *p, const json_t *root)
{
    static const char *const strangers[] = {"config", "layers", "fsLayers"};

    /* An index that is an image as well would be two things to two clients: CVE-2021-41190. */
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        if (present(root, strangers[i]))
            return err_tell(p->e, ERR_MANIFEST_INVALID, "'%s' does not belong in an image index",
                            strangers[i]);
    }
    if (!json_object_get(root, "manifests"))
        return err_tell(p->e, ERR_MANIFEST_INVALID, "'manifests' is missing");
    return add_links(p, root, "manifests", true);
}

/* The manifest's type from Content-Type, mediaType and shape, which may not contradict. */
static enum err_code settle_type(struct parse *p, const json_t *root, struct str content_type)
{
    struct str type, field = json_str(json_object_get(root, "mediaType"));
    int index;

    str_cut(&content_type, ';', &type); /* dist-spec: parameters are ignored */
    type = str_trim(type);
    if (present(root, "mediaType") && !json_is_string(json_object_get(root, "mediaType")))
        return err_tell(p->e, ERR_MANIFEST_INVALID, "'mediaType' is not a string");
    if (field.n && type.n && !str_ieq(field, type))
        return err_tell(p->e, ERR_MANIFEST_INVALID,
                        "'mediaType' and the Content-Type header contradict each other");
    if (field.n)
        type = field;
    if (!type.n)
        type = str_of(present(root, "manifests") ? MEDIA_OCI_INDEX : MEDIA_OCI_MANIFEST);
    index = type_index(type);
    if (index < 0)
        return err_tell(p->e, ERR_MANIFEST_INVALID,
                        "media type is not one of: OCI image manifest, OCI image index, Docker "
                        "manifest schema 2, Docker manifest list");
    p->m->media_type = types[index].media_type;
    p->m->shape = types[index].shape;
    return ERR_OK;
}

static enum err_code parse_subject(struct parse *p, const json_t *root)
{
    struct str type;
    uint64_t size;

    if (!present(root, "subject"))
        return ERR_OK;
    TRY(parse_descriptor(p, json_object_get(root, "subject"), "subject", &type, &p->m->subject,
                         &size));
    p->m->has_subject = true;
    return ERR_OK;
}

/* dist-spec "Listing Referrers": artifactType, or for an image the media type of its config. */
static enum err_code parse_types(struct parse *p, const json_t *root)
{
    const json_t *type = json_object_get(root, "artifactType");
    const json_t *config = json_object_get(json_object_get(root, "config"), "mediaType");

    if (type && !json_is_null(type) && !json_is_string(type))
        return err_tell(p->e, ERR_MANIFEST_INVALID, "'artifactType' is not a string");
    if (json_string_length(type) == 0 && p->m->shape == MANIFEST_IMAGE)
        type = config;
    p->m->artifact_type = str_dup(json_str(type));
    p->m->config_type = str_dup(json_str(config));
    return ERR_OK;
}

static enum err_code parse_annotations(struct parse *p, const json_t *root)
{
    const json_t *annotations = json_object_get(root, "annotations");

    p->m->annotations_json = mem_strdup("");
    TRY(check_annotations(p, root, "the manifest"));
    if (json_object_size(annotations) == 0)
        return ERR_OK;
    free(p->m->annotations_json);
    p->m->annotations_json = json_dumps(annotations, JSON_COMPACT);
    if (!p->m->annotations_json)
        return err_set(p->e, ERR_INTERNAL, "annotations can't be written");
    return ERR_OK;
}

static enum err_code parse_root(struct parse *p, struct str bytes, struct str content_type)
{
    json_error_t why;
    AUTO(json) json_t *root = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES, &why);
    const json_t *version = json_object_get(root, "schemaVersion");

    if (!root)
        return err_tell(p->e, ERR_MANIFEST_INVALID, "not JSON at byte %d: %.120s", why.position,
                        why.text);
    if (!json_is_object(root))
        return err_tell(p->e, ERR_MANIFEST_INVALID, "not a JSON object");
    if (json_integer_value(version) != 2)
        return err_tell(p->e, ERR_MANIFEST_INVALID, "'schemaVersion' is not 2");
    TRY(check_keys(p, root, "manifest"));
    TRY(settle_type(p, root, content_type));
    TRY(p->m->shape == MANIFEST_IMAGE ? parse_image(p, root) : parse_index(p, root));
    TRY(parse_subject(p, root));
    TRY(parse_types(p, root));
    return parse_annotations(p, root);
}

/* An upper bound of the memory that the JSON's tree takes; more than TREE_MAX_BYTES when it is
 * too deep. Of text that is not JSON, any number. */
static size_t tree_bytes(struct str json)
{
    struct json_extent x = json_extent(json, DEPTH_MAX);

    if (x.depth > DEPTH_MAX)
        return SIZE_MAX;
    return json.n + (1 + x.containers) * CONTAINER_BYTES + (1 + x.separators) * VALUE_BYTES;
}

/* Takes the lock of large trees when this one is; it is released with leave(). */
static bool enter(size_t tree)
{
    if (tree > TREE_LARGE_BYTES)
        pthread_mutex_lock(&large);
    return tree > TREE_LARGE_BYTES;
}

static void leave(bool entered)
{
    if (entered)
        pthread_mutex_unlock(&large);
}

enum err_code manifest_parse(struct str bytes, struct str content_type, size_t max_links,
                             struct manifest *ret_manifest, struct err *e)
{
    AUTO(manifest) struct manifest m = {0};
    struct parse p = {&m, max_links, e};
    size_t tree = tree_bytes(bytes);
    enum err_code code;
    bool entered;

    if (tree > TREE_MAX_BYTES)
        return err_tell(e, ERR_MANIFEST_INVALID,
                        "it has more values or levels than any manifest needs");
    entered = enter(tree);
    code = parse_root(&p, bytes, content_type);
    leave(entered);
    TRY(code);
    *ret_manifest = m;
    m = (struct manifest){0};
    return ERR_OK;
}

static void tell_child(const json_t *j, manifest_child_fn fn, void *ctx)
{
    const json_t *annotations = json_object_get(j, "annotations");
    AUTO(mem)
    char *text = json_object_size(annotations) > 0 ? json_dumps(annotations, JSON_COMPACT) : NULL;
    struct manifest_child c = {
        .size_bytes = (uint64_t)json_integer_value(json_object_get(j, "size")),
        .media_type = json_str(json_object_get(j, "mediaType")),
        .artifact_type = json_str(json_object_get(j, "artifactType")),
        .annotations_json = text ? text : "",
    };

    if (digest_parse(json_str(json_object_get(j, "digest")), &c.digest, ERR_IGNORED) == ERR_OK)
        fn(ctx, &c);
}

void manifest_children(struct str bytes, manifest_child_fn fn, void *ctx)
{
    size_t tree = tree_bytes(bytes);
    const json_t *list;
    bool entered;
    json_t *root;

    if (tree > TREE_MAX_BYTES)
        return;
    entered = enter(tree);
    root = json_loadb(bytes.p, bytes.n, 0, NULL);
    list = json_object_get(root, "manifests");
    for (size_t i = 0; i < json_array_size(list); i++)
        tell_child(json_array_get(list, i), fn, ctx);
    json_decref(root);
    leave(entered);
}

void manifest_done(struct manifest *m)
{
    for (size_t i = 0; i < m->n_urls; i++)
        free(m->urls[i]);
    free(m->urls);
    free(m->links);
    free(m->artifact_type);
    free(m->config_type);
    free(m->annotations_json);
    *m = (struct manifest){0};
}
