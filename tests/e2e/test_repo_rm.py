"""Deleting whole repositories and tags by pattern, and what repositories hold: by the API and by commands."""

import pytest
from accounts import Caller, htpasswd
from content import command
from helpers import Client, image, index
from server import AT_ONCE
from waiting import until

PEOPLE = {"alice": "wonder-Land9", "bob": "build-It7", "root": "all-Mighty5"}
POLICY = [
    {"subjects": ["user:alice"], "actions": ["pull", "push", "overwrite", "delete"], "repositories": ["dev/**"]},
    {"subjects": ["user:bob"], "actions": ["pull", "push"], "repositories": ["dev/**"]},
    {"subjects": ["user:root"], "actions": ["*"], "repositories": ["**"]},
    {"subjects": ["*"], "effect": "deny", "actions": ["overwrite", "delete"], "repositories": ["**"], "tags": ["v*"]},
]
ONE, TWO = image("one", layers=1), image("two", layers=1)

pytestmark = pytest.mark.sanitize


@pytest.fixture
def guarded(new_registry, work):
    people = htpasswd(work / "htpasswd", PEOPLE)
    return new_registry(config={"auth": {"htpasswd": {"file": people}}, "policy": POLICY, **AT_ONCE}).start()


def caller(registry, user=None):
    return Caller(registry, user, PEOPLE.get(user))


def client(registry, user=None):
    return Client(registry.url, **({"auth": (user, PEOPLE[user])} if user else {}))


def blob_files(registry, repo):
    return sorted(p.name for p in (registry.root / "repositories" / repo).glob("blobs/*"))


def test_a_repository_is_deleted_with_all_that_only_it_had(guarded):
    with client(guarded, "alice") as c:
        c.push_image("dev/app", index([ONE, TWO]), "latest")
        c.push_image("dev/other", TWO, "latest")
        sizes = {d: len(b) for i in (ONE, TWO) for d, b in i.blobs.items()}
        shared = sum(len(b) for b in TWO.blobs.values())
        alice = caller(guarded, "alice")
        counts = {"tags": 1, "manifests": 3, "blobs": len(sizes), "own_bytes": sum(sizes.values()) - shared,
                  "shared_bytes": shared, "reclaimable_bytes": 0}
        assert alice("DELETE", "/api/v1/repositories/dev/app?dry_run=true").json() == {
            "name": "dev/app", "state": "kept", **counts}
        shown = alice.get("/api/v1/repositories/dev/app")
        assert {k: shown[k] for k in ("name", "state", *counts)} == {"name": "dev/app", "state": "kept", **counts}
        assert c.tags("dev/app") == ["latest"]
        answer = alice("DELETE", "/api/v1/repositories/dev/app").json()
        assert (answer["state"], answer["tags"], answer["manifests"], answer["blobs"]) == (
            "deleted", 1, 3, len(sizes))
        assert "dev/app" not in c.catalog()
        assert c.pull_image("dev/other", "latest").digest == TWO.digest
    until(lambda: blob_files(guarded, "dev/app") == [])
    assert sorted(TWO.blobs) == blob_files(guarded, "dev/other")


def test_deleting_a_repository_takes_the_right_to_delete_each_tag(guarded):
    with client(guarded, "alice") as c:
        c.push_image("dev/app", ONE, "latest")
        caller(guarded)("DELETE", "/api/v1/repositories/dev/app", expect=401)
        for user, path in (("bob", "dev/app"), ("bob", "dev/none"), ("alice", "ops/app")):
            caller(guarded, user)("DELETE", f"/api/v1/repositories/{path}", expect=403)
        caller(guarded, "alice")("DELETE", "/api/v1/repositories/dev/none", expect=404)
        c.push_image("dev/app", ONE, "v1")
        told = caller(guarded, "root")("DELETE", "/api/v1/repositories/dev/app", expect=403)
        assert "may not delete tag 'v1'" in told.text
        assert c.tags("dev/app") == ["latest", "v1"]


