/* THE table of what is served, each row with its right. */
#pragma once

#include "api/req.h"

/* The right that a route asks for. */
enum access {
    ACCESS_NONE, /* everyone */
    ACCESS_BASE, /* who has signed in */
    ACCESS_PULL, /* of the repository, and of the tag when one is named */
    ACCESS_PUSH, /* push or overwrite */
    ACCESS_LOOK, /* any of these three */
    ACCESS_DELETE,
    ACCESS_SCAN,    /* have an image of it scanned */
    ACCESS_CATALOG, /* who has signed in, or anyone where something is open to anyone */
    ACCESS_ACCOUNT, /* a user, with all their rights: no robot, and no token that narrows them */
    ACCESS_ADMIN,   /* of the registry */
};

struct route {
    enum http_method method; /* a GET row serves HEAD as well */
    const char *pattern;     /* {name} takes any number of components, and so does
                                {image} (NAME:TAG or NAME@DIGEST) and {path}, which nobody
                                looks at; the others take one */
    enum access access;
    api_handler serve;             /* on a worker */
    api_quick quick;               /* NULL: always on a worker */
    const char *audit;             /* action for the audit trail; NULL: only denials of it */
    enum err_code unknown;         /* a pull that is not allowed: as if there were nothing */
    void (*hidden)(struct req *q); /* the same, where that is no error; NULL: unknown */
    bool by_query;                 /* repository= and tag= of the query are its name and tag */
    bool tus;                      /* of a protocol whose version each answer tells: api/tus.h */
    bool debug;                    /* at the addresses of http.debug.listen only */
};

extern const struct route api_routes[];
extern const size_t api_routes_n;
