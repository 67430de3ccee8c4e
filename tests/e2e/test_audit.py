"""The audit trail, read by the API and on the command line."""

import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
import requests
from accounts import OTHER, PASSWORD, Caller, alice_and_bob, told
from helpers import Client, image
from waiting import until

POLICY = [
    {"subjects": ["user:bob"], "actions": ["pull", "push"], "repositories": ["dev/**"]},
]


@pytest.fixture
def accounts(new_registry):
    """A registry with an admin and a user who may push to dev/. It keeps entries of any age."""
    return alice_and_bob(new_registry, policy=POLICY, audit={"retention": "0"})


def push(accounts, repo, tag="v1", who="bob", secret=OTHER):
    with Client(accounts.registry.url, auth=(who, secret)) as client:
        client.push_image(repo, image(layers=1, layer_size=100), tag)


def fill(registry, rows):
    """A trail of so many entries, one a second, as rows of (actor, action, repository, result)."""
    with sqlite3.connect(registry.root / "registry.db", timeout=60) as db:
        db.executemany(
            "INSERT INTO audit (time_ms, actor, action, target, address, result, detail,"
            " repository) VALUES (?, ?, ?, ?, '192.0.2.1', ?, '', ?)",
            ((i * 1000 + 1, a, b, c, d, c) for i, (a, b, c, d) in enumerate(rows)),
        )


def to_seconds(moment):
    return moment.isoformat(timespec="seconds")


def test_an_admin_sees_who_did_what(accounts, alice):
    begun = to_seconds(datetime.utcnow())
    push(accounts, "dev/app")
    until(lambda: bool(alice.get("/api/v1/audit", action="push")["entries"]))
    entry = alice.get("/api/v1/audit", action="push")["entries"][0]
    assert entry["actor"] == "user:bob"
    assert entry["target"] == "dev/app:v1"
    assert entry["result"] == "ok"
    assert entry["address"] == "127.0.0.1"
    assert begun <= entry["time"][: len(begun)] <= to_seconds(datetime.utcnow())


def test_filters_must_all_match(accounts, alice):
    push(accounts, "dev/app")
    push(accounts, "base/app", who="alice", secret=PASSWORD)
    with Client(accounts.registry.url, auth=("bob", OTHER)) as client:
        client.request("POST", "/v2/prod/app/blobs/uploads/", expect=403)
    # An answer may come before its entry is written.
    until(lambda: bool(alice.get("/api/v1/audit", result="denied")["entries"]))
    until(lambda: len(alice.get("/api/v1/audit", action="push")["entries"]) == 2)
    for filters, found in (
        ({"actor": "user:bob"}, {"dev/app:v1", "prod/app"}),
        ({"actor": "user:bob", "result": "ok"}, {"dev/app:v1"}),
        ({"repository": "dev/app"}, {"dev/app:v1"}),
        ({"repository": "dev/"}, {"dev/app:v1"}),
        ({"repository": "*/app"}, {"dev/app:v1", "prod/app", "base/app:v1"}),
        ({"repository": "*/app", "result": "denied"}, {"prod/app"}),
        ({"repository": "dev"}, set()),
        ({"address": "127.0.0.1", "action": "push"}, {"dev/app:v1", "base/app:v1"}),
        ({"address": "192.0.2.1"}, set()),
        ({"from": "2026-01-01", "action": "push"}, {"dev/app:v1", "base/app:v1"}),
        ({"to": "2026-01-01"}, set()),
    ):
        entries = alice.get("/api/v1/audit", **filters)["entries"]
        assert {e["target"] for e in entries if e["action"] != "upload"} == found, filters


@pytest.mark.sanitize
def test_pages_are_followed_by_their_links(accounts, alice):
    fill(accounts.registry, [(f"user:u{i % 3}", "push", "dev/app", "ok") for i in range(25)])
    # the links carry the filters, also those that a URL can't hold as they are
    rows, pages = alice.pages("/api/v1/audit", "entries", n=4, repository="dev/**", to="1971-01-01")
    assert [r["id"] for r in rows] == sorted((r["id"] for r in rows), reverse=True)
    assert len(rows) == 25 and pages == 7
    rows, pages = alice.pages("/api/v1/audit", "entries", n=8, actor="user:u0")
    assert len(rows) == 9 and pages == 2
    assert alice.get("/api/v1/audit", n=0) == {"entries": []}


def test_a_filtered_page_of_a_million_entries_is_quick(accounts, alice):
    """The rare ones are found by an index, whichever filter they are rare by."""
    rare = ("user:rare", "delete", "old/app", "denied")
    usual = ("user:ci", "push", "dev/app", "ok")
    fill(accounts.registry, (rare if i % 250_000 == 7 else usual for i in range(1_000_000)))
    for filters in (
        {"actor": "user:rare"},
        {"action": "delete"},
        {"repository": "old/app"},
        {"result": "denied", "to": "1980-01-01"},
        {"actor": "user:rare", "result": "denied", "address": ""},
    ):
        begin = accounts.registry.cpu_ms()
        assert len(alice.get("/api/v1/audit", **filters)["entries"]) == 4
        assert accounts.registry.cpu_ms() - begin < 1000
    begin = accounts.registry.cpu_ms()
    assert len(alice.get("/api/v1/audit", n=100, to="1970-01-02")["entries"]) == 100
    answer = alice("GET", "/api/v1/audit?repository=none/**")
    assert answer.json()["entries"] == [] and "next" in answer.links  # bounded, and goes on
    assert accounts.registry.cpu_ms() - begin < 2000


