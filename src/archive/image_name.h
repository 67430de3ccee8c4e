/* Names of images as archives have them. */
#pragma once

#include "base/str.h"

/* A name's repository, without a host (of Docker's hub without "library/" as well), and its tag;
 * either may be empty. False: it is not of the form [host/]repository[:tag][@digest], or, when
 * `tag_alone`, a tag. */
bool image_name_split(struct str name, bool tag_alone, struct str *ret_repository,
                      struct str *ret_tag);
