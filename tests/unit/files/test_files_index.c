/* The index of files against a list of all files that is searched from its beginning to its end. */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "files/batch.h"
#include "files/merge.h"
#include "files/stream.h"
#include "unit/core/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEGMENTS_MOST 8
#define MODEL_MOST    60000

/* ---- segments in memory */

struct part {
    int fd;
    struct files_segment segment;
    struct files_segment_size size;
};

static enum err_code read_fd(void *ctx, uint64_t at_bytes, void *p, size_t n_bytes, struct err *e)
{
    const struct part *part = ctx;

    if (file_pread_all(part->fd, p, n_bytes, at_bytes) != (ssize_t)n_bytes)
        return err_set(e, ERR_CORRUPT, "read past the end");
    return ERR_OK;
}

static void part_open(struct part *p)
{
    struct err e = {0};

    assert_ok(
        files_segment_open(&p->segment, (struct files_bytes){read_fd, p, p->size.n_bytes}, &e));
}

static int new_fd(void)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void part_of_batch(struct part *p, struct files_batch *b)
{
    struct err e = {0};

    p->fd = new_fd();
    assert_ok(files_batch_write(b, p->fd, &p->size, &e));
    part_open(p);
    files_batch_clear(b);
}

/* ---- the model */

struct known {
    char path[64];
    unsigned layer;
    uint64_t size_bytes;
    bool has_hash;
    unsigned char hash[FILES_HASH_BYTES];
};

struct model {
    struct known *files;
    size_t n;
    struct part parts[SEGMENTS_MOST];
    size_t n_parts;
    bool gone[64]; /* layers */
};

static void model_done(struct model *m)
{
    for (size_t i = 0; i < m->n_parts; i++)
        close(m->parts[i].fd);
    free(m->files);
}

static void layer_digest(unsigned i, struct digest *ret)
{
    digest_of(i % 7 == 0 ? DIGEST_SHA512 : DIGEST_SHA256, &i, sizeof(i), ret);
}

static bool model_has(const struct model *m, size_t from, const char *path)
{
    for (size_t i = from; i < m->n; i++) {
        if (strcmp(m->files[i].path, path) == 0)
            return true;
    }
    return false;
}

static void random_path(char dst[static 64])
{
    static const char *const dirs[] = {"",         "usr/",         "usr/lib/",
                                       "opt/app/", "opt/app/lib/", "a/b/c/d/"};
    static const char *const ends[] = {".jar", ".so", ".so.1", "", ".py"};

    snprintf(dst, 64, "%s%c%c-%d%s", dirs[rand() % 6], 'a' + rand() % 3, 'a' + rand() % 3,
             rand() % 40, ends[rand() % 5]);
}

/* A layer of up to `most` files, in the model and the batch. */
static void add_layer(struct model *m, struct files_batch *b, unsigned layer, unsigned most)
{
    size_t from = m->n;
    struct digest d;

    layer_digest(layer, &d);
    files_batch_layer(b, &d);
    for (unsigned i = 0; i < most && m->n < MODEL_MOST; i++) {
        struct known *k = &m->files[m->n];

        *k = (struct known){.layer = layer, .size_bytes = (uint64_t)rand() << (rand() % 20)};
        random_path(k->path);
        if (model_has(m, from, k->path))
            continue;
        k->has_hash = rand() % 5 > 0;
        for (size_t j = 0; j < FILES_HASH_BYTES; j++)
            k->hash[j] = (unsigned char)(rand() % 2 ? j : (size_t)(rand() % 3));
        memset(k->hash, rand() % 50, 8 + (size_t)(rand() % 24));
        assert_true(files_batch_add(b, str_of(k->path), FILES_FILE, k->size_bytes,
                                    k->has_hash ? k->hash : NULL));
        m->n++;
    }
}

static void model_init(struct model *m, unsigned n_parts, unsigned most)
{
    AUTO(files_batch) struct files_batch *b = files_batch_new();
    unsigned layer = 0;

    *m = (struct model){.files = mem_alloc(MODEL_MOST * sizeof(*m->files))};
    for (unsigned i = 0; i < n_parts; i++) {
        for (unsigned j = 0; j < 1 + i % 4; j++)
            add_layer(m, b, layer++, (unsigned)rand() % most);
        part_of_batch(&m->parts[m->n_parts++], b);
    }
}

