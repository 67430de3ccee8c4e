"""Local users by the API."""

import json

import pytest
import requests
from accounts import OTHER, PASSWORD, Accounts, Caller, alice_and_bob, told
from waiting import until

THIRD = "Quartz-7.Umbrella"


@pytest.fixture
def accounts(new_registry):
    """A registry with an admin and a user."""
    return alice_and_bob(new_registry, "--group", "dev,qa")


def signs_in(accounts, user, secret):
    return Caller(accounts.registry, user, secret)("GET", "/v2/", expect=None).status_code == 200


@pytest.mark.sanitize
def test_the_life_of_a_user(accounts, alice):
    made = alice(
        "POST", "/api/v1/users", {"name": "carol", "password": THIRD, "groups": ["dev"]}, expect=201
    )
    assert made.headers["Location"] == "/api/v1/users/carol"
    user = made.json()
    assert user["name"] == "carol" and user["groups"] == ["dev"]
    assert not user["admin"] and not user["disabled"] and user["signed_in"] is None
    assert signs_in(accounts, "carol", THIRD)

    changed = alice("PATCH", "/api/v1/users/carol", {"groups": ["ops", "qa"], "admin": True}).json()
    assert changed["groups"] == ["ops", "qa"] and changed["admin"]
    alice("PATCH", "/api/v1/users/carol", {"disabled": True})
    assert not signs_in(accounts, "carol", THIRD)
    alice("PATCH", "/api/v1/users/carol", {"disabled": False, "password": OTHER})
    assert signs_in(accounts, "carol", OTHER) and not signs_in(accounts, "carol", THIRD)
    assert alice.get("/api/v1/users/carol")["signed_in"] is not None

    alice("DELETE", "/api/v1/users/carol", expect=204)
    assert not signs_in(accounts, "carol", OTHER)
    alice("GET", "/api/v1/users/carol", expect=404)


def test_users_are_listed_in_pages_and_without_secrets(accounts, alice):
    accounts("user", "totp", "bob")
    for name in ("carol", "dave", "erin"):
        alice("POST", "/api/v1/users", {"name": name, "password": THIRD}, expect=201)
    users, pages = alice.pages("/api/v1/users", "users", n=2)
    assert [u["name"] for u in users] == ["alice", "bob", "carol", "dave", "erin"]
    assert pages == 3
    assert users[1] == {
        **users[1], "groups": ["dev", "qa"], "second_factor": True, "admin": False,
    }
    assert set(users[0]) == {
        "name", "admin", "disabled", "second_factor", "groups", "created", "changed", "signed_in",
    }
    assert "$y$" not in json.dumps(users)
    assert alice.get("/api/v1/users", n=0) == {"users": []}


def test_a_change_is_all_or_nothing(alice):
    answer = alice("PATCH", "/api/v1/users/bob", {"admin": True, "groups": ["-bad"]}, expect=400)
    assert "'-bad'" in told(answer)
    answer = alice("PATCH", "/api/v1/users/bob", {"admin": True, "password": "short"}, expect=400)
    assert "shorter" in told(answer)
    bob = alice.get("/api/v1/users/bob")
    assert not bob["admin"] and bob["groups"] == ["dev", "qa"]


def test_the_command_line_sees_what_the_api_made(accounts, alice):
    alice("POST", "/api/v1/users", {"name": "carol", "password": THIRD, "admin": True}, expect=201)
    assert "carol" in accounts("user", "list")


def test_mistakes_in_a_body_name_the_field(alice):
    def refused(body, *words, status=400, method="POST", path="/api/v1/users", **more):
        answer = alice(method, path, body, expect=status, **more)
        assert all(w in told(answer) for w in words), told(answer)

    good = {"name": "carol", "password": THIRD}
    refused({**good, "nmae": "x"}, "'nmae'", "name, password, groups and admin")
    refused({"password": THIRD}, "'name' is missing")
    refused({"name": "carol"}, "'password' is missing")
    refused({**good, "admin": "yes"}, "'admin'", "true or false")
    refused({**good, "groups": "dev"}, "'groups'", "list")
    refused({**good, "groups": [1]}, "'groups'")
    refused({**good, "name": 7}, "'name'", "text")
    refused({**good, "name": "../x"}, "'../x'")
    refused({**good, "name": "x" * 2000}, "'name'", "1024")
    refused({**good, "password": "carolcarol1"}, "password")
    refused([], "object")
    refused({**good, "name": "bob"}, "already", status=409)
    refused({**good, "groups": ["g"] * 65}, "64 groups")
    refused(None, "JSON", data=b'{"name": "carol",', headers={"Content-Type": "application/json"})
    refused(None, "JSON", data=b'{"admin":true,"admin":false}',
            headers={"Content-Type": "application/json; charset=utf-8"})
    refused(None, "64 levels", data=b"[" * 60000, headers={"Content-Type": "application/json"})
    refused(None, "Content-Type", status=415, data=json.dumps(good))
    refused(None, "Content-Type", status=415, data=good)
    refused(None, "65536", status=413, data=b" " * 70000,
            headers={"Content-Type": "application/json"})
    refused(None, "65536", status=413, data=(b" " * 5000 for _ in range(14)),
            headers={"Content-Type": "application/json"})
    assert [u["name"] for u in alice.get("/api/v1/users")["users"]] == ["alice", "bob"]


