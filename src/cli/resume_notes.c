#include "cli/resume_notes.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/cli.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#define PATH_SIZE 4096
#define NAME_SIZE 72
#define TEXT_MAX  8192
#define KEPT_S    (7 * 24 * 3600) /* servers forget sessions sooner */

static void remove_old(int dir_fd)
{
    AUTO(dir) DIR *dir = fdopendir(fcntl(dir_fd, F_DUPFD_CLOEXEC, 3));
    struct dirent *entry;
    struct stat st;

    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] != '.' &&
            fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            time(NULL) - st.st_mtime > KEPT_S)
            unlinkat(dir_fd, entry->d_name, 0);
    }
}

void resume_notes_open(char *const *environment, struct resume_notes *ret)
{
    const char *cache = cli_variable(environment, "XDG_CACHE_HOME");
    const char *home = cli_variable(environment, "HOME");
    char path[PATH_SIZE];

    ret->dir_fd = -1;
    if ((!cache && !home) ||
        snprintf(path, sizeof(path), "%s%s/cyberdock/uploads", cache ? cache : home,
                 cache ? "" : "/.cache") >= (int)sizeof(path) ||
        file_mkdirs_at(AT_FDCWD, path, false, ERR_IGNORED) != ERR_OK)
        return;
    ret->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret->dir_fd >= 0)
        remove_old(ret->dir_fd);
}

void resume_notes_done(struct resume_notes *n)
{
    if (n->dir_fd >= 0)
        close(n->dir_fd);
}

static void name_of(const char *repository_url, const struct digest *d, char name[static NAME_SIZE])
{
    AUTO(hasher) struct hasher *h = hasher_new(DIGEST_SHA256);
    struct digest key;

    hasher_update(h, repository_url, strlen(repository_url) + 1);
    hasher_update(h, d->text, d->n);
    hasher_digest(h, &key);
    snprintf(name, NAME_SIZE, STR_FMT, STR_ARG(digest_hex(&key)));
}

bool resume_notes_load(const struct resume_notes *n, const char *repository_url,
                       const struct digest *d, char *ret_location, size_t cap)
{
    AUTO(buf) struct buf text = {0};
    char name[NAME_SIZE];

    name_of(repository_url, d, name);
    buf_init(&text, TEXT_MAX);
    return n->dir_fd >= 0 && faccessat(n->dir_fd, name, R_OK, 0) == 0 &&
           file_read_at(n->dir_fd, name, &text, ERR_IGNORED) == ERR_OK && text.n > 0 &&
           str_is_text(buf_str(&text)) && str_copy(buf_str(&text), ret_location, cap);
}

void resume_notes_save(const struct resume_notes *n, const char *repository_url,
                       const struct digest *d, const char *location)
{
    char name[NAME_SIZE], fresh[NAME_SIZE + 8];
    AUTO(fd) int fd = -1;

    if (n->dir_fd < 0)
        return;
    name_of(repository_url, d, name);
    snprintf(fresh, sizeof(fresh), ".%s", name);
    fd = openat(n->dir_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    if (file_write_all(fd, location, strlen(location)) < 0 ||
        renameat(n->dir_fd, fresh, n->dir_fd, name) < 0)
        unlinkat(n->dir_fd, fresh, 0);
}

void resume_notes_drop(const struct resume_notes *n, const char *repository_url,
                       const struct digest *d)
{
    char name[NAME_SIZE];

    if (n->dir_fd < 0)
        return;
    name_of(repository_url, d, name);
    unlinkat(n->dir_fd, name, 0);
}
