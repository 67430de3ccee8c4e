/*
 * What comes of an archive of which all has come: the job that takes it (core/archive_take.h) asks
 * here what only the edge knows, the rights of who sent it, the answer and the audit trail.
 */
#pragma once

#include "api/req.h"
#include "core/archive_session.h"
#include "core/archive_take.h"

/* Who asks, with all that their rights depend on, as archive_session.who. The caller frees. */
char *upload_rights_of(const struct req *q);

/* For a: what the job asks. a must outlive it. */
struct archive_taker upload_taker(struct api *a);

/* The answer of a session that has ended, as /upload-image gives it. */
void upload_taken_reply(struct req *q, const struct archive_session *s);
