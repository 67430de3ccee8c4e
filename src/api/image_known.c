#include "api/image_known.h"

#include "api/parameter.h"
#include "api/reply.h"
#include "base/clock.h"
#include "core/image_analysis.h"

#include <stdatomic.h>
#include <time.h>

#define PLATFORM_MAX 128

/* So long somebody waits for what is quick; of those who wait at once, so many, for each has a
 * worker meanwhile. */
#define WAIT_MS     2000
#define LOOK_MS     25
#define WAITING_MAX 2

/* Each takes analysis.memory_bytes at most, mostly very little. */
#define LOOKING_MAX 4

static atomic_int waiting, looking;

enum err_code image_look_in_turn(struct req *q, image_look_fn look, void *ctx, struct err *e)
{
    enum err_code code;

    if (atomic_fetch_add(&looking, 1) < LOOKING_MAX)
        code = look(q, ctx, e);
    else
        code = err_tell(e, ERR_UNAVAILABLE, "%d requests look into images just now; try again",
                        LOOKING_MAX);
    atomic_fetch_sub(&looking, 1);
    return code;
}

static enum err_code wait_for(struct req *q, const struct digest *d, image_look_fn look, void *ctx,
                              struct err *e)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    enum err_code code;

    if (atomic_fetch_add(&waiting, 1) >= WAITING_MAX)
        until_ms = 0;
    while ((code = look(q, ctx, e)) == ERR_LATER && clock_mono_ms() < until_ms) {
        code = image_analysis_refusal(q->registry, d, e);
        if (code != ERR_OK)
            break;
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    atomic_fetch_sub(&waiting, 1);
    return code;
}

enum err_code image_find(struct req *q, struct err *e)
{
    char platform[PLATFORM_MAX];

    TRY(query_text(q, "platform", platform, sizeof(platform), e));
    return image_analysis_find(q->registry, &q->name, &q->ref, str_of(platform), &q->digest, e);
}

enum err_code image_known_of(struct req *q, const struct repo_name *repo, const struct digest *d,
                             image_look_fn look, void *ctx, bool *ret_known, struct err *e)
{
    enum err_code code = look(q, ctx, e);

    *ret_known = false;
    if (code == ERR_LATER) {
        TRY(image_analysis_refusal(q->registry, d, e));
        TRY(image_analysis_ask(q->registry, repo, d, e));
        code = wait_for(q, d, look, ctx, e);
    }
    if (code == ERR_LATER) {
        http_header(q->x, "Retry-After", STR("1"));
        reply_json(q, 202, STR("{\"state\":\"running\"}\n"));
        return ERR_OK;
    }
    TRY(code);
    *ret_known = true;
    return ERR_OK;
}

enum err_code image_known(struct req *q, image_look_fn look, void *ctx, bool *ret_known,
                          struct err *e)
{
    reply_digest(q, &q->digest);
    return image_known_of(q, &q->name, &q->digest, look, ctx, ret_known, e);
}
