/*
 * An image that comes as an archive, while the n-th call of the store, or of meta, fails, for every
 * n: nothing of it is there afterwards, and the same archive again becomes the image.
 */
#include "core/image_upload.h"

#include "base/mem.h"
#include "core/held_image.h"
#include "core/own_repo.h"
#include "core/upload_session.h"
#include "support.h"

#include <stdlib.h>

#define REPO      "team/app"
#define OTHER     "other/app"
#define LAYER     (20u << 10) /* more than is kept in memory */
#define CALLS_MAX 500

static struct buf archive;
static struct digest layer;
static uint64_t config_bytes, stored_bytes; /* of the archive; of the last upload */

static void add_member(const char *name, struct str bytes)
{
    char head[512] = "", *end = head + sizeof(head);
    unsigned sum = 0;

    snprintf(head, 100, "%s", name);
    snprintf(head + 124, 12, "%011zo", bytes.n);
    head[156] = '0';
    memcpy(head + 257, "ustar\00000", 8);
    memset(head + 148, ' ', 8);
    for (const char *p = head; p < end; p++)
        sum += (unsigned char)*p;
    snprintf(head + 148, 7, "%06o", sum);
    buf_add(&archive, head, sizeof(head));
    buf_add_str(&archive, bytes);
    while (archive.n % 512)
        buf_add_char(&archive, '\0');
}

static int make_archive(void **state)
{
    AUTO(mem) char *bytes = noise(LAYER, 1);
    char config[512];

    (void)state;
    buf_init(&archive, 1 << 20);
    digest_of(DIGEST_SHA256, bytes, LAYER, &layer);
    snprintf(config, sizeof(config), "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
             layer.text);
    config_bytes = strlen(config);
    add_member("layer.tar", (struct str){bytes, LAYER});
    add_member("config.json", str_of(config));
    add_member("manifest.json", STR("[{\"Config\":\"config.json\",\"Layers\":[\"layer.tar\"],"
                                    "\"RepoTags\":[\"docker.io/" REPO ":v1\",\"" OTHER ":v2\"]}]"));
    return 0;
}

static int drop_archive(void **state)
{
    (void)state;
    buf_done(&archive);
    return 0;
}

static enum err_code may_push(void *ctx, const struct repo_name *repo, struct err *e)
{
    (void)ctx, (void)repo, (void)e;
    return ERR_OK;
}

static enum err_code may_tag(void *ctx, const struct repo_name *repo, const struct tag_name *tag,
                             bool *ret_create_only, struct err *e)
{
    (void)ctx, (void)repo, (void)tag, (void)e;
    *ret_create_only = false;
    return ERR_OK;
}

static const struct image_rights rights = {.may_push = may_push, .may_tag = may_tag};

/* The repository is given once so many bytes have come; SIZE_MAX: it was known before. */
static size_t repo_at = SIZE_MAX;

/* It is not given at all. */
static bool by_names;

static enum err_code feed(struct image_upload *u, struct err *e)
{
    struct repo_name repo = repo_of(REPO);

    if (repo_at > archive.n || by_names)
        return image_upload_feed(u, archive.p, archive.n, e);
    TRY(image_upload_feed(u, archive.p, repo_at, e));
    image_upload_set_repo(u, &repo);
    return image_upload_feed(u, archive.p + repo_at, archive.n - repo_at, e);
}

static enum err_code take(struct image_upload *u, struct err *e)
{
    static const struct image_wish all = {.image = ""};
    struct image_stored stored;

    TRY(feed(u, e));
    TRY(image_upload_check(u, &all, &rights, e));
    TRY(image_upload_store(u, "user:anna", &rights, &stored, e));
    stored_bytes = stored.new_bytes;
    return ERR_OK;
}

static enum err_code upload(struct world *w)
{
    struct repo_name repo = repo_of(REPO);
    struct image_upload *u = NULL;
    struct err e = {0};
    enum err_code code =
        image_upload_open(w->r, repo_at == SIZE_MAX && !by_names ? &repo : NULL, "anna", &u, &e);

    if (code == ERR_OK)
        code = take(u, &e);
    image_upload_close(u);
    return code;
}

static bool has_layer(struct world *w, const char *name)
{
    struct repo_name repo = repo_of(name);
    uint64_t size_bytes;

    return meta_blob_stat(w->r->meta, &repo, &layer, &size_bytes, ERR_IGNORED) == ERR_OK;
}

static bool has_tag(struct world *w, const char *name, const char *text)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct repo_name repo = repo_of(name);
    struct tag_name tag = {0};
    int64_t version;

    assert_ok(tag_name_parse(str_of(text), &tag, ERR_IGNORED));
    return meta_manifest_by_tag(w->r->meta, &repo, &tag, &m, &version, ERR_IGNORED) == ERR_OK;
}

