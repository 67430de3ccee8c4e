#include "fixture.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

char conf_path[TEMP_PATH_MAX];
static char directory[TEMP_DIR_MAX];

int conf_setup(void **state)
{
    (void)state;
    temp_dir_make(directory, TEMP_DIR_MEMORY);
    snprintf(conf_path, sizeof(conf_path), "%s/registry.yaml", directory);
    return 0;
}

int conf_teardown(void **state)
{
    (void)state;
    temp_dir_remove(directory);
    return 0;
}

enum err_code conf_load_bytes(struct str yaml, char *const *environment, struct conf **ret_conf,
                              struct err *e)
{
    AUTO(fd) int fd = open(conf_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, yaml.p, yaml.n), 0);
    return conf_load(conf_path, environment, ret_conf, e);
}

struct conf *conf_must(const char *yaml)
{
    struct conf *c = NULL;
    struct err e;

    if (conf_load_bytes(str_of(yaml), NULL, &c, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    return c;
}

void conf_must_fail(const char *yaml, const char *detail)
{
    struct conf *c = NULL;
    struct err e;
    char want[512];

    assert_int_equal(conf_load_bytes(str_of(yaml), NULL, &c, &e), ERR_CONFIG);
    assert_null(c);
    snprintf(want, sizeof(want), "%s:%s", conf_path, detail);
    assert_string_equal(e.detail, want);
}
