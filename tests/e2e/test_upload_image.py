"""/upload-image: an archive becomes an image that can be pulled, or is refused and leaves nothing."""

import json
import re
import subprocess
from contextlib import contextmanager

import pytest
import requests
from accounts import htpasswd
from archives import crafted, docker_archive, upload
from below import files_below
from helpers import MIB, Client, Wire, image, random_bytes, image_of_layers, tar_layer, write_oci_layout
from places import NAMES, place
from waiting import until

FINE = crafted.GOOD


def case(name):
    return next(data for n, data, _ in crafted.cases() if n == name)


def contents_below(root):
    """Contents on the disk, of repositories and of what is being received."""
    return {p for part in ("repositories", "temp") for p in files_below(root / part) if "_probe" not in p.name}


# As look.c has them.
BOUNDS = {"max_bytes": "1MiB", "max_unpacked_bytes": "8MiB", "max_members": 100, "json_bytes": "64KiB", "decoder_memory": "16MiB"}
TOO_LARGE = ("TOO_LARGE", "UNPACKED_TOO_LARGE", "TOO_MANY_MEMBERS", "JSON_TOO_LARGE", "DECODER_MEMORY")


@pytest.mark.config({"upload": BOUNDS})
def test_every_crafted_archive_is_taken_or_refused_as_it_should(registry, client):
    for i, (name, data, found) in enumerate(crafted.cases()):
        if isinstance(found, str):
            continue
        repo = f"crafted/n{i}"
        wanted = {"repository": repo, "tag": "given"} if len(found) == 1 else {"repository": repo}
        answer = client.request("PUT", "/upload-image", (201, 400), params=wanted, data=data)
        if answer.status_code == 400:  # several images, and not a tag for each
            assert answer.json()["errors"][0]["detail"]["code"] in ("CHOICE", "NO_TAG"), name
            continue
        for stored in answer.json()["images"]:
            client.get_manifest(repo, stored["digest"])
            for tag in stored["tags"]:
                assert client.get_manifest(repo, tag).headers["Docker-Content-Digest"] == stored["digest"], name


@pytest.mark.config({"upload": BOUNDS})
def test_nothing_of_refused_archives_remains(registry, client):
    before = contents_below(registry.root)
    for name, data, found in crafted.cases():
        if not isinstance(found, str):
            continue
        error = upload(client, data, expect=413 if found in TOO_LARGE else 400, repository="bad/app", tag="v1")
        if found != "TOO_LARGE":  # its length says so before anything is read
            assert error["detail"]["code"] == found and error["detail"]["expected"], name
    client.request("GET", "/v2/bad/app/tags/list", (404,))
    until(lambda: contents_below(registry.root) <= before)


@pytest.mark.parametrize("pack", [bytes, crafted.packed, crafted.zstd], ids=["plain", "gzip", "zstd"])
def test_the_same_archive_again_changes_nothing(client, pack):
    first = upload(client, pack(FINE), repository="team/app", tag="v1")
    assert first["newBlobs"] == first["blobs"] == 3
    again = upload(client, pack(FINE), repository="team/app", tag="v1")
    assert again == first | {"id": again["id"], "newBlobs": 0, "newBytes": 0}  # each upload has an id of its own


def test_tags_are_those_of_the_archive_when_none_is_given(client):
    made = image(seed="tags")
    upload(client, docker_archive(made, ["else.example/x:one", "else.example/y:two"]), repository="team/app")
    assert client.tags("team/app") == ["one", "two"]


def test_a_body_that_comes_in_chunks_without_a_length_is_taken(client):
    pieces = (FINE[i : i + 700] for i in range(0, len(FINE), 700))
    upload(client, pieces, method="POST", repository="team/app", tag="v1")
    assert client.tags("team/app") == ["v1"]


def test_of_several_images_one_can_be_chosen(client):
    two = case("two-images")
    error = upload(client, two, expect=400, repository="team/app", tag="v1")
    assert error["detail"]["code"] == "CHOICE" and "team/b:1" in error["message"]
    answer = upload(client, two, repository="team/app", tag="v1", image="team/b:1")
    assert [i["tags"] for i in answer["images"]] == [["v1"]] and answer["blobs"] == 2


@pytest.mark.parametrize("name", ["two-images-one-tag", "two-images-no-tags"])
def test_images_that_no_name_tells_apart_are_chosen_by_the_digests_of_the_refusal(client, name):
    error = upload(client, case(name), expect=400, repository="team/app", tag="v1")
    digests = re.findall("sha256:[0-9a-f]{64}", error["detail"]["wrong"])
    assert error["detail"]["code"] == "CHOICE" and len(set(digests)) == 2
    for digest in digests:
        (stored,) = upload(client, case(name), repository="team/app", tag="v1", image=digest)["images"]
        assert stored["digest"] == digest == client.get_manifest("team/app", "v1").headers["Docker-Content-Digest"]


