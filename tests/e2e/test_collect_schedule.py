"""Collection by itself: at the times of gc.schedule, and forgetting of runs after gc.journal_keep."""

import json

import places
import pytest
from content import command
from helpers import Client
from places import sql
from waiting import until


@pytest.fixture(params=places.NAMES)
def sections(request, s3_servers):
    with places.place(request.param, s3_servers) as made:
        yield made


def runs(registry):
    return [json.loads(line) for line in command(registry, "gc", "runs", "--json").splitlines()]


def make_due(registry, kind):
    """The job of that kind is done now."""
    until(lambda: sql(registry, f"SELECT kind FROM jobs WHERE kind = '{kind}'") == kind, timeout=60)
    sql(registry, f"UPDATE jobs SET due_ms = 0 WHERE kind = '{kind}' RETURNING kind")


def test_the_schedule_collects_once_for_all_servers(new_registry, sections):
    both = "metadata" in sections
    config = {**sections, "gc": {"schedule": "0 0 1 1 *", "grace": "0s", "linger": "0s", "untagged": "1h"}}
    registry = new_registry(config=config).start()
    others = [new_registry(config=config).start() for _ in range(both)]
    with Client(registry.url) as client:
        digest = client.push_blob("app", b"nobody names it")
        make_due(registry, "schedule")
        until(lambda: any(run["ended"] for run in runs(registry)))  # asking for the blob would keep it
        assert not client.has_blob("app", digest)
    assert [(run["by"], run["deleted"]["blobs"]) for run in runs(registry)] == [("schedule", 1)]
    for made in registry, *others:
        made.stop()


def make_old(registry, run):
    sql(registry, f"UPDATE records SET value = replace(value, '\"started\":', '\"started\":0,\"began\":')"
                  f" WHERE collection = 'gc.runs' AND key = '{run}' RETURNING key")


def count(registry, collection):
    return int(sql(registry, f"SELECT count(*) FROM records WHERE collection = '{collection}'"))


def test_old_runs_are_forgotten_unless_they_can_be_undone(new_registry, sections):
    config = {**sections, "gc": {"journal_keep": "30d", "undo": "1h", "grace": "0s"}}
    registry = new_registry(config=config).start()
    with Client(registry.url) as client:
        for i in range(2):
            client.push_blob("app", b"%d" % i)
            command(registry, "gc", "--delete", "--older-than", "0s")
        command(registry, "gc", "--delete", "--older-than", "0s")
        first, second, empty = [run["id"] for run in runs(registry)]
        command(registry, "gc", "undo", first)
        undo = runs(registry)[-1]["id"]
        for run in first, second, empty:
            make_old(registry, run)
        make_due(registry, "journal")
        until(lambda: [run["id"] for run in runs(registry)] == [second, undo], timeout=60)
        assert (count(registry, "gc.journal"), count(registry, "gc.content")) == (1, 0)
        command(registry, "gc", "undo", second)
        assert client.get_blob("app", client.push_blob("app", b"1")).content == b"1"
    registry.stop()
