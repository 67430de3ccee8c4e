#include "signing/simple_signing.h"

#include "base/json.h"

#define TYPE STR("cosign container image signature")

static struct str text_of(const json_t *of, const char *key)
{
    const json_t *text = json_object_get(of, key);

    return json_is_string(text) ? (struct str){json_string_value(text), json_string_length(text)}
                                : STR("");
}

bool simple_signing_names(struct str payload, const struct digest *image)
{
    AUTO(json) json_t *j = NULL;
    const json_t *critical;

    j = json_shallow(payload) ? json_loadb(payload.p, payload.n, JSON_REJECT_DUPLICATES, NULL)
                              : NULL;
    critical = json_object_get(j, "critical");
    return str_eq(text_of(critical, "type"), TYPE) &&
           str_eq(text_of(json_object_get(critical, "image"), "docker-manifest-digest"),
                  digest_str(image));
}
