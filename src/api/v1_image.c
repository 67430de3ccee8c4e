/* What is inside an image: docs/analysis.md. */
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "base/clock.h"
#include "core/image_analysis.h"

#include <stdatomic.h>
#include <time.h>

#define PLATFORM_MAX 128
#define REPORT_MAX   (8u << 20)

/* So long somebody waits for what is quick; of those who wait at once, so many, for each has a
 * worker meanwhile. */
#define WAIT_MS     2000
#define LOOK_MS     25
#define WAITING_MAX 2

static atomic_int waiting;

/* NOT_FOUND: not yet. */
static enum err_code wait_for(struct req *q, struct buf *ret_json, struct err *e)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    enum err_code code;

    if (atomic_fetch_add(&waiting, 1) >= WAITING_MAX)
        until_ms = 0;
    while ((code = image_analysis_get(q->registry, &q->digest, ret_json, e)) == ERR_NOT_FOUND &&
           clock_mono_ms() < until_ms)
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    atomic_fetch_sub(&waiting, 1);
    return code;
}

enum err_code api_image_analysis_get(struct req *q, struct err *e)
{
    AUTO(buf) struct buf json = {0};
    char platform[PLATFORM_MAX];
    enum err_code code;

    TRY(query_text(q, "platform", platform, sizeof(platform), e));
    TRY(image_analysis_find(q->registry, &q->name, &q->ref, str_of(platform), &q->digest, e));
    buf_init(&json, REPORT_MAX);
    code = image_analysis_get(q->registry, &q->digest, &json, e);
    if (code == ERR_NOT_FOUND) {
        TRY(image_analysis_ask(q->registry, &q->name, &q->digest, e));
        code = wait_for(q, &json, e);
    }
    reply_digest(q, &q->digest);
    if (code == ERR_NOT_FOUND) {
        http_header(q->x, "Retry-After", STR("1"));
        reply_json(q, 202, STR("{\"state\":\"running\"}\n"));
        return ERR_OK;
    }
    TRY(code);
    buf_add_char(&json, '\n');
    reply_json(q, 200, buf_str(&json));
    return ERR_OK;
}