def test_the_last_admin_stays(alice):
    for method, body in (
        ("DELETE", None), ("PATCH", {"admin": False}), ("PATCH", {"disabled": True}),
    ):
        assert "last admin" in told(alice(method, "/api/v1/users/alice", body, expect=403))


def test_a_user_changes_his_own_password_with_the_old_one(accounts, bob, alice):
    path = "/api/v1/users/bob/password"
    assert "wrong" in told(bob("PUT", path, {"old": PASSWORD, "new": THIRD}, expect=403))
    assert "shorter" in told(bob("PUT", path, {"old": OTHER, "new": "short"}, expect=400))
    bob("PUT", path, {"old": OTHER, "new": THIRD}, expect=204)
    assert signs_in(accounts, "bob", THIRD) and not signs_in(accounts, "bob", OTHER)


def test_nobody_changes_the_password_of_another_without_being_an_admin(bob, alice):
    body = {"old": PASSWORD, "new": THIRD}
    bob("PUT", "/api/v1/users/alice/password", body, expect=403)
    bob("PUT", "/api/v1/users/nobody/password", body, expect=403)
    alice("PUT", "/api/v1/users/bob/password", body, expect=403)  # it is PATCH for an admin


def test_guessing_the_old_password_is_locked_out(new_registry):
    accounts = Accounts(new_registry(config={"auth": {"mode": "local", "lock_after": 3}}))
    accounts.add("bob")
    accounts.registry.start()
    token = accounts.token("--user", "bob")
    bob = Caller(accounts.registry, bearer=token)
    path, body = "/api/v1/users/bob/password", {"old": "wrong", "new": THIRD}
    statuses = [bob("PUT", path, body, expect=None).status_code for _ in range(4)]
    assert statuses == [403, 403, 403, 429]


ADMIN_ROUTES = [
    ("GET", "/api/v1/users", None),
    ("POST", "/api/v1/users", {"name": "eve", "password": THIRD, "admin": True}),
    ("GET", "/api/v1/users/alice", None),
    ("GET", "/api/v1/users/nobody", None),
    ("PATCH", "/api/v1/users/bob", {"admin": True}),
    ("DELETE", "/api/v1/users/alice", None),
]


def test_only_admins_manage_users(accounts, alice):
    registry = accounts.registry
    callers = {
        "nobody": (Caller(registry), 401),
        "a user": (Caller(registry, "bob", OTHER), 403),
        "a robot": (Caller(registry, "ci", accounts.token("--robot", "ci")), 403),
        "a scoped token of an admin": (
            Caller(registry, bearer=accounts.token("--user", "alice", "--scope", "**:*")), 401),
    }
    for who, (call, status) in callers.items():
        for method, path, body in ADMIN_ROUTES:
            assert call(method, path, body, expect=None).status_code == status, (who, method, path)
    assert [u["name"] for u in alice.get("/api/v1/users")["users"]] == ["alice", "bob"]
    assert not alice.get("/api/v1/users/bob")["admin"]


def test_without_authentication_no_user_is_made(registry):
    body = {"name": "eve", "password": THIRD, "admin": True}
    answer = requests.post(registry.url + "/api/v1/users", json=body, timeout=30)
    assert answer.status_code == 403


def test_changes_are_in_the_audit_trail_and_passwords_nowhere(accounts, alice):
    alice("POST", "/api/v1/users", {"name": "carol", "password": THIRD}, expect=201)
    alice("PATCH", "/api/v1/users/carol", {"admin": True})
    alice("POST", "/api/v1/users", {"name": "carol", "password": THIRD}, expect=409)
    alice("DELETE", "/api/v1/users/carol", expect=204)
    # a mistake beside a password must not bring it into the log
    alice("POST", "/api/v1/users", expect=400, data=f'{{"name":"x","password":"{THIRD}" oops',
          headers={"Content-Type": "application/json"})

    def trail():
        entries = alice.get("/api/v1/audit", actor="user:alice")["entries"]
        return [(e["action"], e["target"], e["result"]) for e in reversed(entries)]

    until(lambda: len(trail()) >= 5)
    assert trail()[:4] == [
        ("user add", "user:carol", "ok"),
        ("user set", "user:carol", "ok"),
        ("user add", "user:carol", "CONFLICT"),
        ("user rm", "user:carol", "ok"),
    ]
    assert THIRD not in accounts.registry.log
