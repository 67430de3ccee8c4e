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

static void place_done(struct image_place *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->items[i].tags);
    free(p->items);
    free(p->manifests);
    free(p->blobs);
}

void image_plan_done(struct image_plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        place_done(&p->places[i]);
    free(p->places);
    *p = (struct image_plan){0};
}

typedef void list_fn(const struct archive_verdict *v, char *dst, size_t cap);

static enum err_code choose_one(struct making *k, const char *what, list_fn *list, struct err *e)
{
    char there[REFUSAL_WRONG_MAX - 50];

    list(k->v, there, sizeof(there));
    return refuse(k->refusal, REFUSAL_CHOICE, STR_NONE, e, "%s; there are: %s", what, there);
}

static bool is_named(const struct making *k, const struct archive_image *im)
{
    size_t i = (size_t)(im - k->v->images);

    return !k->wish->image[0] || verdict_is_called(k->v, i, str_of(k->wish->image));
}

static size_t manifest_of(const struct making *k, const char *digest)
{
    for (size_t i = 0; i < k->v->n_manifests; i++) {
        if (digest && strcmp(k->v->manifests[i].digest.text, digest) == 0)
            return i;
    }
    return SIZE_MAX;
}

/* Some indexes do not say it. */
static struct out_platform platform_of_config(const struct archive_manifest *m)
{
    struct out_platform p = {0};

    (void)!str_copy(str_of(m->os), p.os, sizeof(p.os));
    (void)!str_copy(str_of(m->architecture), p.architecture, sizeof(p.architecture));
    return p;
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
            at = manifest_of(k, json_string_value(json_object_get(d, "digest")));
            if (at == SIZE_MAX)
                continue;
            if (!out_platform_of_json(json_object_get(d, "platform"), &p))
                p = platform_of_config(&k->v->manifests[at]);
            if (out_platform_fits(&p, k->wish->platform, any_variant))
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

static enum err_code add_tag(struct making *k, struct image_place *place,
                             struct image_plan_item *item, struct str text, struct err *e)
{
    struct tag_name tag;

    TRY(tag_name_parse(text, &tag, e));
    for (size_t i = 0; i < place->n; i++) {
        const struct image_plan_item *other = &place->items[i];

        for (size_t t = 0; t < other->n_tags; t++) {
            if (strcmp(other->tags[t].text, tag.text) != 0)
                continue;
            if (other == item)
                return ERR_OK;
            return choose_one(k, "two images have the same tag", verdict_list_images, e);
        }
    }
    item->tags = mem_resize(item->tags, (item->n_tags + 1) * sizeof(tag));
    item->tags[item->n_tags++] = tag;
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

/* The image, as one of that place; there it is once. */
static enum err_code add_item(struct making *k, struct image_place *place,
                              const struct archive_image *im, struct image_plan_item **ret_item,
                              struct err *e)
{
    struct image_plan_item item = {.manifest = place_of(k, im)};

    TRY(place_partial(k, &item, e));
    for (size_t i = 0; i < place->n; i++) {
        *ret_item = &place->items[i];
        if ((*ret_item)->manifest == item.manifest && (*ret_item)->partial == item.partial)
            return ERR_OK;
    }
    *ret_item = &place->items[place->n++];
    **ret_item = item;
    place->manifests[item.manifest] = true;
    return ERR_OK;
}

/* ---- places */

static void add_place(struct making *k, const struct repo_name *repo)
{
    struct image_plan *p = k->plan;

    p->places = mem_resize(p->places, (p->n + 1) * sizeof(*p->places));
    p->places[p->n++] =
        (struct image_place){.repo = *repo,
                             .items = mem_zero((k->v->n_images + 1) * sizeof(*p->places->items)),
                             .manifests = mem_zero(k->v->n_manifests + 1),
                             .blobs = mem_zero(k->v->n_blobs + 1)};
}

/* *ret_place is its number. */
static enum err_code find_place(struct making *k, struct str name, size_t *ret_place, struct err *e)
{
    struct repo_name repo;

