"""Retention: which tags go by the policies of the configuration, by a command and by its schedule."""

import json
import sqlite3
from contextlib import closing

import pytest
from accounts import OTHER, PASSWORD, Caller, alice_and_bob
from content import command
from helpers import Client, image
from waiting import until

POLICY = [{"repositories": ["dev/**"], "tags": ["pr-*"], "keep_last": 1}]
IMMUTABLE = [
    {"subjects": ["*"], "actions": ["*"], "repositories": ["**"]},
    {"subjects": ["*"], "effect": "deny", "actions": ["overwrite", "delete"], "repositories": ["**"], "tags": ["pr-1"]},
]

pytestmark = pytest.mark.sanitize


def fill(registry):
    with Client(registry.url) as c:
        for tag in ("pr-1", "pr-2", "pr-3", "latest"):
            c.push_image("dev/app", image("one", layers=1), tag)


def tags(registry):
    with Client(registry.url) as c:
        return c.tags("dev/app")


@pytest.mark.parametrize("running", [True, False])
def test_the_command_shows_each_decision_and_carries_it_out(new_registry, running):
    registry = new_registry(config={"retention": POLICY}).start()
    fill(registry)
    if not running:
        registry.stop()
    rows = {r["tag"]: (r["goes"], r["why"]) for r in
            map(json.loads, command(registry, "retention", "--dry-run", "--json").splitlines())}
    goes = (True, "policy 1: nothing keeps it")
    assert rows == {"pr-1": goes, "pr-2": goes, "pr-3": (False, "policy 1: keep_last 1")}
    printed = command(registry, "retention")
    assert "deleting 2 tags, keeping 1" in printed
    assert printed.endswith("retention: done by the server\n" if running else "retention: done\n")
    if not running:
        registry.start()
    assert tags(registry) == ["latest", "pr-3"]


def test_a_tag_that_a_rule_keeps_from_everyone_stays(new_registry, work):
    registry = new_registry(config={"retention": POLICY}).start()
    fill(registry)
    registry.stop()
    registry.config.update({"auth": "local", "policy": IMMUTABLE})
    printed = command(registry, "retention")
    assert "pr-1 (a rule of the rights lets nobody move or delete it)" in printed
    registry.config.pop("auth")
    registry.config.pop("policy")
    registry.start()
    assert tags(registry) == ["latest", "pr-1", "pr-3"]


def test_over_http_decisions_are_shown_in_pages_and_carried_out(new_registry):
    policies = [*POLICY, {"repositories": ["devel/**"], "keep_last": 1}]
    registry = alice_and_bob(new_registry, retention=policies).registry
    alice, bob = Caller(registry, "alice"), Caller(registry, "bob", OTHER)
    with Client(registry.url, auth=("alice", PASSWORD)) as c:
        for tag in ("pr-1", "pr-2", "pr-3"):
            c.push_image("dev/app", image("one", layers=1), tag)
        whole = alice.get("/api/v1/retention")
        assert (whole["go"], whole["stay"]) == (2, 1)
        assert whole["not_carried_out"] == [{"policy": 2, "why": "its patterns match no repository"}]
        assert {(d["repository"], d["tag"], d["goes"], d["why"]) for d in whole["decisions"]} == {
            ("dev/app", "pr-1", True, "policy 1: nothing keeps it"),
            ("dev/app", "pr-2", True, "policy 1: nothing keeps it"),
            ("dev/app", "pr-3", False, "policy 1: keep_last 1")}
        assert alice.pages("/api/v1/retention", "decisions", n=2) == (whole["decisions"], 2)
        assert len(c.tags("dev/app")) == 3
        bob("POST", "/api/v1/retention", expect=403)
        alice("POST", "/api/v1/retention", expect=202)
        until(lambda: c.tags("dev/app") == ["pr-3"])
        moves = alice.get("/api/v1/repositories/dev/app/tags/pr-1/history")["moves"]
    assert moves[0]["digest"] is None and moves[0]["actor"] == "user:alice"


def test_over_http_what_is_wrong_is_told(new_registry):
    alice = Caller(alice_and_bob(new_registry).registry, "alice")
    assert "no policy" in alice("POST", "/api/v1/retention", expect=409).text
    assert "'last'" in alice("GET", "/api/v1/retention?last=x", expect=400).text


def test_a_policy_that_matches_nothing_is_told_and_not_carried_out(new_registry):
    registry = new_registry(config={"retention": [{"repositories": ["devel/**"], "keep_last": 1}]}).start()
    fill(registry)
    told = command(registry, "retention", status=1)
    assert "policy 1 of `retention` is not carried out: its patterns match no repository" in told
    assert len(tags(registry)) == 4


def test_the_schedule_lets_tags_go_by_itself(new_registry):
    registry = new_registry(config={"retention": POLICY, "gc": {"schedule": "* * * * *"}}).start()
    fill(registry)
    with closing(sqlite3.connect(registry.root / "registry.db", timeout=60)) as db, db:
        until(lambda: db.execute("SELECT due_ms FROM jobs WHERE kind = 'retention'").fetchone())
        db.execute("UPDATE jobs SET due_ms = 0 WHERE kind = 'retention'")
    until(lambda: tags(registry) == ["latest", "pr-3"])
    with Client(registry.url) as c:
        moves = c.request("GET", "/api/v1/repositories/dev/app/tags/pr-1/history").json()["moves"]
    assert moves[0]["digest"] is None and moves[0]["actor"] == "retention"


def test_what_is_pulled_is_recorded_when_the_server_ends_at_the_latest(new_registry):
    registry = new_registry(config={"retention": [{"repositories": ["dev/**"], "keep_pulled": "1h"}]}).start()
    fill(registry)
    with closing(sqlite3.connect(registry.root / "registry.db", timeout=60)) as db:
        pulls = lambda: dict(db.execute("SELECT key, value FROM records WHERE collection = 'pulls'"))
        until(lambda: "since" in pulls())
        with Client(registry.url) as c:
            c.request("HEAD", "/v2/dev/app/manifests/pr-1")
            c.get_manifest("dev/app", "pr-2")
            c.get_manifest("dev/app", image("one", layers=1).digest)
        registry.stop()
        assert sorted(pulls()) == sorted(["since", "dev/app *", "dev/app pr-2", f"dev/app {image('one', layers=1).digest}"])
        db.execute("UPDATE records SET value = '1000' WHERE collection = 'pulls'")
        db.execute(f"UPDATE records SET value = '{2**62}' WHERE key = 'dev/app pr-2'")
        db.commit()
    printed = command(registry, "retention", "--dry-run")
    assert "dev/app:pr-2 (policy 1: keep_pulled)" in printed and "would delete 3 tags, keeping 1" in printed


@pytest.mark.parametrize("config, why", [
    ({"retention": [{"repositories": ["dev/**"]}]}, "it keeps nothing"),
    ({"retention": [{"repositories": ["Dev/**"], "keep_last": 1}]}, "can't match any repository"),
    ({"retention": [{"repositories": ["dev/**"], "keep_tags": ["a b"]}]}, "can't match any tag"),
    ({"gc": {"schedule": "every day"}}, "no time that comes again"),
])
def test_a_mistake_in_the_configuration_is_told(new_registry, config, why):
    registry = new_registry(config=config)
    assert why in command(registry, "config", "check", status=1)
