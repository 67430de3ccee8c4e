#include "auth/policy/policy_json.h"

static void add_list(struct buf *body, const char *key, char *const *texts, size_t n)
{
    buf_addf(body, ",\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        buf_add_text(body, i ? "," : "");
        buf_add_json(body, str_of(texts[i]));
    }
    buf_add_char(body, ']');
}

static void add_actions(struct buf *body, unsigned actions)
{
    const char *before = "", *name;

    buf_add_text(body, ",\"actions\":[");
    for (; (name = action_next(&actions)); before = ",")
        buf_addf(body, "%s\"%s\"", before, name);
    buf_add_char(body, ']');
}

void policy_rule_values_json(const struct policy_rule *r, struct buf *ret_json)
{
    buf_addf(ret_json, "\"effect\":\"%s\"", r->deny ? "deny" : "allow");
    add_list(ret_json, "subjects", r->subjects, r->n_subjects);
    add_actions(ret_json, r->actions);
    add_list(ret_json, "repositories", r->repositories, r->n_repositories);
    add_list(ret_json, "tags", r->tags, r->n_tags);
}

void policy_rule_json(const struct policy *p, size_t i, struct buf *ret_json)
{
    const struct policy_rule *r = policy_rule_at(p, i);

    if (r->id)
        buf_addf(ret_json, "{\"origin\":\"api\",\"id\":\"%s\",", r->id);
    else
        buf_addf(ret_json, "{\"origin\":\"file\",\"number\":%zu,", i + 1);
    policy_rule_values_json(r, ret_json);
    buf_add_char(ret_json, '}');
}
