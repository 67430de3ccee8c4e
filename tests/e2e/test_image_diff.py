"""GET /api/v1/images/{name}/{reference}/diff: two images compared."""

import json

import pytest

from accounts import PASSWORD, Accounts
from clients import run
from helpers import Client, canonical, digest_of, image_of_layers, tar_layer
from test_image_tree import FILE, HARD, LINK, ask, tar

pytestmark = pytest.mark.sanitize

BASE = tar(
    ("etc/same", FILE, b"same"),
    ("etc/changed", FILE, b"before"),
    ("etc/gone", FILE, b"gone!"),
    ("etc/link", LINK, "same"),
    ("etc/hard", HARD, "etc/same"),
    ("app/a-1.0.jar", FILE, b"1"),
)
MORE = tar(
    ("etc/same", FILE, b"same"),  # again
    ("etc/changed", FILE, b"and after"),
    ("etc/.wh.gone", FILE, b""),
    ("etc/link", LINK, "changed"),
    ("etc/new", FILE, b"new"),
    ("app/.wh.a-1.0.jar", FILE, b""),
    ("app/a-1.1.jar", FILE, b"2"),
)


def diff(client, reference="v1", repo="team/app", **params):
    return ask(client, repo, reference, "diff", **params).json()


@pytest.fixture
def two(client):
    client.push_image("team/app", image_of_layers([BASE]), "v1")
    client.push_image("team/app", image_of_layers([BASE, MORE]), "v2")


def changes(found):
    return {x["path"]: x["change"] for x in found["files"]["list"]}


def test_files_that_differ_are_told(client, two):
    found = diff(client, **{"with": "v2"})
    assert changes(found) == {
        "/app/a-1.0.jar": "removed",
        "/app/a-1.1.jar": "added",
        "/etc/changed": "changed",
        "/etc/gone": "removed",
        "/etc/link": "changed",
        "/etc/new": "added",
    }
    assert list(changes(found)) == sorted(changes(found))
    assert found["files"]["added"] == {"files": 2, "before_bytes": 0, "after_bytes": 4}
    assert found["files"]["removed"] == {"files": 2, "before_bytes": 6, "after_bytes": 0}
    assert found["files"]["changed"] == {"files": 2, "before_bytes": 6, "after_bytes": 9}


def test_a_change_says_what_and_both_sides(client, two):
    files = {x["path"]: x for x in diff(client, **{"with": "v2"})["files"]["list"]}
    changed, link, new = files["/etc/changed"], files["/etc/link"], files["/etc/new"]
    assert changed["what"] == ["contents"]
    assert (changed["before"]["size"], changed["after"]["size"]) == (6, 9)
    assert (changed["before"]["layer"], changed["after"]["layer"]) == (0, 1)
    assert changed["before"]["sha256"] != changed["after"]["sha256"]
    assert (link["what"], link["before"]["link"], link["after"]["link"]) == (["link"], "same", "changed")
    assert "before" not in new and new["after"]["size"] == 3


def test_layers_and_packages_are_compared(client, two):
    found = diff(client, **{"with": "v2"})
    assert (found["before"]["layers"], found["after"]["layers"], found["common_layers"]) == (1, 2, 1)
    assert (found["before"]["files"], found["after"]["files"]) == (6, 6)
    assert found["packages"]["removed"] == [{"kind": "java", "name": "a", "version": "1.0"}]
    assert found["packages"]["added"] == [{"kind": "java", "name": "a", "version": "1.1"}]


def test_an_image_does_not_differ_from_itself(client, two):
    found = diff(client, **{"with": "v1"})
    assert found["files"]["list"] == found["config"] == found["packages"]["added"] == []




def test_configs_are_compared_setting_by_setting(client):


    for tag, config in {
        "v1": {"Env": ["PATH=/bin", "A=1"], "Cmd": ["sh"], "Labels": {"x": "1"}},
        "v2": {"Env": ["PATH=/bin", "A=2", "B=3"], "Cmd": ["bash"], "User": "app"},
    }.items():
        made = image_of_layers([BASE])
        document = made.document
        old = document["config"]["digest"]
        data = canonical(json.loads(made.blobs.pop(old)) | {"config": config})
        document["config"].update(digest=digest_of(data), size=len(data))
        made.blobs[digest_of(data)] = data
        made.manifest = canonical(document)
        client.push_image("team/app", made, tag)
    found = {x["key"]: (x["before"], x["after"]) for x in diff(client, **{"with": "v2"})["config"]}
    assert found == {
        "Cmd": (["sh"], ["bash"]),
        "User": (None, "app"),
        "Env.A": ("1", "2"),
        "Env.B": (None, "3"),
        "Labels.x": ("1", None),
    }


def test_pages_go_through_all_that_differs(client):
    files = {f"d/{i:04}": b"x" for i in range(250)}
    client.push_image("team/app", image_of_layers([tar_layer({"a": b"a"})]), "v1")
    client.push_image("team/app", image_of_layers([tar_layer({"a": b"a"}), tar_layer(files)]), "v2")
    diff(client, **{"with": "v2"})
    found, url = [], "/api/v1/images/team/app/v1/diff?with=v2&n=100"
    while url:
        r = client.request("GET", url, 200)
        found += changes(r.json())
        url = r.links.get("next", {}).get("url")
    assert found == [f"/{x}" for x in files]


def test_the_other_image_may_be_of_another_repository(client, two):
    client.push_image("other/app", image_of_layers([BASE, MORE]), "v9")
    assert changes(diff(client, **{"with": "other/app:v9"})) == changes(diff(client, **{"with": "v2"}))
    ask(client, "team/app", "v1", "diff", 404, **{"with": "other/app:none"})
    ask(client, "team/app", "v1", "diff", 404, **{"with": "cyberdock.internal/layers:v1"})
    assert "NAME@DIGEST" in ask(client, "team/app", "v1", "diff", 400).text


def test_the_command_tells_files_of_images_of_a_server(registry, client, two):
    words = [str(registry.binary), "diff", "team/app:v1", "team/app:v2", "--url", registry.url]
    assert json.loads(run([*words, "--json"])) == diff(client, **{"with": "v2"})
    text = run(words)
    assert "in common   1\nadded       2 files, 0 B -> 4 B\n" in text
    assert "- java a 1.0\n+ java a 1.1\n" in text
    assert "- /etc/gone  5 B\n~ /etc/link  0 B -> 0 B  link\n+ /etc/new  3 B\n" in text


@pytest.mark.config({
    "auth": "local",
    "policy": [{"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["dev/**"]}],
})
def test_it_takes_the_right_to_pull_both(registry):
    accounts = Accounts(registry)
    accounts.add("alice", "--admin")
    accounts.add("bob")
    with Client(registry.url, auth=("alice", PASSWORD)) as alice:
        for repo in ("dev/app", "prod/app"):
            alice.push_image(repo, image_of_layers([BASE]), "v1")
        diff(alice, repo="dev/app", **{"with": "prod/app:v1"})
    with Client(registry.url, auth=("bob", PASSWORD)) as bob:
        diff(bob, repo="dev/app", **{"with": "v1"})
        hidden = ask(bob, "dev/app", "v1", "diff", 404, **{"with": "prod/app:v1"})
        absent = ask(bob, "dev/app", "v1", "diff", 404, **{"with": "prod/none:v1"})
        assert hidden.json()["errors"][0]["code"] == absent.json()["errors"][0]["code"]
        ask(bob, "prod/app", "v1", "diff", 404, **{"with": "dev/app:v1"})
