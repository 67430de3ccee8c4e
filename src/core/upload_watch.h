/*
 * Streams of what happens to an upload of an archive: server-sent events, each with the row of its
 * record (core/upload_records.h) when that has changed, until it has ended. A thread looks once a
 * second, so that a stream costs no thread and whichever process receives the upload, its streams
 * may be elsewhere.
 */
#pragma once

#include "base/json.h"
#include "base/reader.h"
#include "core/registry.h"

struct upload_watch;

struct upload_watch *upload_watch_new(struct registry *r);
void upload_watch_free(struct upload_watch *w); /* accepts NULL; no stream may be left */

/* No stream goes on from now on: the server is about to stop. Any thread. */
void upload_watch_hush(struct upload_watch *w);

/* A stream of that upload, of which this row was read (it is changed). Its reads do not wait. The
 * events are "progress", and in the end "end". Errors: TOO_MANY_REQUESTS (upload.watchers), told;
 * UNAVAILABLE. */
ERR_CHECKED enum err_code upload_watch_open(struct upload_watch *w, const struct uuid *id,
                                            json_t *row, struct reader **ret_reader, struct err *e);
