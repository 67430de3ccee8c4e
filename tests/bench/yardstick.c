/*
 * yardstick: the least a registry has to do for a push, in one thread: receive over TCP, hash
 * with SHA-256, write to a file, and (with -f) make it durable as a registry must: fsync, rename,
 * fsync of the directory. No HTTP, no metadata.
 *
 *     yardstick [-f] [-b buffer] directory
 *
 * Prints the port it listens on. A push is 8 bytes of length (big endian) and the bytes; the answer
 * is the digest, 32 bytes. Ends when standard input does.
 */
#include "client.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
    bool durable;
    size_t buffer_bytes;
    int dir_fd;
};

static struct options options_parse(int argc, char **argv)
{
    struct options o = {.buffer_bytes = 256 * 1024};
    int option;

    while ((option = getopt(argc, argv, "fb:")) != -1) {
        switch (option) {
        case 'f':
            o.durable = true;
            break;
        case 'b':
            o.buffer_bytes = (size_t)parse_size(optarg);
            break;
        default:
            exit(2);
        }
    }
    if (argc - optind != 1)
        fail("usage: yardstick [-f] [-b buffer] directory");
    o.dir_fd = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o.dir_fd < 0)
        fail("%s: %m", argv[optind]);
    return o;
}

static int listen_anywhere(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 128) ||
        getsockname(fd, (struct sockaddr *)&addr, &n))
        fail("listen: %m");
    printf("%u\n", ntohs(addr.sin_port));
    fflush(stdout);
    return fd;
}

static void write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t written = write(fd, p, n);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            fail("write: %m");
        p += written;
        n -= (size_t)written;
    }
}

/* Receives size bytes from fd, hashing and writing each buffer before the next. */
static void receive(int fd, int file_fd, uint64_t size, EVP_MD_CTX *hash, char *buffer, size_t cap)
{
    while (size) {
        ssize_t n = recv(fd, buffer, size < cap ? (size_t)size : cap, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            fail("recv: %m");
        EVP_DigestUpdate(hash, buffer, (size_t)n);
        write_all(file_fd, buffer, (size_t)n);
        size -= (uint64_t)n;
    }
}

static void publish(const struct options *o, int file_fd, const unsigned char *digest)
{
    char name[65];

    for (int i = 0; i < 32; i++)
        snprintf(name + 2 * i, 3, "%02x", digest[i]);
    if (o->durable && fsync(file_fd))
        fail("fsync: %m");
    if (renameat(o->dir_fd, "incoming", o->dir_fd, name))
        fail("rename: %m");
    if (o->durable && fsync(o->dir_fd))
        fail("fsync: %m");
}

static void serve(const struct options *o, int fd, char *buffer)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    uint64_t size;

    while (recv(fd, &size, sizeof(size), MSG_WAITALL) == sizeof(size)) {
        int file_fd = openat(o->dir_fd, "incoming", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        if (file_fd < 0)
            fail("open: %m");
        EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
        receive(fd, file_fd, be64toh(size), hash, buffer, o->buffer_bytes);
        EVP_DigestFinal_ex(hash, digest, NULL);
        publish(o, file_fd, digest);
        close(file_fd);
        send_all(fd, digest, 32, 0);
    }
    EVP_MD_CTX_free(hash);
}

int main(int argc, char **argv)
{
    struct options o = options_parse(argc, argv);
    struct pollfd fds[2] = {{.fd = listen_anywhere(), .events = POLLIN}, {.events = POLLIN}};
    char *buffer = malloc(o.buffer_bytes);

    if (!buffer)
        fail("out of memory");
    while (poll(fds, 2, -1) > 0 && !fds[1].revents) {
        int fd = accept4(fds[0].fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            fail("accept: %m");
        serve(&o, fd, buffer);
        close(fd);
    }
    free(buffer);
    return 0;
}
