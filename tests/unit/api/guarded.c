#include "guarded.h"

#include "api/policy_in_force.h"
#include "auth/browser/seal.h"
#include "auth/browser/session.h"
#include "auth/core/audit.h"
#include "auth/core/auth.h"
#include "auth/people/user_change.h"
#include "auth/policy/policy.h"
#include "auth/policy/rules.h"
#include "auth/providers/local.h"
#include "auth/tokens/access_token_provider.h"
#include "conf/conf.h"

#include <stdio.h>

static void add_users(struct accounts *a)
{
    static const struct str groups[] = {{"dev", 3}, {"ops", 3}};
    static const struct user_rights root = {.admin = true}, alice = {false, groups, 2};

    assert_ok(user_add(a, STR("root"), STR(PASSWORD), &root, ERR_IGNORED));
    assert_ok(user_add(a, STR("alice"), STR(PASSWORD), &alice, ERR_IGNORED));
}

void guarded_init(struct server *s)
{
    static const _Atomic uint64_t at_once = 8;
    static const struct auth_options options = {60000, 64, 100, 60000, {&at_once, 8}};
    static const struct session_options lasting = {3600000, 3600000};
    static const struct audit_options trail = {.file = "", .wait_ms = 2000};
    struct provider *providers[3];
    struct api_guard *g = &s->api.guard;
    struct meta *m;

    server_init(s);
    m = s->w.meta;
    s->w.conf->auth.mode = CONF_AUTH_ON;
    g->accounts = accounts_new(m);
    g->rules = rules_new(m);
    assert_ok(audit_new(m, &trail, &g->audit, ERR_IGNORED));
    assert_ok(seal_new(m, &g->seal, ERR_IGNORED));
    g->sessions = sessions_new(m, g->seal, &lasting);
    providers[0] = sessions_provider(g->sessions);
    providers[1] = access_token_provider(g->accounts);
    providers[2] = local_provider(g->accounts);
    g->auth = auth_new(&options, providers, 3);
    sessions_renew_by(g->sessions, auth_renew, g->auth);
    rules_set_file(g->rules, policy_new(NULL, 0, false));
    add_users(g->accounts);
}

void guarded_end_audit(struct server *s)
{
    audit_free(s->api.guard.audit);
    s->api.guard.audit = NULL;
}

/* server_done() frees what server_init() made. */
void guarded_done(struct server *s)
{
    struct api_guard g = s->api.guard;

    guarded_end_audit(s);
    auth_free(g.auth);
    sessions_free(g.sessions);
    seal_free(g.seal);
    rules_free(g.rules);
    accounts_free(g.accounts);
    server_done(s);
}

static void take_step(struct server *s, const struct step *step)
{
    AUTO(buf) struct buf headers = {0};
    struct request r = {.line = step->line, .body = str_of(step->json)};
    struct answer a;

    buf_init(&headers, 4096);
    buf_add_text(&headers, step->who ? step->who : "");
    if (step->json)
        buf_add_text(&headers, "Content-Type: application/json\r\n");
    r.headers = buf_text(&headers);
    a = serve(s, &r);
    tell_status(step->story, &a, step->status);
    if (step->said && step->status >= 400)
        assert_error(&a, step->status, step->said);
    else if (step->said && !strstr(buf_text(&a.body), step->said))
        fail_msg("%s: %s", step->story, buf_text(&a.body));
    answer_done(&a);
}

void tell(struct server *s, const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        take_step(s, &steps[i]);
}
