/* What is inside an image: docs/analysis.md. */
#include "api/handlers.h"
#include "api/image_known.h"
#include "api/reply.h"
#include "core/image_analysis.h"

#define REPORT_MAX (8u << 20)

static enum err_code look(struct req *q, void *ctx, struct err *e)
{
    enum err_code code = image_analysis_get(q->registry, &q->digest, ctx, e);

    return code == ERR_NOT_FOUND ? err_set(e, ERR_LATER, "there is no report yet") : code;
}

enum err_code api_image_analysis_get(struct req *q, struct err *e)
{
    AUTO(buf) struct buf json = {0};
    bool known;

    TRY(image_find(q, e));
    buf_init(&json, REPORT_MAX);
    TRY(image_known(q, look, &json, &known, e));
    if (!known)
        return ERR_OK;
    buf_add_char(&json, '\n');
    reply_json(q, 200, buf_str(&json));
    return ERR_OK;
}
