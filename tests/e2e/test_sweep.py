"""Manifests in the store that the database does not know: found by the server, removed by `registry sweep`."""

import json
import os
import time

import pytest

from content import command, snapshot
from helpers import Client, digest_of, image
from waiting import until

pytestmark = pytest.mark.sanitize

FOUND = "the store holds manifests that the database does not know"


@pytest.fixture
def registry(new_registry):
    return new_registry(config={"maintenance": {"interval": "100ms"}}).start()


def make_old(path):
    """Older than upload.timeout."""
    then = time.time() - 2 * 3600
    os.utime(path, (then, then))


def leave_stray(registry, repo):
    """What an earlier version left of a push that it had refused; returns the path."""
    data = json.dumps({"schemaVersion": 2, "of": repo}).encode()
    path = registry.root / "repositories" / repo / "manifests" / digest_of(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    make_old(path)
    return path


def record(registry):
    records = [json.loads(line) for line in registry.log.splitlines() if FOUND in line]
    return records[0] if records else None


def test_the_log_says_how_many_there_are_and_none_is_removed(registry):
    with Client(registry.url) as client:
        client.push_image("app", image(), "v1")
    registry.stop()
    strays = [leave_stray(registry, repo) for repo in ("app", "gone/long/ago")]
    registry.start()
    said = until(lambda: record(registry))
    assert said["manifests"] == 2
    assert said["bytes"] == sum(path.stat().st_size for path in strays)
    assert sorted(said["repositories"].split(", ")) == ["app", "gone/long/ago"]
    assert all(path.exists() for path in strays)


def test_they_are_listed_and_removed_on_the_operators_word(registry):
    with Client(registry.url) as client:
        client.push_image("app", image(), "v1")
        before = snapshot(client)
        registry.stop()
        stray, young = leave_stray(registry, "app"), leave_stray(registry, "other")
        os.utime(young)
        printed = command(registry, "sweep")
        assert f"app@{stray.name}" in printed
        assert f"1 manifests, {stray.stat().st_size} bytes, that the database does not know; --remove" in printed
        assert stray.exists()
        assert ": removed" in command(registry, "sweep", "--remove")
        assert not stray.exists()
        assert young.exists()
        assert command(registry, "sweep").startswith("0 manifests")
        registry.start()
        assert snapshot(client) == before


def test_what_is_newer_than_a_backup_of_the_database_is_taken_back_by_reindex(registry):
    with Client(registry.url) as client:
        client.push_image("app", image(seed="old"), "v1")
        registry.stop()
        kept = (registry.root / "registry.db").read_bytes()
        registry.start()
        new = image(seed="new")
        client.push_image("app", new, "v2")
        before = snapshot(client)
        registry.stop()
        for file in registry.root.glob("registry.db*"):
            file.unlink()
        (registry.root / "registry.db").write_bytes(kept)
        make_old(registry.root / "repositories/app/manifests" / new.digest)
        registry.start()
        assert until(lambda: record(registry))["repositories"] == "app"
        registry.stop()
        command(registry, "reindex")
        assert command(registry, "sweep").startswith("0 manifests")
        registry.start()
        assert snapshot(client) == before


def test_removing_what_is_newer_than_a_backup_leaves_no_tag_that_points_nowhere(registry):
    with Client(registry.url) as client:
        client.push_image("app", image(seed="old"), "v1")
        registry.stop()
        kept = (registry.root / "registry.db").read_bytes()
        registry.start()
        before = snapshot(client)
        new = image(seed="new")
        client.push_image("app", new, "v1")
        client.push_image("app", new, "v2")
        registry.stop()
        for file in registry.root.glob("registry.db*"):
            file.unlink()
        (registry.root / "registry.db").write_bytes(kept)
        make_old(registry.root / "repositories/app/manifests" / new.digest)
        command(registry, "sweep", "--remove")
        assert "left out" not in command(registry, "reindex")
        registry.start()
        assert snapshot(client) == before
