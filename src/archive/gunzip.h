/*
 * One member of gzip (RFC 1952) after another, by two libraries: zlib reads the header, and ISA-L
 * the rest, in less than half of the time. What zlib takes is taken, and the other way round, but
 * for one thing: ISA-L passes Huffman codes that leave some codes without a symbol (RFC 1951
 * forbids that without saying so), until one of these comes.
 */
#pragma once

#include <stddef.h>

struct gunzip; /* one thread; 90 KiB */

/* NULL: no memory. */
struct gunzip *gunzip_new(void);
void gunzip_free(struct gunzip *g); /* accepts NULL */

/* The next member begins. */
void gunzip_begin(struct gunzip *g);

enum gunzip_state {
    GUNZIP_MORE,   /* it waits for bytes, or, where all room was taken, for room */
    GUNZIP_MEMBER, /* a member has ended, and its length and its CRC are right */
    GUNZIP_DAMAGED
};

/* Takes *n bytes at *p, at most 4 GiB; *p and *n become what is left, of a member that has ended.
 * Puts at most `room` bytes to out, and their number to *ret_n. */
enum gunzip_state gunzip_step(struct gunzip *g, const unsigned char **p, size_t *n,
                              unsigned char *out, size_t room, size_t *ret_n);
