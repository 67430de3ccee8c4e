#include "data_files.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PAGE  4096
#define PAGES 4

static void write_whole(const char *dir, const char *name, const void *p, size_t n)
{
    char path[PATH_MAX];
    AUTO(fd) int fd = -1;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, p, n), 0);
}

static void write_part(const char *dir, const char *part, const char *name, const void *p, size_t n,
                       const char *updated)
{
    char path[PATH_MAX], metadata[256];

    snprintf(path, sizeof(path), "%s/%s", dir, part);
    (void)mkdir(path, 0700);
    snprintf(metadata, sizeof(metadata), "{\"Version\":2,\"UpdatedAt\":\"%s\"}", updated);
    write_whole(path, name, p, n);
    write_whole(path, "metadata.json", metadata, strlen(metadata));
}

static void put(unsigned char *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++, v >>= 8)
        p[i] = (unsigned char)v;
}

void data_files_db(const char *dir, const char *updated)
{
    static unsigned char file[PAGES * PAGE];
    unsigned char *meta = file + 16;
    uint64_t hash = 0xcbf29ce484222325u;

    memset(file, 0, sizeof(file));
    put(meta, 0xED0CDAEDu, 4);
    put(meta + 4, 2, 4);
    put(meta + 8, PAGE, 4);
    put(meta + 40, PAGES, 8);
    for (size_t i = 0; i < 56; i++)
        hash = (hash ^ meta[i]) * 0x100000001b3u;
    put(meta + 56, hash, 8);
    write_part(dir, "db", "trivy.db", file, sizeof(file), updated);
}

void data_files_java(const char *dir, const char *updated)
{
    unsigned char file[1024] = "SQLite format 3";

    file[16] = 512 >> 8;
    file[31] = 2;
    write_part(dir, "java-db", "trivy-java.db", file, sizeof(file), updated);
}

void data_files_cut(const char *dir)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/db/trivy.db", dir);
    assert_int_equal(truncate(path, PAGES * PAGE - 1), 0);
}
