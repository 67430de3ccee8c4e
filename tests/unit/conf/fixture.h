/* Configurations written and loaded for a test. */
#pragma once

#include "conf/conf.h"
#include "temp_dir.h"

/* cmocka's set-up and teardown: a directory with one file, `conf_path`. */
int conf_setup(void **state);
int conf_teardown(void **state);

extern char conf_path[TEMP_PATH_MAX];

/* Loads a file of these bytes, with these variables (NULL: none). */
enum err_code conf_load_bytes(struct str yaml, char *const *environment, struct conf **ret_conf,
                              struct err *e);

/* Loads the text, which must be right. The caller frees. */
struct conf *conf_must(const char *yaml);

/* Loads the text, which must fail as CONFIG with the file's name, ":", and exactly this detail;
 * "LINE: ..." of a mistake in a line. */
void conf_must_fail(const char *yaml, const char *detail);
