#include "archive/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void verdict_done(struct archive_verdict *v)
{
    for (size_t i = 0; i < v->n_manifests; i++) {
        free((char *)v->manifests[i].media_type);
        free((char *)v->manifests[i].bytes.p);
    }
    for (size_t i = 0; i < v->n_images; i++) {
        for (size_t k = 0; k < v->images[i].n_names; k++)
            free(v->images[i].names[k]);
        free(v->images[i].names);
    }
    free(v->blobs);
    free(v->manifests);
    free(v->images);
    *v = (struct archive_verdict){0};
}

static const char *digest_of_image(const struct archive_verdict *v, size_t i)
{
    return v->manifests[v->images[i].manifest].digest.text;
}

bool archive_image_has_name(const struct archive_image *image, struct str name)
{
    for (size_t i = 0; i < image->n_names; i++) {
        if (str_eq(str_of(image->names[i]), name))
            return true;
    }
    return false;
}

bool verdict_is_called(const struct archive_verdict *v, size_t i, struct str name)
{
    return archive_image_has_name(&v->images[i], name) ||
           str_eq(str_of(digest_of_image(v, i)), name);
}

/* ---- lists for people */

struct listing {
    char *dst;
    size_t n, cap, more;
};

#define MORE_MAX 30 /* " and 4294967295 more" */

static struct listing list_begin(char *dst, size_t cap)
{
    dst[0] = '\0';
    return (struct listing){dst, 0, cap, 0};
}

static void list_add(struct listing *l, const char *text)
{
    const char *between = l->n > 0 ? ", " : "";

    if (l->more > 0 || l->n + strlen(between) + strlen(text) + MORE_MAX >= l->cap) {
        l->more++;
        return;
    }
    l->n += (size_t)snprintf(l->dst + l->n, l->cap - l->n, "%s%s", between, text);
}

static void list_end(const struct listing *l)
{
    if (l->more > 0)
        snprintf(l->dst + l->n, l->cap - l->n, "%s%zu more", l->n > 0 ? " and " : "", l->more);
}

static size_t how_many_are_called(const struct archive_verdict *v, struct str name)
{
    size_t n = 0;

    for (size_t i = 0; i < v->n_images; i++)
        n += verdict_is_called(v, i, name);
    return n;
}

/* What no other image answers to. */
static const char *name_to_choose(const struct archive_verdict *v, size_t i)
{
    const struct archive_image *im = &v->images[i];

    if (im->n_names > 0 && how_many_are_called(v, str_of(im->names[0])) == 1)
        return im->names[0];
    return digest_of_image(v, i);
}

void verdict_list_images(const struct archive_verdict *v, char *dst, size_t cap)
{
    struct listing l = list_begin(dst, cap);

    for (size_t i = 0; i < v->n_images; i++)
        list_add(&l, name_to_choose(v, i));
    list_end(&l);
}

static bool same_platform(const struct archive_manifest *a, const struct archive_manifest *b)
{
    return strcmp(a->os, b->os) == 0 && strcmp(a->architecture, b->architecture) == 0;
}

static bool is_first_of_platform(const struct archive_verdict *v, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (same_platform(&v->manifests[k], &v->manifests[i]))
            return false;
    }
    return v->manifests[i].os[0];
}

void verdict_list_platforms(const struct archive_verdict *v, char *dst, size_t cap)
{
    struct listing l = list_begin(dst, cap);
    char text[sizeof(v->manifests->os) + sizeof(v->manifests->architecture)];

    for (size_t i = 0; i < v->n_manifests; i++) {
        if (!is_first_of_platform(v, i))
            continue;
        snprintf(text, sizeof(text), "%s/%s", v->manifests[i].os, v->manifests[i].architecture);
        list_add(&l, text);
    }
    list_end(&l);
}
