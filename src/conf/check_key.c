#include "conf/check_key.h"

#include "conf/cidr.h"
#include "conf/items.h"

struct conf_key conf_key_named(const char *name)
{
    return CONF_KEY(conf_row_find(str_of(name)));
}

enum err_code conf_place_named(const struct conf_source *s, const char *name, struct err *e)
{
    return conf_place(s, conf_key_named(name), e);
}

struct conf_key conf_item_key_named(const char *name, size_t item, const char *sub)
{
    const struct conf_row *row = conf_row_find(str_of(name));

    return (struct conf_key){
        .row = row, .item = item, .sub = conf_item_find(row->item, str_of(sub))};
}

struct conf_key conf_inner_key_named(const char *name, size_t item, const char *list, size_t inner,
                                     const char *sub)
{
    struct conf_key key = conf_item_key_named(name, item, list);

    key.inner = (struct conf_inner_key){true, inner, conf_item_find(key.sub->item, str_of(sub))};
    return key;
}

const char *conf_mode_name(const struct conf_auth *a)
{
    return conf_row_find(STR("auth.mode"))->choices[a->mode];
}

enum err_code conf_check_networks(const struct conf_source *s, const char *key,
                                  const struct conf_strings *list, struct err *e)
{
    struct conf_cidr cidr;

    for (size_t i = 0; i < list->n; i++) {
        if (conf_cidr_parse(str_of(list->items[i]), &cidr))
            continue;
        err_set(e, ERR_CONFIG,
                "'%.80s' is no address or network; allowed are '10.1.2.3', '10.0.0.0/8' (no bits "
                "set behind the prefix), '::1' and 'fd00::/8'",
                list->items[i]);
        return conf_place_named(s, key, e);
    }
    return ERR_OK;
}

bool conf_all_of(struct str s, const char *others)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!str_is_alphanumeric(s.p[i]) && !strchr(others, s.p[i]))
            return false;
    }
    return s.n > 0;
}
