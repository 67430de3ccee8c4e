#include "notify/target_sender.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "conf/url.h"
#include "net/mail.h"
#include "notify/letter.h"
#include "notify/webhook_signature.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#define SECRET_BYTES 4096
#define WAIT_MS      1000

struct sender {
    const struct target *target;
    const struct format_source *source;
    const struct format *format; /* of a webhook */
    struct outbound *outbound;   /* likewise */
    struct webhook_key key;
    bool has_key;
    bool (*go_on)(void *ctx); /* NULL: it does */
    void *ctx;
    struct parcel *ended; /* without having been sent by outbound: the first */
};

static enum err_code read_key(struct sender *s, const char *path, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    enum err_code code;

    if (!path[0])
        return ERR_OK;
    buf_init(&text, SECRET_BYTES);
    code = file_read_at(AT_FDCWD, path, &text, e);
    if (code == ERR_OK)
        code = webhook_key_parse(buf_str(&text), &s->key, e);
    if (text.p)
        OPENSSL_cleanse(text.p, text.cap);
    s->has_key = code == ERR_OK;
    return code == ERR_OK ? ERR_OK : err_prefix(e, "secret_file '%.200s'", path);
}

enum err_code sender_new(const struct target *t, const struct format_source *source,
                         struct sender **ret_sender, struct err *e)
{
    struct sender *s = NEW(struct sender);
    const struct conf_webhook *w = t->webhook;
    enum err_code code = ERR_OK;

    s->target = t;
    s->source = source;
    if (w) {
        const struct outbound_options o = {.ca_file = w->ca_file,
                                           .allow_private = w->allow_private,
                                           .timeout_ms = w->timeout_ms,
                                           .at_once = (unsigned)w->concurrency};

        s->format = format_of((enum conf_webhook_format)w->format);
        code = read_key(s, w->secret_file, e);
        if (code == ERR_OK)
            code = outbound_new(&o, &s->outbound, e);
    }
    if (code != ERR_OK) {
        sender_free(s);
        return code;
    }
    *ret_sender = s;
    return ERR_OK;
}

void sender_ask(struct sender *s, bool (*go_on)(void *ctx), void *ctx)
{
    s->go_on = go_on;
    s->ctx = ctx;
}

void sender_free(struct sender *s)
{
    if (!s)
        return;
    outbound_free(s->outbound);
    OPENSSL_cleanse(&s->key, sizeof(s->key));
    free(s);
}

bool sender_can_tell(const struct sender *s, const struct notice *n)
{
    return s->format ? format_knows(s->format, n) : letter_has_reader(s->target->rule, n);
}

bool sender_has_room(const struct sender *s)
{
    return s->outbound ? !s->ended && outbound_has_room(s->outbound) : !s->ended;
}

bool sender_is_idle(const struct sender *s)
{
    return !s->ended && (!s->outbound || outbound_running(s->outbound) == 0);
}

static void end(struct sender *s, struct parcel *p, enum sender_result result, const char *why)
{
    p->result = result;
    snprintf(p->why, sizeof(p->why), "%.*s", (int)sizeof(p->why) - 1, why);
    p->next = s->ended;
    s->ended = p;
}

/* ---- webhooks */

_Static_assert(2 * CONF_WEBHOOK_HEADERS <= POST_HEADERS_MAX, "there is room for those of formats");

static void write_post(struct sender *s, struct parcel *p)
{
    const struct conf_webhook *w = s->target->webhook;

    post_init(&p->post);
    s->format->write(&p->notice, s->source, &p->post);
    post_header(&p->post, "Content-Type", str_of(s->format->content_type));
    for (size_t i = 0; i < w->headers.n; i++)
        post_header(&p->post, w->headers.items[i].name, str_of(w->headers.items[i].value));
    webhook_sign(s->has_key ? &s->key : NULL, p->notice.id, clock_wall_ms() / 1000, &p->post);
}

static void start_post(struct sender *s, struct parcel *p)
{
    struct err e = {0};

    write_post(s, p);
    if (!post_close(&p->post)) {
        end(s, p, SENDER_REFUSED, "the event is too large for this format");
        return;
    }
    p->message = (struct outbound_message){.url = s->target->webhook->url,
                                           .headers = (const char *const *)p->post.lines,
                                           .body = buf_str(&p->post.body),
                                           .ctx = p};
    if (outbound_start(s->outbound, &p->message, &e) != ERR_OK)
        end(s, p, SENDER_DOWN, e.detail);
}

