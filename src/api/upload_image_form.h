/* An image that comes in a form: its file is an archive, its other fields are those of the query.
 */
#pragma once

#include "api/req.h"
#include "http/form.h"

struct image_form; /* one thread at a time */

/* More than so long nothing of a form can be beside its file. */
#define IMAGE_FORM_EXTRA_BYTES (HTTP_FORM_PARTS_MAX * (2 * HTTP_FORM_HEAD_MAX + 1024u))

/* By the Content-Type of the request. Error: REQUEST_INVALID, told. */
ERR_CHECKED enum err_code image_form_new(const struct req *q, struct image_form **ret_form,
                                         struct err *e);
void image_form_free(struct image_form *f); /* accepts NULL */

/*
 * The next bytes of the body: those of the file go to q's image upload, and q gets the repository
 * and tag when they come, for which the right is asked for then. Errors, told: IMAGE_INVALID, see
 * image_form_refusal(); NAME_INVALID, TAG_INVALID; DENIED, UNAUTHORIZED; those of the upload.
 */
ERR_CHECKED enum err_code image_form_feed(struct image_form *f, struct req *q, struct str bytes,
                                          struct err *e);

/* The body has ended: is all there? Error: IMAGE_INVALID, told. */
ERR_CHECKED enum err_code image_form_end(struct image_form *f, struct err *e);

/* Of these fields; "": there was none. The platform is one. */
const char *image_form_image(const struct image_form *f);
const char *image_form_platform(const struct image_form *f);

/* Why it was refused; its code is NONE when that was for another reason. */
const struct refusal *image_form_refusal(const struct image_form *f);
