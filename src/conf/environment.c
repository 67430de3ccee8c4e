#include "conf/environment.h"
#include "conf/value.h"
#include "conf/yaml_file.h"

#define PREFIX STR("REGISTRY_")

/* *ret_as: the name or the alias of the row, whichever it was. */
static const struct conf_row *find_variable(struct str name, const char **ret_as)
{
    char env[CONF_ENV_MAX];

    for (size_t i = 0; i < conf_rows_n; i++) {
        const char *const as[] = {conf_rows[i].name, conf_rows[i].alias};

        for (size_t k = 0; k < 2 && as[k]; k++) {
            conf_env(as[k], env);
            if (str_eq(name, str_of(env))) {
                *ret_as = as[k];
                return &conf_rows[i];
            }
        }
    }
    return NULL;
}

/*
 * Kubernetes sets variables for each service (and Docker for each link), named after it; a service
 * called "registry" makes REGISTRY_SERVICE_HOST, REGISTRY_SERVICE_PORT_HTTP, REGISTRY_PORT and
 * REGISTRY_PORT_5000_TCP_ADDR. Nobody meant those for us.
 */
static bool from_orchestrator(struct str name, struct str value)
{
    if (str_ends(name, STR("_SERVICE_HOST")) || str_contains(name, STR("_SERVICE_PORT")))
        return true;
    return str_contains(name, STR("_PORT")) &&
           (str_starts(value, STR("tcp://")) || str_starts(value, STR("udp://")) ||
            str_contains(name, STR("_TCP_")) || str_contains(name, STR("_UDP_")));
}

/* Those name the file; read by the command line. */
static bool names_file(struct str name)
{
    return str_eq(name, STR("REGISTRY_CONFIG")) || str_eq(name, STR("REGISTRY_CONFIGURATION_PATH"));
}

static bool left_alone(struct str name, struct str value)
{
    return names_file(name) || from_orchestrator(name, value);
}

enum conf_variable_kind conf_variable_kind(struct str name, struct str value)
{
    const char *as;

    if (find_variable(name, &as))
        return CONF_VARIABLE_OURS;
    return left_alone(name, value) ? CONF_VARIABLE_OTHERS : CONF_VARIABLE_UNKNOWN;
}

static enum err_code unknown(struct str name, struct err *e)
{
    int n = (int)(name.n < 80 ? name.n : 80);
    char near[CONF_ENV_MAX];

    if (!conf_suggest(name, CONF_SPELL_ENVIRONMENT, near))
        return err_set(e, ERR_CONFIG,
                       "environment variable %.*s: no key has this name; "
                       "'registry config print' shows all keys",
                       n, name.p);
    return err_set(e, ERR_CONFIG,
                   "environment variable %.*s: no key has this name; did you mean %s?", n, name.p,
                   near);
}

static enum err_code read_variable(struct conf_source *s, const struct conf_row *row,
                                   const char *as, struct str value, struct err *e)
{
    size_t i = (size_t)(row - conf_rows);

    if (s->of[i].environment && strcmp(s->of[i].as, as) != 0) {
        err_set(e, ERR_CONFIG, "this key is set by two variables; leave out one of them");
        return conf_place(s, CONF_KEY(row), e);
    }
    s->of[i].environment = true;
    s->of[i].as = as;
    if (row->type == CONF_ITEMS)
        return conf_read_items(s, row, value, e);
    if (conf_value_set(row, value, conf_field(s->conf, row), e) != ERR_OK)
        return conf_place(s, CONF_KEY(row), e);
    return ERR_OK;
}

enum err_code conf_read_environment(struct conf_source *s, char *const *environment, struct err *e)
{
    for (; environment && *environment; environment++) {
        struct str value = str_of(*environment), name;
        const struct conf_row *row;
        const char *as;

        if (!str_cut(&value, '=', &name) || !str_starts(name, PREFIX))
            continue;
        row = find_variable(name, &as);
        if (!row && left_alone(name, value))
            continue;
        if (!row)
            return unknown(name, e);
        TRY(read_variable(s, row, as, value, e));
    }
    return ERR_OK;
}
