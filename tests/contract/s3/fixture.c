#include "fixture.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "s3_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECT_MAX (64u << 20)

static struct s3_place place;

void fixture_choose(void)
{
    place = s3_place();
}

static enum err_code key_of_place(void *ctx, struct store_s3_key *ret_key, struct err *e)
{
    (void)ctx;
    (void)e;
    str_copy(str_of(place.access_key), ret_key->access, sizeof(ret_key->access));
    str_copy(str_of(place.secret_key), ret_key->secret, sizeof(ret_key->secret));
    return ERR_OK;
}

static void never_refused(void *ctx, const struct store_s3_key *key)
{
    (void)ctx;
    (void)key;
}

/* There already, of an earlier test: success. */
static void make_bucket(struct fixture *f)
{
    struct s3_request r = {.method = "PUT"};
    struct s3_answer a = {0};
    enum err_code code = s3_do(f->c, &r, &a, &f->e);

    if (code != ERR_OK && strcmp(a.code, "BucketAlreadyOwnedByYou") != 0)
        fail_msg("make the bucket: %s", f->e.detail);
}

int fixture_setup(void **state)
{
    struct fixture *f = NEW(struct fixture);
    struct uuid id;

    f->server = place.name;
    uuid_make(&id);
    snprintf(f->prefix, sizeof(f->prefix), "%s/", id.text);
    f->options = (struct store_s3_options){.bucket = place.bucket,
                                           .region = place.region,
                                           .prefix = f->prefix,
                                           .endpoint = place.endpoint,
                                           .path_style = true,
                                           .timeout_ms = 5000,
                                           .key = key_of_place,
                                           .key_refused = never_refused};
    OK(s3_client_new(&f->options, &f->c, &f->e));
    make_bucket(f);
    *state = f;
    return 0;
}

static enum err_code delete_object(void *ctx, const struct s3_listed *o, struct err *e)
{
    return s3_delete(ctx, &o->name, e);
}

static enum err_code abort_upload(void *ctx, const struct s3_name *name, const char *id,
                                  int64_t begun_ms, struct err *e)
{
    (void)begun_ms;
    return s3_multipart_abort(ctx, name, id, e);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    OK(s3_multipart_each(f->c, abort_upload, f->c, &f->e));
    OK(s3_list(f->c, "", delete_object, f->c, &f->e));
    s3_client_free(f->c);
    free(f);
    return 0;
}

void check_code(enum err_code got, enum err_code want, const struct err *e, const char *call,
                const char *file, int line)
{
    if (got == want)
        return;
    print_error("%s:%d: %s: %s (%s), not %s\n", file, line, call, err_name(got),
                got == ERR_OK ? "" : e->detail, err_name(want));
    _fail(file, line);
}

struct s3_name name_in(const struct fixture *f, const char *text)
{
    struct s3_name name = {0};

    name.n = (size_t)snprintf(name.text, sizeof(name.text), "%s%s", f->prefix, text);
    return name;
}

void put(struct fixture *f, const char *key, struct str bytes)
{
    struct s3_name name = name_in(f, key);

    OK(s3_put(f->c, &name, &(struct s3_put){.body = bytes}, &f->e));
}

void assert_object(struct fixture *f, const char *key, struct str bytes)
{
    struct s3_name name = name_in(f, key);
    struct s3_answer a = {0};

    OK(s3_head(f->c, &name, &a, &f->e));
    assert_int_equal(a.total_bytes, bytes.n);
    a = (struct s3_answer){0};
    buf_init(&a.body, OBJECT_MAX);
    OK(s3_get(f->c, &name, &a, &f->e));
    assert_int_equal(a.body.n, bytes.n);
    if (bytes.n > 0)
        assert_memory_equal(a.body.p, bytes.p, bytes.n);
    buf_done(&a.body);
}

void assert_no_object(struct fixture *f, const char *key)
{
    struct s3_name name = name_in(f, key);
    struct s3_answer a = {0};

    FAILS(ERR_NOT_FOUND, s3_head(f->c, &name, &a, &f->e));
}

static enum err_code count(void *ctx, const struct s3_listed *o, struct err *e)
{
    (void)o;
    (void)e;
    ++*(size_t *)ctx;
    return ERR_OK;
}

size_t count_objects(struct fixture *f, const char *prefix)
{
    size_t n = 0;

    OK(s3_list(f->c, prefix, count, &n, &f->e));
    return n;
}
