/* A bundle of sigstore, or the annotations of cosign: what is read of it is whole and bounded, and
 * no log has an entry that it did not sign. */
#include "signing/evidence.h"
#include "signing/public_key.h"
#include "signing/signature_judge.h"
#include "signing/signed_json.h"
#include "signing/trust_roots.h"

#include "base/cleanup.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of a log that signed none of the seeds. */
static const char log_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHL7GVPyW+SjHV+CIF8pu0oIBv5W6\n"
                              "IziVomcpr3IedDVnfH5jgJ+vCxzeKoxx4c4Bizl7KUN6XeAv6fxfdlUxNA==\n"
                              "-----END PUBLIC KEY-----\n";

static void look(const struct evidence *v)
{
    static struct trust_roots roots;
    const struct log_subject subject = {STR("message"), STR("payload"), STR("signature"),
                                        v->certificate};
    const struct trust_log *log;
    int64_t at_ms;

    if (roots.n_logs == 0) {
        assert(public_key_parse(str_of(log_pem), &roots.logs[0].key, ERR_IGNORED) == ERR_OK);
        roots.logs[roots.n_logs++].period = (struct trust_period){INT64_MIN, INT64_MAX};
    }
    assert(v->n_entries <= EVIDENCE_MAX && v->n_stamps <= EVIDENCE_MAX);
    for (size_t i = 0; i < v->n_entries; i++) {
        assert(v->entries[i].body.n > 0);
        assert(!v->certificate || !log_entry_speaks_of(&v->entries[i], &subject));
        assert(!log_entry_is_logged(&v->entries[i], &roots, &at_ms, &log));
    }
}

static void judge(struct str text)
{
    const struct trust nobody = {.keys = NULL};
    const struct signature_form *form =
        signature_form_of(STR("application/vnd.dev.sigstore.bundle.v0.3+json"));
    struct signature s = {.verdict = SIGNATURE_UNKNOWN};
    struct digest image;

    digest_of(DIGEST_SHA256, "", 0, &image);
    form->judge(&(struct signature_judging){&image, &nobody, 0}, text, NULL, &s);
    assert(s.verdict == SIGNATURE_OTHER_KEY || s.verdict == SIGNATURE_UNKNOWN);
    signature_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    AUTO(json) json_t *j = signed_json_parse(text);
    AUTO(evidence) struct evidence bundle = {0};
    AUTO(evidence) struct evidence annotations = {0};

    evidence_of_bundle(j, &bundle);
    look(&bundle);
    evidence_of_annotations(j, &annotations);
    look(&annotations);
    judge(text);
    return 0;
}
