"""`analysis.index`: which images have a file, by GET /api/v1/files and `registry find-file`."""

import hashlib
import subprocess

import pytest
from accounts import htpasswd
from content import command
from documented import follow, page, program
from helpers import Client, image_of_layers, index, tar_layer
from server import merged
from waiting import until

pytestmark = pytest.mark.sanitize
INDEXED = {"analysis": {"index": True}}

LOG4J = b"the bytes of a jar"
BASE = tar_layer({"etc/os-release": b"ID=test\n", "usr/lib/libc.so.6": b"libc", "usr/bin/env": b"env"})
APP = tar_layer({"opt/app/lib/log4j-core-2.14.jar": LOG4J, "opt/app/lib/other.jar": b"other"})
OTHER = tar_layer({"srv/log4j-core-2.17.jar": b"newer", "srv/main.py": b"print()"})


def ask(client, expect=200, **params):
    return client.request("GET", "/api/v1/files", expect, params=params)


def found(client, **params):
    """(repository, tag, path) of each file, from all pages."""
    rows = []
    answer = ask(client, **params)
    while True:
        rows += [(f["repository"], (f["tags"] or [""])[0], f["path"]) for f in answer.json()["files"]]
        if "next" not in answer.links:
            return rows
        answer = client.request("GET", answer.links["next"]["url"])


def indexed(client):
    until(lambda: ask(client, path="none").json()["index"]["complete"], timeout=60)


def push_some(client):
    client.push_image("team/app", image_of_layers([BASE, APP]), "v1")
    client.push_image("team/tool", image_of_layers([BASE, OTHER]), "v2")
    indexed(client)


@pytest.fixture
def client(new_registry):
    with Client(new_registry(config=INDEXED).start().url) as made:
        push_some(made)
        yield made


def test_a_file_is_found_with_its_image(client):
    (row,) = ask(client, path="log4j-core-2.14.jar").json()["files"]
    made = image_of_layers([BASE, APP])
    assert row == {
        "repository": "team/app",
        "tags": ["v1"],
        "more_tags": False,
        "digest": made.digest,
        "platform": "linux/amd64",
        "layer": made.document["layers"][1]["digest"],
        "path": "opt/app/lib/log4j-core-2.14.jar",
        "type": "file",
        "size": len(LOG4J),
        "sha256": hashlib.sha256(LOG4J).hexdigest(),
    }


@pytest.mark.parametrize(
    "params, paths",
    [
        ({"path": "log4j-core-*.jar"}, ["opt/app/lib/log4j-core-2.14.jar", "srv/log4j-core-2.17.jar"]),
        ({"path": "*.jar"}, ["opt/app/lib/log4j-core-2.14.jar", "opt/app/lib/other.jar", "srv/log4j-core-2.17.jar"]),
        ({"path": "/opt/**/*.jar"}, ["opt/app/lib/log4j-core-2.14.jar", "opt/app/lib/other.jar"]),
        ({"path": "/srv/*"}, ["srv/log4j-core-2.17.jar", "srv/main.py"]),
        ({"path": "*og4j*"}, ["opt/app/lib/log4j-core-2.14.jar", "srv/log4j-core-2.17.jar"]),
        ({"path": "/usr/bin/env"}, ["usr/bin/env", "usr/bin/env"]),
        ({"sha256": hashlib.sha256(LOG4J).hexdigest()}, ["opt/app/lib/log4j-core-2.14.jar"]),
        ({"path": "main.p"}, []),
    ],
)
def test_patterns(client, params, paths):
    assert sorted(row[2] for row in found(client, **params)) == paths


@pytest.mark.parametrize("n", [1, 2, 3])
def test_pages_have_all_of_it(client, n):
    assert sorted(found(client, path="**", n=n)) == sorted(found(client, path="**"))


@pytest.mark.parametrize(
    "params", [{}, {"path": "a", "sha256": "0" * 64}, {"sha256": "12"}, {"path": "etc/"}, {"path": "a", "last": "x"}]
)
def test_what_can_not_be_asked_is_refused(client, params):
    ask(client, 400, **params)


def test_an_image_of_an_index_has_its_tags(client):
    made = index([image_of_layers([BASE, APP], architecture="arm64")])
    client.push_image("multi/app", made, "latest")
    until(lambda: ("multi/app", "latest", "usr/bin/env") in found(client, path="env"), timeout=60)


