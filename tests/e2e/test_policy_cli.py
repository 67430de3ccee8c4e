"""`registry policy`: the rules of a database by the command line, beside a server or without one."""

import json

import pytest
import yaml
from accounts import Accounts, Caller
from waiting import until

DEV = {"subjects": ["group:dev"], "actions": ["pull"], "repositories": ["dev/**"]}
FILE = [{"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["dev/**"]}]


@pytest.fixture
def accounts(new_registry):
    accounts = Accounts(new_registry(config={"auth": "local", "policy": FILE}))
    accounts.add("alice", "--admin")
    return accounts


def add(accounts, rule):
    """The rule's id."""
    return accounts("policy", "add", flow(rule)).split()[1]


def flow(rule):
    return yaml.safe_dump(rule, default_flow_style=True, width=1000)


def test_the_list_is_yaml_for_a_configuration_and_names_what_can_be_removed(accounts):
    rule = add(accounts, DEV)
    printed = accounts("policy", "list")
    more = {"effect": "allow", "tags": []}
    assert yaml.safe_load(printed) == [{**FILE[0], **more}, {**DEV, **more}]
    first, second = printed.splitlines()
    assert first.endswith(" # rule 1 of the configuration")
    assert second.endswith(f" # rule {rule} of the database")
    assert accounts("policy", "rm", rule) == f"rule {rule} removed\n"
    assert accounts("policy", "list") == first + "\n"


def test_the_list_as_json_is_that_of_the_api(accounts):
    add(accounts, DEV)
    accounts.registry.start()
    lines = [json.loads(line) for line in accounts("policy", "list", "--json").splitlines()]
    assert lines == Caller(accounts.registry, "alice").get("/api/v1/policy")["rules"]


def test_a_list_needs_no_database_and_says_when_there_is_no_rule(new_registry):
    registry = new_registry(config={"auth": "local"})
    assert Accounts(registry)("policy", "list") == (
        "# no rule in the configuration: who has signed in may pull and push everywhere\n"
    )
    assert not (registry.root / "registry.db").exists()


def test_a_running_server_takes_a_rule_and_loses_it_within_a_moment(accounts):
    accounts.registry.start()
    alice = Caller(accounts.registry, "alice")

    def bob_may_push():
        body = {"subject": "bob", "action": "push", "repository": "x/app"}
        return alice("POST", "/api/v1/policy/test", body).json()["allowed"]

    assert not bob_may_push()
    rule = add(accounts, {"subjects": ["user:bob"], "actions": ["push"], "repositories": ["x/**"]})
    until(bob_may_push)
    accounts("policy", "rm", rule)
    until(lambda: not bob_may_push())


def test_mistakes_are_told_in_the_words_of_the_configuration(accounts):
    for rule, word in (
        ("{subjects: [dev], actions: [pull]}", "'dev' is no subject; allowed are 'user:NAME'"),
        ("{subjects: ['*'], actions: [fly]}", "'fly'"),
        ("{subjects: ['*'], actions: [pull], repository: [x]}", "repository"),
        ("{actions: [pull]}", "subjects"),
        ("pull", "must be a map"),
        ("{subjects: ['*']", "policy"),
        ("{subjects: ['*'], actions: [pull]}, {subjects: ['*'], actions: [push]}", "not one rule"),
        ("{subjects: ['*'], actions: [pull]} # ]", "policy"),
    ):
        assert word in accounts("policy", "add", rule, status=1)
    assert "no such rule" in accounts("policy", "rm", "0123456789abcdef", status=1)
    assert "the rule is missing" in accounts("policy", "add", status=2)
    assert "the id of the rule is missing" in accounts("policy", "rm", status=2)
    assert len(accounts("policy", "list").splitlines()) == 1


def test_the_operator_makes_and_mends_a_rule_that_locks_all_admins_out(accounts):
    rule = add(accounts, {"subjects": ["*"], "effect": "deny", "actions": ["*"]})
    accounts.registry.start()
    alice = Caller(accounts.registry, "alice")
    alice("GET", "/api/v1/policy", expect=403)
    accounts("policy", "rm", rule)
    until(lambda: alice("GET", "/api/v1/policy", expect=None).status_code == 200)


def test_changes_are_in_the_audit_trail(accounts):
    rule = add(accounts, DEV)
    accounts("policy", "rm", rule)
    trail = [json.loads(line) for line in accounts("audit", "--json", "-n", "2").splitlines()]
    assert [(e["action"], e["target"], e["result"]) for e in trail] == [
        ("policy rm", f"rule:{rule}", "ok"),
        ("policy add", f"rule:{rule}", "ok"),
    ]
    assert all(e["actor"].startswith("shell:") for e in trail)
