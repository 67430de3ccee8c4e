/*
 * What Trivy finds in an image, by our driver and over our layout of it:
 *
 *     look TRIVY DATA WORK LAYOUT           an OCI layout with one image
 *     look TRIVY DATA WORK LAYOUT LIST      and leaves its list of packages there, and the one of
 *                                           SPDX at LIST.spdx, if the scan was not partial
 *     look TRIVY DATA WORK - LIST           of such a list
 *
 * DATA is a directory of generations, or of db/ as Trivy has it; WORK an empty one. Prints a line
 * of facts, then one for each finding; or what is wrong.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "scan/data_update.h"
#include "scan/layout.h"
#include "scan/sbom.h"
#include "scan/trivy.h"
#include "unit/core/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define REPO      "planted"
#define LIMIT_MS  120000
#define TEXT_MAX  (512u << 20)
#define PATH_SIZE 4096

static json_t *read_json(int dir, const char *path, struct buf *text)
{
    buf_init(text, TEXT_MAX);
    assert_ok(file_read_at(dir, path, text, ERR_IGNORED));
    return json_loadb(text->p, text->n, 0, NULL);
}

static void put_blob(struct world *w, int dir, const char *path)
{
    AUTO(buf) struct buf bytes = {0};

    buf_init(&bytes, TEXT_MAX);
    assert_ok(file_read_at(dir, path, &bytes, ERR_IGNORED));
    blob_put(w, REPO, buf_str(&bytes));
}

static const char *path_of(const json_t *descriptor, char path[static PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "blobs/sha256/%s",
             json_string_value(json_object_get(descriptor, "digest")) + sizeof("sha256:") - 1);
    return path;
}

static struct digest push(struct world *w, const char *layout)
{
    AUTO(fd) int dir = open(layout, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(buf) struct buf index_text = {0};
    AUTO(buf) struct buf manifest_text = {0};
    AUTO(json) json_t *index = NULL;
    AUTO(json) json_t *manifest = NULL;
    char path[PATH_SIZE];
    const json_t *layer;
    struct digest d;
    size_t i;

    assert_true(dir >= 0);
    index = read_json(dir, "index.json", &index_text);
    path_of(json_array_get(json_object_get(index, "manifests"), 0), path);
    manifest = read_json(dir, path, &manifest_text);
    put_blob(w, dir, path_of(json_object_get(manifest, "config"), path));
    json_array_foreach(json_object_get(manifest, "layers"), i, layer)
        put_blob(w, dir, path_of(layer, path));
    assert_ok(manifest_push(w, REPO, buf_text(&manifest_text), NULL, &d, ERR_IGNORED));
    return d;
}

static void lay_out(struct world *w, const struct digest *d, const char *work,
                    struct scan_facts *facts)
{
    static const struct layout_limits limits = {.image_bytes = UINT64_MAX};
    const struct repo_name repo = repo_of(REPO);
    AUTO(out_manifest) struct out_manifest m = {0};
    AUTO(fd) int dir = -1;
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/" SCAN_IMAGE_DIR, work);
    assert_int_equal(mkdir(path, 0755), 0);
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(out_manifest_by_digest(w->r, &repo, d, &m, ERR_IGNORED));
    assert_ok(layout_write(w->r, &repo, &m, dir, &limits, facts, ERR_IGNORED));
}

/* What lies in db/ becomes a generation. */
static void take_data(const struct conf_scan *c, const char *data)
{
    AUTO(generations) struct generations g = {.fd = -1};
    AUTO(data_draft) struct data_draft d = {0};
    AUTO(generation) struct generation now = {.fd = -1};
    char from[PATH_SIZE];

    (void)c;
    assert_ok(generations_open(data, &g, ERR_IGNORED));
    if (generation_hold(&g, &now, ERR_IGNORED) == ERR_OK)
        return;
    assert_ok(data_draft_new(&g, &d, ERR_IGNORED));
    for (int part = 0; part < DATA_PARTS; part++) {
        snprintf(from, sizeof(from), "%s/%s", data, data_part_name(part));
        if (access(from, F_OK) == 0)
            assert_ok(data_draft_copy(&d, part, from, "look", NULL, NULL, ERR_IGNORED));
    }
    assert_ok(data_draft_switch(&d, ERR_IGNORED));
}

static void print(const struct finding_list *l, const struct scan_facts *f)
{
    printf("%s\t%s\t%s\t%s\t%d\t%llu\t%s\n", f->scanner, f->version, f->os_family, f->os_name,
           f->os_ended, (unsigned long long)f->packages, f->note);
    for (size_t i = 0; i < l->n; i++) {
        const struct finding *x = &l->items[i];

        printf(STR_FMT "\t%s\t" STR_FMT "\t" STR_FMT "\t" STR_FMT "\t%.1f\t" STR_FMT "\t" STR_FMT
                       "\t" STR_FMT "\n",
               STR_ARG(x->cve), severity_name(x->severity), STR_ARG(x->package),
               STR_ARG(x->installed), STR_ARG(x->fixed), x->score, STR_ARG(x->status),
               STR_ARG(x->path), STR_ARG(x->layer));
    }
}

static void leave_list(struct scanner *s, const struct scan_order *o, enum sbom_format f,
                       const char *to)
{
    char path[PATH_SIZE];
    struct err e = {0};

    assert_ok(s->driver->sbom(s, o, f, sbom_format_name(f), &e));
    snprintf(path, sizeof(path), "%s/%s", o->dir, sbom_format_name(f));
    assert_int_equal(rename(path, to), 0);
}

static void leave_lists(struct scanner *s, const struct scan_order *o, const char *to)
{
    char spdx[PATH_SIZE];

    snprintf(spdx, sizeof(spdx), "%s.spdx", to);
    leave_list(s, o, SBOM_CYCLONEDX, to);
    leave_list(s, o, SBOM_SPDX, spdx);
}

int main(int argc, char **argv)
{
    struct world w;
    struct conf_scan *c;
    struct scan_order o = {.stop_fd = -1, .deadline_ms = clock_mono_ms() + LIMIT_MS};
    AUTO(finding_list) struct finding_list list = {0};
    AUTO(scanner) struct scanner *s = NULL;
    struct scan_facts facts = {0};
    struct err e = {0};
    struct digest image;
    int64_t began_ms;

    if (argc < 5)
        return 2;
    world_in_memory(&w);
    c = &w.conf->scan;
    c->trivy.path = argv[1];
    take_data(c, argv[2]);
    o.dir = argv[3];
    digest_of(DIGEST_SHA256, "", 0, &image);
    o.digest = &image;
    if (strcmp(argv[4], "-") != 0) {
        image = push(&w, argv[4]);
        lay_out(&w, &image, argv[3], &facts);
    } else {
        o.sbom = argv[5];
    }
    assert_ok(scanner_trivy_open(c, argv[2], &s, &e));
    began_ms = clock_mono_ms();
    if (s->driver->scan(s, &o, &list, &facts, &e) != ERR_OK) {
        printf("%s: %s\n", err_name(e.code), e.detail);
        return 1;
    }
    fprintf(stderr, "%lld ms\n", (long long)(clock_mono_ms() - began_ms));
    if (argc > 5 && !o.sbom && !facts.partial)
        leave_lists(s, &o, argv[5]);
    finding_list_sort(&list);
    print(&list, &facts);
    return 0;
}
