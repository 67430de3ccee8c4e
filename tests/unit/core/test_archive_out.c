#include "core/archive_out.h"

#include "base/json.h"
#include "base/mem.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#define ARM64 "{\"os\":\"linux\",\"architecture\":\"arm64\"}"
#define AMD64 "{\"os\":\"linux\",\"architecture\":\"amd64\"}"
#define LAYER "the layer of all" /* of image_put() */
#define REPO  "team/app"
#define IMAGE "application/vnd.oci.image.manifest.v1+json"
#define INDEX_HEAD                                                                                 \
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\","              \
    "\"manifests\":["

static enum err_code plan(struct world *w, struct out_request q, struct out_planned *ret,
                          struct err *e)
{
    struct repo_name repo = repo_of(REPO);

    *ret = (struct out_planned){0};
    q.repo = &repo;
    q.platform = q.platform ? q.platform : "";
    q.name = q.name ? q.name : "";
    return out_plan(w->r, &q, ret, e);
}

static void plan_well(struct world *w, struct out_request q, struct out_planned *ret)
{
    struct err e = {0};

    if (plan(w, q, ret, &e) != ERR_OK)
        fail_msg("%s", e.detail);
}

static void assert_refused(struct world *w, struct out_request q, enum err_code code,
                           const char *words)
{
    struct out_planned p;
    struct err e = {0};

    assert_code(code, plan(w, q, &p, &e));
    assert_true(e.public_detail);
    if (!strstr(e.detail, words))
        fail_msg("'%s' does not say '%s'", e.detail, words);
}

/* The names of the members, in order, a line each. */
static void names_of(const struct out_layout *l, struct buf *ret)
{
    uint64_t at = 0;

    buf_init(ret, 1 << 16);
    while (at < l->n_bytes) {
        const struct out_piece *p = out_layout_find(l, at);
        const char *header = l->text.p + p->text_at + (at - p->at_bytes);

        assert_false(p->is_blob);
        if (!header[0])
            break;
        buf_addf(ret, "%.100s\n", header);
        at += 512 + (strtoull(header + 124, NULL, 8) + 511) / 512 * 512;
    }
}

/* The text of a member that is none of the blobs. */
static json_t *member(const struct out_layout *l, const char *name)
{
    uint64_t at = 0;

    while (at < l->n_bytes) {
        const struct out_piece *p = out_layout_find(l, at);
        const char *header = l->text.p + p->text_at + (at - p->at_bytes);
        uint64_t n = strtoull(header + 124, NULL, 8);

        if (strcmp(header, name) == 0)
            return json_loadb(header + 512, (size_t)n, 0, NULL);
        at += 512 + (n + 511) / 512 * 512;
    }
    return NULL;
}

static void assert_member(const struct out_planned *p, const char *name, const char *text)
{
    AUTO(json) json_t *j = member(&p->layout, name);
    AUTO(mem) char *compact = j ? json_dumps(j, JSON_COMPACT) : NULL;

    assert_string_equal(compact ? compact : "none", text);
}

static void assert_names(const struct out_planned *p, const char *want)
{
    AUTO(buf) struct buf names = {0};

    names_of(&p->layout, &names);
    assert_string_equal(buf_text(&names), want);
}

static void blob_path(struct str bytes, char dst[static 96])
{
    struct digest d = sha256_of(bytes);

    snprintf(dst, 96, "blobs/sha256/" STR_FMT, STR_ARG(digest_hex(&d)));
}

static void planned_done(struct out_planned *p)
{
    out_layout_done(&p->layout);
}

static struct digest index_put(struct world *w, const struct digest *arm, const struct digest *amd,
                               const char *tag)
{
    AUTO(mem) char *arm_json = image_json(ARM64, LAYER, "");
    AUTO(mem) char *json = NULL;
    size_t size = strlen(arm_json); /* the other one has as many */
    struct err e = {0};
    struct digest d;

    assert_true(asprintf(&json,
                         INDEX_HEAD "{\"mediaType\":\"" IMAGE "\",\"digest\":\"%s\",\"size\":%zu,"
                                    "\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\"}},"
                                    "{\"mediaType\":\"" IMAGE "\",\"digest\":\"%s\",\"size\":%zu,"
                                    "\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}}]}",
                         arm->text, size, amd->text, size) > 0);
    assert_ok(manifest_push(w, REPO, json, tag, &d, &e));
    return d;
}

static void put_both(struct world *w, struct digest *arm, struct digest *amd)
{
    *arm = image_put(w, REPO, ARM64, "arm");
    *amd = image_put(w, REPO, AMD64, "amd");
    index_put(w, arm, amd, "both");
}

/* ---- members */

