#include "backup/snapshot.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CACHE_BYTES (16u << 20)

void snapshot_init(struct snapshot *s, const char *work)
{
    AUTO(buf) struct buf path = {0};
    struct uuid id;

    uuid_make(&id);
    buf_init(&path, SIZE_MAX / 2);
    buf_addf(&path, "%s/registry-%s.sqlite", work, id.text);
    *s = (struct snapshot){.path = mem_strdup(buf_text(&path))};
}

enum err_code snapshot_open(struct snapshot *s, struct err *e)
{
    const struct meta_sqlite_options o = {
        .path = s->path, .read_connections = 1, .cache_bytes = CACHE_BYTES};

    return meta_sqlite_new(&o, &s->meta, e);
}

void snapshot_close(struct snapshot *s)
{
    meta_free(s->meta);
    s->meta = NULL;
}

static void remove_file(const struct snapshot *s, const char *suffix)
{
    AUTO(buf) struct buf path = {0};

    buf_init(&path, SIZE_MAX / 2);
    buf_add_text(&path, s->path);
    buf_add_text(&path, suffix);
    unlink(buf_text(&path));
}

void snapshot_done(struct snapshot *s)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};

    if (!s->path)
        return;
    snapshot_close(s);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        remove_file(s, suffixes[i]);
    free(s->path);
    *s = (struct snapshot){0};
}