/* In all repositories or in none. */
static void assert_stored(struct world *w, bool stored)
{
    assert_int_equal(has_tag(w, REPO, "v1"), stored);
    assert_int_equal(has_layer(w, REPO), stored);
    assert_int_equal(has_tag(w, OTHER, "v2"), stored && by_names);
    assert_int_equal(has_layer(w, OTHER), stored && by_names);
}

static bool keeps_original;

static enum err_code count_one(void *ctx, const struct store_original *o, struct err *e)
{
    (void)o, (void)e;
    ++*(size_t *)ctx;
    return ERR_OK;
}

static size_t count_originals(struct world *w)
{
    AUTO(records) struct meta_record_list records = {0};
    size_t n = 0;

    assert_ok(store_original_each(w->r->store, count_one, &n, ERR_IGNORED));
    assert_ok(meta_records(w->r->meta, STR(ORIGINALS), STR_NONE, 10, &records, ERR_IGNORED));
    assert_int_equal(records.n, n);
    return n;
}

/* False: there are fewer calls than n. */
static bool fail_at(uint64_t n, bool of_meta)
{
    struct world w;
    enum err_code code;

    world_in_memory(&w);
    w.conf->registry.archives.keep_original = keeps_original;
    if (of_meta)
        meta_fault_arm(w.meta, n, ERR_INTERNAL);
    else
        store_fault_arm(w.store, n, ERR_INTERNAL);
    code = upload(&w);
    meta_fault_arm(w.meta, 0, ERR_OK);
    store_fault_arm(w.store, 0, ERR_OK);
    assert_int_equal(session_count(w.r->uploads), 0);
    assert_stored(&w, code == ERR_OK);
    assert_int_equal(count_originals(&w), keeps_original && code == ERR_OK);
    assert_ok(upload(&w));
    assert_stored(&w, true);
    world_done(&w);
    return code != ERR_OK;
}

/* Some calls may fail without harm; so many in a row are the end. */
static void fail_each(bool of_meta)
{
    unsigned harmless = 0, failed = 0;

    for (uint64_t n = 1; n < CALLS_MAX && harmless < 10; n++) {
        if (fail_at(n, of_meta)) {
            failed++;
            harmless = 0;
        } else {
            harmless++;
        }
    }
    assert_true(failed > 3);
}

static void whatever_the_store_fails_nothing_remains(void **state)
{
    (void)state;
    fail_each(false);
}

static void whatever_meta_fails_nothing_remains(void **state)
{
    (void)state;
    fail_each(true);
}

static void whatever_fails_an_original_is_there_with_its_image_alone(void **state)
{
    (void)state;
    keeps_original = true;
    fail_each(false);
    fail_each(true);
    keeps_original = false;
}

/* Behind the head of the archive, within the layer, behind it, behind all. */
static void the_repository_may_be_given_at_any_time(void **state)
{
    const size_t times[] = {0, 512, 512 + LAYER / 2, 512 + LAYER, archive.n};

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct world w;

        world_in_memory(&w);
        repo_at = times[i];
        assert_ok(upload(&w));
        assert_stored(&w, true);
        assert_ok(upload(&w)); /* it has all of it then */
        assert_int_equal(session_count(w.r->uploads), 0);
        world_done(&w);
    }
    repo_at = SIZE_MAX;
}

static void whatever_fails_before_the_repository_is_known_nothing_remains(void **state)
{
    (void)state;
    repo_at = archive.n;
    fail_each(false);
    repo_at = SIZE_MAX;
}

static void whatever_fails_of_several_repositories_none_gets_anything(void **state)
{
    (void)state;
    by_names = true;
    fail_each(false);
    fail_each(true);
    by_names = false;
}

static void what_several_repositories_have_is_stored_once(void **state)
{
    struct world w;

    (void)state;
    by_names = true;
    world_in_memory(&w);
    assert_ok(upload(&w));
    assert_int_equal(stored_bytes, LAYER + config_bytes);
    world_done(&w);
    by_names = false;
}

/* ---- what the repository has of one that is refused at its end */

static struct digest image; /* of the archive */

static bool has_image(struct world *w)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct repo_name repo = repo_of(REPO);

    return meta_manifest_by_digest(w->meta, &repo, &image, &m, ERR_IGNORED) == ERR_OK;
}

static enum err_code refuse_tag(void *ctx, const struct repo_name *repo, const struct tag_name *tag,
                                bool *ret_create_only, struct err *e)
{
    (void)ctx;
    (void)repo;
    *ret_create_only = false;
    return err_tell(e, ERR_DENIED, "nobody may set %s", tag->text);
}