static void the_docker_format_is_both_layouts(void **state)
{
    struct reference ref = tag_ref("v1");
    char config[96], layer[96], want[512];
    struct out_planned p;
    struct digest d;
    struct world w;

    (void)state;
    world_in_memory(&w);
    d = image_put(&w, REPO, ARM64, "v1");
    plan_well(&w, (struct out_request){.ref = &ref}, &p);
    blob_path(STR(ARM64), config);
    blob_path(STR(LAYER), layer);
    snprintf(want, sizeof(want),
             "oci-layout\nindex.json\nmanifest.json\nblobs/sha256/" STR_FMT "\n%s\n%s\n",
             STR_ARG(digest_hex(&d)), config, layer);
    assert_names(&p, want);
    snprintf(want, sizeof(want),
             "[{\"Config\":\"%s\",\"RepoTags\":[\"team/app:v1\"],\"Layers\":[\"%s\"]}]", config,
             layer);
    assert_member(&p, "manifest.json", want);
    assert_member(&p, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
    assert_digest_equal(&p.manifest, &d);
    planned_done(&p);
    world_done(&w);
}

static void the_index_names_the_manifest_as_engines_do(void **state)
{
    struct reference ref = tag_ref("v1");
    AUTO(json) json_t *index = NULL;
    struct out_planned p;
    struct digest d;
    struct world w;
    json_t *first, *annotations;

    (void)state;
    world_in_memory(&w);
    d = image_put(&w, REPO, ARM64, "v1");
    plan_well(&w, (struct out_request){.ref = &ref, .format = OUT_OCI}, &p);
    index = member(&p.layout, "index.json");
    first = json_array_get(json_object_get(index, "manifests"), 0);
    annotations = json_object_get(first, "annotations");
    assert_string_equal(json_string_value(json_object_get(first, "digest")), d.text);
    assert_string_equal(json_string_value(json_object_get(annotations, "io.containerd.image.name")),
                        "docker.io/team/app:v1");
    assert_string_equal(
        json_string_value(json_object_get(annotations, "org.opencontainers.image.ref.name")), "v1");
    assert_null(member(&p.layout, "manifest.json"));
    planned_done(&p);
    world_done(&w);
}

static void an_image_by_digest_has_no_name(void **state)
{
    struct out_planned p;
    struct reference ref;
    struct digest d;
    struct world w;
    AUTO(json) json_t *docker = NULL, *index = NULL;

    (void)state;
    world_in_memory(&w);
    d = image_put(&w, REPO, ARM64, "v1");
    ref = digest_ref(&d);
    plan_well(&w, (struct out_request){.ref = &ref}, &p);
    docker = member(&p.layout, "manifest.json");
    index = member(&p.layout, "index.json");
    assert_true(json_is_null(json_object_get(json_array_get(docker, 0), "RepoTags")));
    assert_null(
        json_object_get(json_array_get(json_object_get(index, "manifests"), 0), "annotations"));
    planned_done(&p);
    world_done(&w);
}

static void a_layer_that_comes_twice_is_stored_once_and_listed_twice(void **state)
{
    struct reference ref = tag_ref("twice");
    AUTO(json) json_t *docker = NULL;
    AUTO(mem) char *json = NULL;
    AUTO(buf) struct buf names = {0};
    struct digest layer = sha256_of(STR(LAYER)), d;
    struct err e = {0};
    struct out_planned p;
    struct world w;
    char more[400], *end;

    (void)state;
    world_in_memory(&w);
    image_put(&w, REPO, ARM64, "v1");
    json = image_json(ARM64, LAYER, "");
    end = strrchr(json, ']');
    *end = '\0';
    snprintf(more, sizeof(more),
             "%s,{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\","
             "\"size\":%zu}]}",
             "", layer.text, strlen(LAYER));
    AUTO(mem) char *twice = NULL;
    assert_true(asprintf(&twice, "%s%s", json, more) > 0);
    assert_ok(manifest_push(&w, REPO, twice, "twice", &d, &e));
    plan_well(&w, (struct out_request){.ref = &ref}, &p);
    docker = member(&p.layout, "manifest.json");
    assert_int_equal(json_array_size(json_object_get(json_array_get(docker, 0), "Layers")), 2);
    names_of(&p.layout, &names);
    blob_path(STR(LAYER), more);
    end = strstr(buf_text(&names), more);
    assert_non_null(end);
    assert_null(strstr(end + 1, more));
    planned_done(&p);
    world_done(&w);
}

static void layers_that_are_had_are_left_out_and_said_to_be(void **state)
{
    struct digest have[] = {sha256_of(STR("nothing here")), sha256_of(STR(LAYER)),
                            sha256_of(STR(ARM64))};
    struct reference ref = tag_ref("v1");
    AUTO(json) json_t *index = NULL;
    AUTO(buf) struct buf names = {0};
    struct out_planned p;
    struct world w;
    char config[96], layer[96];

    (void)state;
    world_in_memory(&w);
    image_put(&w, REPO, ARM64, "v1");
    plan_well(&w, (struct out_request){.ref = &ref, .have = have, .n_have = 3}, &p);
    names_of(&p.layout, &names);
    blob_path(STR(ARM64), config);
    blob_path(STR(LAYER), layer);
    assert_non_null(strstr(buf_text(&names), config)); /* no layer */
    assert_null(strstr(buf_text(&names), layer));
    index = member(&p.layout, "index.json");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(index, "annotations"), OUT_LEFT_OUT)),
        have[1].text);
    planned_done(&p);
    world_done(&w);
}

