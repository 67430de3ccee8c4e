#include "core/url_rules.h"

#include "base/mem.h"
#include "conf/expression.h"

#include <stdlib.h>

struct patterns {
    struct conf_expression **items;
    size_t n;
};

struct url_rules {
    struct patterns allow, deny;
    bool broken;
};

static void compile(struct url_rules *rules, const struct conf_strings *list, struct patterns *ret)
{
    ret->items = mem_zero((list->n + 1) * sizeof(*ret->items));
    for (size_t i = 0; i < list->n; i++) {
        if (conf_expression_new(list->items[i], &ret->items[ret->n], ERR_IGNORED) == ERR_OK)
            ret->n++;
        else
            rules->broken = true;
    }
}

struct url_rules *url_rules_new(const struct conf_registry *c)
{
    struct url_rules *rules = NEW(struct url_rules);

    compile(rules, &c->url_allow, &rules->allow);
    compile(rules, &c->url_deny, &rules->deny);
    return rules;
}

static void patterns_done(struct patterns *p)
{
    for (size_t i = 0; i < p->n; i++)
        conf_expression_free(p->items[i]);
    free(p->items);
}

void url_rules_free(struct url_rules *rules)
{
    if (!rules)
        return;
    patterns_done(&rules->allow);
    patterns_done(&rules->deny);
    free(rules);
}

static bool matches(const struct patterns *p, const char *url)
{
    for (size_t i = 0; i < p->n; i++) {
        if (conf_expression_matches(p->items[i], url))
            return true;
    }
    return false;
}

bool url_rules_allow(const struct url_rules *rules, const char *url)
{
    return !rules->broken && (rules->allow.n == 0 || matches(&rules->allow, url)) &&
           !matches(&rules->deny, url);
}