static enum err_code upload_refused(struct world *w)
{
    static const struct image_wish all = {.image = ""};
    const struct image_rights refuses = {may_push, refuse_tag, NULL};
    struct repo_name repo = repo_of(REPO);
    struct image_upload *u = NULL;
    struct image_stored stored;
    struct err e = {0};
    enum err_code code;

    assert_ok(image_upload_open(w->r, &repo, "anna", &u, &e));
    assert_ok(feed(u, &e));
    assert_ok(image_upload_check(u, &all, &rights, &e));
    code = image_upload_store(u, "user:anna", &refuses, &stored, &e);
    image_upload_close(u);
    return code;
}

/* It is there, without a tag. */
static void put_untagged(struct world *w)
{
    struct repo_name repo = repo_of(REPO);
    struct tag_name tag = tag_of("v1");
    struct meta_op op = meta_op_tag_delete(&repo, &tag, META_ANY);

    assert_ok(upload(w));
    image = tag_get(w, REPO, "v1");
    assert_ok(meta_commit(w->meta, &op, 1, 0, NULL, ERR_IGNORED));
}

static int looks;

static enum err_code look_fails_once(struct meta *m, const struct repo_name *repo,
                                     const struct digest *d, struct meta_manifest **ret_manifest,
                                     struct err *e)
{
    return looks++ == 0 ? err_set(e, ERR_UNAVAILABLE, "as the test wants it")
                        : meta_manifest_by_digest(m->inner, repo, d, ret_manifest, e);
}

static void what_was_there_stays_though_nobody_could_see_it(void **state)
{
    struct world w;

    (void)state;
    world_in_memory(&w);
    put_untagged(&w);
    looks = 0;
    world_patch_meta(&w)->manifest_by_digest = look_fails_once;
    assert_code(ERR_UNAVAILABLE, upload_refused(&w));
    assert_code(ERR_DENIED, upload_refused(&w));
    assert_true(looks > 1);
    assert_true(has_image(&w));
    world_done(&w);
}

/* ---- held before it is stored */

#define KEY "0123456789abcdef-waits"

static enum err_code hold_it(struct image_upload *u, struct digest *ret_plan, struct err *e)
{
    static const struct image_wish all = {.image = ""};

    TRY(feed(u, e));
    TRY(image_upload_check(u, &all, &rights, e));
    return image_upload_hold(u, KEY, ret_plan, e);
}

static enum err_code hold(struct world *w, struct digest *ret_plan, struct err *e)
{
    struct repo_name repo = repo_of(REPO);
    struct image_upload *u = NULL;
    enum err_code code;

    TRY(image_upload_open(w->r, by_names ? NULL : &repo, "anna", &u, e));
    code = hold_it(u, ret_plan, e);
    if (code != ERR_OK)
        image_upload_unhold(u, KEY);
    image_upload_close(u);
    return code;
}

static enum err_code original_of_it(void *ctx, struct err *e)
{
    const struct held_image *h = ctx;

    return h->original.record ? original_publish(h->r, &h->original, e) : ERR_OK;
}

static enum err_code store_held(struct world *w, const struct digest *plan, struct err *e)
{
    AUTO(held_image) struct held_image h = {.r = w->r};
    struct image_source source;
    struct publishing p = {.r = w->r, .actor = "user:anna", .rights = &rights};

    TRY(held_image_get(w->r, KEY, plan, &h, e));
    source = held_image_source(&h);
    source.before_tags = original_of_it;
    p.verdict = &h.verdict;
    p.plan = &h.plan;
    p.source = &source;
    TRY(image_publish_check(&p, e));
    return image_publish(&p, e);
}

static bool is_held(struct world *w)
{
    return has_layer(w, HELD_REPO KEY);
}

static void what_is_held_is_in_no_other_repository_and_then_in_those_it_is_for(void **state)
{
    struct digest plan;
    struct world w;

    (void)state;
    keeps_original = by_names = true;
    world_in_memory(&w);
    w.conf->registry.archives.keep_original = true;
    assert_ok(hold(&w, &plan, ERR_IGNORED));
    assert_true(is_held(&w));
    assert_stored(&w, false);
    assert_ok(store_held(&w, &plan, ERR_IGNORED));
    assert_ok(held_image_remove(w.r, KEY, ERR_IGNORED));
    assert_false(is_held(&w));
    assert_stored(&w, true);
    assert_int_equal(count_originals(&w), 1);
    world_done(&w);
    keeps_original = by_names = false;
}

static void what_the_repository_has_already_is_held_as_well(void **state)
{
    struct digest plan;
    struct world w;

    (void)state;
    world_in_memory(&w);
    assert_ok(upload(&w));
    assert_ok(hold(&w, &plan, ERR_IGNORED));
    assert_true(is_held(&w));
    assert_ok(store_held(&w, &plan, ERR_IGNORED));
    world_done(&w);
}

