"""kill -9 in each phase of an upload of an archive: there is no tag or a whole image, the same archive sent again is taken,
and what had come goes by itself. On files, and with two replicas over a bucket, one of which is killed."""

import threading

import pytest
import requests
from archives import docker_archive, upload
from below import files_below
from content import command
from helpers import MIB, Client, Wire, image_of_layers, random_bytes, tar_layer
from postgres_proxy import COMMIT, DONE, STATEMENT, PostgresProxy
from waiting import until

MADE = image_of_layers([tar_layer({"a": random_bytes(n, n)}) for n in (400_000, 300_000)])
LARGE = image_of_layers([tar_layer({"a": random_bytes(6 * MIB, "large")}), tar_layer({"b": b"b"})])
ROWS = {
    "verifying": ("b.size_bytes FROM repos", STATEMENT),
    "the row of a blob": ("INTO blobs", COMMIT),
    "the row of a blob, done": ("INTO blobs", DONE),
    "the row of a manifest": ("INTO manifests", COMMIT),
    "the row of a manifest, done": ("INTO manifests", DONE),
    "the row of a tag": ("INTO tags", COMMIT),
    "the row of a tag, done": ("INTO tags", DONE),
}
OBJECTS = {
    "a part": ("part", False, "", LARGE),
    "completing the parts, done": ("complete", True, "", LARGE),
    "the object of a blob": ("put", False, "blobs/", MADE),
    "the object of a manifest, done": ("put", True, "manifests/", MADE),
}
OF_REPLICAS = [*OBJECTS, "the row of a blob, done", "the row of a manifest", "the row of a tag", "the row of a tag, done"]
SWEPT = {"upload": {"timeout": "1s"}, "maintenance": {"interval": "100ms"}, "gc": {"linger": "1s"}}


def send(url, made):
    """The answer's status, or None when there was none."""
    data, wanted = docker_archive(made, None), {"repository": "team/app", "tag": "v1"}
    try:
        return requests.put(f"{url}/upload-image", params=wanted, data=data, timeout=60).status_code
    except requests.RequestException:
        return None


def kill_when_held(registry, held, made):
    """Of an upload that has come so far."""
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(send(registry.url, made)))
    thread.start()
    held.wait(60)
    registry.kill()
    thread.join(60)
    assert statuses == [None]


def no_tag_or_whole(client, made):
    tags = client.request("GET", "/v2/team/app/tags/list", (200, 404)).json().get("tags", [])
    assert tags in ([], ["v1"])
    if tags:
        assert layers_of(client.pull_image("team/app", "v1")) == layers_of(made)


def layers_of(pulled):
    return [x["digest"] for x in pulled.document["layers"]]


def temporary_files(registry):
    return files_below(registry.root / "temp" / "uploads")


@pytest.fixture
def line(postgresql):
    with PostgresProxy(postgresql.port) as between:
        yield between


@pytest.fixture
def on_files(new_registry, postgresql, line):
    """Files, and a database whose line a test may hold."""
    section = {**postgresql.section(), "url": line.url(postgresql.url)}
    return new_registry(config={**SWEPT, "metadata": section}).start()


def check_after_kill(registry, line):
    """It is started again."""
    line.clear()
    registry.start()
    with Client(registry.url) as client:
        no_tag_or_whole(client, MADE)
        upload(client, docker_archive(MADE, None), repository="team/app", tag="v1")
        assert layers_of(client.pull_image("team/app", "v1")) == layers_of(MADE)
    until(lambda: not temporary_files(registry), timeout=60)
    registry.stop()
    assert "all is well" in command(registry, "check")


@pytest.mark.parametrize("phase", ROWS)
def test_on_files(on_files, line, phase):
    kill_when_held(on_files, line.hold(*ROWS[phase]), MADE)
    check_after_kill(on_files, line)


def test_on_files_while_it_comes(on_files, line):
    data = docker_archive(MADE, None)
    with Wire(on_files.url) as wire:
        head = {"Content-Length": len(data)}
        wire.send_request("PUT", "/upload-image?repository=team/app&tag=v1", head, data[: len(data) // 2])
        until(lambda: temporary_files(on_files), timeout=60)
        on_files.kill()
    check_after_kill(on_files, line)


@pytest.mark.without_redis
@pytest.mark.parametrize("phase", OF_REPLICAS)
def test_of_one_replica_and_repeated_at_the_other(new_replicas, phase):
    victim, other = replicas = new_replicas(2, config=SWEPT, s3={"part_size": 5 * MIB})
    made = MADE
    if phase in ROWS:
        held = victim.database.hold(*ROWS[phase])
    else:
        kind, after, target, made = OBJECTS[phase]
        held = victim.bucket.hold(kind, after, target=target)
    kill_when_held(victim.registry, held, made)
    victim.heal_lines()
    with Client(other.url) as client:
        no_tag_or_whole(client, made)
        upload(client, docker_archive(made, None), repository="team/app", tag="v1")
    victim.start()
    for replica in replicas:
        with Client(replica.url) as client:
            assert layers_of(client.pull_image("team/app", "v1")) == layers_of(made)
