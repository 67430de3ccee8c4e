#include "signing/signature.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "signing/envelope.h"
#include "signing/signed_json.h"
#include "signing/simple_signing.h"

#include <stdio.h>

#define SIMPLE_LAYER  STR("application/vnd.dev.cosign.simplesigning.v1+json")
#define SIMPLE_SIGNED "dev.cosignproject.cosign/signature"
#define SIMPLE_TYPE   STR("application/vnd.dev.cosign.artifact.sig.v1+json")
#define BUNDLE_TYPE   STR("application/vnd.dev.sigstore.bundle")
#define COSIGN_SIGNED STR("https://sigstore.dev/cosign/sign/v1")
#define SIGNATURE_MAX 2048 /* bytes; RSA of 16384 bits */
#define TAG_MAX       (DIGEST_TEXT_MAX + 8)

const char *signature_verdict_name(enum signature_verdict v)
{
    static const char *const names[SIGNATURE_VERDICTS] = {[SIGNATURE_GOOD] = "good",
                                                          [SIGNATURE_OTHER_KEY] = "other_key",
                                                          [SIGNATURE_OTHER_IMAGE] = "other_image",
                                                          [SIGNATURE_UNKNOWN] = "unknown"};

    return names[v];
}

const char *signature_verdict_text(enum signature_verdict v)
{
    static const char *const texts[SIGNATURE_VERDICTS] = {
        [SIGNATURE_GOOD] = "good",
        [SIGNATURE_OTHER_KEY] = "not by any of the keys, or tampered with",
        [SIGNATURE_OTHER_IMAGE] = "by one of the keys, but of another image",
        [SIGNATURE_UNKNOWN] = "not understood"};

    return texts[v];
}

/* ---- one */

/* Which key made the signature; keys->n: none. */
static size_t maker(const struct signature_keys *keys, struct str message, struct str signature)
{
    size_t i = 0;

    while (i < keys->n && !public_key_verifies(keys->keys[i], message, signature))
        i++;
    return i;
}

static void judge(const struct signature_keys *keys, size_t key, bool names, struct signature *ret)
{
    ret->key = key;
    if (key == keys->n)
        ret->verdict = SIGNATURE_OTHER_KEY;
    else
        ret->verdict = names ? SIGNATURE_GOOD : SIGNATURE_OTHER_IMAGE;
}

static void check_simple(struct str payload, struct str signature, const struct digest *image,
                         const struct signature_keys *keys, struct signature *ret)
{
    unsigned char bytes[BASE64_ROOM(SIGNATURE_MAX * 4 / 3)];
    size_t n;

    if (signature.n > SIGNATURE_MAX * 4 / 3 || !base64_decode(signature, bytes, &n))
        return;
    judge(keys, maker(keys, payload, (struct str){(char *)bytes, n}),
          simple_signing_names(payload, image), ret);
}

static size_t maker_of_any(const struct signature_keys *keys, const struct envelope *env)
{
    size_t key = keys->n;

    for (size_t i = 0; i < env->n && key == keys->n; i++)
        key = maker(keys, buf_str(&env->message), buf_str(&env->signatures[i]));
    return key;
}

/* False: it is about something else than that an image was signed. */
static bool check_bundle(struct str text, const struct digest *image,
                         const struct signature_keys *keys, struct signature *ret)
{
    AUTO(envelope) struct envelope env = {.n = 0};
    AUTO(json) json_t *j = signed_json_parse(text);

    if (!envelope_read(json_object_get(j, "dsseEnvelope"), &env))
        return true;
    if (!str_eq(envelope_predicate(&env), COSIGN_SIGNED))
        return false;
    judge(keys, maker_of_any(keys, &env), envelope_names(&env, image), ret);
    return true;
}

/* ---- all */

struct finding {
    const struct signature_source *s;
    const struct digest *image;
    const struct signature_keys *keys;
    struct signature_list *list;
};

/* NULL: there is no room for more. */
static struct signature *add(struct finding *f, const struct digest *manifest, const char *form)
{
    struct signature_list *l = f->list;

