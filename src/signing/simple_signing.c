#include "signing/simple_signing.h"

#include "signing/signed_json.h"

#define TYPE STR("cosign container image signature")

bool simple_signing_names(struct str payload, const struct digest *image)
{
    AUTO(json) json_t *j = signed_json_parse(payload);
    const json_t *critical = json_object_get(j, "critical");

    return str_eq(signed_json_text(critical, "type"), TYPE) &&
           str_eq(signed_json_text(json_object_get(critical, "image"), "docker-manifest-digest"),
                  digest_str(image));
}