    TRY(repo_name_parse(name, &repo, e));
    for (size_t i = 0; i < k->plan->n; i++) {
        if (str_eq(repo_name_str(&k->plan->places[i].repo), name)) {
            *ret_place = i;
            return ERR_OK;
        }
    }
    if (repo.n > k->rules->name_bytes)
        return refuse(k->refusal, REFUSAL_NAME, STR_NONE, e,
                      "'%.100s' is longer than the longest name accepted, of %llu characters",
                      repo.text, (unsigned long long)k->rules->name_bytes);
    if (k->plan->n >= k->rules->repositories)
        return refuse(k->refusal, REFUSAL_TOO_MANY_REPOSITORIES, STR_NONE, e,
                      "its names are of more than %llu repositories",
                      (unsigned long long)k->rules->repositories);
    *ret_place = k->plan->n;
    add_place(k, &repo);
    return ERR_OK;
}

/* ---- images in the repository that is asked for */

static enum err_code add_own_tags(struct making *k, struct image_place *place,
                                  struct image_plan_item *item, const struct archive_image *im,
                                  struct err *e)
{
    struct str repository, tag;

    for (size_t i = 0; i < im->n_names; i++) {
        if (image_name_split(str_of(im->names[i]), k->v->is_oci, &repository, &tag) && tag.n > 0)
            TRY(add_tag(k, place, item, tag, e));
    }
    return ERR_OK;
}

static enum err_code add_as_asked(struct making *k, const struct archive_image *im, struct err *e)
{
    struct image_place *place = &k->plan->places[0];
    struct image_plan_item *item;

    TRY(add_item(k, place, im, &item, e));
    if (!k->wish->tag)
        return add_own_tags(k, place, item, im, e);
    return stands_alone(k, im) ? add_tag(k, place, item, tag_name_str(k->wish->tag), e) : ERR_OK;
}

/* ---- images where the archive's names lead */

/* Is it one of these, and has it a repository? */
static bool counts(const struct making *k, const struct archive_image *im, const char *name,
                   struct str *ret_repository, struct str *ret_tag)
{
    if (!image_name_split(str_of(name), k->v->is_oci, ret_repository, ret_tag) ||
        ret_repository->n == 0)
        return false;
    return !archive_image_has_name(im, str_of(k->wish->image)) || strcmp(name, k->wish->image) == 0;
}

static enum err_code add_by_name(struct making *k, const struct archive_image *im,
                                 struct str repository, struct str tag, struct err *e)
{
    struct image_plan_item *item;
    struct image_place *place;
    size_t at = 0;

    TRY(find_place(k, repository, &at, e));
    place = &k->plan->places[at];
    TRY(add_item(k, place, im, &item, e));
    if (k->wish->tag)
        tag = stands_alone(k, im) ? tag_name_str(k->wish->tag) : STR_NONE;
    return tag.n > 0 ? add_tag(k, place, item, tag, e) : ERR_OK;
}

static enum err_code add_by_names(struct making *k, const struct archive_image *im, struct err *e)
{
    struct str repository, tag;
    bool named = false;

    for (size_t i = 0; i < im->n_names; i++) {
        if (!counts(k, im, im->names[i], &repository, &tag))
            continue;
        TRY(add_by_name(k, im, repository, tag, e));
        named = true;
    }
    if (named || !stands_alone(k, im))
        return ERR_OK;
    return refuse(k->refusal, REFUSAL_NO_REPOSITORY, STR_NONE, e,
                  "the archive does not say where %.71s goes%s%.100s%s",
                  k->v->manifests[im->manifest].digest.text,
                  im->n_names > 0 ? ": its name is '" : "", im->n_names > 0 ? im->names[0] : "",
                  im->n_names > 0 ? "'" : "");
}

/* ---- all of them */

static enum err_code check_choice(struct making *k, struct err *e)
{
    size_t alone = 0;

