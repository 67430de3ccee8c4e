#include "signing/signature.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/media.h"
#include "signing/notation_trust.h"
#include "signing/signature_judge.h"
#include "signing/signed_json.h"

#include <stdio.h>

#define SIMPLE_TYPE   STR("application/vnd.dev.cosign.artifact.sig.v1+json")
#define BUNDLE_TYPE   STR("application/vnd.dev.sigstore.bundle")
#define NOTATION_TYPE STR("application/vnd.cncf.notary.signature")
#define TAG_MAX       (DIGEST_TEXT_MAX + 8)

struct finding {
    const struct signature_source *s;
    struct signature_judging judging;
    struct signature_list *list;
    bool attestations;             /* are looked for, not signatures */
    struct notation_target target; /* what notation signs; without a media type until it is read */
};

static const struct signature_form jws = {"notation", NULL}, cose = {"notation", NULL};

/* What a layer of a manifest that is beside an image can be; NULL: nothing that is looked for. */
static const struct signature_form *form_of(const struct finding *f, struct str layer_type)
{
    const struct signature_form *form = signature_form_of(layer_type);

    if (form || !f->judging.trust->notation || f->attestations)
        return form;
    if (str_eq(layer_type, STR("application/jose+json")))
        return &jws;
    return str_eq(layer_type, STR("application/cose")) ? &cose : NULL;
}

/* False: it was looked at too much. */
static bool look(struct finding *f)
{
    f->list->more |= f->list->looks == SIGNATURE_LOOKS_MAX;
    f->list->looks += !f->list->more;
    return !f->list->more;
}

/* NULL: there is no room for more. */
static struct signature *add(struct finding *f, const struct digest *manifest, const char *form)
{
    struct signature_list *l = f->list;

    if (l->n == SIGNATURES_MAX || !look(f)) {
        l->more = true;
        return NULL;
    }
    l->rows[l->n] = (struct signature){.verdict = SIGNATURE_UNKNOWN,
                                       .manifest = *manifest,
                                       .form = form,
                                       .until_ms = SIGNATURE_FOR_EVER};
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

/* ---- of notation */

static struct str repository_of(const struct finding *f)
{
    return str_of(f->s->repository ? f->s->repository : "");
}

/* What the manifest says it is; one that doesn't is of the OCI. */
static struct str media_type_of(const json_t *manifest)
{
    static const char *const known[] = {MEDIA_OCI_MANIFEST, MEDIA_OCI_INDEX, MEDIA_DOCKER_MANIFEST,
                                        MEDIA_DOCKER_LIST};
    struct str said = signed_json_text(manifest, "mediaType");

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (str_eq(said, str_of(known[i])))
            return str_of(known[i]);
    }
    return str_of(json_object_get(manifest, "manifests") ? MEDIA_OCI_INDEX : MEDIA_OCI_MANIFEST);
}

/* Once. */
static enum err_code read_target(struct finding *f, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *j = NULL;
    struct str image = f->s->image;
    struct digest d;

    if (f->target.media_type.n > 0)
        return ERR_OK;
    if (image.n == 0) {
        buf_init(&text, SIGNATURE_IMAGE_MAX);
        TRY(f->s->manifest(f->s->ctx, f->judging.image->text, &text, &d, e));
        image = buf_str(&text);
    }
    j = json_shallow(image) ? json_loadb(image.p, image.n, 0, NULL) : NULL;
    f->target = (struct notation_target){
        .digest = *f->judging.image, .media_type = media_type_of(j), .size_bytes = image.n};
    return ERR_OK;
}

static enum err_code check_notation(struct finding *f, const struct signature_form *form,
                                    struct str bytes, struct signature *ret, struct err *e)
{
    struct notation_signature s = {.form = form == &jws ? NOTATION_JWS : NOTATION_COSE,
                                   .bytes = bytes,
                                   .repository = repository_of(f),
                                   .now_ms = f->judging.now_ms};

    TRY(read_target(f, e));
    s.target = f->target;
    notation_judge(f->judging.trust->notation, &s, ret);
    return ERR_OK;
}

/* A policy may say that an image needs no signature of notation. */
static void look_for_skip(struct finding *f)
{
    const char *name = f->judging.trust->notation && !f->attestations
                           ? notation_trust_skips(f->judging.trust->notation, repository_of(f))
                           : NULL;
    struct signature *row = name ? add(f, f->judging.image, jws.name) : NULL;
    AUTO(buf) struct buf why = {0};

    if (!row)
        return;
    buf_init(&why, 1024);
    buf_addf(&why, "no signature is needed: '%s' of the trust policy is of level skip", name);
    row->verdict = SIGNATURE_GOOD;
    row->signer = SIGNER_NOTATION;
    row->why = str_dup(buf_str(&why));
}

