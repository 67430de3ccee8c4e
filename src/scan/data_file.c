#include "scan/data_file.h"

#include "base/file.h"

#include <endian.h>
#include <string.h>

/* A meta page of bbolt: a page header, then this, in the byte order of the machine that wrote it,
 * which is little endian wherever scanners run. Its checksum is FNV-1a of 64 bits over what is
 * before it. */
#define PAGE_HEADER    16
#define META_BYTES     64
#define META_MAGIC     0xED0CDAEDu
#define AT_PAGE_BYTES  8
#define AT_PAGES       40
#define AT_CHECKSUM    56
#define PAGE_BYTES_MIN 1024u
#define PAGE_BYTES_MAX 65536u

static uint32_t u32_at(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

static uint64_t u64_at(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

static uint64_t fnv(const uint8_t *p, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

static bool meta_is_right(int fd, uint64_t at_bytes, uint64_t bytes, uint32_t *ret_page_bytes)
{
    uint8_t meta[META_BYTES];
    uint64_t pages;

    if (file_pread_all(fd, meta, sizeof(meta), at_bytes + PAGE_HEADER) != sizeof(meta) ||
        u32_at(meta) != META_MAGIC || u64_at(meta + AT_CHECKSUM) != fnv(meta, AT_CHECKSUM))
        return false;
    *ret_page_bytes = u32_at(meta + AT_PAGE_BYTES);
    if (*ret_page_bytes < PAGE_BYTES_MIN || *ret_page_bytes > PAGE_BYTES_MAX)
        return false;
    pages = u64_at(meta + AT_PAGES);
    return pages <= bytes / *ret_page_bytes;
}

bool data_file_is_bolt(int fd, uint64_t bytes)
{
    uint32_t page_bytes = 0;

    if (meta_is_right(fd, 0, bytes, &page_bytes))
        return true;
    /* The first may have been cut off in a write; the second stands one page on. */
    for (page_bytes = PAGE_BYTES_MIN; page_bytes <= PAGE_BYTES_MAX; page_bytes *= 2) {
        uint32_t said = 0;

        if (meta_is_right(fd, page_bytes, bytes, &said) && said == page_bytes)
            return true;
    }
    return false;
}

#define SQLITE_HEADER 100

/* https://www.sqlite.org/fileformat2.html, "The Database Header" */
bool data_file_is_sqlite(int fd, uint64_t bytes)
{
    uint8_t h[SQLITE_HEADER];
    uint64_t page_bytes, pages;

    if (file_pread_all(fd, h, sizeof(h), 0) != sizeof(h) || memcmp(h, "SQLite format 3", 16) != 0)
        return false;
    page_bytes = (uint64_t)h[16] << 8 | h[17];
    if (page_bytes == 1)
        page_bytes = 65536;
    pages = (uint64_t)h[28] << 24 | (uint64_t)h[29] << 16 | (uint64_t)h[30] << 8 | h[31];
    return page_bytes >= 512 && pages > 0 && pages <= bytes / page_bytes;
}
