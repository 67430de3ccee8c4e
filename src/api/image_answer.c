#include "api/image_answer.h"

#include "api/reply.h"

static void add_original(struct buf *b, const struct original_kept *o)
{
    buf_addf(b,
             ",\"original\":{\"id\":\"%s\",\"path\":\"" STORE_ORIGINALS
             "%s\",\"size\":%llu,\"digest\":\"%s\"}",
             o->key, o->name.text, (unsigned long long)o->size_bytes, o->digest.text);
}

void image_answer(struct buf *ret_json, const struct uuid *id, const struct repo_name *repo,
                  const struct image_stored *stored)
{
    buf_addf(ret_json, "{\"id\":\"%s\",\"repository\":\"%s\",\"format\":\"%s\",\"images\":[",
             id->text, repo->text, stored->verdict->is_oci ? "oci" : "docker");
    for (size_t i = 0; i < stored->plan->n; i++) {
        if (i > 0)
            buf_add_char(ret_json, ',');
        image_plan_add_json(ret_json, stored->verdict, &stored->plan->items[i]);
    }
    buf_addf(ret_json, "],\"blobs\":%zu,\"newBlobs\":%zu,\"newBytes\":%llu", stored->n_blobs,
             stored->n_new_blobs, (unsigned long long)stored->new_bytes);
    if (stored->original)
        add_original(ret_json, stored->original);
    buf_add_text(ret_json, "}\n");
}

const struct digest *image_answer_digest(const struct image_stored *stored)
{
    if (stored->plan->n != 1)
        return NULL;
    return &stored->verdict->manifests[stored->plan->items[0].manifest].digest;
}

void image_answer_refused(struct buf *ret_json, const struct uuid *id, const struct repo_name *repo,
                          const struct tag_name *tag, const struct err *why,
                          const struct refusal *f)
{
    const struct reply_subject subject = {.refused = f->code != REFUSAL_NONE ? f : NULL,
                                          .upload = str_of(id->text),
                                          .name = repo_name_str(repo),
                                          .reference = {tag->text, tag->n}};

    reply_error_about(ret_json, why->code, why->public_detail ? str_of(why->detail) : STR_NONE,
                      &subject);
}