/* ---- layers */

static enum err_code check(struct finding *f, const struct signature_form *form,
                           const json_t *layer, struct str bytes, struct signature *ret,
                           struct err *e)
{
    if (!form->judge)
        return check_notation(f, form, bytes, ret, e);
    form->judge(&f->judging, bytes, json_object_get(layer, "annotations"), ret);
    return ERR_OK;
}

static enum err_code look_at_layer(struct finding *f, const struct digest *manifest,
                                   const json_t *layer, const struct signature_form *form,
                                   struct err *e)
{
    struct signature *row = add(f, manifest, form->name);
    AUTO(buf) struct buf bytes = {0};
    enum err_code code;

    if (!row)
        return ERR_OK;
    buf_init(&bytes, SIGNATURE_BLOB_MAX);
    code = read_layer(f, layer, &bytes, e);
    if (code != ERR_OK)
        return passes(code) ? ERR_OK : code;
    TRY(check(f, form, layer, buf_str(&bytes), row, e));
    if ((row->predicate != NULL) != f->attestations)
        signature_done(&f->list->rows[--f->list->n]);
    return ERR_OK;
}

static enum err_code look_at_manifest(struct finding *f, const char *reference, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *j = NULL;
    struct digest d;
    const json_t *layers;
    enum err_code code;

    if (!look(f))
        return ERR_OK;
    buf_init(&text, SIGNATURE_DOCUMENT_MAX);
    code = f->s->manifest(f->s->ctx, reference, &text, &d, e);
    if (code != ERR_OK)
        return passes(code) ? ERR_OK : code;
    j = json_shallow(buf_str(&text)) ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    layers = json_object_get(j, "layers");
    for (size_t i = 0; i < json_array_size(layers) && !f->list->more; i++) {
        const json_t *layer = json_array_get(layers, i);
        const struct signature_form *form = form_of(f, signed_json_text(layer, "mediaType"));

        if (form)
            TRY(look_at_layer(f, &d, layer, form, e));
    }
    return ERR_OK;
}

static bool holds_signatures(const struct finding *f, struct str artifact_type)
{
    return str_eq(artifact_type, SIMPLE_TYPE) || str_starts(artifact_type, BUNDLE_TYPE) ||
           (f->judging.trust->notation && !f->attestations && str_eq(artifact_type, NOTATION_TYPE));
}

static enum err_code look_at_referrers(struct finding *f, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *j = NULL;
    const json_t *rows;
    bool more = false;
    enum err_code code;

    buf_init(&text, SIGNATURE_REFERRERS_MAX);
    code = f->s->referrers(f->s->ctx, f->judging.image, &text, &more, e);
    if (code != ERR_OK) {
        f->list->more = true;
        return passes(code) ? ERR_OK : code;
    }
    j = json_shallow(buf_str(&text)) ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    rows = json_object_get(j, "manifests");
    for (size_t i = 0; i < json_array_size(rows) && !f->list->more; i++) {
        const json_t *row = json_array_get(rows, i);
        struct str type = signed_json_text(row, "artifactType");
        struct digest d;

        if (holds_signatures(f, type) &&
            digest_parse(signed_json_text(row, "digest"), &d, ERR_IGNORED) == ERR_OK)
            TRY(look_at_manifest(f, d.text, e));
    }
    f->list->more |= more || (!j && text.n > 0);
    return ERR_OK;
}

static enum err_code look_everywhere(struct finding *f, const char *suffix, struct err *e)
{
    char tag[TAG_MAX];

    if (f->judging.now_ms == 0)
        f->judging.now_ms = clock_wall_ms();
    *f->list = (struct signature_list){.n = 0};
    snprintf(tag, sizeof(tag), "%s-%s%s", digest_algorithm_name(f->judging.image->algorithm),
             digest_hex(f->judging.image).p, suffix);
    look_for_skip(f);
    TRY(look_at_manifest(f, tag, e));
    return look_at_referrers(f, e);
}

enum err_code signatures_find(const struct signature_source *s, const struct digest *image,
                              const struct trust *trust, struct signature_list *ret_list,
                              struct err *e)
{
    struct finding f = {.s = s, .judging = {image, trust, s->now_ms}, .list = ret_list};

    return look_everywhere(&f, ".sig", e);
}

enum err_code attestations_find(const struct signature_source *s, const struct digest *image,
                                const struct trust *trust, struct signature_list *ret_list,
                                struct err *e)
{
    struct finding f = {
        .s = s, .judging = {image, trust, s->now_ms}, .list = ret_list, .attestations = true};

    return look_everywhere(&f, ".att", e);
}

void signature_list_done(struct signature_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        signature_done(&l->rows[i]);
    l->n = 0;
}