def test_one_tag_of_the_archive_is_never_given_to_two_images(client):
    for where in ({}, {"repository": "team/app"}):
        error = upload(client, case("two-images-one-tag"), expect=400, **where)
        assert error["detail"]["code"] == "CHOICE" and "the same tag" in error["detail"]["wrong"]
    client.request("GET", "/v2/team/app/tags/list", (404,))


def test_platforms_beside_each_other_are_told_when_none_is_the_one_that_is_asked_for(client):
    platforms = case("o-platforms-without-index")
    (stored,) = upload(client, platforms, repository="team/app", tag="v1", platform="linux/arm64")["images"]
    assert stored["platform"] == "linux/arm64"
    error = upload(client, platforms, expect=400, repository="team/app", tag="v1", platform="linux/s390x")
    assert "there are: linux/amd64, linux/arm64" in error["detail"]["wrong"]


def test_an_indented_config_stays_as_it_is(client):
    (stored,) = upload(client, case("config-indented"), repository="team/app")["images"]
    config = client.get_blob("team/app", stored["config"]).content
    assert json.loads(config) == json.loads(crafted.BOTH) and config != crafted.BOTH


def test_a_layer_that_is_no_tar_is_stored_and_said_to_be_none_when_somebody_looks_into_it(client):
    upload(client, case("layer-no-tar"), repository="team/app", tag="v1")
    refused = client.request("GET", "/api/v1/images/team/app/v1/analysis", (422,))
    assert "layer 0" in refused.text


def test_of_a_partial_index_the_platform_that_is_there_gets_the_tag(client):
    partial = case("o-partial-index")
    stored = upload(client, partial, repository="team/app")["images"][0]
    assert stored["missing"] == 1 and stored["platform"] == "linux/amd64"
    assert client.get_manifest("team/app", "1").headers["Docker-Content-Digest"] == stored["digest"] != stored["insteadOf"]


@pytest.mark.config({"manifest": {"sparse_indexes": True}})
def test_a_partial_index_is_kept_where_indexes_may_be_sparse(client):
    partial = case("o-partial-index")
    stored = upload(client, partial, repository="team/app")["images"][0]
    assert stored["missing"] == 1 and "index" in stored["mediaType"]


@pytest.mark.config({"quotas": [{"namespace": "team", "bytes": "4KiB"}]})
def test_what_a_quota_refuses_half_way_leaves_nothing(client):
    digests = ["sha256:" + crafted.sha(x) for x in (crafted.ONE, crafted.TWO, crafted.BOTH)]
    upload(client, FINE, expect=403, repository="team/app", tag="v1")
    assert not any(client.has_blob("team/app", d) for d in digests)
    upload(client, FINE, repository="other/app", tag="v1")


@pytest.mark.config({"limits": {"blob_size": "1KiB"}})
def test_a_layer_larger_than_blobs_may_be_is_refused(registry, client):
    made = image_of_layers([tar_layer({"a": random_bytes(40_000)})])
    upload(client, docker_archive(made, ["a:1"]), expect=413, repository="team/app")
    client.request("GET", "/v2/team/app/tags/list", (404,))


