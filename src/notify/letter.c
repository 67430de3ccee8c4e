#include "notify/letter.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "conf/check_notify.h"
#include "notify/notice_line.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define TEXT_MAX      (512u << 10)
#define LINE_BYTES    1024
#define SUBJECT_BYTES 45 /* of an encoded word, whose base64 is within 75 (RFC 2047, section 2) */

/* Who made the event, if their name here is an address; else NULL. */
static const char *uploader(const struct conf_mail_rule *rule, const struct notice *n)
{
    const char *name = notice_actor_name(n);

    return rule->uploader && conf_mail_address(str_of(name)) ? name : NULL;
}

bool letter_has_reader(const struct conf_mail_rule *rule, const struct notice *n)
{
    return rule->to.n > 0 || uploader(rule, n);
}

/* The zone that HTTP has is an obsolete one here (RFC 5322, section 4.3). */
static void add_date(struct buf *b, int64_t wall_ms)
{
    char time[CLOCK_HTTP_SIZE];

    clock_http(wall_ms, time);
    buf_addf(b, "Date: %.*s +0000\r\n", (int)strlen("Sun, 06 Nov 1994 08:49:37"), time);
}

/* Whatever is in it, for it is base64: encoded words of whole characters (RFC 2047). */
static void add_subject(struct buf *b, struct str s)
{
    const char *before = "Subject: ";

    while (s.n > 0) {
        unsigned char word[4 * (SUBJECT_BYTES / 3 + 1) + 1];
        size_t n = 0, step;

        while (n < s.n && (step = str_utf8_step(str_sub(s, n, s.n - n))) > 0 &&
               n + step <= SUBJECT_BYTES)
            n += step;
        if (n == 0)
            break; /* no UTF-8: what follows is left out */
        EVP_EncodeBlock(word, (const unsigned char *)s.p, (int)n);
        buf_addf(b, "%s=?utf-8?B?%s?=\r\n", before, (const char *)word);
        s = str_sub(s, n, s.n - n);
        before = " ";
    }
}

static void add_headers(struct letter *l, const struct conf_mail *mail, const struct notice *n,
                        struct str subject)
{
    struct buf *b = &l->text;
    const char *at = strchr(mail->from, '@');

    buf_addf(b, "From: <%s>\r\n", mail->from);
    for (size_t i = 0; i < l->n_to; i++)
        buf_addf(b, "%s<%s>%s", i == 0 ? "To: " : " ", l->to[i],
                 i + 1 < l->n_to ? ",\r\n" : "\r\n");
    add_date(b, n->time_ms);
    add_subject(b, subject);
    buf_addf(b, "Message-ID: <%s%s>\r\n", n->id, at ? at : "");
    buf_add_text(b, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                    "Content-Type: text/plain; charset=utf-8\r\n"
                    "Content-Transfer-Encoding: base64\r\n\r\n");
}

static void add_members(const struct notice *n, struct buf *text)
{
    const char *key;
    json_t *value;

    json_object_foreach(n->json, key, value)
    {
        AUTO(mem)
        char *v = json_is_string(value) ? mem_strdup(json_string_value(value))
                                        : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

        buf_addf(text, "%s: %s\n", key, v ? v : "");
    }
}

/* In lines of 76 characters (RFC 2045, section 6.8). */
static void add_base64(struct buf *b, struct str s)
{
    while (s.n > 0) {
        unsigned char line[80];
        size_t n = s.n < 57 ? s.n : 57;

        EVP_EncodeBlock(line, (const unsigned char *)s.p, (int)n);
        buf_addf(b, "%s\r\n", (const char *)line);
        s = str_sub(s, n, s.n - n);
    }
}

void letter_write(const struct conf_mail *mail, const struct conf_mail_rule *rule,
                  const struct notice *n, struct letter *ret_letter)
{
    AUTO(buf) struct buf line = {0}, text = {0};
    const char *who = uploader(rule, n);

    *ret_letter = (struct letter){.to = mem_zero((rule->to.n + 1) * sizeof(char *))};
    for (size_t i = 0; i < rule->to.n; i++)
        ret_letter->to[ret_letter->n_to++] = rule->to.items[i];
    if (who)
        ret_letter->to[ret_letter->n_to++] = who;
    buf_init(&ret_letter->text, TEXT_MAX);
    buf_init(&line, LINE_BYTES);
    buf_init(&text, TEXT_MAX / 2);
    notice_line(n, &line);
    add_headers(ret_letter, mail, n, buf_str(&line));
    buf_add_str(&text, buf_str(&line));
    buf_add_text(&text, "\n\n");
    add_members(n, &text);
    add_base64(&ret_letter->text, buf_str(&text));
}

void letter_done(struct letter *l)
{
    buf_done(&l->text);
    free(l->to);
    *l = (struct letter){.n_to = 0};
}