static bool model_matches(const struct known *k, const char *pattern)
{
    const char *slash = strrchr(k->path, '/');
    char path[80], full[80];

    if (!strchr(pattern, '/'))
        return pattern_matches(str_of(pattern), str_of(slash ? slash + 1 : k->path));
    snprintf(path, sizeof(path), "/%s", k->path);
    snprintf(full, sizeof(full), "%s%s",
             pattern[0] == '/' || strncmp(pattern, "**", 2) == 0 ? "" : "/", pattern);
    return pattern_matches(str_of(full), str_of(path));
}

/* ---- comparing */

struct seen {
    struct known *list;
    size_t n;
};

static int by_all(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    int order = strcmp(x->path, y->path);

    return order ? order : (int)x->layer - (int)y->layer;
}

static unsigned layer_number(const struct files_layer *l)
{
    struct digest want, is;

    assert_ok(files_layer_digest(l, &want, ERR_IGNORED));
    for (unsigned i = 0; i < 64; i++) {
        layer_digest(i, &is);
        if (digest_eq(&want, &is))
            return i;
    }
    fail_msg("an unknown layer");
    return 0;
}

static void see(struct seen *seen, const struct files_stream *s)
{
    struct known *k = &seen->list[seen->n++];

    assert_true(seen->n < MODEL_MOST);
    *k = (struct known){.layer = layer_number(&s->place.layer),
                        .size_bytes = s->file.size_bytes,
                        .has_hash = s->file.has_hash};
    snprintf(k->path, sizeof(k->path), STR_FMT "%s" STR_FMT, STR_ARG(s->file.dir),
             s->file.dir.n > 0 ? "/" : "", STR_ARG(s->file.base));
    if (s->file.has_hash)
        memcpy(k->hash, s->file.hash, FILES_HASH_BYTES);
}

/* All of a segment, or, with a budget, in many small goes, each from where the last one ended. */
static void stream_all(const struct files_segment *segment, const struct files_plan *plan,
                       uint64_t budget, struct seen *seen)
{
    struct files_place from = {.n_order = 0};
    bool more = true;

    while (more) {
        struct files_stream s;
        struct files_place last = from;

        files_stream_init(&s, segment, plan);
        s.budget = budget;
        assert_ok(files_stream_seek(&s, &from, ERR_IGNORED));
        while (!s.end && !s.paused) {
            assert_true(files_place_cmp(&last, &s.place) <= 0);
            last = s.place;
            see(seen, &s);
            assert_ok(files_stream_next(&s, ERR_IGNORED));
        }
        more = s.paused;
        from = s.place;
        files_stream_done(&s);
    }
}

static bool wanted(const struct model *m, const struct known *k, const char *pattern,
                   const unsigned char *hash)
{
    if (m->gone[k->layer])
        return false;
    return pattern ? model_matches(k, pattern)
                   : k->has_hash && memcmp(k->hash, hash, FILES_HASH_BYTES) == 0;
}

static void compare(const struct model *m, const struct files_plan *plan, const char *pattern,
                    const unsigned char *hash, uint64_t budget)
{
    struct seen seen = {mem_alloc(MODEL_MOST * sizeof(*seen.list)), 0};
    struct seen want = {mem_alloc(MODEL_MOST * sizeof(*want.list)), 0};

    for (size_t i = 0; i < m->n_parts; i++)
        stream_all(&m->parts[i].segment, plan, budget, &seen);
    for (size_t i = 0; i < m->n; i++) {
        if (wanted(m, &m->files[i], pattern, hash))
            want.list[want.n++] = m->files[i];
    }
    qsort(seen.list, seen.n, sizeof(*seen.list), by_all);
    qsort(want.list, want.n, sizeof(*want.list), by_all);
    if (seen.n != want.n)
        fail_msg("%s: %zu found instead of %zu", pattern ? pattern : "a hash", seen.n, want.n);
    for (size_t i = 0; i < seen.n; i++) {
        assert_int_equal(by_all(&seen.list[i], &want.list[i]), 0);
        assert_true(seen.list[i].size_bytes == want.list[i].size_bytes);
        assert_true(seen.list[i].has_hash == want.list[i].has_hash);
        if (want.list[i].has_hash)
            assert_memory_equal(seen.list[i].hash, want.list[i].hash, FILES_HASH_BYTES);
    }
    free(seen.list);
    free(want.list);
}

