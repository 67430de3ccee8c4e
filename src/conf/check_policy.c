#include "conf/check_policy.h"

#include "base/mem.h"
#include "conf/check_key.h"
#include "conf/field.h"
#include "conf/yaml_file.h"

#include <stdlib.h>

/* A pattern that nothing can match is a mistake, and a dangerous one in a rule that denies. */
static bool pattern_valid(struct str s, bool repository)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("._-*?", c) ||
              (repository ? c == '/' && i > 0 : c >= 'A' && c <= 'Z')))
            return false;
    }
    return s.n > 0 && s.n <= 512;
}

static bool subject_names_someone(struct str s)
{
    static const char *const kinds[] = {"user:", "robot:", "group:"};

    for (size_t i = 0; i < 3; i++) {
        if (str_starts(s, str_of(kinds[i])))
            return s.n > strlen(kinds[i]) && s.n <= 512;
    }
    return false;
}

static enum err_code check_subjects(const struct conf_source *s, struct conf_key key,
                                    const struct conf_strings *list, bool anyone, struct err *e)
{
    for (size_t i = 0; i < list->n; i++) {
        struct str subject = str_of(list->items[i]);

        if (subject_names_someone(subject) ||
            (anyone && (str_eq(subject, STR("*")) || str_eq(subject, STR("anonymous")) ||
                        str_eq(subject, STR("authenticated")))))
            continue;
        err_set(e, ERR_CONFIG,
                "'%.100s' is no subject; allowed are 'user:NAME', 'robot:NAME' and 'group:NAME'%s",
                subject.p, anyone ? ", 'authenticated', 'anonymous' and '*'" : "");
        return conf_place(s, key, e);
    }
    return ERR_OK;
}

enum err_code conf_check_patterns(const struct conf_source *s, struct conf_key key,
                                  const struct conf_strings *list, bool repository, struct err *e)
{
    for (size_t i = 0; i < list->n; i++) {
        if (pattern_valid(str_of(list->items[i]), repository))
            continue;
        err_set(e, ERR_CONFIG,
                "'%.100s' can't match any %s; allowed are %s, and for them '*' (%s), '**' "
                "(anything) and '?', such as '%s'",
                list->items[i], repository ? "repository" : "tag",
                repository ? "the small letters, digits and ._-/ of names"
                           : "the letters, digits and ._- of tags",
                repository ? "up to the next slash" : "anything", repository ? "dev/**" : "v1.*");
        return conf_place(s, key, e);
    }
    return ERR_OK;
}

static enum err_code check_rule(const struct conf_source *s, size_t i, struct err *e)
{
    const struct conf_rule *r = &s->conf->policy.items[i];

    TRY(check_subjects(s, conf_item_key_named("policy", i, "subjects"), &r->subjects, true, e));
    TRY(conf_check_patterns(s, conf_item_key_named("policy", i, "repositories"), &r->repositories,
                            true, e));
    return conf_check_patterns(s, conf_item_key_named("policy", i, "tags"), &r->tags, false, e);
}

/* A policy that nobody asks protects nothing, whatever it says. */
static enum err_code check_policy_asked(const struct conf_source *s, struct err *e)
{
    const struct conf *c = s->conf;

    if (c->policy.n == 0 || conf_auth_on(&c->auth))
        return ERR_OK;
    err_set(e, ERR_CONFIG,
            "is not asked, because auth is '%s'; write 'auth: local' (or a section auth), or leave "
            "out this key",
            conf_mode_name(&c->auth));
    return conf_place_named(s, "policy", e);
}

enum err_code conf_check_policy(const struct conf_source *s, struct err *e)
{
    const struct conf *c = s->conf;

    TRY(check_subjects(s, conf_key_named("auth.admins"), &c->auth.admins, false, e));
    for (size_t i = 0; i < c->policy.n; i++)
        TRY(check_rule(s, i, e));
    return check_policy_asked(s, e);
}

void conf_rules_free(struct conf_rules *rules)
{
    conf_field_free(conf_row_find(STR("policy")), rules);
    *rules = (struct conf_rules){NULL};
}

enum err_code conf_rules_parse(struct str text, struct conf_rules *ret_rules, struct err *e)
{
    struct conf *c = mem_zero(sizeof(*c));
    struct conf_source *s = mem_zero(sizeof(*s));
    enum err_code code;

    s->conf = c;
    code = conf_read_items(s, conf_row_find(STR("policy")), text, e);
    for (size_t i = 0; i < c->policy.n && code == ERR_OK; i++)
        code = check_rule(s, i, e);
    if (code == ERR_OK)
        *ret_rules = c->policy;
    else
        conf_rules_free(&c->policy);
    conf_source_done(s);
    free(s);
    free(c);
    return code;
}