def test_deleting_may_be_turned_off(new_registry):
    registry = new_registry(config={"delete": {"enabled": False}}).start()
    with client(registry) as c:
        c.push_image("dev/app", ONE, "latest")
        caller(registry)("DELETE", "/api/v1/repositories/dev/app", expect=405)
        caller(registry)("DELETE", "/api/v1/repositories/dev/app?dry_run=yes", expect=400)
        assert c.tags("dev/app") == ["latest"]


@pytest.mark.parametrize("running", [True, False])
def test_the_command_deletes_a_repository_beside_a_server_or_without_one(new_registry, running):
    registry = new_registry(config=AT_ONCE).start()
    with client(registry) as c:
        c.push_image("dev/app", index([ONE, TWO]), "latest")
        c.push_image("dev/other", TWO, "latest")
        assert c.get_manifest("dev/app", "latest").status_code == 200
    if not running:
        registry.stop()
    printed = command(registry, "repo", "rm", "dev/app", "--dry-run")
    assert "would delete 1 tags, 3 manifests and 4 blobs" in printed
    printed = command(registry, "repo", "rm", "dev/app")
    assert printed.endswith("dev/app: done by the server\n" if running else "dev/app: done\n")
    if not running:
        registry.start()
    with client(registry) as c:
        assert c.catalog() == ["dev/other"]
        c.get_manifest("dev/app", "latest", expect=404)
        c.pull_image("dev/other", "latest")
    until(lambda: blob_files(registry, "dev/app") == [])
    assert "there is no repository dev/none" in command(registry, "repo", "rm", "dev/none", status=1)


def test_the_command_deletes_tags_by_pattern_and_age(new_registry):
    registry = new_registry().start()
    with client(registry) as c:
        for tag in ("pr-1", "pr-2", "latest"):
            c.push_image("dev/app", ONE, tag)
        printed = command(registry, "tag", "rm", "dev/app", "pr-*", "--dry-run")
        assert "would delete 2 tags" in printed and "pr-1" in printed and "latest" not in printed
        assert c.tags("dev/app") == ["latest", "pr-1", "pr-2"]
        assert "deleting 0 tags" in command(registry, "tag", "rm", "dev/app", "pr-*", "--older-than", "30d")
        assert "done by the server" in command(registry, "tag", "rm", "dev/app", "pr-*")
        assert c.tags("dev/app") == ["latest"]
        c.get_manifest("dev/app", "pr-1", expect=404)
        c.pull_image("dev/app", ONE.digest)
    assert "no pattern" in command(registry, "tag", "rm", "dev/app", "a b", status=2)
    assert "no duration" in command(registry, "tag", "rm", "dev/app", "*", "--older-than", "soon", status=2)


@pytest.fixture(params=[True, False], ids=["beside a server", "without a server"])
def ruled(request, guarded):
    """With a tag that a rule keeps from everybody."""
    with client(guarded, "root") as c:
        for tag in ("pr-1", "v1"):
            c.push_image("dev/app", ONE, tag)
    if not request.param:
        guarded.stop()
    yield guarded
    if not request.param:
        guarded.start()
    with client(guarded, "root") as c:
        assert "v1" in c.tags("dev/app")
        assert c.pull_image("dev/app", "v1") == ONE


KEPT = "a rule of the rights lets nobody move or delete"


def test_a_repository_with_a_tag_that_a_rule_keeps_from_everybody_stays(ruled):
    for words in (["--dry-run"], []):
        assert f"{KEPT} tag 'v1'" in command(ruled, "repo", "rm", "dev/app", *words, status=1)


def test_a_tag_that_a_rule_keeps_from_everybody_stays(ruled):
    for words in (["--dry-run"], []):
        printed = command(ruled, "tag", "rm", "dev/app", "*", *words)
        assert f"v1 (stays: {KEPT} it)" in printed and "delet" in printed and " 1 tags" in printed
    assert "deleting 0 tags" in command(ruled, "tag", "rm", "dev/app", "*")


def delete_tags(who, pattern, dry_run=False, expect=200, query="", repo="dev/app", **more):
    path = f"/api/v1/repositories/{repo}/delete-tags{query}"
    return who("POST", path, {"pattern": pattern, "dry_run": dry_run, **more}, expect=expect)


