#include "store/s3/s3.h"

#include "base/mem.h"
#include "base/parallel.h"

#include <stdlib.h>

#define WINDOW 256 /* items that are kept until they are asked for */

struct s3_together {
    s3_ask_fn ask;
    void *ask_ctx;
    store_item_fn fn;
    void *ctx;
    size_t n;
    struct {
        struct store_item item;
        enum err_code code;
        struct err why;
    } asked[WINDOW];
};

struct s3_together *s3_together_new(s3_ask_fn ask, void *ask_ctx, store_item_fn fn, void *ctx)
{
    struct s3_together *t = NEW(struct s3_together);

    t->ask = ask;
    t->ask_ctx = ask_ctx;
    t->fn = fn;
    t->ctx = ctx;
    return t;
}

static void ask_at(void *ctx, size_t i)
{
    struct s3_together *t = ctx;

    t->asked[i].code = t->ask(t->ask_ctx, &t->asked[i].item, &t->asked[i].why);
}

enum err_code s3_together_end(struct s3_together *t, struct err *e)
{
    size_t n = t->n;

    t->n = 0;
    parallel_each(n, S3_REQUESTS, ask_at, t);
    for (size_t i = 0; i < n; i++) {
        if (t->asked[i].code == ERR_NOT_FOUND)
            continue;
        if (t->asked[i].code != ERR_OK) {
            *e = t->asked[i].why;
            return t->asked[i].code;
        }
        TRY(t->fn(t->ctx, &t->asked[i].item, e));
    }
    return ERR_OK;
}

enum err_code s3_together_add(struct s3_together *t, const struct store_item *item, struct err *e)
{
    t->asked[t->n++].item = *item;
    return t->n == WINDOW ? s3_together_end(t, e) : ERR_OK;
}

void s3_together_free(struct s3_together *t)
{
    free(t);
}
