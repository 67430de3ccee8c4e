/* A registry that is spoken to over HTTP, as a client: where it is, and who asks. */
#pragma once

#include "cli/cli.h"
#include "cli/docker_auth.h"
#include "net/client.h"

/* The rows of a command's table that remote_server_open() reads. */
#define REMOTE_SERVER_FLAGS                                                                        \
    {"--url", "URL",                                                                               \
     "The server: http://HOST:PORT or https://HOST:PORT; the default is "                          \
     "http://127.0.0.1:5000."},                                                                    \
        {"--user", "NAME", "Sign in as this user; the default is what `docker login` left."},      \
        {"--password-stdin", NULL,                                                                 \
         "Read the password from the first line of standard input, not from the terminal."},       \
    {                                                                                              \
        "--ca-file", "FILE", "Trust the authorities of this file (PEM)."                           \
    }

struct remote_server {
    struct client *client;
    struct buf url;           /* without a slash at its end */
    struct docker_auth auth;  /* what there is to sign in with */
    struct buf authorization; /* a header of it; empty: nobody signs in, or by a token alone */
    const char *ca_file;      /* NULL: the system's authorities */
};

/* "registry.example/team/app:v1" names its server, unless --url does: *image becomes the rest. The
 * url is for remote_server_open(). */
void remote_server_split(const struct cli_args *args, struct str *image, struct buf *ret_url);

/*
 * Connects to nobody yet. url is used where --url is not given. Credentials go over https, or to
 * this machine. Error: CONFIG, UNAVAILABLE. remote_server_done() also after an error.
 */
ERR_CHECKED enum err_code remote_server_open(struct cli *cli, const struct cli_args *args,
                                             const char *url, struct remote_server *ret,
                                             struct err *e);
void remote_server_done(struct remote_server *s);

/* Adds "/v2/NAME/manifests/REFERENCE" of NAME, NAME:TAG or NAME@DIGEST; without either it is the
 * tag "latest". Error: CONFIG. */
ERR_CHECKED enum err_code remote_server_add_manifest(struct buf *url, const char *image,
                                                     struct err *e);

/* What a status other than 2xx is as an error, with what the body (of dist-spec "Error Codes")
 * says. */
enum err_code remote_server_refused(int status, struct str body, struct err *e);

/* As client_stream_read(), but waits. */
ERR_CHECKED enum err_code remote_server_read(struct client_stream *s, char *dst, size_t cap,
                                             size_t *ret_n, struct err *e);

static inline void auto_remote_server_(struct remote_server *s)
{
    remote_server_done(s);
}