def test_a_flood_of_failed_sign_ins_does_not_fill_the_database(accounts, alice):
    registry = accounts.registry

    def guess(n):
        return requests.get(f"{registry.url}/v2/", headers={"Authorization": f"Bearer {n}"},
                            timeout=60).status_code

    began = time.monotonic()
    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(guess, range(400)))
    assert set(answers) == {401, 429}
    until(lambda: alice.get("/api/v1/audit", action="sign-in", result="locked")["entries"])
    rows, _ = alice.pages("/api/v1/audit", "entries", action="sign-in")
    assert 60 < len(rows) <= 110 + time.monotonic() - began


def test_only_admins_read_the_trail(accounts):
    registry = accounts.registry
    robot = accounts.token("--robot", "ci")
    scoped = accounts.token("--user", "alice", "--scope", "**:*")
    Caller(registry)("GET", "/api/v1/audit", expect=401)
    Caller(registry, "bob", OTHER)("GET", "/api/v1/audit", expect=403)
    Caller(registry, "ci", robot)("GET", "/api/v1/audit", expect=403)
    Caller(registry, bearer=scoped)("GET", "/api/v1/audit", expect=401)
    Caller(registry, bearer=accounts.token("--user", "alice"))("GET", "/api/v1/audit")


def test_nothing_changes_or_deletes_an_entry(alice):
    for method in ("DELETE", "POST", "PUT", "PATCH"):
        alice(method, "/api/v1/audit", expect=405)


def test_a_wrong_parameter_is_told(alice):
    for query, word in (
        ("from=yesterday", "'from'"),
        ("to=2026-02-30", "'to'"),
        ("n=x", "'n'"),
        ("last=7", "'last'"),
        ("repository=a%20b", "'a b'"),
        ("actor=" + "x" * 300, "'actor'"),
    ):
        assert word in told(alice("GET", f"/api/v1/audit?{query}", expect=400))


def test_without_authentication_nobody_is_an_admin(registry):
    answer = requests.get(registry.url + "/api/v1/audit", timeout=30)
    assert answer.status_code == 403
    assert "authentication is off" in told(answer)


def test_the_command_shows_the_trail_newest_first(accounts):
    push(accounts, "dev/app", "v1")
    push(accounts, "dev/app", "v2")
    until(lambda: "dev/app:v2" in accounts("audit"))
    lines = accounts("audit", "--action", "push").splitlines()
    assert [w in lines[0] for w in ("TIME", "ACTOR", "TARGET")] == [True] * 3
    assert [line.split()[-1] for line in lines[1:]] == ["dev/app:v2", "dev/app:v1"]
    assert len(accounts("audit", "-n", "1").splitlines()) == 2
    assert "user:bob" in accounts("audit", "--user", "bob")
    assert len(accounts("audit", "--user", "nobody").splitlines()) == 1
    assert len(accounts("audit", "--since", "1h", "--action", "push").splitlines()) == 3
    assert len(accounts("audit", "--until", "1h").splitlines()) == 1
    assert len(accounts("audit", "--repository", "dev/**", "--action", "push").splitlines()) == 3
    objects = [json.loads(line) for line in accounts("audit", "--json").splitlines()]
    assert {"user add", "push", "upload"} <= {o["action"] for o in objects}


def test_the_command_reads_more_than_a_page(accounts):
    fill(accounts.registry, [("user:u", "push", "dev/app", "ok")] * 2500)
    assert len(accounts("audit", "-n", "2400", "--json").splitlines()) == 2400


def test_names_of_attackers_do_not_reach_the_terminal(accounts):
    name = "\x1b]0;owned\x07\u202eevil\u009b2J\r\n"
    registry = accounts.registry
    assert requests.get(registry.url + "/v2/", auth=(name.encode(), b"x"), timeout=30).status_code == 401
    until(lambda: "owned" in accounts("audit"))
    text = accounts("audit", "--result", "failed")
    assert not {"\x1b", "\x07", "\u202e", "\u009b", "\r"} & set(text)
    assert "\\x1b]0;owned\\x07\\xe2\\x80\\xaeevil" in text
    assert len(text.splitlines()) == 2


def test_mistakes_on_the_command_line_are_told(accounts):
    assert "--since" in accounts("audit", "--since", "soon", status=2)
    assert "-n" in accounts("audit", "-n", "0", status=2)
    assert "--repository" in accounts("audit", "--repository", "a b", status=2)