static const char *const patterns[] = {"aa-1.jar",  "ab-7",          "none",
                                       "a*",        "ab-1*",         "*.jar",
                                       "*",         "*-1*",          "?b-*.so",
                                       "*b*.so.1",  "a?-3",          "b**1",
                                       "/aa-1.jar", "/usr/aa-1.jar", "usr/lib/ab-1*",
                                       "/usr/*",    "/usr/**",       "/opt/**/a*.jar",
                                       "**/*.so",   "/*/*/c?-2*",    "/opt/app/*.jar",
                                       "/**",       "opt/app/**6",   "**/lib/*",
                                       "/a*",       "*/ab-1.py",     "/opt/app/lib/ab-1.jar"};

static void compare_all(const struct model *m, uint64_t budget)
{
    struct files_plan plan;

    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        assert_ok(files_plan_path(str_of(patterns[i]), &plan, ERR_IGNORED));
        compare(m, &plan, patterns[i], NULL, budget);
    }
    for (size_t i = 0; i < 20; i++) {
        plan = (struct files_plan){.road = FILES_BY_HASH};
        memcpy(plan.hash, m->files[(size_t)rand() % m->n].hash, FILES_HASH_BYTES);
        compare(m, &plan, NULL, plan.hash, budget);
    }
}

/* ---- tests */

static void a_search_finds_what_a_look_at_everything_finds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct model m;

        srand(i);
        model_init(&m, 4, i == 0 ? 3 : 1500);
        compare_all(&m, UINT64_MAX);
        model_done(&m);
    }
}

static void a_search_that_pauses_goes_on_where_it_was(void **state)
{
    struct model m;

    (void)state;
    srand(7);
    model_init(&m, 2, 800);
    compare_all(&m, 300);
    model_done(&m);
}

static enum err_code keep(void *ctx, const struct files_layer *layer, bool *ret_keep, struct err *e)
{
    const struct model *m = ctx;

    (void)e;
    *ret_keep = !m->gone[layer_number(layer)];
    return ERR_OK;
}

static void merge_all(struct model *m)
{
    const struct files_segment *segments[SEGMENTS_MOST];
    struct files_merge merge = {.segments = segments, .n = m->n_parts, .keep = keep, .ctx = m};
    struct part all = {.fd = new_fd()};
    uint32_t layers;

    for (size_t i = 0; i < m->n_parts; i++)
        segments[i] = &m->parts[i].segment;
    assert_ok(files_merge_run(&merge, all.fd, &all.size, &layers, ERR_IGNORED));
    for (size_t i = 0; i < m->n_parts; i++)
        close(m->parts[i].fd);
    m->parts[0] = all;
    m->n_parts = 1;
    part_open(&m->parts[0]);
    assert_int_equal(m->parts[0].segment.n_layers, layers);
}

static void a_merge_has_all_of_its_parts(void **state)
{
    struct model m;

    (void)state;
    srand(11);
    model_init(&m, 6, 600);
    merge_all(&m);
    compare_all(&m, UINT64_MAX);
    model_done(&m);
}

static void a_merge_leaves_out_layers_that_are_gone(void **state)
{
    struct model m;
    struct files_layer layer;
    struct digest d;
    bool has;

    (void)state;
    srand(12);
    model_init(&m, 5, 600);
    m.gone[0] = m.gone[3] = m.gone[4] = true;
    merge_all(&m);
    compare_all(&m, UINT64_MAX);
    for (unsigned i = 0; i < 8; i++) {
        layer_digest(i, &d);
        files_layer_of(&d, &layer);
        assert_ok(files_segment_has(&m.parts[0].segment, &layer, &has, ERR_IGNORED));
        assert_int_equal(has, !m.gone[i]);
    }
    model_done(&m);
}