/* Neither in the repositories nor where it was to wait; and it can be tried again. */
static bool fail_hold_at(uint64_t n, bool of_meta)
{
    struct digest plan;
    struct world w;
    enum err_code code;

    world_in_memory(&w);
    if (of_meta)
        meta_fault_arm(w.meta, n, ERR_INTERNAL);
    else
        store_fault_arm(w.store, n, ERR_INTERNAL);
    code = hold(&w, &plan, ERR_IGNORED);
    meta_fault_arm(w.meta, 0, ERR_OK);
    store_fault_arm(w.store, 0, ERR_OK);
    assert_stored(&w, false);
    assert_int_equal(session_count(w.r->uploads), 0);
    assert_int_equal(is_held(&w), code == ERR_OK);
    assert_ok(hold(&w, &plan, ERR_IGNORED));
    assert_ok(store_held(&w, &plan, ERR_IGNORED));
    assert_stored(&w, true);
    world_done(&w);
    return code != ERR_OK;
}

/* It stays held, and is stored by the next try. */
static bool fail_store_held_at(uint64_t n, bool of_meta)
{
    struct digest plan;
    struct world w;
    enum err_code code;

    world_in_memory(&w);
    assert_ok(hold(&w, &plan, ERR_IGNORED));
    if (of_meta)
        meta_fault_arm(w.meta, n, ERR_INTERNAL);
    else
        store_fault_arm(w.store, n, ERR_INTERNAL);
    code = store_held(&w, &plan, ERR_IGNORED);
    meta_fault_arm(w.meta, 0, ERR_OK);
    store_fault_arm(w.store, 0, ERR_OK);
    assert_stored(&w, code == ERR_OK);
    assert_true(is_held(&w));
    assert_ok(store_held(&w, &plan, ERR_IGNORED));
    assert_stored(&w, true);
    world_done(&w);
    return code != ERR_OK;
}

static void fail_each_of(bool (*try_at)(uint64_t n, bool of_meta), bool of_meta)
{
    unsigned harmless = 0, failed = 0;

    for (uint64_t n = 1; n < CALLS_MAX && harmless < 10; n++) {
        bool has_failed = try_at(n, of_meta);

        failed += has_failed;
        harmless = has_failed ? 0 : harmless + 1;
    }
    assert_true(failed > 3);
}

static void whatever_fails_while_it_is_held_nothing_remains(void **state)
{
    (void)state;
    fail_each_of(fail_hold_at, false);
    fail_each_of(fail_hold_at, true);
}

static void whatever_fails_while_it_is_stored_it_stays_held(void **state)
{
    (void)state;
    by_names = true;
    fail_each_of(fail_store_held_at, true);
    by_names = false;
}

static enum err_code of_nobody(void *ctx, struct str key, bool *ret_is, struct err *e)
{
    (void)ctx, (void)e;
    assert_true(str_eq(key, STR(KEY)));
    *ret_is = false;
    return ERR_OK;
}

static void what_no_session_waits_for_is_swept(void **state)
{
    struct digest plan;
    struct world w;

    (void)state;
    world_in_memory(&w);
    assert_ok(hold(&w, &plan, ERR_IGNORED));
    assert_ok(held_images_sweep(w.r, of_nobody, NULL, ERR_IGNORED));
    assert_false(is_held(&w));
    assert_code(ERR_BLOB_UNKNOWN, store_held(&w, &plan, ERR_IGNORED));
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_store_fails_nothing_remains),
        cmocka_unit_test(whatever_meta_fails_nothing_remains),
        cmocka_unit_test(whatever_fails_an_original_is_there_with_its_image_alone),
        cmocka_unit_test(the_repository_may_be_given_at_any_time),
        cmocka_unit_test(whatever_fails_before_the_repository_is_known_nothing_remains),
        cmocka_unit_test(whatever_fails_of_several_repositories_none_gets_anything),
        cmocka_unit_test(what_several_repositories_have_is_stored_once),
        cmocka_unit_test(what_was_there_stays_though_nobody_could_see_it),
        cmocka_unit_test(what_is_held_is_in_no_other_repository_and_then_in_those_it_is_for),
        cmocka_unit_test(what_the_repository_has_already_is_held_as_well),
        cmocka_unit_test(whatever_fails_while_it_is_held_nothing_remains),
        cmocka_unit_test(whatever_fails_while_it_is_stored_it_stays_held),
        cmocka_unit_test(what_no_session_waits_for_is_swept),
    };

    return cmocka_run_group_tests(tests, make_archive, drop_archive);
}