def test_an_image_that_is_deleted_is_not_found(client):
    client.delete_manifest("team/app", image_of_layers([BASE, APP]).digest)
    assert found(client, path="log4j-core-2.14.jar") == []
    assert found(client, path="env") == [("team/tool", "v2", "usr/bin/env")]


def test_an_image_whose_layers_are_known_is_found_too(client):
    client.push_image("team/again", image_of_layers([BASE, APP]), "v3")
    until(lambda: len(found(client, path="log4j-core-2.14.jar")) == 2, timeout=60)


def test_it_is_there_after_a_restart_and_gc(new_registry):
    registry = new_registry(config={**INDEXED, "gc": {"grace": "0s"}}).start()
    with Client(registry.url) as client:
        push_some(client)
    registry.stop()
    assert "0 blobs" in command(registry, "gc", "--delete")
    assert "all is well" in command(registry, "check")
    registry.start()
    with Client(registry.url) as client:
        assert len(found(client, path="*.jar")) == 3
        assert client.catalog() == ["team/app", "team/tool"]
        client.request("GET", "/v2/cyberdock.internal/files/tags/list", 404)


def test_what_was_there_before_there_was_an_index_is_indexed(new_registry):
    registry = new_registry().start()
    with Client(registry.url) as client:
        client.push_image("team/app", image_of_layers([BASE, APP]), "v1")
        ask(client, 405, path="env")
    registry.stop()
    registry.config = merged(registry.config, INDEXED)
    registry.start()
    with Client(registry.url) as client:
        indexed(client)
        assert found(client, path="env") == [("team/app", "v1", "usr/bin/env")]


def test_a_layer_that_can_not_be_read_is_told_of(client):
    client.push_image("odd/app", image_of_layers([b"no tar at all" * 1000]), "v1")
    state = until(lambda: ask(client, path="env").json()["index"]["unreadable"] or None, timeout=60)
    assert state == 1


def test_nobody_finds_what_they_may_not_pull(new_registry, work):
    people = {"alice": "wonder-Land9", "bob": "build-It7"}
    policy = [
        {"subjects": ["user:alice"], "actions": ["*"], "repositories": ["**"]},
        {"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["team/tool"]},
    ]
    config = {**INDEXED, "auth": {"htpasswd": {"file": htpasswd(work / "htpasswd", people)}}, "policy": policy}
    registry = new_registry(config=config).start()
    with Client(registry.url, auth=("alice", people["alice"])) as alice:
        push_some(alice)
        assert len(found(alice, path="env")) == 2
        alice.request("GET", "/v2/cyberdock.internal/files/tags/list", 404)
    with Client(registry.url, auth=("bob", people["bob"])) as bob:
        assert found(bob, path="env", n=1) == [("team/tool", "v2", "usr/bin/env")]
        assert found(bob, path="log4j-core-2.14.jar") == []
    with Client(registry.url) as nobody:
        ask(nobody, 401, path="env")


def find_file(registry, *words, status=0):
    done = subprocess.run(
        [registry.binary, "find-file", *words, "--url", registry.url],
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_the_examples_of_the_page_do_as_it_says(new_registry, work):
    registry = new_registry(config=INDEXED).start()
    files = {"opt/app/lib/log4j-core-2.14.jar": b"the bytes of a jar"}
    with Client(registry.url) as client:
        client.push_image("team/app", image_of_layers([tar_layer(files)]), "v1")
        files = {"srv/log4j-core-2.17.jar": b"newer", "srv/main.py": b"foo"}
        client.push_image("team/tool", image_of_layers([tar_layer(files)]), "v2")
        indexed(client)
    program(work, "registry", f'exec {registry.binary} "$@" --url {registry.url}')
    follow(page("files.md"), registry, work)


def test_the_command_prints_images(new_registry):
    registry = new_registry(config=INDEXED).start()
    with Client(registry.url) as client:
        push_some(client)
    made = image_of_layers([BASE, APP])
    assert find_file(registry, "log4j-core-2.14.jar") == (
        f"team/app:v1@{made.digest}  linux/amd64  {len(LOG4J)}  /opt/app/lib/log4j-core-2.14.jar\n"
    )
    assert len(find_file(registry, "**", "--limit", "3").splitlines()) == 3
    assert find_file(registry, hashlib.sha256(LOG4J).hexdigest(), "--sha256", "--json").startswith('{"repository":"team/app"')
    command(registry, "find-file", "--build")
    with Client(registry.url) as client:
        indexed(client)
