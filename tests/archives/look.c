/*
 * What is in archives of images, a line for each name of each image, or why it is refused: look [-p
 * BYTES] [-z] FILE... feeds each in pieces of so many bytes; -z packs plain layers.
 */
#include "hash_sink.h"

#include "archive/archive.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>

static const struct archive_limits limits = {
    .max_bytes = 1 << 20,
    .max_unpacked_bytes = 8 << 20,
    .max_ratio = 1000,
    .max_members = 100,
    .json_bytes = 64 << 10,
    .memory_bytes = 1 << 20,
    .decoder_bytes = 16 << 20,
};

static void print_short(const struct digest *d)
{
    printf("\t%.19s", d->n > 0 ? d->text : "-");
}

/* The diff_ids of an image's config. */
static void print_layers(const struct archive_verdict *v, const struct archive_manifest *m)
{
    AUTO(json) json_t *j = NULL;
    const json_t *ids, *id;
    size_t i;

    if (m->is_index) {
        printf("\tindex of %zu", m->n_named);
        return;
    }
    if (m->config.n == 0) {
        printf("\tartifact");
        return;
    }
    for (i = 0; i < v->n_blobs && !digest_eq(&v->blobs[i].digest, &m->config); i++)
        ;
    j = json_loadb(v->blobs[i].bytes, (size_t)v->blobs[i].size_bytes, 0, NULL);
    ids = json_object_get(json_object_get(j, "rootfs"), "diff_ids");
    printf("\t%s", json_array_size(ids) > 0 ? "" : "-");
    json_array_foreach((json_t *)ids, i, id)
        printf("%s%.12s", i > 0 ? " " : "", json_string_value(id) + 7);
}

static void print_image(const char *file, const struct archive_verdict *v,
                        const struct archive_image *im, const char *name)
{
    const struct archive_manifest *m = &v->manifests[im->manifest];

    printf("%s\t%s\t%s\t%s", file, m->n_missing > 0 ? "partial" : "ok",
           v->is_oci ? "oci" : "docker", name);
    print_short(&m->digest);
    print_short(&m->config);
    print_layers(v, m);
    printf("\t%s\n", m->n_missing > 0 ? m->missing : "-");
}

static enum err_code read_all(struct archive *a, const char *path, size_t piece,
                              const struct archive_verdict **ret, struct err *e)
{
    AUTO(file) FILE *f = fopen(path, "rb");
    AUTO(mem) char *p = mem_alloc(piece);
    size_t n;

    if (!f)
        return err_errno(e, "open '%s'", path);
    while ((n = fread(p, 1, piece, f)) > 0)
        TRY(archive_feed(a, p, n, e));
    return archive_end(a, ret, e);
}

static void look(char *path, size_t piece, bool packs)
{
    static const struct packing_form quick = {PACKED_GZIP, 1};
    AUTO(archive) struct archive *a = archive_new(&limits, &hash_sink, NULL);
    const struct archive_verdict *v;
    const char *file = basename(path);
    struct err e = {0};

    if (packs)
        archive_pack(a, &quick);
    if (read_all(a, path, piece, &v, &e) != ERR_OK) {
        const struct refusal *f = archive_refusal(a);

        printf("%s\tno\t%s\t%s\t%s\n", file, f->code ? refusal_name(f->code) : "error", f->member,
               f->code ? f->wrong : e.detail);
        return;
    }
    for (size_t i = 0; i < v->n_images; i++) {
        for (size_t k = 0; k < v->images[i].n_names; k++)
            print_image(file, v, &v->images[i], v->images[i].names[k]);
        if (v->images[i].n_names == 0)
            print_image(file, v, &v->images[i], "-");
    }
}

int main(int argc, char **argv)
{
    size_t piece = 64 << 10;
    bool packs;
    int i = 1;

    if (argc > 2 && strcmp(argv[1], "-p") == 0) {
        piece = strtoul(argv[2], NULL, 10);
        i = 3;
    }
    packs = i < argc && strcmp(argv[i], "-z") == 0;
    i += packs;
    for (; i < argc; i++)
        look(argv[i], piece, packs);
    return open_contents == 0 ? 0 : 1;
}
