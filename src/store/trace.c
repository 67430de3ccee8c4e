/* A decorator that logs each call, with its result and duration. */
#include "store/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

static enum err_code trace_before(struct store *s, struct store_call *c, struct err *e)
{
    (void)s;
    (void)e;
    c->start_us = clock_mono_us();
    return ERR_OK;
}

static void trace_after(struct store *s, const struct store_call *c, enum err_code code)
{
    (void)s;
    log_event(LOG_DEBUG, "store call", LOG_TEXT("call", c->name),
              LOG_TEXT("repository", c->repo ? c->repo : ""),
              LOG_TEXT("what", c->what ? c->what : ""), LOG_U64("bytes", c->bytes),
              LOG_TEXT("result", err_name(code)),
              LOG_I64("duration_us", clock_mono_us() - c->start_us));
}

static void trace_free(struct store *s)
{
    free(s);
}

static const struct store_driver store_trace = {
    .name = "trace", .before = trace_before, .after = trace_after, .free = trace_free};

struct store *store_trace_new(struct store *inner)
{
    struct store *s = NEW(struct store);

    *s = (struct store){&store_trace, inner};
    return s;
}
