#include "core/archive_platform.h"

#include "base/mem.h"

#include <stdio.h>

#define CONFIG_MAX (4u << 20) /* of a config that is looked at for its platform */
#define DEPTH_MAX  4u         /* of indexes in each other */
#define IMAGES_MAX 256u       /* of which one is chosen */

struct image {
    struct digest digest;
    struct out_platform platform;
    json_t *json; /* of its descriptor, or NULL */
};

struct choice {
    struct registry *r;
    const struct repo_name *repo;
    struct image *images;
    size_t n;
};

static void choice_done(struct choice *c)
{
    for (size_t i = 0; i < c->n; i++)
        json_decref(c->images[i].json);
    free(c->images);
}

static inline void auto_choice_(struct choice *c)
{
    choice_done(c);
}

static bool is_word(struct str s, char dst[static 32])
{
    for (size_t i = 0; i < s.n; i++) {
        if (!str_is_alphanumeric(s.p[i]) && !strchr("._-", s.p[i]))
            return false;
    }
    return str_copy(s, dst, sizeof(((struct out_platform *)NULL)->os));
}

static bool fill(struct str os, struct str architecture, struct str variant,
                 struct out_platform *ret)
{
    *ret = (struct out_platform){0};
    return os.n > 0 && architecture.n > 0 && is_word(os, ret->os) &&
           is_word(architecture, ret->architecture) && is_word(variant, ret->variant);
}

enum err_code out_platform_parse(struct str s, struct out_platform *ret_platform, struct err *e)
{
    struct str rest = s, os, architecture, variant;
    bool has_variant;

    str_cut(&rest, '/', &os);
    has_variant = str_cut(&rest, '/', &architecture);
    variant = rest;
    if (fill(os, architecture, variant, ret_platform) && has_variant == (variant.n > 0))
        return ERR_OK;
    return err_tell(e, ERR_REQUEST_INVALID,
                    "a platform is 'os/architecture' or 'os/architecture/variant'");
}

/* In words, as clients write it. */
static void add_text(struct buf *b, const struct out_platform *p)
{
    buf_addf(b, "%s/%s%s%s", p->os, p->architecture, p->variant[0] ? "/" : "", p->variant);
}

/* What is meant where the variant is left out: containerd's platforms.Normalize(). */
static const char *usual_variant(const struct out_platform *p)
{
    if (p->variant[0])
        return p->variant;
    if (strcmp(p->architecture, "arm64") == 0)
        return "v8";
    return strcmp(p->architecture, "arm") == 0 ? "v7" : "";
}

bool out_platform_fits(const struct out_platform *p, const struct out_platform *wanted,
                       bool any_variant)
{
    return strcmp(p->os, wanted->os) == 0 && strcmp(p->architecture, wanted->architecture) == 0 &&
           (any_variant ? !wanted->variant[0]
                        : strcmp(usual_variant(p), usual_variant(wanted)) == 0);
}

bool out_platform_of_json(const json_t *j, struct out_platform *ret)
{
    return fill(out_json_text(j, "os"), out_json_text(j, "architecture"),
                out_json_text(j, "variant"), ret);
}

/* ---- the config */

void out_platform_print(const json_t *descriptor, char dst[static OUT_PLATFORM_TEXT])
{
    struct out_platform p;

    dst[0] = '\0';
    if (out_platform_of_json(json_object_get(descriptor, "platform"), &p))
        snprintf(dst, OUT_PLATFORM_TEXT, "%s/%s%s%s", p.os, p.architecture, p.variant[0] ? "/" : "",
                 p.variant);
}

static enum err_code read_blob(const struct choice *c, const struct digest *d, struct buf *ret,
                               struct err *e)
{
    AUTO(reader) struct reader *r = NULL;
    uint64_t size_bytes;
    size_t n;

    TRY(pull_blob(c->r, c->repo, d, &r, &size_bytes, e));
    if (size_bytes > CONFIG_MAX)
        return ERR_OK;
    buf_init(ret, CONFIG_MAX);
    while (ret->n < size_bytes) {
        size_t left = (size_t)size_bytes - ret->n;

        TRY(reader_read_waiting(r, buf_reserve(ret, left), left, &n, e));
        if (n == 0)
            break;
        ret->n += n;
    }
    return ERR_OK;
}

/* *ret_known is false for what has no platform, such as an artifact. */
static enum err_code of_config(const struct choice *c, const struct out_manifest *m,
                               struct out_platform *ret_platform, bool *ret_known, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *config = NULL;

    TRY(read_blob(c, &m->parsed.links[0].digest, &text, e));
    config = out_json_parse(buf_str(&text));
    *ret_known = out_platform_of_json(config, ret_platform);
    return ERR_OK;
}

/* ---- the images that there are */

/* BuildKit's attestations: manifests of no platform, about the one beside them. */
static bool is_attestation(const json_t *descriptor)
{
    const json_t *annotations = json_object_get(descriptor, "annotations");

    return str_eq(out_json_text(annotations, "vnd.docker.reference.type"),
                  STR("attestation-manifest")) ||
           str_eq(out_json_text(json_object_get(descriptor, "platform"), "os"), STR("unknown"));
}

