/* REGISTRY_ variables. */
#pragma once

#include "conf/source.h"

enum conf_variable_kind {
    CONF_VARIABLE_OURS,   /* a key has this name */
    CONF_VARIABLE_OTHERS, /* of an orchestrator, or of the command line: left alone */
    CONF_VARIABLE_UNKNOWN,
};

/* Of a variable whose name begins with REGISTRY_. */
enum conf_variable_kind conf_variable_kind(struct str name, struct str value);

ERR_CHECKED enum err_code conf_read_environment(struct conf_source *s, char *const *environment,
                                                struct err *e);
