/* A message of Slack's incoming webhooks: https://api.slack.com/messaging/webhooks */
#include "base/cleanup.h"
#include "notify/format.h"
#include "notify/notice_line.h"

#define LINE_MAX_BYTES 3000 /* of a message that Slack does not cut */

/* "Formatting text for app surfaces": these three, or a name could be a link or call everybody. */
static void add_escaped(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '&')
            buf_add_text(b, "&amp;");
        else if (s.p[i] == '<')
            buf_add_text(b, "&lt;");
        else if (s.p[i] == '>')
            buf_add_text(b, "&gt;");
        else
            buf_add_char(b, s.p[i]);
    }
}

static void write_message(const struct notice *n, const struct format_source *source,
                          struct post *p)
{
    AUTO(buf) struct buf line = {0}, escaped = {0};

    (void)source;
    buf_init(&line, LINE_MAX_BYTES);
    buf_init(&escaped, 5 * LINE_MAX_BYTES);
    notice_line(n, &line);
    add_escaped(&escaped, buf_str(&line));
    buf_add_text(&p->body, "{\"text\":");
    buf_add_json(&p->body, buf_str(&escaped));
    buf_add_char(&p->body, '}');
}

const struct format format_slack = {
    .name = "slack", .content_type = "application/json", .write = write_message};
