/* A directory for one test, removed with whatever is in it. What fails, fails the running test. */
#pragma once

#define TEMP_DIR_MAX  128
#define TEMP_PATH_MAX (TEMP_DIR_MAX + 32) /* of a file in it with a short name */

enum temp_dir_place {
    TEMP_DIR_DISK,   /* below $TMPDIR, or /tmp */
    TEMP_DIR_MEMORY, /* in memory where the system has such a place */
};

void temp_dir_make(char dir[static TEMP_DIR_MAX], enum temp_dir_place place);
void temp_dir_remove(const char *dir);