/* ---- the same bytes */

static void assert_same(struct world *w, struct out_request a, struct out_request b, bool same)
{
    struct out_planned one, two;
    struct digest of[2];

    plan_well(w, a, &one);
    plan_well(w, b, &two);
    out_layout_digest(&one.layout, &of[0]);
    out_layout_digest(&two.layout, &of[1]);
    if (same)
        assert_digest_equal(&of[0], &of[1]);
    else
        assert_digest_not_equal(&of[0], &of[1]);
    planned_done(&one);
    planned_done(&two);
}

static void what_makes_no_difference_makes_the_same_archive(void **state)
{
    struct digest some[] = {sha256_of(STR("a")), sha256_of(STR(LAYER))};
    struct digest other[] = {sha256_of(STR(LAYER)), sha256_of(STR("b")), sha256_of(STR(LAYER))};
    struct reference both = tag_ref("both"), arm = tag_ref("arm");
    struct digest d[2];
    struct world w;

    (void)state;
    world_in_memory(&w);
    put_both(&w, &d[0], &d[1]);
    assert_same(&w, (struct out_request){.ref = &arm}, (struct out_request){.ref = &arm}, true);
    assert_same(&w, (struct out_request){.ref = &both, .format = OUT_OCI},
                (struct out_request){.ref = &both, .format = OUT_OCI, .platform = "all"}, true);
    assert_same(&w, (struct out_request){.ref = &both, .platform = "linux/arm64"},
                (struct out_request){.ref = &both, .platform = "linux/arm64/v8"}, true);
    assert_same(&w, (struct out_request){.ref = &arm, .have = some, .n_have = 2},
                (struct out_request){.ref = &arm, .have = other, .n_have = 3}, true);
    assert_same(&w, (struct out_request){.ref = &arm},
                (struct out_request){.ref = &arm, .name = "team/app:v2"}, false);
    world_done(&w);
}

/* ---- platforms */

static void the_image_of_a_platform_is_taken_out_of_an_index(void **state)
{
    struct reference ref = tag_ref("both");
    struct out_planned p;
    struct digest arm, amd;
    struct world w;

    (void)state;
    world_in_memory(&w);
    put_both(&w, &arm, &amd);
    plan_well(&w, (struct out_request){.ref = &ref, .platform = "linux/amd64"}, &p);
    assert_digest_equal(&p.manifest, &amd);
    planned_done(&p);
    plan_well(&w, (struct out_request){.ref = &ref, .platform = "linux/arm64", .format = OUT_OCI},
              &p);
    assert_digest_equal(&p.manifest, &arm);
    planned_done(&p);
    world_done(&w);
}

static void the_oci_format_holds_all_of_an_index(void **state)
{
    struct reference ref = tag_ref("both");
    AUTO(buf) struct buf names = {0};
    struct digest arm, amd;
    struct out_planned p;
    struct world w;
    char config[96];

    (void)state;
    world_in_memory(&w);
    put_both(&w, &arm, &amd);
    plan_well(&w, (struct out_request){.ref = &ref, .format = OUT_OCI}, &p);
    names_of(&p.layout, &names);
    assert_non_null(strstr(buf_text(&names), digest_hex(&arm).p));
    assert_non_null(strstr(buf_text(&names), digest_hex(&amd).p));
    blob_path(STR(ARM64), config);
    assert_non_null(strstr(buf_text(&names), config));
    blob_path(STR(AMD64), config);
    assert_non_null(strstr(buf_text(&names), config));
    planned_done(&p);
    world_done(&w);
}

static void the_docker_format_wants_one_of_several_platforms(void **state)
{
    struct reference ref = tag_ref("both");
    struct digest arm, amd;
    struct world w;

    (void)state;
    world_in_memory(&w);
    put_both(&w, &arm, &amd);
    assert_refused(&w, (struct out_request){.ref = &ref}, ERR_REQUEST_INVALID,
                   "linux/arm64, linux/amd64");
    assert_refused(&w, (struct out_request){.ref = &ref, .platform = "all"}, ERR_REQUEST_INVALID,
                   "format=oci holds all");
    world_done(&w);
}

