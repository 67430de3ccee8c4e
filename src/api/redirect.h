/* Blobs by an address of the store's own: storage.s3.redirect. */
#pragma once

#include "api/req.h"

/* The networks of the configuration, parsed once: they change with a restart. */
void redirect_init(struct api *a);
void redirect_done(struct api *a);

/* *ret_done: the client was sent there (307, as the reference registry does). HEAD never is: an
 * address that was signed for GET answers nothing else. Not where the store has no such address,
 * or none yet: a blob that it still moves. */
ERR_CHECKED enum err_code redirect_blob(struct req *q, uint64_t size_bytes, bool *ret_done,
                                        struct err *e);
