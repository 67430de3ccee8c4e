"""Repositories and tags as pages show them: docs/api.md, "Repositories and tags"."""

import json

import pytest
from accounts import Caller, htpasswd
from helpers import Client, image, index
from waiting import until

PEOPLE = {"alice": "wonder-Land9", "bob": "build-It7", "carl": "release-Me5"}
POLICY = [
    {"subjects": ["user:alice"], "actions": ["pull", "push", "overwrite", "delete"], "repositories": ["**"]},
    {"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["team/**"]},
    {"subjects": ["user:carl"], "actions": ["pull"], "repositories": ["team/app"], "tags": ["v*"]},
]
LIST = "/api/v1/repositories"
ONE, TWO = image("one", layers=2), image("two", layers=1)

pytestmark = pytest.mark.sanitize


def size(*images):
    parts = {d: len(b) for i in images for d, b in i.blobs.items()}
    return sum(parts.values()) + sum(len(i.manifest) for i in images)


@pytest.fixture
def open_registry(new_registry):
    return new_registry().start()


@pytest.fixture
def guarded(new_registry, work):
    people = htpasswd(work / "htpasswd", PEOPLE)
    registry = new_registry(config={"auth": {"htpasswd": {"file": people}}, "policy": POLICY}).start()
    with Client(registry.url, auth=("alice", PEOPLE["alice"])) as c:
        c.push_image("team/app", ONE, "v1")
        c.push_image("team/app", TWO, "nightly")
        c.push_image("team/tool", ONE, "v1")
        c.push_image("secret/app", ONE, "v1")
    return registry


def caller(registry, user=None):
    return Caller(registry, user, PEOPLE.get(user))


def names(answer, key="repositories"):
    return [r["name"] for r in answer[key]]


def follow(ask, path):
    """All names of a list, page by page."""
    found, key = [], "tags" if path.split("?")[0].endswith("/tags") else "repositories"
    while path:
        answer = ask("GET", path)
        found += names(answer.json(), key)
        path = answer.headers["Link"][1:].split(">")[0] if "Link" in answer.headers else None
    return found


def test_repositories_are_searched_sorted_and_paged(open_registry):
    ask = caller(open_registry)
    with Client(open_registry.url) as c:
        for name in ("b/app", "a/app", "c/other"):
            c.push_image(name, ONE, "latest")
        c.push_image("c/other", TWO, "second")
    assert follow(ask, f"{LIST}?n=1") == ["a/app", "b/app", "c/other"]
    assert follow(ask, f"{LIST}?n=1&sort=pushed") == ["c/other", "a/app", "b/app"]
    assert follow(ask, f"{LIST}?n=1&sort=size")[0] == "c/other"
    assert follow(ask, f"{LIST}?n=1&search=APP&sort=pushed") == ["a/app", "b/app"]
    assert follow(ask, f"{LIST}?search=other") == ["c/other"]


def test_a_repository_says_what_it_has(open_registry):
    ask = caller(open_registry)
    with Client(open_registry.url) as c:
        c.push_image("app", ONE, "v1")
        c.push_image("app", TWO, "v2")
    row = ask.get(LIST)["repositories"][0]
    blobs = {d: len(b) for i in (ONE, TWO) for d, b in i.blobs.items()}
    assert (row["tags"], row["manifests"], row["size"]) == (2, 2, sum(blobs.values()))
    assert row["latest"]["tag"] == "v2" and row["latest"]["digest"] == TWO.digest
    assert row["latest"]["artifact_type"] is None and row["latest"]["scan"] is None
    assert row["pushed"] and row["pulled"] is None
    assert {**ask.get(f"{LIST}/app?brief=true"), "x": 0} == {**row, "description": None, "annotations": {}, "x": 0}
    assert ask.get(f"{LIST}/app")["state"] == "kept"


def test_a_tag_says_what_it_points_to(open_registry):
    ask = caller(open_registry)
    both = index([ONE, TWO])
    with Client(open_registry.url) as c:
        c.push_image("app", ONE, "one")
        c.push_image("app", both, "both")
    rows = {r["name"]: r for r in ask.get(f"{LIST}/app/tags")["tags"]}
    assert rows["one"]["digest"] == ONE.digest
    assert rows["one"]["size"] == size(ONE)
    assert rows["one"]["platforms"] == [] and rows["one"]["signed"] is False
    assert rows["both"]["size"] == size(ONE, TWO) + len(both.manifest)
    assert [p["digest"] for p in rows["both"]["platforms"]] == [ONE.digest, TWO.digest]
    assert [p["size"] for p in rows["both"]["platforms"]] == [size(ONE), size(TWO)]


def test_tags_are_searched_sorted_and_paged(open_registry):
    ask = caller(open_registry)
    with Client(open_registry.url) as c:
        for tag in ("v2", "RC-1", "v1"):
            c.push_image("app", ONE, tag)
    assert follow(ask, f"{LIST}/app/tags?n=1") == ["RC-1", "v1", "v2"]
    assert follow(ask, f"{LIST}/app/tags?n=1&sort=pushed") == ["v1", "RC-1", "v2"]
    assert follow(ask, f"{LIST}/app/tags?n=2&search=rc") == ["RC-1"]


def test_everybody_sees_what_they_may_see_and_no_more(guarded):
    bob, carl = caller(guarded, "bob"), caller(guarded, "carl")
    assert names(caller(guarded, "alice").get(LIST)) == ["secret/app", "team/app", "team/tool"]
    assert sorted(follow(bob, f"{LIST}?n=1&sort=pushed")) == ["team/app", "team/tool"]
    assert names(bob.get(f"{LIST}?search=secret")) == []
    assert "Link" not in bob("GET", f"{LIST}?n=2").headers
    for path in ("", "/tags", "?brief=true"):
        hidden = bob("GET", f"{LIST}/secret/app{path}", expect=404).json()
        none = bob("GET", f"{LIST}/none/app{path}", expect=404).json()
        assert json.dumps(hidden).replace("secret/app", "none/app") == json.dumps(none)
    row = carl.get(LIST)["repositories"][0]
    assert row["name"] == "team/app"
    assert (row["tags"], row["manifests"], row["size"], row["latest"]) == (None, None, None, None)
    assert names(carl.get(f"{LIST}/team/app/tags"), "tags") == ["v1"]
    caller(guarded)("GET", LIST, expect=401)
    caller(guarded)("GET", f"{LIST}/team/app/tags", expect=401)


def test_names_of_people_and_what_would_be_freed_are_for_those_who_push(guarded):
    bob, alice = caller(guarded, "bob"), caller(guarded, "alice")
    assert bob.get(f"{LIST}/team/app/tags")["tags"][0]["pushed_by"] is None
    assert alice.get(f"{LIST}/team/app/tags")["tags"][0]["pushed_by"] == "user:alice"
    assert "own_bytes" not in bob.get(f"{LIST}/team/app")
    assert "own_bytes" in alice.get(f"{LIST}/team/app")
    assert "own_bytes" not in alice.get(f"{LIST}/team/app?brief=true")


@pytest.mark.parametrize("query,told", [
    ("sort=age", "'sort' is name, pushed or size"),
    ("n=-1", "'n' is not a number"),
    ("last=%00", "'last'"),
    ("last=..%2F", "'last' is not what the Link"),
    ("sort=pushed&last=app", "'last' is not what the Link"),
    ("sort=size&last=99999999999999999999:app", "'last' is not what the Link"),
    ("search=" + "x" * 300, "'search' is malformed or too long"),
])
def test_bad_parameters_are_told(open_registry, query, told):
    assert told in caller(open_registry)("GET", f"{LIST}?{query}", expect=400).text


def test_tags_are_not_sorted_by_size(open_registry):
    with Client(open_registry.url) as c:
        c.push_image("app", ONE, "v1")
    assert "'sort' is name or pushed" in caller(open_registry)("GET", f"{LIST}/app/tags?sort=size", expect=400).text


@pytest.mark.parametrize("search", ["%25", "'", "%22", "_", "%FF", "%F0%9F%90%99", "a%27%20OR%201%3D1", "%5C", "%0A"])
def test_a_search_for_anything_finds_what_has_it_and_nothing_else(open_registry, search):
    with Client(open_registry.url) as c:
        c.push_image("app", ONE, "v1")
    ask = caller(open_registry)
    assert names(ask.get(f"{LIST}?search={search}")) == []
    assert names(ask.get(f"{LIST}/app/tags?search={search}"), "tags") == []


def test_no_more_than_the_configured_page(new_registry):
    registry = new_registry(config={"limits": {"details_page": 2}}).start()
    with Client(registry.url) as c:
        for name in "abc":
            c.push_image(name, ONE, "v1")
    answer = caller(registry)("GET", f"{LIST}?n=100")
    assert names(answer.json()) == ["a", "b"] and "n=2&last=b" in answer.headers["Link"]


def test_a_repository_that_is_called_tags_is_in_the_list_and_has_tags(open_registry):
    with Client(open_registry.url) as c:
        c.push_image("app/tags", ONE, "v1")
    ask = caller(open_registry)
    assert names(ask.get(f"{LIST}?search=app/tags")) == ["app/tags"]
    assert names(ask.get(f"{LIST}/app/tags/tags"), "tags") == ["v1"]
    ask("GET", f"{LIST}/app/tags", expect=404)


def test_pulls_are_shown_where_they_are_recorded(new_registry):
    registry = new_registry(config={"retention": [{"repositories": ["**"], "keep_pulled": "30d"}]}).start()
    ask = caller(registry)
    with Client(registry.url) as c:
        c.push_image("app", ONE, "v1")
        c.push_image("app", TWO, "v2")
        c.pull_image("app", "v1")
    registry.restart()
    until(lambda: ask.get(LIST)["repositories"][0]["pulled"])
    rows = {r["name"]: r for r in ask.get(f"{LIST}/app/tags")["tags"]}
    assert rows["v1"]["pulled"] and rows["v2"]["pulled"] is None
