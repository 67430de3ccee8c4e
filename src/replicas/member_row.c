#include "replicas/member_row.h"

#include "base/json.h"

void member_row_print(const struct member_row *row, struct buf *ret_text)
{
    buf_add_text(ret_text, "{\"name\":");
    buf_add_json(ret_text, str_of(row->name));
    buf_addf(ret_text, ",\"started\":%lld,\"reachable\":%s,\"answers\":%s,\"announced\":%lld",
             (long long)row->started_ms, row->reachable ? "true" : "false",
             row->answers ? "true" : "false", (long long)row->announced);
    buf_add_text(ret_text, ",\"knows\":{");
    for (size_t i = 0; i < row->n_knows; i++)
        buf_addf(ret_text, "%s\"%s\":%lld", i ? "," : "", row->knows[i].id.text,
                 (long long)row->knows[i].announced);
    buf_add_text(ret_text, "}}");
}

struct member_seen member_row_parse(struct str text, const struct uuid *me)
{
    AUTO(json) json_t *root = json_shallow(text) ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    const json_t *reachable = json_object_get(root, "reachable");
    const json_t *answers = json_object_get(root, "answers");
    const json_t *announced = json_object_get(root, "announced");
    const json_t *known = json_object_get(json_object_get(root, "knows"), me->text);

    if (!json_is_boolean(reachable) || !json_is_boolean(answers) || !json_is_integer(announced))
        return (struct member_seen){.answers = true};
    return (struct member_seen){.reachable = json_is_true(reachable),
                                .answers = json_is_true(answers),
                                .announced = json_integer_value(announced),
                                .knows_me = json_is_integer(known) ? json_integer_value(known) : 0};
}
