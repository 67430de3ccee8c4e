#include "temp_dir.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

void temp_dir_make(char dir[static TEMP_DIR_MAX], enum temp_dir_place place)
{
    const char *below = getenv("TMPDIR");

    if (place == TEMP_DIR_MEMORY && access("/dev/shm", W_OK) == 0)
        below = "/dev/shm";
    snprintf(dir, TEMP_DIR_MAX, "%.100s/registry-test-XXXXXX", below ? below : "/tmp");
    assert_non_null(mkdtemp(dir));
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void temp_dir_remove(const char *dir)
{
    assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}
