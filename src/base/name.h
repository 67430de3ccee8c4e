/*
 * Repository names and tags, which exist only validated: a function that takes a struct repo_name
 * may build a path or a query from it without another look.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#define REPO_NAME_MAX 255
#define TAG_NAME_MAX  128

struct repo_name {
    size_t n;
    char text[REPO_NAME_MAX + 1];
};

struct tag_name {
    size_t n;
    char text[TAG_NAME_MAX + 1];
};

/* dist-spec "Pulling manifests": <name>. Error: NAME_INVALID, told to the client. */
ERR_CHECKED enum err_code repo_name_parse(struct str s, struct repo_name *ret_name, struct err *e);

/* dist-spec "Pulling manifests": <reference> as a tag. Error: TAG_INVALID, told to the client. */
ERR_CHECKED enum err_code tag_name_parse(struct str s, struct tag_name *ret_tag, struct err *e);

bool repo_name_valid(struct str s);
bool tag_name_valid(struct str s);

static inline struct str repo_name_str(const struct repo_name *r)
{
    return (struct str){r->text, r->n};
}

static inline struct str tag_name_str(const struct tag_name *t)
{
    return (struct str){t->text, t->n};
}
