/* What a request to an upload session of an archive is at while its body comes. */
#pragma once

struct archive_receipt;

void archive_receipt_free(struct archive_receipt *x); /* accepts NULL */
