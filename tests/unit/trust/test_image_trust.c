/* Whether images are signed as a rule asks, by a policy of notation that asks for nothing. */
#include "trust/image_trust.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "signing/notation_trust.h"
#include "trust/signed_children.h"
#include "unit/core/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define NOW ((int64_t)1796083200000)

static const char policy[] =
    "{\"version\":\"1.0\",\"trustPolicies\":[{\"name\":\"open\",\"registryScopes\":[\"*\"],"
    "\"signatureVerification\":{\"level\":\"skip\"}}]}";

static struct world w;
static struct repo_name repo;
static struct digest index_digest;
static struct notation_trust *notation;
static char dir[TEMP_DIR_MAX];

static void read_policy(void)
{
    char path[TEMP_PATH_MAX];
    const struct notation_files files = {.policy = path, .certificates = path};
    FILE *f;

    temp_dir_make(dir, TEMP_DIR_MEMORY);
    snprintf(path, sizeof(path), "%s/policy.json", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(policy, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_ok(notation_trust_read(&files, &notation, ERR_IGNORED));
}

static void push_index(void)
{
    struct digest child = image_put(&w, "prod/app", "child", NULL);
    AUTO(mem) char *image = image_json("child", "the layer of all", "");
    char json[1024];

    snprintf(json, sizeof(json),
             "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":"
             "[{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu}]}",
             child.text, strlen(image));
    assert_ok(manifest_push(&w, "prod/app", json, "v1", &index_digest, ERR_IGNORED));
}

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    repo = repo_of("prod/app");
    read_policy();
    push_index();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    notation_trust_free(notation);
    notation = NULL;
    temp_dir_remove(dir);
    world_done(&w);
    return 0;
}

static void judge(struct image_trust *ret)
{
    const struct conf_signature_rule conf = {.require = CONF_REQUIRE_ANY};
    const struct trust_rule rule = {.conf = &conf, .trust = {.notation = notation}};

    assert_ok(image_trust_judge(w.r, &rule, &repo, &index_digest, NOW, ret, NULL, ERR_IGNORED));
}

static size_t notes(void)
{
    AUTO(records) struct meta_record_list l = {0};

    assert_ok(meta_records(w.meta, SIGNED_CHILDREN, STR(""), 10, &l, ERR_IGNORED));
    return l.n;
}

static void images_of_a_signed_index_are_noted(void **state)
{
    struct image_trust t;

    (void)state;
    judge(&t);
    assert_int_equal(t.state, TRUST_SIGNED);
    assert_true(t.noted);
    assert_int_equal(t.not_noted.code, ERR_OK);
    assert_true(t.until_ms == INT64_MAX);
    assert_int_equal(notes(), 1);
    judge(&t);
    assert_false(t.noted);
}

static enum err_code commit_of_a_full_disk(struct meta *m, const struct meta_op *ops, size_t n_ops,
                                           unsigned flags, size_t *ret_failed, struct err *e)
{
    (void)m;
    (void)ops;
    (void)n_ops;
    (void)flags;
    (void)ret_failed;
    return err_set(e, ERR_STORAGE_FULL, "no space left");
}

/* A pull is no reason to write: it is tried again soon. */
static void a_database_that_can_not_be_written_refuses_no_signed_index(void **state)
{
    struct image_trust t;

    (void)state;
    world_patch_meta(&w)->commit = commit_of_a_full_disk;
    judge(&t);
    assert_int_equal(t.state, TRUST_SIGNED);
    assert_int_equal(t.not_noted.code, ERR_STORAGE_FULL);
    assert_true(t.until_ms == NOW + 60000);
    assert_int_equal(notes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(images_of_a_signed_index_are_noted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_database_that_can_not_be_written_refuses_no_signed_index,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
