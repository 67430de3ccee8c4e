#include "core/archive_members.h"

#include "base/mem.h"

#define DEPTH_MAX 8u /* of indexes in each other */

void out_members_done(struct out_members *m)
{
    for (size_t i = 0; i < m->n; i++)
        meta_manifest_unref(m->list[i].text);
    free(m->list);
    free(m->left_out);
}

void out_members_path(const struct digest *d, char dst[static OUT_PATH_MAX])
{
    snprintf(dst, OUT_PATH_MAX, "blobs/%s/" STR_FMT, digest_algorithm_name(d->algorithm),
             STR_ARG(digest_hex(d)));
}

static bool listed(const struct digest *list, size_t n, const struct digest *d)
{
    for (size_t i = 0; i < n; i++) {
        if (digest_eq(&list[i], d))
            return true;
    }
    return false;
}

static bool has(const struct out_members *m, const struct digest *d)
{
    for (size_t i = 0; i < m->n; i++) {
        if (digest_eq(&m->list[i].digest, d))
            return true;
    }
    return false;
}

static enum err_code add(struct out_members *m, const struct digest *d, uint64_t n_bytes,
                         struct meta_manifest *text, struct err *e)
{
    m->text_bytes += text ? n_bytes : 0;
    if (m->n == OUT_MEMBERS_MAX)
        return err_tell(e, ERR_UNSUPPORTED, "it names more than %u manifests and blobs",
                        OUT_MEMBERS_MAX);
    if (m->text_bytes > OUT_TEXT_MAX)
        return err_tell(e, ERR_UNSUPPORTED, "its manifests have more than %u bytes", OUT_TEXT_MAX);
    m->list = mem_resize(m->list, (m->n + 1) * sizeof(*m->list));
    m->list[m->n++] = (struct out_member){
        .digest = *d, .n_bytes = n_bytes, .text = text ? meta_manifest_ref(text) : NULL};
    return ERR_OK;
}

static void leave_out(struct out_members *m, const struct digest *d)
{
    if (listed(m->left_out, m->n_left_out, d))
        return;
    m->left_out = mem_resize(m->left_out, (m->n_left_out + 1) * sizeof(*m->left_out));
    m->left_out[m->n_left_out++] = *d;
}

static enum err_code add_blob(struct out_members *m, const struct digest *d, bool may_lack,
                              struct err *e)
{
    uint64_t n_bytes;
    enum err_code code;

    if (has(m, d))
        return ERR_OK;
    code = meta_blob_stat(m->r->meta, m->repo, d, &n_bytes, e);
    if (code == ERR_BLOB_UNKNOWN && may_lack)
        return ERR_OK;
    if (code == ERR_BLOB_UNKNOWN)
        return err_tell(e, code, "%s, which the image needs, is not in this repository", d->text);
    TRY(code);
    return add(m, d, n_bytes, NULL, e);
}

static enum err_code add_image(struct out_members *m, const struct out_manifest *image,
                               struct err *e)
{
    for (size_t i = 0; i < image->parsed.n_links; i++) {
        const struct manifest_link *link = &image->parsed.links[i];

        if (i > 0 && listed(m->have, m->n_have, &link->digest))
            leave_out(m, &link->digest);
        else
            TRY(add_blob(m, &link->digest, link->kind == LINK_FOREIGN_BLOB && !m->need_all, e));
    }
    return ERR_OK;
}

static enum err_code add_manifest(struct out_members *m, const struct out_manifest *x,
                                  unsigned depth, struct err *e);

static enum err_code add_child(struct out_members *m, const struct manifest_link *link,
                               unsigned depth, struct err *e)
{
    AUTO(out_manifest) struct out_manifest child = {0};
    enum err_code code;

    if (link->kind == LINK_UNKNOWN)
        return add_blob(m, &link->digest, true, e);
    if (has(m, &link->digest))
        return ERR_OK;
    code = out_manifest_by_digest(m->r, m->repo, &link->digest, &child, e);
    if (code == ERR_MANIFEST_UNKNOWN) /* of a sparse index */
        return ERR_OK;
    TRY(code);
    if (depth == DEPTH_MAX)
        return err_tell(e, ERR_UNSUPPORTED, "more than %u indexes are in each other", DEPTH_MAX);
    return add_manifest(m, &child, depth + 1, e);
}

static enum err_code add_manifest(struct out_members *m, const struct out_manifest *x,
                                  unsigned depth, struct err *e)
{
    TRY(add(m, &x->stored->digest, x->stored->bytes.n, x->stored, e));
    if (x->parsed.shape == MANIFEST_IMAGE)
        return add_image(m, x, e);
    for (size_t i = 0; i < x->parsed.n_links; i++)
        TRY(add_child(m, &x->parsed.links[i], depth, e));
    return ERR_OK;
}

enum err_code out_members_add(struct out_members *m, const struct out_manifest *root, struct err *e)
{
    return add_manifest(m, root, 1, e);
}

void out_members_lay_out(const struct out_members *m, struct out_layout *l)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct out_member *x = &m->list[i];
        char path[OUT_PATH_MAX];

        out_members_path(&x->digest, path);
        if (x->text)
            out_layout_file(l, str_of(path), x->text->bytes);
        else
            out_layout_blob(l, str_of(path), &x->digest, x->n_bytes);
    }
}
