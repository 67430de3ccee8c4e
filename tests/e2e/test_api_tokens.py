"""Personal tokens and those of robot accounts by the API."""

import datetime
import json
import sqlite3
import time

import pytest
from accounts import OTHER, Accounts, Caller, alice_and_bob, told
from helpers import Client, image
from test_rights import htpasswd
from waiting import until


@pytest.fixture
def accounts(new_registry):
    """A registry with an admin and a user."""
    return alice_and_bob(new_registry, limits={"tokens_per_owner": 5})


def make(caller, expect=201, **body):
    return caller("POST", "/api/v1/tokens", body, expect=expect)


def works(accounts, token):
    caller = Caller(accounts.registry, bearer=token)
    return caller("GET", "/v2/", expect=None).status_code == 200


@pytest.mark.sanitize
def test_the_life_of_a_personal_token(accounts, bob):
    answer = make(bob, scopes=["dev/**:pull,push", "base/*:pull"], lifetime="2h", description="laptop")
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json()
    assert made["owner"] == "user:bob" and made["description"] == "laptop"
    assert made["scopes"] == ["dev/**:pull,push", "base/*:pull"]
    expires = datetime.datetime.strptime(made["expires"], "%Y-%m-%dT%H:%M:%S.%fZ")
    assert 7000 < (expires - datetime.datetime.utcnow()).total_seconds() <= 7200
    with Client(accounts.registry.url, auth=("bob", made["token"])) as client:
        client.push_image("dev/app", image(), "v1")
        client.request("POST", "/v2/prod/app/blobs/uploads/", expect=401)
    listed = bob.get("/api/v1/tokens")["tokens"]
    assert [t["id"] for t in listed] == [made["id"]]
    assert listed[0]["used"] is not None
    assert answer.headers["Location"] == f"/api/v1/tokens/{made['id']}"
    bob("DELETE", f"/api/v1/tokens/{made['id']}", expect=204)
    assert not works(accounts, made["token"])
    bob("DELETE", f"/api/v1/tokens/{made['id']}", expect=404)


def test_the_secret_is_shown_once(accounts, alice, bob):
    secret = make(bob).json()["token"]
    for answer in (bob("GET", "/api/v1/tokens"), alice("GET", "/api/v1/tokens")):
        assert secret not in answer.text and secret[16:] not in answer.text
        assert set(answer.json()["tokens"][0]) == {
            "id", "owner", "scopes", "description", "created", "expires", "used",
        }
    assert secret not in accounts.registry.log


def test_an_admin_makes_tokens_for_robots_and_users(accounts, alice):
    robot = make(alice, robot="ci", scopes=["dev/**:*"], lifetime="never").json()
    assert robot["owner"] == "robot:ci" and robot["expires"] is None
    assert works(accounts, robot["token"])
    assert make(alice, user="bob").json()["owner"] == "user:bob"
    assert make(alice).json()["owner"] == "user:alice"
    owners = {t["owner"] for t in alice.get("/api/v1/tokens")["tokens"]}
    assert owners == {"robot:ci", "user:bob", "user:alice"}
    only = alice.get("/api/v1/tokens", owner="robot:ci")["tokens"]
    assert [t["id"] for t in only] == [robot["id"]]
    alice("DELETE", f"/api/v1/tokens/{robot['id']}", expect=204)
    assert not works(accounts, robot["token"])


def test_a_user_has_to_do_with_his_own_tokens_only(accounts, alice, bob):
    other = make(alice).json()
    mine = make(bob).json()
    assert [t["id"] for t in bob.get("/api/v1/tokens")["tokens"]] == [mine["id"]]
    bob("GET", "/api/v1/tokens?owner=user:alice", expect=403)
    hidden = bob("DELETE", f"/api/v1/tokens/{other['id']}", expect=404)
    none = bob("DELETE", "/api/v1/tokens/cafecafecafe", expect=404)
    assert hidden.text.replace(other["id"], "ID") == none.text.replace("cafecafecafe", "ID")
    make(bob, user="alice", expect=403)
    make(bob, robot="ci", expect=403)
    assert works(accounts, other["token"])


def test_a_token_makes_none_and_a_narrowed_one_reaches_none(accounts, alice, bob):
    registry = accounts.registry
    whole, narrow = make(bob).json()["token"], make(bob, scopes=["dev/**:pull"]).json()["token"]
    by_whole = Caller(registry, bearer=whole)
    assert "makes no other" in told(make(by_whole, expect=403))
    assert len(by_whole.get("/api/v1/tokens")["tokens"]) == 2
    for by_narrow in (Caller(registry, bearer=narrow), Caller(registry, "bob", narrow)):
        make(by_narrow, expect=401)
        by_narrow("GET", "/api/v1/tokens", expect=401)
    service = Caller(registry, "bob", OTHER).get("/auth/token", scope="repository:a/b:pull")["token"]
    make(Caller(registry, bearer=service), expect=401)
    # of an admin, for who makes accounts by program
    make(Caller(registry, bearer=make(alice).json()["token"]), robot="ci")
    narrowed_admin = make(alice, scopes=["**:*"]).json()["token"]
    make(Caller(registry, bearer=narrowed_admin), robot="ci", expect=401)