static enum err_code add_image(struct choice *c, const struct digest *d,
                               const struct out_platform *p, json_t *json, struct err *e)
{
    if (c->n == IMAGES_MAX)
        return err_tell(e, ERR_UNSUPPORTED, "the index has more than %u images", IMAGES_MAX);
    c->images = mem_resize(c->images, (c->n + 1) * sizeof(*c->images));
    c->images[c->n++] = (struct image){.digest = *d, .platform = *p, .json = json_incref(json)};
    return ERR_OK;
}

static enum err_code add_images(struct choice *c, const struct out_manifest *index, unsigned depth,
                                struct err *e);

/* A child of which its index says no platform: an index again, or an image whose config knows. */
static enum err_code look_into(struct choice *c, const struct digest *d, unsigned depth,
                               struct err *e)
{
    AUTO(out_manifest) struct out_manifest m = {0};
    enum err_code code = out_manifest_by_digest(c->r, c->repo, d, &m, e);
    struct out_platform p;
    bool known = false;

    if (code == ERR_MANIFEST_UNKNOWN) /* of a sparse index */
        return ERR_OK;
    TRY(code);
    if (m.parsed.shape == MANIFEST_INDEX)
        return depth < DEPTH_MAX ? add_images(c, &m, depth + 1, e) : ERR_OK;
    TRY(of_config(c, &m, &p, &known, e));
    return known ? add_image(c, d, &p, NULL, e) : ERR_OK;
}

static enum err_code add_images(struct choice *c, const struct out_manifest *index, unsigned depth,
                                struct err *e)
{
    for (size_t i = 0; i < index->parsed.n_links; i++) {
        const struct manifest_link *link = &index->parsed.links[i];
        const json_t *descriptor = out_manifest_descriptor(index, i);
        json_t *platform = json_object_get(descriptor, "platform");
        struct out_platform p;

        if (link->kind != LINK_MANIFEST || is_attestation(descriptor))
            continue;
        if (out_platform_of_json(platform, &p))
            TRY(add_image(c, &link->digest, &p, platform, e));
        else
            TRY(look_into(c, &link->digest, depth, e));
    }
    return ERR_OK;
}

/* ---- the choice */

/* The same variant comes before one that was left open. */
static const struct image *find(const struct choice *c, const struct out_platform *wanted)
{
    for (unsigned any_variant = 0; any_variant <= 1; any_variant++) {
        for (size_t i = 0; i < c->n; i++) {
            if (out_platform_fits(&c->images[i].platform, wanted, any_variant))
                return &c->images[i];
        }
    }
    return NULL;
}

static void list(const struct choice *c, struct buf *ret_text)
{
    buf_init(ret_text, 256);
    for (size_t i = 0; i < c->n; i++) {
        buf_add_text(ret_text, i ? ", " : "");
        add_text(ret_text, &c->images[i].platform);
    }
}

/* NULL: *e says why. */
static const struct image *pick(const struct choice *c, const struct out_platform *wanted,
                                struct err *e)
{
    AUTO(buf) struct buf there = {0};
    AUTO(buf) struct buf asked = {0};
    const struct image *found;

    if (!c->images) {
        (void)err_tell(e, ERR_UNSUPPORTED,
                       "it has no image of a platform; format=oci without a platform has it whole");
        return NULL;
    }
    found = wanted ? find(c, wanted) : &c->images[0];
    if (found && (wanted || c->n == 1))
        return found;
    list(c, &there);
    if (!wanted) {
        (void)err_tell(e, ERR_REQUEST_INVALID, "one platform has to be chosen of these: %s",
                       buf_text(&there));
        return NULL;
    }
    buf_init(&asked, OUT_PLATFORM_MAX + 1);
    add_text(&asked, wanted);
    (void)err_tell(e, ERR_NOT_FOUND, "no image for %s; there is: %s", buf_text(&asked),
                   buf_text(&there));
    return NULL;
}

static enum err_code choose_of_index(struct choice *c, struct out_manifest *m,
                                     const struct out_platform *wanted, json_t **ret_platform,
                                     struct err *e)
{
    AUTO(out_manifest) struct out_manifest chosen = {0};
    const struct image *image;
    enum err_code code;

    TRY(add_images(c, m, 1, e));
    image = pick(c, wanted, e);
    if (!image)
        return e->code;
    code = out_manifest_by_digest(c->r, c->repo, &image->digest, &chosen, e);
    if (code == ERR_MANIFEST_UNKNOWN)
        return err_tell(e, ERR_NOT_FOUND,
                        "the image of that platform, %s, is not in this repository",
                        image->digest.text);
    TRY(code);
    *ret_platform = json_incref(image->json);
    out_manifest_done(m);
    *m = chosen;
    chosen = (struct out_manifest){0};
    return ERR_OK;
}

enum err_code out_platform_choose(struct registry *r, const struct repo_name *repo,
                                  struct out_manifest *m, const struct out_platform *wanted,
                                  json_t **ret_platform, struct err *e)
{
    AUTO(choice) struct choice c = {.r = r, .repo = repo};
    struct out_platform own;
    bool known;

    *ret_platform = NULL;
    if (m->parsed.shape == MANIFEST_INDEX)
        return choose_of_index(&c, m, wanted, ret_platform, e);
    if (!wanted)
        return ERR_OK;
    TRY(of_config(&c, m, &own, &known, e));
    if (known)
        TRY(add_image(&c, &m->stored->digest, &own, NULL, e));
    return pick(&c, wanted, e) ? ERR_OK : e->code;
}
