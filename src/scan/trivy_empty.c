#include "scan/trivy_empty.h"

#include "base/file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static enum err_code write_file(int dir_fd, const char *folder, const char *name, const void *bytes,
                                size_t n, struct err *e)
{
    AUTO(fd) int fd = -1;
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0 || file_write_all(fd, bytes, n) < 0)
        return err_errno(e, "write '%s'", path);
    return ERR_OK;
}

static enum err_code write_facts(int dir_fd, const char *folder, int version, struct err *e)
{
    char facts[256];
    int n = snprintf(facts, sizeof(facts),
                     "{\"Version\":%d,\"NextUpdate\":\"2100-01-01T00:00:00Z\","
                     "\"UpdatedAt\":\"2000-01-01T00:00:00Z\","
                     "\"DownloadedAt\":\"2000-01-01T00:00:00Z\"}",
                     version);

    return write_file(dir_fd, folder, "metadata.json", facts, (size_t)n, e);
}

enum err_code trivy_empty_index(int dir_fd, const char *dir, const char *folder, struct err *e)
{
    static const char tables[] =
        "CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT);"
        "CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT,"
        " FOREIGN KEY (artifact_id) REFERENCES artifacts(id));"
        "CREATE UNIQUE INDEX artifacts_idx ON artifacts(artifact_id, group_id);"
        "CREATE INDEX indices_artifact_idx ON indices(artifact_id);"
        "CREATE UNIQUE INDEX indices_sha1_idx ON indices(sha1);";
    char path[4096];
    sqlite3 *db = NULL;
    int status;

    snprintf(path, sizeof(path), "%s/%s/trivy-java.db", dir, folder);
    status = sqlite3_open_v2(
        path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW, NULL);
    if (status == SQLITE_OK)
        status = sqlite3_exec(db, tables, NULL, NULL, NULL);
    sqlite3_close(db);
    if (status != SQLITE_OK)
        return err_set(e, ERR_INTERNAL, "make '%s': %s", path, sqlite3_errstr(status));
    return write_facts(dir_fd, folder, 1, e);
}

/* ---- a file of bbolt: two pages about it, a list of free pages, a leaf of nothing (bbolt's
 * page.go and meta.go; in the order of bytes of the machine) */

#define PAGE       4096
#define IS_LEAF    0x02
#define IS_META    0x04
#define IS_FREE    0x10
#define ROOT       3
#define FREE_PAGES 2
#define PAGES      4

struct page {
    uint64_t id;
    uint16_t flags, count;
    uint32_t overflow;
};

struct about {
    uint32_t magic, version, page_bytes, flags;
    uint64_t root, sequence, free_pages, pages, transaction, sum;
};

/* FNV-1a. */
static uint64_t sum_of(const char *bytes, size_t n)
{
    uint64_t sum = 0xcbf29ce484222325;

    for (size_t i = 0; i < n; i++)
        sum = (sum ^ (unsigned char)bytes[i]) * 0x100000001b3;
    return sum;
}

static void put_page(char *file, uint64_t id, uint16_t flags)
{
    const struct page p = {.id = id, .flags = flags};

    memcpy(file + id * PAGE, &p, sizeof(p));
}

static void put_about(char *file, uint64_t id)
{
    char *at = file + id * PAGE + sizeof(struct page);
    const struct about a = {.magic = 0xed0cdaed,
                            .version = 2,
                            .page_bytes = PAGE,
                            .root = ROOT,
                            .free_pages = FREE_PAGES,
                            .pages = PAGES,
                            .transaction = id};
    uint64_t sum;

    put_page(file, id, IS_META);
    memcpy(at, &a, sizeof(a));
    sum = sum_of(at, offsetof(struct about, sum));
    memcpy(at + offsetof(struct about, sum), &sum, sizeof(sum));
}

enum err_code trivy_empty_database(int dir_fd, const char *folder, struct err *e)
{
    char file[PAGES * PAGE] = {0};

    put_about(file, 0);
    put_about(file, 1);
    put_page(file, FREE_PAGES, IS_FREE);
    put_page(file, ROOT, IS_LEAF);
    TRY(write_file(dir_fd, folder, "trivy.db", file, sizeof(file), e));
    return write_facts(dir_fd, folder, 2, e);
}