    for (size_t i = 0; i < k->v->n_images; i++)
        alone += is_wished(k, &k->v->images[i]) && stands_alone(k, &k->v->images[i]);
    if (k->wish->image[0] && alone == 0)
        return choose_one(
            k, k->wish->platform ? "no image has that name and platform" : "no image has that name",
            verdict_list_images, e);
    if (k->wish->platform && alone == 0)
        return choose_one(k, "no image is for that platform", verdict_list_platforms, e);
    if (k->wish->tag && alone != 1)
        return choose_one(k, "one tag, and not one image", verdict_list_images, e);
    return ERR_OK;
}

static enum err_code check_tags(const struct making *k, struct err *e)
{
    if (k->plan->n == 0)
        return refuse(k->refusal, REFUSAL_NO_REPOSITORY, STR_NONE, e,
                      "the archive has no name of an image");
    for (size_t i = 0; i < k->plan->n; i++) {
        const struct image_place *place = &k->plan->places[i];
        size_t tags = 0;

        for (size_t t = 0; t < place->n; t++)
            tags += place->items[t].n_tags;
        if (tags == 0)
            return refuse(k->refusal, REFUSAL_NO_TAG, STR_NONE, e,
                          "the archive gives no image of '%.120s' a tag", place->repo.text);
    }
    return ERR_OK;
}

static enum err_code add_items(struct making *k, struct err *e)
{
    TRY(check_choice(k, e));
    if (k->wish->repo)
        add_place(k, k->wish->repo);
    for (size_t i = 0; i < k->v->n_images; i++) {
        const struct archive_image *im = &k->v->images[i];

        if (is_wished(k, im))
            TRY(k->wish->repo ? add_as_asked(k, im, e) : add_by_names(k, im, e));
    }
    return check_tags(k, e);
}

static int digest_order(const void *key, const void *blob)
{
    return strcmp(((const struct digest *)key)->text,
                  ((const struct archive_blob *)blob)->digest.text);
}

/* What a manifest names is stored with it, as far as it is there. */
static void follow(const struct making *k, struct image_place *place, const struct digest *d)
{
    const struct archive_verdict *v = k->v;
    const struct archive_blob *blob =
        bsearch(d, v->blobs, v->n_blobs, sizeof(*v->blobs), digest_order);

    if (blob)
        place->blobs[blob - v->blobs] = true;
    for (size_t i = 0; i < v->n_manifests; i++) {
        if (digest_eq(&v->manifests[i].digest, d))
            place->manifests[i] = true;
    }
}

static enum err_code parse(const struct making *k, size_t manifest, struct manifest *ret,
                           struct err *e)
{
    const struct archive_manifest *m = &k->v->manifests[manifest];
    uint64_t most = k->rules->manifest_bytes;

