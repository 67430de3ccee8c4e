/* XML as servers of AWS's protocols write it, read by libexpat, which is loaded at the first use.
 * Foreign bytes: a document type, levels without end and texts without end are refused. */
#pragma once

#include "base/err.h"
#include "base/str.h"

#define XML_PATH_MAX 256

/* An element has ended: its path ("ListBucketResult/Contents/Key"; prefixes of names as they are
 * written) and the text that is in it, "" for one that holds elements. */
typedef void (*xml_fn)(void *ctx, struct str path, struct str text);

/* Errors: UNAVAILABLE for what is no such document: whoever answered is not the server. */
ERR_CHECKED enum err_code xml_each(struct str document, xml_fn fn, void *ctx, struct err *e);
