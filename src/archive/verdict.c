#include "archive/verdict.h"

#include <stdlib.h>

void verdict_done(struct archive_verdict *v)
{
    for (size_t i = 0; i < v->n_manifests; i++) {
        free((char *)v->manifests[i].media_type);
        free((char *)v->manifests[i].bytes.p);
    }
    for (size_t i = 0; i < v->n_images; i++) {
        for (size_t k = 0; k < v->images[i].n_names; k++)
            free(v->images[i].names[k]);
        free(v->images[i].names);
    }
    free(v->blobs);
    free(v->manifests);
    free(v->images);
    *v = (struct archive_verdict){0};
}