@pytest.fixture
def alice_and_tags(guarded):
    """Who may delete all tags but those that begin with v; and these are there."""
    with client(guarded, "root") as c:
        for tag in ("latest", "pr-1", "pr-2", "v1"):
            c.push_image("dev/app", ONE, tag)
        yield caller(guarded, "alice"), c


def test_tags_by_pattern_are_deleted_over_http_but_those_that_the_caller_may_not(alice_and_tags):
    alice, c = alice_and_tags
    dry = delete_tags(alice, "*", dry_run=True).json()
    assert (dry["name"], dry["state"], dry["tags"], dry["staying"]) == ("dev/app", "kept", 3, 1)
    assert [(t["tag"], t["goes"]) for t in dry["list"]] == [
        ("latest", True), ("pr-1", True), ("pr-2", True), ("v1", False)]
    assert dry["list"][0]["digest"] == ONE.digest
    assert c.tags("dev/app") == ["latest", "pr-1", "pr-2", "v1"]
    assert delete_tags(alice, "pr-*", older_than="30d").json()["tags"] == 0
    assert delete_tags(alice, "pr-*").json() == {"name": "dev/app", "state": "deleted", "tags": 2}
    assert delete_tags(alice, "*").json()["tags"] == 1
    assert c.tags("dev/app") == ["v1"]
    c.pull_image("dev/app", ONE.digest)


def test_a_dry_run_over_http_has_pages(alice_and_tags):
    alice, _ = alice_and_tags
    seen, query = [], "?n=3"
    while query:
        answer = delete_tags(alice, "*", dry_run=True, query=query)
        assert answer.json()["tags"] == 3
        seen.append([t["tag"] for t in answer.json()["list"]])
        query = "?" + answer.links["next"]["url"].partition("?")[2] if "next" in answer.links else None
    assert seen == [["latest", "pr-1", "pr-2"], ["v1"]]


def test_what_is_wrong_with_a_deletion_of_tags_is_told(alice_and_tags, guarded):
    alice, c = alice_and_tags
    assert "'pattern' is no pattern" in delete_tags(alice, "a b", expect=400).text
    assert "'older_than' is no duration" in delete_tags(alice, "*", older_than="soon", expect=400).text
    assert "dry_run" in alice("POST", "/api/v1/repositories/dev/app/delete-tags", {"pattern": "*"}, expect=400).text
    delete_tags(alice, "*", repo="dev/none", expect=404)
    delete_tags(caller(guarded, "bob"), "*", expect=403)
    delete_tags(caller(guarded), "*", expect=401)
    assert len(c.tags("dev/app")) == 4


def test_a_repository_may_be_called_as_the_path_of_deletions_ends(new_registry):
    registry = new_registry().start()
    with client(registry) as c:
        c.push_image("dev/delete-tags", ONE, "latest")
        assert caller(registry).get("/api/v1/repositories/dev/delete-tags")["tags"] == 1
        caller(registry)("DELETE", "/api/v1/repositories/dev/delete-tags")
        assert c.catalog() == []


def test_what_repositories_hold_is_listed_with_its_size(new_registry):
    registry = new_registry().start()
    with client(registry) as c:
        c.push_image("dev/app", ONE, "latest")
        c.push_image("dev/other", ONE, "latest")
        c.push_image("ops/app", TWO, "latest")
        c.push_blob("ops/app", b"nobody names this")
    shared = sum(len(b) for b in ONE.blobs.values())
    own = sum(len(b) for b in TWO.blobs.values()) + 17
    rows = [line.split() for line in command(registry, "repo", "ls", "--size").splitlines()[1:]]
    assert rows == [["1", "1", "0", str(shared), "0", "dev/app"], ["1", "1", "0", str(shared), "0", "dev/other"],
                    ["1", "1", str(own), "0", "17", "ops/app"],
                    ["3", "3", str(own), str(2 * shared), "17", "all", "of", "these"]]
    assert command(registry, "repo", "ls", "dev") == "dev/app\ndev/other\n"
