"""`registry gc undo`: what a run deleted comes back, whole images or nothing, beside a server and without one."""

import json

import places
import pytest
from content import command
from helpers import Client, artifact, image, index

WINDOW = {"gc": {"undo": "1h"}}
AT_ONCE = ("--delete", "--older-than", "0s")


@pytest.fixture(params=[*places.NAMES, "table"])
def registry(request, new_registry, s3_servers):
    with places.place(request.param, s3_servers) as sections:
        registry = new_registry(config={**sections, **WINDOW}).start()
        yield registry
        registry.stop()


@pytest.fixture
def files(new_registry):
    return new_registry(config=WINDOW).start()


def last_run(registry):
    """The newest that deletes."""
    runs = map(json.loads, command(registry, "gc", "runs", "--json").splitlines())
    return [run["id"] for run in runs if "deleted" in run][-1]


def collect(registry, *words):
    command(registry, "gc", *AT_ONCE, *words)
    return last_run(registry)


def undo(registry, run, *words, status=0):
    """What it tells in the end."""
    return json.loads(command(registry, "gc", "undo", run, "--json", *words, status=status).splitlines()[-1])


def back(sums):
    return sums["back"]["manifests"], sums["back"]["blobs"], sums["tags"], sums["problems"]


def test_an_index_of_which_a_run_took_the_children_comes_back_with_them(registry):
    signed, other = image(1), image(2)
    with Client(registry.url) as client:
        inner = index([signed, other])
        client.push_image("app", index([inner]), "v1")
        client.push_blob("app", b"nobody names it")
        client.delete_manifest("app", index([inner]).digest)
        run = collect(registry)
        client.get_manifest("app", inner.digest, expect=404)
        expected = (3, len({**signed.blobs, **other.blobs}) + 1, 0, 0)
        assert back(undo(registry, run, "--dry-run")) == expected
        client.get_manifest("app", inner.digest, expect=404)
        assert back(undo(registry, run)) == expected
        assert client.pull_image("app", inner.digest) == inner
        assert back(undo(registry, run)) == (0, 0, 0, 0)
        client.push_manifest("app", "v1", index([inner]))
        command(registry, "gc", *AT_ONCE)
        client.pull_image("app", "v1")


def test_tags_come_back_unless_they_point_somewhere_else(files):
    subject = image(1)
    tags = [subject.digest.replace(":", "-") + ending for ending in (".sig", ".att")]
    with Client(files.url) as client:
        client.push_image("app", subject, "v1")
        for i, tag in enumerate(tags):
            client.push_image("app", image(2 + i), tag)
        client.delete_manifest("app", subject.digest)
        run = collect(files)
        assert client.tags("app") == []
        client.push_image("app", image(9), tags[0])
        sums = undo(files, run)
        assert (sums["tags"], sums["tags_elsewhere"]) == (1, 1)
        assert client.pull_image("app", tags[0]) == image(9)
        assert client.pull_image("app", tags[1]) == image(3)


def test_an_image_of_which_a_piece_is_gone_is_left_out_and_told(files):
    whole, broken = image(1), image(2)
    layer = next(iter(broken.blobs))
    with Client(files.url) as client:
        outer = index([whole, broken])
        client.push_image("app", outer, "v1")
        client.delete_manifest("app", outer.digest)
        run = collect(files)
    files.stop()
    for path in files.root.glob(f"**/blobs/{layer}"):
        path.unlink()
    files.start()
    printed = command(files, "gc", "undo", run, status=1)
    assert "by the server" in printed and "Not to be had any more: 1\n" in printed
    assert f"lost  app@{broken.digest}  it names blob {layer}, which is deleted" in printed
    with Client(files.url) as client:
        client.pull_image("app", whole.digest)
        client.get_manifest("app", broken.digest, expect=404)
        assert not any(client.has_blob("app", digest) for digest in set(broken.blobs) - set(whole.blobs))


def test_it_is_done_without_a_server_as_well(files):
    signature = artifact("a/signature", subject=image(1).descriptor())
    with Client(files.url) as client:
        client.push_image("app", image(1), "v1")
        client.push_image("app", signature)
        client.delete_manifest("app", image(1).digest)
    files.stop()
    run = collect(files)
    printed = command(files, "gc", "undo", run)
    assert "by the server" not in printed
    assert f"Brought back 1 manifest, {len({**image(1).blobs, **signature.blobs})} blobs" in printed
    files.start()
    with Client(files.url) as client:
        client.pull_image("app", signature.digest)


def test_layers_that_another_repository_has_come_back_after_their_bytes_went(new_registry):
    registry = new_registry().start()
    with Client(registry.url) as client:
        client.push_image("app", index([image(1)]), "v1")
        client.push_image("other", image(1), "v1")
        client.delete_manifest("app", index([image(1)]).digest)
        run = collect(registry)
        assert back(undo(registry, run)) == (1, len(image(1).blobs), 0, 0)
        client.pull_image("app", image(1).digest)


def test_a_run_that_is_none_is_told(files):
    assert "no run 2026" in command(files, "gc", "undo", "2026", status=1)
    run = collect(files)
    undo(files, run)
    runs = [json.loads(line) for line in command(files, "gc", "runs", "--json").splitlines()]
    of_undo = [r for r in runs if r.get("undo") == run]
    assert [r["state"] for r in of_undo] == ["done"]
    assert "none that deletes" in command(files, "gc", "undo", of_undo[0]["id"], "--dry-run", status=1)
