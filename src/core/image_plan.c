#include "core/image_plan.h"

#include "archive/image_name.h"
#include "base/json.h"
#include "base/mem.h"
#include "core/manifest.h"

#include <stdlib.h>

struct making {
    const struct image_plan_rules *rules;
    const struct archive_verdict *v;
    const struct image_wish *wish;
    struct image_plan *plan;
    struct refusal *refusal;
};

void image_plan_done(struct image_plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->items[i].tags);
    free(p->items);
    free(p->manifests);
    free(p->blobs);
    *p = (struct image_plan){0};
}

/* All names that the archive has, for whoever has to choose one. */
static void list_names(const struct archive_verdict *v, char *dst, size_t cap)
{
    size_t n = 0;

    dst[0] = '\0';
    for (size_t i = 0; i < v->n_images; i++) {
        const struct archive_image *im = &v->images[i];
        const char *name = im->n_names > 0 ? im->names[0] : v->manifests[im->manifest].digest.text;

        if (n < cap)
            n += (size_t)snprintf(dst + n, cap - n, "%s%s", i > 0 ? ", " : "", name);
    }
}

static enum err_code choose_one(struct making *k, const char *what, struct err *e)
{
    char names[160];

    list_names(k->v, names, sizeof(names));
    return refuse(k->refusal, REFUSAL_CHOICE, STR_NONE, e, "%s; there are: %s", what, names);
}

static bool is_named(const struct making *k, const struct archive_image *im)
{
    if (!k->wish->image[0] ||
        strcmp(k->v->manifests[im->manifest].digest.text, k->wish->image) == 0)
        return true;
    for (size_t i = 0; i < im->n_names; i++) {
        if (strcmp(im->names[i], k->wish->image) == 0)
            return true;
    }
    return false;
}

static size_t manifest_of(const struct making *k, const char *digest)
{
    for (size_t i = 0; i < k->v->n_manifests; i++) {
        if (digest && strcmp(k->v->manifests[i].digest.text, digest) == 0)
            return i;
    }
    return SIZE_MAX;
}

/* Of the manifests that an index names, the image of the platform; SIZE_MAX: it is not there. */
static size_t choose_of_index(const struct making *k, struct str index)
{
    AUTO(json) json_t *root = json_loadb(index.p, index.n, 0, NULL);
    json_t *list = json_object_get(root, "manifests"), *d;
    struct out_platform p;
    size_t i, at;

    for (unsigned any_variant = 0; any_variant <= 1; any_variant++) {
        json_array_foreach(list, i, d)
        {
            if (!out_platform_of_json(json_object_get(d, "platform"), &p) ||
                !out_platform_fits(&p, k->wish->platform, any_variant))
                continue;
            at = manifest_of(k, json_string_value(json_object_get(d, "digest")));
            if (at != SIZE_MAX)
                return at;
        }
    }
    return SIZE_MAX;
}

/* The manifest that is meant by it; SIZE_MAX: none, for it has not the platform. Of an image alone
 * nobody asks for the variant. */
static size_t place_of(const struct making *k, const struct archive_image *im)
{
    const struct archive_manifest *m = &k->v->manifests[im->manifest];
    const struct out_platform *wanted = k->wish->platform;

    if (!wanted)
        return im->manifest;
    if (m->is_index)
        return choose_of_index(k, m->bytes);
    if (strcmp(m->os, wanted->os) != 0 || strcmp(m->architecture, wanted->architecture) != 0)
        return SIZE_MAX;
    return im->manifest;
}

static bool is_wished(const struct making *k, const struct archive_image *im)
{
    return is_named(k, im) && place_of(k, im) != SIZE_MAX;
}

/* An image of its own, and not a part of another or about it. */
static bool stands_alone(const struct making *k, const struct archive_image *im)
{
    const struct archive_manifest *m = &k->v->manifests[im->manifest];

    return k->wish->image[0] || (!m->is_child && !m->is_referrer);
}

static enum err_code add_tag(struct making *k, struct image_plan_item *item, struct str text,
                             struct err *e)
{
    struct tag_name tag;

    TRY(tag_name_parse(text, &tag, e));
    for (size_t i = 0; i < k->plan->n; i++) {
        const struct image_plan_item *other = &k->plan->items[i];

        for (size_t t = 0; t < other->n_tags; t++) {
            if (strcmp(other->tags[t].text, tag.text) != 0)
                continue;
            if (other == item)
                return ERR_OK;
            return choose_one(k, "two images have the same tag", e);
        }
    }
    item->tags = mem_resize(item->tags, (item->n_tags + 1) * sizeof(tag));
    item->tags[item->n_tags++] = tag;
    return ERR_OK;
}

static enum err_code add_own_tags(struct making *k, struct image_plan_item *item,
                                  const struct archive_image *im, struct err *e)
{
    struct str repository, tag;

    for (size_t i = 0; i < im->n_names; i++) {
        if (image_name_split(str_of(im->names[i]), k->v->is_oci, &repository, &tag))
            TRY(add_tag(k, item, tag, e));
    }
    return ERR_OK;
}

/* An index whose manifests are not all there is of use only where those may be elsewhere. */
static enum err_code place_partial(struct making *k, struct image_plan_item *item, struct err *e)
{
    const struct archive_manifest *m = &k->v->manifests[item->manifest];

