#include "scan/sbom.h"

#include "base/file.h"
#include "base/mem.h"
#include "core/own_repo.h"
#include "core/upload.h"
#include "scan/findings_blob.h"

#include <fcntl.h>
#include <sys/stat.h>

#define PIECE_BYTES (64u << 10)

static const struct repo_name scans_repo = {sizeof(SCANS_REPO) - 1, SCANS_REPO};

/* Media types as IANA has them. */
static const struct {
    const char *name, *media_type;
} formats[SBOM_FORMATS] = {[SBOM_CYCLONEDX] = {"cyclonedx", "application/vnd.cyclonedx+json"},
                           [SBOM_SPDX] = {"spdx", "application/spdx+json"}};

const char *sbom_format_name(enum sbom_format f)
{
    return formats[f].name;
}

const char *sbom_format_media_type(enum sbom_format f)
{
    return formats[f].media_type;
}

bool sbom_format_parse(struct str name, enum sbom_format *ret)
{
    for (size_t f = 0; f < SBOM_FORMATS; f++) {
        if (str_ieq(name, str_of(formats[f].name))) {
            *ret = (enum sbom_format)f;
            return true;
        }
    }
    return false;
}

enum err_code sbom_open(struct registry *r, const struct digest *list, struct reader **ret_reader,
                        uint64_t *ret_bytes, struct err *e)
{
    uint64_t bytes;

    return store_blob_open(r->store, &scans_repo, list, UINT64_MAX, ret_reader,
                           ret_bytes ? ret_bytes : &bytes, e);
}

enum err_code sbom_fetch(struct registry *r, const struct digest *list, int dir_fd,
                         const char *name, struct err *e)
{
    AUTO(reader) struct reader *in = NULL;
    AUTO(mem) char *bytes = mem_alloc(PIECE_BYTES);
    AUTO(fd) int fd = -1;
    size_t n;

    TRY(sbom_open(r, list, &in, NULL, e));
    fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(e, "write a list of packages");
    do {
        TRY(reader_read_waiting(in, bytes, PIECE_BYTES, &n, e));
        if (file_write_all(fd, bytes, n) < 0)
            return err_errno(e, "write a list of packages");
    } while (n > 0);
    return ERR_OK;
}

/* Were two alike, and one gone with its image, the other image would be scanned as at first. */
enum err_code sbom_take(struct registry *r, int dir_fd, const char *name, struct digest *ret_list,
                        struct err *e)
{
    AUTO(fd) int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    AUTO(upload) struct upload *u = NULL;
    AUTO(mem) char *bytes = mem_alloc(PIECE_BYTES);
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0 ||
        st.st_size > SBOM_BYTES_MAX)
        return err_set(e, ERR_NOT_FOUND, "there is none");
    TRY(upload_open_alone(r, &scans_repo, "", DIGEST_SHA256, &u, e));
    for (uint64_t at = 0; (n = file_pread_all(fd, bytes, PIECE_BYTES, at)) > 0; at += (uint64_t)n)
        TRY(upload_write(u, bytes, (size_t)n, e));
    if (n < 0)
        return err_errno(e, "read a list of packages");
    return scan_blob_finish(r, STEAL(u), ret_list, e);
}
