#include "api/image_answer.h"

#include "api/reply.h"
#include "base/log.h"

static void add_original(struct buf *b, const struct original_kept *o)
{
    buf_addf(b,
             ",\"original\":{\"id\":\"%s\",\"path\":\"" STORE_ORIGINALS
             "%s\",\"size\":%llu,\"digest\":\"%s\"}",
             o->key, o->name.text, (unsigned long long)o->size_bytes, o->digest.text);
}

void image_answer(struct buf *ret_json, const struct uuid *id, const struct image_stored *stored)
{
    buf_addf(ret_json, "{\"id\":\"%s\",", id->text);
    image_plan_add_json(ret_json, stored->verdict, stored->plan);
    buf_addf(ret_json, ",\"blobs\":%zu,\"newBlobs\":%zu,\"newBytes\":%llu", stored->n_blobs,
             stored->n_new_blobs, (unsigned long long)stored->new_bytes);
    if (stored->original)
        add_original(ret_json, stored->original);
    if (stored->scan_asked || stored->scanned)
        buf_addf(ret_json, ",\"scan\":\"%s\"", stored->scanned ? "passed" : "queued");
    buf_add_text(ret_json, "}\n");
}

const struct digest *image_answer_one(const struct image_stored *stored,
                                      const struct repo_name **ret_repo)
{
    const struct image_place *place = &stored->plan->places[0];

    if (stored->plan->n != 1 || place->n != 1)
        return NULL;
    *ret_repo = &place->repo;
    return &stored->verdict->manifests[place->items[0].manifest].digest;
}

void image_answer_refused(struct buf *ret_json, const struct uuid *id, const struct repo_name *repo,
                          const struct tag_name *tag, const struct err *why,
                          const struct refusal *f, struct str images)
{
    const struct reply_subject subject = {.refused = f->code != REFUSAL_NONE ? f : NULL,
                                          .images = images,
                                          .upload = str_of(id->text),
                                          .name = repo_name_str(repo),
                                          .reference = {tag->text, tag->n}};

    reply_error_about(ret_json, why->code, why->public_detail ? str_of(why->detail) : STR_NONE,
                      &subject);
}

void image_refusal_log(const struct uuid *id, const char *actor, const char *request_id,
                       const struct repo_name *repo, const struct err *why, const struct refusal *f)
{
    bool known = f->code != REFUSAL_NONE;

    log_event(LOG_INFO, "upload refused", LOG_TEXT("upload", id->text),
              LOG_TEXT("request_id", request_id), LOG_TEXT("identity", actor),
              LOG_STR("repository", repo_name_str(repo)), LOG_TEXT("error", err_wire(why->code)),
              LOG_TEXT("reason", known ? refusal_name(f->code) : ""),
              LOG_TEXT("member", known ? f->member : ""), LOG_TEXT("detail", why->detail));
}