    if (m->n_missing == 0 || k->rules->sparse_indexes)
        return ERR_OK;
    if (m->n_platforms != 1)
        return refuse(k->refusal, REFUSAL_MISSING, STR_NONE, e,
                      "the index %.71s names %zu manifests that are not in the archive",
                      m->digest.text, m->n_missing);
    item->partial = m;
    item->manifest = m->platform;
    return ERR_OK;
}

static enum err_code add_item(struct making *k, const struct archive_image *im, struct err *e)
{
    struct image_plan_item *item = &k->plan->items[k->plan->n++];

    *item = (struct image_plan_item){.manifest = place_of(k, im)};
    TRY(place_partial(k, item, e));
    k->plan->manifests[item->manifest] = true;
    if (!k->wish->tag)
        return add_own_tags(k, item, im, e);
    return stands_alone(k, im) ? add_tag(k, item, tag_name_str(k->wish->tag), e) : ERR_OK;
}

static enum err_code add_items(struct making *k, struct err *e)
{
    size_t alone = 0, tags = 0;

    for (size_t i = 0; i < k->v->n_images; i++)
        alone += is_wished(k, &k->v->images[i]) && stands_alone(k, &k->v->images[i]);
    if (k->wish->image[0] && alone == 0)
        return choose_one(
            k, k->wish->platform ? "no image has that name and platform" : "no image has that name",
            e);
    if (k->wish->platform && alone == 0)
        return choose_one(k, "no image is for that platform", e);
    if (k->wish->tag && alone != 1)
        return choose_one(k, "one tag, and not one image", e);
    for (size_t i = 0; i < k->v->n_images; i++) {
        if (is_wished(k, &k->v->images[i]))
            TRY(add_item(k, &k->v->images[i], e));
    }
    for (size_t i = 0; i < k->plan->n; i++)
        tags += k->plan->items[i].n_tags;
    if (tags == 0)
        return refuse(k->refusal, REFUSAL_NO_TAG, STR_NONE, e, "the archive gives no image a tag");
    return ERR_OK;
}

static int digest_order(const void *key, const void *blob)
{
    return strcmp(((const struct digest *)key)->text,
                  ((const struct archive_blob *)blob)->digest.text);
}

/* What a manifest names is stored with it, as far as it is there. */
static void follow(struct making *k, const struct digest *d)
{
    const struct archive_verdict *v = k->v;
    const struct archive_blob *blob =
        bsearch(d, v->blobs, v->n_blobs, sizeof(*v->blobs), digest_order);

    if (blob)
        k->plan->blobs[blob - v->blobs] = true;
    for (size_t i = 0; i < v->n_manifests; i++) {
        if (digest_eq(&v->manifests[i].digest, d))
            k->plan->manifests[i] = true;
    }
}

static enum err_code follow_links(struct making *k, const struct archive_manifest *m, struct err *e)
{
    AUTO(manifest) struct manifest parsed = {0};
    uint64_t most = k->rules->manifest_bytes;

    if (m->bytes.n > most)
        return err_tell(e, ERR_MANIFEST_TOO_LARGE, "the largest manifest accepted has %llu bytes",
                        (unsigned long long)most);
    TRY(manifest_parse(m->bytes, str_of(m->media_type), k->rules->manifest_references, &parsed, e));
    for (size_t i = 0; i < parsed.n_links; i++)
        follow(k, &parsed.links[i].digest);
    return ERR_OK;
}

enum err_code image_plan_make(const struct image_plan_rules *rules, const struct archive_verdict *v,
                              const struct image_wish *wish, struct image_plan *ret,
                              struct refusal *f, struct err *e)
{
    struct making k = {.rules = rules, .v = v, .wish = wish, .plan = ret, .refusal = f};

    ret->items = mem_zero((v->n_images + 1) * sizeof(*ret->items));
    ret->manifests = mem_zero(v->n_manifests + 1);
    ret->blobs = mem_zero(v->n_blobs + 1);
    TRY(add_items(&k, e));
    /* Children come before what names them. */
    for (size_t i = v->n_manifests; i-- > 0;) {
        if (ret->manifests[i])
            TRY(follow_links(&k, &v->manifests[i], e));
    }
    return ERR_OK;
}

void image_plan_add_json(struct buf *b, const struct archive_verdict *v,
                         const struct image_plan_item *item)
{
    const struct archive_manifest *m = &v->manifests[item->manifest];

    buf_addf(b, "{\"digest\":\"%s\",\"mediaType\":", m->digest.text);
    buf_add_json(b, str_of(m->media_type));
    buf_add_text(b, ",\"tags\":[");
    for (size_t i = 0; i < item->n_tags; i++)
        buf_addf(b, "%s\"%s\"", i > 0 ? "," : "", item->tags[i].text);
    buf_add_char(b, ']');
    if (m->config.n > 0)
        buf_addf(b, ",\"config\":\"%s\",\"platform\":\"%s/%s\"", m->config.text, m->os,
                 m->architecture);
    if (item->partial)
        buf_addf(b, ",\"insteadOf\":\"%s\"", item->partial->digest.text);
    if (item->partial || m->n_missing > 0)
        buf_addf(b, ",\"missing\":%zu", item->partial ? item->partial->n_missing : m->n_missing);
    buf_add_char(b, '}');
}
