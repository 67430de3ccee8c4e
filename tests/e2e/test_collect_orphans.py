"""`registry gc --orphans`: content of the store that the database does not know, in files and in a bucket, with a
server and without one, by the clock only when it is configured."""

import json
import os
import time

import places
import pytest
from content import command
from helpers import Client, digest_of, image
from s3_buckets import Bucket
from test_collect_schedule import make_due, runs
from waiting import until

LOST = b"a blob that nobody knows"
DIGEST = digest_of(LOST)
# What lies in a bucket can't be made older than it is.
YOUNG = {
    "gc": {"grace": "0s", "linger": "0s"},
    "upload": {"timeout": "1s"},
    "maintenance": {"interval": "1s"},
}


def make_old(path):
    """Older than upload.timeout and gc.grace."""
    then = time.time() - 2 * 3600
    os.utime(path, (then, then))


def leave_blob(registry, repo):
    """What a kill left between "stored" and "committed"; returns the path."""
    path = registry.root / "repositories" / repo / "blobs" / DIGEST
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(LOST)
    make_old(path)
    return path


def leave_manifest(registry, repo):
    data = image(9).manifest
    path = registry.root / "repositories" / repo / "manifests" / digest_of(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    make_old(path)
    return path


def gc(registry, *words):
    """What it told of what the database does not know: (action, kind, repository, size); and its sums."""
    printed = command(registry, "gc", *words, "--json").splitlines()
    lines = [json.loads(line) for line in printed if line.startswith("{")]
    return [
        (x["action"], x["kind"], x["repository"], x["size"])
        for x in lines[:-1]
        if x["reason"] == "the database does not know it"
    ], lines[-1]


@pytest.mark.parametrize("serving", [False, True], ids=["stopped", "serving"])
def test_they_are_told_and_taken_away_on_the_operators_word(new_registry, serving):
    registry = new_registry().start()
    with Client(registry.url) as client:
        client.push_image("app", image(), "v1")
    registry.stop()
    blob, manifest = leave_blob(registry, "app"), leave_manifest(registry, "gone/long/ago")
    sizes = len(LOST), manifest.stat().st_size
    if serving:
        registry.start()
    assert gc(registry, "--dry-run")[0] == []
    told, _ = gc(registry, "--dry-run", "--orphans", "1h")
    assert sorted(told) == [
        ("condemn", "blob", "app", sizes[0]),
        ("delete", "manifest", "gone/long/ago", sizes[1]),
    ]
    assert blob.exists() and manifest.exists()
    _, sums = gc(registry, "--delete", "--older-than", "0s", "--orphans", "1h")
    assert (sums["deleted"]["blobs"], sums["deleted"]["manifests"]) == (1, 1)
    assert not blob.exists() and not manifest.exists()
    assert "was deleted by run" in command(registry, "gc", "explain", DIGEST)
    if not serving:
        registry.start()
    with Client(registry.url) as client:
        assert client.pull_image("app", "v1") == image()


@pytest.mark.parametrize("orphans, stays", [("0s", True), ("1h", False)], ids=["by default", "with an age"])
def test_the_schedule_takes_them_only_when_it_is_told_to(new_registry, orphans, stays):
    registry = new_registry(config={"gc": {"schedule": "0 0 1 1 *", "orphans": orphans}})
    registry.start()
    registry.stop()
    manifest = leave_manifest(registry, "app")
    registry.start()
    make_due(registry, "schedule")
    until(lambda: [run["state"] for run in runs(registry)] == ["done"], timeout=60)
    assert manifest.exists() == stays


def leave_in(bucket, registry):
    """A blob and a manifest; returns their keys."""
    known, lost = image(), image(9)
    with Client(registry.url) as client:
        client.push_image("app", known, "v1")
    hexes = [digest.partition(":")[2] for digest in (known.digest, lost.digest)]
    key = next(key for key in bucket.keys() if hexes[0] in key and key.startswith("manifests/"))
    keys = [f"blobs/{DIGEST.replace(':', '/')}", key.replace(*hexes)]
    bucket.put(keys[0], LOST)
    bucket.put(keys[1], lost.manifest)
    return keys


@pytest.mark.parametrize("name", ["bucket", "table"])
def test_a_bucket_is_cleared_by_its_server(new_registry, s3_servers, name):
    with places.place(name, s3_servers) as sections:
        registry = new_registry(config={**sections, **YOUNG}).start()
        bucket = Bucket(s3_servers("minio"))
        bucket.name = sections["storage"]["s3"]["bucket"]
        keys = leave_in(bucket, registry)
        until(lambda: len(gc(registry, "--dry-run", "--older-than", "0s", "--orphans", "1ms")[0]) == 2, timeout=60)
        command(registry, "gc", "--delete", "--older-than", "0s", "--orphans", "1ms")
        until(lambda: not set(keys) & set(bucket.keys()), timeout=60)
        with Client(registry.url) as client:
            assert client.pull_image("app", "v1") == image()
        registry.stop()