def test_neither_robots_nor_those_without_a_name_have_tokens_here(accounts):
    robot = Caller(accounts.registry, "ci", accounts.token("--robot", "ci"))
    for call, status in ((robot, 403), (Caller(accounts.registry), 401)):
        call("GET", "/api/v1/tokens", expect=status)
        make(call, expect=status)
        call("DELETE", "/api/v1/tokens/cafecafecafe", expect=status)


def test_who_only_has_the_name_of_a_local_user_gets_no_token_of_his(new_registry, work):
    """Another provider's bob is someone else, with other rights."""
    file = htpasswd(work / "htpasswd", {"bob": "build-It7"})
    accounts = Accounts(new_registry(
        config={"auth": {"htpasswd": {"file": file}, "order": ["htpasswd", "local", "token"]}}))
    accounts.add("bob", "--admin", password=OTHER)
    accounts.registry.start()
    token = accounts.token("--user", "bob")
    other = Caller(accounts.registry, "bob", "build-It7")
    assert "database" in told(make(other, expect=403))
    other("GET", "/api/v1/tokens", expect=403)
    other("DELETE", f"/api/v1/tokens/{token[4:16]}", expect=403)


def test_what_a_user_describes_does_not_reach_the_terminal(accounts, bob):
    make(bob, description="laptop \u009b2J\u202eevil \u00e4")
    listed = accounts("token", "list")
    assert not {"\u009b", "\u202e"} & set(listed)
    assert "laptop \\xc2\\x9b2J\\xe2\\x80\\xaeevil \u00e4" in listed


def test_an_owner_has_only_so_many_tokens(accounts, alice, bob):
    made = [make(bob).json() for _ in range(5)]
    assert "limits.tokens_per_owner" in told(make(bob, expect=403))
    assert "limits.tokens_per_owner" in accounts("token", "create", "--user", "bob", status=1)
    make(alice)
    bob("DELETE", f"/api/v1/tokens/{made[0]['id']}", expect=204)
    make(bob)


def test_tokens_are_listed_in_pages(alice, bob):
    for _ in range(5):
        make(alice, robot="ci")
        make(bob)
    tokens, pages = alice.pages("/api/v1/tokens", "tokens", n=3)
    assert len({t["id"] for t in tokens}) == 10 and pages == 4
    tokens, pages = alice.pages("/api/v1/tokens", "tokens", n=2, owner="robot:ci")
    assert len(tokens) == 5 and pages == 3
    tokens, pages = bob.pages("/api/v1/tokens", "tokens", n=5)
    assert len(tokens) == 5 and pages == 1


def test_mistakes_are_told(alice):
    for body, word in (
        ({"scope": "x"}, "'scope'"),
        ({"scopes": "dev/**:pull"}, "list"),
        ({"scopes": []}, "empty"),
        ({"scopes": ["dev"]}, "REPOSITORIES:ACTIONS"),
        ({"scopes": ["dev/**:fly"]}, "'fly'"),
        ({"scopes": ["a:pull b:pull"]}, "REPOSITORIES:ACTIONS"),
        ({"lifetime": "1"}, "never"),
        ({"lifetime": "1s"}, "never"),
        ({"description": "a\nb"}, "one line"),
        ({"user": "a", "robot": "b"}, "exclude"),
        ({"robot": "a b"}, "'a b'"),
    ):
        assert word in told(make(alice, expect=400, **body)), body
    assert "no user 'nobody'" in told(make(alice, user="nobody", expect=404))


def test_what_was_made_and_revoked_is_in_the_audit_trail(alice):
    made = make(alice, robot="ci").json()
    alice("DELETE", f"/api/v1/tokens/{made['id']}", expect=204)

    def trail():
        entries = alice.get("/api/v1/audit", actor="user:alice")["entries"]
        return [(e["action"], e["target"], e["result"]) for e in entries]

    until(lambda: len(trail()) == 2)
    assert trail() == [
        ("token revoke", f"token:{made['id']}", "ok"), ("token create", "robot:ci", "ok"),
    ]
    assert made["token"] not in json.dumps(alice.get("/api/v1/audit"))


def test_tokens_that_expired_long_ago_are_removed(accounts, alice):
    old, new = make(alice, robot="old").json(), make(alice, robot="new").json()
    accounts.registry.stop()
    with sqlite3.connect(accounts.registry.root / "registry.db", timeout=60) as db:
        for made, age_s in ((old, 8 * 86400), (new, 86400)):
            key = (made["id"],)
            value = db.execute("SELECT value FROM records WHERE collection = 'tokens' AND key = ?", key)
            value = json.loads(value.fetchone()[0])
            value["expires_ms"] = int((time.time() - age_s) * 1000)
            db.execute("UPDATE records SET value = ? WHERE collection = 'tokens' AND key = ?",
                       (json.dumps(value), *key))
    accounts.registry.start()
    until(lambda: [t["id"] for t in alice.get("/api/v1/tokens")["tokens"]] == [new["id"]])
