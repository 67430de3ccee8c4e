"""Rules of the policy by the API, beside those of the configuration."""

import base64
import subprocess

import pytest
import yaml
from accounts import OTHER, PASSWORD, Caller, alice_and_bob, environment, told
from helpers import Client, image
from waiting import until

PULL_PUBLIC = {"subjects": ["anonymous"], "actions": ["pull"], "repositories": ["public/**"]}
FILE = [{"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["dev/**"]}]


@pytest.fixture
def accounts(new_registry):
    return alice_and_bob(new_registry, "--group", "dev", policy=FILE)


def add(caller, rule, expect=201):
    return caller("POST", "/api/v1/policy", rule, expect=expect)


def ask(caller, subject, action, repository=None, **more):
    body = {"subject": subject, "action": action, **more}
    if repository:
        body["repository"] = repository
    return caller("POST", "/api/v1/policy/test", body).json()


def status(registry, path, user=None, secret=OTHER):
    return Caller(registry, user, secret)("GET", path, expect=None).status_code


@pytest.mark.sanitize
def test_a_rule_holds_at_once_until_it_is_removed(accounts, alice):
    registry = accounts.registry
    with Client(registry.url, auth=("alice", PASSWORD)) as client:
        client.push_image("public/app", image(layers=1), "v1")
    tags = "/v2/public/app/tags/list"
    assert status(registry, tags) == 401
    answer = add(alice, PULL_PUBLIC)
    rule = answer.json()
    assert answer.headers["Location"] == f"/api/v1/policy/{rule['id']}"
    assert status(registry, tags) == 200
    assert alice.get("/api/v1/policy")["rules"] == [
        {"origin": "file", "number": 1, "effect": "allow", "tags": [], **FILE[0]},
        {"origin": "api", "id": rule["id"], "effect": "allow", "tags": [], **PULL_PUBLIC},
    ]
    alice("DELETE", f"/api/v1/policy/{rule['id']}", expect=204)
    assert status(registry, tags) == 401
    alice("DELETE", f"/api/v1/policy/{rule['id']}", expect=404)


def test_rules_outlast_a_restart_and_a_reload(accounts, alice):
    add(alice, {"subjects": ["group:dev"], "actions": ["pull"], "repositories": ["ops/**"]})
    assert ask(alice, "bob", "pull", "ops/a")["allowed"]
    accounts.registry.restart()
    assert ask(alice, "bob", "pull", "ops/a")["allowed"]
    accounts.registry.signal(1)
    until(lambda: "configuration reloaded" in accounts.registry.log)
    assert ask(alice, "bob", "pull", "ops/a")["allowed"]
    assert ask(alice, "bob", "pull", "dev/a")["allowed"]


def test_deny_wins_among_the_rules_of_both(alice):
    assert ask(alice, "bob", "pull", "dev/secret")["allowed"]
    rule = add(alice, {"subjects": ["*"], "effect": "deny", "actions": ["pull"],
                       "repositories": ["dev/secret"]}).json()
    answer = ask(alice, "bob", "pull", "dev/secret")
    assert not answer["allowed"] and rule["id"] in answer["why"] and answer["rule"] == rule


def test_the_first_rule_locks_nobody_out_and_opens_only_what_it_says(new_registry):
    """Without a policy in the configuration what holds without one holds on."""
    accounts = alice_and_bob(new_registry, "--group", "dev")
    alice = Caller(accounts.registry, "alice")
    assert alice.get("/api/v1/policy") == {"without_rules": True, "rules": []}
    add(alice, PULL_PUBLIC)
    assert ask(alice, "bob", "push", "any/app")["allowed"]
    assert not ask(alice, "bob", "delete", "any/app")["allowed"]
    assert ask(alice, "anonymous", "pull", "public/app")["allowed"]
    assert not ask(alice, "anonymous", "pull", "any/app")["allowed"]


def test_nobody_locks_himself_out(alice):
    deny = {"subjects": ["*"], "effect": "deny", "actions": ["admin"]}
    assert "no admin" in told(add(alice, deny, expect=409))
    assert len(alice.get("/api/v1/policy")["rules"]) == 1


def test_mistakes_are_told_in_the_words_of_the_configuration(accounts, alice, work):
    for rule in (
        {"subjects": ["bob"], "actions": ["pull"]},
        {"subjects": ["user:bob"], "actions": ["fly"]},
        {"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["Dev/**"]},
        {"subjects": ["user:bob"], "actions": ["pull"], "tags": ["a/b"]},
        {"subjects": ["user:bob"], "actions": ["pull"], "effect": "maybe"},
        {"subjects": ["user:bob"], "actions": ["pull"], "repository": ["x"]},
        {"actions": ["pull"]},
        {"subjects": [], "actions": ["pull"]},
    ):
        said = told(add(alice, rule, expect=400))
        config = work / "wrong.yaml"
        config.write_text(yaml.safe_dump({"auth": "local", "policy": [rule]}))
        done = subprocess.run([str(accounts.registry.binary), "config", "check", str(config)],
                              capture_output=True, text=True, timeout=30, env=environment())
        assert done.returncode == 1
        said = said.removeprefix("request is malformed: ").removeprefix("policy[0]")
        assert said in done.stderr, (said, done.stderr)
    assert len(alice.get("/api/v1/policy")["rules"]) == 1


def test_a_decision_is_explained(alice):
    answer = ask(alice, "user:bob", "pull", "dev/app", tag="v1")
    assert answer["allowed"] and answer["why"] == "allowed by rule 1 of the policy"
    assert answer["rule"]["number"] == 1
    assert ask(alice, "alice", "admin")["allowed"]  # an admin of the database
    assert not ask(alice, "alice", "admin", admin=False)["allowed"]
    add(alice, {"subjects": ["group:ext"], "actions": ["*"], "repositories": ["ext/**"]})
    assert ask(alice, "ldapuser", "delete", "ext/a", groups=["ext"])["allowed"]
    assert not ask(alice, "robot:ci", "pull", "ext/a")["allowed"]
    for body, word in (
        ({"subject": "bob", "action": "fly"}, "'action'"),
        ({"subject": "", "action": "pull"}, "'subject'"),
        ({"subject": "bob", "action": "pull", "tag": "v1"}, "'repository'"),
        ({"action": "pull"}, "'subject'"),
    ):
        assert word in told(alice("POST", "/api/v1/policy/test", body, expect=400))


def test_only_admins_see_and_change_rules(accounts, alice):
    registry = accounts.registry
    rule = add(alice, PULL_PUBLIC).json()
    for caller, status in (
        (Caller(registry), 401),
        (Caller(registry, "bob", OTHER), 403),
        (Caller(registry, "ci", accounts.token("--robot", "ci")), 403),
        (Caller(registry, bearer=accounts.token("--user", "alice", "--scope", "**:*")), 401),
    ):
        caller("GET", "/api/v1/policy", expect=status)
        caller("POST", "/api/v1/policy", PULL_PUBLIC, expect=status)
        caller("POST", "/api/v1/policy/test", {"subject": "bob", "action": "pull"}, expect=status)
        caller("DELETE", f"/api/v1/policy/{rule['id']}", expect=status)
    assert len(alice.get("/api/v1/policy")["rules"]) == 2


def test_changes_of_rules_are_in_the_audit_trail(alice):
    rule = add(alice, PULL_PUBLIC).json()
    alice("DELETE", f"/api/v1/policy/{rule['id']}", expect=204)

    def trail():
        return [(e["action"], e["target"]) for e in alice.get("/api/v1/audit")["entries"]]

    until(lambda: len(trail()) >= 4)
    assert trail()[:2] == [("policy rm", f"rule:{rule['id']}"), ("policy add", f"rule:{rule['id']}")]


def test_the_command_knows_the_users_and_the_rules_of_the_database(accounts, alice):
    rule = add(alice, {"subjects": ["group:dev"], "actions": ["push"], "repositories": ["x/**"]})
    said = accounts("policy", "test", "bob", "push", "x/app")
    assert said == (
        f"allowed by rule {rule.json()['id']} of the database\n"
        '  - {subjects: ["group:dev"], effect: allow, actions: ["push"], repositories: ["x/**"], tags: []}\n'
    )
    assert "admin" in accounts("policy", "test", "alice", "delete", "any/app")
    accounts("policy", "test", "carol", "push", "x/app", status=3)
    accounts("policy", "test", "carol", "push", "x/app", "--group", "dev")


@pytest.mark.sanitize
@pytest.mark.parametrize("one", ["[%s]", '{"a":%s}'])
def test_json_of_very_many_levels_is_refused(accounts, alice, one):
    deep = "1"
    for _ in range(2000):
        deep = one % deep
    part = base64.urlsafe_b64encode(deep.encode()).decode().rstrip("=")
    header = base64.urlsafe_b64encode(b'{"alg":"ES256","x":%s}' % deep.encode()).decode().rstrip("=")
    for path in ("/api/v1/policy", "/api/v1/users", "/api/v1/session"):
        answer = alice("POST", path, data='{"subjects":%s}' % deep, expect=400,
                       headers={"Content-Type": "application/json"})
        assert "nested" in told(answer)
    for token in (f"{header}.e30.AAAA", f"e30.{part}.AAAA"):
        Caller(accounts.registry, bearer=token)("GET", "/v2/", expect=401)