static void a_platform_that_is_not_there_is_told_those_that_are(void **state)
{
    struct reference both = tag_ref("both"), arm = tag_ref("arm");
    struct digest d[2];
    struct world w;

    (void)state;
    world_in_memory(&w);
    put_both(&w, &d[0], &d[1]);
    assert_refused(&w, (struct out_request){.ref = &both, .platform = "linux/s390x"}, ERR_NOT_FOUND,
                   "no image for linux/s390x; there is: linux/arm64, linux/amd64");
    assert_refused(&w, (struct out_request){.ref = &arm, .platform = "linux/amd64"}, ERR_NOT_FOUND,
                   "there is: linux/arm64");
    assert_refused(&w, (struct out_request){.ref = &both, .platform = "linux"}, ERR_REQUEST_INVALID,
                   "os/architecture");
    world_done(&w);
}

/* ---- what can't be had */

static void an_artifact_is_for_the_oci_format(void **state)
{
    struct reference ref = tag_ref("chart");
    struct digest config = sha256_of(STR("{}")), d;
    AUTO(mem) char *json = NULL;
    struct out_planned p;
    struct err e = {0};
    struct world w;

    (void)state;
    world_in_memory(&w);
    blob_put(&w, REPO, STR("{}"));
    assert_true(asprintf(&json,
                         "{\"schemaVersion\":2,\"mediaType\":\"" IMAGE "\",\"config\":{"
                         "\"mediaType\":\"application/vnd.cncf.helm.config.v1+json\","
                         "\"digest\":\"%s\",\"size\":2},\"layers\":[]}",
                         config.text) > 0);
    assert_ok(manifest_push(&w, REPO, json, "chart", &d, &e));
    assert_refused(&w, (struct out_request){.ref = &ref}, ERR_UNSUPPORTED, "format=oci holds it");
    plan_well(&w, (struct out_request){.ref = &ref, .format = OUT_OCI}, &p);
    planned_done(&p);
    world_done(&w);
}

static void a_tag_that_is_not_there_is_unknown(void **state)
{
    struct reference ref = tag_ref("none");
    struct out_planned p;
    struct world w;

    (void)state;
    world_in_memory(&w);
    image_put(&w, REPO, ARM64, "v1");
    assert_code(ERR_MANIFEST_UNKNOWN, plan(&w, (struct out_request){.ref = &ref}, &p, ERR_IGNORED));
    world_done(&w);
}

/* ---- bytes */

static void the_archive_of_an_image_stays_what_it_is(void **state)
{
    struct reference ref = tag_ref("v1");
    struct repo_name repo = repo_of(REPO);
    AUTO(hasher) struct hasher *h = hasher_new(DIGEST_SHA256);
    AUTO(reader) struct reader *r = NULL;
    struct out_planned p;
    struct digest got;
    struct world w;
    char piece[4096];
    size_t n;

    (void)state;
    world_in_memory(&w);
    image_put(&w, REPO, ARM64, "v1");
    plan_well(&w, (struct out_request){.ref = &ref}, &p);
    r = out_reader_new(&p.layout, out_blobs_of(w.r, &repo));
    do {
        assert_ok(reader_read_waiting(r, piece, sizeof(piece), &n, ERR_IGNORED));
        hasher_update(h, piece, n);
    } while (n > 0);
    hasher_digest(h, &got);
    assert_string_equal(got.text,
                        "sha256:631c9182107745d9ab221b42a689bbf0157721e70a0108a93c2295f84404bf62");
    planned_done(&p);
    reader_free(STEAL(r));
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_docker_format_is_both_layouts),
        cmocka_unit_test(the_index_names_the_manifest_as_engines_do),
        cmocka_unit_test(an_image_by_digest_has_no_name),
        cmocka_unit_test(a_layer_that_comes_twice_is_stored_once_and_listed_twice),
        cmocka_unit_test(layers_that_are_had_are_left_out_and_said_to_be),
        cmocka_unit_test(what_makes_no_difference_makes_the_same_archive),
        cmocka_unit_test(the_image_of_a_platform_is_taken_out_of_an_index),
        cmocka_unit_test(the_oci_format_holds_all_of_an_index),
        cmocka_unit_test(the_docker_format_wants_one_of_several_platforms),
        cmocka_unit_test(a_platform_that_is_not_there_is_told_those_that_are),
        cmocka_unit_test(an_artifact_is_for_the_oci_format),
        cmocka_unit_test(a_tag_that_is_not_there_is_unknown),
        cmocka_unit_test(the_archive_of_an_image_stays_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
