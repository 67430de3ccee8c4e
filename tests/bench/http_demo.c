/*
 * A server for measuring http/ by itself: http_demo ADDRESS [FILE [CERT KEY]].
 *
 *     /hello      a small answer from an I/O thread     /slow      the same from a worker
 *     /manifest   1,900 bytes from an I/O thread        /copy      FILE without sendfile
 *     /file       FILE, opened at each request          /sink      reads the body, answers its size
 */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *file_path;
static char manifest[1900];

static enum http_verdict quick(void *ctx, struct http_exchange *x)
{
    struct str path = http_head(x)->path;

    (void)ctx;
    if (str_eq(path, STR("/hello"))) {
        http_header(x, "Content-Type", STR("text/plain"));
        http_send(x, 200, STR("hello\n"));
        return HTTP_ANSWERED;
    }
    if (str_eq(path, STR("/manifest"))) {
        http_header(x, "Content-Type", STR("application/vnd.oci.image.manifest.v1+json"));
        http_header(x, "Docker-Content-Digest",
                    STR("sha256:"
                        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
        http_header(x, "ETag",
                    STR("\"sha256:"
                        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""));
        http_send(x, 200, (struct str){manifest, sizeof(manifest)});
        return HTTP_ANSWERED;
    }
    return HTTP_BLOCKS;
}

static void send_file(struct http_exchange *x, bool show_fd)
{
    int fd = file_path ? open(file_path, O_RDONLY | O_CLOEXEC) : -1;
    struct stat st;
    struct err e;

    if (fd < 0 || fstat(fd, &st) < 0) {
        http_send(x, 404, STR("no file\n"));
        return;
    }
    http_header(x, "Content-Type", STR("application/octet-stream"));
    if (http_send_content(x, support_reader(fd, show_fd, true), (uint64_t)st.st_size,
                          STR("\"demo\""), &e) != ERR_OK)
        fprintf(stderr, "content: %s\n", e.detail);
}

static void sink(struct http_exchange *x)
{
    size_t cap = 256 * 1024;
    char *buf = malloc(cap);
    uint64_t sum = 0;
    size_t n;
    struct err e;
    char text[32];

    do {
        if (reader_read(http_body(x), buf, cap, &n, &e) != ERR_OK) {
            http_set_note(x, e.detail);
            http_send(x, err_status(e.code), STR("body failed\n"));
            free(buf);
            return;
        }
        sum += n;
    } while (n > 0);
    free(buf);
    snprintf(text, sizeof(text), "%llu\n", (unsigned long long)sum);
    http_send(x, 200, str_of(text));
}

static void serve(void *ctx, struct http_exchange *x)
{
    struct str path = http_head(x)->path;

    (void)ctx;
    if (str_eq(path, STR("/file")))
        send_file(x, true);
    else if (str_eq(path, STR("/copy")))
        send_file(x, false);
    else if (str_eq(path, STR("/sink")))
        sink(x);
    else if (str_eq(path, STR("/slow")))
        http_send(x, 200, STR("hello\n"));
    else
        http_send(x, 404, STR("not here\n"));
}

int main(int argc, char **argv)
{
    static const struct http_app app = {.quick = quick, .serve = serve};
    struct http_server *s;
    struct conf_http conf;
    struct err e;
    sigset_t set;
    int signal_number;

    if (argc < 2)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    memset(manifest, 'm', sizeof(manifest));
    file_path = argc > 2 ? argv[2] : NULL;
    support_conf(&conf, &argv[1]);
    if (argc > 4) {
        conf.tls.certificate = argv[3];
        conf.tls.key = argv[4];
    }
    if (http_server_new(&conf, &app, &s, &e) != ERR_OK || http_server_run(s, &e) != ERR_OK) {
        fprintf(stderr, "%s\n", e.detail);
        return 1;
    }
    sigwait(&set, &signal_number);
    http_server_free(s);
    return 0;
}
