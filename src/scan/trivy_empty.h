/*
 * Data for Trivy that knows nothing, in the forms that it reads: with it Trivy says what an image
 * is, without being told of vulnerabilities. Files are made below dir, which is open as dir_fd; the
 * folders are there.
 */
#pragma once

#include "base/err.h"

/* An index of no archive of Java, in folder: with it those are found that say what they are. */
ERR_CHECKED enum err_code trivy_empty_index(int dir_fd, const char *dir, const char *folder,
                                            struct err *e);

/* A database of no vulnerability, in folder. */
ERR_CHECKED enum err_code trivy_empty_database(int dir_fd, const char *folder, struct err *e);