/* Is it about this one event? What speaks of the address, of who sends or of how often is about
 * all of them. */
static bool refuses_event(int status)
{
    static const int of_all[] = {401, 403, 404, 407, 408, 410, 421, 425, 426, 429, 451};

    for (size_t i = 0; i < sizeof(of_all) / sizeof(of_all[0]); i++) {
        if (status == of_all[i])
            return false;
    }
    return status >= 400 && status < 500;
}

#define ECHOED 8 /* bytes of a secret, one behind the other, that are too many */

static bool has_some_of(const char *answer, const char *secret)
{
    size_t n = strlen(secret), piece_n = n < ECHOED ? n : ECHOED;
    char piece[ECHOED + 1];

    for (size_t i = 0; n > 0 && i + piece_n <= n; i++) {
        memcpy(piece, secret + i, piece_n);
        piece[piece_n] = '\0';
        if (strstr(answer, piece))
            return true;
    }
    return false;
}

/* Some receivers repeat what they were sent. What makes us known to them is shown nowhere. */
static bool is_echo(const struct conf_webhook *w, const char *answer)
{
    struct conf_url url;

    if (conf_url_parse(str_of(w->url), &url) && url.path.n > 1 && has_some_of(answer, url.path.p))
        return true;
    for (size_t i = 0; i < w->headers.n; i++) {
        if (has_some_of(answer, w->headers.items[i].value))
            return true;
    }
    return false;
}

static void judge(const struct sender *s, struct parcel *p)
{
    const struct outbound_message *m = &p->message;

    p->status = m->status;
    p->took_ms = m->took_ms;
    p->retry_after_s = m->retry_after_s;
    if (m->status >= 200 && m->status < 300) {
        p->result = SENDER_DELIVERED;
        p->why[0] = '\0';
        return;
    }
    p->result = refuses_event(m->status) ? SENDER_REFUSED : SENDER_DOWN;
    if (m->status == 0)
        snprintf(p->why, sizeof(p->why), "%s", m->why);
    else if (m->status < 400)
        snprintf(p->why, sizeof(p->why), "the answer is %d, and redirects are not followed",
                 m->status);
    else if (is_echo(s->target->webhook, m->answer))
        snprintf(p->why, sizeof(p->why),
                 "the answer is %d, and is not shown, for it repeats secrets of the request",
                 m->status);
    else
        snprintf(p->why, sizeof(p->why), "the answer is %d: %.160s", m->status, m->answer);
}

/* ---- mail */

static void start_mail(struct sender *s, struct parcel *p)
{
    AUTO(letter) struct letter letter = {0};
    struct mail mail = {.go_on = s->go_on, .ctx = s->ctx};
    struct err e = {0};
    int64_t begun_ms = clock_mono_ms();
    enum err_code code;

    letter_write(s->target->mail, s->target->rule, &p->notice, &letter);
    mail.to = letter.to;
    mail.n = letter.n_to;
    mail.message = buf_str(&letter.text);
    code = mail_send(s->target->mail, &mail, &p->told, &e);
    p->took_ms = clock_mono_ms() - begun_ms;
    end(s, p,
        code == ERR_OK                ? SENDER_DELIVERED
        : code == ERR_REQUEST_INVALID ? SENDER_REFUSED
                                      : SENDER_DOWN,
        code == ERR_OK ? "" : e.detail);
}

/* ---- both */

void sender_start(struct sender *s, struct parcel *p)
{
    p->status = 0;
    p->retry_after_s = 0;
    p->took_ms = 0;
    if (s->outbound)
        start_post(s, p);
    else
        start_mail(s, p);
}

struct parcel *sender_next(struct sender *s, int64_t ms)
{
    struct parcel *p = s->ended;

    if (p) {
        s->ended = p->next;
    } else if (s->outbound) {
        struct outbound_message *m = outbound_next(s->outbound, ms);

        p = m ? m->ctx : NULL;
        if (p)
            judge(s, p);
    }
    if (p)
        post_done(&p->post);
    return p;
}

void sender_cut(struct sender *s)
{
    s->ended = NULL;
    if (s->outbound)
        outbound_cut(s->outbound);
}

void sender_send(struct sender *s, struct parcel *p)
{
    sender_start(s, p);
    while (!sender_next(s, WAIT_MS))
        ;
}
