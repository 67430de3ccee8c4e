/*
 * What somebody says of vulnerabilities of an image in OpenVEX documents that are attached to it.
 * Pure; who has one uses it alone. Foreign bytes: what is not understood says nothing.
 * Source: OpenVEX specification 0.2.0, "Document", "Statement", "Product"; DSSE and in-toto
 * statements around it are opened, their signatures are not looked at.
 */
#pragma once

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "scan/finding.h"

struct vex;

#define VEX_DOCUMENT_MAX (1u << 20) /* bytes */
#define VEX_STATEMENTS_MAX                                                                         \
    4096 /* of all documents, each product and id counted; of more                                 \
            none dismisses, for a later one may say otherwise */

/* Of documents that are attached to the image. */
struct vex *vex_new(const struct digest *image);
void vex_free(struct vex *v); /* accepts NULL */

/* Adds what a document says. Error: MANIFEST_INVALID: it is none, or says too much. */
ERR_CHECKED enum err_code vex_add(struct vex *v, struct str document, struct err *e);

/* There are more documents than are read: from now on nothing is dismissed. */
void vex_overflow(struct vex *v);

/* Does the latest statement about it say that the image is not affected, or that it is fixed there?
 * v may be NULL: there are no documents. */
bool vex_dismisses(const struct vex *v, const struct finding *f);

AUTO_POINTER(vex, vex_free);