    if (l->n == SIGNATURES_MAX) {
        l->more = true;
        return NULL;
    }
    l->rows[l->n] = (struct signature){
        .verdict = SIGNATURE_UNKNOWN, .manifest = *manifest, .form = form, .key = f->keys->n};
    return &l->rows[l->n++];
}

/* Is it what is beside the image, and not the source, that fails? */
static bool passes(enum err_code code)
{
    return code == ERR_BLOB_UNKNOWN || code == ERR_MANIFEST_UNKNOWN || code == ERR_CORRUPT ||
           code == ERR_DIGEST_MALFORMED;
}

static enum err_code read_layer(struct finding *f, const json_t *layer, struct buf *ret,
                                struct err *e)
{
    struct digest d;

    TRY(digest_parse(signed_json_text(layer, "digest"), &d, e));
    return f->s->blob(f->s->ctx, &d, ret, e);
}

static enum err_code look_at_layer(struct finding *f, const struct digest *manifest,
                                   const json_t *layer, struct err *e)
{
    bool simple = str_eq(signed_json_text(layer, "mediaType"), SIMPLE_LAYER);
    struct signature *row = add(f, manifest, simple ? "simple signing" : "sigstore bundle");
    AUTO(buf) struct buf bytes = {0};
    enum err_code code;

    if (!row)
        return ERR_OK;
    buf_init(&bytes, SIGNATURE_DOCUMENT_MAX);
    code = read_layer(f, layer, &bytes, e);
    if (code != ERR_OK)
        return passes(code) ? ERR_OK : code;
    if (simple)
        check_simple(buf_str(&bytes),
                     signed_json_text(json_object_get(layer, "annotations"), SIMPLE_SIGNED),
                     f->image, f->keys, row);
    else if (!check_bundle(buf_str(&bytes), f->image, f->keys, row))
        f->list->n--;
    return ERR_OK;
}

static bool holds_signatures(struct str layer_type)
{
    return str_eq(layer_type, SIMPLE_LAYER) || str_starts(layer_type, BUNDLE_TYPE);
}

static enum err_code look_at_manifest(struct finding *f, const char *reference, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *j = NULL;
    struct digest d;
    const json_t *layers;
    enum err_code code;

    buf_init(&text, SIGNATURE_DOCUMENT_MAX);
    code = f->s->manifest(f->s->ctx, reference, &text, &d, e);
    if (code != ERR_OK)
        return passes(code) ? ERR_OK : code;
    j = json_shallow(buf_str(&text)) ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    layers = json_object_get(j, "layers");
    for (size_t i = 0; i < json_array_size(layers) && !f->list->more; i++) {
        const json_t *layer = json_array_get(layers, i);

        if (holds_signatures(signed_json_text(layer, "mediaType")))
            TRY(look_at_layer(f, &d, layer, e));
    }
    return ERR_OK;
}

static enum err_code look_at_referrers(struct finding *f, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *j = NULL;
    const json_t *rows;

    buf_init(&text, SIGNATURE_DOCUMENT_MAX * 16);
    TRY(f->s->referrers(f->s->ctx, f->image, &text, e));
    j = json_shallow(buf_str(&text)) ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    rows = json_object_get(j, "manifests");
    for (size_t i = 0; i < json_array_size(rows) && !f->list->more; i++) {
        const json_t *row = json_array_get(rows, i);
        struct str type = signed_json_text(row, "artifactType");
        struct digest d;

        if ((str_eq(type, SIMPLE_TYPE) || str_starts(type, BUNDLE_TYPE)) &&
            digest_parse(signed_json_text(row, "digest"), &d, ERR_IGNORED) == ERR_OK)
            TRY(look_at_manifest(f, d.text, e));
    }
    return ERR_OK;
}

enum err_code signatures_find(const struct signature_source *s, const struct digest *image,
                              const struct signature_keys *keys, struct signature_list *ret_list,
                              struct err *e)
{
    struct finding f = {s, image, keys, ret_list};
    char tag[TAG_MAX];

    *ret_list = (struct signature_list){.n = 0};
    snprintf(tag, sizeof(tag), "%s-%s.sig", digest_algorithm_name(image->algorithm),
             digest_hex(image).p);
    TRY(look_at_manifest(&f, tag, e));
    return look_at_referrers(&f, e);
}
