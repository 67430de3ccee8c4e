#include "trust/beside.h"

#include "core/runnable.h"

#define CHILDREN_MAX 64 /* of an index that are looked at */

/* Of layers that say something about an image. */
static bool is_statement(struct str type)
{
    static const char *const beginnings[] = {
        "application/vnd.dev.cosign.simplesigning",
        "application/vnd.dev.sigstore.bundle",
        "application/vnd.dsse.envelope",
        "application/vnd.in-toto",
        "application/jose+json",
        "application/cose",
        "application/vnd.cyclonedx",
        "application/spdx",
        "text/spdx",
        "application/vnd.syft",
        "application/sarif",
        "application/vnd.openvex",
        "application/vnd.oci.empty",
    };

    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        if (str_starts(type, str_of(beginnings[i])))
            return true;
    }
    return false;
}

/* The first link is the config. */
static bool only_statements(const struct out_manifest *m)
{
    for (size_t i = 1; i < m->parsed.n_links; i++) {
        if (!is_statement(out_json_text(out_manifest_descriptor(m, i), "mediaType")))
            return false;
    }
    return m->parsed.n_links > 1;
}

/* A subject says what it is about, and not that it is of no use itself: with the config of an image
 * or of what else programs are run from, anything that is no statement might be its files (EROFS,
 * Nydus). */
static bool may_be_used(const struct out_manifest *m)
{
    static const char *const configs[] = {
        "application/vnd.docker.plugin.v1+json",
        "application/vnd.cncf.helm.config.v1+json",
        "application/vnd.wasm.config.v0+json",
        "application/vnd.wasm.config.v1+json",
    };
    const char *type = m->parsed.config_type;

    for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
        if (strcmp(type, configs[i]) == 0)
            return true;
    }
    return runnable_config(str_of(m->parsed.media_type), str_of(type));
}

static enum err_code is_beside_image(struct registry *r, const struct repo_name *repo,
                                     const struct out_manifest *m, bool *ret_is, struct err *e)
{
    struct str unused;
    bool runs;

    *ret_is = false;
    if ((!m->parsed.has_subject || may_be_used(m)) && !only_statements(m))
        return ERR_OK;
    TRY(runnable_image(r, repo, m, &runs, &unused, e));
    *ret_is = !runs;
    return ERR_OK;
}

enum err_code beside_something(struct registry *r, const struct repo_name *repo,
                               const struct out_manifest *m, bool *ret_is, struct err *e)
{
    if (m->parsed.shape == MANIFEST_IMAGE)
        return is_beside_image(r, repo, m, ret_is, e);
    *ret_is = m->parsed.n_links <= CHILDREN_MAX;
    for (size_t i = 0; i < m->parsed.n_links && *ret_is; i++) {
        AUTO(out_manifest) struct out_manifest child = {0};
        enum err_code code = out_manifest_by_digest(r, repo, &m->parsed.links[i].digest, &child, e);

        *ret_is = false;
        if (code == ERR_MANIFEST_UNKNOWN)
            return ERR_OK;
        TRY(code);
        if (child.parsed.shape == MANIFEST_IMAGE)
            TRY(is_beside_image(r, repo, &child, ret_is, e));
    }
    return ERR_OK;
}

/* "sha256-HEX", with ".sig", ".att" or ".sbom" behind it. */
static bool subject_of_tag(const struct tag_name *tag, struct digest *ret)
{
    struct str s = tag_name_str(tag), rest;
    char text[DIGEST_TEXT_MAX + 1];

    if (!str_starts(s, STR("sha256-")) || s.n < 71)
        return false;
    rest = str_sub(s, 71, s.n - 71);
    if (rest.n > 0 && !str_eq(rest, STR(".sig")) && !str_eq(rest, STR(".att")) &&
        !str_eq(rest, STR(".sbom")))
        return false;
    (void)str_copy(str_sub(s, 0, 71), text, sizeof(text));
    text[6] = ':';
    return digest_parse(str_of(text), ret, ERR_IGNORED) == ERR_OK;
}

bool beside_subject(const struct manifest *m, const struct tag_name *tag,
                    struct digest *ret_subject)
{
    if (m && m->has_subject) {
        *ret_subject = m->subject;
        return true;
    }
    return tag && subject_of_tag(tag, ret_subject);
}
