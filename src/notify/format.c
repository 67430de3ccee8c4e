#include "notify/format.h"

const struct format *format_of(enum conf_webhook_format which)
{
    static const struct format *const all[] = {[CONF_WEBHOOK_CLOUDEVENTS] = &format_cloudevents,
                                               [CONF_WEBHOOK_CLOUDEVENTS_BINARY] =
                                                   &format_cloudevents_binary,
                                               [CONF_WEBHOOK_DISTRIBUTION] = &format_distribution,
                                               [CONF_WEBHOOK_HARBOR] = &format_harbor,
                                               [CONF_WEBHOOK_SLACK] = &format_slack};

    return all[which];
}

void format_add(struct buf *json, const char *key, const char *value)
{
    if (!value[0])
        return;
    buf_addf(json, ",\"%s\":", key);
    buf_add_json(json, str_of(value));
}
