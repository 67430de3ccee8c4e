#include "conf/conf.h"
#include "exchange.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

/* The configuration is taken over anew while requests are served by it. Only a tool that watches
 * threads (scripts/test --only tsan) can see a field that is read as if nobody changed it. */

static struct server s;
static atomic_bool over;

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    server_done(&s);
    return 0;
}

/* Each field that may change is written, with one value and another. */
static void *reload(void *arg)
{
    struct conf other = *s.w.conf;
    AUTO(buf) struct buf ignored = {0};

    (void)arg;
    buf_init(&ignored, 1000);
    for (unsigned i = 0; !atomic_load(&over); i++) {
        other.limits.blob_bytes = 1 << 20 | i % 2;
        other.registry.sparse_images = other.registry.sparse_indexes = i % 2;
        other.registry.delete_enabled = other.registry.read_only = i % 2;
        other.log.access = i % 2;
        conf_reload(s.w.conf, &other, &ignored);
        assert_int_equal(ignored.n, 0);
    }
    return NULL;
}

static void settings_may_change_while_requests_are_served(void **state)
{
    static const char *const lines[] = {
        "GET /v2/",         "GET /v2/app/manifests/v1",    "GET /v2/app/tags/list",
        "GET /v2/_catalog", "POST /v2/app/blobs/uploads/", "DELETE /v2/app/manifests/v2",
    };
    AUTO(mem) char *json = image_json("one", "the layer of all", " ");
    struct digest layer = sha256_of(STR("the layer of all"));
    char blob[256];
    pthread_t thread;

    (void)state;
    image_put(&s.w, "app", "one", "v1");
    snprintf(blob, sizeof(blob), "GET /v2/app/blobs/%s", layer.text);
    assert_int_equal(pthread_create(&thread, NULL, reload, NULL), 0);
    for (int round = 0; round < 50; round++) {
        struct answer a;

        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
            a = get(&s, lines[i]);
            assert_true(a.status < 500);
            answer_done(&a);
        }
        a = get(&s, blob);
        assert_int_equal(a.status, 200);
        answer_done(&a);
        a = serve(&s, &(struct request){.line = "PUT /v2/app/manifests/v2", .body = str_of(json)});
        assert_true(a.status == 201 || a.status == 405);
        answer_done(&a);
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(settings_may_change_while_requests_are_served, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
