/* What an image in an archive is called. */
#pragma once

#include "base/name.h"

#define OUT_NAME_MAX 512

struct out_name {
    char given[OUT_NAME_MAX]; /* "team/app:v1"; "": it has none */
    char full[OUT_NAME_MAX];  /* "docker.io/team/app:v1", as engines name it inside */
    struct tag_name tag;
};

/* "team/app:v1", also with a host in front. Error: REQUEST_INVALID, told. */
ERR_CHECKED enum err_code out_name_parse(struct str s, struct out_name *ret_name, struct err *e);

/* The name that an image has by its tag; none when that is NULL. */
void out_name_of(const struct repo_name *repo, const struct tag_name *tag,
                 struct out_name *ret_name);
