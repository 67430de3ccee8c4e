#include "conf/check_pull_policy.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "conf/check_key.h"
#include "conf/check_policy.h"
#include "conf/field.h"
#include "conf/items.h"
#include "conf/yaml_file.h"

#include <stdlib.h>

#define LIST   "pull_policy"
#define AFTER  STR("block after ")
#define DAY_MS (86400 * (int64_t)1000)

bool conf_unscanned(struct str text, uint64_t *ret_ms)
{
    if (str_ieq(text, STR("allow")))
        *ret_ms = UINT64_MAX;
    else if (str_ieq(text, STR("block")))
        *ret_ms = 0;
    else
        return str_istarts(text, AFTER) &&
               conf_duration(str_trim(str_sub(text, AFTER.n, text.n - AFTER.n)), ret_ms);
    return true;
}

bool conf_last_day(struct str text, int64_t *ret_end_ms)
{
    if (text.n != strlen("2027-06-30") || !clock_parse(text, ret_end_ms))
        return false;
    *ret_end_ms += DAY_MS;
    return true;
}

/* A pattern would allow what nobody has looked at. */
static bool is_id(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!str_is_alphanumeric(s.p[i]) && !strchr("-_.:/", s.p[i]))
            return false;
    }
    return s.n > 0;
}

static enum err_code check_allowed(const struct conf_source *s, size_t rule, size_t i,
                                   struct err *e)
{
    const struct conf_allowed *a = &s->conf->pull_policy.items[rule].allow.items[i];
    int64_t unused;

    if (!is_id(str_of(a->cve))) {
        err_set(e, ERR_CONFIG,
                "'%.100s' is no vulnerability; allowed is one, without wildcards, such as "
                "'CVE-2024-1234'",
                a->cve);
        return conf_place(s, conf_inner_key_named(LIST, rule, "allow", i, "cve"), e);
    }
    if (!conf_last_day(str_of(a->expires), &unused)) {
        err_set(e, ERR_CONFIG, "'%.20s' is no day; allowed is one such as '2027-06-30'",
                a->expires);
        return conf_place(s, conf_inner_key_named(LIST, rule, "allow", i, "expires"), e);
    }
    return conf_check_patterns(s, conf_inner_key_named(LIST, rule, "allow", i, "repositories"),
                               &a->repositories, true, e);
}

static enum err_code check_rule(const struct conf_source *s, size_t i, struct err *e)
{
    const struct conf_pull_rule *r = &s->conf->pull_policy.items[i];
    uint64_t unused;

    TRY(conf_check_patterns(s, conf_item_key_named(LIST, i, "repositories"), &r->repositories, true,
                            e));
    if (!conf_unscanned(str_of(r->unscanned), &unused)) {
        err_set(e, ERR_CONFIG,
                "'%.40s' is not known here; allowed is 'allow', 'block' or 'block after DURATION', "
                "such as 'block after 2h'",
                r->unscanned);
        return conf_place(s, conf_item_key_named(LIST, i, "unscanned"), e);
    }
    for (size_t k = 0; k < r->allow.n; k++)
        TRY(check_allowed(s, i, k, e));
    return ERR_OK;
}

enum err_code conf_check_pull_policy(const struct conf_source *s, struct err *e)
{
    for (size_t i = 0; i < s->conf->pull_policy.n; i++)
        TRY(check_rule(s, i, e));
    return ERR_OK;
}

void conf_pull_rules_free(struct conf_pull_rules *rules)
{
    conf_field_free(conf_row_find(STR(LIST)), rules);
    *rules = (struct conf_pull_rules){NULL, 0};
}

enum err_code conf_pull_rules_parse(struct str text, struct conf_pull_rules *ret_rules,
                                    struct err *e)
{
    struct conf *c = mem_zero(sizeof(*c));
    struct conf_source *s = mem_zero(sizeof(*s));
    enum err_code code;

    s->conf = c;
    code = conf_read_items(s, conf_row_find(STR(LIST)), text, e);
    if (code == ERR_OK)
        code = conf_check_pull_policy(s, e);
    if (code == ERR_OK)
        *ret_rules = c->pull_policy;
    else
        conf_pull_rules_free(&c->pull_policy);
    conf_source_done(s);
    free(s);
    free(c);
    return code;
}

void conf_pull_rules_json(const struct conf_pull_rules *rules, struct buf *ret_json)
{
    const struct conf_items list = {rules->items, rules->n};

    conf_items_json(conf_row_find(STR(LIST)), &list, ret_json);
}
