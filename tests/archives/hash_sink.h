/* A sink that keeps nothing of the contents of an archive but their digests. */
#pragma once

#include "archive/sink.h"

static int open_contents; /* and have not been released */

static enum err_code begin(void *ctx, enum digest_algorithm algorithm, const struct digest *said,
                           uint64_t size_bytes, void **ret_content, struct err *e)
{
    (void)ctx, (void)said, (void)size_bytes, (void)e;
    open_contents++;
    *ret_content = hasher_new(algorithm);
    return ERR_OK;
}

static enum err_code write_some(void *ctx, void *content, const void *p, size_t n, struct err *e)
{
    (void)ctx, (void)e;
    hasher_update(content, p, n);
    return ERR_OK;
}

static enum err_code finish(void *ctx, void *content, struct digest *ret_digest, struct err *e)
{
    (void)ctx, (void)e;
    hasher_digest(content, ret_digest);
    return ERR_OK;
}

static void release(void *ctx, void *content)
{
    (void)ctx;
    open_contents--;
    hasher_free(content);
}

static const struct archive_sink hash_sink = {begin, write_some, finish, release};
