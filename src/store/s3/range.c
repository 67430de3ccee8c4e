#include "store/s3/range.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define BODY_MAX 65536 /* of an answer that is not the blob */

struct s3_range *s3_range_new(uint64_t from_bytes, uint64_t until_bytes, uint64_t size_bytes,
                              int wait_fd)
{
    struct s3_range *r = NEW(struct s3_range);

    r->from_bytes = r->at_bytes = from_bytes;
    r->until_bytes = until_bytes;
    r->size_bytes = size_bytes;
    r->wait_fd = wait_fd;
    buf_init(&r->answer.body, BODY_MAX);
    return r;
}

void s3_range_free(struct s3_range *r)
{
    s3_range_close(r);
    buf_done(&r->answer.body);
    free(r);
}

enum err_code s3_range_open(struct s3_range *r, struct s3_client *c, const struct s3_name *name,
                            bool list, struct err *e)
{
    struct s3_request request = {.method = "GET", .name = list ? NULL : name};
    struct epoll_event event = {.events = EPOLLIN};
    char range[64];

    r->whole = list || (r->at_bytes == 0 && r->until_bytes == r->size_bytes);
    if (list)
        s3_list_query(&request, (struct str){name->text, name->n});
    if (!r->whole) {
        snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)r->at_bytes,
                 (unsigned long long)r->until_bytes - 1);
        s3_header(&request, STR("range"), str_of(range));
    }
    TRY(s3_stream(c, &request, &r->answer, &r->stream, e));
    if (epoll_ctl(r->wait_fd, EPOLL_CTL_ADD, client_stream_fd(r->stream), &event) < 0)
        return err_errno(e, "wait for a blob");
    return ERR_OK;
}

void s3_range_close(struct s3_range *r)
{
    if (!r->stream)
        return;
    epoll_ctl(r->wait_fd, EPOLL_CTL_DEL, client_stream_fd(r->stream), NULL);
    client_stream_free(r->stream);
    r->stream = NULL;
}

enum err_code s3_range_receive(struct s3_range *r, void *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    TRY(client_stream_read(r->stream, buf, cap, ret_n, e));
    r->answer.status = client_stream_status(r->stream);
    return ERR_OK;
}

bool s3_range_has_blob(const struct s3_range *r)
{
    return r->answer.status == (r->whole ? 200 : 206);
}

size_t s3_range_take(struct s3_range *r, void *buf, size_t cap)
{
    size_t n = cap < r->kept_n - r->kept_at ? cap : r->kept_n - r->kept_at;

    if (n > 0)
        memcpy(buf, r->kept + r->kept_at, n);
    r->kept_at += n;
    return n;
}

static bool is_sound(const struct s3_range *r)
{
    return s3_range_has_blob(r) &&
           (r->answer.total_bytes == UINT64_MAX || r->answer.total_bytes == r->size_bytes);
}

void s3_range_keep(struct s3_range *r)
{
    enum err_code code = ERR_OK;
    size_t n = 0;

    while (r->stream && code == ERR_OK && r->at_bytes < r->until_bytes) {
        code = s3_range_receive(r, r->kept + r->kept_n, (size_t)(r->until_bytes - r->at_bytes), &n,
                                ERR_IGNORED);
        if (code == ERR_OK && (n == 0 || !is_sound(r)))
            code = ERR_UNAVAILABLE;
        if (code != ERR_OK)
            break;
        r->kept_n += n;
        r->at_bytes += n;
    }
    if (code != ERR_LATER)
        s3_range_close(r);
}