@contextmanager
def half_an_archive(registry):
    """Sent, and some of it stored."""
    made = docker_archive(image_of_layers([tar_layer({"a": random_bytes(400_000)})]), ["a:1"])
    before = contents_below(registry.root)
    with Wire(registry.url) as wire:
        wire.send(b"PUT /upload-image?repository=team/app HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(made))
        wire.send(made[:200_000])
        until(lambda: contents_below(registry.root) != before)
        yield


def test_an_archive_that_breaks_off_leaves_nothing(registry, client):
    before = contents_below(registry.root)
    with half_an_archive(registry):
        pass
    until(lambda: contents_below(registry.root) <= before)


@pytest.mark.config({"upload": {"concurrent": 2}, "http": {"workers": 2}})
def test_slow_clients_hold_no_worker_and_one_too_many_is_told_to_wait(registry, client):
    slow = docker_archive(image_of_layers([tar_layer({"a": random_bytes(400_000)})]), ["a:1"])
    head = b"PUT /upload-image?repository=team/app&tag=v1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    with Wire(registry.url) as one, Wire(registry.url) as two:
        for wire in (one, two):
            before = len(contents_below(registry.root))
            wire.send(head % len(slow) + slow[:200_000])
            until(lambda n=before: len(contents_below(registry.root)) > n, timeout=60)
        refused = client.request("PUT", "/upload-image", (429,), data=FINE, params={"repository": "a", "tag": "v1"})
        assert int(refused.headers["Retry-After"]) >= 1
        client.push_blob("other/app", b"others go on")
        one.send(slow[200_000:])
        assert one.read_response()[0] == 201
        upload(client, FINE, repository="team/c", tag="v1")


PEOPLE = {"alice": "wonder-Land9", "bob": "build-It7"}
POLICY = [
    {"subjects": ["user:alice"], "actions": ["pull", "push"], "repositories": ["dev/**"]},
    {"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["dev/**"]},
]


@pytest.fixture
def guarded(new_registry, work):
    path = htpasswd(work / "htpasswd", PEOPLE)
    return new_registry(config={"auth": {"htpasswd": {"file": path}}, "policy": POLICY}).start()


@pytest.mark.parametrize("name, status", [(None, 401), ("bob", 403)])
def test_rights_are_asked_before_the_body_comes(guarded, name, status):
    auth = requests.Request("PUT", "http://x/", auth=name and (name, PEOPLE[name])).prepare().headers
    line = f"Authorization: {auth['Authorization']}\r\n" if name else ""
    with Wire(guarded.url) as wire:
        wire.send(b"PUT /upload-image?repository=dev/app&tag=v1 HTTP/1.1\r\nHost: x\r\n"
                  b"Content-Length: 1000000000\r\nExpect: 100-continue\r\n" + line.encode() + b"\r\n")  # fmt: skip
        assert wire.read_response()[0] == status


def test_a_tag_that_may_not_be_moved_is_not_and_nothing_else_comes(guarded):
    with Client(guarded.url, auth=("alice", PEOPLE["alice"])) as alice:
        upload(alice, FINE, repository="dev/app", tag="v1")
        upload(alice, FINE, repository="dev/app", tag="v1")  # it points there
        other = image(seed="other")
        error = upload(alice, docker_archive(other, None), expect=403, repository="dev/app", tag="v1")
        assert "may not move" in error["message"]
        assert not any(alice.has_blob("dev/app", digest) for digest in other.blobs)


@pytest.mark.parametrize("where", NAMES)
def test_a_large_layer_comes_back_byte_by_byte(where, new_registry, s3_servers):
    layers = [tar_layer({f"file-{n}": random_bytes(size, n)}) for n, size in enumerate((17 * MIB, 300_000, 1000))]
    made = image_of_layers(layers)
    data = docker_archive(made, ["x:v1"])
    with place(where, s3_servers) as config:
        registry = new_registry(config=config).start()
        with Client(registry.url) as client:
            upload(client, data[: len(data) // 2], expect=400, repository="team/app")
            assert not any(client.has_blob("team/app", digest) for digest in made.blobs)
            upload(client, data, repository="team/app")
            pulled = client.pull_image("team/app", "v1")
            digests = [x["digest"] for x in made.document["layers"]]
            assert [x["digest"] for x in pulled.document["layers"]] == digests
            assert all(pulled.blobs[d] == made.blobs[d] for d in digests)
            assert upload(client, crafted.packed(data), repository="team/app")["newBlobs"] == 0
        registry.stop()


def curl(registry, command, **params):
    """`COMMAND | curl -T -`, as a user has it."""
    query = "&".join(f"{k}={v}" for k, v in params.items())
    script = f"{command} | curl -sS --fail-with-body -T - '{registry.url}/upload-image?{query}'"
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_what_docker_saves_is_the_same_image_when_it_is_pulled(registry, docker, work):
    (work / "a").write_bytes(random_bytes(300_000))
    (work / "Dockerfile").write_text("FROM scratch\nCOPY a /\nENV x=y\nCOPY Dockerfile /\n")
    docker.build(work, "saved")
    identity = docker.image_id("saved")
    curl(registry, f"docker -H {docker.socket} save saved | gzip", repository="team/app", tag="v1")
    docker.remove("saved")
    name = f"{registry.address}/team/app:v1"
    docker("pull", name)
    assert docker.image_id(name) == identity
    docker.remove(name)


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_what_podman_saves_is_the_same_image_when_it_is_pulled(registry, containers, work, form):
    write_oci_layout(work / "layout", image(seed=form, layers=3))
    containers.podman("pull", f"oci:{work / 'layout'}:latest")
    identity = containers.podman("images", "-q", "--no-trunc").strip().removeprefix("sha256:")
    containers.podman("save", "--format", form, "-o", str(work / "saved.tar"), identity)
    curl(registry, f"cat {work / 'saved.tar'}", repository="team/app", tag="v1")
    containers.podman("rmi", "--force", identity)
    name = f"{registry.address}/team/app:v1"
    containers.podman("pull", name)
    assert json.loads(containers.podman("inspect", name))[0]["Id"] == identity


@pytest.mark.config({"upload": {"timeout": "1s"}, "maintenance": {"interval": "100ms"}})
def test_what_a_kill_leaves_goes_by_itself(registry, client):
    before = contents_below(registry.root)
    with half_an_archive(registry):
        registry.kill()
    registry.start()
    until(lambda: contents_below(registry.root) == before, timeout=60)
