#include "signing/envelope.h"

#include "signing/signed_json.h"

#include <stdlib.h>

#define IN_TOTO STR("application/vnd.in-toto+json")
#define PREFIX  "DSSEv1"

/* dsse, "Protocol": "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body */
static void encode(struct str type, struct str body, struct buf *ret)
{
    buf_init(ret, type.n + body.n + 64);
    buf_addf(ret, PREFIX " %zu ", type.n);
    buf_add_str(ret, type);
    buf_addf(ret, " %zu ", body.n);
    buf_add_str(ret, body);
}

static void read_signatures(const json_t *list, struct envelope *env)
{
    for (size_t i = 0; i < json_array_size(list) && env->n < ENVELOPE_SIGNATURES_MAX; i++) {
        struct buf *room = &env->signatures[env->n];

        if (signed_json_bytes(json_array_get(list, i), "sig", room))
            env->n++;
        else
            buf_done(room);
    }
}

bool envelope_read(const json_t *dsse, struct envelope *ret)
{
    struct str type = signed_json_text(dsse, "payloadType");

    *ret = (struct envelope){.n = 0};
    if (str_eq(type, IN_TOTO) && signed_json_bytes(dsse, "payload", &ret->payload))
        ret->statement = signed_json_parse(buf_str(&ret->payload));
    if (!json_is_object(ret->statement)) {
        envelope_done(ret);
        return false;
    }
    encode(type, buf_str(&ret->payload), &ret->message);
    read_signatures(json_object_get(dsse, "signatures"), ret);
    return true;
}

void envelope_done(struct envelope *env)
{
    for (size_t i = 0; i < env->n; i++)
        buf_done(&env->signatures[i]);
    buf_done(&env->message);
    buf_done(&env->payload);
    json_decref(env->statement);
    *env = (struct envelope){.n = 0};
}

bool envelope_names(const struct envelope *env, const struct digest *image)
{
    const json_t *subjects = json_object_get(env->statement, "subject");
    const char *algorithm = digest_algorithm_name(image->algorithm);

    for (size_t i = 0; i < json_array_size(subjects); i++) {
        const json_t *digests = json_object_get(json_array_get(subjects, i), "digest");

        if (str_eq(signed_json_text(digests, algorithm), digest_hex(image)))
            return true;
    }
    return false;
}

struct str envelope_predicate(const struct envelope *env)
{
    return signed_json_text(env->statement, "predicateType");
}

/* v1: predicate.runDetails.builder.id; before: predicate.builder.id. */
struct str envelope_builder(const struct envelope *env)
{
    const json_t *predicate = json_object_get(env->statement, "predicate");
    const json_t *details = json_object_get(predicate, "runDetails");

    if (!str_starts(envelope_predicate(env), STR("https://slsa.dev/provenance/")))
        return STR("");
    return signed_json_text(json_object_get(details ? details : predicate, "builder"), "id");
}
