#include "archive/gunzip.h"

#include "base/mem.h"

#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

/* Of z_stream.data_type, "inflate": the header has ended, and no bit of what follows was taken. */
#define AT_BLOCK 128

struct gunzip {
    z_stream head;
    struct inflate_state body;
    bool in_body;
};

struct gunzip *gunzip_new(void)
{
    struct gunzip *g = NEW(struct gunzip);

    if (inflateInit2(&g->head, 15 + 16) == Z_OK) /* 16: gzip, and nothing else */
        return g;
    free(g);
    return NULL;
}

void gunzip_free(struct gunzip *g)
{
    if (!g)
        return;
    inflateEnd(&g->head);
    free(g);
}

void gunzip_begin(struct gunzip *g)
{
    inflateReset(&g->head);
    isal_inflate_init(&g->body);
    g->body.crc_flag = ISAL_GZIP_NO_HDR_VER;
    g->in_body = false;
}

/* ISA-L reads headers, too, but forgets what stands in one that comes in pieces. */
static bool take_head(struct gunzip *g, const unsigned char **p, size_t *n)
{
    unsigned char none;
    int code;

    g->head.next_in = (unsigned char *)*p; /* zlib only reads it */
    g->head.avail_in = (uInt)*n;
    g->head.next_out = &none;
    g->head.avail_out = 0;
    code = inflate(&g->head, Z_BLOCK);
    *p = g->head.next_in;
    *n = g->head.avail_in;
    g->in_body = g->head.data_type == AT_BLOCK;
    return code == Z_OK || code == Z_BUF_ERROR;
}

enum gunzip_state gunzip_step(struct gunzip *g, const unsigned char **p, size_t *n,
                              unsigned char *out, size_t room, size_t *ret_n)
{
    struct inflate_state *s = &g->body;
    int code;

    *ret_n = 0;
    if (!g->in_body && !take_head(g, p, n))
        return GUNZIP_DAMAGED;
    if (!g->in_body)
        return GUNZIP_MORE;
    s->next_in = (unsigned char *)*p; /* likewise */
    s->avail_in = (uint32_t)*n;
    s->next_out = out;
    s->avail_out = (uint32_t)room;
    code = isal_inflate(s);
    *p = s->next_in;
    *n = s->avail_in;
    *ret_n = room - s->avail_out;
    if (code != ISAL_DECOMP_OK)
        return GUNZIP_DAMAGED;
    return s->block_state == ISAL_BLOCK_FINISH ? GUNZIP_MEMBER : GUNZIP_MORE;
}