static void a_damaged_segment_is_refused_or_read_within_its_bounds(void **state)
{
    struct model m;
    struct part *p;
    struct files_plan plan;

    (void)state;
    srand(13);
    model_init(&m, 1, 1500);
    p = &m.parts[0];
    assert_ok(files_plan_path(STR("*"), &plan, ERR_IGNORED));
    for (unsigned i = 0; i < 400; i++) {
        off_t at = (off_t)((uint64_t)rand() % p->size.n_bytes);
        unsigned char was, is = (unsigned char)rand();
        struct files_place from = {.n_order = 0};
        struct files_segment segment;
        struct files_stream s;
        enum err_code code;

        assert_int_equal(pread(p->fd, &was, 1, at), 1);
        assert_int_equal(pwrite(p->fd, &is, 1, at), 1);
        code = files_segment_open(&segment, p->segment.bytes, ERR_IGNORED);
        if (code == ERR_OK) {
            files_stream_init(&s, &segment, &plan);
            s.budget = 100000;
            code = files_stream_seek(&s, &from, ERR_IGNORED);
            while (code == ERR_OK && !s.end && !s.paused)
                code = files_stream_next(&s, ERR_IGNORED);
            files_stream_done(&s);
        }
        assert_true(code == ERR_OK || code == ERR_CORRUPT);
        assert_int_equal(pwrite(p->fd, &was, 1, at), 1);
    }
    model_done(&m);
}

static void paths_are_taken_as_archives_have_them(void **state)
{
    AUTO(files_batch) struct files_batch *b = files_batch_new();
    struct files_place from = {.n_order = 0};
    struct files_plan plan;
    struct files_stream s;
    struct part p;
    struct digest d;

    (void)state;
    layer_digest(1, &d);
    assert_false(files_batch_add(b, STR("no/layer"), FILES_FILE, 1, NULL));
    files_batch_layer(b, &d);
    assert_true(files_batch_add(b, STR("./etc/passwd"), FILES_FILE, 1, NULL));
    assert_true(files_batch_add(b, STR("/etc/passwd"), FILES_FILE, 1, NULL));
    assert_false(files_batch_add(b, STR("etc/"), FILES_FILE, 1, NULL));
    assert_false(files_batch_add(b, STR("./"), FILES_FILE, 1, NULL));
    assert_false(files_batch_add(b, STR("a\0b"), FILES_FILE, 1, NULL));
    part_of_batch(&p, b);
    assert_ok(files_plan_path(STR("/etc/passwd"), &plan, ERR_IGNORED));
    files_stream_init(&s, &p.segment, &plan);
    assert_ok(files_stream_seek(&s, &from, ERR_IGNORED));
    assert_false(s.end);
    assert_ok(files_stream_next(&s, ERR_IGNORED));
    assert_true(s.end);
    files_stream_done(&s);
    close(p.fd);
}

static void patterns_that_can_find_nothing_are_refused(void **state)
{
    struct files_plan plan;
    char many[FILES_PATTERN_MAX + 2];

    (void)state;
    memset(many, 'a', sizeof(many));
    assert_code(ERR_REQUEST_INVALID, files_plan_path(STR(""), &plan, ERR_IGNORED));
    assert_code(ERR_REQUEST_INVALID, files_plan_path(STR("etc/"), &plan, ERR_IGNORED));
    assert_code(ERR_REQUEST_INVALID, files_plan_path(STR("a\nb"), &plan, ERR_IGNORED));
    assert_code(ERR_REQUEST_INVALID,
                files_plan_path((struct str){many, FILES_PATTERN_MAX + 1}, &plan, ERR_IGNORED));
    assert_code(ERR_REQUEST_INVALID, files_plan_hash(STR("sha256:12"), &plan, ERR_IGNORED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_search_finds_what_a_look_at_everything_finds),
        cmocka_unit_test(a_search_that_pauses_goes_on_where_it_was),
        cmocka_unit_test(a_merge_has_all_of_its_parts),
        cmocka_unit_test(a_merge_leaves_out_layers_that_are_gone),
        cmocka_unit_test(a_damaged_segment_is_refused_or_read_within_its_bounds),
        cmocka_unit_test(paths_are_taken_as_archives_have_them),
        cmocka_unit_test(patterns_that_can_find_nothing_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