    if (m->bytes.n > most)
        return err_tell(e, ERR_MANIFEST_TOO_LARGE, "the largest manifest accepted has %llu bytes",
                        (unsigned long long)most);
    return manifest_parse(m->bytes, str_of(m->media_type), k->rules->manifest_references, ret, e);
}

static enum err_code follow_links(const struct making *k, struct image_place *place,
                                  size_t manifest, struct err *e)
{
    AUTO(manifest) struct manifest parsed = {0};

    TRY(parse(k, manifest, &parsed, e));
    for (size_t i = 0; i < parsed.n_links; i++)
        follow(k, place, &parsed.links[i].digest);
    return ERR_OK;
}

/* Children come before what names them. */
static enum err_code follow_all(const struct making *k, struct image_place *place, struct err *e)
{
    for (size_t i = k->v->n_manifests; i-- > 0;) {
        if (place->manifests[i])
            TRY(follow_links(k, place, i, e));
    }
    return ERR_OK;
}

/* ---- what is about an image, and has no name, goes where that is */

static bool goes_along(const struct making *k, const struct archive_image *im)
{
    struct str repository, tag;

    for (size_t i = 0; i < im->n_names; i++) {
        if (counts(k, im, im->names[i], &repository, &tag))
            return false;
    }
    return k->v->manifests[im->manifest].is_referrer && is_wished(k, im);
}

/* Of each image, the manifest that it is about; SIZE_MAX: it has a name, or is about none. */
static enum err_code find_subjects(const struct making *k, size_t *ret_subjects, struct err *e)
{
    for (size_t i = 0; i < k->v->n_images; i++) {
        const struct archive_image *im = &k->v->images[i];
        AUTO(manifest) struct manifest parsed = {0};

        ret_subjects[i] = SIZE_MAX;
        if (!goes_along(k, im))
            continue;
        TRY(parse(k, im->manifest, &parsed, e));
        ret_subjects[i] = manifest_of(k, parsed.subject.text);
    }
    return ERR_OK;
}

/* Something may be about what is itself about an image, and so on. */
#define REFERRERS_DEEP 4

static enum err_code add_referrers(struct making *k, struct image_place *place,
                                   const size_t *subjects, struct err *e)
{
    struct image_plan_item *item;
    bool more = true;

    for (int round = 0; round < REFERRERS_DEEP && more; round++) {
        more = false;
        for (size_t i = 0; i < k->v->n_images; i++) {
            const struct archive_image *im = &k->v->images[i];

            if (subjects[i] == SIZE_MAX || !place->manifests[subjects[i]] ||
                place->manifests[im->manifest])
                continue;
            TRY(add_item(k, place, im, &item, e));
            TRY(add_own_tags(k, place, item, im, e));
            TRY(follow_links(k, place, item->manifest, e));
            more = true;
        }
    }
    return ERR_OK;
}

/* Nothing that is wished is left out without a word. */
static enum err_code check_placed(struct making *k, const struct archive_image *im, struct err *e)
{
    for (size_t i = 0; i < k->plan->n; i++) {
        if (k->plan->places[i].manifests[place_of(k, im)])
            return ERR_OK;
    }
    return refuse(k->refusal, REFUSAL_NO_REPOSITORY, STR_NONE, e,
                  "%.71s has no name, and is about no image that has one",
                  k->v->manifests[im->manifest].digest.text);
}

static enum err_code place_referrers(struct making *k, struct err *e)
{
    AUTO(mem) size_t *subjects = mem_alloc((k->v->n_images + 1) * sizeof(*subjects));

    TRY(find_subjects(k, subjects, e));
    for (size_t i = 0; i < k->plan->n; i++)
        TRY(add_referrers(k, &k->plan->places[i], subjects, e));
    for (size_t i = 0; i < k->v->n_images; i++) {
        const struct archive_image *im = &k->v->images[i];

        if (goes_along(k, im))
            TRY(check_placed(k, im, e));
    }
    return ERR_OK;
}

enum err_code image_plan_make(const struct image_plan_rules *rules, const struct archive_verdict *v,
                              const struct image_wish *wish, struct image_plan *ret,
                              struct refusal *f, struct err *e)
{
    struct making k = {.rules = rules, .v = v, .wish = wish, .plan = ret, .refusal = f};

    TRY(add_items(&k, e));
    for (size_t i = 0; i < ret->n; i++)
        TRY(follow_all(&k, &ret->places[i], e));
    return wish->repo ? ERR_OK : place_referrers(&k, e);
}

static void add_item_json(struct buf *b, const struct archive_verdict *v,
                          const struct image_place *place, const struct image_plan_item *item)
{
    const struct archive_manifest *m = &v->manifests[item->manifest];

    buf_addf(b, "{\"repository\":\"%s\",\"digest\":\"%s\",\"mediaType\":", place->repo.text,
             m->digest.text);
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

void image_plan_add_json(struct buf *b, const struct archive_verdict *v, const struct image_plan *p)
{
    if (p->n == 1)
        buf_addf(b, "\"repository\":\"%s\",", p->places[0].repo.text);
    buf_addf(b, "\"format\":\"%s\",\"images\":[", v->is_oci ? "oci" : "docker");
    for (size_t i = 0, n = 0; i < p->n; i++) {
        for (size_t k = 0; k < p->places[i].n; k++) {
            buf_add_text(b, n++ > 0 ? "," : "");
            add_item_json(b, v, &p->places[i], &p->places[i].items[k]);
        }
    }
    buf_add_char(b, ']');
}
