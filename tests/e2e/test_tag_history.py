"""Where a tag pointed, and the way back: by the API, and by commands beside a server or without one."""

import json

import pytest
from accounts import Caller, htpasswd
from content import command
from helpers import Client, image

PEOPLE = {"alice": "wonder-Land9", "bob": "build-It7", "carol": "hidden-From3", "root": "all-Mighty5"}
POLICY = [
    {"subjects": ["anonymous"], "actions": ["pull"], "repositories": ["public/**"]},
    {"subjects": ["user:alice"], "actions": ["pull", "push", "overwrite"], "repositories": ["dev/**", "public/**"]},
    {"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["dev/**"]},
    {"subjects": ["user:root"], "actions": ["*"], "repositories": ["**"]},
    {"subjects": ["*"], "effect": "deny", "actions": ["overwrite", "delete"], "repositories": ["**"], "tags": ["v*"]},
]
ONE, TWO = image("one", layers=1), image("two", layers=1)

pytestmark = pytest.mark.sanitize


def path(repo, tag, what):
    return f"/api/v1/repositories/{repo}/tags/{tag}/{what}"


@pytest.fixture
def guarded(new_registry, work):
    people = htpasswd(work / "htpasswd", PEOPLE)
    return new_registry(config={"auth": {"htpasswd": {"file": people}}, "policy": POLICY}).start()


def caller(registry, user=None):
    return Caller(registry, user, PEOPLE.get(user))


def push(registry, repo, tag, user=None):
    with Client(registry.url, **({"auth": (user, PEOPLE[user])} if user else {})) as client:
        client.push_image(repo, ONE, tag)
        client.push_image(repo, TWO, tag)


def points_to(registry, repo, tag, user=None):
    with Client(registry.url, **({"auth": (user, PEOPLE[user])} if user else {})) as client:
        return client.get_manifest(repo, tag).headers["Docker-Content-Digest"]


def test_the_history_says_where_a_tag_pointed_and_who_moved_it(guarded):
    push(guarded, "dev/app", "latest", "alice")
    moves = caller(guarded, "alice").get(path("dev/app", "latest", "history"))["moves"]
    assert [(m["digest"], m["previous"], m["actor"]) for m in moves] == [
        (TWO.digest, ONE.digest, "user:alice"), (ONE.digest, None, "user:alice")]
    first, second = (caller(guarded, "alice")("GET", path("dev/app", "latest", "history"), params=p)
                     for p in ({"n": 1}, {"n": 1, "last": moves[0]["version"]}))
    assert (first.json()["moves"], second.json()["moves"]) == (moves[:1], moves[1:])
    assert 'rel="next"' in first.headers["Link"] and "Link" not in second.headers


def test_who_may_only_pull_is_not_told_who_moved_a_tag(guarded):
    push(guarded, "public/app", "latest", "alice")
    moves = caller(guarded).get(path("public/app", "latest", "history"))["moves"]
    assert [m["digest"] for m in moves] == [TWO.digest, ONE.digest]
    assert all("actor" not in m for m in moves)


def test_a_stranger_learns_nothing(guarded):
    push(guarded, "dev/app", "latest", "alice")
    for what, method in (("history", "GET"), ("rollback", "POST")):
        caller(guarded)(method, path("dev/app", "latest", what), expect=401)
    unknown = caller(guarded, "carol")("GET", path("dev/none", "latest", "history"), expect=404)
    hidden = caller(guarded, "carol")("GET", path("dev/app", "latest", "history"), expect=404)
    assert hidden.text.replace("dev/app", "dev/none") == unknown.text
    caller(guarded, "carol")("POST", path("dev/app", "latest", "rollback"), expect=403)
    caller(guarded, "alice")("GET", path("dev/app", "none", "history"), expect=404)


def test_a_rollback_takes_the_right_to_move_the_tag(guarded):
    push(guarded, "dev/app", "latest", "alice")
    caller(guarded, "bob")("POST", path("dev/app", "latest", "rollback"), expect=403)
    assert points_to(guarded, "dev/app", "latest", "bob") == TWO.digest
    answer = caller(guarded, "alice")("POST", path("dev/app", "latest", "rollback"))
    assert answer.json() == {"name": "dev/app", "tag": "latest", "digest": ONE.digest, "previous": TWO.digest}
    assert points_to(guarded, "dev/app", "latest", "bob") == ONE.digest


def test_a_tag_that_a_rule_keeps_from_everyone_is_not_rolled_back(guarded):
    with Client(guarded.url, auth=("root", PEOPLE["root"])) as client:
        client.push_image("dev/app", ONE, "v1")
        client.push_image("dev/app", TWO, "latest")
    told = caller(guarded, "root")("POST", path("dev/app", "v1", "rollback"), {"to": TWO.digest}, expect=403)
    assert "may not move it" in told.text


def test_a_rollback_goes_to_the_digest_that_is_given(guarded):
    push(guarded, "dev/app", "latest", "alice")
    alice = caller(guarded, "alice")
    alice("POST", path("dev/app", "latest", "rollback"), {"to": ONE.digest})
    alice("POST", path("dev/app", "latest", "rollback"), {"to": ONE.digest}, expect=409)
    alice("POST", path("dev/app", "latest", "rollback"), {"to": "sha256:" + "0" * 64}, expect=404)
    alice("POST", path("dev/app", "latest", "rollback"), {"to": "latest"}, expect=400)
    alice("POST", path("dev/app", "latest", "rollback"), {"from": ONE.digest}, expect=400)
    assert points_to(guarded, "dev/app", "latest", "alice") == ONE.digest


def test_the_command_rolls_back_by_the_server_that_runs(new_registry):
    registry = new_registry().start()
    push(registry, "dev/app", "latest")
    assert points_to(registry, "dev/app", "latest") == TWO.digest
    assert "dev/app:latest: done by the server" in command(registry, "tag", "rollback", "dev/app:latest")
    assert points_to(registry, "dev/app", "latest") == ONE.digest
    rows = [json.loads(line) for line in command(registry, "tag", "history", "dev/app:latest", "--json").splitlines()]
    assert [r["digest"] for r in rows] == [ONE.digest, TWO.digest, ONE.digest]
    assert rows[0]["actor"].startswith("shell:")


def test_the_command_rolls_back_where_no_server_runs(new_registry):
    registry = new_registry().start()
    push(registry, "dev/app", "latest")
    registry.stop()
    printed = command(registry, "tag", "rollback", "dev/app:latest", ONE.digest)
    assert printed.endswith("dev/app:latest: done\n")
    assert (registry.root / "repositories/dev/app/manifests/latest").readlink().name == ONE.digest
    registry.start()
    assert points_to(registry, "dev/app", "latest") == ONE.digest


def test_what_the_server_refuses_the_command_says(new_registry):
    registry = new_registry().start()
    with Client(registry.url) as client:
        client.push_image("dev/app", ONE, "latest")
    assert "has been nowhere else" in command(registry, "tag", "rollback", "dev/app:latest", status=1)
    assert "order" not in command(registry, "jobs", "list")
    assert "is not REPOSITORY:TAG" in command(registry, "tag", "rollback", "dev/app", status=2)
    assert "is not a digest" in command(registry, "tag", "rollback", "dev/app:latest", "x", status=2)
